//! Opening, losing and closing subflows, and sending their data elsewhere.

use super::health::Moved;
use super::{Connection, Effect};
use crate::base::error::CloseReason;
use crate::base::id::{InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::{Duration, Instant};
use crate::mptcp::data_send::DataFin;
use crate::mptcp::fallback::Step;
use crate::mptcp::path_health::PathEvent;
use crate::mptcp::protocol::Protocol;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::state::DataEvent;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MptcpOption, ResetReason};
use crate::wire::tcp_option::TcpOptions;
use std::net::IpAddr;

/// Closed subflows that stay listed.
const MAX_CLOSED_SUBFLOWS: usize = 32;
/// While there is no subflow at all, a pair of addresses waits no longer than this to be tried
/// again, and each join is given up after so many SYNs without answer: what heals must be found
/// within a fraction of the close timeout.
pub(super) const MAX_REVIVAL_RETRY: Duration = Duration::from_secs(8);
pub(super) const REVIVAL_TRIES: u32 = 3;

impl Connection {
    /// The TCP connection of a subflow in TIME-WAIT.
    #[must_use]
    pub fn in_time_wait(&self, id: SubflowId) -> Option<&Tcb> {
        let tcb = &self.subflows[self.position(id)?].tcb;
        (tcb.state == TcpState::TimeWait).then_some(tcb)
    }

    /// Ends the quiet time of a subflow early: its addresses are wanted for a new one.
    pub fn end_time_wait(&mut self, now: Instant, id: SubflowId) {
        if let Some(index) = self.position(id)
            && self.subflows[index].tcb.state == TcpState::TimeWait
        {
            self.subflows[index].tcb.close_at_once();
            self.subflow_closed(now, index);
        }
    }

    /// Subflows that count against the configured limit. One whose interface is down leaves its
    /// place to another path, and goes on should the interface come back.
    pub(super) fn reachable_subflows(&self) -> impl Iterator<Item = &Subflow> {
        self.subflows
            .iter()
            .filter(|subflow| !subflow.is_closed() && subflow.link_up)
    }

    /// Another subflow works, so this one can be spared.
    pub(super) fn has_other_usable(&self, index: usize) -> bool {
        let others = self
            .subflows
            .iter()
            .enumerate()
            .filter(|&(other, _)| other != index);
        others.into_iter().any(|(_, subflow)| subflow.is_usable())
    }

    /// Forgets joins that came to nothing without a word why, and the oldest of many closed subflows. The initial one
    /// stays: it names the connection.
    pub(super) fn prune_subflows(&mut self) {
        let mut closed = self
            .subflows
            .iter()
            .filter(|subflow| subflow.is_closed())
            .count();
        let mut first = true;
        self.subflows.retain(|subflow| {
            let initial = core::mem::take(&mut first);
            let silent = !subflow.ever_established && subflow.reset_reason.is_none();
            let useless = silent || closed > MAX_CLOSED_SUBFLOWS;
            let forget = !initial && subflow.is_closed() && subflow.closed.is_some() && useless;
            closed -= usize::from(forget);
            !forget
        });
    }

    pub(super) fn live_subflows(&self) -> usize {
        self.subflows
            .iter()
            .filter(|subflow| !subflow.is_closed())
            .count()
    }

    /// A valid RST arrived on a subflow.
    pub(super) fn reset_received(&mut self, now: Instant, index: usize, options: &TcpOptions) {
        self.step(Step::ForgetFailure);
        let failed = |option: &MptcpOption| matches!(option, MptcpOption::Fail(_));
        if self.protocol.session().is_some() && options.mptcp.iter().any(failed) {
            self.count(MptcpCounter::MpFailRx);
        }
        self.note_reset_reason(index, options);
        let subflow = &self.subflows[index];
        let refused = !subflow.tcb.state.is_synchronized();
        let joining = matches!(subflow.role, Role::Joining { .. });
        let proving = matches!(subflow.role, Role::PreEstablished { .. });
        let words = subflow.reset_reason;
        let cause = if self.closed.is_some() || self.closes_fast(&options.mptcp) {
            SubflowCloseReason::ConnectionEnded
        } else if subflow.tcb.state == TcpState::SynSent || proving {
            SubflowCloseReason::Refused(words)
        } else {
            SubflowCloseReason::ResetByPeer(words)
        };
        let subflow = &mut self.subflows[index];
        subflow.ends_for(cause);
        // Whatever it says: an RST is not answered.
        subflow.tcb.close_at_once();
        let alone = self.subflows.iter().all(Subflow::is_closed);
        if self.closes_fast(&options.mptcp) {
            self.closed_by_fastclose(now);
        } else if alone && !self.session().is_some_and(|session| session.confirmed) {
            // Plain TCP ends with its only subflow, and so does MPTCP while nobody may join.
            let reason = if refused {
                CloseReason::Refused
            } else {
                CloseReason::ResetByPeer
            };
            self.end(now, reason);
        } else if self.is_bereft && joining && self.is_unknown_to_peer(index) {
            // A peer that answers a join with RST while no subflow is left does not know the
            // connection any more.
            self.end(now, CloseReason::ResetByPeer);
        }
        self.subflow_closed(now, index);
    }

    /// Why a subflow that is closed has ended: the first cause that was noted, or else its FINs.
    fn reason_of_end(&self, index: usize) -> SubflowCloseReason {
        let subflow = &self.subflows[index];
        match subflow.cause {
            Some(cause) => cause,
            None if self.closed.is_some() || matches!(self.protocol, Protocol::Plain) => {
                SubflowCloseReason::ConnectionEnded
            }
            None if subflow.tcb.peer_closed_first => SubflowCloseReason::ClosedByPeer,
            None => SubflowCloseReason::ClosedByUs,
        }
    }

    /// A subflow has reached CLOSED, for whatever reason.
    pub(super) fn subflow_closed(&mut self, now: Instant, index: usize) {
        if self.subflows[index].closed.is_some() {
            return;
        }
        let reason = self.reason_of_end(index);
        let subflow = &mut self.subflows[index];
        subflow.closed = Some(reason);
        // What it held may come again on another subflow.
        self.step(Step::ForgetFailure);
        let subflow = &mut self.subflows[index];
        let (id, tuple) = (subflow.id, subflow.tuple);
        self.prune_wanted = true;
        self.effects
            .push_back(Effect::SubflowClosed(id, tuple, reason));
        self.move_data_away(now, index, Moved::All);
        let subflow = &mut self.subflows[index];
        subflow.sent.clear();
        subflow.received.clear();
        self.path_ended(now, index);
        self.signals.retain(|signal| signal.on != Some(id));
        if self.closed.is_some() {
            self.check_fastclose_wait();
            return;
        }
        if index == 0 && self.config.fate_sharing && self.share_fate(now, reason) {
            return;
        }
        // One that has yet to join carries nothing.
        let carries = |subflow: &Subflow| {
            !subflow.is_closed() && matches!(subflow.role, Role::Initial | Role::Joined)
        };
        if !self.subflows.iter().any(carries) {
            self.last_subflow_closed(now);
        }
    }

    /// The initial subflow has ended, and the connection with it (RFC 6897 §3.1.3, REQ13). True if
    /// that was at once.
    fn share_fate(&mut self, now: Instant, reason: SubflowCloseReason) -> bool {
        let end = match reason {
            SubflowCloseReason::ClosedByUs
            | SubflowCloseReason::ClosedByPeer
            | SubflowCloseReason::ConnectionEnded => {
                // What was written goes over the others first. The only error is that our direction
                // has ended already.
                let _ = self.shutdown(now);
                return false;
            }
            SubflowCloseReason::ResetByPeer(_) | SubflowCloseReason::Refused(_) => {
                CloseReason::ResetByPeer
            }
            SubflowCloseReason::ResetByUs(_) => CloseReason::Aborted,
            SubflowCloseReason::TimedOut => CloseReason::TimedOut,
            SubflowCloseReason::Unreachable(error) => CloseReason::Unreachable(error),
            SubflowCloseReason::LocalAddressGone | SubflowCloseReason::RemoteAddressGone => {
                CloseReason::AllPathsLost
            }
        };
        self.abort(now, end);
        true
    }

    /// The address or the interface that the subflow uses is not there any more: that it ends says
    /// nothing about the peer.
    pub(super) fn is_our_end_gone(&self, index: usize) -> bool {
        let subflow = &self.subflows[index];
        let known = self.addresses.local_id(subflow.tuple.local.ip()).is_some();
        !known || !subflow.link_up
    }

    fn last_subflow_closed(&mut self, now: Instant) {
        if self.state.is_finished() {
            self.transition(DataEvent::SubflowsClosed);
            self.end(now, CloseReason::Finished);
        } else if self.session().is_none() {
            self.end(now, CloseReason::ResetByPeer);
        } else if self.config.close_timeout.is_zero() {
            self.end(now, CloseReason::AllPathsLost);
        } else {
            self.is_bereft = true;
            self.limit_survival(now);
            // Also what a subflow had acknowledged and the peer had not at the data level. The time
            // without subflows is not time in which the peer did not answer.
            self.send.reinject(self.send.una()..self.send.next());
            self.data_recovery = None;
            self.data_backoff = 0;
            self.arm_data_timer(now);
            self.retry_paths_later(now);
        }
    }

    /// A subflow has joined: what waited for one goes there.
    pub(super) fn revived_by(&mut self, index: usize) {
        if core::mem::take(&mut self.is_bereft) {
            if !self.send.is_outstanding() {
                self.deadlines.revival = None;
            }
            // Else it has to deliver something first: joins that lead nowhere must end some time.
            self.subflows[index].owes_data_fin = self.send.fin() == DataFin::Sent;
        }
    }

    /// Closes one subflow in order.
    pub(super) fn close_one_subflow(&mut self, index: usize, cause: SubflowCloseReason) {
        self.subflows[index].ends_for(cause);
        self.subflows[index].tcb.close();
    }

    /// Closes all subflows in order. A join under way is left alone while the peer still sends:
    /// it may want to do so there.
    pub(super) fn close_all_subflows(&mut self, now: Instant) {
        for index in 0..self.subflows.len() {
            match self.subflows[index].role {
                Role::Initial | Role::Joined => {
                    self.close_one_subflow(index, SubflowCloseReason::ConnectionEnded);
                }
                Role::Joining { .. } | Role::PreEstablished { .. } | Role::Answering { .. } => {
                    if self.receive.is_finished() {
                        self.reset_subflow(now, index, ResetReason::Unspecified);
                    }
                }
            }
        }
    }

    /// An interface with these addresses went down or came up.
    pub fn set_interface_up(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        addresses: &[IpAddr],
        up: bool,
    ) {
        for &address in addresses {
            let up = up && self.permits(address);
            self.addresses.set_local_up(address, up);
        }
        self.update_paths_soon(now);
        for index in 0..self.subflows.len() {
            let subflow = &mut self.subflows[index];
            if subflow.interface != interface || subflow.is_closed() || subflow.link_up == up {
                continue;
            }
            subflow.link_up = up;
            if up {
                subflow.tcb.resume(now);
                self.path_event(now, index, PathEvent::Retry);
            } else {
                subflow.tcb.pause();
                self.move_data_away(now, index, Moved::Unacknowledged);
            }
        }
    }
}
