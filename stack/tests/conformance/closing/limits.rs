//! Peers that never answer, or never end: what they can keep, and for how long.

use super::*;
use crate::peer::{Setup, VERSIONS, all_setups, packet::flag};
use std::time::Duration;
use umptcp_stack::Instant;
use umptcp_stack::tcp::state::TcpState;

const FIN_TIMEOUT: Duration = Duration::from_secs(30);

fn with_fin_timeout(setup: Setup) -> Setup {
    setup.tune(|config| config.fin_timeout = FIN_TIMEOUT)
}

/// When the stack has forgotten its connection, if it does within an hour.
fn time_of_forgetting(scene: &mut Scene) -> Option<Instant> {
    for _ in 0..3600 * 10 {
        if scene.endpoint.connection_count() == 0 {
            return Some(scene.now);
        }
        scene.advance_ms(100);
    }
    None
}

/// What the peer heard last.
fn assert_reset(scene: &mut Scene) {
    let sent = scene.sent();
    assert!(sent.last().is_some_and(|packet| packet.has(flag::RST)));
}

/// Nobody waits for the end of a peer's stream that nobody reads.
#[test]
fn a_peer_that_never_ends_its_stream() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(with_fin_timeout(setup));
        scene.release();
        scene.data_ack(0);
        scene.data_ack(0);
        let start = scene.now;
        let end = time_of_forgetting(&mut scene).expect("it is given up");
        let lasted = end.saturating_duration_since(start);
        assert!(
            lasted >= FIN_TIMEOUT && lasted < FIN_TIMEOUT * 2,
            "{lasted:?}"
        );
        assert_reset(&mut scene);
    }
}

/// Both streams have ended, and the peer does not close its subflow.
#[test]
fn a_peer_that_never_closes_its_subflow() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(with_fin_timeout(setup));
        scene.shutdown();
        scene.data_fin(0);
        scene.data_ack(0);
        scene.data_ack(0);
        assert_eq!(told_end(&mut scene), Some(CloseReason::Finished));
        assert_eq!(scene.subflow_infos()[0].state, TcpState::FinWait2);
        let start = scene.now;
        scene.release();
        let end = time_of_forgetting(&mut scene).expect("it is given up");
        let lasted = end.saturating_duration_since(start);
        assert!(
            lasted >= FIN_TIMEOUT && lasted < FIN_TIMEOUT * 2,
            "{lasted:?}"
        );
        assert_reset(&mut scene);
    }
}

/// Both streams have ended, and nobody acknowledges our FIN: its path may be gone.
#[test]
fn a_last_fin_that_is_never_acknowledged() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(with_fin_timeout(setup));
        scene.shutdown();
        scene.data_fin(0);
        // All but the FIN that follows.
        scene.data_ack(0);
        assert_eq!(told_end(&mut scene), Some(CloseReason::Finished));
        assert_eq!(scene.subflow_infos()[0].state, TcpState::FinWait1);
        let start = scene.now;
        scene.release();
        let end = time_of_forgetting(&mut scene).expect("it is given up");
        let lasted = end.saturating_duration_since(start);
        assert!(
            lasted >= FIN_TIMEOUT && lasted < FIN_TIMEOUT * 2,
            "{lasted:?}"
        );
    }
}

/// One subflow that we have closed, while the connection goes on.
#[test]
fn a_peer_that_never_closes_one_of_its_subflows() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(with_fin_timeout(setup));
        let second = scene.join(2);
        let (now, id) = (scene.now, scene.connection());
        let subflow = scene.subflow_infos()[1].id;
        assert_eq!(scene.endpoint.close_subflow(now, id, subflow), Ok(()));
        scene.collect();
        scene.data_ack(second);
        assert_eq!(scene.subflow_infos()[1].state, TcpState::FinWait2);
        scene.clear();
        // As long as it sends there, it means to.
        for _ in 0..4 {
            scene.advance(FIN_TIMEOUT * 3 / 4);
            scene.data(second, b"x");
            assert_eq!(scene.read(), b"x");
        }
        assert!(flagged(&scene.sent(), flag::RST).is_empty());
        scene.advance(FIN_TIMEOUT);
        let sent = scene.sent_on(second);
        assert_eq!(flagged(&sent, flag::RST).len(), 1);
        assert_eq!(told_end(&mut scene), None);
        scene.data(0, b"on the other");
        assert_eq!(scene.read(), b"on the other");
    }
}

/// An application would be borne with for ever (RFC 9293 §3.8.6.1); when it has gone, the user
/// timeout counts.
#[test]
fn a_peer_that_never_opens_its_window() {
    for setup in all_setups() {
        for gone in [false, true] {
            let limit = Duration::from_secs(20);
            let setup = setup.clone().tune(|config| config.user_timeout = limit);
            let mut scene = Scene::confirmed(setup);
            scene.peer.subflows[0].window = 0;
            scene.data_ack(0);
            scene.write(b"never taken");
            if gone {
                scene.release();
            }
            let start = scene.now;
            for _ in 0..600 {
                // It answers every probe.
                scene.advance_ms(100);
                if !scene.sent().is_empty() && !scene.peer.subflows[0].rst_seen {
                    scene.data_ack(0);
                }
            }
            assert_eq!(scene.peer.stream(), b"hello");
            if gone {
                assert!(scene.peer.subflows[0].rst_seen, "though it answers");
                let end = time_of_forgetting(&mut scene).expect("it is given up");
                assert!(end.saturating_duration_since(start) >= limit);
            } else {
                assert_eq!(told_end(&mut scene), None);
            }
        }
    }
}

/// What is not delivered has the time that the application leaves it.
///
/// Protocol statement 87.
#[test]
fn lingering_delivers_within_its_time_or_gives_up() {
    for setup in all_setups() {
        let limit = Duration::from_secs(5);
        let setup = setup.tune(|config| config.linger = Some(limit));
        // In time.
        let mut scene = Scene::confirmed(setup.clone());
        scene.write(b" and bye");
        scene.release();
        scene.advance_ms(4_900);
        scene.data_ack(0);
        scene.data_ack(0);
        scene.clear();
        scene.advance_ms(5_000);
        assert!(flagged(&scene.sent(), flag::RST).is_empty());
        assert_eq!(scene.peer.stream(), b"hello and bye");

        // Not in time.
        let mut scene = Scene::confirmed(setup);
        scene.write(b" and bye");
        scene.release();
        scene.advance_ms(4_990);
        assert_eq!(counted(&scene, MptcpCounter::MpFastcloseTx), 0);
        scene.advance_ms(20);
        assert_eq!(counted(&scene, MptcpCounter::MpFastcloseTx), 1);
        time_of_forgetting(&mut scene).expect("it is given up");
    }
}

/// The application that lets go of a connection without subflows need not wait for the whole close
/// timeout.
///
/// Protocol statement 81.
#[test]
fn letting_go_shortens_the_wait_for_a_subflow() {
    for version in VERSIONS {
        let setup = with_fin_timeout(Setup::listener(version))
            .tune(|config| config.close_timeout = Duration::MAX);
        let mut scene = Scene::confirmed(setup);
        scene.write(b"never acknowledged");
        scene.rst(0, []);
        scene.advance_ms(500_000);
        let start = scene.now;
        scene.release();
        let end = time_of_forgetting(&mut scene).expect("it is given up");
        assert_eq!(end.saturating_duration_since(start), FIN_TIMEOUT);
    }
}
