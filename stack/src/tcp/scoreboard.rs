//! What was sent and is not yet acknowledged, segment by segment, with what is known of its fate.
//!
//! Holds the payload for retransmission, finds losses from selective acknowledgments (RFC 6675),
//! and counts the bytes in flight. It decides neither when to send nor how much.

use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::wire::packet::Payload;
use crate::wire::tcp_option::SackBlock;
use bytes::Buf as _;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// DupThresh of RFC 6675 §2, in segments.
const DUP_THRESH: usize = 3;

/// What a segment occupies sequence space with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// The SYN.
    Syn,
    /// Payload.
    Data,
    /// The FIN, without payload.
    Fin,
}

/// Where a segment is thought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// On its way.
    InFlight,
    /// Received by the peer out of order.
    Sacked,
    /// Judged lost, to be sent again.
    Lost,
    /// Sent again, on its way.
    Retransmitted,
}

/// What is known of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteFate {
    /// The peer has it.
    Arrived,
    /// Nothing: it was sent once.
    OnItsWay,
    /// It was judged lost, and perhaps sent again.
    Lost,
}

/// A segment that was sent.
#[derive(Clone, Debug)]
pub struct SentSegment {
    /// First sequence number.
    pub seq: SeqNum,
    /// Length in sequence space.
    pub len: u32,
    /// What it is.
    pub content: Content,
    /// Its bytes.
    pub payload: Payload,
    fate: Fate,
    sent_at: Instant,
    times_sent: u32,
}

impl SentSegment {
    /// True if it went out before this time.
    #[must_use]
    pub fn is_retransmission(&self) -> bool {
        self.times_sent > 1
    }

    fn end(&self) -> SeqNum {
        self.seq + self.len
    }
}

/// What an acknowledgment told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Sequence space newly known to have arrived, cumulatively or selectively.
    pub bytes: usize,
    /// Round-trip time of the latest segment among it that was sent only once.
    pub rtt: Option<Duration>,
    /// Payload of the largest segment among it.
    pub largest: usize,
    /// Our SYN is acknowledged by it.
    pub syn: bool,
    /// Our FIN is acknowledged by it.
    pub fin: bool,
}

impl Delivered {
    fn count(&mut self, now: Instant, segment: &SentSegment, len: u32) {
        self.bytes += len as usize;
        if segment.content == Content::Data {
            self.largest = self.largest.max(len as usize);
        }
        if segment.times_sent == 1 {
            let rtt = now.saturating_duration_since(segment.sent_at);
            self.rtt = Some(self.rtt.map_or(rtt, |least| least.min(rtt)));
        }
    }
}

/// The retransmission queue.
#[derive(Debug)]
pub struct Scoreboard {
    segments: VecDeque<SentSegment>,
    in_flight: usize,
    lost: usize,
    /// Segments before this have been judged by the selective acknowledgments above them.
    judged: SeqNum,
    /// Sacked bytes at or after `judged`.
    sacked_above: usize,
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
            in_flight: 0,
            lost: 0,
            judged: iss,
            sacked_above: 0,
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
        self.in_flight
    }

    /// Bytes judged lost and not yet sent again.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Records a segment sent for the first time, directly after those before it.
    pub fn push(
        &mut self,
        now: Instant,
        seq: SeqNum,
        len: u32,
        content: Content,
        payload: Payload,
    ) {
        self.in_flight += len as usize;
        self.segments.push_back(SentSegment {
            seq,
            len,
            content,
            payload,
            fate: Fate::InFlight,
            sent_at: now,
            times_sent: 1,
        });
    }

    /// Records a SYN that is yet to be sent: [`Self::retransmit_next`] hands it out.
    pub fn push_unsent_syn(&mut self, now: Instant, seq: SeqNum) {
        self.push(now, seq, 1, Content::Syn, Payload::new());
        self.lose_first();
        if let Some(syn) = self.segments.back_mut() {
            syn.times_sent = 0;
        }
    }

    /// Everything before `ack` has arrived.
    pub fn acknowledge(&mut self, now: Instant, ack: SeqNum, delivered: &mut Delivered) {
        while let Some(front) = self.segments.front() {
            if !front.end().at_or_before(ack) {
                break;
            }
            let segment = self.segments.pop_front().expect("front() was Some");
            self.uncount(&segment, segment.len);
            if segment.fate != Fate::Sacked {
                delivered.count(now, &segment, segment.len);
            }
            delivered.syn |= segment.content == Content::Syn;
            delivered.fin |= segment.content == Content::Fin;
        }
        self.trim_front(now, ack, delivered);
        self.judged = self.judged.max(ack);
        self.lost_from = self.lost_from.max(ack);
    }

    /// Marks what `blocks` cover as received (RFC 2018 §4); blocks outside of what was sent, and
    /// parts of segments, are ignored.
    pub fn sack(
        &mut self,
        now: Instant,
        blocks: &[SackBlock],
        snd_nxt: SeqNum,
        delivered: &mut Delivered,
    ) {
        for block in blocks {
            if !block.left.before(block.right) || block.right.after(snd_nxt) {
                continue;
            }
            let known = self
                .seen
                .iter()
                .find(|seen| seen.left == block.left && seen.right.at_or_before(block.right));
            let from = known.map_or(block.left, |seen| seen.right);
            self.sack_range(now, from, block.left, block.right, delivered);
        }
        self.seen.clear();
        self.seen.extend_from_slice(&blocks[..blocks.len().min(4)]);
    }

    /// Judges segments with enough selective acknowledgments above them as lost
    /// (RFC 6675 §4, IsLost); returns whether any was.
    pub fn detect_losses(&mut self, mss: usize) -> bool {
        let threshold = (DUP_THRESH - 1) * mss + 1;
        let mut found = false;
        let mut index = self.index_of(self.judged);
        while self.sacked_above >= threshold {
            let Some(segment) = self.segments.get_mut(index) else {
                break;
            };
            let len = segment.len as usize;
            match segment.fate {
                Fate::Sacked if self.sacked_above - len < threshold => break,
                Fate::Sacked => self.sacked_above -= len,
                Fate::InFlight => {
                    segment.fate = Fate::Lost;
                    self.in_flight -= len;
                    self.lost += len;
                    self.lost_from = self.lost_from.min(segment.seq);
                    found = true;
                }
                Fate::Lost | Fate::Retransmitted => {}
            }
            self.judged = segment.end();
            index += 1;
        }
        found
    }

    /// Judges the first segment as lost; returns whether it was not already.
    pub fn lose_first(&mut self) -> bool {
        let Some(first) = self.segments.front_mut() else {
            return false;
        };
        match first.fate {
            Fate::InFlight | Fate::Retransmitted => {
                first.fate = Fate::Lost;
                self.in_flight -= first.len as usize;
                self.lost += first.len as usize;
                self.lost_from = first.seq;
                true
            }
            Fate::Sacked | Fate::Lost => false,
        }
    }

    /// Judges everything that is not known to have arrived as lost (after a timeout).
    pub fn lose_all(&mut self) {
        for segment in &mut self.segments {
            if matches!(segment.fate, Fate::InFlight | Fate::Retransmitted) {
                segment.fate = Fate::Lost;
                self.lost += segment.len as usize;
            }
        }
        self.in_flight = 0;
        if let (Some(first), Some(last)) = (self.segments.front(), self.segments.back()) {
            self.lost_from = first.seq;
            self.judged = last.end();
            self.sacked_above = 0;
        }
    }

    /// Judges every data segment on its way with more than `longest` bytes as lost; returns
    /// whether there was any.
    pub fn lose_longer_than(&mut self, longest: usize) -> bool {
        let mut found = false;
        for segment in &mut self.segments {
            let len = segment.len as usize;
            let on_its_way = matches!(segment.fate, Fate::InFlight | Fate::Retransmitted);
            if segment.content == Content::Data && len > longest && on_its_way {
                segment.fate = Fate::Lost;
                self.in_flight -= len;
                self.lost += len;
                self.lost_from = self.lost_from.min(segment.seq);
                found = true;
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
                Fate::InFlight => ByteFate::OnItsWay,
                Fate::Lost | Fate::Retransmitted => ByteFate::Lost,
            },
            Some(_) | None => ByteFate::Arrived,
        }
    }

    /// Payload of the first segment.
    #[must_use]
    pub fn first_payload_len(&self) -> usize {
        self.segments
            .front()
            .filter(|first| first.content == Content::Data)
            .map_or(0, |first| first.len as usize)
    }

    /// Takes the first lost segment for retransmission, cut to `max_payload` bytes of data.
    pub fn retransmit_next(&mut self, now: Instant, max_payload: usize) -> Option<SentSegment> {
        if self.lost == 0 {
            return None;
        }
        let start = self.index_of(self.lost_from);
        let index = (start..self.segments.len()).find(|&i| self.segments[i].fate == Fate::Lost)?;
        self.split(index, max_payload);
        let segment = &mut self.segments[index];
        segment.fate = Fate::Retransmitted;
        segment.sent_at = now;
        segment.times_sent += 1;
        self.lost -= segment.len as usize;
        self.in_flight += segment.len as usize;
        self.lost_from = segment.end();
        Some(segment.clone())
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.in_flight = 0;
        self.lost = 0;
        self.sacked_above = 0;
    }

    /// Cuts a data segment that is longer than `max_payload` in two.
    fn split(&mut self, index: usize, max_payload: usize) {
        let segment = &mut self.segments[index];
        if segment.content != Content::Data || segment.len as usize <= max_payload.max(1) {
            return;
        }
        let keep = u32::try_from(max_payload.max(1)).unwrap_or(segment.len);
        let mut rest = segment.clone();
        rest.seq = segment.seq + keep;
        rest.len = segment.len - keep;
        advance(&mut rest.payload, keep as usize);
        truncate(&mut segment.payload, keep as usize);
        segment.len = keep;
        self.segments.insert(index + 1, rest);
    }

    /// The peer acknowledged a part of the first segment.
    fn trim_front(&mut self, now: Instant, ack: SeqNum, delivered: &mut Delivered) {
        let Some(front) = self.segments.front() else {
            return;
        };
        let Ok(cut) = u32::try_from(ack.distance_from(front.seq)) else {
            return;
        };
        if cut == 0 {
            return;
        }
        let mut front = self.segments.pop_front().expect("front() was Some");
        self.uncount(&front, cut);
        if front.fate != Fate::Sacked {
            delivered.count(now, &front, cut);
        }
        front.seq += cut;
        front.len -= cut;
        advance(&mut front.payload, cut as usize);
        self.segments.push_front(front);
    }

    fn sack_range(
        &mut self,
        now: Instant,
        from: SeqNum,
        known_start: SeqNum,
        to: SeqNum,
        delivered: &mut Delivered,
    ) {
        let mut index = self.index_of(from);
        // A segment of which only a part was covered before is looked at again.
        if index > 0
            && self.segments[index - 1].end().after(from)
            && self.segments[index - 1].seq.before(from)
        {
            index -= usize::from(known_start.at_or_before(self.segments[index - 1].seq));
        }
        while let Some(segment) = self.segments.get_mut(index) {
            if segment.end().after(to) {
                break;
            }
            index += 1;
            let len = segment.len as usize;
            match segment.fate {
                Fate::Sacked => continue,
                Fate::InFlight | Fate::Retransmitted => self.in_flight -= len,
                Fate::Lost => self.lost -= len,
            }
            segment.fate = Fate::Sacked;
            delivered.count(now, segment, segment.len);
            if segment.seq.at_or_after(self.judged) {
                self.sacked_above += len;
            }
        }
    }

    /// Takes `len` bytes of a segment that leaves the queue out of the sums.
    fn uncount(&mut self, segment: &SentSegment, len: u32) {
        let len = len as usize;
        match segment.fate {
            Fate::InFlight | Fate::Retransmitted => self.in_flight -= len,
            Fate::Lost => self.lost -= len,
            Fate::Sacked if segment.seq.at_or_after(self.judged) => self.sacked_above -= len,
            Fate::Sacked => {}
        }
    }

    /// Index of the first segment that starts at or after `seq`.
    fn index_of(&self, seq: SeqNum) -> usize {
        self.segments
            .partition_point(|segment| segment.seq.before(seq))
    }
}

/// Drops the first `count` bytes.
fn advance(payload: &mut Payload, mut count: usize) {
    payload.retain(|slice| {
        let here = count.min(slice.len());
        slice.advance(here);
        count -= here;
        !slice.is_empty()
    });
}

/// Keeps only the first `count` bytes.
fn truncate(payload: &mut Payload, mut count: usize) {
    payload.retain(|slice| {
        slice.truncate(count);
        count -= slice.len();
        !slice.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const NOW: Instant = Instant::from_millis(10);

    /// `count` segments of 1000 bytes from sequence number 0 on.
    fn sent(count: u32) -> Scoreboard {
        let mut board = Scoreboard::new(SeqNum(0));
        for i in 0..count {
            let payload = SmallVec::from_iter([Bytes::from(vec![u8::try_from(i).unwrap(); 1000])]);
            board.push(
                Instant::ZERO,
                SeqNum(i * 1000),
                1000,
                Content::Data,
                payload,
            );
        }
        board
    }

    fn block(left: u32, right: u32) -> SackBlock {
        SackBlock {
            left: SeqNum(left),
            right: SeqNum(right),
        }
    }

    fn sack(board: &mut Scoreboard, blocks: &[SackBlock]) -> Delivered {
        let mut delivered = Delivered::default();
        board.sack(NOW, blocks, SeqNum(100_000), &mut delivered);
        delivered
    }

    #[test]
    fn cumulative_acknowledgment_frees_and_measures() {
        let mut board = sent(3);
        let mut delivered = Delivered::default();
        board.acknowledge(NOW, SeqNum(1500), &mut delivered);
        assert_eq!(delivered.bytes, 1500);
        assert_eq!(delivered.rtt, Some(Duration::from_millis(10)));
        assert_eq!(board.in_flight(), 1500);
    }

    #[test]
    fn three_segments_above_a_hole_make_it_lost() {
        let mut board = sent(10);
        assert_eq!(sack(&mut board, &[block(1000, 2000)]).bytes, 1000);
        sack(&mut board, &[block(1000, 3000)]);
        assert!(!board.detect_losses(1000));
        assert_eq!(sack(&mut board, &[block(1000, 4000)]).bytes, 1000);
        assert!(board.detect_losses(1000));
        assert_eq!((board.lost(), board.in_flight()), (1000, 6000));
        let again = board.retransmit_next(NOW, 1460).unwrap();
        assert_eq!((again.seq, again.len), (SeqNum(0), 1000));
        assert!(board.retransmit_next(NOW, 1460).is_none());
        assert!(!board.detect_losses(1000));
    }

    #[test]
    fn each_hole_is_judged_by_what_lies_above_it() {
        let mut board = sent(10);
        sack(
            &mut board,
            &[block(1000, 2000), block(3000, 4000), block(5000, 7000)],
        );
        assert!(board.detect_losses(1000));
        // 0 and 2000 have at least three segments above them, 4000 only two.
        assert_eq!(board.retransmit_next(NOW, 1460).unwrap().seq, SeqNum(0));
        assert_eq!(board.retransmit_next(NOW, 1460).unwrap().seq, SeqNum(2000));
        assert!(board.retransmit_next(NOW, 1460).is_none());
    }

    #[test]
    fn a_timeout_loses_all_but_what_was_sacked_and_splits_to_a_smaller_mss() {
        let mut board = sent(3);
        sack(&mut board, &[block(1000, 2000)]);
        board.lose_all();
        assert_eq!((board.lost(), board.in_flight()), (2000, 0));
        let first = board.retransmit_next(NOW, 600).unwrap();
        assert_eq!(
            (first.seq, first.len, first.payload.concat().len()),
            (SeqNum(0), 600, 600)
        );
        let second = board.retransmit_next(NOW, 600).unwrap();
        assert_eq!(
            (second.seq, second.len, second.payload.concat().len()),
            (SeqNum(600), 400, 400)
        );
        assert_eq!(board.retransmit_next(NOW, 600).unwrap().seq, SeqNum(2000));
    }

    #[test]
    fn retransmitted_segments_give_no_sample() {
        let mut board = sent(1);
        board.lose_all();
        board.retransmit_next(NOW, 1000);
        let mut delivered = Delivered::default();
        board.acknowledge(NOW, SeqNum(1000), &mut delivered);
        assert_eq!((delivered.bytes, delivered.rtt), (1000, None));
    }
}
