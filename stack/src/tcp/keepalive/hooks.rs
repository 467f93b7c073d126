//! What presence means for a connection: its timer, its probes, its answers.

use super::{KeepaliveExpired, Phase};
use crate::base::config;
use crate::base::time::Instant;
use crate::tcp::tcb::Tcb;
use crate::tcp::timers::Timer;

/// Probes that are sent when somebody asks, a retransmission timeout apart and then two.
const REQUESTED_PROBES: u32 = 3;

impl Tcb {
    /// Changes the settings; also starts or stops probing.
    pub fn set_keepalive(&mut self, now: Instant, settings: Option<config::Keepalive>) {
        self.keepalive.settings = settings;
        if matches!(self.keepalive.phase, Phase::Requested(_)) {
            // The wait after its answer follows the new settings.
            return;
        }
        self.keepalive.phase = Phase::Quiet;
        self.wait_for_idle(now);
    }

    /// Probes now, whatever the settings. [`Self::heard`] or the timer tells how it went.
    pub fn request_probe(&mut self, now: Instant) {
        self.keepalive.phase = Phase::Requested(1);
        self.probe = true;
        self.timers.set(Timer::Keepalive, now + self.rtt.rto());
    }

    /// An acceptable segment arrived. Returns true if that answers a probe that was asked for.
    pub fn heard(&mut self, now: Instant) -> bool {
        self.keepalive.heard = now;
        if self.keepalive.phase == Phase::Quiet {
            return false;
        }
        let requested = matches!(self.keepalive.phase, Phase::Requested(_));
        self.keepalive.phase = Phase::Quiet;
        self.wait_for_idle(now);
        requested
    }

    /// Looks at the timer. It is not moved for each segment that arrives, but asks when it expires
    /// how long the peer has been silent.
    pub fn handle_keepalive_timeout(&mut self, now: Instant) -> KeepaliveExpired {
        if !self.timers.take_due(Timer::Keepalive, now) || !self.state.is_synchronized() {
            return KeepaliveExpired::Nothing;
        }
        match self.keepalive.phase {
            Phase::Quiet => self.probe_if_idle(now),
            Phase::Idle(unanswered) => return self.probe_idle_again(now, unanswered),
            Phase::Requested(REQUESTED_PROBES..) => {
                self.keepalive.phase = Phase::Quiet;
                self.wait_for_idle(now);
                return KeepaliveExpired::NoAnswer;
            }
            Phase::Requested(sent) => {
                self.keepalive.phase = Phase::Requested(sent + 1);
                self.probe = true;
                let wait = self.rtt.rto().saturating_mul(1 << sent);
                self.timers.set(Timer::Keepalive, now + wait);
            }
        }
        KeepaliveExpired::Nothing
    }

    fn probe_if_idle(&mut self, now: Instant) {
        let Some(settings) = self.keepalive.settings else {
            return;
        };
        if now < self.keepalive.heard + settings.idle || !self.is_all_acknowledged() {
            self.wait_for_idle(now);
            return;
        }
        self.keepalive.phase = Phase::Idle(1);
        self.probe = true;
        self.timers.set(Timer::Keepalive, now + settings.interval);
    }

    fn probe_idle_again(&mut self, now: Instant, unanswered: u32) -> KeepaliveExpired {
        let Some(settings) = self.keepalive.settings else {
            self.keepalive.phase = Phase::Quiet;
            return KeepaliveExpired::Nothing;
        };
        if !self.is_all_acknowledged() {
            // Data went out meanwhile; its retransmissions decide.
            self.keepalive.phase = Phase::Quiet;
            self.wait_for_idle(now);
            return KeepaliveExpired::Nothing;
        }
        if unanswered >= settings.probes {
            return KeepaliveExpired::Dead;
        }
        self.keepalive.phase = Phase::Idle(unanswered + 1);
        self.probe = true;
        self.timers.set(Timer::Keepalive, now + settings.interval);
        KeepaliveExpired::Nothing
    }

    /// Sets the timer for when the connection will have been idle, if it stays so.
    fn wait_for_idle(&mut self, now: Instant) {
        match self.keepalive.settings {
            None => self.timers.clear(Timer::Keepalive),
            Some(settings) => {
                let idle = self.keepalive.heard + settings.idle;
                // One that has data in flight is looked at again after another such time.
                let at = if idle > now {
                    idle
                } else {
                    now + settings.idle
                };
                self.timers.set(Timer::Keepalive, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seq::SeqNum;
    use crate::base::time::Duration;
    use crate::tcp::state::TcpState;
    use crate::tcp::tcb::TcbConfig;
    use bytes::Bytes;
    use smallvec::SmallVec;

    const SETTINGS: config::Keepalive = config::Keepalive {
        idle: Duration::from_secs(10),
        interval: Duration::from_secs(2),
        probes: 3,
    };

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    /// An idle connection that was last heard of at second 1.
    fn idle(settings: Option<config::Keepalive>) -> Tcb {
        let config = TcbConfig::sample(SeqNum(u32::MAX));
        let mut tcb = Tcb::connect(at(0), config);
        tcb.scoreboard.clear();
        tcb.timers.clear_all();
        tcb.state = TcpState::Established;
        tcb.snd_una = tcb.snd_nxt;
        tcb.heard(at(1));
        tcb.set_keepalive(at(1), settings);
        tcb
    }

    /// Lets the timer expire; gives when it did, whether a probe is due, and what it brought.
    fn expire(tcb: &mut Tcb) -> (Instant, bool, KeepaliveExpired) {
        let now = tcb.timers.next().expect("the timer runs");
        let expired = tcb.handle_keepalive_timeout(now);
        (now, core::mem::take(&mut tcb.probe), expired)
    }

    #[test]
    fn it_is_off_unless_asked_for_and_then_waits_for_two_hours() {
        assert_eq!(idle(None).timers.next(), None);
        let tcb = idle(Some(config::Keepalive::default()));
        assert_eq!(tcb.timers.next(), Some(at(1 + 7200)));
    }

    #[test]
    fn a_silent_peer_is_gone_after_the_last_probe() {
        use KeepaliveExpired::{Dead, Nothing};
        let mut tcb = idle(Some(SETTINGS));
        for second in [11, 13, 15] {
            assert_eq!(expire(&mut tcb), (at(second), true, Nothing));
            let probe = tcb.window_probe();
            // RFC 9293 §3.8.4: SND.NXT - 1, and no byte of garbage.
            assert_eq!((probe.seq, probe.len), (tcb.snd_nxt - 1, 0));
        }
        assert_eq!(expire(&mut tcb), (at(17), false, Dead));
    }

    #[test]
    fn an_answer_starts_the_wait_anew() {
        let mut tcb = idle(Some(SETTINGS));
        assert!(expire(&mut tcb).1);
        assert!(expire(&mut tcb).1);
        assert!(!tcb.heard(at(14)), "nobody asked for that probe");
        assert_eq!(tcb.timers.next(), Some(at(24)));
        // What arrives while no probe waits does not touch the timer, and yet counts.
        tcb.heard(at(20));
        assert!(!expire(&mut tcb).1);
        assert_eq!(tcb.timers.next(), Some(at(30)));
    }

    #[test]
    fn data_in_flight_is_probe_enough() {
        let mut tcb = idle(Some(SETTINGS));
        let data = SmallVec::from_iter([Bytes::from_static(b"x")]);
        tcb.send_data(at(2), data, 1, 1, true);
        tcb.timers.clear(Timer::Retransmit);
        assert_eq!(expire(&mut tcb), (at(11), false, KeepaliveExpired::Nothing));
        assert_eq!(tcb.timers.next(), Some(at(21)));
    }

    #[test]
    fn a_probe_on_request_is_answered_or_given_up_and_does_no_harm() {
        for settings in [None, Some(SETTINGS)] {
            let mut tcb = idle(settings);
            tcb.request_probe(at(5));
            assert!(core::mem::take(&mut tcb.probe));
            assert!(tcb.heard(at(6)));
            assert_eq!(tcb.timers.next(), settings.map(|_| at(16)));
            tcb.request_probe(at(7));
            tcb.probe = false;
            // Without a sample the retransmission timeout is a second; each wait is twice as long.
            for (second, probe, expired) in [
                (8, true, KeepaliveExpired::Nothing),
                (10, true, KeepaliveExpired::Nothing),
                (14, false, KeepaliveExpired::NoAnswer),
            ] {
                assert_eq!(expire(&mut tcb), (at(second), probe, expired));
            }
            assert_eq!(tcb.state, TcpState::Established);
            assert!(!tcb.heard(at(15)), "it was told already");
        }
    }
}
