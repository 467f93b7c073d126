//! Opening, losing and closing subflows, and sending their data elsewhere.

use super::{Connection, Effect};
use crate::base::error::CloseReason;
use crate::base::id::{AddressId, InterfaceId, SubflowId};
use crate::base::time::{Duration, Instant};
use crate::mptcp::handshake::Session;
use crate::mptcp::key::JoinHmac;
use crate::mptcp::state::DataEvent;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpJoin, MptcpOption, Nonce, ResetReason};
use crate::wire::packet::FourTuple;
use crate::wire::tcp_option::TcpOptions;

/// Subflows a connection has at most, whoever opens them: every segment looks at all of them.
const MAX_SUBFLOWS: usize = 64;
/// Closed subflows that stay listed.
const MAX_CLOSED_SUBFLOWS: usize = 32;
/// First wait after a join failed; it doubles each time (protocol reference 3.12).
const JOIN_RETRY: Duration = Duration::from_secs(1);
/// And never becomes longer than this.
const MAX_JOIN_RETRY: Duration = Duration::from_secs(60);

/// A peer's MP_JOIN that is to be answered.
#[derive(Clone, Copy, Debug)]
pub struct JoinRequest {
    /// Addresses of the SYN.
    pub tuple: FourTuple,
    /// The interface it came in on.
    pub interface: InterfaceId,
    /// The peer's id for its address.
    pub remote_id: AddressId,
    /// The peer asks for a backup.
    pub backup: bool,
    /// Its nonce.
    pub remote_nonce: Nonce,
    /// Ours.
    pub local_nonce: Nonce,
}

impl Connection {
    /// True if we may open another subflow: only after the peer was heard with a DSS
    /// (RFC 6824 §3.1). The limit of the path manager does not bind the application.
    #[must_use]
    pub fn can_open_subflow(&self) -> bool {
        self.session().is_some_and(|session| session.confirmed)
            && self.closed.is_none()
            && self.live_subflows() < MAX_SUBFLOWS
    }

    /// Makes room for a subflow of the peer; false if it cannot be taken, and never after fallback
    /// or the end.
    ///
    /// Whoever knows the token can start joins, which prove nothing before their third packet.
    /// They have the places that are free, as a peer with many addresses joins from all of them
    /// at once. Beyond that a new one takes the place of the oldest: a flood of them then keeps an
    /// honest peer away only for as long as it lasts, and only if it is faster than a round trip
    /// (RFC 7430 §3).
    /// The one that is dropped hears of it with the RST that answers its third packet.
    pub fn make_room_for_join(&mut self, now: Instant) -> bool {
        if self.session().is_none() || self.closed.is_some() {
            return false;
        }
        let is_half_open = |subflow: &Subflow| {
            matches!(subflow.role, Role::Answering { .. }) && !subflow.is_closed()
        };
        let full = self.live_subflows() >= MAX_SUBFLOWS
            || self.reachable_subflows().count() >= self.config.max_subflows;
        if !full {
            return true;
        }
        let Some(oldest) = self.subflows.iter().position(is_half_open) else {
            return false;
        };
        self.subflows[oldest].tcb.close_at_once();
        self.subflow_closed(now, oldest);
        self.effects.push_back(Effect::JoinRefused);
        true
    }

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

    /// Starts a subflow with MP_JOIN; the TCB is in SYN-SENT.
    pub fn open_subflow(
        &mut self,
        tuple: FourTuple,
        interface: InterfaceId,
        tcb: Tcb,
        nonce: Nonce,
        backup: bool,
    ) -> SubflowId {
        let id = SubflowId(self.next_subflow);
        self.next_subflow += 1;
        let mut subflow = Subflow::new(id, tuple, interface, tcb, Role::Joining { nonce });
        subflow.local_id = self
            .addresses
            .add_local(tuple.local.ip())
            .unwrap_or(AddressId::INITIAL);
        let remote = self
            .addresses
            .remote()
            .iter()
            .find(|known| known.address == tuple.remote);
        subflow.remote_id = remote.map_or(AddressId::INITIAL, |known| known.id);
        subflow.ask_backup = backup;
        subflow.backup = backup;
        self.subflows.push(subflow);
        id
    }

    /// Answers a peer's MP_JOIN; the TCB is in SYN-RECEIVED.
    pub fn accept_subflow(&mut self, request: JoinRequest, tcb: Tcb) -> SubflowId {
        let id = SubflowId(self.next_subflow);
        self.next_subflow += 1;
        let role = Role::Answering {
            local_nonce: request.local_nonce,
            remote_nonce: request.remote_nonce,
        };
        let mut subflow = Subflow::new(id, request.tuple, request.interface, tcb, role);
        subflow.local_id = self
            .addresses
            .add_local(request.tuple.local.ip())
            .unwrap_or(AddressId::INITIAL);
        // Whoever joins from an address need not be told of it.
        self.addresses.set_announced(request.tuple.local.ip());
        subflow.remote_id = request.remote_id;
        subflow.backup = request.backup;
        self.subflows.push(subflow);
        id
    }

    /// The MP_JOIN of a SYN or SYN/ACK of ours.
    pub(super) fn join_syn_option(session: &Session, subflow: &Subflow) -> Option<MptcpOption> {
        let join = match &subflow.role {
            Role::Joining { nonce } => MpJoin::Syn {
                backup: subflow.ask_backup,
                address_id: subflow.local_id,
                token: session.remote.token,
                nonce: *nonce,
            },
            Role::Answering {
                local_nonce,
                remote_nonce,
            } => {
                let ours = (session.local.key, *local_nonce);
                let theirs = (session.remote.key, *remote_nonce);
                MpJoin::SynAck {
                    backup: subflow.ask_backup,
                    address_id: subflow.local_id,
                    hmac: JoinHmac::new(session.version, ours, theirs).for_syn_ack(),
                    nonce: *local_nonce,
                }
            }
            Role::Initial | Role::PreEstablished { .. } | Role::Joined => return None,
        };
        Some(MptcpOption::Join(join))
    }

    /// A valid RST arrived on a subflow.
    pub(super) fn reset_received(&mut self, now: Instant, index: usize, options: &TcpOptions) {
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
        } else if alone && joining {
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
        if failed_join {
            self.failed_joins += 1;
            self.addresses.set_remote_failed_if_announced(remote_id);
        }
        self.signals.retain(|signal| signal.on != Some(id));
        if self.closed.is_some() {
            return;
        }
        if self.subflows.iter().all(|subflow| subflow.is_closed()) {
            self.all_subflows_closed(now);
        } else {
            self.retry_paths_later(now);
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
            self.retry_paths_later(now);
        }
    }

    /// Asks the path manager again after a pause that grows with failed attempts.
    fn retry_paths_later(&mut self, now: Instant) {
        if self.session().is_none() {
            return;
        }
        let pause = JOIN_RETRY
            .saturating_mul(1 << self.failed_joins.min(6))
            .min(MAX_JOIN_RETRY);
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
                subflow.stalled = false;
                subflow.tcb.resume(now);
            } else {
                subflow.tcb.pause();
                self.move_data_away(now, index);
            }
            self.addresses.set_local_up(address, up);
            self.update_paths_soon(now);
        }
    }
}
