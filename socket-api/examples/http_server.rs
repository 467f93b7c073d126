//! HTTP over MPTCP with hyper: a server, and a client that fetches a large body from it over two
//! paths, the busier of which is cut on the way.
//!
//! ```console
//! $ cargo run -p umptcp --example http_server
//! ```
//!
//! With `--tun`, which needs the capability `CAP_NET_ADMIN`, only the server, for the kernel's
//! clients: they reach it over two TUN devices.

mod two_paths;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use two_paths::{Outcome, TwoPaths, wait_for_both_paths};
use umptcp::{ConnectionConfig, LinkSwitch, MptcpListener, Network, Stack, TunDevice};

const ADDRESS: &str = "10.0.0.2:80";
const BODY_LEN: usize = 16 << 20;
/// Once so much of the body has come, a path is cut.
const CUT_AT: usize = 1 << 20;
/// Packets that show that a path has carried data: this many are a tenth of the body.
const MANY_PACKETS: u64 = 1000;

#[tokio::main]
async fn main() -> Outcome<()> {
    if std::env::args().any(|argument| argument == "--tun") {
        return serve_the_kernel().await;
    }
    let hosts = TwoPaths::new();
    let server = hosts.server.start()?;
    let client = hosts.client.start()?;

    let listener = server.listen(ADDRESS.parse()?, ConnectionConfig::default())?;
    tokio::spawn(serve(listener));

    let stream = client.connect(ADDRESS).await?;
    tokio::task::block_in_place(|| wait_for_both_paths(|| stream.subflows()))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/body")
        .header(hyper::header::HOST, ADDRESS)
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    println!(
        "{} {:?}",
        response.status(),
        response.body().size_hint().exact()
    );
    if response.status() != StatusCode::OK {
        return Err("the server does not have it".into());
    }
    fetch(response.into_body(), &hosts.links).await?;
    drop(sender);
    connection.await??;
    Ok(())
}

/// Reads and checks the body, and cuts the path that has carried more once a part of it is there.
async fn fetch(mut body: Incoming, links: &[LinkSwitch; 2]) -> Outcome<()> {
    let expected = large_body();
    let mut position = 0;
    let mut other_at_cut = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if expected.get(position..position + data.len()) != Some(data.as_ref()) {
            return Err(format!("the body is another one from byte {position} on").into());
        }
        position += data.len();
        if position >= CUT_AT && other_at_cut.is_none() {
            let [first, second] = links;
            let (busier, other) = if first.packets_carried() > second.packets_carried() {
                (first, second)
            } else {
                (second, first)
            };
            busier.set_up(false);
            println!("a path is cut after {position} bytes");
            other_at_cut = Some((other, other.packets_carried()));
        }
    }
    if position != expected.len() {
        return Err(format!("the body ends after {position} bytes").into());
    }
    let carried = links.each_ref().map(LinkSwitch::packets_carried);
    println!(
        "{position} bytes came over {} and {} packets",
        carried[0], carried[1]
    );
    match other_at_cut {
        Some((other, before)) if other.packets_carried() - before > MANY_PACKETS => Ok(()),
        _ => Err("the path that was left has not carried the rest".into()),
    }
}

/// Serves for ever at an address on each of two TUN devices.
async fn serve_the_kernel() -> Outcome<()> {
    let network = Network::connect().await?;
    let mut stack = Stack::builder();
    for (link, name) in [(0, "http0"), (1, "http1")] {
        let device = TunDevice::open(name, 1500)?;
        network
            .add_address(name, [10, 9, link, 1].into(), 24)
            .await?;
        network.set_up(name).await?;
        stack = stack.interface(device, [[10, 9, link, 2].into()]);
    }
    let stack = stack.start()?;
    for interface in stack.interfaces() {
        stack.interface_up(*interface).await?;
    }
    let listener = stack.listen("0.0.0.0:80".parse()?, ConnectionConfig::default())?;
    println!("http://10.9.0.2/body and http://10.9.1.2/body");
    serve(listener).await;
    Ok(())
}

async fn serve(listener: MptcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            if let Err(error) = connection.await {
                eprintln!("the server's connection ends: {error}");
            }
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::default());
    match request.uri().path() {
        "/body" => *response.body_mut() = Full::new(Bytes::from(large_body())),
        _ => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}

/// Bytes of which no two nearby stretches are the same.
fn large_body() -> Vec<u8> {
    (0..BODY_LEN / 8)
        .flat_map(|number| {
            let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed.rotate_left(29).to_le_bytes()
        })
        .collect()
}
