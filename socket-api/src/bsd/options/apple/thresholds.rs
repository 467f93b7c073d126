//! When Wi-Fi is bad enough (API reference 6.3).
//!
//! The module owns the comparisons and nothing else: each is a function of what is known now.

use super::PathView;
use std::time::Duration;

/// How good Wi-Fi is, as something outside of the stack judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Quality {
    /// It works.
    #[default]
    Good,
    /// It may be about to fail.
    Unsure,
    /// It hardly works.
    Bad,
}

/// The sysctls `net.inet.mptcp.*` of this matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `fail`: half of the retransmission timeouts in a row after which a subflow is slow.
    pub fail: u32,
    /// `rtthist_thresh`: a smoothed round-trip time that is too long for interactive use.
    pub rtt: Duration,
    /// `rto_thresh`: a retransmission timeout that is.
    pub rto: Duration,
    /// How long before a target the costly path helps.
    pub head_start: Duration,
    /// Between two attempts to open a subflow on one interface (the timer `rto`).
    pub retry: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            fail: 1,
            rtt: Duration::from_millis(600),
            rto: Duration::from_millis(1500),
            head_start: Duration::from_secs(5),
            retry: Duration::from_secs(3),
        }
    }
}

impl Thresholds {
    /// Data waits, and timeouts have passed without any of it getting through.
    #[must_use]
    pub fn is_slow(&self, wifi: &PathView) -> bool {
        wifi.data_waiting && wifi.backoff >= self.fail.saturating_mul(2)
    }

    /// Handover: traffic moves to the costly path.
    #[must_use]
    pub fn handover_moves(&self, quality: Quality, wifi: &PathView) -> bool {
        quality != Quality::Good && self.is_slow(wifi)
    }

    /// Handover: the costly subflow is made.
    #[must_use]
    pub fn handover_creates(&self, quality: Quality, wifi: &PathView) -> bool {
        match quality {
            Quality::Good => false,
            Quality::Unsure => self.is_slow(wifi),
            Quality::Bad if wifi.data_waiting => self.is_slow(wifi),
            Quality::Bad => true,
        }
    }

    /// Interactive: traffic moves to the costly path.
    #[must_use]
    pub fn interactive_moves(&self, quality: Quality, wifi: &PathView, cell: &PathView) -> bool {
        let (rtt, rto) = match quality {
            Quality::Good => (self.rtt, self.rto),
            Quality::Unsure | Quality::Bad => (self.rtt / 2, self.rto / 2),
        };
        let long = |path: &PathView| path.srtt.is_some_and(|srtt| srtt >= rtt);
        let short = |path: &PathView| path.srtt.is_some_and(|srtt| srtt < rtt);
        (long(wifi) && short(cell))
            || (wifi.data_waiting && wifi.backoff >= 1 && cell.backoff == 0)
            || (wifi.rto >= rto && cell.rto < rto)
    }
}
