//! What the examples of socket options run on: two hosts in this process with two links between them,
//! 10.0.0.x and 10.0.1.x, and sockets as C programs know them.

use std::error::Error;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp::bsd::{Errno, SockAddr};
use umptcp::{Interest, MemoryDevice, Stack, StackSocket};

/// Whatever goes wrong ends the example.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where the server listens.
pub(crate) const SERVER: &str = "10.0.0.2:7777";

/// A running client and a running server.
pub(crate) fn start() -> Outcome<[Stack; 2]> {
    let address = |link: u8, host: u8| IpAddr::from([10, 0, link, host]);
    let (client_0, server_0) = MemoryDevice::pair(1500);
    let (client_1, server_1) = MemoryDevice::pair(1500);
    let client = Stack::builder()
        .interface(client_0, [address(0, 1)])
        .interface(client_1, [address(1, 1)]);
    let server = Stack::builder()
        .interface(server_0, [address(0, 2)])
        .interface(server_1, [address(1, 2)]);
    Ok([client.start()?, server.start()?])
}

/// A socket, not connected yet.
pub(crate) fn socket(stack: &Stack, protocol: i32) -> Outcome<StackSocket> {
    Ok(stack.socket(libc::AF_INET, libc::SOCK_STREAM, protocol)?)
}

/// A socket that listens at [`SERVER`].
pub(crate) fn listen(server: &Stack, protocol: i32) -> Outcome<StackSocket> {
    let listener = socket(server, protocol)?;
    let address = SockAddr::plain(SERVER.parse()?);
    listener.with(|socket, net| {
        socket.bind(net, address)?;
        socket.listen(net, 8)
    })?;
    Ok(listener)
}

/// Connects a socket to [`SERVER`], and gives the one that was accepted.
pub(crate) async fn connect(socket: &StackSocket, listener: &StackSocket) -> Outcome<StackSocket> {
    let address: SocketAddr = SERVER.parse()?;
    match socket.with(|socket, net| socket.connect(net, SockAddr::plain(address))) {
        Err(Errno::EINPROGRESS) | Ok(()) => {}
        Err(error) => return Err(error.into()),
    }
    wait_connected(socket, listener).await
}

/// Waits until a socket that connects is connected, and gives the one that was accepted.
pub(crate) async fn wait_connected(
    socket: &StackSocket,
    listener: &StackSocket,
) -> Outcome<StackSocket> {
    let writable = Interest {
        writable: true,
        ..Interest::default()
    };
    poll_fn(|cx| socket.poll_ready(cx, writable)).await;
    let connected = socket.with(|socket, net| socket.connecting(net));
    connected.ok_or("it is not connected")??;
    let readable = Interest {
        readable: true,
        ..Interest::default()
    };
    poll_fn(|cx| listener.poll_ready(cx, readable)).await;
    Ok(listener.accept()?)
}

/// Waits for something that is about to come true, and fails if it does not.
pub(crate) async fn eventually(rule: &str, mut holds: impl FnMut() -> bool) -> Outcome<()> {
    for _ in 0..2000 {
        if holds() {
            return check(rule, true);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    check(rule, false)
}

/// Says that a rule holds, or ends the example.
pub(crate) fn check(rule: &str, holds: bool) -> Outcome<()> {
    if !holds {
        return Err(format!("this does not hold: {rule}").into());
    }
    println!("{rule}");
    Ok(())
}
