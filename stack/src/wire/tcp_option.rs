//! The options field of a TCP header: at most 40 bytes, parsed into a value and built from pieces.

use super::mptcp_option::{Dss, MptcpOption};
use crate::base::seq::SeqNum;
use smallvec::SmallVec;

/// Room for options in a TCP header (RFC 9293 §3.1: data offset is at most 15 words).
pub const MAX_OPTIONS_LEN: usize = 40;

/// A block of a SACK option: `[left, right)` (RFC 2018 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlock {
    /// First sequence number of the block.
    pub left: SeqNum,
    /// The sequence number after its last.
    pub right: SeqNum,
}

/// TSval and TSecr (RFC 7323 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// The receiver's clock as the sender last saw it.
    pub echo: u32,
}

/// What the options of one segment say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size (kind 2).
    pub mss: Option<u16>,
    /// Window scale shift as sent, not yet limited to 14 (kind 3).
    pub window_scale: Option<u8>,
    /// SACK permitted (kind 4).
    pub sack_permitted: bool,
    /// SACK blocks, in the order of the wire (kind 5).
    pub sack: SmallVec<[SackBlock; 4]>,
    /// Timestamps (kind 8).
    pub timestamps: Option<Timestamps>,
    /// The first DSS option; at most one is meaningful.
    pub dss: Option<Dss>,
    /// All other MPTCP options, in the order of the wire.
    pub mptcp: SmallVec<[MptcpOption; 1]>,
}

impl TcpOptions {
    /// Parses an options field. Unknown kinds are skipped; a broken length ends the parsing
    /// (what was parsed before it counts).
    #[must_use]
    pub fn parse(_field: &[u8]) -> Self { todo!() }
}

/// An options field under construction: whole options go in until the 40 bytes are full.
#[derive(Clone, Debug)]
pub struct OptionWriter {
    bytes: [u8; MAX_OPTIONS_LEN],
    len: usize,
}

/// The option did not fit; the field is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room left in the TCP options field")]
pub struct NoRoom;

impl OptionWriter {
    /// An empty field.
    #[must_use]
    pub fn new() -> Self { todo!() }
    /// Bytes that are still free.
    #[must_use]
    pub fn remaining(&self) -> usize { todo!() }
    /// Appends MSS, 4 bytes.
    pub fn mss(&mut self, _mss: u16) -> Result<(), NoRoom> { todo!() }
    /// Appends NOP and window scale, 4 bytes.
    pub fn window_scale(&mut self, _shift: u8) -> Result<(), NoRoom> { todo!() }
    /// Appends SACK-permitted, 2 bytes (after 2 NOPs unless timestamps follow: see [`Self::sack_permitted_and_timestamps`]).
    pub fn sack_permitted(&mut self) -> Result<(), NoRoom> { todo!() }
    /// Appends SACK-permitted and timestamps together, 12 bytes, as SYNs carry them.
    pub fn sack_permitted_and_timestamps(&mut self, _timestamps: Timestamps) -> Result<(), NoRoom> { todo!() }
    /// Appends 2 NOPs and timestamps, 12 bytes (RFC 7323 appendix A).
    pub fn timestamps(&mut self, _timestamps: Timestamps) -> Result<(), NoRoom> { todo!() }
    /// Appends 2 NOPs and as many of `blocks` as fit; returns how many did.
    pub fn sack(&mut self, _blocks: &[SackBlock]) -> usize { todo!() }
    /// Appends an MPTCP option, padded with NOPs to a multiple of 4.
    pub fn mptcp(&mut self, _option: &MptcpOption) -> Result<(), NoRoom> { todo!() }
    /// Appends a DSS option, padded: as [`Self::mptcp`], without building the enum.
    pub fn dss(&mut self, _dss: &Dss) -> Result<(), NoRoom> { todo!() }
    /// The field, a multiple of 4 bytes long.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] { todo!() }
}
