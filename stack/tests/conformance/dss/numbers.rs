//! Sequence numbers of 4 and of 8 bytes, mixed, and where they wrap.

use super::pattern;
use crate::peer::options::Dss;
use crate::peer::{Role, Scene, Setup, VERSIONS, Version, Wide, all_setups, crypto};

/// The first byte of a stream is no further than this from where the low 32 bits of its sequence
/// number wrap.
const NEAR: u64 = 1 << 20;

fn is_near_wrap(idsn: u64) -> bool {
    // The wrap itself has to lie inside.
    let left = (1 << 32) - (idsn & 0xffff_ffff);
    (1000..NEAR).contains(&left)
}

/// The bytes of a stream before its low 32 bits wrap.
fn before_wrap(first: u64) -> u64 {
    (1 << 32) - (first & 0xffff_ffff)
}

/// A connection whose peer has a key with such a DSN.
fn peer_near_wrap(mut setup: Setup) -> Scene {
    let near = |key: &u64| is_near_wrap(crypto::idsn(setup.version, *key));
    setup.key = (1..).find(near).expect("one of a few thousand");
    Scene::established(setup)
}

/// A connection whose stack has.
fn stack_near_wrap(setup: &Setup) -> Scene {
    let with_seed = |seed: u32| {
        let mut setup = setup.clone();
        setup.seed[..4].copy_from_slice(&seed.to_be_bytes());
        setup
    };
    // A listener shows its key on the SYN/ACK.
    let near = |setup: &Setup| {
        let mut scene = Scene::new(setup.clone());
        let capable = scene.capable_syn();
        scene.syn(capable);
        is_near_wrap(scene.peer.their_dsn(0))
    };
    let found = (0..200_000).map(with_seed).find(near);
    Scene::established(found.expect("one of a few thousand"))
}

/// The peer sends data with numbers of such widths.
fn send(scene: &mut Scene, offset: u64, bytes: &[u8], long_dsn: bool, long_ack: bool) {
    let (dsn, ssn) = (scene.peer.dsn(offset), scene.peer.subflows[0].ssn());
    let (ack, len) = (
        scene.peer.their_dsn(scene.peer.data_acked),
        bytes.len() as u16,
    );
    let dss = if long_ack {
        Dss::new().ack64(ack)
    } else {
        Dss::new().ack32(ack)
    };
    let mut dss = if long_dsn {
        dss.map64(dsn, ssn, len)
    } else {
        dss.map32(dsn, ssn, len)
    };
    if scene.peer.checksum {
        dss = dss.checksum(crypto::dss_checksum(dsn, ssn, len, bytes));
    }
    let segment = scene.segment(0).option(dss.bytes()).payload(bytes);
    scene.send(segment);
    scene.peer.data_sent = offset + u64::from(len);
}

/// Protocol statement 58.
#[test]
fn eight_bytes_of_dsn_are_answered_with_eight_bytes_of_data_ack() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        scene.data(0, b"eight");
        scene.advance_ms(500);
        let answer = scene.sent().pop().expect("an acknowledgment");
        assert_eq!(answer.data_ack(), Some(Wide::Long(scene.peer.dsn(5))));
        assert_eq!(scene.read(), b"eight");
    }
}

/// Protocol statements 57, 58.
#[test]
fn four_bytes_of_dsn_are_understood_and_eight_ask_for_eight() {
    for role in [Role::Client, Role::Listener] {
        let mut scene = Scene::established(Setup::new(role, Version::V0));
        let mut offset = 0;
        for (long_dsn, long_ack) in [(false, false), (false, true), (true, false), (false, false)] {
            send(&mut scene, offset, b"bytes", long_dsn, long_ack);
            offset += 5;
            scene.advance_ms(500);
            let answer = scene.sent().pop().expect("an acknowledgment");
            let dsn = scene.peer.dsn(offset);
            // Once the peer has used a long one, it gets long ones.
            let expected = if offset >= 15 {
                Wide::Long(dsn)
            } else {
                Wide::Short(dsn as u32)
            };
            assert_eq!(answer.data_ack(), Some(expected));
            assert_eq!(scene.read(), b"bytes");
        }
    }
}

/// Protocol statement 57.
#[test]
fn the_peers_numbers_wrap_in_every_width() {
    for setup in all_setups().chain(all_setups().map(Setup::checksum)) {
        let mut scene = peer_near_wrap(setup);
        let wrap = before_wrap(scene.peer.dsn(0));
        let (mut offset, mut read) = (0_u64, Vec::new());
        let widths = [(false, false), (false, true), (true, false), (true, true)];
        for (long_dsn, long_ack) in widths.into_iter().cycle() {
            // Large steps, but small ones around the wrap.
            let len = if offset.abs_diff(wrap) < 3000 {
                100
            } else {
                1000
            };
            let bytes = pattern(offset, len);
            // The peer may also be ahead of a gap, or repeat itself: both numbers are near.
            if len == 100 {
                send(
                    &mut scene,
                    offset + 100,
                    &pattern(offset + 100, 100),
                    long_dsn,
                    long_ack,
                );
            }
            send(&mut scene, offset, &bytes, !long_dsn, long_ack);
            if len == 100 {
                send(&mut scene, offset, &[0; 100], long_dsn, long_ack);
                offset += 100;
            }
            offset += len as u64;
            scene.advance_ms(1);
            read.extend(scene.read());
            if offset > wrap + 5000 {
                break;
            }
        }
        assert_eq!(read, pattern(0, read.len()));
        assert_eq!(read.len() as u64, offset);
        assert!(scene.is_mptcp() && !scene.peer.subflows[0].rst_seen);
    }
}

/// Protocol statement 57.
#[test]
fn a_data_fin_behind_a_wrap_is_found_with_four_bytes() {
    for version in VERSIONS {
        for long in [false, true] {
            let mut scene = peer_near_wrap(Setup::listener(version));
            let wrap = before_wrap(scene.peer.dsn(0));
            let mut offset = 0;
            while offset < wrap - 50 {
                let len = (wrap - 50 - offset).min(1000);
                scene.data_at(0, offset, &pattern(offset, len as usize));
                offset += len;
                scene.advance_ms(1);
                scene.read();
            }
            // The DATA_FIN comes first, with a number behind the wrap, then what is before it.
            let fin = scene.peer.dsn(offset + 100);
            let dss = match long {
                true => scene.peer.dss().map64(fin, 0, 1),
                false => scene.peer.dss().map32(fin, 0, 1),
            };
            scene.option(0, dss.fin().bytes());
            assert_eq!(scene.read(), b"");
            assert!(!scene.ended);
            scene.data_at(0, offset, &pattern(offset, 100));
            assert_eq!(scene.read(), pattern(offset, 100));
            assert!(scene.ended, "{version:?}");
            scene.advance_ms(500);
            let last = scene.sent().pop().expect("an acknowledgment");
            assert_eq!(last.data_ack(), Some(Wide::Long(fin.wrapping_add(1))));
        }
    }
}

/// Protocol statement 57.
#[test]
fn data_acks_of_four_bytes_wrap_too() {
    for version in VERSIONS {
        let mut scene = stack_near_wrap(&Setup::listener(version));
        let wrap = before_wrap(scene.peer.their_dsn(0));
        let total = wrap + 5000;
        let mut written = 0;
        for round in 0..10_000 {
            if written < total && written - scene.info().bytes_acked < 60_000 {
                let bytes = pattern(written, (total - written).min(50_000) as usize);
                scene.write(&bytes);
                written += bytes.len() as u64;
            }
            // The width changes with every acknowledgment.
            let subflow = &mut scene.peer.subflows[0];
            subflow.acked = subflow.rcv_nxt;
            let received = u64::from(subflow.acked.wrapping_sub(subflow.irs)) - 1;
            // It has seen it; a megabyte takes it too long to look through.
            subflow.stream.clear();
            subflow.places.clear();
            scene.peer.received.clear();
            let ack = scene.peer.their_dsn(received);
            let dss = match round % 2 {
                0 => Dss::new().ack32(ack),
                _ => Dss::new().ack64(ack),
            };
            scene.option(0, dss.bytes());
            assert_eq!(scene.info().bytes_acked, received);
            // One from before that comes late changes nothing.
            scene.option(0, Dss::new().ack32(ack.wrapping_sub(3000)).bytes());
            scene.advance_ms(5);
            if scene.info().bytes_acked == total {
                break;
            }
            scene.clear();
        }
        assert_eq!(scene.info().bytes_acked, total);
        assert_eq!(scene.info().bytes_reinjected, 0);
    }
}
