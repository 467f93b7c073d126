//! ICMP errors about our TCP segments: what a router or the other host could not deliver.
//!
//! Owns the formats of ICMPv4 (RFC 792) and ICMPv6 (RFC 4443) errors and the reading of the packet
//! that they quote. It believes nothing: whether an error is about something we really sent is for
//! the connection to judge (RFC 5927).

use super::checksum::Sum;
use super::packet::{FourTuple, ParseError};
use crate::base::error::NetworkError;
use crate::base::num::saturating_u16;
use crate::base::seq::SeqNum;
use smoltcp::wire::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpProtocol, Ipv4Packet, Ipv6Packet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

mod emit;
#[cfg(test)]
mod tests;

pub use emit::emit;

/// Type, code, checksum and four bytes that depend on the type (RFC 792, RFC 4443 §2.1); behind
/// them the packet that the error is about.
const HEADER_LEN: usize = 8;
/// Of the quoted TCP header: ports and sequence number, all that RFC 792 promises.
const QUOTED_TCP_LEN: usize = 8;
/// RFC 1191 §7.1: the MTUs that paths have, for routers that do not say theirs.
const PLATEAUS: [u16; 11] = [
    65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68,
];

/// Types of ICMPv4 (RFC 792).
mod v4 {
    pub(super) const UNREACHABLE: u8 = 3;
    pub(super) const TIME_EXCEEDED: u8 = 11;
    pub(super) const PARAMETER_PROBLEM: u8 = 12;
    /// The code of [`UNREACHABLE`] that means: too big, and not to be fragmented (RFC 1191 §4).
    pub(super) const FRAGMENTATION_NEEDED: u8 = 4;
}

/// Types of ICMPv6 (RFC 4443 §2.1).
mod v6 {
    pub(super) const UNREACHABLE: u8 = 1;
    pub(super) const PACKET_TOO_BIG: u8 = 2;
    pub(super) const TIME_EXCEEDED: u8 = 3;
    pub(super) const PARAMETER_PROBLEM: u8 = 4;
}

/// An error about a segment that seems to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Addresses of the segment, seen from this host, which sent it.
    pub tuple: FourTuple,
    /// Its sequence number.
    pub seq: SeqNum,
    /// What happened to it.
    pub kind: IcmpErrorKind,
}

/// What happened to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpErrorKind {
    /// It was longer than the next link carries.
    PacketTooBig {
        /// The largest IP packet that the link carries; an estimate if the router did not say.
        mtu: u16,
    },
    /// It could not be delivered.
    Undelivered(NetworkError),
}

/// Parses an ICMP packet. `None` is a sound one that is no error about a TCP segment of its
/// receiver's; the source quench of ICMPv4 is one of these (RFC 6633 §3).
///
/// # Errors
/// The packet is malformed, no ICMP, or damaged.
pub fn parse(packet: &[u8]) -> Result<Option<IcmpError>, ParseError> {
    match packet.first().ok_or(ParseError::Malformed)? >> 4 {
        4 => parse_v4(packet),
        6 => parse_v6(packet),
        _ => Err(ParseError::NotTcp),
    }
}

fn parse_v4(packet: &[u8]) -> Result<Option<IcmpError>, ParseError> {
    let ip = Ipv4Packet::new_checked(packet).map_err(|_| ParseError::Malformed)?;
    let header_len = usize::from(ip.header_len());
    if !Sum::of(&packet[..header_len]).verifies() {
        return Err(ParseError::Checksum);
    }
    if ip.more_frags() || ip.frag_offset() != 0 || ip.next_header() != IpProtocol::Icmp {
        return Err(ParseError::NotTcp);
    }
    let message = &packet[header_len..usize::from(ip.total_len())];
    let (header, quoted) = split(message)?;
    if !Sum::of(message).verifies() {
        return Err(ParseError::Checksum);
    }
    Ok(quoted_v4(quoted, ip.dst_addr()).and_then(|quoted| {
        let kind = kind_v4(header, quoted.packet_len)?;
        Some(quoted.with(kind))
    }))
}

fn parse_v6(packet: &[u8]) -> Result<Option<IcmpError>, ParseError> {
    let ip = Ipv6Packet::new_checked(packet).map_err(|_| ParseError::Malformed)?;
    if ip.next_header() != IpProtocol::Icmpv6 {
        return Err(ParseError::NotTcp);
    }
    let message = &packet[IPV6_HEADER_LEN..ip.total_len()];
    let (header, quoted) = split(message)?;
    let sum = pseudo_header_sum(ip.src_addr(), ip.dst_addr(), message.len()).and(Sum::of(message));
    if !sum.verifies() {
        return Err(ParseError::Checksum);
    }
    Ok(quoted_v6(quoted, ip.dst_addr()).and_then(|quoted| {
        let kind = kind_v6(header)?;
        Some(quoted.with(kind))
    }))
}

fn split(message: &[u8]) -> Result<(&[u8; HEADER_LEN], &[u8]), ParseError> {
    message.split_first_chunk().ok_or(ParseError::Malformed)
}

/// What an error of ICMPv4 says (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
fn kind_v4(header: &[u8; HEADER_LEN], packet_len: u16) -> Option<IcmpErrorKind> {
    let &[kind, code, _, _, _, _, high, low] = header;
    let error = match (kind, code) {
        (v4::UNREACHABLE, v4::FRAGMENTATION_NEEDED) => {
            let mtu = match u16::from_be_bytes([high, low]) {
                // RFC 1191 §5: the router does not know of this field.
                0 => plateau_below(packet_len),
                mtu => mtu,
            };
            return Some(IcmpErrorKind::PacketTooBig { mtu });
        }
        (v4::UNREACHABLE, 0 | 6 | 11) => NetworkError::NetworkUnreachable,
        (v4::UNREACHABLE, 1 | 7 | 12) => NetworkError::HostUnreachable,
        (v4::UNREACHABLE, 2) => NetworkError::ProtocolUnreachable,
        (v4::UNREACHABLE, 3) => NetworkError::PortUnreachable,
        (v4::UNREACHABLE, 9 | 10 | 13) => NetworkError::Prohibited,
        (v4::TIME_EXCEEDED, _) => NetworkError::TimeExceeded,
        (v4::UNREACHABLE | v4::PARAMETER_PROBLEM, _) => NetworkError::Other,
        _ => return None,
    };
    Some(IcmpErrorKind::Undelivered(error))
}

/// What an error of ICMPv6 says (RFC 4443 §3).
fn kind_v6(header: &[u8; HEADER_LEN]) -> Option<IcmpErrorKind> {
    let &[kind, code, _, _, mtu @ ..] = header;
    let error = match (kind, code) {
        (v6::PACKET_TOO_BIG, _) => {
            let mtu = saturating_u16(u32::from_be_bytes(mtu));
            return Some(IcmpErrorKind::PacketTooBig { mtu });
        }
        (v6::UNREACHABLE, 0) => NetworkError::NetworkUnreachable,
        (v6::UNREACHABLE, 1 | 5 | 6) => NetworkError::Prohibited,
        (v6::UNREACHABLE, 3) => NetworkError::HostUnreachable,
        (v6::UNREACHABLE, 4) => NetworkError::PortUnreachable,
        (v6::TIME_EXCEEDED, _) => NetworkError::TimeExceeded,
        // RFC 4443 §3.4: an unrecognized next header; the host knows no TCP.
        (v6::PARAMETER_PROBLEM, 1) => NetworkError::ProtocolUnreachable,
        (v6::UNREACHABLE | v6::PARAMETER_PROBLEM, _) => NetworkError::Other,
        _ => return None,
    };
    Some(IcmpErrorKind::Undelivered(error))
}

/// RFC 1191 §5: the next plateau below the length of the packet that was too big.
fn plateau_below(packet_len: u16) -> u16 {
    let lower = PLATEAUS.into_iter().find(|plateau| *plateau < packet_len);
    lower.unwrap_or(PLATEAUS[PLATEAUS.len() - 1])
}

/// What is needed of a quoted packet.
struct Quoted {
    tuple: FourTuple,
    seq: SeqNum,
    packet_len: u16,
}

impl Quoted {
    fn with(self, kind: IcmpErrorKind) -> IcmpError {
        IcmpError {
            tuple: self.tuple,
            seq: self.seq,
            kind,
        }
    }

    /// `receiver` is who the error was sent to: the sender of the quoted packet, or it is no error
    /// about a packet of its receiver's.
    fn new(
        source: IpAddr,
        destination: IpAddr,
        receiver: IpAddr,
        packet_len: u16,
        tcp: &[u8],
    ) -> Option<Self> {
        let &[s0, s1, d0, d1, q0, q1, q2, q3] = tcp.first_chunk::<QUOTED_TCP_LEN>()?;
        (source == receiver).then(|| Self {
            tuple: FourTuple {
                local: SocketAddr::new(source, u16::from_be_bytes([s0, s1])),
                remote: SocketAddr::new(destination, u16::from_be_bytes([d0, d1])),
            },
            seq: SeqNum(u32::from_be_bytes([q0, q1, q2, q3])),
            packet_len,
        })
    }
}

/// The quoted packet is cut short, so its length field is not to be held against it; its checksum
/// may be that from before some router changed the TTL.
fn quoted_v4(quoted: &[u8], receiver: Ipv4Addr) -> Option<Quoted> {
    let ip = Ipv4Packet::new_unchecked(quoted.get(..IPV4_HEADER_LEN)?);
    let header_len = usize::from(ip.header_len());
    let first_of_tcp = ip.version() == 4
        && header_len >= IPV4_HEADER_LEN
        && ip.next_header() == IpProtocol::Tcp
        && ip.frag_offset() == 0;
    if !first_of_tcp {
        return None;
    }
    let (source, destination, packet_len) = (ip.src_addr(), ip.dst_addr(), ip.total_len());
    let tcp = quoted.get(header_len..)?;
    Quoted::new(
        source.into(),
        destination.into(),
        receiver.into(),
        packet_len,
        tcp,
    )
}

/// We send no extension headers: what has them is not ours.
fn quoted_v6(quoted: &[u8], receiver: Ipv6Addr) -> Option<Quoted> {
    let ip = Ipv6Packet::new_unchecked(quoted.get(..IPV6_HEADER_LEN)?);
    if ip.version() != 6 || ip.next_header() != IpProtocol::Tcp {
        return None;
    }
    let packet_len = saturating_u16(IPV6_HEADER_LEN + usize::from(ip.payload_len()));
    let tcp = quoted.get(IPV6_HEADER_LEN..)?;
    Quoted::new(
        ip.src_addr().into(),
        ip.dst_addr().into(),
        receiver.into(),
        packet_len,
        tcp,
    )
}

/// RFC 4443 §2.3, RFC 8200 §8.1.
fn pseudo_header_sum(source: Ipv6Addr, destination: Ipv6Addr, len: usize) -> Sum {
    Sum::of(&source.octets())
        .and(Sum::of(&destination.octets()))
        .and_word(u16::from(u8::from(IpProtocol::Icmpv6)))
        .and_word(saturating_u16(len))
}
