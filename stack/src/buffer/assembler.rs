//! Out-of-order byte ranges in, in-order bytes out.

use bytes::{Buf as _, Bytes};
use std::collections::BTreeMap;

/// Payloads up to this size are copied when they have to wait: a small slice would pin the whole
/// read buffer it came in.
const COMPACT_BELOW: usize = 512;
/// Pieces that are held whatever their size.
const FREE_PIECES: usize = 4096;
/// Beyond that, one more for each so many bytes held. A piece costs memory of its own: a peer must
/// not make us spend many times what it sends by sending it in crumbs out of order.
const BYTES_PER_PIECE: usize = 256;

/// The bytes in a buffer of their own, if it is worth it.
#[must_use]
pub fn compact(bytes: Bytes) -> Bytes {
    if bytes.len() < COMPACT_BELOW {
        Bytes::copy_from_slice(&bytes)
    } else {
        bytes
    }
}

/// What became of bytes that came ahead of a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// How many of them were new.
    pub bytes: usize,
    /// Nothing that is held lies behind them.
    pub at_end: bool,
    /// They touch or overlap something that was held.
    pub joined: bool,
}

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

    /// There is room for bytes ahead of a gap. What is next is always taken.
    #[must_use]
    pub fn has_room_ahead(&self) -> bool {
        self.segments.len() < FREE_PIECES + self.buffered / BYTES_PER_PIECE
    }

    /// Stores the parts of `bytes` that are new.
    pub fn insert(&mut self, mut offset: u64, mut bytes: Bytes) -> Stored {
        if let Some(old) = self.next.checked_sub(offset).filter(|&old| old > 0) {
            if old >= bytes.len() as u64 {
                return Stored::default();
            }
            bytes.advance(usize::try_from(old).unwrap_or(usize::MAX));
            offset = self.next;
        }
        let mut joined = false;
        if let Some((&before, held)) = self.segments.range(..=offset).next_back() {
            let before_end = before + held.len() as u64;
            if before_end >= offset + bytes.len() as u64 {
                return Stored::default();
            }
            joined = before_end >= offset;
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
            let Some((at, held)) = following else { break };
            joined |= at == offset;
            let skip = held.min(bytes.len());
            bytes.advance(skip);
            offset += skip as u64;
        }
        self.buffered += stored;
        Stored {
            bytes: stored,
            at_end: self.segments.range(offset..).next().is_none(),
            joined,
        }
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
        assert_eq!(assembler.insert(3, Bytes::from_static(b"def")).bytes, 3);
        assert_eq!(assembler.pop(), None);
        assert_eq!(assembler.insert(0, Bytes::from_static(b"abc")).bytes, 3);
        assert_eq!(drain(&mut assembler), b"abcdef");
        assert_eq!(assembler.next_offset(), 6);
        assert_eq!(assembler.buffered(), 0);
    }

    #[test]
    fn the_first_copy_wins() {
        let mut assembler = Assembler::new(0);
        assembler.insert(2, Bytes::from_static(b"cd"));
        assert_eq!(assembler.insert(0, Bytes::from_static(b"ABCDEF")).bytes, 4);
        assert_eq!(drain(&mut assembler), b"ABcdEF");
        assert_eq!(assembler.insert(0, Bytes::from_static(b"xxxxxx")).bytes, 0);
    }

    #[test]
    fn where_bytes_come_to_lie_is_told() {
        let mut assembler = Assembler::new(0);
        let mut insert = |offset, bytes| {
            let stored = assembler.insert(offset, Bytes::from_static(bytes));
            (stored.bytes, stored.at_end, stored.joined)
        };
        assert_eq!(insert(20, b"at the end"), (10, true, false));
        assert_eq!(insert(10, b"before"), (6, false, false));
        assert_eq!(insert(16, b"gaps"), (4, false, true));
        assert_eq!(insert(28, b"over"), (2, true, true));
        assert_eq!(insert(5, b"until"), (5, false, true));
        assert_eq!(insert(6, b"til"), (0, false, false));
    }

    #[test]
    fn crumbs_are_held_only_so_far() {
        let mut assembler = Assembler::new(0);
        let crumb = || Bytes::from_static(b"x");
        let mut pieces = 0_u64;
        while assembler.has_room_ahead() {
            pieces += 1;
            assembler.insert(2 * pieces, crumb());
        }
        assert_eq!(pieces, 4096 + 16);
        // Pieces of the usual size can go on for ever.
        let whole = Bytes::from_static(&[0; 1000]);
        for piece in 0..10_000 {
            assembler.insert(100_000 + 1001 * piece, whole.clone());
            assert!(assembler.has_room_ahead());
        }
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
