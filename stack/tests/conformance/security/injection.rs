//! Whoever sends packets in the peer's name, without seeing the peer's packets.

use super::{assert_works, established};
use crate::peer::options::{
    add_addr_v0, add_addr_v1, mp_fail, mp_fastclose, mp_prio, mp_tcprst, remove_addr,
};
use crate::peer::packet::flag;
use crate::peer::{Dss, Scene, Segment, Version, all_setups};

/// A segment on the second subflow that TCP must not accept: behind the window, before it, or with
/// an acknowledgment of what was never sent.
fn unacceptable(scene: &Scene) -> [Segment; 3] {
    let segment = || scene.segment(1);
    let seq = segment().seq;
    let ack = segment().ack.expect("established");
    [
        segment().seq(seq.wrapping_add(0x4000_0000)),
        segment().seq(seq.wrapping_sub(0x4000_0000)),
        segment().ack(ack.wrapping_add(0x4000_0000)),
    ]
}

/// What an attacker would like to say.
fn injected(scene: &Scene) -> Vec<Vec<u8>> {
    let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
    let address = [192, 0, 2, 66].into();
    let dsn = scene.peer.dsn(scene.peer.data_sent);
    vec![
        remove_addr(&[0, 2]),
        mp_prio(true),
        mp_fail(dsn),
        mp_fail(scene.peer.their_dsn(0)),
        match scene.setup.version {
            Version::V0 => add_addr_v0(9, address, None),
            Version::V1 => add_addr_v1(ours, theirs, 9, address, None),
        },
        // Even with the right key.
        mp_fastclose(theirs),
        Dss::new()
            .ack64(scene.peer.their_dsn(5))
            .map64(dsn, 0, 1)
            .fin()
            .bytes(),
    ]
}

/// Option injection: what fails the checks of RFC 9293 and RFC 5961 is not looked at further.
#[test]
fn options_of_unacceptable_segments_do_nothing() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.join(2);
        for option in injected(&scene) {
            for segment in unacceptable(&scene) {
                scene.send(segment.option(&option));
                scene.advance_ms(1100);
                let sent = scene.sent();
                assert!(
                    sent.iter().all(|packet| packet.is_pure_ack()),
                    "{option:02x?}: {sent:#?}"
                );
                assert!(sent.iter().all(|packet| packet.add_addr().is_none()));
                assert_eq!(scene.read(), b"");
                assert!(!scene.ended && scene.read_error.is_none(), "{option:02x?}");
                assert!(scene.is_mptcp(), "{option:02x?}");
                assert!(scene.subflow_infos().iter().all(|subflow| !subflow.backup));
                assert_eq!(established(&scene), 2, "{option:02x?}");
            }
        }
        assert_works(&mut scene, 0);
        assert_works(&mut scene, 1);
    }
}

/// FASTCLOSE injection: neither the right key out of the window nor a wrong key in it.
#[test]
fn a_blind_fastclose_does_not_close() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        let right = scene.peer.their_key();
        for wrong in [0, u64::MAX, right ^ 1, right.swap_bytes(), scene.peer.key] {
            scene.option(second, mp_fastclose(wrong));
            assert_eq!(established(&scene), 2, "{wrong:#x}");
        }
        // On a reset far out of the window, with the right key.
        for segment in unacceptable(&scene).into_iter().take(2) {
            let segment = segment.without_options().option(mp_fastclose(right)).rst();
            scene.send(segment);
            assert_eq!(established(&scene), 2);
        }
        // On a reset in the window, with a wrong key: that subflow is gone, and nothing else.
        scene.rst(second, mp_fastclose(right ^ 1));
        assert_eq!(established(&scene), 1);
        scene.advance_ms(1000);
        scene.clear();
        assert_works(&mut scene, 0);
        scene.option(0, mp_fastclose(right));
        assert_eq!(established(&scene), 0);
    }
}

/// RST and SYN injection (RFC 5961 §3, §4): only the exact number resets.
#[test]
fn blind_resets_are_challenged_or_ignored() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.join(2);
        let seq = scene.segment(1).seq;
        for (ahead, challenged) in [(1, true), (1000, true), (0x4000_0000, false)] {
            for kind in [flag::RST, flag::SYN] {
                // A fresh budget of challenges.
                scene.advance_ms(5000);
                scene.clear();
                let segment = scene
                    .segment(1)
                    .without_options()
                    .option(mp_tcprst(false, 1))
                    .seq(seq.wrapping_add(ahead))
                    .flag(kind);
                scene.send(segment);
                let sent = scene.sent();
                assert!(sent.iter().all(|packet| packet.is_pure_ack()), "{sent:#?}");
                // RFC 5961 §4.2: a SYN is challenged wherever it lies.
                let expected = usize::from(challenged || kind == flag::SYN);
                assert_eq!(sent.len(), expected, "{ahead} {kind}");
                assert_eq!(established(&scene), 2);
            }
        }
        assert_works(&mut scene, 1);
        scene.rst(1, []);
        assert_eq!(established(&scene), 1);
    }
}

/// Side channel (CVE-2016-5696): using up the challenge ACKs of one subflow tells nothing about
/// another, and the number there are cannot be predicted.
#[test]
fn challenges_of_one_subflow_are_not_those_of_another() {
    let mut budgets = Vec::new();
    for setup in all_setups() {
        for seed in 0..8 {
            let mut setup = setup.clone();
            setup.seed = [seed; 32];
            let mut scene = Scene::confirmed(setup);
            scene.join(2);
            scene.advance_ms(5000);
            scene.clear();
            let challenge = |scene: &mut Scene, subflow: usize| {
                let segment = scene.segment(subflow).without_options();
                let seq = segment.seq.wrapping_add(10);
                scene.send(segment.seq(seq).rst());
                scene.sent_on(subflow).len()
            };
            let spent: usize = (0..1000).map(|_| challenge(&mut scene, 0)).sum();
            assert!(spent < 100, "{spent} challenges at once");
            budgets.push(spent);
            assert_eq!(challenge(&mut scene, 1), 1);
        }
    }
    budgets.sort_unstable();
    budgets.dedup();
    assert!(budgets.len() > 2, "{budgets:?}");
}

/// REMOVE_ADDR in the window, blindly: a subflow that still answers is kept.
#[test]
fn a_withdrawn_address_that_answers_is_kept() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.option(0, remove_addr(&[2]));
        for _ in 0..20 {
            scene.advance_ms(200);
            // Whatever it asks on either subflow is answered.
            for subflow in [0, second] {
                if !scene.sent_on(subflow).is_empty() {
                    scene.data_ack(subflow);
                }
            }
        }
        assert_eq!(established(&scene), 2);
    }
}

/// MP_FAIL is obeyed only where it can be meant: by somebody who has seen our data, and not while
/// there are two subflows.
#[test]
fn a_blind_mp_fail_does_not_end_mptcp() {
    for setup in all_setups().map(crate::peer::Setup::checksum) {
        let mut scene = Scene::confirmed(setup);
        let ours = scene.peer.their_dsn(0);
        let blind = [
            0,
            u64::MAX,
            ours ^ 1 << 40,
            ours ^ 1 << 63,
            scene.peer.dsn(0),
        ];
        for dsn in blind {
            scene.option(0, mp_fail(dsn));
            assert!(scene.is_mptcp(), "{dsn:#x}");
            assert_works(&mut scene, 0);
        }
        scene.join(2);
        for dsn in blind {
            scene.option(1, mp_fail(dsn));
            assert_eq!(established(&scene), 2, "{dsn:#x}");
        }
        assert_works(&mut scene, 1);
        // Whoever has seen our data can end one subflow by it, no more.
        scene.option(1, mp_fail(ours));
        assert!(scene.is_mptcp());
        scene.clear();
        assert_works(&mut scene, 0);
        scene.write(b"still mapped");
        let sent = scene.sent();
        let data = sent.iter().find(|packet| !packet.payload.is_empty());
        let mapping = data.expect("data").mapping().expect("a mapping");
        assert_ne!(mapping.len, 0, "no infinite mapping");
    }
}
