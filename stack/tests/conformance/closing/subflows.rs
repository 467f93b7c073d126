//! Subflow FINs beside DATA_FIN, and the order in which both directions end.

use super::*;
use crate::peer::{Setup, VERSIONS, all_setups, packet::flag};
use umptcp_stack::tcp::state::TcpState;

/// The peer ends its direction of a subflow and acknowledges all of ours, FIN included.
fn finish_subflow(scene: &mut Scene, subflow: usize) {
    scene.data_ack(subflow);
    scene.fin(subflow);
    scene.data_ack(subflow);
}

/// Protocol statement 79.
#[test]
fn a_fin_of_a_subflow_is_not_the_end() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.fin(0);
        assert_eq!(scene.read(), b"");
        assert!(!scene.ended);
        scene.data(second, b" again");
        assert_eq!(scene.read(), b" again");
        // Nor are those of all of them.
        scene.fin(second);
        assert_eq!(scene.read(), b"");
        assert!(!scene.ended);
        assert_eq!(told_end(&mut scene), None);
        let third = scene.join(3);
        scene.data(third, b" and again");
        assert_eq!(scene.read(), b" and again");
        scene.data_fin(third);
        scene.read();
        assert!(scene.ended);
    }
}

/// Protocol statement 80.
#[test]
fn subflows_are_closed_once_the_data_fin_is_acknowledged_and_not_before() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.write(b"abc");
        scene.shutdown();
        // Acknowledged by the subflows, and the data by the connection: not the DATA_FIN.
        scene.peer.data_acked = 8;
        for subflow in [0, second] {
            let state = &mut scene.peer.subflows[subflow];
            state.acked = state.rcv_nxt;
            let dss = scene.peer.dss().bytes();
            scene.option(subflow, dss);
        }
        scene.advance_ms(5_000);
        assert!(flagged(&scene.sent(), flag::FIN).is_empty());
        scene.data_ack(0);
        for subflow in [0, second] {
            let sent = scene.sent_on(subflow);
            assert_eq!(flagged(&sent, flag::FIN).len(), 1, "subflow {subflow}");
        }
        assert_eq!(told_end(&mut scene), None, "the peer may go on sending");
    }
}

/// Protocol statement 80.
#[test]
fn the_last_working_subflow_stays_open_while_data_is_not_acknowledged() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.write(b"abc");
        scene.clear();
        let (now, id) = (scene.now, scene.connection());
        for subflow in scene.subflow_infos() {
            let closed = scene.endpoint.close_subflow(now, id, subflow.id);
            assert_eq!(closed, Ok(()));
        }
        scene.collect();
        // Acknowledged by the subflows only.
        for subflow in [0, second] {
            scene.ack(subflow);
        }
        let closed = |scene: &mut Scene| {
            let fins = |subflow: usize| scene.peer.subflows[subflow].fin_seen;
            usize::from(fins(0)) + usize::from(fins(second))
        };
        scene.advance_ms(5_000);
        assert_eq!(closed(&mut scene), 1);
        let left = if scene.peer.subflows[0].fin_seen {
            second
        } else {
            0
        };
        scene.data_ack(left);
        assert_eq!(closed(&mut scene), 2);
    }
}

/// Protocol statement 82.
#[test]
fn both_data_fins_at_once() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.shutdown();
        scene.clear();
        // The peer's was sent before it saw ours.
        let fin = scene.peer.dss_fin(scene.peer.data_sent).bytes();
        scene.peer.data_sent += 1;
        scene.option(0, fin);
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(6));
        assert!(flagged(&sent, flag::FIN).is_empty());
        assert_eq!(scene.read(), b"");
        assert!(scene.ended);
        assert_eq!(told_end(&mut scene), None, "ours is not acknowledged");
        scene.data_ack(0);
        assert_eq!(told_end(&mut scene), Some(CloseReason::Finished));
        assert_eq!(flagged(&scene.sent(), flag::FIN).len(), 1);
        finish_subflow(&mut scene, 0);
        assert_eq!(scene.subflow_infos()[0].state, TcpState::TimeWait);
        // It is still acknowledged while the subflow is there.
        scene.clear();
        let fin = scene.peer.dss_fin(scene.peer.data_sent - 1).bytes();
        scene.option(0, fin);
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(6));
        scene.release();
        scene.advance_ms(61_000);
        assert_forgotten(&mut scene);
    }
}

/// Protocol statement 82.
#[test]
fn half_closed_by_us_the_peer_sends_on() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.shutdown();
        scene.data_ack(0);
        // Acknowledges the FINs too.
        scene.data_ack(0);
        scene.data_ack(second);
        // However long it takes.
        scene.advance_ms(1_000_000);
        for (subflow, text) in [(second, b"abc"), (0, b"def")] {
            scene.data(subflow, text);
            assert_eq!(scene.read(), text);
        }
        scene.advance_ms(1_000_000);
        assert_eq!(told_end(&mut scene), None);
        scene.data_fin(second);
        assert_eq!(scene.read(), b"");
        assert!(scene.ended);
        assert_eq!(told_end(&mut scene), Some(CloseReason::Finished));
        for subflow in [0, second] {
            finish_subflow(&mut scene, subflow);
        }
        scene.release();
        scene.advance_ms(61_000);
        assert_forgotten(&mut scene);
    }
}

/// Protocol statement 82.
#[test]
fn half_closed_by_the_peer_we_send_on() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.data_fin(0);
        scene.read();
        assert!(scene.ended);
        // As the peer's DATA_FIN is acknowledged, it closes its subflows; ours stay open.
        scene.fin(0);
        scene.fin(second);
        scene.advance_ms(1_000_000);
        assert!(flagged(&scene.sent(), flag::FIN).is_empty());
        scene.write(b" we go on");
        assert_eq!(scene.peer.stream(), b"hello we go on");
        scene.data_ack(0);
        scene.data_ack(second);
        scene.shutdown();
        assert_eq!(told_end(&mut scene), None);
        scene.data_ack(0);
        assert_eq!(told_end(&mut scene), Some(CloseReason::Finished));
        let fins = scene.sent();
        assert_eq!(flagged(&fins, flag::FIN).len(), 2);
        scene.data_ack(0);
        scene.data_ack(second);
        // Both were in LAST-ACK: no quiet time.
        scene.release();
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}

/// The acknowledgment of the peer's FIN may be lost: it is given again during TIME-WAIT.
///
/// Protocol statement 82.
#[test]
fn the_last_acknowledgment_is_given_again() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version));
        scene.shutdown();
        scene.data_ack(0);
        scene.data_fin(0);
        scene.data_ack(0);
        let fin = scene.segment(0).fin();
        scene.send(fin.clone());
        scene.release();
        for _ in 0..3 {
            scene.clear();
            scene.advance_ms(20_000);
            scene.send(fin.clone());
            let answer = scene.sent_one();
            let end = scene.peer.subflows[0].snd_nxt;
            assert_eq!((answer.is_pure_ack(), answer.ack), (true, Some(end)));
        }
        assert_eq!(scene.endpoint.connection_count(), 1, "each began it anew");
        scene.advance_ms(61_000);
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}
