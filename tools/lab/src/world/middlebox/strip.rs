//! Middleboxes that do not let MPTCP options through.

use super::segment::{ACK, NO_OPERATION, SYN, Segment, forward};
use crate::world::wire::Middlebox;
use bytes::Bytes;
use umptcp_stack::Instant;
use umptcp_stack::wire::mptcp_option::KIND;

/// Overwrites MPTCP options with no-operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StripMptcp {
    /// On segments with SYN.
    pub on_syn: bool,
    /// On all others.
    pub after_syn: bool,
}

impl Middlebox for StripMptcp {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let changed = self.strip(&packet);
        forward(packet, changed, out);
    }
}

impl StripMptcp {
    /// The segment without MPTCP options; `None` if it stays as it is.
    fn strip(self, packet: &[u8]) -> Option<Segment> {
        let mut segment = Segment::of(packet)?;
        let wanted = if segment.has(SYN) {
            self.on_syn
        } else {
            self.after_syn
        };
        let mut found = false;
        if wanted {
            segment.for_each_option(|option| found |= overwrite(option));
        }
        found.then_some(segment)
    }
}

/// Overwrites an option with no-operations if it is of MPTCP.
fn overwrite(option: &mut [u8]) -> bool {
    let found = option[0] == KIND;
    if found {
        option.fill(NO_OPERATION);
    }
    found
}

/// Drops SYNs that carry an MPTCP option, without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropMptcpSyn {
    /// SYN/ACKs too.
    pub answers: bool,
}

impl Middlebox for DropMptcpSyn {
    fn process(&mut self, _: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        let unwanted = Segment::of(&packet).is_some_and(|mut segment| {
            let mut found = false;
            segment.for_each_option(|option| found |= option[0] == KIND);
            found && segment.has(SYN) && (self.answers || !segment.has(ACK))
        });
        if !unwanted {
            out.push(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::segment::for_each_option;
    use super::*;

    fn strip(options: &mut [u8]) -> bool {
        let mut found = false;
        for_each_option(options, |option| found |= overwrite(option));
        found
    }

    #[test]
    fn only_mptcp_options_are_overwritten() {
        // MSS, MPTCP of 4 bytes, NOP, window scale, MPTCP of 6 bytes, end.
        let mut options = [
            2, 4, 5, 180, 30, 4, 0x20, 0, 1, 3, 3, 7, 30, 6, 1, 2, 3, 4, 0, 30,
        ];
        assert!(strip(&mut options));
        let expected = [
            2, 4, 5, 180, 1, 1, 1, 1, 1, 3, 3, 7, 1, 1, 1, 1, 1, 1, 0, 30,
        ];
        assert_eq!(options, expected);
        assert!(!strip(&mut options));
        // Broken lengths end the walk.
        assert!(!strip(&mut [8, 0, 30, 2]));
        assert!(!strip(&mut [8]));
        assert!(strip(&mut [30, 200]));
    }
}
