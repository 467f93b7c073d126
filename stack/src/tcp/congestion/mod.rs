//! How much may be in flight: the congestion window, behind a trait.
//!
//! Owns the congestion window and the slow-start threshold of a subflow. It never decides what is
//! lost, and never sends: a controller is told of acknowledgments and congestion, and asked for
//! its window.
//!
//! Algorithms differ in how the window grows in congestion avoidance and how far it falls, each in
//! a file of its own. What they have in common is in `window`, with slow start (`hystart`).

mod cubic;
mod hystart;
mod reno;
mod window;

#[cfg(test)]
mod tests;

pub use cubic::Cubic;
pub use reno::NewReno;

use window::Window;

use crate::base::config::CongestionAlgorithm;
use crate::base::time::{Duration, Instant};
use core::fmt;

/// Data acknowledged outside of fast recovery.
#[derive(Clone, Copy, Debug)]
pub struct AckSample {
    /// The time of arrival.
    pub now: Instant,
    /// Bytes newly known to have arrived, cumulatively or selectively.
    pub acked: usize,
    /// Bytes in flight before this acknowledgment: a window that was not used must not grow
    /// (RFC 9293 §3.8.2, RFC 7661).
    pub in_flight: usize,
    /// SND.UNA and SND.NXT as counts of sequence space from the ISS on, which never wrap: a round
    /// ends when `snd_una` passes what `snd_nxt` was at its start.
    pub snd_una: u64,
    /// See `snd_una`.
    pub snd_nxt: u64,
    /// Round-trip time measured by this acknowledgment, if it allowed that.
    pub rtt: Option<Duration>,
    /// Smoothed round-trip time.
    pub srtt: Option<Duration>,
}

/// Why the window must become smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionSignal {
    /// A loss found by acknowledgments.
    Loss,
    /// The network marked a packet (RFC 3168 §6.1.2).
    EcnEcho,
}

/// Decides the congestion window of one subflow. All sizes are in bytes.
pub trait CongestionController: fmt::Debug + Send {
    /// Data was acknowledged.
    fn on_ack(&mut self, sample: &AckSample);
    /// A signal of congestion; at most once per window. `flight_size` is that of RFC 5681 §2.
    fn on_congestion(&mut self, now: Instant, signal: CongestionSignal, flight_size: usize);
    /// The retransmission timer expired.
    fn on_timeout(&mut self, now: Instant, flight_size: usize);
    /// The last `on_congestion` or `on_timeout` was for nothing: window and threshold are what
    /// they were before it, unless the window is larger by now (RFC 9438 §4.9). Undoes it once.
    fn undo(&mut self, now: Instant);
    /// Our SYN or SYN/ACK was lost (RFC 5681 §3.1).
    fn on_syn_loss(&mut self);
    /// The subflow was idle for longer than a retransmission timeout (RFC 5681 §4.1).
    fn on_idle(&mut self, now: Instant);
    /// The maximum segment size changed.
    fn set_mss(&mut self, mss: usize);
    /// Which algorithm this is.
    fn algorithm(&self) -> CongestionAlgorithm;
    /// The congestion window.
    fn cwnd(&self) -> usize;
    /// The slow-start threshold; `usize::MAX` before the first sign of congestion.
    fn ssthresh(&self) -> usize;
}

/// A controller for a new subflow.
#[must_use]
pub fn controller(algorithm: CongestionAlgorithm, mss: usize) -> Box<dyn CongestionController> {
    match algorithm {
        CongestionAlgorithm::NewReno => Box::new(NewReno::new(mss)),
        CongestionAlgorithm::Cubic => Box::new(Cubic::new(mss)),
    }
}

/// A controller that goes on from the window of another one. What it has yet to learn of the path,
/// as W_max of CUBIC, it learns as after an idle time.
#[must_use]
pub fn successor(
    algorithm: CongestionAlgorithm,
    mss: usize,
    old: &dyn CongestionController,
) -> Box<dyn CongestionController> {
    let window = Window::resumed(mss, old.cwnd(), old.ssthresh());
    match algorithm {
        CongestionAlgorithm::NewReno => Box::new(NewReno::with_window(window)),
        CongestionAlgorithm::Cubic => Box::new(Cubic::with_window(window)),
    }
}

/// The initial window (RFC 6928 §2).
#[must_use]
pub fn initial_window(mss: usize) -> usize {
    (10 * mss).min((2 * mss).max(14_600))
}
