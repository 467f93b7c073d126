//! MP_JOIN at the door: which connection a SYN wants to join (RFC 6824 §3.2, RFC 8684 §3.2).
//!
//! Owns the way from a token to its connection and the answers to joins that lead nowhere. Whether a
//! connection takes a subflow is for `mptcp::connection` to say.

use super::Endpoint;
use super::join_syn::JoinSyn;
use super::reset::Offence;
use crate::base::id::InterfaceId;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::policy::PathManagerKind;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::mptcp::connection::{JoinRefusal, JoinRequest};
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpJoin, MpTcpRst, MptcpOption, Nonce, ResetReason};
use crate::wire::packet::Segment;

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
        if config.path_manager == PathManagerKind::Endpoints
            && syn.tuple.local.ip() != entry.connection.initial_tuple().local.ip()
        {
            self.note_address_in_use(now, syn.tuple.local.ip());
        }
        let request = JoinRequest {
            tuple: syn.tuple,
            interface: home,
            local_id,
            remote_id: join.address_id,
            backup: join.backup,
            remote_nonce: join.nonce,
            local_nonce: Nonce(self.rng.next_u32()),
        };
        let tcb_config = self.tcb_config(now, &syn.tuple, home, (&config, &config.subflow), after);
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
}
