//! The Internet checksum (RFC 1071), in pieces that can be added up.

use crate::base::seq::DataSeq;
use core::fmt;

/// A one's complement sum, not yet complemented. Sums of pieces that each start at an even offset
/// add up to the sum of the whole.
///
/// Inside is the 64-bit one's complement sum of the words as they lie in memory: RFC 1071 §2
/// shows that neither the word size nor the byte order of the additions matters, so both are put
/// right only by [`Self::folded`].
#[derive(Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// The sum of `bytes`; an odd last byte counts as the high half of a word (RFC 1071 §4.1).
    #[inline]
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        /// Independent 32-bit lanes, added into 64 bits each: no carries to look after, and a
        /// shape that the compiler turns into vector instructions.
        const LANES: usize = 8;
        let (blocks, tail) = bytes.as_chunks::<{ 4 * LANES }>();
        let mut lanes = [0_u64; LANES];
        for block in blocks {
            let (words, _) = block.as_chunks::<4>();
            for (lane, word) in lanes.iter_mut().zip(words) {
                *lane += u64::from(u32::from_ne_bytes(*word));
            }
        }
        let (words, rest) = tail.as_chunks::<4>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
        let mut last = [0; 4];
        for (byte, value) in last.iter_mut().zip(rest) {
            *byte = *value;
        }
        let last = Self(u64::from(u32::from_ne_bytes(last)));
        lanes
            .into_iter()
            .fold(last, |sum, lane| sum.and(Self(lane)))
    }

    /// The sum of this piece and one that follows it at an even offset.
    #[inline]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        // After a carry the sum is at most 2⁶⁴ − 2, so this addition never overflows.
        Self(sum + carry as u64)
    }

    /// Adds one 16-bit word.
    #[inline]
    #[must_use]
    pub const fn and_word(self, word: u16) -> Self {
        self.and(Self(word.to_be() as u64))
    }

    /// As a following piece at an odd offset: the bytes of every word change places (RFC 1071 §2B).
    #[inline]
    #[must_use]
    pub const fn at_odd_offset(self) -> Self {
        Self(self.folded().to_be().swap_bytes() as u64)
    }

    /// The sum of `pieces` laid end to end, whatever their lengths.
    #[must_use]
    pub fn of_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut total = Self::default();
        let mut odd = false;
        for piece in pieces {
            let sum = Self::of(piece);
            total = total.and(if odd { sum.at_odd_offset() } else { sum });
            odd ^= piece.len() % 2 == 1;
        }
        total
    }

    /// The sum of the pseudo-header of a DSS checksum (RFC 6824 §3.3.1): the full data sequence
    /// number, the relative subflow sequence number, the data-level length as it is sent, zero.
    /// The payload of the whole mapping follows it.
    #[inline]
    #[must_use]
    pub fn of_dss_pseudo_header(dsn: DataSeq, ssn: u32, len: u16) -> Self {
        let [d0, d1, d2, d3, d4, d5, d6, d7] = dsn.0.to_be_bytes();
        let [s0, s1, s2, s3] = ssn.to_be_bytes();
        let [l0, l1] = len.to_be_bytes();
        Self::of(&[d0, d1, d2, d3, d4, d5, d6, d7, s0, s1, s2, s3, l0, l1, 0, 0])
    }

    /// Folded to 16 bits, not complemented.
    #[inline]
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "four steps leave no more than 16 bits"
    )]
    pub const fn folded(self) -> u16 {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff_ffff) + (sum >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        u16::from_be(sum as u16)
    }

    /// The checksum field: folded and complemented.
    #[inline]
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.folded()
    }

    /// True if this is the sum of something that includes its own, correct checksum field.
    #[inline]
    #[must_use]
    pub const fn verifies(self) -> bool {
        self.folded() == 0xffff
    }
}

/// A folded sum, as it is kept with a payload.
impl From<u16> for Sum {
    #[inline]
    fn from(folded: u16) -> Self {
        Self::default().and_word(folded)
    }
}

/// Equal sums may have been added up in different ways: what counts is the folded value.
impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for Sum {}

impl fmt::Debug for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sum({:#06x})", self.folded())
    }
}

#[cfg(test)]
mod tests;
