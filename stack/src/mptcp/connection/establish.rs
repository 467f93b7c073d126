//! MP_CAPABLE and MP_JOIN handshakes, and the ways back to plain TCP.

use super::{Connection, Effect, Side, capable_of};
use crate::base::config::ConnectionConfig;
use crate::base::num::saturating_u16;
use crate::base::seq::DataSeq;
use crate::base::time::{Duration, Instant};
use crate::mptcp::data_send::DataFin;
use crate::mptcp::handshake::{FallingBack, Protocol, Session};
use crate::mptcp::key::JoinHmac;
use crate::mptcp::subflow::Role;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::{MpJoin, MpTcpRst, MptcpOption, Nonce, ResetReason};
use crate::wire::packet::Segment;
use crate::wire::tcp_option::TcpOptions;

/// How long the third ACK of a join waits to be acknowledged before it is sent again, at first.
pub(super) const THIRD_ACK_INTERVAL: Duration = Duration::from_millis(250);

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

    /// The SYN/ACK of our MP_JOIN (RFC 6824 §3.2).
    fn join_answered(&mut self, now: Instant, index: usize, nonce: Nonce, options: &TcpOptions) {
        let answer = options.mptcp.iter().find_map(|option| {
            let MptcpOption::Join(MpJoin::SynAck {
                backup,
                address_id,
                hmac,
                nonce,
            }) = option
            else {
                return None;
            };
            Some((*backup, *address_id, *hmac, *nonce))
        });
        let (Some((backup, address_id, received, remote_nonce)), Some(session)) =
            (answer, self.session())
        else {
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            return;
        };
        let ours = (session.local.key, nonce);
        let theirs = (session.remote.key, remote_nonce);
        if !JoinHmac::new(session.version, theirs, ours).matches(&received) {
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            return;
        }
        let hmac = JoinHmac::new(session.version, ours, theirs);
        let subflow = &mut self.subflows[index];
        // Either side's wish makes it a backup for what we send.
        subflow.backup |= backup;
        subflow.remote_id = address_id;
        subflow.role = Role::PreEstablished {
            hmac,
            resend_at: now + THIRD_ACK_INTERVAL,
            resent: 0,
        };
        subflow.tcb.ack.require_now();
    }

    /// The third ACK of the peer's MP_JOIN.
    fn join_completed(
        &mut self,
        now: Instant,
        index: usize,
        local_nonce: Nonce,
        remote_nonce: Nonce,
        options: &TcpOptions,
    ) {
        let received = options.mptcp.iter().find_map(|option| {
            let MptcpOption::Join(MpJoin::Ack { hmac }) = option else {
                return None;
            };
            Some(*hmac)
        });
        let proven = self.session().is_some_and(|session| {
            let theirs = (session.remote.key, remote_nonce);
            let ours = (session.local.key, local_nonce);
            let expected = JoinHmac::new(session.version, theirs, ours);
            received.is_some_and(|received| expected.matches(&received))
        });
        if proven {
            self.joined(index);
            // RFC 6824 §3.2: the initiator waits for this acknowledgment before it sends data.
            self.subflows[index].tcb.ack.require_now();
        } else {
            self.effects.push_back(Effect::JoinRefused);
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
        }
    }

    /// Any acknowledgment of our third ACK completes the join.
    pub(super) fn check_pre_established(&mut self, index: usize) {
        if matches!(self.subflows[index].role, Role::PreEstablished { .. }) {
            self.joined(index);
        }
    }

    /// Gives up MPTCP for this connection (RFC 6824 §3.6, RFC 8684 §3.7): only possible while
    /// its one subflow has carried the whole stream. From here on the subflow's stream is the
    /// connection's, in both directions; the peer hears of it with the next data.
    pub(super) fn fall_back(&mut self, now: Instant) {
        let Protocol::Mptcp(session) = core::mem::replace(&mut self.protocol, Protocol::Plain)
        else {
            return;
        };
        self.protocol = Protocol::FallingBack(FallingBack {
            session,
            announced_until: None,
        });
        self.data_recovery = None;
        // As an interface that was down for a while has left them.
        self.send.forget_reinjections();
        self.signals.clear();
        self.unechoed.clear();
        self.deadlines.paths = None;
        self.deadlines.announce = None;
        for index in 1..self.subflows.len() {
            // A join under way: it cannot become part of a plain TCP connection.
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
        }
        let waiting: Vec<_> = self.subflows[0].received.take_waiting().collect();
        for (_, bytes) in waiting {
            self.receive.insert(self.receive.rcv_nxt(), bytes);
        }
        if self.receive.readable() > 0 {
            self.wake_reader();
        }
        self.effects.push_back(Effect::FellBack);
        self.acknowledge_by_subflow();
        if self.send.fin() == DataFin::Sent {
            // The DATA_FIN is on its way to a peer that does not understand it.
            self.close_one_subflow(0);
        }
        self.arm_data_timer(now);
    }

    /// The segment that announced the fallback is acknowledged: nothing of MPTCP is left.
    pub(super) fn check_fallback_announced(&mut self) {
        if let Protocol::FallingBack(fallback) = &self.protocol
            && let Some(until) = fallback.announced_until
            && self.subflows[0].tcb.snd_una.at_or_after(until)
        {
            self.protocol = Protocol::Plain;
        }
    }

    /// Without DATA_ACKs the subflow's acknowledgments free data and open the window.
    pub(super) fn acknowledge_by_subflow(&mut self) {
        let tcb = &self.subflows[0].tcb;
        self.send
            .acknowledge_offset(tcb.bytes_acked, u64::from(tcb.snd_wnd));
    }

    /// The handshake has shown that there is no MPTCP on this path.
    fn become_plain(&mut self) {
        if !matches!(self.protocol, Protocol::Plain) {
            self.protocol = Protocol::Plain;
            self.effects.push_back(Effect::FellBack);
        }
    }

    /// A mapping's checksum is wrong: a middlebox has changed the bytes. Everything from this
    /// DSN on is not to be trusted, so the subflow ends and the peer learns why
    /// (RFC 6824 §3.6, RFC 8684 §3.7).
    pub(super) fn checksum_failed(&mut self, now: Instant, index: usize, dsn: DataSeq) {
        let id = self.subflows[index].id;
        self.queue_signal(MptcpOption::Fail(dsn), Some(id));
        self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
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
        subflow.reset_with = Some(MpTcpRst {
            transient: false,
            reason,
        });
        self.move_data_away(now, index);
    }
}
