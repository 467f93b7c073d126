//! MP_FASTCLOSE: a connection that ends at once (RFC 6824 §3.5, RFC 8684 §3.5).
//!
//! Owns both ways of sending it, FASTCLOSE_WAIT, and what a received one leads to. It never decides
//! that a connection is to end: see `closing`.
//!
//! Wherever it is received, TCP has accepted the segment before: the key alone closes nothing.

use super::{Connection, Interfaces};
use crate::base::config::{FastcloseMethod, Version};
use crate::base::error::CloseReason;
use crate::base::id::SubflowId;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::fallback::Step;
use crate::mptcp::outgoing_options::of_segment;
use crate::mptcp::state::{DataEvent, DataState};
use crate::mptcp::subflow::Subflow;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::{MptcpOption, ResetReason};
use crate::wire::packet::Transmit;
use crate::wire::tcp_option::TcpOptions;

/// RFC 6824 §3.5 recommends three.
const MAX_RETRANSMISSIONS: u32 = 3;

/// What MP_FASTCLOSE has to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fastclose {
    /// Nothing.
    None,
    /// FASTCLOSE_WAIT: ours goes out on acknowledgments until the peer answers.
    Waiting {
        /// The one subflow that was not reset.
        on: SubflowId,
        /// One is to be sent now.
        due: bool,
        /// How often the timer has had it sent again.
        retransmitted: u32,
    },
    /// The peer's has come: our RSTs answer it, and carry none.
    Received,
}

impl Connection {
    /// Ends the connection at once, as the application or a timer wants it. The peer learns that
    /// it is the whole connection from MP_FASTCLOSE; plain TCP has just its RST.
    pub fn abort(&mut self, now: Instant, reason: CloseReason) {
        if self.closed.is_some() {
            return;
        }
        // Whatever a peer would have answered to MP_FAIL: MPTCP is still spoken, and ends.
        self.step(Step::ForgetFailure);
        match self.fastclose_carrier() {
            Some(index) => self.wait_for_fastclose(now, index, reason),
            None => self.end(now, reason),
        }
    }

    /// The subflow whose acknowledgments are to carry MP_FASTCLOSE: the one that is most likely to
    /// work. None if RSTs do so, or if there is nobody who could understand it.
    fn fastclose_carrier(&self) -> Option<usize> {
        let method = match self.session()?.version {
            Version::V0 => FastcloseMethod::Acknowledgment,
            Version::V1 => self.config.fastclose,
        };
        let order = |subflow: &Subflow| {
            let rtt = subflow.tcb.rtt.srtt().unwrap_or_default();
            (!subflow.is_established(), subflow.is_stalled(), rtt)
        };
        match method {
            FastcloseMethod::Reset => None,
            FastcloseMethod::Acknowledgment => self
                .subflows
                .iter()
                .enumerate()
                .filter(|(_, subflow)| subflow.can_signal())
                .min_by_key(|(_, subflow)| order(subflow))
                .map(|(index, _)| index),
        }
    }

    /// Enters FASTCLOSE_WAIT. For the application it is over; RSTs close the other subflows.
    fn wait_for_fastclose(&mut self, now: Instant, index: usize, reason: CloseReason) {
        let on = self.subflows[index].id;
        self.transition(DataEvent::SendFastclose);
        self.fastclose = Fastclose::Waiting {
            on,
            due: true,
            retransmitted: 0,
        };
        self.signals.clear();
        self.reset_open_subflows(Some(on));
        self.drop_data();
        self.tell_end(reason);
        self.close_silent_subflows(now);
        let tcb = &mut self.subflows[index].tcb;
        // Its data is given up: nothing but MP_FASTCLOSE goes out here from now on.
        tcb.timers.clear_all();
        // Nor is the time for it that of what went unanswered before.
        tcb.rtt.progress();
        self.deadlines.fastclose = Some(now + tcb.rtt.rto());
    }

    /// No RST has come for a retransmission timeout (RFC 6824 §3.5). The wait doubles as that of
    /// TCP does (RFC 6298 §5.5).
    pub(super) fn fastclose_timed_out(&mut self, now: Instant) {
        let Fastclose::Waiting {
            on,
            due,
            retransmitted,
        } = &mut self.fastclose
        else {
            return;
        };
        let on = *on;
        let again = *retransmitted < MAX_RETRANSMISSIONS;
        if again {
            *due = true;
            *retransmitted += 1;
        }
        let doublings = *retransmitted;
        let Some(index) = self.position(on) else {
            return;
        };
        if again {
            let rto = self.subflows[index].tcb.rtt.rto();
            self.deadlines.fastclose = Some(now + rto.saturating_mul(1 << doublings));
            return;
        }
        // RFC 6824 §3.5: an RST clears what middleboxes still know; in version 1 it says once more
        // what it is about.
        self.leave_fastclose_wait();
        self.reset_subflow(now, index, ResetReason::Unspecified);
    }

    /// What goes out on the subflow of FASTCLOSE_WAIT: MP_FASTCLOSE, and also wherever TCP owes an
    /// acknowledgment. A peer that sends on has not heard of it.
    pub(super) fn poll_fastclose(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let Fastclose::Waiting { due, .. } = &mut self.fastclose else {
            return None;
        };
        let due = core::mem::take(due);
        let key = self.session()?.remote.key;
        let tcb = &mut self.subflows[index].tcb;
        if !due && !tcb.ack.is_due_now() {
            return None;
        }
        tcb.ack.goes_bare();
        let mut options = of_segment(tcb, now);
        // Twelve bytes beside the timestamps.
        let _ = options.mptcp(&MptcpOption::Fastclose(key));
        let outgoing = tcb.bare_ack();
        self.count(MptcpCounter::MpFastcloseTx);
        Some(self.emit(index, outgoing, &options, None, interfaces))
    }

    /// The connection is in FASTCLOSE_WAIT on this subflow.
    pub(super) fn waits_for_fastclose_on(&self, index: usize) -> bool {
        matches!(self.fastclose, Fastclose::Waiting { on, .. } if self.subflows[index].id == on)
    }

    /// A segment that TCP has accepted, in FASTCLOSE_WAIT: only MP_FASTCLOSE means anything.
    pub(super) fn process_in_fastclose_wait(&mut self, now: Instant, options: &TcpOptions) {
        if self.closes_fast(&options.mptcp) {
            // RFC 6824 §3.5: both sides gave up at the same time; each answers with RST.
            self.closed_by_fastclose(now);
        }
        self.check_fastclose_wait();
    }

    /// FASTCLOSE_WAIT ends with its subflow, by the peer's RST as a rule.
    pub(super) fn check_fastclose_wait(&mut self) {
        let Fastclose::Waiting { on, .. } = self.fastclose else {
            return;
        };
        let open = self.position(on).is_some_and(|index| {
            let state = self.subflows[index].tcb.state;
            !matches!(state, TcpState::Closed | TcpState::TimeWait)
        });
        if !open {
            self.leave_fastclose_wait();
        }
    }

    fn leave_fastclose_wait(&mut self) {
        self.fastclose = Fastclose::None;
        self.deadlines.fastclose = None;
        self.transition(DataEvent::Reset);
    }

    /// One of these options is MP_FASTCLOSE with our key. With another key it is ignored: on an
    /// acknowledgment that is all, and an RST closes its subflow as if the option were not there
    /// (RFC 6824 §3.5, RFC 8684 §3.5).
    pub(super) fn closes_fast(&self, options: &[MptcpOption]) -> bool {
        self.session().is_some_and(|session| {
            let key = session.local.key;
            let closes =
                |option: &MptcpOption| matches!(option, MptcpOption::Fastclose(k) if *k == key);
            options.iter().any(closes)
        })
    }

    /// The peer's MP_FASTCLOSE: every subflow that is open is reset, and the application learns
    /// that the peer has reset the connection.
    pub(super) fn closed_by_fastclose(&mut self, now: Instant) {
        self.count(MptcpCounter::MpFastcloseRx);
        self.fastclose = Fastclose::Received;
        self.end(now, CloseReason::ResetByPeer);
    }

    /// The MP_FASTCLOSE of an RST, if the RST ends the whole connection (RFC 8684 §3.5, option R).
    pub(super) fn fastclose_of_reset(&self) -> Option<MptcpOption> {
        let session = self.session()?;
        let by_us = match self.closed? {
            CloseReason::Aborted
            | CloseReason::TimedOut
            | CloseReason::AllPathsLost
            | CloseReason::ProtocolViolation => true,
            CloseReason::Finished
            | CloseReason::ResetByPeer
            | CloseReason::Refused
            | CloseReason::Unreachable(_) => false,
        };
        let whole =
            by_us && self.state == DataState::Closed && self.fastclose != Fastclose::Received;
        match session.version {
            // RFC 6824 knows it on acknowledgments only.
            Version::V0 => None,
            Version::V1 => whole.then_some(MptcpOption::Fastclose(session.remote.key)),
        }
    }
}
