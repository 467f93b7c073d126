//! Packets as bytes: what the stack sent, taken apart, and what the peer sends, put together.
//!
//! Taking apart is strict. Whatever the stack sends must have right checksums, 40 bytes of options
//! at most, no option that runs out of its room, and zeros where the RFCs reserve bits.

use super::crypto::{address_bytes, internet_checksum};
use super::options::{KIND, Wide, subtype};
use core::fmt;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::Instant;

/// The control bits by their names; ACK is `Segment::ack`.
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const PSH: u8 = 0x08;
    pub(crate) const ACK: u8 = 0x10;
}

/// One option of a packet that the stack sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Opt {
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack(Vec<(u32, u32)>),
    Timestamps { value: u32, echo: u32 },
    Mptcp(Mptcp),
    Other(Vec<u8>),
}

/// An MPTCP option of a packet that the stack sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mptcp {
    Capable(Capable),
    JoinSyn(JoinSyn),
    JoinSynAck(JoinSynAck),
    JoinAck([u8; 20]),
    Dss(DssOption),
    AddAddr(AddAddr),
    RemoveAddr(Vec<u8>),
    Prio { backup: bool, id: Option<u8> },
    Fail(u64),
    Fastclose(u64),
    TcpRst { transient: bool, reason: u8 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capable {
    pub(crate) version: u8,
    pub(crate) flags: u8,
    /// None, the sender's, or the sender's and the receiver's.
    pub(crate) keys: Vec<u64>,
    pub(crate) data_len: Option<u16>,
    pub(crate) checksum: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JoinSyn {
    pub(crate) backup: bool,
    pub(crate) id: u8,
    pub(crate) token: u32,
    pub(crate) nonce: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JoinSynAck {
    pub(crate) backup: bool,
    pub(crate) id: u8,
    pub(crate) hmac: [u8; 8],
    pub(crate) nonce: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DssOption {
    pub(crate) data_ack: Option<Wide>,
    pub(crate) mapping: Option<DssMapping>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DssMapping {
    pub(crate) dsn: Wide,
    pub(crate) ssn: u32,
    pub(crate) len: u16,
    pub(crate) fin: bool,
    pub(crate) checksum: Option<u16>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddAddr {
    /// The low half of the third byte: IP version in version 0, the E flag in version 1.
    pub(crate) nibble: u8,
    pub(crate) id: u8,
    pub(crate) address: IpAddr,
    pub(crate) port: Option<u16>,
    pub(crate) hmac: Option<[u8; 8]>,
}

/// A packet that the stack sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    /// When it left.
    pub(crate) at: Instant,
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    pub(crate) seq: u32,
    /// The acknowledgment number, if the ACK bit is set.
    pub(crate) ack: Option<u32>,
    pub(crate) flags: u8,
    /// The window field, unscaled.
    pub(crate) window: u16,
    /// The options field as it stood there.
    pub(crate) option_bytes: Vec<u8>,
    pub(crate) options: Vec<Opt>,
    pub(crate) payload: Vec<u8>,
    /// The whole packet.
    pub(crate) bytes: Vec<u8>,
}

/// In short, and with keys: this is a test.
impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} > {} ", self.at, self.src, self.dst)?;
        for (bit, name) in [(flag::SYN, 'S'), (flag::FIN, 'F'), (flag::RST, 'R')] {
            if self.flags & bit != 0 {
                write!(f, "{name}")?;
            }
        }
        write!(f, " seq {} ack {:?}", self.seq, self.ack)?;
        write!(f, " win {} len {}", self.window, self.payload.len())?;
        write!(f, " {:?}", self.options)
    }
}

impl Packet {
    /// Takes a packet apart.
    pub(crate) fn decode(at: Instant, bytes: &[u8]) -> Self {
        let (src, dst, tcp) = if bytes[0] >> 4 == 4 {
            assert_eq!(bytes[0], 0x45, "an IPv4 header without options");
            assert_eq!(usize::from(be16(&bytes[2..])), bytes.len(), "total length");
            assert_eq!(bytes[9], 6, "TCP");
            assert_eq!(internet_checksum(&bytes[..20]), 0, "IPv4 checksum");
            let address = |at: usize| <[u8; 4]>::try_from(&bytes[at..at + 4]).expect("four");
            let (src, dst) = (IpAddr::from(address(12)), IpAddr::from(address(16)));
            (src, dst, &bytes[20..])
        } else {
            assert_eq!(bytes[0] >> 4, 6, "IP version");
            let len = usize::from(be16(&bytes[4..]));
            assert_eq!(len + 40, bytes.len(), "payload length");
            assert_eq!(bytes[6], 6, "TCP");
            let address = |at: usize| <[u8; 16]>::try_from(&bytes[at..at + 16]).expect("sixteen");
            let (src, dst) = (IpAddr::from(address(8)), IpAddr::from(address(24)));
            (src, dst, &bytes[40..])
        };
        assert_eq!(tcp_checksum(src, dst, tcp), 0, "TCP checksum");
        let header_len = usize::from(tcp[12] >> 4) * 4;
        let flags = tcp[13];
        let ack = (flags & flag::ACK != 0).then(|| be32(&tcp[8..]));
        let option_bytes = tcp[20..header_len].to_vec();
        let packet = Self {
            at,
            src: SocketAddr::new(src, be16(&tcp[0..])),
            dst: SocketAddr::new(dst, be16(&tcp[2..])),
            seq: be32(&tcp[4..]),
            ack,
            flags,
            window: be16(&tcp[14..]),
            options: decode_options(&option_bytes),
            option_bytes,
            payload: tcp[header_len..].to_vec(),
            bytes: bytes.to_vec(),
        };
        let stray_ack = ack.is_none() && be32(&tcp[8..]) != 0;
        assert!(!stray_ack, "an acknowledgment number without ACK");
        packet
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Sequence numbers it takes.
    pub(crate) fn seq_len(&self) -> u32 {
        self.payload.len() as u32 + u32::from(self.has(flag::SYN)) + u32::from(self.has(flag::FIN))
    }

    /// A segment that takes no sequence numbers and resets nothing.
    pub(crate) fn is_pure_ack(&self) -> bool {
        self.seq_len() == 0 && !self.has(flag::RST) && self.ack.is_some()
    }

    /// All its MPTCP options.
    pub(crate) fn mptcp(&self) -> Vec<&Mptcp> {
        let mptcp = self.options.iter().filter_map(|option| match option {
            Opt::Mptcp(option) => Some(option),
            _ => None,
        });
        mptcp.collect()
    }

    /// It carries no MPTCP option.
    pub(crate) fn is_plain(&self) -> bool {
        self.mptcp().is_empty()
    }

    /// The bytes of its MPTCP options of this subtype.
    pub(crate) fn raw(&self, subtype: u8) -> Vec<Vec<u8>> {
        let options = split_options(&self.option_bytes);
        options
            .into_iter()
            .filter(|option| option[0] == KIND && option[2] >> 4 == subtype)
            .collect()
    }

    pub(crate) fn capable(&self) -> Option<Capable> {
        self.find(|option| match option {
            Mptcp::Capable(capable) => Some(capable.clone()),
            _ => None,
        })
    }

    pub(crate) fn join_syn(&self) -> Option<JoinSyn> {
        self.find(|option| match option {
            Mptcp::JoinSyn(join) => Some(*join),
            _ => None,
        })
    }

    pub(crate) fn join_syn_ack(&self) -> Option<JoinSynAck> {
        self.find(|option| match option {
            Mptcp::JoinSynAck(join) => Some(*join),
            _ => None,
        })
    }

    pub(crate) fn join_ack(&self) -> Option<[u8; 20]> {
        self.find(|option| match option {
            Mptcp::JoinAck(hmac) => Some(*hmac),
            _ => None,
        })
    }

    pub(crate) fn dss(&self) -> Option<DssOption> {
        self.find(|option| match option {
            Mptcp::Dss(dss) => Some(*dss),
            _ => None,
        })
    }

    pub(crate) fn mapping(&self) -> Option<DssMapping> {
        self.dss()?.mapping
    }

    pub(crate) fn data_ack(&self) -> Option<Wide> {
        self.dss()?.data_ack
    }

    pub(crate) fn add_addr(&self) -> Option<AddAddr> {
        self.find(|option| match option {
            Mptcp::AddAddr(option) => Some(*option),
            _ => None,
        })
    }

    pub(crate) fn remove_addr(&self) -> Option<Vec<u8>> {
        self.find(|option| match option {
            Mptcp::RemoveAddr(ids) => Some(ids.clone()),
            _ => None,
        })
    }

    /// Backup or not, and the address id of the long form.
    pub(crate) fn prio(&self) -> Option<(bool, Option<u8>)> {
        self.find(|option| match option {
            Mptcp::Prio { backup, id } => Some((*backup, *id)),
            _ => None,
        })
    }

    pub(crate) fn fail(&self) -> Option<u64> {
        self.find(|option| match option {
            Mptcp::Fail(dsn) => Some(*dsn),
            _ => None,
        })
    }

    pub(crate) fn fastclose(&self) -> Option<u64> {
        self.find(|option| match option {
            Mptcp::Fastclose(key) => Some(*key),
            _ => None,
        })
    }

    /// Transient or not, and the reason.
    pub(crate) fn tcp_rst(&self) -> Option<(bool, u8)> {
        self.find(|option| match option {
            Mptcp::TcpRst { transient, reason } => Some((*transient, *reason)),
            _ => None,
        })
    }

    pub(crate) fn timestamps(&self) -> Option<(u32, u32)> {
        self.options.iter().find_map(|option| match option {
            Opt::Timestamps { value, echo } => Some((*value, *echo)),
            _ => None,
        })
    }

    pub(crate) fn sack(&self) -> Option<Vec<(u32, u32)>> {
        self.options.iter().find_map(|option| match option {
            Opt::Sack(blocks) => Some(blocks.clone()),
            _ => None,
        })
    }

    fn find<T>(&self, pick: impl Fn(&Mptcp) -> Option<T>) -> Option<T> {
        self.mptcp().into_iter().find_map(pick)
    }
}

fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn be64(bytes: &[u8]) -> u64 {
    u64::from(be32(bytes)) << 32 | u64::from(be32(&bytes[4..]))
}

/// Cuts an options field into options; padding is left out.
fn split_options(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut options = Vec::new();
    while let Some(&kind) = bytes.first() {
        match kind {
            0 => {
                assert!(bytes.iter().all(|byte| *byte == 0), "zeros behind the end");
                break;
            }
            1 => bytes = &bytes[1..],
            _ => {
                let len = usize::from(bytes[1]);
                assert!(len >= 2 && len <= bytes.len(), "option {kind} of {len}");
                options.push(bytes[..len].to_vec());
                bytes = &bytes[len..];
            }
        }
    }
    options
}

fn decode_options(bytes: &[u8]) -> Vec<Opt> {
    assert!(bytes.len() <= 40, "{} bytes of options", bytes.len());
    split_options(bytes)
        .into_iter()
        .map(|option| match (option[0], option.len()) {
            (2, 4) => Opt::Mss(be16(&option[2..])),
            (3, 3) => Opt::WindowScale(option[2]),
            (4, 2) => Opt::SackPermitted,
            (5, 10 | 18 | 26 | 34) => {
                let blocks = option[2..].chunks(8);
                Opt::Sack(
                    blocks
                        .map(|block| (be32(block), be32(&block[4..])))
                        .collect(),
                )
            }
            (8, 10) => Opt::Timestamps {
                value: be32(&option[2..]),
                echo: be32(&option[6..]),
            },
            (KIND, _) => Opt::Mptcp(decode_mptcp(&option)),
            _ => Opt::Other(option),
        })
        .collect()
}

fn decode_mptcp(option: &[u8]) -> Mptcp {
    let (len, nibble) = (option.len(), option[2] & 0x0f);
    match (option[2] >> 4, len) {
        (subtype::CAPABLE, 4 | 12 | 20 | 22 | 24) => {
            let at = |at: usize| (len > at).then(|| be16(&option[at..]));
            let keys = [4, 12].into_iter().filter(|at| len >= at + 8);
            let flags = option[3];
            assert_eq!(flags & 0x5e, 0, "reserved flags of MP_CAPABLE");
            Mptcp::Capable(Capable {
                version: nibble,
                flags,
                keys: keys.map(|at| be64(&option[at..])).collect(),
                data_len: at(20),
                checksum: at(22),
            })
        }
        (subtype::JOIN, 12) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_JOIN");
            Mptcp::JoinSyn(JoinSyn {
                backup: nibble == 1,
                id: option[3],
                token: be32(&option[4..]),
                nonce: be32(&option[8..]),
            })
        }
        (subtype::JOIN, 16) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_JOIN");
            Mptcp::JoinSynAck(JoinSynAck {
                backup: nibble == 1,
                id: option[3],
                hmac: option[4..12].try_into().expect("eight"),
                nonce: be32(&option[12..]),
            })
        }
        (subtype::JOIN, 24) => {
            assert_eq!((nibble, option[3]), (0, 0), "reserved bits of MP_JOIN");
            Mptcp::JoinAck(option[4..].try_into().expect("twenty"))
        }
        (subtype::DSS, _) => Mptcp::Dss(decode_dss(option)),
        (subtype::ADD_ADDR, _) => Mptcp::AddAddr(decode_add_addr(option)),
        (subtype::REMOVE_ADDR, 4..) => {
            assert_eq!(nibble, 0, "reserved bits of REMOVE_ADDR");
            Mptcp::RemoveAddr(option[3..].to_vec())
        }
        (subtype::PRIO, 3 | 4) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_PRIO");
            Mptcp::Prio {
                backup: nibble == 1,
                id: option.get(3).copied(),
            }
        }
        (subtype::FAIL, 12) => {
            assert_eq!((nibble, option[3]), (0, 0), "reserved bits of MP_FAIL");
            Mptcp::Fail(be64(&option[4..]))
        }
        (subtype::FASTCLOSE, 12) => {
            assert_eq!((nibble, option[3]), (0, 0), "reserved bits of MP_FASTCLOSE");
            Mptcp::Fastclose(be64(&option[4..]))
        }
        (subtype::TCP_RST, 4) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_TCPRST");
            Mptcp::TcpRst {
                transient: nibble == 1,
                reason: option[3],
            }
        }
        _ => panic!("no MPTCP option has these bytes: {option:02x?}"),
    }
}

fn decode_dss(option: &[u8]) -> DssOption {
    let flags = option[3];
    assert_eq!(option[2] & 0x0f, 0, "reserved bits of DSS");
    assert_eq!(flags & 0xe0, 0, "reserved flags of DSS");
    let mut at = 4;
    let mut wide = |present: bool, long: bool| {
        assert!(present || !long, "a width for what is not there");
        present.then(|| {
            if long {
                at += 8;
                Wide::Long(be64(&option[at - 8..]))
            } else {
                at += 4;
                Wide::Short(be32(&option[at - 4..]))
            }
        })
    };
    let data_ack = wide(flags & 0x01 != 0, flags & 0x02 != 0);
    let dsn = wide(flags & 0x04 != 0, flags & 0x08 != 0);
    let mapping = dsn.map(|dsn| {
        let (ssn, len) = (be32(&option[at..]), be16(&option[at + 4..]));
        at += 6;
        let checksum = (option.len() > at).then(|| be16(&option[at..]));
        at += if checksum.is_some() { 2 } else { 0 };
        let fin = flags & 0x10 != 0;
        DssMapping {
            dsn,
            ssn,
            len,
            fin,
            checksum,
        }
    });
    assert!(mapping.is_some() || flags & 0x10 == 0, "F without M");
    assert_eq!(at, option.len(), "the length of DSS");
    DssOption { data_ack, mapping }
}

fn decode_add_addr(option: &[u8]) -> AddAddr {
    let (nibble, len) = (option[2] & 0x0f, option.len());
    let (ipv6, port, hmac) = match (nibble, len) {
        (4 | 1, 8) => (false, false, false),
        (4 | 1, 10) => (false, true, false),
        (6 | 1, 20) => (true, false, false),
        (6 | 1, 22) => (true, true, false),
        (0, 16) => (false, false, true),
        (0, 18) => (false, true, true),
        (0, 28) => (true, false, true),
        (0, 30) => (true, true, true),
        _ => panic!("no ADD_ADDR has these bytes: {option:02x?}"),
    };
    let end = if ipv6 { 20 } else { 8 };
    let address: IpAddr = if ipv6 {
        <[u8; 16]>::try_from(&option[4..20])
            .expect("sixteen")
            .into()
    } else {
        <[u8; 4]>::try_from(&option[4..8]).expect("four").into()
    };
    AddAddr {
        nibble,
        id: option[3],
        address,
        port: port.then(|| be16(&option[end..])),
        hmac: hmac.then(|| option[len - 8..].try_into().expect("eight")),
    }
}

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
fn tcp_checksum(src: IpAddr, dst: IpAddr, tcp: &[u8]) -> u16 {
    let len = u32::try_from(tcp.len()).expect("an ordinary packet");
    let mut bytes = address_bytes(src);
    bytes.extend(address_bytes(dst));
    bytes.extend(len.to_be_bytes());
    bytes.extend([0, 0, 0, 6]);
    bytes.extend(tcp);
    internet_checksum(&bytes)
}
