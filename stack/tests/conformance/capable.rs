//! How connections are established, or become plain TCP: statements 14 to 36.

use crate::peer::{Scene, Setup, VERSIONS, Version};

/// Protocol statement 14.
#[test]
fn the_syn_offers_hmac_and_shows_a_key_only_in_version_0() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::client(version));
        let syn = scene.connect();
        let capable = syn.capable().expect("MP_CAPABLE on the SYN");
        assert_eq!(capable.version, version.number());
        assert_eq!(capable.flags, 0x01, "H alone");
        let keys = match version {
            Version::V0 => 1,
            Version::V1 => 0,
        };
        assert_eq!(capable.keys.len(), keys);
    }
}
