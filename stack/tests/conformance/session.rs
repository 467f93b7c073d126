//! Whole conversations from recorded bytes.

use crate::peer::{Scene, all_setups};

/// The peer itself, over all that a scene can be set to: handshake, data both ways, join, data on
/// the second subflow.
#[test]
fn the_peer_converses_in_every_setting() {
    for setup in all_setups() {
        let mut bare = setup.clone();
        (bare.timestamps, bare.sack, bare.window_scale) = (false, false, None);
        let settings = [
            setup.clone().checksum(),
            setup.clone().checksum_by_stack(),
            setup.ipv6(),
            bare,
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
