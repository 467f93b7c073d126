//! Data that is not what it should be, or never ends.

use super::{assert_works, established, footprint};
use crate::peer::options::mp_join_ack;
use crate::peer::{Dss, Scene, all_setups, crypto};

/// Data injection with overlapping DSNs: of two copies that differ the first counts, whether it was
/// in order or waited behind a gap, and whatever part of it the second covers.
#[test]
fn a_second_copy_of_data_changes_nothing() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        // In order, then again on the other subflow, with more behind it.
        scene.data_at(0, 5, b"first");
        scene.data_at(second, 5, b"FIRST and more");
        assert_eq!(scene.read(), b"first and more");
        // Behind a gap, then again, wider on both sides.
        scene.data_at(0, 24, b"middle");
        scene.data_at(second, 19, b"WIDE MIDDLE WIDE");
        assert_eq!(scene.read(), b"WIDE middle WIDE");
        // Data that was delivered long ago.
        scene.data_at(second, 5, b"FORGED");
        scene.data_at(0, 35, b"end");
        assert_eq!(scene.read(), b"end");
        assert!(scene.is_mptcp());
        assert_eq!(established(&scene), 2);
    }
}

/// Data on a subflow is only taken in sequence and in the window of that subflow.
#[test]
fn data_far_from_what_is_expected_is_dropped() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.join(2);
        let offset = scene.peer.data_sent;
        for far in [0x4000_0000_u32, 0x8000_0000, 0xc000_0000] {
            let segment = scene.data_segment(1, offset, b"forged");
            let seq = segment.seq.wrapping_add(far);
            scene.send(segment.seq(seq));
            assert_eq!(scene.read(), b"");
            // At the data level, far beyond the window.
            let segment = scene.segment(1);
            let ssn = scene.peer.subflows[1].ssn();
            let dsn = scene.peer.dsn(offset).wrapping_add(u64::from(far) << 8);
            let dss = Dss::new().map64(dsn, ssn, 6).bytes();
            scene.send(segment.option(dss).payload(b"forged"));
            assert_eq!(scene.read(), b"");
        }
        assert!(scene.is_mptcp());
        assert_works(&mut scene, 0);
    }
}

/// DSS manipulation: a changed byte, or a changed mapping, does not pass the checksum.
#[test]
fn changed_data_does_not_reach_the_application() {
    for setup in all_setups().map(crate::peer::Setup::checksum) {
        for spoil in 0..4 {
            let mut scene = Scene::confirmed(setup.clone());
            let second = scene.join(2);
            let offset = scene.peer.data_sent;
            let ssn = scene.peer.subflows[second].ssn();
            let dsn = scene.peer.dsn(offset);
            let sum = crypto::dss_checksum(dsn, ssn, 8, b"genuine!");
            let (dsn, payload, sum) = match spoil {
                0 => (dsn, b"genuinE!", sum),
                1 => (dsn + 1, b"genuine!", sum),
                2 => (dsn, b"genuine!", sum ^ 0x0100),
                _ => (dsn, b"egnuine!", sum),
            };
            let dss = Dss::new().map64(dsn, ssn, 8).checksum(sum).bytes();
            let segment = scene.segment(second).option(dss).payload(payload);
            scene.send(segment);
            assert_eq!(scene.read(), b"", "{spoil}");
            assert_eq!(established(&scene), 1, "the subflow is not to be trusted");
            scene.clear();
            assert_works(&mut scene, 0);
        }
    }
}

/// Fallback downgrade: once both sides have shown that they speak MPTCP, options that are stripped
/// do not make it plain TCP.
#[test]
fn options_that_vanish_later_do_not_downgrade() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        // Acknowledgments first.
        scene.write(b"some data");
        scene.ack(0);
        assert!(scene.is_mptcp());
        scene.clear();
        // Then data.
        for _ in 0..3 {
            let segment = scene.segment(0).payload(b"stripped");
            scene.send(segment);
            scene.advance_ms(100);
            assert_eq!(scene.read(), b"");
            assert!(!scene.is_tcp());
        }
    }
}

/// With two subflows a stripped one is given up, and the connection goes on.
#[test]
fn a_stripped_subflow_is_not_a_stripped_connection() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        let segment = scene.segment(second).payload(b"stripped");
        scene.send(segment);
        scene.advance_ms(100);
        assert_eq!(scene.read(), b"");
        assert!(scene.is_mptcp());
        scene.clear();
        assert_works(&mut scene, 0);
    }
}

/// Resource exhaustion by reordering: the lowest byte is withheld, everything above it comes in
/// crumbs. What is held stays within a bound that the receive buffer sets, at either level.
/// Protocol statement 122.
#[test]
fn a_flood_of_crumbs_out_of_order_is_bounded() {
    const CRUMBS: u64 = 30_000;
    for at_data_level in [true, false] {
        for setup in all_setups() {
            let setup = setup.tune(|config| config.receive_buffer = 256 << 10);
            let mut scene = Scene::confirmed(setup);
            let first = scene.peer.data_sent;
            let seq = scene.peer.subflows[0].snd_nxt;
            let mut sizes = Vec::new();
            for crumb in 1..=CRUMBS {
                let offset = first + 1 + 2 * crumb;
                let segment = if at_data_level {
                    scene.data_segment(0, offset, b"x")
                } else {
                    let ssn = scene.peer.subflows[0].ssn() + 2 * crumb as u32;
                    let dsn = scene.peer.dsn(offset);
                    scene
                        .segment(0)
                        .seq(seq.wrapping_add(2 * crumb as u32))
                        .option(Dss::new().map64(dsn, ssn, 1).bytes())
                        .payload(b"x")
                };
                scene.send(segment);
                scene.clear();
                if crumb % (CRUMBS / 3) == 0 {
                    sizes.push(footprint(&scene));
                }
            }
            // Some 200 letters for each would be 2,000,000 more each time.
            let (early, late) = (sizes[0], sizes[2]);
            assert!(late < early + 200_000, "{early} grew to {late}");
            assert_eq!(scene.read(), b"");
            assert!(scene.is_mptcp());
            if at_data_level {
                assert_works(&mut scene, 0);
            }
        }
    }
}

/// The same for data far beyond what was offered: nothing of it is kept.
/// Protocol statement 122.
#[test]
fn data_beyond_the_window_is_not_kept() {
    for setup in all_setups() {
        let setup = setup.tune(|config| config.receive_buffer = 64 << 10);
        let mut scene = Scene::confirmed(setup);
        let offset = scene.peer.data_sent;
        let start = footprint(&scene);
        for step in 0..2000 {
            scene.data_at(0, offset + (1 << 20) + 1000 * step, &[1; 1000]);
            scene.peer.data_sent = offset;
            scene.clear();
        }
        assert!(scene.info().unread <= 64 << 10);
        let held = footprint(&scene).saturating_sub(start);
        assert!(held < 200_000, "{held}");
        assert_works(&mut scene, 0);
    }
}

/// Data from somebody who has not proven the keys is not taken, not even with a right mapping.
#[test]
fn data_before_the_proof_is_refused() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let index = scene.join_syn(from, to, 2, false);
        let offset = scene.peer.data_sent;
        let segment = scene.data_segment(index, offset, b"forged");
        scene.send(segment);
        assert_eq!(scene.read(), b"");
        assert!(scene.peer.subflows[index].rst_seen);
        // And not with a wrong proof beside it.
        let setup = scene.setup.clone().bare();
        let mut scene = Scene::confirmed(setup);
        let index = scene.join_syn(from, to, 2, false);
        let ssn = scene.peer.subflows[index].ssn();
        let dss = Dss::new().map32(scene.peer.dsn(offset), ssn, 6).bytes();
        let segment = scene
            .segment(index)
            .option(mp_join_ack(&[0; 20]))
            .option(dss)
            .payload(b"forged");
        scene.send(segment);
        assert_eq!(scene.read(), b"");
        assert!(scene.peer.subflows[index].rst_seen);
        assert_works(&mut scene, 0);
    }
}
