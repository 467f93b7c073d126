//! The receiving half of the data level: reassembly across subflows, and what the application has
//! yet to read (RFC 6824 §3.3.4). How much may come is [`super::receive_window`]'s business.

use super::receive_window::{Place, ReceiveWindow};
use crate::base::num::saturating_usize;
use crate::base::seq::DataSeq;
use crate::base::time::{Duration, Instant};
use crate::buffer::assembler::{Assembler, compact};
use bytes::{Buf as _, Bytes};
use std::collections::VecDeque;

/// What became of bytes that a subflow brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The in-order end moved.
    InOrder,
    /// They wait behind a gap.
    Ahead {
        /// Nothing that waits lies behind them.
        at_end: bool,
        /// They touch or overlap something that waited.
        joined: bool,
    },
    /// All of them had come before.
    Duplicate,
    /// They lie beyond the window, or there is no room for so many pieces.
    Refused,
}

/// Bytes on their way from the subflows to the application.
///
/// Offsets count the payload bytes of the connection from 0; offset 0 has DSN IDSN + 1.
#[derive(Debug)]
pub struct DataReceive {
    /// DSN of offset 0.
    first: DataSeq,
    assembler: Assembler,
    /// In-order bytes that wait to be read.
    queue: VecDeque<Bytes>,
    queued: usize,
    window: ReceiveWindow,
    /// Where the stream ends, once the peer said so.
    fin: Option<u64>,
    fin_reached: bool,
}

impl DataReceive {
    /// Waits for data; `idsn` is the peer's, known later on some connections. At most `limit` bytes
    /// will wait to be read.
    #[must_use]
    pub fn new(idsn: DataSeq, limit: usize) -> Self {
        Self {
            first: idsn + 1,
            assembler: Assembler::new(0),
            queue: VecDeque::new(),
            queued: 0,
            window: ReceiveWindow::new(limit),
            fin: None,
            fin_reached: false,
        }
    }

    /// The peer's IDSN became known; no data has been mapped yet.
    pub fn set_idsn(&mut self, idsn: DataSeq) {
        self.first = idsn + 1;
    }

    /// The DSN of an offset.
    #[must_use]
    pub fn dsn(&self, offset: u64) -> DataSeq {
        self.first + offset
    }

    /// The next DSN expected: what a DATA_ACK says. A DATA_FIN that was reached counts.
    #[must_use]
    pub fn data_ack(&self) -> DataSeq {
        self.rcv_nxt() + u64::from(self.fin_reached)
    }

    /// DSN after the last in-order byte.
    #[must_use]
    pub fn rcv_nxt(&self) -> DataSeq {
        self.first + self.assembler.next_offset()
    }

    /// Bytes received in order since the start.
    #[must_use]
    pub fn bytes_received(&self) -> u64 {
        self.assembler.next_offset()
    }

    /// Bytes that wait to be read.
    #[must_use]
    pub fn readable(&self) -> usize {
        self.queued
    }

    /// The peer finished and everything before the end has arrived.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.fin_reached
    }

    /// As [`Self::place_bytes`]; returns whether the in-order end moved.
    pub fn insert(&mut self, dsn: DataSeq, bytes: Bytes) -> bool {
        self.place_bytes(dsn, bytes) == Placed::InOrder
    }

    /// Takes bytes of a subflow. What is old or beyond the window is dropped, and of bytes that
    /// come twice the first copy counts (protocol reference 3.6, step 5).
    pub fn place_bytes(&mut self, dsn: DataSeq, bytes: Bytes) -> Placed {
        let acceptable = self.window.acceptable(self.place());
        self.place_before(acceptable, dsn, bytes)
    }

    /// The same of bytes without mappings: the subflow's window is the only one they have, and what
    /// it has let in is acknowledged already.
    pub fn place_unmapped(&mut self, dsn: DataSeq, bytes: Bytes) -> Placed {
        self.place_before(u64::MAX, dsn, bytes)
    }

    fn place_before(&mut self, limit: u64, dsn: DataSeq, mut bytes: Bytes) -> Placed {
        let next = self.assembler.next_offset();
        let ahead = dsn.distance_from(self.rcv_nxt());
        let mut offset = next.wrapping_add_signed(ahead);
        if ahead < 0 {
            let old = saturating_usize(ahead.unsigned_abs());
            if old >= bytes.len() {
                return Placed::Duplicate;
            }
            bytes.advance(old);
            offset = next;
        }
        let limit = self.fin.unwrap_or(u64::MAX).min(limit);
        bytes.truncate(saturating_usize(limit.saturating_sub(offset)));
        if bytes.is_empty() {
            return Placed::Refused;
        }
        if self.assembler.advance_if_next(offset, bytes.len()) {
            self.enqueue(bytes);
        } else {
            if offset > next && !self.assembler.has_room_ahead() {
                return Placed::Refused;
            }
            let stored = self.assembler.insert(offset, compact(bytes));
            if offset > next {
                return match stored.bytes {
                    0 => Placed::Duplicate,
                    _ => Placed::Ahead {
                        at_end: stored.at_end,
                        joined: stored.joined,
                    },
                };
            }
        }
        while let Some((_, more)) = self.assembler.pop() {
            self.enqueue(more);
        }
        Placed::InOrder
    }

    /// The peer's DATA_FIN has this DSN. A second, different one is ignored, and so is one that
    /// stands beyond the window: all data in front of it would have to fit.
    ///
    /// What has arrived from behind it is dropped (protocol reference 3.7).
    pub fn finish_at(&mut self, dsn: DataSeq) {
        let Ok(ahead) = u64::try_from(dsn.distance_from(self.rcv_nxt())) else {
            return;
        };
        let end = self.assembler.next_offset() + ahead;
        if self.fin.is_none() && end <= self.window.acceptable(self.place()) {
            self.fin = Some(end);
            self.assembler.truncate(end);
        }
    }

    /// An announced end that was not reached does not count any more: without mappings the
    /// subflow's FIN is the end.
    pub fn forget_fin(&mut self) {
        if !self.fin_reached {
            self.fin = None;
        }
    }

    /// Returns true once, when the in-order end meets the DATA_FIN.
    pub fn take_fin_reached(&mut self) -> bool {
        let reached = !self.fin_reached && self.fin == Some(self.assembler.next_offset());
        self.fin_reached |= reached;
        reached
    }

    /// Reads up to `max` bytes as they lie.
    pub fn read_chunk(&mut self, max: usize) -> Option<Bytes> {
        let front = self.queue.front_mut()?;
        let chunk = if front.len() <= max {
            self.queue.pop_front()?
        } else {
            front.split_to(max)
        };
        self.queued -= chunk.len();
        Some(chunk)
    }

    /// Reads into `buffer`; returns how much.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(front) = self.queue.front_mut() else {
                break;
            };
            let take = front.len().min(buffer.len() - filled);
            buffer[filled..filled + take].copy_from_slice(&front[..take]);
            filled += take;
            if take == front.len() {
                self.queue.pop_front();
            } else {
                front.advance(take);
            }
        }
        self.queued -= filled;
        filled
    }

    /// As [`Self::read`], but leaves what it reads.
    #[must_use]
    pub fn peek(&self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        for chunk in &self.queue {
            let take = chunk.len().min(buffer.len() - filled);
            buffer[filled..filled + take].copy_from_slice(&chunk[..take]);
            filled += take;
            if filled == buffer.len() {
                break;
            }
        }
        filled
    }

    /// Bytes that may wait to be read now.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.window.capacity()
    }

    /// Changes how far the window may grow: see [`ReceiveWindow::set_limit`].
    pub fn set_limit(&mut self, limit: usize) {
        self.window.set_limit(limit);
    }

    /// The window to announce now: see [`ReceiveWindow::announce`].
    pub fn announce_window(&mut self, scale: u8, mss: usize) -> (u16, u32) {
        self.window.announce(self.place(), scale, mss)
    }

    /// The peer should hear of the window now: see [`ReceiveWindow::should_announce`].
    #[must_use]
    pub fn should_announce(&self, mss: usize) -> bool {
        self.window.should_announce(self.place(), mss)
    }

    /// [`Self::end_round`] is due.
    #[must_use]
    pub fn is_round_over(&self, now: Instant) -> bool {
        self.window.is_round_over(now, self.assembler.next_offset())
    }

    /// See [`ReceiveWindow::end_round`].
    pub fn end_round(&mut self, now: Instant, rtt: Option<Duration>) {
        self.window.end_round(now, self.place(), rtt);
    }

    /// See [`ReceiveWindow::shorten_round`].
    pub fn shorten_round(&mut self, rtt: Duration) {
        self.window.shorten_round(rtt);
    }

    /// Bytes at or behind this offset are not taken now; `mapped` ones are bound by the window.
    #[must_use]
    pub fn limit(&self, mapped: bool) -> u64 {
        let window = if mapped {
            self.window.acceptable(self.place())
        } else {
            u64::MAX
        };
        self.fin.unwrap_or(u64::MAX).min(window)
    }

    /// Drops everything that waits.
    pub fn clear(&mut self) {
        self.assembler.clear();
        self.queue.clear();
        self.queued = 0;
    }

    fn place(&self) -> Place {
        let received = self.assembler.next_offset();
        Place {
            read: received - self.queued as u64,
            received,
        }
    }

    fn enqueue(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        // A waiting small slice is worth a copy only if others wait with it; the first is likely
        // to be read at once.
        let bytes = if self.queue.is_empty() {
            bytes
        } else {
            compact(bytes)
        };
        self.queue.push_back(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_at_stays() {
        let mut receive = DataReceive::new(DataSeq(99), 1000);
        let mut buffer = [0; 4];
        assert_eq!(receive.peek(&mut buffer), 0);
        receive.insert(DataSeq(100), Bytes::from_static(b"abc"));
        receive.insert(DataSeq(103), Bytes::from_static(b"def"));
        for _ in 0..2 {
            assert_eq!(receive.peek(&mut buffer), 4);
            assert_eq!(&buffer, b"abcd");
            assert_eq!(receive.readable(), 6);
        }
        assert_eq!(receive.peek(&mut buffer[..1]), 1);
        assert_eq!(receive.peek(&mut []), 0);
        assert_eq!(receive.read(&mut buffer), 4);
        assert_eq!(receive.peek(&mut buffer), 2);
        assert_eq!(&buffer[..2], b"ef");
    }

    fn receiver(capacity: usize) -> DataReceive {
        let mut receive = DataReceive::new(DataSeq(u64::MAX - 1), capacity);
        receive.announce_window(0, 2);
        receive
    }

    fn at(offset: u64) -> DataSeq {
        DataSeq(u64::MAX) + offset
    }

    #[test]
    fn data_of_two_subflows_comes_out_in_order_across_the_wrap() {
        let mut receive = receiver(1000);
        assert!(!receive.insert(at(5), Bytes::from_static(b"world")));
        assert!(receive.insert(at(0), Bytes::from_static(b"hello")));
        assert_eq!(receive.data_ack(), at(10));
        let mut buffer = [0; 20];
        assert_eq!(receive.read(&mut buffer), 10);
        assert_eq!(&buffer[..10], b"helloworld");
    }

    #[test]
    fn what_is_peeked_at_stays() {
        let mut receive = receiver(1000);
        let mut buffer = [0; 8];
        assert_eq!(receive.peek(&mut buffer), 0);
        receive.insert(at(0), Bytes::from_static(b"hello "));
        receive.insert(at(6), Bytes::from_static(b"world"));
        for _ in 0..2 {
            assert_eq!(receive.peek(&mut buffer), 8);
            assert_eq!(&buffer, b"hello wo");
        }
        assert_eq!(receive.read(&mut buffer[..5]), 5);
        assert_eq!(receive.peek(&mut buffer), 6);
        assert_eq!(&buffer[..6], b" world");
        assert_eq!(receive.readable(), 6);
    }

    #[test]
    fn the_window_shrinks_only_by_what_arrives_and_data_beyond_it_is_dropped() {
        let mut receive = receiver(10);
        assert!(receive.insert(at(0), Bytes::from_static(b"123456")));
        assert_eq!(receive.announce_window(0, 2), (4, 4));
        receive.insert(at(6), Bytes::from_static(b"789abcdef"));
        assert_eq!(receive.readable(), 10);
        assert_eq!(receive.announce_window(0, 2), (0, 0));
        assert!(!receive.should_announce(2));
        receive.read_chunk(100);
        assert!(receive.should_announce(2));
        assert_eq!(receive.announce_window(0, 2), (6, 6));
    }

    #[test]
    fn rounding_to_the_scale_never_moves_the_edge_back() {
        let mut receive = DataReceive::new(DataSeq(0), 1024);
        assert_eq!(receive.announce_window(7, 2), (8, 1024));
        receive.insert(DataSeq(1), Bytes::from_static(b"x"));
        assert_eq!(receive.announce_window(7, 2), (8, 1024));
    }

    #[test]
    fn what_came_from_behind_the_end_is_dropped() {
        let mut receive = receiver(100);
        receive.insert(at(2), Bytes::from_static(b"cdefgh"));
        receive.insert(at(20), Bytes::from_static(b"uvw"));
        receive.finish_at(at(4));
        receive.insert(at(0), Bytes::from_static(b"ab"));
        assert!(receive.take_fin_reached());
        assert_eq!(receive.data_ack(), at(5));
        receive.insert(at(4), Bytes::from_static(b"more"));
        let mut buffer = [0; 20];
        assert_eq!(receive.read(&mut buffer), 4);
        assert_eq!(&buffer[..4], b"abcd");
        assert_eq!(receive.data_ack(), at(5));
    }

    #[test]
    fn an_end_beyond_the_window_is_none() {
        let mut receive = receiver(100);
        receive.finish_at(at(101));
        // The last byte may just fill the window: the DATA_FIN takes no room.
        receive.finish_at(at(100));
        receive.insert(at(0), Bytes::from_static(&[7; 100]));
        assert!(receive.take_fin_reached());
    }

    #[test]
    fn the_end_is_reached_only_behind_the_last_byte() {
        let mut receive = receiver(100);
        receive.finish_at(at(4));
        assert!(!receive.take_fin_reached());
        receive.insert(at(0), Bytes::from_static(b"more than four"));
        assert!(receive.take_fin_reached());
        assert!(!receive.take_fin_reached());
        assert_eq!(receive.data_ack(), at(5));
        assert_eq!(receive.read_chunk(100).unwrap(), "more");
    }
}
