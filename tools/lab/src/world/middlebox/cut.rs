//! Middleboxes that draw the borders of segments anew.

use super::segment::{ACK, FIN, Flow, PSH, RST, SYN, Segment, forward};
use crate::world::wire::Middlebox;
use bytes::Bytes;
use std::collections::BTreeMap;
use umptcp_stack::Instant;

/// Which pieces of a split segment get its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsOfPieces {
    /// All, as network cards do it.
    All,
    /// The first only; the others have but timestamps.
    First,
}

/// Splits segments into smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitSegments {
    /// Bytes of payload of a piece at most; not 0.
    pub payload: usize,
    /// Which pieces get the options.
    pub options: OptionsOfPieces,
}

impl Middlebox for SplitSegments {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let Some(segment) = Segment::of(&packet)
            .filter(|segment| segment.payload().len() > self.payload && !segment.has(SYN | RST))
        else {
            out.push(packet);
            return;
        };
        let pieces = segment.payload().chunks(self.payload);
        let last = pieces.len() - 1;
        for (number, payload) in pieces.enumerate() {
            let mut piece = segment.clone();
            let at = u32::try_from(number * self.payload).unwrap_or(u32::MAX);
            piece.set_seq(segment.seq().wrapping_add(at));
            piece.set_payload(payload);
            if number != last {
                piece.clear(FIN | PSH);
            }
            if number != 0 && self.options == OptionsOfPieces::First {
                piece.keep_timestamps_only();
            }
            out.push(piece.into_packet());
        }
    }
}

/// Whose options a merged segment has: those of the other are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsOfMerged {
    /// Those of the first.
    First,
    /// Those of the second.
    Second,
}

/// Merges two data segments that follow each other. One waits for the next packet of its
/// connection, but not if it has PSH.
#[derive(Debug)]
pub struct MergeSegments {
    options: OptionsOfMerged,
    held: BTreeMap<Flow, Segment>,
}

impl MergeSegments {
    /// One that keeps these options.
    #[must_use]
    pub fn new(options: OptionsOfMerged) -> Self {
        Self {
            options,
            held: BTreeMap::new(),
        }
    }
}

impl Middlebox for MergeSegments {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let Some(segment) = Segment::of(&packet) else {
            out.push(packet);
            return;
        };
        let flow = segment.flow();
        let mergeable = !segment.payload().is_empty() && !segment.has(SYN | RST | FIN);
        match self.held.remove(&flow) {
            None if mergeable && !segment.has(PSH) => {
                self.held.insert(flow, segment);
            }
            None => out.push(packet),
            Some(first) if mergeable && first.seq().wrapping_add(first.len()) == segment.seq() => {
                out.push(merge(first, &segment, self.options).into_packet());
            }
            Some(first) => {
                out.push(first.into_packet());
                forward(packet, None, out);
            }
        }
    }
}

/// `first` with the bytes of `second` behind its own; what else they say is the later's.
fn merge(first: Segment, second: &Segment, options: OptionsOfMerged) -> Segment {
    let mut merged = second.clone();
    merged.set_seq(first.seq());
    merged.set_payload(&[first.payload(), second.payload()].concat());
    if options == OptionsOfMerged::First {
        merged.set_options_of(&first);
    }
    debug_assert!(merged.has(ACK));
    merged
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::segment;
    use super::*;

    fn pass(middlebox: &mut impl Middlebox, segment: Segment) -> Vec<(u32, Vec<u8>, bool)> {
        let mut out = Vec::new();
        middlebox.process(Instant::ZERO, segment.into_packet(), &mut out);
        out.iter()
            .map(|packet| {
                let segment = Segment::of(packet).unwrap();
                (segment.seq(), segment.payload().to_vec(), segment.has(PSH))
            })
            .collect()
    }

    #[test]
    fn pieces_are_the_whole() {
        let mut split = SplitSegments {
            payload: 2,
            options: OptionsOfPieces::All,
        };
        let pieces = pass(&mut split, segment(10, ACK | PSH, b"abcde"));
        let expected = [(10, "ab", false), (12, "cd", false), (14, "e", true)];
        let expected = expected.map(|(seq, text, push)| (seq, text.as_bytes().to_vec(), push));
        assert_eq!(pieces, expected);
    }

    #[test]
    fn only_neighbours_are_merged() {
        let mut box_ = MergeSegments::new(OptionsOfMerged::First);
        assert_eq!(pass(&mut box_, segment(10, ACK, b"ab")), []);
        let merged = pass(&mut box_, segment(12, ACK, b"cd"));
        assert_eq!(merged, [(10, b"abcd".to_vec(), false)]);
        assert_eq!(pass(&mut box_, segment(14, ACK, b"ef")), []);
        let apart = pass(&mut box_, segment(17, ACK, b"gh"));
        assert_eq!(
            apart,
            [(14, b"ef".to_vec(), false), (17, b"gh".to_vec(), false)]
        );
        let pushed = pass(&mut box_, segment(19, ACK | PSH, b"ij"));
        assert_eq!(pushed, [(19, b"ij".to_vec(), true)]);
    }
}
