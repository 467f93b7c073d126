//! A host: the public face of the stack.
//!
//! Owns interfaces, listeners, ports and the tables that lead a segment to its subflow, and gives
//! connections their turn at sending. It decides nothing about a connection.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the endpoint: input, output, getters |
//! | `commands` | what the application asks for |
//! | `event` | what it is told |
//! | `observe` | what it can look at |
//! | `addresses` | addresses and priorities, by hand |
//! | `tuning` | settings of a connection that lives |
//! | `control` | options of its subflows, policies, and the local addresses it may use |
//! | `open_subflow` | joins of our own |
//! | `path_endpoints` | the endpoints of the host |
//! | `look_up` | connections by token, subflows by address, and what there is |
//! | `offer` | what a new connection offers, and the second offer |
//! | `peer_memory`, `expiring` | what earlier connections have shown of hosts |
//! | `incoming` | SYNs and strays |
//! | `joins`, `join_syn`, `join_limits` | SYNs with MP_JOIN, and how many may fail |
//! | `stateless`, `syn_cookie` | handshakes that keep nothing here |
//! | `time_wait` | connections in TIME-WAIT that make way |
//! | `connections` | the table of connections, turns and deadlines |
//! | `demux` | four-tuples and tokens |
//! | `icmp_errors` | whose segment an ICMP error is about |
//! | `interfaces`, `listener`, `ports`, `isn`, `reset`, `secret` | as they say |

mod addresses;
mod commands;
mod connections;
mod control;
mod demux;
mod event;
mod expiring;
mod icmp_errors;
mod incoming;
mod interfaces;
mod isn;
mod join_limits;
mod join_syn;
mod joins;
mod listener;
mod look_up;
mod observe;
mod offer;
mod open_subflow;
mod path_endpoints;
mod peer_memory;
mod ports;
mod reset;
mod secret;
mod stateless;
mod syn_cookie;
mod time_wait;
mod tuning;

use crate::base::config::{ConnectionConfig, EndpointConfig, InterfaceConfig, SubflowOptions};
use crate::base::error::CloseReason;
use crate::base::id::{ConnectionId, InterfaceId};
use crate::base::mptcp_counters::{MptcpCounter, MptcpCounters};
use crate::base::rng::SeededRng;
use crate::base::seq::SeqNum;
use crate::base::stats::EndpointStats;
use crate::base::time::Instant;
use crate::mptcp::connection::{Effect, Interfaces as _, SegmentAnswer};
use crate::mptcp::info::ConnectionProtocol;
use crate::tcp::handshake::offered_scale;
use crate::tcp::tcb::TcbConfig;
use crate::wire::packet::{FourTuple, ParseError, ReceivedPacket, Segment, Transmit, parse};
use connections::Connections;
use demux::Demux;
use interfaces::InterfaceTable;
use isn::IsnGenerator;
use join_limits::FailedJoins;
use listener::Listeners;
use path_endpoints::PathEndpointTable;
use peer_memory::PeerMemory;
use ports::PortSelector;
use reset::Offence;
use std::collections::VecDeque;
use std::net::IpAddr;
use syn_cookie::Cookies;

pub use event::Event;
pub use open_subflow::{OpenSubflow, SubflowSource};
pub use peer_memory::{BlackHole, PeerKnowledge, PeerVersions};

/// A host with its addresses, listeners and connections.
///
/// Its methods are of four kinds:
///
/// - **input** (`handle_packet`, `handle_timeout`, `set_interface_up`): what happens outside;
/// - **commands** (`listen`, `connect`, `write`, …): what the application wants;
/// - **output** (`poll_transmit`, `poll_timeout`, `poll_event`): what should happen outside;
/// - **getters** (`connection_info`, `subflows`, `stats`): `&self` snapshots.
///
/// After any input or command, call `poll_transmit` until it gives `None`, then `poll_event`
/// until `None`, then ask `poll_timeout` when to call `handle_timeout`.
#[derive(Debug)]
pub struct Endpoint {
    config: EndpointConfig,
    rng: SeededRng,
    /// Keys that tests want; the next one first.
    fixed_keys: VecDeque<u64>,
    isn: IsnGenerator,
    ports: PortSelector,
    cookies: Cookies,
    failed_joins: FailedJoins,
    interfaces: InterfaceTable,
    demux: Demux,
    listeners: Listeners,
    connections: Connections,
    peers: PeerMemory,
    path_endpoints: PathEndpointTable,
    /// What is announced to every peer.
    announced: Vec<addresses::Announced>,
    /// Packets that belong to no connection.
    replies: VecDeque<Transmit>,
    events: VecDeque<Event>,
    stats: EndpointStats,
    counters: MptcpCounters,
}

impl Endpoint {
    /// A host without interfaces; all its randomness grows from `seed`.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self {
        let mut rng = SeededRng::new(seed);
        Self {
            isn: IsnGenerator::new(&mut rng, config.fixed_isn),
            ports: PortSelector::new(&mut rng, config.ephemeral_ports),
            demux: Demux::new(&mut rng, config.ephemeral_ports),
            cookies: Cookies::new(&mut rng),
            failed_joins: FailedJoins::new(config.failed_joins),
            peers: PeerMemory::new(&config),
            fixed_keys: config.fixed_keys.iter().copied().collect(),
            config,
            rng,
            interfaces: InterfaceTable::default(),
            listeners: Listeners::default(),
            connections: Connections::default(),
            path_endpoints: PathEndpointTable::default(),
            announced: Vec::new(),
            replies: VecDeque::new(),
            events: VecDeque::new(),
            stats: EndpointStats::default(),
            counters: MptcpCounters::default(),
        }
    }

    /// Adds an interface, up.
    pub fn add_interface(&mut self, config: InterfaceConfig) -> InterfaceId {
        self.interfaces.add(config)
    }

    /// Gives an interface an address; packets from this address leave there. Connections learn of
    /// it. An interface that does not exist is ignored.
    pub fn add_address(&mut self, now: Instant, interface: InterfaceId, address: IpAddr) {
        if self.interfaces.add_address(interface, address) {
            self.for_each_connection(now, |entry| {
                entry.connection.add_local_address(now, address)
            });
        }
    }

    /// Takes an address away: its subflows close and peers are told (REMOVE_ADDR).
    pub fn remove_address(&mut self, now: Instant, address: IpAddr) {
        self.interfaces.remove_address(address);
        self.for_each_connection(now, |entry| {
            entry.connection.remove_local_address(now, address)
        });
    }

    /// Tells that an interface went down or came up: data in flight there moves to other paths.
    pub fn set_interface_up(&mut self, now: Instant, interface: InterfaceId, up: bool) {
        self.interfaces.set_up(interface, up);
        let addresses = self.interfaces.addresses_of(interface);
        self.for_each_connection(now, |entry| {
            let connection = &mut entry.connection;
            connection.set_interface_up(now, interface, &addresses, up);
        });
    }

    /// Takes a packet from a device.
    pub fn handle_packet(&mut self, now: Instant, interface: InterfaceId, packet: &ReceivedPacket) {
        self.stats.packets_received += 1;
        let segment = match parse(packet) {
            Ok(segment) => segment,
            Err(ParseError::NotTcp) => return self.handle_other(now, &packet.data),
            Err(_) => {
                self.stats.packets_malformed += 1;
                return;
            }
        };
        let Some((id, subflow)) = self.demux.subflow(&segment.tuple) else {
            self.handle_unknown(now, interface, segment, None);
            return;
        };
        if segment.flags.syn
            && let Some(snd_nxt) = self.give_way(now, id, subflow, &segment)
        {
            self.handle_unknown(now, interface, segment, Some(snd_nxt));
            return;
        }
        let Some(entry) = self.connections.get_mut(id) else {
            return;
        };
        if !entry.established
            && let Some(listener) = entry.listener
            && completes_handshake(&segment)
            && self.listeners.is_full(listener)
        {
            // The peer, or our SYN/ACK that is not answered, will ask again.
            self.stats.accept_overflows += 1;
            return;
        }
        let offence = Offence::of(&segment);
        let answer = entry.connection.handle_segment(now, subflow, segment);
        match answer {
            SegmentAnswer::None => {}
            SegmentAnswer::Reset => self.answer_with_reset(interface, &offence, None),
            SegmentAnswer::OfferAgain(version) => {
                self.offer_again(now, interface, id, version, &offence);
            }
        }
        self.after(now, id);
    }

    /// Does whatever is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(id) = self.connections.pop_due(now) {
            if let Some(entry) = self.connections.get_mut(id) {
                entry.connection.handle_timeout(now);
            }
            self.after(now, id);
        }
    }

    /// The next packet to send, if any.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> {
        if let Some(reply) = self.replies.pop_front() {
            self.stats.packets_sent += 1;
            return Some(reply);
        }
        while let Some(id) = self.connections.first_ready() {
            let transmit = self
                .connections
                .get_mut(id)
                .and_then(|entry| entry.connection.poll_transmit(now, &self.interfaces));
            if transmit.is_some() {
                self.stats.packets_sent += 1;
                return transmit;
            }
            self.connections.pass();
            self.drain_effects(now, id);
        }
        None
    }

    /// When `handle_timeout` wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.connections.next_deadline()
    }

    /// The next event, if any.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The interface that has an address, if one has.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<InterfaceId> {
        self.interfaces.of(address)
    }

    /// Connections that take room here: also those that are half-open, wait to be accepted, or
    /// have ended and are not forgotten yet.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.stats
    }

    /// What happened to MPTCP, under the kernel's names.
    #[must_use]
    pub fn mptcp_counters(&self) -> MptcpCounters {
        let mut counters = self.counters;
        // The one that goes down again.
        counters[MptcpCounter::MpCurrEstab] = self.connections.count_current();
        counters
    }

    fn for_each_connection(&mut self, now: Instant, mut act: impl FnMut(&mut connections::Entry)) {
        for id in self.connections.ids() {
            if let Some(entry) = self.connections.get_mut(id) {
                act(entry);
            }
            self.after(now, id);
        }
    }

    /// After anything happened to a connection.
    fn after(&mut self, now: Instant, id: ConnectionId) {
        self.connections.mark_ready(id);
        self.drain_effects(now, id);
    }

    fn drain_effects(&mut self, now: Instant, id: ConnectionId) {
        while let Some(effect) = self
            .connections
            .get_mut(id)
            .and_then(|entry| entry.connection.poll_effect())
        {
            self.apply(now, id, effect);
        }
        if self
            .connections
            .get(id)
            .is_some_and(|entry| entry.connection.is_over())
        {
            self.forget(id);
        }
    }

    fn apply(&mut self, now: Instant, id: ConnectionId, effect: Effect) {
        match effect {
            Effect::Established(protocol) => self.established(now, id, protocol),
            Effect::Readable => self.tell(id, Event::Readable(id)),
            Effect::Writable => self.tell(id, Event::Writable(id)),
            Effect::Flushed => self.tell(id, Event::Flushed(id)),
            Effect::SubflowEstablished(subflow) => {
                self.tell(id, Event::SubflowEstablished(id, subflow));
            }
            Effect::SubflowProbed(subflow, answered) => {
                self.tell(id, Event::SubflowProbed(id, subflow, answered));
            }
            Effect::SubflowClosed(subflow, tuple, reason) => {
                self.demux.remove(tuple, id, subflow);
                self.tell(id, Event::SubflowClosed(id, subflow, reason));
            }
            Effect::FellBack(reason) => {
                self.stats.fallbacks += 1;
                self.close_token(id);
                self.tell(id, Event::FellBack(id, reason));
            }
            Effect::Closed(reason) => self.closed(now, id, reason),
            Effect::OpenSubflow {
                local,
                remote,
                backup,
                ..
            } => {
                self.open_for_path_manager(now, id, (local, remote), backup);
            }
            Effect::Learnt(remote, lesson) => self.learn(now, remote, lesson),
            Effect::JoinRefused => self.stats.joins_refused += 1,
            Effect::JoinUnproven(source) => {
                self.stats.joins_refused += 1;
                self.failed_joins.note(now, source);
            }
            Effect::Counted(counter) => self.counters.count(counter),
            Effect::SubflowPriority { .. }
            | Effect::RemoteAddressAdded { .. }
            | Effect::RemoteAddressRemoved(_)
            | Effect::LocalAddressAdded(..)
            | Effect::LocalAddressRemoved(..)
            | Effect::RetransmissionTimeout { .. } => self.report(id, effect),
        }
    }

    /// Queues an event, unless the application has let go of the connection.
    fn tell(&mut self, id: ConnectionId, event: Event) {
        if self
            .connections
            .get(id)
            .is_some_and(|entry| !entry.released)
        {
            self.events.push_back(event);
        }
    }

    fn established(&mut self, now: Instant, id: ConnectionId, protocol: ConnectionProtocol) {
        let usable: Vec<IpAddr> = self.interfaces.usable().collect();
        let Some(entry) = self.connections.get_mut(id) else {
            return;
        };
        entry.established = true;
        let endpoints = self.path_endpoints.shared();
        entry.connection.set_path_endpoints(now, endpoints);
        for address in usable {
            entry.connection.add_local_address(now, address);
        }
        let listener = entry.listener;
        self.announce_to(now, id);
        match listener {
            None => self.tell(id, Event::Connected(id, protocol)),
            Some(listener) => {
                if let Some(waiting) = self.listeners.get_mut(listener) {
                    waiting.half_open = waiting.half_open.saturating_sub(1);
                    waiting.queue.push_back(id);
                    self.events.push_back(Event::Incoming(listener));
                }
            }
        }
    }

    fn closed(&mut self, now: Instant, id: ConnectionId, reason: CloseReason) {
        self.close_token(id);
        let Some(entry) = self.connections.get_mut(id) else {
            return;
        };
        if let Some(listener) = entry.listener
            && !entry.established
        {
            // Nobody can accept it any more.
            self.tell(id, Event::Closed(id, reason));
            let Some(entry) = self.connections.get_mut(id) else {
                return;
            };
            entry.listener = None;
            entry.released = true;
            entry.connection.release(now);
            if let Some(listener) = self.listeners.get_mut(listener) {
                listener.half_open = listener.half_open.saturating_sub(1);
            }
            return;
        }
        self.tell(id, Event::Closed(id, reason));
    }

    /// Nobody can join the connection any more.
    ///
    /// Its token stays taken until its subflows are gone too (protocol reference 3.2).
    fn close_token(&mut self, id: ConnectionId) {
        let entry = self.connections.get(id);
        if let Some(token) = entry.and_then(|entry| entry.connection.token()) {
            self.demux.close_token(token, id);
        }
    }

    fn forget(&mut self, id: ConnectionId) {
        if let Some(entry) = self.connections.get(id) {
            if let Some(token) = entry.connection.token() {
                self.demux.remove_token(token, id);
            }
            for tuple in entry.connection.tuples().collect::<Vec<_>>() {
                if let Some((owner, subflow)) = self.demux.subflow(&tuple)
                    && owner == id
                {
                    self.demux.remove(tuple, id, subflow);
                }
            }
        }
        self.connections.remove(id);
    }

    /// The settings of a new TCB. `after` is where the sequence numbers of an earlier connection
    /// of the same four-tuple ended, if that was in TIME-WAIT until now.
    fn tcb_config(
        &self,
        now: Instant,
        tuple: &FourTuple,
        interface: InterfaceId,
        (config, options): (&ConnectionConfig, &SubflowOptions),
        after: Option<SeqNum>,
    ) -> TcbConfig {
        let mtu = self.interfaces.capabilities(interface).mtu;
        // RFC 9293 §3.7.1: the MTU less the fixed headers, whatever the options.
        let headers = if tuple.local.is_ipv4() { 40 } else { 60 };
        TcbConfig {
            iss: after.map_or_else(
                || self.isn.isn(now, tuple),
                |snd_nxt| self.isn.isn_after(now, tuple, snd_nxt),
            ),
            local_mss: mtu.saturating_sub(headers),
            mss_clamp: options.mss_clamp,
            rate_cap: options.rate_cap,
            rcv_scale: offered_scale(config.syn_options.window_scale, config.receive_buffer),
            syn_options: config.syn_options,
            initial_rto: config.initial_rto,
            timestamp_offset: self.isn.timestamp_offset(tuple),
            ecn: config.ecn,
            pacing: config.pacing,
            congestion: options.congestion,
            // Until the handshake is complete; then the connection sets its own.
            user_timeout: config.connect_timeout,
            time_wait: self.config.time_wait,
            delayed_ack: config.delayed_ack,
            seed: self.isn.seed(tuple),
        }
    }
}

/// A segment that may be the third of a handshake.
const fn completes_handshake(segment: &Segment) -> bool {
    segment.ack.is_some() && !segment.flags.syn && !segment.flags.rst
}
