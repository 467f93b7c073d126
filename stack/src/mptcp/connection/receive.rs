//! A segment of a subflow arrives: TCP first, then what its options say, then its bytes.

use super::{Connection, Effect};
use crate::base::config::Version;
use crate::base::error::CloseReason;
use crate::base::id::SubflowId;
use crate::base::seq::{DataSeq, SeqNum};
use crate::base::time::Instant;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::mapping::{Mapped, MappingError, NewMapping};
use crate::mptcp::state::DataEvent;
use crate::mptcp::subflow::Role;
use crate::tcp::receive::{Arrival, Verdict, receive};
use crate::wire::checksum::Sum;
use crate::wire::mptcp_option::{
    CapableKeys, Dss, MpCapable, MpJoin, MptcpOption, ResetReason, WireMapping, WireSeq,
};
use crate::wire::packet::Segment;
use crate::wire::tcp_option::TcpOptions;
use bytes::Bytes;
use smallvec::SmallVec;

/// What the endpoint must do about a segment itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    None,
    /// Send an RST made from the segment.
    Reset,
}

/// Where and how a segment came.
#[derive(Clone, Copy, Debug)]
struct Context {
    now: Instant,
    /// Position of the subflow.
    index: usize,
    /// The window it announces, in bytes.
    window: u64,
    /// Sequence number of its first new byte, or RCV.NXT.
    start: SeqNum,
    /// It brought in-order bytes.
    has_text: bool,
}

impl Connection {
    /// Takes a segment of one of its subflows.
    pub fn handle_segment(&mut self, now: Instant, id: SubflowId, mut segment: Segment) -> Answer {
        let Some(index) = self.position(id) else {
            return Answer::Reset;
        };
        if self.is_too_early(index, &segment) {
            return Answer::None;
        }
        self.drop_unmappable(index, &mut segment);
        let payload_len = segment.payload.len();
        let window = self.scaled_window(index, &segment);
        let arrival = receive(&mut self.subflows[index].tcb, now, &mut segment);
        match arrival.verdict {
            Verdict::Accepted => {}
            Verdict::Dropped => return Answer::None,
            Verdict::AnswerWithReset => return Answer::Reset,
            Verdict::Reset => {
                self.reset_received(now, index, &segment.options);
                return Answer::None;
            }
        }
        self.note_sign_of_life(index);
        if arrival.established {
            self.subflow_handshake(now, index, &segment.options, window);
        } else if !segment.flags.syn {
            self.check_pre_established(index);
        }
        if self.is_plain() {
            self.process_plain(now, index, arrival, window);
        } else if !self.subflows[index].is_closed() && self.subflows[index].reset_with.is_none() {
            let text_sum = segment.payload_sum.filter(|_| {
                arrival
                    .text
                    .first()
                    .is_some_and(|(_, text)| text.len() == payload_len)
            });
            self.process_mptcp(now, index, &segment.options, arrival, window, text_sum);
        }
        self.after_segment(now, index);
        Answer::None
    }

    /// Bytes ahead of a gap whose mapping could not be kept must not be acknowledged: they would
    /// never be sent on this subflow again, and there would be no way to tell where they belong.
    fn drop_unmappable(&self, index: usize, segment: &mut Segment) {
        let subflow = &self.subflows[index];
        let ahead = segment.seq.after(subflow.tcb.rcv_nxt);
        if ahead && subflow.received.is_full() && !segment.flags.syn && !segment.flags.rst {
            segment.payload = Bytes::new();
            segment.flags.fin = false;
        }
    }

    /// The window of a segment in bytes (RFC 7323 §2.3).
    fn scaled_window(&self, index: usize, segment: &Segment) -> u64 {
        let shift = if segment.flags.syn {
            0
        } else {
            self.subflows[index].tcb.negotiated.snd_scale
        };
        u64::from(segment.window) << shift
    }

    /// A segment that counts shows that the path works.
    fn note_sign_of_life(&mut self, index: usize) {
        let subflow = &mut self.subflows[index];
        subflow.stalled = false;
        subflow.unanswered_probes = 0;
    }

    /// Plain TCP: the subflow's stream is the connection's.
    fn process_plain(&mut self, now: Instant, index: usize, arrival: Arrival, window: u64) {
        if index != 0 {
            return;
        }
        let tcb = &self.subflows[0].tcb;
        let acked = tcb.bytes_acked + u64::from(arrival.delivered.fin);
        if self.send.acknowledge_offset(acked, window) {
            self.data_progress(now);
        }
        self.check_fallback_announced();
        self.deliver_plain(index, arrival);
    }

    fn deliver_plain(&mut self, index: usize, arrival: Arrival) {
        for (_, bytes) in arrival.text {
            self.deliver_in_order(bytes);
        }
        if arrival.fin {
            self.receive.finish_at(self.receive.rcv_nxt());
        }
        self.check_end_of_stream(index);
    }

    fn deliver_in_order(&mut self, bytes: Bytes) {
        if self.receive.insert(self.receive.rcv_nxt(), bytes) {
            self.wake_reader();
        }
    }

    fn process_mptcp(
        &mut self,
        now: Instant,
        index: usize,
        options: &TcpOptions,
        arrival: Arrival,
        window: u64,
        text_sum: Option<u16>,
    ) {
        let first = arrival.text.first();
        let context = Context {
            now,
            index,
            window,
            start: first.map_or(self.subflows[index].tcb.rcv_nxt, |&(ssn, _)| ssn),
            has_text: first.is_some(),
        };
        if let Some(dss) = &options.dss {
            self.process_dss(context, dss);
        }
        for option in &options.mptcp {
            self.process_option(context, option);
        }
        if arrival.data_acked {
            let subflow = &mut self.subflows[index];
            subflow.sent.release_before(subflow.tcb.snd_una);
            // The keys on an acknowledgment of the peer's handshake show MPTCP as well as a DSS.
            let speaks_mptcp = options.dss.is_some() || !options.mptcp.is_empty();
            self.check_first_acknowledgment(now, index, speaks_mptcp);
        }
        if self.is_plain() {
            // What this segment's options said has ended MPTCP; its bytes count all the same.
            self.deliver_plain(index, arrival);
            return;
        }
        self.process_text(now, index, arrival.text, text_sum);
        if arrival.fin {
            self.subflow_finished_by_peer(index);
        }
    }

    fn process_dss(&mut self, context: Context, dss: &Dss) {
        let Context {
            now, index, window, ..
        } = context;
        let confirmed_now = index == 0
            && self
                .session_mut()
                .is_some_and(|session| !core::mem::replace(&mut session.confirmed, true));
        if confirmed_now {
            self.update_paths_soon(now);
        }
        self.subflows[index].heard_dss = true;
        if let Some(ack) = dss.data_ack {
            // The window is relative to the DATA_ACK of the same segment (RFC 6824 §3.3.4).
            let data_ack = expand(self.send.dsn(self.send.una()), ack);
            if self.send.acknowledge(data_ack, window) {
                if let Some(session) = self.session_mut() {
                    session.data_acknowledged = true;
                }
                self.data_progress(now);
            }
        }
        if let Some(mapping) = &dss.mapping {
            self.process_mapping(context, mapping);
        }
    }

    fn process_mapping(&mut self, context: Context, wire: &WireMapping) {
        let Context { now, index, .. } = context;
        let Some(session) = self.session_mut() else {
            return;
        };
        if matches!(wire.dsn, WireSeq::Long(_)) {
            session.long_data_ack = true;
        }
        let (checksum, version) = (session.checksum, session.version);
        if wire.len == 0 {
            // The infinite mapping; on an empty segment it means nothing (protocol 1.3).
            if context.has_text && self.may_fall_back(index) {
                self.fall_back(now);
            }
            return;
        }
        let unexpected = wire.checksum.is_some() && !checksum && version == Version::V1;
        if unexpected || (checksum && wire.checksum.is_none()) {
            // RFC 8684 §3.3 (and 6824 for a missing one): the subflow must be closed.
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            return;
        }
        let subflow = &self.subflows[index];
        let mapping = NewMapping {
            ssn: subflow.tcb.irs + wire.ssn,
            relative_ssn: wire.ssn,
            dsn: expand(self.receive.rcv_nxt(), wire.dsn),
            wire_len: wire.len,
            data_fin: wire.data_fin,
            checksum: wire.checksum.filter(|_| checksum),
        };
        if let Some(fin) = mapping.fin_dsn()
            && mapping.payload_len() == 0
        {
            // A bare DATA_FIN maps no subflow bytes.
            if mapping.is_intact(Sum::default()) {
                self.receive.finish_at(fin);
            }
            self.subflows[index].tcb.ack.require_now();
            self.check_end_of_stream(index);
            return;
        }
        self.add_mapping(context, mapping);
    }

    fn add_mapping(&mut self, context: Context, mapping: NewMapping) {
        let subflow = &mut self.subflows[context.index];
        if subflow.received.add(mapping, context.start).is_err() {
            self.reset_subflow(context.now, context.index, ResetReason::MptcpSpecific);
        }
    }

    fn process_option(&mut self, context: Context, option: &MptcpOption) {
        let Context { now, index, .. } = context;
        match option {
            MptcpOption::Capable(capable) => self.process_capable(context, capable),
            MptcpOption::Join(MpJoin::Ack { .. }) => {
                // RFC 6824 §3.2: every copy of the third ACK is acknowledged at once.
                self.subflows[index].tcb.ack.require_now();
            }
            MptcpOption::AddAddr(announcement) => self.address_announced(now, index, announcement),
            MptcpOption::RemoveAddr(ids) => self.addresses_withdrawn(now, ids),
            MptcpOption::Prio(prio) => self.priority_changed(index, prio),
            MptcpOption::Fastclose(key) => {
                if self
                    .session()
                    .is_some_and(|session| session.local.key == *key)
                {
                    self.closed_by_fastclose(now);
                }
            }
            MptcpOption::Fail(_)
            | MptcpOption::Join(MpJoin::Syn { .. } | MpJoin::SynAck { .. })
            | MptcpOption::Dss(_)
            | MptcpOption::TcpRst(_) => {}
        }
    }

    /// Version 1: MP_CAPABLE with data is the mapping of the initiator's first bytes
    /// (RFC 8684 §3.1). Copies of it are like copies of any mapping.
    fn process_capable(&mut self, context: Context, capable: &MpCapable) {
        let CapableKeys::BothWithData {
            data_len, checksum, ..
        } = capable.keys
        else {
            return;
        };
        let Some(session) = self.session_mut() else {
            return;
        };
        if context.index != 0 || session.version != Version::V1 {
            return;
        }
        session.long_data_ack = true;
        let confirmed_now = !core::mem::replace(&mut session.confirmed, true);
        let mapping = NewMapping {
            ssn: SeqNum(0),
            relative_ssn: 1,
            dsn: session.remote.idsn + 1,
            wire_len: data_len,
            data_fin: false,
            checksum: checksum.filter(|_| session.checksum),
        };
        let mapping = NewMapping {
            ssn: self.subflows[0].tcb.irs + 1,
            ..mapping
        };
        if confirmed_now {
            self.update_paths_soon(context.now);
        }
        self.add_mapping(context, mapping);
    }

    fn process_text(
        &mut self,
        now: Instant,
        index: usize,
        text: SmallVec<[(SeqNum, Bytes); 2]>,
        mut sum: Option<u16>,
    ) {
        if text.is_empty() {
            return;
        }
        let mut mapped = Mapped::new();
        let subflow = &mut self.subflows[index];
        let mut result = Ok(());
        for (ssn, bytes) in text {
            result = subflow.received.map(ssn, bytes, sum.take(), &mut mapped);
            if result.is_err() {
                break;
            }
        }
        let fin = subflow.received.take_fin();
        self.insert_mapped(index, mapped);
        if let Some(fin) = fin {
            self.receive.finish_at(fin);
        }
        match result {
            Ok(()) => self.check_unmapped(now, index),
            Err(MappingError::Checksum(dsn)) => self.checksum_failed(now, index, dsn),
            Err(MappingError::Conflict | MappingError::Unmapped) => {
                self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            }
        }
        self.check_end_of_stream(index);
    }

    fn insert_mapped(&mut self, index: usize, mapped: Mapped) {
        let before = self.receive.rcv_nxt();
        let mut inserted = 0;
        for (dsn, bytes) in mapped {
            inserted += bytes.len() as u64;
            self.receive.insert(dsn, bytes);
        }
        let advanced = self.receive.rcv_nxt().distance_from(before).unsigned_abs();
        if advanced > 0 {
            self.wake_reader();
        }
        if advanced > inserted {
            // It filled a gap at the data level: the sender may be waiting for that.
            self.subflows[index].tcb.ack.require_now();
        }
    }

    /// In-order bytes without mapping: fallback at the start, an error later
    /// (RFC 6824 §3.6, RFC 8684 §3.7).
    fn check_unmapped(&mut self, now: Instant, index: usize) {
        let received = &self.subflows[index].received;
        if received.waiting_len() == 0 || !received.has_unmapped() {
            return;
        }
        let waiting = received.waiting_len();
        let first = !received.has_seen_mapping();
        if index != 0 && first {
            // RFC 6824 §3.6: what cannot be placed must not be acknowledged for good.
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        } else if first && self.may_fall_back(index) {
            self.fall_back(now);
        } else if waiting >= self.config.receive_buffer {
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        }
    }

    /// The initial subflow has carried the whole stream, both ways.
    fn may_fall_back(&self, index: usize) -> bool {
        self.session()
            .is_some_and(|session| index == 0 && !session.multipath)
    }

    /// Data was acknowledged by a segment without any sign of MPTCP. If no DATA_ACK has come for
    /// any data of ours, the peer or the path does not understand it (protocol 3.3).
    fn check_first_acknowledgment(&mut self, now: Instant, index: usize, speaks_mptcp: bool) {
        let Some(session) = self.session() else {
            return;
        };
        if speaks_mptcp || session.data_acknowledged {
            return;
        }
        if self.may_fall_back(index) {
            self.fall_back(now);
        } else if !self.subflows[index].heard_dss {
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        }
    }

    /// A FIN of a subflow is not the end of the stream (RFC 6824 §3.3.3).
    fn subflow_finished_by_peer(&mut self, index: usize) {
        // A peer whose DATA_FIN is acknowledged closes its side of every subflow; ours stays open
        // until we have finished sending.
        let half_closed = self.receive.is_finished();
        let finished = self.send.fin() == DataFin::Acknowledged;
        let others = self.has_other_usable(index);
        if finished || (others && !half_closed) {
            self.close_one_subflow(index);
        }
    }

    /// Looks if the in-order end has met the end of the peer's stream.
    pub(super) fn check_end_of_stream(&mut self, index: usize) {
        if !self.receive.take_fin_reached() {
            return;
        }
        self.transition(DataEvent::ReceiveDataFin);
        self.subflows[index].tcb.ack.require_now();
        self.wake_reader();
        self.check_finished();
    }

    /// A DATA_ACK (or, on plain TCP, an ACK) brought something new.
    fn data_progress(&mut self, now: Instant) {
        self.data_backoff = 0;
        self.data_waiting_since = None;
        self.deadlines.data_retransmit = None;
        self.continue_data_recovery();
        self.arm_data_timer(now);
        self.wake_writer();
        self.check_fin_acknowledged();
    }

    /// After each segment: ended subflows are told.
    fn after_segment(&mut self, now: Instant, index: usize) {
        let tcb = &self.subflows[index].tcb;
        if tcb.state == crate::tcp::state::TcpState::Closed {
            self.subflow_closed(now, index);
        }
        if self.released && self.receive.readable() > 0 && self.closed.is_none() {
            // Data for an application that is gone (RFC 1122 §4.2.2.13).
            self.abort(now, CloseReason::Aborted);
        }
    }

    fn priority_changed(&mut self, index: usize, prio: &crate::wire::mptcp_option::MpPrio) {
        match (prio.address_id, self.version()) {
            (None, _) => self.subflows[index].backup = prio.backup,
            (Some(id), Some(Version::V0)) => {
                for subflow in self.subflows.iter_mut().filter(|s| s.remote_id == id) {
                    subflow.backup = prio.backup;
                }
            }
            // RFC 8684 §3.3.8 knows no such form.
            (Some(_), _) => {}
        }
    }

    /// Tells of a subflow that joined.
    pub(super) fn joined(&mut self, index: usize) {
        let subflow = &mut self.subflows[index];
        subflow.role = Role::Joined;
        subflow.ever_established = true;
        let id = subflow.id;
        self.failed_joins = 0;
        if let Some(session) = self.session_mut() {
            session.multipath = true;
        }
        self.deadlines.give_up = None;
        // One that comes after our DATA_FIN was acknowledged serves the peer's direction only.
        self.close_subflows_wanted |= self.send.fin() == DataFin::Acknowledged;
        self.effects.push_back(Effect::SubflowEstablished(id));
    }
}

/// A number as wide as it came, next to one that is known.
fn expand(reference: DataSeq, wire: WireSeq) -> DataSeq {
    match wire {
        WireSeq::Short(low) => reference.expand(low),
        WireSeq::Long(dsn) => dsn,
    }
}
