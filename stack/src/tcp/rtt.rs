//! Round-trip time and the retransmission timeout (RFC 6298).

use crate::base::time::Duration;

/// RFC 6298 §2.1.
#[cfg(test)]
const INITIAL_RTO: Duration = Duration::from_secs(1);
/// RFC 6298 §2.4 has no RTO below 1 s, and allows less where experience shows it safe. As in Linux
/// the variation counts 200 ms at least, so that a peer's delayed acknowledgment never looks like
/// a loss, however long the path.
const MIN_VARIATION: Duration = Duration::from_millis(200);
/// RFC 6298 §2.5: at least 60 s; Linux uses 120 s.
const MAX_RTO: Duration = Duration::from_secs(120);

/// Smoothed round-trip time, its variation, and the timeout that follows from them.
#[derive(Clone, Copy, Debug)]
pub struct RttEstimator {
    initial: Duration,
    smoothed: Option<Smoothed>,
    min: Option<Duration>,
    backoff: u32,
}

#[derive(Clone, Copy, Debug)]
struct Smoothed {
    srtt: Duration,
    rttvar: Duration,
}

impl RttEstimator {
    /// Nothing is known yet: the timeout is `initial`.
    #[must_use]
    pub fn new(initial: Duration) -> Self {
        Self {
            initial,
            smoothed: None,
            min: None,
            backoff: 0,
        }
    }

    /// Takes a sample; never one of a retransmitted segment (Karn, RFC 6298 §3).
    pub fn sample(&mut self, rtt: Duration) {
        self.min = Some(self.min.map_or(rtt, |min| min.min(rtt)));
        self.smoothed = Some(match self.smoothed {
            // RFC 6298 §2.2
            None => Smoothed {
                srtt: rtt,
                rttvar: rtt / 2,
            },
            // RFC 6298 §2.3: beta = 1/4, alpha = 1/8
            Some(Smoothed { srtt, rttvar }) => Smoothed {
                rttvar: (rttvar * 3 + srtt.abs_diff(rtt)) / 4,
                srtt: (srtt * 7 + rtt) / 8,
            },
        });
        self.backoff = 0;
    }

    /// SRTT, once there was a sample.
    #[must_use]
    pub fn srtt(&self) -> Option<Duration> {
        self.smoothed.map(|smoothed| smoothed.srtt)
    }

    /// RTTVAR, once there was a sample.
    #[must_use]
    pub fn rttvar(&self) -> Option<Duration> {
        self.smoothed.map(|smoothed| smoothed.rttvar)
    }

    /// The smallest sample.
    #[must_use]
    pub fn min(&self) -> Option<Duration> {
        self.min
    }

    /// The retransmission timeout, backed off.
    #[must_use]
    pub fn rto(&self) -> Duration {
        let base = self.smoothed.map_or(self.initial, |smoothed| {
            smoothed.srtt + (smoothed.rttvar * 4).max(MIN_VARIATION)
        });
        base.saturating_mul(1 << self.backoff.min(16)).min(MAX_RTO)
    }

    /// The timer expired: the next timeout is twice as long (RFC 6298 §5.5).
    pub fn back_off(&mut self) {
        self.backoff += 1;
    }

    /// Expiries since the last sample or [`Self::progress`].
    #[must_use]
    pub fn backoffs(&self) -> u32 {
        self.backoff
    }

    /// New data was acknowledged: the back-off ends even without a sample, as a lasting one
    /// would keep a path slow that works again.
    pub fn progress(&mut self) {
        self.backoff = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector of the protocol reference, section 4.5.
    ///
    /// Protocol statement 113.
    #[test]
    fn samples_smooth_as_in_the_rfc() {
        let mut rtt = RttEstimator::new(INITIAL_RTO);
        let micros = |duration: Duration| duration.as_micros();
        for (sample, srtt, rttvar) in [
            (100, 100_000, 50_000),
            (120, 102_500, 42_500),
            (300, 127_187, 81_250),
            (100, 123_789, 67_734),
        ] {
            rtt.sample(Duration::from_millis(sample));
            let smoothed = rtt.smoothed.unwrap();
            assert_eq!(
                (micros(smoothed.srtt), micros(smoothed.rttvar)),
                (srtt, rttvar)
            );
        }
        assert_eq!(micros(rtt.rto()), 394_726);
    }

    /// Protocol statement 113.
    #[test]
    fn timeout_starts_at_a_second_doubles_and_is_bounded() {
        let mut rtt = RttEstimator::new(INITIAL_RTO);
        assert_eq!(rtt.rto(), Duration::from_secs(1));
        rtt.back_off();
        assert_eq!(rtt.rto(), Duration::from_secs(2));
        for _ in 0..40 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), MAX_RTO);
        rtt.sample(Duration::from_micros(50));
        assert_eq!(rtt.rto(), MIN_VARIATION + Duration::from_micros(50));
    }
}
