//! What becomes of the bytes when a direction leaves its mappings.

use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::mptcp::connection::Connection;
use crate::mptcp::connection::receive::Context;
use crate::mptcp::data_receive::Placed;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::fallback::{Failure, Progress, Receiving, Step};
use crate::mptcp::mapping::Anchor;
use crate::mptcp::protocol::Protocol;
use crate::mptcp::reasons::{FallbackReason, SubflowCloseReason};
use crate::wire::mptcp_option::ResetReason;
use bytes::Bytes;
use smallvec::SmallVec;

impl Connection {
    /// Applies a step of the fallback, and tells the application of the first that takes effect.
    pub(in crate::mptcp::connection) fn step_for(&mut self, step: Step, reason: FallbackReason) {
        let fallen = |protocol: &Protocol| {
            protocol.sends_plain()
                || protocol.receives_plain()
                || matches!(protocol.receiving(), Some(Receiving::Agreed { .. }))
        };
        let before = fallen(&self.protocol);
        self.protocol.step(step);
        self.protocol.settle(self.receive.rcv_nxt());
        if fallen(&self.protocol) && !before {
            self.fell_back(reason);
        }
    }

    /// A step that does not begin a fallback.
    pub(in crate::mptcp::connection) fn step(&mut self, step: Step) {
        self.step_for(step, FallbackReason::BadMapping);
    }

    /// Gives up MPTCP in both directions (RFC 6824 §3.6, RFC 8684 §3.7): the subflow's stream is the
    /// connection's. The peer hears of it with the next data.
    pub(super) fn fall_back(&mut self, context: Context, rest: SeqNum, reason: FallbackReason) {
        let nothing_mapped = self.subflows[0].tcb.bytes_sent == 0;
        self.peer_stopped(context, context.in_line(), rest, reason);
        self.stop_mapping(context.now, reason);
        if nothing_mapped {
            // No mapping of ours has to be ended.
            self.step(Step::Heard);
        }
    }

    /// The same before the bytes of a segment are looked at.
    pub(in crate::mptcp::connection) fn fall_back_in_line(
        &mut self,
        context: Context,
        reason: FallbackReason,
    ) {
        self.fall_back(context, context.start, reason);
    }

    /// What we send has no mappings from here on; the next new data carries the infinite one.
    pub(in crate::mptcp::connection) fn stop_mapping(
        &mut self,
        now: Instant,
        reason: FallbackReason,
    ) {
        if self.sending_session().is_none() {
            return;
        }
        self.leave_paths(now);
        let anchor = self.send.una();
        self.step_for(Step::StopMapping { anchor }, reason);
        self.data_recovery = None;
        // As an interface that was down for a while has left them.
        self.send.forget_reinjections();
        if self.acknowledge_by_subflow() {
            // Also for a writer that waits: no later acknowledgment has anything new to tell.
            self.data_progress(now);
        }
        if self.send.fin() == DataFin::Sent {
            // The DATA_FIN is on its way to a peer that does not look at it.
            self.close_one_subflow(0, SubflowCloseReason::ConnectionEnded);
        }
        self.arm_data_timer(now);
    }

    /// A connection that falls back has one path (RFC 6824 §3.6).
    pub(super) fn leave_paths(&mut self, now: Instant) {
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
    pub(super) fn peer_stopped_behind(&mut self, context: Context, reason: FallbackReason) {
        self.peer_stopped(context, context.in_line(), context.end, reason);
    }

    /// The peer's bytes have no mappings from `anchor` on. What waits gets its place; what was
    /// delivered already does not come a second time. `rest` is where the bytes begin that were not
    /// looked at yet.
    pub(super) fn peer_stopped(
        &mut self,
        context: Context,
        anchor: Anchor,
        rest: SeqNum,
        reason: FallbackReason,
    ) {
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
        self.step_for(Step::PeerStopped { next }, reason);
        if next.after(self.receive.rcv_nxt()) {
            // There would be a hole for ever.
            self.refuse_fallback(now, index);
        }
    }

    /// Gives what waits its place.
    pub(super) fn deliver_waiting(&mut self, anchor: Anchor) {
        let before = self.receive.rcv_nxt();
        for (ssn, bytes) in self.subflows[0].received.take_waiting() {
            let dsn = anchor.dsn_of(ssn);
            self.note_received(0, dsn, bytes.len(), false);
            self.receive.place_unmapped(dsn, bytes);
        }
        if self.receive.rcv_nxt() != before {
            self.wake_reader();
        }
    }

    /// In-order bytes of the subflow that need no mapping.
    pub(in crate::mptcp::connection) fn deliver_unmapped(&mut self, now: Instant, bytes: Bytes) {
        let next = match self.protocol.receiving() {
            Some(Receiving::Plain { next }) => *next,
            Some(Receiving::Failed(_) | Receiving::Agreed { .. }) | None => self.receive.rcv_nxt(),
        };
        let end = next + bytes.len() as u64;
        self.note_received(0, next, bytes.len(), false);
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
    pub(in crate::mptcp::connection) fn hold(
        &mut self,
        context: Context,
        text: SmallVec<[(SeqNum, Bytes); 2]>,
    ) {
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
    pub(in crate::mptcp::connection) fn finished_without_mapping(&mut self, context: Context) {
        if !self.protocol.receives_plain() {
            let reason = match self.protocol.receiving() {
                Some(Receiving::Failed(_)) => FallbackReason::WrongChecksum,
                Some(Receiving::Agreed { .. } | Receiving::Plain { .. }) | None => {
                    FallbackReason::EndWithoutMapping
                }
            };
            self.peer_stopped_behind(context, reason);
        }
        self.receive.finish_at(self.receive.rcv_nxt());
    }

    /// Without DATA_ACKs the subflow's acknowledgments free data and open the window.
    pub(in crate::mptcp::connection) fn acknowledge_by_subflow(&mut self) -> bool {
        let tcb = &self.subflows[0].tcb;
        self.send
            .acknowledge_offset(tcb.bytes_acked, u64::from(tcb.snd_wnd))
    }

    /// The segment that announced the fallback is acknowledged: no more options.
    pub(in crate::mptcp::connection) fn check_fallback_announced(&mut self) {
        if let Some(announcement) = self.protocol.sending()
            && let Progress::Sent { end, .. } = announcement.progress
            && self.subflows[0].tcb.snd_una.at_or_after(end)
        {
            self.step(Step::Heard);
        }
    }
}
