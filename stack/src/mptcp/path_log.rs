//! Which bytes of the stream went where: a record for who wants to account for paths.
//!
//! Owns the record of one connection, bounded by the setting `ConnectionConfig::path_log`. It
//! never influences anything: a connection with it sends the same packets as one without.

use crate::base::id::SubflowId;
use crate::buffer::range_set::RangeSet;
use std::collections::VecDeque;
use std::ops::Range;

/// Bytes that went over one subflow, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathRange {
    /// Offsets in the stream of their direction; its first byte has offset 0.
    pub bytes: Range<u64>,
    /// The subflow.
    pub subflow: SubflowId,
    /// Sent: they had been given to a subflow before (reinjected). Received: they had arrived
    /// before. Retransmissions of TCP on the same subflow are not seen here.
    pub again: bool,
}

/// What went where, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathLog {
    /// Bytes that were given to subflows.
    pub sent: Vec<PathRange>,
    /// Bytes that came from subflows, with their place in the stream known.
    pub received: Vec<PathRange>,
    /// Ranges of either direction that were dropped, the oldest first, as there was no room.
    pub forgotten: u64,
}

/// The record while it is being written.
#[derive(Debug)]
pub struct PathRecorder {
    /// Ranges kept for each direction.
    limit: usize,
    sent: VecDeque<PathRange>,
    received: VecDeque<PathRange>,
    forgotten: u64,
    /// Bytes that have arrived ahead of a gap.
    ahead: RangeSet,
}

impl PathRecorder {
    /// A record of at most `limit` ranges for each direction; none at all for 0.
    #[must_use]
    pub fn new(limit: usize) -> Option<Box<Self>> {
        (limit > 0).then(|| {
            Box::new(Self {
                limit,
                sent: VecDeque::new(),
                received: VecDeque::new(),
                forgotten: 0,
                ahead: RangeSet::new(),
            })
        })
    }

    /// Bytes are given to a subflow.
    pub fn note_sent(&mut self, subflow: SubflowId, bytes: Range<u64>, again: bool) {
        let range = PathRange {
            bytes,
            subflow,
            again,
        };
        self.forgotten += push(&mut self.sent, self.limit, range);
    }

    /// Bytes have come from a subflow. Everything before `next` had arrived in order, and what lies
    /// at or behind `limit` is not taken.
    pub fn note_received(&mut self, subflow: SubflowId, bytes: Range<u64>, next: u64, limit: u64) {
        self.ahead.remove_before(next);
        let bytes = bytes.start..bytes.end.min(limit);
        let mut at = bytes.start;
        while at < bytes.end {
            let (end, again) = if at < next {
                (next.min(bytes.end), true)
            } else {
                match self.ahead.first_overlap(&(at..bytes.end)) {
                    Some(known) if known.start == at => (known.end, true),
                    Some(known) => (known.start, false),
                    None => (bytes.end, false),
                }
            };
            let range = PathRange {
                bytes: at..end,
                subflow,
                again,
            };
            self.forgotten += push(&mut self.received, self.limit, range);
            at = end;
        }
        self.ahead
            .insert(bytes.start.max(next)..bytes.end.max(next));
    }

    /// A copy of the record.
    #[must_use]
    pub fn log(&self) -> PathLog {
        PathLog {
            sent: self.sent.iter().cloned().collect(),
            received: self.received.iter().cloned().collect(),
            forgotten: self.forgotten,
        }
    }

    /// The record, which begins anew.
    pub fn take(&mut self) -> PathLog {
        PathLog {
            sent: core::mem::take(&mut self.sent).into(),
            received: core::mem::take(&mut self.received).into(),
            forgotten: core::mem::take(&mut self.forgotten),
        }
    }
}

/// Adds a range, or makes the last one longer; returns how many had to be dropped.
fn push(ranges: &mut VecDeque<PathRange>, limit: usize, range: PathRange) -> u64 {
    if range.bytes.is_empty() {
        return 0;
    }
    if let Some(last) = ranges.back_mut()
        && last.subflow == range.subflow
        && last.again == range.again
        && last.bytes.end == range.bytes.start
    {
        last.bytes.end = range.bytes.end;
        return 0;
    }
    let full = ranges.len() >= limit;
    if full {
        ranges.pop_front();
    }
    ranges.push_back(range);
    u64::from(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorder(limit: usize) -> Box<PathRecorder> {
        PathRecorder::new(limit).unwrap()
    }

    fn entry(bytes: Range<u64>, subflow: u32, again: bool) -> PathRange {
        PathRange {
            bytes,
            subflow: SubflowId(subflow),
            again,
        }
    }

    #[test]
    fn no_room_is_no_record() {
        assert!(PathRecorder::new(0).is_none());
    }

    #[test]
    fn neighbours_on_one_subflow_are_one_range() {
        let mut recorder = recorder(8);
        recorder.note_sent(SubflowId(0), 0..10, false);
        recorder.note_sent(SubflowId(0), 10..20, false);
        recorder.note_sent(SubflowId(1), 20..30, false);
        recorder.note_sent(SubflowId(1), 30..40, true);
        recorder.note_sent(SubflowId(1), 45..50, true);
        let expected = [
            entry(0..20, 0, false),
            entry(20..30, 1, false),
            entry(30..40, 1, true),
            entry(45..50, 1, true),
        ];
        assert_eq!(recorder.log().sent, expected);
    }

    #[test]
    fn the_oldest_are_forgotten_and_counted() {
        let mut recorder = recorder(2);
        for start in 0..5_u64 {
            recorder.note_sent(SubflowId(0), start * 20..start * 20 + 10, false);
        }
        let log = recorder.take();
        assert_eq!(log.forgotten, 3);
        assert_eq!(log.sent, [entry(60..70, 0, false), entry(80..90, 0, false)]);
        assert_eq!(recorder.log(), PathLog::default());
    }

    #[test]
    fn what_had_arrived_is_told_from_what_is_new() {
        let mut recorder = recorder(16);
        recorder.note_received(SubflowId(0), 0..10, 0, 100);
        recorder.note_received(SubflowId(1), 20..30, 10, 100);
        // Old, new, known from behind the gap, new.
        recorder.note_received(SubflowId(0), 5..40, 10, 100);
        // The gap is closed: everything up to 40 is in order.
        recorder.note_received(SubflowId(1), 30..50, 40, 45);
        let expected = [
            entry(0..10, 0, false),
            entry(20..30, 1, false),
            entry(5..10, 0, true),
            entry(10..20, 0, false),
            entry(20..30, 0, true),
            entry(30..40, 0, false),
            entry(30..40, 1, true),
            entry(40..45, 1, false),
        ];
        assert_eq!(recorder.log().received, expected);
    }
}
