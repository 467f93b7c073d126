//! A segment arrives: the steps of RFC 9293 §3.10.7, a function each.
//!
//! The steps come in the order of the RFC. One that ends the processing returns the [`Verdict`]
//! as `Err`.

use super::loss::{self, Before};
use super::scoreboard::Delivered;
use super::state::{TcpEvent, TcpState};
use super::tcb::Tcb;
use super::timers::Timer;
use crate::base::num::saturating_u32;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::wire::packet::Segment;
use bytes::{Buf as _, Bytes};
use smallvec::SmallVec;

/// RFC 7323 §5.5: a timestamp older than this says nothing.
const PAWS_VALIDITY: Duration = Duration::from_secs(24 * 24 * 3600);
/// RFC 5961 §7: challenge acknowledgments of one connection are at least this far apart.
const CHALLENGE_INTERVAL: Duration = Duration::from_millis(100);

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts: its options may be read.
    Accepted,
    /// It does not: nothing in it may be used.
    Dropped,
    /// A valid RST: the connection is over.
    Reset,
    /// It must be answered with an RST made from it; the connection goes on.
    AnswerWithReset,
}

/// What a segment brought.
#[derive(Debug)]
pub struct Arrival {
    /// What became of it.
    pub verdict: Verdict,
    /// What it acknowledged.
    pub delivered: Delivered,
    /// SND.UNA moved over payload bytes of ours.
    pub data_acked: bool,
    /// In-order bytes with the sequence number of their first.
    pub text: SmallVec<[(SeqNum, Bytes); 2]>,
    /// The handshake is complete since this segment.
    pub established: bool,
    /// The peer's FIN was reached.
    pub fin: bool,
}

/// Processes a segment, which loses its payload.
pub fn receive(tcb: &mut Tcb, now: Instant, segment: &mut Segment) -> Arrival {
    let before = tcb.state;
    let mut arrival = Arrival {
        verdict: Verdict::Accepted,
        delivered: Delivered::default(),
        data_acked: false,
        text: SmallVec::new(),
        established: false,
        fin: false,
    };
    let outcome = match before {
        TcpState::Closed | TcpState::Listen => Err(Verdict::AnswerWithReset),
        TcpState::SynSent => receive_in_syn_sent(tcb, now, segment, &mut arrival),
        TcpState::SynReceived
        | TcpState::Established
        | TcpState::FinWait1
        | TcpState::FinWait2
        | TcpState::CloseWait
        | TcpState::Closing
        | TcpState::LastAck
        | TcpState::TimeWait => receive_otherwise(tcb, now, segment, &mut arrival),
    };
    if let Err(verdict) = outcome {
        arrival.verdict = verdict;
    }
    arrival.established = !before.is_synchronized() && tcb.state.is_synchronized();
    arrival
}

/// RFC 9293 §3.10.7.3.
fn receive_in_syn_sent(
    tcb: &mut Tcb,
    now: Instant,
    segment: &Segment,
    arrival: &mut Arrival,
) -> Result<(), Verdict> {
    if let Some(ack) = segment.ack
        && (ack.at_or_before(tcb.iss) || ack.after(tcb.snd_nxt))
    {
        return Err(if segment.flags.rst {
            Verdict::Dropped
        } else {
            Verdict::AnswerWithReset
        });
    }
    if segment.flags.rst {
        return Err(if segment.ack.is_some() {
            Verdict::Reset
        } else {
            Verdict::Dropped
        });
    }
    if !segment.flags.syn {
        return Err(Verdict::Dropped);
    }
    tcb.read_syn(now, segment);
    if let Some(ack) = segment.ack {
        tcb.transition(TcpEvent::ReceiveSynAck);
        acknowledge(tcb, now, segment, ack, arrival);
        // RFC 5681 §3.1: a lost SYN makes the initial window one segment.
        if tcb.syn_transmissions > 1 {
            tcb.congestion.on_timeout(now, 0);
        }
    } else {
        // Simultaneous open: our SYN goes again, as a SYN/ACK.
        tcb.transition(TcpEvent::ReceiveSyn);
        tcb.scoreboard.lose_first();
    }
    tcb.ack.require_now();
    Ok(())
}

/// RFC 9293 §3.10.7.4.
fn receive_otherwise(
    tcb: &mut Tcb,
    now: Instant,
    segment: &mut Segment,
    arrival: &mut Arrival,
) -> Result<(), Verdict> {
    check_duplicate_syn(tcb, segment)?;
    check_timestamps(tcb, now, segment)?;
    check_sequence(tcb, now, segment)?;
    check_rst(tcb, now, segment)?;
    check_syn(tcb, now, segment)?;
    check_ack(tcb, now, segment, arrival)?;
    let end_of_text =
        segment.seq + u32::from(segment.flags.syn) + saturating_u32(segment.payload.len());
    process_text(tcb, segment, arrival);
    check_fin(tcb, now, segment.flags.fin.then_some(end_of_text), arrival);
    Ok(())
}

/// A SYN that comes again before our SYN/ACK was answered: the SYN/ACK was lost.
fn check_duplicate_syn(tcb: &mut Tcb, segment: &Segment) -> Result<(), Verdict> {
    let again = tcb.state == TcpState::SynReceived
        && segment.flags.syn
        && !segment.flags.rst
        && segment.ack.is_none()
        && segment.seq == tcb.irs;
    if again {
        tcb.scoreboard.lose_first();
        return Err(Verdict::Dropped);
    }
    Ok(())
}

/// PAWS (RFC 7323 §5.3), before the sequence number check.
fn check_timestamps(tcb: &mut Tcb, now: Instant, segment: &Segment) -> Result<(), Verdict> {
    if !tcb.negotiated.timestamps || segment.flags.rst {
        return Ok(());
    }
    let Some(timestamps) = segment.options.timestamps else {
        // RFC 7323 §3.2: a segment without them, once negotiated, should be dropped.
        return Err(Verdict::Dropped);
    };
    let fresh = now.saturating_duration_since(tcb.timestamps.recent_at) < PAWS_VALIDITY;
    let older = SeqNum(timestamps.value).before(SeqNum(tcb.timestamps.recent));
    if older && fresh {
        tcb.ack.require_now();
        return Err(Verdict::Dropped);
    }
    // RFC 7323 §4.3: only a segment at the left edge moves TS.Recent.
    if segment.seq.at_or_before(tcb.timestamps.last_ack_sent) {
        tcb.timestamps.recent = timestamps.value;
        tcb.timestamps.recent_at = now;
    }
    Ok(())
}

/// First, check the sequence number: some of the segment must lie in the window.
///
/// With a window of zero, a segment at RCV.NXT passes for the sake of its ACK; its text is cut
/// off later.
fn check_sequence(tcb: &mut Tcb, now: Instant, segment: &Segment) -> Result<(), Verdict> {
    let len = segment.len();
    let end = segment.seq + len;
    let reaches_window = if len == 0 {
        segment.seq.at_or_after(tcb.rcv_nxt)
    } else {
        end.after(tcb.rcv_nxt)
    };
    let starts_in_window = segment.seq.at_or_before(tcb.rcv_nxt.max(tcb.rcv_edge));
    if reaches_window && starts_in_window {
        return Ok(());
    }
    if segment.flags.rst {
        return Err(Verdict::Dropped);
    }
    if len > 0 && end.at_or_before(tcb.rcv_nxt) && !segment.payload.is_empty() {
        report_duplicate(tcb, segment.seq, end);
    }
    if tcb.state == TcpState::TimeWait && segment.flags.fin {
        // RFC 9293 §3.10.7.4, eighth: a FIN that comes again restarts the quiet time.
        tcb.start_time_wait(now);
    }
    tcb.ack.require_now();
    Err(Verdict::Dropped)
}

/// Second, check the RST bit (RFC 5961 §3.2).
fn check_rst(tcb: &mut Tcb, now: Instant, segment: &Segment) -> Result<(), Verdict> {
    if !segment.flags.rst {
        return Ok(());
    }
    if segment.seq == tcb.rcv_nxt {
        return Err(Verdict::Reset);
    }
    challenge(tcb, now);
    Err(Verdict::Dropped)
}

/// Fourth, check the SYN bit (RFC 5961 §4.2).
fn check_syn(tcb: &mut Tcb, now: Instant, segment: &Segment) -> Result<(), Verdict> {
    if !segment.flags.syn {
        return Ok(());
    }
    if tcb.state == TcpState::SynReceived && segment.ack.is_some() && segment.seq == tcb.irs {
        // The other half of a simultaneous open.
        return Ok(());
    }
    challenge(tcb, now);
    Err(Verdict::Dropped)
}

/// Fifth, check the ACK field (RFC 5961 §5.2).
fn check_ack(
    tcb: &mut Tcb,
    now: Instant,
    segment: &Segment,
    arrival: &mut Arrival,
) -> Result<(), Verdict> {
    let Some(ack) = segment.ack else {
        return Err(Verdict::Dropped);
    };
    if tcb.state == TcpState::SynReceived {
        if !ack.after(tcb.snd_una) || ack.after(tcb.snd_nxt) {
            return Err(Verdict::AnswerWithReset);
        }
        tcb.transition(TcpEvent::SynAcknowledged);
        tcb.snd_wl1 = segment.seq - 1;
    }
    if ack.after(tcb.snd_nxt) || ack.before(tcb.snd_una - tcb.max_snd_wnd) {
        challenge(tcb, now);
        return Err(Verdict::Dropped);
    }
    acknowledge(tcb, now, segment, ack, arrival);
    if arrival.delivered.fin {
        tcb.transition(TcpEvent::FinAcknowledged);
        if tcb.state == TcpState::TimeWait {
            tcb.start_time_wait(now);
        }
    }
    Ok(())
}

/// Takes an acceptable acknowledgment: queue, RTT, losses, window, timer.
fn acknowledge(tcb: &mut Tcb, now: Instant, segment: &Segment, ack: SeqNum, arrival: &mut Arrival) {
    let before = Before {
        in_flight: tcb.scoreboard.in_flight(),
        flight_size: tcb.flight_size(),
    };
    let outstanding = !tcb.scoreboard.is_empty();
    let advanced = ack.after(tcb.snd_una);
    if advanced {
        tcb.scoreboard.acknowledge(now, ack, &mut arrival.delivered);
        let acked = u64::try_from(ack.distance_from(tcb.snd_una)).unwrap_or(0);
        let controls = u64::from(arrival.delivered.syn) + u64::from(arrival.delivered.fin);
        let payload = acked.saturating_sub(controls);
        arrival.data_acked = payload > 0;
        tcb.bytes_acked += payload;
        tcb.snd_una = ack;
    }
    if tcb.negotiated.sack && !segment.options.sack.is_empty() {
        tcb.scoreboard.sack(
            now,
            &segment.options.sack,
            tcb.snd_nxt,
            &mut arrival.delivered,
        );
    }
    if let Some(rtt) = arrival.delivered.rtt {
        tcb.rtt.sample(rtt);
    }
    tcb.path_mtu_on_ack(now, &arrival.delivered, advanced);
    let same_window = !update_window(tcb, segment, ack);
    // RFC 5681 §2; and RFC 6824 appendix A: an ACK that carries other MPTCP options is no
    // sign of congestion.
    let duplicate = !advanced
        && outstanding
        && same_window
        && segment.payload.is_empty()
        && !segment.flags.fin
        && ack == tcb.snd_una
        && segment.options.mptcp.is_empty();
    if !arrival.delivered.syn {
        loss::on_ack(tcb, now, &arrival.delivered, before, advanced, duplicate);
    }
    if advanced {
        tcb.rtt.progress();
        // RFC 6298 §5.2, §5.3
        if tcb.scoreboard.is_empty() {
            tcb.timers.clear(Timer::Retransmit);
            tcb.waiting_since = None;
        } else {
            tcb.timers.set(Timer::Retransmit, now + tcb.rtt.rto());
            tcb.waiting_since = Some(now);
        }
    }
}

/// RFC 9293 §3.10.7.4, fifth: the send window follows the newest segment. Returns if it changed.
fn update_window(tcb: &mut Tcb, segment: &Segment, ack: SeqNum) -> bool {
    let newer = tcb.snd_wl1.before(segment.seq)
        || (tcb.snd_wl1 == segment.seq && tcb.snd_wl2.at_or_before(ack));
    if !newer || ack.before(tcb.snd_una) {
        return false;
    }
    let window = if segment.flags.syn {
        u32::from(segment.window)
    } else {
        u32::from(segment.window) << tcb.negotiated.snd_scale
    };
    let changed = window != tcb.snd_wnd;
    tcb.snd_wnd = window;
    tcb.max_snd_wnd = tcb.max_snd_wnd.max(window);
    tcb.snd_wl1 = segment.seq;
    tcb.snd_wl2 = ack;
    changed
}

/// Seventh, process the segment text: trim it to the window, put it in order.
fn process_text(tcb: &mut Tcb, segment: &mut Segment, arrival: &mut Arrival) {
    let mut payload = core::mem::take(&mut segment.payload);
    if payload.is_empty() || !tcb.state.can_receive() {
        return;
    }
    let mut seq = segment.seq + u32::from(segment.flags.syn);
    let full_len = payload.len();
    if let Ok(old) = usize::try_from(tcb.rcv_nxt.distance_from(seq))
        && old > 0
    {
        let old = old.min(payload.len());
        report_duplicate(tcb, seq, seq + saturating_u32(old));
        payload.advance(old);
        seq = tcb.rcv_nxt;
    }
    let room = usize::try_from(tcb.rcv_edge.distance_from(seq)).unwrap_or(0);
    payload.truncate(room);
    if payload.is_empty() {
        tcb.ack.require_now();
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
    if !tcb.out_of_order.is_empty() {
        tcb.out_of_order.remove_before(tcb.assembler.next_offset());
        // RFC 5681 §4.2: filling a gap is acknowledged at once.
        tcb.ack.require_now();
    }
    tcb.ack.on_data(full_len, tcb.mss);
}

fn deliver(tcb: &mut Tcb, seq: SeqNum, payload: Bytes, arrival: &mut Arrival) {
    tcb.rcv_nxt += saturating_u32(payload.len());
    tcb.bytes_received += payload.len() as u64;
    arrival.text.push((seq, payload));
}

/// RFC 5681 §4.2: what comes out of order is acknowledged at once, with SACK.
fn store_out_of_order(tcb: &mut Tcb, offset: u64, payload: Bytes) {
    let end = offset + payload.len() as u64;
    if tcb
        .out_of_order
        .range_containing(offset)
        .is_some_and(|range| range.end >= end)
    {
        tcb.duplicate = Some((offset, end));
    } else {
        tcb.assembler.insert(offset, payload);
        tcb.out_of_order.insert(offset..end);
    }
    tcb.recent_arrivals.retain(|&mut arrival| arrival != offset);
    tcb.recent_arrivals.truncate(3);
    tcb.recent_arrivals.insert(0, offset);
    tcb.ack.require_now();
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
        tcb.peer_fin = Some(offset_of(tcb, fin));
    }
    if tcb.peer_fin == Some(tcb.assembler.next_offset()) {
        tcb.rcv_nxt += 1;
        arrival.fin = true;
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

fn report_duplicate(tcb: &mut Tcb, from: SeqNum, to: SeqNum) {
    tcb.duplicate = Some((offset_of(tcb, from), offset_of(tcb, to)));
    tcb.ack.require_now();
}

/// RFC 5961 §7.
fn challenge(tcb: &mut Tcb, now: Instant) {
    let recently = tcb
        .challenged_at
        .is_some_and(|at| now.saturating_duration_since(at) < CHALLENGE_INTERVAL);
    if !recently {
        tcb.challenged_at = Some(now);
        tcb.ack.require_now();
    }
}
