//! How much may be in flight: the congestion window, behind a trait.
//!
//! A controller sees acknowledgments and losses of its own subflow; when they happened and what
//! was lost is `recovery`'s business.

mod reno;

pub use reno::NewReno;

use crate::base::time::{Duration, Instant};
use core::fmt;

/// Data acknowledged outside of fast recovery.
#[derive(Clone, Copy, Debug)]
pub struct AckSample {
    /// The time of arrival.
    pub now: Instant,
    /// Bytes newly acknowledged.
    pub acked: usize,
    /// Bytes in flight before this acknowledgment: a window that was not used must not grow
    /// (RFC 9293 §3.8.2, RFC 7661).
    pub in_flight: usize,
    /// Smoothed round-trip time.
    pub srtt: Option<Duration>,
}

/// Decides the congestion window of one subflow. All sizes are in bytes.
pub trait CongestionController: fmt::Debug + Send {
    /// Data was acknowledged.
    fn on_ack(&mut self, sample: &AckSample);
    /// A loss was found by duplicate or selective acknowledgments; at most once per window.
    fn on_congestion(&mut self, now: Instant, in_flight: usize);
    /// The retransmission timer expired.
    fn on_timeout(&mut self, now: Instant, in_flight: usize);
    /// The subflow was idle for longer than a retransmission timeout (RFC 5681 §4.1).
    fn on_idle(&mut self);
    /// The maximum segment size changed.
    fn set_mss(&mut self, mss: usize);
    /// The congestion window.
    fn cwnd(&self) -> usize;
    /// The slow-start threshold.
    fn ssthresh(&self) -> usize;
}

/// The initial window (RFC 6928 §2).
#[must_use]
pub fn initial_window(mss: usize) -> usize {
    (10 * mss).min((2 * mss).max(14_600))
}
