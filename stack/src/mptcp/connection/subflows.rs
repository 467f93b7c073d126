//! Opening, losing and closing subflows, and sending their data elsewhere.

use super::{Connection, Effect};
use crate::base::error::CloseReason;
use crate::base::id::{AddressId, InterfaceId, SubflowId};
use crate::base::time::{Duration, Instant};
use crate::mptcp::data_send::DataFin;
use crate::mptcp::state::DataEvent;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MptcpOption, ResetReason};
use crate::wire::tcp_option::TcpOptions;
use std::net::IpAddr;

/// Closed subflows that stay listed.
const MAX_CLOSED_SUBFLOWS: usize = 32;
/// First wait after a join failed; it doubles each time (protocol reference 3.12).
const JOIN_RETRY: Duration = Duration::from_secs(1);
/// And never becomes longer than this.
const MAX_JOIN_RETRY: Duration = Duration::from_secs(60);
/// While there is no subflow at all it stays shorter, and each join is given up after so many SYNs
/// without answer: what heals must be found within a fraction of the close timeout.
const MAX_REVIVAL_RETRY: Duration = Duration::from_secs(8);
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

    /// Forgets joins that came to nothing, and the oldest of many closed subflows. The initial one
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
            let useless = !subflow.ever_established || closed > MAX_CLOSED_SUBFLOWS;
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
        let subflow = &mut self.subflows[index];
        let refused = !subflow.tcb.state.is_synchronized();
        let joining = matches!(subflow.role, Role::Joining { .. });
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
        } else if self.is_bereft && joining && disowns(&options.mptcp) {
            // A peer that answers a join with RST while no subflow is left does not know the
            // connection any more.
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
        let (id, tuple, remote_id) = (subflow.id, subflow.tuple, subflow.remote_id);
        let failed_join = matches!(
            subflow.role,
            Role::Joining { .. } | Role::PreEstablished { .. }
        );
        self.prune_wanted = true;
        self.effects.push_back(Effect::SubflowClosed(id, tuple));
        self.move_data_away(now, index);
        let subflow = &mut self.subflows[index];
        subflow.sent.clear();
        subflow.received.clear();
        if failed_join && !self.is_our_end_gone(index) {
            self.failed_joins += 1;
            if !self.is_proven(remote_id) {
                self.addresses.set_remote_failed_if_announced(remote_id);
            }
        }
        self.signals.retain(|signal| signal.on != Some(id));
        if self.closed.is_some() {
            self.check_fastclose_wait();
            return;
        }
        // One that has yet to join carries nothing.
        let carries = |subflow: &Subflow| {
            !subflow.is_closed() && matches!(subflow.role, Role::Initial | Role::Joined)
        };
        if self.subflows.iter().any(carries) {
            self.retry_paths_later(now);
        } else {
            self.last_subflow_closed(now);
        }
    }

    /// The address or the interface that the subflow uses is not there any more: that it ends says
    /// nothing about the peer.
    fn is_our_end_gone(&self, index: usize) -> bool {
        let subflow = &self.subflows[index];
        let known = self.addresses.local_id(subflow.tuple.local.ip()).is_some();
        !known || !subflow.link_up
    }

    /// The peer can be had at this address: that a join fails now is a matter of the path, which may
    /// heal.
    fn is_proven(&self, remote_id: AddressId) -> bool {
        let joined = |subflow: &Subflow| subflow.remote_id == remote_id && subflow.ever_established;
        self.subflows.iter().any(joined)
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
            self.deadlines.revival = None;
            self.subflows[index].owes_data_fin = self.send.fin() == DataFin::Sent;
        }
    }

    /// Asks the path manager again after a pause that grows with failed attempts.
    pub(super) fn retry_paths_later(&mut self, now: Instant) {
        if self.session().is_none() {
            return;
        }
        let most = if self.is_bereft {
            MAX_REVIVAL_RETRY
        } else {
            MAX_JOIN_RETRY
        };
        let pause = JOIN_RETRY
            .saturating_mul(1 << self.failed_joins.min(6))
            .min(most);
        self.deadlines.paths.get_or_insert(now + pause);
    }

    /// What this subflow carries and the peer has not at the data level goes to the others
    /// (RFC 6824 §3.3.6). The subflow's own obligation stays.
    pub(super) fn move_data_away(&mut self, now: Instant, index: usize) {
        if self.session().is_none() {
            return;
        }
        for mapping in self.subflows[index].sent.iter() {
            self.send.reinject(mapping.range());
        }
        self.arm_data_timer(now);
    }

    /// The retransmission timer of a subflow expired: its path may be broken.
    pub(super) fn subflow_timed_out(&mut self, now: Instant, index: usize) {
        let others = self.has_other_usable(index);
        let subflow = &mut self.subflows[index];
        // Only the first timeout moves its data: what it has sent since then went nowhere else.
        if others && subflow.is_established() && !core::mem::replace(&mut subflow.stalled, true) {
            self.move_data_away(now, index);
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

    /// An interface with these addresses went down or came up.
    pub fn set_interface_up(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        addresses: &[IpAddr],
        up: bool,
    ) {
        for &address in addresses {
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
                subflow.stalled = false;
                subflow.tcb.resume(now);
            } else {
                subflow.tcb.pause();
                self.move_data_away(now, index);
            }
        }
    }
}

/// The RST that answers a join tells that the token is unknown (RFC 8684 §3.6: reason 1), or does
/// not tell why, as in version 0 and from a host that has restarted. Any other reason is about the
/// subflow only.
fn disowns(options: &[MptcpOption]) -> bool {
    options.iter().all(|option| {
        let MptcpOption::TcpRst(rst) = option else {
            return true;
        };
        !rst.transient
            && matches!(
                rst.reason,
                ResetReason::MptcpSpecific | ResetReason::Unspecified | ResetReason::Unknown(_)
            )
    })
}
