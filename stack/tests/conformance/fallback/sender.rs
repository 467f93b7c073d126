//! The peer has found a wrong checksum in what the stack has sent.

use super::*;
use crate::peer::options::mp_fail;

/// The peer has got "hello" intact, and a checksum in what followed was wrong.
fn told(setup: Setup) -> Scene {
    let mut scene = Scene::confirmed(setup);
    scene.write(b"damaged");
    scene.clear();
    // Acknowledged on the subflow, not at the data level.
    let dsn = scene.peer.their_dsn(5);
    let option = [mp_fail(dsn), scene.peer.dss().bytes()].concat();
    scene.peer.subflows[0].acked = scene.peer.subflows[0].rcv_nxt;
    scene.option(0, option);
    scene
}

/// Protocol statement 95.
#[test]
fn mp_fail_leads_to_an_infinite_mapping_from_intact_data_on() {
    for setup in with_checksums() {
        let mut scene = told(setup);
        assert_eq!(counted(&scene, MptcpCounter::MpFailRx), 1);
        assert_eq!(fell_back(&mut scene), 1);
        // Only the subflow's acknowledgments count now.
        assert_eq!(scene.info().bytes_acked, 12);
        scene.clear();
        let expected = infinite_of_stack(&scene, 5);
        scene.write(b" anew");
        let packet = scene.sent_one();
        assert_eq!(packet.mapping(), Some(expected));
        scene.ack(0);
        scene.write(b" and on");
        let packet = scene.sent_one();
        assert_eq!(packet.mapping(), None);
        assert_eq!(
            scene.peer.subflows[0].plain_stream(),
            b"hellodamaged anew and on"
        );
        assert_eq!(counted(&scene, MptcpCounter::InfiniteMapTx), 1);
        // A DATA_ACK does not free anything any more.
        let wide = scene.peer.their_dsn(24);
        scene.option(0, crate::peer::Dss::new().ack64(wide).bytes());
        assert_eq!(scene.info().bytes_acked, 17);
    }
}

/// Protocol statement 95.
#[test]
fn version_0_turns_one_direction() {
    for role in [Role::Client, Role::Listener] {
        let mut scene = told(Setup::new(role, Version::V0).checksum());
        let sent = scene.sent();
        assert_eq!(fails(&sent), []);
        // Nothing new is there that the answer could go with.
        let expected = infinite_of_stack(&scene, 5);
        let answers: Vec<_> = sent.iter().filter_map(Packet::mapping).collect();
        assert_eq!(answers, [expected], "{sent:?}");
        assert!(scene.is_mptcp());
        assert_eq!(scene.info().plain, PlainDirections::Sending);
        // It was lost: MP_FAIL comes again, and so does the answer.
        scene.option(0, mp_fail(scene.peer.their_dsn(5)));
        assert_eq!(scene.sent_one().mapping(), Some(expected));
        // What the peer sends is mapped, verified, and acknowledged at the data level.
        scene.data(0, b" mapped");
        assert_eq!(scene.read(), b" mapped");
        scene.advance_ms(500);
        let sent = scene.sent();
        assert_eq!(data_acks(&scene, &sent).last(), Some(&12));
        scene.write(b" anew");
        let packet = scene.sent_one();
        assert_eq!(packet.mapping(), Some(expected));
        assert!(packet.data_ack().is_some());
        let segment = damaged(&mut scene, 0, b"12345", b"12X45");
        scene.send(segment);
        let sent = scene.sent();
        assert_eq!(fails(&sent), [scene.peer.dsn(12)], "{sent:?}");
        // The other direction falls back too, at its own moment.
        let segment = infinite(&scene, 12, b" go on");
        scene.send(segment);
        assert_eq!(scene.read(), b"12X45 go on");
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statement 94.
#[test]
fn version_1_answers_with_mp_fail_and_both_directions_turn() {
    for role in [Role::Client, Role::Listener] {
        let mut scene = told(Setup::new(role, Version::V1).checksum());
        let sent = scene.sent();
        // Of its own direction: where the peer's data is intact.
        assert_eq!(fails(&sent), [scene.peer.dsn(5)], "{sent:?}");
        assert!(sent.iter().all(|packet| packet.mapping().is_none()));
        assert_eq!(scene.info().plain, PlainDirections::Sending);
        // The answer was lost: it comes again.
        scene.option(0, mp_fail(scene.peer.their_dsn(5)));
        assert_eq!(fails(&scene.sent()), [scene.peer.dsn(5)]);
        scene.data(0, b" mapped");
        assert_eq!(scene.read(), b" mapped");
        let expected = infinite_of_stack(&scene, 5);
        scene.clear();
        scene.write(b" anew");
        assert_eq!(scene.sent_one().mapping(), Some(expected));
        let segment = infinite(&scene, 5, b" theirs");
        scene.send(segment);
        assert_eq!(scene.read(), b" theirs");
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statement 94.
#[test]
fn a_data_fin_under_way_becomes_a_fin() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        scene.write(b"damaged");
        scene.shutdown();
        scene.clear();
        scene.peer.subflows[0].acked = scene.peer.subflows[0].rcv_nxt;
        scene.option(0, mp_fail(scene.peer.their_dsn(5)));
        assert!(scene.peer.subflows[0].fin_seen);
        scene.ack(0);
        assert_eq!(scene.info().bytes_acked, 12);
    }
}

/// Protocol statement 96.
#[test]
fn mp_fail_about_what_is_not_in_line_is_not_obeyed() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.write(b"damaged");
        scene.clear();
        // A stranger's number says nothing.
        scene.option(0, mp_fail(0x1234_5678_9abc_def0));
        scene.option(second, mp_fail(0));
        assert_eq!(scene.sent(), []);
        // The peer's own is no reason to fall back either: the subflow is of no use.
        scene.option(0, mp_fail(scene.peer.their_dsn(5)));
        let reset = reset_of(&mut scene, 0);
        assert_reason(&scene, &reset, 6);
        assert!(scene.is_mptcp());
        assert_eq!(fell_back(&mut scene), 0);
        assert_eq!(counted(&scene, MptcpCounter::FallbackFailed), 1);
    }
}

/// Protocol statement 92.
#[test]
fn a_reset_with_mp_fail_ends_the_subflow_and_its_data_goes_elsewhere() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.option(0, options::mp_prio(true));
        scene.write(b" on the second");
        scene.clear();
        scene.rst(second, mp_fail(scene.peer.their_dsn(5)));
        assert_eq!(
            scene.peer.subflows[0].plain_stream(),
            b"hello on the second"
        );
        assert!(scene.is_mptcp());
        assert_eq!(counted(&scene, MptcpCounter::MpFailRx), 1);
        assert_eq!(fell_back(&mut scene), 0);
    }
}

/// Protocol statement 97.
#[test]
fn a_plain_reset_ends_what_has_fallen_back() {
    for setup in with_checksums() {
        let mut scene = told(setup);
        scene.clear();
        scene.abort();
        let reset = reset_of(&mut scene, 0);
        assert!(reset.is_plain(), "{reset:?}");
        let mut scene = told(scene.setup.clone());
        scene.rst(0, []);
        scene.read();
        assert!(scene.read_error.is_some(), "nothing can revive it");
    }
}
