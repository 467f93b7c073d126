//! What an application can see: events, reasons, snapshots, readiness, which bytes went where.
//!
//! | file | what |
//! |---|---|
//! | `closes` | why a subflow ended |
//! | `falls` | why MPTCP was given up |
//! | `connection` | snapshots of connections and subflows |
//! | `events` | what is told, to whom, and how often |
//! | `reading` | looking at what was received without taking it, and wanting to be told |

mod closes;
mod connection;
mod events;
mod falls;
mod reading;

use crate::peer::Scene;
use umptcp_stack::{Event, SubflowCloseReason};

/// The ends of subflows that the application was told of since the last time.
fn ends(scene: &mut Scene) -> Vec<(u32, SubflowCloseReason)> {
    let ended = |event: &Event| match event {
        Event::SubflowClosed(_, subflow, reason) => Some((subflow.index(), *reason)),
        _ => None,
    };
    scene.events().iter().filter_map(ended).collect()
}
