//! What a connection must not believe, and what it must do at once: two hosts with two addresses
//! each, and a hand on every packet between them.

use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::wire::mptcp_option::{AddAddrForm, MpJoin, MptcpOption};
use umptcp_stack::wire::packet::parse;
use umptcp_stack::{
    ChecksumStatus, ConnectionConfig, ConnectionId, Endpoint, EndpointConfig, Instant,
    InterfaceConfig, InterfaceId, ReceivedPacket, SubflowInfo, Version,
};

struct Pair {
    now: Instant,
    client: (Endpoint, Vec<InterfaceId>),
    server: (Endpoint, Vec<InterfaceId>),
    connection: ConnectionId,
    accepted: Option<ConnectionId>,
}

fn host(net: u8) -> (Endpoint, Vec<InterfaceId>) {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [net; 32]);
    let interfaces = (0..2).map(|path| {
        let interface = endpoint.add_interface(InterfaceConfig::default());
        endpoint.add_address(Instant::ZERO, interface, IpAddr::from([10, net, path, 1]));
        interface
    });
    let interfaces = interfaces.collect();
    (endpoint, interfaces)
}

/// Carries packets one way, each changed by `hand`.
fn carry(
    now: Instant,
    from: &mut (Endpoint, Vec<InterfaceId>),
    to: &mut (Endpoint, Vec<InterfaceId>),
    hand: &mut dyn FnMut(&mut Vec<u8>),
) {
    while let Some(transmit) = from.0.poll_transmit(now) {
        let mut packet = transmit.to_bytes().to_vec();
        hand(&mut packet);
        let received = ReceivedPacket {
            data: Bytes::from(packet),
            checksum: ChecksumStatus::Good,
        };
        let interface = to.1[transmit.interface.index()];
        to.0.handle_packet(now, interface, &received);
    }
}

impl Pair {
    /// Connects, exchanges a little, and gives the joins two seconds.
    fn run(version: Version, hand: &mut dyn FnMut(&mut Vec<u8>)) -> Self {
        let config = ConnectionConfig {
            version,
            max_subflows: 2,
            ..ConnectionConfig::default()
        };
        let (mut client, mut server) = (host(1), host(2));
        let remote = SocketAddr::from(([10, 2, 0, 1], 80));
        let listener = server
            .0
            .listen(remote, config.clone())
            .expect("nobody listens yet");
        let connection = client
            .0
            .connect(Instant::ZERO, None, remote, config)
            .expect("there are addresses");
        client
            .0
            .write(Instant::ZERO, connection, b"hello")
            .expect("there is room");
        let mut pair = Self {
            now: Instant::ZERO,
            client,
            server,
            connection,
            accepted: None,
        };
        for _ in 0..200 {
            carry(pair.now, &mut pair.client, &mut pair.server, hand);
            carry(pair.now, &mut pair.server, &mut pair.client, hand);
            pair.accepted = pair.accepted.or_else(|| pair.server.0.accept(listener));
            pair.now += Duration::from_millis(10);
            pair.client.0.handle_timeout(pair.now);
            pair.server.0.handle_timeout(pair.now);
        }
        pair
    }

    fn client_subflows(&self) -> Vec<SubflowInfo> {
        self.client.0.subflows(self.connection)
    }

    fn established_at_server(&self) -> usize {
        let subflows = self
            .server
            .0
            .subflows(self.accepted.expect("it was accepted"));
        subflows
            .iter()
            .filter(|subflow| subflow.state == TcpState::Established)
            .count()
    }
}

/// Changes the first byte of `secret` wherever it stands in the packet.
fn spoil(packet: &mut [u8], secret: &[u8]) {
    if let Some(at) = packet
        .windows(secret.len())
        .position(|window| window == secret)
    {
        packet[at] ^= 1;
    }
}

fn options(packet: &[u8]) -> Vec<MptcpOption> {
    let received = ReceivedPacket {
        data: Bytes::copy_from_slice(packet),
        checksum: ChecksumStatus::Good,
    };
    parse(&received)
        .map(|segment| segment.options.mptcp.to_vec())
        .unwrap_or_default()
}

#[test]
fn untouched_packets_join_both_paths() {
    for version in [Version::V0, Version::V1] {
        let pair = Pair::run(version, &mut |_| {});
        assert_eq!(pair.established_at_server(), 2);
        let second = pair.client_subflows()[1].remote;
        assert_eq!(
            second.ip(),
            IpAddr::from([10, 2, 1, 1]),
            "the announced address"
        );
    }
}

/// RFC 6824 §3.2: a wrong HMAC on the third ACK ends the join, not the connection.
///
/// Protocol statement 40.
#[test]
fn a_join_without_the_keys_is_refused() {
    for version in [Version::V0, Version::V1] {
        let pair = Pair::run(version, &mut |packet| {
            for option in options(packet) {
                if let MptcpOption::Join(MpJoin::Ack { hmac }) = option {
                    spoil(packet, &hmac);
                }
            }
        });
        assert_eq!(pair.established_at_server(), 1);
        assert!(pair.server.0.stats().joins_refused > 0);
    }
}

/// RFC 6824 §3.2: the initiator checks the HMAC of the SYN/ACK just as well.
///
/// Protocol statement 39.
#[test]
fn a_listener_without_the_keys_is_not_joined() {
    for version in [Version::V0, Version::V1] {
        let pair = Pair::run(version, &mut |packet| {
            for option in options(packet) {
                if let MptcpOption::Join(MpJoin::SynAck { hmac, .. }) = option {
                    spoil(packet, &hmac);
                }
            }
        });
        assert_eq!(pair.established_at_server(), 1);
        let further = pair.client_subflows().into_iter().skip(1);
        assert!(
            further
                .into_iter()
                .all(|subflow| subflow.state != TcpState::Established)
        );
    }
}

/// RFC 8684 §3.4.1: an announcement with a wrong HMAC is ignored.
#[test]
fn a_forged_announcement_is_not_followed() {
    let pair = Pair::run(Version::V1, &mut |packet| {
        for option in options(packet) {
            if let MptcpOption::AddAddr(announcement) = option
                && let AddAddrForm::V1(hmac) = announcement.form
            {
                spoil(packet, &hmac);
            }
        }
    });
    let forged = IpAddr::from([10, 2, 1, 1]);
    assert!(
        pair.client_subflows()
            .iter()
            .all(|subflow| subflow.remote.ip() != forged)
    );
}

/// RFC 6824 §3.3.6: what was in flight on a path that is gone goes to another at once, not after
/// a timeout.
#[test]
fn a_path_that_goes_down_hands_its_data_over_at_once() {
    let mut pair = Pair::run(Version::V0, &mut |_| {});
    let (connection, now) = (pair.connection, pair.now);
    let client = &mut pair.client.0;
    client
        .write(now, connection, &[7; 10_000])
        .expect("there is room");
    let mut on_path = [0_usize; 2];
    while let Some(transmit) = client.poll_transmit(now) {
        on_path[transmit.interface.index()] +=
            transmit.payload().iter().map(Bytes::len).sum::<usize>();
    }
    let busy = usize::from(on_path[1] > on_path[0]);
    let (down, other) = (pair.client.1[busy], pair.client.1[1 - busy]);
    let client = &mut pair.client.0;
    client.set_interface_up(now, down, false);
    let moved = core::iter::from_fn(|| client.poll_transmit(now))
        .filter(|transmit| transmit.interface == other)
        .count();
    let reinjected = client
        .connection_info(connection)
        .expect("it lives")
        .bytes_reinjected;
    assert!(
        moved > 0 && reinjected > 0,
        "{moved} packets, {reinjected} bytes, {on_path:?}"
    );
}
