//! What the path MTU means for a connection: which words of routers count, segments that are cut
//! again, probes and what becomes of them.

use super::{BLACK_HOLE_TIMEOUTS, Heard, Pending, Search};
use crate::base::num::saturating_u32;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::tcp::recovery::Recovery;
use crate::tcp::scoreboard::{ByteFate, Delivered};
use crate::tcp::tcb::Tcb;
use crate::tcp::timers::Timer;

/// Full segments that follow a probe: their acknowledgments show its loss (RFC 4821 §7.4).
const SEGMENTS_BEHIND_PROBE: usize = 4;

impl Tcb {
    /// RFC 5927 §4.1: an ICMP error is about something of ours only if what it quotes is on its
    /// way. Anybody can send one.
    #[must_use]
    pub fn is_outstanding(&self, seq: SeqNum) -> bool {
        seq.at_or_after(self.snd_una) && seq.before(self.snd_nxt)
    }

    /// A router says that the packet with the segment at `seq` was longer than `mtu`, the most
    /// that its next link carries. Returns false if that is not to be believed in any case.
    pub fn packet_too_big(&mut self, now: Instant, seq: SeqNum, mtu: u16) -> bool {
        if !self.is_outstanding(seq) || !self.state.is_synchronized() || mtu < self.path_mtu.floor {
            return false;
        }
        let refused = self.refuse_probe(now, seq, mtu);
        match self.path_mtu.hear(seq, mtu) {
            Heard::Ignored => return refused,
            Heard::Believed => self.cut_path_mtu(now, mtu),
            Heard::Waits { first: true } => {
                self.timers
                    .set(Timer::PathMtu, now + self.time_for_progress());
            }
            Heard::Waits { first: false } => {}
        }
        true
    }

    /// The probe is what was too big; that it fails costs nothing.
    fn refuse_probe(&mut self, now: Instant, about: SeqNum, mtu: u16) -> bool {
        let Search::InFlight { trial, seq, end } = self.path_mtu.search else {
            return false;
        };
        let refused = about.at_or_after(seq) && about.before(end) && mtu < trial.size;
        if refused {
            self.path_mtu.probe_refused(now, mtu);
            self.cut_segments_again(now);
        }
        refused
    }

    /// Within this time a segment that has arrived is acknowledged: a round trip and half of one
    /// for its variation, or as long as the timeout where the peer may delay the acknowledgment
    /// because nothing follows.
    fn time_for_progress(&self) -> Duration {
        let rto = self.rtt.rto();
        match self.rtt.srtt() {
            Some(srtt) if self.flight_size() > self.mss => (srtt * 3 / 2).min(rto),
            Some(_) | None => rto,
        }
    }

    /// An acknowledgment was taken into the scoreboard; losses are not judged yet.
    pub(in crate::tcp) fn path_mtu_on_ack(
        &mut self,
        now: Instant,
        delivered: &Delivered,
        advanced: bool,
    ) {
        // While large segments arrive, the one that does not has another reason.
        let harmless = self.path_mtu.payload(self.path_mtu.lower());
        if advanced || delivered.largest > harmless {
            self.path_mtu.timeouts = 0;
        }
        if let Search::InFlight { trial, seq, .. } = self.path_mtu.search
            && self.scoreboard.fate_of(seq) == ByteFate::Arrived
        {
            self.path_mtu.probe_arrived(now, trial);
            self.take_over_mss();
        }
        self.path_mtu.arrived(delivered.largest);
        if let Some(pending) = self.path_mtu.pending {
            self.judge_pending(now, pending);
        }
    }

    /// RFC 5927 §7.2: a segment that arrives gives the lie to who says it was too big; one that
    /// is lost confirms it.
    fn judge_pending(&mut self, now: Instant, pending: Pending) {
        match self.scoreboard.fate_of(pending.seq) {
            ByteFate::Arrived => {
                self.path_mtu.pending = None;
                self.timers.clear(Timer::PathMtu);
            }
            ByteFate::Lost => self.cut_path_mtu(now, pending.mtu),
            ByteFate::OnItsWay => {}
        }
    }

    /// The segment that a router spoke of has shown no progress.
    pub(in crate::tcp) fn path_mtu_timed_out(&mut self, now: Instant) {
        if let Some(pending) = self.path_mtu.pending {
            self.cut_path_mtu(now, pending.mtu);
        }
    }

    /// The retransmission timer expired: was the size to blame?
    pub(in crate::tcp) fn path_mtu_on_timeout(&mut self, now: Instant) {
        if let Search::InFlight { trial, .. } = self.path_mtu.search {
            self.path_mtu.probe_lost(now, trial);
        }
        if let Some(pending) = self.path_mtu.pending {
            self.cut_path_mtu(now, pending.mtu);
            return;
        }
        let swallowed = self.scoreboard.first_payload_len();
        let lower = self.path_mtu.lower_than(swallowed);
        if swallowed <= self.path_mtu.payload(lower) {
            self.path_mtu.timeouts = 0;
            return;
        }
        self.path_mtu.timeouts += 1;
        if self.path_mtu.timeouts >= BLACK_HOLE_TIMEOUTS {
            self.path_mtu.cut_blindly(now, lower);
            self.take_over_mss();
            self.cut_segments_again(now);
        }
    }

    fn cut_path_mtu(&mut self, now: Instant, mtu: u16) {
        self.timers.clear(Timer::PathMtu);
        self.path_mtu.cut(now, mtu);
        self.take_over_mss();
        self.cut_segments_again(now);
    }

    /// Caps the payload of segments from now on, or no longer. What is on its way stays as it is,
    /// and is cut if it has to be sent again.
    pub fn set_mss_clamp(&mut self, now: Instant, clamp: Option<u16>) {
        self.config.mss_clamp = clamp;
        if self.state.is_synchronized() {
            self.path_mtu.clamp(now, clamp);
            self.take_over_mss();
        }
    }

    fn take_over_mss(&mut self) {
        self.mss = self.path_mtu.mss();
        self.congestion.set_mss(self.mss);
    }

    /// What is on its way and too long is sent again at once, in pieces, as its loss has nothing
    /// to do with congestion (RFC 1191 §6.5, RFC 8201 §5.4).
    fn cut_segments_again(&mut self, now: Instant) {
        let longest = self.path_mtu.payload(self.path_mtu.current);
        if self.scoreboard.lose_longer_than(longest) {
            self.fast_retransmit = true;
            self.timers.set(Timer::Retransmit, now + self.rtt.rto());
        }
    }

    /// Losses were found. If the path MTU is the reason, they are no signal of congestion: then
    /// this is true, and what is lost is sent again in pieces, whatever the window.
    pub(in crate::tcp) fn path_mtu_explains_losses(&mut self, now: Instant) -> bool {
        if let Some(pending) = self.path_mtu.pending
            && self.scoreboard.fate_of(pending.seq) == ByteFate::Lost
        {
            // RFC 1191 §6.5: a router has said why, and now it is to be believed.
            self.cut_path_mtu(now, pending.mtu);
            self.fast_retransmit = true;
            return true;
        }
        self.only_a_probe_was_lost(now)
    }

    /// RFC 4821 §7.5: the loss of a probe is no signal of congestion, if nothing else is lost.
    fn only_a_probe_was_lost(&mut self, now: Instant) -> bool {
        let Search::InFlight { trial, seq, end } = self.path_mtu.search else {
            return false;
        };
        if self.scoreboard.fate_of(seq) != ByteFate::Lost {
            return false;
        }
        let len = usize::try_from(end.distance_from(seq)).unwrap_or(0);
        let alone = self.scoreboard.lost() == len;
        if alone {
            self.path_mtu.probe_lost(now, trial);
            self.fast_retransmit = true;
        } else {
            self.path_mtu.probe_inconclusive(now, trial);
        }
        alone
    }

    /// A segment is sent again. If it is the probe, for whatever reason, its acknowledgment will
    /// tell nothing any more.
    pub(in crate::tcp) fn path_mtu_on_retransmission(&mut self, now: Instant, first: SeqNum) {
        if let Search::InFlight { trial, seq, .. } = self.path_mtu.search
            && seq == first
        {
            self.path_mtu.probe_inconclusive(now, trial);
        }
    }

    /// The payload of the next data segment if it is to be a probe for a larger path MTU: there is
    /// something to find, and with `unsent` bytes enough to send behind it.
    #[must_use]
    pub fn probe_payload(&self, now: Instant, unsent: u64) -> Option<usize> {
        let trial = self.path_mtu.due(now)?;
        if self.recovery != Recovery::Open {
            return None;
        }
        let payload = self.path_mtu.payload(trial.size);
        let behind = SEGMENTS_BEHIND_PROBE * self.path_mtu.payload(self.path_mtu.current);
        let enough = self.room_for_data(now) >= payload
            && self.congestion.cwnd() >= payload + behind
            && unsent >= (payload + behind) as u64;
        enough.then_some(payload)
    }

    /// The next segment, with so many bytes, is that probe.
    pub fn send_probe(&mut self, now: Instant, len: usize) {
        if let Some(trial) = self.path_mtu.due(now) {
            self.path_mtu.search = Search::InFlight {
                trial,
                seq: self.snd_nxt,
                end: self.snd_nxt + saturating_u32(len),
            };
        }
    }
}
