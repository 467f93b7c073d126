//! In-order bytes of a subflow, and the mappings that give them their place in the stream.
//!
//! Owns both until they have met. It never looks at the data level: whether a byte is new there is
//! not decided here.
//!
//! Bytes that nothing maps do not hold up those behind them. Their sender will learn from the
//! missing DATA_ACK that they have to come again, and on a connection with one subflow they can
//! only come behind those that wait.

use super::waiting::Unmapped;
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
    /// Those whose bytes have not all come, in subflow order. What is in order comes first.
    mappings: VecDeque<NewMapping>,
    /// In-order bytes whose mapping has not come yet.
    unmapped: Unmapped,
    /// Bytes of the first mapping, from its beginning on, until its checksum can be verified.
    collected: Collected,
    /// Behind the last in-order byte that was seen.
    next: Option<SeqNum>,
    /// The DATA_FIN at the end of a mapping whose bytes have all come out.
    fin: Option<DataSeq>,
    /// A mapping was ever added.
    seen: bool,
    /// In-order bytes from the beginning of a mapping on whose checksum is wrong.
    held: Held,
    /// Both sides have agreed to fall back: checksums are not looked at any more.
    unverified: bool,
}

/// Bytes that follow each other without a gap.
#[derive(Debug, Default)]
struct Held {
    pieces: VecDeque<(SeqNum, Bytes)>,
    len: usize,
}

/// The beginning of a mapping that can only be used as a whole.
#[derive(Debug, Default)]
struct Collected {
    pieces: VecDeque<(SeqNum, Bytes)>,
    len: u32,
    /// Each byte is summed once, when it comes.
    sum: Sum,
}

impl Collected {
    fn push(&mut self, ssn: SeqNum, bytes: Bytes) {
        let sum = Sum::of(&bytes);
        self.sum = self.sum.and(if self.len % 2 == 1 {
            sum.at_odd_offset()
        } else {
            sum
        });
        self.len += u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.pieces.push_back((ssn, bytes));
    }
}

impl ReceivedMappings {
    /// DSN of a DATA_FIN that came with a mapping, once its bytes are out.
    pub fn take_fin(&mut self) -> Option<DataSeq> {
        self.fin.take()
    }

    /// Adds a mapping that a segment brought. One that is known or wholly in the past changes
    /// nothing; one that overlaps a known one adds what is new. [`Self::map_waiting`] then finds
    /// bytes that have waited for it.
    ///
    /// # Errors
    /// It contradicts a known one.
    pub fn add(&mut self, mapping: NewMapping, consumed: SeqNum) -> Result<(), MappingError> {
        self.seen = true;
        if mapping.payload_len() == 0 || mapping.end().at_or_before(self.first_waiting(consumed)) {
            return Ok(());
        }
        let first = self
            .mappings
            .partition_point(|known| known.end().at_or_before(mapping.ssn));
        let overlapping = self.mappings.range(first..);
        let mut overlapping = overlapping.take_while(|known| known.ssn.before(mapping.end()));
        // RFC 6824 §3.3.1: the mapping of a byte never changes.
        if overlapping.any(|known| !known.agrees_with(&mapping)) {
            return Err(MappingError::Conflict);
        }
        // What is in order is needed at once and never kept for long.
        if self.is_full() && mapping.ssn.after(consumed) {
            return Ok(());
        }
        if mapping.checksum.is_some() {
            self.insert_whole(first, mapping);
        } else {
            self.insert_parts(first, mapping);
        }
        Ok(())
    }

    /// Without checksums, what no known mapping covers is new. A sender may join segments for a
    /// retransmission.
    fn insert_parts(&mut self, mut index: usize, mut mapping: NewMapping) {
        while let Some(&known) = self.mappings.get(index) {
            if known.ssn.at_or_after(mapping.end()) {
                break;
            }
            if let Some(part) = mapping.before(known.ssn) {
                self.mappings.insert(index, part);
                index += 1;
            }
            if mapping.end().at_or_before(known.end()) {
                return;
            }
            mapping.skip_to(known.end());
            index += 1;
        }
        self.mappings.insert(index, mapping);
    }

    /// With a checksum only the whole can be verified: the mapping that covers the other stays.
    fn insert_whole(&mut self, index: usize, mapping: NewMapping) {
        let Some(&known) = self.mappings.get(index) else {
            self.mappings.push_back(mapping);
            return;
        };
        if known.ssn.at_or_after(mapping.end()) {
            self.mappings.insert(index, mapping);
        } else if known.ssn == mapping.ssn {
            if mapping.end().after(known.end()) {
                // What was collected of the shorter one is the beginning of this one.
                self.mappings[index] = mapping;
            }
        } else if mapping.ssn.before(known.ssn) && self.collected.pieces.is_empty() {
            self.mappings.insert(index, mapping);
        }
    }

    /// Mappings kept.
    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        self.mappings.len()
    }

    /// The first mapping whose bytes have not all come.
    #[must_use]
    pub fn current(&self) -> Option<&NewMapping> {
        self.mappings.front()
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
    /// A checksum is wrong: nothing of that mapping comes out, and all of `bytes` behind what came
    /// out of it is held. Or there are too many bytes that
    /// nothing maps.
    pub fn map(
        &mut self,
        ssn: SeqNum,
        bytes: Bytes,
        sum: Option<u16>,
        out: &mut Mapped,
    ) -> Result<(), MappingError> {
        let end = ssn + len32(&bytes);
        self.next = Some(end);
        if let Some(first) = self.mappings.front()
            && first.ssn == ssn
            && first.end() == end
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
        self.map_pieces(ssn, bytes, out)
    }

    /// Bytes that end one mapping and begin the next, or are part of one, or have none.
    fn map_pieces(
        &mut self,
        mut ssn: SeqNum,
        mut bytes: Bytes,
        out: &mut Mapped,
    ) -> Result<(), MappingError> {
        while !bytes.is_empty() {
            self.forget_before(ssn);
            let first = self.mappings.front().copied();
            let until = match first {
                Some(mapping) if mapping.ssn.at_or_before(ssn) => mapping.end(),
                Some(mapping) => mapping.ssn,
                None => ssn + len32(&bytes),
            };
            let take = usize::try_from(until.distance_from(ssn)).unwrap_or(0);
            let piece = bytes.split_to(take.min(bytes.len()));
            let end = ssn + len32(&piece);
            match first {
                Some(mapping) if mapping.ssn.at_or_before(ssn) => {
                    let taken = self.take_piece(&mapping, ssn, piece, out);
                    if taken.is_err() {
                        self.hold(end, bytes);
                        return taken;
                    }
                }
                _ => self.unmapped.push(ssn, piece)?,
            }
            ssn = end;
        }
        Ok(())
    }

    /// A piece of the first mapping.
    fn take_piece(
        &mut self,
        mapping: &NewMapping,
        ssn: SeqNum,
        piece: Bytes,
        out: &mut Mapped,
    ) -> Result<(), MappingError> {
        let end = ssn + len32(&piece);
        if mapping.checksum.is_none() || self.unverified {
            out.push((mapping.dsn_of(ssn), piece));
        } else {
            if mapping.ssn + self.collected.len != ssn {
                // Its beginning came under another mapping: it cannot be verified any more.
                return Err(MappingError::Checksum(mapping.dsn));
            }
            self.collected.push(ssn, piece);
            if end == mapping.end() {
                self.verify_collected(mapping, out)?;
            }
        }
        if end == mapping.end() {
            self.fin = self.fin.or_else(|| mapping.fin_dsn());
            self.mappings.pop_front();
        }
        Ok(())
    }

    /// A mapping is complete: all of it comes out, or nothing.
    fn verify_collected(
        &mut self,
        mapping: &NewMapping,
        out: &mut Mapped,
    ) -> Result<(), MappingError> {
        let collected = core::mem::take(&mut self.collected);
        if !mapping.is_intact(collected.sum) {
            for (ssn, bytes) in collected.pieces {
                self.hold(ssn, bytes);
            }
            return Err(MappingError::Checksum(mapping.dsn));
        }
        let pieces = collected.pieces.into_iter();
        out.extend(pieces.map(|(ssn, bytes)| (mapping.dsn_of(ssn), bytes)));
        Ok(())
    }

    /// Maps what waited for a mapping that has come by now.
    ///
    /// # Errors
    /// As [`Self::map`].
    pub fn map_waiting(&mut self, out: &mut Mapped) -> Result<(), MappingError> {
        while let Some(behind) = self.unmapped.end()
            && let Some(&mapping) = self.mappings.front()
            && mapping.ssn.before(behind)
        {
            // What is being collected is younger than all that waits.
            let younger = core::mem::take(&mut self.collected);
            for (ssn, piece) in self.unmapped.take(mapping.ssn, mapping.end()) {
                self.take_piece(&mapping, ssn, piece, out)?;
            }
            if self.mappings.front() == Some(&mapping) {
                if self.next.is_some_and(|next| mapping.end().after(next)) {
                    // The rest is still to come.
                    break;
                }
                // Parts of it are gone: they came under another mapping.
                self.mappings.pop_front();
            }
            self.collected = younger;
        }
        Ok(())
    }

    /// Drops bytes that have waited in vain while a window of others came: no mapping will come
    /// for them any more (RFC 6824 §3.3.1). On a path that loses options now and then, they must
    /// not add up to a window over the life of a connection.
    pub fn forget_hopeless(&mut self, window: usize) {
        if let Some(next) = self.next {
            let window = u32::try_from(window).unwrap_or(u32::MAX >> 1);
            self.unmapped.forget_before(next - window);
        }
    }

    /// Bytes that wait for a mapping or for the rest of one.
    #[must_use]
    pub fn waiting_len(&self) -> usize {
        self.unmapped.len() + self.collected.len as usize + self.held.len
    }

    /// True once the peer has sent a mapping here.
    #[must_use]
    pub fn has_seen_mapping(&self) -> bool {
        self.seen
    }

    /// True if in-order bytes wait for which no mapping is known.
    #[must_use]
    pub fn has_unmapped(&self) -> bool {
        self.unmapped.len() > 0
    }

    /// Where on the subflow the bytes begin that wait, if any do.
    #[must_use]
    pub fn waiting_from(&self) -> Option<SeqNum> {
        let collected = self.collected.pieces.front();
        let held = collected.or_else(|| self.held.pieces.front());
        self.unmapped.start().or_else(|| held.map(|&(ssn, _)| ssn))
    }

    /// Lets in-order bytes wait behind those whose checksum is wrong.
    pub fn hold(&mut self, ssn: SeqNum, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.next = Some(ssn + len32(&bytes));
        self.held.len += bytes.len();
        self.held.pieces.push_back((ssn, bytes));
    }

    /// Where the held bytes begin, if they are all that waits: nothing before them or among them
    /// lacks its mapping.
    #[must_use]
    pub fn held_alone_from(&self) -> Option<SeqNum> {
        let &(start, _) = self.held.pieces.front()?;
        let whole = self.next == Some(start + u32::try_from(self.held.len).unwrap_or(u32::MAX));
        let alone = self.unmapped.len() == 0 && self.collected.len == 0;
        (whole && alone).then_some(start)
    }

    /// Takes all that waits, whatever its mappings say.
    pub fn take_waiting(&mut self) -> impl Iterator<Item = (SeqNum, Bytes)> + use<> {
        let unmapped = core::mem::take(&mut self.unmapped);
        let collected = core::mem::take(&mut self.collected);
        let held = core::mem::take(&mut self.held);
        unmapped
            .into_pieces()
            .chain(collected.pieces)
            .chain(held.pieces)
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
        self.waiting_from().unwrap_or(consumed)
    }

    /// Mappings of what lies before `ssn` are done with.
    fn forget_before(&mut self, ssn: SeqNum) {
        while self
            .mappings
            .front()
            .is_some_and(|first| first.end().at_or_before(ssn))
        {
            self.mappings.pop_front();
            self.collected = Collected::default();
        }
    }
}

fn len32(bytes: &Bytes) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
