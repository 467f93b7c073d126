//! Connecting to names and to several addresses, of which not all answer.

use crate::hosts::{Hosts, PORT, cancel_after_one_poll, exchange, soon, waits};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::{Duration, Instant};
use umptcp::{ConnectionConfig, MemoryDevice, MptcpListener, Stack};

/// Two hosts with a link on which both families are spoken.
struct Both {
    client: Stack,
    server: Stack,
}

/// Nobody has these: what is sent there vanishes.
const DEAD_V6: &str = "[fd00::9]:4000";
const DEAD_V4: &str = "10.0.0.9:4000";
const LIVE_V6: &str = "[fd00::2]:4000";
const LIVE_V4: &str = "10.0.0.2:4000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

impl Both {
    fn start() -> Self {
        let (one, other) = MemoryDevice::pair(1500);
        let host = |device, addresses: [&str; 4]| {
            let addresses = addresses.map(|text| text.parse::<IpAddr>().unwrap());
            Stack::builder()
                .interface(device, addresses)
                .start()
                .unwrap()
        };
        // The server also has the addresses that the operating system knows a name for.
        Self {
            client: host(one, ["10.0.0.1", "fd00::1", "127.0.0.9", "fd00::99"]),
            server: host(other, ["10.0.0.2", "fd00::2", "127.0.0.1", "::1"]),
        }
    }

    async fn listen(&self) -> MptcpListener {
        let everywhere = vec![address("0.0.0.0:4000"), address("[::]:4000")];
        let listen = self
            .server
            .listen_at(everywhere, ConnectionConfig::default());
        listen.await.unwrap()
    }
}

#[tokio::test]
async fn a_name_is_connected_to() {
    let hosts = Both::start();
    let config = ConnectionConfig::default();
    let listener = hosts
        .server
        .listen_at("localhost:4000", config)
        .await
        .unwrap();
    assert!(listener.local_addrs().all(|local| local.ip().is_loopback()));
    for attempt in 0..3 {
        let connect = async {
            match attempt {
                0 => hosts.client.connect("localhost:4000").await,
                1 => hosts.client.connect(("localhost", PORT)).await,
                _ => hosts.client.connect(String::from("localhost:4000")).await,
            }
        };
        let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
        let (mut client, (mut server, _)) = (client.unwrap(), server.unwrap());
        assert!(client.peer_addr().ip().is_loopback());
        exchange(&mut client, &mut server).await;
    }
}

/// RFC 8305 §5: the attempt to the dead address gets a quarter of a second, then the next begins.
#[tokio::test]
async fn a_dead_first_address_costs_a_quarter_of_a_second() {
    let hosts = Both::start();
    let listener = hosts.listen().await;
    for (dead, live) in [(DEAD_V6, LIVE_V4), (DEAD_V4, LIVE_V6), (DEAD_V4, LIVE_V4)] {
        let began = Instant::now();
        let remotes = vec![address(dead), address(live)];
        let connect = hosts.client.connect(remotes);
        let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
        let (mut client, (mut server, _)) = (client.unwrap(), server.unwrap());
        assert!(began.elapsed() >= Duration::from_millis(250));
        assert_eq!(client.peer_addr(), address(live));
        exchange(&mut client, &mut server).await;
    }
}

/// The other family is tried before the second address of the first one (RFC 8305 §4).
#[tokio::test]
async fn the_families_take_turns() {
    let hosts = Both::start();
    let listener = hosts.listen().await;
    let remotes = vec![address(DEAD_V6), address(LIVE_V6), address(LIVE_V4)];
    let connect = hosts.client.connect(remotes);
    let (client, _server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    assert_eq!(client.unwrap().peer_addr(), address(LIVE_V4));
}

#[tokio::test]
async fn the_loser_is_given_up() {
    let hosts = Both::start();
    let listener = hosts.listen().await;
    let local = address("10.0.0.1:7000");
    let mut socket = hosts.client.socket_v4();
    socket.bind(local).unwrap();
    let connect = socket.connect(vec![address(DEAD_V4), address(LIVE_V4)]);
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    let (client, _server) = (client.unwrap(), server.unwrap());
    assert_eq!(client.local_addr(), local);
    // Its four-tuple is free again. A second attempt from there would be refused otherwise.
    let config = ConnectionConfig::default();
    let again = hosts
        .client
        .connect_with(Some(local), address(DEAD_V4), config.clone());
    assert!(waits(pin!(again)).await);
    let taken = hosts
        .client
        .connect_with(Some(local), address(LIVE_V4), config);
    assert_eq!(taken.await.unwrap_err().kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_refusal_leads_to_the_next_address_and_the_error_tells_of_all() {
    let hosts = Both::start();
    let listener = hosts.listen().await;
    let remotes = vec![address("10.0.0.2:1"), address(LIVE_V4)];
    let connect = hosts.client.connect(remotes);
    let (client, _server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    assert_eq!(client.unwrap().peer_addr(), address(LIVE_V4));

    let remotes = vec![address("[fd00::2]:0"), address("10.0.0.2:2")];
    let error = soon(hosts.client.connect(remotes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("[fd00::2]:0") && text.contains("10.0.0.2:2") && text.contains("refused"),
        "{text}"
    );
}

#[tokio::test]
async fn a_family_that_the_stack_lacks_does_not_hide_a_refusal() {
    let hosts = Hosts::start(1);
    let remotes = vec![address("10.0.0.2:1"), address(LIVE_V6)];
    let error = soon(hosts.client.connect(remotes)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    assert!(error.to_string().contains(LIVE_V6), "{error}");
}

#[tokio::test]
async fn connecting_has_a_limit_and_can_be_cancelled() {
    let hosts = Both::start();
    let local = address("10.0.0.1:7000");
    let connect = |remotes: Vec<SocketAddr>| {
        let mut socket = hosts.client.socket_v4();
        socket.bind(local).unwrap();
        socket.connect(remotes)
    };
    let limit = Duration::from_millis(300);
    let error = soon(hosts.client.connect_timeout(DEAD_V4, limit))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");

    // Cancelled at once, and with both attempts under way: what they had is free again.
    let dead = || vec![address(DEAD_V4), address("10.0.0.8:4000")];
    cancel_after_one_poll(connect(dead())).await;
    assert!(tokio::time::timeout(limit, connect(dead())).await.is_err());
    assert!(waits(pin!(connect(dead()))).await);
    let listener = hosts.listen().await;
    let connect = connect(vec![address(LIVE_V4)]);
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    let (mut client, (mut server, _)) = (client.unwrap(), server.unwrap());
    exchange(&mut client, &mut server).await;
}
