//! From a device's bytes to a segment.

use super::{
    ChecksumStatus, Flags, FourTuple, ParseError, ReceivedPacket, Segment, pseudo_header_sum,
};
use crate::base::seq::SeqNum;
use crate::wire::checksum::Sum;
use crate::wire::tcp_option::TcpOptions;
use core::ops::Range;
use smoltcp::wire::{IPV6_HEADER_LEN, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket};
use std::net::{IpAddr, SocketAddr};

/// RFC 3168 §5: both ECN bits.
const CONGESTION_EXPERIENCED: u8 = 0b11;

/// What is needed from an IP header of either version.
struct IpHeader {
    source: IpAddr,
    destination: IpAddr,
    /// Where both addresses lie.
    addresses: Range<usize>,
    /// Where the TCP segment lies.
    tcp: Range<usize>,
    congestion_experienced: bool,
}

/// Parses an IP packet with a TCP segment. Bytes behind the end of the IP packet are ignored.
///
/// # Errors
/// The packet is malformed, no TCP, or damaged.
pub fn parse(packet: &ReceivedPacket) -> Result<Segment, ParseError> {
    let data = &packet.data[..];
    let ip = match data.first().ok_or(ParseError::Malformed)? >> 4 {
        4 => ipv4(data)?,
        6 => ipv6(data)?,
        _ => return Err(ParseError::NotTcp),
    };
    let segment = &data[ip.tcp.clone()];
    let tcp = TcpPacket::new_checked(segment).map_err(|_| ParseError::Malformed)?;
    let (header, payload) = segment.split_at(usize::from(tcp.header_len()));

    let payload_sum = match packet.checksum {
        ChecksumStatus::Good => None,
        ChecksumStatus::Unverified => {
            // A TCP header is a multiple of 4 bytes: the payload's words are the segment's.
            let payload_sum = Sum::of(payload);
            let sum = pseudo_header_sum(&data[ip.addresses], segment.len())
                .and(Sum::of(header))
                .and(payload_sum);
            if !sum.verifies() {
                return Err(ParseError::Checksum);
            }
            Some(payload_sum.folded())
        }
    };

    Ok(Segment {
        tuple: FourTuple {
            local: SocketAddr::new(ip.destination, tcp.dst_port()),
            remote: SocketAddr::new(ip.source, tcp.src_port()),
        },
        seq: SeqNum(tcp.seq_number().0.cast_unsigned()),
        ack: tcp
            .ack()
            .then(|| SeqNum(tcp.ack_number().0.cast_unsigned())),
        flags: Flags::of(&tcp),
        window: tcp.window_len(),
        options: TcpOptions::parse(tcp.options()),
        payload: packet.data.slice(ip.tcp.start + header.len()..ip.tcp.end),
        payload_sum,
        congestion_experienced: ip.congestion_experienced,
    })
}

/// RFC 791 §3.1.
#[inline]
fn ipv4(data: &[u8]) -> Result<IpHeader, ParseError> {
    let ip = Ipv4Packet::new_checked(data).map_err(|_| ParseError::Malformed)?;
    let header_len = usize::from(ip.header_len());
    if !Sum::of(&data[..header_len]).verifies() {
        return Err(ParseError::Checksum);
    }
    if ip.more_frags() || ip.frag_offset() != 0 || ip.next_header() != IpProtocol::Tcp {
        return Err(ParseError::NotTcp);
    }
    Ok(IpHeader {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        addresses: 12..20,
        tcp: header_len..usize::from(ip.total_len()),
        congestion_experienced: ip.ecn() == CONGESTION_EXPERIENCED,
    })
}

/// RFC 8200 §3. Extension headers are not followed.
#[inline]
fn ipv6(data: &[u8]) -> Result<IpHeader, ParseError> {
    let ip = Ipv6Packet::new_checked(data).map_err(|_| ParseError::Malformed)?;
    if ip.next_header() != IpProtocol::Tcp {
        return Err(ParseError::NotTcp);
    }
    Ok(IpHeader {
        source: ip.src_addr().into(),
        destination: ip.dst_addr().into(),
        addresses: 8..40,
        tcp: IPV6_HEADER_LEN..ip.total_len(),
        congestion_experienced: ip.traffic_class() & 0b11 == CONGESTION_EXPERIENCED,
    })
}
