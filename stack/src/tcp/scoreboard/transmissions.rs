//! All transmissions that may still be on their way, in the order in which they were made: what
//! RACK (RFC 8985 §6.2) looks through. Each is visited a bounded number of times, so that an
//! acknowledgment never costs more than what it tells.

use super::segment::Transmission;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use std::collections::VecDeque;

/// A transmission with the sequence numbers that it covered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) start: SeqNum,
    pub(super) end: SeqNum,
    pub(super) sent: Transmission,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Transmissions {
    entries: VecDeque<Entry>,
    next_number: u64,
}

impl Transmissions {
    /// Notes a transmission; returns it with its number.
    pub(super) fn push(&mut self, start: SeqNum, end: SeqNum, at: Instant) -> Transmission {
        let sent = Transmission {
            number: self.next_number,
            at,
        };
        self.next_number += 1;
        self.entries.push_back(Entry { start, end, sent });
        sent
    }

    pub(super) fn front(&self) -> Option<Entry> {
        self.entries.front().copied()
    }

    pub(super) fn pop_front(&mut self) {
        self.entries.pop_front();
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Forgets the first entries that are acknowledged whole.
    pub(super) fn forget_before(&mut self, una: SeqNum) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.end.at_or_before(una))
        {
            self.entries.pop_front();
        }
    }

    /// Replaces everything by `entries`, which are in any order.
    pub(super) fn rebuild(&mut self, entries: impl Iterator<Item = Entry>) {
        self.entries.clear();
        self.entries.extend(entries);
        self.entries
            .make_contiguous()
            .sort_unstable_by_key(|entry| entry.sent.number);
    }
}
