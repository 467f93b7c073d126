//! What an acceptable acknowledgment says about losses, as `acknowledge` hands it to `loss`.

use super::scoreboard::Delivered;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::tcp_option::SackBlock;

/// What was on its way before an acknowledgment came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// "Pipe" of RFC 6675 §2.
    pub(super) in_flight: usize,
    /// FlightSize of RFC 5681 §2.
    pub(super) flight_size: usize,
}

/// What an acceptable acknowledgment says about losses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation<'a> {
    /// What it delivered.
    pub(super) delivered: Delivered,
    pub(super) before: Before,
    pub(super) ack: SeqNum,
    /// SND.UNA moved.
    pub(super) advanced: bool,
    /// It is a duplicate acknowledgment in the sense of RFC 5681 §2.
    pub(super) duplicate: bool,
    /// A DSACK.
    pub(super) duplicate_block: Option<SackBlock>,
    /// The other blocks.
    pub(super) blocks: &'a [SackBlock],
    /// The latest time at which the segment that it echoes can have been sent.
    pub(super) echo: Option<Instant>,
    /// ECE.
    pub(super) ecn_echo: bool,
}
