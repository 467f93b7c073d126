//! Paths that do not work: found, left alone, tried again, given up.

use super::{assert_reset, counted, data, pattern, setups, with_two_subflows, write_and_find};
use crate::peer::{Packet, Scene};
use umptcp_stack::base::mptcp_counters::MptcpCounter;

/// Data packets on a subflow.
fn data_on(scene: &Scene, subflow: usize, sent: &[Packet]) -> Vec<Packet> {
    let mut packets = data(sent);
    packets.retain(|packet| scene.peer.subflow_of(packet) == Some(subflow));
    packets
}

/// Everything on one subflow is acknowledged at both levels, nothing on the other, for a while.
/// Gives what was sent.
fn only_answers(scene: &mut Scene, subflow: usize, millis: u64) -> Vec<Packet> {
    let mut sent = Vec::new();
    for _ in 0..millis / 50 {
        scene.advance_ms(50);
        let these = scene.sent();
        if !data_on(scene, subflow, &these).is_empty() {
            scene.data_ack(subflow);
        }
        sent.extend(these);
        sent.extend(scene.sent());
    }
    sent
}

/// Protocol statement 69.
#[test]
fn a_path_that_times_out_again_and_again_is_stale_until_something_gets_through() {
    for mut scene in with_two_subflows(|setup| setup) {
        let carrier = write_and_find(&mut scene, &pattern(5, 3000));
        let other = 1 - carrier;
        only_answers(&mut scene, other, 600);
        assert!(scene.subflow_infos()[carrier].stalled);
        assert!(
            !scene.subflow_infos()[carrier].stale,
            "not after the first timeout"
        );
        only_answers(&mut scene, other, 10_000);
        assert!(scene.subflow_infos()[carrier].stale);
        assert_eq!(counted(&scene, MptcpCounter::SubflowStale), 1);
        // That it can still be heard is not enough: the other direction does not work.
        scene.data(carrier, b"heard");
        assert_eq!(scene.read(), b"heard");
        assert!(scene.subflow_infos()[carrier].stale);
        scene.clear();
        scene.write(&pattern(3005, 3000));
        let sent = only_answers(&mut scene, other, 2000);
        let seen = scene.peer.subflows[carrier].rcv_nxt;
        let new = |packet: &Packet| packet.seq.wrapping_sub(seen).cast_signed() >= 0;
        assert!(
            !data_on(&scene, carrier, &sent).iter().any(new),
            "no new data"
        );
        assert_eq!(counted(&scene, MptcpCounter::SubflowRecover), 0);
        scene.ack(carrier);
        assert!(!scene.subflow_infos()[carrier].stalled);
        assert_eq!(counted(&scene, MptcpCounter::SubflowRecover), 1);
        assert_eq!(scene.info().bytes_acked, 6005);
        // Both are used again.
        scene.clear();
        scene.write(&pattern(6005, 50_000));
        scene.advance_ms(20);
        let sent = scene.sent();
        assert!(!data_on(&scene, carrier, &sent).is_empty());
    }
}

/// Protocol statement 64.
#[test]
fn a_path_that_acknowledges_and_does_not_deliver_is_found() {
    for mut scene in with_two_subflows(|setup| setup.tune(|config| config.stale_loss_count = 2)) {
        let mut offset = 5;
        let mut bad = None;
        for period in 1..=2 {
            let carrier = write_and_find(&mut scene, &pattern(offset, 1000));
            offset += 1000;
            let bad = *bad.get_or_insert(carrier);
            let good = 1 - bad;
            assert_eq!(carrier, bad, "it is the one that the scheduler prefers");
            // Its peer, or somebody in its name, has it; the connection has not.
            scene.ack(bad);
            let sent = only_answers(&mut scene, good, 1200);
            // The oldest byte goes elsewhere the first time, not there again.
            assert!(data_on(&scene, bad, &sent).is_empty(), "{sent:?}");
            assert_eq!(data_on(&scene, good, &sent).len(), 1);
            assert_eq!(scene.info().bytes_acked, offset);
            assert_eq!(scene.subflow_infos()[bad].stale, period == 2);
        }
        let bad = bad.expect("it was used");
        assert_eq!(counted(&scene, MptcpCounter::SubflowStale), 1);
        // After a pause it has another chance; once more, and it is stale again.
        let mut stale_again = false;
        for _ in 0..100 {
            scene.clear();
            scene.write(&pattern(offset, 1000));
            offset += 1000;
            scene.advance_ms(20);
            let sent = scene.sent();
            if !data_on(&scene, bad, &sent).is_empty() {
                scene.ack(bad);
                stale_again = true;
                break;
            }
            scene.data_ack(1 - bad);
            scene.advance_ms(500);
        }
        assert!(stale_again, "it was never tried again");
        assert_eq!(counted(&scene, MptcpCounter::SubflowRecover), 1);
        only_answers(&mut scene, 1 - bad, 1200);
        assert!(scene.subflow_infos()[bad].stale);
        assert_eq!(counted(&scene, MptcpCounter::SubflowStale), 2);
        assert_eq!(scene.info().bytes_acked, offset);
    }
}

/// Protocol statement 69.
#[test]
fn the_only_path_is_never_stale_and_nothing_is_if_the_settings_say_so() {
    for mut scene in with_two_subflows(|setup| setup.tune(|config| config.stale_loss_count = 0)) {
        let carrier = write_and_find(&mut scene, &pattern(5, 3000));
        only_answers(&mut scene, 1 - carrier, 30_000);
        assert!(scene.subflow_infos()[carrier].stalled);
        assert_eq!(counted(&scene, MptcpCounter::SubflowStale), 0);
    }
    for setup in setups() {
        let mut scene = Scene::confirmed(setup);
        scene.write(&pattern(5, 3000));
        scene.advance_ms(30_000);
        assert!(!scene.subflow_infos()[0].stalled);
        assert_eq!(counted(&scene, MptcpCounter::SubflowStale), 0);
    }
}

/// Protocol statement 69.
#[test]
fn a_subflow_stuck_with_what_others_have_delivered_is_reset_after_a_time() {
    for limit in [Some(5), None] {
        for mut scene in with_two_subflows(|setup| {
            setup.tune(|config| {
                config.stuck_subflow_timeout = limit.map(std::time::Duration::from_secs);
            })
        }) {
            let carrier = write_and_find(&mut scene, &pattern(5, 3000));
            let other = 1 - carrier;
            only_answers(&mut scene, other, 4900);
            assert_eq!(scene.info().bytes_acked, 3005);
            assert!(
                !scene.peer.subflows[carrier].rst_seen,
                "not before its time"
            );
            let sent = only_answers(&mut scene, other, 200);
            if limit.is_none() {
                only_answers(&mut scene, other, 60_000);
                assert!(
                    !scene.peer.subflows[carrier].rst_seen,
                    "the settings forbid it"
                );
                continue;
            }
            let sent: Vec<_> = sent
                .into_iter()
                .filter(|packet| scene.peer.subflow_of(packet) == Some(carrier))
                .collect();
            assert_reset(&scene, carrier, &sent, 4);
            scene.write(b"the other goes on");
            scene.advance_ms(20);
            assert!(scene.peer.stream().ends_with(b"the other goes on"));
        }
    }
}

/// Protocol statement 69.
#[test]
fn a_subflow_that_still_has_something_to_deliver_is_not_reset_for_it() {
    for mut scene in with_two_subflows(|setup| {
        setup.tune(|config| config.stuck_subflow_timeout = Some(std::time::Duration::from_secs(5)))
    }) {
        let carrier = write_and_find(&mut scene, &pattern(5, 3000));
        // Nobody acknowledges anything: the data may still come by either.
        scene.advance_ms(20_000);
        assert!(!scene.peer.subflows[carrier].rst_seen);
        assert_eq!(scene.info().bytes_acked, 5);
    }
}
