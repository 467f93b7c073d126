//! Snapshots, compared with what the peer knows from the wire.

use crate::peer::{Role, Scene, Setup, Version, all_setups};
use umptcp_stack::{CongestionPhase, DataState};

#[test]
fn the_numbers_of_the_data_level_are_those_of_the_wire() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.clone());
        let info = scene.info();
        assert_eq!(info.initiator, setup.role == Role::Client);
        assert!(info.established && info.fully_established && info.can_write);
        assert_eq!(info.version, Some(setup.version));
        assert_eq!(info.token, Some(scene.peer.their_token()));
        assert!(info.remote_key_received && info.remote_token.is_some());
        assert_ne!(info.remote_token, info.token);
        assert_eq!(info.data_state, DataState::Established);
        scene.write(b"outstanding");
        let info = scene.info();
        assert_eq!(info.write_dsn, Some(scene.peer.their_dsn(16)));
        assert_eq!(info.snd_una_dsn, Some(scene.peer.their_dsn(5)));
        assert_eq!(info.rcv_nxt_dsn, Some(scene.peer.dsn(5)));
        assert_eq!((info.bytes_sent, info.unsent, info.unacked), (16, 0, 11));
        assert_eq!(info.last_data_sent, Some(scene.now));
        assert_ne!(info.last_ack_received, Some(scene.now));
        scene.advance_ms(3);
        scene.data_ack(0);
        let info = scene.info();
        assert_eq!((info.unacked, info.bytes_acked), (0, 16));
        assert_eq!(info.last_ack_received, Some(scene.now));
        // What an end drops is neither sent nor acknowledged.
        scene.write(b"dropped");
        scene.abort();
        let info = scene.info();
        assert_eq!((info.bytes_written, info.bytes_acked), (23, 16));
        assert!(!info.can_write);
    }
}

#[test]
fn the_end_of_the_stream_is_there_once_everything_is_read() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.data(0, b" last");
        scene.data_fin(0);
        let info = scene.info();
        assert_eq!((info.peer_finished, info.end_of_stream), (true, false));
        assert_eq!(info.rcv_nxt_dsn, Some(scene.peer.dsn(11)));
        assert_eq!(info.data_state, DataState::CloseWait);
        scene.read();
        assert!(scene.info().end_of_stream);
    }
}

#[test]
fn subflows_and_addresses_are_counted() {
    for version in [Version::V0, Version::V1] {
        let mut scene = Scene::confirmed(Setup::client(version).paths(2));
        scene.advance_ms(500);
        scene.answer_join(1);
        let info = scene.info();
        assert_eq!((info.subflows, info.local_addresses_used), (2, 1));
        assert!(info.initial_subflow_alive);
        let subflows = scene.subflow_infos();
        assert!(subflows.iter().all(|subflow| subflow.opened_by_us));
        scene.rst(0, []);
        let info = scene.info();
        assert_eq!((info.subflows, info.initial_subflow_alive), (1, false));

        let mut scene = Scene::confirmed(Setup::listener(version).paths(2));
        scene.advance_ms(500);
        let info = scene.info();
        assert_eq!((info.addresses_announced, info.addresses_accepted), (1, 0));
        assert_eq!(info.local_addresses_used, 0);
        let second = scene.join(2);
        let subflows = scene.subflow_infos();
        assert!(!subflows[0].opened_by_us && !subflows[second].opened_by_us);
    }
}

#[test]
fn segments_and_bytes_of_a_subflow_are_counted() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.tune(|config| config.nodelay = true));
        let before = scene.subflow_infos()[0].tcp;
        assert_eq!((before.bytes_sent, before.bytes_received), (5, 5));
        assert_eq!(before.data_segments_received, 1);
        assert_eq!(before.data_segments_sent, 1);
        assert_eq!(before.snd_una, 6, "the SYN and five bytes");
        assert!(before.timestamps && before.sack && before.window_scaling);
        assert_eq!(before.snd_scale, 7);
        assert!(before.established_at.is_some());
        let start = scene.now;
        scene.write(&[7; 3000]);
        let sent = scene.sent().len() as u64;
        let now = scene.subflow_infos()[0].tcp;
        assert_eq!(now.segments_sent, before.segments_sent + sent);
        assert_eq!(now.unacked_bytes, 3000);
        assert_eq!(now.unacked_segments, sent);
        assert_eq!(now.last_data_sent, Some(start));
        assert_eq!(now.phase, CongestionPhase::Open);
        // It is lost.
        scene.advance_ms(10_000);
        let now = scene.subflow_infos()[0].tcp;
        assert_eq!(now.phase, CongestionPhase::Loss);
        assert!(now.bytes_retransmitted > 0 && now.retransmissions > 0);
        assert!(now.last_data_sent > Some(start));
        assert!(now.retransmit_at.is_some());
        scene.data_ack(0);
        let now = scene.subflow_infos()[0].tcp;
        assert_eq!(now.unacked_bytes, 0);
        assert_eq!(now.bytes_acked, 3005);
        assert_eq!(now.last_ack_received, Some(scene.now));
        // What was sent again may have been cut: the path might carry less.
        assert!(now.delivered >= before.delivered + sent);
    }
}
