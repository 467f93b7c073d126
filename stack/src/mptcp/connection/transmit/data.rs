//! New and reinjected data: which subflow, how much, and with which mapping.

use super::Interfaces;
use crate::base::config::Version;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::num::saturating_u16;
use crate::base::time::Instant;
use crate::mptcp::connection::{Connection, Side};
use crate::mptcp::data_send::{Chunk, Offer};
use crate::mptcp::mapping::{Announcement, SentMapping};
use crate::mptcp::outgoing_options::{announce, data_ack, max_payload, of_segment};
use crate::mptcp::scheduler::Candidate;
use crate::mptcp::subflow::Subflow;
use crate::tcp::transmit::Outgoing;
use crate::wire::checksum::Sum;
use crate::wire::mptcp_option::Dss;
use crate::wire::packet::Transmit;
use crate::wire::tcp_option::OptionWriter;
use smallvec::SmallVec;

impl Connection {
    /// New or reinjected data, on the subflow that the scheduler picks.
    pub(super) fn poll_data(
        &mut self,
        now: Instant,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        if !self.send.has_unsent() && !self.send.has_reinjection() {
            return None;
        }
        let candidates = self.candidates(now);
        let picked = self.scheduler.pick(&candidates)?;
        let room = candidates
            .iter()
            .find(|candidate| candidate.id == picked)?
            .room;
        let index = self.position(picked)?;
        let offload = interfaces
            .capabilities(self.subflows[index].interface)
            .segmentation_offload;
        let mut segment = max_payload(&self.subflows[index].tcb, self.sizing_session());
        let offer = Offer {
            segment,
            room: self.room_at_once(segment, room, offload),
            nagle: !self.config.nodelay,
        };
        let reinjection = self.send.has_reinjection();
        let chunk = match self.next_probe(now, index, offer) {
            Some(chunk) => {
                // One segment longer than others (RFC 4821 §7.4).
                self.subflows[index].tcb.send_probe(now, chunk.len);
                segment = chunk.len;
                chunk
            }
            None => self.send.next_chunk(offer)?,
        };
        self.note_sent(now, picked, &chunk, reinjection);
        if reinjection {
            if let Some(session) = self.protocol.session_mut() {
                session.multipath = true;
            }
            for _ in 0..chunk.len.div_ceil(segment) {
                self.count(MptcpCounter::MptcpRetrans);
            }
        }
        Some(self.send_chunk(now, index, chunk, segment, interfaces))
    }

    /// New data for a segment that is to find out whether the path carries longer ones.
    fn next_probe(&mut self, now: Instant, index: usize, offer: Offer) -> Option<Chunk> {
        if self.send.has_reinjection() {
            return None;
        }
        let unsent = self.send.end() - self.send.next();
        let payload = self.subflows[index].tcb.probe_payload(now, unsent)?;
        if payload <= offer.segment || self.send.window_room() < payload {
            return None;
        }
        self.send.next_chunk(Offer {
            segment: payload,
            room: payload,
            ..offer
        })
    }

    /// Room in the next segment, or in a super-segment that the device will cut, mapped at once (a
    /// mapping's length has 16 bits). With checksums the receiver has to wait for a whole mapping,
    /// so they stay one segment long.
    fn room_at_once(&self, segment: usize, room: usize, offload: Option<u16>) -> usize {
        let quota = self.scheduler.quota();
        let most = quota.map_or(usize::MAX, |quota| segment.saturating_mul(quota));
        let checksum = self
            .sending_session()
            .is_some_and(|session| session.checksum);
        let limit = match offload {
            Some(limit) if !checksum => usize::from(limit).max(segment),
            Some(_) | None => segment,
        };
        limit.min(room).min(most)
    }

    /// The subflows that could take a segment; backups only if no regular one works at all.
    fn candidates(&self, now: Instant) -> SmallVec<[Candidate; 8]> {
        if self.sending_session().is_none() && !self.protocol.sends_plain() {
            return SmallVec::new();
        }
        let repairs = self.data_recovery.is_some() && self.send.has_reinjection();
        let usable = || {
            let elsewhere = repairs && self.has_other_for_repair();
            let usable = self.subflows.iter().filter(|subflow| subflow.is_usable());
            usable.filter(move |subflow| !(elsewhere && subflow.is_avoided))
        };
        let any_regular = usable().any(|subflow| !subflow.is_backup());
        let candidate = |subflow: &Subflow| {
            let tcb = &subflow.tcb;
            let room = tcb.room_for_data(now);
            let segment = max_payload(tcb, self.sizing_session());
            // A window with room for less than a segment is used only if nothing is in flight:
            // otherwise it fills up to a whole one soon.
            let enough = room >= segment
                || (tcb.is_all_acknowledged()
                    && self.send.may_use_small_room(room, tcb.max_snd_wnd));
            (enough && (!subflow.is_backup() || !any_regular)).then(|| Candidate {
                id: subflow.id,
                srtt: tcb.rtt.srtt(),
                backup: subflow.is_backup(),
                room,
            })
        };
        usable().filter_map(candidate).collect()
    }

    /// What got no DATA_ACK in time goes to a subflow that has not carried it, if there is one
    /// (protocol reference 5.1). A backup counts once that has not helped.
    fn has_other_for_repair(&self) -> bool {
        let patience = self.data_backoff <= 1;
        self.subflows.iter().any(|subflow| {
            subflow.is_usable() && !subflow.is_avoided && !(patience && subflow.backup)
        })
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
            .sending_session()
            .is_some_and(|s| s.checksum)
            .then(|| Sum::of_pieces(payload.iter().map(AsRef::as_ref)));
        let mapping = self.make_mapping(index, offset, len, data_fin, sum);
        let subflow = &mut self.subflows[index];
        let outgoing = subflow
            .tcb
            .send_data(now, payload, len, segment.min(len), last);
        let mut options = of_segment(&subflow.tcb, now);
        if let Some(mapping) = mapping {
            subflow.sent.push(mapping);
            if mapping.data_fin {
                self.send.fin_sent();
            }
            self.add_mapping_option(&mut options, index, &mapping);
        } else {
            self.add_infinite_mapping(&mut options, &outgoing);
        }
        self.probe_backoff = 0;
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
        let session = self.sending_session()?;
        let tcb = &self.subflows[index].tcb;
        let first_data = session.version == Version::V1
            && self.side == Side::Initiator
            && !session.confirmed
            && index == 0
            && offset == 0
            && tcb.bytes_sent == 0;
        let announcement = if first_data {
            Announcement::Capable
        } else {
            Announcement::Dss
        };
        let len = saturating_u16(len);
        // MP_CAPABLE with data has no place for a DATA_FIN, and the length of a mapping counts it.
        let data_fin = data_fin && !first_data && len < u16::MAX;
        let relative_ssn = tcb.snd_nxt.0.wrapping_sub(tcb.iss.0);
        let wire_len = len + u16::from(data_fin);
        let dsn = self.send.dsn(offset);
        let checksum = sum.map(|sum| {
            Sum::of_dss_pseudo_header(dsn, relative_ssn, wire_len)
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
            sent_elsewhere: false,
        })
    }

    /// The mapping of bytes that were sent with it: it goes with them again, also if what follows
    /// them has none any more.
    pub(super) fn add_mapping_option(
        &self,
        options: &mut OptionWriter,
        index: usize,
        mapping: &SentMapping,
    ) {
        let Some(session) = self.protocol.session() else {
            return;
        };
        let dsn = self.send.dsn(mapping.offset);
        let iss = self.subflows[index].tcb.iss;
        let ack = self.receiving_session().map(|_| self.receive.data_ack());
        // The payload was sized so that this fits.
        let _ = options.mptcp(&announce(session, mapping, iss, dsn, ack));
    }

    /// What data without a mapping says: the infinite mapping, where it is due, and a DATA_ACK for a
    /// peer that maps what it sends.
    pub(super) fn add_infinite_mapping(&mut self, options: &mut OptionWriter, outgoing: &Outgoing) {
        let mapping = self.infinite_mapping_for(outgoing);
        let data_ack = self
            .receiving_session()
            .map(|session| data_ack(session, self.receive.data_ack()));
        if mapping.is_some() || data_ack.is_some() {
            // The payload was sized so that this fits.
            let _ = options.dss(&Dss { data_ack, mapping });
        }
    }
}
