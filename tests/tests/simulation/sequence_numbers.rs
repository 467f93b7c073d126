//! Sequence numbers that wrap while data flows, and two hosts that connect to each other at once.

use super::*;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use umptcp_lab::link::Loss;
use umptcp_lab::world::{Connect, DropIf, HostId, Outcome, Pair, World};
use umptcp_stack::wire::packet::parse;
use umptcp_stack::{ChecksumStatus, ConnectionProtocol, Instant, ReceivedPacket, Version};

/// The client's port of the connection that is looked at.
const PORT: u16 = 4321;
/// How far below the wrap the first sequence number shall be.
const BELOW: u32 = 100_000;

/// The first sequence numbers of both directions.
type Firsts = Arc<Mutex<[Option<u32>; 2]>>;

/// A world where the client connects from [`PORT`] at a given time, besides the connection that
/// each scenario has at the beginning.
fn connecting_at(scenario: &Scenario, at: Instant) -> (Pair, Firsts) {
    let mut pair = scenario.build();
    let firsts = Firsts::default();
    for direction in 0..2 {
        let firsts = Arc::clone(&firsts);
        pair.world.set_middlebox(
            pair.wires[0],
            direction,
            DropIf(move |_, packet: &Bytes| {
                let packet = ReceivedPacket {
                    data: packet.clone(),
                    checksum: ChecksumStatus::Unverified,
                };
                if let Ok(segment) = parse(&packet)
                    && segment.flags.syn
                    && [segment.tuple.local.port(), segment.tuple.remote.port()].contains(&PORT)
                {
                    firsts.lock().unwrap()[direction].get_or_insert(segment.seq.0);
                }
                false
            }),
        );
    }
    let connect = Connect {
        at,
        local: Some(SocketAddr::new(scenario.client_address(0), PORT)),
        remote: SocketAddr::new(scenario.server_address(0), scenario.port),
        config: scenario.client.connection.clone(),
    };
    pair.world
        .connect(pair.client, connect, Box::new(scenario.client_script()));
    (pair, firsts)
}

fn complete(pair: &mut Pair, limit: Instant) {
    let server = pair.server;
    let outcome = pair.world.run_until(
        |world| world.all_done() && world.sessions_of(server).count() == 2,
        limit,
    );
    assert_eq!(outcome, Outcome::Done);
    for session in pair.world.sessions() {
        let progress = session.progress();
        let (sent, received) = if session.host() == server {
            (MEGABYTE / 2, MEGABYTE)
        } else {
            (MEGABYTE, MEGABYTE / 2)
        };
        assert_eq!((progress.sent, progress.received), (sent, received));
        assert!(progress.end_of_stream);
    }
}

/// The first sequence number grows by one in 4 µs (RFC 9293 §3.4.1), so a connection can be made
/// when it is about to wrap: once for what the client sends, once for what the server does.
///
/// Protocol statements 112, 114.
#[test]
fn numbers_wrap_in_both_directions() {
    for (dialect, loss) in [
        (Some(Version::V0), Loss::None),
        (Some(Version::V0), Loss::Bernoulli(0.01)),
        (Some(Version::V1), Loss::Bernoulli(0.01)),
        (None, Loss::Bernoulli(0.01)),
    ] {
        let mut scenario = scenario("wrap").connections(|config| {
            config.mptcp = dialect.is_some();
            config.version = dialect.unwrap_or_default();
        });
        scenario.paths = paths(1, link().lossy(loss));
        let early = Instant::from_millis(20_000);
        let (mut pair, firsts) = connecting_at(&scenario, early);
        complete(&mut pair, Instant::from_millis(60_000));
        let found = firsts.lock().unwrap().map(|first| first.expect("a SYN"));
        for (direction, first) in found.into_iter().enumerate() {
            let ticks = (u32::MAX - BELOW).wrapping_sub(first);
            let at = early + Duration::from_nanos(u64::from(ticks) * 4000);
            let (mut pair, firsts) = connecting_at(&scenario, at);
            complete(&mut pair, at + Duration::from_secs(60));
            let first = firsts.lock().unwrap()[direction].expect("a SYN");
            // Half of a megabyte and more goes either way.
            assert!((1..2 * BELOW).contains(&(u32::MAX - first)), "{first}");
        }
    }
}

/// RFC 9293 figure 8, between two whole hosts: it ends in plain TCP.
///
/// Protocol statement 116.
#[test]
fn both_hosts_connect_at_once() {
    for config in [Some(Version::V0), Some(Version::V1), None] {
        for loss in [Loss::None, Loss::Bernoulli(0.1)] {
            let scenario = scenario("simultaneous open").connections(|connection| {
                connection.mptcp = config.is_some();
                connection.version = config.unwrap_or_default();
            });
            let mut world = World::new("simultaneous open", 3);
            let hosts = [
                world.add_host("one", scenario.client.endpoint.clone()),
                world.add_host("other", scenario.server.endpoint.clone()),
            ];
            let addresses = [scenario.client_address(0), scenario.server_address(0)];
            let interfaces = [0, 1].map(|end| {
                world.add_interface(hosts[end], scenario.client.interface, &addresses[end..=end])
            });
            world.add_wire(
                (hosts[0], interfaces[0]),
                (hosts[1], interfaces[1]),
                link().lossy(loss),
                link().lossy(loss),
            );
            let connect = |end: usize| Connect {
                at: Instant::ZERO,
                local: Some(SocketAddr::new(addresses[end], PORT)),
                remote: SocketAddr::new(addresses[1 - end], PORT),
                config: scenario.client.connection.clone(),
            };
            world.connect(hosts[0], connect(0), Box::new(scenario.client_script()));
            world.connect(hosts[1], connect(1), Box::new(scenario.server_script()));
            let outcome = world.run_until(World::all_done, Instant::from_millis(300_000));
            assert_eq!(outcome, Outcome::Done);
            let received =
                |host: HostId| world.sessions_of(host).next().unwrap().progress().received;
            assert_eq!(received(hosts[0]), MEGABYTE / 2);
            assert_eq!(received(hosts[1]), MEGABYTE);
            for session in world.sessions() {
                assert_eq!(session.protocol(), Some(ConnectionProtocol::Tcp));
            }
        }
    }
}
