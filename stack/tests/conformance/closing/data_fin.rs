//! DATA_FIN (RFC 6824 §3.3.3, RFC 8684 §3.3.3).

use super::*;
use crate::peer::{Role, Setup, VERSIONS, Version, Wide, all_setups, crypto, packet::flag};
use std::time::Duration;

/// "world" has come in the handshake of each scene, and "hello" has gone.
const BEFORE: u64 = 5;

/// Protocol statement 75.
#[test]
fn a_data_fin_takes_one_number() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.data_fin(0);
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(BEFORE + 1), "at once");
        assert_eq!(scene.read(), b"");
        assert!(scene.ended);
    }
}

/// Protocol statement 75.
#[test]
fn the_length_of_the_last_mapping_counts_it() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let ssn = scene.peer.subflows[0].ssn();
        let offset = scene.peer.data_sent;
        let dsn = scene.peer.dsn(offset);
        let dss = scene.peer.dss().map64(dsn, ssn, 4).fin();
        let segment = scene.segment(0).option(dss.bytes()).payload(b"end");
        scene.send(segment);
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(BEFORE + 3 + 1), "at once");
        assert_eq!(scene.read(), b"end");
        assert!(scene.ended);
    }
}

/// Protocol statement 75.
#[test]
fn ours_rides_on_the_last_mapping_and_needs_an_acknowledgment_of_its_own() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.write(b"abc");
        scene.clear();
        // Waits for the acknowledgment of the first (Nagle), so that it is still here.
        scene.write(b"defg");
        assert_eq!(scene.sent().len(), 0);
        scene.shutdown();
        let last = scene.sent_one();
        let mapping = last.mapping().expect("a mapping");
        assert_eq!((last.payload.as_slice(), mapping.len), (&b"defg"[..], 5));
        assert!(mapping.fin);
        assert_eq!(mapping.dsn, Wide::Long(scene.peer.their_dsn(BEFORE + 3)));

        // All the data, but not its end.
        scene.peer.data_acked = BEFORE + 7;
        let dss = scene.peer.dss().bytes();
        scene.peer.subflows[0].acked = scene.peer.subflows[0].rcv_nxt;
        scene.option(0, dss);
        assert!(!scene.events().iter().any(is_flushed));
        scene.data_ack(0);
        assert_eq!(scene.peer.data_acked, BEFORE + 8);
        assert!(scene.events().iter().any(is_flushed));
    }
}

fn is_flushed(event: &Event) -> bool {
    matches!(event, Event::Flushed(_))
}

/// Protocol statement 76.
#[test]
fn without_data_it_has_no_ssn_and_a_checksum_of_the_pseudo_header() {
    for setup in all_setups() {
        for checksum in [false, true] {
            let setup = if checksum {
                setup.clone().checksum()
            } else {
                setup.clone()
            };
            let mut scene = Scene::confirmed(setup);
            scene.shutdown();
            let packet = scene.sent_one();
            assert!(packet.is_pure_ack());
            let mapping = packet.mapping().expect("a mapping");
            let dsn = scene.peer.their_dsn(BEFORE);
            assert_eq!(mapping.dsn, Wide::Long(dsn));
            assert_eq!((mapping.ssn, mapping.len, mapping.fin), (0, 1, true));
            let expected = checksum.then(|| crypto::dss_checksum(dsn, 0, 1, &[]));
            assert_eq!(mapping.checksum, expected);
        }
    }
}

/// Protocol statement 76.
#[test]
fn with_a_wrong_checksum_it_ends_nothing() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.checksum());
        let dss = scene.peer.dss_fin(BEFORE);
        let right = crypto::dss_checksum(scene.peer.dsn(BEFORE), 0, 1, &[]);
        scene.option(0, dss.checksum(right ^ 0x0100).bytes());
        scene.read();
        assert!(!scene.ended);
        scene.option(0, dss.bytes());
        scene.read();
        assert!(scene.ended);
    }
}

/// Protocol statement 77.
#[test]
fn ahead_of_missing_data_it_waits() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        let fin = scene.peer.dss_fin(BEFORE + 6);
        scene.option(0, fin.bytes());
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(BEFORE));
        scene.data_at(0, BEFORE + 3, b"def");
        scene.read();
        assert!(!scene.ended, "there is a gap");
        scene.clear();
        scene.data_at(second, BEFORE, b"abc");
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(BEFORE + 7), "at once");
        assert_eq!(scene.read(), b"abcdef");
        assert!(scene.ended);
    }
}

/// Data behind the end of the stream is none (protocol reference 3.7).
///
/// Protocol statement 77.
#[test]
fn what_comes_from_behind_it_is_dropped() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        // Before the end is known, and after.
        scene.data_at(0, BEFORE + 4, b"behind");
        let fin = scene.peer.dss_fin(BEFORE + 2);
        scene.option(0, fin.bytes());
        scene.data_at(0, BEFORE + 1, b"bcdef");
        scene.data_at(0, BEFORE, b"a");
        scene.data_at(0, BEFORE + 3, b"more");
        scene.advance_ms(500);
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(BEFORE + 3));
        assert_eq!(scene.read(), b"ab");
        assert!(scene.ended);
    }
}

/// What waits across the end when it becomes known is cut there.
///
/// Protocol statement 77.
#[test]
fn what_waits_across_it_is_cut() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.data_at(0, BEFORE + 1, b"bcdef");
        let fin = scene.peer.dss_fin(BEFORE + 2);
        scene.option(0, fin.bytes());
        scene.data_at(0, BEFORE, b"a");
        scene.advance_ms(500);
        let sent = scene.sent();
        assert_eq!(acked(&scene, &sent), Some(BEFORE + 3));
        assert_eq!(scene.read(), b"ab");
        assert!(scene.ended);
    }
}

/// A stream has one end: the first that was told.
///
/// Protocol statement 77.
#[test]
fn a_second_one_elsewhere_is_ignored() {
    for setup in all_setups() {
        for second in [BEFORE + 1, BEFORE + 5] {
            let mut scene = Scene::confirmed(setup.clone());
            for end in [BEFORE + 3, second] {
                let fin = scene.peer.dss_fin(end);
                scene.option(0, fin.bytes());
            }
            scene.data_at(0, BEFORE, b"abc");
            scene.advance_ms(500);
            let sent = scene.sent();
            assert_eq!(acked(&scene, &sent), Some(BEFORE + 4));
            assert_eq!(scene.read(), b"abc");
            assert!(scene.ended);
        }
    }
}

/// Protocol statement 77.
#[test]
fn repeated_it_is_acknowledged_again() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.data_fin(0);
        for subflow in [0, second, 0] {
            scene.clear();
            let fin = scene.peer.dss_fin(BEFORE);
            scene.option(subflow, fin.bytes());
            let sent = scene.sent_on(subflow);
            assert_eq!(acked(&scene, &sent), Some(BEFORE + 1), "at once");
        }
    }
}

/// A DATA_FIN of four bytes beyond the point where they begin again, while the stream still stands
/// before it.
///
/// Protocol statement 57.
#[test]
fn its_short_number_is_expanded_before_it_is_compared() {
    for version in VERSIONS {
        for role in [Role::Client, Role::Listener] {
            let mut setup = Setup::new(role, version);
            let to_wrap;
            (setup.key, to_wrap) = key_before_wrap(version);
            let mut scene = Scene::confirmed(setup);
            while scene.peer.data_sent + 1010 < to_wrap {
                scene.data(0, &[7; 1000]);
                scene.read();
            }
            let gap = to_wrap - scene.peer.data_sent;
            let rest = vec![9; usize::try_from(gap + 10).expect("about a thousand")];
            let end = scene.peer.data_sent + rest.len() as u64;
            let dsn = scene.peer.dsn(end);
            assert!(dsn & 0xffff_ffff < 11, "beyond the wrap: {dsn:x}");
            let fin = scene.peer.dss().map32(dsn, 0, 1).fin();
            scene.option(0, fin.bytes());
            scene.read();
            assert!(!scene.ended, "{gap} bytes are missing");
            scene.data(0, &rest);
            assert_eq!(scene.read(), rest);
            assert!(scene.ended);
            // One from before the wrap, once the stream stands behind it, is old.
            scene.clear();
            let old = scene.peer.dss().map32(scene.peer.dsn(end - 20), 0, 1).fin();
            scene.option(0, old.bytes());
            let sent = scene.sent();
            assert_eq!(acked(&scene, &sent), Some(end + 1));
        }
    }
}

/// A key whose stream passes the end of 32 bits within its first 150,000 bytes, and where.
fn key_before_wrap(version: Version) -> (u64, u64) {
    (1..10_000_000)
        .find_map(|key| {
            let first = crypto::idsn(version, key).wrapping_add(1);
            let to_wrap = (1 << 32) - (first & 0xffff_ffff);
            (5000..150_000).contains(&to_wrap).then_some((key, to_wrap))
        })
        .expect("one in thirty thousand")
}

/// Protocol statement 78.
#[test]
fn lost_it_is_sent_again_at_growing_intervals_and_on_every_subflow() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.shutdown();
        // Everything on the first subflow is lost, so nothing of it is acknowledged.
        scene.advance_ms(20_000);
        let sent = scene.sent();
        let fins = data_fins(&sent);
        assert!(fins.iter().all(|packet| packet.is_pure_ack()));
        let on = |subflow: usize| -> Vec<_> {
            let local = scene.peer.subflows[subflow].local;
            let on = fins.iter().filter(|packet| packet.dst == local);
            on.map(|packet| packet.at).collect()
        };
        let (first, other) = (on(0), on(second));
        let times = if first.len() > other.len() {
            assert_eq!(first[1..], other);
            first
        } else {
            assert_eq!(other[1..], first);
            other
        };
        let intervals: Vec<Duration> = times
            .windows(2)
            .map(|pair| pair[1].saturating_duration_since(pair[0]))
            .collect();
        assert!(intervals.len() >= 4, "{intervals:?}");
        for pair in intervals.windows(2) {
            assert_eq!(pair[1], 2 * pair[0]);
        }
        scene.data_ack(second);
        scene.clear();
        scene.events();
        scene.advance_ms(60_000);
        assert_eq!(data_fins(&scene.sent()).len(), 0);
    }
}

/// Protocol statement 78.
#[test]
fn the_subflow_that_carried_it_is_not_needed() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.write(b"abc");
        scene.write(b"def");
        scene.shutdown();
        let sent = scene.sent();
        let carrier = data_fins(&sent)[0].dst;
        let carrier = usize::from(carrier == scene.peer.subflows[second].local) * second;
        let other = second - carrier;
        scene.rst(carrier, []);
        scene.advance_ms(10_000);
        let sent = scene.sent_on(other);
        assert!(!data_fins(&sent).is_empty());
        assert_eq!(scene.peer.stream(), b"helloabcdef");
        scene.data_ack(other);
        assert_eq!(flagged(&scene.sent_on(other), flag::FIN).len(), 1);
    }
}

/// It takes no room in the stream of a subflow, so one that we have closed will do.
///
/// Protocol statement 78.
#[test]
fn a_subflow_that_is_closing_carries_it_if_there_is_no_other() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (now, id) = (scene.now, scene.connection());
        let subflow = scene.subflow_infos()[0].id;
        assert_eq!(scene.endpoint.close_subflow(now, id, subflow), Ok(()));
        scene.collect();
        assert_eq!(flagged(&scene.sent(), flag::FIN).len(), 1);
        scene.shutdown();
        assert_eq!(data_fins(&scene.sent()).len(), 1);
    }
}
