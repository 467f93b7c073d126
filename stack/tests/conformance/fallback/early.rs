//! A path that MPTCP does not pass from the start, or stops passing.

use super::*;
use crate::peer::options::mp_prio;

/// Protocol statements 74, 88.
#[test]
fn an_ack_of_the_first_data_without_a_data_ack_ends_in_an_infinite_mapping() {
    for setup in all_setups().chain(with_checksums()) {
        let setup = setup.tune(|config| config.nodelay = true);
        let mut scene = Scene::established(setup);
        scene.write(b"first");
        scene.clear();
        scene.ack(0);
        assert!(scene.is_tcp());
        assert_eq!(fell_back(&mut scene), 1);
        assert_eq!(counted(&scene, MptcpCounter::DssFallback), 1);
        let expected = infinite_of_stack(&scene, 0);
        scene.write(b"second");
        scene.write(b"third");
        scene.advance_ms(500);
        let sent = scene.sent();
        let data: Vec<_> = sent.iter().filter(|p| !p.payload.is_empty()).collect();
        let (first, later) = data.split_first().expect("new data");
        assert_eq!(first.mapping(), Some(expected));
        assert_eq!(first.data_ack(), None);
        assert_eq!(first.mptcp().len(), 1);
        for packet in later {
            // The retransmission of the announcement says it again, nothing else does.
            let again = packet.seq == first.seq;
            assert_eq!(packet.mapping(), again.then_some(expected), "{packet:?}");
        }
        assert_eq!(counted(&scene, MptcpCounter::InfiniteMapTx), 1);
        assert_eq!(scene.peer.subflows[0].plain_stream(), b"firstsecondthird");
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statement 88.
#[test]
fn lost_data_of_before_goes_again_with_its_own_mapping() {
    for setup in all_setups() {
        let setup = setup.tune(|config| config.nodelay = true);
        let mut scene = Scene::established(setup);
        scene.write(&[1; 1000]);
        scene.write(&[2; 3000]);
        let sent = scene.sent();
        // The first segment is acknowledged, the others are lost.
        let first = &sent[0];
        let ack = first.seq.wrapping_add(first.payload.len() as u32);
        let segment = scene.segment(0).ack(ack);
        scene.send(segment);
        assert!(scene.is_tcp());
        scene.clear();
        scene.advance_ms(3000);
        let sent = scene.sent();
        let again: Vec<_> = sent.iter().filter(|p| !p.payload.is_empty()).collect();
        assert!(!again.is_empty());
        for packet in again {
            // The peer asserts that it is the mapping of the first time.
            assert!(packet.mapping().is_some_and(|mapping| mapping.len > 0));
        }
    }
}

/// Protocol statement 89.
#[test]
fn the_same_on_a_joined_subflow_resets_it() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.option(0, mp_prio(true));
        scene.clear();
        scene.write(b" on the second");
        assert_eq!(
            scene.peer.subflows[second].plain_stream(),
            b" on the second"
        );
        scene.ack(second);
        let reset = reset_of(&mut scene, second);
        assert_reason(&scene, &reset, 6);
        // Its data goes again where MPTCP works.
        assert!(scene.is_mptcp());
        assert_eq!(
            scene.peer.subflows[0].plain_stream(),
            b"hello on the second"
        );
        assert_eq!(fell_back(&mut scene), 0);
    }
}

/// Protocol statements 74, 90.
#[test]
fn first_data_without_a_mapping_falls_back_and_arrives() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        let segment = scene.segment(0).payload(b"not mapped");
        scene.send(segment);
        assert_eq!(scene.read(), b"not mapped");
        assert_eq!(fell_back(&mut scene), 1);
        let listener = scene.setup.role == Role::Listener;
        assert_eq!(
            counted(&scene, MptcpCounter::MpCapableDataFallback),
            u64::from(listener)
        );
        assert_eq!(
            counted(&scene, MptcpCounter::DssFallback),
            u64::from(!listener)
        );
        let segment = scene.segment(0).payload(b" at all");
        scene.send(segment);
        assert_eq!(scene.read(), b" at all");
        // No mapping was ever sent that would have to be ended.
        scene.write(b"neither");
        scene.advance_ms(500);
        let sent = scene.sent();
        assert!(sent.iter().all(Packet::is_plain), "{sent:?}");
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statement 90.
#[test]
fn first_data_without_a_mapping_on_a_joined_subflow_resets_it() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        let segment = scene.segment(second).payload(b"not mapped");
        scene.send(segment);
        let reset = reset_of(&mut scene, second);
        assert_reason(&scene, &reset, 6);
        assert_eq!(scene.read(), b"");
        assert!(scene.is_mptcp());
    }
}

/// Protocol statement 91.
#[test]
fn data_without_a_mapping_later_resets_the_subflow() {
    for setup in all_setups() {
        let setup = setup.tune(|config| config.receive_buffer = 8000);
        let mut scene = Scene::confirmed(setup);
        scene.clear();
        for _ in 0..8 {
            let segment = scene.segment(0).payload([7; 1000]);
            scene.send(segment);
        }
        let reset = reset_of(&mut scene, 0);
        assert_reason(&scene, &reset, 6);
        assert_eq!(scene.read(), b"");
        assert!(scene.is_mptcp(), "no way back");
        assert_eq!(fell_back(&mut scene), 0);
    }
}

/// Protocol statement 91.
#[test]
fn also_if_only_our_data_was_acknowledged_so_far() {
    for setup in all_setups() {
        let setup = setup.tune(|config| config.receive_buffer = 8000);
        let mut scene = Scene::established(setup);
        scene.write(b"hello");
        scene.data_ack(0);
        scene.clear();
        for _ in 0..8 {
            let segment = scene.segment(0).payload([7; 1000]);
            scene.send(segment);
        }
        let reset = reset_of(&mut scene, 0);
        assert_reason(&scene, &reset, 6);
        assert_eq!(scene.read(), b"");
        assert_eq!(fell_back(&mut scene), 0);
    }
}

/// Protocol statements 95, 97.
#[test]
fn an_infinite_mapping_that_nobody_asked_for_ends_mptcp() {
    for setup in all_setups().chain(with_checksums()) {
        let mut scene = Scene::confirmed(setup);
        // It begins before the data that came already, which must not come twice.
        let segment = infinite(&scene, 2, b" more");
        scene.send(segment);
        assert_eq!(scene.read(), b" more");
        assert_eq!(counted(&scene, MptcpCounter::InfiniteMapRx), 1);
        assert_eq!(fell_back(&mut scene), 1);
        scene.write(b"!");
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statement 97.
#[test]
fn after_fallback_there_is_one_subflow_and_no_way_back() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup.paths(2));
        let segment = scene.segment(0).payload(b"not mapped");
        scene.send(segment);
        assert!(scene.is_tcp());
        scene.clear();
        let (from, to) = (scene.join_source(2), scene.stack_address());
        scene.join_syn(from, to, 2, false);
        let answer = scene.sent_one();
        assert!(answer.has(flag::RST), "{answer:?}");
        let (local, remote) = (scene.setup.addresses[1], scene.setup.peer);
        let (now, id) = (scene.now, scene.connection());
        let opened = scene.endpoint.open_subflow(now, id, local, remote, false);
        assert!(opened.is_err());
        // Nor does it open one by itself.
        let address = [10, 2, 9, 1].into();
        let announced = match scene.setup.version {
            Version::V0 => options::add_addr_v0(4, address, None),
            Version::V1 => {
                let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
                options::add_addr_v1(ours, theirs, 4, address, None)
            }
        };
        scene.option(0, announced);
        scene.advance_ms(10_000);
        assert_eq!(scene.sent(), []);
        scene.data_ack(0);
        assert!(scene.is_tcp());
        scene.read();
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statement 97.
#[test]
fn fallback_after_a_second_subflow_is_a_reset() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.rst(second, []);
        scene.clear();
        let segment = infinite(&scene, 5, b"where does it belong");
        scene.send(segment);
        let reset = reset_of(&mut scene, 0);
        assert_reason(&scene, &reset, 6);
        assert_eq!(counted(&scene, MptcpCounter::FallbackFailed), 1);
        assert_eq!(scene.read(), b"");
        assert_eq!(fell_back(&mut scene), 0);
    }
}
