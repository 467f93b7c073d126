//! Local ports of outgoing subflows (RFC 6056 §3.3.3, simple hash-based selection).

use crate::base::rng::SeededRng;
use core::hash::Hasher as _;
use siphasher::sip::SipHasher24;
use std::net::{IpAddr, SocketAddr};

/// Chooses ports that an outsider cannot foretell, independently for each destination.
#[derive(Debug)]
pub(super) struct PortSelector {
    secret: [u8; 16],
    first: u16,
    count: u32,
    next: u32,
}

impl PortSelector {
    pub(super) fn new(rng: &mut SeededRng, (first, last): (u16, u16)) -> Self {
        let (first, last) = (first.max(1).min(last.max(1)), last.max(first).max(1));
        Self {
            secret: rng.next_key(),
            first,
            count: u32::from(last - first) + 1,
            next: 0,
        }
    }

    /// A port for which `is_free` holds, if there is one.
    pub(super) fn select(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        is_free: impl Fn(u16) -> bool,
    ) -> Option<u16> {
        let mut hasher = SipHasher24::new_with_key(&self.secret);
        core::hash::Hash::hash(&(local, remote), &mut hasher);
        let offset = hasher.finish() % u64::from(self.count);
        for step in 0..self.count {
            let at = (offset + u64::from(self.next.wrapping_add(step))) % u64::from(self.count);
            let port = u16::try_from(u64::from(self.first) + at).ok()?;
            if is_free(port) {
                self.next = self.next.wrapping_add(step + 1);
                return Some(port);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_free_port_is_found_and_none_twice_in_a_row() {
        let mut ports = PortSelector::new(&mut SeededRng::new([0; 32]), (1000, 1009));
        let local = IpAddr::from([10, 0, 0, 1]);
        let remote = SocketAddr::from(([10, 0, 0, 2], 80));
        let mut seen: Vec<u16> = (0..10)
            .map(|_| ports.select(local, remote, |_| true).unwrap())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (1000..1010).collect::<Vec<u16>>());
        assert_eq!(ports.select(local, remote, |port| port == 1003), Some(1003));
        assert_eq!(ports.select(local, remote, |_| false), None);
    }
}
