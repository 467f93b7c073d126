//! Mappings that come early, late, twice or wrong.

use super::{assert_reset, counted, pattern, with_two_subflows};
use crate::peer::options::Dss;
use crate::peer::{Scene, Segment, Setup, Wide, all_setups, crypto};
use umptcp_stack::base::mptcp_counters::MptcpCounter;

/// Segments of the peer's stream on a subflow, from its next sequence number on, without options
/// of MPTCP.
fn pieces(scene: &Scene, subflow: usize, lens: &[usize], bytes: &[u8]) -> Vec<Segment> {
    let mut at = 0;
    let segments = lens.iter().map(|len| {
        let segment = scene.segment(subflow);
        let seq = segment.seq.wrapping_add(at as u32);
        let piece = &bytes[at..at + len];
        at += len;
        segment.seq(seq).payload(piece)
    });
    segments.collect()
}

/// Protocol statement 53.
#[test]
fn the_same_mapping_may_come_as_often_as_it_likes() {
    for setup in all_setups().chain(all_setups().map(Setup::checksum)) {
        let mut scene = Scene::confirmed(setup);
        let bytes = pattern(5, 30);
        let ssn = scene.peer.subflows[0].ssn();
        let mapping = scene.peer.dss_for(5, ssn, &bytes).bytes();
        for segment in pieces(&scene, 0, &[10, 10, 10], &bytes) {
            scene.send(segment.option(&mapping));
        }
        assert_eq!(scene.read(), bytes);
        // And once more, behind all of its bytes.
        let last = scene.segment(0);
        let seq = last.seq.wrapping_sub(10);
        scene.send(last.seq(seq).option(&mapping).payload(&bytes[20..]));
        scene.data_at(0, 35, b"next");
        assert_eq!(scene.read(), b"next");
        assert_eq!(counted(&scene, MptcpCounter::DssNotMatching), 0);
    }
}

/// Protocol statement 53.
#[test]
fn a_mapping_that_contradicts_another_ends_the_subflow() {
    for mut scene in with_two_subflows(|setup| setup) {
        let bytes = pattern(5, 20);
        let (dsn, ssn) = (scene.peer.dsn(5), scene.peer.subflows[1].ssn());
        let [first, second] = pieces(&scene, 1, &[10, 10], &bytes)
            .try_into()
            .expect("two");
        let dss = |dsn, ssn, len| Dss::new().map64(dsn, ssn, len).bytes();
        scene.send(first.option(dss(dsn, ssn, 20)));
        scene.clear();
        scene.send(second.option(dss(dsn + 11, ssn + 10, 10)));
        let sent = scene.sent_on(1);
        assert_reset(&scene, 1, &sent, 1);
        assert_eq!(counted(&scene, MptcpCounter::DssNotMatching), 1);
        // What was mapped beyond doubt counts, nothing else, and the other subflow goes on.
        assert_eq!(scene.read(), bytes[..10]);
        scene.data_at(0, 15, &bytes[10..]);
        assert_eq!(scene.read(), bytes[10..]);
    }
}

/// Protocol statement 54.
#[test]
fn a_mapping_of_several_segments_may_stand_on_any_of_them() {
    for setup in all_setups().chain(all_setups().map(Setup::checksum)) {
        for carrier in 0..3 {
            let mut scene = Scene::confirmed(setup.clone());
            let bytes = pattern(5, 35);
            let ssn = scene.peer.subflows[0].ssn();
            let mapping = scene.peer.dss_for(5, ssn, &bytes).bytes();
            for (at, segment) in pieces(&scene, 0, &[11, 13, 11], &bytes)
                .into_iter()
                .enumerate()
            {
                let mapped = at == carrier;
                scene.send(if mapped {
                    segment.option(&mapping)
                } else {
                    segment
                });
            }
            assert_eq!(scene.read(), bytes, "on segment {carrier} of {setup:?}");
            assert!(scene.is_mptcp());
        }
    }
}

/// Protocol statement 54.
#[test]
fn segments_of_a_mapping_may_come_in_any_order() {
    for setup in all_setups().chain(all_setups().map(Setup::checksum)) {
        for order in [[2, 0, 1], [1, 2, 0], [2, 1, 0]] {
            let mut scene = Scene::confirmed(setup.clone());
            let bytes = pattern(5, 35);
            let ssn = scene.peer.subflows[0].ssn();
            let mapping = scene.peer.dss_for(5, ssn, &bytes).bytes();
            let segments = pieces(&scene, 0, &[11, 13, 11], &bytes);
            // Only the one that comes first has it: it is known ahead of all bytes before it.
            for (at, index) in order.into_iter().enumerate() {
                let segment = segments[index].clone();
                scene.send(if at == 0 {
                    segment.option(&mapping)
                } else {
                    segment
                });
            }
            assert_eq!(scene.read(), bytes, "{order:?} of {setup:?}");
        }
    }
}

/// Protocol statement 55.
#[test]
fn a_segment_may_end_one_mapping_and_begin_the_next() {
    for setup in all_setups().chain(all_setups().map(Setup::checksum)) {
        let mut scene = Scene::confirmed(setup);
        let bytes = pattern(5, 40);
        let ssn = scene.peer.subflows[0].ssn();
        // 10 bytes each; in the subflow they stand in the order 1, 3, 2.
        let stream: Vec<u8> = [&bytes[..10], &bytes[20..30], &bytes[10..20]].concat();
        let mapping = |offset: usize, ssn| {
            let bytes = &bytes[offset..offset + 10];
            scene.peer.dss_for(5 + offset as u64, ssn, bytes).bytes()
        };
        let mappings = [
            mapping(0, ssn),
            mapping(20, ssn + 10),
            mapping(10, ssn + 20),
        ];
        let segments = pieces(&scene, 0, &[15, 10, 5], &stream);
        for (segment, mapping) in segments.into_iter().zip(mappings) {
            scene.send(segment.option(mapping));
        }
        assert_eq!(scene.read(), bytes[..30]);
        scene.data_at(0, 35, &bytes[30..]);
        assert_eq!(scene.read(), bytes[30..]);
    }
}

/// Protocol statement 56.
#[test]
fn bytes_wait_for_their_mapping_and_hold_up_nobody() {
    for setup in all_setups().chain(all_setups().map(Setup::checksum)) {
        let mut scene = Scene::confirmed(setup);
        let bytes = pattern(5, 3000);
        let ssn = scene.peer.subflows[0].ssn();
        let segments = pieces(&scene, 0, &[1000, 1000, 500, 500], &bytes);
        let mapping = |offset: usize, len: usize| {
            let bytes = &bytes[offset..offset + len];
            let ssn = ssn + offset as u32;
            scene.peer.dss_for(5 + offset as u64, ssn, bytes).bytes()
        };
        let (second, rest) = (mapping(1000, 1000), mapping(2000, 1000));
        let mut segments = segments.into_iter();
        let mut next = || segments.next().expect("four");
        scene.send(next());
        scene.send(next().option(second));
        scene.send(next());
        scene.clear();
        assert_eq!(scene.read(), b"");
        scene.send(next().option(rest));
        assert_eq!(scene.read(), b"");
        // What has no mapping comes again, as the missing DATA_ACK asks for: on a connection with
        // one subflow it has to come behind all that waits.
        scene.data_at(0, 5, &bytes[..1000]);
        assert_eq!(scene.read(), bytes);
        assert!(scene.is_mptcp());
    }
}

/// Protocol statement 56.
#[test]
fn a_window_full_of_bytes_without_mapping_ends_the_subflow() {
    const WINDOW: usize = 20_000;
    for mut scene in with_two_subflows(|setup| setup.tune(|config| config.receive_buffer = WINDOW))
    {
        // The peer has used mappings there before.
        scene.data(1, b"known");
        assert_eq!(scene.read(), b"known");
        let data_acked = scene.peer.dsn(10);
        scene.advance_ms(500);
        scene.clear();
        let mut sent = 0;
        while !scene.peer.subflows[1].rst_seen {
            assert!(sent <= WINDOW, "{sent} bytes are held");
            let segment = scene.segment(1).payload(pattern(0, 1000));
            scene.send(segment);
            sent += 1000;
            scene.advance_ms(1);
        }
        assert_eq!(sent, WINDOW);
        let answers = scene.sent_on(1);
        for packet in &answers {
            let says = packet.data_ack();
            assert!(says.is_none_or(|ack| ack == Wide::Long(data_acked)));
        }
        assert_reset(&scene, 1, &answers, 6);
        assert_eq!(scene.read(), b"");
        scene.data(0, b"the other subflow");
        assert_eq!(scene.read(), b"the other subflow");
    }
}

/// Protocol statement 60.
#[test]
fn nothing_of_a_mapping_is_delivered_before_its_checksum_is_verified() {
    for setup in all_setups() {
        for long in [true, false] {
            let mut scene = Scene::confirmed(setup.clone().checksum());
            let bytes = pattern(5, 37);
            let (dsn, ssn) = (scene.peer.dsn(5), scene.peer.subflows[0].ssn());
            // Over the full 64 bits, however many of them are sent.
            let sum = crypto::dss_checksum(dsn, ssn, 37, &bytes);
            let dss = match long {
                true => Dss::new().map64(dsn, ssn, 37),
                false => Dss::new().map32(dsn, ssn, 37),
            };
            let mapping = dss.checksum(sum).bytes();
            let mut segments = pieces(&scene, 0, &[11, 25, 1], &bytes).into_iter();
            scene.send(segments.next().expect("three").option(&mapping));
            assert_eq!(scene.read(), b"");
            scene.send(segments.next().expect("three"));
            assert_eq!(scene.read(), b"");
            scene.send(segments.next().expect("three"));
            assert_eq!(scene.read(), bytes);
        }
    }
}

/// Protocol statement 72.
#[test]
fn a_mapping_without_bytes_maps_nothing() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (dsn, ssn) = (scene.peer.dsn(5), scene.peer.subflows[0].ssn());
        // It would contradict what follows.
        let early = Dss::new().map64(dsn + 7, ssn, 10).bytes();
        scene.option(0, early);
        let bytes = pattern(5, 20);
        scene.data(0, &bytes);
        assert_eq!(scene.read(), bytes);
        assert_eq!(counted(&scene, MptcpCounter::DssNotMatching), 0);
        assert_eq!(counted(&scene, MptcpCounter::DssNoMatchTcp), 0);
        assert!(!scene.peer.subflows[0].rst_seen);
    }
}

/// Protocol statement 72.
#[test]
fn a_length_of_zero_on_a_pure_ack_is_no_fallback() {
    for setup in all_setups() {
        for confirmed in [false, true] {
            let mut scene = if confirmed {
                Scene::confirmed(setup.clone())
            } else {
                Scene::established(setup.clone())
            };
            let sent = scene.peer.data_sent;
            let (dsn, ssn) = (scene.peer.dsn(sent), scene.peer.subflows[0].ssn());
            let empty = scene.peer.dss().map64(dsn, ssn, 0).bytes();
            scene.option(0, empty);
            assert!(scene.is_mptcp());
            scene.data(0, b"mapped");
            assert_eq!(scene.read(), b"mapped");
            scene.write(b"also");
            assert!(scene.sent().iter().any(|packet| packet.mapping().is_some()));
        }
    }
}

/// Protocol statement 53.
#[test]
fn a_mapping_that_misses_its_segment_is_not_relied_on() {
    for mut scene in with_two_subflows(|setup| setup) {
        scene.data(1, b"known");
        assert_eq!(scene.read(), b"known");
        let bytes = pattern(10, 20);
        let (dsn, ssn) = (scene.peer.dsn(10), scene.peer.subflows[1].ssn());
        let [first, second] = pieces(&scene, 1, &[10, 10], &bytes)
            .try_into()
            .expect("two");
        // It is about the next segment only.
        scene.send(first.option(Dss::new().map64(dsn + 1000, ssn + 10, 10).bytes()));
        assert_eq!(counted(&scene, MptcpCounter::DssNoMatchTcp), 1);
        // So it is no contradiction that the next one says something else.
        let mapping = scene.peer.dss_for(20, ssn + 10, &bytes[10..]).bytes();
        scene.send(second.option(mapping));
        scene.data_at(0, 10, &bytes[..10]);
        assert_eq!(scene.read(), bytes);
        assert!(!scene.peer.subflows[1].rst_seen);
    }
}
