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

use super::receive::Context;
use super::{Connection, Effect};
use crate::base::config::Version;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::seq::{DataSeq, SeqNum};
use crate::base::time::{Duration, Instant};
use crate::mptcp::data_receive::Placed;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::fallback::{Failure, Progress, Receiving, Step};
use crate::mptcp::handshake::Protocol;
use crate::mptcp::subflow::Role;
use crate::tcp::transmit::Outgoing;
use crate::wire::mptcp_option::{MptcpOption, ResetReason, WireMapping, WireSeq};
use bytes::Bytes;
use smallvec::SmallVec;

/// How long an answer to MP_FAIL is awaited before the subflow is reset. The RFCs name no time;
/// this is Linux's, far beyond any round trip, so that only a peer that cannot answer is reset.
const FAIL_TIMEOUT: Duration = Duration::from_secs(120);
/// MP_FAIL is repeated after a retransmission timeout that doubles, but at least this often.
const MAX_FAIL_INTERVAL: Duration = Duration::from_secs(10);

/// A place on the subflow and in the stream that belong together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) ssn: SeqNum,
    pub(super) dsn: DataSeq,
}

impl Anchor {
    /// The DSN of another place on the subflow.
    fn dsn_of(self, ssn: SeqNum) -> DataSeq {
        let ahead = i64::from(ssn.distance_from(self.ssn));
        DataSeq(self.dsn.0.wrapping_add_signed(ahead))
    }
}

/// Deciding.
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
            self.peer_stopped_behind(context);
        } else if index != 0 && first {
            // RFC 6824 §3.6: what cannot be placed must not be acknowledged for good.
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        } else if first && self.is_unconfirmed() && self.may_fall_back(index) {
            self.count(match self.side {
                super::Side::Listener => MptcpCounter::MpCapableDataFallback,
                super::Side::Initiator => MptcpCounter::DssFallback,
            });
            self.fall_back(context, context.end);
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
            if self.protocol.receives_plain() {
                self.stop_mapping(now);
            } else {
                self.fall_back_in_line(context);
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
                self.stop_mapping(now);
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
        self.stop_mapping(context.now);
        if !asked {
            self.send_fail(self.receive.data_ack());
        }
        self.step(Step::Agree { asked });
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
        self.peer_stopped(context, anchor, context.start);
        // RFC 6824 §3.6 turns one direction after a checksum failure. In every other case the
        // peer has given up MPTCP as such, and has no more DATA_ACKs for us.
        let one_direction = asked && self.version() == Some(Version::V0);
        if !one_direction {
            self.stop_mapping(now);
        }
    }
}

/// Doing.
impl Connection {
    /// Applies a step of the fallback, and tells the application of the first that takes effect.
    pub(super) fn step(&mut self, step: Step) {
        let fallen = |protocol: &Protocol| {
            protocol.sends_plain()
                || protocol.receives_plain()
                || matches!(protocol.receiving(), Some(Receiving::Agreed { .. }))
        };
        let before = fallen(&self.protocol);
        self.protocol.step(step);
        self.protocol.settle(self.receive.rcv_nxt());
        if fallen(&self.protocol) && !before {
            self.effects.push_back(Effect::FellBack);
        }
    }

    /// Gives up MPTCP in both directions (RFC 6824 §3.6, RFC 8684 §3.7): the subflow's stream is the
    /// connection's. The peer hears of it with the next data.
    fn fall_back(&mut self, context: Context, rest: SeqNum) {
        let nothing_mapped = self.subflows[0].tcb.bytes_sent == 0;
        self.peer_stopped(context, context.in_line(), rest);
        self.stop_mapping(context.now);
        if nothing_mapped {
            // No mapping of ours has to be ended.
            self.step(Step::Heard);
        }
    }

    /// The same before the bytes of a segment are looked at.
    pub(super) fn fall_back_in_line(&mut self, context: Context) {
        self.fall_back(context, context.start);
    }

    /// What we send has no mappings from here on; the next new data carries the infinite one.
    pub(super) fn stop_mapping(&mut self, now: Instant) {
        if self.sending_session().is_none() {
            return;
        }
        self.leave_paths(now);
        let anchor = self.send.una();
        self.step(Step::StopMapping { anchor });
        self.data_recovery = None;
        // As an interface that was down for a while has left them.
        self.send.forget_reinjections();
        self.acknowledge_by_subflow();
        if self.send.fin() == DataFin::Sent {
            // The DATA_FIN is on its way to a peer that does not look at it.
            self.close_one_subflow(0);
        }
        self.arm_data_timer(now);
    }

    /// A connection that falls back has one path (RFC 6824 §3.6).
    fn leave_paths(&mut self, now: Instant) {
        self.signals.clear();
        self.unechoed.clear();
        self.deadlines.paths = None;
        self.deadlines.announce = None;
        for index in 1..self.subflows.len() {
            // A join under way: it cannot become part of a plain TCP connection.
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
        }
    }

    /// The same without a word of the peer, behind the bytes of a segment.
    fn peer_stopped_behind(&mut self, context: Context) {
        self.peer_stopped(context, context.in_line(), context.end);
    }

    /// The peer's bytes have no mappings from `anchor` on. What waits gets its place; what was
    /// delivered already does not come a second time. `rest` is where the bytes begin that were not
    /// looked at yet.
    fn peer_stopped(&mut self, context: Context, anchor: Anchor, rest: SeqNum) {
        let Context { now, index, .. } = context;
        let waiting_before = self.subflows[0]
            .received
            .waiting_from()
            .is_some_and(|from| from.before(anchor.ssn));
        let in_line = context.in_line().dsn_of(anchor.ssn) == anchor.dsn;
        self.deadlines.fail = None;
        if waiting_before && !in_line {
            // Nobody says where these bytes belong.
            self.refuse_fallback(now, index);
            return;
        }
        self.leave_paths(now);
        self.receive.forget_fin();
        self.subflows[0].received.forget_mappings();
        self.deliver_waiting(anchor);
        let next = anchor.dsn_of(rest);
        self.step(Step::PeerStopped { next });
        if next.after(self.receive.rcv_nxt()) {
            // There would be a hole for ever.
            self.refuse_fallback(now, index);
        }
    }

    /// Gives what waits its place.
    fn deliver_waiting(&mut self, anchor: Anchor) {
        let before = self.receive.rcv_nxt();
        for (ssn, bytes) in self.subflows[0].received.take_waiting() {
            self.receive.place_unmapped(anchor.dsn_of(ssn), bytes);
        }
        if self.receive.rcv_nxt() != before {
            self.wake_reader();
        }
    }

    /// In-order bytes of the subflow that need no mapping.
    pub(super) fn deliver_unmapped(&mut self, now: Instant, bytes: Bytes) {
        let next = match self.protocol.receiving() {
            Some(Receiving::Plain { next }) => *next,
            Some(Receiving::Failed(_) | Receiving::Agreed { .. }) | None => self.receive.rcv_nxt(),
        };
        let end = next + bytes.len() as u64;
        if self.receive.place_unmapped(next, bytes) == Placed::InOrder {
            self.wake_reader();
        }
        if end.after(self.receive.rcv_nxt()) && !self.receive.is_finished() {
            // There would be a hole for ever.
            self.refuse_fallback(now, 0);
        } else if self.protocol.receiving().is_some() {
            self.step(Step::PeerStopped { next: end });
        }
    }

    /// Bytes behind a wrong checksum: nobody can say yet what they are worth.
    pub(super) fn hold(&mut self, context: Context, text: SmallVec<[(SeqNum, Bytes); 2]>) {
        for (ssn, bytes) in text {
            self.subflows[context.index].received.hold(ssn, bytes);
        }
        if let Some(Receiving::Failed(Failure { dsn, .. })) = self.protocol.receiving()
            && (self.waiting_len() >= self.receive.capacity() || !self.may_fall_back(context.index))
        {
            let dsn = *dsn;
            self.reset_for_checksum(context.now, context.index, dsn);
        }
    }

    /// The FIN of a subflow whose bytes have no mappings, or will have none: it is the end of the
    /// stream. A peer that closes its only subflow while data of it is not acknowledged at the data
    /// level has fallen back, whatever was lost of its answer (RFC 6824 §3.3.3).
    pub(super) fn finished_without_mapping(&mut self, context: Context) {
        if !self.protocol.receives_plain() {
            self.peer_stopped_behind(context);
        }
        self.receive.finish_at(self.receive.rcv_nxt());
    }

    /// Without DATA_ACKs the subflow's acknowledgments free data and open the window.
    pub(super) fn acknowledge_by_subflow(&mut self) {
        let tcb = &self.subflows[0].tcb;
        self.send
            .acknowledge_offset(tcb.bytes_acked, u64::from(tcb.snd_wnd));
    }

    /// The segment that announced the fallback is acknowledged: no more options.
    pub(super) fn check_fallback_announced(&mut self) {
        if let Some(announcement) = self.protocol.sending()
            && let Progress::Sent { end, .. } = announcement.progress
            && self.subflows[0].tcb.snd_una.at_or_after(end)
        {
            self.step(Step::Heard);
        }
    }
}

/// Saying.
impl Connection {
    /// Sends MP_FAIL on an acknowledgment of its own.
    fn send_fail(&mut self, dsn: DataSeq) {
        let id = self.subflows[0].id;
        let queued = |signal: &super::Signal| matches!(signal.option, MptcpOption::Fail(_));
        if !self.signals.iter().any(queued) {
            self.queue_signal(MptcpOption::Fail(dsn), Some(id));
        }
    }

    fn arm_fail_timer(&mut self, now: Instant) {
        let Some(Receiving::Failed(failure)) = self.protocol.receiving() else {
            return;
        };
        let rto = self.subflows[0].tcb.rtt.rto();
        let interval = rto.saturating_mul(1 << failure.repeated.min(6));
        let repeat = now + interval.min(MAX_FAIL_INTERVAL);
        self.deadlines.fail = Some(repeat.min(failure.give_up));
    }

    /// MP_FAIL was not answered for a while.
    pub(super) fn fail_timed_out(&mut self, now: Instant) {
        let Some(Receiving::Failed(failure)) = self.protocol.receiving().copied() else {
            return;
        };
        if now >= failure.give_up {
            self.reset_for_checksum(now, 0, failure.dsn);
            return;
        }
        self.step(Step::Fail(Failure {
            repeated: failure.repeated + 1,
            ..failure
        }));
        self.send_fail(failure.dsn);
        self.arm_fail_timer(now);
    }

    /// What an acknowledgment says about the fallback, each time until the peer has answered.
    pub(super) fn fail_option(&self) -> Option<MptcpOption> {
        match self.protocol.receiving() {
            Some(Receiving::Failed(failure)) => Some(MptcpOption::Fail(failure.dsn)),
            Some(Receiving::Agreed { .. } | Receiving::Plain { .. }) | None => None,
        }
    }

    /// The infinite mapping where it is asked for and has no data to go with.
    pub(super) fn infinite_answer(&self) -> Option<WireMapping> {
        self.protocol
            .sending()
            .is_some_and(|announcement| announcement.asked)
            .then(|| self.infinite_mapping())
            .flatten()
    }

    /// The infinite mapping of a segment with data: of the first new one since the fallback, and
    /// of its retransmissions (RFC 6824 §3.6).
    pub(super) fn infinite_mapping_for(&mut self, outgoing: &Outgoing) -> Option<WireMapping> {
        let announcement = *self.protocol.sending()?;
        let end = outgoing.seq + u32::try_from(outgoing.len).unwrap_or(0);
        match announcement.progress {
            Progress::Due if end == self.subflows[0].tcb.snd_nxt => {
                self.count(MptcpCounter::InfiniteMapTx);
                let start = outgoing.seq;
                self.step(Step::Announced { start, end });
            }
            Progress::Sent { start, end }
                if outgoing.seq.at_or_after(start) && outgoing.seq.before(end) => {}
            Progress::Due | Progress::Sent { .. } | Progress::Heard => return None,
        }
        self.infinite_mapping()
    }

    /// RFC 6824 §3.6: length 0, no checksum, and it acts retroactively from where everything was
    /// known to be intact. One subflow has carried everything: offsets of both levels are the same.
    fn infinite_mapping(&self) -> Option<WireMapping> {
        let session = self.protocol.session()?;
        let anchor = self.protocol.sending()?.anchor;
        let tcb = &self.subflows[0].tcb;
        let behind = tcb.bytes_acked.wrapping_sub(anchor);
        let ssn = tcb.snd_una.0.wrapping_sub(tcb.iss.0);
        Some(WireMapping {
            dsn: WireSeq::Long(self.send.dsn(anchor)),
            ssn: ssn.wrapping_sub(low_half(behind)),
            len: 0,
            checksum: session.checksum.then_some(0),
            data_fin: false,
        })
    }
}

/// The part of a distance that sequence numbers of a subflow can express.
fn low_half(distance: u64) -> u32 {
    DataSeq(distance).low32()
}
