//! NewReno: slow start, an additional segment a round trip, halving (RFC 5681, RFC 6582).

use super::window::{Growth, Sizes, Window};
use super::{AckSample, CongestionController, CongestionSignal};
use crate::base::config::CongestionAlgorithm;
use crate::base::time::Instant;

/// The controller of RFC 5681, with the appropriate byte counting of RFC 3465.
#[derive(Debug)]
pub struct NewReno {
    window: Window,
    /// Bytes acknowledged towards the next step of congestion avoidance.
    credit: usize,
    /// What the last reduction can be undone to.
    before: Option<Sizes>,
}

impl NewReno {
    /// Starts with the initial window of RFC 6928.
    #[must_use]
    pub fn new(mss: usize) -> Self {
        Self::with_window(Window::new(mss))
    }

    pub(super) fn with_window(window: Window) -> Self {
        Self {
            window,
            credit: 0,
            before: None,
        }
    }

    /// RFC 5681 §3.1, equation 4, without its floor, which the window keeps.
    fn halve(&mut self, flight_size: usize) -> usize {
        self.before = Some(self.window.sizes());
        self.credit = 0;
        self.window.outstanding(flight_size) / 2
    }
}

impl CongestionController for NewReno {
    fn on_ack(&mut self, sample: &AckSample) {
        let Growth::Avoidance { acked } = self.window.on_ack(sample) else {
            return;
        };
        // RFC 3465 §2.1: one segment for each window acknowledged.
        let cwnd = self.window.cwnd();
        self.credit = self.credit.saturating_add(acked);
        if self.credit >= cwnd {
            self.credit = (self.credit - cwnd).min(cwnd);
            self.window.add(self.window.mss());
        }
    }

    fn on_congestion(&mut self, _now: Instant, signal: CongestionSignal, flight_size: usize) {
        let half = self.halve(flight_size);
        self.window.reduce(half, signal);
    }

    fn on_timeout(&mut self, _now: Instant, flight_size: usize) {
        let half = self.halve(flight_size);
        self.window.collapse(half);
    }

    fn undo(&mut self, _now: Instant) {
        if let Some(before) = self.before.take()
            && self.window.cwnd() < before.cwnd
        {
            self.window.restore(before);
        }
    }

    fn on_syn_loss(&mut self) {
        self.window.on_syn_loss();
    }

    fn on_idle(&mut self, _now: Instant) {
        self.window.on_idle();
        self.credit = 0;
        self.before = None;
    }

    fn set_mss(&mut self, mss: usize) {
        self.window.set_mss(mss);
    }

    fn algorithm(&self) -> CongestionAlgorithm {
        CongestionAlgorithm::NewReno
    }

    fn cwnd(&self) -> usize {
        self.window.cwnd()
    }

    fn ssthresh(&self) -> usize {
        self.window.ssthresh()
    }
}
