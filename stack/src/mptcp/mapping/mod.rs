//! The relation between subflow bytes and data sequence numbers (RFC 6824 §3.3.1).
//!
//! | file | what |
//! |---|---|
//! | `mod` | a mapping as received, its checksum, what can be wrong with it |
//! | `anchor` | how both streams lie beside each other where nothing was sent twice |
//! | `sent` | mappings that we made |
//! | `received` | in-order subflow bytes on their way to the data level |
//! | `waiting` | those of them that no mapping is known for |

mod anchor;
mod received;
mod sent;
#[cfg(test)]
mod tests;
mod waiting;

pub use anchor::Anchor;
pub use received::{Mapped, ReceivedMappings};
pub use sent::{Announcement, SentMapping, SentMappings};

use crate::base::seq::{DataSeq, SeqNum};
use crate::wire::checksum::Sum;
use thiserror::Error;

/// What a peer did wrong with its mappings; the subflow must be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MappingError {
    /// Two mappings give one byte different data sequence numbers.
    #[error("conflicting mappings for one subflow byte")]
    Conflict,
    /// The checksum over a mapping is wrong; everything from this DSN on is not to be trusted.
    #[error("DSS checksum wrong at {0:?}")]
    Checksum(DataSeq),
    /// A window full of bytes came without any mapping.
    #[error("unmapped data")]
    Unmapped,
}

/// A mapping as received, its numbers expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMapping {
    /// Sequence number of the first byte on the subflow.
    pub ssn: SeqNum,
    /// The same relative to the subflow's ISN, as on the wire; the checksum covers it.
    pub relative_ssn: u32,
    /// DSN of the first byte.
    pub dsn: DataSeq,
    /// Data-level length as on the wire, DATA_FIN included.
    pub wire_len: u16,
    /// The DATA_FIN follows the last byte.
    pub data_fin: bool,
    /// The checksum, where negotiated.
    pub checksum: Option<u16>,
}

impl NewMapping {
    /// Payload bytes.
    #[must_use]
    pub fn payload_len(&self) -> u32 {
        u32::from(self.wire_len) - u32::from(self.data_fin && self.wire_len > 0)
    }

    pub(super) fn end(&self) -> SeqNum {
        self.ssn + self.payload_len()
    }

    /// The DSN that this mapping gives a subflow byte, whether it covers it or not.
    pub(super) fn dsn_of(&self, ssn: SeqNum) -> DataSeq {
        let ahead = i64::from(ssn.distance_from(self.ssn));
        DataSeq(self.dsn.0.wrapping_add_signed(ahead))
    }

    /// Both give each byte the same DSN.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.dsn_of(other.ssn) == other.dsn
    }

    /// True if it covers some of `len` subflow bytes from `start` on.
    #[must_use]
    pub fn covers_part_of(&self, start: SeqNum, len: u32) -> bool {
        len > 0 && self.ssn.before(start + len) && self.end().after(start)
    }

    /// The part before `ssn`, if there is one, without the DATA_FIN, which is at the end.
    pub(super) fn before(&self, ssn: SeqNum) -> Option<Self> {
        let len = u16::try_from(ssn.distance_from(self.ssn)).ok()?;
        (len > 0).then_some(Self {
            wire_len: len,
            data_fin: false,
            ..*self
        })
    }

    /// Drops the part before `ssn`, which lies inside.
    pub(super) fn skip_to(&mut self, ssn: SeqNum) {
        let skip = u16::try_from(ssn.distance_from(self.ssn))
            .unwrap_or(0)
            .min(self.wire_len);
        self.ssn = ssn;
        self.relative_ssn = self.relative_ssn.wrapping_add(u32::from(skip));
        self.dsn += u64::from(skip);
        self.wire_len -= skip;
    }

    /// DSN of the DATA_FIN at its end.
    #[must_use]
    pub fn fin_dsn(&self) -> Option<DataSeq> {
        self.data_fin
            .then(|| self.dsn + u64::from(self.payload_len()))
    }

    /// True if the checksum over the pseudo-header and a payload with this sum is right
    /// (RFC 6824 §3.3.1), or there is none to check.
    #[must_use]
    pub fn is_intact(&self, payload: Sum) -> bool {
        self.checksum.is_none_or(|checksum| {
            Sum::of_dss_pseudo_header(self.dsn, self.relative_ssn, self.wire_len)
                .and(payload)
                .and_word(checksum)
                .verifies()
        })
    }
}
