//! When less than a full segment may go: the Nagle algorithm (RFC 9293 §3.7.4) and the sender's
//! avoidance of silly windows (§3.8.6.2.1), for the connection as a whole.
//!
//! Decides a length from what the caller knows; it keeps no state. Subflows have no rules of their
//! own about this: a tail that one of them held back would hold up the whole stream.

/// What there is to send and to send it in.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// Bytes that were never sent: D of RFC 9293 §3.8.6.2.1.
    pub waiting: usize,
    /// Bytes that the windows have room for: U.
    pub usable: usize,
    /// Payload of a full segment: Eff.snd.MSS.
    pub segment: usize,
    /// Earlier bytes are not acknowledged at the data level.
    pub outstanding: bool,
    /// Small segments wait for that.
    pub nagle: bool,
    /// Small segments wait for more to be written, as the application has said that it follows.
    pub corked: bool,
    /// Max(SND.WND): the largest window the peer ever announced.
    pub largest_window: u64,
    /// The override timer has expired.
    pub overridden: bool,
}

impl Situation {
    /// Bytes to send now: whole segments, and what is left if it may go; 0 to wait.
    #[must_use]
    pub fn sendable(&self) -> usize {
        let len = self.waiting.min(self.usable);
        if len < self.segment {
            return if self.part_may_go(len) { len } else { 0 };
        }
        if len == self.segment {
            return len;
        }
        let part = len % self.segment;
        let all_goes = len == self.waiting && !self.nagle && !self.corked;
        if all_goes { len } else { len - part }
    }

    /// Rules 2 to 4 of RFC 9293 §3.8.6.2.1; everything the application writes counts as pushed.
    fn part_may_go(&self, len: usize) -> bool {
        let held = self.corked || (self.nagle && self.outstanding);
        let everything = len == self.waiting;
        let half_of_the_window = len as u64 >= self.largest_window.div_ceil(2);
        len > 0 && (self.overridden || (!held && (everything || half_of_the_window)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes wait and nothing is outstanding; a window of 8000 was seen, segments hold 1000.
    fn situation(waiting: usize, usable: usize) -> Situation {
        Situation {
            waiting,
            usable,
            segment: 1000,
            outstanding: false,
            nagle: true,
            corked: false,
            largest_window: 8000,
            overridden: false,
        }
    }

    #[test]
    fn rule_1_a_full_segment_goes_always() {
        for outstanding in [false, true] {
            for (waiting, usable, sent) in [
                (1000, 1000, 1000),
                (5000, 1000, 1000),
                (5000, 2500, 2000),
                (2500, 9000, 2000),
            ] {
                let now = Situation {
                    outstanding,
                    ..situation(waiting, usable)
                };
                assert_eq!(now.sendable(), sent);
            }
        }
    }

    #[test]
    fn a_cork_holds_what_is_less_than_a_segment() {
        let corked = Situation {
            nagle: false,
            corked: true,
            ..situation(300, 5000)
        };
        assert_eq!(corked.sendable(), 0);
        let long = Situation {
            waiting: 2300,
            ..corked
        };
        assert_eq!(long.sendable(), 2000, "whole segments go");
        let waited = Situation {
            overridden: true,
            ..corked
        };
        assert_eq!(waited.sendable(), 300, "not for ever");
    }

    #[test]
    fn rule_2_everything_goes_unless_nagle_holds_it() {
        let now = situation(300, 5000);
        assert_eq!(now.sendable(), 300);
        let nagle = Situation {
            outstanding: true,
            ..now
        };
        assert_eq!(nagle.sendable(), 0);
        let nodelay = Situation {
            nagle: false,
            ..nagle
        };
        assert_eq!(nodelay.sendable(), 300);
        let tail = Situation {
            waiting: 2300,
            ..nodelay
        };
        assert_eq!(tail.sendable(), 2300, "the device cuts it");
    }

    #[test]
    fn rule_3_half_of_the_largest_window_goes() {
        let peer = Situation {
            largest_window: 1200,
            ..situation(5000, 599)
        };
        assert_eq!(peer.sendable(), 0, "a silly window");
        let half = Situation {
            usable: 600,
            ..peer
        };
        assert_eq!(half.sendable(), 600);
        let nagle = Situation {
            outstanding: true,
            ..half
        };
        assert_eq!(nagle.sendable(), 0);
    }

    #[test]
    fn rule_4_after_the_override_anything_goes_that_fits() {
        let late = Situation {
            overridden: true,
            outstanding: true,
            ..situation(5000, 1)
        };
        assert_eq!(late.sendable(), 1);
        assert_eq!(Situation { usable: 0, ..late }.sendable(), 0);
    }
}
