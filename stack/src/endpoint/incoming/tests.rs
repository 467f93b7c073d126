use super::*;
use crate::base::config::{EndpointConfig, InterfaceConfig};
use crate::base::rng::SeededRng;
use crate::base::time::Duration;
use crate::wire::mptcp_option::{CapableKeys, MptcpOption, Token};
use crate::wire::packet::{ChecksumStatus, ReceivedPacket, parse};
use std::net::SocketAddr;

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];
/// Makes the next key the same each time.
const SEED: [u8; 32] = [9; 32];

/// Two hosts, and what they send each other.
struct Net {
    now: Instant,
    hosts: [Endpoint; 2],
    interface: InterfaceId,
    listener: ListenerId,
}

fn server() -> SocketAddr {
    ([10, 0, 0, 2], 80).into()
}

impl Net {
    fn new(server_config: EndpointConfig) -> Self {
        let mut hosts = [
            Endpoint::new(EndpointConfig::default(), [1; 32]),
            Endpoint::new(server_config, [2; 32]),
        ];
        let now = Instant::from_millis(1_000_000);
        let [client, server_host] = &mut hosts;
        let interface = client.add_interface(InterfaceConfig::default());
        server_host.add_interface(InterfaceConfig::default());
        client.add_address(now, interface, [10, 0, 0, 1].into());
        server_host.add_address(now, interface, server().ip());
        let listener = server_host
            .listen(server(), ConnectionConfig::default())
            .unwrap();
        Self {
            now,
            hosts,
            interface,
            listener,
        }
    }

    fn connect(&mut self, version: Version) -> ConnectionId {
        let config = ConnectionConfig {
            version,
            ..ConnectionConfig::default()
        };
        self.hosts[0]
            .connect(self.now, None, server(), config)
            .unwrap()
    }

    /// Hands over what one host has sent; gives the segments.
    fn carry(&mut self, from: usize) -> Vec<Segment> {
        let mut segments = Vec::new();
        while let Some(transmit) = self.hosts[from].poll_transmit(self.now) {
            let packet = ReceivedPacket {
                data: transmit.to_bytes(),
                checksum: ChecksumStatus::Good,
            };
            segments.push(parse(&packet).unwrap());
            self.hosts[1 - from].handle_packet(self.now, self.interface, &packet);
        }
        segments
    }

    fn run(&mut self, time: Duration) {
        for _ in 0..100 {
            while !(self.carry(0).is_empty() && self.carry(1).is_empty()) {}
            self.now += time / 100;
            for host in &mut self.hosts {
                host.handle_timeout(self.now);
            }
        }
    }
}

fn token_of(endpoint: &Endpoint, id: ConnectionId) -> Token {
    endpoint
        .connections
        .get(id)
        .unwrap()
        .connection
        .token()
        .unwrap()
}

/// The token of the key that would be chosen if nobody had it.
fn next_token(endpoint: &mut Endpoint, version: Version) -> Token {
    endpoint.rng = SeededRng::new(SEED);
    endpoint.new_key(version).unwrap().token
}

/// Protocol statement 32.
///
/// At every time between the SYN and the end of the last subflow, on both sides.
#[test]
fn a_token_is_taken_as_long_as_its_connection_lives() {
    for version in VERSIONS {
        let mut net = Net::new(EndpointConfig::default());
        let taken = |net: &mut Net, host: usize, id, moment: &str| {
            let endpoint = &mut net.hosts[host];
            let token = token_of(endpoint, id);
            let again = next_token(endpoint, version);
            assert_ne!(again, token, "{version:?}, host {host}, {moment}");
            assert!(endpoint.demux.is_token_taken(token));
        };
        for host in &mut net.hosts {
            host.rng = SeededRng::new(SEED);
        }
        let client = net.connect(version);
        taken(&mut net, 0, client, "offered");
        net.hosts[1].rng = SeededRng::new(SEED);
        net.carry(0);
        let accepted = net.hosts[1].connections.ids()[0];
        taken(&mut net, 1, accepted, "half-open");
        net.run(Duration::from_secs(1));
        assert_eq!(net.hosts[1].accept(net.listener), Some(accepted));
        let both = [client, accepted];
        let tokens = [0, 1].map(|host| token_of(&net.hosts[host], both[host]));
        for host in [0, 1] {
            taken(&mut net, host, both[host], "established");
            net.hosts[host].shutdown(net.now, both[host]).unwrap();
            net.run(Duration::from_secs(1));
        }
        // Everything is said at the data level; subflows are in TIME-WAIT.
        taken(&mut net, 0, client, "closing");
        assert_eq!(net.hosts[0].demux.token(tokens[0]), None, "nobody joins it");
        for host in [0, 1] {
            net.hosts[host].release(net.now, both[host]);
        }
        net.run(Duration::from_secs(120));
        for host in [0, 1] {
            assert_eq!(net.hosts[host].connection_count(), 0);
            assert!(!net.hosts[host].demux.is_token_taken(tokens[host]));
            let again = next_token(&mut net.hosts[host], version);
            assert_eq!(again, tokens[host], "it is free again");
        }
    }
}

/// Takes all tokens that the next keys would have.
fn exhaust(endpoint: &mut Endpoint, version: Version) {
    endpoint.rng = SeededRng::new(SEED);
    let holder = ConnectionId {
        slot: 77,
        generation: 0,
    };
    for _ in 0..KEY_TRIES {
        let key = endpoint.new_key(version).unwrap();
        endpoint.demux.insert_token(key.token, holder);
    }
    endpoint.rng = SeededRng::new(SEED);
}

/// Protocol statement 32.
///
/// A key that is not to be had means plain TCP, never a shared token.
#[test]
fn without_a_free_token_it_is_plain_tcp() {
    let counted = |endpoint: &Endpoint| endpoint.counters[MptcpCounter::MpFallbackTokenInit];
    for version in VERSIONS {
        let mut net = Net::new(EndpointConfig::default());
        exhaust(&mut net.hosts[0], version);
        net.connect(version);
        assert!(net.carry(0)[0].options.mptcp.is_empty());
        assert_eq!(counted(&net.hosts[0]), 1);

        let mut net = Net::new(EndpointConfig::default());
        exhaust(&mut net.hosts[1], version);
        net.connect(version);
        assert_eq!(net.carry(0)[0].options.mptcp.len(), 1);
        assert!(net.carry(1)[0].options.mptcp.is_empty());
        assert_eq!(counted(&net.hosts[1]), 1);
    }
}

/// Protocol statement 32.
///
/// Without state there is one key for a SYN: if its token is taken, there is no MP_CAPABLE.
#[test]
fn without_state_a_token_that_is_taken_is_plain_tcp() {
    for version in VERSIONS {
        let mut net = Net::new(EndpointConfig {
            syn_cookies: SynCookies::Always,
            ..EndpointConfig::default()
        });
        net.connect(version);
        net.carry(0);
        let answer = net.carry(1).remove(0);
        let Some(MptcpOption::Capable(capable)) = answer.options.mptcp.first() else {
            panic!("{answer:?}");
        };
        let CapableKeys::Sender(key) = capable.keys else {
            panic!("{capable:?}");
        };
        let token = HostKey::new(version, key).token;
        let holder = ConnectionId {
            slot: 77,
            generation: 0,
        };
        net.hosts[1].demux.insert_token(token, holder);
        // The third packet comes when somebody else has got the token.
        net.carry(0);
        let accepted = net.hosts[1].accept(net.listener).unwrap();
        let info = net.hosts[1].connection_info(accepted).unwrap();
        assert_eq!(info.protocol, crate::mptcp::info::ConnectionProtocol::Tcp);
        assert_eq!(net.hosts[1].demux.token(token), Some(holder));
    }
}

#[test]
fn the_keys_that_tests_want_come_first() {
    let config = EndpointConfig {
        // 0 stands for no key.
        fixed_keys: vec![7, 0, 9],
        ..EndpointConfig::default()
    };
    let mut endpoint = Endpoint::new(config, [1; 32]);
    let mut next = || endpoint.new_key(Version::V1).map(|key| key.key.0);
    assert_eq!((next(), next()), (Some(7), Some(9)));
    assert!(next().is_some_and(|key| key != 0 && key != 7));
}
