//! What the peer sends, put together.

use super::crypto::{address_bytes, internet_checksum};
use super::packet::flag;
use std::net::{IpAddr, SocketAddr};

/// A segment for the stack. Sequence number, acknowledgment and window come ready made from
/// `Scene::segment`; each can be set to anything.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    pub(crate) seq: u32,
    pub(crate) ack: Option<u32>,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    /// Options in their order; padded to a multiple of four as they are put together.
    pub(crate) options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Segment {
    pub(crate) fn seq(mut self, seq: u32) -> Self {
        self.seq = seq;
        self
    }

    pub(crate) fn ack(mut self, ack: u32) -> Self {
        self.ack = Some(ack);
        self
    }

    pub(crate) fn without_ack(mut self) -> Self {
        self.ack = None;
        self
    }

    pub(crate) fn flag(mut self, flag: u8) -> Self {
        self.flags |= flag;
        self
    }

    pub(crate) fn fin(self) -> Self {
        self.flag(flag::FIN)
    }

    pub(crate) fn rst(self) -> Self {
        self.flag(flag::RST)
    }

    /// The window field, as it stands on the wire.
    pub(crate) fn window(mut self, window: u16) -> Self {
        self.window = window;
        self
    }

    /// Adds an option, or several.
    pub(crate) fn option(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.options.extend(bytes.as_ref());
        self
    }

    /// Forgets all options, timestamps too.
    pub(crate) fn without_options(mut self) -> Self {
        self.options.clear();
        self
    }

    pub(crate) fn payload(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.payload = bytes.as_ref().to_vec();
        self
    }

    /// From another address or port: a NAT, or a forger.
    pub(crate) fn from(mut self, src: SocketAddr) -> Self {
        self.src = src;
        self
    }

    pub(crate) fn to(mut self, dst: SocketAddr) -> Self {
        self.dst = dst;
        self
    }

    /// Sequence numbers it takes.
    pub(crate) fn seq_len(&self) -> u32 {
        let flags = self.flags & (flag::SYN | flag::FIN);
        self.payload.len() as u32 + flags.count_ones()
    }

    /// The whole packet, with right checksums.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut options = self.options.clone();
        while !options.len().is_multiple_of(4) {
            options.push(1);
        }
        let words = u8::try_from(5 + options.len() / 4).expect("few options");
        assert!(words <= 15, "{} bytes of options", options.len());
        let mut tcp = Vec::new();
        tcp.extend(self.src.port().to_be_bytes());
        tcp.extend(self.dst.port().to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.unwrap_or(0).to_be_bytes());
        tcp.push(words << 4);
        tcp.push(self.flags | if self.ack.is_some() { flag::ACK } else { 0 });
        tcp.extend(self.window.to_be_bytes());
        // The checksum, for now, and the urgent pointer.
        tcp.extend([0, 0, 0, 0]);
        tcp.extend(options);
        tcp.extend(&self.payload);
        let checksum = tcp_checksum(self.src.ip(), self.dst.ip(), &tcp);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        let mut packet = ip_header(self.src.ip(), self.dst.ip(), tcp.len());
        packet.extend(tcp);
        packet
    }
}

/// An IP header as in the vectors of the protocol reference: IP id 0x1234, DF, TTL 64.
fn ip_header(src: IpAddr, dst: IpAddr, tcp_len: usize) -> Vec<u8> {
    if src.is_ipv6() {
        let len = u16::try_from(tcp_len).expect("an ordinary packet");
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(len.to_be_bytes());
        header.extend([6, 64]);
        header.extend(address_bytes(src));
        header.extend(address_bytes(dst));
        return header;
    }
    let len = u16::try_from(20 + tcp_len).expect("an ordinary packet");
    let mut header = vec![0x45, 0];
    header.extend(len.to_be_bytes());
    header.extend([0x12, 0x34, 0x40, 0, 64, 6, 0, 0]);
    header.extend(address_bytes(src));
    header.extend(address_bytes(dst));
    let checksum = internet_checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// Writes the right TCP checksum into an IPv4 packet.
pub(crate) fn complete_checksum(packet: &mut [u8]) {
    let (ip, tcp) = packet.split_at_mut(20);
    let address = |at: usize| <[u8; 4]>::try_from(&ip[at..at + 4]).expect("four");
    tcp[16..18].fill(0);
    let checksum = tcp_checksum(address(12).into(), address(16).into(), tcp);
    tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
}

/// The TCP checksum over pseudo-header and segment; 0 if the field in it is right.
pub(crate) fn tcp_checksum(src: IpAddr, dst: IpAddr, tcp: &[u8]) -> u16 {
    let len = u32::try_from(tcp.len()).expect("an ordinary packet");
    let mut bytes = address_bytes(src);
    bytes.extend(address_bytes(dst));
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0, 0, 6]);
    bytes.extend(tcp);
    internet_checksum(&bytes)
}
