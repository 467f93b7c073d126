//! What all algorithms share: the window and its threshold, slow start, and whether the window is
//! used at all.
//!
//! Owns the two sizes and their floors, which hold whatever an algorithm asks for. It never
//! decides how the window grows in congestion avoidance, nor how far it falls.

use super::hystart::HyStart;
use super::{AckSample, CongestionSignal, initial_window};

/// RFC 5681 §3.1, equation 4: the threshold is at least this many segments.
const MIN_SSTHRESH: usize = 2;
/// Segments by which a window may stay short of being used up: a segment that does not fit whole,
/// and the two that one delayed acknowledgment lets go.
const ALMOST: usize = 3;

/// The two sizes, as an undone reduction brings them back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) cwnd: usize,
    pub(super) ssthresh: usize,
}

/// What is left to do for an acknowledgment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Slow start has seen to it.
    SlowStart,
    /// The window was not used: it must not grow.
    Unused,
    /// Congestion avoidance may grow the window for this many bytes.
    Avoidance {
        /// Bytes acknowledged.
        acked: usize,
    },
}

/// A congestion window.
#[derive(Debug)]
pub(super) struct Window {
    mss: usize,
    sizes: Sizes,
    /// SND.NXT when this round began; none before the first acknowledgment.
    round_end: Option<u64>,
    /// The most that was in flight in this round, and in the one before. One acknowledgment alone
    /// would not tell: several that arrive at once find less and less in flight.
    most_in_flight: (usize, usize),
    hystart: HyStart,
}

impl Window {
    /// The initial window of RFC 6928, and no threshold yet.
    pub(super) fn new(mss: usize) -> Self {
        Self {
            mss,
            sizes: Sizes {
                cwnd: initial_window(mss),
                // RFC 5681 §3.1: arbitrarily high.
                ssthresh: usize::MAX,
            },
            round_end: None,
            most_in_flight: (0, 0),
            hystart: HyStart::default(),
        }
    }

    /// A window that was found by another algorithm.
    pub(super) fn resumed(mss: usize, cwnd: usize, ssthresh: usize) -> Self {
        let mut window = Self::new(mss);
        window.restore(Sizes { cwnd, ssthresh });
        window
    }

    pub(super) fn mss(&self) -> usize {
        self.mss
    }

    pub(super) fn cwnd(&self) -> usize {
        self.sizes.cwnd
    }

    pub(super) fn ssthresh(&self) -> usize {
        self.sizes.ssthresh
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// Counts rounds and does slow start.
    pub(super) fn on_ack(&mut self, sample: &AckSample) -> Growth {
        // What was not thought to be in flight left the network long ago: a cumulative
        // acknowledgment after a timeout covers much that must not count (RFC 3465 §2.3).
        let acked = sample.acked.min(sample.in_flight);
        self.most_in_flight.0 = self.most_in_flight.0.max(sample.in_flight);
        let used = self.most_in_flight.0.max(self.most_in_flight.1);
        let growth = if self.sizes.cwnd >= self.sizes.ssthresh {
            if used.saturating_add(ALMOST * self.mss) >= self.sizes.cwnd {
                Growth::Avoidance { acked }
            } else {
                Growth::Unused
            }
        } else if used.saturating_mul(2) >= self.sizes.cwnd {
            // Half is enough: slow start doubles the window while its first half is on its way.
            self.slow_start(acked);
            Growth::SlowStart
        } else {
            Growth::Unused
        };
        self.count_rounds(sample);
        growth
    }

    fn slow_start(&mut self, acked: usize) {
        let growth = if self.is_initial() {
            self.hystart.growth(acked)
        } else {
            acked
        };
        let grown = self.sizes.cwnd.saturating_add(growth);
        self.sizes.cwnd = grown.min(self.sizes.ssthresh);
    }

    /// RFC 9406 §4.3: HyStart++ is for the slow start before the first sign of congestion; later
    /// ones end at the threshold that was found.
    fn is_initial(&self) -> bool {
        self.sizes.ssthresh == usize::MAX
    }

    /// RFC 9406 §4.2: an acknowledgment of all that was sent when a round began ends the round
    /// and is the last of it.
    fn count_rounds(&mut self, sample: &AckSample) {
        // The handshake is no round: a SYN is small, and took no share of what data shares.
        if sample.snd_una == 0 {
            return;
        }
        let initial = self.is_initial();
        if let Some(rtt) = sample.rtt
            && initial
        {
            self.hystart.on_rtt(rtt);
        }
        if sample.snd_una < *self.round_end.get_or_insert(sample.snd_nxt) {
            return;
        }
        self.round_end = Some(sample.snd_nxt);
        self.most_in_flight = (0, self.most_in_flight.0);
        if initial && self.hystart.on_round_end() {
            self.sizes.ssthresh = self.sizes.cwnd.max(MIN_SSTHRESH * self.mss);
        }
    }

    /// Congestion avoidance adds `bytes`.
    pub(super) fn add(&mut self, bytes: usize) {
        self.sizes.cwnd = self.sizes.cwnd.saturating_add(bytes);
    }

    /// The part of the window that a sign of congestion tells about. What was sent beyond it, by
    /// limited transmit and while waiting for reordering to resolve, does not count (RFC 5681
    /// §3.2, step 2); and when a retransmission is lost too, the window falls twice (§4.3).
    pub(super) fn outstanding(&self, flight_size: usize) -> usize {
        flight_size.min(self.sizes.cwnd)
    }

    /// Acknowledgments or marks told of congestion: the window falls to `to`.
    pub(super) fn reduce(&mut self, to: usize, signal: CongestionSignal) {
        self.sizes.ssthresh = to.max(MIN_SSTHRESH * self.mss);
        self.sizes.cwnd = match signal {
            CongestionSignal::Loss => self.sizes.ssthresh,
            // RFC 9438 §4.6, RFC 3168 §6.1.2: marks may bring it down to one segment.
            CongestionSignal::EcnEcho => to.max(self.mss),
        };
        self.most_in_flight = (0, 0);
    }

    /// RFC 5681 §3.1: after a timeout the window starts over and slow start ends at `ssthresh`.
    pub(super) fn collapse(&mut self, ssthresh: usize) {
        self.sizes = Sizes {
            cwnd: self.mss,
            ssthresh: ssthresh.max(MIN_SSTHRESH * self.mss),
        };
        self.most_in_flight = (0, 0);
    }

    /// Brings back what a reduction took. The segment size may have changed since.
    pub(super) fn restore(&mut self, sizes: Sizes) {
        self.sizes = sizes;
        self.keep_floors();
    }

    /// RFC 5681 §3.1, RFC 6928 §2: after the loss of a SYN the initial window is one segment. How
    /// much the path carries is still unknown, so no threshold is set.
    pub(super) fn on_syn_loss(&mut self) {
        self.sizes.cwnd = self.mss;
    }

    /// RFC 5681 §4.1: acknowledgments no longer clock out what is sent, so the window starts anew.
    pub(super) fn on_idle(&mut self) {
        let cwnd = self.sizes.cwnd;
        self.sizes.cwnd = cwnd.min(initial_window(self.mss));
        if !self.is_initial() {
            // RFC 7661 §4.4.2: slow start may take it near to where it was.
            self.sizes.ssthresh = self.sizes.ssthresh.max(cwnd / 4 * 3);
        }
        self.round_end = None;
        self.most_in_flight = (0, 0);
        self.hystart = HyStart::default();
    }

    pub(super) fn set_mss(&mut self, mss: usize) {
        self.mss = mss;
        self.keep_floors();
    }

    fn keep_floors(&mut self) {
        self.sizes.cwnd = self.sizes.cwnd.max(self.mss);
        self.sizes.ssthresh = self.sizes.ssthresh.max(MIN_SSTHRESH * self.mss);
    }
}
