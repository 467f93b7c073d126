//! Timestamps, and protection against wrapped sequence numbers (PAWS; RFC 7323 §4, §5).
//!
//! Owns our clock, what the peer's clock said, and what follows for segments that come later. It
//! never decides whether timestamps are in use.
//!
//! PAWS exists to reject segments of an earlier lap: those whose sequence number is in the window
//! only because 2³² bytes lie between. RFC 7323 §5.3, R1, rejects whatever is older than TS.Recent,
//! and with that too much: a retransmission that fills a gap makes TS.Recent its own time, and
//! everything sent before it that was merely overtaken is dropped, must be retransmitted, and does
//! the same to others. On a path that reorders this feeds itself. So the bound here is not
//! TS.Recent but what TS.Recent was at least an eighth of a lap ago: a segment of an earlier lap
//! was sent before that, and one that is newer belongs to this lap.

use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};

/// RFC 7323 §5.5: a timestamp older than this says nothing.
const VALIDITY: Duration = Duration::from_secs(24 * 24 * 3600);
/// An eighth of the sequence space: more than any window (RFC 7323 §2.3 has 2³⁰ at most), and
/// less than half a lap even when twice as much has passed.
const STRETCH: i32 = 1 << 29;

/// The timestamp clock and what the peer sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampState {
    /// Random start of our clock, so that it does not tell the host's uptime.
    pub offset: u32,
    /// TS.Recent.
    pub recent: u32,
    /// When TS.Recent was updated.
    pub recent_at: Instant,
    /// Last.ACK.sent.
    pub last_ack_sent: SeqNum,
    /// What is older than this is of an earlier lap.
    floor: u32,
    /// TS.Recent at `mark`: the next floor.
    next_floor: u32,
    /// RCV.NXT when the present stretch began.
    mark: SeqNum,
}

impl TimestampState {
    /// Our clock starts with `offset`; nothing was heard of the peer's.
    #[must_use]
    pub fn new(offset: u32) -> Self {
        Self {
            offset,
            ..Self::default()
        }
    }

    /// The timestamp of the peer's SYN, behind which `rcv_nxt` is expected.
    pub fn begin(&mut self, now: Instant, value: u32, rcv_nxt: SeqNum) {
        self.recent = value;
        self.recent_at = now;
        self.floor = value;
        self.next_floor = value;
        self.mark = rcv_nxt;
    }

    /// A segment with this timestamp is of an earlier lap of the sequence numbers.
    #[must_use]
    pub fn is_outdated(&self, now: Instant, value: u32) -> bool {
        self.is_valid(now) && SeqNum(value).before(SeqNum(self.floor))
    }

    /// RFC 7323 §4.3 and §5.3, R3: an acceptable segment at the left edge moves TS.Recent, though
    /// never back. `rcv_nxt` is what is expected before the segment is taken.
    pub fn update(&mut self, now: Instant, value: u32, rcv_nxt: SeqNum) {
        if self.is_valid(now) && SeqNum(value).before(SeqNum(self.recent)) {
            return;
        }
        if !self.is_valid(now) {
            self.floor = value;
            self.next_floor = value;
            self.mark = rcv_nxt;
        }
        self.recent = value;
        self.recent_at = now;
        if rcv_nxt.distance_from(self.mark) >= STRETCH {
            self.floor = self.next_floor;
            self.next_floor = value;
            self.mark = rcv_nxt;
        }
    }

    /// RFC 7323 §5.5: the peer's clock may have wrapped while nothing came.
    fn is_valid(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.recent_at) < VALIDITY
    }
}

/// The timestamp clock that starts at `offset`: milliseconds (RFC 7323 §4.1).
#[must_use]
pub fn timestamp_clock(now: Instant, offset: u32) -> u32 {
    let millis = u32::try_from(now.as_millis() & u64::from(u32::MAX)).unwrap_or(0);
    offset.wrapping_add(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_millis(1000);

    #[test]
    fn what_was_overtaken_passes_and_what_is_of_another_lap_does_not() {
        let start = SeqNum(u32::MAX - 5);
        let mut state = TimestampState::new(0);
        // Close to the wrap of the peer's clock.
        state.begin(NOW, u32::MAX - 10, start);
        let value = |ticks: u32| (u32::MAX - 10).wrapping_add(ticks);
        assert!(state.is_outdated(NOW, value(0).wrapping_sub(1)));
        let mut seq = start;
        for ticks in 1..=40 {
            state.update(NOW, value(ticks), seq);
            // A few segments ago, as everything since the start of the stretch.
            assert!(!state.is_outdated(NOW, value(ticks - 1)));
            seq += 1 << 27;
        }
        // Four steps are a stretch: one stretch ago passes, a quarter of a lap and more does not.
        assert!(!state.is_outdated(NOW, value(40 - 4)));
        assert!(state.is_outdated(NOW, value(40 - 9)));
        assert!(state.is_outdated(NOW, value(40 - 32)), "a whole lap");
    }

    #[test]
    fn the_clock_does_not_go_back_but_is_believed_anew_after_a_long_time() {
        let mut state = TimestampState::new(0);
        state.begin(NOW, 500, SeqNum(0));
        state.update(NOW, 600, SeqNum(100));
        state.update(NOW, 550, SeqNum(200));
        assert_eq!(state.recent, 600);
        assert!(state.is_outdated(NOW, 499));
        let later = NOW + VALIDITY;
        assert!(!state.is_outdated(later, 100));
        state.update(later, 100, SeqNum(300));
        assert_eq!(state.recent, 100);
        assert!(state.is_outdated(later, 99));
    }
}
