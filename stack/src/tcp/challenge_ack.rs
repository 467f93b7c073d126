//! How many acknowledgments a stranger can make us send: challenge ACKs (RFC 5961 §7) and replies
//! to segments that are not acceptable (RFC 9293 §3.10.7.4, first).
//!
//! Owns the budgets of one connection and nothing else. There is no counter of the whole host:
//! somebody off the path could read off it whether a guess at another connection was right
//! (CVE-2016-5696). The size and the length of each period come from the connection's seed, so
//! that the budget cannot be predicted from outside either.

use crate::base::time::{Duration, Instant};

/// Challenge ACKs in a period: at least this many, plus a draw of up to [`CHALLENGES_SPREAD`].
const CHALLENGES: u64 = 5;
const CHALLENGES_SPREAD: u64 = 6;
/// Length of a period: at least this, plus a draw of up to [`PERIOD_SPREAD_MILLIS`].
const PERIOD_MILLIS: u64 = 500;
const PERIOD_SPREAD_MILLIS: u64 = 1000;
/// Replies to unacceptable segments without sequence space are this far apart, as those of Linux
/// (`tcp_invalid_ratelimit`): two hosts with different views would acknowledge each other forever.
const INVALID_INTERVAL: Duration = Duration::from_millis(500);
/// Probes (RFC 9293 §3.8.4, §3.8.6.1) answered at once within [`INVALID_INTERVAL`].
const PROBES: u32 = 8;

/// The budgets of one connection.
#[derive(Clone, Copy, Debug)]
pub struct AckLimits {
    /// State of the generator.
    seed: u64,
    /// End of the current period of challenges.
    period_end: Instant,
    challenges_left: u64,
    /// No reply to an unacceptable segment before this.
    silent_until: Instant,
    /// The same for probes beyond [`PROBES`].
    probes_until: Instant,
    probes_left: u32,
    challenges_sent: u64,
}

impl AckLimits {
    /// Budgets drawn from the seed of the connection.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            period_end: Instant::ZERO,
            challenges_left: 0,
            silent_until: Instant::ZERO,
            probes_until: Instant::ZERO,
            probes_left: 0,
            challenges_sent: 0,
        }
    }

    /// Whether a challenge ACK may be sent now; if so, it counts.
    pub fn allow_challenge(&mut self, now: Instant) -> bool {
        if now >= self.period_end {
            self.challenges_left = CHALLENGES + self.draw() % CHALLENGES_SPREAD;
            let length = PERIOD_MILLIS + self.draw() % PERIOD_SPREAD_MILLIS;
            self.period_end = now + Duration::from_millis(length);
        }
        let allowed = self.challenges_left > 0;
        if allowed {
            self.challenges_left -= 1;
            self.challenges_sent += 1;
        }
        allowed
    }

    /// Whether an unacceptable segment without sequence space may be answered now.
    pub fn allow_invalid(&mut self, now: Instant) -> bool {
        let allowed = now >= self.silent_until;
        if allowed {
            self.silent_until = now + INVALID_INTERVAL;
        }
        allowed
    }

    /// Whether a probe may be answered now: always, unless they come in a flood.
    pub fn allow_probe(&mut self, now: Instant) -> bool {
        if now >= self.probes_until {
            self.probes_until = now + INVALID_INTERVAL;
            self.probes_left = PROBES;
        }
        let allowed = self.probes_left > 0;
        self.probes_left = self.probes_left.saturating_sub(1);
        allowed
    }

    /// Challenge ACKs so far.
    #[must_use]
    pub const fn challenges_sent(&self) -> u64 {
        self.challenges_sent
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): small, and nobody sees its output.
    const fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Challenges allowed within `millis`, with an attempt in each millisecond.
    fn allowed_within(limits: &mut AckLimits, start: u64, millis: u64) -> u64 {
        (start..start + millis)
            .map(|at| u64::from(limits.allow_challenge(Instant::from_millis(at))))
            .sum()
    }

    #[test]
    fn challenges_are_few_and_their_number_is_not_known_from_outside() {
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let mut limits = AckLimits::new(seed);
            let first = allowed_within(&mut limits, 7, PERIOD_MILLIS);
            assert!((5..=10).contains(&first), "{first}");
            let total = first + allowed_within(&mut limits, 7 + PERIOD_MILLIS, 10_000);
            assert!((30..=210).contains(&total), "{total}");
            assert_eq!(limits.challenges_sent(), total);
            seen.insert((first, total));
        }
        assert!(seen.len() > 50, "budgets differ between connections");
    }

    #[test]
    fn the_same_seed_gives_the_same_budget() {
        let budget = |seed| allowed_within(&mut AckLimits::new(seed), 0, 20_000);
        assert_eq!(budget(42), budget(42));
    }

    #[test]
    fn invalid_segments_are_answered_twice_a_second_and_probes_at_once() {
        let mut limits = AckLimits::new(0);
        let at = Instant::from_millis;
        assert!(limits.allow_invalid(at(1000)));
        assert!(!limits.allow_invalid(at(1499)));
        assert!(limits.allow_invalid(at(1500)));
        let answered = (0..20).filter(|_| limits.allow_probe(at(1500))).count();
        assert_eq!(answered, PROBES as usize);
        assert!(limits.allow_probe(at(2000)));
    }
}
