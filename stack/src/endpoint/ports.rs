//! Local ports of outgoing subflows (RFC 6056 §3.3.4, double-hash port selection).

use super::secret::Secret;
use crate::base::rng::SeededRng;
use core::hash::Hash as _;
use core::hash::Hasher as _;
use std::net::{IpAddr, SocketAddr};

/// Counters that the destinations share (RFC 6056 §3.3.4, TABLE_LENGTH): two destinations with
/// the same one are as far apart as chance puts their offsets, only their steps are common.
const TABLE_LENGTH: usize = 1024;
/// Ports in a row that are looked at for a free one once there is one in TIME-WAIT to take
/// instead. Under exhaustion the ports next in turn are those used longest ago, so looking at all
/// of them for each connection would find nothing better.
const PATIENCE: u32 = 128;

/// Whether a port can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    /// Nobody uses it towards this destination.
    Free,
    /// An earlier connection is in TIME-WAIT there, and may make way.
    Reusable,
    /// In use.
    Taken,
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

    /// A port that is free; if none in a row of many is, one that is reusable.
    pub(super) fn select(
        &mut self,
        local: IpAddr,
        remote: SocketAddr,
        state: impl Fn(u16) -> Port,
    ) -> Option<u16> {
        let (offset, index) = self.place(local, remote);
        let next = self.table[index];
        let mut reusable = None;
        for step in 0..self.count {
            if step >= PATIENCE && reusable.is_some() {
                break;
            }
            let at =
                (u64::from(offset) + u64::from(next) + u64::from(step)) % u64::from(self.count);
            let port = u16::try_from(u64::from(self.first) + at).ok()?;
            match state(port) {
                Port::Free => {
                    self.table[index] = next.wrapping_add(step + 1);
                    return Some(port);
                }
                Port::Reusable => {
                    reusable.get_or_insert((port, step));
                }
                Port::Taken => {}
            }
        }
        let (port, step) = reusable?;
        self.table[index] = next.wrapping_add(step + 1);
        Some(port)
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

    #[test]
    fn every_free_port_is_found_and_none_twice_in_a_row() {
        let mut ports = selector((1000, 1009));
        let mut seen: Vec<u16> = (0..10)
            .map(|_| ports.select(LOCAL, remote(2), |_| Port::Free).unwrap())
            .collect();
        seen.sort_unstable();
        assert_eq!(seen, (1000..1010).collect::<Vec<u16>>());
        let only_1003 = |port| {
            if port == 1003 {
                Port::Free
            } else {
                Port::Taken
            }
        };
        assert_eq!(ports.select(LOCAL, remote(2), only_1003), Some(1003));
        assert_eq!(ports.select(LOCAL, remote(2), |_| Port::Taken), None);
    }

    #[test]
    fn other_destinations_do_not_disturb_a_sequence() {
        let range = (49152, 65535);
        let alone: Vec<_> = {
            let mut ports = selector(range);
            (0..50)
                .map(|_| ports.select(LOCAL, remote(0), |_| Port::Free))
                .collect()
        };
        let mut ports = selector(range);
        let own = ports.place(LOCAL, remote(0)).1;
        let others: Vec<SocketAddr> = (1..=255)
            .map(remote)
            .filter(|&other| ports.place(LOCAL, other).1 != own)
            .collect();
        assert!(others.len() > 240, "few share a counter");
        let mut among_others = Vec::new();
        for _ in 0..50 {
            for &other in &others {
                ports.select(LOCAL, other, |_| Port::Free).unwrap();
            }
            among_others.push(ports.select(LOCAL, remote(0), |_| Port::Free));
        }
        assert_eq!(among_others, alone);
        // A destination's own ports follow each other: the longest possible time until reuse.
        let steps = alone.windows(2).filter(|pair| {
            let (one, next) = (pair[0].unwrap(), pair[1].unwrap());
            next == one + 1 || (one, next) == (65535, 49152)
        });
        assert_eq!(steps.count(), 49);
    }

    #[test]
    fn destinations_start_at_places_of_their_own() {
        let mut ports = selector((49152, 65535));
        let mut first: Vec<_> = (0..100)
            .map(|host| ports.select(LOCAL, remote(host), |_| Port::Free).unwrap())
            .collect();
        first.sort_unstable();
        first.dedup();
        assert!(first.len() > 95);
    }

    #[test]
    fn a_free_port_goes_before_a_reusable_one_unless_it_is_far() {
        let mut ports = selector((1000, 1999));
        let start = ports.select(LOCAL, remote(2), |_| Port::Free).unwrap();
        let nth = |n: u16| 1000 + (start - 1000 + n) % 1000;
        let at = |free: u16| {
            move |port| match port {
                port if port == nth(1) => Port::Reusable,
                port if port == nth(free) => Port::Free,
                _ => Port::Taken,
            }
        };
        assert_eq!(
            selector_at(start).select(LOCAL, remote(2), at(100)),
            Some(nth(100))
        );
        assert_eq!(
            selector_at(start).select(LOCAL, remote(2), at(500)),
            Some(nth(1))
        );
        let looked_at = Cell::new(0);
        let port = selector_at(start).select(LOCAL, remote(2), |_| {
            looked_at.set(looked_at.get() + 1);
            Port::Reusable
        });
        assert_eq!(port, Some(nth(1)));
        assert_eq!(looked_at.get(), PATIENCE);
    }

    /// One that has given out `start` to the destination.
    fn selector_at(start: u16) -> PortSelector {
        let mut ports = selector((1000, 1999));
        assert_eq!(ports.select(LOCAL, remote(2), |_| Port::Free), Some(start));
        ports
    }
}
