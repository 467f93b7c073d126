//! Two hosts of the stack with a few addresses each, and a network that carries every packet to the
//! host that has its destination, 5 ms later.

use bytes::Bytes;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use umptcp_stack::{
    ChecksumStatus, ConnectionConfig, ConnectionId, Endpoint, EndpointConfig, Event, Instant,
    InterfaceConfig, InterfaceId, PathEndpoint, PathEndpointFlags, ReceivedPacket, SubflowInfo,
    Version,
};

const DELAY: Duration = Duration::from_millis(5);
pub(crate) const PORT: u16 = 80;
/// The host that connects, and the one that listens.
pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;
pub(crate) const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

/// The address of a host on a path; each path has an interface of its own.
pub(crate) fn v4(host: usize, path: u8) -> IpAddr {
    let last = if host == CLIENT { 1 } else { 2 };
    Ipv4Addr::new(10, 0, path, last).into()
}

pub(crate) fn v6(host: usize, path: u8) -> IpAddr {
    let last = if host == CLIENT { 1 } else { 2 };
    Ipv6Addr::new(0xfd00, 0, 0, path.into(), 0, 0, 0, last).into()
}

/// A packet that a host has sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) host: usize,
    pub(crate) tag: u32,
    pub(crate) bytes: Bytes,
}

impl Sent {
    pub(crate) fn is_v4(&self) -> bool {
        self.bytes[0] >> 4 == 4
    }

    pub(crate) fn traffic_class(&self) -> u8 {
        if self.is_v4() {
            self.bytes[1]
        } else {
            self.bytes[0] << 4 | self.bytes[1] >> 4
        }
    }

    pub(crate) fn hop_limit(&self) -> u8 {
        self.bytes[if self.is_v4() { 8 } else { 7 }]
    }

    pub(crate) fn source(&self) -> IpAddr {
        let bytes = &self.bytes;
        if self.is_v4() {
            Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[12..16]).unwrap()).into()
        } else {
            Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[8..24]).unwrap()).into()
        }
    }

    pub(crate) fn destination(&self) -> IpAddr {
        let bytes = &self.bytes;
        if self.is_v4() {
            Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[16..20]).unwrap()).into()
        } else {
            Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[24..40]).unwrap()).into()
        }
    }

    pub(crate) fn tcp(&self) -> &[u8] {
        &self.bytes[if self.is_v4() { 20 } else { 40 }..]
    }

    pub(crate) fn is_syn(&self) -> bool {
        self.tcp()[13] & 0b10 != 0
    }

    pub(crate) fn is_rst(&self) -> bool {
        self.tcp()[13] & 0b100 != 0
    }

    pub(crate) fn payload_len(&self) -> usize {
        let tcp = self.tcp();
        tcp.len() - usize::from(tcp[12] >> 4) * 4
    }

    /// The MSS option, which our SYNs begin with.
    pub(crate) fn announced_mss(&self) -> u16 {
        assert!(self.is_syn() && self.tcp()[20..22] == [2, 4], "{self:?}");
        u16::from_be_bytes([self.tcp()[22], self.tcp()[23]])
    }
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) hosts: [Endpoint; 2],
    pub(crate) interfaces: [Vec<InterfaceId>; 2],
    pub(crate) ids: [Option<ConnectionId>; 2],
    pub(crate) sent: Vec<Sent>,
    pub(crate) received: [Vec<u8>; 2],
    pub(crate) events: [Vec<Event>; 2],
    addresses: Vec<(IpAddr, usize, InterfaceId)>,
    flying: VecDeque<(Instant, Bytes)>,
}

impl Net {
    /// Both hosts have so many IPv4 addresses, and one of IPv6 on each path; nobody is connected.
    pub(crate) fn new(paths: u8) -> Self {
        let mut net = Self {
            now: Instant::from_millis(1000),
            hosts: [1, 2].map(|seed| Endpoint::new(EndpointConfig::default(), [seed; 32])),
            interfaces: [Vec::new(), Vec::new()],
            ids: [None, None],
            sent: Vec::new(),
            received: [Vec::new(), Vec::new()],
            events: [Vec::new(), Vec::new()],
            addresses: Vec::new(),
            flying: VecDeque::new(),
        };
        for host in [CLIENT, SERVER] {
            for path in 0..paths {
                net.add_address(host, v4(host, path));
            }
        }
        net
    }

    /// An address on an interface of its own.
    pub(crate) fn add_address(&mut self, host: usize, address: IpAddr) {
        let interface = self.hosts[host].add_interface(InterfaceConfig::default());
        self.hosts[host].add_address(self.now, interface, address);
        self.interfaces[host].push(interface);
        self.addresses.push((address, host, interface));
    }

    /// The client is connected and both sides have said something.
    pub(crate) fn connect(&mut self, configs: [ConnectionConfig; 2], to: SocketAddr) {
        self.start(configs, to);
        self.write(CLIENT, b"request");
        self.run_ms(30);
        self.write(SERVER, b"response");
        self.run_ms(30);
        self.write(CLIENT, b"thanks");
        self.run_ms(500);
        assert_eq!(self.received[SERVER], b"requestthanks");
        assert_eq!(self.received[CLIENT], b"response");
    }

    /// The client connects, and nobody has said anything.
    pub(crate) fn start(&mut self, configs: [ConnectionConfig; 2], to: SocketAddr) {
        let [client, server] = configs;
        let any: IpAddr = if to.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let listening = SocketAddr::new(any, to.port());
        let listener = self.hosts[SERVER].listen(listening, server).unwrap();
        let id = self.hosts[CLIENT].connect(self.now, None, to, client);
        self.ids[CLIENT] = Some(id.unwrap());
        self.run_ms(20);
        self.ids[SERVER] = self.hosts[SERVER].accept(listener);
        assert!(self.ids[SERVER].is_some(), "nobody connected");
    }

    pub(crate) fn id(&self, host: usize) -> ConnectionId {
        self.ids[host].expect("it is connected")
    }

    pub(crate) fn write(&mut self, host: usize, bytes: &[u8]) {
        let id = self.id(host);
        let written = self.hosts[host].write(self.now, id, bytes);
        assert_eq!(written, Ok(bytes.len()));
    }

    pub(crate) fn run_ms(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        loop {
            self.exchange();
            let timeouts = self.hosts.iter().filter_map(Endpoint::poll_timeout);
            let arrival = self.flying.front().map(|&(at, _)| at);
            let next = timeouts.chain(arrival).min();
            let Some(next) = next.filter(|&next| next <= end) else {
                self.now = end;
                return;
            };
            self.now = next.max(self.now);
            while self.flying.front().is_some_and(|(at, _)| *at <= self.now) {
                if let Some((_, packet)) = self.flying.pop_front() {
                    self.deliver(packet);
                }
            }
            for host in &mut self.hosts {
                host.handle_timeout(self.now);
            }
        }
    }

    /// Takes packets and events out, and reads what there is to read.
    fn exchange(&mut self) {
        for host in [CLIENT, SERVER] {
            if let Some(id) = self.ids[host] {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = self.hosts[host].read(self.now, id, &mut buffer) {
                    self.received[host].extend_from_slice(&buffer[..read]);
                }
            }
            while let Some(transmit) = self.hosts[host].poll_transmit(self.now) {
                let bytes = transmit.to_bytes();
                self.flying.push_back((self.now + DELAY, bytes.clone()));
                let tag = transmit.tag;
                self.sent.push(Sent { host, tag, bytes });
            }
            while let Some(event) = self.hosts[host].poll_event() {
                self.events[host].push(event);
            }
        }
    }

    fn deliver(&mut self, data: Bytes) {
        let packet = Sent {
            host: CLIENT,
            tag: 0,
            bytes: data.clone(),
        };
        let to = packet.destination();
        let Some(&(_, host, interface)) = self.addresses.iter().find(|known| known.0 == to) else {
            return;
        };
        let checksum = ChecksumStatus::Unverified;
        let received = ReceivedPacket { data, checksum };
        self.hosts[host].handle_packet(self.now, interface, &received);
    }

    /// Subflows that are not closed.
    pub(crate) fn open(&self, host: usize) -> Vec<SubflowInfo> {
        let mut subflows = self.hosts[host].subflows(self.id(host));
        subflows.retain(|subflow| subflow.fully_established && subflow.state.can_send());
        subflows
    }

    /// The ends of those, in order.
    pub(crate) fn pairs(&self, host: usize) -> Vec<(IpAddr, IpAddr)> {
        let ends = |s: &SubflowInfo| (s.local.ip(), s.remote.ip());
        let mut pairs: Vec<_> = self.open(host).iter().map(ends).collect();
        pairs.sort_unstable();
        pairs
    }

    pub(crate) fn counted(&self, host: usize, counter: umptcp_stack::MptcpCounter) -> u64 {
        self.hosts[host].mptcp_counters()[counter]
    }

    /// Adds a path endpoint of a host.
    pub(crate) fn endpoint(
        &mut self,
        host: usize,
        address: IpAddr,
        flags: PathEndpointFlags,
    ) -> u8 {
        let endpoint = PathEndpoint {
            id: 0,
            address,
            port: None,
            interface: None,
            flags,
        };
        self.hosts[host]
            .add_path_endpoint(self.now, endpoint)
            .unwrap()
    }
}
