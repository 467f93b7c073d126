//! How a connection ends: in order, at once, or because nobody answers.

use super::{Connection, Effect};
use crate::base::config::Version;
use crate::base::error::{CloseReason, WriteError};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::fallback::Step;
use crate::mptcp::state::{DataEvent, DataState};
use crate::mptcp::subflow::Subflow;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::{MpTcpRst, MptcpOption, ResetReason};

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

    /// The application is done with the connection.
    pub fn release(&mut self, now: Instant) {
        self.released = true;
        if self.closed.is_some() {
            return;
        }
        if self.receive.readable() > 0 {
            // RFC 1122 §4.2.2.13: unread data must not look delivered.
            self.abort(now, CloseReason::Aborted);
        } else {
            // A connection that has ended is not an error here.
            let _ = self.shutdown(now);
        }
    }

    /// Ends at once: RST on every subflow, with MP_FASTCLOSE for the connection
    /// (RFC 6824 §3.5, RFC 8684 §3.5).
    pub fn abort(&mut self, now: Instant, reason: CloseReason) {
        if self.closed.is_some() {
            return;
        }
        // Whatever a peer would have answered to MP_FAIL: MPTCP is still spoken, and ends.
        self.step(Step::ForgetFailure);
        if let Some((version, key)) = self.session().map(|s| (s.version, s.remote.key)) {
            for index in 0..self.subflows.len() {
                let id = self.subflows[index].id;
                if version == Version::V0 && self.subflows[index].can_signal() {
                    // Version 0 has it on an acknowledgment; the RST follows.
                    self.queue_signal(MptcpOption::Fastclose(key), Some(id));
                }
            }
        }
        self.end(now, reason);
    }

    /// The peer's MP_FASTCLOSE.
    pub(super) fn closed_by_fastclose(&mut self, now: Instant) {
        self.count(MptcpCounter::MpFastcloseRx);
        self.end(now, CloseReason::ResetByPeer);
    }

    /// Our DATA_FIN may have been acknowledged.
    pub(super) fn check_fin_acknowledged(&mut self) {
        if self.send.fin() != DataFin::Acknowledged {
            return;
        }
        let before = self.state;
        self.transition(DataEvent::DataFinAcknowledged);
        if self.state != before {
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

    /// A peer that never finishes, or whose last FIN was lost with its path, must not keep a
    /// connection that nobody uses.
    pub(super) fn limit_waiting_for_the_peer(&mut self, now: Instant) {
        let abandoned = self.released && self.state == DataState::FinWait2;
        let open = || {
            self.subflows
                .iter()
                .any(|s| !s.is_closed() && s.tcb.state != TcpState::TimeWait)
        };
        if abandoned || (self.state.is_finished() && open()) {
            let limit = now + self.config.close_timeout;
            self.deadlines.give_up.get_or_insert(limit);
        }
    }

    /// The connection is over for the application; subflows that are open are reset, unless it
    /// ended in order.
    pub(super) fn end(&mut self, now: Instant, reason: CloseReason) {
        let orderly =
            reason == CloseReason::Finished && self.subflows.iter().all(|s| s.is_closed());
        if !orderly {
            // TIME-WAIT is quiet: both sides have finished there.
            let open = |s: &&mut Subflow| !s.is_closed() && s.tcb.state != TcpState::TimeWait;
            for subflow in self.subflows.iter_mut().filter(open) {
                subflow.reset_with = Some(MpTcpRst {
                    transient: false,
                    reason: ResetReason::Unspecified,
                });
            }
        }
        if reason != CloseReason::Finished && self.closed != Some(CloseReason::Finished) {
            self.transition(DataEvent::Reset);
            self.send.clear();
            self.receive.clear();
        }
        self.deadlines = super::Deadlines::default();
        if self.closed.is_none() {
            self.closed = Some(reason);
            self.effects.push_back(Effect::Closed(reason));
            self.wake_reader();
            if core::mem::take(&mut self.writer_waits) {
                self.effects.push_back(Effect::Writable);
            }
        }
        // Subflows that never got beyond their SYN, or cannot send any more, end without a word.
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
