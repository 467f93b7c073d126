//! The peer's window, and DATA_ACKs that say what cannot be.

use super::{at_once, counted, data, pattern};
use crate::peer::options::Dss;
use crate::peer::{Scene, Setup, VERSIONS};
use std::time::Duration;
use umptcp_stack::base::mptcp_counters::MptcpCounter;
use umptcp_stack::{Keepalive, Version};

/// What one unit of the peer's window field stands for.
const UNIT: u64 = 128;

/// The peer's segments on a subflow announce so many units from now on.
fn set_window(scene: &mut Scene, subflow: usize, units: u16) {
    scene.peer.subflows[subflow].window = units;
}

/// The stack has connected, and all that it knows is a window of a few units.
fn narrow(version: Version, units: u16) -> Scene {
    let mut setup = at_once(Setup::client(version));
    // Full segments of ten units: beside timestamps and DSS, whose DATA_ACKs have 4 and 8 bytes.
    setup.mss = match version {
        Version::V0 => 1280 + 12 + 24,
        Version::V1 => 1280 + 12 + 28,
    };
    let mut scene = Scene::new(setup);
    scene.connect();
    // Windows of SYNs are not scaled.
    set_window(&mut scene, 0, units * UNIT as u16);
    let capable = scene.capable_syn_ack();
    scene.syn_ack(0, capable);
    set_window(&mut scene, 0, units);
    scene.data_ack(0);
    scene.clear();
    scene
}

/// All that the stack has sent of its stream, once it has had some time.
fn sent(scene: &mut Scene) -> u64 {
    scene.advance_ms(30);
    scene.peer.data_received()
}

/// A pure ACK of everything on a subflow with this DSS, and this window.
fn say(scene: &mut Scene, subflow: usize, dss: Dss, units: u16) {
    let state = &mut scene.peer.subflows[subflow];
    state.acked = state.rcv_nxt;
    let segment = scene.segment(subflow).window(units).option(dss.bytes());
    scene.send(segment);
}

fn data_ack(scene: &Scene, offset: u64) -> Dss {
    Dss::new().ack64(scene.peer.their_dsn(offset))
}

/// Protocol statement 66.
#[test]
fn the_window_counts_only_beside_a_data_ack() {
    for version in VERSIONS {
        let mut scene = narrow(version, 20);
        scene.write(&pattern(0, 50_000));
        let edge = 20 * UNIT;
        assert_eq!(sent(&mut scene), edge);
        // All of it is acknowledged by the subflow, and its window is open: but the connection's
        // is still full.
        let (none, all) = (data_ack(&scene, 0), data_ack(&scene, edge));
        say(&mut scene, 0, none, 20);
        let state = &mut scene.peer.subflows[0];
        state.acked = state.rcv_nxt;
        let plain = scene.segment(0).window(60_000);
        scene.send(plain);
        assert_eq!(sent(&mut scene), edge);
        assert!(scene.is_mptcp());
        say(&mut scene, 0, all, 30);
        assert_eq!(sent(&mut scene), edge + 30 * UNIT);
    }
}

/// Protocol statement 66.
#[test]
fn the_edge_never_moves_left_and_the_largest_counts() {
    for version in VERSIONS {
        let mut scene = narrow(version, 20);
        let at = 40 * UNIT;
        scene.write(&pattern(0, at as usize));
        assert_eq!(sent(&mut scene), 20 * UNIT);
        scene.data_ack(0);
        assert_eq!(sent(&mut scene), at);
        let second = scene.join(2);
        // The second subflow knows of a large window, then the first says less.
        let all = data_ack(&scene, at);
        say(&mut scene, second, all, 100);
        scene.clear();
        say(&mut scene, 0, all, 10);
        scene.write(&pattern(at, 50_000));
        let edge = at + 100 * UNIT;
        // Everything up to the largest edge goes out, as far as each subflow lets it.
        for _ in 0..50 {
            for subflow in [0, second] {
                let state = &mut scene.peer.subflows[subflow];
                state.acked = state.rcv_nxt;
                let window = if subflow == 0 { 10 } else { 100 };
                let plain = scene.segment(subflow).window(window);
                scene.send(plain);
            }
            scene.advance_ms(5);
        }
        assert_eq!(scene.peer.data_received(), edge);
        // And nothing beyond.
        assert_eq!(sent(&mut scene), edge);
    }
}

/// Protocol statement 66.
#[test]
fn each_subflow_keeps_to_its_own_window_too() {
    for version in VERSIONS {
        let mut scene = narrow(version, 20);
        scene.write(&pattern(0, 100_000));
        assert_eq!(sent(&mut scene), 20 * UNIT);
        scene.data_ack(0);
        sent(&mut scene);
        let second = scene.join(2);
        let all = data_ack(&scene, 40 * UNIT);
        say(&mut scene, second, all, 500);
        say(&mut scene, 0, all, 10);
        scene.clear();
        for subflow in [0, second] {
            scene.advance_ms(20);
            let window = if subflow == 0 { 10 } else { 500 };
            let state = &scene.peer.subflows[subflow];
            let in_flight = u64::from(state.rcv_nxt.wrapping_sub(state.acked));
            assert!(in_flight <= window * UNIT, "{in_flight} on {subflow}");
        }
        assert_eq!(counted(&scene, MptcpCounter::SndWndShared), 0);
    }
}

/// Protocol statement 71.
#[test]
fn segments_without_a_data_ack_are_fine_once_mptcp_is_beyond_doubt() {
    for version in VERSIONS {
        for setup in [Setup::client(version), Setup::listener(version)] {
            let mut scene = Scene::confirmed(at_once(setup));
            scene.write(&pattern(5, 3000));
            scene.clear();
            scene.ack(0);
            assert!(scene.is_mptcp());
            // The subflow has nothing to send again, and the data is not acknowledged.
            let first = data(&scene.sent());
            assert!(first.is_empty(), "{first:?}");
            assert_eq!(scene.info().bytes_acked, 5);
            // Nor does data without DATA_ACK trouble anybody.
            let (dsn, ssn) = (scene.peer.dsn(5), scene.peer.subflows[0].ssn());
            let mapping = Dss::new().map64(dsn, ssn, 4).bytes();
            let segment = scene.segment(0).option(mapping).payload(b"data");
            scene.send(segment);
            assert_eq!(scene.read(), b"data");
            scene.data_ack(0);
            assert_eq!(scene.info().bytes_acked, 3005);
            scene.advance_ms(10_000);
            assert!(data(&scene.sent()).is_empty());
        }
    }
}

/// Protocol statement 71.
#[test]
fn a_data_ack_that_cannot_be_changes_nothing() {
    for version in VERSIONS {
        for long in [true, false] {
            let mut scene = narrow(version, 20);
            scene.write(&pattern(0, 50_000));
            let edge = 20 * UNIT;
            assert_eq!(sent(&mut scene), edge);
            let ack = |scene: &Scene, offset: u64| {
                let dsn = scene.peer.their_dsn(offset);
                match long {
                    true => Dss::new().ack64(dsn),
                    false => Dss::new().ack32(dsn),
                }
            };
            // Of what was never sent: no byte of it counts, nor its window.
            for offset in [edge + 1, edge + 10_000, 1 << 30, u64::MAX - 5] {
                let impossible = ack(&scene, offset);
                say(&mut scene, 0, impossible, 500);
                assert_eq!(sent(&mut scene), edge);
                assert_eq!(scene.info().bytes_acked, 0);
            }
            let all = ack(&scene, edge);
            say(&mut scene, 0, all, 30);
            assert_eq!(scene.info().bytes_acked, edge);
            assert_eq!(sent(&mut scene), edge + 30 * UNIT);
            // Of what was acknowledged before: nor its window.
            let old = ack(&scene, edge - 1);
            say(&mut scene, 0, old, 500);
            assert_eq!(scene.info().bytes_acked, edge);
            assert_eq!(sent(&mut scene), edge + 30 * UNIT);
            assert!(scene.is_mptcp());
        }
    }
}

/// Protocol statement 66.
#[test]
fn a_closed_window_is_probed_and_the_probes_are_counted() {
    for version in VERSIONS {
        let mut scene = narrow(version, 20);
        scene.write(&pattern(0, 50_000));
        assert_eq!(sent(&mut scene), 20 * UNIT);
        let all = data_ack(&scene, 20 * UNIT);
        say(&mut scene, 0, all, 0);
        scene.clear();
        scene.advance_ms(3000);
        let probes = scene.sent();
        assert!(!probes.is_empty() && data(&probes).is_empty(), "{probes:?}");
        let counted = counted(&scene, MptcpCounter::WinProbe);
        assert_eq!(counted, probes.len() as u64);
        say(&mut scene, 0, all, 20);
        assert_eq!(sent(&mut scene), 40 * UNIT);
    }
}

/// A keepalive probe looks like an old segment, and what it acknowledges is not believed: the
/// acknowledgment that was owed is still owed.
#[test]
fn a_probe_does_not_stand_in_for_an_acknowledgment() {
    for version in VERSIONS {
        let mut setup = Setup::client(version);
        setup.config.delayed_ack = Duration::from_millis(400);
        setup.config.subflow.keepalive = Some(Keepalive {
            idle: Duration::from_millis(100),
            interval: Duration::from_millis(100),
            probes: 100,
        });
        let mut scene = Scene::established(setup);
        // What is new at first is acknowledged at once.
        for piece in 0..40 {
            let bytes = pattern(piece * 10, 10);
            scene.data(0, &bytes);
        }
        scene.advance_ms(20);
        scene.clear();
        scene.data(0, &pattern(400, 10));
        let end = scene.peer.subflows[0].snd_nxt;
        scene.advance_ms(110);
        let sent = scene.sent();
        let probe = sent
            .iter()
            .position(|packet| packet.seq.wrapping_add(1) == sent[sent.len() - 1].seq);
        assert!(probe.is_some(), "a probe, then the acknowledgment");
        assert_eq!(sent[sent.len() - 1].ack, Some(end));
    }
}
