//! Keys of keyed hashes. They decide what an outsider could foretell, so they are never shown.

use crate::base::rng::SeededRng;
use core::fmt;
use siphasher::sip::SipHasher24;

/// The key of a SipHash.
pub(super) struct Secret([u8; 16]);

impl Secret {
    pub(super) fn new(rng: &mut SeededRng) -> Self {
        Self(rng.next_key())
    }

    /// A hash under this key.
    pub(super) fn hasher(&self) -> SipHasher24 {
        SipHasher24::new_with_key(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
