//! In-order bytes of a subflow that no mapping is known for (RFC 6824 §3.3.1).

use super::MappingError;
use crate::base::seq::SeqNum;
use crate::buffer::assembler::compact;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Pieces that wait at most, whatever their size: each costs memory of its own.
pub(super) const MAX_UNMAPPED_PIECES: usize = 8192;

/// Bytes that wait for a mapping, in subflow order, with gaps where others found theirs.
#[derive(Debug, Default)]
pub(super) struct Unmapped {
    pieces: VecDeque<(SeqNum, Bytes)>,
    len: usize,
}

impl Unmapped {
    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The first of them.
    pub(super) fn start(&self) -> Option<SeqNum> {
        self.pieces.front().map(|&(ssn, _)| ssn)
    }

    /// Behind the last of them.
    pub(super) fn end(&self) -> Option<SeqNum> {
        self.pieces.back().map(end_of)
    }

    /// Adds bytes behind all others.
    pub(super) fn push(&mut self, ssn: SeqNum, bytes: Bytes) -> Result<(), MappingError> {
        if self.pieces.len() >= MAX_UNMAPPED_PIECES {
            return Err(MappingError::Unmapped);
        }
        self.len += bytes.len();
        self.pieces.push_back((ssn, compact(bytes)));
        Ok(())
    }

    /// Drops what lies before a sequence number.
    pub(super) fn forget_before(&mut self, ssn: SeqNum) {
        while let Some(first) = self.pieces.front()
            && end_of(first).at_or_before(ssn)
        {
            self.len -= first.1.len();
            self.pieces.pop_front();
        }
    }

    /// Takes what lies between two sequence numbers.
    pub(super) fn take(&mut self, start: SeqNum, end: SeqNum) -> SmallVec<[(SeqNum, Bytes); 2]> {
        self.split_at(start);
        self.split_at(end);
        let first = self.pieces.partition_point(|&(ssn, _)| ssn.before(start));
        let behind = self.pieces.partition_point(|&(ssn, _)| ssn.before(end));
        let taken: SmallVec<[(SeqNum, Bytes); 2]> =
            self.pieces.drain(first..behind.max(first)).collect();
        self.len -= taken.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        taken
    }

    /// All of them.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = (SeqNum, Bytes)> {
        self.pieces.into_iter()
    }

    /// Cuts the piece that `ssn` lies inside.
    fn split_at(&mut self, ssn: SeqNum) {
        let index = self
            .pieces
            .partition_point(|piece| end_of(piece).at_or_before(ssn));
        let Some((start, bytes)) = self.pieces.get_mut(index) else {
            return;
        };
        if let Ok(at) = usize::try_from(ssn.distance_from(*start))
            && at > 0
        {
            let rest = bytes.split_off(at);
            self.pieces.insert(index + 1, (ssn, rest));
        }
    }
}

fn end_of((ssn, bytes): &(SeqNum, Bytes)) -> SeqNum {
    *ssn + u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
