//! A listener that keeps nothing of a SYN and knows its key again by the echo.

use super::{converse_in_tcp, counted};
use crate::peer::options::mp_capable;
use crate::peer::{Packet, Scene, Setup, VERSIONS, Version};
use umptcp_stack::SynCookies;

/// A listener that has answered the peer's SYN and forgotten it.
fn answered(version: Version) -> Scene {
    let mut setup = Setup::listener(version);
    setup.endpoint.syn_cookies = SynCookies::Always;
    let mut scene = Scene::new(setup);
    let option = scene.capable_syn();
    scene.syn(option);
    let answer = scene.sent_one().capable().expect("MP_CAPABLE");
    assert_eq!((answer.version, answer.flags), (version.number(), 0x01));
    assert_eq!(scene.endpoint.connection_count(), 0);
    assert_eq!(counted(&scene, "MPCapableSYNRX"), 1);
    scene
}

/// Protocol statement 35.
#[test]
fn a_key_that_comes_back_is_known_again() {
    for version in VERSIONS {
        let mut scene = answered(version);
        let option = scene.capable_third_ack();
        scene.third_ack(0, option);
        scene.accept().expect("it is established");
        assert!(scene.is_mptcp());
        assert_eq!(counted(&scene, "MPCapableACKRX"), 1);
        scene.data(0, b"hello");
        assert_eq!(scene.read(), b"hello");
        scene.write(b"world");
        assert_eq!(scene.peer.stream(), b"world");
    }
}

/// Protocol statement 35.
#[test]
fn a_key_of_somebody_else_means_plain_tcp() {
    for version in VERSIONS {
        for bit in 0..64 {
            let mut scene = answered(version);
            let forged = scene.peer.their_key() ^ (1 << bit);
            let option = mp_capable(version, 0x01, &[scene.peer.key, forged]);
            scene.third_ack(0, option);
            scene.accept().expect("the cookie is good");
            assert!(scene.sent().iter().all(Packet::is_plain));
            assert_eq!(counted(&scene, "MPCapableACKRX"), 0);
            assert_eq!(counted(&scene, "MPCapableFallbackACK"), 1);
            converse_in_tcp(&mut scene);
        }
    }
    // In version 0 the key of the SYN is part of it.
    let mut scene = answered(Version::V0);
    let keys = [scene.peer.key ^ 1, scene.peer.their_key()];
    scene.third_ack(0, mp_capable(Version::V0, 0x01, &keys));
    scene.accept().expect("the cookie is good");
    converse_in_tcp(&mut scene);
}

/// Protocol statement 35.
///
/// The key of one attempt proves nothing for another.
#[test]
fn a_key_of_another_attempt_means_plain_tcp() {
    for version in VERSIONS {
        let mut scene = answered(version);
        let first = scene.peer.their_key();
        let mut other = scene.setup.peer;
        other.set_port(40001);
        scene.peer.their_key = None;
        let (to, option) = (scene.stack_address(), scene.capable_syn());
        let second = scene.syn_from(other, to, 0, &option);
        assert_ne!(scene.peer.their_key(), first);
        scene.clear();
        scene.third_ack(second, mp_capable(version, 0x01, &[scene.peer.key, first]));
        scene.accept().expect("the cookie is good");
        assert!(scene.is_tcp());
    }
}

/// Protocol statement 30.
#[test]
fn without_the_keys_a_listener_without_state_is_plain_tcp() {
    for version in VERSIONS {
        let mut scene = answered(version);
        scene.third_ack(0, []);
        scene.accept().expect("the cookie is good");
        converse_in_tcp(&mut scene);
    }
}
