//! What selective acknowledgments mark as received (RFC 2018 §4), in whole pieces.

use super::segment::{Content, Fate};
use super::{AckContext, Delivered, Scoreboard, SentSegment};
use crate::base::seq::SeqNum;
use crate::wire::tcp_option::SackBlock;

impl Scoreboard {
    /// Marks what `blocks` cover as received (RFC 2018 §4). Blocks outside of what was sent are
    /// ignored, and so is all but whole pieces.
    pub fn sack(
        &mut self,
        context: &AckContext,
        blocks: &[SackBlock],
        snd_nxt: SeqNum,
        delivered: &mut Delivered,
    ) {
        // RFC 7323 §4.3: what is echoed is the timestamp of the last segment in order. It tells
        // nothing of the transmissions behind the gap, and would make all that were sent again
        // look like earlier ones.
        let context = &AckContext {
            echo: None,
            ..*context
        };
        for block in blocks {
            if !block.left.before(block.right) || block.right.after(snd_nxt) {
                continue;
            }
            let known = self
                .seen
                .iter()
                .find(|seen| seen.left == block.left && seen.right.at_or_before(block.right));
            let from = known.map_or(block.left, |seen| seen.right);
            self.sack_range(context, block, from, delivered);
        }
        self.seen.clear();
        self.seen.extend_from_slice(&blocks[..blocks.len().min(4)]);
    }

    /// Marks the segments of a block, of which those before `from` need no visit.
    fn sack_range(
        &mut self,
        context: &AckContext,
        block: &SackBlock,
        from: SeqNum,
        delivered: &mut Delivered,
    ) {
        let mut index = self.index_of(from);
        // A segment of which only a part was covered before is looked at again.
        if index > 0 && self.segments[index - 1].end().after(from) {
            index -= 1;
        }
        while let Some(segment) = self.segments.get(index)
            && segment.seq.before(block.right)
        {
            if segment.fate != Fate::Sacked {
                match covered(segment, block) {
                    Cover::Whole => self.sack_one(context, index, delivered),
                    Cover::Front(keep) => {
                        self.split(index, keep);
                        self.sack_one(context, index, delivered);
                    }
                    // The part behind it is looked at next.
                    Cover::Behind(keep) => self.split(index, keep),
                    Cover::Nothing => {}
                }
            }
            index += 1;
        }
    }

    fn sack_one(&mut self, context: &AckContext, index: usize, delivered: &mut Delivered) {
        let segment = &mut self.segments[index];
        let len = segment.len as usize;
        match segment.fate {
            Fate::Sacked => return,
            Fate::InFlight => self.in_flight -= len,
            Fate::Lost => self.lost -= len,
        }
        segment.fate = Fate::Sacked;
        self.sacked += len;
        self.sacked_segments += 1;
        let segment = &self.segments[index];
        delivered.count(context, segment, segment.len);
    }
}

/// What a block says of a segment.
enum Cover {
    Nothing,
    Whole,
    /// Its first bytes, this many.
    Front(u32),
    /// Something behind its first bytes, which are this many.
    Behind(u32),
}

/// Cuts are made only where the device made them: a peer that reports single bytes must not cut
/// the queue into as many segments.
fn covered(segment: &SentSegment, block: &SackBlock) -> Cover {
    let before = u32::try_from(block.left.distance_from(segment.seq)).unwrap_or(0);
    let until = u32::try_from(block.right.distance_from(segment.seq)).unwrap_or(0);
    if before == 0 && until >= segment.len {
        return Cover::Whole;
    }
    if segment.content != Content::Data || segment.slice == 0 {
        return Cover::Nothing;
    }
    let before = before.next_multiple_of(segment.slice);
    let until = if until >= segment.len {
        segment.len
    } else {
        until - until % segment.slice
    };
    if before >= until {
        Cover::Nothing
    } else if before > 0 {
        Cover::Behind(before)
    } else {
        Cover::Front(until)
    }
}
