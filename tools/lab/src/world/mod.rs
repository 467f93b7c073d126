//! A world in virtual time: hosts, the wires between them, and applications, in one process.
//!
//! Owns the clock, which jumps to the next moment at which anything happens, and the order in
//! which things happen at one moment. Neither threads nor real time nor the operating system play
//! a part, so the same world runs the same way every time: [`World::digest`] proves it. It judges
//! nothing but what scripts report; what a run should have led to is for the test to say.
//!
//! A world that is dropped while its thread panics (a failed assertion) says how to repeat the
//! run and leaves the packets in a pcapng file.

mod controllers;
mod device;
mod expectation;
mod host;
mod middlebox;
mod parallel;
mod recorder;
mod router;
mod run;
mod scenario;
mod script;
mod session;
#[cfg(test)]
mod tests;
mod transfer;
mod wire;
mod wiring;

pub use expectation::{Expectation, Tampering};
pub use host::{ForeignHost, ScriptFactory};
pub use middlebox::{
    ChangeBytes, DropMptcpSyn, ForgeReset, InsertBytes, MergeSegments, Nat, OptionsOfMerged,
    OptionsOfPieces, ProactiveAck, RewriteSequence, SplitSegments, StripMptcp,
};
pub use router::{PathMtuRouter, Undelivered};
pub use scenario::{Ip, Pair, Path, Scenario, Side};
pub use script::{Io, Progress, Script};
pub use session::{Connect, Session};
pub use transfer::{Abort, Chunks, Finish, Pace, Plan, ReadPause, Transfer};
pub use wire::{DropIf, Middlebox};

use crate::link::LinkCounters;
use bytes::Bytes;
use host::{Attachment, Foreign, Host, Interface, Service};
use recorder::Recorder;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use umptcp::smapp::Controllers;
use umptcp_stack::{
    ChecksumStatus, ConnectionConfig, Endpoint, EndpointConfig, Event, Instant, InterfaceConfig,
    InterfaceId, ListenError, ReceivedPacket,
};
use wire::{End, Wire};

/// A host of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostId(usize);

/// A host of a world that runs somebody else's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ForeignId(usize);

/// A wire of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WireId(usize);

/// An application of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(usize);

/// Which packets an interface takes from a wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// Those to its own addresses: the wire is a path of its own, and other addresses of the
    /// host are not to be had there.
    #[default]
    OwnAddresses,
    /// Those to any address of its host: all networks lead to each other.
    WholeHost,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The condition came true.
    Done,
    /// Nothing will ever happen again: a deadlock, if something should have.
    Idle,
    /// The time ran out.
    TimeLimit,
    /// Too much happened, at one moment or at all: something goes round in circles.
    Livelock,
    /// A script found something wrong.
    Failed(String),
}

/// Rounds at one moment that are taken for a livelock. A transfer over perfect links happens
/// within one moment, so this is large.
const MAX_ROUNDS_AT_ONCE: u64 = 2_000_000;

type Action = Box<dyn FnOnce(&mut World)>;

/// Hosts, wires and applications.
pub struct World {
    name: String,
    seed: u64,
    /// What to print about a failed run, besides name and seed.
    description: String,
    failed_runs: PathBuf,
    now: Instant,
    hosts: Vec<Host>,
    foreign: Vec<Foreign>,
    wires: Vec<Wire>,
    sessions: Vec<Session>,
    actions: BTreeMap<(Instant, u64), Action>,
    next_action: u64,
    reach: Reach,
    recorder: Recorder,
    unroutable: u64,
    super_segments: u64,
    stray_events: Vec<(HostId, Event)>,
    /// What the first script to fail said.
    failure: Option<String>,
    outcome: Option<Outcome>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("name", &self.name)
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("hosts", &self.hosts)
            .field("sessions", &self.sessions)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

impl World {
    /// An empty world at time zero. All its randomness grows from `seed`; both are printed if
    /// the run fails.
    #[must_use]
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            description: String::new(),
            failed_runs: std::env::temp_dir().join("umptcp-failed-runs"),
            now: Instant::ZERO,
            hosts: Vec::new(),
            foreign: Vec::new(),
            wires: Vec::new(),
            sessions: Vec::new(),
            actions: BTreeMap::new(),
            next_action: 0,
            reach: Reach::default(),
            recorder: Recorder::default(),
            unroutable: 0,
            super_segments: 0,
            stray_events: Vec::new(),
            failure: None,
            outcome: None,
        }
    }

    /// Sets the directory for the captures of failed runs.
    pub fn set_failed_runs(&mut self, directory: PathBuf) {
        self.failed_runs = directory;
    }

    /// From now on keeps no packets for a capture, computes no digest, and leaves `Readable` and
    /// `Writable` out of the logs of the sessions: for runs of very many packets that only measure.
    pub fn record_nothing(&mut self) {
        self.recorder.count_only();
    }

    /// Sets what is printed if the run fails, besides name and seed.
    pub fn set_description(&mut self, description: String) {
        self.description = description;
    }

    /// Sets which packets interfaces take.
    pub fn set_reach(&mut self, reach: Reach) {
        self.reach = reach;
    }

    /// Adds a host without interfaces.
    pub fn add_host(&mut self, name: &str, config: EndpointConfig) -> HostId {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&(self.hosts.len() as u64).to_le_bytes());
        self.hosts.push(Host {
            name: name.to_owned(),
            endpoint: Endpoint::new(config, seed),
            interfaces: Vec::new(),
            services: Vec::new(),
            controllers: Controllers::new(),
        });
        HostId(self.hosts.len() - 1)
    }

    /// Adds an interface with its addresses to a host; returns its position there.
    pub fn add_interface(
        &mut self,
        host: HostId,
        config: InterfaceConfig,
        addresses: &[IpAddr],
    ) -> usize {
        let now = self.now;
        let host = &mut self.hosts[host.0];
        let id = host.endpoint.add_interface(config);
        for address in addresses {
            host.endpoint.add_address(now, id, *address);
        }
        let addresses = addresses.to_vec();
        host.interfaces.push(Interface {
            id,
            config,
            addresses,
            attachment: None,
        });
        host.interfaces.len() - 1
    }

    /// Puts a middlebox on one direction of a wire: 0 is from the end that was named first.
    ///
    /// # Panics
    /// If `direction` is neither 0 nor 1.
    pub fn set_middlebox(
        &mut self,
        wire: WireId,
        direction: usize,
        middlebox: impl Middlebox + 'static,
    ) {
        self.wires[wire.0][direction].middlebox = Some(Box::new(middlebox));
    }

    /// Listens; `factory` makes the script of each accepted connection.
    ///
    /// # Errors
    /// What `Endpoint::listen` says.
    pub fn serve(
        &mut self,
        host: HostId,
        local: SocketAddr,
        config: ConnectionConfig,
        factory: ScriptFactory,
    ) -> Result<(), ListenError> {
        let host = &mut self.hosts[host.0];
        let listener = host.endpoint.listen(local, config)?;
        host.services.push(Service {
            listener,
            accepted: 0,
            factory,
        });
        Ok(())
    }

    /// Stops listening on everything a host serves.
    pub fn stop_serving(&mut self, host: HostId) {
        let now = self.now;
        let host = &mut self.hosts[host.0];
        for service in host.services.drain(..) {
            host.endpoint.close_listener(now, service.listener);
        }
    }

    /// Adds an application that connects.
    pub fn connect(
        &mut self,
        host: HostId,
        connect: Connect,
        script: Box<dyn Script>,
    ) -> SessionId {
        self.sessions
            .push(Session::connecting(host, connect, script));
        SessionId(self.sessions.len() - 1)
    }

    /// Does something to the world at a given time.
    pub fn at(&mut self, time: Instant, action: impl FnOnce(&mut Self) + 'static) {
        self.actions
            .insert((time, self.next_action), Box::new(action));
        self.next_action += 1;
    }

    /// Takes an interface, given as host and position, down or up. The link is cut with it.
    pub fn set_interface_up(&mut self, host: HostId, interface: usize, up: bool) {
        let now = self.now;
        let host = &mut self.hosts[host.0];
        let interface = &host.interfaces[interface];
        host.endpoint.set_interface_up(now, interface.id, up);
        if let Some(Attachment { wire, .. }) = interface.attachment {
            self.set_wire_up(WireId(wire), up);
        }
    }

    /// Cuts or heals both directions of a wire; no host is told.
    pub fn set_wire_up(&mut self, wire: WireId, up: bool) {
        for direction in &mut self.wires[wire.0] {
            if up {
                direction.links.set_up(self.now)
            } else {
                direction.links.set_down(self.now)
            }
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A host's stack.
    #[must_use]
    pub fn endpoint(&self, host: HostId) -> &Endpoint {
        &self.hosts[host.0].endpoint
    }

    /// What a host's stack calls one of its interfaces, given by position.
    #[must_use]
    pub fn interface_id(&self, host: HostId, interface: usize) -> InterfaceId {
        self.hosts[host.0].interfaces[interface].id
    }

    /// A host's stack, to give it commands.
    pub fn endpoint_mut(&mut self, host: HostId) -> &mut Endpoint {
        &mut self.hosts[host.0].endpoint
    }

    /// An application.
    #[must_use]
    pub fn session(&self, session: SessionId) -> &Session {
        &self.sessions[session.0]
    }

    /// All applications, in the order in which they appeared.
    #[must_use]
    pub fn sessions(&self) -> &[Session] {
        &self.sessions
    }

    /// The applications of one host.
    pub fn sessions_of(&self, host: HostId) -> impl Iterator<Item = &Session> {
        self.sessions
            .iter()
            .filter(move |session| session.host() == host)
    }

    /// How far the application of a foreign host got.
    ///
    /// # Errors
    /// What it found wrong.
    pub fn foreign_progress(&self, foreign: ForeignId) -> Result<Progress, String> {
        self.foreign[foreign.0].host.progress()
    }

    /// What happened on a wire, in both directions.
    #[must_use]
    pub fn counters(&self, wire: WireId) -> [LinkCounters; 2] {
        let [there, back] = &self.wires[wire.0];
        [there.links.counters(), back.links.counters()]
    }

    /// What happened on each link of a wire, in both directions.
    #[must_use]
    pub fn counters_of_links(&self, wire: WireId) -> [Vec<LinkCounters>; 2] {
        let [there, back] = &self.wires[wire.0];
        [there.links.each(), back.links.each()]
    }

    /// Which link of a wire carries the segments between two ends, by its position.
    #[must_use]
    pub fn link_of(&self, wire: WireId, one: SocketAddr, other: SocketAddr) -> usize {
        self.wires[wire.0][0].links.choose(one, other)
    }

    /// Packets that nobody at the other end of the wire was meant to have.
    #[must_use]
    pub fn unroutable(&self) -> u64 {
        self.unroutable
    }

    /// Packets that a stack has left to a device to cut.
    #[must_use]
    pub fn super_segments(&self) -> u64 {
        self.super_segments
    }

    /// Packets sent so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.recorder.packets()
    }

    /// Events for connections that no application has ever held.
    #[must_use]
    pub fn stray_events(&self) -> &[(HostId, Event)] {
        &self.stray_events
    }

    /// CRC-32 over all packets recorded so far and their times: equal for equal runs.
    #[must_use]
    pub fn digest(&self) -> u32 {
        self.recorder.digest()
    }

    /// True once every application is done.
    #[must_use]
    pub fn all_done(&self) -> bool {
        self.sessions.iter().all(Session::is_done)
            && self.foreign.iter().all(|foreign| foreign.host.is_done())
    }

    /// Writes all packets so far to a pcapng file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save_capture(&self, path: &std::path::Path) -> io::Result<()> {
        self.recorder.save(path)
    }
}
