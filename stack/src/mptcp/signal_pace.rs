//! How many acknowledgments in a row may go out only for the options they carry.
//!
//! Owns the pace of one subflow. A sender that does not know MPTCP, or a middlebox that splits the
//! path, takes three acknowledgments of the same number for the sign of a loss; so no more than two
//! follow each other (RFC 6824 appendix A, RFC 8684 appendix A). The row ends when a new number is
//! acknowledged, or when a retransmission timeout has passed: what was in flight at the time is
//! acknowledged or has timed out by then, so the wait is never longer.

use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};

/// RFC 6824 appendix A, RFC 8684 appendix A.
const MAX_IN_A_ROW: u32 = 2;

/// The acknowledgments that repeat the same number for the sake of their options.
#[derive(Clone, Copy, Debug, Default)]
pub struct SignalPace(Option<Row>);

#[derive(Clone, Copy, Debug)]
struct Row {
    ack: SeqNum,
    length: u32,
    /// When it is over, whatever happens.
    until: Instant,
}

impl SignalPace {
    /// Until when an acknowledgment of `ack` has to wait, if it has to.
    #[must_use]
    pub fn wait(&self, now: Instant, ack: SeqNum) -> Option<Instant> {
        self.row(now, ack)
            .filter(|row| row.length >= MAX_IN_A_ROW)
            .map(|row| row.until)
    }

    /// An acknowledgment with a signal went out; `last` is the number that was acknowledged
    /// before it.
    pub fn sent(&mut self, now: Instant, last: SeqNum, ack: SeqNum, rto: Duration) {
        let length = match self.row(now, ack) {
            Some(row) => row.length + 1,
            // The first of its number is not a repetition.
            None => u32::from(last == ack),
        };
        self.0 = Some(Row {
            ack,
            length,
            until: now + rto,
        });
    }

    fn row(&self, now: Instant, ack: SeqNum) -> Option<Row> {
        self.0.filter(|row| row.ack == ack && row.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTO: Duration = Duration::from_millis(200);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn two_in_a_row_and_no_more() {
        let mut pace = SignalPace::default();
        let ack = SeqNum(7);
        for millis in [0, 10] {
            assert_eq!(pace.wait(at(millis), ack), None);
            pace.sent(at(millis), ack, ack, RTO);
        }
        assert_eq!(pace.wait(at(20), ack), Some(at(210)));
        assert_eq!(pace.wait(at(20), ack + 1), None, "something was received");
        assert_eq!(pace.wait(at(210), ack), None, "that was long ago");
        pace.sent(at(210), ack, ack, RTO);
        assert_eq!(pace.wait(at(211), ack), None, "a new row");
    }

    #[test]
    fn the_first_of_its_number_does_not_count() {
        let mut pace = SignalPace::default();
        pace.sent(at(0), SeqNum(7), SeqNum(8), RTO);
        for millis in [1, 2] {
            assert_eq!(pace.wait(at(millis), SeqNum(8)), None);
            pace.sent(at(millis), SeqNum(8), SeqNum(8), RTO);
        }
        assert!(pace.wait(at(3), SeqNum(8)).is_some());
    }
}
