//! IP packets with a TCP segment inside: what comes from a device, and what goes to one.
//!
//! Both are shaped for segmentation offload: a received packet may be a super-segment whose
//! checksum the device has verified; a packet to send carries its headers in place and its payload
//! as shared slices, and may be longer than the MTU if the device cuts it.

use super::checksum::Sum;
use super::tcp_option::{MAX_OPTIONS_LEN, TcpOptions};
use crate::base::id::InterfaceId;
use crate::base::seq::SeqNum;
use bytes::Bytes;
use core::fmt;
use smallvec::SmallVec;
use smoltcp::wire::{
    IPV4_HEADER_LEN, IPV6_HEADER_LEN, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
};
use std::net::{IpAddr, SocketAddr};

mod emit;
mod parse;
#[cfg(test)]
mod tests;

pub use emit::emit;
pub use parse::parse;

/// IPv6 header, TCP header, 40 bytes of options.
pub const MAX_HEADER_LEN: usize = IPV6_HEADER_LEN + TCP_HEADER_LEN + MAX_OPTIONS_LEN;

/// A TCP header without options (RFC 9293 §3.1).
const TCP_HEADER_LEN: usize = 20;

/// Whether somebody below us has verified the TCP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumStatus {
    /// Nobody has.
    Unverified,
    /// The device vouches for it (as with `VIRTIO_NET_HDR_F_DATA_VALID`).
    Good,
}

/// An IP packet from a device: one datagram, or a super-segment merged by the device.
#[derive(Clone)]
pub struct ReceivedPacket {
    /// The packet from its IP header on. Payload slices stay in this buffer.
    pub data: Bytes,
    /// Whether the TCP checksum needs verifying.
    pub checksum: ChecksumStatus,
}

/// Whether the TCP checksum field of a [`Transmit`] is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransmitChecksum {
    /// It is.
    Complete,
    /// It holds the folded pseudo-header sum; the device completes it.
    Partial,
}

/// Payload bytes as a few shared slices.
pub type Payload = SmallVec<[Bytes; 2]>;

/// An IP packet for a device.
#[derive(Clone)]
pub struct Transmit {
    /// The interface to send it on.
    pub interface: InterfaceId,
    header: [u8; MAX_HEADER_LEN],
    header_len: u8,
    payload: Payload,
    /// Payload bytes of each segment that the device is to cut this into; `None` if it is one.
    pub segment_size: Option<u16>,
    /// Whether the TCP checksum is final.
    pub checksum: TransmitChecksum,
    /// What the application marks the packets of a subflow with (`SubflowOptions::tag`): for the
    /// device, and never on the wire. 0 if there is no mark.
    pub tag: u32,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "a packet has headers: it is never empty"
)]
impl Transmit {
    /// The IP and TCP headers.
    #[inline]
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header[..usize::from(self.header_len)]
    }

    /// The payload, slice by slice.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[Bytes] {
        &self.payload
    }

    /// Length of the whole packet in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.header_len) + self.payload_len()
    }

    #[inline]
    fn payload_len(&self) -> usize {
        self.payload.iter().map(Bytes::len).sum()
    }

    /// Copies the whole packet to the start of `out`, which has room for [`Self::len`] bytes;
    /// returns the length.
    pub fn copy_to(&self, out: &mut [u8]) -> usize {
        let mut len = 0;
        for piece in self.pieces() {
            out[len..len + piece.len()].copy_from_slice(piece);
            len += piece.len();
        }
        len
    }

    /// The whole packet in one buffer.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.len());
        for piece in self.pieces() {
            bytes.extend_from_slice(piece);
        }
        Bytes::from(bytes)
    }

    /// Header and payload slices, in order.
    #[inline]
    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        core::iter::once(self.header()).chain(self.payload.iter().map(AsRef::as_ref))
    }
}

/// The headers in short. Options are left out because they may hold a key, and payload because
/// it is the application's.
impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = self.header();
        let (source, destination, tcp): (IpAddr, IpAddr, _) = if header[0] >> 4 == 4 {
            let ip = Ipv4Packet::new_unchecked(header);
            (
                ip.src_addr().into(),
                ip.dst_addr().into(),
                &header[IPV4_HEADER_LEN..],
            )
        } else {
            let ip = Ipv6Packet::new_unchecked(header);
            (
                ip.src_addr().into(),
                ip.dst_addr().into(),
                &header[IPV6_HEADER_LEN..],
            )
        };
        let tcp = TcpPacket::new_unchecked(tcp);
        f.debug_struct("Transmit")
            .field("interface", &self.interface)
            .field("source", &SocketAddr::new(source, tcp.src_port()))
            .field("destination", &SocketAddr::new(destination, tcp.dst_port()))
            .field("seq", &SeqNum(tcp.seq_number().0.cast_unsigned()))
            .field(
                "ack",
                &tcp.ack()
                    .then(|| SeqNum(tcp.ack_number().0.cast_unsigned())),
            )
            .field("flags", &Flags::of(&tcp))
            .field("window", &tcp.window_len())
            .field(
                "options_len",
                &(usize::from(tcp.header_len()) - TCP_HEADER_LEN),
            )
            .field("payload_len", &self.payload_len())
            .field("segment_size", &self.segment_size)
            .field("checksum", &self.checksum)
            .field("tag", &self.tag)
            .finish()
    }
}

/// Without the bytes, which may hold a key.
impl fmt::Debug for ReceivedPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedPacket")
            .field("len", &self.data.len())
            .field("checksum", &self.checksum)
            .finish()
    }
}

/// The addresses and ports of a TCP connection, seen from this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FourTuple {
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

/// The control bits of RFC 9293 §3.1 that the stack uses, except ACK (see [`Segment::ack`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// No more data from the sender.
    pub fin: bool,
    /// Synchronize sequence numbers.
    pub syn: bool,
    /// Reset.
    pub rst: bool,
    /// Push.
    pub psh: bool,
    /// ECN echo (RFC 3168 §6.1).
    pub ece: bool,
    /// Congestion window reduced (RFC 3168 §6.1).
    pub cwr: bool,
}

/// A TCP segment that arrived.
#[derive(Clone)]
pub struct Segment {
    /// Its addresses; `local` is the destination.
    pub tuple: FourTuple,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK, if the ACK bit is set.
    pub ack: Option<SeqNum>,
    /// Control bits.
    pub flags: Flags,
    /// The window field, unscaled.
    pub window: u16,
    /// Its options.
    pub options: TcpOptions,
    /// SEG text.
    pub payload: Bytes,
    /// The folded sum of the payload, if it was computed while verifying the checksum, so that
    /// a DSS checksum over the same bytes needs no second pass.
    pub payload_sum: Option<u16>,
    /// The IP header was marked Congestion Experienced (RFC 3168 §5).
    pub congestion_experienced: bool,
}

impl Segment {
    /// SEG.LEN: payload bytes plus SYN and FIN (RFC 9293 §3.3.1).
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the payload came out of an IP packet"
    )]
    pub const fn len(&self) -> u32 {
        self.payload.len() as u32 + self.flags.syn as u32 + self.flags.fin as u32
    }

    /// The segment takes no sequence numbers: it only acknowledges, or resets.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Without the payload, which is the application's, and long.
impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("tuple", &self.tuple)
            .field("seq", &self.seq)
            .field("ack", &self.ack)
            .field("flags", &self.flags)
            .field("window", &self.window)
            .field("options", &self.options)
            .field("payload_len", &self.payload.len())
            .field("congestion_experienced", &self.congestion_experienced)
            .finish_non_exhaustive()
    }
}

impl Flags {
    #[inline]
    fn of<T: AsRef<[u8]>>(tcp: &TcpPacket<T>) -> Self {
        Self {
            fin: tcp.fin(),
            syn: tcp.syn(),
            rst: tcp.rst(),
            psh: tcp.psh(),
            ece: tcp.ece(),
            cwr: tcp.cwr(),
        }
    }
}

/// Why a packet was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Shorter than its headers say, or a header field is impossible.
    #[error("malformed packet")]
    Malformed,
    /// Not TCP over IPv4 or IPv6, or a fragment.
    #[error("not a TCP packet")]
    NotTcp,
    /// A checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
}

/// The header fields of a segment to send.
#[derive(Clone)]
pub struct SegmentHeader<'a> {
    /// Its addresses; `local` is the source.
    pub tuple: FourTuple,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; `None` leaves the ACK bit off.
    pub ack: Option<SeqNum>,
    /// Control bits.
    pub flags: Flags,
    /// The TOS field of IPv4 or traffic class of IPv6 (RFC 2474 §3); the two bits of ECN come
    /// from `ecn_capable`.
    pub traffic_class: u8,
    /// The time to live of IPv4 or hop limit of IPv6.
    pub hop_limit: u8,
    /// Mark the packet as ECN-capable, ECT(0) (RFC 3168 §5).
    pub ecn_capable: bool,
    /// The window field, already scaled.
    pub window: u16,
    /// The options field, a multiple of 4 bytes, at most 40.
    pub options: &'a [u8],
}

/// The options as what they say, so that a key among them stays hidden.
impl fmt::Debug for SegmentHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentHeader")
            .field("tuple", &self.tuple)
            .field("seq", &self.seq)
            .field("ack", &self.ack)
            .field("flags", &self.flags)
            .field("traffic_class", &self.traffic_class)
            .field("hop_limit", &self.hop_limit)
            .field("ecn_capable", &self.ecn_capable)
            .field("window", &self.window)
            .field("options", &TcpOptions::parse(self.options))
            .finish()
    }
}

/// The sum of the pseudo-header of a TCP checksum (RFC 9293 §3.1, RFC 8200 §8.1), whose
/// `addresses` are source and destination as they lie side by side in the IP header.
#[inline]
fn pseudo_header_sum(addresses: &[u8], tcp_len: usize) -> Sum {
    // The upper half of the length field of IPv6 is zero: no packet here is a jumbogram.
    let tcp_len = u16::try_from(tcp_len).unwrap_or(u16::MAX);
    Sum::of(addresses)
        .and_word(u16::from(u8::from(IpProtocol::Tcp)))
        .and_word(tcp_len)
}
