//! The Internet checksum (RFC 1071), in pieces that can be added up.

/// A one's complement sum, not yet complemented. Sums of pieces that each start at an even offset
/// add up to the sum of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of `bytes`; an odd last byte counts as the high half of a word (RFC 1071 §4.1).
    #[must_use]
    pub fn of(_bytes: &[u8]) -> Self { todo!() }
    /// The sum of this piece and one that follows it at an even offset.
    #[must_use]
    pub fn and(self, _other: Self) -> Self { todo!() }
    /// Adds one 16-bit word.
    #[must_use]
    pub fn and_word(self, _word: u16) -> Self { todo!() }
    /// As a following piece at an odd offset: the bytes of every word change places (RFC 1071 §2B).
    #[must_use]
    pub fn at_odd_offset(self) -> Self { todo!() }
    /// Folded to 16 bits, not complemented.
    #[must_use]
    pub fn folded(self) -> u16 { todo!() }
    /// The checksum field: folded and complemented.
    #[must_use]
    pub fn checksum(self) -> u16 { todo!() }
}
