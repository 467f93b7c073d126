//! DSS and the bytes it maps: from a subflow's stream to the connection's.

use super::{ArrivedPayload, Context};
use crate::base::config::Version;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::mptcp::connection::Connection;
use crate::mptcp::data_receive::Placed;
use crate::mptcp::fallback::Receiving;
use crate::mptcp::mapping::{Mapped, MappingError, NewMapping};
use crate::mptcp::path_health::PathEvent;
use crate::mptcp::reasons::FallbackReason;
use crate::tcp::receive::Arrival;
use crate::wire::checksum::Sum;
use crate::wire::mptcp_option::{CapableKeys, Dss, MpCapable, ResetReason, WireMapping, WireSeq};
use crate::wire::tcp_option::TcpOptions;
use bytes::Bytes;
use smallvec::SmallVec;

/// How long bytes may wait for a mapping while nothing of the stream comes. A sender repeats at the
/// data level what is not acknowledged there, within a few round trips, and again at growing
/// intervals.
const UNMAPPED_TIMEOUT: Duration = Duration::from_secs(30);

impl Connection {
    pub(super) fn process_mptcp(
        &mut self,
        context: Context,
        options: &TcpOptions,
        arrival: Arrival,
    ) {
        let Context {
            now,
            index,
            window,
            payload,
            ..
        } = context;
        if self.closes_fast(&options.mptcp) {
            // What else the segment brings is of no use to anybody.
            self.closed_by_fastclose(now);
            return;
        }
        self.check_first_data(context, options, &arrival);
        if let Some(dss) = &options.dss {
            self.process_dss(context, dss);
        }
        for option in &options.mptcp {
            self.process_option(context, option);
        }
        if arrival.data_acked {
            self.path_event(now, index, PathEvent::Progress);
            self.release_mappings();
            // The keys on an acknowledgment of the peer's handshake show MPTCP as well as a DSS.
            let speaks_mptcp = options.dss.is_some() || !options.mptcp.is_empty();
            self.check_first_acknowledgment(context, speaks_mptcp);
        }
        if self.protocol.sends_plain() {
            self.acknowledged_by_subflow(now, &arrival, window);
        }
        if self.subflows[index].reset_with.is_some() {
            return;
        }
        if self.protocol.receives_plain() {
            // Perhaps since this segment's options; its bytes count all the same.
            self.deliver_plain(now, index, arrival);
            return;
        }
        let fin = arrival.fin;
        self.process_text(context, arrival.text, payload.sum);
        if !fin {
            return;
        }
        // The peer has no mappings any more, perhaps since these very bytes; or one of us has given
        // them up, and the peer had nothing left to say so with.
        let unmapped = self.protocol.receiving().is_some()
            || self.protocol.receives_plain()
            || self.protocol.sends_plain();
        if unmapped && !self.receive.is_finished() {
            self.finished_without_mapping(context);
            self.check_end_of_stream(index);
        } else {
            self.subflow_finished_by_peer(index);
        }
    }

    pub(super) fn context(
        &self,
        now: Instant,
        index: usize,
        arrival: &Arrival,
        payload: ArrivedPayload,
        window: u64,
    ) -> Context {
        let tcb = &self.subflows[index].tcb;
        let text: u64 = arrival.text.iter().map(|(_, text)| text.len() as u64).sum();
        let end = tcb.rcv_nxt - u32::from(arrival.fin);
        let first = arrival.text.first();
        Context {
            now,
            index,
            window,
            start: first.map_or(end, |&(ssn, _)| ssn),
            end,
            start_dsn: self.receive.dsn(tcb.bytes_received.wrapping_sub(text)),
            has_text: first.is_some(),
            payload,
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
        let first = !core::mem::replace(&mut self.subflows[index].heard_dss, true);
        if first && index == 0 && self.follows_endpoints() {
            // Fully established: subflows may be opened from now on.
            self.update_paths_soon(now);
        }
        if let Some(ack) = dss.data_ack
            && self.sending_session().is_some()
        {
            // The window is relative to the DATA_ACK of the same segment (RFC 6824 §3.3.4).
            self.notes.ack_received = Some(now);
            let data_ack = ack.expand(self.send.dsn(self.send.una()));
            if self.send.acknowledge(data_ack, window) {
                if let Some(session) = self.protocol.session_mut() {
                    session.data_acknowledged = true;
                }
                self.data_progress(now);
            } else if window == 0 && self.data_waiting_since.is_some() {
                // RFC 6429: a peer that answers with a closed window is borne for ever.
                self.data_waiting_since = Some(now);
            }
        }
        if let Some(mapping) = &dss.mapping {
            self.process_mapping(context, mapping);
        }
    }

    fn process_mapping(&mut self, context: Context, wire: &WireMapping) {
        let Context { now, index, .. } = context;
        if wire.len == 0 {
            self.infinite_mapping_received(context, wire);
            return;
        }
        if self.receiving_session().is_none() {
            return;
        }
        let Some(session) = self.protocol.session_mut() else {
            return;
        };
        if matches!(wire.dsn, WireSeq::Long(_)) {
            session.long_data_ack = true;
        }
        if context.payload.len == 0 && !(wire.data_fin && wire.len == 1) {
            // There is nothing that it could map (protocol reference 1.3).
            return;
        }
        let checksum = session.checksum;
        if !session.expects_checksum(wire.checksum) {
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            return;
        }
        let subflow = &self.subflows[index];
        let mapping = NewMapping {
            ssn: subflow.tcb.irs + wire.ssn,
            relative_ssn: wire.ssn,
            dsn: wire.dsn.expand(self.receive.rcv_nxt()),
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

    /// A mapping must cover some of the segment that carries it. One that does not is not relied
    /// on: it would let a peer, or whoever copies options from segment to segment, fill the list
    /// with what never comes.
    ///
    /// RFC 6824 §3.3.4 also wants to see SSN - RCV.NXT <= DSN - DATA_ACK. For bytes that are in
    /// order that says no more than that they are not old, which is looked at when they are placed.
    /// For those ahead of a gap it does not hold when old data was sent again behind other: nothing
    /// is refused for it, the windows of both levels bound what is held.
    fn add_mapping(&mut self, context: Context, mapping: NewMapping) {
        let ArrivedPayload { start, len, .. } = context.payload;
        if !mapping.covers_part_of(start, len) {
            self.count(MptcpCounter::DssNoMatchTcp);
            return;
        }
        self.note_order(context, mapping.ssn, mapping.dsn);
        let subflow = &mut self.subflows[context.index];
        if subflow.received.add(mapping, context.start).is_err() {
            self.count(MptcpCounter::DssNotMatching);
            self.count(MptcpCounter::DssCorruptionReset);
            self.reset_subflow(context.now, context.index, ResetReason::MptcpSpecific);
        }
    }

    /// Version 1: MP_CAPABLE with data is the mapping of the initiator's first bytes
    /// (RFC 8684 §3.1). Copies of it are like copies of any mapping.
    pub(super) fn process_capable(&mut self, context: Context, capable: &MpCapable) {
        let CapableKeys::BothWithData {
            data_len, checksum, ..
        } = capable.keys
        else {
            return;
        };
        if self.receiving_session().is_none() {
            return;
        }
        // It maps no more than 65535 bytes from the first on: later it is a copy of the past.
        let past = self.subflows[0].tcb.bytes_received > u64::from(u16::MAX);
        let Some(session) = self.protocol.session_mut() else {
            return;
        };
        if context.index != 0 || session.version != Version::V1 || past {
            return;
        }
        if !session.expects_checksum(checksum) {
            // RFC 8684 §3.3: as with a DSS.
            self.reset_subflow(context.now, context.index, ResetReason::MptcpSpecific);
            return;
        }
        if data_len == 0 {
            if context.has_text && self.may_fall_back(0) {
                self.fall_back_in_line(context, FallbackReason::BadMapping);
            }
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
            checksum,
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
        context: Context,
        text: SmallVec<[(SeqNum, Bytes); 2]>,
        mut sum: Option<u16>,
    ) {
        let Context { now, index, .. } = context;
        if matches!(self.protocol.receiving(), Some(Receiving::Failed(_))) {
            self.hold(context, text);
            return;
        }
        let received = &mut self.subflows[index].received;
        if text.is_empty() && !received.has_unmapped() {
            return;
        }
        let mut mapped = Mapped::new();
        let mut result = received.map_waiting(&mut mapped);
        for (ssn, bytes) in text {
            if result.is_err() {
                received.hold(ssn, bytes);
            } else {
                result = received.map(ssn, bytes, sum.take(), &mut mapped);
            }
        }
        let fin = received.take_fin();
        let before = self.receive.rcv_nxt();
        self.insert_mapped(index, mapped);
        let advanced = self.receive.rcv_nxt() != before;
        if let Some(fin) = fin {
            self.receive.finish_at(fin);
            // RFC 6824 §3.3.3: also one that is known, as its DATA_ACK may have been lost.
            self.subflows[index].tcb.ack.require_now();
        }
        match result {
            Ok(()) => {
                self.check_unmapped(context);
                let window = self.receive.capacity();
                self.subflows[index].received.forget_hopeless(window);
                self.watch_unmapped(now, index, advanced);
            }
            Err(MappingError::Checksum(dsn)) => self.checksum_failed(context, dsn),
            Err(MappingError::Conflict) => {
                self.reset_subflow(now, index, ResetReason::MptcpSpecific);
            }
            Err(MappingError::Unmapped) => {
                self.count(MptcpCounter::DssCorruptionReset);
                self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
            }
        }
        self.check_end_of_stream(index);
    }

    /// A sender that maps its data sends again what has come without. One that does not has fallen
    /// back, or the path takes its mappings: then nothing of the stream comes any more.
    fn watch_unmapped(&mut self, now: Instant, index: usize, advanced: bool) {
        if advanced {
            self.deadlines.unmapped = None;
        } else if self.subflows[index].received.has_unmapped() {
            self.deadlines
                .unmapped
                .get_or_insert(now + UNMAPPED_TIMEOUT);
        }
    }

    /// Nobody repairs what has come without a mapping (RFC 8684 §3.7: the subflow is broken).
    pub(in crate::mptcp::connection) fn unmapped_timed_out(&mut self, now: Instant) {
        for index in 0..self.subflows.len() {
            let subflow = &self.subflows[index];
            if subflow.received.has_unmapped() && !subflow.is_closed() {
                self.count(MptcpCounter::DssCorruptionReset);
                self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
            }
        }
    }

    fn insert_mapped(&mut self, index: usize, mapped: Mapped) {
        let before = self.receive.rcv_nxt();
        let mut inserted = 0;
        for (dsn, bytes) in mapped {
            inserted += bytes.len() as u64;
            self.note_received(index, dsn, bytes.len(), true);
            match self.receive.place_bytes(dsn, bytes) {
                Placed::InOrder => {}
                Placed::Ahead { at_end, joined } => self.count_ahead(at_end, joined),
                Placed::Duplicate => self.count(MptcpCounter::DuplicateData),
                Placed::Refused => self.count(MptcpCounter::NoDssInWindow),
            }
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

    /// Bytes that wait for a mapping, or for the rest of one, on all subflows together: a window
    /// of them is the most that is held (RFC 6824 §3.3.1), beside what waits at the data level.
    pub(in crate::mptcp::connection) fn waiting_len(&self) -> usize {
        let waiting = self.subflows.iter().map(|s| s.received.waiting_len());
        waiting.sum()
    }

    fn count_ahead(&mut self, at_end: bool, joined: bool) {
        self.count(if at_end {
            MptcpCounter::OfoQueueTail
        } else {
            MptcpCounter::OfoQueue
        });
        if joined {
            self.count(MptcpCounter::OfoMerge);
        }
    }
}
