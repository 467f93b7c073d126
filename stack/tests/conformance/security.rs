//! Attacks, each with what stops it: the protocol reference, section 7, and statement 122.
//!
//! | attack | file |
//! |---|---|
//! | guessed tokens, replayed joins, impostors | `joins` |
//! | floods of joins, amplification | `joins` |
//! | forged announcements, flooding of a third party, addresses that tell too much | `addresses` |
//! | options injected blindly, MP_FASTCLOSE, RST, challenge ACKs | `injection` |
//! | changed and overlapping data, reordering without end, downgrade | `data` |
//! | keys read off what is printed or sent, numbers that can be predicted | `secrets` |

mod addresses;
mod data;
mod injection;
mod joins;
mod secrets;

use crate::peer::Scene;
use umptcp_stack::tcp::state::TcpState;

/// How much the stack holds, by and large: everything it holds is in its debug output.
fn footprint(scene: &Scene) -> usize {
    format!("{:?}", scene.endpoint).len()
}

/// Subflows that are neither closed nor being set up.
fn established(scene: &Scene) -> usize {
    let subflows = scene.subflow_infos();
    let states = subflows.iter().map(|subflow| subflow.state);
    states
        .filter(|state| *state == TcpState::Established)
        .count()
}

/// Data goes both ways on a subflow, as if nothing had happened.
fn assert_works(scene: &mut Scene, subflow: usize) {
    scene.read();
    scene.data(subflow, b"in");
    assert_eq!(scene.read(), b"in");
    let before = scene.peer.stream().len();
    scene.write(b"out");
    scene.advance_ms(1);
    assert_eq!(&scene.peer.stream()[before..], b"out");
    for index in 0..scene.peer.subflows.len() {
        scene.data_ack(index);
    }
    scene.clear();
}
