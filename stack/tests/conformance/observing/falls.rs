//! Each way back to plain TCP, with the reason that the application is told.

use crate::peer::options::mp_fail;
use crate::peer::{Dss, Role, Scene, Setup, VERSIONS, Version, all_setups};
use umptcp_stack::{Event, FallbackReason as Why};

/// Asserts that the application was told of a fallback once, and why.
fn assert_fell(scene: &mut Scene, why: Why) {
    let fell = |event: &Event| match event {
        Event::FellBack(_, reason) => Some(*reason),
        _ => None,
    };
    let told: Vec<_> = scene.events().iter().filter_map(fell).collect();
    assert_eq!(told, [why]);
    if scene.has_connection() {
        assert_eq!(scene.info().fallback, Some(why));
    }
}

#[test]
fn the_syn_ack_has_no_option() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        scene.connect();
        scene.syn_ack(0, []);
        assert_fell(&mut scene, Why::NoCapableInSynAck);
        assert_eq!(scene.info().version, None, "it was never negotiated");
    }
}

#[test]
fn syns_with_the_option_are_lost() {
    for version in VERSIONS {
        let setup = Setup::client(version).tune(|config| config.syn_tries_with_mptcp = 1);
        let mut scene = Scene::new(setup);
        scene.connect();
        scene.advance_ms(5_000);
        scene.syn_ack(0, []);
        assert_fell(&mut scene, Why::CapableSynsDropped);
    }
}

/// In version 0 a third packet without anything does not decide yet: the first data does.
#[test]
fn the_third_packet_has_no_option() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::listener(version));
        let capable = scene.capable_syn();
        scene.syn(capable);
        scene.third_ack(0, []);
        let plain = scene.segment(0).payload(b"plain");
        scene.send(plain);
        scene.accept().expect("it is established");
        assert_eq!(scene.read(), b"plain");
        assert_fell(&mut scene, Why::NoCapableInThirdPacket);
    }
}

#[test]
fn data_is_acknowledged_without_a_data_ack() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        let version = scene.setup.version;
        scene.write(b"first");
        scene.ack(0);
        assert_fell(&mut scene, Why::AcknowledgedWithoutOptions);
        assert!(scene.is_tcp());
        assert_eq!(scene.info().version, Some(version), "it was negotiated");
        assert_eq!(scene.info().write_dsn, None);
    }
}

#[test]
fn the_first_data_has_no_mapping() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        let plain = scene.segment(0).payload(b"plain");
        scene.send(plain);
        assert_eq!(scene.read(), b"plain");
        assert_fell(&mut scene, Why::FirstDataWithoutOptions);
    }
}

#[test]
fn the_peer_says_mp_fail() {
    for setup in all_setups().map(Setup::checksum) {
        let mut scene = Scene::confirmed(setup);
        scene.write(b"damaged");
        let dsn = scene.peer.their_dsn(5);
        let option = [mp_fail(dsn), scene.peer.dss().bytes()].concat();
        scene.peer.subflows[0].acked = scene.peer.subflows[0].rcv_nxt;
        scene.option(0, option);
        assert_fell(&mut scene, Why::PeerFailed);
    }
}

fn infinite(scene: &Scene, anchor: u64, payload: &[u8]) -> crate::peer::Segment {
    let ssn = u32::try_from(anchor).expect("few") + 1;
    let dss = Dss::new().map64(scene.peer.dsn(anchor), ssn, 0);
    let dss = if scene.peer.checksum {
        dss.checksum(0)
    } else {
        dss
    };
    scene.segment(0).option(dss.bytes()).payload(payload)
}

/// That the peer answers our MP_FAIL is not the reason, but what we have found.
#[test]
fn a_checksum_is_wrong() {
    for setup in all_setups().map(Setup::checksum) {
        let mut scene = Scene::confirmed(setup);
        let damaged = scene.data_segment(0, 5, b"12345").payload(b"12X45");
        scene.peer.data_sent += 5;
        scene.send(damaged);
        let answer = match scene.setup.version {
            Version::V0 => infinite(&scene, 5, b" go on"),
            Version::V1 => {
                let dsn = scene.peer.their_dsn(5);
                scene.segment(0).option(mp_fail(dsn))
            }
        };
        assert_eq!(scene.info().fallback, None, "it waits for the answer");
        scene.send(answer);
        assert_fell(&mut scene, Why::WrongChecksum);
    }
}

#[test]
fn the_peer_sends_the_infinite_mapping() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let segment = infinite(&scene, 5, b" plain");
        scene.send(segment);
        assert_eq!(scene.read(), b" plain");
        assert_fell(&mut scene, Why::InfiniteMapping);
    }
}

#[test]
fn both_syns_cross() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        scene.connect();
        let capable = scene.capable_syn();
        let syn = scene.syn_segment(0, &capable);
        scene.send(syn);
        assert_fell(&mut scene, Why::SimultaneousOpen);
    }
}

/// A connection that never asked for MPTCP has nothing to fall back from.
#[test]
fn plain_tcp_from_the_start_is_no_fallback() {
    for role in [Role::Client, Role::Listener] {
        let setup = Setup::new(role, Version::V1).tune(|config| config.mptcp = false);
        let mut scene = Scene::new(setup);
        match role {
            Role::Client => {
                scene.connect();
                scene.syn_ack(0, []);
            }
            Role::Listener => {
                let capable = scene.capable_syn();
                scene.syn(capable);
                scene.third_ack(0, []);
                scene.accept();
            }
        }
        let fell = |event: &Event| matches!(event, Event::FellBack(..));
        assert!(!scene.events().iter().any(fell));
        assert_eq!(scene.info().fallback, None);
        assert_eq!(scene.info().token, None);
    }
}
