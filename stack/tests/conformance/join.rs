//! How subflows are added: statements 37 to 50, 98 and 99.

use crate::peer::{Scene, all_setups};
use umptcp_stack::SubflowInfo;
use umptcp_stack::tcp::state::TcpState;

fn established(subflows: &[SubflowInfo]) -> usize {
    let states = subflows.iter().map(|subflow| subflow.state);
    states
        .filter(|state| *state == TcpState::Established)
        .count()
}

/// Protocol statement 37.
#[test]
fn joins_prove_the_keys_whoever_starts_them() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.clone());
        // `join` checks the HMAC of the SYN/ACK.
        scene.join(2);
        assert_eq!(established(&scene.subflow_infos()), 2, "{setup:?}");

        let mut scene = Scene::confirmed(setup.clone());
        let (local, remote) = (setup.addresses[0], setup.peer);
        let index = scene.open_subflow(local, remote, false);
        let syn = scene.sent_one().join_syn().expect("MP_JOIN on the SYN");
        assert_eq!(syn.token, scene.peer.token());
        // `answer_join` checks the HMAC of the third ACK.
        scene.answer_join(index);
        assert_eq!(established(&scene.subflow_infos()), 2, "{setup:?}");
    }
}
