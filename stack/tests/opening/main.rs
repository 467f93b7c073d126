//! How connections start when many want to, when packets of the handshake are lost, and where an
//! earlier connection has only just ended: two hosts with two addresses each, and a hand on every
//! packet between them.

mod cookies;
mod flood;
mod queues;
mod time_wait;

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::Duration;
use umptcp_stack::base::seq::SeqNum;
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::wire::mptcp_option::{CapableKeys, MptcpOption};
use umptcp_stack::wire::packet::{
    Flags, FourTuple, Payload, Segment, SegmentHeader, TransmitChecksum, emit, parse,
};
use umptcp_stack::wire::tcp_option::{OptionWriter, Timestamps};
use umptcp_stack::{
    ChecksumStatus, ConnectionConfig, ConnectionId, ConnectionProtocol, Endpoint, EndpointConfig,
    Event, Instant, InterfaceConfig, InterfaceId, ListenerId, ReceivedPacket, Version,
};

/// The port that the server listens on.
const PORT: u16 = 80;
/// How far a step moves the clock.
const STEP: Duration = Duration::from_millis(10);

/// For packets that are handed over by hand.
static ANY_INTERFACE: LazyLock<InterfaceId> = LazyLock::new(|| {
    Endpoint::new(EndpointConfig::default(), [0; 32]).add_interface(InterfaceConfig::default())
});

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// Sees and changes every packet; `false` loses it.
type Hand<'a> = &'a mut dyn FnMut(Way, &mut Vec<u8>) -> bool;

fn untouched(_: Way, _: &mut Vec<u8>) -> bool {
    true
}

/// Takes the timestamps off SYNs, so that neither side uses them.
fn without_timestamps(way: Way, packet: &mut [u8]) -> bool {
    if way == Way::ToServer && segment(packet).is_some_and(|segment| segment.flags.syn) {
        // SACK-permitted and timestamps stand together: kinds 4 and 8 (RFC 9293 §3.2).
        let at = packet.windows(4).position(|bytes| bytes == [4, 2, 8, 10]);
        let at = at.expect("our SYNs carry both") + 2;
        packet[at..at + 10].fill(1);
    }
    true
}

/// What a packet says.
fn segment(packet: &[u8]) -> Option<Segment> {
    parse(&received(packet.to_vec())).ok()
}

fn received(packet: Vec<u8>) -> ReceivedPacket {
    ReceivedPacket {
        data: Bytes::from(packet),
        // Hands do not repair checksums.
        checksum: ChecksumStatus::Good,
    }
}

struct Host {
    endpoint: Endpoint,
    interfaces: Vec<InterfaceId>,
}

impl Host {
    fn new(net: u8, config: EndpointConfig) -> Self {
        let mut endpoint = Endpoint::new(config, [net; 32]);
        let interfaces = (0..2)
            .map(|path| {
                let interface = endpoint.add_interface(InterfaceConfig::default());
                endpoint.add_address(Instant::ZERO, interface, IpAddr::from([10, net, path, 1]));
                interface
            })
            .collect();
        Self {
            endpoint,
            interfaces,
        }
    }

    fn take(&mut self, now: Instant, path: usize, packet: Vec<u8>) {
        let interface = self.interfaces[path];
        self.endpoint
            .handle_packet(now, interface, &received(packet));
    }

    /// All packets it wants to send, with the interface.
    fn packets(&mut self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        let endpoint = &mut self.endpoint;
        core::iter::from_fn(|| endpoint.poll_transmit(now))
            .map(|transmit| (transmit.interface.index(), transmit.to_bytes().to_vec()))
            .collect()
    }
}

/// A client and a server that listens.
struct Net {
    now: Instant,
    client: Host,
    server: Host,
    listener: ListenerId,
}

fn server_address() -> SocketAddr {
    ([10, 2, 0, 1], PORT).into()
}

impl Net {
    fn new(server: EndpointConfig) -> Self {
        Self::with_client(server, EndpointConfig::default())
    }

    fn with_client(server: EndpointConfig, client: EndpointConfig) -> Self {
        let (client, mut server) = (Host::new(1, client), Host::new(2, server));
        let any = SocketAddr::from(([0, 0, 0, 0], PORT));
        let listener = server
            .endpoint
            .listen(any, ConnectionConfig::default())
            .expect("nobody listens yet");
        Self {
            // Not the origin of the clock, so that something lies before it.
            now: Instant::from_millis(1_000_000),
            client,
            server,
            listener,
        }
    }

    fn connect(&mut self, config: &ConnectionConfig) -> ConnectionId {
        self.client
            .endpoint
            .connect(self.now, None, server_address(), config.clone())
            .expect("there is a free port")
    }

    /// Carries packets until none is left, then moves the clock.
    fn step(&mut self, hand: Hand<'_>) {
        loop {
            let to_server = self.client.packets(self.now);
            let to_client = self.server.packets(self.now);
            if to_server.is_empty() && to_client.is_empty() {
                break;
            }
            for (path, mut packet) in to_server {
                if hand(Way::ToServer, &mut packet) {
                    self.server.take(self.now, path, packet);
                }
            }
            for (path, mut packet) in to_client {
                if self.is_for_client(&packet) && hand(Way::ToClient, &mut packet) {
                    self.client.take(self.now, path, packet);
                }
            }
        }
        self.now += STEP;
        self.client.endpoint.handle_timeout(self.now);
        self.server.endpoint.handle_timeout(self.now);
    }

    /// Answers to spoofed addresses go nowhere.
    fn is_for_client(&self, packet: &[u8]) -> bool {
        segment(packet)
            .is_some_and(|segment| segment.tuple.local.ip().to_string().starts_with("10.1."))
    }

    fn run(&mut self, time: Duration, hand: Hand<'_>) {
        let end = self.now + time;
        while self.now < end {
            self.step(hand);
        }
    }

    fn accept(&mut self) -> Option<ConnectionId> {
        self.server.endpoint.accept(self.listener)
    }

    /// Connects and accepts, within some seconds.
    fn establish(
        &mut self,
        config: &ConnectionConfig,
        hand: Hand<'_>,
    ) -> (ConnectionId, ConnectionId) {
        let id = self.connect(config);
        for _ in 0..1000 {
            self.step(hand);
            if let Some(accepted) = self.accept() {
                return (id, accepted);
            }
        }
        panic!("no connection: {:?}", self.server.endpoint.stats());
    }

    /// Sends `len` bytes each way and checks every one of them.
    fn transfer(&mut self, (client, server): (ConnectionId, ConnectionId), hand: Hand<'_>) {
        let data: Vec<u8> = (0..100_000_u32).map(|at| (at * 31 % 251) as u8).collect();
        let mut written = [0, 0];
        let mut read = [Vec::new(), Vec::new()];
        for _ in 0..3000 {
            let sides = [
                (&mut self.client.endpoint, client),
                (&mut self.server.endpoint, server),
            ];
            for (side, (endpoint, id)) in sides.into_iter().enumerate() {
                if let Ok(more) = endpoint.write(self.now, id, &data[written[side]..]) {
                    written[side] += more;
                }
                let mut buffer = [0; 4096];
                while let Ok(len @ 1..) = endpoint.read(self.now, id, &mut buffer) {
                    read[side].extend_from_slice(&buffer[..len]);
                }
            }
            if read.iter().all(|read| read.len() >= data.len()) {
                break;
            }
            self.step(hand);
        }
        assert!(
            read.iter().all(|read| *read == data),
            "the data arrived whole"
        );
    }

    fn protocol_at_server(&self, accepted: ConnectionId) -> ConnectionProtocol {
        let info = self.server.endpoint.connection_info(accepted);
        info.expect("it lives").protocol
    }

    fn protocol_at_client(&self, id: ConnectionId) -> ConnectionProtocol {
        let info = self.client.endpoint.connection_info(id);
        info.expect("it lives").protocol
    }

    /// Subflows of a connection that are established at the server.
    fn established_at_server(&self, accepted: ConnectionId) -> usize {
        let subflows = self.server.endpoint.subflows(accepted);
        subflows
            .iter()
            .filter(|subflow| subflow.state == TcpState::Established)
            .count()
    }

    /// Hands the server a packet of nobody, and gives its answers.
    fn spoof(&mut self, packet: Vec<u8>) -> Vec<Segment> {
        self.server.take(self.now, 0, packet);
        let answers = self.server.packets(self.now);
        answers
            .into_iter()
            .filter_map(|(_, packet)| segment(&packet))
            .collect()
    }
}

/// What our hosts speak: plain TCP, both versions of MPTCP.
fn dialects() -> [(ConnectionConfig, ConnectionProtocol); 3] {
    let plain = ConnectionConfig {
        mptcp: false,
        ..ConnectionConfig::default()
    };
    let mptcp = |version| ConnectionConfig {
        version,
        max_subflows: 2,
        ..ConnectionConfig::default()
    };
    [
        (plain, ConnectionProtocol::Tcp),
        (mptcp(Version::V0), ConnectionProtocol::Mptcp(Version::V0)),
        (mptcp(Version::V1), ConnectionProtocol::Mptcp(Version::V1)),
    ]
}

/// A SYN from anywhere, as a Linux host sends it.
fn syn(
    remote: SocketAddr,
    seq: u32,
    timestamp: Option<u32>,
    option: Option<&MptcpOption>,
) -> Vec<u8> {
    let mut options = OptionWriter::new();
    options.mss(1460).expect("there is room");
    if let Some(value) = timestamp {
        let timestamps = Timestamps { value, echo: 0 };
        options
            .sack_permitted_and_timestamps(timestamps)
            .expect("there is room");
        options.window_scale(7).expect("there is room");
    }
    if let Some(option) = option {
        options.mptcp(option).expect("there is room");
    }
    let header = SegmentHeader {
        traffic_class: 0,
        hop_limit: 64,
        ecn_capable: false,
        tuple: FourTuple {
            local: remote,
            remote: server_address(),
        },
        seq: SeqNum(seq),
        ack: None,
        flags: Flags {
            syn: true,
            ..Flags::default()
        },
        window: 64_240,
        options: options.as_bytes(),
    };
    let interface = *ANY_INTERFACE;
    let complete = TransmitChecksum::Complete;
    emit(interface, &header, Payload::new(), None, complete, None)
        .to_bytes()
        .to_vec()
}

/// A third packet of the MPTCP handshake without data.
fn is_third_ack(segment: &Segment) -> bool {
    let shows_both_keys = segment.options.mptcp.iter().any(|option| {
        matches!(option, MptcpOption::Capable(capable) if matches!(capable.keys, CapableKeys::Both { .. }))
    });
    shows_both_keys && segment.payload.is_empty()
}
