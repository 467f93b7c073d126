//! The options field of a TCP header: at most 40 bytes, parsed into a value and built from pieces.

use super::mptcp_option::{self, Dss, MptcpOption};
use crate::base::seq::SeqNum;
use core::fmt;
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

/// Option kinds (RFC 9293 §3.2, RFC 7323, RFC 2018).
mod kind {
    pub(super) const END: u8 = 0;
    pub(super) const NOP: u8 = 1;
    pub(super) const MSS: u8 = 2;
    pub(super) const WINDOW_SCALE: u8 = 3;
    pub(super) const SACK_PERMITTED: u8 = 4;
    pub(super) const SACK: u8 = 5;
    pub(super) const TIMESTAMPS: u8 = 8;
}

/// Length of one block in a SACK option (RFC 2018 §3).
const SACK_BLOCK_LEN: usize = 8;

impl TcpOptions {
    /// Parses an options field. Unknown kinds are skipped; a broken length ends the parsing
    /// (what was parsed before it counts).
    #[must_use]
    pub fn parse(field: &[u8]) -> Self {
        let mut options = Self::default();
        let mut rest = field;
        while let [kind, tail @ ..] = rest {
            match *kind {
                kind::END => break,
                kind::NOP => {
                    rest = tail;
                    continue;
                }
                _ => {}
            }
            // RFC 9293 §3.2: every other kind has a length, which counts itself and the kind.
            let Some(len) = tail
                .first()
                .map(|len| usize::from(*len))
                .filter(|len| *len >= 2)
            else {
                break;
            };
            let Some((option, after)) = rest.split_at_checked(len) else {
                break;
            };
            options.take(option);
            rest = after;
        }
        options
    }

    /// Takes one whole option in. A known kind with a wrong length counts as absent.
    #[inline]
    fn take(&mut self, option: &[u8]) {
        match *option {
            [kind::TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3] => {
                self.timestamps = Some(Timestamps {
                    value: u32::from_be_bytes([v0, v1, v2, v3]),
                    echo: u32::from_be_bytes([e0, e1, e2, e3]),
                });
            }
            [mptcp_option::KIND, ..] => self.take_mptcp(option),
            [kind::SACK, _, ref blocks @ ..] => {
                let (blocks, rest) = blocks.as_chunks::<SACK_BLOCK_LEN>();
                if rest.is_empty() {
                    self.sack.extend(blocks.iter().map(|block| {
                        let [l0, l1, l2, l3, r0, r1, r2, r3] = *block;
                        SackBlock {
                            left: SeqNum(u32::from_be_bytes([l0, l1, l2, l3])),
                            right: SeqNum(u32::from_be_bytes([r0, r1, r2, r3])),
                        }
                    }));
                }
            }
            [kind::MSS, 4, high, low] => self.mss = Some(u16::from_be_bytes([high, low])),
            [kind::WINDOW_SCALE, 3, shift] => self.window_scale = Some(shift),
            [kind::SACK_PERMITTED, 2] => self.sack_permitted = true,
            _ => {}
        }
    }

    #[inline]
    fn take_mptcp(&mut self, option: &[u8]) {
        match mptcp_option::parse::whole_dss(option) {
            Some(dss) => self.dss = self.dss.or(dss),
            None => self.mptcp.extend(MptcpOption::parse(option)),
        }
    }
}

/// An options field under construction: whole options go in until the 40 bytes are full.
#[derive(Clone)]
pub struct OptionWriter {
    bytes: [u8; MAX_OPTIONS_LEN],
    /// Always a multiple of 4.
    len: usize,
}

/// The option did not fit; the field is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room left in the TCP options field")]
pub struct NoRoom;

impl Default for OptionWriter {
    fn default() -> Self {
        Self::new()
    }
}

/// Shows what the bytes say, so that a key among them stays hidden.
impl fmt::Debug for OptionWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OptionWriter")
            .field(&TcpOptions::parse(self.as_bytes()))
            .finish()
    }
}

impl OptionWriter {
    /// An empty field.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bytes: [kind::NOP; MAX_OPTIONS_LEN],
            len: 0,
        }
    }

    /// Bytes that are still free.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        MAX_OPTIONS_LEN - self.len
    }

    /// Appends MSS, 4 bytes.
    pub fn mss(&mut self, mss: u16) -> Result<(), NoRoom> {
        let [high, low] = mss.to_be_bytes();
        self.append(&[kind::MSS, 4, high, low])
    }

    /// Appends NOP and window scale, 4 bytes.
    pub fn window_scale(&mut self, shift: u8) -> Result<(), NoRoom> {
        self.append(&[kind::NOP, kind::WINDOW_SCALE, 3, shift])
    }

    /// Appends 2 NOPs and SACK-permitted, 4 bytes; where timestamps go in too,
    /// [`Self::sack_permitted_and_timestamps`] saves the NOPs.
    pub fn sack_permitted(&mut self) -> Result<(), NoRoom> {
        self.append(&[kind::NOP, kind::NOP, kind::SACK_PERMITTED, 2])
    }

    /// Appends SACK-permitted and timestamps together, 12 bytes, as SYNs carry them.
    pub fn sack_permitted_and_timestamps(&mut self, timestamps: Timestamps) -> Result<(), NoRoom> {
        self.two_bytes_and_timestamps([kind::SACK_PERMITTED, 2], timestamps)
    }

    /// Appends 2 NOPs and timestamps, 12 bytes (RFC 7323 appendix A).
    #[inline]
    pub fn timestamps(&mut self, timestamps: Timestamps) -> Result<(), NoRoom> {
        self.two_bytes_and_timestamps([kind::NOP; 2], timestamps)
    }

    #[inline]
    fn two_bytes_and_timestamps(
        &mut self,
        [first, second]: [u8; 2],
        timestamps: Timestamps,
    ) -> Result<(), NoRoom> {
        let [v0, v1, v2, v3] = timestamps.value.to_be_bytes();
        let [e0, e1, e2, e3] = timestamps.echo.to_be_bytes();
        self.append(&[
            first,
            second,
            kind::TIMESTAMPS,
            10,
            v0,
            v1,
            v2,
            v3,
            e0,
            e1,
            e2,
            e3,
        ])
    }

    /// Appends 2 NOPs and as many of `blocks` as fit; returns how many did.
    pub fn sack(&mut self, blocks: &[SackBlock]) -> usize {
        let room = self.remaining().saturating_sub(4) / SACK_BLOCK_LEN;
        let blocks = &blocks[..blocks.len().min(room)];
        let Ok(len) = u8::try_from(2 + blocks.len() * SACK_BLOCK_LEN) else {
            return 0;
        };
        if blocks.is_empty() {
            return 0;
        }
        let Some(out) = self.reserve(2 + usize::from(len)) else {
            return 0;
        };
        let (head, body) = out.split_at_mut(4);
        head.copy_from_slice(&[kind::NOP, kind::NOP, kind::SACK, len]);
        for (out, block) in body.chunks_exact_mut(SACK_BLOCK_LEN).zip(blocks) {
            let (left, right) = out.split_at_mut(4);
            left.copy_from_slice(&block.left.0.to_be_bytes());
            right.copy_from_slice(&block.right.0.to_be_bytes());
        }
        blocks.len()
    }

    /// Appends an MPTCP option, padded with NOPs to a multiple of 4.
    pub fn mptcp(&mut self, option: &MptcpOption) -> Result<(), NoRoom> {
        option.emit(self.reserve(option.wire_len()).ok_or(NoRoom)?);
        Ok(())
    }

    /// Appends a DSS option, padded: as [`Self::mptcp`], without building the enum.
    #[inline]
    pub fn dss(&mut self, dss: &Dss) -> Result<(), NoRoom> {
        dss.emit(self.reserve(dss.wire_len()).ok_or(NoRoom)?);
        Ok(())
    }

    /// The field, a multiple of 4 bytes long.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        self.reserve(bytes.len())
            .ok_or(NoRoom)?
            .copy_from_slice(bytes);
        Ok(())
    }

    /// The next `len` bytes to write to; the NOPs that pad them to a multiple of 4 stand there
    /// already, because the field is made of NOPs.
    #[inline]
    fn reserve(&mut self, len: usize) -> Option<&mut [u8]> {
        let end = self.len.checked_add(len)?.checked_next_multiple_of(4)?;
        let out = self.bytes.get_mut(self.len..end)?;
        self.len = end;
        out.get_mut(..len)
    }
}

#[cfg(test)]
mod tests;
