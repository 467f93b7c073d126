//! The sending half of the data level: what is written, sent, acknowledged, to be sent again
//! elsewhere (RFC 6824 §3.3.2, §3.3.3, §3.3.6).

use super::small_segments::Situation;
use crate::base::num::saturating_usize;
use crate::base::seq::DataSeq;
use crate::buffer::range_set::RangeSet;
use crate::buffer::send_buffer::SendBuffer;
use crate::wire::packet::Payload;
use bytes::Bytes;
use std::ops::Range;

/// The buffer of a new connection. A writer that is faster than the path fills it at once and then
/// waits behind it, so it is no more than lets the first round trips go at full speed: twice the
/// initial window (RFC 6928), doubled twice.
pub const INITIAL_CAPACITY: usize = 128 << 10;

/// Our DATA_FIN (or, on plain TCP, our FIN).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFin {
    /// The application may still write.
    Open,
    /// Behind everything written so far.
    Queued,
    /// Sent at least once.
    Sent,
    /// Acknowledged.
    Acknowledged,
}

/// A range handed to a subflow.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Offset of its first byte.
    pub offset: u64,
    /// Its bytes.
    pub payload: Payload,
    /// Their number.
    pub len: usize,
    /// The DATA_FIN follows directly and may ride along.
    pub data_fin: bool,
    /// Nothing more waits behind it.
    pub last: bool,
}

/// Bytes on their way from the application to the subflows.
///
/// Offsets count the payload bytes of the connection from 0; offset 0 has DSN IDSN + 1.
#[derive(Debug)]
pub struct DataSend {
    /// DSN of offset 0.
    first: DataSeq,
    buffer: SendBuffer,
    /// Next offset that was never sent.
    next: u64,
    /// Right edge of the peer's window.
    edge: u64,
    /// Ranges to be sent again on another subflow.
    reinject: RangeSet,
    reinjected: u64,
    fin: DataFin,
    /// The largest window the peer announced.
    largest_window: u64,
    /// A small segment waited long enough: the next one may go whatever its size.
    overridden: bool,
    /// The application has more to write before a small segment is worth sending.
    corked: bool,
    capacity: usize,
    limit: usize,
    /// Where [`Self::una`] and [`Self::next`] were when everything was dropped.
    dropped_at: Option<(u64, u64)>,
}

/// What a subflow can take.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Payload of a full segment.
    pub segment: usize,
    /// Bytes there is room for at once: more than a segment if the device cuts.
    pub room: usize,
    /// Small segments wait for acknowledgments (RFC 9293 §3.7.4).
    pub nagle: bool,
}

impl DataSend {
    /// Nothing written yet; the buffer grows to `limit` bytes at most.
    #[must_use]
    pub fn new(idsn: DataSeq, limit: usize) -> Self {
        Self {
            first: idsn + 1,
            buffer: SendBuffer::new(),
            next: 0,
            edge: 0,
            reinject: RangeSet::new(),
            reinjected: 0,
            fin: DataFin::Open,
            largest_window: 0,
            overridden: false,
            corked: false,
            capacity: limit.min(INITIAL_CAPACITY),
            limit,
            dropped_at: None,
        }
    }

    /// Changes where data sequence numbers start, before anything is sent.
    pub fn set_idsn(&mut self, idsn: DataSeq) {
        self.first = idsn + 1;
    }

    /// The DSN of an offset.
    #[must_use]
    pub fn dsn(&self, offset: u64) -> DataSeq {
        self.first + offset
    }

    /// Oldest offset not acknowledged.
    #[must_use]
    pub fn una(&self) -> u64 {
        self.buffer.start()
    }

    /// Next offset that was never sent.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Offset behind everything written.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.buffer.end()
    }

    /// Bytes given to subflows, each counted once.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.dropped_at.map_or(self.next, |(_, next)| next)
    }

    /// Bytes acknowledged.
    #[must_use]
    pub fn bytes_acked(&self) -> u64 {
        self.dropped_at.map_or_else(|| self.una(), |(una, _)| una)
    }

    /// Bytes sent again on another subflow.
    #[must_use]
    pub fn bytes_reinjected(&self) -> u64 {
        self.reinjected
    }

    /// The DATA_FIN.
    #[must_use]
    pub fn fin(&self) -> DataFin {
        self.fin
    }

    /// Room for writing.
    #[must_use]
    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.buffer.len())
    }

    /// Bytes that may wait to be sent or acknowledged now.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Holds back what is less than a segment until it is told otherwise, or has waited long enough.
    pub fn set_corked(&mut self, corked: bool) {
        self.corked = corked;
    }

    /// Changes how far the buffer may grow; what it has grown to, it keeps.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Lets the buffer hold so much, up to its limit; it never shrinks.
    pub fn grow(&mut self, capacity: usize) {
        self.capacity = self.capacity.max(capacity.min(self.limit));
    }

    /// An eighth of the buffer is free: worth waking a writer for. Doing so for every acknowledged
    /// segment would cost more than it brings.
    #[must_use]
    pub fn has_room_to_wake(&self) -> bool {
        self.room() >= (self.capacity / 8).max(1)
    }

    /// Takes what there is room for; returns how much.
    pub fn write(&mut self, data: &[u8]) -> usize {
        let len = data.len().min(self.room());
        self.buffer.write(&data[..len]);
        len
    }

    /// Takes from the front of `data` what there is room for; returns how much.
    pub fn write_bytes(&mut self, data: &mut Bytes) -> usize {
        let len = data.len().min(self.room());
        self.buffer.write_bytes(data.split_to(len));
        len
    }

    /// No more will be written.
    pub fn finish(&mut self) {
        if self.fin == DataFin::Open {
            self.fin = DataFin::Queued;
        }
    }

    /// The DATA_FIN went out.
    pub fn fin_sent(&mut self) {
        if self.fin == DataFin::Queued {
            self.fin = DataFin::Sent;
        }
    }

    /// The DATA_FIN is due and was not sent yet: everything before it was.
    #[must_use]
    pub fn is_fin_due(&self) -> bool {
        self.fin == DataFin::Queued && self.next == self.end()
    }

    /// Anything sent, data or DATA_FIN, waits for acknowledgment.
    #[must_use]
    pub fn is_outstanding(&self) -> bool {
        self.una() < self.next || self.fin == DataFin::Sent
    }

    /// Unsent data waits, whatever the window says.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.next < self.end()
    }

    /// Data waits to be sent again elsewhere.
    #[must_use]
    pub fn has_reinjection(&self) -> bool {
        !self.reinject.is_empty()
    }

    /// The next range to send: reinjections first, then new data within the peer's window. What is
    /// less than a segment may have to wait: see [`super::small_segments`].
    pub fn next_chunk(&mut self, offer: Offer) -> Option<Chunk> {
        if let Some(range) = self.reinject.first() {
            let len = saturating_usize(range.end - range.start).min(offer.room);
            if len == 0 {
                return None;
            }
            self.reinject.remove(range.start..range.start + len as u64);
            self.reinjected += len as u64;
            self.overridden = false;
            return Some(self.chunk(range.start, len));
        }
        let window = saturating_usize(self.edge.saturating_sub(self.next));
        let situation = Situation {
            waiting: saturating_usize(self.end() - self.next),
            usable: window.min(offer.room),
            segment: offer.segment,
            outstanding: self.una() < self.next,
            nagle: offer.nagle && self.fin == DataFin::Open,
            corked: self.corked && self.fin == DataFin::Open,
            largest_window: self.largest_window,
            overridden: self.overridden,
        };
        let len = situation.sendable();
        if len == 0 {
            return None;
        }
        let chunk = self.chunk(self.next, len);
        self.next += len as u64;
        self.overridden = false;
        Some(chunk)
    }

    /// A subflow without anything in flight, but with room for less than a segment, may be used:
    /// its window will not become better by waiting (RFC 9293 §3.8.6.2.1).
    #[must_use]
    pub fn may_use_small_room(&self, room: usize, largest_window: u32) -> bool {
        let waiting = match self.reinject.first() {
            Some(range) => range.end - range.start,
            None => self.end() - self.next,
        };
        let room = room as u64;
        room > 0 && (self.overridden || waiting <= room || room >= u64::from(largest_window / 2))
    }

    /// The override timer of RFC 9293 §3.8.6.2.1 has expired: the next segment may be small.
    /// Returns false if that had been said before and changed nothing.
    pub fn override_small(&mut self) -> bool {
        !core::mem::replace(&mut self.overridden, true)
    }

    /// Takes a DATA_ACK with the window of the same segment. Returns whether it acknowledged
    /// anything new; one that is old or impossible changes nothing (RFC 6824 §3.3.4).
    pub fn acknowledge(&mut self, data_ack: DataSeq, window: u64) -> bool {
        let Ok(acked) = u64::try_from(data_ack.distance_from(self.first)) else {
            return false;
        };
        let fin_sent = matches!(self.fin, DataFin::Sent | DataFin::Acknowledged);
        let sent = self.next + u64::from(fin_sent);
        if acked < self.una() || acked > sent {
            return false;
        }
        self.edge = self.edge.max(acked + window);
        self.largest_window = self.largest_window.max(window);
        let mut progress = acked > self.una();
        if fin_sent && acked == sent {
            progress |= self.fin == DataFin::Sent;
            self.fin = DataFin::Acknowledged;
        }
        self.buffer.release_before(acked.min(self.next));
        self.reinject.remove_before(acked);
        progress
    }

    /// As [`Self::acknowledge`] without DATA_ACK: on plain TCP the subflow's ACK counts.
    pub fn acknowledge_offset(&mut self, offset: u64, window: u64) -> bool {
        self.acknowledge(self.dsn(offset), window)
    }

    /// Lets a range be sent again, as far as it is sent and not acknowledged.
    pub fn reinject(&mut self, range: Range<u64>) {
        let start = range.start.max(self.una());
        let end = range.end.min(self.next);
        if start < end {
            self.reinject.insert(start..end);
        }
    }

    /// What was to be sent again is not: there is no other subflow, and no mapping that could say
    /// where in the stream it belongs.
    pub fn forget_reinjections(&mut self) {
        self.reinject.clear();
    }

    /// New data that the peer's window leaves room for, in bytes.
    #[must_use]
    pub fn window_room(&self) -> usize {
        saturating_usize(self.edge.saturating_sub(self.next))
    }

    /// True if the window alone keeps data from being sent.
    #[must_use]
    pub fn is_window_closed(&self) -> bool {
        self.has_unsent() && self.edge <= self.next
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        if self.dropped_at.is_none() {
            self.dropped_at = Some((self.una(), self.next));
        }
        let end = self.buffer.end();
        self.buffer.release_before(end);
        self.next = end;
        self.reinject.clear();
    }

    fn chunk(&mut self, offset: u64, len: usize) -> Chunk {
        let end = offset + len as u64;
        let last = end == self.end();
        Chunk {
            offset,
            payload: self.buffer.slice(offset, len),
            len,
            data_fin: last && self.fin != DataFin::Open,
            last,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments_of(segment: usize) -> Offer {
        Offer {
            segment,
            room: segment,
            nagle: true,
        }
    }

    fn sender(edge: u64) -> DataSend {
        let mut send = DataSend::new(DataSeq(99), 1000);
        assert!(!send.acknowledge(DataSeq(100), edge));
        send
    }

    #[test]
    fn chunks_follow_the_window_and_leave_on_acknowledgment() {
        let mut send = sender(150);
        assert_eq!(send.write(&[7; 2000]), 1000);
        let first = send.next_chunk(segments_of(100)).unwrap();
        assert_eq!((first.offset, first.len, first.last), (0, 100, false));
        // 50 bytes of window are less than a segment while data is outstanding.
        assert!(send.next_chunk(segments_of(100)).is_none());
        assert!(send.acknowledge(DataSeq(200), 50));
        // Nor is it half of the largest one: it waits for more, or for the override timer.
        assert!(send.next_chunk(segments_of(100)).is_none());
        assert!(send.override_small());
        assert!(!send.override_small(), "the timer expired again");
        assert_eq!(send.next_chunk(segments_of(100)).unwrap().len, 50);
        assert_eq!(send.room(), 100);
        // Beyond what was sent, or older than what is acknowledged: ignored.
        assert!(!send.acknowledge(DataSeq(251), 500));
        assert!(!send.acknowledge(DataSeq(150), 5000));
        assert!(send.is_window_closed());
    }

    #[test]
    fn a_small_rest_waits_unless_finished() {
        let mut send = sender(1000);
        send.write(&[1; 150]);
        assert_eq!(send.next_chunk(segments_of(100)).unwrap().len, 100);
        assert!(send.next_chunk(segments_of(100)).is_none());
        send.finish();
        let rest = send.next_chunk(segments_of(100)).unwrap();
        assert_eq!((rest.len, rest.data_fin), (50, true));
    }

    #[test]
    fn reinjection_comes_first_and_skips_what_was_acknowledged() {
        let mut send = sender(1000);
        send.write(&[1; 300]);
        while send.next_chunk(segments_of(100)).is_some() {}
        send.reinject(0..250);
        send.acknowledge(DataSeq(150), 1000);
        let again = send.next_chunk(segments_of(100)).unwrap();
        assert_eq!((again.offset, again.len), (50, 100));
        send.acknowledge(DataSeq(400), 1000);
        assert!(send.next_chunk(segments_of(100)).is_none());
        assert_eq!(send.bytes_reinjected(), 100);
    }

    #[test]
    fn what_was_to_be_sent_again_can_be_forgotten() {
        let mut send = sender(1000);
        send.write(&[1; 300]);
        while send.next_chunk(segments_of(100)).is_some() {}
        send.reinject(0..250);
        assert!(send.has_reinjection());
        send.forget_reinjections();
        assert!(!send.has_reinjection());
        assert!(send.next_chunk(segments_of(100)).is_none());
    }

    #[test]
    fn the_buffer_grows_to_its_limit_and_no_further() {
        let mut send = DataSend::new(DataSeq(99), 1 << 20);
        assert_eq!(send.write(&[0; 1 << 21]), INITIAL_CAPACITY);
        assert!(!send.has_room_to_wake());
        send.grow(INITIAL_CAPACITY / 2);
        assert_eq!(send.capacity(), INITIAL_CAPACITY);
        send.grow(INITIAL_CAPACITY * 2);
        assert!(send.has_room_to_wake());
        assert_eq!(send.write(&[0; 1 << 21]), INITIAL_CAPACITY);
        send.grow(usize::MAX);
        assert_eq!(send.capacity(), 1 << 20);
    }

    #[test]
    fn the_fin_has_a_number_of_its_own() {
        let mut send = sender(1000);
        send.write(b"x");
        send.finish();
        send.next_chunk(segments_of(10)).unwrap();
        assert!(send.is_fin_due());
        send.fin_sent();
        send.acknowledge(DataSeq(101), 1000);
        assert_eq!(send.fin(), DataFin::Sent);
        assert!(send.is_outstanding());
        assert!(send.acknowledge(DataSeq(102), 1000));
        assert_eq!(send.fin(), DataFin::Acknowledged);
        assert!(!send.is_outstanding());
    }
}
