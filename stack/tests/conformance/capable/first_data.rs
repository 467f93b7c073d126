//! The first data: how version 1 shows the keys with it, and how it decides what the third packet
//! left open.

use super::{converse_in_tcp, counted};
use crate::peer::options::{mp_capable, mp_capable_data};
use crate::peer::{Packet, Role, Scene, Setup, VERSIONS, Version, Wide, crypto};
use umptcp_stack::ConnectionProtocol;

/// A client of version 1 whose handshake is complete, and which has heard no DSS.
fn fresh_client(setup: Setup) -> Scene {
    let mut scene = Scene::new(setup.tune(|config| config.nodelay = true));
    scene.connect();
    let option = scene.capable_syn_ack();
    scene.syn_ack(0, option);
    scene.clear();
    scene
}

/// A listener that has answered a SYN with MP_CAPABLE.
fn answering(setup: Setup) -> Scene {
    let mut scene = Scene::new(setup);
    let option = scene.capable_syn();
    scene.syn(option);
    scene.clear();
    scene
}

/// A listener that has seen the third ACK with both keys.
fn answered(setup: Setup) -> Scene {
    let mut scene = answering(setup);
    let option = scene.capable_third_ack();
    scene.third_ack(0, option);
    scene.accept().expect("it is established");
    scene.clear();
    scene
}

/// MP_CAPABLE of the peer's first data, `bytes` as a whole.
fn first_data(scene: &Scene, bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("short");
    let checksum = scene.peer.checksum.then(|| {
        let dsn = scene.peer.dsn(0);
        crypto::dss_checksum(dsn, 1, len, bytes)
    });
    let flags = if scene.peer.checksum { 0x81 } else { 0x01 };
    let (own, other) = (scene.peer.key, scene.peer.their_key());
    mp_capable_data(flags, own, other, len, checksum)
}

fn both_checksums(setup: &Setup) -> [Setup; 2] {
    [setup.clone(), setup.clone().checksum()]
}

/// The DATA_ACK that the stack says within its delay.
fn data_ack_said(scene: &mut Scene) -> Option<Wide> {
    scene.advance_ms(500);
    scene.sent().iter().rev().find_map(Packet::data_ack)
}

/// Protocol statement 24.
#[test]
fn version_1_shows_the_keys_with_its_first_data() {
    for setup in both_checksums(&Setup::client(Version::V1)) {
        let mut scene = fresh_client(setup.clone());
        scene.write(b"first");
        let packet = scene.sent_one();
        let capable = packet.capable().expect("MP_CAPABLE in place of a DSS");
        assert!(packet.dss().is_none());
        assert_eq!(capable.keys, [scene.peer.their_key(), scene.peer.key]);
        assert_eq!(capable.data_len, Some(5));
        let sum = crypto::dss_checksum(scene.peer.their_dsn(0), 1, 5, b"first");
        assert_eq!(capable.checksum, scene.peer.checksum.then_some(sum));
        // What follows has a mapping, though nothing was acknowledged yet.
        scene.write(b"second");
        let packet = scene.sent_one();
        assert!(packet.capable().is_none());
        let mapping = packet.mapping().expect("a mapping");
        assert_eq!((mapping.ssn, mapping.len), (6, 6));
        assert_eq!(scene.peer.stream(), b"firstsecond");

        // After a DSS of the peer there is no need.
        let mut scene = Scene::established(setup);
        scene.write(b"first");
        let packet = scene.sent_one();
        assert!(packet.capable().is_none() && packet.mapping().is_some());
    }
}

/// Protocol statement 24.
#[test]
fn the_first_data_of_version_1_may_be_the_third_packet() {
    let mut scene = Scene::new(Setup::client(Version::V1));
    scene.connect();
    scene.write(b"early");
    scene.clear();
    let option = scene.capable_syn_ack();
    scene.syn_ack(0, option);
    let third = scene.sent_one();
    assert_eq!(third.payload, b"early");
    assert_eq!(third.capable().and_then(|c| c.data_len), Some(5));
}

/// Protocol statement 25.
#[test]
fn the_first_data_is_sent_again_with_the_keys() {
    for setup in both_checksums(&Setup::client(Version::V1)) {
        let mut scene = fresh_client(setup);
        scene.write(b"first");
        let first = scene.sent_one();
        scene.advance_ms(5000);
        let again = scene.sent();
        let again: Vec<_> = again.iter().filter(|p| !p.payload.is_empty()).collect();
        assert!(again.len() > 1, "it is sent again");
        for packet in again {
            assert_eq!(packet.payload, b"first");
            assert_eq!(packet.capable(), first.capable());
        }
    }
}

/// Protocol statements 25, 26.
#[test]
fn copies_of_the_first_data_are_borne() {
    for setup in both_checksums(&Setup::listener(Version::V1)) {
        // With a third ACK before them, and in its place.
        for mut scene in [answered(setup.clone()), answering(setup)] {
            let bytes = b"0123456789";
            let option = first_data(&scene, bytes);
            let start = scene.segment(0);
            // A device cut it in two and copied the option; the second half comes first.
            let halves = [5, 0].map(|at| {
                let seq = start.seq.wrapping_add(u32::try_from(at).expect("short"));
                let segment = start.clone().seq(seq).option(&option);
                segment.payload(&bytes[at..at + 5])
            });
            let whole = start.clone().option(&option).payload(bytes);
            for segment in halves.into_iter().chain([whole.clone(), whole]) {
                scene.send(segment);
            }
            // Without the peer keeping count: the next byte is the one behind them.
            scene.peer.subflows[0].snd_nxt = start.seq.wrapping_add(10);
            scene.peer.data_sent = 10;
            scene.accept();
            assert!(scene.is_mptcp());
            assert_eq!(scene.read(), bytes);
            let expected = Wide::Long(scene.peer.dsn(10));
            assert_eq!(data_ack_said(&mut scene), Some(expected));
            scene.data(0, b" and on");
            assert_eq!(scene.read(), b" and on");
            assert_eq!(counted(&scene, "MPCapableACKRX"), 1);
        }
    }
}

/// Protocol statement 27.
#[test]
fn both_forms_of_the_first_mapping_say_the_same() {
    for capable_first in [true, false] {
        for setup in both_checksums(&Setup::listener(Version::V1)) {
            let mut scene = answered(setup);
            // Both sides send before they have heard the other.
            scene.write(b"mine");
            let capable = first_data(&scene, b"yours");
            let dss = scene.peer.dss_for(0, 1, b"yours").bytes();
            let start = scene.segment(0);
            let forms = if capable_first {
                [capable, dss]
            } else {
                [dss, capable]
            };
            for form in forms.iter().chain(&forms) {
                scene.send(start.clone().option(form).payload(b"yours"));
            }
            scene.peer.data_sent = 5;
            assert!(scene.is_mptcp());
            assert_eq!(scene.read(), b"yours");
            scene.data(0, b"more");
            assert_eq!(scene.read(), b"more");
            assert_eq!(scene.peer.stream(), b"mine");
        }
    }
    // And as the client: its first data and the peer's cross.
    let mut scene = fresh_client(Setup::client(Version::V1));
    scene.write(b"mine");
    scene.data(0, b"yours");
    assert_eq!(scene.read(), b"yours");
    scene.data_ack(0);
    scene.write(b" again");
    assert_eq!(scene.peer.stream(), b"mine again");
    assert!(scene.is_mptcp());
}

/// RFC 8684 §3.1: what comes before the keys decides nothing.
#[test]
fn data_that_overtakes_the_keys_is_no_reason_to_fall_back() {
    for setup in both_checksums(&Setup::listener(Version::V1)) {
        let mut scene = answering(setup);
        let start = scene.segment(0);
        let ahead = start.clone().seq(start.seq.wrapping_add(5));
        let later = ahead
            .option(scene.peer.dss_for(5, 6, b"later").bytes())
            .payload(b"later");
        scene.send(later.clone());
        assert!(scene.accept().is_none());
        let option = first_data(&scene, b"first");
        scene.send(start.option(option).payload(b"first"));
        scene.accept().expect("the keys are here");
        assert!(scene.is_mptcp());
        scene.send(later);
        assert_eq!(scene.read(), b"firstlater");
    }
}

/// RFC 8684 §3.3: a checksum that is missing, or there unasked, is no beginning.
#[test]
fn first_data_with_the_wrong_kind_of_checksum_is_no_mptcp() {
    for setup in both_checksums(&Setup::listener(Version::V1)) {
        let mut scene = answering(setup.clone());
        let (own, other) = (scene.peer.key, scene.peer.their_key());
        let sum = crypto::dss_checksum(scene.peer.dsn(0), 1, 5, b"first");
        let wrong = (!scene.peer.checksum).then_some(sum);
        let flags = scene.setup.capable_flags;
        let option = mp_capable_data(flags, own, other, 5, wrong);
        scene.send(scene.segment(0).option(&option).payload(b"first"));
        scene.accept().expect("it is established");
        assert_eq!(scene.read(), b"first");
        converse_in_tcp(&mut scene);

        // Once the keys are known, it breaks the subflow.
        let mut scene = answered(setup);
        scene.send(scene.segment(0).option(&option).payload(b"first"));
        assert_eq!(scene.read(), b"");
        assert!(scene.peer.subflows[0].rst_seen);
    }
}

/// Protocol statements 17, 28.
#[test]
fn version_0_sends_the_third_ack_before_data() {
    for setup in both_checksums(&Setup::client(Version::V0)) {
        let mut scene = Scene::new(setup);
        scene.connect();
        scene.write(b"early");
        let option = scene.capable_syn_ack();
        scene.syn_ack(0, option);
        let sent = scene.sent();
        let [third, data] = &sent[..] else {
            panic!("{sent:?}");
        };
        assert!(third.is_pure_ack());
        let capable = third.capable().expect("MP_CAPABLE");
        assert_eq!(capable.keys, [scene.peer.their_key(), scene.peer.key]);
        assert_eq!(data.payload, b"early");
        assert!(data.capable().is_none());
        let mapping = data.mapping().expect("a mapping");
        assert_eq!((mapping.ssn, mapping.len), (1, 5));
        assert_eq!(mapping.dsn, Wide::Long(scene.peer.their_dsn(0)));
    }
}

/// Protocol statement 29.
#[test]
fn version_0_goes_on_without_its_third_ack() {
    for setup in both_checksums(&Setup::listener(Version::V0)) {
        // Lost, or come without its option.
        for bare in [false, true] {
            let mut scene = answering(setup.clone());
            if bare {
                scene.third_ack(0, []);
            }
            scene.data(0, b"hello");
            scene.accept().expect("it is established");
            assert!(scene.is_mptcp());
            assert_eq!(scene.read(), b"hello");
            let expected = scene.peer.dsn(5);
            let said = data_ack_said(&mut scene);
            assert_eq!(said, Some(Wide::Long(expected)));
            scene.write(b"world");
            assert_eq!(scene.peer.stream(), b"world");
            assert_eq!(counted(&scene, "MPCapableACKRX"), 0);
            assert_eq!(counted(&scene, "MPCapableFallbackACK"), 0);
            assert_eq!(counted(&scene, "MPCurrEstab"), 1);
        }
    }
}

/// A third packet that says nothing leaves the decision to what follows.
#[test]
fn version_0_waits_for_what_tells() {
    let undecided = || {
        let mut scene = answering(Setup::listener(Version::V0));
        scene.third_ack(0, []);
        scene.accept().expect("it is established");
        assert_eq!(scene.protocol(), ConnectionProtocol::Negotiating);
        assert_eq!(counted(&scene, "MPCurrEstab"), 0);
        // Acknowledgments say nothing either.
        let seq = scene.segment(0).seq.wrapping_sub(1);
        scene.send(scene.segment(0).seq(seq));
        assert!(scene.sent_one().is_plain());
        // Nobody joins what may be plain TCP.
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let join = scene.join_syn(from, to, 2, false);
        assert!(scene.peer.subflows[join].rst_seen);
        scene.peer.subflows.pop();
        scene.clear();
        scene
    };
    // The keys come after all.
    let mut scene = undecided();
    let option = scene.capable_third_ack();
    scene.third_ack(0, option);
    assert!(scene.is_mptcp());
    assert!(scene.sent().iter().any(|packet| packet.dss().is_some()));
    // Or wrong ones.
    let mut scene = undecided();
    let keys = [scene.peer.key ^ 1, scene.peer.their_key()];
    scene.third_ack(0, mp_capable(Version::V0, 0x01, &keys));
    converse_in_tcp(&mut scene);
    // A DATA_FIN, and nothing before it.
    let mut scene = undecided();
    scene.data_fin(0);
    assert!(scene.is_mptcp());
    assert_eq!(scene.read(), b"");
    assert!(scene.ended);
    // The end of plain TCP.
    let mut scene = undecided();
    scene.fin(0);
    assert!(scene.is_tcp());
    assert_eq!(scene.read(), b"");
    assert!(scene.ended);
    // We end it first.
    let mut scene = undecided();
    scene.shutdown();
    assert!(scene.is_tcp());
    assert!(scene.sent_one().is_plain());
    assert!(scene.peer.subflows[0].fin_seen);
    assert_eq!(counted(&scene, "MPCapableFallbackACK"), 1);
}

/// Protocol statements 29, 74.
///
/// We speak first to a peer of which nothing is known: with mappings, as it may need them, until
/// its acknowledgment shows that it does not.
#[test]
fn version_0_learns_from_the_acknowledgment_of_its_first_data() {
    let undecided = || {
        let mut scene = answering(Setup::listener(Version::V0));
        scene.third_ack(0, []);
        scene.accept().expect("it is established");
        scene.write(b"banner");
        assert!(scene.sent_one().mapping().is_some());
        scene
    };
    let mut scene = undecided();
    scene.data_ack(0);
    assert!(scene.is_mptcp());
    scene.data(0, b"hello");
    assert_eq!(scene.read(), b"hello");

    let mut scene = undecided();
    scene.ack(0);
    assert!(scene.is_tcp());
    scene.write(b"more");
    let infinite = scene.sent_one().mapping().expect("the infinite mapping");
    assert_eq!(infinite.len, 0);
    scene.ack(0);
    converse_in_tcp(&mut scene);
}

/// Protocol statements 30, 74.
#[test]
fn without_any_option_it_is_plain_tcp_and_the_data_arrives() {
    for version in VERSIONS {
        for setup in both_checksums(&Setup::listener(version)) {
            // The data after a bare third packet, and in its place.
            for bare in [true, false] {
                let mut scene = answering(setup.clone());
                if bare {
                    scene.third_ack(0, []);
                }
                let segment = scene.segment(0).payload(b"hello");
                scene.send(segment);
                scene.accept().expect("it is established");
                assert_eq!(scene.read(), b"hello");
                assert_eq!(counted(&scene, "MPCapableFallbackACK"), 1);
                assert_eq!(scene.endpoint.stats().fallbacks, 1);
                scene.advance_ms(500);
                assert!(scene.sent().iter().all(Packet::is_plain));
                converse_in_tcp(&mut scene);
            }
        }
    }
}

/// The keys were fine, but the first data comes without a word of MPTCP, or nothing but the end.
#[test]
fn a_path_that_takes_options_off_later_is_noticed_at_the_first_data() {
    for version in VERSIONS {
        for (bytes, fin) in [(&b"hello"[..], false), (b"hello", true), (b"", true)] {
            let listener = answered(Setup::listener(version));
            let client = fresh_client(Setup::client(version));
            for mut scene in [listener, client] {
                let segment = scene.segment(0).payload(bytes);
                scene.send(if fin { segment.fin() } else { segment });
                assert!(scene.is_tcp());
                assert_eq!(scene.read(), bytes);
                assert_eq!(scene.ended, fin);
                let name = match scene.setup.role {
                    Role::Listener => "MPCapableDataFallback",
                    Role::Client => "DssFallback",
                };
                assert_eq!(counted(&scene, name), 1, "{version:?} {bytes:?} {fin}");
                if fin {
                    scene.shutdown();
                    assert!(scene.peer.subflows[0].fin_seen);
                }
            }
        }
    }
}

/// A mapping of nothing on the first data of version 1 is the infinite one.
#[test]
fn first_data_of_length_0_falls_back() {
    let mut scene = answered(Setup::listener(Version::V1));
    let option = first_data(&scene, b"");
    scene.send(scene.segment(0).option(option).payload(b"hello"));
    assert_eq!(scene.read(), b"hello");
    assert!(scene.is_tcp());
    // On an empty segment it means nothing.
    let mut scene = answered(Setup::listener(Version::V1));
    let option = first_data(&scene, b"");
    scene.option(0, option);
    assert!(scene.is_mptcp());
}

/// What falls back goes on in its place: byte for byte, over several segments. Before a DSS was
/// heard, and after the peer has shown with one that it knows the keys.
#[test]
fn what_follows_the_first_unmapped_data_stands_behind_it() {
    for version in VERSIONS {
        let listener = answered(Setup::listener(version));
        let client = fresh_client(Setup::client(version));
        let heard = Scene::established(Setup::listener(version));
        let heard_by_client = Scene::established(Setup::client(version));
        for mut scene in [listener, client, heard, heard_by_client] {
            let mut read = Vec::new();
            for bytes in [b"first", b"again", b"and 3", b"and 4"] {
                let segment = scene.segment(0).payload(bytes);
                scene.send(segment);
                read.extend(scene.read());
            }
            assert_eq!(read, b"firstagainand 3and 4");
            assert!(scene.is_tcp());
        }
    }
}
