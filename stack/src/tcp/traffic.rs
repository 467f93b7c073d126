//! What is counted of a TCP connection as its segments come and go.
//!
//! Owns the counters. It decides nothing: no other room of this floor reads what is counted here.

use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};

/// What is counted for each segment: an addition, no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// When the connection was made.
    pub opened_at: Instant,
    /// When its handshake was complete.
    pub established_at: Option<Instant>,
    /// Segments sent, of whatever kind; a super-segment counts as what the device cuts it into.
    pub segments_sent: u64,
    /// Those with payload.
    pub data_segments_sent: u64,
    /// Segments that came, whatever became of them.
    pub segments_received: u64,
    /// Those with payload.
    pub data_segments_received: u64,
    /// Segments of ours that are known to have arrived.
    pub delivered: u64,
    /// Those of them that acknowledgments with ECE told of.
    pub delivered_ce: u64,
    /// Payload bytes sent again.
    pub bytes_retransmitted: u64,
    /// DSACKs received: something was sent once too often.
    pub duplicate_reports: u64,
    /// Segments that came out of order.
    pub out_of_order: u64,
    /// Payload of the largest segment that came, bytes.
    pub largest_received: usize,
    /// When payload was last sent, for the first time or again.
    pub last_data_sent: Option<Instant>,
    /// When payload last came.
    pub last_data_received: Option<Instant>,
    /// When an acceptable acknowledgment last came.
    pub last_ack_received: Option<Instant>,
    /// What arrived in the last whole round trip, bytes per second.
    pub delivery_rate: Option<u64>,
    /// Sequence space of ours that is known to have arrived, bytes.
    delivered_bytes: u64,
    /// The round trip that is being measured.
    round: Option<Round>,
}

/// A round trip: it ends once everything is acknowledged that was sent before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Round {
    began: Instant,
    /// SND.NXT at that time.
    end: SeqNum,
    /// What had arrived at that time.
    delivered_bytes: u64,
}

impl Traffic {
    /// Nothing has happened yet.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            opened_at: now,
            established_at: None,
            segments_sent: 0,
            data_segments_sent: 0,
            segments_received: 0,
            data_segments_received: 0,
            delivered: 0,
            delivered_ce: 0,
            bytes_retransmitted: 0,
            duplicate_reports: 0,
            out_of_order: 0,
            largest_received: 0,
            last_data_sent: None,
            last_data_received: None,
            last_ack_received: None,
            delivery_rate: None,
            delivered_bytes: 0,
            round: None,
        }
    }

    /// A packet leaves with `len` bytes of payload, which the device cuts into pieces of
    /// `segment_size`, if there is one.
    pub fn on_packet(&mut self, len: usize, segment_size: Option<u16>) {
        let pieces = match segment_size {
            Some(size) if size > 0 => len.div_ceil(usize::from(size)).max(1) as u64,
            Some(_) | None => 1,
        };
        self.segments_sent += pieces;
        if len > 0 {
            self.data_segments_sent += pieces;
        }
    }

    /// New payload leaves, and SND.NXT is behind it.
    pub(super) fn on_data_sent(&mut self, now: Instant, snd_nxt: SeqNum) {
        self.last_data_sent = Some(now);
        if self.round.is_none() {
            self.round = Some(self.round_from(now, snd_nxt));
        }
    }

    /// An acceptable acknowledgment has come.
    pub(super) fn on_ack(&mut self, now: Instant, arrived: &Arrived) {
        self.last_ack_received = Some(now);
        self.delivered += arrived.segments;
        if arrived.marked {
            self.delivered_ce += arrived.segments;
        }
        self.delivered_bytes += arrived.bytes as u64;
        let Some(round) = self
            .round
            .filter(|round| arrived.snd_una.at_or_after(round.end))
        else {
            return;
        };
        let elapsed = now.saturating_duration_since(round.began);
        // Acknowledgments that were held up somewhere and come together tell no rate.
        let whole = !elapsed.is_zero() && arrived.min_rtt.is_some_and(|min| elapsed >= min);
        let idle = arrived.snd_una == arrived.snd_nxt;
        if whole {
            let bytes = u128::from(self.delivered_bytes - round.delivered_bytes);
            let rate = bytes * 1_000_000_000 / elapsed.as_nanos();
            self.delivery_rate = u64::try_from(rate).ok();
        }
        if idle {
            // The next begins with what is sent next.
            self.round = None;
        } else if whole {
            self.round = Some(self.round_from(now, arrived.snd_nxt));
        }
    }

    const fn round_from(&self, began: Instant, end: SeqNum) -> Round {
        Round {
            began,
            end,
            delivered_bytes: self.delivered_bytes,
        }
    }

    /// A segment with `len` bytes of payload has come.
    pub(super) fn on_segment(&mut self, now: Instant, len: usize) {
        self.segments_received += 1;
        if len > 0 {
            self.data_segments_received += 1;
            self.largest_received = self.largest_received.max(len);
            self.last_data_received = Some(now);
        }
    }
}

/// What an acceptable acknowledgment tells of what has arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    pub(super) segments: u64,
    pub(super) bytes: usize,
    /// The network has marked a packet (ECE).
    pub(super) marked: bool,
    /// After it.
    pub(super) snd_una: SeqNum,
    pub(super) snd_nxt: SeqNum,
    pub(super) min_rtt: Option<Duration>,
}
