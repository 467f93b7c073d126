//! The ways from MPTCP back to plain TCP, and when there is none (RFC 6824 §3.6, RFC 8684 §3.7).
//!
//! Owns the decisions, MP_FAIL, the infinite mapping, and what becomes of bytes whose checksum is
//! wrong. What a handshake without MPTCP leads to is decided in `establish`; the states stand in
//! [`crate::mptcp::fallback`].
//!
//! Whoever falls back lets the subflow's stream be the connection's. That holds only as long as one
//! subflow has carried everything, in order and once; otherwise the subflow is reset. A receiver
//! that finds a wrong checksum holds what has come from there on: it is acknowledged on the
//! subflow, so it will not come again there, and the answer of the peer says what it is worth. The
//! infinite mapping, in version 1 also its MP_FAIL, lets it be delivered as it is, once and in its
//! place. An RST, or no answer, discards it, and another subflow may bring it again.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the decisions |
//! | `change` | one stream becomes the other: what happens to the bytes |
//! | `words` | MP_FAIL and the infinite mapping, as they are sent |

mod change;
mod words;

use super::Connection;
use super::receive::Context;
use crate::base::config::Version;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::seq::{DataSeq, SeqNum};
use crate::base::time::{Duration, Instant};
use crate::mptcp::fallback::{Failure, Receiving, Step};
use crate::mptcp::mapping::Anchor;
use crate::mptcp::reasons::FallbackReason;
use crate::mptcp::subflow::Role;
use crate::wire::mptcp_option::{ResetReason, WireMapping};

/// How long an answer to MP_FAIL is awaited before the subflow is reset. The RFCs name no time;
/// this is Linux's, far beyond any round trip, so that only a peer that cannot answer is reset.
const FAIL_TIMEOUT: Duration = Duration::from_secs(120);
impl Connection {
    /// The initial subflow has carried the whole stream, both ways, and no other is being added
    /// on which the peer may have begun to send.
    pub(super) fn may_fall_back(&self, index: usize) -> bool {
        let joining = |role: &Role| matches!(role, Role::PreEstablished { .. });
        let session = self.protocol.session();
        session.is_some_and(|session| index == 0 && !session.multipath)
            && !self
                .subflows
                .iter()
                .any(|subflow| joining(&subflow.role) && !subflow.is_closed())
    }

    /// A mapping of the peer that does not follow the subflow's own order: the peer has sent
    /// something twice, so the subflow's stream is not the connection's any more.
    pub(super) fn note_order(&mut self, context: Context, ssn: SeqNum, dsn: DataSeq) {
        if context.index == 0
            && context.in_line().dsn_of(ssn) != dsn
            && let Some(session) = self.protocol.session_mut()
        {
            session.multipath = true;
        }
    }

    /// A mapping's checksum is wrong: a middlebox has changed the bytes, and nothing from this DSN
    /// on is to be trusted (RFC 6824 §3.6, RFC 8684 §3.7).
    ///
    /// Linux 6.12 takes a failure of the very first mapping for a path that has never carried
    /// MPTCP, and goes on as plain TCP without a word. Neither RFC knows that exception.
    pub(super) fn checksum_failed(&mut self, context: Context, dsn: DataSeq) {
        let Context { now, index, .. } = context;
        self.count(MptcpCounter::DataCsumErr);
        let held = self.subflows[index].received.held_alone_from();
        let in_line = held.map(|ssn| context.in_line().dsn_of(ssn)) == Some(dsn);
        if !self.may_fall_back(index) || !in_line || dsn != self.receive.rcv_nxt() {
            self.reset_for_checksum(now, index, dsn);
            return;
        }
        self.leave_paths(now);
        self.step(Step::Fail(Failure {
            dsn,
            give_up: now + FAIL_TIMEOUT,
            repeated: 0,
        }));
        self.send_fail(dsn);
        self.arm_fail_timer(now);
    }

    /// RFC 6824 §3.6: with several subflows, or if what is in flight is not contiguous, the subflow
    /// ends with RST and MP_FAIL, and its data comes again elsewhere.
    fn reset_for_checksum(&mut self, now: Instant, index: usize, dsn: DataSeq) {
        self.count(MptcpCounter::DssCorruptionReset);
        if !self.has_other_usable(index) {
            self.count(MptcpCounter::FallbackFailed);
        }
        self.step(Step::ForgetFailure);
        self.subflows[index].failed_at = Some(dsn);
        self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
    }

    /// Fallback is due and impossible (RFC 6824 §3.6): what comes cannot be given a place.
    fn refuse_fallback(&mut self, now: Instant, index: usize) {
        self.count(MptcpCounter::FallbackFailed);
        self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
    }

    /// In-order bytes without mapping: fallback at the start, an error later
    /// (RFC 6824 §3.6, RFC 8684 §3.7).
    pub(super) fn check_unmapped(&mut self, context: Context) {
        let Context { now, index, .. } = context;
        let received = &self.subflows[index].received;
        if received.waiting_len() == 0 || !received.has_unmapped() {
            return;
        }
        let first = !received.has_seen_mapping();
        if matches!(self.protocol.receiving(), Some(Receiving::Agreed { .. })) {
            // Both sides have said MP_FAIL: this was told then.
            self.peer_stopped_behind(context, FallbackReason::PeerFailed);
        } else if index != 0 && first {
            // RFC 6824 §3.6: what cannot be placed must not be acknowledged for good.
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        } else if first && self.is_unconfirmed() && self.may_fall_back(index) {
            self.count(match self.side {
                super::Side::Listener => MptcpCounter::MpCapableDataFallback,
                super::Side::Initiator => MptcpCounter::DssFallback,
            });
            self.fall_back(
                context,
                context.end,
                FallbackReason::FirstDataWithoutOptions,
            );
        } else if self.waiting_len() >= self.receive.capacity() {
            self.count(MptcpCounter::DssCorruptionReset);
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        }
    }

    /// No DATA_ACK has come for data of ours: the path may be one that MPTCP does not pass.
    fn is_unconfirmed(&self) -> bool {
        self.protocol
            .session()
            .is_some_and(|session| !session.data_acknowledged)
    }

    /// Data was acknowledged by a segment without any sign of MPTCP. If no DATA_ACK has come for
    /// any data of ours, the peer or the path does not understand it (protocol 3.3); and if the
    /// peer has stopped mapping, it has stopped acknowledging too.
    pub(super) fn check_first_acknowledgment(&mut self, context: Context, speaks_mptcp: bool) {
        let Context { now, index, .. } = context;
        let Some(session) = self.sending_session() else {
            return;
        };
        let missing = !session.data_acknowledged || self.protocol.receives_plain();
        if speaks_mptcp {
            return;
        }
        if index != 0 {
            if !self.subflows[index].heard_dss {
                self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
            }
        } else if missing && self.may_fall_back(index) {
            self.count(MptcpCounter::DssFallback);
            if self.protocol.receives_plain() || self.subflows[0].received.has_seen_mapping() {
                // A peer that maps does so until it hears of this. It may have sent something
                // twice by then, so its mappings count for as long as there are any.
                self.stop_mapping(now, FallbackReason::AcknowledgedWithoutOptions);
            } else {
                self.fall_back_in_line(context, FallbackReason::AcknowledgedWithoutOptions);
            }
        } else if missing && !self.subflows[index].heard_dss {
            self.refuse_fallback(now, index);
        }
    }

    /// The peer's MP_FAIL on a segment other than RST. It is obeyed only where it can be
    /// (protocol 7): a number that we have never sent is nobody's who has seen our data.
    pub(super) fn fail_received(&mut self, context: Context, dsn: DataSeq) {
        let Context { now, index, .. } = context;
        let Some(version) = self.protocol.session().map(|session| session.version) else {
            return;
        };
        self.count(MptcpCounter::MpFailRx);
        let answered = matches!(self.protocol.receiving(), Some(Receiving::Failed(_)));
        let place = dsn.distance_from(self.send.dsn(0));
        let ours = u64::try_from(place).is_ok_and(|offset| offset <= self.send.next());
        if !ours && (version == Version::V0 || !answered) {
            return;
        }
        if !self.may_fall_back(index) {
            self.refuse_fallback(now, index);
            return;
        }
        match version {
            // One direction only. The answer is the infinite mapping, also if nothing new is there
            // that it could go with: on an acknowledgment.
            Version::V0 => {
                self.stop_mapping(now, FallbackReason::PeerFailed);
                self.step(Step::Asked);
                self.subflows[0].tcb.ack.require_now();
            }
            Version::V1 => self.fail_received_v1(context),
        }
    }

    /// RFC 8684 §3.7: MP_FAIL is answered with MP_FAIL, and both directions fall back.
    fn fail_received_v1(&mut self, context: Context) {
        let asked = match self.protocol.receiving() {
            None => false,
            Some(Receiving::Failed(_)) => true,
            Some(Receiving::Agreed { asked: false }) => {
                // Our answer was lost.
                self.send_fail(self.receive.data_ack());
                return;
            }
            Some(Receiving::Agreed { asked: true } | Receiving::Plain { .. }) => return,
        };
        let reason = if asked {
            FallbackReason::WrongChecksum
        } else {
            FallbackReason::PeerFailed
        };
        self.stop_mapping(context.now, reason);
        if !asked {
            self.send_fail(self.receive.data_ack());
        }
        self.step_for(Step::Agree { asked }, reason);
        self.receive.forget_fin();
        self.subflows[0].received.stop_verifying();
        // Anything held came while the peer mapped in line: where it belongs is known.
        self.deliver_waiting(context.in_line());
        self.subflows[0].tcb.ack.require_now();
    }

    /// A mapping of length 0: from here on the peer's stream is that of the subflow.
    pub(super) fn infinite_mapping_received(&mut self, context: Context, wire: &WireMapping) {
        let Context { now, index, .. } = context;
        let anchor = Anchor {
            ssn: self.subflows[index].tcb.irs + wire.ssn,
            dsn: wire.dsn.expand(self.receive.rcv_nxt()),
        };
        let in_line = context.in_line().dsn_of(anchor.ssn) == anchor.dsn;
        let asked = matches!(self.protocol.receiving(), Some(Receiving::Failed(_)));
        // On an empty segment it means nothing (protocol 1.3), but as the answer to MP_FAIL of a
        // peer that has nothing more to send; then it must be the right one.
        if self.protocol.receives_plain() || !(context.has_text || (asked && in_line)) {
            return;
        }
        self.count(MptcpCounter::InfiniteMapRx);
        if !self.may_fall_back(index) {
            self.refuse_fallback(now, index);
            return;
        }
        if asked {
            self.count(MptcpCounter::DssCorruptionFallback);
        }
        let reason = if asked {
            FallbackReason::WrongChecksum
        } else {
            FallbackReason::InfiniteMapping
        };
        self.peer_stopped(context, anchor, context.start, reason);
        // RFC 6824 §3.6 turns one direction after a checksum failure. In every other case the
        // peer has given up MPTCP as such, and has no more DATA_ACKs for us.
        let one_direction = asked && self.version() == Some(Version::V0);
        if !one_direction {
            self.stop_mapping(now, reason);
        }
    }
}
