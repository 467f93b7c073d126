//! What to do about losses: fast recovery (RFC 6675, RFC 6582) and the time after a timeout.

use super::congestion::AckSample;
use super::scoreboard::Delivered;
use super::tcb::Tcb;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;

/// Duplicate acknowledgments that make a loss without SACK (RFC 5681 §3.2).
const DUP_ACKS: u32 = 3;

/// The phase of loss recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing is known to be lost.
    Open,
    /// Losses were found by acknowledgments; over once `recover` is acknowledged.
    Fast {
        /// SND.NXT when the loss was found.
        recover: SeqNum,
    },
    /// The timer expired; over once `recover` is acknowledged.
    Loss {
        /// SND.NXT when the timer expired.
        recover: SeqNum,
    },
}

/// Judges losses after an acceptable acknowledgment and tells the congestion controller.
///
/// `in_flight` is what was in flight before it; `advanced` that SND.UNA moved; `duplicate` that
/// it is a duplicate acknowledgment in the sense of RFC 5681 §2.
pub(super) fn on_ack(
    tcb: &mut Tcb,
    now: Instant,
    delivered: &Delivered,
    in_flight: usize,
    advanced: bool,
    duplicate: bool,
) {
    let found = find_losses(tcb, advanced, duplicate);
    let sample = AckSample {
        now,
        acked: delivered.bytes,
        in_flight,
        srtt: tcb.rtt.srtt(),
    };
    match tcb.recovery {
        Recovery::Open => {
            if found {
                tcb.recovery = Recovery::Fast {
                    recover: tcb.snd_nxt,
                };
                tcb.congestion.on_congestion(now, in_flight);
            } else if advanced {
                tcb.congestion.on_ack(&sample);
            }
        }
        Recovery::Fast { recover } => {
            if tcb.snd_una.at_or_after(recover) {
                tcb.recovery = Recovery::Open;
                tcb.duplicate_acks = 0;
            }
        }
        Recovery::Loss { recover } => {
            if tcb.snd_una.at_or_after(recover) {
                tcb.recovery = Recovery::Open;
                tcb.duplicate_acks = 0;
            }
            if advanced {
                tcb.congestion.on_ack(&sample);
            }
        }
    }
}

/// The retransmission timer expired with data outstanding (RFC 6298 §5.4 to 5.6).
pub(super) fn on_timeout(tcb: &mut Tcb, now: Instant) {
    let outstanding = tcb.scoreboard.in_flight() + tcb.scoreboard.lost();
    // RFC 5681 §3.1: ssthresh falls once for a segment, however often its timer expires.
    if !matches!(tcb.recovery, Recovery::Loss { .. }) || tcb.rtt.backoffs() == 0 {
        tcb.congestion.on_timeout(now, outstanding);
    }
    tcb.recovery = Recovery::Loss {
        recover: tcb.snd_nxt,
    };
    tcb.duplicate_acks = 0;
    tcb.scoreboard.lose_all();
    tcb.rtt.back_off();
}

fn find_losses(tcb: &mut Tcb, advanced: bool, duplicate: bool) -> bool {
    if tcb.negotiated.sack {
        return tcb.scoreboard.detect_losses(tcb.mss);
    }
    if advanced {
        tcb.duplicate_acks = 0;
        // RFC 6582 §3.2: a partial acknowledgment shows the next hole.
        return matches!(tcb.recovery, Recovery::Fast { recover } if tcb.snd_una.before(recover))
            && tcb.scoreboard.lose_first();
    }
    if duplicate {
        tcb.duplicate_acks += 1;
        return tcb.duplicate_acks == DUP_ACKS
            && tcb.recovery == Recovery::Open
            && tcb.scoreboard.lose_first();
    }
    false
}
