//! HyStart++ (RFC 9406): ends the initial slow start when delay grows, before anything is lost.
//!
//! Owns the round-trip times of the rounds and the phase that follows from them. It never touches
//! the window: it says by how much slow start may grow and when it is over.

use crate::base::time::Duration;

/// RFC 9406 §4.3: samples of a round before its minimum tells anything.
const N_RTT_SAMPLE: u32 = 8;
/// RFC 9406 §4.3: a rise below this is noise.
const MIN_RTT_THRESH: Duration = Duration::from_millis(4);
/// RFC 9406 §4.3: a rise of this ends slow start on any path.
const MAX_RTT_THRESH: Duration = Duration::from_millis(16);
/// RFC 9406 §4.3: between the two, this part of the last round's minimum.
const MIN_RTT_DIVISOR: u32 = 8;
/// RFC 9406 §4.3: conservative slow start grows by this part of what slow start would.
const CSS_GROWTH_DIVISOR: usize = 4;
/// RFC 9406 §4.3: rounds of conservative slow start before it is over.
const CSS_ROUNDS: u32 = 5;

/// The phase of RFC 9406 §4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Standard slow start.
    SlowStart,
    /// Conservative slow start (CSS): delay rose, which may yet turn out to be jitter.
    Conservative {
        /// cssBaselineMinRtt: delay below it shows that leaving slow start was premature.
        baseline: Duration,
        /// Rounds that ended in this phase.
        rounds: u32,
    },
}

/// The variables of RFC 9406 §4.2.
#[derive(Debug)]
pub(super) struct HyStart {
    phase: Phase,
    /// lastRoundMinRTT.
    last_round_min_rtt: Option<Duration>,
    /// currentRoundMinRTT.
    current_round_min_rtt: Option<Duration>,
    /// rttSampleCount.
    rtt_sample_count: u32,
}

impl Default for HyStart {
    fn default() -> Self {
        Self {
            phase: Phase::SlowStart,
            last_round_min_rtt: None,
            current_round_min_rtt: None,
            rtt_sample_count: 0,
        }
    }
}

impl HyStart {
    /// By how much `acked` bytes let the window grow.
    pub(super) fn growth(&self, acked: usize) -> usize {
        // RFC 9406 §4.3: no limit L to one acknowledgment, since the sender paces.
        match self.phase {
            Phase::SlowStart => acked,
            Phase::Conservative { .. } => acked / CSS_GROWTH_DIVISOR,
        }
    }

    /// A round-trip time was measured in this round.
    pub(super) fn on_rtt(&mut self, rtt: Duration) {
        let current = self.current_round_min_rtt.map_or(rtt, |min| min.min(rtt));
        self.current_round_min_rtt = Some(current);
        self.rtt_sample_count = self.rtt_sample_count.saturating_add(1);
        if self.rtt_sample_count < N_RTT_SAMPLE {
            return;
        }
        match self.phase {
            Phase::SlowStart => {
                if self.last_round_min_rtt.is_some_and(|last| {
                    let thresh = (last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                    current >= last.saturating_add(thresh)
                }) {
                    self.phase = Phase::Conservative {
                        baseline: current,
                        rounds: 0,
                    };
                }
            }
            Phase::Conservative { baseline, .. } => {
                if current < baseline {
                    self.phase = Phase::SlowStart;
                }
            }
        }
    }

    /// A round ended. Returns whether slow start ended with it.
    pub(super) fn on_round_end(&mut self) -> bool {
        self.last_round_min_rtt = self.current_round_min_rtt.take();
        self.rtt_sample_count = 0;
        match &mut self.phase {
            Phase::SlowStart => false,
            // RFC 9406 §4.2: the round in which CSS began counts.
            Phase::Conservative { rounds, .. } => {
                *rounds += 1;
                *rounds >= CSS_ROUNDS
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A whole round of as many samples as count; returns whether slow start is over.
    fn round(hystart: &mut HyStart, rtt: Duration) -> bool {
        for _ in 0..N_RTT_SAMPLE {
            hystart.on_rtt(rtt);
        }
        hystart.on_round_end()
    }

    fn is_conservative(hystart: &HyStart) -> bool {
        hystart.growth(4000) == 1000
    }

    /// RFC 9406 §4.2: RttThresh = max(4 ms, min(lastRoundMinRTT / 8, 16 ms)).
    #[test]
    fn the_threshold_is_an_eighth_of_the_last_minimum_between_4_and_16_ms() {
        for (last, thresh) in [(1, 4), (32, 4), (80, 10), (128, 16), (600, 16)] {
            for (rise, expected) in [
                (ms(thresh) - Duration::from_nanos(1), false),
                (ms(thresh), true),
            ] {
                let mut hystart = HyStart::default();
                round(&mut hystart, ms(last));
                for _ in 0..N_RTT_SAMPLE {
                    hystart.on_rtt(ms(last) + rise);
                }
                assert_eq!(
                    is_conservative(&hystart),
                    expected,
                    "{last} ms and {rise:?}"
                );
            }
        }
    }

    #[test]
    fn seven_samples_tell_nothing_and_one_low_sample_keeps_the_minimum_low() {
        let mut hystart = HyStart::default();
        round(&mut hystart, ms(20));
        for _ in 0..N_RTT_SAMPLE - 1 {
            hystart.on_rtt(ms(90));
        }
        assert!(!is_conservative(&hystart));
        hystart.on_rtt(ms(21));
        assert!(!is_conservative(&hystart));
        hystart.on_round_end();
        for _ in 0..N_RTT_SAMPLE {
            hystart.on_rtt(ms(90));
        }
        assert!(is_conservative(&hystart));
    }

    #[test]
    fn five_rounds_of_risen_delay_end_slow_start_the_first_of_them_included() {
        let mut hystart = HyStart::default();
        assert!(!round(&mut hystart, ms(20)));
        for _ in 0..4 {
            assert!(!round(&mut hystart, ms(30)));
            assert!(is_conservative(&hystart));
        }
        assert!(round(&mut hystart, ms(30)));
    }

    #[test]
    fn slow_start_goes_on_once_delay_falls_and_counts_five_rounds_anew() {
        let mut hystart = HyStart::default();
        round(&mut hystart, ms(20));
        for _ in 0..4 {
            round(&mut hystart, ms(30));
        }
        for _ in 0..N_RTT_SAMPLE - 1 {
            hystart.on_rtt(ms(21));
        }
        // Seven samples of a round of CSS tell nothing either.
        assert!(is_conservative(&hystart));
        assert!(!round(&mut hystart, ms(21)));
        assert!(!is_conservative(&hystart));
        for _ in 0..4 {
            assert!(!round(&mut hystart, ms(30)));
        }
        assert!(round(&mut hystart, ms(30)));
    }

    #[test]
    fn a_round_without_a_sample_compares_with_nothing() {
        let mut hystart = HyStart::default();
        round(&mut hystart, ms(20));
        hystart.on_round_end();
        round(&mut hystart, ms(90));
        assert!(!is_conservative(&hystart));
    }
}
