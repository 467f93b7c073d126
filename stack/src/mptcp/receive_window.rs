//! How much the peer may send: one window for all subflows, and how it grows.
//!
//! Owns the size of the receive buffer and the right edge that was announced. It never holds a
//! byte, and allocates nothing: an idle connection costs no more than these numbers.
//!
//! The buffer is sized by what the application reads in a round-trip time (dynamic right-sizing,
//! Fisk and Feng 2001): twice that lets the window never be what limits the sender, and an
//! application that does not read makes nothing grow. The round-trip time is the longest of the
//! subflows that bring data, so that this is the 2 · ΣBW · RTT_max of RFC 6182 §5.3.

use crate::base::num::{saturating_u16, saturating_u32, saturating_usize};
use crate::base::time::{Duration, Instant};

/// The buffer of a new connection: the peer's initial window (RFC 6928) doubles three times before
/// it is full, and the first round is over long before that. Linux starts with as much.
pub const INITIAL_CAPACITY: usize = 128 << 10;
/// A round that took longer than so many round-trip times had a rest in it: what was read in it
/// says nothing about the rate of the path.
const MAX_ROUND: u32 = 4;
/// Unless it is shorter than this: on a short path a reader that gets the processor late must not
/// be taken for one that rests.
const ANY_ROUND: Duration = Duration::from_millis(100);

/// Positions in the stream, as offsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Behind what the application has read.
    pub read: u64,
    /// Behind what has arrived in order.
    pub received: u64,
}

/// The receive window of a connection.
#[derive(Debug)]
pub struct ReceiveWindow {
    capacity: usize,
    limit: usize,
    /// The right edge that is promised.
    edge: u64,
    /// The rightmost edge that a segment stood for: up to a unit of the scale beyond the promise.
    announced: u64,
    /// Shift of the last announcement.
    scale: u8,
    round: Round,
}

/// A stretch of one round-trip time in which reading is watched.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    start: Instant,
    rtt: Option<Duration>,
    end: Instant,
    /// Without any round-trip time, the round ends when this is reached: a whole window has been
    /// received then, which takes at least one.
    until: u64,
    at_start: Place,
    /// What was read in the round before.
    before: u64,
}

impl ReceiveWindow {
    /// A window that may grow to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            capacity: limit.min(INITIAL_CAPACITY),
            limit,
            edge: 0,
            announced: 0,
            scale: 0,
            round: Round::default(),
        }
    }

    /// Changes how far the window may grow. What it has grown to, it keeps: nothing that was ever
    /// announced is taken back (RFC 9293 §3.8.6: "shrinking the window" is discouraged).
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes that may wait to be read now.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The offset up to which bytes are taken: nothing that was ever announced is refused
    /// (RFC 7323 §2.4).
    #[must_use]
    pub fn acceptable(&self, place: Place) -> u64 {
        self.announced.max(self.room_until(place))
    }

    /// The window to announce now with this scale: the field and the bytes it stands for.
    ///
    /// The right edge moves only right (RFC 6824 §3.3.4), and only by a step worth sending in
    /// (RFC 9293 §3.8.6.2.2). Where the scale cannot express it exactly the field is rounded up,
    /// always from the edge that was promised: rounding the rounded edge again would let a peer
    /// that sends less than a unit at a time push it on for ever.
    pub fn announce(&mut self, place: Place, scale: u8, mss: usize) -> (u16, u32) {
        self.scale = scale;
        let possible = self.possible_edge(place);
        if possible >= self.edge.saturating_add(self.step(mss)) {
            self.edge = possible;
        }
        let unit = (1_u64 << scale) - 1;
        let open = self.edge.saturating_sub(place.received);
        let field = saturating_u16((open + unit) >> scale);
        let window = u64::from(field) << scale;
        self.announced = self.announced.max(place.received + window);
        (field, saturating_u32(window))
    }

    /// True if the window could grow so much that the peer should hear of it without data of ours
    /// (RFC 9293 §3.8.6.2.2): it doubles, or a quarter of the buffer became free.
    #[must_use]
    pub fn should_announce(&self, place: Place, mss: usize) -> bool {
        let open = self.edge.saturating_sub(place.received);
        let growth = self.possible_edge(place).saturating_sub(self.edge);
        let step = self.step(2 * mss);
        growth >= step && (growth >= open || growth >= self.capacity as u64 / 4)
    }

    /// A round-trip time has passed, or a window has arrived: [`Self::end_round`] is due. Cheap
    /// enough for every segment.
    #[must_use]
    pub fn is_round_over(&self, now: Instant, received: u64) -> bool {
        now >= self.round.end || received >= self.round.until
    }

    /// The round-trip time turned out to be shorter than thought when the round began.
    pub fn shorten_round(&mut self, rtt: Duration) {
        if self.round.rtt.is_none_or(|known| rtt < known) {
            self.round.rtt = Some(rtt);
            self.round.end = self.round.start + rtt;
            self.round.until = u64::MAX;
        }
    }

    /// Takes stock of a round, lets the buffer grow, and begins the next round, which will last
    /// `rtt`, or as long as this one if that is not known.
    pub fn end_round(&mut self, now: Instant, place: Place, rtt: Option<Duration>) {
        let round = self.round;
        let lasted = now.saturating_duration_since(round.start);
        let steady = round
            .rtt
            .is_none_or(|rtt| lasted <= rtt.saturating_mul(MAX_ROUND).max(ANY_ROUND));
        let mut before = round.before;
        if steady {
            let copied = place.read.saturating_sub(round.at_start.read);
            // Everything that had arrived when the round began has been read since.
            let keeps_up = place.read >= round.at_start.received;
            if keeps_up {
                // Twice what was read; and while that grows, as in the sender's slow start, also
                // what the sender will have made of it before we look again.
                let growth = copied.saturating_sub(before);
                let wanted = saturating_usize(2 * copied + 4 * growth);
                self.capacity = self.capacity.max(wanted.min(self.limit));
            }
            before = copied;
        }
        let rtt = rtt.or(round.rtt);
        self.round = Round {
            start: now,
            rtt,
            end: rtt.map_or(Instant::from_nanos(u64::MAX), |rtt| now + rtt),
            until: rtt.map_or(place.received + self.capacity as u64, |_| u64::MAX),
            at_start: place,
            before,
        };
    }

    /// The right edge that the buffer has room for.
    fn room_until(&self, place: Place) -> u64 {
        place.read + self.capacity as u64
    }

    /// The same as far as a window field with the last scale can express it.
    fn possible_edge(&self, place: Place) -> u64 {
        let free = self.room_until(place).saturating_sub(place.received);
        let field = (free >> self.scale).min(u64::from(u16::MAX));
        place.received + (field << self.scale)
    }

    /// RFC 9293 §3.8.6.2.2: half of the buffer, or a full segment if that is less.
    fn step(&self, segment: usize) -> u64 {
        (self.capacity / 2).min(segment).max(1) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RTT: Duration = Duration::from_millis(50);
    const LIMIT: usize = 64 << 20;

    fn at(read: u64, received: u64) -> Place {
        Place { read, received }
    }

    /// Rounds of one RTT, in each of which so many bytes arrive and the application reads so many
    /// of them.
    fn after_rounds(limit: usize, rounds: &[(u64, u64)]) -> ReceiveWindow {
        let mut window = ReceiveWindow::new(limit);
        let (mut now, mut place) = (Instant::from_millis(1), Place::default());
        window.end_round(now, place, Some(RTT));
        for &(arrived, read) in rounds {
            now += RTT;
            place.received += arrived;
            place.read += read;
            window.end_round(now, place, None);
        }
        window
    }

    #[test]
    fn slow_start_never_finds_the_window_shut() {
        // What arrives doubles each round-trip time; the round after the next may bring four times
        // as much, and nothing says so until then.
        let mut rounds = Vec::new();
        let mut arrives = 14_600;
        while arrives * 4 < LIMIT as u64 {
            rounds.push((arrives, arrives));
            let capacity = after_rounds(LIMIT, &rounds).capacity() as u64;
            assert!(capacity >= 4 * arrives, "{capacity} for {arrives}");
            arrives *= 2;
        }
    }

    #[test]
    fn a_steady_rate_gets_twice_its_product_with_the_delay_and_no_more() {
        let steady = 6_250_000;
        let window = after_rounds(LIMIT, &[(steady, steady); 3]);
        let grown = window.capacity();
        assert!(grown >= 2 * 6_250_000);
        let window = after_rounds(LIMIT, &[(steady, steady); 300]);
        assert_eq!(window.capacity(), grown);
        // And the limit is one.
        let window = after_rounds(1 << 20, &[(steady, steady); 3]);
        assert_eq!(window.capacity(), 1 << 20);
        assert_eq!(ReceiveWindow::new(3000).capacity(), 3000);
    }

    #[test]
    fn nothing_grows_for_an_application_that_does_not_read_or_falls_behind() {
        let window = after_rounds(LIMIT, &[(64 << 10, 0), (64 << 10, 0), (0, 0), (0, 0)]);
        assert_eq!(window.capacity(), INITIAL_CAPACITY);
        // 100 kB a round are read, but always those of the round before the last.
        let behind = [
            (100_000, 0),
            (100_000, 0),
            (100_000, 100_000),
            (100_000, 100_000),
        ];
        assert_eq!(after_rounds(LIMIT, &behind).capacity(), INITIAL_CAPACITY);
    }

    #[test]
    fn a_gulp_after_a_rest_says_nothing_about_the_path() {
        let mut window = after_rounds(LIMIT, &[]);
        let mut now = Instant::from_millis(1);
        for gulp in 1..100 {
            now += Duration::from_secs(10);
            let all = gulp * INITIAL_CAPACITY as u64;
            window.end_round(now, at(all, all), Some(RTT));
        }
        assert_eq!(window.capacity(), INITIAL_CAPACITY);
    }

    #[test]
    fn without_a_round_trip_time_a_round_is_the_time_of_one_window() {
        let mut window = ReceiveWindow::new(LIMIT);
        let capacity = INITIAL_CAPACITY as u64;
        window.end_round(Instant::ZERO, Place::default(), None);
        assert!(!window.is_round_over(Instant::from_millis(100_000), capacity - 1));
        assert!(window.is_round_over(Instant::ZERO, capacity));
        window.end_round(Instant::from_millis(9), at(capacity, capacity), None);
        assert!(window.capacity() > INITIAL_CAPACITY);
        window.shorten_round(Duration::from_millis(3));
        assert!(window.is_round_over(Instant::from_millis(12), capacity));
    }

    /// RFC 9293 §3.8.6.2.2, statement 65 of the conformance checklist.
    #[test]
    fn the_edge_moves_by_no_less_than_a_segment_or_half_the_buffer() {
        let mut window = ReceiveWindow::new(10_000);
        assert_eq!(window.announce(at(0, 0), 0, 1000).1, 10_000);
        assert_eq!(window.announce(at(999, 10_000), 0, 1000).1, 0);
        assert!(!window.should_announce(at(999, 10_000), 1000));
        assert_eq!(window.announce(at(1000, 10_000), 0, 1000).1, 1000);
        let mut tiny = ReceiveWindow::new(100);
        tiny.announce(at(0, 0), 0, 1000);
        assert_eq!(tiny.announce(at(49, 100), 0, 1000).1, 0);
        assert!(tiny.should_announce(at(50, 100), 1000));
        assert_eq!(tiny.announce(at(50, 100), 0, 1000).1, 50);
    }

    #[test]
    fn what_is_worth_an_acknowledgment_of_its_own_moves_the_edge() {
        // The scale's unit, 2048, is larger than a segment: an update that the field cannot
        // express would be sent again and again.
        let mut window = ReceiveWindow::new(LIMIT);
        window.announce(at(0, 0), 11, 1400);
        let full = INITIAL_CAPACITY as u64;
        for read in 0..full {
            let mut updated = ReceiveWindow { ..window };
            if updated.should_announce(at(read, full), 1400) {
                assert!(updated.announce(at(read, full), 11, 1400).0 > 0, "{read}");
            }
        }
    }

    #[test]
    fn a_peer_without_scaling_is_not_told_again_of_what_its_field_cannot_say() {
        let mut window = ReceiveWindow::new(LIMIT);
        assert_eq!(window.announce(at(0, 0), 0, 1400), (65_535, 65_535));
        assert!(!window.should_announce(at(0, 0), 1400));
    }

    proptest! {
        /// Whatever arrives and is read: what the peer may send never exceeds the buffer by more
        /// than the scale's rounding, the promised edge never moves left, and the announced one
        /// by less than the scale can express (RFC 7323 §2.4).
        #[test]
        fn edges(
            scale in 0_u8..14,
            mss in 1_usize..9000,
            limit in 1_usize..1 << 20,
            steps in prop::collection::vec((0_u64..5000, 0_u64..5000), 0..200),
        ) {
            let mut window = ReceiveWindow::new(limit);
            let mut place = Place::default();
            let unit = 1_u64 << scale;
            let (mut promised, mut rightmost) = (0, 0);
            for (arrives, reads) in steps {
                let (_, open) = window.announce(place, scale, mss);
                let edge = place.received + u64::from(open);
                prop_assert!(window.edge >= promised && edge >= window.edge);
                prop_assert!(edge + unit > rightmost);
                prop_assert!(edge < place.read + limit as u64 + unit);
                promised = window.edge;
                rightmost = rightmost.max(edge);
                prop_assert!(window.acceptable(place) >= rightmost);
                place.received += arrives.min(rightmost - place.received);
                place.read += reads.min(place.received - place.read);
            }
        }
    }
}
