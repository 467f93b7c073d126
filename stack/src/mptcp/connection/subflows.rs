//! Opening, losing and closing subflows, and sending their data elsewhere.

use super::health::Moved;
use super::{Connection, Effect};
use crate::base::error::CloseReason;
use crate::base::id::{InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::fallback::Step;
use crate::mptcp::path_health::PathEvent;
use crate::mptcp::state::DataEvent;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MptcpOption, ResetReason};
use crate::wire::tcp_option::TcpOptions;

/// Closed subflows that stay listed.
const MAX_CLOSED_SUBFLOWS: usize = 32;

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
            let forget = !initial && subflow.is_closed() && subflow.forgotten && useless;
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
        let fastclose = self.session().is_some_and(|session| {
            let key = session.local.key;
            options
                .mptcp
                .iter()
                .any(|option| matches!(option, MptcpOption::Fastclose(k) if *k == key))
        });
        if fastclose {
            self.closed_by_fastclose(now);
            return;
        }
        let subflow = &mut self.subflows[index];
        let refused = !subflow.tcb.state.is_synchronized();
        let joining = matches!(subflow.role, Role::Joining { .. });
        subflow.tcb.close_at_once();
        let alone = self.subflows.iter().all(Subflow::is_closed);
        if alone && !self.session().is_some_and(|session| session.confirmed) {
            // Plain TCP ends with its only subflow, and so does MPTCP while nobody may join.
            let reason = if refused {
                CloseReason::Refused
            } else {
                CloseReason::ResetByPeer
            };
            self.end(now, reason);
        } else if alone && joining && self.is_unknown_to_peer(index) {
            self.end(now, CloseReason::ResetByPeer);
        }
        self.subflow_closed(now, index);
    }

    /// A subflow has reached CLOSED, for whatever reason.
    pub(super) fn subflow_closed(&mut self, now: Instant, index: usize) {
        let subflow = &mut self.subflows[index];
        if subflow.forgotten {
            return;
        }
        subflow.forgotten = true;
        // What it held may come again on another subflow.
        self.step(Step::ForgetFailure);
        let subflow = &mut self.subflows[index];
        let (id, tuple) = (subflow.id, subflow.tuple);
        self.prune_wanted = true;
        self.effects.push_back(Effect::SubflowClosed(id, tuple));
        self.move_data_away(now, index, Moved::All);
        let subflow = &mut self.subflows[index];
        subflow.sent.clear();
        subflow.received.clear();
        self.path_ended(now, index);
        self.signals.retain(|signal| signal.on != Some(id));
        if self.closed.is_some() {
            return;
        }
        if self.subflows.iter().all(|subflow| subflow.is_closed()) {
            self.all_subflows_closed(now);
        }
    }

    fn all_subflows_closed(&mut self, now: Instant) {
        if self.state.is_finished() {
            self.transition(DataEvent::SubflowsClosed);
            self.end(now, CloseReason::Finished);
        } else if self.session().is_none() {
            self.end(now, CloseReason::ResetByPeer);
        } else {
            // A new subflow may revive it (protocol reference 3.9).
            self.deadlines
                .give_up
                .get_or_insert(now + self.config.close_timeout);
        }
    }

    /// Closes one subflow in order.
    pub(super) fn close_one_subflow(&mut self, index: usize) {
        self.subflows[index].tcb.close();
    }

    /// Closes all subflows in order. A join under way is left alone while the peer still sends:
    /// it may want to do so there.
    pub(super) fn close_all_subflows(&mut self, now: Instant) {
        for index in 0..self.subflows.len() {
            match self.subflows[index].role {
                Role::Initial | Role::Joined => self.close_one_subflow(index),
                Role::Joining { .. } | Role::PreEstablished { .. } | Role::Answering { .. } => {
                    if self.receive.is_finished() {
                        self.reset_subflow(now, index, ResetReason::Unspecified);
                    }
                }
            }
        }
    }

    /// An interface went down or came up.
    pub fn set_interface_up(&mut self, now: Instant, interface: InterfaceId, up: bool) {
        for index in 0..self.subflows.len() {
            let subflow = &mut self.subflows[index];
            if subflow.interface != interface || subflow.is_closed() || subflow.link_up == up {
                continue;
            }
            subflow.link_up = up;
            let address = subflow.tuple.local.ip();
            if up {
                subflow.tcb.resume(now);
                self.path_event(now, index, PathEvent::Retry);
            } else {
                subflow.tcb.pause();
                self.move_data_away(now, index, Moved::Unacknowledged);
            }
            self.addresses.set_local_up(address, up);
            self.update_paths_soon(now);
        }
    }
}
