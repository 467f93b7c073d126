//! What a network device does to a packet of a stack that leaves work to it, on its way out.
//!
//! Owns the cutting of super-segments and the completion of checksums. Whether there is such a
//! device is for the interface to say.

use bytes::Bytes;
use std::ops::Range;
use umptcp_stack::wire::checksum::Sum;
use umptcp_stack::{Transmit, TransmitChecksum};

/// The control bits, in byte 13 of a TCP header (RFC 9293 §3.1).
const FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// The packets in which a super-segment leaves. Each has all the options of the whole one.
pub(super) fn cut(transmit: &Transmit, segment_size: u16) -> impl Iterator<Item = Bytes> {
    let whole = transmit.to_bytes();
    let (headers, payload) = whole.split_at(transmit.header().len());
    let (headers, payload) = (headers.to_vec(), payload.to_vec());
    let pieces = payload.len().div_ceil(usize::from(segment_size).max(1));
    (0..pieces).map(move |number| {
        let start = number * usize::from(segment_size);
        let end = payload.len().min(start + usize::from(segment_size));
        let mut packet = headers.clone();
        packet.extend_from_slice(&payload[start..end]);
        let tcp = ip_header_len(&packet);
        let seq = &mut packet[tcp + 4..tcp + 8];
        let first = u32::from_be_bytes([seq[0], seq[1], seq[2], seq[3]]);
        let seq_of_piece = first.wrapping_add(u32::try_from(start).unwrap_or(u32::MAX));
        seq.copy_from_slice(&seq_of_piece.to_be_bytes());
        if number > 0 {
            // RFC 3168 §6.1.2: CWR is on the first packet after the reduction only.
            packet[tcp + FLAGS] &= !CWR;
        }
        if number + 1 < pieces {
            packet[tcp + FLAGS] &= !(FIN | PSH);
        }
        put_length(&mut packet);
        complete_checksum(&mut packet);
        packet.into()
    })
}

/// The packet with its checksum, whoever is to compute it.
pub(super) fn completed(transmit: &Transmit) -> Bytes {
    let whole = transmit.to_bytes();
    match transmit.checksum {
        TransmitChecksum::Complete => whole,
        TransmitChecksum::Partial => {
            let mut packet = whole.to_vec();
            complete_checksum(&mut packet);
            packet.into()
        }
    }
}

/// Our stack sends no IP options and no extension headers (RFC 791 §3.1, RFC 8200 §3).
fn ip_header_len(packet: &[u8]) -> usize {
    if packet[0] >> 4 == 4 { 20 } else { 40 }
}

fn put_length(packet: &mut [u8]) {
    let len = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    if packet[0] >> 4 == 4 {
        let total = len(packet.len());
        packet[2..4].copy_from_slice(&total);
        packet[10..12].fill(0);
        let checksum = Sum::of(&packet[..20]).checksum();
        packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    } else {
        let payload = len(packet.len() - 40);
        packet[4..6].copy_from_slice(&payload);
    }
}

fn complete_checksum(packet: &mut [u8]) {
    let tcp = ip_header_len(packet);
    let addresses: Range<usize> = if tcp == 20 { 12..20 } else { 8..40 };
    packet[tcp + 16..tcp + 18].fill(0);
    let len = u16::try_from(packet.len() - tcp).unwrap_or(u16::MAX);
    // The pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1); the protocol is 6.
    let sum = Sum::of(&packet[addresses])
        .and_word(6)
        .and_word(len)
        .and(Sum::of(&packet[tcp..]));
    packet[tcp + 16..tcp + 18].copy_from_slice(&sum.checksum().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use umptcp_stack::base::seq::SeqNum;
    use umptcp_stack::wire::packet::{FourTuple, Payload, Segment, SegmentHeader, emit, parse};
    use umptcp_stack::wire::tcp_option::MAX_OPTIONS_LEN;
    use umptcp_stack::{ChecksumStatus, Endpoint, EndpointConfig, InterfaceConfig, ReceivedPacket};

    /// A super-segment of 2500 bytes, to be cut to 1000, whose checksum the device completes.
    fn transmit(addresses: [&str; 2]) -> Transmit {
        let mut endpoint = Endpoint::new(EndpointConfig::default(), [0; 32]);
        let interface = endpoint.add_interface(InterfaceConfig::default());
        let [local, remote] = addresses.map(|address| address.parse().unwrap());
        let mut flags = umptcp_stack::wire::packet::Flags::default();
        (flags.fin, flags.psh, flags.cwr) = (true, true, true);
        // No operations, to the end.
        let options = [1; MAX_OPTIONS_LEN];
        let header = SegmentHeader {
            tuple: FourTuple { local, remote },
            seq: SeqNum(u32::MAX - 500),
            ack: Some(SeqNum(7)),
            flags,
            traffic_class: 0,
            hop_limit: 64,
            ecn_capable: true,
            window: 9,
            options: &options,
        };
        let bytes: Vec<u8> = (0..2500_u32).map(|n| n.to_le_bytes()[0]).collect();
        let payload =
            Payload::from_iter([bytes[..700].to_vec().into(), bytes[700..].to_vec().into()]);
        let partial = TransmitChecksum::Partial;
        emit(interface, &header, payload, None, partial, Some(1000))
    }

    fn segment(data: Bytes) -> Segment {
        let checksum = ChecksumStatus::Unverified;
        parse(&ReceivedPacket { data, checksum }).unwrap()
    }

    #[test]
    fn pieces_are_packets_of_their_own_and_make_the_whole() {
        for addresses in [["10.0.0.1:1", "10.0.0.2:2"], ["[fd00::1]:1", "[fd00::2]:2"]] {
            let transmit = transmit(addresses);
            let pieces: Vec<_> = cut(&transmit, 1000).map(segment).collect();
            let seqs: Vec<_> = pieces.iter().map(|piece| piece.seq).collect();
            let first = SeqNum(u32::MAX - 500);
            assert_eq!(seqs, [first, first + 1000, first + 2000]);
            let flags: Vec<_> = pieces
                .iter()
                .map(|piece| (piece.flags.cwr, piece.flags.psh, piece.flags.fin))
                .collect();
            assert_eq!(
                flags,
                [
                    (true, false, false),
                    (false, false, false),
                    (false, true, true)
                ]
            );
            let whole: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| piece.payload.to_vec())
                .collect();
            let sent: Vec<u8> = transmit
                .payload()
                .iter()
                .flat_map(|slice| slice.to_vec())
                .collect();
            assert_eq!(whole, sent);
        }
    }

    #[test]
    fn a_checksum_is_completed() {
        let packet = completed(&transmit(["10.0.0.1:1", "10.0.0.2:2"]));
        assert_eq!(segment(packet).payload.len(), 2500);
    }
}
