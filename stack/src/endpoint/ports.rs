//! Local ports of outgoing subflows (RFC 6056 §3.3.4, double-hash port selection).

use super::secret::Secret;
use crate::base::rng::SeededRng;
use core::hash::Hash as _;
use core::hash::Hasher as _;
use std::net::{IpAddr, SocketAddr};

/// Counters that the destinations share (RFC 6056 §3.3.4, TABLE_LENGTH): two destinations with
/// the same one are as far apart as chance puts their offsets, only their steps are common.
const TABLE_LENGTH: usize = 1024;
/// Ports in a row that are looked at for one in TIME-WAIT to take over; and for a free one, once
/// there is such a one. Those next in turn are those used longest ago, so that looking at all of
/// them for each connection would find little more, and take long.
const PATIENCE: u32 = 128;

/// What is known of the ports towards a destination.
pub(super) trait PortUse {
    /// How many of the range are taken.
    fn taken(&self) -> u32;
    /// This one is.
    fn is_taken(&self, port: u16) -> bool;
    /// A connection in TIME-WAIT has it, and makes way.
    fn is_reusable(&self, port: u16) -> bool;
}

/// Chooses ports that an outsider cannot foretell, independently for each destination.
#[derive(Debug)]
pub(super) struct PortSelector {
    secret: Secret,
    first: u16,
    count: u32,
    table: Box<[u32]>,
}

impl PortSelector {
    pub(super) fn new(rng: &mut SeededRng, (first, last): (u16, u16)) -> Self {
        let (first, last) = (first.max(1).min(last.max(1)), last.max(first).max(1));
        let mut selector = Self {
            secret: Secret::new(rng),
            first,
            count: u32::from(last - first) + 1,
            table: vec![0; TABLE_LENGTH].into(),
        };
        // RFC 6056 §3.3.4: each counter starts at a random value.
        for index in 0..TABLE_LENGTH {
            let mut hasher = selector.secret.hasher();
            hasher.write_usize(index);
            selector.table[index] = low32(hasher.finish());
        }
        selector
    }

    /// A port that is free; if none near by is, one that is reusable.
    pub(super) fn select(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        ports: &impl PortUse,
    ) -> Option<u16> {
        let (offset, index) = self.place(local, remote);
        let start = u64::from(offset) + u64::from(self.table[index]);
        let (first, count) = (u64::from(self.first), u64::from(self.count));
        let port_at = |step| u16::try_from(first + (start + u64::from(step)) % count).ok();
        let all_taken = ports.taken() >= self.count;
        let mut reusable = None;
        let mut step = 0;
        while step < self.count && (step < PATIENCE || !(all_taken || reusable.is_some())) {
            let port = port_at(step)?;
            if !ports.is_taken(port) {
                self.table[index] = self.table[index].wrapping_add(step + 1);
                return Some(port);
            }
            if step < PATIENCE && reusable.is_none() && ports.is_reusable(port) {
                reusable = Some(step);
            }
            step += 1;
        }
        // After a search in vain the next one looks further.
        let used = reusable.map_or(step, |step| step + 1);
        self.table[index] = self.table[index].wrapping_add(used);
        port_at(reusable?)
    }

    /// RFC 6056 §3.3.4: where a destination starts, F(), and which counter is its, G(). Halves of
    /// one keyed hash are as good as two.
    fn place(&self, local: IpAddr, remote: SocketAddr) -> (u32, usize) {
        let mut hasher = self.secret.hasher();
        (local, remote).hash(&mut hasher);
        let hash = hasher.finish();
        let index = usize::try_from((hash >> 32) % TABLE_LENGTH as u64).unwrap_or(0);
        (low32(hash), index)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "half of a hash is wanted")]
const fn low32(hash: u64) -> u32 {
    hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn remote(host: u8) -> SocketAddr {
        ([10, 0, 1, host], 80).into()
    }

    fn selector(range: (u16, u16)) -> PortSelector {
        PortSelector::new(&mut SeededRng::new([0; 32]), range)
    }

    /// A state for each port.
    struct Ports<F> {
        taken: u32,
        state: F,
        asked: Cell<u32>,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Port {
        Free,
        Reusable,
        Taken,
    }

    fn ports<F: Fn(u16) -> Port>(taken: u32, state: F) -> Ports<F> {
        Ports {
            taken,
            state,
            asked: Cell::new(0),
        }
    }

    impl<F: Fn(u16) -> Port> PortUse for Ports<F> {
        fn taken(&self) -> u32 {
            self.taken
        }
        fn is_taken(&self, port: u16) -> bool {
            self.asked.set(self.asked.get() + 1);
            (self.state)(port) != Port::Free
        }
        fn is_reusable(&self, port: u16) -> bool {
            (self.state)(port) == Port::Reusable
        }
    }

    fn any(selector: &mut PortSelector, remote: SocketAddr) -> u16 {
        let free = ports(0, |_| Port::Free);
        selector.select(LOCAL, remote, &free).unwrap()
    }

    #[test]
    fn every_free_port_is_found_and_none_twice_in_a_row() {
        let mut selector = selector((1000, 1999));
        let mut seen: Vec<u16> = (0..1000).map(|_| any(&mut selector, remote(2))).collect();
        seen.sort_unstable();
        assert_eq!(seen, (1000..2000).collect::<Vec<u16>>());
        for free in [1003, 1500, 1999] {
            let one = ports(999, |port| {
                if port == free {
                    Port::Free
                } else {
                    Port::Taken
                }
            });
            assert_eq!(selector.select(LOCAL, remote(2), &one), Some(free));
        }
        let none = ports(1000, |_| Port::Taken);
        assert_eq!(selector.select(LOCAL, remote(2), &none), None);
        assert_eq!(none.asked.get(), PATIENCE, "a search in vain is short");
    }

    #[test]
    fn other_destinations_do_not_disturb_a_sequence() {
        let range = (49152, 65535);
        let mut lonely = selector(range);
        let alone: Vec<u16> = (0..50).map(|_| any(&mut lonely, remote(0))).collect();
        let mut selector = selector(range);
        let own = selector.place(LOCAL, remote(0)).1;
        let others: Vec<SocketAddr> = (1..=255)
            .map(remote)
            .filter(|&other| selector.place(LOCAL, other).1 != own)
            .collect();
        assert!(others.len() > 240, "few share a counter");
        let mut among_others = Vec::new();
        for _ in 0..50 {
            for &other in &others {
                any(&mut selector, other);
            }
            among_others.push(any(&mut selector, remote(0)));
        }
        assert_eq!(among_others, alone);
        // A destination's own ports follow each other: the longest possible time until reuse.
        for pair in alone.windows(2) {
            let next = if pair[0] == 65535 { 49152 } else { pair[0] + 1 };
            assert_eq!(pair[1], next);
        }
    }

    #[test]
    fn destinations_start_at_places_of_their_own() {
        let mut selector = selector((49152, 65535));
        let mut first: Vec<_> = (0..100)
            .map(|host| any(&mut selector, remote(host)))
            .collect();
        first.sort_unstable();
        first.dedup();
        assert!(first.len() > 95);
    }

    #[test]
    fn a_free_port_goes_before_a_reusable_one_unless_it_is_far() {
        let start = any(&mut selector((1000, 1999)), remote(2));
        let nth = |n: u32| u16::try_from(1000 + (u32::from(start) - 1000 + n) % 1000).unwrap();
        // The port after the first is reusable, another is free.
        let choice = |free: u32| {
            let mut selector = selector((1000, 1999));
            any(&mut selector, remote(2));
            let state = ports(999, |port| match port {
                port if port == nth(1) => Port::Reusable,
                port if port == nth(free) => Port::Free,
                _ => Port::Taken,
            });
            selector.select(LOCAL, remote(2), &state)
        };
        assert_eq!(choice(100), Some(nth(100)));
        assert_eq!(choice(PATIENCE + 100), Some(nth(1)));
    }

    #[test]
    fn searches_in_vain_get_on() {
        let mut selector = selector((1000, 1999));
        let start = any(&mut selector, remote(2));
        let far = if start < 1500 {
            start + 499
        } else {
            start - 501
        };
        let state = ports(1000, |port| {
            if port == far {
                Port::Reusable
            } else {
                Port::Taken
            }
        });
        assert_eq!(selector.select(LOCAL, remote(2), &state), None);
        let found = (0..8).find_map(|_| selector.select(LOCAL, remote(2), &state));
        assert_eq!(found, Some(far));
    }
}
