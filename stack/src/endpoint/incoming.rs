//! Segments that belong to no subflow: SYNs that make one, and strays.

use super::{Endpoint, reset::Offence};
use crate::base::config::Version;
use crate::base::id::{InterfaceId, ListenerId};
use crate::base::time::Instant;
use crate::mptcp::connection::{Connection, InitialSubflow, JoinRequest};
use crate::mptcp::handshake::{Answer, SynVerdict, judge_syn};
use crate::mptcp::key::HostKey;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{
    Key, MpCapable, MpJoin, MpTcpRst, MptcpOption, Nonce, ResetReason, Token,
};
use crate::wire::packet::Segment;

/// Attempts at a key whose token is not in use; Linux makes four.
const KEY_TRIES: u32 = 8;

impl Endpoint {
    pub(super) fn handle_unknown(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        segment: Segment,
    ) {
        let Some(home) = self.interfaces.of(segment.tuple.local.ip()) else {
            // Not our address: nobody asked us.
            return;
        };
        let is_syn = segment.flags.syn && segment.ack.is_none() && !segment.flags.rst;
        let join = segment
            .options
            .mptcp
            .iter()
            .find_map(|option| match option {
                MptcpOption::Join(MpJoin::Syn {
                    backup,
                    address_id,
                    token,
                    nonce,
                }) => Some((*backup, *address_id, *token, *nonce)),
                _ => None,
            });
        match join {
            Some((backup, remote_id, token, remote_nonce)) if is_syn => {
                let request = JoinRequest {
                    tuple: segment.tuple,
                    interface: home,
                    remote_id,
                    backup,
                    remote_nonce,
                    local_nonce: Nonce(self.rng.next_u32()),
                };
                self.handle_join(now, interface, request, token, &segment);
            }
            Some(_) | None => match self.listeners.at(segment.tuple.local) {
                Some(listener) if is_syn => self.handle_syn(now, home, listener, &segment),
                Some(_) | None => self.answer_with_reset(interface, &Offence::of(&segment), None),
            },
        }
    }

    /// RFC 6824 §3.2: a join is led to its connection by the token; no listener is needed.
    fn handle_join(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        request: JoinRequest,
        token: Token,
        segment: &Segment,
    ) {
        let refusal = |reason| {
            Some(MpTcpRst {
                transient: false,
                reason,
            })
        };
        let Some(id) = self.demux.token(token) else {
            self.stats.joins_refused += 1;
            self.answer_with_reset(
                interface,
                &Offence::of(segment),
                refusal(ResetReason::MptcpSpecific),
            );
            return;
        };
        let allowed = self
            .connections
            .get(id)
            .is_some_and(|entry| entry.connection.can_accept_subflow());
        if !allowed {
            self.stats.joins_refused += 1;
            let reason = refusal(ResetReason::AdministrativelyProhibited);
            self.answer_with_reset(interface, &Offence::of(segment), reason);
            return;
        }
        let Some(config) = self
            .connections
            .get(id)
            .map(|entry| entry.connection.config().clone())
        else {
            return;
        };
        let tcb_config = self.tcb_config(now, &request.tuple, request.interface, &config);
        let tcb = Tcb::accept(now, tcb_config, segment);
        if let Some(entry) = self.connections.get_mut(id) {
            let subflow = entry.connection.accept_subflow(request, tcb);
            self.demux.insert(request.tuple, id, subflow);
        }
        self.after(now, id);
    }

    fn handle_syn(&mut self, now: Instant, home: InterfaceId, listener: ListenerId, syn: &Segment) {
        let Some((full, config)) = self
            .listeners
            .get_mut(listener)
            .map(|l| (l.pending >= self.config.backlog, l.config.clone()))
        else {
            return;
        };
        if full {
            self.stats.syns_dropped += 1;
            return;
        }
        let capable = syn.options.mptcp.iter().find_map(|option| match option {
            MptcpOption::Capable(capable) => Some(*capable),
            _ => None,
        });
        let verdict = capable
            .filter(|_| config.mptcp)
            .map_or(SynVerdict::PlainTcp, |capable| {
                judge_syn(&capable, config.checksum)
            });
        let answer = match (verdict, capable) {
            (SynVerdict::Ignore, _) => return,
            (SynVerdict::Accept(version), Some(capable)) => self.answer(version, &capable, &config),
            (SynVerdict::PlainTcp, _) | (SynVerdict::Accept(_), None) => None,
        };
        let token = answer.as_ref().map(|answer| answer.local.token);
        let tcb_config = self.tcb_config(now, &syn.tuple, home, &config);
        let tcb = Tcb::accept(now, tcb_config, syn);
        let initial = InitialSubflow {
            tuple: syn.tuple,
            interface: home,
            tcb,
        };
        let id = self.connections.insert(Some(listener), |id| {
            Connection::accept(id, config, answer, initial)
        });
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.pending += 1;
        }
        if let Some(token) = token {
            self.demux.insert_token(token, id);
        }
        self.demux
            .insert(syn.tuple, id, crate::base::id::SubflowId(0));
        self.after(now, id);
    }

    fn answer(
        &mut self,
        version: Version,
        capable: &MpCapable,
        config: &crate::base::config::ConnectionConfig,
    ) -> Option<Answer> {
        let local = self.new_key(version)?;
        Some(Answer::new(version, local, capable, config.checksum))
    }

    /// A key whose token no connection uses (RFC 6824 §3.1); `None` gives up MPTCP.
    pub(super) fn new_key(&mut self, version: Version) -> Option<HostKey> {
        for _ in 0..KEY_TRIES {
            let key = HostKey::new(version, Key(self.rng.next_u64()));
            if key.key.0 != 0 && self.demux.token(key.token).is_none() {
                return Some(key);
            }
        }
        None
    }

    pub(super) fn answer_with_reset(
        &mut self,
        interface: InterfaceId,
        offence: &Offence,
        reason: Option<MpTcpRst>,
    ) {
        if !self.config.answer_unknown_with_reset {
            return;
        }
        if let Some(reset) = offence.answer(interface, reason) {
            self.stats.resets_sent += 1;
            self.replies.push_back(reset);
        }
    }
}
