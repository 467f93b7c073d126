//! The round-trip time as a receiver of data sees it.
//!
//! Who only receives sends nothing that is acknowledged, and has no samples of the kind that
//! RFC 6298 speaks of. But each segment echoes the timestamp of an acknowledgment of ours that
//! made room for it (RFC 7323 §3.2). Where the peer had nothing to send the echo is too old, so
//! the least of a round counts.

use crate::base::time::Duration;

/// An echo older than this is nonsense.
const MAX_ECHO: u32 = 1 << 24;

/// Estimate of a subflow's round-trip time from echoes of timestamps.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiveRtt {
    /// Milliseconds.
    estimate: Option<u32>,
    /// The least of this round.
    least: Option<u32>,
}

impl ReceiveRtt {
    /// A segment with data came when our timestamp clock (RFC 7323 §4.1, milliseconds) said
    /// `clock`, and echoes what it said earlier. Returns true if the estimate fell.
    pub fn on_echo(&mut self, clock: u32, echo: u32) -> bool {
        let elapsed = clock.wrapping_sub(echo);
        if elapsed > MAX_ECHO {
            return false;
        }
        // The clock was read in whole milliseconds, twice: never estimate too little.
        let sample = elapsed + 1;
        self.least = Some(self.least.map_or(sample, |least| least.min(sample)));
        let falls = self.estimate.is_none_or(|estimate| sample < estimate);
        if falls {
            self.estimate = Some(sample);
        }
        falls
    }

    /// The estimate, if there was an echo.
    #[must_use]
    pub fn estimate(&self) -> Option<Duration> {
        self.estimate
            .map(|millis| Duration::from_millis(millis.into()))
    }

    /// Ends a round; gives the estimate if data came in it. It rises no faster than to the double,
    /// as a lone segment after a rest looks like a long way.
    pub fn end_round(&mut self) -> Option<Duration> {
        let least = self.least.take()?;
        self.estimate = self
            .estimate
            .map(|estimate| least.clamp(estimate, estimate.saturating_mul(2)));
        self.estimate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    #[test]
    fn the_least_of_a_round_counts_and_a_rest_is_forgotten() {
        let mut rtt = ReceiveRtt::default();
        assert_eq!(rtt.end_round(), None);
        assert!(rtt.on_echo(50, 10));
        assert!(rtt.on_echo(5, u32::MAX - 4), "the clock wraps");
        assert!(!rtt.on_echo(1000, 900));
        assert_eq!(rtt.end_round(), millis(11));
        assert!(!rtt.on_echo(90_000, 1000));
        assert_eq!(rtt.end_round(), millis(22));
        assert!(rtt.on_echo(90_020, 90_010));
        assert_eq!(rtt.estimate(), millis(11));
        assert_eq!(rtt.end_round(), millis(11));
        assert_eq!(rtt.end_round(), None, "nothing came");
    }

    #[test]
    fn a_path_that_became_longer_is_believed_after_some_rounds() {
        let mut rtt = ReceiveRtt::default();
        rtt.on_echo(9, 0);
        for _ in 0..6 {
            rtt.on_echo(199, 0);
            rtt.end_round();
        }
        assert_eq!(rtt.estimate(), millis(200));
    }

    #[test]
    fn nonsense_is_not_believed() {
        let mut rtt = ReceiveRtt::default();
        assert!(!rtt.on_echo(5, 6));
        assert_eq!(rtt.estimate(), None);
    }
}
