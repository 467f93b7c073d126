//! Addresses and priorities: statements 101 to 110, and the signals of 73.

use crate::peer::options::{add_addr_echo, add_addr_v1};
use crate::peer::{Scene, Setup, Version};

/// Protocol statement 102.
#[test]
fn an_announcement_is_echoed() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V1));
    let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
    let address = [192, 0, 2, 17].into();
    scene.option(0, add_addr_v1(ours, theirs, 4, address, Some(8443)));
    scene.advance_ms(500);
    let sent = scene.sent();
    let echoes: Vec<_> = sent.iter().flat_map(|packet| packet.raw(3)).collect();
    assert_eq!(echoes, [add_addr_echo(4, address, Some(8443))]);
}
