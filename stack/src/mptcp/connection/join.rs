//! MP_JOIN: further subflows, opened by us or by the peer (RFC 6824 §3.2, RFC 8684 §3.2).
//!
//! Owns both roles of the handshake and who may start one. It never looks for the connection that a
//! token belongs to: that is the endpoint's.

use super::{Connection, Effect};
use crate::base::id::{AddressId, InterfaceId, SubflowId};
use crate::base::time::{Duration, Instant};
use crate::mptcp::data_send::DataFin;
use crate::mptcp::handshake::Session;
use crate::mptcp::key::JoinHmac;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpJoin, MptcpOption, Nonce, ResetReason};
use crate::wire::packet::FourTuple;
use crate::wire::tcp_option::TcpOptions;

/// Subflows a connection has at most, whoever opens them: every segment looks at all of them.
const MAX_SUBFLOWS: usize = 64;
/// A join whose SYN or third ACK goes unanswered this often is given up.
pub(super) const MAX_JOIN_TRIES: u32 = 5;
/// How long the third ACK of a join waits to be acknowledged before it is sent again, at first.
const THIRD_ACK_INTERVAL: Duration = Duration::from_millis(250);

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
        // Nor before the peer has shown that it speaks MPTCP (protocol reference 3.2).
        let undecided = self.session().is_none_or(|session| session.assumed);
        if undecided || self.closed.is_some() {
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

    /// The SYN/ACK of our MP_JOIN (RFC 6824 §3.2).
    pub(super) fn join_answered(
        &mut self,
        now: Instant,
        index: usize,
        nonce: Nonce,
        options: &TcpOptions,
    ) {
        let answer = options.mptcp.iter().find_map(|option| {
            let MptcpOption::Join(MpJoin::SynAck {
                backup,
                address_id,
                hmac,
                nonce,
            }) = option
            else {
                return None;
            };
            Some((*backup, *address_id, *hmac, *nonce))
        });
        let (Some((backup, address_id, received, remote_nonce)), Some(session)) =
            (answer, self.session())
        else {
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            return;
        };
        let ours = (session.local.key, nonce);
        let theirs = (session.remote.key, remote_nonce);
        if !JoinHmac::new(session.version, theirs, ours).matches(&received) {
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            return;
        }
        let hmac = JoinHmac::new(session.version, ours, theirs);
        let subflow = &mut self.subflows[index];
        // Either side's wish makes it a backup for what we send.
        subflow.backup |= backup;
        subflow.remote_id = address_id;
        subflow.role = Role::PreEstablished {
            hmac,
            resend_at: now + THIRD_ACK_INTERVAL,
            resent: 0,
        };
        subflow.tcb.ack.require_now();
    }

    /// The third ACK of the peer's MP_JOIN.
    pub(super) fn join_completed(
        &mut self,
        now: Instant,
        index: usize,
        local_nonce: Nonce,
        remote_nonce: Nonce,
        options: &TcpOptions,
    ) {
        let received = options.mptcp.iter().find_map(|option| {
            let MptcpOption::Join(MpJoin::Ack { hmac }) = option else {
                return None;
            };
            Some(*hmac)
        });
        let proven = self.session().is_some_and(|session| {
            let theirs = (session.remote.key, remote_nonce);
            let ours = (session.local.key, local_nonce);
            let expected = JoinHmac::new(session.version, theirs, ours);
            received.is_some_and(|received| expected.matches(&received))
        });
        if proven {
            self.joined(index);
            // RFC 6824 §3.2: the initiator waits for this acknowledgment before it sends data.
            self.subflows[index].tcb.ack.require_now();
        } else {
            self.effects.push_back(Effect::JoinRefused);
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
        }
    }

    /// Any acknowledgment of our third ACK completes the join.
    pub(super) fn check_pre_established(&mut self, index: usize) {
        if matches!(self.subflows[index].role, Role::PreEstablished { .. }) {
            self.joined(index);
        }
    }

    /// RFC 6824 §3.2: the third ACK of a join is sent again until it is acknowledged.
    pub(super) fn handle_third_ack_timeout(&mut self, now: Instant, index: usize) {
        let Role::PreEstablished {
            resend_at, resent, ..
        } = &mut self.subflows[index].role
        else {
            return;
        };
        if *resend_at > now {
            return;
        }
        if *resent >= MAX_JOIN_TRIES {
            self.reset_subflow(now, index, ResetReason::UnacceptablePerformance);
            return;
        }
        *resent += 1;
        *resend_at = now + THIRD_ACK_INTERVAL * (1 << *resent);
        self.subflows[index].tcb.ack.require_now();
    }

    /// Tells of a subflow that joined.
    pub(super) fn joined(&mut self, index: usize) {
        let subflow = &mut self.subflows[index];
        subflow.role = Role::Joined;
        subflow.ever_established = true;
        let id = subflow.id;
        self.failed_joins = 0;
        if let Some(session) = self.session_mut() {
            session.multipath = true;
        }
        self.deadlines.give_up = None;
        // One that comes after our DATA_FIN was acknowledged serves the peer's direction only.
        self.close_subflows_wanted |= self.send.fin() == DataFin::Acknowledged;
        self.effects.push_back(Effect::SubflowEstablished(id));
    }
}
