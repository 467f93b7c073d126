//! The checks that a segment must pass before anything in it counts (RFC 9293 §3.10.7.4, first to
//! fifth; RFC 5961; RFC 7323 §5).
//!
//! RST and SYN come first, because RFC 5961 gives each a rule for every sequence number, and
//! because RFC 7323 §5.3 exempts an RST from the timestamps.

use super::{Arrival, Verdict};
use crate::base::time::Instant;
use crate::tcp::acknowledge::acknowledge;
use crate::tcp::state::{TcpEvent, TcpState};
use crate::tcp::tcb::Tcb;
use crate::wire::packet::Segment;

/// Second, check the RST bit (RFC 5961 §3.2).
pub(super) fn check_rst(tcb: &mut Tcb, now: Instant, segment: &Segment) -> Result<(), Verdict> {
    if !segment.flags.rst {
        return Ok(());
    }
    if tcb.state == TcpState::TimeWait {
        // RFC 1337 §3, fix 1: an old RST must not end the quiet time.
        return Err(Verdict::Dropped);
    }
    if segment.seq == tcb.rcv_nxt {
        return Err(Verdict::Reset);
    }
    if segment.seq.after(tcb.rcv_nxt) && segment.seq.before(tcb.rcv_edge) {
        challenge(tcb, now);
    }
    Err(Verdict::Dropped)
}

/// Fourth, check the SYN bit (RFC 5961 §4.2): whatever its sequence number, it is answered and
/// changes nothing. A peer that has restarted answers that with an RST which fits.
pub(super) fn check_syn(tcb: &mut Tcb, now: Instant, segment: &Segment) -> Result<(), Verdict> {
    if !segment.flags.syn {
        return Ok(());
    }
    if tcb.state == TcpState::SynReceived && segment.seq == tcb.irs {
        if segment.ack.is_some() {
            // The other half of a simultaneous open (RFC 9293 figure 8). The SYN was read when it
            // came first; the rest counts. The peer may not have our SYN/ACK: it gets an ACK.
            tcb.ack.require_now();
            return Ok(());
        }
        // Our SYN/ACK was lost: it goes again.
        tcb.scoreboard.lose_first();
        return Err(Verdict::Dropped);
    }
    challenge(tcb, now);
    Err(Verdict::Dropped)
}

/// PAWS (RFC 7323 §5.3, R1), before the sequence number check.
pub(super) fn check_timestamps(
    tcb: &mut Tcb,
    now: Instant,
    segment: &Segment,
) -> Result<(), Verdict> {
    if !tcb.negotiated.timestamps {
        return Ok(());
    }
    let Some(timestamps) = segment.options.timestamps else {
        // RFC 7323 §3.2: a segment without them, once negotiated, should be dropped silently. But
        // an announcement of an IPv6 address with port has no room beside them: Linux leaves
        // them off that one acknowledgment.
        let signal = segment.is_empty() && !segment.options.mptcp.is_empty();
        return if signal {
            Ok(())
        } else {
            Err(Verdict::Dropped)
        };
    };
    if tcb.timestamps.is_outdated(now, timestamps.value) {
        reply_to_unacceptable(tcb, now, segment);
        return Err(Verdict::Dropped);
    }
    Ok(())
}

/// RFC 7323 §4.3 and §5.3, R3: an acceptable segment at the left edge moves TS.Recent. One that
/// is not acceptable must not: anybody could stop the connection with a timestamp of the future.
pub(super) fn update_recent_timestamp(tcb: &mut Tcb, now: Instant, segment: &Segment) {
    if let Some(timestamps) = segment.options.timestamps
        && tcb.negotiated.timestamps
        && segment.seq.at_or_before(tcb.timestamps.last_ack_sent)
    {
        tcb.timestamps.update(now, timestamps.value, tcb.rcv_nxt);
    }
}

/// First, check the sequence number: some of the segment must lie in the window.
///
/// Wider than the table of RFC 9293 in one point: a segment that starts just at the right edge
/// passes, for the sake of its ACK; its text is cut off later. So pass the probes of a closed
/// window (RFC 9293 §3.8.6.1 asks for that), and the acknowledgments of a peer that has filled an
/// open one.
pub(super) fn check_sequence(
    tcb: &mut Tcb,
    now: Instant,
    segment: &Segment,
) -> Result<(), Verdict> {
    let len = segment.len();
    let end = segment.seq + len;
    let reaches_window = if len == 0 {
        segment.seq.at_or_after(tcb.rcv_nxt)
    } else {
        end.after(tcb.rcv_nxt)
    };
    let starts_in_window = segment.seq.at_or_before(tcb.rcv_nxt.max(tcb.rcv_edge));
    // The SYN of a simultaneous open: see `check_syn`.
    if (reaches_window || segment.flags.syn) && starts_in_window {
        return Ok(());
    }
    if tcb.state == TcpState::TimeWait && segment.flags.fin && end == tcb.rcv_nxt {
        // RFC 9293 §3.10.7.4, eighth: a FIN that comes again restarts the quiet time.
        tcb.start_time_wait(now);
    }
    reply_to_unacceptable(tcb, now, segment);
    Err(Verdict::Dropped)
}

/// An unacceptable segment is answered with an acknowledgment, but two hosts must not go on
/// acknowledging each other's acknowledgments.
fn reply_to_unacceptable(tcb: &mut Tcb, now: Instant, segment: &Segment) {
    let end = segment.seq + segment.len();
    if !segment.is_empty() {
        // What has sequence space comes at the pace of a retransmission timer: no loop.
        if end.at_or_before(tcb.rcv_nxt) {
            tcb.report_duplicate(segment.seq, end);
        } else {
            tcb.ack.require_now();
        }
        return;
    }
    // Keepalives and window probes ask for an answer.
    let probe = segment.seq + 1 == tcb.rcv_nxt;
    let allowed = if probe {
        tcb.ack_limits.allow_probe(now)
    } else {
        tcb.ack_limits.allow_invalid(now)
    };
    if allowed {
        tcb.ack.require_now();
    }
}

/// Fifth, check the ACK field (RFC 5961 §5.2).
pub(super) fn check_ack(
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
        // The window of this segment counts, however it compares with that of the SYN.
        tcb.snd_wl1 = segment.seq - 1;
    }
    if ack.after(tcb.snd_nxt) || ack.before(tcb.snd_una - tcb.max_snd_wnd) {
        challenge(tcb, now);
        return Err(Verdict::Dropped);
    }
    arrival.take(acknowledge(tcb, now, segment, ack));
    if arrival.delivered.fin {
        tcb.transition(TcpEvent::FinAcknowledged);
        if tcb.state == TcpState::TimeWait {
            tcb.start_time_wait(now);
        }
    }
    Ok(())
}

/// RFC 5961 §7: a challenge ACK, if the budget has one left.
fn challenge(tcb: &mut Tcb, now: Instant) {
    if tcb.ack_limits.allow_challenge(now) {
        tcb.ack.require_now();
    }
}
