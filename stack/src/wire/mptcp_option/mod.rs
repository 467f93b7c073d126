//! Every MPTCP option of RFC 6824 §3 and RFC 8684 §3, as bytes and as values.
//!
//! Parsing needs no version: subtype, length and flags tell the forms of both versions apart.
//! What a form means in a given state is for `mptcp` to judge.

use crate::base::id::AddressId;
use crate::base::seq::DataSeq;
use smallvec::SmallVec;
use std::net::IpAddr;

mod emit;
pub(super) mod parse;
#[cfg(test)]
mod tests;

/// TCP option kind of all MPTCP options (RFC 6824 §8).
pub const KIND: u8 = 30;

/// A host's 64-bit key for a connection (RFC 6824 §3.1). Its `Debug` never shows the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub u64);

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A 32-bit connection token: the leading bytes of the hashed key (RFC 6824 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u32);

/// A 32-bit random number, fresh for each MP_JOIN (RFC 6824 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce(pub u32);

/// One MPTCP option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MptcpOption {
    /// Subtype 0: a connection starts.
    Capable(MpCapable),
    /// Subtype 1: a subflow joins.
    Join(MpJoin),
    /// Subtype 2: data sequence signal.
    Dss(Dss),
    /// Subtype 3: an address is announced.
    AddAddr(AddAddr),
    /// Subtype 4: addresses are withdrawn, at least one.
    RemoveAddr(SmallVec<[AddressId; 8]>),
    /// Subtype 5: a subflow's priority changes.
    Prio(MpPrio),
    /// Subtype 6: fall back at this data sequence number.
    Fail(DataSeq),
    /// Subtype 7: close at once; the key is the receiver's.
    Fastclose(Key),
    /// Subtype 8, version 1: why a subflow was reset.
    TcpRst(MpTcpRst),
}

/// MP_CAPABLE (RFC 6824 §3.1, RFC 8684 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpCapable {
    /// Version nibble, 0 to 15, as on the wire.
    pub version: u8,
    /// The flags.
    pub flags: CapableFlags,
    /// What follows the flags.
    pub keys: CapableKeys,
}

/// The flags byte of MP_CAPABLE (RFC 6824 §3.1, RFC 8684 §3.1), named by the RFCs' letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapableFlags {
    /// A: DSS checksums required.
    pub checksum_required: bool,
    /// B: extension this version does not know.
    pub extensibility: bool,
    /// C (version 1): no further subflows to this address and port.
    pub deny_join_initial: bool,
    /// H: HMAC-SHA1 (version 0) or HMAC-SHA256 (version 1).
    pub hmac: bool,
}

/// The part of MP_CAPABLE that depends on its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapableKeys {
    /// Length 4: version 1 SYN.
    None,
    /// Length 12: version 0 SYN, SYN/ACK of both versions.
    Sender(Key),
    /// Length 20: third ACK.
    Both {
        /// The key of the option's sender.
        sender: Key,
        /// The key of the option's receiver.
        receiver: Key,
    },
    /// Length 22 or 24: version 1, first data of the initiator.
    BothWithData {
        /// The key of the option's sender.
        sender: Key,
        /// The key of the option's receiver.
        receiver: Key,
        /// Data-level length: payload bytes mapped.
        data_len: u16,
        /// DSS checksum of that payload, if negotiated.
        checksum: Option<u16>,
    },
}

/// MP_JOIN (RFC 6824 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MpJoin {
    /// Length 12.
    Syn {
        /// The sender asks for this subflow to be a backup.
        backup: bool,
        /// The sender's id for its source address.
        address_id: AddressId,
        /// The receiver's token.
        token: Token,
        /// The sender's nonce.
        nonce: Nonce,
    },
    /// Length 16.
    SynAck {
        /// The sender asks for this subflow to be a backup.
        backup: bool,
        /// The sender's id for its source address.
        address_id: AddressId,
        /// Leftmost 64 bits of the sender's HMAC.
        hmac: [u8; 8],
        /// The sender's nonce.
        nonce: Nonce,
    },
    /// Length 24.
    Ack {
        /// Leftmost 160 bits of the sender's HMAC.
        hmac: [u8; 20],
    },
}

/// A DATA_ACK or DSN as wide as it stood on the wire (RFC 6824 §3.3, flags `a` and `m`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireSeq {
    /// 4 bytes: the low half.
    Short(u32),
    /// 8 bytes.
    Long(DataSeq),
}

/// DSS (RFC 6824 §3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dss {
    /// DATA_ACK: the next data sequence number expected.
    pub data_ack: Option<WireSeq>,
    /// The mapping, if flag M was set.
    pub mapping: Option<WireMapping>,
}

/// The mapping part of a DSS option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireMapping {
    /// Data sequence number of the first byte.
    pub dsn: WireSeq,
    /// Subflow sequence number of the first byte, relative to the subflow's ISN.
    pub ssn: u32,
    /// Data-level length, DATA_FIN included; 0 is the infinite mapping.
    pub len: u16,
    /// DSS checksum, if the option's length shows one.
    pub checksum: Option<u16>,
    /// The mapping ends with DATA_FIN.
    pub data_fin: bool,
}

/// ADD_ADDR of either version, or its echo (RFC 6824 §3.4.1, RFC 8684 §3.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddAddr {
    /// The sender's id for the address.
    pub address_id: AddressId,
    /// The address.
    pub address: IpAddr,
    /// The port, if not that of the subflow carrying the option.
    pub port: Option<u16>,
    /// What tells the versions apart.
    pub form: AddAddrForm,
}

/// The forms of ADD_ADDR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddAddrForm {
    /// Version 0: an IP version nibble, no authentication.
    V0,
    /// Version 1 announcement with the rightmost 64 bits of the HMAC.
    V1([u8; 8]),
    /// Version 1 echo.
    V1Echo,
}

/// MP_PRIO (RFC 6824 §3.3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpPrio {
    /// The sender asks for backup treatment.
    pub backup: bool,
    /// Version 0, length 4: the sender's address whose subflows are meant.
    pub address_id: Option<AddressId>,
}

/// MP_TCPRST (RFC 8684 §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpTcpRst {
    /// T: the condition is transient; the path may be tried again later.
    pub transient: bool,
    /// The reason.
    pub reason: ResetReason,
}

/// Reason codes of MP_TCPRST (RFC 8684 §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    /// 0
    Unspecified,
    /// 1
    MptcpSpecific,
    /// 2
    LackOfResources,
    /// 3
    AdministrativelyProhibited,
    /// 4
    TooMuchOutstandingData,
    /// 5
    UnacceptablePerformance,
    /// 6
    MiddleboxInterference,
    /// Any other code: to be treated as 0.
    Unknown(u8),
}

impl MptcpOption {
    /// Parses one whole option, from its kind byte to its last; `None` for an unknown subtype,
    /// a length the subtype does not have, or a value that makes the option void.
    #[must_use]
    pub fn parse(option: &[u8]) -> Option<Self> {
        parse::option(option)
    }

    /// Length on the wire, in bytes, without padding.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Capable(capable) => capable.wire_len(),
            Self::Join(MpJoin::Syn { .. }) => 12,
            Self::Join(MpJoin::SynAck { .. }) => 16,
            Self::Join(MpJoin::Ack { .. }) => 24,
            Self::Dss(dss) => dss.wire_len(),
            Self::AddAddr(add_addr) => add_addr.wire_len(),
            Self::RemoveAddr(ids) => 3 + ids.len(),
            Self::Prio(MpPrio {
                address_id: None, ..
            }) => 3,
            Self::Prio(MpPrio {
                address_id: Some(_),
                ..
            })
            | Self::TcpRst(_) => 4,
            Self::Fail(_) | Self::Fastclose(_) => 12,
        }
    }

    /// Writes the option to the start of `out`, which has room for [`Self::wire_len`] bytes.
    pub fn emit(&self, out: &mut [u8]) {
        emit::option(self, out);
    }
}

impl MpCapable {
    /// Length on the wire, in bytes (RFC 8684 §3.1, figure 4).
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self.keys {
            CapableKeys::None => 4,
            CapableKeys::Sender(_) => 12,
            CapableKeys::Both { .. } => 20,
            CapableKeys::BothWithData { checksum: None, .. } => 22,
            CapableKeys::BothWithData {
                checksum: Some(_), ..
            } => 24,
        }
    }
}

impl Dss {
    /// Length on the wire, in bytes, without padding.
    #[inline]
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let data_ack = self.data_ack.map_or(0, WireSeq::wire_len);
        let mapping = self.mapping.map_or(0, |mapping| {
            let checksum = if mapping.checksum.is_some() { 2 } else { 0 };
            // The subflow sequence number takes 4 bytes, the length 2.
            mapping.dsn.wire_len() + 4 + 2 + checksum
        });
        4 + data_ack + mapping
    }
}

impl WireSeq {
    /// Length on the wire, in bytes.
    #[inline]
    #[must_use]
    pub const fn wire_len(self) -> usize {
        match self {
            Self::Short(_) => 4,
            Self::Long(_) => 8,
        }
    }

    /// The full number, where `reference` is one that must be near it (RFC 6824 §3.3.1).
    #[inline]
    #[must_use]
    pub const fn expand(self, reference: DataSeq) -> DataSeq {
        match self {
            Self::Short(low) => reference.expand(low),
            Self::Long(full) => full,
        }
    }
}

impl AddAddr {
    /// Length on the wire, in bytes, without padding.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        let address = match self.address {
            IpAddr::V4(_) => 4,
            IpAddr::V6(_) => 16,
        };
        let port = if self.port.is_some() { 2 } else { 0 };
        let hmac = match self.form {
            AddAddrForm::V1(hmac) => hmac.len(),
            AddAddrForm::V0 | AddAddrForm::V1Echo => 0,
        };
        4 + address + port + hmac
    }
}

impl ResetReason {
    /// The code on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::MptcpSpecific => 1,
            Self::LackOfResources => 2,
            Self::AdministrativelyProhibited => 3,
            Self::TooMuchOutstandingData => 4,
            Self::UnacceptablePerformance => 5,
            Self::MiddleboxInterference => 6,
            Self::Unknown(code) => code,
        }
    }
}

impl From<u8> for ResetReason {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Unspecified,
            1 => Self::MptcpSpecific,
            2 => Self::LackOfResources,
            3 => Self::AdministrativelyProhibited,
            4 => Self::TooMuchOutstandingData,
            5 => Self::UnacceptablePerformance,
            6 => Self::MiddleboxInterference,
            code => Self::Unknown(code),
        }
    }
}

/// Subtypes: the high nibble of an option's third byte (RFC 6824 §8, RFC 8684 §7.2).
mod subtype {
    pub(super) const CAPABLE: u8 = 0x0;
    pub(super) const JOIN: u8 = 0x1;
    pub(super) const DSS: u8 = 0x2;
    pub(super) const ADD_ADDR: u8 = 0x3;
    pub(super) const REMOVE_ADDR: u8 = 0x4;
    pub(super) const PRIO: u8 = 0x5;
    pub(super) const FAIL: u8 = 0x6;
    pub(super) const FASTCLOSE: u8 = 0x7;
    pub(super) const TCP_RST: u8 = 0x8;
}

/// Flag bits, named by what they say; the RFCs' letters beside them.
mod flag {
    /// MP_CAPABLE A (RFC 6824 §3.1).
    pub(super) const CAPABLE_CHECKSUM: u8 = 0x80;
    /// MP_CAPABLE B (RFC 6824 §3.1).
    pub(super) const CAPABLE_EXTENSIBILITY: u8 = 0x40;
    /// MP_CAPABLE C (RFC 8684 §3.1).
    pub(super) const CAPABLE_DENY_JOIN: u8 = 0x20;
    /// MP_CAPABLE H (RFC 6824 §3.1, RFC 8684 §3.1).
    pub(super) const CAPABLE_HMAC: u8 = 0x01;
    /// MP_JOIN and MP_PRIO B (RFC 6824 §3.2, §3.3.8).
    pub(super) const BACKUP: u8 = 0x01;
    /// DSS F (RFC 6824 §3.3).
    pub(super) const DSS_DATA_FIN: u8 = 0x10;
    /// DSS m: the DSN has 8 bytes.
    pub(super) const DSS_LONG_DSN: u8 = 0x08;
    /// DSS M: DSN, subflow sequence number and length are there.
    pub(super) const DSS_MAPPING: u8 = 0x04;
    /// DSS a: the DATA_ACK has 8 bytes.
    pub(super) const DSS_LONG_ACK: u8 = 0x02;
    /// DSS A: DATA_ACK is there.
    pub(super) const DSS_ACK: u8 = 0x01;
    /// ADD_ADDR E (RFC 8684 §3.4.1).
    pub(super) const ADD_ADDR_ECHO: u8 = 0x01;
    /// MP_TCPRST T (RFC 8684 §3.6).
    pub(super) const RST_TRANSIENT: u8 = 0x01;
}
