//! Which length an option of a handshake has on which packet: statements 3 to 5.

use super::established;
use crate::peer::options::{capable_flag, mp_capable, mp_capable_data, raw, subtype};
use crate::peer::packet::flag;
use crate::peer::{Role, Scene, Setup, Version, all_setups, crypto};

/// MP_CAPABLE of every length that some packet may have.
fn capables(version: Version, sender: u64, receiver: u64) -> Vec<Vec<u8>> {
    let flags = capable_flag::HMAC;
    let mut all = vec![
        mp_capable(version, flags, &[]),
        mp_capable(version, flags, &[sender]),
        mp_capable(version, flags, &[sender, receiver]),
        mp_capable_data(flags, sender, receiver, 5, None),
        mp_capable_data(flags, sender, receiver, 5, Some(0)),
    ];
    for option in &mut all {
        option[2] = version.number();
    }
    all
}

fn only_this_length_on_a_syn(version: Version, right: usize) {
    for option in capables(version, 0x0102_0304, 0x0506_0708) {
        let mut scene = Scene::new(Setup::listener(version).bare());
        scene.syn(&option);
        let answer = scene.sent_one();
        assert!(answer.has(flag::SYN) && answer.ack.is_some());
        assert_eq!(answer.capable().is_some(), option.len() == right);
        assert_eq!(answer.is_plain(), option.len() != right, "{option:02x?}");
    }
}

fn only_this_length_on_a_syn_ack(version: Version, right: usize) {
    for option in capables(version, 0x0102_0304, 0x0506_0708) {
        let mut scene = Scene::new(Setup::client(version).bare());
        scene.connect();
        scene.syn_ack(0, &option);
        assert_eq!(scene.is_mptcp(), option.len() == right, "{option:02x?}");
        assert_eq!(scene.is_tcp(), option.len() != right, "{option:02x?}");
    }
}

/// Of third packets with this payload.
fn only_these_lengths_on_a_third_packet(version: Version, payload: &[u8], right: &[usize]) {
    // Without data, the keys of the forms that are for data count in version 1.
    let forms = if version == Version::V1 && payload.is_empty() {
        3
    } else {
        5
    };
    for at in 0..forms {
        let mut setup = Setup::listener(version);
        if at == 4 {
            // The longest has a checksum.
            setup = setup.checksum();
        }
        let mut scene = Scene::new(setup);
        let capable = scene.capable_syn();
        scene.syn(capable);
        let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
        let mut option = capables(version, ours, theirs).swap_remove(at);
        if at == 4 {
            let dsn = scene.peer.dsn(0);
            let checksum = crypto::dss_checksum(dsn, 1, 5, payload);
            option[22..].copy_from_slice(&checksum.to_be_bytes());
            option[3] |= capable_flag::CHECKSUM;
        }
        let len = option.len();
        let segment = scene.segment(0).option(option).payload(payload);
        scene.send(segment);
        if right.contains(&len) {
            scene.accept().expect("it is established");
            assert!(scene.is_mptcp(), "{len} bytes, {payload:?}");
        } else {
            if scene.accept().is_some() {
                assert!(!scene.is_mptcp(), "{len} bytes, {payload:?}");
            }
            // Data without any option decides at the latest.
            let segment = scene.segment(0).payload(b"plain");
            scene.send(segment);
            scene.accept();
            assert!(scene.is_tcp(), "{len} bytes, {payload:?}");
            assert_eq!(scene.read(), [payload, b"plain"].concat());
        }
    }
}

/// Protocol statement 3.
#[test]
fn each_packet_of_a_version_0_handshake_has_its_length_of_mp_capable() {
    only_this_length_on_a_syn(Version::V0, 12);
    only_this_length_on_a_syn_ack(Version::V0, 12);
    only_these_lengths_on_a_third_packet(Version::V0, b"", &[20]);
}

/// Protocol statement 4.
#[test]
fn each_packet_of_a_version_1_handshake_has_its_length_of_mp_capable() {
    only_this_length_on_a_syn(Version::V1, 4);
    only_this_length_on_a_syn_ack(Version::V1, 12);
    only_these_lengths_on_a_third_packet(Version::V1, b"", &[20]);
    // A third packet with data and 20 bytes has keys, but no mapping for its data; see
    // statement 30.
    only_these_lengths_on_a_third_packet(Version::V1, b"bytes", &[22, 24]);
}

/// Protocol statement 5.
#[test]
fn each_packet_of_a_join_has_its_length_of_mp_join() {
    for setup in all_setups() {
        let setup = setup.bare();
        let mut scene = Scene::confirmed(setup.clone());
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let token = scene.peer.their_token().to_be_bytes();
        for len in [16, 24] {
            let mut option = raw(subtype::JOIN, 0, &vec![0x55; len - 3]);
            option[4..8].copy_from_slice(&token);
            let index = scene.syn_from(from, to, 2, &option);
            let answer = scene.sent_one();
            // Who listens takes it for a SYN of plain TCP, anybody else for none of theirs.
            assert!(answer.is_plain(), "{answer:?}");
            assert_eq!(answer.has(flag::RST), setup.role == Role::Client);
            assert_eq!(established(&scene), 1);
            scene.rst(index, []);
        }

        let mut scene = Scene::confirmed(setup.clone());
        let (local, remote) = (setup.addresses[0], setup.peer);
        for len in [12, 24] {
            let index = scene.open_subflow(local, remote, false);
            let hmac = scene.peer.join_hmac(index);
            let mut option = raw(subtype::JOIN, 0, &vec![0; len - 3]);
            option[4..12].copy_from_slice(&hmac[..8]);
            scene.syn_ack(index, option);
            assert!(scene.peer.subflows[index].rst_seen, "{len}");
            assert_eq!(established(&scene), 1);
        }

        for len in [12, 16] {
            let mut scene = Scene::confirmed(setup.clone());
            let (from, to) = (scene.join_source(2), scene.stack_address());
            let index = scene.join_syn(from, to, 2, false);
            let hmac = scene.peer.join_hmac(index);
            let option = raw(subtype::JOIN, 0, &[&[0], &hmac[..len - 4]].concat());
            scene.option(index, option);
            assert!(scene.peer.subflows[index].rst_seen, "{len}");
            assert_eq!(established(&scene), 1);
        }
    }
}
