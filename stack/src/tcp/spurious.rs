//! Was a recovery for nothing? Three ways to tell: the receiver has had a copy of everything that
//! was sent again (DSACK, RFC 3708); what moved SND.UNA was the original (Eifel, RFC 3522); the
//! flight before the timeout arrives after all (F-RTO, RFC 5682).
//!
//! Owns the judgment. Taking the recovery back is the business of `loss`.

use super::observation::Observation;
use super::recovery::{Recovery, Suspicion};
use super::tcb::Tcb;
use crate::base::seq::SeqNum;

/// This acknowledgment shows that the last recovery was for nothing.
pub(super) fn is_spurious(tcb: &mut Tcb, seen: &Observation<'_>) -> bool {
    let all_needless = seen
        .duplicate_block
        .is_some_and(|block| tcb.evidence.on_dsack(block));
    let original = seen.advanced && tcb.evidence.echoes_original(seen.echo);
    match tcb.recovery {
        Recovery::Open => all_needless,
        Recovery::Fast { .. } => all_needless || original,
        Recovery::Loss { recover, suspicion } => {
            let arrives = is_telling(suspicion, tcb) && is_of_flight_before(recover, seen);
            all_needless || original || arrives
        }
    }
}

/// RFC 5682 §3.1, step 3b: what arrives of the old flight, without having been sent again, tells
/// that it was not lost.
fn is_telling(suspicion: Suspicion, tcb: &Tcb) -> bool {
    match suspicion {
        // Without SACK the first acknowledgment covers whatever lay behind the gap.
        Suspicion::FirstAcknowledgment => tcb.negotiated.sack,
        Suspicion::NewData { .. } => true,
        Suspicion::Dispelled => false,
    }
}

fn is_of_flight_before(recover: SeqNum, seen: &Observation<'_>) -> bool {
    let lowest = seen.delivered.lowest_original_end;
    lowest.is_some_and(|end| end.at_or_before(recover))
}

/// The steps of F-RTO (RFC 5682 §3.1) on an acknowledgment that does not show it yet.
pub(super) fn next_suspicion(
    suspicion: Suspicion,
    snd_nxt: SeqNum,
    seen: &Observation<'_>,
) -> Suspicion {
    let tells_of_a_gap = seen.duplicate || seen.delivered.bytes > 0;
    match suspicion {
        // Step 2b: the retransmission was acknowledged, and nothing else yet.
        Suspicion::FirstAcknowledgment if seen.advanced => Suspicion::NewData { from: snd_nxt },
        // Steps 2a and 3a.
        Suspicion::FirstAcknowledgment | Suspicion::NewData { .. } if tells_of_a_gap => {
            Suspicion::Dispelled
        }
        Suspicion::FirstAcknowledgment | Suspicion::NewData { .. } | Suspicion::Dispelled => {
            suspicion
        }
    }
}
