//! A checksum is wrong in what the stack receives.

use super::*;
use std::time::Duration;

/// The stack with one subflow has just got data with a wrong checksum, and intact data behind it.
/// Before it came "world".
fn failed(setup: Setup) -> Scene {
    let mut scene = Scene::confirmed(setup);
    let segment = damaged(&mut scene, 0, b"12345", b"12X45");
    scene.send(segment);
    let sent = scene.sent();
    assert_eq!(fails(&sent), [scene.peer.dsn(5)], "{sent:?}");
    scene.data(0, b"67890");
    scene
}

/// Protocol statement 92.
#[test]
fn with_several_subflows_the_bad_one_ends_and_the_others_go_on() {
    for setup in with_checksums() {
        for bad in [0, 1] {
            let mut scene = Scene::confirmed(setup.clone());
            scene.join(2);
            let good = 1 - bad;
            let segment = damaged(&mut scene, bad, b"12345", b"12X45");
            scene.send(segment);
            // Nothing on it counts any more.
            scene.data(bad, b"67890");
            let reset = reset_of(&mut scene, bad);
            assert_eq!(reset.fail(), Some(scene.peer.dsn(5)));
            assert_reason(&scene, &reset, 6);
            assert_eq!(scene.read(), b"");
            scene.advance_ms(500);
            let sent = scene.sent_on(good);
            assert!(data_acks(&scene, &sent).iter().all(|ack| *ack == 5));
            assert!(!scene.peer.subflows[good].rst_seen);
            assert_eq!(counted(&scene, MptcpCounter::DataCsumErr), 1);
            assert_eq!(counted(&scene, MptcpCounter::MpFailTx), 1);
            assert_eq!(counted(&scene, MptcpCounter::DssCorruptionReset), 1);
            assert_eq!(counted(&scene, MptcpCounter::FallbackFailed), 0);
            scene.data_at(good, 5, b"1234567890");
            assert_eq!(scene.read(), b"1234567890");
            scene.advance_ms(500);
            let sent = scene.sent_on(good);
            assert_eq!(data_acks(&scene, &sent).last(), Some(&15));
            assert!(scene.is_mptcp());
            assert_eq!(fell_back(&mut scene), 0);
        }
    }
}

/// Protocol statement 93.
#[test]
fn with_one_mp_fail_is_repeated_until_it_is_answered() {
    for setup in with_checksums() {
        let mut scene = failed(setup);
        let dsn = scene.peer.dsn(5);
        scene.advance_ms(300);
        let sent = scene.sent();
        assert!(fails(&sent).contains(&dsn), "on a later ACK: {sent:?}");
        // By itself too, and not for each segment of the peer only.
        scene.advance_ms(30_000);
        let repeated = scene.sent();
        assert!(fails(&repeated).len() >= 3, "{repeated:?}");
        for packet in sent.iter().chain(&repeated) {
            assert!(packet.fail().is_none_or(|fail| fail == dsn));
            let acks = data_acks(&scene, core::slice::from_ref(packet));
            assert!(acks.iter().all(|ack| *ack == 5), "{packet:?}");
        }
        assert_eq!(scene.read(), b"");
        assert_eq!(fell_back(&mut scene), 0);
        let repeats = counted(&scene, MptcpCounter::MpFailTx);
        assert_eq!(
            repeats,
            1 + (fails(&sent).len() + fails(&repeated).len()) as u64
        );
        answer(&mut scene);
        assert_eq!(scene.read()[..10], *b"12X4567890");
        assert_eq!(fell_back(&mut scene), 1);
        scene.clear();
        scene.advance_ms(60_000);
        assert_eq!(fails(&scene.sent()), []);
    }
}

/// The peer's answer to MP_FAIL, in each version's own way.
fn answer(scene: &mut Scene) {
    let segment = match scene.setup.version {
        Version::V0 => infinite(scene, 5, b" go on"),
        Version::V1 => {
            let dsn = scene.peer.their_dsn(5);
            scene.segment(0).option(options::mp_fail(dsn))
        }
    };
    scene.send(segment);
}

/// Protocol statement 93.
#[test]
fn an_answer_on_an_empty_segment_counts_if_it_is_right() {
    // Version 0: a peer that has nothing more to send has nothing that the answer could go with.
    for role in [Role::Client, Role::Listener] {
        let mut scene = failed(Setup::new(role, Version::V0).checksum());
        let wrong = crate::peer::Dss::new().map64(0, 0, 0).checksum(0).bytes();
        scene.option(0, wrong);
        assert_eq!(scene.read(), b"");
        let right = infinite(&scene, 5, b"");
        scene.send(right);
        assert_eq!(scene.read(), b"12X4567890");
        assert_eq!(scene.info().plain, PlainDirections::Receiving);
    }
}

/// Protocol statement 93.
#[test]
fn without_an_answer_the_subflow_is_reset() {
    for setup in with_checksums() {
        let mut scene = failed(setup);
        scene.advance(Duration::from_secs(110));
        let sent = scene.sent();
        assert!(!sent.iter().any(|packet| packet.has(flag::RST)));
        scene.advance(Duration::from_secs(20));
        let reset = reset_of(&mut scene, 0);
        assert_eq!(reset.fail(), Some(scene.peer.dsn(5)));
        assert_reason(&scene, &reset, 6);
        assert_eq!(scene.read(), b"");
        assert_eq!(fell_back(&mut scene), 0);
        // What was held is forgotten: another subflow may bring it again, intact.
        let second = scene.join(2);
        scene.data_at(second, 5, b"1234567890");
        assert_eq!(scene.read(), b"1234567890");
    }
}

/// Protocol statements 93, 95.
#[test]
fn the_infinite_mapping_delivers_every_byte_once() {
    for role in [Role::Client, Role::Listener] {
        // Anchored at the failed data, in delivered data, or at the new bytes: it is one line.
        for anchor in [0, 2, 5, 15] {
            let mut scene = failed(Setup::new(role, Version::V0).checksum());
            let segment = infinite(&scene, anchor, b" go on");
            scene.send(segment);
            assert_eq!(scene.read(), b"12X4567890 go on");
            assert_eq!(counted(&scene, MptcpCounter::InfiniteMapRx), 1);
            assert_eq!(counted(&scene, MptcpCounter::DssCorruptionFallback), 1);
            // Version 0: this direction only. What we send is mapped, and our data is waited for.
            assert_eq!(scene.info().plain, PlainDirections::Receiving);
            assert!(scene.is_mptcp());
            scene.clear();
            let segment = scene.segment(0).payload(b", plainly");
            scene.send(segment);
            assert_eq!(scene.read(), b", plainly");
            scene.advance_ms(500);
            let sent = scene.sent();
            assert_eq!(data_acks(&scene, &sent), [], "nobody looks at them");
            scene.write(b" mapped");
            let packet = scene.sent_one();
            assert_eq!(packet.mapping().map(|mapping| mapping.len), Some(7));
            assert_eq!(scene.peer.stream(), b"hello mapped");
            scene.data_ack(0);
            assert_eq!(scene.info().bytes_acked, 12);
            // FIN is the end of the peer's stream, DATA_FIN of ours.
            scene.fin(0);
            assert_eq!(scene.read(), b"");
            assert!(scene.ended);
            scene.shutdown();
            assert_eq!(scene.peer.their_data_fin, Some(12));
            scene.data_ack(0);
            assert!(scene.peer.subflows[0].fin_seen);
        }
    }
}

/// Protocol statement 95.
#[test]
fn what_was_delivered_does_not_come_again() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        // The bytes behind it on the subflow are those of the last two that came, once more.
        let dss = crate::peer::Dss::new()
            .map64(scene.peer.dsn(3), 6, 0)
            .checksum(0);
        let segment = scene.segment(0).option(dss.bytes()).payload(b"ld and on");
        scene.send(segment);
        assert_eq!(scene.read(), b" and on");
        let segment = scene.segment(0).payload(b" and on");
        scene.send(segment);
        assert_eq!(scene.read(), b" and on");
    }
}

/// Protocol statement 95.
#[test]
fn a_hole_is_a_reset() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        let dss = crate::peer::Dss::new()
            .map64(scene.peer.dsn(8), 6, 0)
            .checksum(0);
        let segment = scene.segment(0).option(dss.bytes()).payload(b"too far");
        scene.send(segment);
        assert_eq!(scene.read(), b"");
        assert!(scene.peer.subflows[0].rst_seen);
        assert_eq!(counted(&scene, MptcpCounter::FallbackFailed), 1);
        assert!(
            scene.read_error.is_some(),
            "and the application hears of it"
        );
    }
}

/// Protocol statements 93, 94.
#[test]
fn the_peers_mp_fail_turns_both_directions_of_version_1() {
    for role in [Role::Client, Role::Listener] {
        let mut scene = failed(Setup::new(role, Version::V1).checksum());
        scene.clear();
        answer(&mut scene);
        assert_eq!(scene.read(), b"12X4567890");
        let sent = scene.sent();
        assert_eq!(
            fails(&sent),
            [],
            "we have asked, and do not answer the answer"
        );
        // The peer may map what it sends for a while, and waits for DATA_ACKs meanwhile.
        assert_eq!(data_acks(&scene, &sent).last(), Some(&15));
        scene.data(0, b"mapped");
        // Its checksum does not count any more.
        let segment = damaged(&mut scene, 0, b"or not", b"or nXt");
        scene.send(segment);
        assert_eq!(scene.read(), b"mappedor nXt");
        scene.advance_ms(500);
        let sent = scene.sent();
        assert_eq!(fails(&sent), []);
        assert_eq!(data_acks(&scene, &sent).last(), Some(&27));
        assert_eq!(scene.info().plain, PlainDirections::Sending);
        let expected = infinite_of_stack(&scene, 5);
        scene.write(b" ours");
        let packet = scene.sent_one();
        assert_eq!(packet.mapping(), Some(expected));
        assert!(packet.data_ack().is_some());
        // The peer's direction ends with its infinite mapping, or with bytes that have none.
        let segment = infinite(&scene, 27, b" theirs");
        scene.send(segment);
        assert_eq!(scene.read(), b" theirs");
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statements 94, 97.
#[test]
fn bytes_without_mapping_end_the_peers_direction_too() {
    for role in [Role::Client, Role::Listener] {
        let mut scene = failed(Setup::new(role, Version::V1).checksum());
        answer(&mut scene);
        let segment = scene.segment(0).payload(b" theirs");
        scene.send(segment);
        assert_eq!(scene.read(), b"12X4567890 theirs");
        scene.write(b"ours");
        goes_on_as_tcp(&mut scene);
    }
}

/// Protocol statement 93.
#[test]
fn the_end_of_the_subflow_is_an_answer() {
    for setup in with_checksums() {
        let mut scene = failed(setup);
        scene.fin(0);
        assert_eq!(scene.read(), b"12X4567890");
        scene.read();
        assert!(scene.ended);
    }
}

/// Protocol statement 96.
#[test]
fn data_that_came_twice_is_not_in_line() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        // The peer sends on its one subflow again what it has sent there before.
        scene.data_at(0, 0, b"world");
        let segment = damaged(&mut scene, 0, b"12345", b"12X45");
        scene.send(segment);
        let reset = reset_of(&mut scene, 0);
        assert_eq!(reset.fail(), Some(scene.peer.dsn(5)));
        assert_reason(&scene, &reset, 6);
        assert_eq!(scene.read(), b"");
        assert_eq!(counted(&scene, MptcpCounter::FallbackFailed), 1);
        // The connection can be revived.
        let second = scene.join(2);
        scene.data_at(second, 5, b"12345");
        assert_eq!(scene.read(), b"12345");
    }
}

/// Protocol statement 96.
#[test]
fn nor_is_a_connection_that_once_had_another_subflow() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.rst(second, []);
        scene.clear();
        let segment = damaged(&mut scene, 0, b"12345", b"12X45");
        scene.send(segment);
        let reset = reset_of(&mut scene, 0);
        assert_eq!(reset.fail(), Some(scene.peer.dsn(5)));
        assert_reason(&scene, &reset, 6);
        assert_eq!(scene.read(), b"");
    }
}

/// Protocol statement 96.
#[test]
fn nor_is_what_comes_twice_after_the_failure() {
    for setup in with_checksums() {
        let mut scene = failed(setup);
        scene.clear();
        // The peer has not heard MP_FAIL and repeats its data at the data level.
        scene.data_at(0, 5, b"12345");
        let reset = reset_of(&mut scene, 0);
        assert_eq!(reset.fail(), Some(scene.peer.dsn(5)));
        assert_eq!(scene.read(), b"");
    }
}

/// Protocol statement 93.
#[test]
fn a_mapping_over_several_segments_fails_as_a_whole() {
    for setup in with_checksums() {
        let mut scene = Scene::confirmed(setup);
        let segment = damaged(&mut scene, 0, b"1234567890", b"12X45");
        scene.send(segment);
        let sent = scene.sent();
        assert_eq!(fails(&sent), [], "it is not all here");
        let segment = scene.segment(0).payload(b"67890");
        scene.send(segment);
        assert_eq!(fails(&scene.sent()), [scene.peer.dsn(5)]);
        answer(&mut scene);
        assert_eq!(scene.read()[..10], *b"12X4567890");
    }
}

/// Protocol statement 93.
#[test]
fn no_joins_while_the_answer_is_awaited() {
    for setup in with_checksums() {
        let mut scene = failed(setup);
        scene.clear();
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let second = scene.join_syn(from, to, 2, false);
        let answer = scene.sent_on(second);
        assert!(answer.iter().all(|packet| packet.has(flag::RST)));
        assert_eq!(answer.len(), 1);
    }
}
