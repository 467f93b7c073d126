//! Text and FIN of an acceptable segment (RFC 9293 §3.10.7.4, seventh and eighth).

use super::Arrival;
use crate::base::num::saturating_u32;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::buffer::assembler::compact;
use crate::tcp::state::{TcpEvent, TcpState};
use crate::tcp::tcb::{Fin, Tcb};
use crate::wire::packet::Segment;
use bytes::{Buf as _, Bytes};

/// Seventh and eighth: the text, then the FIN behind it.
pub(super) fn process_text_and_fin(
    tcb: &mut Tcb,
    now: Instant,
    segment: &mut Segment,
    arrival: &mut Arrival,
) {
    let end_of_text =
        segment.seq + u32::from(segment.flags.syn) + saturating_u32(segment.payload.len());
    process_text(tcb, segment, arrival);
    check_fin(tcb, now, segment.flags.fin.then_some(end_of_text), arrival);
}

/// Seventh, process the segment text: trim it to the window, put it in order.
///
/// URG is not looked at: urgent bytes are delivered in band (RFC 6093 §5; RFC 8684 §3.3.1).
fn process_text(tcb: &mut Tcb, segment: &mut Segment, arrival: &mut Arrival) {
    let mut payload = core::mem::take(&mut segment.payload);
    if payload.is_empty() || !tcb.state.can_receive() {
        return;
    }
    if tcb
        .ecn
        .on_data(segment.congestion_experienced, segment.flags)
    {
        tcb.ack.on_ce_change();
    }
    let mut seq = segment.seq + u32::from(segment.flags.syn);
    let full_len = payload.len();
    if let Ok(old) = usize::try_from(tcb.rcv_nxt.distance_from(seq))
        && old > 0
    {
        let old = old.min(payload.len());
        tcb.report_duplicate(seq, seq + saturating_u32(old));
        payload.advance(old);
        seq = tcb.rcv_nxt;
    }
    let room = usize::try_from(tcb.rcv_edge.distance_from(seq)).unwrap_or(0);
    if payload.len() > room {
        // The peer must learn where the window ends.
        payload.truncate(room);
        tcb.ack.require_now();
    }
    if payload.is_empty() {
        return;
    }
    let offset = offset_of(tcb, seq);
    if tcb.assembler.advance_if_next(offset, payload.len()) {
        deliver(tcb, seq, payload, arrival);
    } else {
        // Also a segment at RCV.NXT that overlaps what is held already.
        store_out_of_order(tcb, offset, payload);
    }
    while let Some((_, more)) = tcb.assembler.pop() {
        let at = tcb.rcv_nxt;
        deliver(tcb, at, more, arrival);
    }
    if arrival.text.is_empty() {
        return;
    }
    if !tcb.sack_report.is_empty() {
        tcb.sack_report.remove_before(tcb.assembler.next_offset());
        // RFC 5681 §4.2: filling a gap is acknowledged at once.
        tcb.ack.require_now();
    }
    tcb.ack.on_data(full_len, usize::from(tcb.config.local_mss));
}

fn deliver(tcb: &mut Tcb, seq: SeqNum, payload: Bytes, arrival: &mut Arrival) {
    tcb.rcv_nxt += saturating_u32(payload.len());
    tcb.bytes_received += payload.len() as u64;
    arrival.text.push((seq, payload));
}

/// RFC 5681 §4.2: what comes out of order is acknowledged at once, with SACK.
fn store_out_of_order(tcb: &mut Tcb, offset: u64, payload: Bytes) {
    if offset > tcb.assembler.next_offset() && !tcb.assembler.has_room_ahead() {
        // As if it had been lost on the way.
        tcb.ack.require_bare();
        return;
    }
    let end = offset + payload.len() as u64;
    if let Some(again) = tcb.sack_report.insert(offset..end) {
        tcb.report_duplicate(tcb.receive_seq(again.start), tcb.receive_seq(again.end));
    }
    tcb.traffic.out_of_order += 1;
    tcb.assembler.insert(offset, compact(payload));
    tcb.ack.require_bare();
}

/// Eighth, check the FIN bit. `fin` is the sequence number of a FIN in the segment.
fn check_fin(tcb: &mut Tcb, now: Instant, fin: Option<SeqNum>, arrival: &mut Arrival) {
    if !tcb.state.can_receive() {
        return;
    }
    if let Some(fin) = fin
        && fin.at_or_after(tcb.rcv_nxt)
        && fin.at_or_before(tcb.rcv_edge.max(tcb.rcv_nxt))
    {
        // It takes no room in the buffer: one that stands just at the right edge is taken.
        tcb.peer_fin = Some(offset_of(tcb, fin));
        if fin.after(tcb.rcv_nxt) {
            tcb.ack.require_bare();
        }
    }
    if tcb.peer_fin == Some(tcb.assembler.next_offset()) {
        tcb.rcv_nxt += 1;
        arrival.fin = true;
        tcb.peer_closed_first = tcb.fin != Fin::Sent;
        tcb.transition(TcpEvent::ReceiveFin);
        tcb.ack.require_now();
        if tcb.state == TcpState::TimeWait {
            tcb.start_time_wait(now);
        }
    }
}

/// The stream offset of a payload byte near RCV.NXT.
fn offset_of(tcb: &Tcb, seq: SeqNum) -> u64 {
    tcb.assembler
        .next_offset()
        .wrapping_add_signed(i64::from(seq.distance_from(tcb.rcv_nxt)))
}
