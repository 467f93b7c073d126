//! Whatever arrives, nothing panics: conversations whose packets are damaged on the way.
//!
//! The damage is in the TCP header, its options and the payload, and the receiver is told that the
//! checksum is good: it must judge every field by itself. What the streams then hold is not
//! looked at; that every run ends is.

use bytes::Bytes;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{
    ChecksumPolicy, ChecksumStatus, ConnectionConfig, ConnectionId, Endpoint, EndpointConfig,
    Instant, InterfaceConfig, InterfaceId, ReceivedPacket, Version,
};

const IP_HEADER: usize = 20;
const STEPS: usize = 400;

struct Host {
    endpoint: Endpoint,
    interfaces: Vec<InterfaceId>,
}

impl Host {
    fn new(net: u8, seed: u8) -> Self {
        let mut endpoint = Endpoint::new(EndpointConfig::default(), [seed; 32]);
        let interfaces = (0..2)
            .map(|path| {
                let interface = endpoint.add_interface(InterfaceConfig::default());
                let address = IpAddr::from([10, net, path, 1]);
                endpoint.add_address(Instant::ZERO, interface, address);
                interface
            })
            .collect();
        Self {
            endpoint,
            interfaces,
        }
    }

    fn packets(&mut self, now: Instant) -> Vec<(usize, Vec<u8>)> {
        let mut packets = Vec::new();
        while let Some(transmit) = self.endpoint.poll_transmit(now) {
            packets.push((transmit.interface.index(), transmit.to_bytes().to_vec()));
            if packets.len() > 32 {
                break;
            }
        }
        packets
    }

    fn use_connection(&mut self, now: Instant, id: ConnectionId, step: usize) {
        let mut buffer = [0; 3000];
        let _ = self.endpoint.read(now, id, &mut buffer);
        let _ = self.endpoint.write(now, id, &buffer[..step % 3000]);
        if step == STEPS / 2 {
            let _ = self.endpoint.shutdown(now, id);
        }
        while self.endpoint.poll_event().is_some() {}
    }
}

/// A change of one packet: at which byte behind the IP header, and what is added to it.
#[derive(Clone, Debug)]
struct Damage {
    at: usize,
    add: u8,
}

fn damage() -> impl Strategy<Value = Option<Damage>> {
    // Two packets in three stay whole, so that conversations get somewhere.
    prop_oneof![
        2 => Just(None),
        1 => (4_usize..72, 1_u8..=255).prop_map(|(at, add)| Some(Damage { at, add })),
    ]
}

fn deliver(to: &mut Host, now: Instant, path: usize, mut packet: Vec<u8>, damage: Option<&Damage>) {
    if let Some(damage) = damage
        && let Some(byte) = packet.get_mut(IP_HEADER + damage.at)
    {
        *byte = byte.wrapping_add(damage.add);
    }
    let received = ReceivedPacket {
        data: Bytes::from(packet),
        checksum: ChecksumStatus::Good,
    };
    let interface = to.interfaces[path];
    to.endpoint.handle_packet(now, interface, &received);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn damaged_packets_never_panic(
        v1 in any::<bool>(),
        checksum in any::<bool>(),
        damages in prop::collection::vec(damage(), 1..200),
    ) {
        let config = ConnectionConfig {
            version: if v1 { Version::V1 } else { Version::V0 },
            checksum: if checksum { ChecksumPolicy::Require } else { ChecksumPolicy::Offer },
            ..ConnectionConfig::default()
        };
        let (mut client, mut server) = (Host::new(1, 1), Host::new(2, 2));
        let remote = SocketAddr::from(([10, 2, 0, 1], 80));
        let listener = server.endpoint.listen(remote, config.clone()).unwrap();
        let mut now = Instant::ZERO;
        let id = client.endpoint.connect(now, None, remote, config).unwrap();
        let mut accepted = None;
        let mut damages = damages.iter().cycle();
        for step in 0..STEPS {
            for (path, packet) in client.packets(now) {
                deliver(&mut server, now, path, packet, damages.next().unwrap().as_ref());
            }
            for (path, packet) in server.packets(now) {
                deliver(&mut client, now, path, packet, damages.next().unwrap().as_ref());
            }
            accepted = accepted.or_else(|| server.endpoint.accept(listener));
            client.use_connection(now, id, step);
            if let Some(accepted) = accepted {
                server.use_connection(now, accepted, step);
            }
            now += std::time::Duration::from_millis(50);
            client.endpoint.handle_timeout(now);
            server.endpoint.handle_timeout(now);
        }
    }
}
