//! A set of offsets, kept as disjoint ranges.

use std::collections::BTreeMap;
use std::ops::Range;

/// Disjoint, non-adjacent, non-empty ranges in ascending order.
#[derive(Clone, Debug, Default)]
pub struct RangeSet {
    /// Start to end of each range.
    ranges: BTreeMap<u64, u64>,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True if it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The first range.
    #[must_use]
    pub fn first(&self) -> Option<Range<u64>> {
        self.ranges
            .first_key_value()
            .map(|(&start, &end)| start..end)
    }

    /// All ranges, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(&start, &end)| start..end)
    }

    /// The range that holds `offset`.
    #[must_use]
    pub fn range_containing(&self, offset: u64) -> Option<Range<u64>> {
        let (&start, &end) = self.ranges.range(..=offset).next_back()?;
        (offset < end).then_some(start..end)
    }

    /// The first part of `range` that is in the set.
    #[must_use]
    pub fn first_overlap(&self, range: &Range<u64>) -> Option<Range<u64>> {
        if let Some(known) = self.range_containing(range.start) {
            let overlap = range.start..known.end.min(range.end);
            return (!overlap.is_empty()).then_some(overlap);
        }
        let (&start, &end) = self.ranges.range(range.clone()).next()?;
        Some(start..end.min(range.end))
    }

    /// Adds a range, joining it with those that it overlaps or touches.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        if let Some((&before, &before_end)) = self.ranges.range(..=start).next_back()
            && before_end >= start
        {
            start = before;
            end = end.max(before_end);
        }
        while let Some((&next, &next_end)) = self.ranges.range(start..=end).next() {
            self.ranges.remove(&next);
            end = end.max(next_end);
        }
        self.ranges.insert(start, end);
    }

    /// Takes a range out, splitting those that reach beyond it.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if let Some((&before, &before_end)) = self.ranges.range(..range.start).next_back()
            && before_end > range.start
        {
            self.ranges.insert(before, range.start);
            if before_end > range.end {
                self.ranges.insert(range.end, before_end);
            }
        }
        while let Some((&next, &next_end)) = self.ranges.range(range.clone()).next() {
            self.ranges.remove(&next);
            if next_end > range.end {
                self.ranges.insert(range.end, next_end);
            }
        }
    }

    /// Takes out everything below `offset`.
    pub fn remove_before(&mut self, offset: u64) {
        if self.first().is_some_and(|first| first.start < offset) {
            self.remove(0..offset);
        }
    }

    /// Empties the set.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn ranges(set: &RangeSet) -> Vec<Range<u64>> {
        set.iter().collect()
    }

    #[test]
    fn neighbours_join_and_removal_splits() {
        let mut set = RangeSet::new();
        set.insert(10..20);
        set.insert(30..40);
        set.insert(20..30);
        assert_eq!(ranges(&set), vec![10..40]);
        set.remove(15..35);
        assert_eq!(ranges(&set), [10..15, 35..40]);
        assert_eq!(set.range_containing(36), Some(35..40));
        assert_eq!(set.range_containing(15), None);
        set.remove_before(37);
        assert_eq!(ranges(&set), vec![37..40]);
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_single_offsets(
            steps in prop::collection::vec((any::<bool>(), 0_u64..64, 0_u64..20), 0..60)
        ) {
            let mut set = RangeSet::new();
            let mut model = BTreeSet::new();
            for (insert, start, len) in steps {
                let range = start..start + len;
                let held: Vec<u64> = range.clone().filter(|o| model.contains(o)).collect();
                let first = set.first_overlap(&range);
                prop_assert_eq!(
                    first.clone().map(|first| first.start),
                    held.first().copied()
                );
                if let Some(first) = first {
                    prop_assert!(first.clone().all(|offset| model.contains(&offset)));
                    prop_assert!(first.end == range.end || !model.contains(&first.end));
                }
                if insert {
                    set.insert(range.clone());
                    model.extend(range);
                } else {
                    set.remove(range.clone());
                    model.retain(|offset| !range.contains(offset));
                }
                let flat: BTreeSet<u64> = set.iter().flatten().collect();
                prop_assert_eq!(&flat, &model);
                let all = ranges(&set);
                prop_assert!(all.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }
}
