//! What the stack sends.

use super::{data, pattern, setups, with_two_subflows};
use crate::peer::options::Dss;
use crate::peer::packet::Packet;
use crate::peer::{Scene, Wide, crypto};

/// Every byte of a segment lies in the mapping that the same segment carries.
fn assert_mapped_by_itself(scene: &Scene, packet: &Packet) {
    let subflow = scene.peer.subflow_of(packet).expect("a known subflow");
    let mapping = packet.mapping().expect("a mapping");
    let ssn = packet.seq.wrapping_sub(scene.peer.subflows[subflow].irs);
    let end = ssn + packet.payload.len() as u32;
    let mapped = u32::from(mapping.len) - u32::from(mapping.fin);
    assert!(mapping.ssn <= ssn, "{packet:?}");
    assert!(mapping.ssn + mapped >= end, "{packet:?}");
}

/// Protocol statements 51, 53.
#[test]
fn every_byte_is_mapped_and_every_segment_carries_a_dss() {
    for setup in setups() {
        for checksum in [false, true] {
            let setup = if checksum {
                setup.clone().checksum()
            } else {
                setup.clone()
            };
            let mut scene = Scene::established(setup);
            scene.write(&pattern(0, 5000));
            scene.data(0, b"to be acknowledged");
            scene.advance_ms(150);
            let sent = scene.sent();
            assert!(data(&sent).len() >= 4, "{sent:?}");
            for packet in &sent {
                assert!(packet.dss().is_some(), "{packet:?}");
            }
            for packet in data(&sent) {
                assert_mapped_by_itself(&scene, &packet);
            }
            assert_eq!(scene.peer.stream(), pattern(0, 5000));
        }
    }
}

/// Protocol statement 51.
#[test]
fn data_on_a_second_subflow_is_mapped_in_its_own_numbers() {
    for mut scene in with_two_subflows(|setup| setup) {
        // More than one subflow takes at once.
        scene.write(&pattern(5, 40_000));
        scene.advance_ms(20);
        let sent = data(&scene.sent());
        let on = |subflow| {
            let these = sent.iter();
            these
                .filter(|packet| scene.peer.subflow_of(packet) == Some(subflow))
                .count()
        };
        assert!(on(0) > 0 && on(1) > 0, "{sent:?}");
        for packet in &sent {
            assert_mapped_by_itself(&scene, packet);
        }
        let stream = scene.peer.stream();
        assert_eq!(stream[5..], pattern(5, stream.len() - 5));
    }
}

/// Protocol statement 52.
#[test]
fn a_retransmission_carries_the_mapping_again_with_the_current_data_ack() {
    for setup in setups() {
        let mut scene = Scene::confirmed(setup);
        scene.write(&pattern(5, 4000));
        let first = data(&scene.sent());
        let mappings: Vec<_> = first.iter().filter_map(Packet::mapping).collect();
        scene.data(0, b"news");
        let data_ack = scene.peer.dsn(scene.peer.data_sent);
        scene.clear();
        scene.advance_ms(5000);
        let again = data(&scene.sent());
        assert!(!again.is_empty());
        for packet in again {
            // Also where it was cut, as a router might want it smaller.
            let mapping = packet.mapping().expect("a mapping");
            assert!(mappings.contains(&mapping), "{packet:?}");
            assert_mapped_by_itself(&scene, &packet);
            assert_eq!(packet.data_ack(), Some(Wide::Long(data_ack)));
        }
    }
}

/// Protocol statement 52.
#[test]
fn a_narrower_retransmission_says_the_same() {
    for setup in setups() {
        let mut scene = Scene::confirmed(setup);
        scene.write(&pattern(5, 1300));
        let first = scene.sent_one();
        // The peer has a part of it: the rest comes with a mapping that agrees.
        let subflow = &mut scene.peer.subflows[0];
        subflow.acked = first.seq.wrapping_add(500);
        let ack = scene.segment(0).option(scene.peer.dss().bytes());
        scene.send(ack);
        scene.advance_ms(2000);
        let again = data(&scene.sent());
        assert!(
            again
                .iter()
                .any(|packet| packet.seq == first.seq.wrapping_add(500))
        );
        // The peer compares what each byte is mapped to.
        assert_eq!(scene.peer.stream()[5..], pattern(5, 1300));
    }
}

/// Protocol statement 59.
#[test]
fn data_sequence_numbers_are_sent_in_full() {
    for setup in setups() {
        let mut scene = Scene::confirmed(setup);
        // The peer uses short ones, which says nothing of its speed.
        let (dsn, ssn) = (scene.peer.dsn(5), scene.peer.subflows[0].ssn());
        let short = Dss::new().ack32(scene.peer.their_dsn(5)).map32(dsn, ssn, 5);
        let segment = scene.segment(0).option(short.bytes()).payload(b"short");
        scene.send(segment);
        assert_eq!(scene.read(), b"short");
        scene.clear();
        scene.write(&pattern(5, 2000));
        scene.shutdown();
        scene.advance_ms(20);
        let sent = scene.sent();
        let mappings: Vec<_> = sent.iter().filter_map(Packet::mapping).collect();
        assert!(mappings.len() >= 2 && mappings.iter().any(|mapping| mapping.fin));
        for mapping in mappings {
            assert!(matches!(mapping.dsn, Wide::Long(_)), "{mapping:?}");
        }
    }
}

/// Protocol statement 60.
#[test]
fn checksums_cover_what_they_should() {
    for setup in setups() {
        let mut scene = Scene::confirmed(setup.checksum());
        // Odd lengths, and the DATA_FIN at the end of one.
        scene.write(&pattern(5, 1001));
        scene.write(&pattern(1006, 3001));
        scene.shutdown();
        scene.advance_ms(20);
        let mut fins = 0;
        for packet in scene.sent() {
            let Some(mapping) = packet.mapping() else {
                continue;
            };
            let Wide::Long(dsn) = mapping.dsn else {
                panic!("{mapping:?}");
            };
            let sum = crypto::dss_checksum(dsn, mapping.ssn, mapping.len, &packet.payload);
            assert_eq!(mapping.checksum, Some(sum), "{packet:?}");
            fins += u32::from(mapping.fin);
        }
        assert!(fins > 0);
        assert_eq!(scene.peer.data_received(), 5 + 4002 + 1);
    }
}

/// Protocol statement 74.
#[test]
fn no_syn_carries_a_dss() {
    for setup in setups() {
        let mut scene = Scene::confirmed(setup.clone());
        let join = scene.join_syn(scene.join_source(2), scene.stack_address(), 2, false);
        let syn_ack = scene.sent_one();
        assert!(syn_ack.join_syn_ack().is_some() && syn_ack.dss().is_none());
        scene.join_ack(join);
        scene.clear();
        scene.open_subflow(setup.addresses[0], setup.peer, false);
        let syn = scene.sent_one();
        assert!(syn.join_syn().is_some() && syn.dss().is_none());

        let mut scene = Scene::new(setup.clone());
        let first = match setup.role {
            crate::peer::Role::Client => scene.connect(),
            crate::peer::Role::Listener => {
                let capable = scene.capable_syn();
                scene.syn(capable);
                scene.sent_one()
            }
        };
        assert!(first.capable().is_some() && first.dss().is_none());
    }
}

/// Protocol statement 74.
#[test]
fn a_dss_on_a_syn_means_nothing() {
    for version in crate::peer::VERSIONS {
        let mut scene = Scene::new(crate::peer::Setup::client(version));
        scene.connect();
        let mut options = scene.capable_syn_ack();
        options.extend(Dss::new().ack32(0x1234_5678).bytes());
        scene.syn_ack(0, options);
        // The keys are still owed: no DSS has come.
        let third = scene.sent_one();
        assert_eq!(third.capable().expect("MP_CAPABLE").keys.len(), 2);
        assert!(third.dss().is_none());
        scene.write(b"first");
        let first = scene.sent_one();
        let with_keys = first.capable().is_some();
        assert_eq!(with_keys, version == crate::peer::Version::V1, "{first:?}");
    }
}
