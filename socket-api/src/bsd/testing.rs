//! Two hosts in one process, whose packets change hands at once, for tests of sockets.

use super::{Family, IPPROTO_MPTCP, Net, SockAddr, Socket, System};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::{
    ChecksumStatus, Endpoint, EndpointConfig, Event, Instant, InterfaceConfig, InterfaceId,
    ReceivedPacket,
};

/// A host with two interfaces.
pub(crate) struct Host {
    pub(crate) endpoint: Endpoint,
    pub(crate) system: System,
    pub(crate) events: Vec<Event>,
    interfaces: Vec<InterfaceId>,
}

impl Host {
    fn new(number: u8) -> Self {
        let mut endpoint = Endpoint::new(EndpointConfig::default(), [number; 32]);
        let mut system = System::default();
        let mut interfaces = Vec::new();
        for link in 0..2_u8 {
            let interface = endpoint.add_interface(InterfaceConfig::default());
            let v4 = IpAddr::from([10, link, 0, number]);
            let v6: IpAddr = format!("2001:db8:{link}::{number}")
                .parse()
                .expect("an address");
            for address in [v4, v6] {
                endpoint.add_address(Instant::ZERO, interface, address);
            }
            system.interfaces.push((interface, format!("link{link}")));
            interfaces.push(interface);
        }
        Self {
            endpoint,
            system,
            events: Vec::new(),
            interfaces,
        }
    }
}

/// Two hosts, 1 and 2, on two links: 10.0.0.x and 10.1.0.x, 2001:db8:0::x and 2001:db8:1::x.
pub(crate) struct Pair {
    pub(crate) now: Instant,
    pub(crate) hosts: [Host; 2],
    /// Packets are not carried on these links.
    pub(crate) cut: [bool; 2],
    /// Takes MPTCP options off SYNs, as a middlebox does, which makes connections fall back.
    pub(crate) strip: bool,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self {
            now: Instant::ZERO + Duration::from_secs(1),
            hosts: [Host::new(1), Host::new(2)],
            cut: [false; 2],
            strip: false,
        }
    }

    /// Calls on a host.
    pub(crate) fn net(&mut self, host: usize) -> Net<'_> {
        let Host {
            endpoint, system, ..
        } = &mut self.hosts[host];
        Net {
            endpoint,
            system,
            now: self.now,
        }
    }

    /// Carries packets until there are none, and timers for a while.
    pub(crate) fn settle(&mut self) {
        self.run_for(Duration::from_millis(100));
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            let timeouts = self
                .hosts
                .iter()
                .filter_map(|host| host.endpoint.poll_timeout());
            let Some(next) = timeouts.min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            for host in &mut self.hosts {
                host.endpoint.handle_timeout(self.now);
            }
        }
        self.now = end;
    }

    fn exchange(&mut self) {
        loop {
            let mut moved = false;
            for from in 0..2 {
                while let Some(transmit) = self.hosts[from].endpoint.poll_transmit(self.now) {
                    moved = true;
                    let link = transmit.interface.index();
                    if self.cut[link] {
                        continue;
                    }
                    let mut data = vec![0; transmit.len()];
                    transmit.copy_to(&mut data);
                    if self.strip {
                        strip_mptcp(&mut data);
                    }
                    let packet = ReceivedPacket {
                        data: data.into(),
                        checksum: ChecksumStatus::Good,
                    };
                    let to = &mut self.hosts[1 - from];
                    let interface = to.interfaces[link];
                    to.endpoint.handle_packet(self.now, interface, &packet);
                }
            }
            for host in &mut self.hosts {
                while let Some(event) = host.endpoint.poll_event() {
                    host.system.handle_event(&event);
                    host.events.push(event);
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// A new MPTCP socket on a host.
    pub(crate) fn mptcp(&mut self, host: usize, family: Family) -> Socket {
        let system = &self.hosts[host].system;
        Socket::new(system, family.number(), libc::SOCK_STREAM, IPPROTO_MPTCP).expect("a socket")
    }

    /// A connection from host 0 to host 1 over IPv4, by MPTCP sockets: the client's, the server's,
    /// and the listening one.
    pub(crate) fn connected(&mut self) -> [Socket; 3] {
        let mut listener = self.mptcp(1, Family::V4);
        let address = SockAddr::plain(SERVER);
        listener.bind(&mut self.net(1), address).expect("bound");
        listener.listen(&mut self.net(1), 5).expect("listening");
        let mut client = self.mptcp(0, Family::V4);
        let begun = client.connect(&mut self.net(0), address);
        assert_eq!(begun, Err(super::Errno::EINPROGRESS));
        self.settle();
        assert_eq!(client.connecting(&mut self.net(0)), Some(Ok(())));
        let server = listener.accept(&mut self.net(1)).expect("accepted");
        [client, server, listener]
    }
}

/// Where `Pair::connected` listens.
pub(crate) const SERVER: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 8080);

/// Turns the MPTCP options of an IPv4 packet into NOPs; the receiver does not check checksums here.
fn strip_mptcp(packet: &mut [u8]) {
    const MPTCP: u8 = 30;
    let tcp = usize::from(packet[0] & 15) * 4;
    let end = tcp + usize::from(packet[tcp + 12] >> 4) * 4;
    let mut at = tcp + 20;
    while at < end {
        match packet[at] {
            0 => return,
            1 => at += 1,
            kind => {
                let len = usize::from(packet[at + 1]);
                if kind == MPTCP {
                    packet[at..at + len].fill(1);
                }
                at += len;
            }
        }
    }
}
