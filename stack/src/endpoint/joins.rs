//! MP_JOIN at the door: which connection a SYN wants to join, and SYNs of our own that join
//! (RFC 6824 §3.2, RFC 8684 §3.2).
//!
//! Owns the way from a token to its connection and the answers to joins that lead nowhere. Whether a
//! connection takes a subflow is for `mptcp::connection` to say.

use super::Endpoint;
use super::commands::LocalEnd;
use super::join_syn::JoinSyn;
use super::reset::Offence;
use crate::base::error::{ConnectError, SubflowError};
use crate::base::id::{ConnectionId, InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::mptcp::connection::{JoinRefusal, JoinRequest};
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpJoin, MpTcpRst, MptcpOption, Nonce, ResetReason};
use crate::wire::packet::Segment;
use std::net::{IpAddr, SocketAddr};

/// The answer to a token of no connection, in both versions: the SYN does not tell its version, and
/// a host of version 0 skips a subtype that it does not know.
const UNKNOWN_TOKEN: MpTcpRst = MpTcpRst {
    transient: false,
    reason: ResetReason::MptcpSpecific,
};

/// What the RST to a stray segment says. The third ACK of a join that nobody waits for has had to
/// make way for others: its peer may try again.
pub(super) fn words_for_stray(segment: &Segment) -> Option<MpTcpRst> {
    let third_ack = |option: &MptcpOption| matches!(option, MptcpOption::Join(MpJoin::Ack { .. }));
    segment
        .options
        .mptcp
        .iter()
        .any(third_ack)
        .then(|| JoinRefusal::Resources.reset())
}

impl Endpoint {
    /// RFC 6824 §3.2: a join is led to its connection by the token; no listener is needed.
    pub(super) fn handle_join(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        home: InterfaceId,
        join: JoinSyn,
        syn: &Segment,
        after: Option<SeqNum>,
    ) {
        self.counters.count(MptcpCounter::MpJoinSynRx);
        if join.backup {
            self.counters.count(MptcpCounter::MpJoinSynBackupRx);
        }
        let Some(id) = self.demux.token(join.token) else {
            self.refuse_unknown_token(now, interface, syn);
            return;
        };
        let Some(entry) = self.connections.get_mut(id) else {
            return;
        };
        let source = syn.tuple.remote.ip();
        if self.failed_joins.is_suspect(now, source) && !entry.connection.knows_address(source) {
            // A guesser must not learn that it has found a token.
            self.stats.joins_ignored += 1;
            return;
        }
        let local_id = match entry.connection.admit_join(now, syn.tuple.local) {
            Ok(local_id) => local_id,
            Err(refusal) => {
                let words = entry.connection.refusal_option(refusal);
                self.counters.count(MptcpCounter::MpJoinRejected);
                self.refuse_join(interface, syn, words);
                self.after(now, id);
                return;
            }
        };
        let config = entry.connection.config().clone();
        let request = JoinRequest {
            tuple: syn.tuple,
            interface: home,
            local_id,
            remote_id: join.address_id,
            backup: join.backup,
            remote_nonce: join.nonce,
            local_nonce: Nonce(self.rng.next_u32()),
        };
        let tcb_config = self.tcb_config(now, &syn.tuple, home, &config, after);
        let tcb = Tcb::accept(now, tcb_config, syn);
        if let Some(entry) = self.connections.get_mut(id) {
            let subflow = entry.connection.accept_subflow(request, tcb);
            self.demux.insert(request.tuple, id, subflow);
        }
        self.after(now, id);
    }

    fn refuse_unknown_token(&mut self, now: Instant, interface: InterfaceId, syn: &Segment) {
        self.counters.count(MptcpCounter::MpJoinNoTokenFound);
        if self.failed_joins.note(now, syn.tuple.remote.ip()) {
            self.refuse_join(interface, syn, Some(UNKNOWN_TOKEN));
        } else {
            self.stats.joins_ignored += 1;
        }
    }

    fn refuse_join(&mut self, interface: InterfaceId, syn: &Segment, words: Option<MpTcpRst>) {
        self.stats.joins_refused += 1;
        self.answer_with_reset(interface, &Offence::of(syn), words);
    }

    /// Opens a further subflow from a local address to a remote one.
    ///
    /// # Errors
    /// The connection cannot take one now, or the addresses do not work.
    pub fn open_subflow(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        local: IpAddr,
        remote: SocketAddr,
        backup: bool,
    ) -> Result<SubflowId, SubflowError> {
        let entry = self
            .connections
            .get(connection)
            .ok_or(SubflowError::UnknownConnection)?;
        if !entry.connection.can_open_subflow() {
            return Err(SubflowError::NotMultipath);
        }
        if entry.connection.may_not_join(remote) {
            return Err(SubflowError::DeniedByPeer(remote));
        }
        let config = entry.connection.config().clone();
        let end = self
            .choose_end_of_join(now, local, remote)
            .inspect_err(|error| self.counters.count(counter_of(error)))?;
        let LocalEnd {
            tuple,
            interface,
            after,
        } = end;
        let nonce = Nonce(self.rng.next_u32());
        let tcb = Tcb::connect(now, self.tcb_config(now, &tuple, interface, &config, after));
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(SubflowError::UnknownConnection)?;
        let Some(local_id) = entry.connection.place_for_subflow(local) else {
            self.counters.count(MptcpCounter::MpJoinSynTxCreatSkErr);
            return Err(SubflowError::NotMultipath);
        };
        let id = entry
            .connection
            .open_subflow(tuple, interface, tcb, nonce, local_id, backup);
        self.demux.insert(tuple, connection, id);
        self.after(now, connection);
        Ok(id)
    }

    fn choose_end_of_join(
        &mut self,
        now: Instant,
        local: IpAddr,
        remote: SocketAddr,
    ) -> Result<LocalEnd, ConnectError> {
        if remote.port() == 0 || remote.ip().is_unspecified() || remote.ip().is_multicast() {
            return Err(ConnectError::InvalidRemote(remote));
        }
        self.choose_local(now, Some(SocketAddr::new(local, 0)), remote)
    }
}

/// The kernel counts by the system call that fails.
const fn counter_of(error: &ConnectError) -> MptcpCounter {
    match error {
        ConnectError::UnknownLocalAddress(_)
        | ConnectError::AddressInUse(_)
        | ConnectError::NoFreePort(_) => MptcpCounter::MpJoinSynTxBindErr,
        ConnectError::NoLocalAddress(_) | ConnectError::InvalidRemote(_) => {
            MptcpCounter::MpJoinSynTxConnectErr
        }
    }
}
