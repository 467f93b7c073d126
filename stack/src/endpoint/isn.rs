//! Initial sequence numbers (RFC 6528): a clock of 4 µs plus a keyed hash of the addresses.

use super::demux::write_tuple;
use super::secret::Secret;
use crate::base::num::saturating_u32;
use crate::base::rng::SeededRng;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::packet::FourTuple;
use core::hash::Hasher as _;

/// A tick of the clock M (RFC 6528 §3, RFC 9293 §3.4.1), in nanoseconds.
const TICK: u64 = 4_000;
/// How far a successor's first number lies behind the last of an earlier connection: more than a
/// window without scaling, so that a stray of the old connection is not in the new one's.
const DISTANCE: u32 = 65_537;

/// Makes initial sequence numbers and the offsets of timestamp clocks.
#[derive(Debug)]
pub(super) struct IsnGenerator {
    secret: Secret,
    /// What tests want all of them to be.
    fixed: Option<SeqNum>,
}

impl IsnGenerator {
    pub(super) fn new(rng: &mut SeededRng, fixed: Option<u32>) -> Self {
        Self {
            secret: Secret::new(rng),
            fixed: fixed.map(SeqNum),
        }
    }

    /// RFC 6528 §3: ISN = M + F(localip, localport, remoteip, remoteport, secretkey).
    pub(super) fn isn(&self, now: Instant, tuple: &FourTuple) -> SeqNum {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let ticks = (now.as_nanos() / TICK) & u64::from(u32::MAX);
        SeqNum(self.hash(tuple, 0)) + saturating_u32(ticks)
    }

    /// The number for a connection that follows one whose last number was before `snd_nxt`: the
    /// clock may be behind it if the old one sent more than a byte in 4 µs (RFC 9293 §3.6.1).
    pub(super) fn isn_after(&self, now: Instant, tuple: &FourTuple, snd_nxt: SeqNum) -> SeqNum {
        let isn = self.isn(now, tuple);
        if self.fixed.is_some() || isn.after(snd_nxt) {
            isn
        } else {
            snd_nxt + DISTANCE
        }
    }

    /// RFC 7323 §5.4: a start of the timestamp clock that differs for each four-tuple, so that
    /// timestamps tell neither uptime nor that two connections are of one host. It is the same for
    /// the next connection of the four-tuple, whose timestamps are then newer (RFC 6191 §2).
    pub(super) fn timestamp_offset(&self, tuple: &FourTuple) -> u32 {
        self.hash(tuple, 1)
    }

    /// A secret number for each pair of addresses.
    pub(super) fn seed(&self, tuple: &FourTuple) -> u64 {
        self.long_hash(tuple, 2)
    }

    fn hash(&self, tuple: &FourTuple, purpose: u8) -> u32 {
        saturating_u32(self.long_hash(tuple, purpose) >> 32)
    }

    fn long_hash(&self, tuple: &FourTuple, purpose: u8) -> u64 {
        let mut hasher = self.secret.hasher();
        write_tuple(&mut hasher, tuple);
        hasher.write_u8(purpose);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    fn tuple(port: u16) -> FourTuple {
        FourTuple {
            local: ([10, 0, 0, 1], port).into(),
            remote: ([10, 0, 0, 2], 80).into(),
        }
    }

    #[test]
    fn tests_can_have_the_same_number_for_every_connection() {
        let generator = IsnGenerator::new(&mut SeededRng::new([1; 32]), Some(1000));
        assert_eq!(generator.isn(Instant::ZERO, &tuple(1)), SeqNum(1000));
        assert_eq!(
            generator.isn(Instant::from_millis(9), &tuple(2)),
            SeqNum(1000)
        );
        let after = generator.isn_after(Instant::ZERO, &tuple(1), SeqNum(5000));
        assert_eq!(after, SeqNum(1000));
    }

    #[test]
    fn numbers_differ_by_address_and_secret() {
        let first = IsnGenerator::new(&mut SeededRng::new([1; 32]), None);
        let other = IsnGenerator::new(&mut SeededRng::new([2; 32]), None);
        let start = first.isn(Instant::ZERO, &tuple(1));
        assert_ne!(first.isn(Instant::ZERO, &tuple(2)), start);
        assert_ne!(other.isn(Instant::ZERO, &tuple(1)), start);
        assert_ne!(
            first.timestamp_offset(&tuple(1)),
            first.timestamp_offset(&tuple(2))
        );
        assert_ne!(first.timestamp_offset(&tuple(1)), start.0);
    }

    #[test]
    fn the_clock_ticks_every_four_microseconds_and_wraps() {
        let isn = IsnGenerator::new(&mut SeededRng::new([1; 32]), None);
        let start = isn.isn(Instant::ZERO, &tuple(1));
        let at = |nanos| isn.isn(Instant::from_nanos(nanos), &tuple(1));
        assert_eq!(at(3_999), start);
        assert_eq!(at(4_000), start + 1);
        assert_eq!(at(4_000_000), start + 1000);
        // 2^32 ticks are 4 hours, 46 minutes.
        assert_eq!(at(4_000 << 32), start);
        let mut now = Instant::ZERO;
        let mut last = start;
        for _ in 0..100 {
            now += Duration::from_secs(600);
            let next = isn.isn(now, &tuple(1));
            assert!(next.after(last));
            last = next;
        }
    }

    #[test]
    fn a_successor_starts_behind_what_was_sent() {
        let isn = IsnGenerator::new(&mut SeededRng::new([1; 32]), None);
        let now = Instant::from_millis(5);
        let clock = isn.isn(now, &tuple(1));
        assert_eq!(isn.isn_after(now, &tuple(1), clock - 1), clock);
        for ahead in [0, 1, 1 << 30] {
            let used = clock + ahead;
            assert!(isn.isn_after(now, &tuple(1), used).after(used));
        }
    }
}
