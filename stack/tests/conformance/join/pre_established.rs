//! The third ACK: until it is acknowledged there is nothing else (RFC 6824 §3.2).

use super::{converse, count, in_v1};
use crate::peer::options::{Dss, mp_join_ack};
use crate::peer::packet::flag;
use crate::peer::{Scene, Setup, all_setups};
use umptcp_stack::{AddressId, SubflowInfo};

/// The stack has opened a subflow, the peer has answered after 100 ms. Its third ACK was seen.
fn pre_established(setup: Setup) -> (Scene, usize) {
    let mut scene = Scene::confirmed(setup);
    let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
    let index = scene.open_subflow(local, remote, false);
    scene.advance_ms(100);
    scene.join_syn_ack(index);
    assert!(scene.peer.subflows[index].join_ack.is_some());
    (scene, index)
}

/// Not even when the initial subflow is gone and there is nowhere else to send.
///
/// Protocol statement 41.
#[test]
fn no_data_before_the_third_ack_is_acknowledged() {
    for setup in all_setups() {
        let (mut scene, index) = pre_established(setup);
        scene.rst(0, []);
        scene.write(b"patience");
        scene.advance_ms(1000);
        // An old acknowledgment says nothing about it,
        let old = scene.segment(index).ack(scene.peer.subflows[index].irs);
        scene.send(old);
        // and the SYN/ACK again acknowledges nothing but the SYN.
        scene.join_syn_ack(index);
        scene.advance_ms(500);
        let sent = scene.sent_on(index);
        assert!(sent.len() > 2, "it insists on its third ACK");
        for packet in sent {
            assert!(
                packet.payload.is_empty() && !packet.has(flag::FIN),
                "{packet:?}"
            );
        }
        scene.fourth_ack(index);
        assert_eq!(scene.peer.stream(), b"hellopatience");
        assert_eq!(scene.peer.subflows[index].stream.len(), 8);
    }
}

/// Data of the peer, which may send as soon as it has the third ACK, acknowledges that as well.
///
/// Protocol statement 41.
#[test]
fn data_of_the_peer_acknowledges_the_third_ack() {
    for setup in all_setups() {
        let (mut scene, index) = pre_established(setup);
        scene.data(index, b"early");
        assert_eq!(scene.read(), b"early");
        scene.clear();
        converse(&mut scene, index);
    }
}

/// The retransmission timeout follows from the round trip of the SYN: 100 ms and 200 ms of
/// variation at least; it doubles.
///
/// Protocol statement 42.
#[test]
fn the_third_ack_is_repeated_and_then_given_up() {
    for setup in all_setups() {
        let version = setup.version;
        let (mut scene, index) = pre_established(setup);
        let start = scene.now;
        scene.advance_ms(60_000);
        let sent = scene.sent_on(index);
        let proof = scene.peer.subflows[index].join_ack;
        // The first went out at once, and was seen.
        let (rst, copies) = sent.split_last().expect("it was not silent");
        let copies: Vec<_> = copies.iter().filter(|p| !p.has(flag::SYN)).collect();
        let times: Vec<_> = copies
            .iter()
            .map(|copy| copy.at.saturating_duration_since(start).as_millis())
            .collect();
        assert_eq!(times, [0, 300, 900, 2100, 4500, 9300]);
        for copy in copies {
            assert!(copy.is_pure_ack(), "{copy:?}");
            assert_eq!(copy.join_ack(), proof);
        }
        assert!(rst.has(flag::RST));
        assert_eq!(rst.at.saturating_duration_since(start).as_millis(), 18_900);
        // Transient: on this path it may work another time.
        assert_eq!(rst.tcp_rst(), in_v1(version, (true, 5)));
        converse(&mut scene, 0);
    }
}

/// Protocol statement 42.
#[test]
fn an_acknowledged_third_ack_is_not_repeated() {
    for setup in all_setups() {
        let (mut scene, index) = pre_established(setup);
        scene.fourth_ack(index);
        scene.clear();
        scene.advance_ms(30_000);
        assert!(scene.sent_on(index).is_empty());
        assert!(
            !scene.subflow_infos()[1]
                .state
                .eq(&umptcp_stack::tcp::state::TcpState::Closed)
        );
    }
}

/// A SYN/ACK that is repeated asks for the third ACK: it goes at once, however often.
///
/// Protocol statement 42.
#[test]
fn each_copy_of_the_syn_ack_is_answered_with_the_third_ack_at_once() {
    for setup in all_setups() {
        let (mut scene, index) = pre_established(setup);
        scene.clear();
        let proof = scene.peer.subflows[index].join_ack;
        for _ in 0..200 {
            scene.join_syn_ack(index);
            let sent = scene.sent_on(index);
            assert_eq!(sent.len(), 1);
            assert_eq!(sent[0].join_ack(), proof);
        }
        scene.fourth_ack(index);
        scene.clear();
        converse(&mut scene, index);
    }
}

/// Protocol statement 43.
#[test]
fn every_copy_of_a_third_ack_is_acknowledged_at_once() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let index = scene.join_syn(scene.join_source(2), scene.stack_address(), 2, false);
        scene.clear();
        for _ in 0..50 {
            scene.join_ack(index);
            let answer = scene.sent_one();
            assert!(
                answer.is_pure_ack() && answer.data_ack().is_some(),
                "{answer:?}"
            );
            assert_eq!(answer.ack, Some(scene.peer.subflows[index].snd_nxt));
        }
        assert_eq!(count(&scene, "MPJoinAckRx"), 1);
        converse(&mut scene, index);
        scene.join_ack(index);
        assert!(scene.sent_one().is_pure_ack(), "also later");
    }
}

/// What comes in place of the third ACK, by name.
fn defects(scene: &Scene, index: usize) -> Vec<(&'static str, Vec<u8>, &'static [u8])> {
    let hmac = scene.peer.join_hmac(index);
    let mut last_wrong = hmac[..20].to_vec();
    last_wrong[19] ^= 1;
    let mut first_wrong = hmac[..20].to_vec();
    first_wrong[0] ^= 0x80;
    let mapping = scene.peer.dss_for(5, 1, b"data").bytes();
    vec![
        ("the last bit is wrong", mp_join_ack(&last_wrong), b""),
        ("the first bit is wrong", mp_join_ack(&first_wrong), b""),
        (
            "the HMAC of the stack, reflected",
            mp_join_ack(&scene.peer.their_join_hmac(index)),
            b"",
        ),
        ("nothing", vec![], b""),
        ("a DSS", scene.peer.dss().bytes(), b""),
        ("an empty DSS", Dss::new().bytes(), b""),
        ("mapped data", mapping, b"data"),
        ("bare data", vec![], b"data"),
    ]
}

/// Protocol statement 40.
#[test]
fn a_third_ack_without_proof_is_reset_and_the_connection_goes_on() {
    for setup in all_setups() {
        let version = setup.version;
        let count_of_defects = 8;
        for defect in 0..count_of_defects {
            let mut scene = Scene::confirmed(setup.clone());
            let index = scene.join_syn(scene.join_source(2), scene.stack_address(), 2, false);
            scene.clear();
            let all = defects(&scene, index);
            assert_eq!(all.len(), count_of_defects);
            let (name, option, payload) = all[defect].clone();
            let segment = scene.segment(index).option(option.clone()).payload(payload);
            scene.send(segment);
            let rst = scene.sent_one();
            assert!(rst.has(flag::RST), "{name}: {rst:?}");
            assert_eq!(rst.tcp_rst(), in_v1(version, (false, 1)), "{name}");
            let wrong = u64::from(option.len() == 24);
            assert_eq!(count(&scene, "MPJoinAckHMacFailure"), wrong, "{name}");
            assert_eq!(count(&scene, "MPJoinAckRx"), 0);
            assert_eq!(scene.read(), b"", "{name}");
            let second = |info: &&SubflowInfo| info.remote_id == AddressId(2);
            assert!(
                scene.subflow_infos().iter().find(second).is_none(),
                "{name}"
            );
            converse(&mut scene, 0);
            let other = scene.join(3);
            converse(&mut scene, other);
        }
    }
}
