//! MP_FASTCLOSE (RFC 6824 §3.5, RFC 8684 §3.5).

use super::*;
use crate::peer::{ROLES, Setup, VERSIONS, Version, all_setups, options, packet::flag};
use std::time::Duration;
use umptcp_stack::{FastcloseMethod, ReadError};

const TX: MptcpCounter = MptcpCounter::MpFastcloseTx;
const RX: MptcpCounter = MptcpCounter::MpFastcloseRx;

/// Setups in which MP_FASTCLOSE goes out on acknowledgments.
fn on_acknowledgments() -> impl Iterator<Item = Setup> {
    all_setups().map(|setup| setup.tune(|c| c.fastclose = FastcloseMethod::Acknowledgment))
}

/// Setups of version 1, in which it goes out on RSTs unless the settings say otherwise.
fn on_resets() -> impl Iterator<Item = Setup> {
    ROLES.into_iter().map(|role| Setup::new(role, Version::V1))
}

/// The subflow that carries MP_FASTCLOSE in a scene with two, and the other one.
fn carrier(scene: &Scene, sent: &[Packet], second: usize) -> (usize, usize) {
    let packet = sent.iter().find(|packet| packet.fastclose().is_some());
    let packet = packet.expect("MP_FASTCLOSE");
    if packet.dst == scene.peer.subflows[0].local {
        (0, second)
    } else {
        (second, 0)
    }
}

/// Protocol statement 83.
#[test]
fn it_goes_out_on_one_acknowledgment_and_resets_the_other_subflows() {
    for setup in on_acknowledgments() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.write(b"never acknowledged");
        scene.clear();
        scene.abort();
        assert_eq!(told_end(&mut scene), Some(CloseReason::Aborted));
        let sent = scene.sent();
        let (carrier, other) = carrier(&scene, &sent, second);
        assert_eq!(sent.len(), 2, "{sent:#?}");
        for packet in &sent {
            if packet.dst == scene.peer.subflows[carrier].local {
                assert!(packet.is_pure_ack());
                assert_eq!(packet.fastclose(), Some(scene.peer.key));
            } else {
                assert_eq!(packet.dst, scene.peer.subflows[other].local);
                assert!(packet.has(flag::RST));
                assert_eq!(packet.fastclose(), None);
            }
        }
        assert_eq!(counted(&scene, TX), 1);
        // The peer's RST ends it.
        scene.release();
        assert_eq!(scene.endpoint.connection_count(), 1, "FASTCLOSE_WAIT");
        scene.rst(carrier, []);
        assert_forgotten(&mut scene);
        assert_eq!(scene.sent().len(), 0);
    }
}

/// Protocol statement 83.
#[test]
fn without_an_answer_it_is_sent_again_three_times_and_then_an_rst() {
    for setup in on_acknowledgments() {
        let version = setup.version;
        let mut scene = Scene::confirmed(setup);
        // Data in flight is not sent again: only MP_FASTCLOSE is.
        scene.write(b"never acknowledged");
        scene.clear();
        scene.abort();
        scene.release();
        let start = scene.now;
        scene.advance_ms(120_000);
        let sent = scene.sent();
        let (reset, copies) = sent.split_last().expect("packets");
        assert_eq!(copies.len(), 4, "one and three again: {copies:#?}");
        for copy in copies {
            assert!(copy.is_pure_ack());
            assert_eq!(copy.fastclose(), Some(scene.peer.key));
        }
        assert!(reset.has(flag::RST));
        let again = match version {
            Version::V0 => None,
            Version::V1 => Some(scene.peer.key),
        };
        assert_eq!(reset.fastclose(), again);
        let times = sent.iter().map(|packet| packet.at);
        let intervals: Vec<Duration> = times
            .clone()
            .zip(times.skip(1))
            .map(|(first, next)| next.saturating_duration_since(first))
            .collect();
        assert_eq!(copies[0].at, start);
        // The RTO of a path without delay (RFC 6298 §2).
        assert!(intervals[0] >= Duration::from_millis(200));
        assert!(intervals[0] <= Duration::from_secs(1));
        for pair in intervals.windows(2) {
            assert_eq!(pair[1], 2 * pair[0]);
        }
        assert_forgotten(&mut scene);
    }
}

/// RFC 6824 §3.5: both sides may do it at once.
///
/// Protocol statement 83.
#[test]
fn crossing_ones_are_answered_with_rst() {
    for setup in on_acknowledgments() {
        let mut scene = Scene::confirmed(setup);
        scene.abort();
        scene.clear();
        let key = scene.peer.their_key();
        // Any other key means nothing here either.
        scene.option(0, options::mp_fastclose(key ^ 1));
        assert_eq!(scene.sent().len(), 0);
        scene.option(0, options::mp_fastclose(key));
        let answer = scene.sent_one();
        assert!(answer.has(flag::RST));
        assert_eq!(answer.fastclose(), None);
        assert_eq!((counted(&scene, TX), counted(&scene, RX)), (1, 1));
        assert_eq!(told_end(&mut scene), Some(CloseReason::Aborted));
        scene.release();
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}

/// A peer that sends on has not heard of it; its data goes to nobody.
///
/// Protocol statement 83.
#[test]
fn data_during_the_wait_is_answered_with_it() {
    for setup in on_acknowledgments() {
        let mut scene = Scene::confirmed(setup);
        scene.abort();
        scene.clear();
        scene.data(0, &[1; 1400]);
        scene.data(0, &[2; 1400]);
        let sent = scene.sent();
        assert!(!sent.is_empty());
        for answer in &sent {
            assert!(answer.is_pure_ack());
            assert_eq!(answer.fastclose(), Some(scene.peer.key));
        }
        assert_eq!(scene.read(), b"");
        assert_eq!(scene.info().unread, 0);
        scene.rst(0, []);
        scene.release();
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}

/// Protocol statement 47.
#[test]
fn nobody_joins_a_connection_that_is_given_up() {
    for setup in on_acknowledgments() {
        let mut scene = Scene::confirmed(setup);
        scene.abort();
        scene.clear();
        let option = options::mp_join_syn(false, 2, scene.peer.their_token(), 1);
        let (from, to) = (scene.join_source(2), scene.stack_address());
        scene.syn_from(from, to, 2, &option);
        assert!(scene.sent_one().has(flag::RST));
    }
}

/// Protocol statement 84.
#[test]
fn one_with_our_key_resets_every_subflow() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.write(b"never acknowledged");
        scene.data(0, b"unread");
        scene.clear();
        let key = scene.peer.their_key();
        // On a segment with data, which is of no use to anybody.
        let segment = scene
            .data_segment(second, scene.peer.data_sent, b"useless")
            .without_options();
        let timestamps = scene.segment(second).options;
        let segment = segment
            .option(timestamps)
            .option(options::mp_fastclose(key));
        scene.send(segment);
        let sent = scene.sent();
        assert_eq!(sent.len(), 2, "{sent:#?}");
        for packet in &sent {
            assert!(packet.has(flag::RST));
            assert_eq!(packet.fastclose(), None, "it is an answer");
        }
        assert_ne!(sent[0].dst, sent[1].dst);
        assert_eq!(told_end(&mut scene), Some(CloseReason::ResetByPeer));
        assert_eq!(scene.read(), b"");
        let reset = ReadError::Closed(CloseReason::ResetByPeer);
        assert_eq!(scene.read_error, Some(reset));
        assert_eq!((counted(&scene, TX), counted(&scene, RX)), (0, 1));
        scene.release();
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}

/// Also where the data level is through and subflows are still to close.
///
/// Protocol statement 84.
#[test]
fn one_that_comes_while_subflows_close_ends_them() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.shutdown();
        scene.data_fin(0);
        scene.data_ack(0);
        assert_eq!(told_end(&mut scene), Some(CloseReason::Finished));
        scene.clear();
        let key = scene.peer.their_key();
        scene.option(0, options::mp_fastclose(key));
        assert!(scene.sent_one().has(flag::RST));
        scene.read();
        assert!(scene.ended, "the stream had ended before");
        scene.release();
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}

/// Protocol statement 85.
#[test]
fn another_key_on_an_acknowledgment_is_ignored() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let ours = scene.peer.their_key();
        for key in [ours ^ 1, scene.peer.key, 0, !ours] {
            scene.option(0, options::mp_fastclose(key));
        }
        assert_eq!(scene.sent().len(), 0);
        scene.data(0, b" still");
        assert_eq!(scene.read(), b" still");
        assert_eq!(told_end(&mut scene), None);
        assert_eq!(counted(&scene, RX), 0);
    }
}

/// Protocol statement 85.
#[test]
fn another_key_on_an_rst_closes_that_subflow_only() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        let key = scene.peer.their_key() ^ 1;
        scene.rst(0, options::mp_fastclose(key));
        assert_eq!(scene.sent().len(), 0, "an RST is not answered");
        assert_eq!(told_end(&mut scene), None);
        scene.data(second, b" on the other");
        assert_eq!(scene.read(), b" on the other");
        scene.write(b" and back");
        assert_eq!(scene.peer.stream(), b"hello and back");
        let closed = |event: &umptcp_stack::SubflowInfo| {
            event.state == umptcp_stack::tcp::state::TcpState::Closed
        };
        assert_eq!(
            scene.subflow_infos().iter().filter(|s| closed(s)).count(),
            1
        );
        assert_eq!(counted(&scene, RX), 0);
    }
}

/// Protocol statement 86.
#[test]
fn on_an_rst_it_is_not_answered() {
    for setup in on_resets() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        let key = scene.peer.their_key();
        scene.rst(second, options::mp_fastclose(key));
        assert_eq!(told_end(&mut scene), Some(CloseReason::ResetByPeer));
        // Only the other subflow has yet to be told.
        let sent = scene.sent_one();
        assert_eq!(sent.dst, scene.peer.subflows[0].local);
        assert!(sent.has(flag::RST));
        assert_eq!(sent.fastclose(), None);
        assert_eq!(sent.tcp_rst(), Some((false, 0)));
        assert_eq!(counted(&scene, RX), 1);
        scene.release();
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}

/// Protocol statement 86.
#[test]
fn ours_goes_out_on_an_rst_of_every_subflow_and_nothing_is_kept() {
    for setup in on_resets() {
        let mut scene = Scene::confirmed(setup);
        scene.join(2);
        scene.write(b"never acknowledged");
        scene.clear();
        scene.abort();
        assert_eq!(told_end(&mut scene), Some(CloseReason::Aborted));
        let sent = scene.sent();
        assert_eq!(sent.len(), 2);
        assert_ne!(sent[0].dst, sent[1].dst);
        for packet in &sent {
            assert!(packet.has(flag::RST));
            assert_eq!(packet.fastclose(), Some(scene.peer.key));
        }
        assert_eq!(counted(&scene, TX), 2);
        scene.release();
        assert_forgotten(&mut scene);
    }
}

/// Protocol statement 86.
#[test]
fn out_of_the_window_it_has_no_effect() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let key = scene.peer.their_key();
        let next = scene.peer.subflows[0].snd_nxt;
        for seq in [next - 1, next.wrapping_sub(1 << 20), next + (1 << 30)] {
            let option = options::mp_fastclose(key);
            let on_ack = scene.segment(0).option(&option).seq(seq);
            scene.send(on_ack);
            let on_rst = scene.segment(0).without_options().option(option);
            scene.send(on_rst.rst().seq(seq));
        }
        // Within the window an RST has to be the very next (RFC 5961 §3.2).
        let option = options::mp_fastclose(key);
        let near = scene.segment(0).without_options().option(option);
        scene.send(near.rst().seq(next + 1));
        // And an acknowledgment of what was never sent counts as little.
        let beyond = scene.peer.subflows[0].rcv_nxt + 1_000_000;
        let forged = scene.segment(0).option(options::mp_fastclose(key));
        scene.send(forged.ack(beyond));
        assert_eq!(told_end(&mut scene), None);
        assert_eq!(counted(&scene, RX), 0);
        assert!(flagged(&scene.sent(), flag::RST).is_empty());
        scene.data(0, b" still");
        assert_eq!(scene.read(), b" still");
    }
}

/// How the peer hears that the connection was given up.
fn assert_given_up(scene: &mut Scene, mptcp: bool) {
    let sent = scene.sent();
    let last = sent.last().expect("a packet");
    let by_ack = scene.setup.version == Version::V0;
    if mptcp {
        assert_eq!(last.fastclose(), Some(scene.peer.key));
        assert_eq!(last.has(flag::RST), !by_ack);
    } else {
        assert!(last.has(flag::RST));
        assert!(last.is_plain(), "{last:#?}");
    }
}

/// Protocol statement 87.
#[test]
fn closing_with_unread_data_gives_the_connection_up() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.clone());
        scene.data(0, b"unread");
        scene.clear();
        scene.release();
        assert_given_up(&mut scene, true);

        // Or with data that comes when nobody is there any more.
        let mut scene = Scene::confirmed(setup);
        scene.release();
        scene.data_ack(0);
        assert_eq!(scene.endpoint.connection_count(), 1);
        scene.clear();
        scene.data(0, b"late");
        assert_given_up(&mut scene, true);
    }
}

/// Protocol statement 87.
#[test]
fn without_lingering_closing_gives_the_connection_up() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.write(b"never acknowledged");
        scene.clear();
        let (now, id) = (scene.now, scene.connection());
        scene.endpoint.set_linger(now, id, Some(Duration::ZERO));
        scene.release();
        assert_given_up(&mut scene, true);
    }
}

/// Protocol statement 87.
#[test]
fn after_fallback_a_plain_rst_gives_it_up() {
    for setup in all_setups() {
        for linger in [None, Some(Duration::ZERO)] {
            let setup = setup.clone().tune(|config| config.linger = linger);
            let mut scene = Scene::established(setup);
            let segment = scene.segment(0).payload(b"not mapped");
            scene.send(segment);
            assert!(scene.is_tcp());
            if linger.is_some() {
                assert_eq!(scene.read(), b"not mapped");
            }
            scene.clear();
            scene.release();
            assert_given_up(&mut scene, false);
            assert_eq!(counted(&scene, TX), 0);
            assert_eq!(scene.endpoint.connection_count(), 0);
        }
    }
}

/// After fallback MP_FASTCLOSE is an option like any other: it means nothing.
#[test]
fn after_fallback_it_means_nothing() {
    for version in VERSIONS {
        let mut scene = Scene::established(Setup::client(version));
        let segment = scene.segment(0).payload(b"not mapped");
        scene.send(segment);
        assert!(scene.is_tcp());
        let key = scene.peer.their_key();
        scene.option(0, options::mp_fastclose(key));
        assert_eq!(told_end(&mut scene), None);
        assert_eq!(counted(&scene, RX), 0);
    }
}
