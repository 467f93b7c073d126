//! The stack under test: one endpoint, a clock that is moved by hand, the application above it
//! and the peer beside it.

use super::options::{self, capable_flag};
use super::packet::{Packet, flag};
use super::segment::Segment;
use super::state::Peer;
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::{
    ChecksumPolicy, ChecksumStatus, ConnectionConfig, ConnectionId, ConnectionInfo,
    ConnectionProtocol, Endpoint, EndpointConfig, Event, Instant, InterfaceConfig, InterfaceId,
    ListenerId, ReadError, ReceivedPacket, SubflowInfo, Version,
};

/// The part that the stack plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It connects to the peer.
    Client,
    /// It listens, and the peer connects.
    Listener,
}

/// What a scene begins with. Change any field before `Scene::new` and its like.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) role: Role,
    pub(crate) version: Version,
    pub(crate) config: ConnectionConfig,
    pub(crate) endpoint: EndpointConfig,
    pub(crate) seed: [u8; 32],
    /// The stack's addresses, each on an interface of its own.
    pub(crate) addresses: Vec<IpAddr>,
    /// The port that the stack listens on, or connects from if it is not 0.
    pub(crate) port: u16,
    /// The peer's end of the initial subflow.
    pub(crate) peer: SocketAddr,
    /// The peer's key.
    pub(crate) key: u64,
    /// The flags of the peer's MP_CAPABLE.
    pub(crate) capable_flags: u8,
    /// What the peer offers on its SYNs and SYN/ACKs.
    pub(crate) mss: u16,
    pub(crate) timestamps: bool,
    pub(crate) sack: bool,
    pub(crate) window_scale: Option<u8>,
}

impl Setup {
    /// Timestamps, SACK, window scaling by 7, no checksums, IPv4, one address each.
    pub(crate) fn new(role: Role, version: Version) -> Self {
        let config = ConnectionConfig {
            version,
            ..ConnectionConfig::default()
        };
        Self {
            role,
            version,
            config,
            endpoint: EndpointConfig::default(),
            seed: [7; 32],
            addresses: vec![[10, 1, 0, 1].into()],
            port: match role {
                Role::Client => 0,
                Role::Listener => 443,
            },
            peer: match role {
                Role::Client => ([10, 2, 0, 1], 443).into(),
                Role::Listener => ([10, 2, 0, 1], 40000).into(),
            },
            // Keys A and B of the protocol reference, section 2.2: A is the initiator's.
            key: match role {
                Role::Client => 0x0809_0a0b_0c0d_0e0f,
                Role::Listener => 0x0001_0203_0405_0607,
            },
            capable_flags: capable_flag::HMAC,
            mss: 1460,
            timestamps: true,
            sack: true,
            window_scale: Some(7),
        }
    }

    /// The stack connects.
    pub(crate) fn client(version: Version) -> Self {
        Self::new(Role::Client, version)
    }

    /// The stack listens.
    pub(crate) fn listener(version: Version) -> Self {
        Self::new(Role::Listener, version)
    }

    /// The peer asks for checksums.
    pub(crate) fn checksum(mut self) -> Self {
        self.capable_flags |= capable_flag::CHECKSUM;
        self
    }

    /// The stack asks for checksums.
    pub(crate) fn checksum_by_stack(mut self) -> Self {
        self.config.checksum = ChecksumPolicy::Require;
        self
    }

    /// The stack has so many addresses, 10.1.0.1, 10.1.1.1 and so on, each on an interface.
    pub(crate) fn paths(mut self, count: u8) -> Self {
        self.addresses = (0..count).map(|path| [10, 1, path, 1].into()).collect();
        self
    }

    /// Neither timestamps nor SACK nor window scaling, which leaves more room for options.
    pub(crate) fn bare(mut self) -> Self {
        (self.timestamps, self.sack, self.window_scale) = (false, false, None);
        self
    }

    /// All over IPv6.
    pub(crate) fn ipv6(mut self) -> Self {
        let address = |net| IpAddr::from([0xfd00, net, 0, 0, 0, 0, 0, 1_u16]);
        self.addresses = vec![address(1)];
        self.peer.set_ip(address(2));
        self
    }

    /// Changes the settings of the stack's connection.
    pub(crate) fn tune(mut self, change: impl FnOnce(&mut ConnectionConfig)) -> Self {
        change(&mut self.config);
        self
    }
}

/// The stack and the peer.
pub(crate) struct Scene {
    pub(crate) setup: Setup,
    pub(crate) now: Instant,
    pub(crate) endpoint: Endpoint,
    pub(crate) peer: Peer,
    interfaces: Vec<(IpAddr, InterfaceId)>,
    listener: Option<ListenerId>,
    connection: Option<ConnectionId>,
    outbox: Vec<Packet>,
    events: Vec<Event>,
    /// The application has read the end of the stream.
    pub(crate) ended: bool,
    /// The application's reading failed with this.
    pub(crate) read_error: Option<ReadError>,
}

impl Scene {
    /// An endpoint with its addresses; as a listener it listens. Nothing is sent yet.
    pub(crate) fn new(setup: Setup) -> Self {
        // Not the origin of the clock, so that something lies before it.
        let now = Instant::from_millis(1_000_000);
        let mut endpoint = Endpoint::new(setup.endpoint.clone(), setup.seed);
        let interfaces = setup
            .addresses
            .iter()
            .map(|address| {
                let interface = endpoint.add_interface(InterfaceConfig::default());
                endpoint.add_address(now, interface, *address);
                (*address, interface)
            })
            .collect();
        let listener = (setup.role == Role::Listener).then(|| {
            let local = SocketAddr::new(setup.addresses[0], setup.port);
            endpoint
                .listen(local, setup.config.clone())
                .expect("nobody listens yet")
        });
        Self {
            now,
            endpoint,
            peer: Peer::new(setup.version, setup.key),
            interfaces,
            listener,
            connection: None,
            outbox: Vec::new(),
            events: Vec::new(),
            ended: false,
            read_error: None,
            setup,
        }
    }

    /// The stack's end of the initial subflow; of a client the port is known after `connect`.
    pub(crate) fn stack_address(&self) -> SocketAddr {
        match self.peer.subflows.first() {
            Some(initial) => initial.remote,
            None => SocketAddr::new(self.setup.addresses[0], self.setup.port),
        }
    }

    // --- the network ---

    /// A segment of the peer on a subflow, with its next sequence number, what it acknowledges,
    /// its window, and timestamps if they are used. Nothing of MPTCP is in it.
    pub(crate) fn segment(&self, subflow: usize) -> Segment {
        let state = &self.peer.subflows[subflow];
        let mut options = Vec::new();
        if state.timestamps {
            options.extend([1, 1]);
            options.extend(options::timestamps(self.peer_clock(), state.ts_recent));
        }
        Segment {
            src: state.local,
            dst: state.remote,
            seq: state.snd_nxt,
            ack: state.synchronized.then_some(state.acked),
            flags: 0,
            window: state.window,
            options,
            payload: Vec::new(),
        }
    }

    /// The peer's timestamp clock.
    pub(crate) fn peer_clock(&self) -> u32 {
        (self.now.as_millis() - 999_900) as u32
    }

    /// The peer sends a segment. If it is the next of its subflow, the peer's sequence number
    /// moves on.
    pub(crate) fn send(&mut self, segment: Segment) {
        let len = segment.seq_len();
        let reset = segment.flags & flag::RST != 0;
        let subflow = self
            .peer
            .subflows
            .iter_mut()
            .rfind(|state| state.local == segment.src && state.remote == segment.dst);
        if let Some(subflow) = subflow
            && segment.seq == subflow.snd_nxt
            && !reset
        {
            subflow.snd_nxt = subflow.snd_nxt.wrapping_add(len);
        }
        self.inject(&segment.encode());
    }

    /// Any packet arrives at the stack, at the interface of its destination.
    pub(crate) fn inject(&mut self, packet: &[u8]) {
        let destination = if packet[0] >> 4 == 6 {
            let bytes = <[u8; 16]>::try_from(&packet[24..40]).expect("sixteen");
            IpAddr::from(bytes)
        } else {
            let bytes = <[u8; 4]>::try_from(&packet[16..20]).expect("four");
            IpAddr::from(bytes)
        };
        let interface = self.interface(destination);
        let received = ReceivedPacket {
            data: Bytes::copy_from_slice(packet),
            checksum: ChecksumStatus::Unverified,
        };
        self.endpoint.handle_packet(self.now, interface, &received);
        self.collect();
    }

    /// The interface that has an address; the first for a foreign one.
    pub(crate) fn interface(&self, address: IpAddr) -> InterfaceId {
        let found = self.interfaces.iter().find(|(known, _)| *known == address);
        found.map_or(self.interfaces[0].1, |(_, interface)| *interface)
    }

    /// Takes all packets and events out of the stack.
    pub(crate) fn collect(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit(self.now) {
            let packet = Packet::decode(self.now, &transmit.to_bytes());
            self.peer.see(&packet, self.next_iss());
            self.outbox.push(packet);
        }
        while let Some(event) = self.endpoint.poll_event() {
            self.events.push(event);
        }
    }

    /// The peer's initial sequence number of its next subflow.
    pub(crate) fn next_iss(&self) -> u32 {
        // As in the vectors: 1000 for an initiator, 5000 for a listener.
        let first = match self.setup.role {
            Role::Client => 5000,
            Role::Listener => 1000,
        };
        first + 1_000_000 * self.peer.subflows.len() as u32
    }

    /// Everything the stack has sent since the last time this, `sent_on` or `clear` was called.
    pub(crate) fn sent(&mut self) -> Vec<Packet> {
        core::mem::take(&mut self.outbox)
    }

    /// The same of one subflow; what went elsewhere stays.
    pub(crate) fn sent_on(&mut self, subflow: usize) -> Vec<Packet> {
        let state = &self.peer.subflows[subflow];
        let (local, remote) = (state.local, state.remote);
        let (these, others) = core::mem::take(&mut self.outbox)
            .into_iter()
            .partition(|packet| packet.dst == local && packet.src == remote);
        self.outbox = others;
        these
    }

    /// The one packet that the stack has sent; fails if there are none or several.
    pub(crate) fn sent_one(&mut self) -> Packet {
        let mut sent = self.sent();
        assert_eq!(sent.len(), 1, "one packet: {sent:#?}");
        sent.remove(0)
    }

    /// Forgets what was sent.
    pub(crate) fn clear(&mut self) {
        self.outbox.clear();
    }

    /// Lets time pass, with every timer at its moment. What is sent on the way has its time in
    /// `Packet::at`.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        self.collect();
        for _ in 0..1_000_000 {
            match self.endpoint.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.endpoint.handle_timeout(self.now);
                    self.collect();
                }
                Some(_) | None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("a million timers in {time:?}");
    }

    /// The same in milliseconds.
    pub(crate) fn advance_ms(&mut self, millis: u64) {
        self.advance(Duration::from_millis(millis));
    }

    // --- what the peer often sends ---

    /// The peer acknowledges what has come in order on a subflow, without any MPTCP option.
    pub(crate) fn ack(&mut self, subflow: usize) {
        let state = &mut self.peer.subflows[subflow];
        state.acked = state.rcv_nxt;
        let segment = self.segment(subflow);
        self.send(segment);
    }

    /// The peer acknowledges what has come in order on a subflow and in the connection.
    pub(crate) fn data_ack(&mut self, subflow: usize) {
        self.peer.data_acked = self.peer.data_received();
        let state = &mut self.peer.subflows[subflow];
        state.acked = state.rcv_nxt;
        let segment = self.segment(subflow).option(self.peer.dss().bytes());
        self.send(segment);
    }

    /// The segment with which the peer sends `bytes` of its stream, mapped, with DATA_ACK and,
    /// if agreed on, a checksum.
    pub(crate) fn data_segment(&self, subflow: usize, offset: u64, bytes: &[u8]) -> Segment {
        let ssn = self.peer.subflows[subflow].ssn();
        self.segment(subflow)
            .flag(flag::PSH)
            .option(self.peer.dss_for(offset, ssn, bytes).bytes())
            .payload(bytes)
    }

    /// The peer sends the bytes at this offset of its stream on a subflow.
    pub(crate) fn data_at(&mut self, subflow: usize, offset: u64, bytes: &[u8]) {
        let segment = self.data_segment(subflow, offset, bytes);
        self.peer.data_sent = self.peer.data_sent.max(offset + bytes.len() as u64);
        self.send(segment);
    }

    /// The peer sends the next bytes of its stream on a subflow.
    pub(crate) fn data(&mut self, subflow: usize, bytes: &[u8]) {
        self.data_at(subflow, self.peer.data_sent, bytes);
    }

    /// The peer ends its stream with a bare DATA_FIN.
    pub(crate) fn data_fin(&mut self, subflow: usize) {
        let segment = self
            .segment(subflow)
            .option(self.peer.dss_fin(self.peer.data_sent).bytes());
        self.peer.data_sent += 1;
        self.send(segment);
    }

    /// The peer sends a pure ACK with this option, and no DSS.
    pub(crate) fn option(&mut self, subflow: usize, option: impl AsRef<[u8]>) {
        let segment = self.segment(subflow).option(option);
        self.send(segment);
    }

    /// The peer ends its direction of a subflow.
    pub(crate) fn fin(&mut self, subflow: usize) {
        let segment = self.segment(subflow).fin();
        self.send(segment);
    }

    /// The peer resets a subflow, with these options.
    pub(crate) fn rst(&mut self, subflow: usize, options: impl AsRef<[u8]>) {
        let segment = self
            .segment(subflow)
            .without_options()
            .option(options)
            .rst();
        self.send(segment);
    }

    // --- the application ---

    /// The connection that the application holds.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection.expect("there is a connection")
    }

    pub(crate) fn has_connection(&self) -> bool {
        self.connection.is_some()
    }

    pub(crate) fn set_connection(&mut self, connection: ConnectionId) {
        self.connection = Some(connection);
    }

    /// Where the stack listens, if it does.
    pub(crate) fn listener(&self) -> Option<ListenerId> {
        self.listener
    }

    /// Takes a connection from the listener, if one waits.
    pub(crate) fn accept(&mut self) -> Option<ConnectionId> {
        let accepted = self.endpoint.accept(self.listener?)?;
        self.connection = Some(accepted);
        Some(accepted)
    }

    /// The application writes; all of it has to fit.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let written = self.endpoint.write(self.now, self.connection(), bytes);
        assert_eq!(written, Ok(bytes.len()));
        self.collect();
    }

    /// The application reads all there is. The end and failures are left in `ended` and
    /// `read_error`.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut read = Vec::new();
        let mut buffer = [0; 16384];
        loop {
            match self.endpoint.read(self.now, self.connection(), &mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(len) => read.extend_from_slice(&buffer[..len]),
                Err(ReadError::Blocked) => break,
                Err(error) => {
                    self.read_error = Some(error);
                    break;
                }
            }
        }
        self.collect();
        read
    }

    /// The application ends its direction.
    pub(crate) fn shutdown(&mut self) {
        let done = self.endpoint.shutdown(self.now, self.connection());
        assert_eq!(done, Ok(()));
        self.collect();
    }

    /// The application gives the connection up at once.
    pub(crate) fn abort(&mut self) {
        let done = self.endpoint.abort(self.now, self.connection());
        assert_eq!(done, Ok(()));
        self.collect();
    }

    /// The application is done with the connection.
    pub(crate) fn release(&mut self) {
        self.endpoint.release(self.now, self.connection());
        self.collect();
    }

    /// What the application was told since the last time.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// The connection as the application sees it.
    pub(crate) fn info(&self) -> ConnectionInfo {
        self.endpoint
            .connection_info(self.connection())
            .expect("the connection is remembered")
    }

    pub(crate) fn protocol(&self) -> ConnectionProtocol {
        self.info().protocol
    }

    /// It speaks MPTCP of the scene's version.
    pub(crate) fn is_mptcp(&self) -> bool {
        self.protocol() == ConnectionProtocol::Mptcp(self.setup.version)
    }

    /// It is plain TCP.
    pub(crate) fn is_tcp(&self) -> bool {
        self.protocol() == ConnectionProtocol::Tcp
    }

    /// The subflows as the application sees them, closed ones too.
    pub(crate) fn subflow_infos(&self) -> Vec<SubflowInfo> {
        self.endpoint.subflows(self.connection())
    }
}
