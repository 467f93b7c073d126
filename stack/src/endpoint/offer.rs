//! What a new connection offers to its peer, and the second offer if the peer does not take the
//! first.
//!
//! Owns neither the connection nor what is remembered of the peer: it brings the two together.

use super::Endpoint;
use super::commands::LocalEnd;
use super::reset::Offence;
use crate::base::config::{ConnectionConfig, OtherVersion, Version};
use crate::base::id::{ConnectionId, InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::connection::InitialSubflow;
use crate::mptcp::handshake::Offer;
use crate::tcp::tcb::Tcb;
use std::net::SocketAddr;

impl Endpoint {
    /// What a new connection offers, or `None` for plain TCP. The version it is goes into the
    /// settings. Only a connection whose port nobody has chosen can start again from another one.
    pub(super) fn offer(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        any_port: bool,
        config: &mut ConnectionConfig,
    ) -> Option<Offer> {
        if !config.mptcp {
            return None;
        }
        if self.peers.is_black_hole(now, remote.ip()) {
            self.counters.count(MptcpCounter::MpCapableSynTxDisabled);
            return None;
        }
        let policy = match config.other_version {
            OtherVersion::AtOnce if !any_port => OtherVersion::NextConnection,
            policy => policy,
        };
        let plan = self.peers.plan(now, remote, config.version, policy);
        config.version = plan.version;
        // Without a free token there is no MPTCP (RFC 6824 §3.1).
        let key = self.new_key(config.version)?;
        self.counters.count(MptcpCounter::MpCapableSynTx);
        Some(Offer::new(config, key, plan.retry_with))
    }

    /// Starts a connection anew with another version. The peer has answered its SYN, and hears with
    /// an RST that nothing comes of it, before its application has seen the connection.
    pub(super) fn offer_again(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        id: ConnectionId,
        version: Version,
        answer: &Offence,
    ) {
        let Some(entry) = self.connections.get(id) else {
            return;
        };
        let config = entry.connection.config().clone();
        let (before, token) = (entry.connection.initial_tuple(), entry.connection.token());
        let from = SocketAddr::new(before.local.ip(), 0);
        let (Some(key), Ok(end)) = (
            self.new_key(version),
            self.choose_local(now, Some(from), before.remote),
        ) else {
            // The peer repeats its SYN/ACK, and then plain TCP will do.
            return;
        };
        let LocalEnd {
            tuple,
            interface: home,
            after,
        } = end;
        let tcb = Tcb::connect(
            now,
            self.tcb_config(now, &tuple, home, (&config, &config.subflow), after),
        );
        self.demux.remove(before, id, SubflowId(0));
        if let Some(token) = token {
            self.demux.remove_token(token, id);
        }
        if let Some(entry) = self.connections.get_mut(id) {
            let initial = InitialSubflow {
                tuple,
                interface: home,
                tcb,
            };
            entry.connection.offer_again(version, key, initial);
        }
        self.demux.insert_token(key.token, id);
        self.demux.insert(tuple, id, SubflowId(0));
        self.counters.count(MptcpCounter::MpCapableSynTx);
        if let Some(reset) = answer.answer(interface, None) {
            self.stats.resets_sent += 1;
            self.reply(reset);
        }
    }
}
