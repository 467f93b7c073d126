//! What holds for every algorithm.

use super::{
    AckSample, CongestionController, CongestionSignal, controller, initial_window, successor,
};
use crate::base::config::CongestionAlgorithm;
use crate::base::time::{Duration, Instant};
use proptest::prelude::*;
use std::collections::VecDeque;

pub(super) const MSS: usize = 1000;
const ALGORITHMS: [CongestionAlgorithm; 2] =
    [CongestionAlgorithm::NewReno, CongestionAlgorithm::Cubic];

/// A sender that always has data, on a path that acknowledges each segment.
#[derive(Debug)]
pub(super) struct Flow<C> {
    pub(super) controller: C,
    pub(super) now: Instant,
    pub(super) rtt: Duration,
    snd_una: u64,
}

impl<C: CongestionController> Flow<C> {
    pub(super) fn new(controller: C, rtt: Duration) -> Self {
        Self {
            controller,
            now: Instant::ZERO,
            rtt,
            snd_una: 0,
        }
    }

    /// Acknowledges a window, evenly over a round trip.
    pub(super) fn round(&mut self) {
        let window = self.controller.cwnd();
        let segments = (window / MSS).max(1);
        let step = self.rtt / u32::try_from(segments).expect("a small window");
        for _ in 0..segments {
            self.now += step;
            let in_flight = self.controller.cwnd();
            self.ack(MSS, in_flight);
        }
    }

    pub(super) fn ack(&mut self, acked: usize, in_flight: usize) {
        let snd_nxt = self.snd_una + in_flight as u64;
        self.snd_una += acked as u64;
        self.controller.on_ack(&AckSample {
            now: self.now,
            acked,
            in_flight,
            snd_una: self.snd_una,
            snd_nxt: snd_nxt.max(self.snd_una),
            rtt: Some(self.rtt),
            srtt: Some(self.rtt),
        });
    }

    fn lose(&mut self) {
        let flight_size = self.controller.cwnd();
        self.controller
            .on_congestion(self.now, CongestionSignal::Loss, flight_size);
    }
}

impl CongestionController for Box<dyn CongestionController> {
    fn on_ack(&mut self, sample: &AckSample) {
        (**self).on_ack(sample);
    }
    fn on_congestion(&mut self, now: Instant, signal: CongestionSignal, flight_size: usize) {
        (**self).on_congestion(now, signal, flight_size);
    }
    fn on_timeout(&mut self, now: Instant, flight_size: usize) {
        (**self).on_timeout(now, flight_size);
    }
    fn undo(&mut self, now: Instant) {
        (**self).undo(now);
    }
    fn on_syn_loss(&mut self) {
        (**self).on_syn_loss();
    }
    fn on_idle(&mut self, now: Instant) {
        (**self).on_idle(now);
    }
    fn set_mss(&mut self, mss: usize) {
        (**self).set_mss(mss);
    }
    fn algorithm(&self) -> CongestionAlgorithm {
        (**self).algorithm()
    }
    fn cwnd(&self) -> usize {
        (**self).cwnd()
    }
    fn ssthresh(&self) -> usize {
        (**self).ssthresh()
    }
}

fn flows(rtt_ms: u64) -> impl Iterator<Item = Flow<Box<dyn CongestionController>>> {
    ALGORITHMS.into_iter().map(move |algorithm| {
        let made = controller(algorithm, MSS);
        assert_eq!(made.algorithm(), algorithm);
        Flow::new(made, Duration::from_millis(rtt_ms))
    })
}

#[test]
fn the_default_is_cubic() {
    assert_eq!(CongestionAlgorithm::default(), CongestionAlgorithm::Cubic);
}

/// RFC 6928 §2.
#[test]
fn the_initial_window_is_ten_segments_or_fewer_large_ones() {
    for (mss, window) in [(536, 5360), (1460, 14_600), (2190, 14_600), (9000, 18_000)] {
        assert_eq!(initial_window(mss), window);
        for algorithm in ALGORITHMS {
            assert_eq!(controller(algorithm, mss).cwnd(), window);
        }
    }
}

#[test]
fn slow_start_doubles_each_round_trip() {
    for mut flow in flows(50) {
        for doubled in [20, 40, 80, 160, 320] {
            flow.round();
            assert_eq!(flow.controller.cwnd(), doubled * MSS);
        }
        assert_eq!(flow.controller.ssthresh(), usize::MAX);
    }
}

#[test]
fn slow_start_after_a_timeout_ends_at_the_threshold() {
    for mut flow in flows(50) {
        flow.controller.on_timeout(flow.now, 10 * MSS);
        let ssthresh = flow.controller.ssthresh();
        assert_eq!(flow.controller.cwnd(), MSS);
        assert!([5 * MSS, 7 * MSS].contains(&ssthresh));
        for grown in [2 * MSS, 4 * MSS, ssthresh] {
            flow.round();
            // The rest of the round in which it ends is congestion avoidance.
            assert!((grown..grown + MSS).contains(&flow.controller.cwnd()));
        }
    }
}

#[test]
fn a_cumulative_acknowledgment_after_a_timeout_counts_what_was_in_flight() {
    for mut flow in flows(50) {
        flow.controller.on_timeout(flow.now, 10 * MSS);
        flow.ack(10 * MSS, MSS);
        assert_eq!(flow.controller.cwnd(), 2 * MSS);
    }
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    for mut flow in flows(50) {
        for _ in 0..100 {
            flow.ack(MSS, 4 * MSS);
        }
        assert_eq!(flow.controller.cwnd(), 10 * MSS);
        flow.ack(MSS, 5 * MSS);
        assert_eq!(flow.controller.cwnd(), 11 * MSS);

        flow.round();
        flow.round();
        flow.lose();
        let cwnd = flow.controller.cwnd();
        for _ in 0..1000 {
            flow.ack(MSS, cwnd - 4 * MSS);
        }
        assert_eq!(flow.controller.cwnd(), cwnd);
        for _ in 0..1000 {
            flow.now += Duration::from_millis(1);
            flow.ack(MSS, cwnd - 3 * MSS);
        }
        assert!(flow.controller.cwnd() > cwnd);
    }
}

/// Acknowledgments that arrive at once find less and less in flight; the window was used.
#[test]
fn a_batch_of_acknowledgments_grows_the_window_as_single_ones_do() {
    for mut flow in flows(50) {
        let window = 64 * MSS;
        while flow.controller.cwnd() < window {
            flow.round();
        }
        flow.lose();
        let mut batched = flow.controller.cwnd();
        let before = batched;
        for _ in 0..10 {
            flow.now += flow.rtt;
            let window = flow.controller.cwnd();
            for in_flight in (1..=window / MSS).rev() {
                flow.ack(MSS, in_flight * MSS);
            }
            assert!(flow.controller.cwnd() > batched);
            batched = flow.controller.cwnd();
        }
        assert!(batched >= before + 5 * MSS);
    }
}

/// A link that holds one segment for 0.2 ms, behind a queue without end, 20 ms from both ends.
/// Slow start ends by delay alone, a few doublings after the hundred segments that fill the path.
#[test]
fn rising_delay_ends_slow_start_before_loss() {
    const HOLD: Duration = Duration::from_micros(200);
    const DELAY: Duration = Duration::from_millis(20);
    for mut flow in flows(20) {
        // When each segment was sent, and when its acknowledgment comes.
        let mut sent: VecDeque<(Instant, Instant)> = VecDeque::new();
        let mut link_free = Instant::ZERO;
        while flow.controller.ssthresh() == usize::MAX {
            while sent.len() * MSS < flow.controller.cwnd() {
                link_free = link_free.max(flow.now) + HOLD;
                sent.push_back((flow.now, link_free + DELAY));
            }
            assert!(sent.len() < 1000);
            let in_flight = sent.len() * MSS;
            let (at, acked) = sent.pop_front().expect("a window of segments");
            flow.now = acked;
            flow.rtt = acked.saturating_duration_since(at);
            flow.ack(MSS, in_flight);
        }
        let segments = flow.controller.cwnd() / MSS;
        assert_eq!(flow.controller.ssthresh(), flow.controller.cwnd());
        assert!((150..1000).contains(&segments), "{segments}");
        flow.round();
        assert!(flow.controller.cwnd() < (segments + segments / 20) * MSS);
    }
}

#[test]
fn slow_start_goes_on_when_delay_was_jitter() {
    for mut flow in flows(20) {
        flow.round();
        flow.rtt = Duration::from_millis(30);
        flow.round();
        let before = flow.controller.cwnd();
        flow.round();
        let conservative = flow.controller.cwnd();
        assert!(conservative <= before + before / 4);
        flow.rtt = Duration::from_millis(20);
        flow.round();
        let before = flow.controller.cwnd();
        flow.round();
        assert_eq!(flow.controller.cwnd(), 2 * before);
        assert_eq!(flow.controller.ssthresh(), usize::MAX);
    }
}

/// On a slow link each segment of the initial window takes longer than the one before it, and the
/// SYN takes least: no sign of a queue that stays.
#[test]
fn the_round_trip_of_the_handshake_is_no_round() {
    for mut flow in flows(20) {
        flow.ack(0, 0);
        for segments in 10..20 {
            assert_eq!(flow.controller.cwnd(), segments * MSS);
            flow.rtt += Duration::from_millis(5);
            flow.ack(MSS, 10 * MSS);
        }
        assert_eq!(flow.controller.cwnd(), 20 * MSS);
    }
}

/// RFC 9406 §4.3: later slow starts have a threshold and do without HyStart++.
#[test]
fn rising_delay_does_not_end_a_later_slow_start() {
    for mut flow in flows(20) {
        for _ in 0..5 {
            flow.round();
        }
        flow.controller.on_timeout(flow.now, 320 * MSS);
        let ssthresh = flow.controller.ssthresh();
        for _ in 0..8 {
            flow.round();
            flow.rtt += Duration::from_millis(20);
        }
        assert!(flow.controller.cwnd() >= ssthresh);
        assert_eq!(flow.controller.ssthresh(), ssthresh);
    }
}

#[test]
fn a_lost_syn_leaves_one_segment_and_no_threshold() {
    for mut flow in flows(20) {
        flow.controller.on_syn_loss();
        assert_eq!(flow.controller.cwnd(), MSS);
        assert_eq!(flow.controller.ssthresh(), usize::MAX);
        flow.round();
        assert_eq!(flow.controller.cwnd(), 2 * MSS);
    }
}

/// RFC 5681 §4.1, RFC 7661 §4.4.2.
#[test]
fn an_idle_subflow_restarts_with_the_initial_window() {
    for mut flow in flows(20) {
        for _ in 0..3 {
            flow.round();
        }
        flow.controller.on_idle(flow.now);
        assert_eq!(flow.controller.cwnd(), 10 * MSS);
        assert_eq!(flow.controller.ssthresh(), usize::MAX);
        for _ in 0..3 {
            flow.round();
        }
        flow.lose();
        let ssthresh = flow.controller.ssthresh();
        while flow.controller.cwnd() < 2 * ssthresh {
            flow.round();
        }
        let cwnd = flow.controller.cwnd();
        flow.controller.on_idle(flow.now);
        assert_eq!(flow.controller.cwnd(), 10 * MSS);
        assert_eq!(flow.controller.ssthresh(), cwnd / 4 * 3);

        // A window below the initial one stays.
        flow.controller.on_timeout(flow.now, 10 * MSS);
        flow.controller.on_idle(flow.now);
        assert_eq!(flow.controller.cwnd(), MSS);
    }
}

#[test]
fn undo_brings_back_window_and_threshold_once() {
    for mut flow in flows(20) {
        flow.round();
        flow.round();
        flow.lose();
        assert!(flow.controller.cwnd() < 40 * MSS);
        flow.controller.undo(flow.now);
        assert_eq!(flow.controller.cwnd(), 40 * MSS);
        assert_eq!(flow.controller.ssthresh(), usize::MAX);
        // The initial slow start goes on.
        flow.round();
        assert_eq!(flow.controller.cwnd(), 80 * MSS);

        flow.controller.on_timeout(flow.now, 80 * MSS);
        flow.controller.undo(flow.now);
        assert_eq!(flow.controller.cwnd(), 80 * MSS);
        assert_eq!(flow.controller.ssthresh(), usize::MAX);

        flow.lose();
        let reduced = flow.controller.cwnd();
        flow.lose();
        flow.controller.undo(flow.now);
        flow.controller.undo(flow.now);
        assert_eq!(flow.controller.cwnd(), reduced);
        assert_eq!(flow.controller.ssthresh(), reduced);
    }
}

#[test]
fn undo_keeps_a_window_that_has_overtaken_the_old_one() {
    for mut flow in flows(20) {
        flow.lose();
        let ssthresh = flow.controller.ssthresh();
        while flow.controller.cwnd() < 12 * MSS {
            flow.round();
        }
        let cwnd = flow.controller.cwnd();
        flow.controller.undo(flow.now);
        assert_eq!(
            (flow.controller.cwnd(), flow.controller.ssthresh()),
            (cwnd, ssthresh)
        );
    }
}

/// RFC 5681 §3.2: what limited transmit sent beyond the window does not count.
#[test]
fn a_reduction_starts_from_what_is_outstanding_within_the_window() {
    for (flight, reno, cubic) in [(10, 5, 7), (14, 5, 7), (6, 3, 4), (1, 2, 2)] {
        for (mut flow, factor) in flows(20).zip([reno, cubic]) {
            flow.controller
                .on_congestion(flow.now, CongestionSignal::Loss, flight * MSS);
            let cwnd = flow.controller.cwnd();
            assert_eq!(cwnd / MSS, factor, "{flight} segments in flight");
            assert_eq!(flow.controller.ssthresh(), cwnd);
        }
    }
}

/// RFC 9438 §4.6, RFC 3168 §6.1.2.
#[test]
fn losses_leave_two_segments_and_marks_leave_one() {
    for mut flow in flows(20) {
        for _ in 0..20 {
            flow.lose();
        }
        assert_eq!(flow.controller.cwnd(), 2 * MSS);
        for _ in 0..20 {
            let cwnd = flow.controller.cwnd();
            flow.controller
                .on_congestion(flow.now, CongestionSignal::EcnEcho, cwnd);
        }
        assert_eq!(flow.controller.cwnd(), MSS);
        assert_eq!(flow.controller.ssthresh(), 2 * MSS);
    }
}

#[test]
fn a_larger_segment_raises_the_floors() {
    for mut flow in flows(20) {
        flow.controller.on_timeout(flow.now, 0);
        flow.controller.set_mss(9000);
        assert_eq!(
            (flow.controller.cwnd(), flow.controller.ssthresh()),
            (9000, 18_000)
        );
    }
}

/// The average window in segments with one loss every `period` segments. It starts with `start`.
fn average_window(algorithm: CongestionAlgorithm, rtt_ms: u64, period: u64, start: f64) -> f64 {
    let losses = 12;
    let mut flow = Flow::new(controller(algorithm, MSS), Duration::from_millis(rtt_ms));
    while (flow.controller.cwnd() as f64) < start * MSS as f64 {
        flow.round();
    }
    flow.lose();
    let mut start = flow.now;
    // The first half is for finding the balance.
    for count in 0..2 * losses {
        if count == losses {
            start = flow.now;
        }
        for _ in 0..period {
            let cwnd = flow.controller.cwnd();
            let nanos = flow.rtt.as_nanos() * MSS as u128 / cwnd as u128;
            flow.now += Duration::from_nanos(u64::try_from(nanos).expect("a short time"));
            flow.ack(MSS, cwnd);
        }
        flow.lose();
    }
    let time = flow.now.saturating_duration_since(start);
    (losses * period) as f64 * flow.rtt.as_secs_f64() / time.as_secs_f64()
}

/// Tables 1 and 2 of RFC 9438 §5.1: with few segments a round trip or short round trips CUBIC
/// averages what NewReno does, else more.
#[test]
fn average_windows_are_those_of_the_rfc() {
    let cases = [
        (100, 100, 12.0, 12.0),
        (100, 1000, 38.0, 38.0),
        (100, 10_000, 120.0, 187.0),
        (100, 100_000, 379.0, 1054.0),
        (10, 1000, 38.0, 38.0),
        (10, 10_000, 120.0, 120.0),
        (10, 100_000, 379.0, 379.0),
    ];
    for (rtt_ms, period, reno, cubic) in cases {
        for (algorithm, expected) in ALGORITHMS.into_iter().zip([reno, cubic]) {
            let average = average_window(algorithm, rtt_ms, period, expected);
            assert!(
                (0.93..1.07).contains(&(average / expected)),
                "{algorithm:?}, {rtt_ms} ms, one loss in {period}: {average}, not {expected}"
            );
        }
    }
}

#[derive(Clone, Debug)]
enum Call {
    Ack {
        wait: Duration,
        acked: usize,
        in_flight: usize,
        snd_una: u64,
        snd_nxt: u64,
        rtt: Option<Duration>,
        srtt: Option<Duration>,
    },
    /// Acknowledgments as they come on a path that is used to the full.
    Rounds(u8),
    Congestion(CongestionSignal, usize),
    Timeout(usize),
    SynLoss,
    Undo,
    Idle,
    Mss(usize),
}

/// Mostly what connections see, and now and then anything.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0..1_000_000usize, 1 => any::<usize>()]
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        9 => (0..500_000_000u64).prop_map(Duration::from_nanos),
        1 => any::<Duration>(),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let sizes = (size(), size());
    let seqs = (any::<u64>(), any::<u64>());
    let times = (
        duration(),
        proptest::option::of(duration()),
        proptest::option::of(duration()),
    );
    let ack = (sizes, seqs, times).prop_map(|(sizes, seqs, times)| Call::Ack {
        wait: times.0,
        acked: sizes.0,
        in_flight: sizes.1,
        snd_una: seqs.0,
        snd_nxt: seqs.1,
        rtt: times.1,
        srtt: times.2,
    });
    let signal = prop_oneof![
        Just(CongestionSignal::Loss),
        Just(CongestionSignal::EcnEcho)
    ];
    prop_oneof![
        8 => ack,
        6 => (1..4u8).prop_map(Call::Rounds),
        2 => (signal, size()).prop_map(|(signal, size)| Call::Congestion(signal, size)),
        1 => size().prop_map(Call::Timeout),
        1 => Just(Call::SynLoss),
        2 => Just(Call::Undo),
        1 => Just(Call::Idle),
        1 => (0..65_536usize).prop_map(Call::Mss),
    ]
}

/// One acknowledgment, and what holds of each.
fn checked_ack(
    controller: &mut dyn CongestionController,
    sample: &AckSample,
    mss: usize,
) -> Result<(), TestCaseError> {
    let before = controller.cwnd();
    controller.on_ack(sample);
    let cwnd = controller.cwnd();
    prop_assert!(cwnd >= before, "an acknowledgment made the window smaller");
    let most = before.saturating_add(sample.acked.max(mss));
    prop_assert!(cwnd <= most, "{before} grew to {cwnd} by {sample:?}");
    Ok(())
}

proptest! {
    #[test]
    fn any_sequence_of_calls_keeps_the_floors_and_bounds_growth(
        algorithm in proptest::sample::select(&ALGORITHMS[..]),
        mss in 0..65_536usize,
        calls in proptest::collection::vec(call(), 0..100),
    ) {
        let mut controller = controller(algorithm, mss);
        let mut mss = mss;
        let mut now = Instant::ZERO;
        for call in calls {
            match call {
                Call::Ack { wait, acked, in_flight, snd_una, snd_nxt, rtt, srtt } => {
                    now += wait;
                    let sample = AckSample { now, acked, in_flight, snd_una, snd_nxt, rtt, srtt };
                    checked_ack(&mut *controller, &sample, mss)?;
                }
                Call::Rounds(rounds) => {
                    let rtt = Duration::from_millis(10);
                    for _ in 0..u32::from(rounds) * 8 {
                        now += rtt / 8;
                        let cwnd = controller.cwnd();
                        let sample = AckSample {
                            now,
                            acked: cwnd / 8,
                            in_flight: cwnd,
                            snd_una: 1,
                            snd_nxt: 1,
                            rtt: Some(rtt),
                            srtt: Some(rtt),
                        };
                        checked_ack(&mut *controller, &sample, mss)?;
                    }
                }
                Call::Congestion(signal, flight_size) => {
                    let before = controller.cwnd();
                    controller.on_congestion(now, signal, flight_size);
                    prop_assert!(controller.cwnd() <= before.max(2 * mss));
                }
                Call::Timeout(flight_size) => {
                    controller.on_timeout(now, flight_size);
                    prop_assert_eq!(controller.cwnd(), mss);
                }
                Call::SynLoss => controller.on_syn_loss(),
                Call::Undo => {
                    let before = controller.cwnd();
                    controller.undo(now);
                    prop_assert!(controller.cwnd() >= before);
                }
                Call::Idle => {
                    controller.on_idle(now);
                    prop_assert!(controller.cwnd() <= initial_window(mss));
                }
                Call::Mss(new) => {
                    mss = new;
                    controller.set_mss(new);
                }
            }
            prop_assert!(controller.cwnd() >= mss);
            prop_assert!(controller.ssthresh() >= 2 * mss);
        }
    }
}

#[test]
fn a_successor_goes_on_from_the_window_of_its_predecessor() {
    for (from, to) in [
        (CongestionAlgorithm::NewReno, CongestionAlgorithm::Cubic),
        (CongestionAlgorithm::Cubic, CongestionAlgorithm::NewReno),
    ] {
        let mut old = controller(from, 1000);
        let fresh = successor(to, 1000, &*old);
        assert_eq!((fresh.cwnd(), fresh.ssthresh()), (old.cwnd(), usize::MAX));
        old.on_congestion(Instant::ZERO, CongestionSignal::Loss, 10_000);
        let mut new = successor(to, 1000, &*old);
        assert_eq!(new.algorithm(), to);
        assert_eq!((new.cwnd(), new.ssthresh()), (old.cwnd(), old.ssthresh()));
        // There is nothing of its own that it could undo.
        new.undo(Instant::ZERO);
        assert_eq!(new.cwnd(), old.cwnd());
    }
}
