//! The MP_CAPABLE handshake as both sides see it.

use super::snapshot::Agreed;
use super::{Connection, Effect, Side, capable_of};
use crate::base::config::ConnectionConfig;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::num::saturating_u16;
use crate::base::time::Instant;
use crate::mptcp::handshake::{Answer, Lesson, Offer, Session};
use crate::mptcp::protocol::Protocol;
use crate::mptcp::reasons::FallbackReason;
use crate::mptcp::subflow::Role;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::MpCapable;
use crate::wire::packet::{FourTuple, Segment};
use crate::wire::tcp_option::TcpOptions;
use std::net::SocketAddr;

/// The window of a SYN/ACK that is sent before its connection exists.
#[must_use]
pub fn first_window(config: &ConnectionConfig) -> u16 {
    // RFC 7323 §2.2: the window of a SYN is not scaled.
    saturating_u16(config.receive_buffer)
}

impl Connection {
    /// The SYN/ACK of this new connection went out before it existed, with [`first_window`].
    pub fn assume_syn_ack_sent(&mut self) {
        let (_, window) = self.receive.announce_window(0, self.subflows[0].tcb.mss);
        self.subflows[0].tcb.on_ack_sent(window);
    }

    /// True for a segment that must not complete the handshake of a listener that waits for the
    /// peer's key: it shows that the peer speaks MPTCP, or it is not the next one, so the segment
    /// with MP_CAPABLE is still on its way or lost. It counts as lost too; the peer sends both
    /// again (protocol reference 3.2).
    pub(super) fn is_too_early(&self, index: usize, segment: &Segment) -> bool {
        let Protocol::Answered(answer) = &self.protocol else {
            return false;
        };
        let decides = capable_of(&segment.options.mptcp).is_some()
            || (segment.options.dss.is_some() && answer.remote.is_some());
        let stray =
            segment.options.dss.is_some() || segment.seq != self.subflows[index].tcb.rcv_nxt;
        let synchronizing = self.subflows[index].tcb.state == TcpState::SynReceived;
        index == 0 && synchronizing && !segment.flags.syn && !segment.flags.rst && !decides && stray
    }

    /// A subflow's TCP handshake is complete: what does MPTCP say to it? `bare` stands for a
    /// segment that brought neither bytes nor FIN.
    pub(super) fn subflow_handshake(
        &mut self,
        now: Instant,
        index: usize,
        options: &TcpOptions,
        bare: bool,
        window: u64,
    ) {
        match self.subflows[index].role.clone() {
            Role::Initial => {
                self.initial_handshake(options, bare, window);
                if self.side == Side::Listener {
                    self.update_paths_soon(now);
                }
            }
            Role::Joining { nonce } => self.join_answered(now, index, nonce, options),
            Role::Answering {
                local_nonce,
                remote_nonce,
            } => {
                self.join_completed(now, index, local_nonce, remote_nonce, options);
            }
            Role::PreEstablished { .. } | Role::Joined => {}
        }
    }

    fn initial_handshake(&mut self, options: &TcpOptions, bare: bool, window: u64) {
        let capable = capable_of(&options.mptcp);
        let session = match &self.protocol {
            Protocol::Offered(offer) => {
                let offer = offer.clone();
                self.read_answer(&offer, capable)
            }
            Protocol::Answered(answer) => {
                let answer = answer.clone();
                self.read_third_packet(&answer, capable, options.dss.is_some(), bare)
            }
            Protocol::Mptcp(_) | Protocol::FallingBack(_) | Protocol::Plain => None,
        };
        // Without a session MPTCP is given up, for this reason.
        let reason = match &self.protocol {
            Protocol::Offered(offer) if offer.on_syn => FallbackReason::NoCapableInSynAck,
            Protocol::Offered(_) => FallbackReason::CapableSynsDropped,
            Protocol::Answered(_)
            | Protocol::Mptcp(_)
            | Protocol::FallingBack(_)
            | Protocol::Plain => FallbackReason::NoCapableInThirdPacket,
        };
        match session {
            Some(session) => self.start_session(session),
            None => self.become_plain(reason),
        }
        // The first right edge: the peer has acknowledged nothing of the data yet.
        self.send.acknowledge_offset(0, window);
        self.effects
            .push_back(Effect::Established(self.protocol_info()));
    }

    /// The MP_CAPABLE of the SYN/ACK, or that there is none.
    fn read_answer(&mut self, offer: &Offer, capable: Option<&MpCapable>) -> Option<Session> {
        let session = capable.and_then(|option| offer.answered(option));
        self.learn(offer.lesson(capable));
        match &session {
            Some(_) => self.count(MptcpCounter::MpCapableSynAckRx),
            None if offer.on_syn => self.count(MptcpCounter::MpCapableFallbackSynAck),
            // It was given up when it was left off, and counted then.
            None => {}
        }
        session
    }

    fn read_third_packet(
        &mut self,
        answer: &Answer,
        capable: Option<&MpCapable>,
        has_dss: bool,
        bare: bool,
    ) -> Option<Session> {
        let session = match capable {
            Some(option) => answer.completed(option),
            // Version 0: a DSS stands in for a lost third ACK (protocol 3.2).
            None if has_dss => answer.completed_by_dss(),
            None if bare => answer.assumed(),
            None => None,
        };
        match (&session, capable) {
            (Some(_), Some(_)) => self.count(MptcpCounter::MpCapableAckRx),
            (Some(_), None) => {}
            (None, _) => self.count(MptcpCounter::MpCapableFallbackAck),
        }
        session
    }

    pub(super) fn learn(&mut self, lesson: Lesson) {
        let remote = self.addresses_of_initial().remote;
        self.effects.push_back(Effect::Learnt(remote, lesson));
    }

    fn start_session(&mut self, session: Session) {
        let assumed = session.assumed;
        self.notes.agreed = Some(Agreed {
            version: session.version,
            remote: session.remote.token,
        });
        self.receive.set_idsn(session.remote.idsn);
        self.protocol = Protocol::Mptcp(session);
        self.was_mptcp |= !assumed;
        if self.side == Side::Listener && !assumed {
            // We know that the peer is there; it may have to wait for a DSS of ours to join.
            self.subflows[0].tcb.ack.require_now();
        }
    }

    /// The handshake has shown that there is no MPTCP on this path.
    pub(super) fn become_plain(&mut self, reason: FallbackReason) {
        if !matches!(self.protocol, Protocol::Plain) {
            self.protocol = Protocol::Plain;
            self.fell_back(reason);
        }
    }

    /// Our SYN and the peer's have crossed. Neither version says who is the initiator then, so both
    /// sides go on as plain TCP, and the SYN/ACK has no option any more (protocol reference 3.2).
    pub(super) fn check_simultaneous_open(&mut self, index: usize) {
        let crossed = index == 0 && self.subflows[0].tcb.state == TcpState::SynReceived;
        if crossed && matches!(self.protocol, Protocol::Offered(_)) {
            self.count(MptcpCounter::SimultConnectFallback);
            self.become_plain(FallbackReason::SimultaneousOpen);
        }
    }

    /// RFC 6824 §3.1: the path may drop SYNs with unknown options. Those that follow have the same
    /// sequence number, so that an answer to any of them is one to all.
    pub(super) fn leave_option_off_syn(&mut self) {
        if let Protocol::Offered(offer) = &mut self.protocol
            && core::mem::replace(&mut offer.on_syn, false)
        {
            self.count(MptcpCounter::MpCapableSynTxDrop);
        }
    }

    /// Where the initial subflow leads.
    #[must_use]
    pub fn initial_tuple(&self) -> FourTuple {
        self.addresses_of_initial()
    }

    /// True if the peer must not join this address and port: flag C (RFC 8684 §3.1).
    #[must_use]
    pub fn refuses_join_to(&self, local: SocketAddr) -> bool {
        self.session()
            .is_some_and(|session| session.refuse_join_initial)
            && local == self.addresses_of_initial().local
    }

    /// True if we must not join this address and port: the peer's flag C (RFC 8684 §3.1).
    #[must_use]
    pub fn may_not_join(&self, remote: SocketAddr) -> bool {
        self.session()
            .is_some_and(|session| session.deny_join_initial)
            && remote == self.addresses_of_initial().remote
    }

    /// It speaks MPTCP, or did before it fell back, or has asked for it, and data may still be
    /// sent: what the kernel counts as established (`MPCurrEstab`).
    #[must_use]
    pub fn is_current(&self) -> bool {
        let asked = self.side == Side::Initiator
            && self.token.is_some()
            && !matches!(self.protocol, Protocol::Offered(_));
        (self.was_mptcp || asked) && self.closed.is_none() && self.state.can_write()
    }
}
