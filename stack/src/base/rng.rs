//! The stack's only source of randomness: a seeded generator.
//!
//! Keys, nonces and initial sequence numbers come from here. The driver seeds it from the
//! operating system; simulations seed it with a number, so that a run can be repeated.

use rand::rngs::ChaCha12Rng;
use rand::{Rng as _, SeedableRng as _};

/// A generator named after its algorithm, whose output stays the same between versions.
#[derive(Debug)]
pub struct SeededRng(ChaCha12Rng);

impl SeededRng {
    /// A generator whose whole output follows from `seed`.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// 32 unpredictable bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// 64 unpredictable bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// 128 unpredictable bits, the size of a SipHash key.
    pub fn next_key(&mut self) -> [u8; 16] {
        let mut key = [0; 16];
        self.0.fill_bytes(&mut key);
        key
    }
}
