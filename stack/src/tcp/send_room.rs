//! How much may be sent now: what the congestion window, the peer's window and the pace leave, in
//! every phase of recovery.
//!
//! Owns the question, not the answer's parts: those are in `congestion`, `recovery` and `pacing`.
//! Nothing here sends.

use super::recovery::{Recovery, Suspicion};
use super::tail_loss::TailLoss;
use super::tcb::{Fin, Tcb};
use super::timers::Timer;
use crate::base::time::Instant;

impl Tcb {
    /// A segment of ours is judged lost and may be sent again.
    #[must_use]
    pub fn can_retransmit(&self, now: Instant) -> bool {
        if self.scoreboard.lost() == 0 || self.is_testing_timeout() {
            return false;
        }
        // RFC 6675 §5: as much as the window leaves; the first loss always.
        self.fast_retransmit
            || self.scoreboard.in_flight() == 0
            || (self.window_room() > 0 && self.pacing_budget(now) > 0)
    }

    /// Bytes of new data that the congestion window, the peer's window and the pace leave room
    /// for.
    #[must_use]
    pub fn room_for_data(&self, now: Instant) -> usize {
        if !self.state.can_send() || self.fin != Fin::Open {
            return 0;
        }
        let congestion = self.room_in_congestion_window();
        if congestion == 0 {
            return 0;
        }
        let edge = self.snd_una + self.snd_wnd;
        let window = usize::try_from(edge.distance_from(self.snd_nxt)).unwrap_or(0);
        congestion.min(window).min(self.pacing_budget(now))
    }

    fn room_in_congestion_window(&self) -> usize {
        if let Recovery::Loss {
            suspicion: Suspicion::NewData { from },
            ..
        } = self.recovery
        {
            // RFC 5682 §3.1, step 2b: up to two segments.
            let sent = usize::try_from(self.snd_nxt.distance_from(from)).unwrap_or(0);
            return (2 * self.mss).saturating_sub(sent);
        }
        let room = if self.scoreboard.lost() > 0 {
            0
        } else {
            self.window_room()
        };
        if self.tail_loss == TailLoss::Due {
            // RFC 8985 §7.3: a probe may exceed the congestion window by one segment.
            room.max(self.mss)
        } else {
            room
        }
    }

    /// What the congestion window leaves beside what is in flight, in any phase.
    fn window_room(&self) -> usize {
        match self.recovery {
            Recovery::Fast { reduction, .. } => reduction.allowance(),
            Recovery::Open | Recovery::Loss { .. } => self
                .congestion
                .cwnd()
                .saturating_sub(self.scoreboard.in_flight()),
        }
    }

    fn pacing_budget(&self, now: Instant) -> usize {
        if self.tail_loss == TailLoss::Due {
            return usize::MAX;
        }
        self.pacer.budget(now, self.mss)
    }

    /// Something waits that the pace alone holds back: the timer tells when it may go.
    pub fn wait_for_pace(&mut self, now: Instant, data_waits: bool) {
        let lost = self.scoreboard.lost() > 0 && !self.is_testing_timeout();
        let held_back = (lost && self.window_room() > 0)
            || (data_waits && self.state.can_send() && self.room_in_congestion_window() > 0);
        let resume_at = if held_back {
            self.pacer.pause(now, self.mss)
        } else {
            None
        };
        self.timers.put(Timer::Pacing, resume_at);
    }

    /// RFC 5682 §3.1, step 2: there was no new data to find out with whether the timeout was for
    /// nothing. It counts as real.
    pub fn end_timeout_test(&mut self) {
        if let Recovery::Loss { recover, suspicion } = self.recovery
            && suspicion == (Suspicion::NewData { from: self.snd_nxt })
        {
            self.recovery = Recovery::Loss {
                recover,
                suspicion: Suspicion::Dispelled,
            };
        }
    }

    /// New data is to show whether a timeout was for nothing; nothing is sent again meanwhile.
    fn is_testing_timeout(&self) -> bool {
        matches!(
            self.recovery,
            Recovery::Loss {
                suspicion: Suspicion::NewData { .. },
                ..
            }
        )
    }
}
