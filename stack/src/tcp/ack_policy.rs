//! When to acknowledge: at once, or a little later together with something else
//! (RFC 9293 §3.8.6.3, RFC 5681 §4.2).

use crate::base::time::Duration;

/// How long an acknowledgment may wait; RFC 9293 allows 500 ms, Linux starts at 40 ms.
pub const MAX_DELAY: Duration = Duration::from_millis(40);

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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    #[default]
    Nothing,
    Later,
    Now,
}

impl AckPolicy {
    /// In-order data arrived. `mss` is the size of the peer's full segments.
    pub fn on_data(&mut self, len: usize, mss: usize) {
        self.unacknowledged += len;
        self.segments_seen = self.segments_seen.saturating_add(1);
        // RFC 5681 §4.2: at least every second full-sized segment.
        if self.unacknowledged >= 2 * mss || self.segments_seen <= QUICK_SEGMENTS {
            self.due = Due::Now;
        } else if self.due == Due::Nothing {
            self.due = Due::Later;
        }
    }

    /// Something the peer must learn at once: a gap or its filling, a FIN, a challenge, a window.
    pub fn require_now(&mut self) {
        self.due = Due::Now;
    }

    /// An acknowledgment goes out, alone or with data.
    pub fn on_sent(&mut self) {
        self.due = Due::Nothing;
        self.unacknowledged = 0;
    }

    /// One must go out now.
    #[must_use]
    pub fn is_due_now(&self) -> bool {
        self.due == Due::Now
    }

    /// One waits for company.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.due == Due::Later
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_full_segment_is_acknowledged() {
        let mut policy = AckPolicy {
            segments_seen: QUICK_SEGMENTS,
            ..AckPolicy::default()
        };
        policy.on_data(1000, 1000);
        assert!(policy.is_delayed());
        policy.on_data(1000, 1000);
        assert!(policy.is_due_now());
        policy.on_sent();
        assert!(!policy.is_due_now() && !policy.is_delayed());
    }

    #[test]
    fn the_first_segments_are_acknowledged_at_once() {
        let mut policy = AckPolicy::default();
        policy.on_data(1, 1000);
        assert!(policy.is_due_now());
    }
}
