//! What one acknowledgment told about the segments of the queue.

use super::segment::{Content, SentSegment, Transmission};
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};

/// What must be known of an acknowledgment to read it.
#[derive(Clone, Copy, Debug)]
pub struct AckContext {
    /// When it came.
    pub now: Instant,
    /// The latest time at which the segment whose timestamp it echoes can have been sent; `None`
    /// without timestamps.
    pub echo: Option<Instant>,
    /// The smallest round-trip time seen before.
    pub min_rtt: Option<Duration>,
    /// Maximum segment size.
    pub mss: usize,
}

/// What an acknowledgment told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Sequence space newly known to have arrived, cumulatively or selectively.
    pub bytes: usize,
    /// The same in segments, as the network saw them.
    pub segments: u64,
    /// Round-trip time of the latest segment among it that was sent only once.
    pub rtt: Option<Duration>,
    /// Payload of the largest segment among it, as the network saw it.
    pub largest: usize,
    /// Our SYN is acknowledged by it.
    pub syn: bool,
    /// Our FIN is acknowledged by it.
    pub fin: bool,
    /// The latest transmission that surely arrived, with its round-trip time (RFC 8985 §6.2,
    /// step 2).
    pub latest: Option<(Transmission, Duration)>,
    /// The highest end of a segment among it.
    pub highest_end: Option<SeqNum>,
    /// The lowest end of a segment among it that was sent only once.
    pub lowest_original_end: Option<SeqNum>,
}

impl Delivered {
    /// Adds the first `len` bytes of a segment.
    pub(super) fn count(&mut self, context: &AckContext, segment: &SentSegment, len: u32) {
        self.bytes += len as usize;
        self.segments += u64::from(len.div_ceil(segment.slice.max(1)));
        if segment.content == Content::Data {
            self.largest = self.largest.max(len.min(segment.slice) as usize);
        }
        let end = segment.seq + len;
        self.highest_end = Some(self.highest_end.map_or(end, |highest| highest.max(end)));
        let rtt = context.now.saturating_duration_since(segment.sent.at);
        if segment.is_retransmission() {
            if self.is_of_an_earlier_transmission(context, segment, rtt) {
                return;
            }
        } else {
            self.rtt = Some(self.rtt.map_or(rtt, |least| least.min(rtt)));
            let lowest = self.lowest_original_end;
            self.lowest_original_end = Some(lowest.map_or(end, |lowest| lowest.min(end)));
        }
        if self
            .latest
            .is_none_or(|(latest, _)| latest.number < segment.sent.number)
        {
            self.latest = Some((segment.sent, rtt));
        }
    }

    /// RFC 8985 §6.2, step 2: what acknowledges a segment that was sent again may acknowledge the
    /// earlier copy of it: the timestamp says so, or it came too soon.
    fn is_of_an_earlier_transmission(
        &self,
        context: &AckContext,
        segment: &SentSegment,
        rtt: Duration,
    ) -> bool {
        let echoes_earlier = context.echo.is_some_and(|echo| echo < segment.sent.at);
        let too_soon = context.min_rtt.is_some_and(|min| rtt < min);
        echoes_earlier || too_soon
    }
}
