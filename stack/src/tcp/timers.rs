//! Timers as data: a deadline for each purpose, no callbacks.

use crate::base::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Timer {
    /// The oldest unacknowledged segment is sent again (RFC 6298).
    Retransmit,
    /// A probe for the loss of the tail goes out (RFC 8985 §7).
    LossProbe,
    /// A segment that was overtaken counts as lost (RFC 8985 §6.2, step 5).
    Reordering,
    /// A pause of the pacer is over.
    Pacing,
    /// A delayed acknowledgment is sent (RFC 9293 §3.8.6.3).
    DelayedAck,
    /// TIME-WAIT ends (RFC 9293 §3.6.1).
    TimeWait,
    /// The peer may have been silent for too long (RFC 9293 §3.8.4).
    Keepalive,
    /// A segment that a router called too big has shown no progress (RFC 5927 §7.2).
    PathMtu,
}

impl Timer {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Retransmit,
        Self::LossProbe,
        Self::Reordering,
        Self::Pacing,
        Self::DelayedAck,
        Self::TimeWait,
        Self::Keepalive,
        Self::PathMtu,
    ];
}

/// The deadlines that are set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timers([Option<Instant>; Timer::ALL.len()]);

impl Timers {
    /// Sets a timer, replacing its deadline.
    pub fn set(&mut self, timer: Timer, deadline: Instant) {
        self.0[timer as usize] = Some(deadline);
    }

    /// Sets or stops a timer.
    pub fn put(&mut self, timer: Timer, deadline: Option<Instant>) {
        self.0[timer as usize] = deadline;
    }

    /// The deadline of a timer that runs.
    #[must_use]
    pub fn get(&self, timer: Timer) -> Option<Instant> {
        self.0[timer as usize]
    }

    /// Stops a timer.
    pub fn clear(&mut self, timer: Timer) {
        self.0[timer as usize] = None;
    }

    /// Stops them all.
    pub fn clear_all(&mut self) {
        *self = Self::default();
    }

    /// True if the timer runs.
    #[must_use]
    pub fn is_set(&self, timer: Timer) -> bool {
        self.0[timer as usize].is_some()
    }

    /// Stops the timer and returns true if it is due.
    pub fn take_due(&mut self, timer: Timer, now: Instant) -> bool {
        let due = self.0[timer as usize].is_some_and(|deadline| deadline <= now);
        if due {
            self.clear(timer);
        }
        due
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }
}
