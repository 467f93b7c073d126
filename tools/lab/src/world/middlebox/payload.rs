//! Middleboxes that change the bytes of a stream, as application-level gateways do
//! (RFC 6824 §6: "content-modifying" ones are what the DSS checksum is for).

use super::segment::{ACK, Flow, SYN, Segment, forward};
use crate::world::wire::Middlebox;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use umptcp_stack::Instant;

/// Where streams begin: the sequence number of the first byte of each.
type Starts = BTreeMap<Flow, u32>;

/// Notes where a stream begins, and tells how far into it a segment starts.
fn offset(starts: &mut Starts, segment: &Segment) -> Option<u32> {
    if segment.has(SYN) {
        starts.insert(segment.flow(), segment.seq().wrapping_add(1));
        return None;
    }
    let start = starts.get(&segment.flow())?;
    Some(segment.seq().wrapping_sub(*start))
}

/// Inverts some bytes of every TCP stream that passes, each time they pass.
pub struct ChangeBytes {
    is_changed: Box<dyn FnMut(u32) -> bool>,
    starts: Starts,
}

impl fmt::Debug for ChangeBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeBytes")
    }
}

impl ChangeBytes {
    /// One that changes the bytes at these offsets.
    #[must_use]
    pub fn new(range: Range<u32>) -> Self {
        Self::where_is(move |offset| range.contains(&offset))
    }

    /// One that changes the bytes for whose offset this is true.
    #[must_use]
    pub fn where_is(is_changed: impl FnMut(u32) -> bool + 'static) -> Self {
        Self {
            is_changed: Box::new(is_changed),
            starts: Starts::new(),
        }
    }

    fn change(&mut self, packet: &[u8]) -> Option<Segment> {
        let mut segment = Segment::of(packet)?;
        let start = offset(&mut self.starts, &segment)?;
        let mut changed = false;
        for (into, byte) in (0..).zip(segment.payload_mut()) {
            // A keepalive probe begins one in front of the stream.
            if (self.is_changed)(start.wrapping_add(into)) {
                *byte = !*byte;
                changed = true;
            }
        }
        changed.then_some(segment)
    }
}

impl Middlebox for ChangeBytes {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let changed = self.change(&packet);
        forward(packet, changed, out);
    }
}

#[derive(Debug)]
struct Insertion {
    at: u32,
    bytes: Bytes,
    starts: Starts,
}

impl Insertion {
    fn len(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// The way of the stream.
    fn insert(&mut self, segment: &mut Segment) {
        let Some(start) = offset(&mut self.starts, segment) else {
            return;
        };
        let payload = segment.payload();
        let into = usize::try_from(i64::from(self.at) - i64::from(start)).ok();
        match into.filter(|into| *into < payload.len()) {
            Some(into) => {
                let (before, after) = payload.split_at(into);
                let payload = [before, &self.bytes, after].concat();
                segment.set_payload(&payload);
            }
            None if start > self.at => segment.set_seq(segment.seq().wrapping_add(self.len())),
            None => {}
        }
    }

    /// The way of its acknowledgments.
    fn forget(&self, segment: &mut Segment) {
        let Some(&start) = self.starts.get(&segment.flow().back()) else {
            return;
        };
        let original = |seen: u32| {
            let at = seen.wrapping_sub(start);
            // What is acknowledged of the inserted bytes says nothing about others.
            let at = if at <= self.at {
                at
            } else {
                at.saturating_sub(self.len()).max(self.at)
            };
            start.wrapping_add(at)
        };
        if segment.has(ACK) {
            segment.set_ack(original(segment.ack()));
            segment.map_sack(original);
        }
    }
}

/// One direction of a middlebox that inserts bytes into every TCP stream that goes one way, and
/// shifts sequence numbers and acknowledgments to match.
#[derive(Debug)]
pub struct InsertBytes {
    with_the_stream: bool,
    insertion: Rc<RefCell<Insertion>>,
}

impl InsertBytes {
    /// The half for the direction of the stream, into which `bytes` are inserted in front of the
    /// one at `at`, and the half for the other.
    #[must_use]
    pub fn pair(at: u32, bytes: Bytes) -> [Self; 2] {
        let insertion = Rc::new(RefCell::new(Insertion {
            at,
            bytes,
            starts: Starts::new(),
        }));
        [true, false].map(|with_the_stream| Self {
            with_the_stream,
            insertion: Rc::clone(&insertion),
        })
    }
}

impl Middlebox for InsertBytes {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let changed = Segment::of(&packet).map(|mut segment| {
            let mut insertion = self.insertion.borrow_mut();
            if self.with_the_stream {
                insertion.insert(&mut segment);
            } else {
                insertion.forget(&mut segment);
            }
            segment
        });
        forward(packet, changed, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::segment;
    use super::*;

    fn pass(middlebox: &mut impl Middlebox, segment: Segment) -> Segment {
        let mut out = Vec::new();
        middlebox.process(Instant::ZERO, segment.into_packet(), &mut out);
        Segment::of(&out[0]).unwrap()
    }

    #[test]
    fn only_the_range_is_changed_whatever_the_segments() {
        let mut change = ChangeBytes::new(2..4);
        pass(&mut change, segment(9, SYN, b""));
        assert_eq!(pass(&mut change, segment(10, ACK, b"ab")).payload(), b"ab");
        let expected = [!b'c', !b'd', b'e'];
        assert_eq!(
            pass(&mut change, segment(12, ACK, b"cde")).payload(),
            expected
        );
        assert_eq!(
            pass(&mut change, segment(13, ACK, b"de")).payload(),
            &expected[1..]
        );
    }

    #[test]
    fn insertions_shift_what_follows_and_acknowledgments_find_back() {
        let [mut there, mut back] = InsertBytes::pair(2, Bytes::from_static(b"xyz"));
        pass(&mut there, segment(9, SYN, b""));
        let with = pass(&mut there, segment(10, ACK, b"abcd"));
        assert_eq!((with.seq(), with.payload()), (10, &b"abxyzcd"[..]));
        let next = pass(&mut there, segment(14, ACK, b"ef"));
        assert_eq!((next.seq(), next.payload()), (17, &b"ef"[..]));
        for (seen, original) in [(10, 10), (12, 12), (13, 12), (15, 12), (16, 13), (19, 16)] {
            let mut ack = segment(1, ACK, b"");
            ack.set_flow(ack.flow().back());
            ack.set_ack(seen);
            assert_eq!(pass(&mut back, ack).ack(), original);
        }
    }
}
