//! The time of a host: the machine's, or one that moves only when it is told to.
//!
//! The module owns the current moment and how it looks to `gettimeofday`. It does not decide when
//! virtual time moves.

use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};
use umptcp_stack::Instant;

/// Which clock a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TimeMode {
    /// The machine's.
    #[default]
    Real,
    /// One that stands still between calls.
    Virtual,
}

/// Where virtual time begins, in seconds since 1970: the same in every run.
const VIRTUAL_EPOCH: u64 = 1_000_000_000;
const MICROS: u64 = 1_000_000;

#[derive(Debug)]
enum Kind {
    Real(Monotonic),
    Virtual(Instant),
}

/// A clock.
#[derive(Debug)]
pub struct Clock {
    kind: Kind,
    /// Microseconds since 1970 at the stack's origin.
    epoch: u64,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn new(mode: TimeMode) -> Self {
        match mode {
            TimeMode::Real => Self {
                kind: Kind::Real(Monotonic::now()),
                // A machine whose clock is before 1970 counts from there.
                epoch: SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .ok()
                    .and_then(|since| u64::try_from(since.as_micros()).ok())
                    .unwrap_or(0),
            },
            TimeMode::Virtual => Self {
                kind: Kind::Virtual(Instant::ZERO),
                epoch: VIRTUAL_EPOCH * MICROS,
            },
        }
    }

    /// Time moves only by [`Self::advance_to`].
    #[must_use]
    pub const fn is_virtual(&self) -> bool {
        matches!(self.kind, Kind::Virtual(_))
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.kind {
            Kind::Real(start) => {
                let passed = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
                Instant::from_nanos(passed)
            }
            Kind::Virtual(now) => *now,
        }
    }

    /// Moves virtual time forward; never back, and real time not at all.
    pub fn advance_to(&mut self, moment: Instant) {
        if let Kind::Virtual(now) = &mut self.kind {
            *now = moment.max(*now);
        }
    }

    /// A moment in microseconds since 1970.
    #[must_use]
    pub const fn micros(&self, moment: Instant) -> u64 {
        self.epoch.saturating_add(moment.as_nanos() / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_time_moves_only_forward_and_when_told() {
        let mut clock = Clock::new(TimeMode::Virtual);
        let start = clock.now();
        assert_eq!(clock.micros(start), VIRTUAL_EPOCH * MICROS);
        clock.advance_to(Instant::from_millis(5));
        clock.advance_to(Instant::from_millis(3));
        assert_eq!(clock.now(), Instant::from_millis(5));
        assert_eq!(clock.micros(clock.now()) - clock.micros(start), 5_000);
    }

    #[test]
    fn real_time_is_the_machines() {
        let clock = Clock::new(TimeMode::Real);
        let before = clock.now();
        assert!(clock.now() >= before);
        assert!(clock.micros(before) > VIRTUAL_EPOCH * MICROS);
    }
}
