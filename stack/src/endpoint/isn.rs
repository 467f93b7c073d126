//! Initial sequence numbers (RFC 6528): a clock of 4 µs plus a keyed hash of the addresses.

use crate::base::num::saturating_u32;
use crate::base::rng::SeededRng;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::endpoint::demux::write_tuple;
use crate::wire::packet::FourTuple;
use core::hash::Hasher as _;
use siphasher::sip::SipHasher24;

/// Makes initial sequence numbers and the offsets of timestamp clocks.
#[derive(Debug)]
pub(super) struct IsnGenerator {
    secret: [u8; 16],
}

impl IsnGenerator {
    pub(super) fn new(rng: &mut SeededRng) -> Self {
        Self {
            secret: rng.next_key(),
        }
    }

    /// RFC 6528 §3: ISN = M + F(localip, localport, remoteip, remoteport, secretkey).
    pub(super) fn isn(&self, now: Instant, tuple: &FourTuple) -> SeqNum {
        let ticks = (now.as_nanos() / 4_000) & u64::from(u32::MAX);
        SeqNum(self.hash(tuple, 0)) + saturating_u32(ticks)
    }

    /// RFC 7323 §5.4: a start of the timestamp clock that differs for each pair of addresses.
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
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        write_tuple(&mut hasher, tuple);
        hasher.write_u8(purpose);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_with_time_and_differ_by_address_and_secret() {
        let tuple = |port| FourTuple {
            local: ([10, 0, 0, 1], port).into(),
            remote: ([10, 0, 0, 2], 80).into(),
        };
        let first = IsnGenerator::new(&mut SeededRng::new([1; 32]));
        let other = IsnGenerator::new(&mut SeededRng::new([2; 32]));
        let start = first.isn(Instant::ZERO, &tuple(1));
        assert_eq!(first.isn(Instant::from_millis(4), &tuple(1)), start + 1000);
        assert_ne!(first.isn(Instant::ZERO, &tuple(2)), start);
        assert_ne!(other.isn(Instant::ZERO, &tuple(1)), start);
    }
}
