//! Packets of the stack, taken apart.
//!
//! Taking apart is strict. Whatever the stack sends must have right checksums, 40 bytes of options
//! at most, no option that runs out of its room, and zeros where the RFCs reserve bits.

use super::crypto::internet_checksum;
use super::decode::{be16, be32, decode_options, split_options};
use super::options::{KIND, Wide};
use super::segment::tcp_checksum;
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
