//! Several joins at once, several address families, several versions.

use super::{converse, established, is_join, reset};
use crate::peer::options::{mp_join_ack, mp_join_syn};
use crate::peer::packet::flag;
use crate::peer::{Peer, Scene, Setup, VERSIONS, Version, all_setups};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::ConnectionProtocol;

/// Protocol statement 49.
#[test]
fn joins_that_race_are_independent() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let to = scene.stack_address();
        let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
        // Two of the peer and one of the stack, step by step.
        let first = scene.join_syn(scene.join_source(2), to, 2, false);
        let ours = scene.open_subflow(local, remote, false);
        let second = scene.join_syn(scene.join_source(3), to, 3, false);
        let answers = [first, second].map(|index| scene.peer.subflows[index].join_syn_ack);
        let [a, b] = answers.map(|answer| answer.expect("the stack has answered"));
        assert_ne!(a.nonce, b.nonce);
        // The proof of one is none for the other.
        let of_second = mp_join_ack(&scene.peer.join_hmac(second));
        scene.clear();
        let wrong = scene.join_syn(scene.join_source(4), to, 4, false);
        scene.clear();
        scene.option(wrong, of_second);
        reset(&mut scene);
        scene.join_ack(second);
        scene.answer_join(ours);
        scene.join_ack(first);
        scene.clear();
        assert_eq!(established(&scene.subflow_infos()), 4);
        for index in [0, first, second, ours] {
            converse(&mut scene, index);
        }
    }
}

/// Protocol statement 49.
#[test]
fn subflows_of_both_address_families_make_one_connection() {
    let v4: IpAddr = [10, 1, 0, 1].into();
    let v6: IpAddr = [0xfd00, 1, 0, 0, 0, 0, 0, 1_u16].into();
    for setup in all_setups() {
        for initial_is_v6 in [false, true] {
            let mut setup = if initial_is_v6 {
                setup.clone().ipv6()
            } else {
                setup.clone()
            };
            let [from, other] = if initial_is_v6 {
                [[10, 2, 7, 1].into(), v4]
            } else {
                [[0xfd00, 2, 7, 0, 0, 0, 0, 1_u16].into(), v6]
            };
            setup.addresses.push(other);
            let mut scene = Scene::confirmed(setup);
            let to = SocketAddr::new(other, scene.stack_address().port());
            let theirs = scene.join_from(SocketAddr::new(from, 999), to, 7, false);
            converse(&mut scene, theirs);
            let ours = scene.joined_by_stack(other, SocketAddr::new(from, 1000));
            converse(&mut scene, ours);
            converse(&mut scene, 0);
            assert_eq!(established(&scene.subflow_infos()), 3);
        }
    }
}

/// What the stack sends after its join met one of the peer on the same addresses and ports; gives
/// how long it waited until it tried again.
fn crossed(setup: Setup, seed: u8) -> u128 {
    let mut setup = setup;
    setup.seed = [seed; 32];
    let mut scene = Scene::confirmed(setup);
    let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
    let index = scene.open_subflow(local, remote, false);
    let syn = scene.sent_one();
    let first = syn.join_syn().expect("MP_JOIN");
    let option = mp_join_syn(false, 0, scene.peer.their_token(), 4711);
    let crossing = scene
        .segment(index)
        .without_ack()
        .without_options()
        .option(option)
        .flag(flag::SYN);
    let start = scene.now;
    scene.send(crossing);
    let rst = scene.sent_one();
    assert!(rst.has(flag::RST));
    // It answers the peer's SYN, and so ends its attempt too.
    assert_eq!(
        rst.ack,
        Some(scene.peer.subflows[index].iss.wrapping_add(1))
    );
    assert_eq!(established(&scene.subflow_infos()), 1);
    scene.advance_ms(1000);
    let again = scene.sent();
    let again = again.iter().find(|packet| is_join(packet));
    let again = again.expect("it tries again").clone();
    let second = again.join_syn().expect("MP_JOIN");
    assert_ne!(second.nonce, first.nonce);
    scene.answer_join(scene.peer.subflows.len() - 1);
    assert_eq!(established(&scene.subflow_infos()), 2);
    again.at.saturating_duration_since(start).as_nanos()
}

/// Nobody says whose HMAC would come first: both give up, and try again after times of their own.
///
/// Protocol statement 49.
#[test]
fn joins_that_cross_are_reset_and_tried_again_at_random() {
    for setup in all_setups() {
        let mut pauses: Vec<_> = (1..=20).map(|seed| crossed(setup.clone(), seed)).collect();
        assert!(pauses.iter().all(|pause| *pause < 1_000_000_000));
        pauses.sort_unstable();
        pauses.dedup();
        assert_eq!(pauses.len(), 20);
        assert!(pauses[19] - pauses[0] > 500_000_000, "{pauses:?}");
        // The same seed, the same pause.
        assert_eq!(crossed(setup.clone(), 1), crossed(setup, 1));
    }
}

/// A token says nothing of its version: both kinds of connection are searched, and each join is
/// judged by the version of its connection.
///
/// Protocol statement 37.
#[test]
fn tokens_of_both_versions_lead_to_their_connections() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V0));
    let mut ends = Vec::new();
    let first = Peer::new(Version::V1, 0xdead_beef_cafe_f00d);
    ends.push((
        scene.connection(),
        core::mem::replace(&mut scene.peer, first),
    ));
    scene.setup.version = Version::V1;
    scene.setup.peer = ([10, 2, 0, 1], 40001).into();
    let capable = scene.capable_syn();
    let initial = scene.syn(capable);
    let capable = scene.capable_third_ack();
    scene.third_ack(initial, capable);
    scene.accept().expect("the handshake is complete");
    scene.data_ack(0);
    scene.clear();
    for version in VERSIONS.into_iter().rev() {
        assert_eq!(scene.protocol(), ConnectionProtocol::Mptcp(version));
        scene.setup.version = version;
        let from = SocketAddr::new([10, 2, 3, 1].into(), 500 + u16::from(version.number()));
        // `join_from` checks the HMAC of the SYN/ACK.
        let index = scene.join_from(from, scene.stack_address(), 3, false);
        converse(&mut scene, index);
        assert_eq!(established(&scene.subflow_infos()), 2);
        if let Some((connection, peer)) = ends.pop() {
            scene.set_connection(connection);
            scene.peer = peer;
        }
    }
    let counters = scene.endpoint.mptcp_counters();
    assert_eq!(counters.by_name("MPJoinAckRx"), Some(2));
}
