//! The phases of loss recovery, and how much may be sent in each: proportional rate reduction
//! (RFC 6937 with the rules of RFC 9937), F-RTO (RFC 5682), undoing what was for nothing.
//!
//! Owns the state of one episode. What is lost is judged elsewhere (`rack`, `loss`).

use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::tcp_option::SackBlock;

/// The phase of loss recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing is known to be lost.
    Open,
    /// Congestion was signalled by acknowledgments; over once `recover` is acknowledged.
    Fast {
        /// SND.NXT when the loss was found (RecoveryPoint).
        recover: SeqNum,
        /// What may be sent.
        reduction: RateReduction,
    },
    /// The timer expired; over once `recover` is acknowledged.
    Loss {
        /// SND.NXT when the timer expired.
        recover: SeqNum,
        /// Whether it expired for nothing.
        suspicion: Suspicion,
    },
}

/// F-RTO (RFC 5682 §3.1): was the timeout for nothing?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Only the first segment has been sent again: what does the first acknowledgment say?
    FirstAcknowledgment,
    /// It acknowledged new data. Now two segments of new data are to show whether the rest of
    /// the old flight arrives; nothing is sent again meanwhile.
    NewData {
        /// SND.NXT before the new data.
        from: SeqNum,
    },
    /// It was not for nothing, or cannot be told.
    Dispelled,
}

/// How much may be sent during fast recovery, so that the window comes down evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateReduction {
    /// prr_delivered.
    delivered: u64,
    /// prr_out.
    out: u64,
    /// RecoverFS.
    recover_flight: u64,
    /// SndCnt: what may be sent before the next acknowledgment.
    allowance: usize,
}

/// What an acknowledgment during fast recovery means for its rate.
#[derive(Clone, Copy, Debug)]
pub struct RateInput {
    /// DeliveredData.
    pub delivered: usize,
    /// Bytes in flight after it.
    pub in_flight: usize,
    /// The congestion window to arrive at.
    pub ssthresh: usize,
    /// Maximum segment size.
    pub mss: usize,
    /// SafeACK: SND.UNA moved and nothing more was found to be lost.
    pub safe: bool,
}

impl RateReduction {
    /// Recovery begins with `flight` bytes outstanding.
    #[must_use]
    pub fn new(flight: usize) -> Self {
        Self {
            delivered: 0,
            out: 0,
            recover_flight: flight.max(1) as u64,
            allowance: 0,
        }
    }

    /// RFC 9937 §6.1: on every acknowledgment.
    pub fn on_ack(&mut self, input: RateInput) {
        self.delivered += input.delivered as u64;
        let ssthresh = input.ssthresh as u64;
        let allowance = if input.in_flight > input.ssthresh {
            (self.delivered * ssthresh)
                .div_ceil(self.recover_flight)
                .saturating_sub(self.out)
        } else {
            let conserved = self
                .delivered
                .saturating_sub(self.out)
                .max(input.delivered as u64);
            let grown = conserved + if input.safe { input.mss as u64 } else { 0 };
            grown.min(ssthresh - input.in_flight as u64)
        };
        // The first retransmission goes out whatever the rate says.
        let forced = self.out == 0 && allowance == 0;
        self.allowance = if forced {
            input.mss
        } else {
            usize::try_from(allowance).unwrap_or(usize::MAX)
        };
    }

    /// Bytes left us.
    pub fn on_sent(&mut self, len: usize) {
        self.out += len as u64;
        self.allowance = self.allowance.saturating_sub(len);
    }

    /// Bytes that may be sent now.
    #[must_use]
    pub fn allowance(&self) -> usize {
        self.allowance
    }
}

/// What is needed to find out that an episode was for nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence {
    /// The sequence numbers outstanding when the episode began.
    range: Option<(SeqNum, SeqNum)>,
    /// Retransmissions of it that no DSACK has called needless yet.
    unexplained: u32,
    /// When the first was made; `None` before.
    first_at: Option<Instant>,
}

impl Evidence {
    /// An episode begins, with this much outstanding.
    #[must_use]
    pub const fn new(snd_una: SeqNum, snd_nxt: SeqNum) -> Self {
        Self {
            range: Some((snd_una, snd_nxt)),
            unexplained: 0,
            first_at: None,
        }
    }

    /// Something was sent again.
    pub fn on_retransmission(&mut self, now: Instant) {
        self.unexplained += 1;
        self.first_at.get_or_insert(now);
    }

    /// Something of this episode was sent again.
    #[must_use]
    pub const fn has_retransmitted(&self) -> bool {
        self.first_at.is_some()
    }

    /// RFC 3708: a DSACK tells that a retransmission was needless. True if now all of them were.
    pub fn on_dsack(&mut self, block: SackBlock) -> bool {
        let of_this_episode = self
            .range
            .is_some_and(|(from, to)| block.left.at_or_after(from) && block.right.at_or_before(to));
        if !of_this_episode || self.unexplained == 0 {
            return false;
        }
        self.unexplained -= 1;
        self.unexplained == 0
    }

    /// RFC 3522 §3.2 (Eifel): what SND.UNA moved over arrived before it was sent again. `echo`
    /// is the latest time at which the segment that an advancing acknowledgment echoes can have
    /// been sent.
    #[must_use]
    pub fn echoes_original(&self, echo: Option<Instant>) -> bool {
        match (self.first_at, echo) {
            (Some(first), Some(echo)) => echo < first,
            (None, _) | (_, None) => false,
        }
    }
}
