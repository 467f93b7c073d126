//! A NAT in front of the host at the first end of a wire (RFC 3022 §2.2).

use super::segment::{Flow, SYN, Segment};
use crate::world::wire::Middlebox;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use umptcp_stack::Instant;

/// The first port that it gives.
const FIRST_PORT: u16 = 20_000;

#[derive(Debug)]
struct Bindings {
    public: IpAddr,
    next_port: u16,
    /// From what a host inside sends to the address and port it appears with.
    outwards: BTreeMap<Flow, SocketAddr>,
    /// From what the outside answers to the address and port of the host inside.
    inwards: BTreeMap<Flow, SocketAddr>,
}

/// One direction of a NAT that hides the host at the first end of a wire behind an address and
/// ports of its own. What comes from outside unasked is dropped, as is what goes out without a SYN
/// first.
#[derive(Debug)]
pub struct Nat {
    outwards: bool,
    bindings: Rc<RefCell<Bindings>>,
}

impl Nat {
    /// For directions 0 and 1 of a wire. `public` is of the family of the wire's addresses.
    #[must_use]
    pub fn pair(public: IpAddr) -> [Self; 2] {
        let bindings = Rc::new(RefCell::new(Bindings {
            public,
            next_port: FIRST_PORT,
            outwards: BTreeMap::new(),
            inwards: BTreeMap::new(),
        }));
        [true, false].map(|outwards| Self {
            outwards,
            bindings: Rc::clone(&bindings),
        })
    }
}

impl Bindings {
    fn bind(&mut self, flow: Flow) -> SocketAddr {
        let public = SocketAddr::new(self.public, self.next_port);
        self.next_port = self.next_port.wrapping_add(1).max(FIRST_PORT);
        self.outwards.insert(flow, public);
        let answer = Flow {
            from: flow.to,
            to: public,
        };
        self.inwards.insert(answer, flow.from);
        public
    }

    fn translate(&mut self, outwards: bool, segment: &Segment) -> Option<Flow> {
        let flow = segment.flow();
        if outwards {
            let from = match self.outwards.get(&flow) {
                Some(known) => *known,
                None if segment.has(SYN) => self.bind(flow),
                None => return None,
            };
            return Some(Flow { from, ..flow });
        }
        let to = *self.inwards.get(&flow)?;
        Some(Flow { to, ..flow })
    }
}

impl Middlebox for Nat {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let Some(mut segment) = Segment::of(&packet) else {
            return;
        };
        let translated = self
            .bindings
            .borrow_mut()
            .translate(self.outwards, &segment);
        if let Some(flow) = translated {
            segment.set_flow(flow);
            out.push(segment.into_packet());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::ACK;
    use super::super::segment::tests::segment;
    use super::*;

    fn pass(nat: &mut Nat, segment: Segment) -> Option<Segment> {
        let mut out = Vec::new();
        nat.process(Instant::ZERO, segment.into_packet(), &mut out);
        out.first().map(|packet| Segment::of(packet).unwrap())
    }

    #[test]
    fn answers_find_back_and_nothing_else_comes_in() {
        let [mut outwards, mut inwards] = Nat::pair("192.0.2.1".parse().unwrap());
        assert!(pass(&mut outwards, segment(1, ACK, b"")).is_none());
        let seen = pass(&mut outwards, segment(1, SYN, b"")).unwrap().flow();
        assert_eq!(seen.from, "192.0.2.1:20000".parse().unwrap());
        let mut answer = segment(1, SYN | ACK, b"");
        answer.set_flow(seen.back());
        let back = pass(&mut inwards, answer).unwrap().flow();
        assert_eq!(back.back(), segment(1, SYN, b"").flow());
        let mut unasked = segment(1, SYN, b"");
        unasked.set_flow(Flow {
            from: "10.0.0.2:81".parse().unwrap(),
            ..seen.back()
        });
        assert!(pass(&mut inwards, unasked).is_none());
    }
}
