//! Tail loss probes: when the last segments of a flight get no answer, one more segment goes out
//! before the retransmission timeout, so that its acknowledgment shows what is missing
//! (RFC 8985 §7).
//!
//! Owns the probe under way. When it is due is told by the timer `LossProbe`; what is sent as a
//! probe is decided when it goes out: new data if there is any, else the last segment again.

use super::rtt::RttEstimator;
use super::scoreboard::Delivered;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::wire::tcp_option::SackBlock;

/// RFC 8985 §7.2: the peer may delay its acknowledgment of a single segment (WCDelAckT).
const PEER_ACK_DELAY: Duration = Duration::from_millis(200);
/// RFC 8985 §7.2: without a round-trip time.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);

/// Where probing stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TailLoss {
    /// No probe is out.
    #[default]
    Idle,
    /// The timer expired: a probe is to be sent.
    Due,
    /// A probe is out.
    Sent {
        /// TLP.end_seq: SND.NXT behind it.
        end: SeqNum,
        /// TLP.is_retrans: it was the last segment once more.
        retransmission: bool,
    },
}

/// What an acknowledgment said of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeResult {
    /// Nothing yet, or that nothing was lost.
    NoLoss,
    /// The probe has replaced a segment that was lost: a congestion signal (RFC 8985 §7.4.2).
    RepairedLoss,
}

impl TailLoss {
    /// TLP_calc_PTO (RFC 8985 §7.2): how long to wait for an acknowledgment; `alone` if a single
    /// segment is in flight.
    #[must_use]
    pub fn timeout(rtt: &RttEstimator, alone: bool) -> Duration {
        let Some(srtt) = rtt.srtt() else {
            return DEFAULT_TIMEOUT;
        };
        if alone {
            srtt * 2 + PEER_ACK_DELAY
        } else {
            srtt * 2
        }
    }

    /// When the probe is due; no later than the retransmission timeout, in whose place it comes.
    #[must_use]
    pub fn deadline(
        now: Instant,
        rtt: &RttEstimator,
        alone: bool,
        retransmit_at: Option<Instant>,
    ) -> Instant {
        let deadline = now + Self::timeout(rtt, alone);
        retransmit_at.map_or(deadline, |at| deadline.min(at))
    }

    /// TLP_process_ack (RFC 8985 §7.4): an acceptable acknowledgment.
    pub fn on_ack(
        &mut self,
        ack: SeqNum,
        duplicate: Option<SackBlock>,
        blocks: &[SackBlock],
        delivered: &Delivered,
    ) -> ProbeResult {
        let Self::Sent {
            end,
            retransmission,
        } = *self
        else {
            if delivered.bytes > 0 {
                *self = Self::Idle;
            }
            return ProbeResult::NoLoss;
        };
        if ack.before(end) {
            return ProbeResult::NoLoss;
        }
        if !retransmission {
            *self = Self::Idle;
            return ProbeResult::NoLoss;
        }
        if duplicate.is_some_and(|block| block.right == end) {
            // Both copies have arrived.
            *self = Self::Idle;
        } else if ack.after(end) {
            *self = Self::Idle;
            return ProbeResult::RepairedLoss;
        } else if blocks.is_empty() && delivered.bytes == 0 {
            *self = Self::Idle;
        }
        ProbeResult::NoLoss
    }
}
