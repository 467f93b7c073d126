//! Loss recovery of one TCB against acknowledgments made by hand.

use super::*;
use crate::base::config::CongestionAlgorithm;
use crate::base::time::Duration;
use crate::tcp::expiry::Expired;
use crate::tcp::receive::receive;
use crate::tcp::state::TcpState;
use crate::tcp::tcb::TcbConfig;
use crate::wire::packet::{Flags, FourTuple, Segment};
use crate::wire::tcp_option::SackBlock;
use crate::wire::tcp_option::{TcpOptions, Timestamps};
use bytes::Bytes;
use smallvec::SmallVec;

const ISS: SeqNum = SeqNum(u32::MAX - 3000);
const IRS: SeqNum = SeqNum(700);
const MSS: u32 = 1000;
const RTT: Duration = Duration::from_millis(100);

/// What the peer's SYN offers.
#[derive(Clone, Copy, Default)]
struct Peer {
    sack: bool,
    timestamps: bool,
    ecn: bool,
}

const SACK: Peer = Peer {
    sack: true,
    timestamps: false,
    ecn: false,
};

/// A sender whose first segment has sequence number 0 in the numbers of the tests.
struct Sender {
    tcb: Tcb,
    now: Instant,
    /// Timestamp of the segment that the next acknowledgment echoes.
    echo: u32,
}

impl Sender {
    fn new(peer: Peer) -> Self {
        let config = TcbConfig {
            local_mss: 1000,
            timestamp_offset: u32::MAX - 500,
            congestion: CongestionAlgorithm::NewReno,
            pacing: false,
            ..TcbConfig::sample(ISS)
        };
        let mut syn = segment(IRS, None);
        syn.flags.syn = true;
        syn.flags.ece = peer.ecn;
        syn.flags.cwr = peer.ecn;
        syn.options.mss = Some(1000);
        syn.options.sack_permitted = peer.sack;
        syn.options.timestamps = peer.timestamps.then_some(Timestamps { value: 1, echo: 0 });
        let start = Instant::from_millis(5000);
        let mut tcb = Tcb::accept(start, config, &syn);
        tcb.retransmit(start, 0).expect("a SYN/ACK is due");
        let mut sender = Self {
            echo: tcb.timestamp(start),
            tcb,
            now: start + RTT,
        };
        sender.ack(0, &[]);
        assert_eq!(sender.tcb.state, TcpState::Established);
        assert_eq!(sender.tcb.rtt.srtt(), Some(RTT));
        sender
    }

    /// Sends new segments while there is room, at most `limit`; returns how many.
    fn send(&mut self, limit: u32) -> u32 {
        let mut sent = 0;
        while sent < limit && self.tcb.room_for_data(self.now) >= MSS as usize {
            let payload = SmallVec::from_iter([Bytes::from_static(&[7; 1000])]);
            self.tcb.send_data(self.now, payload, 1000, 1000, false);
            sent += 1;
        }
        sent
    }

    /// Sends everything that is lost and may go; returns the segments by number.
    fn retransmit(&mut self) -> Vec<u32> {
        let mut again = Vec::new();
        while self.tcb.can_retransmit(self.now)
            && let Some(segment) = self.tcb.retransmit(self.now, 1000)
        {
            again.push(number(segment.seq));
        }
        again
    }

    /// An acknowledgment of all segments before `ack`, and of the ranges in `blocks`.
    fn ack(&mut self, ack: u32, blocks: &[(u32, u32)]) {
        self.ack_with(ack, blocks, Flags::default());
    }

    fn ack_with(&mut self, ack: u32, blocks: &[(u32, u32)], flags: Flags) {
        let mut segment = segment(IRS + 1, Some(ISS + 1 + ack * MSS));
        segment.flags = flags;
        segment.options.sack = blocks
            .iter()
            .map(|&(left, right)| SackBlock {
                left: ISS + 1 + left * MSS,
                right: ISS + 1 + right * MSS,
            })
            .collect();
        segment.options.timestamps = self.tcb.negotiated.timestamps.then_some(Timestamps {
            value: 2,
            echo: self.echo,
        });
        receive(&mut self.tcb, self.now, &mut segment);
    }

    /// Lets time pass until `until`; returns what was due, and when.
    fn wait(&mut self, until: Instant) -> Vec<(Instant, Expired)> {
        let mut expired = Vec::new();
        while let Some(at) = self.tcb.timers.next()
            && at <= until
        {
            self.now = self.now.max(at);
            let what = self.tcb.handle_timeout(at);
            expired.push((at, what));
            if self.tcb.tail_loss == TailLoss::Due || what == Expired::Timeout {
                return expired;
            }
        }
        self.now = self.now.max(until);
        expired
    }

    fn pass(&mut self, duration: Duration) {
        self.now += duration;
    }

    fn cwnd(&self) -> usize {
        self.tcb.congestion.cwnd()
    }
}

fn segment(seq: SeqNum, ack: Option<SeqNum>) -> Segment {
    Segment {
        tuple: FourTuple {
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([10, 0, 0, 2], 4000).into(),
        },
        seq,
        ack,
        flags: Flags::default(),
        window: u16::MAX,
        options: TcpOptions::default(),
        payload: Bytes::new(),
        payload_sum: None,
        congestion_experienced: false,
    }
}

fn number(seq: SeqNum) -> u32 {
    u32::try_from(seq.distance_from(ISS + 1)).unwrap() / MSS
}

#[test]
fn a_segment_behind_which_three_have_arrived_is_sent_again() {
    let mut sender = Sender::new(SACK);
    assert_eq!(sender.send(10), 10);
    sender.pass(RTT);
    sender.ack(0, &[(1, 2)]);
    assert!(sender.retransmit().is_empty());
    sender.ack(0, &[(1, 3)]);
    assert!(sender.retransmit().is_empty());
    sender.ack(0, &[(1, 4)]);
    assert_eq!(sender.retransmit(), [0]);
    assert_eq!(sender.tcb.counters.fast_recoveries, 1);
}

#[test]
fn the_first_selective_acknowledgments_let_new_data_out() {
    // RFC 3042 §2; without SACK the same by counting.
    for peer in [SACK, Peer::default()] {
        let mut sender = Sender::new(peer);
        assert_eq!(sender.send(100), 10, "the initial window");
        sender.pass(RTT);
        for dup in 1..=2 {
            let block = [(1, 1 + dup)];
            sender.ack(0, if peer.sack { &block } else { &[] });
            assert_eq!(sender.send(100), 1);
        }
    }
}

#[test]
fn a_segment_that_was_overtaken_a_little_is_waited_for() {
    let mut sender = Sender::new(SACK);
    // A path on which segments overtake each other.
    sender.send(2);
    sender.pass(RTT);
    sender.ack(0, &[(1, 2)]);
    sender.ack(2, &[]);
    assert!(sender.tcb.rack.reordering_seen());
    sender.send(10);
    sender.pass(RTT);
    sender.ack(2, &[(3, 9)]);
    assert!(sender.retransmit().is_empty(), "RFC 8985 §6.2, step 4");
    let sent_at = sender.now - RTT;
    let due = sender.tcb.timers.get(Timer::Reordering);
    assert_eq!(due, Some(sent_at + RTT + RTT / 4), "a quarter of the RTT");
    // It comes after all.
    sender.pass(RTT / 8);
    sender.ack(9, &[]);
    assert_eq!(sender.tcb.timers.get(Timer::Reordering), None);
    assert_eq!(sender.tcb.counters.fast_recoveries, 0);
    // Another one does not.
    sender.send(10);
    sender.pass(RTT);
    sender.ack(12, &[(13, 15)]);
    let due = sender.tcb.timers.get(Timer::Reordering).unwrap();
    sender.wait(due);
    assert_eq!(sender.retransmit(), [12]);
}

#[test]
fn a_dsack_makes_the_reordering_window_longer() {
    let mut sender = Sender::new(SACK);
    sender.send(4);
    sender.pass(RTT);
    sender.ack(0, &[(1, 4)]);
    assert_eq!(sender.retransmit(), [0]);
    // The original arrives, then the copy.
    sender.ack(4, &[]);
    sender.ack(4, &[(0, 1)]);
    assert_eq!(sender.tcb.counters.spurious_recoveries, 1);
    sender.send(4);
    let sent_at = sender.now;
    sender.pass(RTT);
    sender.ack(4, &[(5, 8)]);
    let due = sender.tcb.timers.get(Timer::Reordering);
    assert_eq!(due, Some(sent_at + RTT + RTT / 4 * 2));
}

#[test]
fn a_lost_retransmission_is_found_without_a_timeout() {
    let mut sender = Sender::new(SACK);
    sender.send(10);
    sender.pass(RTT);
    sender.ack(0, &[(1, 10)]);
    assert_eq!(sender.retransmit(), [0]);
    sender.pass(Duration::from_millis(1));
    assert!(sender.send(100) > 0, "new data goes on");
    sender.pass(RTT);
    // The new data has arrived, the retransmission has not.
    sender.ack(0, &[(1, 11)]);
    assert_eq!(sender.retransmit(), [0]);
    assert_eq!(sender.tcb.counters.timeouts, 0);
    assert_eq!(sender.tcb.counters.fast_recoveries, 1, "one reduction only");
}

#[test]
fn the_window_comes_down_evenly_over_a_round_trip() {
    let mut sender = Sender::new(SACK);
    sender.send(10);
    sender.pass(RTT);
    sender.ack(10, &[]);
    let flight = sender.send(100);
    assert_eq!(flight, 20);
    sender.pass(RTT);
    // Segment 10 is lost; the others are acknowledged one by one.
    let mut sent = Vec::new();
    for right in 12..=30 {
        sender.ack(10, &[(11, right)]);
        let again = u32::try_from(sender.retransmit().len()).unwrap();
        sent.push(again + sender.send(100));
    }
    // RFC 6937: about ssthresh/RecoverFS segments for each delivered, never a burst.
    let target = sender.cwnd() / 1000;
    let total: u32 = sent.iter().sum();
    let in_flight = sender.tcb.scoreboard.in_flight() / 1000;
    assert!(sent.iter().all(|&now| now <= 1), "{sent:?}");
    assert!(in_flight.abs_diff(target) <= 1, "{in_flight} of {target}");
    assert!((10..=16).contains(&total), "{sent:?}");
    let before = sender.cwnd();
    let all = number(sender.tcb.snd_nxt);
    sender.ack(all, &[]);
    assert_eq!(
        (sender.tcb.recovery, sender.cwnd()),
        (Recovery::Open, before)
    );
}

/// Protocol statement 113.
#[test]
fn the_tail_is_probed_before_the_timeout_and_repaired() {
    let mut sender = Sender::new(SACK);
    sender.send(5);
    let sent_at = sender.now;
    sender.pass(RTT);
    // The last two are lost.
    sender.ack(3, &[]);
    let expired = sender.wait(sent_at + Duration::from_secs(9));
    let (at, what) = expired[0];
    assert_eq!((at, what), (sent_at + RTT * 3, Expired::Nothing));
    sender.now = at;
    let probe = sender.tcb.probe_tail(at, 1000).map(|p| number(p.seq));
    assert_eq!(probe, Some(4), "RFC 8985 §7.3: the last segment");
    sender.pass(RTT);
    sender.ack(3, &[(4, 5)]);
    assert_eq!(sender.retransmit(), [3]);
    sender.pass(RTT);
    sender.ack(5, &[]);
    assert!(sender.tcb.is_all_acknowledged());
    let counters = sender.tcb.counters;
    assert_eq!((counters.timeouts, counters.tail_loss_probes), (0, 1));
}

#[test]
fn a_probe_that_replaced_a_lost_segment_reduces_the_window_and_others_do_not() {
    for (duplicate, reduces) in [(false, true), (true, false)] {
        let mut sender = Sender::new(SACK);
        sender.send(3);
        sender.pass(RTT);
        sender.ack(2, &[]);
        let cwnd = sender.cwnd();
        let due = sender.tcb.timers.get(Timer::LossProbe).unwrap();
        sender.wait(due);
        assert!(sender.tcb.probe_tail(sender.now, 1000).is_some());
        // More data behind the probe shows what became of it (RFC 8985 §7.4.2).
        sender.pass(RTT);
        if duplicate {
            sender.ack(3, &[(2, 3)]);
        } else {
            sender.send(1);
            sender.pass(RTT);
            sender.ack(4, &[]);
        }
        assert_eq!(sender.cwnd() < cwnd, reduces, "both arrived: {duplicate}");
    }
}

#[test]
fn new_data_is_the_better_probe() {
    let mut sender = Sender::new(SACK);
    assert_eq!(sender.send(100), 10);
    let due = sender.tcb.timers.get(Timer::LossProbe).unwrap();
    sender.wait(due);
    assert_eq!(sender.send(100), 1, "one segment beyond the window");
    assert_eq!(sender.tcb.probe_tail(sender.now, 1000).map(|p| p.len), None);
    assert_eq!(sender.tcb.counters.tail_loss_probes, 1);
}

/// Everything is late: the timer expires, then the acknowledgments of the first copies come.
fn late_flight(peer: Peer) -> (Sender, usize) {
    let mut sender = Sender::new(peer);
    sender.send(10);
    sender.pass(RTT);
    sender.ack(10, &[]);
    sender.echo = sender.tcb.timestamp(sender.now);
    sender.send(10);
    let before = sender.cwnd();
    let end = sender.now + Duration::from_secs(2);
    loop {
        let expired = sender.wait(end);
        if sender.tcb.tail_loss == TailLoss::Due {
            sender.tcb.probe_tail(sender.now, 1000);
            continue;
        }
        let timed_out = expired.iter().any(|(_, what)| *what == Expired::Timeout);
        assert!(timed_out);
        break;
    }
    assert!(sender.cwnd() < before);
    let again = sender.retransmit();
    assert_eq!(again.first(), Some(&10));
    sender.pass(Duration::from_millis(10));
    (sender, before)
}

#[test]
fn a_timeout_for_nothing_is_undone_by_what_the_first_acknowledgments_say() {
    // By the timestamps, by what SACK says, and by F-RTO's two segments of new data.
    for peer in [
        Peer {
            timestamps: true,
            ..SACK
        },
        SACK,
        Peer::default(),
    ] {
        let (mut sender, before) = late_flight(peer);
        sender.ack(11, &[]);
        if !peer.sack {
            assert_eq!(sender.retransmit(), [] as [u32; 0], "RFC 5682, step 2b");
            assert_eq!(sender.send(100), 2);
            sender.ack(12, &[]);
        }
        if peer.sack && !peer.timestamps {
            sender.ack(12, &[]);
        }
        assert_eq!(sender.tcb.counters.spurious_recoveries, 1);
        assert!(sender.cwnd() >= before, "{} of {before}", sender.cwnd());
        assert_eq!(sender.tcb.recovery, Recovery::Open);
        assert!(sender.retransmit().is_empty());
    }
}

#[test]
fn a_real_timeout_is_not_undone_and_repairs_everything_in_slow_start() {
    let mut sender = Sender::new(Peer::default());
    sender.send(10);
    let end = sender.now + Duration::from_millis(400);
    let expired = sender.wait(end);
    assert_eq!(
        expired.last().map(|(_, what)| *what),
        Some(Expired::Timeout)
    );
    assert_eq!(sender.retransmit(), [0]);
    sender.pass(RTT);
    sender.ack(1, &[]);
    // New data is to test the timeout; a duplicate acknowledgment of it ends the test.
    assert_eq!(sender.send(100), 2);
    sender.pass(RTT);
    sender.ack(1, &[]);
    let again = sender.retransmit();
    assert_eq!(again.first(), Some(&1));
    assert_eq!(sender.tcb.counters.spurious_recoveries, 0);
}

#[test]
fn without_new_data_the_test_of_a_timeout_ends() {
    let mut sender = Sender::new(Peer::default());
    sender.send(10);
    sender.wait(sender.now + Duration::from_millis(400));
    sender.retransmit();
    sender.pass(RTT);
    sender.ack(1, &[]);
    assert!(sender.retransmit().is_empty());
    sender.tcb.end_timeout_test();
    assert_eq!(sender.retransmit().first(), Some(&1));
}

#[test]
fn repeated_timeouts_back_off_and_reduce_once() {
    let mut sender = Sender::new(Peer::default());
    sender.send(10);
    let mut waits = Vec::new();
    let mut last = sender.now;
    let mut thresholds = Vec::new();
    for _ in 0..4 {
        let at = sender.tcb.timers.get(Timer::Retransmit).unwrap();
        sender.now = at;
        assert_eq!(sender.tcb.handle_timeout(at), Expired::Timeout);
        assert_eq!(sender.retransmit(), [0]);
        waits.push(at.saturating_duration_since(last));
        thresholds.push(sender.tcb.congestion.ssthresh());
        last = at;
    }
    // RFC 6298 §5.5
    assert!(waits.windows(2).all(|w| w[1] == w[0] * 2), "{waits:?}");
    assert!(
        thresholds.windows(2).all(|t| t[0] == t[1]),
        "{thresholds:?}"
    );
}

#[test]
fn without_sack_three_duplicates_and_partial_acknowledgments_repair_hole_by_hole() {
    let mut sender = Sender::new(Peer::default());
    sender.send(10);
    sender.pass(RTT);
    for _ in 0..3 {
        sender.ack(0, &[]);
    }
    assert_eq!(sender.retransmit(), [0]);
    sender.pass(RTT);
    // RFC 6582 §3.2, step 3: segment 4 is missing too.
    sender.ack(4, &[]);
    assert_eq!(sender.retransmit(), [4]);
    sender.pass(RTT);
    sender.ack(13, &[]);
    sender.ack(10, &[]);
    assert_eq!(sender.tcb.counters.timeouts, 0);
}

#[test]
fn a_mark_reduces_the_window_once_a_round_trip() {
    let mut sender = Sender::new(Peer { ecn: true, ..SACK });
    sender.send(10);
    sender.pass(RTT);
    let cwnd = sender.cwnd();
    let echo = Flags {
        ece: true,
        ..Flags::default()
    };
    for ack in 1..=9 {
        sender.ack_with(ack, &[], echo);
    }
    assert_eq!(sender.tcb.counters.ecn_reductions, 1);
    assert!(sender.cwnd() < cwnd && sender.cwnd() >= cwnd / 2);
    sender.send(1);
    sender.pass(RTT);
    assert_eq!(sender.tcb.counters.retransmissions, 0);
    sender.ack_with(10, &[], echo);
    sender.ack_with(11, &[], echo);
    assert_eq!(sender.tcb.counters.ecn_reductions, 2);
}

/// RFC 8985 §7.2: the peer may be delaying its acknowledgment; the probe then takes the place of
/// the timeout.
#[test]
fn a_lone_segment_is_not_probed_before_its_acknowledgment_could_be_delayed() {
    let mut sender = Sender::new(SACK);
    sender.send(1);
    let sent_at = sender.now;
    let expired = sender.wait(sent_at + Duration::from_secs(9));
    let rto = RTT + Duration::from_millis(200);
    assert_eq!(expired[0], (sent_at + rto, Expired::Nothing));
    assert!(sender.tcb.probe_tail(sender.now, 1000).is_some());
    assert_eq!(sender.tcb.counters.timeouts, 0);
}

/// RFC 5682 §3.1: without SACK the first acknowledgment covers whatever had arrived behind the
/// gap. That does not make the timeout one for nothing.
#[test]
fn what_had_arrived_behind_a_gap_does_not_make_a_timeout_spurious() {
    let mut sender = Sender::new(Peer::default());
    sender.send(3);
    sender.pass(RTT);
    // The first is lost, the others arrive.
    sender.ack(0, &[]);
    sender.ack(0, &[]);
    let at = sender.tcb.timers.get(Timer::Retransmit).unwrap();
    sender.wait(at);
    assert_eq!(sender.retransmit(), [0]);
    sender.pass(RTT);
    sender.ack(2, &[]);
    assert_eq!(sender.tcb.counters.spurious_recoveries, 0);
}

/// RFC 2018 §8: after a timeout with the first segment selectively acknowledged, everything is
/// sent again.
#[test]
fn a_receiver_that_reneges_is_served_after_the_timeout() {
    let mut sender = Sender::new(SACK);
    sender.send(4);
    sender.pass(RTT);
    sender.ack(0, &[(0, 4)]);
    let at = sender.tcb.timers.get(Timer::Retransmit).unwrap();
    assert_eq!(sender.wait(at).last().unwrap().1, Expired::Timeout);
    let mut again = Vec::new();
    for acked in 1..=4 {
        again.extend(sender.retransmit());
        sender.pass(RTT);
        sender.ack(acked, &[]);
        // There is no new data.
        sender.tcb.end_timeout_test();
    }
    again.sort_unstable();
    assert_eq!(again, [0, 1, 2, 3]);
}

/// RFC 9937 §6.1: the first retransmission does not wait for the rate.
#[test]
fn the_rate_of_recovery_lets_a_first_segment_go() {
    let mut reduction = RateReduction::new(20_000);
    let input = RateInput {
        delivered: 0,
        in_flight: 20_000,
        ssthresh: 10_000,
        mss: 1000,
        safe: false,
    };
    reduction.on_ack(input);
    assert_eq!(reduction.allowance(), 1000);
    reduction.on_sent(1000);
    reduction.on_ack(input);
    assert_eq!(reduction.allowance(), 0);
}

#[test]
fn a_path_that_is_down_costs_no_window() {
    let mut sender = Sender::new(SACK);
    sender.send(10);
    let cwnd = sender.cwnd();
    sender.tcb.pause();
    let end = sender.now + Duration::from_secs(20);
    while sender.now < end {
        for (_, what) in sender.wait(end) {
            assert_eq!(what, Expired::Nothing);
        }
        sender.tcb.tail_loss = TailLoss::Idle;
    }
    assert_eq!((sender.cwnd(), sender.tcb.counters.timeouts), (cwnd, 0));
    sender.tcb.resume(sender.now);
    assert_eq!(sender.tcb.congestion.ssthresh(), cwnd / 2);
    assert_eq!(sender.retransmit(), [0]);
}

/// The timer is that of the first segment's latest transmission: sending it again must not leave
/// it what remains of the time of the first.
#[test]
fn a_retransmission_of_the_first_segment_starts_the_timer_anew() {
    let mut sender = Sender::new(SACK);
    sender.send(10);
    sender.pass(RTT * 2);
    sender.ack(0, &[(1, 10)]);
    assert_eq!(sender.retransmit(), [0]);
    let due = sender.tcb.timers.get(Timer::Retransmit).unwrap();
    assert_eq!(due, sender.now + sender.tcb.rtt.rto());
}
