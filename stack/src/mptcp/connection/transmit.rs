//! The next segment to send: what TCP owes first, then data, then signals and acknowledgments.

use super::Connection;
use crate::base::config::{InterfaceConfig, Version};
use crate::base::id::InterfaceId;
use crate::base::num::saturating_u16;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::mptcp::data_send::Chunk;
use crate::mptcp::handshake::{Protocol, SendMode, Session};
use crate::mptcp::mapping::{Announcement, SentMapping, pseudo_header};
use crate::mptcp::outgoing_options::{announce, data_ack, max_payload, of_segment, of_syn};
use crate::mptcp::scheduler::Candidate;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::transmit::Outgoing;
use crate::wire::checksum::Sum;
use crate::wire::mptcp_option::{Dss, MpJoin, MptcpOption, WireMapping, WireSeq};
use crate::wire::packet::{Payload, SegmentHeader, Transmit, TransmitChecksum, emit};
use crate::wire::tcp_option::OptionWriter;
use smallvec::SmallVec;

/// What the connection must know of the interfaces.
pub trait Interfaces {
    /// The capabilities of one.
    fn capabilities(&self, id: InterfaceId) -> InterfaceConfig;
}

impl Connection {
    /// The next packet, if any. After `None`, timers are in place.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        if core::mem::take(&mut self.close_subflows_wanted) {
            self.close_all_subflows(now);
            self.limit_waiting_for_the_peer(now);
        }
        for index in 0..self.subflows.len() {
            if !self.subflows[index].is_closed()
                && self.subflows[index].link_up
                && let Some(transmit) = self.poll_owed(now, index, interfaces)
            {
                return Some(transmit);
            }
        }
        if let Some(transmit) = self.poll_data(now, interfaces) {
            return Some(transmit);
        }
        self.poll_plain_fin();
        for index in 0..self.subflows.len() {
            if let Some(transmit) = self.poll_last(now, index, interfaces) {
                return Some(transmit);
            }
        }
        self.update_probe_timer(now);
        None
    }

    /// What goes before new data: a reset, a SYN, a retransmission, a signal.
    fn poll_owed(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        if let Some(transmit) = self.poll_signal(now, index, interfaces) {
            return Some(transmit);
        }
        if self.subflows[index].reset_with.is_some() {
            return Some(self.send_reset(now, index, interfaces));
        }
        let payload = max_payload(&self.subflows[index].tcb, self.session());
        let tcb = &mut self.subflows[index].tcb;
        if !tcb.can_retransmit() {
            return None;
        }
        let outgoing = tcb.retransmit(now, payload)?;
        let options = self.options_of_retransmission(now, index, &outgoing);
        Some(self.emit(index, outgoing, &options, None, interfaces))
    }

    /// New or reinjected data, on the subflow that the scheduler picks.
    fn poll_data(&mut self, now: Instant, interfaces: &impl Interfaces) -> Option<Transmit> {
        if !self.send.has_unsent() && !self.send.has_reinjection() {
            return None;
        }
        let candidates = self.candidates();
        let picked = self.scheduler.pick(&candidates)?;
        let room = candidates
            .iter()
            .find(|candidate| candidate.id == picked)?
            .room;
        let index = self.position(picked)?;
        let offload = interfaces
            .capabilities(self.subflows[index].interface)
            .segmentation_offload;
        let segment = max_payload(&self.subflows[index].tcb, self.session());
        let max = self.super_segment(segment, room, offload);
        let reinjection = self.send.has_reinjection();
        let chunk = self.send.next_chunk(max, !self.config.nodelay)?;
        if reinjection && let Some(session) = self.session_mut() {
            session.multipath = true;
        }
        Some(self.send_chunk(now, index, chunk, segment, interfaces))
    }

    /// Payload of the next segment, or of a super-segment that the device will cut: whole
    /// segments within the room, mapped at once (a mapping's length has 16 bits). With checksums
    /// the receiver has to wait for a whole mapping, so they stay one segment long.
    fn super_segment(&self, segment: usize, room: usize, offload: Option<u16>) -> usize {
        let checksum = self.session().is_some_and(|session| session.checksum);
        match offload {
            Some(limit) if !checksum => {
                let limit = usize::from(limit).min(room).max(segment);
                limit - limit % segment
            }
            Some(_) | None => segment,
        }
    }

    /// The subflows that could take a segment; backups only if no regular one works at all.
    fn candidates(&self) -> SmallVec<[Candidate; 8]> {
        let session = self.session();
        if session.is_none() && !self.is_plain() {
            return SmallVec::new();
        }
        let usable = || self.subflows.iter().filter(|subflow| subflow.is_usable());
        let any_regular = usable().any(|subflow| !subflow.backup);
        let candidate = |subflow: &Subflow| {
            let tcb = &subflow.tcb;
            let room = tcb.room_for_data();
            let segment = max_payload(tcb, session);
            // A window with room for less than a segment is used only if nothing is in flight:
            // otherwise it fills up to a whole one soon.
            let enough = room >= segment || (room > 0 && tcb.is_all_acknowledged());
            (enough && (!subflow.backup || !any_regular)).then(|| Candidate {
                id: subflow.id,
                srtt: tcb.rtt.srtt(),
                backup: subflow.backup,
                room,
            })
        };
        usable().filter_map(candidate).collect()
    }

    fn send_chunk(
        &mut self,
        now: Instant,
        index: usize,
        chunk: Chunk,
        segment: usize,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        let Chunk {
            offset,
            payload,
            len,
            data_fin,
            last,
        } = chunk;
        let sum = self
            .session()
            .is_some_and(|s| s.checksum)
            .then(|| sum_of(&payload));
        let mapping = self.make_mapping(index, offset, len, data_fin, sum);
        let subflow = &mut self.subflows[index];
        let outgoing = subflow.tcb.send_data(now, payload, len, last);
        let mut options = of_segment(&subflow.tcb, now);
        if let Some(mapping) = mapping {
            subflow.sent.push(mapping);
            if mapping.data_fin {
                self.send.fin_sent();
            }
            self.add_mapping_option(&mut options, index, &mapping);
        }
        self.announce_infinite(&mut options, index, offset, outgoing.seq);
        self.arm_data_timer(now);
        let segment_size = (len > segment).then(|| saturating_u16(segment));
        self.emit_sized(
            index,
            outgoing,
            &options,
            sum.map(Sum::folded),
            segment_size,
            interfaces,
        )
    }

    /// The mapping of new bytes at SND.NXT of a subflow; none on plain TCP.
    fn make_mapping(
        &self,
        index: usize,
        offset: u64,
        len: usize,
        data_fin: bool,
        sum: Option<Sum>,
    ) -> Option<SentMapping> {
        let session = self.session()?;
        if session.send_mode == SendMode::AnnounceInfinite {
            return None;
        }
        let tcb = &self.subflows[index].tcb;
        let first_data = session.version == Version::V1
            && self.side == super::Side::Initiator
            && !session.confirmed
            && index == 0
            && offset == 0
            && tcb.bytes_sent == 0;
        let announcement = if first_data {
            Announcement::Capable
        } else {
            Announcement::Dss
        };
        // MP_CAPABLE with data has no place for a DATA_FIN.
        let data_fin = data_fin && !first_data;
        let len = saturating_u16(len);
        let relative_ssn = tcb.snd_nxt.0.wrapping_sub(tcb.iss.0);
        let wire_len = len + u16::from(data_fin);
        let dsn = self.send.dsn(offset);
        let checksum = sum.map(|sum| {
            pseudo_header(dsn, relative_ssn, wire_len)
                .and(sum)
                .checksum()
        });
        Some(SentMapping {
            ssn: tcb.snd_nxt,
            offset,
            len,
            data_fin,
            checksum,
            announcement,
        })
    }

    fn add_mapping_option(&self, options: &mut OptionWriter, index: usize, mapping: &SentMapping) {
        let Some(session) = self.session() else {
            return;
        };
        let dsn = self.send.dsn(mapping.offset);
        let iss = self.subflows[index].tcb.iss;
        let ack = self.receive.data_ack();
        // The payload was sized so that this fits.
        let _ = options.mptcp(&announce(session, mapping, iss, dsn, ack));
    }

    /// RFC 6824 §3.6: the first data after the decision to fall back carries a mapping of length
    /// 0; nothing after it carries any.
    fn announce_infinite(
        &mut self,
        options: &mut OptionWriter,
        index: usize,
        offset: u64,
        seq: SeqNum,
    ) {
        let Some(session) = self.session() else {
            return;
        };
        if session.send_mode != SendMode::AnnounceInfinite {
            return;
        }
        let mapping = WireMapping {
            dsn: WireSeq::Long(self.send.dsn(offset)),
            ssn: seq.0.wrapping_sub(self.subflows[index].tcb.iss.0),
            len: 0,
            checksum: session.checksum.then_some(0),
            data_fin: false,
        };
        let _ = options.dss(&Dss {
            data_ack: None,
            mapping: Some(mapping),
        });
        self.become_plain();
    }

    fn options_of_retransmission(
        &self,
        now: Instant,
        index: usize,
        outgoing: &Outgoing,
    ) -> OptionWriter {
        let subflow = &self.subflows[index];
        if outgoing.flags.syn {
            let option = self.syn_option(subflow);
            return of_syn(&subflow.tcb, now, outgoing.ack.is_some(), option.as_ref());
        }
        let mut options = of_segment(&subflow.tcb, now);
        match subflow.sent.find(outgoing.seq) {
            Some(mapping) if outgoing.len > 0 => {
                self.add_mapping_option(&mut options, index, mapping)
            }
            Some(_) | None => self.add_acknowledgment(&mut options, index),
        }
        options
    }

    /// The MPTCP option of a subflow's SYN or SYN/ACK.
    fn syn_option(&self, subflow: &Subflow) -> Option<MptcpOption> {
        match (&subflow.role, &self.protocol) {
            (Role::Initial, Protocol::Offered(offer)) if offer.on_syn => {
                Some(MptcpOption::Capable(offer.syn()))
            }
            (Role::Initial, Protocol::Answered(answer)) => {
                Some(MptcpOption::Capable(answer.syn_ack()))
            }
            (_, Protocol::Mptcp(session)) => Self::join_syn_option(session, subflow),
            (_, Protocol::Offered(_) | Protocol::Plain | Protocol::Answered(_)) => None,
        }
    }

    /// On plain TCP the FIN follows the last byte.
    fn poll_plain_fin(&mut self) {
        let fallen_back = self
            .session()
            .is_some_and(|s| s.send_mode == SendMode::AnnounceInfinite);
        if (self.is_plain() || fallen_back) && self.send.is_fin_due() {
            self.send.fin_sent();
            self.close_one_subflow(0);
        }
    }

    /// What comes after data: FIN, a bare DATA_FIN, probes, acknowledgments.
    fn poll_last(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let subflow = &self.subflows[index];
        if subflow.is_closed() || !subflow.link_up || subflow.reset_with.is_some() {
            return None;
        }
        if subflow.tcb.can_send_fin() && self.may_close(index) {
            let outgoing = self.subflows[index].tcb.send_fin(now);
            let mut options = of_segment(&self.subflows[index].tcb, now);
            self.add_acknowledgment(&mut options, index);
            return Some(self.emit(index, outgoing, &options, None, interfaces));
        }
        if let Some(transmit) = self.poll_data_fin(now, index, interfaces) {
            return Some(transmit);
        }
        if core::mem::take(&mut self.subflows[index].tcb.probe) {
            let outgoing = self.subflows[index].tcb.window_probe();
            return Some(self.send_ack(now, index, outgoing, interfaces));
        }
        if self.subflows[index].tcb.ack.is_due_now()
            && self.subflows[index].tcb.state.is_synchronized()
        {
            let outgoing = self.subflows[index].tcb.bare_ack();
            return Some(self.send_ack(now, index, outgoing, interfaces));
        }
        self.subflows[index].tcb.arm_delayed_ack(now);
        None
    }

    /// A subflow that was asked to close must not take data with it that is not acknowledged at
    /// the data level, while it is the only one (RFC 6824 §3.3.3).
    fn may_close(&self, index: usize) -> bool {
        self.session().is_none()
            || !self.send.is_outstanding()
            || self
                .subflows
                .iter()
                .enumerate()
                .any(|(i, s)| i != index && s.is_established())
    }

    /// A DATA_FIN without data (RFC 6824 §3.3.3): not subject to any window.
    fn poll_data_fin(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let due = self.send.is_fin_due() || self.send_data_fin;
        let session = self.session()?;
        if !due || !self.subflows[index].is_usable() || session.send_mode != SendMode::Mapped {
            return None;
        }
        let dsn = self.send.dsn(self.send.end());
        let mapping = WireMapping {
            dsn: WireSeq::Long(dsn),
            ssn: 0,
            len: 1,
            checksum: session
                .checksum
                .then(|| pseudo_header(dsn, 0, 1).checksum()),
            data_fin: true,
        };
        let dss = Dss {
            data_ack: Some(data_ack(session, self.receive.data_ack())),
            mapping: Some(mapping),
        };
        let mut options = of_segment(&self.subflows[index].tcb, now);
        let _ = options.dss(&dss);
        self.send_data_fin = false;
        self.send.fin_sent();
        self.arm_data_timer(now);
        let outgoing = self.subflows[index].tcb.bare_ack();
        Some(self.emit(index, outgoing, &options, None, interfaces))
    }

    /// An option that waits for an acknowledgment of its own.
    fn poll_signal(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        if self.signals.is_empty() {
            return None;
        }
        let subflow = &self.subflows[index];
        let ended = subflow.reset_with.is_some();
        let position = self.signals.iter().position(|signal| match signal.on {
            // A subflow that is to be reset sends what was meant for it before that.
            Some(id) => {
                id == subflow.id
                    && (subflow.can_signal() || ended && subflow.tcb.state.is_synchronized())
            }
            None => subflow.can_signal() && !subflow.stalled,
        })?;
        let signal = self.signals.remove(position)?;
        let mut options = of_segment(&self.subflows[index].tcb, now);
        let fits = options.mptcp(&signal.option).is_ok();
        if !fits {
            // RFC 8684 §3.4.1 with an IPv6 address and a port is too long beside timestamps; we
            // never send that form.
            return None;
        }
        self.add_data_ack(&mut options);
        let outgoing = self.subflows[index].tcb.bare_ack();
        Some(self.emit(index, outgoing, &options, None, interfaces))
    }

    fn send_ack(
        &mut self,
        now: Instant,
        index: usize,
        outgoing: Outgoing,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        let mut options = of_segment(&self.subflows[index].tcb, now);
        self.add_acknowledgment(&mut options, index);
        self.emit(index, outgoing, &options, None, interfaces)
    }

    /// What a segment without data says: the handshake's third packet, or DATA_ACK and SACK.
    fn add_acknowledgment(&self, options: &mut OptionWriter, index: usize) {
        let subflow = &self.subflows[index];
        if let Some(session) = self.session() {
            match &subflow.role {
                Role::PreEstablished { hmac, .. } => {
                    let _ = options.mptcp(&MptcpOption::Join(MpJoin::Ack {
                        hmac: hmac.for_ack(),
                    }));
                    return;
                }
                Role::Initial if self.owes_third_ack(session) => {
                    // Until the peer was heard with a DSS its view is unknown: the keys go on
                    // every acknowledgment, as the third packet may have been lost.
                    let _ = options.mptcp(&MptcpOption::Capable(session.third_ack()));
                    return;
                }
                Role::Initial | Role::Joined | Role::Joining { .. } | Role::Answering { .. } => {}
            }
        }
        self.add_data_ack(options);
        options.sack(&subflow.tcb.sack_blocks());
    }

    fn owes_third_ack(&self, session: &Session) -> bool {
        self.side == super::Side::Initiator && !session.confirmed
    }

    fn add_data_ack(&self, options: &mut OptionWriter) {
        if let Some(session) = self.session()
            && session.send_mode == SendMode::Mapped
        {
            let ack = data_ack(session, self.receive.data_ack());
            let _ = options.dss(&Dss {
                data_ack: Some(ack),
                mapping: None,
            });
        }
    }

    fn send_reset(&mut self, now: Instant, index: usize, interfaces: &impl Interfaces) -> Transmit {
        let outgoing = self.subflows[index].tcb.reset();
        // RFC 7323 §3.2 leaves timestamps off an RST.
        let mut options = OptionWriter::new();
        let aborted = self.closed.is_some();
        if let Some(session) = self.session()
            && session.version == Version::V1
        {
            if aborted && self.state == crate::mptcp::state::DataState::Closed {
                let _ = options.mptcp(&MptcpOption::Fastclose(session.remote.key));
            }
            if let Some(reason) = self.subflows[index].reset_with {
                let _ = options.mptcp(&MptcpOption::TcpRst(reason));
            }
        }
        let transmit = self.emit(index, outgoing, &options, None, interfaces);
        self.subflows[index].tcb.close_at_once();
        self.subflow_closed(now, index);
        transmit
    }

    fn emit(
        &mut self,
        index: usize,
        outgoing: Outgoing,
        options: &OptionWriter,
        payload_sum: Option<u16>,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        self.emit_sized(index, outgoing, options, payload_sum, None, interfaces)
    }

    /// Puts the window on a segment and makes a packet of it.
    fn emit_sized(
        &mut self,
        index: usize,
        outgoing: Outgoing,
        options: &OptionWriter,
        payload_sum: Option<u16>,
        segment_size: Option<u16>,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        let subflow = &mut self.subflows[index];
        // RFC 7323 §2.2: the window of a SYN is not scaled.
        let scale = if outgoing.flags.syn {
            0
        } else {
            subflow.tcb.negotiated.rcv_scale
        };
        let (field, window) = self.receive.announce_window(scale);
        if outgoing.ack.is_some() {
            subflow.tcb.on_ack_sent(window);
        }
        let offload = interfaces.capabilities(subflow.interface).checksum_offload;
        let header = SegmentHeader {
            tuple: subflow.tuple,
            seq: outgoing.seq,
            ack: outgoing.ack,
            flags: outgoing.flags,
            window: field,
            options: options.as_bytes(),
        };
        let checksum = if offload {
            TransmitChecksum::Partial
        } else {
            TransmitChecksum::Complete
        };
        emit(
            subflow.interface,
            &header,
            outgoing.payload,
            payload_sum,
            checksum,
            segment_size,
        )
    }
}

/// The sum of a payload in slices of any length.
fn sum_of(payload: &Payload) -> Sum {
    let mut at = 0;
    payload.iter().fold(Sum::default(), |sum, slice| {
        let piece = Sum::of(slice);
        let piece = if at % 2 == 1 {
            piece.at_odd_offset()
        } else {
            piece
        };
        at += slice.len();
        sum.and(piece)
    })
}
