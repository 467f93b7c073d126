//! A connection that has lost every subflow.

use super::*;
use crate::peer::{Role, Setup, VERSIONS, all_setups, options, packet::flag};
use std::time::Duration;
use umptcp_stack::Instant;

/// The peer resets the only subflow while something of ours is not acknowledged.
fn bereft(setup: Setup) -> Scene {
    let mut scene = Scene::confirmed(setup);
    scene.write(b" first");
    // By the subflow, not by the connection.
    scene.ack(0);
    scene.rst(0, []);
    scene.clear();
    scene
}

/// When the connection ends, if it does within an hour; sent packets are forgotten.
fn time_of_end(scene: &mut Scene) -> Option<(Instant, CloseReason)> {
    for _ in 0..3600 * 4 {
        if let Some(reason) = told_end(scene) {
            return Some((scene.now, reason));
        }
        scene.advance_ms(250);
    }
    None
}

/// Protocol statement 81.
#[test]
fn the_peer_revives_it() {
    for setup in all_setups() {
        // Also towards the end of the close timeout.
        for wait in [10, 59_000] {
            let mut scene = bereft(setup.clone());
            assert_eq!(told_end(&mut scene), None);
            scene.write(b" second");
            scene.advance_ms(wait);
            // By the token of before.
            let second = scene.join(2);
            scene.advance_ms(100);
            // The rest waits for that (Nagle).
            assert_eq!(scene.peer.stream(), b"hello first");
            scene.data_ack(second);
            assert_eq!(scene.peer.stream(), b"hello first second");
            scene.data(second, b" back");
            assert_eq!(scene.read(), b" back");
            scene.data_ack(second);
            // The time that it had is its own again.
            scene.advance_ms(600_000);
            assert_eq!(told_end(&mut scene), None);
            scene.shutdown();
            scene.data_fin(second);
            scene.data_ack(second);
            assert_eq!(told_end(&mut scene), Some(CloseReason::Finished));
        }
    }
}

/// Protocol statement 81.
#[test]
fn the_initiator_revives_it() {
    for version in VERSIONS {
        let mut scene = bereft(Setup::client(version));
        scene.write(b" second");
        let before = scene.peer.subflows.len();
        scene.advance_ms(5000);
        let sent = scene.sent();
        let joins: Vec<_> = sent.iter().filter_map(|p| p.join_syn()).collect();
        assert!(!joins.is_empty(), "SYNs with MP_JOIN");
        let token = scene.peer.token();
        assert!(joins.iter().all(|join| join.token == token));
        scene.answer_join(before);
        scene.advance_ms(100);
        scene.data_ack(before);
        assert_eq!(scene.peer.stream(), b"hello first second");
        scene.data_ack(before);
        scene.advance_ms(600_000);
        assert_eq!(told_end(&mut scene), None);
    }
}

/// Protocol statement 81.
#[test]
fn a_data_fin_that_was_not_acknowledged_is_sent_by_the_next_subflow() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.shutdown();
        scene.rst(0, []);
        scene.advance_ms(10_000);
        let second = scene.join(2);
        scene.advance_ms(10);
        let sent = scene.sent_on(second);
        // `join` forgets what comes with the acknowledgment of its third packet.
        let known = scene.peer.their_data_fin;
        assert!(!data_fins(&sent).is_empty() || known.is_some());
        scene.data_ack(second);
        assert_eq!(flagged(&scene.sent_on(second), flag::FIN).len(), 1);
    }
}

/// Protocol statement 81.
#[test]
fn without_a_join_it_ends_with_an_error() {
    for setup in all_setups() {
        for seconds in [0, 7, 60] {
            let limit = Duration::from_secs(seconds);
            let setup = setup.clone().tune(|config| config.close_timeout = limit);
            let mut scene = bereft(setup);
            let start = scene.now;
            let (end, reason) = time_of_end(&mut scene).expect("it ends");
            assert_eq!(reason, CloseReason::AllPathsLost);
            assert_eq!(end.saturating_duration_since(start), limit);
            scene.read();
            let error = umptcp_stack::ReadError::Closed(CloseReason::AllPathsLost);
            assert_eq!(scene.read_error, Some(error));
            // Its token is gone.
            let token = options::mp_join_syn(false, 2, scene.peer.their_token(), 1);
            let (from, to) = (scene.join_source(2), scene.stack_address());
            scene.clear();
            scene.syn_from(from, to, 2, &token);
            assert!(scene.sent_one().has(flag::RST));
            scene.release();
            assert_eq!(scene.endpoint.connection_count(), 0);
        }
    }
}

/// Protocol statement 81.
#[test]
fn it_may_wait_for_ever() {
    for setup in all_setups() {
        let setup = setup.tune(|config| config.close_timeout = Duration::MAX);
        let mut scene = bereft(setup);
        assert_eq!(time_of_end(&mut scene), None);
        scene.join(2);
        scene.advance_ms(100);
        assert_eq!(scene.peer.stream(), b"hello first");
    }
}

/// RFC 6824 §3.2: whoever answers a join with RST does not know the token.
///
/// Protocol statement 81.
#[test]
fn a_peer_that_has_forgotten_it_ends_it() {
    for version in VERSIONS {
        for (reason, ends) in [(None, true), (Some(1), true), (Some(2), false)] {
            if version == crate::peer::Version::V0 && reason.is_some() {
                continue;
            }
            let mut scene = bereft(Setup::client(version));
            let join = scene.peer.subflows.len();
            scene.advance_ms(3000);
            scene.peer.subflows[join].synchronized = true;
            let state = &mut scene.peer.subflows[join];
            state.acked = state.rcv_nxt;
            let option = reason.map(|reason| options::mp_tcprst(reason == 2, reason));
            scene.rst(join, option.unwrap_or_default());
            let told = told_end(&mut scene);
            assert_eq!(told, ends.then_some(CloseReason::ResetByPeer), "{reason:?}");
        }
    }
}

/// Nobody could join it yet, so nothing could revive it.
#[test]
fn a_reset_before_anything_was_heard_ends_it() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::new(Role::Client, version));
        scene.connect();
        let capable = scene.capable_syn_ack();
        scene.syn_ack(0, capable);
        assert!(scene.is_mptcp());
        scene.rst(0, []);
        assert_eq!(told_end(&mut scene), Some(CloseReason::ResetByPeer));
    }
}
