//! A firewall that gives connections sequence numbers of its own.

use super::segment::{ACK, Flow, Segment, forward};
use crate::world::wire::Middlebox;
use bytes::Bytes;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use umptcp_stack::Instant;

/// Shifts the sequence numbers of every connection, each direction by an amount of its own, and
/// acknowledgments with SACK blocks to match. Options with sequence numbers other than SACK stay as
/// they are: that is why mappings count from the first byte of their subflow (RFC 6824 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RewriteSequence {
    /// Chooses the amounts. Both directions of a wire need the same.
    pub seed: u64,
}

impl RewriteSequence {
    fn shift(self, flow: Flow) -> u32 {
        let mut hasher = DefaultHasher::new();
        (self.seed, flow.from, flow.to).hash(&mut hasher);
        u32::try_from(hasher.finish() >> 32).unwrap_or(0)
    }
}

impl Middlebox for RewriteSequence {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let changed = Segment::of(&packet).map(|mut segment| {
            let flow = segment.flow();
            let back = self.shift(flow.back());
            segment.set_seq(segment.seq().wrapping_add(self.shift(flow)));
            if segment.has(ACK) {
                segment.set_ack(segment.ack().wrapping_sub(back));
                segment.map_sack(|edge| edge.wrapping_sub(back));
            }
            segment
        });
        forward(packet, changed, out);
    }
}
