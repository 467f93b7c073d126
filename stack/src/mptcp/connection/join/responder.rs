//! The peer opens a subflow: may it, the SYN/ACK, and the proof in its third ACK.

use super::super::{Connection, Effect};
use super::MAX_SUBFLOWS;
use crate::base::config::{JoinPorts, Version};
use crate::base::id::{AddressId, InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::key::JoinHmac;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpJoin, MpTcpRst, MptcpOption, Nonce, ResetReason};
use crate::wire::packet::FourTuple;
use crate::wire::tcp_option::TcpOptions;
use std::net::{IpAddr, SocketAddr};

/// A peer's MP_JOIN that is to be answered.
#[derive(Clone, Copy, Debug)]
pub struct JoinRequest {
    /// Addresses of the SYN.
    pub tuple: FourTuple,
    /// The interface it came in on.
    pub interface: InterfaceId,
    /// Our id for the address that it came to, from [`Connection::admit_join`].
    pub local_id: AddressId,
    /// The peer's id for its address.
    pub remote_id: AddressId,
    /// The peer asks for a backup.
    pub backup: bool,
    /// Its nonce.
    pub remote_nonce: Nonce,
    /// Ours.
    pub local_nonce: Nonce,
}

/// Why a join with our token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinRefusal {
    /// The connection does not speak MPTCP yet.
    Early,
    /// The settings do not let a peer join this port.
    Port,
    /// We have told the peer that nobody may join where it connected to.
    InitialAddress,
    /// The application does not let the connection use this address.
    Address,
    /// The connection has as many subflows as the settings allow.
    Limit,
    /// It has as many as it can.
    Resources,
}

impl JoinRefusal {
    /// What the peer is told in version 1 (protocol reference 3.3). What may be otherwise later is
    /// transient, as a place is when a subflow has ended.
    #[must_use]
    pub const fn reset(self) -> MpTcpRst {
        let (reason, transient) = match self {
            Self::Early => (ResetReason::MptcpSpecific, true),
            Self::Port | Self::InitialAddress | Self::Address => {
                (ResetReason::AdministrativelyProhibited, false)
            }
            Self::Limit => (ResetReason::AdministrativelyProhibited, true),
            Self::Resources => (ResetReason::LackOfResources, true),
        };
        MpTcpRst { transient, reason }
    }
}

impl Connection {
    /// What an RST that refuses a join says: version 0 has no words for it (RFC 8684 §3.6).
    #[must_use]
    pub fn refusal_option(&self, refusal: JoinRefusal) -> Option<MpTcpRst> {
        match self.version() {
            Some(Version::V1) => Some(refusal.reset()),
            Some(Version::V0) | None => None,
        }
    }

    /// The peer is known to have this address: a subflow that works comes from there, or it was
    /// announced.
    #[must_use]
    pub fn knows_address(&self, address: IpAddr) -> bool {
        let mut working = self.subflows.iter().filter(|s| s.is_established());
        working.any(|subflow| subflow.tuple.remote.ip() == address)
            || self
                .addresses
                .remote()
                .iter()
                .any(|known| known.address.ip() == address)
    }

    /// Makes room for a subflow that the peer opens to an address and port of ours; gives our id for
    /// the address. Never after fallback or the end: then the token is not known any more.
    pub fn admit_join(
        &mut self,
        now: Instant,
        local: SocketAddr,
    ) -> Result<AddressId, JoinRefusal> {
        // Before the peer has shown that it speaks MPTCP it is too early, too (protocol reference
        // 3.2).
        let undecided = self.session().is_none_or(|session| session.assumed);
        if undecided || self.closed.is_some() {
            return Err(JoinRefusal::Early);
        }
        if self.refuses_join_to(local) {
            return Err(JoinRefusal::InitialAddress);
        }
        if !self.permits(local.ip()) {
            return Err(JoinRefusal::Address);
        }
        self.judge_port(local)?;
        self.make_room_for_join(now)?;
        self.addresses
            .id_of_end(local)
            .ok_or(JoinRefusal::Resources)
    }

    /// RFC 6824 §3.2: a join should go to the port of the initial subflow or to an announced one.
    fn judge_port(&mut self, local: SocketAddr) -> Result<(), JoinRefusal> {
        let initial = self.addresses_of_initial().local;
        if local.port() == initial.port() {
            return Ok(());
        }
        match self.config.join_ports {
            JoinPorts::Known if !self.addresses.is_announced(local) => {
                self.count(MptcpCounter::MismatchPortSynRx);
                return Err(JoinRefusal::Port);
            }
            JoinPorts::Any | JoinPorts::Known => {}
        }
        self.count(MptcpCounter::MpJoinPortSynRx);
        Ok(())
    }

    /// Whoever knows the token can start joins, which prove nothing before their third packet.
    /// They have the places that are free, as a peer with many addresses joins from all of them
    /// at once. Beyond that a new one takes the place of the oldest: a flood of them then keeps an
    /// honest peer away only for as long as it lasts, and only if it is faster than a round trip
    /// (RFC 7430 §3).
    /// The one that is dropped hears of it with the RST that answers its third packet.
    fn make_room_for_join(&mut self, now: Instant) -> Result<(), JoinRefusal> {
        let refusal = if self.live_subflows() >= MAX_SUBFLOWS {
            JoinRefusal::Resources
        } else if self.subflows_of_use() >= self.subflow_limit() {
            JoinRefusal::Limit
        } else {
            return Ok(());
        };
        let is_half_open = |subflow: &Subflow| {
            matches!(subflow.role, Role::Answering { .. }) && !subflow.is_closed()
        };
        let oldest = self.subflows.iter().position(is_half_open);
        let oldest = oldest.ok_or(refusal)?;
        let subflow = &mut self.subflows[oldest];
        subflow.ends_for(SubflowCloseReason::ResetByUs(ResetReason::LackOfResources));
        subflow.tcb.close_at_once();
        self.subflow_closed(now, oldest);
        self.effects.push_back(Effect::JoinRefused);
        Ok(())
    }

    /// Subflows that hold a place: one in TIME-WAIT has given it back.
    fn subflows_of_use(&self) -> usize {
        self.reachable_subflows()
            .filter(|subflow| subflow.tcb.state != TcpState::TimeWait)
            .count()
    }

    /// Answers a peer's MP_JOIN; the TCB is in SYN-RECEIVED.
    pub fn accept_subflow(&mut self, request: JoinRequest, tcb: Tcb) -> SubflowId {
        let id = SubflowId(self.next_subflow);
        self.next_subflow += 1;
        let role = Role::Answering {
            local_nonce: request.local_nonce,
            remote_nonce: request.remote_nonce,
        };
        let mut subflow = Subflow::new(
            id,
            request.tuple,
            request.interface,
            tcb,
            self.config.subflow,
            role,
        );
        subflow.local_id = request.local_id;
        // Whoever joins from an address need not be told of it.
        self.addresses.set_announced(request.tuple.local.ip());
        subflow.remote_id = request.remote_id;
        subflow.opened_by_peer = true;
        subflow.backup = request.backup;
        let own = self
            .is_backup_path(&request.tuple)
            .unwrap_or_else(|| self.is_backup_endpoint(request.tuple.local));
        subflow.prefer(own, self.config.backup_binds_both);
        self.subflows.push(subflow);
        id
    }

    /// What should be the third ACK of the peer's MP_JOIN.
    pub(in crate::mptcp::connection) fn join_completed(
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
        let proven = received.map(|received| {
            self.session().is_some_and(|session| {
                let theirs = (session.remote.key, remote_nonce);
                let ours = (session.local.key, local_nonce);
                JoinHmac::new(session.version, theirs, ours).matches(&received)
            })
        });
        match proven {
            Some(true) => {
                self.joined(now, index);
                // RFC 6824 §3.2: the initiator waits for this acknowledgment before it sends data.
                self.subflows[index].tcb.ack.require_now();
                self.count(MptcpCounter::MpJoinAckRx);
                let initial = self.addresses_of_initial().local;
                if self.subflows[index].tuple.local.port() != initial.port() {
                    self.count(MptcpCounter::MpJoinPortAckRx);
                }
                return;
            }
            Some(false) => self.count(MptcpCounter::MpJoinAckHmacFailure),
            None => {}
        }
        let source = self.subflows[index].tuple.remote.ip();
        self.effects.push_back(Effect::JoinUnproven(source));
        self.reset_subflow(now, index, ResetReason::MptcpSpecific);
    }
}
