//! Whoever wants to join without the keys.

use super::{assert_works, established, footprint};
use crate::peer::options::{mp_join_ack, mp_join_syn};
use crate::peer::packet::flag;
use crate::peer::{Packet, Scene, all_setups};
use std::net::SocketAddr;

/// An address of somebody else.
fn stranger(number: u32) -> SocketAddr {
    let [_, _, c, d] = number.to_be_bytes();
    SocketAddr::from(([198, 51, c, d], 1024 + (number % 60_000) as u16))
}

/// What a reset tells: all but addresses and numbers.
fn form(reset: &Packet) -> (u8, u16, Vec<u8>) {
    (reset.flags, reset.window, reset.option_bytes.clone())
}

/// Token guess: a wrong token looks like any other, near or far, and leaves nothing behind. Of very
/// many only so many are answered.
#[test]
fn guessed_tokens_are_all_answered_alike() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (right, to) = (scene.peer.their_token(), scene.stack_address());
        let connections = scene.endpoint.connection_count();
        let mut forms = Vec::new();
        let mut sizes = Vec::new();
        for guess in 0..2000 {
            let from = stranger(guess);
            // One bit off at first, then anything.
            let wrong = match guess {
                0..32 => 1 << guess,
                _ => guess,
            };
            let option = mp_join_syn(false, 2, right ^ wrong, 7);
            scene.syn_from(from, to, 2, &option);
            let answers = scene.sent();
            let within = guess < scene.setup.endpoint.failed_joins.total;
            assert_eq!(answers.len(), usize::from(within), "{guess}");
            assert!(answers.iter().all(|answer| answer.has(flag::RST)));
            forms.extend(answers.iter().map(form));
            scene.peer.subflows.pop();
            if guess % 500 == 0 || guess == 1999 {
                sizes.push(footprint(&scene));
            }
        }
        assert!(forms.len() > 20, "the first ones are answered");
        forms.dedup();
        assert_eq!(forms.len(), 1, "{forms:?}");
        assert_eq!(scene.endpoint.connection_count(), connections);
        let (early, late) = (sizes[2], sizes[4]);
        assert!(late < early + 1000, "{early} grew to {late}");
        assert_works(&mut scene, 0);
    }
}

/// The right token without the key: every attempt fails, from one source or from many, and the
/// connection and the joins of its peer do not suffer.
#[test]
fn joins_without_the_key_fail_and_harm_nobody() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (token, to) = (scene.peer.their_token(), scene.stack_address());
        let mut sizes = Vec::new();
        for attempt in 0..400 {
            // A few addresses, then all different ones.
            let from = stranger(if attempt < 200 { attempt % 4 } else { attempt });
            let from = SocketAddr::new(from.ip(), 2000 + attempt as u16);
            let option = mp_join_syn(false, 2, token, attempt);
            let index = scene.syn_from(from, to, 2, &option);
            let answered = scene
                .sent()
                .iter()
                .any(|packet| packet.has(flag::SYN) && packet.dst == from);
            if answered {
                // Any HMAC but the right one.
                scene.option(index, mp_join_ack(&[attempt as u8; 20]));
                let answers = scene.sent();
                assert!(answers.iter().any(|packet| packet.has(flag::RST)));
            }
            scene.peer.subflows.pop();
            scene.advance_ms(20);
            scene.clear();
            sizes.push(footprint(&scene));
        }
        assert_eq!(established(&scene), 1);
        let (early, late) = (sizes[100], sizes[399]);
        assert!(late < early + early / 2, "{early} grew to {late}");
        // Limits on failed joins may have to wear off.
        scene.advance_ms(120_000);
        scene.clear();
        scene.join(2);
        assert_eq!(established(&scene), 2);
        assert_works(&mut scene, 0);
    }
}

/// Replay: what an honest join has sent, sent again, proves nothing.
#[test]
fn a_replayed_join_is_refused() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let index = scene.join_syn(from, to, 2, false);
        let first = scene.peer.subflows[index].join_syn_ack.expect("answered");
        let (syn, proof) = (
            mp_join_syn(
                false,
                2,
                scene.peer.their_token(),
                scene.peer.subflows[index].nonce,
            ),
            mp_join_ack(&scene.peer.join_hmac(index)),
        );
        scene.join_ack(index);
        assert_eq!(established(&scene), 2);
        for copy in 0..10 {
            let from = stranger(copy);
            let index = scene.syn_from(from, to, 2, &syn);
            let again = scene.peer.subflows[index].join_syn_ack.expect("answered");
            assert_ne!(again.nonce, first.nonce, "a fresh nonce each time");
            scene.option(index, &proof);
            assert!(scene.peer.subflows[index].rst_seen);
        }
        assert_eq!(established(&scene), 2);
        scene.clear();
        assert_works(&mut scene, 1);
    }
}

/// Join flooding (RFC 7430 §3): SYNs with the right token, and then silence. They take up a
/// bounded number of places, and whoever has the key gets in at once.
/// Protocol statement 122.
#[test]
fn a_flood_of_joins_is_bounded_and_keeps_nobody_out() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (token, to) = (scene.peer.their_token(), scene.stack_address());
        let mut sizes = Vec::new();
        for attempt in 0..3000 {
            let option = mp_join_syn(false, 2, token, attempt);
            scene.syn_from(stranger(attempt), to, 2, &option);
            scene.peer.subflows.pop();
            scene.clear();
            if attempt % 500 == 499 {
                sizes.push(footprint(&scene));
            }
        }
        let listed = scene.subflow_infos().len();
        assert!(listed <= 2 * scene.setup.config.max_subflows, "{listed}");
        let (early, late) = (sizes[0], sizes[5]);
        assert!(late < early + early / 4, "{early} grew to {late}");
        assert_works(&mut scene, 0);
        // While the flood goes on.
        for attempt in 0..20 {
            let option = mp_join_syn(false, 2, token, attempt);
            scene.syn_from(stranger(10_000 + attempt), to, 2, &option);
            scene.peer.subflows.pop();
        }
        scene.clear();
        scene.join(2);
        assert_eq!(established(&scene), 2);
        assert_works(&mut scene, 1);
    }
}

/// Amplification (RFC 7430 §4): what the stack sends to addresses that never asked is little more
/// than what came in their name.
#[test]
fn a_flood_is_not_amplified() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let to = scene.stack_address();
        let (mut received, mut sent, mut count) = (0, 0, 0);
        for attempt in 0..1000 {
            // Known and unknown tokens, to the port in use and to others.
            let token = scene.peer.their_token() ^ (attempt % 2);
            let to = SocketAddr::new(to.ip(), to.port() ^ (attempt as u16 % 3));
            let option = mp_join_syn(false, 2, token, attempt);
            let index = scene.syn_from(stranger(attempt), to, 2, &option);
            received += scene.syn_segment(index, &option).encode().len();
            scene.peer.subflows.pop();
            let answers = scene.sent();
            assert!(answers.len() <= 1, "{answers:#?}");
            sent += bytes(&answers);
            count += answers.len();
        }
        // Everything that is sent again to nobody.
        for _ in 0..300 {
            scene.advance_ms(1000);
            let again = scene.sent();
            sent += bytes(&again);
            count += again.len();
        }
        assert!(count < 1200, "{count} packets for 1000");
        assert!(sent < 2 * received, "{sent} bytes for {received}");
        assert_works(&mut scene, 0);
    }
}

fn bytes(packets: &[Packet]) -> usize {
    packets.iter().map(|packet| packet.bytes.len()).sum()
}

/// RFC 7430 §6: an attacker on the path that changes the addresses of a join sees no key by it:
/// after the handshake no packet carries one.
#[test]
fn keys_are_shown_once() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        let keys = [scene.peer.key, scene.peer.their_key()].map(u64::to_be_bytes);
        let mut packets = Vec::new();
        scene.write(b"first data, which shows them for the last time in version 1");
        scene.data_ack(0);
        scene.clear();
        scene.join(2);
        scene.write(&[1; 5000]);
        scene.data(1, b"data");
        packets.extend(scene.sent());
        let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
        let third = scene.open_subflow(local, remote, false);
        packets.extend(scene.sent());
        scene.join_syn_ack(third);
        scene.fourth_ack(third);
        scene.shutdown();
        scene.data_fin(0);
        scene.advance_ms(5000);
        packets.extend(scene.sent());
        assert!(packets.len() > 5);
        for packet in packets {
            for key in keys {
                let shown = packet.bytes.windows(8).any(|bytes| bytes == key);
                assert!(!shown, "{packet:?}");
            }
        }
    }
}

/// Somebody at an announced address who does not have the keys: what the stack is told there it
/// does not believe, and it sends no data there.
#[test]
fn an_impostor_who_answers_a_join_gets_no_data() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
        let index = scene.open_subflow(local, remote, false);
        let mut option = scene.join_syn_ack_option(index, false);
        // The first byte of the HMAC.
        option[4] ^= 1;
        scene.syn_ack(index, option);
        assert!(scene.peer.subflows[index].rst_seen);
        scene.write(&[1; 20_000]);
        scene.advance_ms(5000);
        assert!(scene.peer.subflows[index].stream.is_empty());
        assert_eq!(established(&scene), 1);
    }
}
