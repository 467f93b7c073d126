//! The data level of the receiver: gaps, windows, copies.

use super::{counted, pattern, with_two_subflows};
use crate::peer::{Packet, Scene, Wide};
use umptcp_stack::base::mptcp_counters::MptcpCounter;

/// The offset that a packet acknowledges at the data level.
fn acked(scene: &Scene, packet: &Packet) -> Option<u64> {
    packet.data_ack().map(|ack| scene.peer.acked_offset(ack))
}

/// Protocol statement 63.
#[test]
fn a_data_ack_waits_for_the_gap_and_the_subflows_do_not() {
    for mut scene in with_two_subflows(|setup| setup) {
        scene.data_at(1, 1005, &pattern(1005, 1000));
        scene.data_at(1, 2005, &pattern(2005, 1000));
        scene.advance_ms(500);
        let subflow = &scene.peer.subflows[1];
        assert_eq!(subflow.their_ack, subflow.snd_nxt, "at the subflow level");
        let sent = scene.sent();
        assert!(!sent.is_empty());
        for packet in &sent {
            assert_eq!(acked(&scene, packet), Some(5), "{packet:?}");
        }
        assert_eq!(scene.read(), b"");
        // What fills the gap is acknowledged at once, and with it all that waited.
        scene.data_at(0, 5, &pattern(5, 1000));
        let last = scene.sent_on(0).pop().expect("an acknowledgment at once");
        assert_eq!(acked(&scene, &last), Some(3005));
        assert_eq!(scene.read(), pattern(5, 3000));
        assert_eq!(counted(&scene, MptcpCounter::OfoQueueTail), 2);
        assert_eq!(counted(&scene, MptcpCounter::OfoMerge), 1);
    }
}

/// Protocol statement 63.
#[test]
fn data_out_of_order_is_counted_by_its_place() {
    for mut scene in with_two_subflows(|setup| setup) {
        scene.data_at(1, 3005, &pattern(3005, 100));
        scene.data_at(0, 1005, &pattern(1005, 100));
        scene.data_at(1, 905, &pattern(905, 100));
        let of = |counter| counted(&scene, counter);
        assert_eq!(of(MptcpCounter::OfoQueueTail), 1);
        assert_eq!(of(MptcpCounter::OfoQueue), 2);
        assert_eq!(of(MptcpCounter::OfoMerge), 1);
        assert_eq!(of(MptcpCounter::DuplicateData), 0);
    }
}

/// Protocol statement 65.
#[test]
fn the_right_edge_moves_only_right_whichever_subflow_says_it() {
    // No window scale for so small a buffer, so that edges are exact.
    for mut scene in with_two_subflows(|setup| setup.tune(|config| config.receive_buffer = 30_000))
    {
        let (mut edge, mut largest_hole) = (0, 0);
        let mut received = Vec::new();
        for round in 0_u64..200 {
            // Holes come and go, the reader rests now and then, and the subflows take turns.
            let next = scene.peer.data_sent;
            let room = edge - next.min(edge);
            if room >= 2000 || round == 0 {
                let (first, second) = if round % 3 == 0 { (1000, 0) } else { (0, 1000) };
                let subflow = (round % 2) as usize;
                scene.data_at(subflow, next + first, &pattern(next + first, 1000));
                largest_hole = largest_hole.max(first);
                scene.data_at(1 - subflow, next + second, &pattern(next + second, 1000));
            }
            if round % 5 == 0 {
                received.extend(scene.read());
            }
            scene.advance_ms(if round % 7 == 0 { 300 } else { 1 });
            for packet in scene.sent() {
                assert!(!packet.has(crate::peer::packet::flag::RST));
                let Some(ack) = acked(&scene, &packet) else {
                    continue;
                };
                let right = ack + u64::from(packet.window);
                assert!(right >= edge, "{edge} then {right}: {packet:?}");
                edge = right;
            }
        }
        received.extend(scene.read());
        assert!(
            largest_hole > 0 && received.len() > 100_000,
            "{}",
            received.len()
        );
        assert_eq!(received, pattern(5, received.len()));
        assert_eq!(counted(&scene, MptcpCounter::NoDssInWindow), 0);
    }
}

/// Protocol statement 65.
#[test]
fn one_window_serves_all_subflows() {
    for mut scene in with_two_subflows(|setup| setup.tune(|config| config.receive_buffer = 30_000))
    {
        // What waits on one subflow takes room on both.
        scene.data_at(1, 5, &pattern(5, 1000));
        for at in 1..10 {
            scene.data_at(1, 5 + at * 1000, &pattern(5 + at * 1000, 1000));
        }
        scene.advance_ms(500);
        scene.clear();
        scene.data_at(0, 10_005, b"x");
        scene.advance_ms(500);
        let last = scene.sent_on(0).pop().expect("an acknowledgment");
        assert_eq!(acked(&scene, &last), Some(10_006));
        // The edge stands where it stood: nothing was read.
        assert_eq!(u64::from(last.window), 30_000 - 10_006);
    }
}

/// Protocol statement 67.
#[test]
fn data_beyond_the_edge_is_dropped_and_taken_when_it_comes_again() {
    const WINDOW: u64 = 10_000;
    for mut scene in
        with_two_subflows(|setup| setup.tune(|config| config.receive_buffer = WINDOW as usize))
    {
        let beyond = 5 + WINDOW;
        // A part of it is inside: that is taken.
        scene.data_at(0, beyond - 100, &pattern(beyond - 100, 1000));
        scene.data_at(1, beyond + 2000, &pattern(beyond + 2000, 1000));
        scene.advance_ms(500);
        for subflow in &scene.peer.subflows {
            assert_eq!(subflow.their_ack, subflow.snd_nxt, "both have it");
        }
        assert_eq!(counted(&scene, MptcpCounter::NoDssInWindow), 1);
        let mut read = Vec::new();
        for at in (5..beyond - 100).step_by(900) {
            let len = (beyond - 100 - at).min(900);
            scene.data_at(0, at, &pattern(at, len as usize));
            scene.advance_ms(50);
        }
        read.extend(scene.read());
        // All but what was dropped.
        assert_eq!(read, pattern(5, WINDOW as usize));
        scene.advance_ms(50);
        let last = scene.sent().pop().expect("an acknowledgment");
        assert_eq!(acked(&scene, &last), Some(beyond));
        scene.data_at(1, beyond, &pattern(beyond, 2000 - 1000));
        scene.data_at(1, beyond + 1000, &pattern(beyond + 1000, 1000));
        scene.data_at(0, beyond + 2000, &pattern(beyond + 2000, 1000));
        assert_eq!(scene.read(), pattern(beyond, 3000));
    }
}

/// Protocol statement 68.
#[test]
fn of_two_copies_the_first_counts() {
    for mut scene in with_two_subflows(|setup| setup) {
        scene.data_at(0, 15, &[b'a'; 10]);
        scene.data_at(1, 5, &[b'b'; 30]);
        let expected: Vec<u8> = [&[b'b'; 10][..], &[b'a'; 10], &[b'b'; 10]].concat();
        scene.data_at(0, 10, &[b'c'; 20]);
        assert_eq!(scene.read(), expected);
        assert_eq!(counted(&scene, MptcpCounter::DuplicateData), 1);
        // Also of what waits ahead of a gap, and whoever comes second.
        scene.data_at(1, 40, &[b'd'; 10]);
        scene.data_at(0, 40, &[b'e'; 10]);
        scene.data_at(0, 45, &[b'f'; 10]);
        assert_eq!(counted(&scene, MptcpCounter::DuplicateData), 2);
        scene.data_at(1, 35, &[b'g'; 5]);
        let expected: Vec<u8> = [&[b'g'; 5][..], &[b'd'; 10], &[b'f'; 5]].concat();
        assert_eq!(scene.read(), expected);
        scene.advance_ms(500);
        let last = scene.sent().pop().expect("an acknowledgment");
        assert_eq!(last.data_ack(), Some(Wide::Long(scene.peer.dsn(55))));
    }
}

/// What a peer can make the stack hold by sending crumbs out of order is bounded: at the data level
/// they are dropped and have to come again.
///
/// Protocol statement 67.
#[test]
fn a_flood_of_crumbs_out_of_order_is_borne() {
    for mut scene in with_two_subflows(|setup| setup) {
        for crumb in 0..6000_u64 {
            scene.data_at(1, 7 + 2 * crumb, b"x");
        }
        assert!(counted(&scene, MptcpCounter::NoDssInWindow) > 1500);
        // What was dropped comes again with the rest.
        let mut at = 5;
        while at < 13_005 {
            scene.data_at(0, at, &[b'x'; 1000]);
            at += 1000;
        }
        assert_eq!(scene.read(), [b'x'; 13_000]);
    }
}
