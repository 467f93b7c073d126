//! Judging segments as lost, and taking that back. Why they are lost is the callers' business.

use super::segment::Fate;
use super::transmissions::Entry;
use super::{ByteFate, Scoreboard, SentSegment};
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};

/// What came of looking for losses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgment {
    /// Something was judged lost.
    pub found: bool,
    /// When the next segment becomes old enough to be.
    pub next: Option<Instant>,
}

impl Scoreboard {
    /// Judges as lost what was sent before transmission `before` (or at any time, if `None`) and
    /// at least `age` ago (RFC 8985 §6.2, step 5).
    pub fn lose_older(&mut self, now: Instant, before: Option<u64>, age: Duration) -> Judgment {
        let mut judgment = Judgment::default();
        while let Some(entry) = self.transmissions.front() {
            if before.is_some_and(|before| entry.sent.number >= before) {
                break;
            }
            let deadline = entry.sent.at + age;
            if deadline > now {
                if self.is_in_flight(entry) {
                    judgment.next = Some(deadline);
                    break;
                }
            } else {
                judgment.found |= self.lose_entry(entry);
            }
            self.transmissions.pop_front();
        }
        judgment
    }

    fn is_in_flight(&self, entry: Entry) -> bool {
        let from = self.index_of(entry.start);
        self.segments
            .range(from..)
            .take_while(|segment| segment.seq.before(entry.end))
            .any(|segment| segment.sent == entry.sent && segment.fate == Fate::InFlight)
    }

    /// Loses what is still in flight of a transmission.
    fn lose_entry(&mut self, entry: Entry) -> bool {
        let mut found = false;
        let mut index = self.index_of(entry.start);
        while let Some(segment) = self.segments.get(index)
            && segment.seq.before(entry.end)
        {
            if segment.sent == entry.sent {
                found |= self.lose(index);
            }
            index += 1;
        }
        found
    }

    /// Judges the first segment as lost; returns whether it was not already.
    pub fn lose_first(&mut self) -> bool {
        self.lose(0)
    }

    fn lose(&mut self, index: usize) -> bool {
        let Some(segment) = self.segments.get_mut(index) else {
            return false;
        };
        if segment.fate != Fate::InFlight {
            return false;
        }
        segment.fate = Fate::Lost;
        self.in_flight -= segment.len as usize;
        self.lost += segment.len as usize;
        self.lost_from = self.lost_from.min(segment.seq);
        true
    }

    /// Judges everything that is not known to have arrived as lost.
    pub fn lose_all(&mut self) {
        for index in 0..self.segments.len() {
            self.lose(index);
        }
        self.transmissions.clear();
    }

    /// Judges every data segment on its way with more than `longest` bytes as lost; returns
    /// whether there was any.
    pub fn lose_longer_than(&mut self, longest: usize) -> bool {
        let mut found = false;
        for index in 0..self.segments.len() {
            if self.segments[index].largest_payload() > longest {
                found |= self.lose(index);
            }
        }
        found
    }

    /// What is known of a byte that was sent.
    #[must_use]
    pub fn fate_of(&self, seq: SeqNum) -> ByteFate {
        let index = self
            .segments
            .partition_point(|segment| segment.end().at_or_before(seq));
        match self.segments.get(index) {
            Some(segment) if segment.seq.at_or_before(seq) => match segment.fate {
                Fate::Sacked => ByteFate::Arrived,
                Fate::InFlight if segment.is_retransmission() => ByteFate::Lost,
                Fate::InFlight => ByteFate::OnItsWay,
                Fate::Lost => ByteFate::Lost,
            },
            Some(_) | None => ByteFate::Arrived,
        }
    }

    /// Payload of the first segment.
    #[must_use]
    pub fn first_payload_len(&self) -> usize {
        self.segments
            .front()
            .map_or(0, SentSegment::largest_payload)
    }

    /// A receiver that has selectively acknowledged the first segment must have taken it; one
    /// that then does not move its acknowledgment has thrown it away (RFC 2018 §8). Then nothing
    /// that was selectively acknowledged counts any more.
    pub fn forget_reneged(&mut self) {
        if self
            .segments
            .front()
            .is_none_or(|first| first.fate != Fate::Sacked)
        {
            return;
        }
        for segment in &mut self.segments {
            if segment.fate == Fate::Sacked {
                segment.fate = Fate::Lost;
                self.lost += segment.len as usize;
                self.lost_from = self.lost_from.min(segment.seq);
            }
        }
        self.sacked = 0;
        self.sacked_segments = 0;
        self.seen.clear();
    }

    /// What was judged lost and not sent again is on its way after all.
    pub fn find_lost(&mut self) {
        for segment in &mut self.segments {
            if segment.fate == Fate::Lost {
                segment.fate = Fate::InFlight;
                self.in_flight += segment.len as usize;
            }
        }
        self.lost = 0;
        let in_flight = self.segments.iter().filter(|s| s.fate == Fate::InFlight);
        self.transmissions.rebuild(in_flight.map(|segment| Entry {
            start: segment.seq,
            end: segment.end(),
            sent: segment.sent,
        }));
    }
}
