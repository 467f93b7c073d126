//! Connections in TIME-WAIT that make way for new ones of the same four-tuple
//! (RFC 9293 §3.6.1, RFC 6191).
//!
//! Owns the handing over; whether a connection gives way is judged in `tcp::time_wait`.

use super::Endpoint;
use super::connections::Connections;
use super::demux::Demux;
use super::join_syn::join_of;
use super::ports::PortUse;
use crate::base::id::{ConnectionId, SubflowId};
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::packet::{FourTuple, Segment};
use std::net::{IpAddr, SocketAddr};

impl Endpoint {
    /// If `syn` is to start a new connection where `subflow` is in TIME-WAIT: releases that, and
    /// gives the sequence number that the new one has to begin behind.
    ///
    /// A SYN that nobody would take leaves the quiet time as it is.
    pub(super) fn give_way(
        &mut self,
        now: Instant,
        id: ConnectionId,
        subflow: SubflowId,
        syn: &Segment,
    ) -> Option<SeqNum> {
        if syn.flags.rst || syn.ack.is_some() {
            return None;
        }
        let entry = self.connections.get(id)?;
        let old = entry.connection.in_time_wait(subflow)?;
        if !old.gives_way_to(syn) || !self.is_wanted(syn) {
            return None;
        }
        let snd_nxt = old.snd_nxt;
        self.end_time_wait(now, id, subflow);
        Some(snd_nxt)
    }

    /// Somebody would take this SYN.
    fn is_wanted(&self, syn: &Segment) -> bool {
        if let Some(join) = join_of(syn) {
            return self.demux.token(join.token).is_some();
        }
        let listener = self
            .listeners
            .at(syn.tuple.local)
            .and_then(|id| self.listeners.get(id));
        listener.is_some_and(|listener| !listener.is_full())
    }

    /// Takes a four-tuple over from a connection that may be reused; gives the sequence number
    /// that the new one has to begin behind.
    pub(super) fn take_over(&mut self, now: Instant, tuple: &FourTuple) -> Option<SeqNum> {
        let (id, subflow) = self.demux.subflow(tuple)?;
        let entry = self.connections.get(id)?;
        let snd_nxt = entry.connection.in_time_wait(subflow)?.snd_nxt;
        self.end_time_wait(now, id, subflow);
        Some(snd_nxt)
    }

    fn end_time_wait(&mut self, now: Instant, id: ConnectionId, subflow: SubflowId) {
        self.stats.time_waits_reused += 1;
        if let Some(entry) = self.connections.get_mut(id) {
            entry.connection.end_time_wait(now, subflow);
        }
        self.after(now, id);
    }
}

/// The ports between an address of ours and a destination.
pub(super) struct PortsTowards<'a> {
    pub(super) now: Instant,
    pub(super) local: IpAddr,
    pub(super) remote: SocketAddr,
    pub(super) demux: &'a Demux,
    pub(super) connections: &'a Connections,
}

impl PortsTowards<'_> {
    fn owner(&self, port: u16) -> Option<(ConnectionId, SubflowId)> {
        self.demux.subflow(&FourTuple {
            local: SocketAddr::new(self.local, port),
            remote: self.remote,
        })
    }
}

impl PortUse for PortsTowards<'_> {
    fn taken(&self) -> u32 {
        self.demux.ports_in_use(self.local, self.remote)
    }

    fn is_taken(&self, port: u16) -> bool {
        self.owner(port).is_some()
    }

    fn is_reusable(&self, port: u16) -> bool {
        let Some((id, subflow)) = self.owner(port) else {
            return false;
        };
        self.connections.get(id).is_some_and(|entry| {
            let old = entry.connection.in_time_wait(subflow);
            old.is_some_and(|old| old.gives_way_to_us(self.now))
        })
    }
}
