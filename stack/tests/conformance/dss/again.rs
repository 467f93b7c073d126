//! Data that is sent again: when it may be forgotten, and where it goes when a subflow ends.

use super::{counted, data, pattern, setups, with_two_subflows, write_and_find};
use crate::peer::{Packet, Scene};
use std::collections::BTreeSet;
use umptcp_stack::base::mptcp_counters::MptcpCounter;
use umptcp_stack::tcp::state::TcpState;

/// Payload bytes that went to a subflow.
fn bytes_on(scene: &Scene, subflow: usize, sent: &[Packet]) -> usize {
    let on = |packet: &&Packet| scene.peer.subflow_of(packet) == Some(subflow);
    let these = sent.iter().filter(on);
    these.map(|packet| packet.payload.len()).sum()
}

/// Protocol statement 64.
#[test]
fn what_the_subflow_alone_acknowledges_is_kept_and_sent_again() {
    for setup in setups() {
        let mut scene = Scene::confirmed(setup);
        let bytes = pattern(5, 3000);
        scene.write(&bytes);
        scene.ack(0);
        scene.clear();
        assert_eq!(scene.info().bytes_acked, 5);
        // Nobody has said that the connection has it: it goes again, under new subflow numbers.
        let places = scene.peer.subflows[0].places.len();
        scene.peer.received.clear();
        scene.peer.received.extend((0..).zip(*b"hello"));
        for _ in 0..20 {
            scene.advance_ms(1000);
            scene.ack(0);
        }
        let again = data(&scene.sent());
        assert!(!again.is_empty());
        assert!(scene.peer.subflows[0].places.len() > places);
        // The first segment again and again, as nothing moves; the same bytes.
        let stream = scene.peer.stream();
        assert!(stream.len() > 5);
        assert_eq!(stream[5..], bytes[..stream.len() - 5]);
        let counted = counted(&scene, MptcpCounter::MptcpRetrans);
        assert_eq!(counted, mappings_on(&scene, 0, &again));
        // A DATA_ACK of what has come shows the next hole, which is mended at once.
        for _ in 0..10 {
            scene.data_ack(0);
            scene.advance_ms(10);
        }
        assert_eq!(scene.peer.stream()[5..], bytes);
        assert_eq!(scene.info().bytes_acked, 3005);
    }
}

/// Protocol statement 64.
#[test]
fn what_the_connection_alone_acknowledges_is_kept_by_the_subflow() {
    for mut scene in with_two_subflows(|setup| setup) {
        let bytes = pattern(5, 3000);
        let carrier = write_and_find(&mut scene, &bytes);
        let other = 1 - carrier;
        // The other subflow says that all of it has come.
        scene.advance_ms(20);
        scene.data_ack(other);
        assert_eq!(scene.info().bytes_acked, 3005);
        scene.clear();
        let stream = core::mem::take(&mut scene.peer.subflows[carrier].stream);
        scene.advance_ms(10_000);
        let sent = scene.sent();
        assert!(bytes_on(&scene, carrier, &sent) > 0, "{sent:?}");
        assert_eq!(bytes_on(&scene, other, &sent), 0);
        // The same bytes again, each with its mapping.
        for packet in data(&sent) {
            assert!(packet.mapping().is_some());
        }
        for (ssn, byte) in &scene.peer.subflows[carrier].stream {
            assert_eq!(stream.get(ssn), Some(byte));
        }
        scene.ack(carrier);
        scene.clear();
        scene.advance_ms(20_000);
        assert!(data(&scene.sent()).is_empty(), "nothing is owed any more");
    }
}

/// Protocol statement 69.
#[test]
fn what_went_elsewhere_is_still_owed_to_the_first_subflow() {
    for mut scene in with_two_subflows(|setup| setup) {
        let bytes = pattern(5, 3000);
        let carrier = write_and_find(&mut scene, &bytes);
        let other = 1 - carrier;
        scene.advance_ms(3000);
        let sent = scene.sent();
        assert!(bytes_on(&scene, other, &sent) >= 3000, "on the other too");
        assert!(scene.subflow_infos()[carrier].stalled);
        assert_eq!(scene.info().bytes_reinjected, 3000);
        assert_eq!(
            counted(&scene, MptcpCounter::MptcpRetrans),
            mappings_on(&scene, other, &sent)
        );
        scene.data_ack(other);
        scene.clear();
        let before = scene.peer.subflows[carrier].acked;
        scene.advance_ms(20_000);
        let sent = scene.sent();
        assert_eq!(bytes_on(&scene, other, &sent), 0);
        assert!(bytes_on(&scene, carrier, &sent) > 0, "still on the first");
        // In order, from where its acknowledgments end, until it has acknowledged it all.
        assert_eq!(data(&sent)[0].seq, before);
        for _ in 0..10 {
            scene.ack(carrier);
            scene.advance_ms(50);
        }
        scene.clear();
        scene.advance_ms(20_000);
        assert!(data(&scene.sent()).is_empty());
        assert!(!scene.subflow_infos()[carrier].stalled, "it works again");
    }
}

/// Mappings that went to a subflow, each counted once.
fn mappings_on(scene: &Scene, subflow: usize, sent: &[Packet]) -> u64 {
    let packets = data(sent);
    let on = |packet: &&Packet| scene.peer.subflow_of(packet) == Some(subflow);
    let mappings = packets.iter().filter(on).filter_map(Packet::mapping);
    let places: BTreeSet<u32> = mappings.map(|mapping| mapping.ssn).collect();
    places.len() as u64
}

/// Protocol statement 70.
#[test]
fn a_subflow_that_is_reset_leaves_its_data_to_the_other() {
    for subflow_has_acknowledged in [false, true] {
        for mut scene in with_two_subflows(|setup| setup) {
            let bytes = pattern(5, 3000);
            let carrier = write_and_find(&mut scene, &bytes);
            let other = 1 - carrier;
            scene.advance_ms(20);
            if subflow_has_acknowledged {
                // What waited there for a mapping, or for the rest of one, is lost with it.
                scene.ack(carrier);
            }
            scene.peer.received.clear();
            scene.peer.received.extend((0..).zip(*b"hello"));
            scene.clear();
            scene.rst(carrier, []);
            scene.advance_ms(20);
            let sent = scene.sent();
            assert!(bytes_on(&scene, other, &sent) >= 3000, "at once");
            assert_eq!(scene.peer.stream()[5..], bytes);
            assert_eq!(scene.subflow_infos()[carrier].state, TcpState::Closed);
            scene.data_ack(other);
            assert_eq!(scene.info().bytes_acked, 3005);
            scene.write(b" and more");
            scene.advance_ms(20);
            assert!(scene.peer.stream().ends_with(b" and more"));
        }
    }
}

/// Protocol statement 70.
#[test]
fn what_the_connection_has_is_not_sent_again_when_a_subflow_is_reset() {
    for mut scene in with_two_subflows(|setup| setup) {
        let carrier = write_and_find(&mut scene, &pattern(5, 3000));
        let other = 1 - carrier;
        scene.advance_ms(20);
        scene.data_ack(other);
        scene.clear();
        scene.rst(carrier, []);
        scene.advance_ms(5000);
        assert!(data(&scene.sent()).is_empty());
        assert_eq!(scene.info().bytes_reinjected, 0);
    }
}
