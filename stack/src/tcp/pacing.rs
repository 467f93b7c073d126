//! Pacing: a window is spread over its round trip instead of leaving in one burst.
//!
//! Owns when the next segment may leave. The rate follows from the congestion window and the
//! smoothed round-trip time; there is no pacing before the first sample. A cap of the application
//! holds from the start, and also where nothing else is paced.

use crate::base::num::saturating_usize;
use crate::base::time::{Duration, Instant};
use core::num::NonZeroU64;

/// A burst is as long as this, or two segments if those take longer: what the drivers' timers
/// can tell apart.
const BURST: Duration = Duration::from_millis(1);
/// A timer that is late by no more than this costs no rate.
const TIMER_SLACK: Duration = Duration::from_millis(4);
/// In slow start the rate is twice what the window gives, so that it can double; later it leaves
/// a fifth for what waits.
const SLOW_START_PERCENT: u64 = 200;
const AVOIDANCE_PERCENT: u64 = 120;
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// When the next segment may leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pacer {
    /// Bytes per second that the window gives; 0 before there is a round-trip time.
    window_rate: u64,
    /// The application allows no more than this, whatever the window gives.
    cap: Option<NonZeroU64>,
    /// When all that was sent has had its time.
    busy_until: Instant,
    /// When the pause that holds sending back is over.
    resume_at: Option<Instant>,
    /// The timer that ended the pause was late: its delay is made up for.
    catching_up: bool,
}

impl Pacer {
    /// Paces nothing until there is a rate or a cap.
    #[must_use]
    pub fn new(cap: Option<u64>) -> Self {
        Self {
            cap: cap.map(at_least_one),
            ..Self::default()
        }
    }

    /// Changes the cap. What was sent under the old one has had its time.
    pub fn set_cap(&mut self, now: Instant, cap: Option<u64>) {
        self.cap = cap.map(at_least_one);
        self.busy_until = self.busy_until.min(now);
        self.resume_at = None;
        self.catching_up = false;
    }

    /// The window or the round-trip time changed.
    pub fn set_rate(&mut self, cwnd: usize, srtt: Option<Duration>, slow_start: bool) {
        let Some(srtt) = srtt else {
            return;
        };
        let percent = if slow_start {
            SLOW_START_PERCENT
        } else {
            AVOIDANCE_PERCENT
        };
        let nanos = u64::try_from(srtt.as_nanos()).unwrap_or(u64::MAX).max(1);
        // Windows stay below 2³¹: the product fits.
        let scaled = (cwnd as u64 * percent / 100).saturating_mul(SECOND);
        self.window_rate = (scaled / nanos).max(1);
    }

    /// Bytes per second; 0 while nothing is paced.
    #[must_use]
    pub fn rate(&self) -> u64 {
        match (self.window_rate, self.cap) {
            (rate, None) => rate,
            (0, Some(cap)) => cap.get(),
            (rate, Some(cap)) => rate.min(cap.get()),
        }
    }

    /// Bytes that may leave now: nothing during a pause, and otherwise what is left of a burst,
    /// a segment at least.
    #[must_use]
    pub fn budget(&self, now: Instant, mss: usize) -> usize {
        if self.rate() == 0 {
            return usize::MAX;
        }
        let limit = now + self.burst(mss);
        let left = limit
            .as_nanos()
            .saturating_sub(self.busy_until(now).as_nanos());
        if left == 0 || self.resume_at.is_some_and(|at| at > now) {
            return 0;
        }
        // A burst is milliseconds, or two segments: the product fits.
        saturating_usize(left.saturating_mul(self.rate()) / SECOND).max(mss)
    }

    /// Bytes left.
    pub fn on_sent(&mut self, now: Instant, len: usize) {
        if self.rate() == 0 {
            return;
        }
        if let Some(at) = self.resume_at.take() {
            self.catching_up = at + TIMER_SLACK > now;
        }
        self.busy_until = self.busy_until(now) + self.time_for(len);
        self.catching_up &= self.busy_until < now;
    }

    /// Time in which nothing was sent is not made up for, but the delay of a timer is.
    fn busy_until(&self, now: Instant) -> Instant {
        let since = if self.catching_up || self.resume_at.is_some() {
            now - TIMER_SLACK
        } else {
            now
        };
        self.busy_until.max(since)
    }

    /// Begins a pause if the burst is used up; returns when to go on.
    pub fn pause(&mut self, now: Instant, mss: usize) -> Option<Instant> {
        if self.budget(now, mss) > 0 {
            return None;
        }
        if self.resume_at.is_none_or(|at| at <= now) {
            // Half a burst at a time: fewer timers.
            let ahead = self.burst(mss) / 2;
            self.resume_at = Some((self.busy_until - ahead).max(now));
        }
        self.resume_at
    }

    fn burst(&self, mss: usize) -> Duration {
        BURST.max(self.time_for(2 * mss))
    }

    fn time_for(&self, len: usize) -> Duration {
        Duration::from_nanos((len as u64).saturating_mul(SECOND) / self.rate().max(1))
    }
}

/// A cap of nothing would be a stop without end.
fn at_least_one(cap: u64) -> NonZeroU64 {
    NonZeroU64::new(cap).unwrap_or(NonZeroU64::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 12 Mbit/s: a segment of 1500 bytes takes a millisecond.
    fn pacer() -> Pacer {
        let mut pacer = Pacer::default();
        pacer.set_rate(125_000, Some(Duration::from_millis(100)), false);
        assert_eq!(pacer.rate(), 1_500_000);
        pacer
    }

    /// Sends all that may leave at `now`; returns the segments.
    fn send(pacer: &mut Pacer, now: Instant) -> u32 {
        let mut sent = 0;
        while pacer.budget(now, 1500) > 0 {
            pacer.on_sent(now, 1500);
            sent += 1;
        }
        sent
    }

    #[test]
    fn bursts_are_short_and_the_rate_is_kept() {
        let mut pacer = pacer();
        let mut now = Instant::from_millis(1000);
        let mut sent = 0;
        let start = now;
        for _ in 0..100 {
            let burst = send(&mut pacer, now);
            assert!((1..=2).contains(&burst), "{burst}");
            sent += burst;
            now = pacer.pause(now, 1500).expect("the burst is used up");
        }
        let millis = now.saturating_duration_since(start).as_millis();
        let millis = u32::try_from(millis).unwrap();
        assert!(sent.abs_diff(millis) <= 3, "{sent} segments in {millis} ms");
    }

    #[test]
    fn a_late_timer_costs_no_rate_but_idle_time_is_not_made_up_for() {
        let mut pacer = pacer();
        let mut now = Instant::from_millis(1000);
        let start = now;
        let mut sent = 0;
        for _ in 0..100 {
            sent += send(&mut pacer, now);
            now = pacer.pause(now, 1500).unwrap() + Duration::from_millis(3);
        }
        let millis = now.saturating_duration_since(start).as_millis();
        let millis = u32::try_from(millis).unwrap();
        assert!(sent.abs_diff(millis) <= 6, "{sent} segments in {millis} ms");
        let later = now + Duration::from_secs(5);
        assert!(send(&mut pacer, later) <= 2, "no burst after a rest");
    }

    #[test]
    fn nothing_is_held_back_before_there_is_a_round_trip_time() {
        let mut pacer = Pacer::default();
        pacer.on_sent(Instant::ZERO, 100_000);
        assert_eq!(pacer.budget(Instant::ZERO, 1500), usize::MAX);
        assert_eq!(pacer.pause(Instant::ZERO, 1500), None);
    }

    #[test]
    fn a_cap_holds_before_and_below_the_rate_of_the_window() {
        let mut pacer = Pacer::new(Some(150_000));
        assert_eq!(pacer.rate(), 150_000, "nothing else is paced");
        pacer.set_rate(125_000, Some(Duration::from_millis(100)), false);
        assert_eq!(pacer.rate(), 150_000);
        let start = Instant::from_millis(1000);
        let mut now = start;
        let mut sent = 0;
        for _ in 0..50 {
            sent += send(&mut pacer, now);
            now = pacer.pause(now, 1500).expect("the burst is used up");
        }
        // A segment each 10 ms, and the first burst.
        let millis = now.saturating_duration_since(start).as_millis();
        assert!(u128::from(sent) <= millis / 10 + 3, "{sent} in {millis} ms");
        // A change counts at once, also in a pause that would be longer.
        pacer.set_cap(now, Some(0));
        assert_eq!(pacer.rate(), 1);
        send(&mut pacer, now);
        assert!(
            pacer
                .pause(now, 1500)
                .is_some_and(|at| at > now + Duration::from_secs(100))
        );
        pacer.set_cap(now, None);
        assert_eq!(pacer.rate(), 1_500_000);
        assert!(pacer.budget(now, 1500) > 0);
        pacer.set_cap(now, Some(2_000_000));
        assert_eq!(pacer.rate(), 1_500_000, "the window gives less");
    }
}
