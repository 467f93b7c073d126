//! The sending half of the data level: what is written, sent, acknowledged, to be sent again
//! elsewhere (RFC 6824 §3.3.2, §3.3.3, §3.3.6).

use crate::base::num::saturating_usize;
use crate::base::seq::DataSeq;
use crate::buffer::range_set::RangeSet;
use crate::buffer::send_buffer::SendBuffer;
use crate::wire::packet::Payload;
use bytes::Bytes;
use std::ops::Range;

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
    capacity: usize,
}

impl DataSend {
    /// Nothing written yet.
    #[must_use]
    pub fn new(idsn: DataSeq, capacity: usize) -> Self {
        Self {
            first: idsn + 1,
            buffer: SendBuffer::new(),
            next: 0,
            edge: 0,
            reinject: RangeSet::new(),
            reinjected: 0,
            fin: DataFin::Open,
            capacity,
        }
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

    /// The next range to send, of at most `max` bytes: reinjections first, then new data within
    /// the peer's window. `hold_small` keeps back a last segment that is not full while earlier
    /// data is unacknowledged (RFC 9293 §3.7.4, at the data level).
    pub fn next_chunk(&mut self, max: usize, hold_small: bool) -> Option<Chunk> {
        if max == 0 {
            return None;
        }
        if let Some(range) = self.reinject.first() {
            let len = saturating_usize(range.end - range.start).min(max);
            self.reinject.remove(range.start..range.start + len as u64);
            self.reinjected += len as u64;
            return Some(self.chunk(range.start, len));
        }
        let unsent = saturating_usize(self.end() - self.next);
        let window = saturating_usize(self.edge.saturating_sub(self.next));
        let len = unsent.min(window).min(max);
        if len == 0 {
            return None;
        }
        // Silly window avoidance of the sender (RFC 9293 §3.8.6.2.1), and Nagle: a part of a
        // segment goes only if it is all there is, or nothing is outstanding.
        let small = len < max;
        let everything = len == unsent;
        let idle = self.una() == self.next;
        if small && !idle && (!everything || (hold_small && self.fin == DataFin::Open)) {
            return None;
        }
        let chunk = self.chunk(self.next, len);
        self.next += len as u64;
        Some(chunk)
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

    /// True if the window alone keeps data from being sent.
    #[must_use]
    pub fn is_window_closed(&self) -> bool {
        self.has_unsent() && self.edge <= self.next
    }

    /// Drops everything.
    pub fn clear(&mut self) {
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

    fn sender(edge: u64) -> DataSend {
        let mut send = DataSend::new(DataSeq(99), 1000);
        assert!(!send.acknowledge(DataSeq(100), edge));
        send
    }

    #[test]
    fn chunks_follow_the_window_and_leave_on_acknowledgment() {
        let mut send = sender(150);
        assert_eq!(send.write(&[7; 2000]), 1000);
        let first = send.next_chunk(100, true).unwrap();
        assert_eq!((first.offset, first.len, first.last), (0, 100, false));
        // 50 bytes of window are less than a segment while data is outstanding.
        assert!(send.next_chunk(100, true).is_none());
        assert!(send.acknowledge(DataSeq(200), 50));
        assert_eq!(send.next_chunk(100, true).unwrap().len, 50);
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
        assert_eq!(send.next_chunk(100, true).unwrap().len, 100);
        assert!(send.next_chunk(100, true).is_none());
        send.finish();
        let rest = send.next_chunk(100, true).unwrap();
        assert_eq!((rest.len, rest.data_fin), (50, true));
    }

    #[test]
    fn reinjection_comes_first_and_skips_what_was_acknowledged() {
        let mut send = sender(1000);
        send.write(&[1; 300]);
        while send.next_chunk(100, true).is_some() {}
        send.reinject(0..250);
        send.acknowledge(DataSeq(150), 1000);
        let again = send.next_chunk(100, true).unwrap();
        assert_eq!((again.offset, again.len), (50, 100));
        send.acknowledge(DataSeq(400), 1000);
        assert!(send.next_chunk(100, true).is_none());
        assert_eq!(send.bytes_reinjected(), 100);
    }

    #[test]
    fn the_fin_has_a_number_of_its_own() {
        let mut send = sender(1000);
        send.write(b"x");
        send.finish();
        send.next_chunk(10, true).unwrap();
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
