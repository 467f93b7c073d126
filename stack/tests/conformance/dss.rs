//! Data and its mappings: statements 51 to 60, and 63 to 74.

use crate::peer::{Scene, Wide, all_setups};

/// Protocol statement 58.
#[test]
fn eight_bytes_of_dsn_are_answered_with_eight_bytes_of_data_ack() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        scene.data(0, b"eight");
        scene.advance_ms(500);
        let answer = scene.sent().pop().expect("an acknowledgment");
        assert_eq!(answer.data_ack(), Some(Wide::Long(scene.peer.dsn(5))));
        assert_eq!(scene.read(), b"eight");
    }
}
