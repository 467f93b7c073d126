//! The B bit: it binds its receiver (RFC 6824 §3.2, §3.3.8).

use super::{count, in_v1};
use crate::peer::options::mp_prio;
use crate::peer::{Scene, Setup, all_setups};
use umptcp_stack::SubflowId;

/// The stack writes a little; gives the number of the one subflow that has carried it.
fn carrier(scene: &mut Scene) -> usize {
    let lens = |scene: &Scene| -> Vec<usize> {
        let subflows = scene.peer.subflows.iter();
        subflows.map(|subflow| subflow.stream.len()).collect()
    };
    let before = lens(scene);
    scene.write(b"where?");
    let after = lens(scene);
    let carriers: Vec<_> = (0..before.len())
        .filter(|&index| after[index] > before[index])
        .collect();
    assert_eq!(carriers.len(), 1);
    scene.data_ack(carriers[0]);
    scene.clear();
    carriers[0]
}

/// The stack writes more than one window takes at once: does any of it go there?
fn is_used_under_load(scene: &mut Scene, index: usize) -> bool {
    let before = scene.peer.subflows[index].stream.len();
    scene.write(&[7; 60_000]);
    scene.clear();
    scene.peer.subflows[index].stream.len() > before
}

/// The stack's join, with B or not, answered with B or not.
fn opened(setup: Setup, ours: bool, theirs: bool) -> (Scene, usize, SubflowId) {
    let mut scene = Scene::confirmed(setup);
    let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
    let index = scene.open_subflow(local, remote, ours);
    let syn = scene.sent_one().join_syn().expect("MP_JOIN");
    assert_eq!(syn.backup, ours);
    let option = scene.join_syn_ack_option(index, theirs);
    scene.syn_ack(index, option);
    scene.fourth_ack(index);
    scene.clear();
    let id = scene.subflow_infos()[1].id;
    (scene, index, id)
}

/// Protocol statement 46.
#[test]
fn the_peer_s_bit_on_its_syn_keeps_data_away() {
    for setup in all_setups() {
        for backup in [true, false] {
            let mut scene = Scene::confirmed(setup.clone());
            let index = scene.join_from(scene.join_source(2), scene.stack_address(), 2, backup);
            let answer = scene.peer.subflows[index].join_syn_ack.expect("MP_JOIN");
            assert!(!answer.backup, "we have no such wish");
            assert_eq!(count(&scene, "MPJoinSynBackupRx"), u64::from(backup));
            let info = &scene.subflow_infos()[1];
            assert_eq!((info.backup, info.backup_asked_by_peer), (backup, backup));
            assert!(!info.backup_asked_by_us);
            if backup {
                assert_eq!(carrier(&mut scene), 0);
                assert!(!is_used_under_load(&mut scene, index));
                // Nothing else is left: better there than nowhere.
                scene.rst(0, []);
                assert!(!scene.peer.subflows[index].stream.is_empty());
            } else {
                // The other way round: the initial one is to be spared.
                scene.option(0, mp_prio(true));
                assert_eq!(carrier(&mut scene), index);
                scene.option(0, mp_prio(false));
                assert!(is_used_under_load(&mut scene, index));
            }
        }
    }
}

/// Protocol statement 46.
#[test]
fn the_peer_s_bit_on_its_syn_ack_keeps_data_away() {
    for setup in all_setups() {
        for backup in [true, false] {
            let (mut scene, index, _) = opened(setup.clone(), false, backup);
            assert_eq!(count(&scene, "MPJoinSynAckBackupRx"), u64::from(backup));
            assert_eq!(scene.subflow_infos()[1].backup_asked_by_peer, backup);
            if backup {
                assert_eq!(carrier(&mut scene), 0);
                assert!(!is_used_under_load(&mut scene, index));
                scene.rst(0, []);
                assert!(!scene.peer.subflows[index].stream.is_empty());
            } else {
                scene.option(0, mp_prio(true));
                assert_eq!(carrier(&mut scene), index);
            }
        }
    }
}

/// What we ask of the peer binds the peer. Whether we do as we ask is a setting.
///
/// Protocol statement 46.
#[test]
fn our_own_bit_binds_us_only_by_policy() {
    for setup in all_setups() {
        for both in [true, false] {
            let setup = setup.clone().tune(|config| config.backup_binds_both = both);
            let (mut scene, index, id) = opened(setup, true, false);
            let info = &scene.subflow_infos()[1];
            assert!(info.backup_asked_by_us && !info.backup_asked_by_peer);
            assert_eq!(info.backup, both);
            // The peer has nothing against it, and something against the other.
            scene.option(index, mp_prio(false));
            if both {
                assert_eq!(
                    carrier(&mut scene),
                    0,
                    "our policy is not the peer's to change"
                );
            }
            scene.option(0, mp_prio(true));
            let (now, connection) = (scene.now, scene.connection());
            let lifted = scene.endpoint.set_backup(now, connection, id, false);
            assert_eq!(lifted, Ok(()));
            scene.collect();
            assert_eq!(scene.sent_one().prio(), Some((false, None)));
            assert_eq!(carrier(&mut scene), index);
        }
    }
}

/// Protocol statement 46.
#[test]
fn our_own_wish_does_not_lift_that_of_the_peer() {
    for setup in all_setups() {
        let version = setup.version;
        let (mut scene, index, id) = opened(setup, true, true);
        let (now, connection) = (scene.now, scene.connection());
        let lifted = scene.endpoint.set_backup(now, connection, id, false);
        assert_eq!(lifted, Ok(()));
        scene.collect();
        scene.clear();
        let info = &scene.subflow_infos()[1];
        assert!(info.backup && info.backup_asked_by_peer && !info.backup_asked_by_us);
        assert_eq!(carrier(&mut scene), 0);
        scene.option(0, mp_prio(true));
        scene.option(index, mp_prio(false));
        assert_eq!(carrier(&mut scene), index, "{:?}", in_v1(version, ()));
    }
}
