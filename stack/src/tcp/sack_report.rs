//! What the SACK option of our acknowledgments says (RFC 2018 §4, RFC 2883 §4).
//!
//! Owns which ranges are held out of order and in which order they are reported. It never reports
//! more than what is held: bytes cut off at the window do not get here, and what is here is
//! delivered some day, so we never renege (RFC 2018 §8).

use crate::base::seq::SeqNum;
use crate::buffer::range_set::RangeSet;
use crate::wire::tcp_option::SackBlock;
use core::ops::Range;
use smallvec::SmallVec;

/// Blocks that fit the options field without anything else (RFC 2018 §3).
const MAX_BLOCKS: usize = 4;

/// Ranges of stream offsets that wait behind a gap, and what is to be said of them.
#[derive(Clone, Debug, Default)]
pub struct SackReport {
    held: RangeSet,
    /// Whole ranges of `held`, the one that grew last first.
    recent: SmallVec<[Range<u64>; MAX_BLOCKS]>,
    /// What arrived a second time.
    duplicate: Option<SackBlock>,
}

impl SackReport {
    /// Nothing waits behind a gap.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes arrived ahead of a gap, or overlap what did. Returns the first part of them that was
    /// held before (RFC 2883 §4.2.2: only the first is reported).
    pub(super) fn insert(&mut self, range: Range<u64>) -> Option<Range<u64>> {
        let duplicate = self.held.first_overlap(&range);
        self.held.insert(range.clone());
        let whole = self.held.range_containing(range.start)?;
        // RFC 2018 §4: the block of the latest segment comes first, then the most recently
        // reported ones that are no part of it, so that each is said three times or more.
        self.recent
            .retain(|known| known.end < whole.start || whole.end < known.start);
        self.recent.truncate(MAX_BLOCKS - 1);
        self.recent.insert(0, whole);
        duplicate
    }

    /// Everything before `offset` was delivered.
    pub(super) fn remove_before(&mut self, offset: u64) {
        self.held.remove_before(offset);
        self.recent.retain(|known| known.end > offset);
    }

    /// A range that arrived again, to be said once.
    pub(super) fn set_duplicate(&mut self, block: SackBlock) {
        self.duplicate = Some(block);
    }

    /// The blocks have gone out. RFC 2883 §4, rule 3: a duplicate is reported once.
    pub(super) fn on_reported(&mut self) {
        self.duplicate = None;
    }

    /// The blocks to report, in the order in which they yield from the end when space is short;
    /// `seq` turns an offset into a sequence number.
    ///
    /// A duplicate comes first (RFC 2883 §4); if it lies above RCV.NXT, the block that it is part
    /// of comes second, even if it is the same.
    pub(super) fn blocks(&self, seq: impl Fn(u64) -> SeqNum) -> SmallVec<[SackBlock; MAX_BLOCKS]> {
        let blocks = self.recent.iter().map(|range| SackBlock {
            left: seq(range.start),
            right: seq(range.end),
        });
        self.duplicate
            .into_iter()
            .chain(blocks)
            .take(MAX_BLOCKS)
            .collect()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
