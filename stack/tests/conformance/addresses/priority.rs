//! MP_PRIO both ways, and what backups are for.

use crate::peer::options::{mp_prio, mp_prio_for};
use crate::peer::{Packet, Scene, Setup, VERSIONS, Version, all_setups};
use umptcp_stack::MptcpCounter as Counter;

/// Bytes of data that the stack sends on each subflow, if it writes 20,000.
fn spread(scene: &mut Scene) -> Vec<usize> {
    let bytes = |scene: &Scene| -> Vec<usize> {
        let subflows = scene.peer.subflows.iter();
        subflows.map(|state| state.plain_stream().len()).collect()
    };
    let before = bytes(scene);
    scene.write(&[7; 20_000]);
    for _ in 0..20 {
        for subflow in 0..before.len() {
            if scene.subflow_infos()[subflow].state.can_send() {
                scene.data_ack(subflow);
            }
        }
        scene.advance_ms(20);
    }
    scene.clear();
    let after = bytes(scene).into_iter().zip(before);
    after.map(|(after, before)| after - before).collect()
}

/// Two subflows on which the stack has sent and heard, with the same round trip.
fn two_subflows(setup: Setup) -> Scene {
    let mut scene = Scene::confirmed(setup);
    scene.join(2);
    spread(&mut scene);
    scene
}

/// Protocol statement 108.
#[test]
fn no_data_goes_where_the_peer_asks_for_none() {
    for setup in all_setups() {
        let mut scene = two_subflows(setup);
        for subflow in [0, 1, 0] {
            // Whichever the scheduler likes better.
            scene.option(subflow, mp_prio(true));
            let bytes = spread(&mut scene);
            assert_eq!(bytes[subflow], 0, "{bytes:?}");
            assert_eq!(bytes[1 - subflow], 20_000);
            assert!(scene.subflow_infos()[subflow].backup);
            scene.option(subflow, mp_prio(false));
            assert!(!scene.subflow_infos()[subflow].backup);
        }
        assert_eq!(scene.counted(Counter::MpPrioRx), 6);
        // And the other direction is not touched: the peer goes on sending there.
        scene.option(1, mp_prio(true));
        scene.data(1, b" again");
        assert_eq!(scene.read(), b" again");
    }
}

/// Protocol statement 108.
#[test]
fn what_is_asked_back_is_used_again() {
    for setup in all_setups() {
        let mut scene = two_subflows(setup);
        for subflow in [0, 1] {
            scene.option(0, mp_prio(subflow == 0));
            scene.option(1, mp_prio(subflow == 1));
            assert_eq!(spread(&mut scene)[subflow], 0);
        }
        // Only the first is regular; then the second alone again.
        scene.option(1, mp_prio(false));
        scene.option(0, mp_prio(true));
        assert_eq!(spread(&mut scene)[1], 20_000);
    }
}

/// Protocol statements 11, 108.
#[test]
fn the_long_form_is_about_an_address_in_version_0_only() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::listener(version));
        for id in [2, 2, 3] {
            let mut from = scene.join_source(id);
            from.set_port(50_000 + u16::try_from(scene.peer.subflows.len()).unwrap());
            scene.join_from(from, scene.stack_address(), id, false);
        }
        scene.option(0, mp_prio_for(true, 2));
        let backups: Vec<bool> = scene.subflow_infos().iter().map(|s| s.backup).collect();
        let heard = version == Version::V0;
        assert_eq!(backups, [false, heard, heard, false]);
        assert_eq!(scene.counted(Counter::MpPrioRx), u64::from(heard));
        scene.option(3, mp_prio_for(true, 0));
        assert_eq!(scene.subflow_infos()[0].backup, heard);
        scene.option(3, mp_prio_for(false, 2));
        assert!(scene.subflow_infos()[1..].iter().all(|s| !s.backup));
    }
}

/// Protocol statement 109.
#[test]
fn a_backup_is_used_when_every_regular_subflow_is_gone() {
    for setup in all_setups() {
        let mut scene = two_subflows(setup);
        scene.option(1, mp_prio(true));
        assert_eq!(spread(&mut scene), [20_000, 0]);
        scene.rst(0, []);
        assert_eq!(spread(&mut scene)[1], 20_000);
        // A regular one takes it over.
        let third = scene.join(3);
        let bytes = spread(&mut scene);
        assert_eq!((bytes[1], bytes[third]), (0, 20_000));
    }
}

/// Two backups are better than nothing.
///
/// Protocol statement 109.
#[test]
fn where_all_are_backups_they_are_used() {
    for setup in all_setups() {
        let mut scene = two_subflows(setup);
        scene.option(0, mp_prio(true));
        scene.option(1, mp_prio(true));
        assert_eq!(spread(&mut scene).iter().sum::<usize>(), 20_000);
    }
}

/// What the stack asks of the peer.
#[test]
fn a_subflow_is_made_backup_with_the_short_form() {
    for version in VERSIONS {
        let mut scene = two_subflows(Setup::listener(version));
        let subflows: Vec<_> = scene.subflow_infos().iter().map(|s| s.id).collect();
        for (backup, index) in [(true, 0), (true, 1), (false, 1)] {
            scene.clear();
            let (now, id) = (scene.now, scene.connection());
            let done = scene.endpoint.set_backup(now, id, subflows[index], backup);
            assert_eq!(done, Ok(()));
            scene.collect();
            let on: Vec<_> = scene
                .sent_on(index)
                .iter()
                .filter_map(Packet::prio)
                .collect();
            assert_eq!(on, [(backup, None)]);
            assert!(scene.sent().iter().all(|packet| packet.prio().is_none()));
            // We do as we ask.
            assert_eq!(scene.subflow_infos()[index].backup, backup);
            scene.advance_ms(2000);
        }
        assert_eq!(scene.counted(Counter::MpPrioTx), 3);
        assert_eq!(spread(&mut scene), [0, 20_000]);
    }
}

/// The flag binds who receives it (protocol 9.1, 15).
#[test]
fn to_ask_the_peer_need_not_be_to_do_it() {
    for version in VERSIONS {
        let setup = Setup::listener(version).tune(|config| config.backup_binds_both = false);
        let mut scene = two_subflows(setup);
        let first = scene.subflow_infos()[0].id;
        let (now, id) = (scene.now, scene.connection());
        let done = scene.endpoint.set_backup(now, id, first, true);
        assert_eq!(done, Ok(()));
        scene.collect();
        assert_eq!(scene.sent_one().prio(), Some((true, None)));
        assert!(!scene.subflow_infos()[0].backup);
        scene.option(1, mp_prio(true));
        assert_eq!(spread(&mut scene), [20_000, 0]);
    }
}

#[test]
fn an_address_is_made_backup_as_the_version_can() {
    for version in VERSIONS {
        let setup = Setup::client(version).paths(2);
        let mut scene = Scene::confirmed(setup);
        scene.joins_within(500);
        scene.answer_join(1);
        scene.clear();
        let (now, id) = (scene.now, scene.connection());
        let address = scene.setup.addresses[1];
        let done = scene.endpoint.set_address_backup(now, id, address, true);
        assert_eq!(done, Ok(()));
        scene.collect();
        let said: Vec<_> = [0, 1]
            .map(|subflow| scene.sent_on(subflow))
            .iter()
            .map(|sent| sent.iter().find_map(Packet::prio))
            .collect();
        match version {
            Version::V0 => assert_eq!(said, [Some((true, Some(1))), None]),
            Version::V1 => assert_eq!(said, [None, Some((true, None))]),
        }
    }
}

/// Version 0 can speak for a path that is dead; version 1 has to wait for it.
#[test]
fn a_dead_path_is_made_backup_on_another() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version).paths(2));
        scene.joins_within(500);
        scene.answer_join(1);
        let subflow = scene.subflow_infos()[1].id;
        let (now, id) = (scene.now, scene.connection());
        let interface = scene.interface(scene.setup.addresses[1]);
        scene.endpoint.set_interface_up(now, interface, false);
        scene.clear();
        let done = scene.endpoint.set_backup(now, id, subflow, true);
        assert_eq!(done, Ok(()));
        scene.advance_ms(1000);
        let said = |scene: &mut Scene, on| scene.sent_on(on).iter().find_map(Packet::prio);
        let elsewhere = (version == Version::V0).then_some((true, Some(1)));
        assert_eq!(said(&mut scene, 0), elsewhere);
        let now = scene.now;
        scene.endpoint.set_interface_up(now, interface, true);
        scene.collect();
        let there = (version == Version::V1).then_some((true, None));
        assert_eq!(said(&mut scene, 1), there);
    }
}
