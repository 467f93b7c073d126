//! Segments that belong to no subflow: SYNs that make one, and strays.

use super::join_syn::join_of;
use super::joins::words_for_stray;
use super::reset::Offence;
use super::stateless::{Offered, Third, capable_of};
use super::{Endpoint, Event};
use crate::base::config::{ConnectionConfig, SynCookies, Version};
use crate::base::id::{ConnectionId, InterfaceId, ListenerId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::mptcp::connection::{Connection, InitialSubflow};
use crate::mptcp::handshake::{Answer, SynVerdict, judge_syn};
use crate::mptcp::key::HostKey;
use crate::tcp::tcb::{Tcb, TcbConfig};
use crate::wire::mptcp_option::{Key, MpTcpRst};
use crate::wire::packet::{Segment, Transmit};

/// Attempts at a key whose token is not in use; Linux makes four.
const KEY_TRIES: usize = 8;
/// Packets of no connection that wait to be sent; more are dropped, as on a full device.
const MAX_REPLIES: usize = 4096;

impl Endpoint {
    /// Takes a segment of no subflow. If its four-tuple was in TIME-WAIT, `after` is where the
    /// sequence numbers of that connection ended.
    pub(super) fn handle_unknown(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        segment: Segment,
        after: Option<SeqNum>,
    ) {
        let Some(home) = self.interfaces.of(segment.tuple.local.ip()) else {
            // Not our address: nobody asked us.
            return;
        };
        let listener = self.listeners.at(segment.tuple.local);
        if segment.flags.syn && segment.ack.is_none() && !segment.flags.rst {
            match (join_of(&segment), listener) {
                (Some(join), _) => self.handle_join(now, interface, home, join, &segment, after),
                (None, Some(listener)) => self.handle_syn(now, home, listener, &segment, after),
                (None, None) => self.answer_with_reset(interface, &Offence::of(&segment), None),
            }
            return;
        }
        let offence = Offence::of(&segment);
        let words = words_for_stray(&segment);
        let third = match listener {
            Some(listener) => self.handle_third_packet(now, home, listener, segment),
            None => Third::Stray,
        };
        if third == Third::Stray {
            self.answer_with_reset(interface, &offence, words);
        }
    }

    fn handle_syn(
        &mut self,
        now: Instant,
        home: InterfaceId,
        listener_id: ListenerId,
        syn: &Segment,
        after: Option<SeqNum>,
    ) {
        let Some(listener) = self.listeners.get(listener_id) else {
            return;
        };
        if listener.is_full() {
            // The application does not keep up: a connection more would only wait, and its peer
            // tries again. A cookie is no help either, as its acknowledgment finds no room.
            self.stats.syns_dropped += 1;
            return;
        }
        let config = listener.config.clone();
        // What follows TIME-WAIT takes the place of a connection, so it needs no room; and its
        // sequence numbers have to lie behind those of the other, which those of a cookie do not.
        let crowded = after.is_none() && listener.half_open >= self.config.syn_backlog;
        let Ok(offered) = offered(syn, &config) else {
            return;
        };
        let stateless = match self.config.syn_cookies {
            SynCookies::Never if crowded => {
                self.stats.syns_dropped += 1;
                return;
            }
            SynCookies::Never => false,
            SynCookies::WhenFull => crowded,
            SynCookies::Always => after.is_none(),
        };
        if offered.is_some() {
            self.counters.count(MptcpCounter::MpCapableSynRx);
        }
        if stateless {
            self.answer_with_cookie(now, home, listener_id, syn, offered, &config);
            return;
        }
        let answer = offered.and_then(|(version, capable)| {
            let local = self.new_key(version)?;
            Some(Answer::new(version, local, &capable, &config))
        });
        let tcb_config = self.tcb_config(now, &syn.tuple, home, (&config, &config.subflow), after);
        let id = self.insert_accepted(now, home, listener_id, syn, tcb_config, answer, config);
        self.after(now, id);
    }

    /// Adds a half-open connection of a listener.
    #[expect(
        clippy::too_many_arguments,
        reason = "they are what makes a connection"
    )]
    pub(super) fn insert_accepted(
        &mut self,
        now: Instant,
        home: InterfaceId,
        listener: ListenerId,
        syn: &Segment,
        tcb_config: TcbConfig,
        answer: Option<Answer>,
        config: ConnectionConfig,
    ) -> ConnectionId {
        let token = answer.as_ref().map(|answer| answer.local.token);
        let initial = InitialSubflow {
            tuple: syn.tuple,
            interface: home,
            tcb: Tcb::accept(now, tcb_config, syn),
        };
        let id = self.connections.insert(Some(listener), |id| {
            Connection::accept(id, config, answer, initial)
        });
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.half_open += 1;
        }
        if let Some(token) = token {
            self.demux.insert_token(token, id);
        }
        self.demux.insert(syn.tuple, id, SubflowId(0));
        self.tell(id, Event::Created(id));
        id
    }

    /// A key whose token no connection uses (RFC 6824 §3.1); `None` gives up MPTCP.
    pub(super) fn new_key(&mut self, version: Version) -> Option<HostKey> {
        let tries = KEY_TRIES + self.fixed_keys.len();
        let key = (0..tries).find_map(|_| {
            let fixed = self.fixed_keys.pop_front();
            let key = fixed.unwrap_or_else(|| self.rng.next_u64());
            let key = HostKey::new(version, Key(key));
            self.is_free_key(&key).then_some(key)
        });
        if key.is_none() {
            self.counters.count(MptcpCounter::MpFallbackTokenInit);
        }
        key
    }

    /// A key can be ours: no connection has its token.
    pub(super) fn is_free_key(&self, key: &HostKey) -> bool {
        key.key.0 != 0 && !self.demux.is_token_taken(key.token)
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
            if reason.is_some() {
                self.counters.count(MptcpCounter::MpRstTx);
            }
            self.reply(reset);
        }
    }

    /// Queues a packet that belongs to no connection.
    pub(super) fn reply(&mut self, packet: Transmit) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.push_back(packet);
        }
    }
}

/// A SYN that must not be answered.
struct Ignored;

/// What MP_CAPABLE a listener answers to.
fn offered(syn: &Segment, config: &ConnectionConfig) -> Result<Option<Offered>, Ignored> {
    let Some(capable) = capable_of(syn).filter(|_| config.mptcp) else {
        return Ok(None);
    };
    match judge_syn(&capable, config) {
        SynVerdict::Accept(version) => Ok(Some((version, capable))),
        SynVerdict::PlainTcp => Ok(None),
        SynVerdict::Ignore => Err(Ignored),
    }
}

#[cfg(test)]
mod tests;
