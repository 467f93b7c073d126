//! What is due: the timers of a connection that expire, in the order in which they matter.
//!
//! Owns the give-up time, and when the tail is probed. What an expiry means for losses is in
//! `loss`, what is sent because of it in `transmit`.

use super::loss::{on_reordering_timeout, on_timeout};
use super::recovery::Recovery;
use super::state::TcpEvent;
use super::tail_loss::TailLoss;
use super::tcb::Tcb;
use super::timers::Timer;
use crate::base::time::{Duration, Instant};

/// A due timer that concerns the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing special.
    Nothing,
    /// A retransmission timeout: the path may be broken.
    Timeout,
    /// No acknowledgment for the whole user timeout.
    GivenUp,
    /// TIME-WAIT is over.
    TimeWaitOver,
}

impl Tcb {
    /// Does what is due, except sending.
    pub fn handle_timeout(&mut self, now: Instant) -> Expired {
        if self.timers.take_due(Timer::TimeWait, now) {
            self.transition(TcpEvent::TimeWaitOver);
            return Expired::TimeWaitOver;
        }
        if self.timers.take_due(Timer::DelayedAck, now) && self.ack.is_delayed() {
            self.ack.require_now();
        }
        // Its end is seen by whoever sends next.
        self.timers.take_due(Timer::Pacing, now);
        if self.timers.take_due(Timer::Reordering, now) {
            on_reordering_timeout(self, now);
        }
        if self.timers.take_due(Timer::LossProbe, now) && self.may_probe() {
            // RFC 8985 §7.3: the probe takes the place of a timeout that is due as well.
            self.tail_loss = TailLoss::Due;
            self.timers.set(Timer::Retransmit, now + self.rtt.rto());
        }
        if self.timers.take_due(Timer::PathMtu, now) {
            self.path_mtu_timed_out(now);
        }
        if !self.timers.take_due(Timer::Retransmit, now) || self.scoreboard.is_empty() {
            return Expired::Nothing;
        }
        let waited = self
            .waiting_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if waited >= self.config.user_timeout {
            return Expired::GivenUp;
        }
        if self.paused && self.state.is_synchronized() {
            self.timers.set(Timer::Retransmit, now + self.rtt.rto());
            return Expired::Nothing;
        }
        self.counters.timeouts += 1;
        on_timeout(self, now);
        self.path_mtu_on_timeout(now);
        self.timers.set(Timer::Retransmit, now + self.rtt.rto());
        Expired::Timeout
    }

    /// The path is known not to work: that nothing is acknowledged now tells nothing of
    /// congestion or of sizes.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// The path works again: what was sent meanwhile is sent again at once instead of after the
    /// timeout.
    pub fn resume(&mut self, now: Instant) {
        self.paused = false;
        if !self.scoreboard.is_empty() {
            on_timeout(self, now);
            self.rtt.progress();
            self.timers.set(Timer::Retransmit, now + self.rtt.rto());
        }
    }

    /// The conditions of RFC 8985 §7.2 for a tail loss probe: nothing suggests a loss yet, and no
    /// probe is out.
    fn may_probe(&self) -> bool {
        self.negotiated.sack
            && self.state.is_synchronized()
            && self.recovery == Recovery::Open
            && self.tail_loss == TailLoss::Idle
            && self.scoreboard.sacked() == 0
            && self.scoreboard.lost() == 0
            && !self.scoreboard.is_empty()
    }

    /// Starts the timer of the tail loss probe, or stops it if none is to be sent.
    pub(super) fn schedule_probe(&mut self, now: Instant) {
        let deadline = self.may_probe().then(|| {
            let alone = self.scoreboard.len() == 1;
            let retransmit_at = self.timers.get(Timer::Retransmit);
            TailLoss::deadline(now, &self.rtt, alone, retransmit_at)
        });
        self.timers.put(Timer::LossProbe, deadline);
    }
}
