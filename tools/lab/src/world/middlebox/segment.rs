//! A TCP segment in its packet, field by field, for those who change it on the way.
//!
//! Owns offsets and checksums. It never judges a segment: what it cannot read, it leaves alone.

use bytes::Bytes;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use umptcp_stack::wire::checksum::Sum;

/// TCP option kinds (RFC 9293 §3.1).
const END_OF_OPTIONS: u8 = 0;
pub(super) const NO_OPERATION: u8 = 1;
/// RFC 2018 §3.
const SACK: u8 = 5;
/// RFC 7323 §3.2.
const TIMESTAMPS: u8 = 8;

/// The bits of byte 13 of a TCP header (RFC 9293 §3.1).
pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// Who speaks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

impl Flow {
    /// The other direction.
    pub(super) fn back(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
        }
    }
}

/// A TCP segment in its packet.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    packet: Vec<u8>,
    /// Where the TCP header begins.
    tcp: usize,
}

impl Segment {
    /// Reads a packet; `None` if it is no whole TCP segment.
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        // RFC 791 §3.1; RFC 8200 §3 (the stacks here send no extension headers).
        let (tcp, protocol) = match packet.first()? >> 4 {
            4 => (usize::from(packet[0] & 0x0f) * 4, *packet.get(9)?),
            6 => (40, *packet.get(6)?),
            _ => return None,
        };
        let header = usize::from(*packet.get(tcp + 12)? >> 4) * 4;
        let whole = packet.len() >= tcp + header && header >= 20;
        (protocol == 6 && whole).then(|| Self {
            packet: packet.to_vec(),
            tcp,
        })
    }

    fn is_v4(&self) -> bool {
        self.tcp != 40
    }

    pub(super) fn flow(&self) -> Flow {
        Flow {
            from: SocketAddr::new(self.address(0), self.word16(0)),
            to: SocketAddr::new(self.address(1), self.word16(2)),
        }
    }

    pub(super) fn set_flow(&mut self, flow: Flow) {
        self.set_address(0, flow.from.ip());
        self.set_address(1, flow.to.ip());
        self.set(0, &flow.from.port().to_be_bytes());
        self.set(2, &flow.to.port().to_be_bytes());
    }

    pub(super) fn seq(&self) -> u32 {
        self.word32(4)
    }

    pub(super) fn set_seq(&mut self, seq: u32) {
        self.set(4, &seq.to_be_bytes());
    }

    pub(super) fn ack(&self) -> u32 {
        self.word32(8)
    }

    pub(super) fn set_ack(&mut self, ack: u32) {
        self.set(8, &ack.to_be_bytes());
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.packet[self.tcp + 13] & flag != 0
    }

    pub(super) fn set_flags(&mut self, flags: u8) {
        self.set(13, &[flags]);
    }

    pub(super) fn clear(&mut self, flag: u8) {
        self.packet[self.tcp + 13] &= !flag;
    }

    /// Sequence numbers it takes.
    pub(super) fn len(&self) -> u32 {
        let flags = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        u32::try_from(self.payload().len()).unwrap_or(u32::MAX) + flags
    }

    fn header_len(&self) -> usize {
        usize::from(self.packet[self.tcp + 12] >> 4) * 4
    }

    pub(super) fn options(&self) -> &[u8] {
        &self.packet[self.tcp + 20..self.tcp + self.header_len()]
    }

    fn options_mut(&mut self) -> &mut [u8] {
        let end = self.tcp + self.header_len();
        &mut self.packet[self.tcp + 20..end]
    }

    /// Takes over the options of another segment.
    pub(super) fn set_options_of(&mut self, other: &Self) {
        let options = other.options().to_vec();
        let words = u8::try_from(5 + options.len() / 4).unwrap_or(5);
        let range = self.tcp + 20..self.tcp + self.header_len();
        self.packet.splice(range, options);
        self.packet[self.tcp + 12] = words << 4;
    }

    pub(super) fn remove_options(&mut self) {
        let range = self.tcp + 20..self.tcp + self.header_len();
        self.packet.drain(range);
        self.packet[self.tcp + 12] = 5 << 4;
    }

    /// Overwrites all options but timestamps with no-operations.
    pub(super) fn keep_timestamps_only(&mut self) {
        self.for_each_option(|option| {
            if option[0] != TIMESTAMPS {
                option.fill(NO_OPERATION);
            }
        });
    }

    /// Gives every option, kind byte first, to `act`; no-operations are not options.
    pub(super) fn for_each_option(&mut self, act: impl FnMut(&mut [u8])) {
        for_each_option(self.options_mut(), act);
    }

    /// Changes every edge of its SACK blocks.
    pub(super) fn map_sack(&mut self, change: impl Fn(u32) -> u32) {
        self.for_each_option(|option| {
            if option[0] == SACK {
                for edge in option[2..].chunks_exact_mut(4) {
                    let old = u32::from_be_bytes([edge[0], edge[1], edge[2], edge[3]]);
                    edge.copy_from_slice(&change(old).to_be_bytes());
                }
            }
        });
    }

    pub(super) fn payload(&self) -> &[u8] {
        &self.packet[self.tcp + self.header_len()..]
    }

    pub(super) fn payload_mut(&mut self) -> &mut [u8] {
        let start = self.tcp + self.header_len();
        &mut self.packet[start..]
    }

    pub(super) fn set_payload(&mut self, payload: &[u8]) {
        self.packet.truncate(self.tcp + self.header_len());
        self.packet.extend_from_slice(payload);
    }

    /// The packet, with lengths and checksums that are right again.
    pub(super) fn into_packet(mut self) -> Bytes {
        let tcp = self.tcp;
        if self.is_v4() {
            let total = u16::try_from(self.packet.len()).unwrap_or(u16::MAX);
            self.packet[2..4].copy_from_slice(&total.to_be_bytes());
            self.packet[10..12].fill(0);
            let checksum = Sum::of(&self.packet[..tcp]).checksum();
            self.packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        } else {
            let total = u16::try_from(self.packet.len() - tcp).unwrap_or(u16::MAX);
            self.packet[4..6].copy_from_slice(&total.to_be_bytes());
        }
        self.set(16, &[0, 0]);
        let addresses = if self.is_v4() { 12..20 } else { 8..40 };
        let len = u32::try_from(self.packet.len() - tcp).unwrap_or(u32::MAX);
        // RFC 9293 §3.1: the pseudo-header; protocol 6 is TCP.
        let checksum = Sum::of(&self.packet[addresses])
            .and(Sum::of(&[0, 6]))
            .and(Sum::of(&len.to_be_bytes()))
            .and(Sum::of(&self.packet[tcp..]))
            .checksum();
        self.set(16, &checksum.to_be_bytes());
        self.packet.into()
    }

    fn word16(&self, at: usize) -> u16 {
        let at = self.tcp + at;
        u16::from_be_bytes([self.packet[at], self.packet[at + 1]])
    }

    fn word32(&self, at: usize) -> u32 {
        u32::from(self.word16(at)) << 16 | u32::from(self.word16(at + 2))
    }

    fn set(&mut self, at: usize, bytes: &[u8]) {
        let at = self.tcp + at;
        self.packet[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// The source is number 0, the destination number 1.
    fn address(&self, number: usize) -> IpAddr {
        if self.is_v4() {
            let at = 12 + 4 * number;
            let mut octets = [0; 4];
            octets.copy_from_slice(&self.packet[at..at + 4]);
            Ipv4Addr::from(octets).into()
        } else {
            let at = 8 + 16 * number;
            let mut octets = [0; 16];
            octets.copy_from_slice(&self.packet[at..at + 16]);
            Ipv6Addr::from(octets).into()
        }
    }

    /// Leaves the packet alone if the address is of the other family.
    fn set_address(&mut self, number: usize, address: IpAddr) {
        match address {
            IpAddr::V4(address) if self.is_v4() => {
                let at = 12 + 4 * number;
                self.packet[at..at + 4].copy_from_slice(&address.octets());
            }
            IpAddr::V6(address) if !self.is_v4() => {
                let at = 8 + 16 * number;
                self.packet[at..at + 16].copy_from_slice(&address.octets());
            }
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
}

/// Walks an options field; broken lengths end the walk.
pub(super) fn for_each_option(options: &mut [u8], mut act: impl FnMut(&mut [u8])) {
    let mut at = 0;
    while let Some(&kind) = options.get(at) {
        match kind {
            END_OF_OPTIONS => break,
            NO_OPERATION => at += 1,
            _ => {
                let Some(&len) = options.get(at + 1).filter(|len| **len >= 2) else {
                    break;
                };
                let end = (at + usize::from(len)).min(options.len());
                act(&mut options[at..end]);
                at = end;
            }
        }
    }
}

/// Forwards what a function makes of a packet, or the packet itself if that is nothing.
pub(super) fn forward(packet: Bytes, changed: Option<Segment>, out: &mut Vec<Bytes>) {
    out.push(changed.map_or(packet, Segment::into_packet));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use umptcp_stack::ChecksumStatus;
    use umptcp_stack::wire::packet::parse;

    /// A segment from 10.0.0.1:1000 to 10.0.0.2:80, without options.
    pub(in super::super) fn segment(seq: u32, flags: u8, payload: &[u8]) -> Segment {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend(1000_u16.to_be_bytes());
        packet.extend(80_u16.to_be_bytes());
        packet.extend(seq.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
        packet.extend(payload);
        Segment::of(&packet).unwrap()
    }

    #[test]
    fn what_was_changed_is_a_good_packet_again() {
        let mut segment = segment(7, ACK | PSH, b"abc");
        segment.set_payload(b"something longer");
        segment.set_seq(9);
        let flow = Flow {
            from: "192.0.2.9:5".parse().unwrap(),
            to: "10.0.0.2:80".parse().unwrap(),
        };
        segment.set_flow(flow);
        assert_eq!(segment.flow(), flow);
        let packet = umptcp_stack::ReceivedPacket {
            data: segment.into_packet(),
            checksum: ChecksumStatus::Unverified,
        };
        let read = parse(&packet).expect("both checksums are right");
        assert_eq!(&read.payload[..], b"something longer");
        assert_eq!((read.seq.0, read.tuple.remote), (9, flow.from));
    }

    #[test]
    fn what_is_no_tcp_is_left_alone() {
        assert!(Segment::of(&[]).is_none());
        assert!(Segment::of(&[0x45; 30]).is_none());
        assert!(Segment::of(&[0x60; 39]).is_none());
    }
}
