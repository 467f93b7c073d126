//! The relation between subflow bytes and data sequence numbers, in both directions
//! (RFC 6824 §3.3.1).

use crate::base::seq::{DataSeq, SeqNum};
use crate::wire::checksum::Sum;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::ops::Range;
use thiserror::Error;

/// Mappings kept for bytes that have not come yet, or wait behind a gap: a window of 4 MiB in
/// segments of the smallest usual size. A segment beyond that counts as lost.
const MAX_PENDING_MAPPINGS: usize = 8192;

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

    fn end(&self) -> SeqNum {
        self.ssn + self.payload_len()
    }

    /// Drops the part before `ssn`, which lies inside.
    fn skip_to(&mut self, ssn: SeqNum) {
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
            let sum = pseudo_header(self.dsn, self.relative_ssn, self.wire_len).and(payload);
            sum.and_word(checksum).folded() == u16::MAX
        })
    }
}

/// The sum of the pseudo-header of the DSS checksum: always the full 64-bit DSN
/// (RFC 6824 §3.3.1, figure 10).
#[must_use]
pub fn pseudo_header(dsn: DataSeq, relative_ssn: u32, wire_len: u16) -> Sum {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&dsn.0.to_be_bytes());
    bytes[8..12].copy_from_slice(&relative_ssn.to_be_bytes());
    bytes[12..14].copy_from_slice(&wire_len.to_be_bytes());
    Sum::of(&bytes)
}

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

    /// No mapping ahead of a gap can be kept any more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.mappings.len() >= MAX_PENDING_MAPPINGS
    }

    /// Gives in-order subflow bytes their data sequence numbers. `sum` is the sum of `bytes`
    /// where it is known already.
    ///
    /// # Errors
    /// A checksum is wrong; nothing of that mapping comes out.
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
            let intact = first.checksum.is_none() || {
                let sum = sum.map_or_else(|| Sum::of(&bytes), |sum| Sum::default().and_word(sum));
                first.is_intact(sum)
            };
            if !intact {
                return Err(MappingError::Checksum(first.dsn));
            }
            out.push((first.dsn, bytes));
            self.fin = self.fin.or_else(|| first.fin_dsn());
            self.mappings.pop_front();
            return Ok(());
        }
        self.waiting_len += bytes.len();
        self.waiting.push_back((ssn, bytes));
        self.map_waiting(out)
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
            if mapping.checksum.is_some() && !self.is_complete(&mapping, ssn)? {
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

    /// Takes what waits, unmapped: the subflow falls back to one implicit mapping.
    pub fn take_waiting(&mut self) -> impl Iterator<Item = (SeqNum, Bytes)> + '_ {
        self.mappings.clear();
        self.waiting_len = 0;
        self.waiting.drain(..)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(ssn: u32, dsn: u64, len: u16) -> NewMapping {
        NewMapping {
            ssn: SeqNum(ssn),
            relative_ssn: ssn,
            dsn: DataSeq(dsn),
            wire_len: len,
            data_fin: false,
            checksum: None,
        }
    }

    fn with_checksum(mut mapping: NewMapping, payload: &[u8]) -> NewMapping {
        let sum = pseudo_header(mapping.dsn, mapping.relative_ssn, mapping.wire_len);
        mapping.checksum = Some(sum.and(Sum::of(payload)).checksum());
        mapping
    }

    fn map(
        mappings: &mut ReceivedMappings,
        ssn: u32,
        bytes: &[u8],
    ) -> Result<Mapped, MappingError> {
        let mut out = Mapped::new();
        mappings.map(SeqNum(ssn), Bytes::copy_from_slice(bytes), None, &mut out)?;
        Ok(out)
    }

    /// The checksums of the protocol reference, section 2.6: P1, and P3 in pieces of 7 and 6.
    #[test]
    fn checksum_vectors() {
        let p1 = b"MPTCP";
        let p3: Vec<u8> = (0..13).collect();
        for (dsn, p1_sum, p3_sum) in [
            (0xd6c0_dc73_1a3d_dd6c, 0x6387, 0x2aef),
            (0xe3db_22c6_785a_0d46, 0x8223, 0x498b),
        ] {
            assert_eq!(with_checksum(mapping(1, dsn, 5), p1).checksum, Some(p1_sum));
            let whole = with_checksum(mapping(1, dsn, 13), &p3);
            assert_eq!(whole.checksum, Some(p3_sum));
            let mut mappings = ReceivedMappings::default();
            mappings.add(whole, SeqNum(1)).unwrap();
            assert!(map(&mut mappings, 1, &p3[..7]).unwrap().is_empty());
            let out = map(&mut mappings, 8, &p3[7..]).unwrap();
            assert_eq!(out.len(), 2);
            assert_eq!(out[1].0, DataSeq(dsn + 7));
        }
    }

    #[test]
    fn a_wrong_byte_in_any_piece_is_found() {
        let payload: Vec<u8> = (0..13).collect();
        let mut mappings = ReceivedMappings::default();
        mappings
            .add(with_checksum(mapping(1, 100, 13), &payload), SeqNum(1))
            .unwrap();
        assert!(map(&mut mappings, 1, &payload[..7]).unwrap().is_empty());
        let mut damaged = payload[7..].to_vec();
        damaged[2] ^= 1;
        assert_eq!(
            map(&mut mappings, 8, &damaged),
            Err(MappingError::Checksum(DataSeq(100)))
        );
    }

    #[test]
    fn a_segment_may_end_one_mapping_and_begin_the_next() {
        let mut mappings = ReceivedMappings::default();
        mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
        mappings.add(mapping(11, 500, 10), SeqNum(1)).unwrap();
        let out = map(&mut mappings, 1, &[0; 15]).unwrap();
        assert_eq!(
            out.iter()
                .map(|(dsn, b)| (dsn.0, b.len()))
                .collect::<Vec<_>>(),
            [(100, 10), (500, 5)]
        );
        let out = map(&mut mappings, 16, &[0; 5]).unwrap();
        assert_eq!((out[0].0.0, out[0].1.len()), (505, 5));
    }

    #[test]
    fn bytes_wait_for_a_late_mapping() {
        let mut mappings = ReceivedMappings::default();
        assert!(map(&mut mappings, 1, &[0; 5]).unwrap().is_empty());
        assert!(mappings.has_unmapped());
        mappings.add(mapping(1, 100, 5), SeqNum(6)).unwrap();
        let mut out = Mapped::new();
        mappings.map_waiting(&mut out).unwrap();
        assert_eq!(out[0].0, DataSeq(100));
        assert_eq!(mappings.waiting_len(), 0);
    }

    #[test]
    fn duplicates_pass_and_conflicts_do_not() {
        let mut mappings = ReceivedMappings::default();
        mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
        mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
        mappings.add(mapping(5, 104, 3), SeqNum(1)).unwrap();
        assert_eq!(
            mappings.add(mapping(5, 105, 3), SeqNum(1)),
            Err(MappingError::Conflict)
        );
        assert_eq!(mappings.mappings.len(), 1);
    }

    #[test]
    fn the_mapping_of_the_next_byte_is_taken_however_many_wait() {
        let mut mappings = ReceivedMappings::default();
        let count = u32::try_from(MAX_PENDING_MAPPINGS).unwrap();
        for i in 1..=count {
            assert!(!mappings.is_full());
            let ahead = mapping(1 + 10 * i, 100 + 10 * u64::from(i), 10);
            mappings.add(ahead, SeqNum(1)).unwrap();
        }
        assert!(mappings.is_full());
        mappings.add(mapping(1, 100, 10), SeqNum(1)).unwrap();
        assert_eq!(map(&mut mappings, 1, &[0; 10]).unwrap()[0].0, DataSeq(100));
        let ahead = mapping(1 + 10 * (count + 1), 0, 10);
        mappings.add(ahead, SeqNum(11)).unwrap();
        assert_eq!(mappings.mappings.len(), MAX_PENDING_MAPPINGS);
    }

    #[test]
    fn sent_mappings_are_found_by_any_byte_until_acknowledged() {
        let mut sent = SentMappings::default();
        for i in 0..3_u16 {
            sent.push(SentMapping {
                ssn: SeqNum(u32::MAX - 5) + u32::from(i) * 10,
                offset: u64::from(i) * 100,
                len: 10,
                data_fin: false,
                checksum: None,
                announcement: Announcement::Dss,
            });
        }
        assert_eq!(sent.find(SeqNum(8)).unwrap().offset, 100);
        assert!(sent.find(SeqNum(24)).is_none());
        sent.release_before(SeqNum(14));
        assert!(sent.find(SeqNum(8)).is_none());
        assert!(sent.carries(205) && !sent.carries(105));
    }
}
