//! What happens when something on the way breaks MPTCP: statements 61, 62 and 88 to 97.

use crate::peer::{Scene, all_setups};

/// Protocol statement 90.
#[test]
fn first_data_without_a_mapping_falls_back_and_arrives() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        let segment = scene.segment(0).payload(b"not mapped");
        scene.send(segment);
        assert_eq!(scene.read(), b"not mapped");
        assert!(scene.is_tcp());
    }
}
