//! SYNs that vanish, peers that speak the other version, and what the next connection makes of it.

use super::{converse_in_tcp, counted};
use crate::peer::options::{capable_flag, mp_capable, raw, subtype};
use crate::peer::packet::flag;
use crate::peer::{Packet, Scene, Setup, VERSIONS, Version};
use umptcp_stack::OtherVersion;

/// The SYNs of a client that nobody answers, for half a minute.
fn unanswered(scene: &mut Scene) -> Vec<Packet> {
    let mut syns = vec![connect_again(scene)];
    scene.advance_ms(20_000);
    syns.extend(scene.sent());
    assert!(syns.iter().all(|p| p.has(flag::SYN) && p.ack.is_none()));
    syns
}

/// Protocol statement 31.
#[test]
fn the_option_is_dropped_after_some_syns() {
    for version in VERSIONS {
        for tries in [1, 2, 3] {
            let setup = Setup::client(version).tune(|c| c.syn_tries_with_mptcp = tries);
            let mut scene = Scene::new(setup);
            let syns = unanswered(&mut scene);
            assert!(syns.len() > tries as usize);
            for (syn, number) in syns.iter().zip(0..) {
                assert_eq!(syn.capable().is_some(), number < tries, "SYN {number}");
                assert_eq!(syn.seq, syns[0].seq, "the same initial sequence number");
                assert_eq!((syn.src, syn.dst), (syns[0].src, syns[0].dst));
            }
            assert_eq!(counted(&scene, "MPCapableSYNTXDrop"), 1);
            assert_eq!(counted(&scene, "Blackhole"), 0, "nothing is proven yet");
            // An answer to the SYNs without it.
            scene.syn_ack(0, []);
            converse_in_tcp(&mut scene);
            assert_eq!(counted(&scene, "Blackhole"), 1);
            assert_eq!(counted(&scene, "MPCapableFallbackSYNACK"), 0);
        }
    }
}

/// Protocol statement 31.
///
/// A SYN/ACK with the option can only answer a SYN that had it.
#[test]
fn a_late_answer_to_the_syn_with_the_option_counts() {
    for version in VERSIONS {
        let setup = Setup::client(version).tune(|c| c.syn_tries_with_mptcp = 1);
        let mut scene = Scene::new(setup);
        unanswered(&mut scene);
        let option = mp_capable(version, 0x01, &[scene.setup.key]);
        scene.syn_ack(0, option);
        let third = scene.sent_one().capable().expect("MP_CAPABLE");
        assert_eq!(third.keys[1], scene.setup.key, "it decides");
        assert!(scene.is_mptcp());
        scene.data(0, b"hello");
        assert_eq!(scene.read(), b"hello");
        assert_eq!(counted(&scene, "Blackhole"), 0);
        assert!(scene.endpoint.peer_memory(scene.now).black_holes.is_empty());
    }
}

/// RFC 6824 §3.1: at the listener too, what the third packet says decides.
#[test]
fn a_listener_goes_by_the_third_packet() {
    for version in VERSIONS {
        for with_option in [true, false] {
            let mut scene = Scene::new(Setup::listener(version));
            let option = scene.capable_syn();
            scene.syn(&option);
            // The SYN without it is the same SYN to TCP.
            let iss = scene.peer.subflows[0].iss;
            let plain = scene.segment(0).seq(iss).without_ack().flag(flag::SYN);
            scene.send(plain.without_options());
            assert!(scene.sent().iter().all(|p| p.capable().is_some()));
            if with_option {
                let option = scene.capable_third_ack();
                scene.third_ack(0, option);
                scene.accept().expect("it is established");
                assert!(scene.is_mptcp());
            } else {
                scene.third_ack(0, []);
                let segment = scene.segment(0).payload(b"hello");
                scene.send(segment);
                scene.accept().expect("it is established");
                assert_eq!(scene.read(), b"hello");
                converse_in_tcp(&mut scene);
            }
        }
    }
}

/// The SYN of another connection to the same peer.
fn connect_again(scene: &mut Scene) -> Packet {
    scene.clear();
    scene.peer.their_key = None;
    scene.connect()
}

/// As the kernel's `blackhole_timeout`: an hour, then two, until MP_CAPABLE is answered.
#[test]
fn after_a_black_hole_connections_start_without_the_option() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        for hours in [1, 2, 4] {
            unanswered(&mut scene);
            let latest = scene.peer.subflows.len() - 1;
            scene.syn_ack(latest, []);
            let disabled = counted(&scene, "MPCapableSYNTXDisabled");
            assert!(connect_again(&mut scene).is_plain());
            assert_eq!(counted(&scene, "MPCapableSYNTXDisabled"), disabled + 1);
            scene.abort();
            scene.advance_ms(hours * 3_600_000 - 1000);
            assert!(connect_again(&mut scene).is_plain());
            scene.abort();
            scene.advance_ms(1000);
            scene.clear();
        }
        assert_eq!(counted(&scene, "Blackhole"), 3);
        // An answer, of whatever kind, shows that the path has changed.
        assert!(connect_again(&mut scene).capable().is_some());
        let latest = scene.peer.subflows.len() - 1;
        scene.syn_ack(latest, []);
        assert!(scene.endpoint.peer_memory(scene.now).black_holes.is_empty());
    }
}

#[test]
fn an_operator_can_turn_the_memory_of_black_holes_off() {
    let mut setup = Setup::client(Version::V1);
    setup.endpoint.blackhole_timeout = core::time::Duration::ZERO;
    let mut scene = Scene::new(setup);
    unanswered(&mut scene);
    scene.syn_ack(0, []);
    assert!(scene.is_tcp());
    assert_eq!(counted(&scene, "Blackhole"), 0);
    assert!(connect_again(&mut scene).capable().is_some());
}

/// A peer that does not speak the version is offered the other one the next time, by default.
#[test]
fn the_next_connection_offers_the_other_version() {
    for version in VERSIONS {
        for (policy, expected) in [
            (OtherVersion::Never, version),
            (OtherVersion::default(), version.other()),
        ] {
            let setup = Setup::client(version).tune(|c| c.other_version = policy);
            let mut scene = Scene::new(setup);
            scene.connect();
            scene.syn_ack(0, []);
            assert!(scene.is_tcp());
            let syn = connect_again(&mut scene);
            let capable = syn.capable().expect("MP_CAPABLE");
            assert_eq!(capable.version, expected.number());
            // It works, and is still offered when the refusal alone would be forgotten.
            if expected != version {
                scene.advance_ms(3_500_000);
                scene.peer.version = expected;
                scene.peer.their_key = None;
                let syn = connect_again(&mut scene);
                assert_eq!(syn.capable().map(|c| c.version), Some(expected.number()));
                let latest = scene.peer.subflows.len() - 1;
                scene.syn_ack(latest, mp_capable(expected, 0x01, &[scene.peer.key]));
                assert!(!scene.is_tcp());
                scene.advance_ms(200_000);
                let syn = connect_again(&mut scene);
                assert_eq!(syn.capable().map(|c| c.version), Some(expected.number()));
            }
        }
    }
}

/// A host without MPTCP is asked for one version after the other, and asked again in an hour.
#[test]
fn a_peer_that_speaks_neither_version_is_tried_again() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        let first_offers = [version, version.other(), version, version];
        for expected in first_offers.into_iter().chain(first_offers) {
            let syn = connect_again(&mut scene);
            assert_eq!(syn.capable().map(|c| c.version), Some(expected.number()));
            let latest = scene.peer.subflows.len() - 1;
            scene.syn_ack(latest, []);
            assert!(scene.is_tcp());
            scene.abort();
            scene.advance_ms(900_000);
        }
    }
}

fn at_once(version: Version) -> Setup {
    Setup::client(version).tune(|config| config.other_version = OtherVersion::AtOnce)
}

/// The second attempt is the same connection to the application.
#[test]
fn the_other_version_can_be_tried_at_once() {
    for version in VERSIONS {
        let other = version.other();
        let mut body = vec![0x01];
        body.extend(7_u64.to_be_bytes());
        let in_the_other = raw(subtype::CAPABLE, other.number(), &body);
        for answer in [vec![], in_the_other] {
            let mut scene = Scene::new(at_once(version));
            let first = scene.connect();
            let id = scene.connection();
            scene.write(b"early");
            scene.peer.version = other;
            scene.peer.their_key = None;
            scene.syn_ack(0, &answer);
            let sent = scene.sent();
            let [reset, syn] = &sent[..] else {
                panic!("{sent:?}");
            };
            assert!(reset.has(flag::RST) && reset.src == first.src);
            assert_eq!(reset.seq, first.seq.wrapping_add(1), "it is believed");
            assert!(syn.has(flag::SYN) && syn.dst == first.dst);
            assert_ne!(syn.src.port(), first.src.port());
            let capable = syn.capable().expect("MP_CAPABLE");
            assert_eq!(capable.version, other.number());
            assert_eq!(counted(&scene, "MPCapableSYNTX"), 2);
            assert_eq!(counted(&scene, "MPCapableFallbackSYNACK"), 1);
            // What still comes for the first attempt finds nobody.
            scene.syn_ack(0, &answer);
            assert!(scene.sent_one().has(flag::RST));
            scene.syn_ack(1, mp_capable(other, 0x01, &[scene.peer.key]));
            assert_eq!(scene.connection(), id);
            assert_eq!(scene.endpoint.connection_count(), 1);
            let expected = umptcp_stack::ConnectionProtocol::Mptcp(other);
            assert_eq!(scene.protocol(), expected);
            assert_eq!(scene.peer.stream(), b"early", "written before");
            let token = scene.peer.their_token();
            scene.data_ack(1);
            scene.data(1, b"hello");
            assert_eq!(scene.read(), b"hello");
            // The new token leads to the connection.
            let (from, to) = (scene.join_source(2), syn.src);
            let option = crate::peer::options::mp_join_syn(false, 2, token, 9);
            let joined = scene.syn_from(from, to, 2, &option);
            assert!(scene.peer.subflows[joined].join_syn_ack.is_some());
            // The next one knows.
            let syn = connect_again(&mut scene);
            assert_eq!(syn.capable().map(|c| c.version), Some(other.number()));
        }
    }
}

/// A peer of plain TCP is connected to twice once, and then no more.
#[test]
fn a_second_attempt_that_is_refused_too_is_plain_tcp() {
    for version in VERSIONS {
        let mut scene = Scene::new(at_once(version));
        scene.connect();
        scene.syn_ack(0, []);
        scene.clear();
        scene.syn_ack(1, []);
        assert!(scene.sent_one().is_plain());
        assert!(scene.is_tcp());
        assert_eq!(scene.endpoint.stats().fallbacks, 1);
        let syn = connect_again(&mut scene);
        assert_eq!(syn.capable().map(|c| c.version), Some(version.number()));
        scene.syn_ack(2, []);
        assert!(scene.sent_one().is_plain(), "no third attempt");
        assert!(scene.is_tcp());
    }
}

/// A port that the application chose is not left, and SYNs that vanish say nothing of versions.
#[test]
fn there_are_reasons_not_to_try_at_once() {
    for version in VERSIONS {
        let mut setup = at_once(version);
        setup.port = 5555;
        let mut scene = Scene::new(setup);
        scene.connect();
        scene.syn_ack(0, []);
        assert!(scene.sent_one().is_plain());
        converse_in_tcp(&mut scene);

        let mut scene = Scene::new(at_once(version));
        unanswered(&mut scene);
        scene.syn_ack(0, []);
        converse_in_tcp(&mut scene);

        // Nor does an answer in this version that is of no use for something else in it.
        let mut scene = Scene::new(at_once(version));
        scene.connect();
        let flags = capable_flag::HMAC | capable_flag::EXTENSION;
        scene.syn_ack(0, mp_capable(version, flags, &[scene.setup.key]));
        converse_in_tcp(&mut scene);
        let syn = connect_again(&mut scene);
        assert_eq!(syn.capable().map(|c| c.version), Some(version.number()));
    }
}
