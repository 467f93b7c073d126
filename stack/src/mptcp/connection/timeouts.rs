//! The deadlines of a connection and its subflows.

use super::closing::take_due;
use super::join::MAX_JOIN_TRIES;
use super::subflows::REVIVAL_TRIES;
use super::{Connection, DataRecovery, Effect};
use crate::base::error::CloseReason;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::{Duration, Instant};
use crate::mptcp::data_send::DataFin;
use crate::mptcp::path_health::PathEvent;
use crate::mptcp::reasons::{FallbackReason, SubflowCloseReason};
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::expiry::Expired;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::ResetReason;

/// A connection whose SYN/ACK goes unanswered this often is given up: nobody here waits for it. Six at doubling intervals wait
/// 63 seconds. For our own SYN `ConnectionConfig::connect_timeout` counts (RFC 9293 §3.8.3).
const MAX_SYN_ACK_TRIES: u32 = 6;
/// Window probes without any answer after which a path counts as broken.
const MAX_UNANSWERED_PROBES: u32 = 2;
/// A round of repair at the data level sends at most this many segments again.
const MAX_RECOVERY_SEGMENTS: u64 = 64;
/// The override time of RFC 9293 §3.8.6.2.1 lies between these.
const OVERRIDE_INTERVAL: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(1));
/// The pause between zero-window probes grows to this (RFC 9293 §3.8.6.1).
const MAX_PROBE_INTERVAL: Duration = Duration::from_secs(60);

impl Connection {
    /// The next time [`Self::handle_timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let deadlines = &self.deadlines;
        let own = [
            deadlines.data_retransmit,
            deadlines.probe,
            deadlines.override_small,
            deadlines.paths,
            deadlines.leave,
            deadlines.announce,
            deadlines.fail,
            deadlines.unmapped,
            self.crossed.iter().map(|join| join.at).min(),
            deadlines.signal,
            deadlines.revival,
            deadlines.finish,
            deadlines.linger,
            deadlines.undelivered,
            deadlines.fastclose,
        ];
        let subflows = self
            .subflows
            .iter()
            .filter(|s| !s.is_closed())
            .flat_map(|subflow| {
                let third_ack = match subflow.role {
                    Role::PreEstablished { resend_at, .. } => Some(resend_at),
                    Role::Initial
                    | Role::Joining { .. }
                    | Role::Answering { .. }
                    | Role::Joined => None,
                };
                [subflow.tcb.timers.next(), third_ack, subflow.quiet_until]
            });
        let paths = (0..self.subflows.len()).filter_map(|index| self.path_deadline(index));
        own.into_iter().chain(subflows).flatten().chain(paths).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for index in 0..self.subflows.len() {
            if !self.subflows[index].is_closed() {
                self.handle_subflow_timeout(now, index);
            }
        }
        if take_due(&mut self.deadlines.data_retransmit, now) {
            self.data_timed_out(now);
        }
        if take_due(&mut self.deadlines.probe, now) {
            self.probe_backoff += 1;
            self.probe_subflows(now);
        }
        if take_due(&mut self.deadlines.override_small, now) && !self.send.override_small() {
            // It did not help the last time: something else is in the way.
            self.probe_subflows(now);
        }
        if take_due(&mut self.deadlines.paths, now) {
            self.update_paths(now);
        }
        if take_due(&mut self.deadlines.leave, now) {
            self.leave_when_ready(now);
        }
        self.retry_crossed(now);
        if take_due(&mut self.deadlines.announce, now) {
            self.announce_again(now);
        }
        if take_due(&mut self.deadlines.unmapped, now) {
            self.unmapped_timed_out(now);
        }
        if take_due(&mut self.deadlines.fail, now) {
            self.fail_timed_out(now);
        }
        // The turn that follows sends what has waited.
        take_due(&mut self.deadlines.signal, now);
        self.handle_closing_timeouts(now);
    }

    fn handle_subflow_timeout(&mut self, now: Instant, index: usize) {
        match self.subflows[index].tcb.handle_timeout(now) {
            Expired::Nothing => {}
            Expired::Timeout => {
                let subflow = &self.subflows[index];
                self.effects.push_back(Effect::RetransmissionTimeout {
                    subflow: subflow.id,
                    rto: subflow.tcb.rtt.rto(),
                    backoff: subflow.tcb.rtt.backoffs(),
                });
                self.subflow_retransmits(now, index);
            }
            Expired::GivenUp => self.give_up_subflow(now, index),
            Expired::TimeWaitOver => self.subflow_closed(now, index),
        }
        self.handle_path_deadline(now, index);
        self.handle_third_ack_timeout(now, index);
        self.handle_keepalive_timeout(now, index);
        self.handle_quiet_subflow(now, index);
    }

    fn subflow_retransmits(&mut self, now: Instant, index: usize) {
        let subflow = &self.subflows[index];
        let expiries = subflow.tcb.rtt.backoffs();
        let state = subflow.tcb.state;
        match (state, &subflow.role) {
            (TcpState::SynSent | TcpState::SynReceived, Role::Initial) => {
                if expiries >= self.config.syn_tries_with_mptcp {
                    self.leave_option_off_syn();
                }
                if state == TcpState::SynReceived && expiries >= MAX_SYN_ACK_TRIES {
                    self.give_up_subflow(now, index);
                }
            }
            (TcpState::SynSent | TcpState::SynReceived, _) => {
                let tries = if self.is_bereft {
                    REVIVAL_TRIES
                } else {
                    MAX_JOIN_TRIES
                };
                if expiries >= tries {
                    self.give_up_subflow(now, index);
                }
            }
            (_, _) => self.subflow_timed_out(now, index),
        }
    }

    /// Nothing was heard for too long.
    fn give_up_subflow(&mut self, now: Instant, index: usize) {
        self.give_up_subflow_for(now, index, CloseReason::TimedOut);
    }

    /// A subflow is over without a word to the peer, and so is a connection that has no other.
    pub(super) fn give_up_subflow_for(&mut self, now: Instant, index: usize, reason: CloseReason) {
        let subflow = &mut self.subflows[index];
        subflow.ends_for(match reason {
            CloseReason::Unreachable(error) => SubflowCloseReason::Unreachable(error),
            CloseReason::Finished
            | CloseReason::Aborted
            | CloseReason::ResetByPeer
            | CloseReason::Refused
            | CloseReason::TimedOut
            | CloseReason::AllPathsLost
            | CloseReason::ProtocolViolation => subflow.end_in_silence(),
        });
        subflow.tcb.close_at_once();
        if self.session().is_none() {
            self.end(now, reason);
        }
        self.subflow_closed(now, index);
    }

    /// No DATA_ACK for a while, though subflows may have acknowledged: the head of the stream is
    /// sent again, wherever it fits (protocol reference 5.4).
    fn data_timed_out(&mut self, now: Instant) {
        if self.sending_session().is_none() || !self.send.is_outstanding() {
            return;
        }
        if self.protocol.receives_plain() && self.may_fall_back(0) {
            // The peer has stopped mapping, and acknowledging too, as it seems.
            self.stop_mapping(now, FallbackReason::AcknowledgedWithoutOptions);
            return;
        }
        let waited = self
            .data_waiting_since
            .map(|since| now.saturating_duration_since(since));
        // Also one that we have closed: the peer answers there.
        let alive = |s: &Subflow| s.can_signal() && s.tcb.rtt.backoffs() == 0;
        if waited.is_some_and(|waited| waited >= self.config.user_timeout)
            && self.subflows.iter().any(alive)
        {
            // Subflows look alive to TCP; the connection is not. Those that are silent are given
            // up one by one, and the connection may outlive them.
            self.abort(now, CloseReason::TimedOut);
            return;
        }
        self.data_backoff += 1;
        self.repeat_data_fin();
        let understood = self
            .sending_session()
            .is_some_and(|session| session.data_acknowledged);
        if !understood && self.live_subflows() < 2 {
            // The peer may be about to fall back: the stream must stay that of its one subflow,
            // which repairs its losses by itself.
            self.arm_data_timer(now);
            return;
        }
        self.blame_carriers(now);
        self.data_recovery = Some(DataRecovery {
            until: self.send.next(),
            segments: 1,
        });
        self.reinject_head(1);
        self.arm_data_timer(now);
    }

    /// An unacknowledged DATA_FIN goes out again, on every subflow: the one that carried it may
    /// lead nowhere. If the peer has not shown that it knows the keys, they go first.
    fn repeat_data_fin(&mut self) {
        if self.send.fin() != DataFin::Sent {
            return;
        }
        for index in 0..self.subflows.len() {
            self.subflows[index].owes_data_fin |= self.carries_data_fin(index);
        }
        if self
            .sending_session()
            .is_some_and(|session| self.owes_third_ack(session))
        {
            self.subflows[0].tcb.ack.require_now();
        }
    }

    /// After a timeout at the data level, a DATA_ACK that moves shows the next hole: it is
    /// repaired at once, twice as much each time, instead of a segment for each timeout.
    pub(super) fn continue_data_recovery(&mut self) {
        let Some(recovery) = &mut self.data_recovery else {
            return;
        };
        if self.send.una() >= recovery.until {
            self.data_recovery = None;
            for subflow in &mut self.subflows {
                subflow.is_avoided = false;
            }
            return;
        }
        recovery.segments = (recovery.segments * 2).min(MAX_RECOVERY_SEGMENTS);
        let segments = recovery.segments;
        let una = self.send.una();
        let on_its_way = self
            .subflows
            .iter()
            .any(|s| s.is_usable() && s.sent.has_in_flight(una, s.tcb.snd_una));
        if !on_its_way {
            self.reinject_head(segments);
        }
    }

    fn reinject_head(&mut self, segments: u64) {
        let una = self.send.una();
        let mss = self
            .subflows
            .iter()
            .map(|subflow| subflow.tcb.mss)
            .max()
            .unwrap_or(536);
        let again = una..una + segments * mss as u64;
        for subflow in self.subflows.iter_mut().filter(|s| s.is_avoided) {
            for mapping in subflow.sent.iter_mut() {
                let range = mapping.range();
                mapping.sent_elsewhere |= range.start < again.end && again.start < range.end;
            }
        }
        self.send.reinject(again);
    }

    /// Starts the data-level timer if something is outstanding and it does not run.
    pub(super) fn arm_data_timer(&mut self, now: Instant) {
        let over = self.is_bereft || self.closed.is_some();
        if over || self.sending_session().is_none() || !self.send.is_outstanding() {
            self.deadlines.data_retransmit = None;
            self.data_waiting_since = None;
            return;
        }
        self.data_waiting_since.get_or_insert(now);
        if self.deadlines.data_retransmit.is_none() {
            let interval = self
                .data_timeout()
                .saturating_mul(1 << self.data_backoff.min(10));
            self.deadlines.data_retransmit = Some(now + interval);
        }
    }

    /// Twice the longest timeout of the working subflows: a subflow gets the chance to repair a
    /// loss by itself first.
    fn data_timeout(&self) -> Duration {
        let working = self.subflows.iter().filter(|subflow| subflow.is_usable());
        working
            .map(|subflow| subflow.tcb.rtt.rto())
            .max()
            .unwrap_or(Duration::from_secs(1))
            * 2
    }

    /// Probes every subflow that has nothing in flight. One that does not answer is no longer
    /// counted on while there is another.
    ///
    /// As long as it does answer, the peer may keep the window closed (RFC 9293 §3.8.6.1); if it
    /// does not for the user timeout, it is gone. If it does without a DATA_ACK for as long, its
    /// path takes away what would open the window.
    fn probe_subflows(&mut self, now: Instant) {
        for index in 0..self.subflows.len() {
            if !self.subflows[index].is_probe_target() {
                continue;
            }
            let others = self.has_other_usable(index);
            let subflow = &mut self.subflows[index];
            let since = *subflow.probed_since.get_or_insert(now);
            if now.saturating_duration_since(since) >= self.config.user_timeout {
                if subflow.unanswered_probes > 0 {
                    self.peer_is_gone(now, index);
                } else if others {
                    // Options that get lost once MPTCP has worked are a failure of the path
                    // (RFC 6824 §3.6, RFC 8684 §3.7).
                    self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
                } else {
                    // As in `data_timed_out`: the subflow is alive, the connection is not.
                    self.abort(now, CloseReason::TimedOut);
                    return;
                }
                continue;
            }
            subflow.tcb.probe = true;
            subflow.unanswered_probes += 1;
            if others && subflow.unanswered_probes > MAX_UNANSWERED_PROBES {
                self.path_event(now, index, PathEvent::TimedOut);
            }
            self.count(MptcpCounter::WinProbe);
        }
    }

    /// Starts or stops the timers that keep a sender from waiting for ever. They run while there
    /// is something to send and nothing in flight on a working path that would bring an
    /// acknowledgment. If a window has room, what waits is less than a segment and goes after the
    /// override time; if none has, they are probed.
    ///
    /// Each subflow has a window of its own, and the update that opened it may be lost, so they
    /// are probed even if the connection's window is open.
    pub(super) fn update_probe_timer(&mut self, now: Instant) {
        let waiting =
            (self.send.has_unsent() || self.send.has_reinjection()) && self.closed.is_none();
        let quiet = self
            .subflows
            .iter()
            .all(|subflow| !subflow.is_usable() || subflow.tcb.is_all_acknowledged());
        if !(waiting && quiet && self.subflows.iter().any(Subflow::is_probe_target)) {
            self.deadlines.probe = None;
            self.deadlines.override_small = None;
            return;
        }
        let rto = || {
            let established = self.subflows.iter().filter(|s| s.is_established());
            let rto = established.map(|s| s.tcb.rtt.rto()).min();
            rto.unwrap_or(Duration::from_secs(1))
        };
        if self.has_small_room(now) {
            self.deadlines.probe = None;
            if self.deadlines.override_small.is_none() {
                let (least, most) = OVERRIDE_INTERVAL;
                self.deadlines.override_small = Some(now + rto().clamp(least, most));
            }
            return;
        }
        self.deadlines.override_small = None;
        if self.deadlines.probe.is_none() {
            // RFC 9293 §3.8.6.1: after a retransmission timeout, then at growing intervals.
            let interval = rto()
                .saturating_mul(1 << self.probe_backoff.min(16))
                .min(MAX_PROBE_INTERVAL);
            self.deadlines.probe = Some(now + interval);
        }
    }

    /// Windows have room, though for less than was worth a segment so far.
    fn has_small_room(&self, now: Instant) -> bool {
        let open = self.send.has_reinjection() || !self.send.is_window_closed();
        let room = |subflow: &Subflow| subflow.is_usable() && subflow.tcb.room_for_data(now) > 0;
        open && self.subflows.iter().any(room)
    }
}
