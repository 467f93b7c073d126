//! Out-of-order byte ranges in, in-order bytes out.

use bytes::{Buf as _, Bytes};
use std::collections::BTreeMap;

/// Holds what arrived ahead of a gap until the gap is filled.
///
/// The first copy of a byte wins: later copies are dropped unread, so that a second, different
/// copy can never alter what is delivered (protocol reference 3.6).
#[derive(Debug, Default)]
pub struct Assembler {
    next: u64,
    /// Disjoint segments at or after `next`, by offset.
    segments: BTreeMap<u64, Bytes>,
    buffered: usize,
}

impl Assembler {
    /// An assembler that waits for offset `next`.
    #[must_use]
    pub fn new(next: u64) -> Self {
        Self {
            next,
            segments: BTreeMap::new(),
            buffered: 0,
        }
    }

    /// The offset that is delivered next.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.next
    }

    /// Bytes held, in order or not.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// The usual case: `len` bytes at `offset` are just what is next and overlap nothing held.
    /// Counts them as delivered and returns true; otherwise changes nothing.
    pub fn advance_if_next(&mut self, offset: u64, len: usize) -> bool {
        let end = offset + len as u64;
        let fits = offset == self.next
            && self
                .segments
                .first_key_value()
                .is_none_or(|(&first, _)| end <= first);
        if fits {
            self.next = end;
        }
        fits
    }

    /// Stores the parts of `bytes` that are new; returns how many bytes those are.
    pub fn insert(&mut self, mut offset: u64, mut bytes: Bytes) -> usize {
        if let Some(old) = self.next.checked_sub(offset).filter(|&old| old > 0) {
            if old >= bytes.len() as u64 {
                return 0;
            }
            bytes.advance(usize::try_from(old).unwrap_or(usize::MAX));
            offset = self.next;
        }
        if let Some((&before, held)) = self.segments.range(..=offset).next_back() {
            let before_end = before + held.len() as u64;
            if before_end >= offset + bytes.len() as u64 {
                return 0;
            }
            if before_end > offset {
                bytes.advance(usize::try_from(before_end - offset).unwrap_or(usize::MAX));
                offset = before_end;
            }
        }
        let mut stored = 0;
        while !bytes.is_empty() {
            let following = self
                .segments
                .range(offset..)
                .next()
                .map(|(&at, held)| (at, held.len()));
            let room = following.map_or(bytes.len(), |(at, _)| {
                usize::try_from(at - offset)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len())
            });
            if room > 0 {
                stored += room;
                self.segments.insert(offset, bytes.split_to(room));
                offset += room as u64;
            }
            let Some((_, held)) = following else { break };
            let skip = held.min(bytes.len());
            bytes.advance(skip);
            offset += skip as u64;
        }
        self.buffered += stored;
        stored
    }

    /// The next in-order bytes with their offset, if they are there.
    pub fn pop(&mut self) -> Option<(u64, Bytes)> {
        let entry = self.segments.first_entry()?;
        if *entry.key() != self.next {
            return None;
        }
        let (offset, bytes) = entry.remove_entry();
        self.next += bytes.len() as u64;
        self.buffered -= bytes.len();
        Some((offset, bytes))
    }

    /// Drops what is held at and behind an offset.
    pub fn truncate(&mut self, end: u64) {
        while let Some(mut last) = self.segments.last_entry() {
            let keep = usize::try_from(end.saturating_sub(*last.key())).unwrap_or(usize::MAX);
            let len = last.get().len();
            if keep >= len {
                break;
            }
            self.buffered -= len - keep;
            if keep > 0 {
                last.get_mut().truncate(keep);
                break;
            }
            last.remove();
        }
    }

    /// Drops everything that is held.
    pub fn clear(&mut self) {
        self.segments.clear();
        self.buffered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(assembler: &mut Assembler) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some((_, bytes)) = assembler.pop() {
            out.extend_from_slice(&bytes);
        }
        out
    }

    #[test]
    fn a_gap_holds_back_what_follows() {
        let mut assembler = Assembler::new(0);
        assert_eq!(assembler.insert(3, Bytes::from_static(b"def")), 3);
        assert_eq!(assembler.pop(), None);
        assert_eq!(assembler.insert(0, Bytes::from_static(b"abc")), 3);
        assert_eq!(drain(&mut assembler), b"abcdef");
        assert_eq!(assembler.next_offset(), 6);
        assert_eq!(assembler.buffered(), 0);
    }

    #[test]
    fn the_first_copy_wins() {
        let mut assembler = Assembler::new(0);
        assembler.insert(2, Bytes::from_static(b"cd"));
        assert_eq!(assembler.insert(0, Bytes::from_static(b"ABCDEF")), 4);
        assert_eq!(drain(&mut assembler), b"ABcdEF");
        assert_eq!(assembler.insert(0, Bytes::from_static(b"xxxxxx")), 0);
    }

    #[test]
    fn the_usual_case_bypasses_the_map() {
        let mut assembler = Assembler::new(0);
        assert!(assembler.advance_if_next(0, 10));
        assert!(!assembler.advance_if_next(20, 10));
        assembler.insert(20, Bytes::from_static(b"xx"));
        assert!(!assembler.advance_if_next(10, 11));
        assert!(assembler.advance_if_next(10, 10));
        assert_eq!(assembler.pop().unwrap().0, 20);
    }

    #[test]
    fn what_is_held_behind_an_end_can_be_dropped() {
        for (end, kept) in [
            (0, ""),
            (2, ""),
            (3, "c"),
            (5, "cde"),
            (7, "cde"),
            (8, "cdeh"),
        ] {
            let mut assembler = Assembler::new(0);
            assembler.insert(2, Bytes::from_static(b"cde"));
            assembler.insert(7, Bytes::from_static(b"hi"));
            assembler.truncate(end);
            assert_eq!(assembler.buffered(), kept.len());
            assert!(assembler.advance_if_next(0, 2) || end <= 2);
            let mut held = drain(&mut assembler);
            if assembler.next_offset() == 5 {
                assert!(assembler.advance_if_next(5, 2));
                held.extend(drain(&mut assembler));
            }
            assert_eq!(held, kept.as_bytes(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn any_order_of_any_pieces_gives_the_stream(
            pieces in prop::collection::vec((0_usize..200, 1_usize..40), 0..80)
        ) {
            let stream: Vec<u8> = (0..=255).collect();
            let mut assembler = Assembler::new(0);
            let mut out = Vec::new();
            for (start, len) in pieces {
                let piece = Bytes::copy_from_slice(&stream[start..(start + len).min(256)]);
                if !assembler.advance_if_next(start as u64, piece.len()) {
                    assembler.insert(start as u64, piece);
                } else {
                    out.extend_from_slice(&piece);
                }
                out.extend(drain(&mut assembler));
                prop_assert_eq!(out.len() as u64, assembler.next_offset());
            }
            prop_assert_eq!(&stream[..out.len()], &out[..]);
        }
    }
}
