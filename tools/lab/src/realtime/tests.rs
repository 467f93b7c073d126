use super::*;
use crate::link::{Loss, Reorder};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use umptcp::Device as _;
use umptcp_stack::base::seq::SeqNum;
use umptcp_stack::wire::packet::{
    self, Flags, FourTuple, Payload, SegmentHeader, Transmit, TransmitChecksum,
};
use umptcp_stack::{Endpoint, EndpointConfig, InterfaceConfig};

const MTU: u16 = 1500;

/// Far more than any step needs, on a machine however busy.
const LIMIT: Duration = Duration::from_secs(60);

/// A path between two stacks' devices.
fn devices(config: PathConfig) -> (EmulatedPath, PathDevice, PathDevice) {
    let mut builder = EmulatedPath::builder(config).expect("path");
    let client = builder.stack(Side::Client, MTU);
    let server = builder.stack(Side::Server, MTU);
    (builder.start().expect("thread"), client, server)
}

fn lossless(delay: Duration) -> PathConfig {
    PathConfig::symmetric(LinkConfig::with_delay(delay), 1)
}

/// A packet that carries a number.
fn numbered(number: u32) -> Transmit {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [0; 32]);
    let interface = endpoint.add_interface(InterfaceConfig::default());
    let address = |host, port| SocketAddr::from(([10, 0, 0, host], port));
    let header = SegmentHeader {
        traffic_class: 0,
        hop_limit: 64,
        ecn_capable: false,
        tuple: FourTuple {
            local: address(1, 1),
            remote: address(2, 2),
        },
        seq: SeqNum(number),
        ack: None,
        flags: Flags::default(),
        window: 0,
        options: &[],
    };
    packet::emit(
        interface,
        &header,
        Payload::new(),
        None,
        TransmitChecksum::Complete,
        None,
    )
}

/// The next packet from a device, whole.
async fn receive(device: &mut PathDevice) -> Vec<u8> {
    let mut buffer = vec![0; usize::from(MTU)];
    let receiving = poll_fn(|cx| device.poll_recv(cx, &mut buffer));
    let len = timeout(LIMIT, receiving)
        .await
        .expect("nothing arrives")
        .expect("received");
    buffer.truncate(len);
    buffer
}

#[tokio::test]
async fn what_one_end_sends_the_other_receives_in_order() {
    let (path, mut client, mut server) = devices(lossless(Duration::from_micros(100)));
    for number in 0..1000 {
        client.send(&numbered(number)).expect("sent");
        server.send(&numbered(number + 1_000_000)).expect("sent");
    }
    for number in 0..1000 {
        let there = numbered(number).to_bytes();
        assert_eq!(receive(&mut server).await, there);
        let back = numbered(number + 1_000_000).to_bytes();
        assert_eq!(receive(&mut client).await, back);
    }
    let counters = path.stop().expect("stopped");
    for link in [counters.to_server, counters.to_client] {
        assert_eq!((link.sent, link.delivered), (1000, 1000));
    }
    assert_eq!(counters.refused, 0);
}

#[tokio::test]
async fn nothing_arrives_before_its_time() {
    let delay = Duration::from_millis(30);
    let (_path, mut client, mut server) = devices(lossless(delay));
    let start = Instant::now();
    client.send(&numbered(1)).expect("sent");
    receive(&mut server).await;
    server.send(&numbered(2)).expect("sent");
    receive(&mut client).await;
    assert!(start.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn a_rate_spaces_packets_out() {
    // 40 bytes in 4 ms, and there are ten of them.
    let link = LinkConfig::with_rate_and_delay(80_000, Duration::ZERO);
    let (_path, mut client, mut server) = devices(PathConfig::symmetric(link, 1));
    let start = Instant::now();
    for number in 0..10 {
        client.send(&numbered(number)).expect("sent");
    }
    for number in 0..10 {
        assert_eq!(receive(&mut server).await, numbered(number).to_bytes());
    }
    assert!(start.elapsed() >= Duration::from_millis(40));
}

#[tokio::test]
async fn an_earlier_packet_wakes_the_thread_from_its_sleep_for_a_later_one() {
    let config = PathConfig {
        to_server: LinkConfig::with_delay(Duration::from_secs(3600)),
        ..PathConfig::default()
    };
    let (path, mut client, mut server) = devices(config);
    for number in 0..100 {
        client.send(&numbered(number)).expect("sent");
        server.send(&numbered(number)).expect("sent");
        assert_eq!(receive(&mut client).await, numbered(number).to_bytes());
    }
    // What is still under way is lost, and nobody waits an hour for it.
    let counters = path.stop().expect("stopped");
    assert_eq!(
        (counters.to_server.sent, counters.to_server.delivered),
        (100, 0)
    );
}

#[tokio::test]
async fn harm_is_that_of_the_links_direction_by_direction() {
    let config = PathConfig {
        to_server: LinkConfig {
            loss: Loss::Bernoulli(0.5),
            duplicate: 0.5,
            ..LinkConfig::default()
        },
        to_client: LinkConfig {
            reorder: Reorder {
                probability: 0.2,
                extra_delay: Duration::from_millis(1),
            },
            ..LinkConfig::default()
        },
        seed: 7,
    };
    let (path, mut client, mut server) = devices(config);
    for number in 0..500 {
        client.send(&numbered(number)).expect("sent");
        server.send(&numbered(number)).expect("sent");
    }
    let sent = path.counters().to_server;
    let expected = sent.sent - sent.dropped_loss + sent.duplicated;
    assert!(sent.dropped_loss > 0 && sent.duplicated > 0, "{sent:?}");
    for _ in 0..expected {
        receive(&mut server).await;
    }
    let mut arrived = Vec::new();
    for _ in 0..500 {
        arrived.push(receive(&mut client).await);
    }
    let counters = path.stop().expect("stopped");
    assert_eq!(counters.to_server.delivered, expected);
    assert!(counters.to_client.reordered > 0);
    // All of them, though not necessarily in another order: that depends on how fast they were
    // sent.
    arrived.sort();
    let mut all: Vec<Vec<u8>> = (0..500)
        .map(|number| numbered(number).to_bytes().to_vec())
        .collect();
    all.sort();
    assert_eq!(arrived, all);
}

#[tokio::test]
async fn a_cut_path_carries_again_once_it_is_joined() {
    let (path, mut client, mut server) = devices(PathConfig::default());
    path.set_up(false);
    client.send(&numbered(1)).expect("the end does not notice");
    path.set_up(true);
    client.send(&numbered(2)).expect("sent");
    assert_eq!(receive(&mut server).await, numbered(2).to_bytes());
    assert_eq!(path.counters().to_server.dropped_cut, 1);
}

#[tokio::test]
async fn devices_report_the_end_of_their_path() {
    let (path, mut client, mut server) = devices(PathConfig::default());
    drop(path);
    for device in [&mut client, &mut server] {
        let up = timeout(LIMIT, poll_fn(|cx| device.poll_link(cx))).await;
        assert_eq!(up, Ok(false));
        let error = device.send(&numbered(1)).expect_err("nobody carries it");
        assert_eq!(error.kind(), io::ErrorKind::NetworkDown);
        // Once is enough: a device that keeps reporting would keep its driver busy.
        let again = poll_fn(|cx| std::task::Poll::Ready(device.poll_link(cx))).await;
        assert!(again.is_pending());
    }
}

#[tokio::test]
async fn packets_that_nobody_takes_are_counted() {
    let mut builder = EmulatedPath::builder(PathConfig::default()).expect("path");
    let mut client = builder.stack(Side::Client, MTU);
    let mut late = builder.stack(Side::Server, 39);
    let path = builder.start().expect("thread");
    client.send(&numbered(1)).expect("sent");
    // Too long for this end, hence never read.
    late.send(&numbered(2)).expect("sent");
    receive(&mut client).await;
    let mut buffer = [0; 39];
    while path.counters().refused == 0 {
        let nothing = poll_fn(|cx| std::task::Poll::Ready(late.poll_recv(cx, &mut buffer))).await;
        assert!(nothing.is_pending());
        tokio::task::yield_now().await;
    }
    drop(late);
    client.send(&numbered(3)).expect("sent");
    while path.counters().refused == 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(path.stop().expect("stopped").refused, 2);
}
