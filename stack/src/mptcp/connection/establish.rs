//! MP_CAPABLE and MP_JOIN handshakes, and the ways back to plain TCP.

use super::health::Moved;
use super::resets::words_for;
use super::{Connection, Effect, Side, capable_of};
use crate::base::config::ConnectionConfig;
use crate::base::num::saturating_u16;
use crate::base::time::Instant;
use crate::mptcp::handshake::{Protocol, Session};
use crate::mptcp::subflow::Role;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::ResetReason;
use crate::wire::packet::Segment;
use crate::wire::tcp_option::TcpOptions;

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

    /// A subflow's TCP handshake is complete: what does MPTCP say to it?
    pub(super) fn subflow_handshake(
        &mut self,
        now: Instant,
        index: usize,
        options: &TcpOptions,
        window: u64,
    ) {
        match self.subflows[index].role.clone() {
            Role::Initial => {
                self.initial_handshake(options, window);
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

    fn initial_handshake(&mut self, options: &TcpOptions, window: u64) {
        let capable = capable_of(&options.mptcp);
        let session = match &self.protocol {
            Protocol::Offered(offer) => capable.and_then(|option| offer.answered(option)),
            Protocol::Answered(answer) => match capable {
                Some(option) => answer.completed(option),
                // Version 0: a DSS stands in for a lost third ACK (protocol 3.2).
                None if options.dss.is_some() => answer.completed_by_dss(),
                None => None,
            },
            Protocol::Mptcp(_) | Protocol::FallingBack(_) | Protocol::Plain => None,
        };
        match session {
            Some(session) => self.start_session(session),
            None => self.become_plain(),
        }
        // The first right edge: the peer has acknowledged nothing of the data yet.
        self.send.acknowledge_offset(0, window);
        self.effects
            .push_back(Effect::Established(self.protocol_info()));
    }

    fn start_session(&mut self, session: Session) {
        self.receive.set_idsn(session.remote.idsn);
        self.protocol = Protocol::Mptcp(session);
        if self.side == Side::Listener {
            // We know that the peer is there; it may have to wait for a DSS of ours to join.
            self.subflows[0].tcb.ack.require_now();
        }
    }

    /// The handshake has shown that there is no MPTCP on this path.
    fn become_plain(&mut self) {
        if !matches!(self.protocol, Protocol::Plain) {
            self.protocol = Protocol::Plain;
            self.effects.push_back(Effect::FellBack);
        }
    }

    /// Lets a subflow end with RST, and its data go elsewhere.
    pub(super) fn reset_subflow(&mut self, now: Instant, index: usize, reason: ResetReason) {
        if self.subflows[index].reset_with.is_some() || self.subflows[index].is_closed() {
            return;
        }
        let subflow = &mut self.subflows[index];
        if !subflow.link_up || subflow.tcb.state == TcpState::SynSent {
            // Nobody would hear it, or nobody is there yet.
            subflow.tcb.close_at_once();
            self.subflow_closed(now, index);
            return;
        }
        subflow.reset_with = Some(words_for(reason));
        self.move_data_away(now, index, Moved::All);
    }
}
