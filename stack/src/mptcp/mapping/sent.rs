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
    /// The same data was to be sent on another subflow too.
    pub sent_elsewhere: bool,
}

impl SentMapping {
    /// The sequence number behind the last byte.
    #[must_use]
    pub fn end(&self) -> SeqNum {
        self.ssn + u32::from(self.len)
    }

    /// The data range.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.len)
    }
}

/// The mappings of a subflow whose bytes are not acknowledged at both levels, in subflow order.
///
/// The acknowledgment of the subflow alone does not end them: its peer may have dropped the bytes
/// all the same (protocol reference 3.6), and then it matters who carried them.
#[derive(Debug, Default)]
pub struct SentMappings {
    mappings: VecDeque<SentMapping>,
    /// The data offset behind all that was ever sent here.
    end: u64,
}

impl SentMappings {
    /// Adds the mapping of the next bytes.
    pub fn push(&mut self, mapping: SentMapping) {
        self.end = self.end.max(mapping.range().end);
        self.mappings.push_back(mapping);
    }

    /// The mapping of the byte at `ssn`.
    #[must_use]
    pub fn find(&self, ssn: SeqNum) -> Option<&SentMapping> {
        let index = self
            .mappings
            .partition_point(|mapping| mapping.ssn.at_or_before(ssn))
            .checked_sub(1)?;
        let mapping = self.mappings.get(index)?;
        ssn.before(mapping.end()).then_some(mapping)
    }

    /// Forgets mappings whose bytes are acknowledged by the subflow and by the connection. Returns
    /// if there was one that went nowhere else.
    pub fn release_before(&mut self, snd_una: SeqNum, data_una: u64) -> bool {
        let mut delivered = false;
        while let Some(first) = self.mappings.front()
            && first.end().at_or_before(snd_una)
            && first.range().end <= data_una
        {
            delivered |= !first.sent_elsewhere;
            self.mappings.pop_front();
        }
        delivered
    }

    /// The mappings that are left.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut SentMapping> {
        self.mappings.iter_mut()
    }

    /// The data offset behind all that was ever sent here.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether the byte at a data offset, which the connection has not acknowledged, was sent on
    /// this subflow.
    #[must_use]
    pub fn carries(&self, offset: u64) -> bool {
        let mut mappings = self.mappings.iter();
        mappings.any(|mapping| mapping.range().contains(&offset))
    }

    /// The same, and the subflow has not acknowledged it either.
    #[must_use]
    pub fn has_in_flight(&self, offset: u64, snd_una: SeqNum) -> bool {
        let first = self
            .mappings
            .partition_point(|mapping| mapping.end().at_or_before(snd_una));
        let mut in_flight = self.mappings.range(first..);
        in_flight.any(|mapping| mapping.range().contains(&offset))
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.mappings.clear();
    }
}
