//! From an error to a packet. The stack itself sends none: this is for whoever plays a router.

use super::{HEADER_LEN, IcmpErrorKind, pseudo_header_sum, v4, v6};
use crate::base::error::NetworkError;
use crate::base::num::saturating_u16;
use crate::wire::checksum::Sum;
use bytes::Bytes;
use smoltcp::wire::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpProtocol, Ipv4Packet, Ipv6Packet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// RFC 1812 §4.3.2.3: as much of the packet as fits in this many bytes.
const MAX_ICMPV4_LEN: usize = 576;
/// RFC 4443 §2.4 (c): as much of the packet as fits in the smallest MTU of IPv6.
const MAX_ICMPV6_LEN: usize = 1280;
/// As that of TCP packets.
const HOP_LIMIT: u8 = 64;

/// The error that a router or a host at `source` answers an IP packet with, for whoever plays one.
/// `None` if the packet has no IP header, or one of another family than `source`.
#[must_use]
pub fn emit(source: IpAddr, kind: IcmpErrorKind, packet: &[u8]) -> Option<Bytes> {
    match source {
        IpAddr::V4(source) => emit_v4(source, kind, packet),
        IpAddr::V6(source) => emit_v6(source, kind, packet),
    }
}

fn emit_v4(source: Ipv4Addr, kind: IcmpErrorKind, packet: &[u8]) -> Option<Bytes> {
    let quoted = Ipv4Packet::new_unchecked(packet.get(..IPV4_HEADER_LEN)?);
    if quoted.version() != 4 {
        return None;
    }
    let destination = quoted.src_addr();
    let room = MAX_ICMPV4_LEN - IPV4_HEADER_LEN - HEADER_LEN;
    let quoted = &packet[..packet.len().min(room)];
    let mtu = match kind {
        IcmpErrorKind::PacketTooBig { mtu } => mtu,
        IcmpErrorKind::Undelivered(_) => 0,
    };
    let (kind, code) = match kind {
        IcmpErrorKind::PacketTooBig { .. } => (v4::UNREACHABLE, v4::FRAGMENTATION_NEEDED),
        IcmpErrorKind::Undelivered(error) => match error {
            NetworkError::NetworkUnreachable => (v4::UNREACHABLE, 0),
            NetworkError::HostUnreachable => (v4::UNREACHABLE, 1),
            NetworkError::ProtocolUnreachable => (v4::UNREACHABLE, 2),
            NetworkError::PortUnreachable => (v4::UNREACHABLE, 3),
            NetworkError::Prohibited => (v4::UNREACHABLE, 13),
            NetworkError::TimeExceeded => (v4::TIME_EXCEEDED, 0),
            NetworkError::Other => (v4::PARAMETER_PROBLEM, 0),
        },
    };
    let [high, low] = mtu.to_be_bytes();
    let total_len = IPV4_HEADER_LEN + HEADER_LEN + quoted.len();
    let mut bytes = vec![0; IPV4_HEADER_LEN];
    bytes.extend([kind, code, 0, 0, 0, 0, high, low]);
    bytes.extend(quoted);
    let mut ip = Ipv4Packet::new_unchecked(&mut bytes[..IPV4_HEADER_LEN]);
    ip.set_version(4);
    ip.set_header_len(20);
    ip.set_total_len(saturating_u16(total_len));
    ip.set_hop_limit(HOP_LIMIT);
    ip.set_next_header(IpProtocol::Icmp);
    ip.set_src_addr(source);
    ip.set_dst_addr(destination);
    ip.fill_checksum();
    let checksum = Sum::of(&bytes[IPV4_HEADER_LEN..]).checksum();
    bytes[IPV4_HEADER_LEN + 2..][..2].copy_from_slice(&checksum.to_be_bytes());
    Some(bytes.into())
}

fn emit_v6(source: Ipv6Addr, kind: IcmpErrorKind, packet: &[u8]) -> Option<Bytes> {
    let quoted = Ipv6Packet::new_unchecked(packet.get(..IPV6_HEADER_LEN)?);
    if quoted.version() != 6 {
        return None;
    }
    let destination = quoted.src_addr();
    let room = MAX_ICMPV6_LEN - IPV6_HEADER_LEN - HEADER_LEN;
    let quoted = &packet[..packet.len().min(room)];
    let mtu = match kind {
        IcmpErrorKind::PacketTooBig { mtu } => u32::from(mtu),
        IcmpErrorKind::Undelivered(_) => 0,
    };
    let (kind, code) = match kind {
        IcmpErrorKind::PacketTooBig { .. } => (v6::PACKET_TOO_BIG, 0),
        IcmpErrorKind::Undelivered(error) => match error {
            NetworkError::NetworkUnreachable => (v6::UNREACHABLE, 0),
            NetworkError::HostUnreachable => (v6::UNREACHABLE, 3),
            NetworkError::ProtocolUnreachable => (v6::PARAMETER_PROBLEM, 1),
            NetworkError::PortUnreachable => (v6::UNREACHABLE, 4),
            NetworkError::Prohibited => (v6::UNREACHABLE, 1),
            NetworkError::TimeExceeded => (v6::TIME_EXCEEDED, 0),
            NetworkError::Other => (v6::PARAMETER_PROBLEM, 0),
        },
    };
    let message_len = HEADER_LEN + quoted.len();
    let mut bytes = vec![0; IPV6_HEADER_LEN];
    bytes.extend([kind, code, 0, 0]);
    bytes.extend(mtu.to_be_bytes());
    bytes.extend(quoted);
    let mut ip = Ipv6Packet::new_unchecked(&mut bytes[..IPV6_HEADER_LEN]);
    ip.set_version(6);
    ip.set_payload_len(saturating_u16(message_len));
    ip.set_hop_limit(HOP_LIMIT);
    ip.set_next_header(IpProtocol::Icmpv6);
    ip.set_src_addr(source);
    ip.set_dst_addr(destination);
    let message = &bytes[IPV6_HEADER_LEN..];
    let sum = pseudo_header_sum(source, destination, message_len).and(Sum::of(message));
    bytes[IPV6_HEADER_LEN + 2..][..2].copy_from_slice(&sum.checksum().to_be_bytes());
    Some(bytes.into())
}
