//! One entry of the retransmission queue.

use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::packet::Payload;
use bytes::Buf as _;

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
pub(super) enum Fate {
    /// On its way.
    InFlight,
    /// Received by the peer out of order.
    Sacked,
    /// Judged lost, to be sent again.
    Lost,
}

/// One time that something was sent. Numbers grow with every transmission of a connection, so
/// they order those of one instant as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// Its place among all transmissions.
    pub number: u64,
    /// When it was.
    pub at: Instant,
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
    pub(super) fate: Fate,
    /// The latest transmission.
    pub(super) sent: Transmission,
    pub(super) times_sent: u32,
    /// The device cut it into pieces of this size: only those can get lost one by one.
    pub(super) slice: u32,
}

impl SentSegment {
    /// True if it went out before this time.
    #[must_use]
    pub fn is_retransmission(&self) -> bool {
        self.times_sent > 1
    }

    pub(super) fn end(&self) -> SeqNum {
        self.seq + self.len
    }

    /// Its payload, or that of the largest piece that the device cut it into.
    pub(super) fn largest_payload(&self) -> usize {
        match self.content {
            Content::Data => self.len.min(self.slice) as usize,
            Content::Syn | Content::Fin => 0,
        }
    }

    /// Cuts off everything behind the first `keep` bytes, which becomes a segment of its own.
    pub(super) fn split_off(&mut self, keep: u32) -> Self {
        let mut rest = self.clone();
        rest.drop_front(keep);
        truncate(&mut self.payload, keep as usize);
        self.len = keep;
        rest
    }

    /// Drops the first `count` bytes.
    pub(super) fn drop_front(&mut self, count: u32) {
        self.seq += count;
        self.len -= count;
        advance(&mut self.payload, count as usize);
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
