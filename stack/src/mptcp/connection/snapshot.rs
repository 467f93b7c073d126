//! What the connection looks like from outside, and what is noted for that alone.
//!
//! Owns the snapshots and the notes behind them. Nothing here changes what the connection does.

use super::{Connection, Effect, Side};
use crate::base::config::Version;
use crate::base::id::{AddressId, SubflowId};
use crate::base::num::{saturating_u8, saturating_usize};
use crate::base::seq::DataSeq;
use crate::base::time::Instant;
use crate::mptcp::data_send::Chunk;
use crate::mptcp::info::{ConnectionInfo, ConnectionProtocol, PlainDirections, SubflowInfo};
use crate::mptcp::path_log::{PathLog, PathRecorder};
use crate::mptcp::protocol::Protocol;
use crate::mptcp::reasons::FallbackReason;
use crate::wire::mptcp_option::Token;
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// What is noted for snapshots only.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What the handshake agreed on, also after a fallback.
    pub(super) agreed: Option<Agreed>,
    /// Why MPTCP was given up.
    pub(super) fallback: Option<FallbackReason>,
    /// Ids of our addresses that ADD_ADDR has told of.
    pub(super) told: BTreeSet<AddressId>,
    /// When data was last given to a subflow.
    pub(super) data_sent: Option<Instant>,
    /// When a segment with data last came.
    pub(super) data_received: Option<Instant>,
    /// When data was last acknowledged, or said to be.
    pub(super) ack_received: Option<Instant>,
    /// Which bytes went where, if that is wanted.
    pub(super) paths: Option<Box<PathRecorder>>,
}

/// What both sides agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) version: Version,
    pub(super) remote: Token,
}

impl Connection {
    /// A snapshot.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        let initial = self.addresses_of_initial();
        let protocol = self.protocol_info();
        let mptcp = matches!(protocol, ConnectionProtocol::Mptcp(_));
        // A session that is only assumed may turn out to be none.
        let agreed = self.notes.agreed.filter(|_| self.was_mptcp);
        let session = self.protocol.session();
        let (send, receive) = (&self.send, &self.receive);
        let open = || self.subflows.iter().filter(|subflow| !subflow.is_closed());
        ConnectionInfo {
            id: self.id,
            initiator: self.side == Side::Initiator,
            established: self.subflows[0].tcb.traffic.established_at.is_some(),
            fully_established: self.session().is_some_and(|session| session.confirmed),
            protocol,
            version: agreed.map(|agreed| agreed.version),
            fallback: self.notes.fallback,
            token: self.token.map(|token| token.0),
            remote_token: self.remote_token().map(|token| token.0),
            remote_key_received: self.remote_token().is_some(),
            deny_join_initial: match &self.protocol {
                Protocol::Answered(answer) => answer.deny_join_initial,
                Protocol::Offered(_)
                | Protocol::Mptcp(_)
                | Protocol::FallingBack(_)
                | Protocol::Plain => session.is_some_and(|session| session.deny_join_initial),
            },
            data_state: self.state,
            plain: match (self.protocol.sends_plain(), self.protocol.receives_plain()) {
                (false, false) => PlainDirections::Neither,
                (true, false) => PlainDirections::Sending,
                (false, true) => PlainDirections::Receiving,
                (true, true) => PlainDirections::Both,
            },
            checksum: session.is_some_and(|session| session.checksum),
            local: initial.local,
            remote: initial.remote,
            bytes_written: send.end(),
            bytes_acked: send.bytes_acked(),
            bytes_sent: send.bytes_sent(),
            bytes_received: receive.bytes_received(),
            bytes_reinjected: send.bytes_reinjected(),
            data_timeouts: self.data_backoff,
            write_dsn: mptcp.then(|| send.dsn(send.end()).0),
            snd_una_dsn: mptcp.then(|| send.dsn(send.bytes_acked()).0),
            rcv_nxt_dsn: mptcp.then(|| receive.data_ack().0),
            can_write: self.closed.is_none() && self.state.can_write(),
            send_room: send.room(),
            unsent: saturating_usize(send.end() - send.next()),
            unacked: saturating_usize(send.end() - send.una()),
            send_capacity: send.capacity(),
            send_buffer_limited: self.send_buffer_limited,
            receive_capacity: receive.capacity(),
            unread: receive.readable(),
            peer_finished: receive.is_finished(),
            end_of_stream: receive.is_finished() && receive.readable() == 0,
            last_data_sent: self.notes.data_sent,
            last_data_received: self.notes.data_received,
            last_ack_received: self.notes.ack_received,
            addresses_announced: saturating_u8(self.notes.told.len()),
            addresses_accepted: saturating_u8(
                self.addresses
                    .remote()
                    .iter()
                    .filter(|known| known.id != AddressId::INITIAL)
                    .count(),
            ),
            local_addresses_used: {
                let mut used: SmallVec<[AddressId; 8]> = open()
                    .map(|subflow| subflow.local_id)
                    .filter(|&id| id != AddressId::INITIAL)
                    .collect();
                used.sort_unstable();
                used.dedup();
                saturating_u8(used.len())
            },
            subflows: self.live_subflows(),
            initial_subflow_alive: !self.subflows[0].is_closed(),
            closed: self.closed,
        }
    }

    /// Snapshots of the subflows, in the order of opening.
    #[must_use]
    pub fn subflow_infos(&self) -> Vec<SubflowInfo> {
        let initiator = self.side == Side::Initiator;
        let infos = self.subflows.iter().map(|subflow| subflow.info(initiator));
        infos.collect()
    }

    pub(super) fn protocol_info(&self) -> ConnectionProtocol {
        match &self.protocol {
            Protocol::Offered(_) | Protocol::Answered(_) => ConnectionProtocol::Negotiating,
            Protocol::Mptcp(session) if session.assumed => ConnectionProtocol::Negotiating,
            Protocol::Mptcp(session) => ConnectionProtocol::Mptcp(session.version),
            Protocol::FallingBack(falling) if !self.is_plain() => {
                ConnectionProtocol::Mptcp(falling.session.version)
            }
            Protocol::FallingBack(_) | Protocol::Plain => ConnectionProtocol::Tcp,
        }
    }

    /// The peer's token, once its key is known: version 0 has it on the SYN.
    fn remote_token(&self) -> Option<Token> {
        match &self.protocol {
            Protocol::Answered(answer) => answer.remote.as_ref().map(|remote| remote.token),
            Protocol::Offered(_) => None,
            Protocol::Mptcp(_) | Protocol::FallingBack(_) | Protocol::Plain => {
                self.notes.agreed.map(|agreed| agreed.remote)
            }
        }
    }

    /// MPTCP is given up: the application hears of it once.
    pub(super) fn fell_back(&mut self, reason: FallbackReason) {
        if self.notes.fallback.is_none() {
            self.notes.fallback = Some(reason);
            self.effects.push_back(Effect::FellBack(reason));
        }
    }

    /// Which bytes went where; `None` if that is not recorded.
    #[must_use]
    pub fn path_log(&self) -> Option<PathLog> {
        self.notes.paths.as_ref().map(|paths| paths.log())
    }

    /// The same, and the record begins anew.
    pub fn take_path_log(&mut self) -> Option<PathLog> {
        self.notes.paths.as_mut().map(|paths| paths.take())
    }

    /// A chunk is given to a subflow.
    pub(super) fn note_sent(
        &mut self,
        now: Instant,
        subflow: SubflowId,
        chunk: &Chunk,
        again: bool,
    ) {
        self.notes.data_sent = Some(now);
        if let Some(paths) = &mut self.notes.paths {
            let end = chunk.offset + chunk.len as u64;
            paths.note_sent(subflow, chunk.offset..end, again);
        }
    }

    /// Bytes of a subflow are about to be placed in the stream; without mappings no window of the
    /// data level bounds them.
    pub(super) fn note_received(&mut self, index: usize, dsn: DataSeq, len: usize, mapped: bool) {
        let Some(paths) = &mut self.notes.paths else {
            return;
        };
        let next = self.receive.bytes_received();
        let ahead = dsn.distance_from(self.receive.rcv_nxt());
        let (start, skipped) = match next.checked_add_signed(ahead) {
            Some(start) => (start, 0),
            // Before the first byte of the stream.
            None => (0, ahead.unsigned_abs() - next),
        };
        let len = (len as u64).saturating_sub(skipped);
        let limit = self.receive.limit(mapped);
        let subflow = self.subflows[index].id;
        paths.note_received(subflow, start..start + len, next, limit);
    }
}
