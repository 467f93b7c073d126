//! We open a subflow: SYN, third ACK, and the wait for its acknowledgment.
//!
//! Owns the state PRE_ESTABLISHED, in which nothing but the third ACK is sent (RFC 6824 §3.2), and
//! what becomes of joins that meet on their way.

use super::super::{Connection, Effect};
use super::{MAX_JOIN_TRIES, MAX_SUBFLOWS};
use crate::base::config::SubflowOptions;
use crate::base::error::SubflowError;
use crate::base::id::{AddressId, InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::mptcp::key::JoinHmac;
use crate::mptcp::protocol::Protocol;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpJoin, MptcpOption, Nonce, ResetReason};
use crate::wire::packet::{FourTuple, Segment};
use crate::wire::tcp_option::TcpOptions;
use std::net::{IpAddr, SocketAddr};

/// A join that met one of the peer on the same addresses and ports is tried again after a random
/// part of this, so that the two do not meet again (RFC 8684 §3.2 leaves the time open).
const CROSSED_RETRY: Duration = Duration::from_secs(1);

/// A join that is to be tried again because it met one of the peer.
#[derive(Clone, Copy, Debug)]
pub(in crate::mptcp::connection) struct CrossedJoin {
    /// When.
    pub(in crate::mptcp::connection) at: Instant,
    local: IpAddr,
    remote: SocketAddr,
    remote_id: AddressId,
    backup: bool,
}

/// A subflow that we open.
#[derive(Debug)]
pub struct NewJoin {
    /// Its addresses.
    pub tuple: FourTuple,
    /// The interface it uses.
    pub interface: InterfaceId,
    /// Its TCP connection, in SYN-SENT.
    pub tcb: Tcb,
    /// Our nonce.
    pub nonce: Nonce,
    /// Our id for the local address, from [`Connection::place_for_subflow`].
    pub local_id: AddressId,
    /// We ask for a backup.
    pub backup: bool,
    /// What it starts with.
    pub options: SubflowOptions,
}

impl Connection {
    /// Whether we may open another subflow: only after the peer was heard with a DSS on the initial
    /// one (RFC 6824 §3.1). The limit of the path manager does not bind the application.
    pub fn check_can_open_subflow(&self) -> Result<(), SubflowError> {
        if let Some(reason) = self.closed {
            return Err(SubflowError::Closed(reason));
        }
        let heard = self.subflows[0].heard_dss;
        match &self.protocol {
            Protocol::Mptcp(_) if heard => Ok(()),
            Protocol::Mptcp(_) | Protocol::Offered(_) | Protocol::Answered(_) => {
                Err(SubflowError::NotYet)
            }
            Protocol::FallingBack(_) | Protocol::Plain => Err(SubflowError::NotMultipath),
        }
    }

    /// Our id for the address of a new subflow; `None` if there is no room for one more.
    pub fn place_for_subflow(&mut self, local: IpAddr) -> Option<AddressId> {
        if self.live_subflows() >= MAX_SUBFLOWS {
            return None;
        }
        self.learn_local(local, None)
    }

    /// Starts a subflow with MP_JOIN; the TCB is in SYN-SENT, the id from
    /// [`Self::place_for_subflow`].
    pub fn open_subflow(&mut self, join: NewJoin) -> SubflowId {
        let NewJoin {
            tuple,
            interface,
            tcb,
            nonce,
            local_id,
            backup,
            options,
        } = join;
        let id = SubflowId(self.next_subflow);
        self.next_subflow += 1;
        let mut subflow = Subflow::new(id, tuple, interface, tcb, options, Role::Joining { nonce });
        subflow.local_id = local_id;
        let remote = self
            .addresses
            .remote()
            .iter()
            .find(|known| known.address == tuple.remote);
        subflow.remote_id = remote.map_or(AddressId::INITIAL, |known| known.id);
        subflow.prefer(backup, self.config.backup_binds_both);
        self.subflows.push(subflow);
        self.count(MptcpCounter::MpJoinSynTx);
        id
    }

    /// The SYN/ACK of our MP_JOIN (RFC 6824 §3.2).
    pub(in crate::mptcp::connection) fn join_answered(
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
            self.count(MptcpCounter::MpJoinSynAckHmacFailure);
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            return;
        }
        let hmac = JoinHmac::new(session.version, ours, theirs);
        let initial = self.addresses_of_initial().remote;
        let other_port = self.subflows[index].tuple.remote.port() != initial.port();
        let subflow = &mut self.subflows[index];
        subflow.backup = backup;
        subflow.remote_id = address_id;
        subflow.role = Role::PreEstablished {
            hmac,
            resend_at: now + subflow.tcb.rtt.rto(),
            resent: 0,
        };
        subflow.tcb.ack.require_now();
        self.count(MptcpCounter::MpJoinSynAckRx);
        if backup {
            self.count(MptcpCounter::MpJoinSynAckBackupRx);
        }
        if other_port {
            self.count(MptcpCounter::MpJoinPortSynAckRx);
        }
    }

    /// Any acknowledgment of our SYN other than the SYN/ACK completes the join: the peer sends none
    /// before it has our third ACK (RFC 6824 §3.2).
    pub(in crate::mptcp::connection) fn check_pre_established(
        &mut self,
        now: Instant,
        index: usize,
        ack: Option<SeqNum>,
    ) {
        let subflow = &self.subflows[index];
        let acknowledged = ack.is_some_and(|ack| ack.after(subflow.tcb.iss));
        if acknowledged && matches!(subflow.role, Role::PreEstablished { .. }) {
            self.joined(now, index);
        }
    }

    /// A SYN/ACK that comes again shows that our third ACK was lost: that goes again at once, apart
    /// from its timer and from the budget of challenge ACKs.
    pub(in crate::mptcp::connection) fn repeat_third_ack(
        &mut self,
        index: usize,
        segment: &Segment,
    ) {
        let subflow = &mut self.subflows[index];
        let again = segment.flags.syn
            && segment.seq == subflow.tcb.irs
            && segment.ack == Some(subflow.tcb.iss + 1);
        if again && matches!(subflow.role, Role::PreEstablished { .. }) {
            subflow.tcb.ack.require_now();
        }
    }

    /// RFC 6824 §3.2: the third ACK of a join is sent again until it is acknowledged. It waits for
    /// the retransmission timeout, which the SYN has measured, and twice as long each time
    /// (RFC 6298 §5.5).
    pub(in crate::mptcp::connection) fn handle_third_ack_timeout(
        &mut self,
        now: Instant,
        index: usize,
    ) {
        let subflow = &mut self.subflows[index];
        let Role::PreEstablished {
            resend_at, resent, ..
        } = &mut subflow.role
        else {
            return;
        };
        if *resend_at > now {
            return;
        }
        if *resent >= MAX_JOIN_TRIES {
            subflow.ends_for(SubflowCloseReason::TimedOut);
            self.reset_subflow(now, index, ResetReason::UnacceptablePerformance);
            return;
        }
        *resent += 1;
        *resend_at = now + subflow.tcb.rtt.rto().saturating_mul(1 << *resent);
        subflow.tcb.ack.require_now();
    }

    /// A SYN that meets our join on the same addresses and ports.
    pub(in crate::mptcp::connection) fn is_crossing(
        &self,
        index: usize,
        segment: &Segment,
    ) -> bool {
        let subflow = &self.subflows[index];
        let syn = segment.flags.syn && segment.ack.is_none() && !segment.flags.rst;
        syn && subflow.tcb.state == TcpState::SynSent
            && matches!(subflow.role, Role::Joining { .. })
    }

    /// TCP would make one connection of the two SYNs, but nobody says whose HMAC comes first
    /// (RFC 6824 §3.2). Both sides give theirs up, and start anew after a time that chance sets.
    pub(in crate::mptcp::connection) fn join_crossed(&mut self, now: Instant, index: usize) {
        let subflow = &mut self.subflows[index];
        let Role::Joining { nonce } = subflow.role else {
            return;
        };
        // The nonce is fresh for each attempt, from the host's generator.
        let part = u64::from(nonce.0);
        let nanos = u64::try_from(CROSSED_RETRY.as_nanos()).unwrap_or(u64::MAX);
        let pause = Duration::from_nanos((nanos >> 16).saturating_mul(part >> 16));
        let again = CrossedJoin {
            at: now + pause,
            local: subflow.tuple.local.ip(),
            remote: subflow.tuple.remote,
            remote_id: subflow.remote_id,
            backup: subflow.ask_backup,
        };
        // It is no failure of the path.
        subflow.end_is_transient = true;
        subflow.ends_for(SubflowCloseReason::ResetByUs(ResetReason::Unspecified));
        subflow.tcb.close_at_once();
        if self.crossed.len() < MAX_SUBFLOWS {
            self.crossed.push(again);
        }
        self.subflow_closed(now, index);
    }

    /// Joins that had crossed are tried again.
    pub(in crate::mptcp::connection) fn retry_crossed(&mut self, now: Instant) {
        let due = self.crossed.extract_if(.., |join| join.at <= now);
        self.effects.extend(due.map(|join| Effect::OpenSubflow {
            local: join.local,
            remote: join.remote,
            remote_id: join.remote_id,
            backup: join.backup,
        }));
    }
}
