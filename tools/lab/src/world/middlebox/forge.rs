//! Middleboxes that speak in the name of a host.

use super::segment::{ACK, FIN, Flow, RST, SYN, Segment};
use crate::world::wire::Middlebox;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use umptcp_stack::Instant;

/// The last segment of each flow from the far side: what an acknowledgment of it looks like.
type Samples = Rc<RefCell<BTreeMap<Flow, Segment>>>;

/// A performance-enhancing proxy: acknowledges data on its way before the host does
/// (RFC 3135 §3.1.2), with no MPTCP option. It does not keep what it acknowledges.
#[derive(Debug)]
pub struct ProactiveAck {
    answers_here: bool,
    samples: Samples,
    answers: Vec<Bytes>,
}

impl ProactiveAck {
    /// The half for the direction of the data, and the half for the other.
    #[must_use]
    pub fn pair() -> [Self; 2] {
        let samples = Samples::default();
        [true, false].map(|answers_here| Self {
            answers_here,
            samples: Rc::clone(&samples),
            answers: Vec::new(),
        })
    }

    fn answer_to(&self, segment: &Segment) -> Option<Bytes> {
        if segment.payload().is_empty() || segment.has(SYN | RST | FIN) {
            return None;
        }
        let mut answer = self.samples.borrow().get(&segment.flow().back()).cloned()?;
        answer.set_seq(segment.ack());
        answer.set_ack(segment.seq().wrapping_add(segment.len()));
        answer.set_flags(ACK);
        answer.set_payload(&[]);
        answer.keep_timestamps_only();
        Some(answer.into_packet())
    }
}

impl Middlebox for ProactiveAck {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        if let Some(segment) = Segment::of(&packet) {
            if self.answers_here {
                self.answers.extend(self.answer_to(&segment));
            } else if !segment.has(SYN | RST) {
                self.samples.borrow_mut().insert(segment.flow(), segment);
            }
        }
        out.push(packet);
    }

    fn answer(&mut self, back: &mut Vec<Bytes>) {
        back.append(&mut self.answers);
    }
}

/// Sends RST behind a packet with data of every connection, with the right sequence number, to the
/// host that it goes to; once for each connection.
#[derive(Debug)]
pub struct ForgeReset {
    after: u32,
    seen: BTreeMap<Flow, u32>,
}

impl ForgeReset {
    /// One that does so behind the packet of this number, counted from 1.
    #[must_use]
    pub fn behind(after: u32) -> Self {
        Self {
            after,
            seen: BTreeMap::new(),
        }
    }
}

impl Middlebox for ForgeReset {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        out.push(packet.clone());
        let Some(mut segment) = Segment::of(&packet)
            .filter(|segment| !segment.payload().is_empty() && !segment.has(SYN | RST | FIN))
        else {
            return;
        };
        let seen = self.seen.entry(segment.flow()).or_default();
        *seen += 1;
        if *seen == self.after {
            segment.set_seq(segment.seq().wrapping_add(segment.len()));
            segment.set_flags(RST);
            segment.set_payload(&[]);
            segment.remove_options();
            out.push(segment.into_packet());
        }
    }
}
