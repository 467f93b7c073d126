//! IP packets with a TCP segment inside: what comes from a device, and what goes to one.
//!
//! Both are shaped for segmentation offload: a received packet may be a super-segment whose
//! checksum the device has verified; a packet to send carries its headers in place and its payload
//! as shared slices, and may be longer than the MTU if the device cuts it.

use super::tcp_option::TcpOptions;
use crate::base::id::InterfaceId;
use crate::base::seq::SeqNum;
use bytes::Bytes;
use smallvec::SmallVec;
use std::net::SocketAddr;

/// IPv6 header, TCP header, 40 bytes of options.
pub const MAX_HEADER_LEN: usize = 40 + 20 + 40;

/// Whether somebody below us has verified the TCP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumStatus {
    /// Nobody has.
    Unverified,
    /// The device vouches for it (as with `VIRTIO_NET_HDR_F_DATA_VALID`).
    Good,
}

/// An IP packet from a device: one datagram, or a super-segment merged by the device.
#[derive(Clone, Debug)]
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
}

impl Transmit {
    /// The IP and TCP headers.
    #[must_use]
    pub fn header(&self) -> &[u8] { todo!() }
    /// The payload, slice by slice.
    #[must_use]
    pub fn payload(&self) -> &[Bytes] { todo!() }
    /// Length of the whole packet in bytes.
    #[must_use]
    pub fn len(&self) -> usize { todo!() }
    /// Copies the whole packet to the start of `out`, which has room for [`Self::len`] bytes;
    /// returns the length.
    pub fn copy_to(&self, _out: &mut [u8]) -> usize { todo!() }
    /// The whole packet in one buffer.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes { todo!() }
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
#[derive(Clone, Debug)]
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
    #[must_use]
    pub fn len(&self) -> u32 { todo!() }
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

/// Parses an IP packet with a TCP segment.
///
/// # Errors
/// The packet is malformed, no TCP, or damaged.
pub fn parse(_packet: &ReceivedPacket) -> Result<Segment, ParseError> { todo!() }

/// The header fields of a segment to send.
#[derive(Clone, Debug)]
pub struct SegmentHeader<'a> {
    /// Its addresses; `local` is the source.
    pub tuple: FourTuple,
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; `None` leaves the ACK bit off.
    pub ack: Option<SeqNum>,
    /// Control bits.
    pub flags: Flags,
    /// The window field, already scaled.
    pub window: u16,
    /// The options field, a multiple of 4 bytes, at most 40.
    pub options: &'a [u8],
}

/// Builds a packet around a payload.
///
/// `payload_sum` is the payload's folded sum where the caller knows it already.
#[must_use]
pub fn emit(
    _interface: InterfaceId,
    _header: &SegmentHeader<'_>,
    _payload: Payload,
    _payload_sum: Option<u16>,
    _checksum: TransmitChecksum,
    _segment_size: Option<u16>,
) -> Transmit { todo!() }
