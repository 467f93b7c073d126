//! How a connection ends: in order, or because nobody answers.
//!
//! Owns the end of each direction, what the application's letting go means, and every limit to
//! waiting for the peer. Ending at once is told to the peer in `fastclose`.

use super::fastclose::Fastclose;
use super::{Connection, Effect};
use crate::base::error::{CloseReason, WriteError};
use crate::base::id::SubflowId;
use crate::base::time::{Duration, Instant};
use crate::mptcp::data_send::DataFin;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::state::{DataEvent, DataState};
use crate::mptcp::subflow::Subflow;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::{MpTcpRst, ResetReason};

impl Connection {
    /// Ends the sending direction behind what was written.
    pub fn shutdown(&mut self, now: Instant) -> Result<(), WriteError> {
        if let Some(reason) = self.closed {
            return Err(WriteError::Closed(reason));
        }
        self.transition(DataEvent::SendDataFin);
        self.send.finish();
        self.arm_data_timer(now);
        Ok(())
    }

    /// Changes what becomes of undelivered data when the application lets go of the connection.
    pub fn set_linger(&mut self, linger: Option<Duration>) {
        self.config.linger = linger;
    }

    /// The application is done with the connection.
    pub fn release(&mut self, now: Instant) {
        self.released = true;
        if self.closed.is_some() {
            return;
        }
        // RFC 1122 §4.2.2.13: unread data must not look delivered.
        let unread = self.receive.readable() > 0;
        if unread || self.config.linger == Some(Duration::ZERO) {
            self.abort(now, CloseReason::Aborted);
            return;
        }
        // A connection that has ended is not an error here.
        let _ = self.shutdown(now);
        self.deadlines.linger = self.config.linger.and_then(|limit| deadline(now, limit));
        self.limit_undelivered(now);
        if self.is_bereft {
            self.limit_survival(now);
        }
    }

    /// A bare DATA_FIN may go out on this subflow. As it takes no room in a subflow's stream, one
    /// that is closing will do if no other works.
    pub(super) fn carries_data_fin(&self, index: usize) -> bool {
        let subflow = &self.subflows[index];
        let any_usable = || self.subflows.iter().any(Subflow::is_usable);
        subflow.is_usable() || (subflow.can_signal() && !any_usable())
    }

    /// Our DATA_FIN may have been acknowledged.
    pub(super) fn check_fin_acknowledged(&mut self) {
        if self.send.fin() != DataFin::Acknowledged {
            return;
        }
        let before = self.state;
        self.transition(DataEvent::DataFinAcknowledged);
        if self.state != before {
            self.deadlines.linger = None;
            self.effects.push_back(Effect::Flushed);
            self.check_finished();
        }
    }

    /// Closes subflows once our DATA_FIN is acknowledged (RFC 6824 §3.3.3), and tells the
    /// application once both directions are finished.
    pub(super) fn check_finished(&mut self) {
        if self.send.fin() == DataFin::Acknowledged && self.sending_session().is_some() {
            self.close_subflows_wanted = true;
        }
        if self.state.is_finished() && self.closed.is_none() {
            self.closed = Some(CloseReason::Finished);
            self.effects
                .push_back(Effect::Closed(CloseReason::Finished));
            self.wake_reader();
        }
    }

    /// Our direction is finished and the peer's is not: subflows are half-closed for as long as
    /// the application wants to read.
    fn is_half_closed(&self) -> bool {
        self.send.fin() == DataFin::Acknowledged && !self.receive.is_finished()
    }

    /// A peer that never finishes, or whose last FIN was lost with its path, must not keep a
    /// connection that nobody uses.
    pub(super) fn limit_waiting_for_the_peer(&mut self, now: Instant) {
        let abandoned = self.released && self.state == DataState::FinWait2;
        let open = || {
            self.subflows
                .iter()
                .any(|s| !s.is_closed() && s.tcb.state != TcpState::TimeWait)
        };
        if self.deadlines.finish.is_none() && (abandoned || (self.state.is_finished() && open())) {
            self.deadlines.finish = deadline(now, self.config.fin_timeout);
        }
    }

    /// Data that nobody waits for any more is delivered as long as the peer takes some of it within
    /// the user timeout: a peer that keeps its window closed is borne only by an application.
    pub(super) fn limit_undelivered(&mut self, now: Instant) {
        self.deadlines.undelivered = if self.released && self.send.fin() != DataFin::Acknowledged {
            deadline(now, self.config.user_timeout)
        } else {
            None
        };
    }

    /// The last subflow is gone: a new one may revive the connection until this expires
    /// (protocol reference 3.9).
    pub(super) fn limit_survival(&mut self, now: Instant) {
        let limit = if self.released {
            self.config.close_timeout.min(self.config.fin_timeout)
        } else {
            self.config.close_timeout
        };
        let limit = deadline(now, limit);
        let known = self.deadlines.revival;
        // What an application had that is gone by now may end sooner, never later.
        self.deadlines.revival = [known, limit].into_iter().flatten().min();
    }

    /// A subflow that we have closed in order (FIN-WAIT-2) is quiet for too long: the peer does not
    /// mean to use its direction, and never ends it. One of a half-closed connection may be quiet
    /// for as long as the application wants.
    pub(super) fn handle_quiet_subflow(&mut self, now: Instant, index: usize) {
        let subflow = &mut self.subflows[index];
        if subflow.quiet_until.is_none_or(|until| until > now) {
            return;
        }
        subflow.quiet_until = None;
        if subflow.tcb.state == TcpState::FinWait2 && !self.is_half_closed() {
            self.reset_subflow(now, index, ResetReason::Unspecified);
        }
    }

    /// A segment has come on a subflow: if only the peer's direction of it is open, it is not
    /// quiet.
    pub(super) fn note_half_open_subflow(&mut self, now: Instant, index: usize) {
        let subflow = &mut self.subflows[index];
        if subflow.tcb.state == TcpState::FinWait2 {
            subflow.quiet_until = deadline(now, self.config.fin_timeout);
        }
    }

    /// Waiting for the peer is over.
    pub(super) fn handle_closing_timeouts(&mut self, now: Instant) {
        if take_due(&mut self.deadlines.fastclose, now) {
            self.fastclose_timed_out(now);
        }
        if take_due(&mut self.deadlines.revival, now) {
            self.end(now, CloseReason::AllPathsLost);
        }
        if take_due(&mut self.deadlines.finish, now) {
            if self.state.is_finished() {
                self.end(now, CloseReason::Finished);
            } else {
                self.abort(now, CloseReason::TimedOut);
            }
        }
        if take_due(&mut self.deadlines.linger, now) {
            self.abort(now, CloseReason::Aborted);
        }
        if take_due(&mut self.deadlines.undelivered, now) {
            self.abort(now, CloseReason::TimedOut);
        }
    }

    /// The connection is over for the application; subflows that are open are reset, unless it
    /// ended in order.
    pub(super) fn end(&mut self, now: Instant, reason: CloseReason) {
        let orderly =
            reason == CloseReason::Finished && self.subflows.iter().all(|s| s.is_closed());
        if !orderly {
            self.reset_open_subflows(None);
        }
        if reason != CloseReason::Finished {
            self.transition(DataEvent::Reset);
            if self.closed != Some(CloseReason::Finished) {
                self.drop_data();
            }
        }
        if matches!(self.fastclose, Fastclose::Waiting { .. }) {
            self.fastclose = Fastclose::None;
        }
        self.tell_end(reason);
        self.close_silent_subflows(now);
    }

    /// Lets every subflow that is open end with RST, but for one that is spared.
    pub(super) fn reset_open_subflows(&mut self, spared: Option<SubflowId>) {
        // TIME-WAIT is quiet: both sides have finished there.
        let open = |s: &&mut Subflow| !s.is_closed() && s.tcb.state != TcpState::TimeWait;
        let reset = self.subflows.iter_mut().filter(open);
        for subflow in reset.filter(|subflow| Some(subflow.id) != spared) {
            subflow.ends_for(SubflowCloseReason::ConnectionEnded);
            subflow.reset_with = Some(MpTcpRst {
                transient: false,
                reason: ResetReason::Unspecified,
            });
        }
    }

    pub(super) fn drop_data(&mut self) {
        self.send.clear();
        self.receive.clear();
    }

    /// Tells the application, once, and stops all deadlines.
    pub(super) fn tell_end(&mut self, reason: CloseReason) {
        self.deadlines = super::Deadlines::default();
        if self.closed.is_none() {
            self.closed = Some(reason);
            self.effects.push_back(Effect::Closed(reason));
            self.wake_reader();
            if core::mem::take(&mut self.writer_waits) {
                self.effects.push_back(Effect::Writable);
            }
        }
    }

    /// Subflows that never got beyond their SYN, or cannot send any more, end without a word.
    pub(super) fn close_silent_subflows(&mut self, now: Instant) {
        for index in 0..self.subflows.len() {
            let subflow = &mut self.subflows[index];
            let silent = !subflow.link_up || !subflow.tcb.state.is_synchronized();
            if subflow.reset_with.is_some() && !subflow.is_closed() && silent {
                subflow.tcb.close_at_once();
                self.subflow_closed(now, index);
            }
        }
    }
}

/// When a limit is reached that begins now; `Duration::MAX` stands for never.
fn deadline(now: Instant, limit: Duration) -> Option<Instant> {
    (limit != Duration::MAX).then(|| now + limit)
}

/// Clears a deadline and returns true if it is due.
pub(super) fn take_due(deadline: &mut Option<Instant>, now: Instant) -> bool {
    let due = deadline.is_some_and(|at| at <= now);
    if due {
        *deadline = None;
    }
    due
}
