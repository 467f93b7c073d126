//! RACK: a segment is lost if one sent later has arrived, and time enough has passed for it to
//! have been overtaken (RFC 8985 §6).
//!
//! Owns what RACK remembers of deliveries and of reordering on the path. It marks nothing itself:
//! the scoreboard does, by what [`Rack::judge`] tells it.

use super::rtt::RttEstimator;
use super::scoreboard::{Delivered, Judgment, Scoreboard, Transmission};
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};

/// RFC 8985 §6.2, step 4: the window that DSACK has widened stays for this many recoveries.
const WINDOW_PERSISTS: u32 = 16;
/// DupThresh of RFC 5681 §3.2, in segments.
const DUP_THRESH: usize = 3;

/// What is known of deliveries and reordering.
#[derive(Clone, Copy, Debug)]
pub struct Rack {
    /// The latest transmission known to have arrived (RACK.xmit_ts), and the round-trip time it
    /// had (RACK.rtt).
    latest: Option<(Transmission, Duration)>,
    /// The highest sequence number known to have arrived (RACK.fack).
    fack: SeqNum,
    /// Segments have overtaken each other on this path.
    reordering_seen: bool,
    /// RACK.reo_wnd_mult.
    window_multiplier: u32,
    /// RACK.reo_wnd_persist.
    window_persists: u32,
    /// SND.NXT when a DSACK last widened the window: at most once a round trip.
    dsack_round: Option<SeqNum>,
}

impl Rack {
    /// Nothing has arrived yet.
    #[must_use]
    pub fn new(iss: SeqNum) -> Self {
        Self {
            latest: None,
            fack: iss,
            reordering_seen: false,
            window_multiplier: 1,
            window_persists: 0,
            dsack_round: None,
        }
    }

    /// Steps 2 and 3 of RFC 8985 §6.2: what an acknowledgment delivered.
    pub fn on_delivered(&mut self, delivered: &Delivered) {
        if let Some((transmission, rtt)) = delivered.latest
            && self
                .latest
                .is_none_or(|(known, _)| known.number < transmission.number)
        {
            self.latest = Some((transmission, rtt));
        }
        // A segment that was sent once only, and arrived behind one sent after it.
        self.reordering_seen |= delivered
            .lowest_original_end
            .is_some_and(|end| end.before(self.fack));
        if let Some(highest) = delivered.highest_end {
            self.fack = self.fack.max(highest);
        }
    }

    /// Step 4: a DSACK says that a retransmission was not needed, so the window was too short.
    pub fn on_dsack(&mut self, snd_una: SeqNum, snd_nxt: SeqNum) {
        let same_round = self.dsack_round.is_some_and(|round| snd_una.before(round));
        if !same_round {
            self.dsack_round = Some(snd_nxt);
            self.window_multiplier = self.window_multiplier.saturating_add(1);
            self.window_persists = WINDOW_PERSISTS;
        }
    }

    /// Step 4: a recovery is over.
    pub fn on_recovered(&mut self) {
        self.window_persists = self.window_persists.saturating_sub(1);
        if self.window_persists == 0 {
            self.window_multiplier = 1;
        }
    }

    /// A segment was sent again because others had overtaken it.
    pub fn note_reordering(&mut self) {
        self.reordering_seen = true;
    }

    /// Segments have overtaken each other on this path.
    #[must_use]
    pub fn reordering_seen(&self) -> bool {
        self.reordering_seen
    }

    /// Step 5: marks what is lost by now, and tells when to look again.
    pub fn judge(
        &self,
        now: Instant,
        scoreboard: &mut Scoreboard,
        rtt: &RttEstimator,
        recovering: bool,
        mss: usize,
    ) -> Judgment {
        let Some((latest, latest_rtt)) = self.latest else {
            return Judgment::default();
        };
        let age = latest_rtt + self.window(scoreboard, rtt, recovering, mss);
        scoreboard.lose_older(now, Some(latest.number), age)
    }

    /// After a retransmission timeout (RFC 8985 §6.3): the first segment is lost, and every other
    /// that is old enough.
    pub fn judge_on_timeout(
        &self,
        now: Instant,
        scoreboard: &mut Scoreboard,
        rtt: &RttEstimator,
        mss: usize,
    ) {
        let age = self.latest.map_or(Duration::ZERO, |(_, latest_rtt)| {
            latest_rtt + self.window(scoreboard, rtt, true, mss)
        });
        scoreboard.lose_older(now, None, age);
        scoreboard.lose_first();
    }

    /// The reordering window (RACK_update_reo_wnd).
    fn window(
        &self,
        scoreboard: &Scoreboard,
        rtt: &RttEstimator,
        recovering: bool,
        mss: usize,
    ) -> Duration {
        if !self.reordering_seen {
            let enough = scoreboard.sacked_segments() >= DUP_THRESH
                || scoreboard.sacked() > (DUP_THRESH - 1) * mss;
            if recovering || enough {
                return Duration::ZERO;
            }
        }
        let quarter = rtt.min().unwrap_or_default() / 4;
        let window = quarter.saturating_mul(self.window_multiplier);
        rtt.srtt().map_or(window, |srtt| window.min(srtt))
    }
}
