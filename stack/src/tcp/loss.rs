//! What is lost, and what follows from it: fast recovery (RFC 6675, RFC 6582) and the
//! retransmission timeout (RFC 6298 §5).

use super::congestion::{AckSample, CongestionSignal};
use super::recovery::Recovery;
use super::scoreboard::Delivered;
use super::state::TcpEvent;
use super::tcb::Tcb;
use super::timers::Timer;
use crate::base::time::{Duration, Instant};

/// Duplicate acknowledgments that make a loss without SACK (RFC 5681 §3.2).
const DUP_ACKS: u32 = 3;

/// A due timer that concerns the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nothing special.
    Nothing,
    /// A retransmission timeout: the path may be broken.
    Timeout,
    /// No acknowledgment for the whole user timeout.
    GivenUp,
    /// TIME-WAIT is over.
    TimeWaitOver,
}

impl Tcb {
    /// Does what is due, except sending.
    pub fn handle_timeout(&mut self, now: Instant) -> Expired {
        if self.timers.take_due(Timer::TimeWait, now) {
            self.transition(TcpEvent::TimeWaitOver);
            return Expired::TimeWaitOver;
        }
        if self.timers.take_due(Timer::DelayedAck, now) && self.ack.is_delayed() {
            self.ack.require_now();
        }
        if self.timers.take_due(Timer::PathMtu, now) {
            self.path_mtu_timed_out(now);
        }
        if !self.timers.take_due(Timer::Retransmit, now) || self.scoreboard.is_empty() {
            return Expired::Nothing;
        }
        let waited = self
            .waiting_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if waited >= self.config.user_timeout {
            return Expired::GivenUp;
        }
        on_timeout(self, now);
        self.path_mtu_on_timeout(now);
        self.timers.set(Timer::Retransmit, now + self.rtt.rto());
        Expired::Timeout
    }

    /// The path works again after it was known not to: what was sent meanwhile is sent again
    /// at once instead of after the backed-off timeout.
    pub fn resume(&mut self, now: Instant) {
        if !self.scoreboard.is_empty() {
            self.rtt.progress();
            on_timeout(self, now);
            self.timers.set(Timer::Retransmit, now + self.rtt.rto());
        }
    }
}

/// What was on its way before an acknowledgment came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    /// "Pipe" of RFC 6675 §2.
    pub(super) in_flight: usize,
    /// FlightSize of RFC 5681 §2.
    pub(super) flight_size: usize,
}

/// Judges losses after an acceptable acknowledgment and tells the congestion controller.
///
/// `advanced` tells that SND.UNA moved; `duplicate` that it is a duplicate acknowledgment in the
/// sense of RFC 5681 §2.
pub(super) fn on_ack(
    tcb: &mut Tcb,
    now: Instant,
    delivered: &Delivered,
    before: Before,
    advanced: bool,
    duplicate: bool,
) {
    let found = find_losses(tcb, advanced, duplicate) && !tcb.path_mtu_explains_losses(now);
    let sample = AckSample {
        now,
        acked: delivered.bytes,
        in_flight: before.in_flight,
        snd_una: tcb.bytes_acked,
        snd_nxt: tcb.bytes_acked + tcb.flight_size() as u64,
        rtt: delivered.rtt,
        srtt: tcb.rtt.srtt(),
    };
    match tcb.recovery {
        Recovery::Open => {
            if found {
                tcb.recovery = Recovery::Fast {
                    recover: tcb.snd_nxt,
                };
                tcb.congestion
                    .on_congestion(now, CongestionSignal::Loss, before.flight_size);
                // RFC 6675 §5, step 4.3: the first loss is repaired whatever the window says.
                tcb.fast_retransmit = true;
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
    let outstanding = tcb.flight_size();
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
