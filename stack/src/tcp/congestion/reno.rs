//! NewReno: slow start, congestion avoidance, halving (RFC 5681).

use super::{AckSample, CongestionController, CongestionSignal, initial_window};
use crate::base::config::CongestionAlgorithm;
use crate::base::time::Instant;

/// The controller of RFC 5681, with the appropriate byte counting of RFC 3465.
#[derive(Debug)]
pub struct NewReno {
    mss: usize,
    cwnd: usize,
    ssthresh: usize,
    /// Bytes acknowledged towards the next step of congestion avoidance.
    credit: usize,
    /// Window and threshold before the last reduction.
    before: (usize, usize),
}

impl NewReno {
    /// Starts with the initial window of RFC 6928.
    #[must_use]
    pub fn new(mss: usize) -> Self {
        Self {
            mss,
            cwnd: initial_window(mss),
            ssthresh: usize::MAX,
            credit: 0,
            before: (0, 0),
        }
    }

    /// RFC 5681 §3.1, equation 4.
    fn halved(&self, in_flight: usize) -> usize {
        (in_flight / 2).max(2 * self.mss)
    }
}

impl CongestionController for NewReno {
    fn on_ack(&mut self, sample: &AckSample) {
        if self.cwnd < self.ssthresh {
            if sample.in_flight.saturating_mul(2) >= self.cwnd {
                self.cwnd = (self.cwnd + sample.acked).min(self.ssthresh.max(self.mss));
            }
        } else if sample.in_flight + 3 * self.mss >= self.cwnd {
            // RFC 5681 §3.1: one segment for each window acknowledged.
            self.credit += sample.acked;
            if self.credit >= self.cwnd {
                self.credit -= self.cwnd;
                self.cwnd += self.mss;
            }
        }
    }

    fn on_congestion(&mut self, _now: Instant, _signal: CongestionSignal, in_flight: usize) {
        self.before = (self.cwnd, self.ssthresh);
        self.ssthresh = self.halved(in_flight);
        self.cwnd = self.ssthresh;
        self.credit = 0;
    }

    fn on_timeout(&mut self, _now: Instant, in_flight: usize) {
        self.before = (self.cwnd, self.ssthresh);
        self.ssthresh = self.halved(in_flight);
        self.cwnd = self.mss;
        self.credit = 0;
    }

    fn undo(&mut self, _now: Instant) {
        let (cwnd, ssthresh) = self.before;
        self.cwnd = self.cwnd.max(cwnd);
        self.ssthresh = self.ssthresh.max(ssthresh);
    }

    fn on_idle(&mut self, _now: Instant) {
        self.cwnd = self.cwnd.min(initial_window(self.mss));
    }

    fn set_mss(&mut self, mss: usize) {
        self.mss = mss;
        self.cwnd = self.cwnd.max(mss);
    }

    fn algorithm(&self) -> CongestionAlgorithm {
        CongestionAlgorithm::NewReno
    }

    fn cwnd(&self) -> usize {
        self.cwnd
    }

    fn ssthresh(&self) -> usize {
        self.ssthresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(reno: &mut NewReno, acked: usize) {
        let in_flight = reno.cwnd();
        reno.on_ack(&AckSample {
            now: Instant::ZERO,
            acked,
            in_flight,
            snd_una: 0,
            snd_nxt: 0,
            rtt: None,
            srtt: None,
        });
    }

    #[test]
    fn slow_start_doubles_and_avoidance_adds_a_segment_a_window() {
        let mut reno = NewReno::new(1000);
        assert_eq!(reno.cwnd(), 10_000);
        ack(&mut reno, 10_000);
        assert_eq!(reno.cwnd(), 20_000);
        reno.on_congestion(Instant::ZERO, CongestionSignal::Loss, 20_000);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (10_000, 10_000));
        for _ in 0..10 {
            ack(&mut reno, 1000);
        }
        assert_eq!(reno.cwnd(), 11_000);
    }

    #[test]
    fn a_timeout_starts_over_and_an_unused_window_does_not_grow() {
        let mut reno = NewReno::new(1000);
        reno.on_timeout(Instant::ZERO, 10_000);
        assert_eq!((reno.cwnd(), reno.ssthresh()), (1000, 5000));
        let mut reno = NewReno::new(1000);
        reno.on_ack(&AckSample {
            now: Instant::ZERO,
            acked: 1000,
            in_flight: 1000,
            snd_una: 0,
            snd_nxt: 0,
            rtt: None,
            srtt: None,
        });
        assert_eq!(reno.cwnd(), 10_000);
    }
}
