//! Mappings that we made: they never change, and go again with each retransmission
//! (RFC 6824 §3.3.1).

use crate::base::seq::SeqNum;
use std::collections::VecDeque;
use std::ops::Range;

/// Which option announces a sent mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announcement {
    /// DSS.
    Dss,
    /// Version 1, first data of the initiator: MP_CAPABLE with length (RFC 8684 §3.1).
    Capable,
}

/// A mapping that we made. It never changes: a retransmission carries it again
/// (RFC 6824 §3.3.1).
#[derive(Clone, Copy, Debug)]
pub struct SentMapping {
    /// Sequence number of the first byte on the subflow.
    pub ssn: SeqNum,
    /// Offset of the first byte in the data stream.
    pub offset: u64,
    /// Payload bytes, DATA_FIN not counted.
    pub len: u16,
    /// The DATA_FIN follows the last byte.
    pub data_fin: bool,
    /// The DSS checksum, if negotiated.
    pub checksum: Option<u16>,
    /// The option that carries it.
    pub announcement: Announcement,
}

impl SentMapping {
    /// The data range.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.len)
    }
}

/// The mappings of a subflow whose bytes it has not acknowledged, in order.
#[derive(Debug, Default)]
pub struct SentMappings(VecDeque<SentMapping>);

impl SentMappings {
    /// Adds the mapping of the next bytes.
    pub fn push(&mut self, mapping: SentMapping) {
        self.0.push_back(mapping);
    }

    /// The mapping of the byte at `ssn`.
    #[must_use]
    pub fn find(&self, ssn: SeqNum) -> Option<&SentMapping> {
        let index = self
            .0
            .partition_point(|mapping| mapping.ssn.at_or_before(ssn))
            .checked_sub(1)?;
        let mapping = self.0.get(index)?;
        ssn.before(mapping.ssn + u32::from(mapping.len))
            .then_some(mapping)
    }

    /// Forgets mappings whose bytes are all acknowledged.
    pub fn release_before(&mut self, snd_una: SeqNum) {
        while self
            .0
            .front()
            .is_some_and(|m| (m.ssn + u32::from(m.len)).at_or_before(snd_una))
        {
            self.0.pop_front();
        }
    }

    /// The mappings that are left.
    pub fn iter(&self) -> impl Iterator<Item = &SentMapping> {
        self.0.iter()
    }

    /// Whether this subflow carries the byte at a data offset.
    #[must_use]
    pub fn carries(&self, offset: u64) -> bool {
        self.0
            .iter()
            .any(|mapping| mapping.range().contains(&offset))
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
