//! CUBIC: after a reduction the window grows along a cubic function of time, flat where it was
//! last reduced, and never slower than NewReno would (RFC 9438).

#[cfg(test)]
mod tests;

use super::window::{Growth, Sizes, Window};
use super::{AckSample, CongestionController, CongestionSignal};
use crate::base::config::CongestionAlgorithm;
use crate::base::time::{Duration, Instant};

/// RFC 9438 §5.1: segments per second cubed.
const C: f64 = 0.4;
/// RFC 9438 §4.6: beta_cubic, what a reduction leaves, in tenths.
const BETA_TENTHS: usize = 7;
/// The same as a share.
const BETA: f64 = 0.7;
/// RFC 9438 §4.3: with it, growth by this many segments a round trip and reductions to `BETA`
/// average what NewReno averages.
const ALPHA: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);
/// RFC 9438 §4.2: the most the window may become within a round trip, as a share of it.
const MAX_TARGET: f64 = 1.5;

/// The controller of RFC 9438. Its windows are bytes and its times seconds.
#[derive(Debug)]
pub struct Cubic {
    window: Window,
    history: History,
    /// What the last reduction can be undone to (RFC 9438 §4.9).
    before: Option<(Sizes, History)>,
}

/// What it remembers of the past, beside the window.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    /// W_max; zero while unknown: then the next stage of congestion avoidance starts on the flat
    /// part of its curve (RFC 9438 §4.8, §4.10).
    w_max: f64,
    /// cwnd_prior: the window before the last reduction.
    cwnd_prior: f64,
    /// The present stage of congestion avoidance, from its first acknowledgment on.
    stage: Option<Stage>,
}

/// A stage of congestion avoidance: the time between two reductions.
#[derive(Clone, Copy, Debug)]
struct Stage {
    curve: Curve,
    /// t of RFC 9438 §4.2: time in which the window was used.
    elapsed: Duration,
    /// When the last acknowledgment came.
    last_ack: Instant,
    /// W_est.
    w_est: f64,
    /// What the window lacks of a whole byte.
    fraction: f64,
}

/// W_cubic (RFC 9438 §4.2, figures 1 and 2).
#[derive(Clone, Copy, Debug)]
struct Curve {
    /// C, in bytes per second cubed.
    c: f64,
    /// K: seconds until the window is W_max again.
    k: f64,
    w_max: f64,
}

impl Curve {
    fn new(w_max: f64, cwnd_epoch: f64, mss: f64) -> Self {
        let c = C * mss;
        let w_max = w_max.max(cwnd_epoch);
        Self {
            c,
            k: ((w_max - cwnd_epoch) / c).cbrt(),
            w_max,
        }
    }

    /// The window at `t` seconds.
    fn at(&self, t: f64) -> f64 {
        let from_k = t - self.k;
        self.c * from_k * from_k * from_k + self.w_max
    }
}

impl Stage {
    fn new(now: Instant, w_max: f64, cwnd: f64, mss: f64) -> Self {
        Self {
            curve: Curve::new(w_max, cwnd, mss),
            elapsed: Duration::ZERO,
            last_ack: now,
            w_est: cwnd,
            fraction: 0.0,
        }
    }

    /// Lets time pass until `now`. RFC 9438 §4.2 and §5.8: time in which the window was not used
    /// does not count, so between two acknowledgments a round trip counts at most; what the
    /// connection was silent beyond that, it had nothing to send.
    fn pass(&mut self, now: Instant, srtt: Option<Duration>) {
        let since = now.saturating_duration_since(self.last_ack);
        let counts = srtt.map_or(since, |srtt| since.min(srtt));
        self.elapsed = self.elapsed.saturating_add(counts);
        self.last_ack = now;
    }

    /// The window after `acked` bytes, in fractions of a byte.
    fn next_window(&mut self, cwnd: f64, acked: f64, rtt: f64, alpha: f64, mss: f64) -> f64 {
        // RFC 9438 §4.3, figure 4.
        self.w_est += alpha * mss * acked / cwnd;
        let t = self.elapsed.as_secs_f64();
        if self.curve.at(t) < self.w_est {
            return self.w_est;
        }
        // RFC 9438 §4.4 and §4.5.
        let target = self.curve.at(t + rtt).clamp(cwnd, MAX_TARGET * cwnd);
        cwnd + (target - cwnd) * acked / cwnd
    }
}

impl Cubic {
    /// Starts with the initial window of RFC 6928.
    #[must_use]
    pub fn new(mss: usize) -> Self {
        Self::with_window(Window::new(mss))
    }

    pub(super) fn with_window(window: Window) -> Self {
        Self {
            window,
            history: History::default(),
            before: None,
        }
    }

    fn avoid_congestion(&mut self, sample: &AckSample, acked: usize) {
        let mss = float(self.window.mss());
        let whole = float(self.window.cwnd());
        let acked = float(acked).min(whole);
        let history = &mut self.history;
        let stage = history
            .stage
            .get_or_insert_with(|| Stage::new(sample.now, history.w_max, whole, mss));
        // Where the window is W_max already, or W_max is unknown, it becomes what the window is.
        history.w_max = stage.curve.w_max;
        stage.pass(sample.now, sample.srtt);
        // RFC 9438 §4.3: once it has caught up, it grows as NewReno does.
        let alpha = if stage.w_est >= history.cwnd_prior {
            1.0
        } else {
            ALPHA
        };
        let rtt = sample.srtt.unwrap_or_default().as_secs_f64();
        let cwnd = whole + stage.fraction;
        let next = stage.next_window(cwnd, acked, rtt, alpha, mss);
        // Never faster than slow start, and never backwards.
        let grown = stage.fraction + (next - cwnd).clamp(0.0, acked);
        stage.fraction = grown.fract();
        self.window.add(bytes(grown));
    }

    /// Remembers what can be undone, and returns `BETA` of what was outstanding.
    fn cut(&mut self, flight_size: usize) -> usize {
        self.before = Some((self.window.sizes(), self.history));
        let outstanding = self.window.outstanding(flight_size);
        outstanding / 10 * BETA_TENTHS + outstanding % 10 * BETA_TENTHS / 10
    }
}

impl CongestionController for Cubic {
    fn on_ack(&mut self, sample: &AckSample) {
        match self.window.on_ack(sample) {
            Growth::SlowStart => self.history.stage = None,
            Growth::Unused => {
                if let Some(stage) = &mut self.history.stage {
                    stage.last_ack = sample.now;
                }
            }
            Growth::Avoidance { acked } => self.avoid_congestion(sample, acked),
        }
    }

    fn on_congestion(&mut self, _now: Instant, signal: CongestionSignal, flight_size: usize) {
        // RFC 9438 §4.6: marks weigh as much as losses.
        let to = self.cut(flight_size);
        let cwnd = float(self.window.cwnd());
        self.history = History {
            // RFC 9438 §4.7, fast convergence: the share of this flow shrinks, so it gives up more.
            w_max: if cwnd < self.history.w_max {
                cwnd * (1.0 + BETA) / 2.0
            } else {
                cwnd
            },
            cwnd_prior: cwnd,
            stage: None,
        };
        self.window.reduce(to, signal);
    }

    fn on_timeout(&mut self, _now: Instant, flight_size: usize) {
        let ssthresh = self.cut(flight_size);
        self.history = History {
            // RFC 9438 §4.8: K is zero and W_max the window at the start of the next stage.
            w_max: 0.0,
            cwnd_prior: float(self.window.cwnd()),
            stage: None,
        };
        self.window.collapse(ssthresh);
    }

    fn undo(&mut self, now: Instant) {
        // RFC 9438 §4.9.2: a window that has overtaken the old one goes on.
        if let Some((sizes, mut history)) = self.before.take()
            && self.window.cwnd() < sizes.cwnd
        {
            if let Some(stage) = &mut history.stage {
                stage.last_ack = now;
            }
            self.history = history;
            self.window.restore(sizes);
        }
    }

    fn on_syn_loss(&mut self) {
        self.window.on_syn_loss();
    }

    fn on_idle(&mut self, _now: Instant) {
        self.window.on_idle();
        self.history.stage = None;
        self.before = None;
    }

    fn set_mss(&mut self, mss: usize) {
        self.window.set_mss(mss);
        // Curve and W_est count in segments of the old size.
        self.history.stage = None;
        if let Some((_, history)) = &mut self.before {
            history.stage = None;
        }
    }

    fn algorithm(&self) -> CongestionAlgorithm {
        CongestionAlgorithm::Cubic
    }

    fn cwnd(&self) -> usize {
        self.window.cwnd()
    }

    fn ssthresh(&self) -> usize {
        self.window.ssthresh()
    }
}

/// A window as a number to calculate with; above 2^53 bytes the nearest one.
fn float(bytes: usize) -> f64 {
    bytes as f64
}

/// The whole bytes of a window; the conversion saturates.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what does not fit is not negative and saturates"
)]
fn bytes(window: f64) -> usize {
    window as usize
}
