//! A second attempt at the handshake, with the other version, under the same connection.
//!
//! Owns when one is wanted, and what of the connection begins anew. The new four-tuple and key are
//! the endpoint's to give.

use super::{Connection, InitialSubflow, capable_of};
use crate::base::config::Version;
use crate::base::id::SubflowId;
use crate::base::mptcp_counters::MptcpCounter;
use crate::mptcp::handshake::Lesson;
use crate::mptcp::key::HostKey;
use crate::mptcp::protocol::Protocol;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::wire::packet::Segment;

impl Connection {
    /// A SYN/ACK shows that the peer does not speak the version offered, and there is another that
    /// it may speak. Says so once, and before anything of the segment counts.
    pub(super) fn wants_to_offer_again(
        &mut self,
        index: usize,
        segment: &Segment,
    ) -> Option<Version> {
        let Protocol::Offered(offer) = &mut self.protocol else {
            return None;
        };
        let tcb = &self.subflows[index].tcb;
        let answers = tcb.state == TcpState::SynSent
            && segment.flags.syn
            && !segment.flags.rst
            && segment.ack == Some(tcb.snd_nxt);
        let capable = capable_of(&segment.options.mptcp);
        if !answers
            || !offer.on_syn
            || capable.is_some_and(|option| offer.answered(option).is_some())
        {
            return None;
        }
        let lesson = offer.lesson(capable);
        if !matches!(lesson, Lesson::Refuses { .. }) {
            // It speaks the version, and something else does not suit.
            return None;
        }
        let version = offer.retry_with.take()?;
        self.count(MptcpCounter::MpCapableFallbackSynAck);
        self.learn(lesson);
        Some(version)
    }

    /// Starts anew, with another version, key and four-tuple. What the application has written
    /// meanwhile goes with it.
    pub fn offer_again(&mut self, version: Version, local: HostKey, initial: InitialSubflow) {
        let Protocol::Offered(offer) = &mut self.protocol else {
            return;
        };
        offer.version = version;
        offer.local = local;
        self.config.version = version;
        self.token = Some(local.token);
        self.send.set_idsn(local.idsn);
        let InitialSubflow {
            tuple,
            interface,
            tcb,
        } = initial;
        let options = self.config.subflow;
        self.subflows[0] =
            Subflow::new(SubflowId(0), tuple, interface, tcb, options, Role::Initial);
    }
}
