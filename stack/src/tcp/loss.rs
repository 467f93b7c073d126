//! What is lost, and what follows from it: fast recovery (RFC 8985, RFC 6675, RFC 6582), the
//! retransmission timeout (RFC 6298 §5), and taking back what was for nothing.
//!
//! Owns the transitions between the phases of [`Recovery`].

use super::congestion::{AckSample, CongestionSignal};
use super::observation::{Before, Observation};
use super::recovery::{Evidence, RateInput, RateReduction, Recovery, Suspicion};
use super::scoreboard::Delivered;
use super::spurious::{is_spurious, next_suspicion};
use super::tail_loss::{ProbeResult, TailLoss};
use super::tcb::Tcb;
use super::timers::Timer;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;

#[cfg(test)]
mod tests;

/// Duplicate acknowledgments that make a loss without SACK (RFC 5681 §3.2).
const DUP_ACKS: u32 = 3;

/// Judges losses after an acceptable acknowledgment, and tells the congestion controller.
pub(super) fn on_ack(tcb: &mut Tcb, now: Instant, seen: &Observation<'_>) {
    tcb.rack.on_delivered(&seen.delivered);
    if seen.duplicate_block.is_some() {
        tcb.rack.on_dsack(tcb.snd_una, tcb.snd_nxt);
    }
    let probe = tcb
        .tail_loss
        .on_ack(seen.ack, seen.duplicate_block, seen.blocks, &seen.delivered);
    undo_if_spurious(tcb, now, seen);
    let found = find_losses(tcb, now, seen) && !tcb.path_mtu_explains_losses(now);
    match tcb.recovery {
        Recovery::Open => {
            if found {
                tcb.counters.fast_recoveries += 1;
                enter_fast(tcb, now, CongestionSignal::Loss, seen);
                // RFC 6675 §5, step 4.3: the first loss is repaired whatever the window says.
                tcb.fast_retransmit = true;
            } else if seen.ecn_echo {
                tcb.counters.ecn_reductions += 1;
                enter_fast(tcb, now, CongestionSignal::EcnEcho, seen);
            } else if probe == ProbeResult::RepairedLoss {
                // RFC 8985 §7.4.2: one reduction; nothing is left to recover.
                let flight = seen.before.flight_size;
                tcb.congestion
                    .on_congestion(now, CongestionSignal::Loss, flight);
            } else {
                grow(tcb, now, seen);
            }
        }
        Recovery::Fast { recover, reduction } => {
            go_on_fast(tcb, recover, reduction, seen, found);
        }
        Recovery::Loss { recover, suspicion } => {
            go_on_after_timeout(tcb, now, recover, suspicion, seen)
        }
    }
}

/// Lets the window grow.
fn grow(tcb: &mut Tcb, now: Instant, seen: &Observation<'_>) {
    // Where segments overtake each other, selective acknowledgments are no sign of loss.
    if !seen.advanced && !tcb.rack.reordering_seen() || seen.delivered.bytes == 0 {
        return;
    }
    let sample = AckSample {
        now,
        acked: seen.delivered.bytes,
        in_flight: seen.before.in_flight,
        snd_una: tcb.bytes_acked,
        snd_nxt: tcb.bytes_acked + tcb.flight_size() as u64,
        rtt: seen.delivered.rtt,
        srtt: tcb.rtt.srtt(),
    };
    tcb.congestion.on_ack(&sample);
}

/// The window comes down over the next round trip.
fn enter_fast(tcb: &mut Tcb, now: Instant, signal: CongestionSignal, seen: &Observation<'_>) {
    tcb.congestion
        .on_congestion(now, signal, seen.before.flight_size);
    tcb.ecn.on_reduction();
    tcb.evidence = Evidence::new(tcb.snd_una, tcb.snd_nxt);
    tcb.tail_loss = TailLoss::Idle;
    let reduction = RateReduction::new(seen.before.in_flight);
    go_on_fast(tcb, tcb.snd_nxt, reduction, seen, true);
}

/// An acknowledgment during fast recovery.
fn go_on_fast(
    tcb: &mut Tcb,
    recover: SeqNum,
    mut reduction: RateReduction,
    seen: &Observation<'_>,
    found: bool,
) {
    if tcb.snd_una.at_or_after(recover) {
        recovered(tcb);
        return;
    }
    let assumed = if seen.duplicate && !tcb.negotiated.sack {
        tcb.mss
    } else {
        0
    };
    reduction.on_ack(RateInput {
        delivered: seen.delivered.bytes + assumed,
        in_flight: tcb.scoreboard.in_flight(),
        ssthresh: tcb.congestion.cwnd(),
        mss: tcb.mss,
        safe: seen.advanced && !found,
    });
    tcb.recovery = Recovery::Fast { recover, reduction };
}

/// An acknowledgment after a timeout: F-RTO (RFC 5682 §3.1), as long as it may have been for
/// nothing, and slow start.
fn go_on_after_timeout(
    tcb: &mut Tcb,
    now: Instant,
    recover: SeqNum,
    suspicion: Suspicion,
    seen: &Observation<'_>,
) {
    if tcb.snd_una.at_or_after(recover) {
        recovered(tcb);
        grow(tcb, now, seen);
        return;
    }
    let suspicion = next_suspicion(suspicion, tcb.snd_nxt, seen);
    tcb.recovery = Recovery::Loss { recover, suspicion };
    grow(tcb, now, seen);
}

/// All that was outstanding at the start of an episode is acknowledged.
fn recovered(tcb: &mut Tcb) {
    tcb.recovery = Recovery::Open;
    tcb.duplicate_acks = 0;
    tcb.scoreboard.assume_nothing();
    tcb.rack.on_recovered();
}

/// Takes back the last episode if it was for nothing.
fn undo_if_spurious(tcb: &mut Tcb, now: Instant, seen: &Observation<'_>) {
    if !is_spurious(tcb, seen) {
        return;
    }
    tcb.counters.spurious_recoveries += 1;
    if !matches!(tcb.recovery, Recovery::Loss { .. }) {
        // Nothing but being overtaken made the segment look lost.
        tcb.rack.note_reordering();
    }
    tcb.congestion.undo(now);
    tcb.scoreboard.find_lost();
    tcb.evidence = Evidence::default();
    tcb.fast_retransmit = false;
    recovered(tcb);
}

/// Looks for losses after an acknowledgment; returns whether there are new ones.
fn find_losses(tcb: &mut Tcb, now: Instant, seen: &Observation<'_>) -> bool {
    if tcb.negotiated.sack {
        return judge_by_time(tcb, now);
    }
    if seen.advanced {
        tcb.duplicate_acks = 0;
        // RFC 6582 §3.2: a partial acknowledgment shows the next hole.
        let partial =
            matches!(tcb.recovery, Recovery::Fast { recover, .. } if tcb.snd_una.before(recover));
        let found = partial && tcb.scoreboard.lose_first();
        tcb.fast_retransmit |= found;
        return found;
    }
    if seen.duplicate {
        tcb.duplicate_acks += 1;
        // Each stands for a segment that has left the network: it lets one of new data out
        // (RFC 3042 for the first two, RFC 6582 §3.2 for those that follow).
        tcb.scoreboard.assume_delivered(tcb.mss);
        return tcb.duplicate_acks == DUP_ACKS
            && tcb.recovery == Recovery::Open
            && tcb.scoreboard.lose_first();
    }
    false
}

/// RACK_detect_loss (RFC 8985 §6.2, step 5).
fn judge_by_time(tcb: &mut Tcb, now: Instant) -> bool {
    let recovering = tcb.recovery != Recovery::Open;
    let judgment = tcb
        .rack
        .judge(now, &mut tcb.scoreboard, &tcb.rtt, recovering, tcb.mss);
    tcb.timers.put(Timer::Reordering, judgment.next);
    judgment.found
}

/// A segment that was overtaken has not come within the reordering window.
pub(super) fn on_reordering_timeout(tcb: &mut Tcb, now: Instant) {
    let before = Before {
        in_flight: tcb.scoreboard.in_flight(),
        flight_size: tcb.flight_size(),
    };
    let found = judge_by_time(tcb, now) && !tcb.path_mtu_explains_losses(now);
    if found && tcb.recovery == Recovery::Open {
        let seen = Observation {
            delivered: Delivered::default(),
            before,
            ack: tcb.snd_una,
            advanced: false,
            duplicate: false,
            duplicate_block: None,
            blocks: &[],
            echo: None,
            ecn_echo: false,
        };
        tcb.counters.fast_recoveries += 1;
        enter_fast(tcb, now, CongestionSignal::Loss, &seen);
        tcb.fast_retransmit = true;
    }
}

/// The retransmission timer expired with data outstanding (RFC 6298 §5.4 to 5.6).
pub(super) fn on_timeout(tcb: &mut Tcb, now: Instant) {
    // RFC 5681 §3.1: ssthresh falls once for a segment, however often its timer expires.
    let again = matches!(tcb.recovery, Recovery::Loss { .. }) && tcb.rtt.backoffs() > 0;
    let suspicion = if again {
        Suspicion::Dispelled
    } else {
        if tcb.state.is_synchronized() {
            tcb.congestion.on_timeout(now, tcb.flight_size());
        } else {
            tcb.congestion.on_syn_loss();
        }
        tcb.ecn.on_reduction();
        tcb.evidence = Evidence::new(tcb.snd_una, tcb.snd_nxt);
        Suspicion::FirstAcknowledgment
    };
    tcb.recovery = Recovery::Loss {
        recover: tcb.snd_nxt,
        suspicion,
    };
    tcb.duplicate_acks = 0;
    tcb.tail_loss = TailLoss::Idle;
    tcb.timers.clear(Timer::LossProbe);
    tcb.timers.clear(Timer::Reordering);
    tcb.scoreboard.assume_nothing();
    tcb.scoreboard.forget_reneged();
    if tcb.negotiated.sack {
        tcb.rack
            .judge_on_timeout(now, &mut tcb.scoreboard, &tcb.rtt, tcb.mss);
    } else {
        tcb.scoreboard.lose_all();
    }
    tcb.fast_retransmit = true;
    tcb.rtt.back_off();
}
