//! Sequence numbers of both levels, with the wrapping order of RFC 9293 §3.4.
//!
//! [`SeqNum`] counts the bytes of one TCP subflow modulo 2³², [`DataSeq`] those of the MPTCP
//! connection modulo 2⁶⁴. They are different types, so that one is never taken for the other, and
//! neither implements `Ord`: the order of wrapping numbers is not transitive.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

macro_rules! wrapping_sequence_number {
    ($(#[$doc:meta])* $name:ident, $unsigned:ty, $signed:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
        pub struct $name(pub $unsigned);

        impl $name {
            /// True if `self` comes before `other`.
            #[must_use]
            pub const fn before(self, other: Self) -> bool {
                self.distance_from(other) < 0
            }

            /// True if `self` comes after `other`.
            #[must_use]
            pub const fn after(self, other: Self) -> bool {
                self.distance_from(other) > 0
            }

            /// True if `self` is `other` or comes before it.
            #[must_use]
            pub const fn at_or_before(self, other: Self) -> bool {
                self.distance_from(other) <= 0
            }

            /// True if `self` is `other` or comes after it.
            #[must_use]
            pub const fn at_or_after(self, other: Self) -> bool {
                self.distance_from(other) >= 0
            }

            /// `self - other`, negative if `self` comes before `other`.
            #[must_use]
            pub const fn distance_from(self, other: Self) -> $signed {
                self.0.wrapping_sub(other.0).cast_signed()
            }

            /// The later of the two.
            #[must_use]
            pub const fn max(self, other: Self) -> Self {
                if self.after(other) { self } else { other }
            }

            /// The earlier of the two.
            #[must_use]
            pub const fn min(self, other: Self) -> Self {
                if self.before(other) { self } else { other }
            }
        }

        impl Add<$unsigned> for $name {
            type Output = Self;
            fn add(self, bytes: $unsigned) -> Self {
                Self(self.0.wrapping_add(bytes))
            }
        }

        impl AddAssign<$unsigned> for $name {
            fn add_assign(&mut self, bytes: $unsigned) {
                *self = *self + bytes;
            }
        }

        impl Sub<$unsigned> for $name {
            type Output = Self;
            fn sub(self, bytes: $unsigned) -> Self {
                Self(self.0.wrapping_sub(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

wrapping_sequence_number!(
    /// A TCP sequence number (RFC 9293 §3.4).
    SeqNum,
    u32,
    i32
);

wrapping_sequence_number!(
    /// A data sequence number, DSN, of an MPTCP connection (RFC 6824 §3.3.1).
    DataSeq,
    u64,
    i64
);

impl DataSeq {
    /// The low half, as a 4-byte DSN or DATA_ACK carries it.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low 32 bits are what is wanted"
    )]
    pub const fn low32(self) -> u32 {
        self.0 as u32
    }

    /// The number nearest to `self` whose low half is `low`.
    ///
    /// RFC 6824 §3.3.1 asks that a 32-bit DSN is expanded with care for wraps in both
    /// directions: a packet delayed from before a wrap must not jump 2³² ahead.
    #[must_use]
    pub const fn expand(self, low: u32) -> Self {
        let ahead = low.wrapping_sub(self.low32()).cast_signed();
        Self(self.0.wrapping_add_signed(ahead as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_wraps() {
        let last = SeqNum(u32::MAX);
        assert!(last.before(last + 1));
        assert!((last + 1).after(last));
        assert_eq!((last + 5).distance_from(last), 5);
        assert_eq!(last.max(SeqNum(3)), SeqNum(3));
        assert!(DataSeq(u64::MAX).before(DataSeq(0)));
    }

    /// The vectors of the protocol reference, section 2.7.
    #[test]
    fn expansion_takes_the_nearest_number() {
        for (reference, low, expected) in [
            (0x0000_0001_ffff_fff0, 0x0000_0010, 0x0000_0002_0000_0010),
            (0x0000_0002_0000_0010, 0xffff_fff0, 0x0000_0001_ffff_fff0),
            (0x0000_0001_8000_0000, 0x7fff_ffff, 0x0000_0001_7fff_ffff),
            (0x0000_0001_8000_0000, 0x0000_0001, 0x0000_0001_0000_0001),
            (0xffff_ffff_ffff_ff00, 0x0000_0020, 0x0000_0000_0000_0020),
            (0x0000_0000_0000_0005, 0xffff_ffff, 0xffff_ffff_ffff_ffff),
        ] {
            assert_eq!(
                DataSeq(reference).expand(low),
                DataSeq(expected),
                "{reference:x} {low:x}"
            );
        }
    }
}
