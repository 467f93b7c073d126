//! In-order bytes of a subflow, and the mappings that give them their place in the stream.

use super::{MappingError, NewMapping};
use crate::base::seq::{DataSeq, SeqNum};
use crate::wire::checksum::Sum;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Mappings kept for bytes that have not come yet, or wait behind a gap: a window of 4 MiB in
/// segments of the smallest usual size. A segment beyond that counts as lost.
pub(super) const MAX_PENDING_MAPPINGS: usize = 8192;

/// Data with its place in the stream.
pub type Mapped = SmallVec<[(DataSeq, Bytes); 2]>;

/// In-order bytes of a subflow on their way to the data level.
#[derive(Debug, Default)]
pub struct ReceivedMappings {
    /// In subflow order, not overlapping.
    mappings: VecDeque<NewMapping>,
    /// In-order bytes whose mapping, or the rest of it where a checksum is to be verified, has
    /// not come yet.
    waiting: VecDeque<(SeqNum, Bytes)>,
    waiting_len: usize,
    /// Where the first mapping's bytes have been summed up to, and their sum.
    summed: u32,
    sum: Sum,
    /// The DATA_FIN at the end of a mapping whose bytes have all come out.
    fin: Option<DataSeq>,
    /// A mapping was ever added.
    seen: bool,
    /// Both sides have agreed to fall back: checksums are not looked at any more.
    unverified: bool,
}

impl ReceivedMappings {
    /// DSN of a DATA_FIN that came with a mapping, once its bytes are out.
    pub fn take_fin(&mut self) -> Option<DataSeq> {
        self.fin.take()
    }

    /// Adds a mapping that a segment brought. One that is known or wholly in the past changes
    /// nothing; one that starts inside a known one adds what is new.
    ///
    /// # Errors
    /// It contradicts a known one.
    pub fn add(&mut self, mut mapping: NewMapping, consumed: SeqNum) -> Result<(), MappingError> {
        self.seen = true;
        if mapping.payload_len() == 0 || mapping.end().at_or_before(self.first_waiting(consumed)) {
            return Ok(());
        }
        let mut index = self
            .mappings
            .partition_point(|known| known.ssn.before(mapping.ssn));
        index -= usize::from(index > 0);
        while let Some(known) = self.mappings.get_mut(index) {
            if known.ssn.at_or_after(mapping.end()) {
                break;
            }
            if known.end().after(mapping.ssn) {
                let shift = i64::from(mapping.ssn.distance_from(known.ssn));
                if DataSeq(known.dsn.0.wrapping_add_signed(shift)) != mapping.dsn {
                    return Err(MappingError::Conflict);
                }
                if mapping.end().at_or_before(known.end()) {
                    return Ok(());
                }
                // The same relation, but longer: a sender may join segments for retransmission.
                // With a checksum only the whole can be verified, without one the rest is new.
                if mapping.checksum.is_some() {
                    if mapping.ssn == known.ssn {
                        *known = mapping;
                    }
                    return Ok(());
                }
                mapping.skip_to(known.end());
            }
            index += 1;
        }
        // What is in order is needed at once and never kept for long.
        if !self.is_full() || mapping.ssn.at_or_before(consumed) {
            self.mappings.insert(index, mapping);
        }
        Ok(())
    }

    /// Mappings kept.
    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        self.mappings.len()
    }

    /// No mapping ahead of a gap can be kept any more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.mappings.len() >= MAX_PENDING_MAPPINGS
    }

    /// Gives in-order subflow bytes their data sequence numbers. `sum` is the sum of `bytes`
    /// where it is known already.
    ///
    /// # Errors
    /// A checksum is wrong; nothing of that mapping comes out. Its bytes wait.
    pub fn map(
        &mut self,
        ssn: SeqNum,
        bytes: Bytes,
        sum: Option<u16>,
        out: &mut Mapped,
    ) -> Result<(), MappingError> {
        if self.waiting.is_empty()
            && let Some(first) = self.mappings.front()
            && first.ssn == ssn
            && first.payload_len() as usize == bytes.len()
        {
            // The usual case: one segment, one mapping.
            let intact = first.checksum.is_none() || self.unverified || {
                let sum = sum.map_or_else(|| Sum::of(&bytes), |sum| Sum::default().and_word(sum));
                first.is_intact(sum)
            };
            if !intact {
                let dsn = first.dsn;
                self.hold(ssn, bytes);
                return Err(MappingError::Checksum(dsn));
            }
            out.push((first.dsn, bytes));
            self.fin = self.fin.or_else(|| first.fin_dsn());
            self.mappings.pop_front();
            return Ok(());
        }
        self.hold(ssn, bytes);
        self.map_waiting(out)
    }

    /// Lets in-order bytes wait behind those whose checksum is wrong.
    pub fn hold(&mut self, ssn: SeqNum, bytes: Bytes) {
        self.waiting_len += bytes.len();
        self.waiting.push_back((ssn, bytes));
    }

    /// Maps what waited for a mapping that has come by now.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn map_waiting(&mut self, out: &mut Mapped) -> Result<(), MappingError> {
        while let Some(&(ssn, _)) = self.waiting.front() {
            let Some(mapping) = self.mapping_for(ssn) else {
                break;
            };
            let verified = mapping.checksum.is_some() && !self.unverified;
            if verified && !self.is_complete(&mapping, ssn)? {
                break;
            }
            self.take_mapped(&mapping, out);
        }
        Ok(())
    }

    /// Bytes that wait for a mapping or for the rest of one.
    #[must_use]
    pub fn waiting_len(&self) -> usize {
        self.waiting_len
    }

    /// True once the peer has sent a mapping here.
    #[must_use]
    pub fn has_seen_mapping(&self) -> bool {
        self.seen
    }

    /// True if in-order bytes wait for which no mapping is known.
    #[must_use]
    pub fn has_unmapped(&self) -> bool {
        self.waiting.front().is_some_and(|&(ssn, _)| {
            self.mappings
                .front()
                .is_none_or(|m| !(m.ssn.at_or_before(ssn) && m.end().after(ssn)))
        })
    }

    /// Where the bytes that wait begin, if any do.
    #[must_use]
    pub fn waiting_from(&self) -> Option<SeqNum> {
        self.waiting.front().map(|&(ssn, _)| ssn)
    }

    /// Takes what waits, whatever its mappings say.
    pub fn take_waiting(&mut self) -> VecDeque<(SeqNum, Bytes)> {
        self.waiting_len = 0;
        self.summed = 0;
        self.sum = Sum::default();
        core::mem::take(&mut self.waiting)
    }

    /// From here on mappings count, and their checksums do not.
    pub fn stop_verifying(&mut self) {
        self.unverified = true;
    }

    /// Forgets the mappings: the bytes need none any more.
    pub fn forget_mappings(&mut self) {
        self.mappings.clear();
        self.fin = None;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn first_waiting(&self, consumed: SeqNum) -> SeqNum {
        self.waiting.front().map_or(consumed, |&(ssn, _)| ssn)
    }

    /// The mapping of `ssn`; those before it are done with.
    fn mapping_for(&mut self, ssn: SeqNum) -> Option<NewMapping> {
        while self
            .mappings
            .front()
            .is_some_and(|first| first.end().at_or_before(ssn))
        {
            self.mappings.pop_front();
            self.summed = 0;
            self.sum = Sum::default();
        }
        self.mappings
            .front()
            .filter(|first| first.ssn.at_or_before(ssn))
            .copied()
    }

    /// True if all bytes of a mapping with checksum are here, and right. The bytes are summed as
    /// they come, each once.
    fn is_complete(&mut self, mapping: &NewMapping, start: SeqNum) -> Result<bool, MappingError> {
        if start != mapping.ssn {
            // Its beginning came under another mapping: it cannot be verified any more.
            return Err(MappingError::Checksum(mapping.dsn));
        }
        let len = mapping.payload_len();
        for (ssn, bytes) in &self.waiting {
            let Ok(at) = u32::try_from(ssn.distance_from(mapping.ssn)) else {
                continue;
            };
            if at < self.summed || at >= len {
                continue;
            }
            let take = bytes.len().min((len - at) as usize);
            let sum = Sum::of(&bytes[..take]);
            self.sum = self.sum.and(if at % 2 == 1 {
                sum.at_odd_offset()
            } else {
                sum
            });
            self.summed = at + u32::try_from(take).unwrap_or(len);
        }
        if self.summed < len {
            return Ok(false);
        }
        if mapping.is_intact(self.sum) {
            Ok(true)
        } else {
            Err(MappingError::Checksum(mapping.dsn))
        }
    }

    fn take_mapped(&mut self, mapping: &NewMapping, out: &mut Mapped) {
        while let Some((ssn, bytes)) = self.waiting.front_mut() {
            let Ok(at) = u32::try_from(ssn.distance_from(mapping.ssn)) else {
                break;
            };
            let left = mapping.payload_len().saturating_sub(at) as usize;
            if left == 0 {
                break;
            }
            if bytes.len() >= left {
                self.fin = self.fin.or_else(|| mapping.fin_dsn());
            }
            let dsn = mapping.dsn + u64::from(at);
            let take = left.min(bytes.len());
            self.waiting_len -= take;
            let taken = bytes.split_to(take);
            *ssn += u32::try_from(take).unwrap_or(0);
            out.push((dsn, taken));
            if bytes.is_empty() {
                self.waiting.pop_front();
            }
        }
    }
}
