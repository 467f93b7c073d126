//! What must stay hidden, and what nobody may guess.

use crate::peer::options::mp_fastclose;
use crate::peer::{ROLES, Role, Scene, Setup, VERSIONS, all_setups};
use bytes::Bytes;
use std::collections::HashSet;
use umptcp_stack::{ChecksumStatus, ReceivedPacket, Version};

/// Every way in which `text` might show a key.
fn shows(text: &str, key: u64) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = key.to_be_bytes();
    let list = |bytes: &[u8]| {
        let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
        numbers.join(",")
    };
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    [
        format!("{key:x}"),
        format!("{key:X}"),
        key.to_string(),
        key.cast_signed().to_string(),
        list(&bytes),
        list(&reversed),
        format!("{:?}", Bytes::copy_from_slice(&bytes)).replace(['b', '"'], ""),
    ]
    .iter()
    .any(|form| dense.contains(form))
}

#[test]
fn the_search_for_keys_finds_them() {
    let key = 0x0809_0a0b_0c0d_0e0f;
    for text in [
        "Key(0x8090a0b0c0d0e0f)",
        "Key(579005069656919567)",
        "[0, 8, 9, 10, 11, 12, 13, 14, 15, 7]",
        "[\n    8,\n    9,\n    10,\n    11,\n    12,\n    13,\n    14,\n    15,\n]",
        "[15, 14, 13, 12, 11, 10, 9, 8]",
    ] {
        assert!(shows(text, key), "{text}");
    }
    assert!(!shows("Key(..) 8090a0b", key));
}

/// Nothing that can be printed shows a key of this scene.
fn assert_silent(scene: &mut Scene, key: u64, when: &str) {
    let events = scene.events();
    let mut texts = vec![
        format!("{:?}", scene.endpoint),
        format!("{:#?}", scene.endpoint),
        format!("{events:?}"),
        format!("{:?}", scene.endpoint.stats()),
    ];
    if scene.has_connection() {
        texts.push(format!("{:?}", scene.subflow_infos()));
        let id = scene.connection();
        texts.push(format!("{:?}", scene.endpoint.connection_info(id)));
    }
    for text in texts {
        assert!(!shows(&text, key), "{when}: {key:#x} in {text}");
        assert!(!shows(&text, scene.peer.key), "{when}: {text}");
    }
}

/// Protocol statement 122.
#[test]
fn no_key_is_printed_in_any_state() {
    for setup in all_setups() {
        // The same seed gives the same key: this run shows which one it will be.
        let key = Scene::established(setup.clone()).peer.their_key();
        let mut scene = Scene::new(setup.clone());
        match setup.role {
            Role::Client => {
                scene.connect();
                assert_silent(&mut scene, key, "offered");
                let capable = scene.capable_syn_ack();
                scene.syn_ack(0, capable);
            }
            Role::Listener => {
                let capable = scene.capable_syn();
                scene.syn(capable);
                assert_silent(&mut scene, key, "answered");
                let capable = scene.capable_third_ack();
                scene.third_ack(0, capable);
                scene.accept().expect("it is established");
            }
        }
        assert_eq!(scene.peer.their_key(), key);
        assert_silent(&mut scene, key, "established");
        scene.data_ack(0);
        scene.write(b"data");
        assert_silent(&mut scene, key, "data under way");
        scene.data_ack(0);
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let index = scene.join_syn(from, to, 2, false);
        assert_silent(&mut scene, key, "being joined");
        scene.join_ack(index);
        let third = scene.open_subflow(setup.addresses[0], setup.peer, false);
        assert_silent(&mut scene, key, "joining");
        scene.join_syn_ack(third);
        assert_silent(&mut scene, key, "waiting for the fourth ACK");
        // Queued, and not sent yet.
        let id = scene.connection();
        let aborted = scene.endpoint.abort(scene.now, id);
        assert_eq!(aborted, Ok(()));
        assert!(!shows(&format!("{:?}", scene.endpoint), key));
        assert!(!shows(&format!("{:?}", scene.endpoint), scene.peer.key));
        scene.collect();
        assert_silent(&mut scene, key, "aborted");
    }
}

/// Protocol statement 122.
#[test]
fn no_key_is_printed_after_fallback_and_fastclose() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup.clone());
        let key = scene.peer.their_key();
        let segment = scene.segment(0).payload(b"not mapped");
        scene.send(segment);
        assert!(scene.is_tcp());
        assert_silent(&mut scene, key, "fallen back");

        let mut scene = Scene::confirmed(setup);
        scene.option(0, mp_fastclose(key));
        assert_silent(&mut scene, key, "closed by the peer");
    }
}

/// Packets with keys in them, on their way in and out.
/// Protocol statement 122.
#[test]
fn no_key_is_printed_with_a_packet() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        scene.connect_without_collecting();
        while let Some(transmit) = scene.endpoint.poll_transmit(scene.now) {
            let shown = format!("{transmit:?}");
            let bytes = transmit.to_bytes();
            let capable = bytes.windows(2).position(|bytes| bytes == [30, 12]);
            if version == Version::V0 {
                let at = capable.expect("MP_CAPABLE with a key") + 4;
                let key = u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight"));
                assert!(!shows(&shown, key), "{shown}");
            }
        }
        let mut scene = Scene::established(Setup::listener(version));
        let packet = scene.segment(0).option(scene.capable_third_ack()).encode();
        let received = ReceivedPacket {
            data: Bytes::from(packet),
            checksum: ChecksumStatus::Unverified,
        };
        let shown = format!("{received:?}");
        assert!(!shows(&shown, scene.peer.key), "{shown}");
        assert_silent(&mut scene, 0x1234_5678_9abc_def0, "established");
    }
}

/// Keys, nonces, tokens, sequence numbers and ports: none comes twice, none follows from another.
#[test]
fn nothing_can_be_predicted() {
    for version in VERSIONS {
        let mut keys = HashSet::new();
        let mut isns = Vec::new();
        let mut ports = HashSet::new();
        let mut scene = Scene::new(Setup::client(version));
        for _ in 0..200 {
            scene.peer.their_key = None;
            let syn = scene.connect();
            isns.push(syn.seq);
            assert!(ports.insert(syn.src.port()), "a port came twice");
            let capable = scene.capable_syn_ack();
            let index = scene.peer.subflows.len() - 1;
            scene.syn_ack(index, capable);
            let answers = scene.sent();
            let key = answers.iter().find_map(|packet| packet.capable());
            let key = key.expect("a third ACK").keys[0];
            assert!(keys.insert(key), "a key came twice");
            assert_ne!(key, 0);
        }
        let steps = |numbers: &[u32]| {
            let pairs = numbers.windows(2);
            let steps = pairs.map(|pair| pair[1].wrapping_sub(pair[0]));
            steps.collect::<HashSet<u32>>().len()
        };
        assert!(steps(&isns) > 190, "{isns:?}");
        // All 64 bits of a key vary.
        let (ones, zeros) = keys
            .iter()
            .fold((0, 0), |(ones, zeros), key| (ones | key, zeros | !key));
        assert_eq!((ones, zeros), (u64::MAX, u64::MAX));
    }
}

/// RFC 6056 §3.3.3: where ports begin depends on the destination and on a secret.
#[test]
fn ports_begin_anywhere() {
    let mut firsts = HashSet::new();
    for seed in 0..20 {
        for host in 1..=5 {
            let mut setup = Setup::client(Version::V0);
            setup.seed = [seed; 32];
            setup.peer.set_ip([10, 2, 0, host].into());
            firsts.insert(Scene::new(setup).connect().src.port());
        }
    }
    // Of 16,384 ports, a hundred draws meet less often than that.
    assert!(firsts.len() > 90, "{firsts:?}");
}

/// Each attempt at a join has a nonce of its own, whichever side starts it.
#[test]
fn nonces_are_fresh() {
    for (version, role) in VERSIONS
        .into_iter()
        .flat_map(|v| ROLES.map(|role| (v, role)))
    {
        let mut scene = Scene::confirmed(Setup::new(role, version));
        let mut nonces = HashSet::new();
        for id in 2..7 {
            let index = scene.join(id);
            assert!(nonces.insert(scene.peer.subflows[index].their_nonce()));
            scene.rst(index, []);
            let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
            let index = scene.joined_by_stack(local, remote);
            assert!(nonces.insert(scene.peer.subflows[index].their_nonce()));
            scene.rst(index, []);
        }
    }
}
