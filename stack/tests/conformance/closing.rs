//! How connections end: statements 75 to 87.
//!
//! | file | what |
//! |---|---|
//! | `data_fin` | the end of the stream: 75 to 78, and the DATA_FIN of 57 |
//! | `subflows` | the ends of subflows beside it: 79, 80, 82 |
//! | `survival` | no subflow left: 81 |
//! | `fastclose` | the end at once: 83 to 87 |
//! | `limits` | what a peer that never answers can keep: nothing |

mod data_fin;
mod fastclose;
mod limits;
mod subflows;
mod survival;

use crate::peer::{Packet, Scene};
use umptcp_stack::{CloseReason, Event, MptcpCounter};

/// Packets that bring a DATA_FIN.
fn data_fins(sent: &[Packet]) -> Vec<&Packet> {
    let with_fin = |packet: &&Packet| packet.mapping().is_some_and(|mapping| mapping.fin);
    sent.iter().filter(with_fin).collect()
}

/// Packets with one of these TCP flags.
fn flagged(sent: &[Packet], flag: u8) -> Vec<&Packet> {
    sent.iter().filter(|packet| packet.has(flag)).collect()
}

/// Why the connection ended, if the application was told since the last time.
fn told_end(scene: &mut Scene) -> Option<CloseReason> {
    scene.events().iter().find_map(|event| match event {
        Event::Closed(_, reason) => Some(*reason),
        _ => None,
    })
}

fn counted(scene: &Scene, counter: MptcpCounter) -> u64 {
    scene.endpoint.mptcp_counters()[counter]
}

/// How far the last of these packets acknowledges the peer's stream.
fn acked(scene: &Scene, sent: &[Packet]) -> Option<u64> {
    let last = sent.iter().rev().find_map(Packet::data_ack);
    last.map(|data_ack| scene.peer.acked_offset(data_ack))
}

/// Nothing is left of the connection, nor of its timers.
fn assert_forgotten(scene: &mut Scene) {
    assert_eq!(scene.endpoint.connection_count(), 0);
    scene.clear();
    // Deadlines of what is gone lapse when they are due.
    scene.advance_ms(600_000);
    assert_eq!(scene.endpoint.poll_timeout(), None);
    assert_eq!(scene.sent().len(), 0);
}
