//! Acknowledgments that are there for their options.

use super::since;
use crate::peer::options::{mp_prio, remove_addr};
use crate::peer::{Packet, Scene, Setup, VERSIONS, Version, all_setups};
use std::time::Duration;
use umptcp_stack::{Instant, MptcpCounter as Counter};

/// Asks for a signal that cannot share an acknowledgment with another of its kind.
fn signal(scene: &mut Scene, port: u16) {
    let connection = Some(scene.connection());
    let (now, address) = (scene.now, scene.setup.addresses[0]);
    let done = scene
        .endpoint
        .announce_address(now, connection, address, Some(port));
    assert_eq!(done, Ok(()));
    scene.collect();
}

fn times(sent: &[Packet]) -> Vec<Instant> {
    let signals = sent.iter().filter(|packet| packet.add_addr().is_some());
    signals.map(|packet| packet.at).collect()
}

/// A stack that repeats nothing by itself.
fn quiet(setup: Setup) -> Scene {
    Scene::confirmed(setup.tune(|config| config.add_addr_timeout = Duration::ZERO))
}

/// Protocol statement 73.
#[test]
fn no_more_than_two_in_a_row_and_none_is_forgotten() {
    for setup in all_setups() {
        let mut scene = quiet(setup);
        let begin = scene.now;
        for port in 1..=7 {
            signal(&mut scene, port);
        }
        assert_eq!(times(&scene.sent()), [begin, begin]);
        scene.advance_ms(60_000);
        let later = times(&scene.sent());
        assert!(since(begin, later[0]) >= Duration::from_millis(200));
        // Every other one has to wait.
        assert!(
            later
                .windows(3)
                .all(|three| since(three[0], three[2]) >= Duration::from_millis(200))
        );
        assert_eq!(scene.counted(Counter::AddAddrTx), 7);
    }
}

/// An acknowledgment of something new begins another row.
///
/// Protocol statement 73.
#[test]
fn what_arrives_lets_the_next_two_go() {
    for setup in all_setups() {
        let mut scene = quiet(setup);
        for port in 1..=6 {
            signal(&mut scene, port);
        }
        assert_eq!(times(&scene.sent()).len(), 2);
        scene.data(0, b" again");
        let sent = scene.sent();
        let new = scene.peer.subflows[0].snd_nxt;
        assert!(sent.iter().all(|packet| packet.ack == Some(new)));
        // The first of them acknowledges the data, so it repeats nothing. Version 0 has two in each.
        let all: usize = sent.iter().map(|packet| packet.raw(3).len()).sum();
        match scene.setup.version {
            Version::V0 => assert_eq!((times(&sent).len(), all), (2, 4)),
            Version::V1 => assert_eq!((times(&sent).len(), all), (3, 3)),
        }
        scene.data(0, b" and again");
        let rest = usize::from(scene.setup.version == Version::V1);
        assert_eq!(times(&scene.sent()).len(), rest);
    }
}

/// Protocol statement 73.
#[test]
fn each_subflow_has_a_row_of_its_own() {
    for version in VERSIONS {
        let mut scene = quiet(Setup::listener(version));
        scene.join(2);
        for subflow in scene.subflow_infos() {
            for backup in [true, false, true] {
                let (now, id) = (scene.now, scene.connection());
                let done = scene.endpoint.set_backup(now, id, subflow.id, backup);
                assert_eq!(done, Ok(()));
                scene.collect();
            }
        }
        for subflow in [0, 1] {
            let said: Vec<_> = scene
                .sent_on(subflow)
                .iter()
                .filter_map(Packet::prio)
                .collect();
            assert_eq!(said, [(true, None), (false, None)]);
        }
        scene.advance_ms(5000);
        for subflow in [0, 1] {
            let said: Vec<_> = scene
                .sent_on(subflow)
                .iter()
                .filter_map(Packet::prio)
                .collect();
            assert_eq!(said, [(true, None)], "the last word");
        }
    }
}

/// Protocol statement 73.
#[test]
fn acknowledgments_with_options_are_no_sign_of_congestion() {
    for mut setup in all_setups() {
        setup.sack = false;
        for option in [mp_prio(false), remove_addr(&[77])] {
            let mut scene = Scene::confirmed(setup.clone());
            scene.write(&[7; 10_000]);
            let first = scene.sent().remove(0);
            let again =
                |scene: &mut Scene| scene.sent().iter().filter(|p| p.seq == first.seq).count();
            let cwnd = scene.subflow_infos()[0].cwnd;
            for _ in 0..10 {
                scene.option(0, &option);
            }
            assert_eq!(again(&mut scene), 0);
            assert_eq!(scene.subflow_infos()[0].cwnd, cwnd);
            // The same without the option, and with a DSS, is one.
            for _ in 0..3 {
                scene.option(0, scene.peer.dss().bytes());
            }
            assert_eq!(again(&mut scene), 1);
        }
    }
}

/// A peer that announces faster than it lets us answer costs no more than a few echoes.
///
/// Protocol statement 122.
#[test]
fn a_flood_of_announcements_is_borne() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        for round in 0..8_u8 {
            for id in 1..=255 {
                scene.announce(0, id, [10, 2, round, id].into(), None);
            }
        }
        let known = scene.endpoint.remote_addresses(scene.connection());
        assert_eq!(known.len(), 9);
        scene.advance_ms(120_000);
        assert_eq!(scene.counted(Counter::AddAddr), 8 * 255);
        let (sent, dropped) = (
            scene.counted(Counter::EchoAddTx),
            scene.counted(Counter::EchoAddTxDrop),
        );
        assert!(sent < 100, "{sent}");
        if scene.setup.version == Version::V1 {
            assert_eq!(sent + dropped, 8 * 255);
        }
        scene.data(0, b" again");
        assert_eq!(scene.read(), b" again");
    }
}
