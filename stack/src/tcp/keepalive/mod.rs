//! Is the peer still there? Probes of an idle connection (RFC 9293 §3.8.4), and probes that
//! somebody asks for.
//!
//! Owns when a probe is sent and what silence means. The probe itself is
//! [`super::tcb::Tcb::window_probe`]: an old sequence number without a byte, which every TCP acknowledges. A
//! connection with data in flight is not probed: retransmissions tell as much.

mod hooks;

use crate::base::config;
use crate::base::time::Instant;

/// What is known of the peer's presence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keepalive {
    settings: Option<config::Keepalive>,
    /// When the peer was last heard.
    heard: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No probe waits for an answer.
    #[default]
    Quiet,
    /// So many probes of an idle connection do.
    Idle(u32),
    /// So many probes that were asked for do.
    Requested(u32),
}

/// What the timer brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepaliveExpired {
    /// Nothing, or another probe.
    Nothing,
    /// An idle connection did not answer its last probe: the peer is gone.
    Dead,
    /// The probes that were asked for remain without answer.
    NoAnswer,
}
