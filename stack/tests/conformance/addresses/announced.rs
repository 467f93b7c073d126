//! ADD_ADDR of the stack.

use super::{address, since};
use crate::peer::options::add_addr_echo;
use crate::peer::{Mptcp, Packet, Scene, Setup, VERSIONS, Version};
use std::net::IpAddr;
use std::time::Duration;
use umptcp_stack::{AddressError, Instant, JoinPorts, MptcpCounter as Counter};

fn second_address() -> IpAddr {
    [10, 1, 1, 1].into()
}

/// The announcements among what was sent, with their times.
fn announcements(sent: &[Packet]) -> Vec<(Instant, Vec<u8>)> {
    let options = sent
        .iter()
        .flat_map(|packet| packet.raw(3).into_iter().map(|option| (packet.at, option)));
    options.collect()
}

impl Scene {
    fn stack_announces(&mut self, address: IpAddr, port: Option<u16>) {
        let id = self.connection();
        let done = self
            .endpoint
            .announce_address(self.now, Some(id), address, port);
        assert_eq!(done, Ok(()));
        self.collect();
    }
}

/// The whole life of one announcement, from the beginning of the connection.
fn announced(setup: Setup) -> (Scene, Vec<Instant>) {
    let mut scene = Scene::new(setup);
    let capable = scene.capable_syn();
    let initial = scene.syn(capable);
    let capable = scene.capable_third_ack();
    scene.third_ack(initial, capable);
    scene.accept().expect("the handshake is complete");
    scene.data_ack(0);
    scene.advance_ms(1_000_000);
    let expected = scene.expected_announcement(1, second_address(), None);
    let sent = scene.sent();
    let found = announcements(&sent);
    assert!(found.iter().all(|(_, option)| *option == expected));
    let times = found.iter().map(|(time, _)| *time).collect();
    (scene, times)
}

/// Protocol statement 103.
#[test]
fn an_announcement_is_repeated_a_few_times() {
    let (scene, times) = announced(Setup::listener(Version::V1).paths(2));
    assert_eq!(times.len(), 4);
    let waits: Vec<Duration> = times
        .windows(2)
        .map(|pair| since(pair[0], pair[1]))
        .collect();
    // A retransmission timeout, doubled each time.
    assert!(waits[0] >= Duration::from_millis(200) && waits[0] <= Duration::from_secs(1));
    assert_eq!(waits[1], waits[0] * 2);
    assert_eq!(waits[2], waits[0] * 4);
    assert_eq!(scene.counted(Counter::AddAddrTx), 4);
}

/// Protocol statement 103.
#[test]
fn the_wait_for_an_echo_has_a_ceiling_and_may_be_none() {
    let setup = Setup::listener(Version::V1).paths(2);
    let waits = |setup: &Setup| -> Vec<Duration> {
        let (_, times) = announced(setup.clone());
        let pairs = times.windows(2);
        pairs.map(|pair| since(pair[0], pair[1])).collect()
    };
    let first = waits(&setup)[0];
    let ceiling = first * 3 / 2;
    let limited = setup
        .clone()
        .tune(|config| config.add_addr_timeout = ceiling);
    assert_eq!(waits(&limited), [first, ceiling, ceiling]);
    let never = setup.tune(|config| config.add_addr_timeout = Duration::ZERO);
    assert_eq!(announced(never).1.len(), 1);
    // Version 0 knows no echo.
    assert_eq!(announced(Setup::listener(Version::V0).paths(2)).1.len(), 1);
}

/// Protocol statement 103.
#[test]
fn the_echo_ends_the_repetition() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V1));
    let address = scene.setup.addresses[0];
    scene.stack_announces(address, Some(8080));
    let expected = scene.expected_announcement(1, address, Some(8080));
    let sent = scene.sent();
    assert_eq!(announcements(&sent), [(scene.now, expected)]);
    // Not the echo of this one.
    let another = IpAddr::from([192, 0, 2, 99]);
    for (id, address, port) in [
        (2, address, Some(8080)),
        (1, address, Some(8081)),
        (1, address, None),
        (1, another, Some(8080)),
    ] {
        scene.option(0, add_addr_echo(id, address, port));
    }
    // The first of three repetitions; two more would follow.
    for _ in 0..100 {
        if !announcements(&scene.sent()).is_empty() {
            break;
        }
        scene.advance_ms(20);
    }
    assert_eq!(scene.counted(Counter::AddAddrTx), 2);
    scene.option(0, add_addr_echo(1, address, Some(8080)));
    scene.advance_ms(1_000_000);
    assert_eq!(announcements(&scene.sent()), []);
    assert_eq!(scene.counted(Counter::AddAddrTx), 2);
    assert_eq!(scene.counted(Counter::EchoAdd), 5);
    assert_eq!(scene.counted(Counter::PortAdd), 4);
}

#[test]
fn repetitions_take_another_subflow_each_time() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V1));
    scene.join(2);
    scene.stack_announces(scene.setup.addresses[0], Some(8080));
    scene.advance_ms(100_000);
    for subflow in [0, 1] {
        assert_eq!(announcements(&scene.sent_on(subflow)).len(), 2);
    }
}

/// RFC 6824 §3.4.1: nobody confirms it.
#[test]
fn version_0_announces_on_every_subflow() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V0));
    scene.join(2);
    scene.join(3);
    let address = scene.setup.addresses[0];
    scene.stack_announces(address, Some(8080));
    scene.advance_ms(100_000);
    let expected = scene.expected_announcement(1, address, Some(8080));
    for subflow in 0..3 {
        let sent = scene.sent_on(subflow);
        let options: Vec<_> = announcements(&sent).into_iter().map(|(_, o)| o).collect();
        assert_eq!(options, std::slice::from_ref(&expected));
    }
    assert_eq!(scene.counted(Counter::AddAddrTx), 3);
}

/// An IPv6 address with a port leaves no room for timestamps in version 1 (protocol 1.7).
#[test]
fn every_form_has_room() {
    for version in VERSIONS {
        let mut setup = Setup::listener(version);
        let v6: IpAddr = "fd00::1".parse().unwrap();
        setup.addresses.push(v6);
        setup.config.add_addr_timeout = Duration::ZERO;
        let mut scene = Scene::confirmed(setup);
        let v4 = scene.setup.addresses[0];
        for (id, address, port) in [(1, v6, None), (2, v6, Some(81)), (3, v4, Some(81))] {
            scene.stack_announces(address, port);
            scene.advance_ms(2000);
            let expected = scene.expected_announcement(id, address, port);
            let sent = scene.sent();
            let packet = sent.iter().find(|packet| !packet.raw(3).is_empty());
            let packet = packet.expect("it was announced");
            assert_eq!(packet.raw(3), [expected]);
            let bare = version == Version::V1 && id == 2;
            assert_eq!(packet.timestamps().is_none(), bare);
        }
    }
}

/// What the listener announced is a place to join, whoever listens there.
#[test]
fn a_port_that_was_announced_can_be_joined() {
    for version in VERSIONS {
        // Also where ports have to be known.
        let setup = Setup::listener(version).tune(|config| config.join_ports = JoinPorts::Known);
        let mut scene = Scene::confirmed(setup);
        let local = scene.stack_address().ip();
        let from = scene.join_source(3);
        let refused = scene.join_syn(from, (local, 8080).into(), 3, false);
        assert!(scene.peer.subflows[refused].rst_seen);
        scene.stack_announces(local, Some(8080));
        let from = scene.join_source(2);
        let second = scene.join_syn(from, (local, 8080).into(), 2, false);
        // The id of the port, not of the initial address.
        let answer = scene.peer.subflows[second].join_syn_ack;
        assert_eq!(answer.map(|join| join.id), Some(1));
        scene.join_ack(second);
        scene.data(second, b" again");
        assert_eq!(scene.read(), b" again");
    }
}

/// Protocol statement 107.
#[test]
fn ids_name_one_address_each() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::listener(version).paths(4));
        let capable = scene.capable_syn();
        let initial = scene.syn(capable);
        let capable = scene.capable_third_ack();
        scene.third_ack(initial, capable);
        scene.accept().expect("the handshake is complete");
        scene.data_ack(0);
        scene.advance_ms(500);
        // A join to the second address is answered with the id it was announced with.
        let from = scene.join_source(2);
        let to = (second_address(), 443).into();
        let joined = scene.join_syn(from, to, 2, false);
        let answer = scene.peer.subflows[joined].join_syn_ack.expect("answered");
        let id_of = |id: u8| [10, 1, id, 1].into();
        let sent = scene.sent();
        let mut told: Vec<(u8, IpAddr)> = sent
            .iter()
            .flat_map(Packet::mptcp)
            .filter_map(|option| match option {
                Mptcp::AddAddr(add) => Some((add.id, add.address)),
                _ => None,
            })
            .collect();
        told.sort();
        told.dedup();
        assert_eq!(told, [(1, id_of(1)), (2, id_of(2)), (3, id_of(3))]);
        assert_eq!(answer.id, 1);
        // Withdrawn and announced again, it gets an id that was not used.
        let connection = Some(scene.connection());
        for id in [4, 5] {
            let now = scene.now;
            let withdrawn = scene
                .endpoint
                .withdraw_address(now, connection, id_of(3), None);
            assert_eq!(withdrawn, Ok(()));
            scene.stack_announces(id_of(3), None);
            scene.advance_ms(3000);
            let told = scene.sent().iter().find_map(Packet::add_addr);
            assert_eq!(told.map(|add| (add.id, add.address)), Some((id, id_of(3))));
        }
    }
}

/// Nothing must go before the third ACK, which shows our keys.
#[test]
fn a_client_announces_when_the_peer_knows_it() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        let address = scene.setup.addresses[0];
        let now = scene.now;
        let all = scene.endpoint.announce_address(now, None, address, Some(7));
        assert_eq!(all, Ok(()));
        scene.connect();
        let capable = scene.capable_syn_ack();
        scene.syn_ack(0, capable);
        let sent = scene.sent();
        assert_eq!(announcements(&sent), []);
        assert!(sent[0].capable().is_some());
        scene.data_ack(0);
        let expected = scene.expected_announcement(1, address, Some(7));
        assert_eq!(announcements(&scene.sent()), [(scene.now, expected)]);
    }
}

#[test]
fn what_is_announced_to_all_is_announced_to_those_that_come() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::listener(version));
        let address = scene.setup.addresses[0];
        let now = scene.now;
        let all = scene.endpoint.announce_address(now, None, address, Some(7));
        assert_eq!(all, Ok(()));
        let capable = scene.capable_syn();
        let initial = scene.syn(capable);
        let capable = scene.capable_third_ack();
        scene.third_ack(initial, capable);
        let expected = scene.expected_announcement(1, address, Some(7));
        assert_eq!(announcements(&scene.sent()), [(scene.now, expected)]);
        // And taken back from them.
        scene.data_ack(0);
        scene.advance_ms(2000);
        scene.clear();
        let now = scene.now;
        let all = scene.endpoint.withdraw_address(now, None, address, Some(7));
        assert_eq!(all, Ok(()));
        scene.advance_ms(2000);
        let removed: Vec<_> = scene
            .sent()
            .iter()
            .filter_map(Packet::remove_addr)
            .collect();
        assert_eq!(removed, [[1]]);
    }
}

#[test]
fn what_cannot_be_announced_is_refused() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V1));
    let connection = Some(scene.connection());
    let local = scene.setup.addresses[0];
    let now = scene.now;
    for (address, port) in [(address(1), None), (local, Some(0))] {
        let refused = scene
            .endpoint
            .announce_address(now, connection, address, port);
        assert_eq!(refused, Err(AddressError::UnknownAddress(address)));
    }
    let unknown = scene
        .endpoint
        .withdraw_address(now, connection, local, Some(9));
    assert_eq!(unknown, Err(AddressError::UnknownAddress(local)));
    scene.abort();
    let over = scene
        .endpoint
        .announce_address(now, connection, local, Some(1));
    assert_eq!(over, Err(AddressError::NotPossible));
}
