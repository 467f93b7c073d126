//! A table of things that are remembered for a while, and of at most so many of them.
//!
//! Owns what makes room: what has expired, then what would expire next. It has no clock.

use crate::base::time::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// Values that count until a time of their own.
#[derive(Debug)]
pub(super) struct Expiring<K, V> {
    values: BTreeMap<K, (V, Instant)>,
    /// The same keys by the time until which they count.
    order: BTreeSet<(Instant, K)>,
    limit: usize,
}

impl<K: Copy + Ord, V: Copy> Expiring<K, V> {
    /// Empty; remembers `limit` values at most.
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            order: BTreeSet::new(),
            limit,
        }
    }

    /// The value, if it still counts.
    pub(super) fn get(&self, now: Instant, key: K) -> Option<V> {
        let &(value, until) = self.values.get(&key)?;
        (now < until).then_some(value)
    }

    /// Remembers a value, in place of an earlier one.
    pub(super) fn insert(&mut self, now: Instant, key: K, value: V, until: Instant) {
        self.remove(key);
        while let Some(&(first, oldest)) = self.order.first()
            && (first <= now || self.values.len() >= self.limit)
        {
            self.remove(oldest);
        }
        if now < until && self.limit > 0 {
            self.values.insert(key, (value, until));
            self.order.insert((until, key));
        }
    }

    pub(super) fn remove(&mut self, key: K) {
        if let Some((_, until)) = self.values.remove(&key) {
            self.order.remove(&(until, key));
        }
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(K) -> bool) {
        self.values.retain(|&key, _| keep(key));
        self.order.retain(|&(_, key)| keep(key));
    }

    /// All that counts.
    pub(super) fn iter(&self, now: Instant) -> impl Iterator<Item = (K, V)> + '_ {
        self.values
            .iter()
            .filter(move |(_, (_, until))| now < *until)
            .map(|(&key, &(value, _))| (key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    #[test]
    fn a_value_counts_until_its_time() {
        let mut table = Expiring::new(10);
        table.insert(at(0), 'a', 1, at(100));
        assert_eq!(table.get(at(99), 'a'), Some(1));
        assert_eq!(table.get(at(100), 'a'), None);
        table.insert(at(50), 'a', 2, at(150));
        assert_eq!(table.get(at(100), 'a'), Some(2), "replaced");
        assert_eq!(table.iter(at(149)).collect::<Vec<_>>(), [('a', 2)]);
        assert_eq!(table.iter(at(150)).count(), 0);
        table.retain(|key| key != 'a');
        assert_eq!((table.values.len(), table.order.len()), (0, 0));
    }

    #[test]
    fn what_expires_first_makes_room() {
        let mut table = Expiring::new(2);
        table.insert(at(0), 'a', 1, at(300));
        table.insert(at(0), 'b', 2, at(100));
        table.insert(at(0), 'c', 3, at(200));
        let left = |table: &Expiring<char, i32>| table.iter(at(0)).collect::<Vec<_>>();
        assert_eq!(left(&table), [('a', 1), ('c', 3)]);
        // What has expired goes first, however much room there is.
        table.insert(at(250), 'd', 4, at(260));
        assert_eq!(left(&table), [('a', 1), ('d', 4)]);
        assert_eq!((table.values.len(), table.order.len()), (2, 2));
        let mut nothing = Expiring::new(0);
        nothing.insert(at(0), 'a', 1, at(100));
        assert_eq!(nothing.get(at(0), 'a'), None);
    }
}
