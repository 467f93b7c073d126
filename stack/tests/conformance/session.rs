//! Whole conversations from recorded bytes.
//!
//! The bytes in `session/` and those of the packets here were written down from the formulas of
//! the protocol reference by a program of its own, which shares nothing with the stack or with the
//! peer of the other tests.

mod script;

use crate::peer::{Scene, Setup, Version, all_setups};
use script::Replay;

/// Host B of the reference, 198.51.100.1, listens.
fn host_b(version: Version) -> Setup {
    let mut setup = Setup::listener(version);
    setup.addresses = vec![[198, 51, 100, 1].into()];
    setup.peer = ([192, 0, 2, 1], 40000).into();
    setup
}

/// Protocol statements 13, 22, 33, 37, 51, 58, 60, 63, 75, 76, 80.
#[test]
fn a_version_0_session_towards_the_stack() {
    let mut replay = Replay::new(host_b(Version::V0));
    replay.play(include_str!("session/version_0_listener.txt"));
    assert!(replay.scene.info().checksum);
    assert_eq!(replay.scene.endpoint.stats().packets_malformed, 0);
}

/// Protocol statements 13, 17, 22, 33, 37, 51, 60, 63, 75, 76, 80.
#[test]
fn a_version_0_session_from_the_stack() {
    let mut setup = Setup::client(Version::V0);
    setup.addresses = vec![[192, 0, 2, 1].into()];
    setup.peer = ([198, 51, 100, 1], 443).into();
    let mut replay = Replay::new(setup);
    replay.play(include_str!("session/version_0_client.txt"));
    assert!(replay.scene.info().checksum);
    assert_eq!(replay.scene.endpoint.stats().packets_malformed, 0);
}

/// The packets of the reference, section 2.6, as they stand there but for what depends on the
/// stack: the acknowledgment, the echoed timestamp, the stack's key and the DATA_ACK.
/// Protocol statements 13, 26.
#[test]
fn the_packets_of_the_reference_reach_the_application() {
    let mut replay = Replay::new(host_b(Version::V0));
    replay.play(
        "> 450000481234400040063c46c0000201c63364019c4001bb000003e800000000d002faf063e80000020405b4
  0402080a0000006400000000010303071e0c00810001020304050607
< 0 flags=SA seq={isn0} ack=000003e9 mptcp=1e0c0081{key}
> 4500006a1234400040063c24c0000201c63364019c4001bb000003e9{isn0+1}f01801f6{tcp}00000101080a0000
  00c8{ts0}1e1c200f{dsn+1}d6c0dc731a3ddd6c00000001001a6f6f4d756c74697061746820544350207465737420
  766563746f7221
accept
read 4d756c74697061746820544350207465737420766563746f7221
",
    );
    assert!(replay.scene.is_mptcp());
    let mut replay = Replay::new(host_b(Version::V1));
    replay.play(
        "> 450000401234400040063c4ec0000201c63364019c4001bb000003e800000000b002faf08f880000020405b4
  0402080a0000006400000000010303071e040101
< 0 flags=SA seq={isn0} ack=000003e9 mptcp=1e0c0101{key}
> 450000661234400040063c28c0000201c63364019c4001bb000003e9{isn0+1}e01801f6{tcp}00000101080a0000
  00c8{ts0}1e1601010001020304050607{key}001a01014d756c74697061746820544350207465737420766563746f
  7221
accept
read 4d756c74697061746820544350207465737420766563746f7221
wait 500
< 0 flags=A seq={isn0+1} ack=00000403 data_ack=e3db22c6785a0d60 long
",
    );
    assert!(replay.scene.is_mptcp());
}

/// The peer itself, over all that a scene can be set to: handshake, data both ways, join, data on
/// the second subflow.
#[test]
fn the_peer_converses_in_every_setting() {
    for setup in all_setups() {
        let settings = [
            setup.clone().checksum(),
            setup.clone().checksum_by_stack(),
            setup.clone().bare(),
            setup.ipv6(),
        ];
        for setup in settings {
            let wants_checksum = setup.capable_flags & 0x80 != 0
                || setup.config.checksum == umptcp_stack::ChecksumPolicy::Require;
            let mut scene = Scene::confirmed(setup);
            assert_eq!(scene.info().checksum, wants_checksum);
            assert_eq!(scene.peer.checksum, wants_checksum);
            let second = scene.join(2);
            scene.data(second, b" again");
            assert_eq!(scene.read(), b" again");
            scene.write(b" and again");
            assert_eq!(scene.peer.stream(), b"hello and again");
            assert_eq!(scene.endpoint.stats().packets_malformed, 0);
        }
    }
}
