//! From a segment to a packet for a device.

use super::{
    Flags, MAX_HEADER_LEN, Payload, SegmentHeader, TCP_HEADER_LEN, Transmit, TransmitChecksum,
    pseudo_header_sum,
};
use crate::base::id::InterfaceId;
use crate::base::seq::SeqNum;
use crate::wire::checksum::Sum;
use crate::wire::tcp_option::MAX_OPTIONS_LEN;
use bytes::Bytes;
use core::ops::Range;
use smoltcp::wire::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket, TcpSeqNumber,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The codepoint ECT(0) (RFC 3168 §5), in the two bits that ECN has of the traffic class.
const ECT_0: u8 = 0b10;
const ECN_BITS: u8 = 0b11;

/// What both IP versions have under different names.
#[derive(Clone, Copy)]
struct IpFields {
    traffic_class: u8,
    hop_limit: u8,
}

/// Builds a packet around a payload.
///
/// `payload_sum` is the payload's folded sum where the caller knows it already. Both addresses of
/// the tuple are of one family. The IP length fields hold no more than 65535, so that is how long
/// the packet (IPv4) or all behind its IP header (IPv6) may be.
#[must_use]
pub fn emit(
    interface: InterfaceId,
    header: &SegmentHeader<'_>,
    payload: Payload,
    payload_sum: Option<u16>,
    checksum: TransmitChecksum,
    segment_size: Option<u16>,
) -> Transmit {
    let options = &header.options[..header.options.len().min(MAX_OPTIONS_LEN)];
    let tcp_header_len = TCP_HEADER_LEN + options.len().next_multiple_of(4);
    let tcp_len = tcp_header_len + payload.iter().map(Bytes::len).sum::<usize>();

    let ecn = if header.ecn_capable { ECT_0 } else { 0 };
    let ip = IpFields {
        traffic_class: header.traffic_class & !ECN_BITS | ecn,
        hop_limit: header.hop_limit,
    };
    let mut bytes = [0; MAX_HEADER_LEN];
    let (ip_header_len, addresses) = match (header.tuple.local.ip(), header.tuple.remote.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            put_ipv4(&mut bytes, source, destination, tcp_len, ip)
        }
        (source, destination) => put_ipv6(&mut bytes, ipv6(source), ipv6(destination), tcp_len, ip),
    };
    let header_len = ip_header_len + tcp_header_len;
    let pseudo_header = pseudo_header_sum(&bytes[addresses], tcp_len);
    let tcp = &mut bytes[ip_header_len..header_len];
    put_tcp(tcp, header, options);
    let field = match checksum {
        TransmitChecksum::Partial => pseudo_header.folded(),
        TransmitChecksum::Complete => {
            let payload_sum = match payload_sum {
                Some(folded) => Sum::from(folded),
                None => Sum::of_pieces(payload.iter().map(AsRef::as_ref)),
            };
            pseudo_header.and(Sum::of(tcp)).and(payload_sum).checksum()
        }
    };
    TcpPacket::new_unchecked(tcp).set_checksum(field);

    Transmit {
        interface,
        header: bytes,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most MAX_HEADER_LEN, 100"
        )]
        header_len: header_len as u8,
        payload,
        segment_size,
        checksum,
        tag: 0,
    }
}

/// An address in an IPv6 header. An IPv4 address comes here only beside an IPv6 one.
fn ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

/// Writes an IPv4 header (RFC 791 §3.1); returns its length and where the addresses are.
#[inline]
fn put_ipv4(
    bytes: &mut [u8; MAX_HEADER_LEN],
    source: Ipv4Addr,
    destination: Ipv4Addr,
    tcp_len: usize,
    fields: IpFields,
) -> (usize, Range<usize>) {
    let header = &mut bytes[..IPV4_HEADER_LEN];
    let mut ip = Ipv4Packet::new_unchecked(&mut *header);
    ip.set_version(4);
    #[expect(clippy::cast_possible_truncation, reason = "20")]
    ip.set_header_len(IPV4_HEADER_LEN as u8);
    ip.set_total_len(u16::try_from(IPV4_HEADER_LEN + tcp_len).unwrap_or(u16::MAX));
    ip.set_dscp(fields.traffic_class >> 2);
    ip.set_ecn(fields.traffic_class & ECN_BITS);
    // RFC 6864 §4.1: the identification of a packet that is never fragmented says nothing.
    ip.set_dont_frag(true);
    ip.set_hop_limit(fields.hop_limit);
    ip.set_next_header(IpProtocol::Tcp);
    ip.set_src_addr(source);
    ip.set_dst_addr(destination);
    let checksum = Sum::of(header).checksum();
    Ipv4Packet::new_unchecked(header).set_checksum(checksum);
    (IPV4_HEADER_LEN, 12..20)
}

/// Writes an IPv6 header (RFC 8200 §3); returns its length and where the addresses are.
#[inline]
fn put_ipv6(
    bytes: &mut [u8; MAX_HEADER_LEN],
    source: Ipv6Addr,
    destination: Ipv6Addr,
    tcp_len: usize,
    fields: IpFields,
) -> (usize, Range<usize>) {
    let mut ip = Ipv6Packet::new_unchecked(&mut bytes[..IPV6_HEADER_LEN]);
    ip.set_version(6);
    ip.set_traffic_class(fields.traffic_class);
    ip.set_payload_len(u16::try_from(tcp_len).unwrap_or(u16::MAX));
    ip.set_next_header(IpProtocol::Tcp);
    ip.set_hop_limit(fields.hop_limit);
    ip.set_src_addr(source);
    ip.set_dst_addr(destination);
    (IPV6_HEADER_LEN, 8..40)
}

/// Writes a TCP header (RFC 9293 §3.1) with a checksum field and urgent pointer of zero into
/// `bytes`, which are as many as the header will have, all zero.
#[inline]
fn put_tcp(bytes: &mut [u8], header: &SegmentHeader<'_>, options: &[u8]) {
    // Options that are no multiple of 4 bytes end with End of Option List, 0.
    bytes[TCP_HEADER_LEN..][..options.len()].copy_from_slice(options);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most 20 and MAX_OPTIONS_LEN, 60"
    )]
    let len = bytes.len() as u8;
    let mut tcp = TcpPacket::new_unchecked(bytes);
    tcp.set_src_port(header.tuple.local.port());
    tcp.set_dst_port(header.tuple.remote.port());
    tcp.set_seq_number(number(header.seq));
    tcp.set_ack_number(number(header.ack.unwrap_or_default()));
    tcp.set_header_len(len);
    tcp.set_ack(header.ack.is_some());
    let Flags {
        fin,
        syn,
        rst,
        psh,
        ece,
        cwr,
    } = header.flags;
    tcp.set_fin(fin);
    tcp.set_syn(syn);
    tcp.set_rst(rst);
    tcp.set_psh(psh);
    tcp.set_ece(ece);
    tcp.set_cwr(cwr);
    tcp.set_window_len(header.window);
}

fn number(seq: SeqNum) -> TcpSeqNumber {
    TcpSeqNumber(seq.0.cast_signed())
}
