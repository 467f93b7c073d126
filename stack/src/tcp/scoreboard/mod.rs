//! What was sent and is not yet acknowledged, segment by segment, with what is known of its fate.
//!
//! Holds the payload for retransmission, and counts the bytes in flight. It knows which segments
//! arrived and when each was sent; what follows from that is judged by its callers (`rack`,
//! `loss`). It decides neither when to send nor how much.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the queue: sending, sending again, cumulative acknowledgment |
//! | `selective` | what SACK blocks mark as received |
//! | `lost` | what is judged lost |
//! | `segment` | one entry |
//! | `transmissions` | the order in which they were sent |
//! | `delivered` | what one acknowledgment told |
//! | `census` | how many segments are in which state |

mod census;
mod delivered;
mod lost;
mod segment;
mod selective;
#[cfg(test)]
mod tests;
mod transmissions;

pub use census::Census;
pub use delivered::{AckContext, Delivered};
pub use lost::Judgment;
pub use segment::{ByteFate, Content, SentSegment, Transmission};

use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::packet::Payload;
use crate::wire::tcp_option::SackBlock;
use segment::Fate;
use smallvec::SmallVec;
use std::collections::VecDeque;
use transmissions::Transmissions;

/// The retransmission queue.
#[derive(Debug)]
pub struct Scoreboard {
    segments: VecDeque<SentSegment>,
    transmissions: Transmissions,
    in_flight: usize,
    lost: usize,
    sacked: usize,
    sacked_segments: usize,
    /// Bytes that duplicate acknowledgments stand for, where the peer sends no SACK.
    assumed: usize,
    /// No segment before this is lost.
    lost_from: SeqNum,
    /// The blocks of the last acknowledgment, whose segments need no second visit.
    seen: SmallVec<[SackBlock; 4]>,
}

impl Scoreboard {
    /// An empty queue; the first segment will have number `iss`.
    #[must_use]
    pub fn new(iss: SeqNum) -> Self {
        Self {
            segments: VecDeque::new(),
            transmissions: Transmissions::default(),
            in_flight: 0,
            lost: 0,
            sacked: 0,
            sacked_segments: 0,
            assumed: 0,
            lost_from: iss,
            seen: SmallVec::new(),
        }
    }

    /// True if everything sent is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Bytes in flight: "pipe" of RFC 6675 §2.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.saturating_sub(self.assumed)
    }

    /// Bytes judged lost and not yet sent again.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Bytes received out of order.
    #[must_use]
    pub fn sacked(&self) -> usize {
        self.sacked
    }

    /// Segments received out of order.
    #[must_use]
    pub fn sacked_segments(&self) -> usize {
        self.sacked_segments
    }

    /// Entries of the queue.
    #[must_use]
    pub fn len(&self) -> usize {
        self.segments.len()
    }

    /// The latest transmission of the first segment.
    #[must_use]
    pub fn first_sent(&self) -> Option<Transmission> {
        self.segments.front().map(|first| first.sent)
    }

    /// Records a segment sent for the first time, directly after those before it. `slice` is the
    /// size of the pieces that a device cuts it into, or its own.
    pub fn push(
        &mut self,
        now: Instant,
        seq: SeqNum,
        len: u32,
        content: Content,
        payload: Payload,
        slice: u32,
    ) {
        self.in_flight += len as usize;
        let sent = self.transmissions.push(seq, seq + len, now);
        self.segments.push_back(SentSegment {
            seq,
            len,
            content,
            payload,
            fate: Fate::InFlight,
            sent,
            times_sent: 1,
            slice,
        });
    }

    /// Records a SYN that is yet to be sent: [`Self::retransmit_next`] hands it out.
    pub fn push_unsent_syn(&mut self, now: Instant, seq: SeqNum) {
        self.push(now, seq, 1, Content::Syn, Payload::new(), 1);
        self.lose_first();
        if let Some(syn) = self.segments.back_mut() {
            syn.times_sent = 0;
        }
    }

    /// Everything before `ack` has arrived.
    pub fn acknowledge(&mut self, context: &AckContext, ack: SeqNum, delivered: &mut Delivered) {
        let mut acked = 0;
        while let Some(front) = self.segments.front() {
            if !front.end().at_or_before(ack) {
                break;
            }
            let segment = self.segments.pop_front().expect("front() was Some");
            self.uncount(&segment, segment.len);
            acked += segment.len as usize;
            if segment.fate != Fate::Sacked {
                delivered.count(context, &segment, segment.len);
            }
            delivered.syn |= segment.content == Content::Syn;
            delivered.fin |= segment.content == Content::Fin;
        }
        acked += self.trim_front(context, ack, delivered);
        self.transmissions.forget_before(ack);
        self.lost_from = self.lost_from.max(ack);
        // One of the acknowledged segments is the one that was missing; duplicate
        // acknowledgments stood for the others (RFC 6582 §3.2, step 3).
        self.assumed = self
            .assumed
            .saturating_sub(acked.saturating_sub(context.mss));
    }

    /// A duplicate acknowledgment of a peer without SACK: some segment has arrived
    /// (RFC 5681 §3.2). At least one is still under way, or lost.
    pub fn assume_delivered(&mut self, bytes: usize) {
        self.assumed = (self.assumed + bytes).min(self.in_flight);
    }

    /// Duplicate acknowledgments stand for nothing any more.
    pub fn assume_nothing(&mut self) {
        self.assumed = 0;
    }

    /// Takes the first lost segment for retransmission, cut to `max_payload` bytes of data.
    pub fn retransmit_next(&mut self, now: Instant, max_payload: usize) -> Option<SentSegment> {
        if self.lost == 0 {
            return None;
        }
        let start = self.index_of(self.lost_from);
        let index = (start..self.segments.len()).find(|&i| self.segments[i].fate == Fate::Lost)?;
        self.cut(index, max_payload);
        let segment = &self.segments[index];
        self.lost -= segment.len as usize;
        self.lost_from = segment.end();
        self.in_flight += segment.len as usize;
        Some(self.send_again(now, index))
    }

    /// Takes the last segment for another transmission, or its last `max_payload` bytes of data:
    /// a probe for the loss of the tail (RFC 8985 §7.3).
    pub fn retransmit_last(&mut self, now: Instant, max_payload: usize) -> Option<SentSegment> {
        let last = self.segments.len().checked_sub(1)?;
        let segment = &self.segments[last];
        if segment.fate != Fate::InFlight {
            return None;
        }
        let limit = u32::try_from(max_payload.max(1)).unwrap_or(u32::MAX);
        if segment.content == Content::Data && segment.len > limit {
            self.split(last, segment.len - limit);
            return Some(self.send_again(now, last + 1));
        }
        Some(self.send_again(now, last))
    }

    fn send_again(&mut self, now: Instant, index: usize) -> SentSegment {
        let segment = &mut self.segments[index];
        segment.fate = Fate::InFlight;
        segment.times_sent += 1;
        segment.slice = segment.len;
        segment.sent = self.transmissions.push(segment.seq, segment.end(), now);
        segment.clone()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.transmissions.clear();
        self.in_flight = 0;
        self.lost = 0;
        self.sacked = 0;
        self.sacked_segments = 0;
        self.assumed = 0;
    }

    /// Cuts a data segment that is longer than `max_payload` in two.
    fn cut(&mut self, index: usize, max_payload: usize) {
        let segment = &self.segments[index];
        let limit = u32::try_from(max_payload.max(1)).unwrap_or(u32::MAX);
        if segment.content == Content::Data && segment.len > limit {
            self.split(index, limit);
        }
    }

    fn split(&mut self, index: usize, keep: u32) {
        let rest = self.segments[index].split_off(keep);
        self.segments.insert(index + 1, rest);
    }

    /// The peer acknowledged a part of the first segment; returns how much of it.
    fn trim_front(
        &mut self,
        context: &AckContext,
        ack: SeqNum,
        delivered: &mut Delivered,
    ) -> usize {
        let Some(front) = self.segments.front() else {
            return 0;
        };
        let Ok(cut) = u32::try_from(ack.distance_from(front.seq)) else {
            return 0;
        };
        if cut == 0 {
            return 0;
        }
        let mut front = self.segments.pop_front().expect("front() was Some");
        let whole = front.fate;
        let rest = front.len - cut;
        self.uncount(&front, front.len);
        if whole != Fate::Sacked {
            delivered.count(context, &front, cut);
        }
        front.drop_front(cut);
        match whole {
            Fate::InFlight => self.in_flight += rest as usize,
            Fate::Lost => self.lost += rest as usize,
            Fate::Sacked => {
                self.sacked += rest as usize;
                self.sacked_segments += 1;
            }
        }
        self.segments.push_front(front);
        cut as usize
    }

    /// Takes a segment that leaves the queue out of the sums.
    fn uncount(&mut self, segment: &SentSegment, len: u32) {
        let len = len as usize;
        match segment.fate {
            Fate::InFlight => self.in_flight -= len,
            Fate::Lost => self.lost -= len,
            Fate::Sacked => {
                self.sacked -= len;
                self.sacked_segments -= 1;
            }
        }
    }

    /// Index of the first segment that starts at or after `seq`.
    fn index_of(&self, seq: SeqNum) -> usize {
        self.segments
            .partition_point(|segment| segment.seq.before(seq))
    }
}
