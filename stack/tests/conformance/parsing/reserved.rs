//! Reserved bits: statement 8. That they are sent as zero is checked in every packet of the stack
//! that the peer takes apart.

use super::{established, send_new};
use crate::peer::options::{
    self, capable_flag, mp_fastclose, mp_join_ack, mp_join_syn, raw, subtype,
};
use crate::peer::{Role, Scene, Setup, VERSIONS, Version, all_setups, hex};

/// Protocol statement 8.
#[test]
fn reserved_bits_of_the_handshakes_are_ignored() {
    for version in VERSIONS {
        // D to G are algorithms that nobody has; C is one of them in version 0 (RFC 6824 §3.1).
        let reserved = match version {
            Version::V0 => 0x3e,
            Version::V1 => 0x1e,
        };
        for role in [Role::Client, Role::Listener] {
            let mut setup = Setup::new(role, version);
            setup.capable_flags |= reserved;
            if role == Role::Listener {
                // The answer names one algorithm, and the third ACK repeats it.
                let mut scene = Scene::new(setup);
                let capable = scene.capable_syn();
                scene.syn(capable);
                let answer = scene.sent_one().capable().expect("MP_CAPABLE");
                assert_eq!(answer.flags, capable_flag::HMAC);
                continue;
            }
            let mut scene = Scene::confirmed(setup.clone());
            // Nothing has forbidden the initial address.
            let index = scene.open_subflow(setup.addresses[0], setup.peer, false);
            let mut option = scene.join_syn_ack_option(index, false);
            option[2] |= 0x0e;
            scene.syn_ack(index, option);
            scene.fourth_ack(index);
            assert_eq!(established(&scene), 2);
        }
        let mut scene = Scene::confirmed(Setup::listener(version));
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let nonce = scene.next_nonce();
        let mut option = mp_join_syn(false, 2, scene.peer.their_token(), nonce);
        option[2] |= 0x0e;
        let index = scene.syn_from(from, to, 2, &option);
        let mut option = mp_join_ack(&scene.peer.join_hmac(index));
        option[2] |= 0x0f;
        option[3] = 0xff;
        scene.option(index, option);
        assert_eq!(established(&scene), 2);
        assert!(!scene.subflow_infos()[1].backup);
    }
}

/// Protocol statement 8.
#[test]
fn reserved_bits_of_other_options_are_ignored() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        send_new(&mut scene, &[], |dss| {
            dss[2] |= 0x0f;
            dss[3] |= 0xe0;
        });
        assert_eq!(scene.read(), b"new");
        for (nibble, backup) in [(0xf, true), (0xe, false)] {
            scene.option(second, raw(subtype::PRIO, nibble, &[]));
            assert_eq!(scene.subflow_infos()[1].backup, backup, "{nibble:#x}");
        }
        if scene.setup.version == Version::V1 {
            scene.clear();
            let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
            let address = [192, 0, 2, 17].into();
            let mut option = options::add_addr_v1(ours, theirs, 9, address, None);
            option[2] |= 0x0e;
            scene.option(0, option);
            scene.advance_ms(500);
            let sent = scene.sent();
            let echoes: Vec<_> = sent.iter().flat_map(|packet| packet.raw(3)).collect();
            assert_eq!(echoes, [hex("1e083109c0000211")]);
        }
        let mut option = mp_fastclose(scene.peer.their_key());
        option[2] |= 0x0f;
        option[3] = 0xff;
        scene.option(0, option);
        assert_eq!(established(&scene), 0);
    }
}
