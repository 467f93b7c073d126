//! Explicit congestion notification (RFC 3168 §6.1).
//!
//! Owns whether it was negotiated, and the two flags that travel back and forth: ECE tells the
//! sender that a packet was marked, CWR tells the receiver that the sender has reacted. How the
//! window reacts is the congestion controller's business.

use crate::base::config::EcnPolicy;
use crate::wire::packet::Flags;

/// ECN on one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ecn {
    negotiated: bool,
    /// ECE goes on every acknowledgment until CWR comes.
    echo: bool,
    /// CWR goes on the next new data.
    reduced: bool,
    /// The last data segment was marked.
    last_marked: bool,
}

impl Ecn {
    /// The flags of our SYN, which offers it unless it has been lost before: some middleboxes
    /// drop SYNs with these flags (RFC 3168 §6.1.1.1).
    #[must_use]
    pub fn offer(policy: EcnPolicy, transmissions: u32) -> Flags {
        let offers = policy == EcnPolicy::Request && transmissions <= 1;
        Flags {
            ece: offers,
            cwr: offers,
            ..Flags::default()
        }
    }

    /// The flag of our SYN/ACK (RFC 3168 §6.1.1).
    #[must_use]
    pub fn answer(self) -> Flags {
        Flags {
            ece: self.negotiated,
            ..Flags::default()
        }
    }

    /// True if a SYN with these flags, of which both ask for it, is answered with agreement.
    #[must_use]
    pub fn accepts(policy: EcnPolicy, flags: Flags) -> bool {
        policy != EcnPolicy::Off && flags.ece && flags.cwr
    }

    /// The peer's SYN.
    pub fn on_syn(&mut self, policy: EcnPolicy, flags: Flags) {
        self.negotiated = Self::accepts(policy, flags);
    }

    /// The peer's SYN/ACK: ECE alone accepts it. Both flags are a reflection of our own.
    pub fn on_syn_ack(&mut self, policy: EcnPolicy, flags: Flags) {
        self.negotiated = policy == EcnPolicy::Request && flags.ece && !flags.cwr;
    }

    /// Both sides agreed to it.
    #[must_use]
    pub fn is_negotiated(self) -> bool {
        self.negotiated
    }

    /// A data segment arrived; true if its acknowledgment must not wait, because marking began
    /// or ended with it.
    pub fn on_data(&mut self, marked: bool, flags: Flags) -> bool {
        if !self.negotiated {
            return false;
        }
        if flags.cwr {
            self.echo = false;
        }
        self.echo |= marked;
        core::mem::replace(&mut self.last_marked, marked) != marked
    }

    /// An acknowledgment arrived; true if it tells of a mark.
    #[must_use]
    pub fn is_echo(self, flags: Flags) -> bool {
        self.negotiated && flags.ece && !flags.syn
    }

    /// The window was reduced.
    pub fn on_reduction(&mut self) {
        self.reduced = self.negotiated;
    }

    /// The flags of a segment without new data.
    #[must_use]
    pub fn flags(self) -> Flags {
        Flags {
            ece: self.negotiated && self.echo,
            ..Flags::default()
        }
    }

    /// The flags of a segment with new data, which goes out now.
    pub fn take_data_flags(&mut self) -> Flags {
        Flags {
            cwr: core::mem::take(&mut self.reduced),
            ..self.flags()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(ece: bool, cwr: bool) -> Flags {
        Flags {
            ece,
            cwr,
            ..Flags::default()
        }
    }

    #[test]
    fn both_sides_must_want_it_and_a_lost_offer_is_not_repeated() {
        use EcnPolicy::{Accept, Off, Request};
        assert_eq!(Ecn::offer(Request, 1), flags(true, true));
        for (policy, transmissions) in [(Request, 2), (Accept, 1), (Off, 1)] {
            assert_eq!(Ecn::offer(policy, transmissions), Flags::default());
        }
        for (policy, accepts) in [(Off, false), (Accept, true), (Request, true)] {
            let mut ecn = Ecn::default();
            ecn.on_syn(policy, flags(true, true));
            assert_eq!(ecn.answer(), flags(accepts, false));
        }
        let mut ecn = Ecn::default();
        ecn.on_syn_ack(Request, flags(true, true));
        assert!(!ecn.is_negotiated(), "a reflected SYN accepts nothing");
        ecn.on_syn_ack(Request, flags(true, false));
        assert!(ecn.is_negotiated());
    }

    #[test]
    fn a_mark_is_echoed_until_the_peer_has_reacted() {
        let mut ecn = Ecn::default();
        ecn.on_syn(EcnPolicy::Accept, flags(true, true));
        assert!(ecn.on_data(true, Flags::default()), "marking begins");
        assert!(!ecn.on_data(true, Flags::default()));
        assert!(ecn.on_data(false, Flags::default()), "marking ends");
        assert!(ecn.flags().ece);
        ecn.on_data(false, flags(false, true));
        assert!(!ecn.flags().ece);
        ecn.on_data(true, flags(false, true));
        assert!(ecn.flags().ece, "the mark is newer than the reaction");
    }

    #[test]
    fn the_reaction_is_told_once_with_new_data() {
        let mut ecn = Ecn::default();
        ecn.on_syn(EcnPolicy::Accept, flags(true, true));
        assert!(ecn.is_echo(flags(true, false)));
        ecn.on_reduction();
        assert!(!ecn.flags().cwr);
        assert!(ecn.take_data_flags().cwr);
        assert!(!ecn.take_data_flags().cwr);
    }
}
