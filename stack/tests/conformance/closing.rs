//! How connections end: statements 75 to 87.

use crate::peer::{Scene, all_setups};

/// Protocol statement 75.
#[test]
fn a_data_fin_takes_one_number() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        scene.data_fin(0);
        scene.advance_ms(500);
        let answer = scene.sent().pop().expect("an acknowledgment");
        let acked = answer.data_ack().map(|ack| scene.peer.acked_offset(ack));
        assert_eq!(acked, Some(6), "\"world\" and the DATA_FIN");
        assert_eq!(scene.read(), b"");
        assert!(scene.ended);
    }
}
