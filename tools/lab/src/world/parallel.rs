//! What carries one direction of a wire: one link, or several between two routers that spread flows
//! over them (ECMP).
//!
//! Owns the choice of the link. All packets of a flow take the same one, in both directions, as if
//! there were one router.

use crate::link::{Link, LinkConfig, LinkCounters};
use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use umptcp_stack::Instant;

/// The links of one direction.
pub(super) struct Links {
    links: Vec<Link>,
    /// What the choice depends on besides the flow.
    salt: u64,
}

impl Links {
    pub(super) fn new(links: Vec<Link>, salt: u64) -> Self {
        Self { links, salt }
    }

    /// Which link carries a flow; either end may be named first.
    pub(super) fn choose(&self, one: SocketAddr, other: SocketAddr) -> usize {
        let count = self.links.len() as u64;
        let choice = hash(self.salt, one.min(other), one.max(other)) % count.max(1);
        usize::try_from(choice).unwrap_or(0)
    }

    pub(super) fn push(&mut self, now: Instant, packet: Bytes) {
        let link = match (self.links.len(), ends(&packet)) {
            (2.., Some((source, destination))) => self.choose(source, destination),
            // What belongs to no flow takes the first.
            _ => 0,
        };
        if let Some(link) = self.links.get_mut(link) {
            link.push(now, packet);
        }
    }

    pub(super) fn poll_deliver(&mut self, now: Instant) -> Option<Bytes> {
        self.links
            .iter_mut()
            .find_map(|link| link.poll_deliver(now))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.links.iter().filter_map(Link::next_deadline).min()
    }

    pub(super) fn set_down(&mut self, now: Instant) {
        self.links.iter_mut().for_each(|link| link.set_down(now));
    }

    pub(super) fn set_up(&mut self, now: Instant) {
        self.links.iter_mut().for_each(|link| link.set_up(now));
    }

    /// Those of each link.
    pub(super) fn each(&self) -> Vec<LinkCounters> {
        self.links.iter().map(Link::counters).collect()
    }

    /// Those of all links together.
    pub(super) fn counters(&self) -> LinkCounters {
        let links = self.links.iter().map(Link::counters);
        links.fold(LinkCounters::default(), sum)
    }

    /// The largest packet that every link carries.
    pub(super) fn mtu(&self) -> u16 {
        let configs = self.links.iter().map(Link::config);
        configs.map(|config| config.mtu).min().unwrap_or(u16::MAX)
    }

    /// Bits may flip on one of them.
    pub(super) fn corrupts(&self) -> bool {
        let mut configs = self.links.iter().map(Link::config);
        configs.any(|config: &LinkConfig| config.corrupt > 0.0)
    }
}

fn sum(one: LinkCounters, other: LinkCounters) -> LinkCounters {
    LinkCounters {
        sent: one.sent + other.sent,
        delivered: one.delivered + other.delivered,
        delivered_bytes: one.delivered_bytes + other.delivered_bytes,
        dropped_queue: one.dropped_queue + other.dropped_queue,
        marked: one.marked + other.marked,
        dropped_loss: one.dropped_loss + other.dropped_loss,
        dropped_cut: one.dropped_cut + other.dropped_cut,
        dropped_mtu: one.dropped_mtu + other.dropped_mtu,
        reordered: one.reordered + other.reordered,
        duplicated: one.duplicated + other.duplicated,
        corrupted: one.corrupted + other.corrupted,
    }
}

/// Both ends of a TCP segment's flow; `None` if the packet is none.
fn ends(packet: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    /// RFC 9293 §3.1.
    const TCP: u8 = 6;
    let address4 = |at: usize| {
        let octets = packet.get(at..)?.first_chunk::<4>()?;
        Some(IpAddr::V4(Ipv4Addr::from(*octets)))
    };
    let address6 = |at: usize| {
        let octets = packet.get(at..)?.first_chunk::<16>()?;
        Some(IpAddr::V6(Ipv6Addr::from(*octets)))
    };
    let first = *packet.first()?;
    // RFC 791 §3.1 and RFC 8200 §3; our stacks send no extension headers.
    let (protocol, header, source, destination) = match first >> 4 {
        4 => {
            let header = usize::from(first & 0xf) * 4;
            (*packet.get(9)?, header, address4(12)?, address4(16)?)
        }
        6 => (*packet.get(6)?, 40, address6(8)?, address6(24)?),
        _ => return None,
    };
    let ports = packet.get(header..)?.first_chunk::<4>()?;
    let [a, b, c, d] = *ports;
    (protocol == TCP).then_some((
        SocketAddr::new(source, u16::from_be_bytes([a, b])),
        SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    ))
}

/// FNV-1a over both ends, and the finalizer of SplitMix64, without which the lowest bits depend on
/// the lowest bits of the ports only.
fn hash(salt: u64, one: SocketAddr, other: SocketAddr) -> u64 {
    const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const FNV_PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = FNV_OFFSET ^ salt;
    let mut add = |octets: &[u8]| {
        for &octet in octets {
            hash = (hash ^ u64::from(octet)).wrapping_mul(FNV_PRIME);
        }
    };
    for end in [one, other] {
        match end.ip() {
            IpAddr::V4(address) => add(&address.octets()),
            IpAddr::V6(address) => add(&address.octets()),
        }
        add(&end.port().to_be_bytes());
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    fn links(count: usize, salt: u64) -> Links {
        let link = || Link::new(LinkConfig::default(), 0);
        Links::new((0..count).map(|_| link()).collect(), salt)
    }

    fn segment(source: SocketAddr, destination: SocketAddr) -> Bytes {
        let mut packet = vec![0; 40];
        packet[0] = 0x45;
        packet[9] = 6;
        for (at, end) in [(12, source), (16, destination)] {
            let IpAddr::V4(address) = end.ip() else {
                unreachable!("all of these are IPv4")
            };
            packet[at..at + 4].copy_from_slice(&address.octets());
        }
        packet[20..22].copy_from_slice(&source.port().to_be_bytes());
        packet[22..24].copy_from_slice(&destination.port().to_be_bytes());
        packet.into()
    }

    #[test]
    fn a_flow_keeps_its_link_and_flows_spread() {
        let mut links = links(4, 7);
        let server = end(2, 80);
        let mut used = [0; 4];
        for port in 0..4000 {
            let client = end(1, 40_000 + port);
            let link = links.choose(client, server);
            assert_eq!(links.choose(server, client), link);
            used[link] += 1;
            links.push(Instant::ZERO, segment(client, server));
            links.push(Instant::ZERO, segment(server, client));
        }
        assert!(
            used.iter().all(|count| (900..1100).contains(count)),
            "{used:?}"
        );
        let sent: Vec<u64> = links.each().iter().map(|link| link.sent).collect();
        assert_eq!(sent, used.map(|count| count * 2));
        assert_eq!(links.counters().sent, 8000);
        assert_eq!(
            std::iter::from_fn(|| links.poll_deliver(Instant::ZERO)).count(),
            8000
        );
    }

    #[test]
    fn the_choice_depends_on_the_salt() {
        let flows = (0..64).map(|port| (end(1, 1000 + port), end(2, 80)));
        let differ = flows.filter(|&(one, other)| {
            links(4, 1).choose(one, other) != links(4, 2).choose(one, other)
        });
        assert!(differ.count() > 20);
    }
}
