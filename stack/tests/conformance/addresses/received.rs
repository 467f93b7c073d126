//! ADD_ADDR of the peer.

use super::address;
use crate::peer::options::{
    add_addr_echo, add_addr_v0, add_addr_v1, add_addr_v1_with, capable_flag,
};
use crate::peer::{Packet, Scene, Setup, VERSIONS, Version};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::MptcpCounter as Counter;

fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

fn echoes(sent: &[Packet]) -> Vec<Vec<u8>> {
    let echoes = sent.iter().flat_map(|packet| packet.raw(3));
    echoes.filter(|option| option[2] == 0x31).collect()
}

/// Protocol statement 101.
#[test]
fn a_wrong_hmac_is_ignored_without_an_echo() {
    let mut scene = Scene::confirmed(Setup::client(Version::V1));
    let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
    let right = add_addr_v1(ours, theirs, 4, address(1), Some(81));
    let mut bit = right.clone();
    *bit.last_mut().unwrap() ^= 1;
    for wrong in [
        bit,
        // The keys the wrong way round, as the stack would sign.
        add_addr_v1(theirs, ours, 4, address(1), Some(81)),
        add_addr_v1_with(4, address(1), Some(81), [0; 8]),
        // Of another id, address, port.
        [
            &add_addr_v1(ours, theirs, 5, address(1), Some(81))[..4],
            &right[4..],
        ]
        .concat(),
        [&right[..7], &[2], &right[8..]].concat(),
        [&right[..9], &[82], &right[10..]].concat(),
        // Version 0 has none.
        add_addr_v0(4, address(1), Some(81)),
    ] {
        scene.option(0, &wrong);
        assert_eq!(scene.joins_within(500), []);
        assert_eq!(scene.counted(Counter::EchoAddTx), 0);
    }
    assert_eq!(scene.counted(Counter::AddAddr), 0);
    scene.option(0, right);
    assert_eq!(scene.joins_within(500), [at(address(1), 81)]);
    assert_eq!(scene.counted(Counter::EchoAddTx), 1);
    assert_eq!(scene.counted(Counter::AddAddr), 1);
    assert_eq!(scene.counted(Counter::PortAdd), 1);
}

/// Protocol statement 102.
#[test]
fn the_echo_repeats_it_exactly_whether_it_is_used_or_not() {
    let v6: IpAddr = "2001:db8::9".parse().unwrap();
    let announcements = [
        (4, [192, 0, 2, 17].into(), None),
        (5, [192, 0, 2, 17].into(), Some(8443)),
        (6, v6, None),
        (7, v6, Some(1)),
        // Not to be joined at all.
        (8, [127, 0, 0, 1].into(), None),
        (9, [10, 1, 0, 1].into(), None),
        // Another address of an id that is known.
        (4, [192, 0, 2, 18].into(), None),
        // The same again.
        (5, [192, 0, 2, 17].into(), Some(8443)),
    ];
    // A listener joins nothing, and a client without places neither.
    let full = Setup::client(Version::V1).tune(|config| config.max_subflows = 1);
    let none = Setup::client(Version::V1).tune(|config| config.max_accepted_addresses = 0);
    for setup in [Setup::listener(Version::V1), full, none] {
        let mut scene = Scene::confirmed(setup);
        for (id, address, port) in announcements {
            scene.announce(0, id, address, port);
            scene.advance_ms(2000);
            let sent = scene.sent();
            assert_eq!(echoes(&sent), [add_addr_echo(id, address, port)]);
        }
        assert_eq!(scene.counted(Counter::AddAddr), 8);
        assert_eq!(scene.counted(Counter::PortAdd), 3);
        assert_eq!(scene.counted(Counter::EchoAddTx), 8);
        assert_eq!(scene.counted(Counter::MpJoinSynTx), 0);
    }
}

/// The path that brought the announcement is known to work.
///
/// Protocol statement 102.
#[test]
fn the_echo_goes_back_on_the_subflow_that_brought_it() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V1));
    scene.join(2);
    for subflow in [1, 0] {
        scene.clear();
        scene.announce(subflow, 9, [192, 0, 2, 17].into(), None);
        scene.advance_ms(2000);
        assert_eq!(echoes(&scene.sent_on(subflow)).len(), 1);
        assert!(echoes(&scene.sent_on(1 - subflow)).is_empty());
    }
}

#[test]
fn version_0_has_no_echo() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V0));
    scene.announce(0, 4, address(1), None);
    scene.option(0, add_addr_echo(4, address(1), None));
    scene.advance_ms(5000);
    assert!(scene.sent().iter().all(|packet| packet.raw(3).is_empty()));
    assert_eq!(scene.counted(Counter::AddAddr), 1);
    assert_eq!(scene.counted(Counter::EchoAdd), 0);
}

/// Protocol statement 104.
#[test]
fn a_known_id_with_another_address_is_ignored() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version));
        scene.announce(0, 4, address(1), None);
        assert_eq!(scene.joins_within(500), [at(address(1), 443)]);
        for id in [4, 0] {
            scene.announce(0, id, address(2), None);
            assert_eq!(scene.joins_within(500), []);
        }
        assert_eq!(scene.counted(Counter::AddAddrDrop), 2);
        // Under an id of its own it is news.
        scene.announce(0, 5, address(2), None);
        assert_eq!(scene.joins_within(500), [at(address(2), 443)]);
    }
}

/// Protocol statement 104.
#[test]
fn an_address_that_failed_waits_to_be_announced_again() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version));
        for _ in 0..2 {
            scene.announce(0, 4, address(1), Some(81));
            assert_eq!(scene.joins_within(500), [at(address(1), 81)]);
            scene.refuse_join();
            assert_eq!(scene.joins_within(600_000), []);
        }
        // Silence is failure as well.
        scene.announce(0, 4, address(1), Some(81));
        assert_eq!(scene.joins_within(1_000_000), [at(address(1), 81)]);
        scene.announce(0, 4, address(1), Some(81));
        assert_eq!(scene.joins_within(500), [at(address(1), 81)]);
    }
}

/// Protocol statement 104.
#[test]
fn what_is_in_use_is_not_joined_twice() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version));
        scene.announce(0, 4, address(1), Some(81));
        assert_eq!(scene.joins_within(500), [at(address(1), 81)]);
        scene.answer_join(1);
        // The same address and port, under this id and under another.
        for id in [4, 5] {
            scene.announce(0, id, address(1), Some(81));
            assert_eq!(scene.joins_within(5000), []);
        }
        // And what the initial subflow leads to.
        scene.announce(0, 6, scene.setup.peer.ip(), None);
        assert_eq!(scene.joins_within(5000), []);
        // Another port of it is a place to join.
        scene.announce(0, 4, address(1), Some(82));
        assert_eq!(scene.joins_within(500), [at(address(1), 82)]);
    }
}

/// What worked once is the peer's, and tried again when it breaks.
///
/// Protocol statement 104.
#[test]
fn an_address_that_has_worked_is_tried_again() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version));
        scene.announce(0, 4, address(1), None);
        assert_eq!(scene.joins_within(500), [at(address(1), 443)]);
        scene.answer_join(1);
        scene.rst(1, []);
        for pause in [1000, 2000, 4000, 8000] {
            assert_eq!(scene.joins_within(pause - 100), []);
            assert_eq!(scene.joins_within(200), [at(address(1), 443)]);
            scene.refuse_join();
        }
    }
}

/// Protocol statement 105.
#[test]
fn a_join_goes_to_the_announced_port_or_to_that_of_the_subflow() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version));
        scene.announce(0, 4, address(1), Some(81));
        assert_eq!(scene.joins_within(500), [at(address(1), 81)]);
        scene.answer_join(1);
        scene.announce(0, 5, address(2), None);
        assert_eq!(scene.joins_within(500), [at(address(2), 443)]);
        // The second subflow goes to port 81.
        scene.announce(1, 6, address(3), None);
        assert_eq!(scene.joins_within(500), [at(address(3), 81)]);
        // The same announcement on another subflow means the same.
        scene.announce(0, 6, address(3), None);
        assert_eq!(scene.joins_within(500), []);
    }
}

/// Protocol statement 49.
#[test]
fn an_address_of_the_other_family_is_joined_from_one_of_ours() {
    let v6: IpAddr = "fd00::9".parse().unwrap();
    for version in VERSIONS {
        let mut setup = Setup::client(version);
        setup.addresses.push("fd00::1".parse().unwrap());
        let mut scene = Scene::confirmed(setup);
        scene.announce(0, 4, v6, None);
        assert_eq!(scene.joins_within(500), [at(v6, 443)]);
        scene.answer_join(1);
        scene.data(1, b" again");
        assert_eq!(scene.read(), b" again");
    }
}

/// The one that version 0 cannot authenticate must not lead anywhere it should not
/// (protocol reference 7).
#[test]
fn nobody_is_sent_where_there_is_no_one_or_too_many() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version).paths(2));
        scene.joins_within(500);
        let addresses = [
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "169.254.1.1",
            "::1",
            "::",
            "ff02::1",
            "fe80::1",
            "10.1.0.1",
            "10.1.1.1",
            "::ffff:127.0.0.1",
        ];
        for (id, address) in (10..).zip(addresses) {
            scene.announce(0, id, address.parse().unwrap(), None);
            assert_eq!(scene.joins_within(500), [], "{address}");
        }
        scene.announce(0, 4, address(1), Some(0));
        assert_eq!(scene.joins_within(500), []);
        assert_eq!(scene.counted(Counter::AddAddrDrop), 13);
    }
}

/// Whoever forges an ADD_ADDR of version 0 must not look around in our network.
#[test]
fn private_addresses_are_for_private_peers() {
    for (version, peer, announced, joined) in [
        (Version::V0, [192, 0, 2, 1], [192, 168, 7, 7], false),
        (Version::V0, [192, 0, 2, 1], [198, 51, 100, 7], true),
        (Version::V0, [10, 2, 0, 1], [192, 168, 7, 7], true),
        (Version::V0, [10, 2, 0, 1], [198, 51, 100, 7], true),
        // Version 1 knows who says it.
        (Version::V1, [192, 0, 2, 1], [192, 168, 7, 7], true),
    ] {
        let mut setup = Setup::client(version);
        setup.peer = at(peer.into(), 443);
        let mut scene = Scene::confirmed(setup);
        scene.announce(0, 4, announced.into(), None);
        assert_eq!(!scene.joins_within(500).is_empty(), joined, "{announced:?}");
    }
}

#[test]
fn no_more_addresses_are_taken_than_the_limit() {
    for version in VERSIONS {
        let setup = Setup::client(version).tune(|config| config.max_accepted_addresses = 2);
        let mut scene = Scene::confirmed(setup);
        let mut joins = Vec::new();
        for id in 1..=100 {
            scene.announce(0, id, address(id), None);
            joins.extend(scene.joins_within(1000));
        }
        assert_eq!(joins, [at(address(1), 443), at(address(2), 443)]);
        let known = scene.endpoint.remote_addresses(scene.connection());
        assert_eq!(known.len(), 3);
        assert_eq!(scene.counted(Counter::AddAddr), 100);
        assert_eq!(scene.counted(Counter::AddAddrDrop), 98);
    }
}

#[test]
fn no_more_subflows_are_opened_than_the_limit() {
    for version in VERSIONS {
        let setup = Setup::client(version).tune(|config| config.max_subflows = 3);
        let mut scene = Scene::confirmed(setup);
        for id in 1..=5 {
            scene.announce(0, id, address(id), None);
        }
        assert_eq!(scene.joins_within(500).len(), 2);
    }
}

/// Protocol statement 36.
#[test]
fn a_peer_that_denies_joins_to_its_first_address_is_joined_at_others() {
    let mut setup = Setup::client(Version::V1).paths(2);
    setup.capable_flags |= capable_flag::DENY_JOIN;
    let mut scene = Scene::confirmed(setup);
    assert_eq!(scene.joins_within(5000), []);
    let initial = scene.setup.peer.ip();
    scene.announce(0, 4, initial, None);
    assert_eq!(scene.joins_within(5000), []);
    scene.announce(0, 4, initial, Some(444));
    let joins = scene.joins_within(500);
    assert_eq!(joins, [at(initial, 444), at(initial, 444)]);
}

/// Protocol statement 110.
#[test]
fn a_join_from_behind_a_nat_counts_by_its_id() {
    for version in VERSIONS {
        for setup in [Setup::client(version), Setup::listener(version)] {
            let mut scene = Scene::confirmed(setup);
            // What the peer calls 192.168.7.7, the NAT makes 203.0.113.9, and the port another.
            let inside = IpAddr::from([192, 168, 7, 7]);
            let outside = at([203, 0, 113, 9].into(), 61_000);
            let second = scene.join_from(outside, scene.stack_address(), 4, false);
            scene.data(second, b" again");
            assert_eq!(scene.read(), b" again");
            // So the announcement of that id leads to nothing new.
            scene.announce(0, 4, inside, None);
            assert_eq!(scene.joins_within(5000), []);
            // Both are kept.
            let subflow = &scene.subflow_infos()[second];
            assert_eq!((subflow.remote, subflow.remote_id.0), (outside, 4));
            let known = scene.endpoint.remote_addresses(scene.connection());
            assert_eq!((known[1].address.ip(), known[1].id.0), (inside, 4));
        }
    }
}
