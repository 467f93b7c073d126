//! Which paths are counted on: timeouts, stale subflows, and those that hold up nothing but
//! themselves.
//!
//! A path can fail in two ways. Either its acknowledgments stop: then its retransmission timer
//! tells. Or they go on while the connection gets nothing, because something on the path answers
//! in the name of the peer: then the timer of the data level tells, and whoever carried the oldest
//! byte is to blame.

use super::Connection;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::{Duration, Instant};
use crate::mptcp::path_health::{PathEvent, PathHealth};
use crate::mptcp::subflow::Subflow;
use crate::wire::mptcp_option::ResetReason;

/// The pause before a stale path gets another chance: the first, and the longest.
const STALE_PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What of a subflow's data goes to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// What the subflow has not acknowledged: the rest has arrived.
    Unacknowledged,
    /// All that the connection has not acknowledged: what had arrived may be lost with it, as it
    /// may have waited for a mapping there.
    All,
}

impl Connection {
    /// Lets an event change what a path is good for, and does what follows.
    pub(super) fn path_event(&mut self, now: Instant, index: usize, event: PathEvent) {
        let subflow = &mut self.subflows[index];
        let before = subflow.health;
        subflow.health = before.next(event);
        match (before, subflow.health) {
            (PathHealth::Working, PathHealth::Stalled) => {
                // Only the first timeout moves its data: what it has sent since then went nowhere
                // else.
                self.move_data_away(now, index, Moved::Unacknowledged);
            }
            (PathHealth::Working | PathHealth::Stalled, PathHealth::Stale) => {
                self.count(MptcpCounter::SubflowStale);
                self.move_data_away(now, index, Moved::All);
                let pause = self.stale_pause(index);
                let subflow = &mut self.subflows[index];
                subflow.times_stale += 1;
                subflow.retry_at = Some(now + pause);
            }
            (PathHealth::Stale, PathHealth::Working) => {
                self.count(MptcpCounter::SubflowRecover);
                self.subflows[index].retry_at = None;
            }
            _ => {}
        }
    }

    /// Twice as long each time that it came to nothing.
    fn stale_pause(&self, index: usize) -> Duration {
        let (first, longest) = STALE_PAUSE;
        first
            .saturating_mul(1 << self.subflows[index].times_stale.min(10))
            .min(longest)
    }

    /// The retransmission timer of a subflow expired: its path may be broken.
    pub(super) fn subflow_timed_out(&mut self, now: Instant, index: usize) {
        if !self.has_other_usable(index) || !self.subflows[index].is_established() {
            return;
        }
        let timeouts = self.subflows[index].tcb.rtt.backoffs();
        let event = if self.is_too_often(timeouts) {
            PathEvent::NoProgress
        } else {
            PathEvent::TimedOut
        };
        self.path_event(now, index, event);
    }

    fn is_too_often(&self, periods: u32) -> bool {
        (1..=periods).contains(&self.config.stale_loss_count)
    }

    /// A period of the data-level timer has passed without a DATA_ACK: whoever carried the oldest
    /// byte may be a path that swallows it. It is better sent elsewhere.
    pub(super) fn blame_carriers(&mut self, now: Instant) {
        let una = self.send.una();
        for index in 0..self.subflows.len() {
            let subflow = &mut self.subflows[index];
            subflow.is_avoided = subflow.is_usable() && subflow.sent.carries(una);
            if !subflow.is_avoided {
                continue;
            }
            subflow.data_timeouts += 1;
            let periods = subflow.data_timeouts;
            if self.is_too_often(periods) && self.has_other_usable(index) {
                self.path_event(now, index, PathEvent::NoProgress);
            }
        }
    }

    /// Mappings whose bytes are acknowledged at both levels are forgotten. A path whose data was
    /// acknowledged without having been sent elsewhere delivers.
    pub(super) fn release_mappings(&mut self) {
        let una = self.send.una();
        for subflow in &mut self.subflows {
            if subflow.sent.release_before(subflow.tcb.snd_una, una) {
                subflow.data_timeouts = 0;
                subflow.times_stale = 0;
            }
        }
    }

    /// When something is to be done about a path that does not work.
    pub(super) fn path_deadline(&self, index: usize) -> Option<Instant> {
        let subflow = &self.subflows[index];
        if subflow.health == PathHealth::Working || subflow.is_closed() {
            return None;
        }
        [subflow.retry_at, self.stuck_until(index)]
            .into_iter()
            .flatten()
            .min()
    }

    /// When a subflow is given up because all that it still has to deliver has arrived by other
    /// paths (RFC 6824 §3.3.6 binds it to go on until then).
    fn stuck_until(&self, index: usize) -> Option<Instant> {
        let subflow = &self.subflows[index];
        let since = subflow.tcb.waiting_since?;
        let limit = self.config.stuck_subflow_timeout?;
        let stuck = subflow.is_established()
            && !subflow.tcb.is_all_acknowledged()
            && subflow.sent.end() <= self.send.una()
            && self.has_other_usable(index);
        stuck.then(|| since + limit)
    }

    pub(super) fn handle_path_deadline(&mut self, now: Instant, index: usize) {
        if self.stuck_until(index).is_some_and(|at| at <= now) {
            // RFC 8684 §3.6: too much outstanding data.
            self.reset_subflow(now, index, ResetReason::TooMuchOutstandingData);
            return;
        }
        if self.subflows[index].retry_at.is_none_or(|at| at > now) {
            return;
        }
        let pause = self.stale_pause(index);
        let limit = self.config.stale_loss_count;
        let subflow = &mut self.subflows[index];
        if subflow.tcb.is_all_acknowledged() {
            // One more period without a DATA_ACK, and it is stale again.
            subflow.data_timeouts = limit.saturating_sub(1);
            self.path_event(now, index, PathEvent::Retry);
        } else {
            // Its own retransmissions will tell.
            subflow.retry_at = Some(now + pause);
        }
    }

    /// What a subflow carries and the peer has not at the data level goes to the others
    /// (RFC 6824 §3.3.6). The subflow's own obligation stays.
    pub(super) fn move_data_away(&mut self, now: Instant, index: usize, moved: Moved) {
        if self.sending_session().is_none() {
            return;
        }
        let Subflow { sent, tcb, .. } = &mut self.subflows[index];
        for mapping in sent.iter_mut() {
            if moved == Moved::All || mapping.end().after(tcb.snd_una) {
                mapping.sent_elsewhere = true;
                self.send.reinject(mapping.range());
            }
        }
        self.arm_data_timer(now);
    }
}
