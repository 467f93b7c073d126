//! When to acknowledge: at once, or a little later together with something else
//! (RFC 9293 §3.8.6.3, RFC 5681 §4.2).
//!
//! Owns what is owed to the peer, and the size of its full segments as far as that can be seen.
//! It builds no segment and sets no timer.
//!
//! At once goes: every second full segment, the first segments of a connection, whatever comes out
//! of order or twice or fills a gap, a FIN, a window that opened, a challenge, a change of the ECN
//! mark, and what the MPTCP level asks for (DATA_FIN, copies of the third ACK). PSH alone does
//! not: it ends nearly every request, whose response carries the acknowledgment if it comes within
//! the delay.

use crate::base::time::Duration;

/// How long an acknowledgment waits unless set otherwise: what Linux starts with.
pub const DEFAULT_DELAY: Duration = Duration::from_millis(40);

/// RFC 9293 §3.8.6.3: an acknowledgment must wait less than half a second.
pub const MAX_DELAY: Duration = Duration::from_millis(499);

/// Segments acknowledged at once at the start of a connection, so that the peer's slow start is
/// not held up by a delayed acknowledgment of its first, lone segments.
const QUICK_SEGMENTS: u32 = 16;

/// What there is to acknowledge.
#[derive(Clone, Copy, Debug, Default)]
pub struct AckPolicy {
    due: Due,
    /// Bytes received since the last acknowledgment went out.
    unacknowledged: usize,
    segments_seen: u32,
    full: FullSize,
}

/// In ascending order of urgency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    #[default]
    Nothing,
    Later,
    Now,
    /// At once and without data: RFC 5681 §2 counts no other as duplicate, and only a segment
    /// without data has room for SACK blocks.
    Bare,
}

/// The largest segment seen of late. The MSS that we announced says little: options make segments
/// shorter, and so does a path with a smaller MTU.
#[derive(Clone, Copy, Debug, Default)]
struct FullSize {
    /// In the current stretch of segments, and in the one before.
    largest: [usize; 2],
    segments: u32,
}

impl FullSize {
    /// A stretch after which a size that is not seen any more begins to be forgotten.
    const STRETCH: u32 = 32;

    fn observe(&mut self, len: usize) {
        if self.segments == Self::STRETCH {
            self.largest = [0, self.largest[0]];
            self.segments = 0;
        }
        self.segments += 1;
        self.largest[0] = self.largest[0].max(len);
    }

    fn get(&self) -> usize {
        self.largest[0].max(self.largest[1])
    }
}

impl AckPolicy {
    /// In-order data arrived. `mss` is what we announced: a longer segment was put together from
    /// several by the device.
    pub fn on_data(&mut self, len: usize, mss: usize) {
        self.unacknowledged += len;
        self.segments_seen = self.segments_seen.saturating_add(1);
        let merged = len > mss;
        if !merged {
            self.full.observe(len);
        }
        // RFC 5681 §4.2: at least every second full-sized segment.
        let second = merged || self.unacknowledged >= 2 * self.full.get();
        let due = if second || self.segments_seen <= QUICK_SEGMENTS {
            Due::Now
        } else {
            Due::Later
        };
        self.due = self.due.max(due);
    }

    /// Something the peer must learn at once, if need be along with data: the filling of a gap, a
    /// FIN, a challenge, a window.
    pub fn require_now(&mut self) {
        self.due = self.due.max(Due::Now);
    }

    /// Something out of order or twice: the acknowledgment is a segment of its own.
    pub fn require_bare(&mut self) {
        self.due = Due::Bare;
    }

    /// The Congestion Experienced mark of arriving data changed: the peer learns of it without
    /// delay, as the acknowledgment would otherwise speak for both kinds (RFC 8257 §3.2).
    pub fn on_ce_change(&mut self) {
        self.require_now();
    }

    /// The acknowledgment that goes out next has no data and all SACK blocks there is room for.
    pub fn goes_bare(&mut self) {
        self.due = self.due.min(Due::Now);
    }

    /// An acknowledgment goes out, alone or with data.
    pub fn on_sent(&mut self) {
        if self.due != Due::Bare {
            self.due = Due::Nothing;
        }
        self.unacknowledged = 0;
    }

    /// One must go out now.
    #[must_use]
    pub fn is_due_now(&self) -> bool {
        matches!(self.due, Due::Now | Due::Bare)
    }

    /// One without data must go out.
    #[must_use]
    pub fn is_bare_due(&self) -> bool {
        self.due == Due::Bare
    }

    /// One waits for company.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.due == Due::Later
    }
}

#[cfg(test)]
impl AckPolicy {
    /// As of a connection that has received full segments of this size for a while.
    pub(super) fn settled(full: usize) -> Self {
        let mut policy = Self::default();
        for _ in 0..=QUICK_SEGMENTS {
            policy.on_data(full, full);
            policy.on_sent();
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_full_segment_is_acknowledged() {
        let mut policy = AckPolicy::settled(1000);
        policy.on_data(1000, 1460);
        assert!(policy.is_delayed());
        policy.on_data(1000, 1460);
        assert!(policy.is_due_now());
        policy.on_sent();
        assert!(!policy.is_due_now() && !policy.is_delayed());
    }

    /// Two segments with timestamps and a DSS are shorter than two of the announced MSS.
    #[test]
    fn full_is_what_the_peer_sends_not_what_we_announced() {
        let mut policy = AckPolicy::default();
        let mut acknowledgments = 0;
        for _ in 0..100 {
            policy.on_data(1420, 1460);
            if policy.is_due_now() {
                acknowledgments += 1;
                policy.on_sent();
            }
        }
        assert_eq!(acknowledgments, 16 + 84 / 2);
    }

    #[test]
    fn segments_that_have_become_smaller_are_full_before_long() {
        let mut policy = AckPolicy::settled(1460);
        let mut waiting = 0;
        for _ in 0..64 {
            policy.on_data(500, 1460);
            policy.on_sent();
        }
        for _ in 0..20 {
            policy.on_data(500, 1460);
            waiting += 1;
            if policy.is_due_now() {
                assert_eq!(waiting, 2);
                waiting = 0;
                policy.on_sent();
            }
        }
    }

    #[test]
    fn a_segment_put_together_from_several_counts_as_several() {
        let mut policy = AckPolicy::settled(1000);
        policy.on_data(65_000, 1460);
        assert!(policy.is_due_now());
        policy.on_sent();
        policy.on_data(1000, 1460);
        assert!(
            policy.is_delayed(),
            "and does not raise what counts as full"
        );
        policy.on_data(1000, 1460);
        assert!(policy.is_due_now());
    }

    #[test]
    fn the_first_segments_are_acknowledged_at_once() {
        let mut policy = AckPolicy::default();
        policy.on_data(1, 1000);
        assert!(policy.is_due_now());
    }

    #[test]
    fn data_does_not_stand_in_for_a_bare_acknowledgment() {
        let mut policy = AckPolicy::default();
        policy.require_bare();
        policy.require_now();
        policy.on_sent();
        assert!(policy.is_due_now() && policy.is_bare_due());
        policy.goes_bare();
        policy.on_sent();
        assert!(!policy.is_due_now());
        policy.on_ce_change();
        assert!(policy.is_due_now());
    }
}
