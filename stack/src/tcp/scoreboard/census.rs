//! How many segments are in which state: for whoever looks from outside.

use super::{Content, Scoreboard};
use crate::tcp::scoreboard::segment::Fate;

/// Segments that are not acknowledged cumulatively. One that the device cuts counts as its pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// All of them.
    pub segments: u64,
    /// Those that arrived out of order.
    pub sacked: u64,
    /// Those judged lost and not yet sent again.
    pub lost: u64,
    /// Those that were sent again and are on their way.
    pub retransmitted: u64,
}

impl Scoreboard {
    /// Counts the segments of the queue, one by one.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for segment in &self.segments {
            let pieces = match segment.content {
                Content::Data => u64::from(segment.len.div_ceil(segment.slice.max(1))),
                Content::Syn | Content::Fin => 1,
            };
            census.segments += pieces;
            match segment.fate {
                Fate::Sacked => census.sacked += pieces,
                Fate::Lost => census.lost += pieces,
                Fate::InFlight if segment.is_retransmission() => census.retransmitted += pieces,
                Fate::InFlight => {}
            }
        }
        census
    }
}
