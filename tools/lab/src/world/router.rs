//! Routers that do not forward everything, and say so with ICMP.

use super::wire::Middlebox;
use bytes::Bytes;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use umptcp_stack::Instant;
use umptcp_stack::wire::icmp::{self, IcmpErrorKind};

/// Where the errors come from: addresses for documentation (RFC 5737, RFC 3849).
const ROUTER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
const ROUTER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
/// DF, in byte 6 of an IPv4 header (RFC 791 §3.1).
const DO_NOT_FRAGMENT: u8 = 0x40;

/// A router whose next link carries packets up to a size only.
///
/// Longer ones are dropped if they may not be fragmented, as all of IPv6 and all of ours, and
/// their sender is told (RFC 1191 §4, RFC 4443 §3.2). There are no fragments here: what could be
/// fragmented goes on whole.
#[derive(Debug)]
pub struct PathMtuRouter {
    mtu: u16,
    speaks: bool,
    answers: Vec<Bytes>,
}

impl PathMtuRouter {
    /// One that tells senders.
    #[must_use]
    pub fn new(mtu: u16) -> Self {
        Self {
            mtu,
            speaks: true,
            answers: Vec::new(),
        }
    }

    /// One that swallows what is too long without a word: a black hole (RFC 2923 §2.1).
    #[must_use]
    pub fn black_hole(mtu: u16) -> Self {
        Self {
            speaks: false,
            ..Self::new(mtu)
        }
    }
}

impl Middlebox for PathMtuRouter {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        if packet.len() <= usize::from(self.mtu) || may_be_fragmented(&packet) {
            out.push(packet);
        } else if self.speaks {
            let kind = IcmpErrorKind::PacketTooBig { mtu: self.mtu };
            self.answers.extend(error(kind, &packet));
        }
    }

    fn answer(&mut self, back: &mut Vec<Bytes>) {
        back.append(&mut self.answers);
    }
}

/// A router that drops the packets for which a function names an error, and tells their sender.
pub struct Undelivered<F> {
    judge: F,
    answers: Vec<Bytes>,
}

impl<F: FnMut(Instant, &Bytes) -> Option<IcmpErrorKind>> Undelivered<F> {
    /// A router that judges by this function.
    pub fn new(judge: F) -> Self {
        Self {
            judge,
            answers: Vec::new(),
        }
    }
}

impl<F: FnMut(Instant, &Bytes) -> Option<IcmpErrorKind>> Middlebox for Undelivered<F> {
    fn process(&mut self, now: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        match (self.judge)(now, &packet) {
            None => out.push(packet),
            Some(kind) => self.answers.extend(error(kind, &packet)),
        }
    }

    fn answer(&mut self, back: &mut Vec<Bytes>) {
        back.append(&mut self.answers);
    }
}

impl<F> fmt::Debug for Undelivered<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Undelivered")
    }
}

fn error(kind: IcmpErrorKind, packet: &Bytes) -> Option<Bytes> {
    icmp::emit(ROUTER_V4, kind, packet).or_else(|| icmp::emit(ROUTER_V6, kind, packet))
}

fn may_be_fragmented(packet: &[u8]) -> bool {
    matches!(packet, [first, _, _, _, _, _, flags, ..]
        if first >> 4 == 4 && flags & DO_NOT_FRAGMENT == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use umptcp_stack::base::seq::SeqNum;

    /// Only as much of a packet as routers look at.
    fn packet(flags: u8, len: usize) -> Bytes {
        let mut packet = vec![0; len];
        packet[0] = 0x45;
        packet[6] = flags;
        packet[9] = 6;
        packet[12..20].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 1]);
        packet[20..28].copy_from_slice(&[0, 1, 0, 2, 0, 0, 0, 9]);
        packet.into()
    }

    fn pass(router: &mut impl Middlebox, packet: Bytes) -> (usize, Vec<Bytes>) {
        let (mut out, mut back) = (Vec::new(), Vec::new());
        router.process(Instant::ZERO, packet, &mut out);
        router.answer(&mut back);
        (out.len(), back)
    }

    #[test]
    fn what_is_too_long_is_dropped_and_answered() {
        let mut router = PathMtuRouter::new(1000);
        assert_eq!(
            pass(&mut router, packet(DO_NOT_FRAGMENT, 1000)),
            (1, vec![])
        );
        assert_eq!(pass(&mut router, packet(0, 1001)), (1, vec![]));
        let (through, answers) = pass(&mut router, packet(DO_NOT_FRAGMENT, 1001));
        assert_eq!((through, answers.len()), (0, 1));
        let error = icmp::parse(&answers[0]).unwrap().unwrap();
        assert_eq!(error.kind, IcmpErrorKind::PacketTooBig { mtu: 1000 });
        assert_eq!(error.seq, SeqNum(9));
        // It does not say so twice.
        assert_eq!(pass(&mut router, packet(DO_NOT_FRAGMENT, 100)), (1, vec![]));
    }

    #[test]
    fn a_black_hole_says_nothing() {
        let mut router = PathMtuRouter::black_hole(1000);
        assert_eq!(
            pass(&mut router, packet(DO_NOT_FRAGMENT, 1001)),
            (0, vec![])
        );
    }
}
