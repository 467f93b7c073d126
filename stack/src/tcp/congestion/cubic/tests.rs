use super::super::tests::{Flow, MSS};
use super::*;

const RTT: Duration = Duration::from_millis(100);

/// A flow with a window of `segments` in congestion avoidance, and W_max unknown.
fn flow(segments: usize) -> Flow<Cubic> {
    let mut cubic = Cubic::new(MSS);
    cubic.window.restore(Sizes {
        cwnd: segments * MSS,
        ssthresh: segments * MSS,
    });
    Flow::new(cubic, RTT)
}

fn lose(flow: &mut Flow<Cubic>) {
    let cwnd = flow.controller.cwnd();
    flow.controller
        .on_congestion(flow.now, CongestionSignal::Loss, cwnd);
}

/// The window in segments.
fn cwnd(flow: &Flow<Cubic>) -> f64 {
    float(flow.controller.cwnd()) / float(MSS)
}

fn stage(flow: &Flow<Cubic>) -> Stage {
    flow.controller.history.stage.expect("congestion avoidance")
}

fn is_near(value: f64, expected: f64) -> bool {
    (value - expected).abs() < 0.0005
}

#[test]
fn the_curve_from_70_to_100_segments() {
    let curve = Curve::new(100.0, 70.0, 1.0);
    assert!((curve.k - 4.2172).abs() < 0.00005, "{curve:?}");
    for (t, window) in [
        (0.0, 70.0),
        (1.0, 86.681),
        (2.0, 95.640),
        (5.0, 100.192),
        (6.0, 102.267),
    ] {
        assert!(is_near(curve.at(t), window), "{} at {t} s", curve.at(t));
    }
    // The same in bytes.
    let bytes = Curve::new(146_000.0, 102_200.0, 1460.0);
    assert!(is_near(bytes.k, curve.k));
    assert!(is_near(bytes.at(2.0) / 1460.0, curve.at(2.0)));
}

#[test]
fn alpha_is_that_of_the_rfc() {
    assert!((ALPHA - 0.5294).abs() < 0.00005);
}

#[test]
fn the_window_follows_the_curve() {
    let mut flow = flow(100);
    lose(&mut flow);
    assert!(is_near(cwnd(&flow), 70.0));
    // Until W_est overtakes it, the window is where the curve is: each acknowledgment aims for the
    // curve a round trip ahead.
    let ahead = RTT.as_secs_f64();
    while flow.now < Instant::from_millis(5500) {
        flow.round();
        let Stage { curve, elapsed, .. } = stage(&flow);
        let t = elapsed.as_secs_f64();
        assert!((t - flow.now.as_nanos() as f64 / 1e9).abs() < ahead / 50.0);
        let window = float(flow.controller.cwnd());
        // On the flat part it lags behind by a tenth of a segment.
        let (least, most) = (curve.at(t - ahead) - 100.0, curve.at(t + ahead));
        assert!((least..=most).contains(&window), "{window} at {t} s");
    }
    assert!(is_near(stage(&flow).curve.k, 4.2172));
    assert!(is_near(flow.controller.history.w_max, 100_000.0));
}

/// RFC 9438 §4.2: the target is at most half more than the window.
#[test]
fn a_round_trip_grows_the_window_by_half_at_most() {
    let mut flow = flow(100);
    flow.rtt = Duration::from_secs(20);
    lose(&mut flow);
    // A lone acknowledgment of a whole window, with the curve far above.
    flow.ack(1, 70 * MSS);
    let before = flow.controller.cwnd();
    flow.now += flow.rtt;
    flow.ack(before, before);
    assert!(flow.controller.cwnd().abs_diff(before * 3 / 2) <= 1);
}

#[test]
fn fast_convergence_gives_up_more_when_the_share_shrinks() {
    let mut flow = flow(100);
    lose(&mut flow);
    assert!(is_near(flow.controller.history.w_max, 100_000.0));
    assert!(is_near(flow.controller.history.cwnd_prior, 100_000.0));
    while flow.controller.cwnd() < 80 * MSS {
        flow.round();
    }
    let share = flow.controller.cwnd();
    lose(&mut flow);
    assert!(is_near(flow.controller.history.w_max, float(share) * 0.85));
    assert_eq!(flow.controller.cwnd(), share * 7 / 10);

    while flow.controller.cwnd() < 110 * MSS {
        flow.round();
    }
    let grown = flow.controller.cwnd();
    lose(&mut flow);
    assert!(is_near(flow.controller.history.w_max, float(grown)));
}

/// RFC 9438 §4.8.
#[test]
fn after_a_timeout_the_curve_starts_on_its_flat_part() {
    let mut flow = flow(100);
    lose(&mut flow);
    flow.round();
    flow.controller.on_timeout(flow.now, 70 * MSS);
    let ssthresh = flow.controller.ssthresh();
    assert_eq!(flow.controller.cwnd(), MSS);
    while flow.controller.cwnd() < ssthresh {
        assert!(flow.controller.history.stage.is_none());
        flow.round();
    }
    flow.ack(MSS, ssthresh);
    let stage = stage(&flow);
    assert!(is_near(stage.curve.k, 0.0));
    assert!(is_near(stage.curve.w_max, float(ssthresh)));
    assert!(is_near(flow.controller.history.w_max, float(ssthresh)));
    assert!((stage.w_est - float(ssthresh)).abs() < float(MSS));
}

/// RFC 9438 §4.10: the same after a slow start that HyStart++ ended.
#[test]
fn without_a_loss_the_curve_starts_on_its_flat_part_and_grows_as_newreno() {
    let mut flow = flow(20);
    flow.round();
    assert!(is_near(stage(&flow).curve.k, 0.0));
    // One segment a round trip, not alpha: there was no window before.
    assert!((20.9..21.1).contains(&cwnd(&flow)), "{}", cwnd(&flow));
}

/// RFC 9438 §4.3.
#[test]
fn the_friendly_region_grows_by_alpha_until_the_old_window_and_then_by_one() {
    let mut flow = flow(20);
    flow.rtt = Duration::from_millis(10);
    lose(&mut flow);
    assert!(is_near(cwnd(&flow), 14.0));
    let (mut slow, mut fast) = (0.0, 0.0);
    for _ in 0..5 {
        flow.round();
    }
    let start = cwnd(&flow);
    for _ in 0..4 {
        flow.round();
        slow = (cwnd(&flow) - start) / 4.0;
    }
    while cwnd(&flow) < 20.5 {
        flow.round();
    }
    let start = cwnd(&flow);
    for _ in 0..4 {
        flow.round();
        fast = (cwnd(&flow) - start) / 4.0;
    }
    // The rounds of the test acknowledge whole segments: slightly less than a window.
    assert!((0.49..0.54).contains(&slow), "{slow}");
    assert!((0.94..1.01).contains(&fast), "{fast}");
}

/// RFC 9438 §4.2 and §5.8.
#[test]
fn time_without_use_of_the_window_does_not_count() {
    let mut silent = flow(100);
    lose(&mut silent);
    for _ in 0..20 {
        silent.round();
    }
    // A minute of silence, in which the curve would have risen beyond all bounds.
    let before = cwnd(&silent);
    let elapsed = stage(&silent).elapsed;
    silent.now += Duration::from_secs(60);
    silent.round();
    assert!(stage(&silent).elapsed <= elapsed + 2 * RTT);
    assert!(
        cwnd(&silent) < before + 1.5,
        "{} after {before}",
        cwnd(&silent)
    );

    let mut limited = flow(100);
    lose(&mut limited);
    for _ in 0..20 {
        limited.round();
    }
    let rest = limited.controller.cwnd();
    limited.ack(rest - 5 * MSS, rest);
    for _ in 0..600 {
        limited.now += RTT;
        limited.ack(5 * MSS, 5 * MSS);
    }
    limited.round();
    assert!(stage(&limited).elapsed <= elapsed + 4 * RTT);
    assert!(
        cwnd(&limited) < before + 1.5,
        "{} after {before}",
        cwnd(&limited)
    );
}

#[test]
fn an_idle_subflow_starts_a_new_stage() {
    let mut flow = flow(100);
    lose(&mut flow);
    for _ in 0..10 {
        flow.round();
    }
    let elapsed = stage(&flow).elapsed;
    flow.controller.on_idle(flow.now);
    assert!(flow.controller.history.stage.is_none());
    while flow.controller.cwnd() < flow.controller.ssthresh() {
        flow.round();
    }
    flow.round();
    assert!(stage(&flow).elapsed < elapsed);
    assert!(is_near(stage(&flow).curve.w_max, 100_000.0));
}

/// RFC 9438 §4.9.2.
#[test]
fn undo_goes_on_where_the_curve_was() {
    let mut flow = flow(100);
    lose(&mut flow);
    for _ in 0..10 {
        flow.round();
    }
    let (sizes, history, before) = (
        flow.controller.window.sizes(),
        flow.controller.history,
        stage(&flow),
    );
    lose(&mut flow);
    flow.round();
    assert!(flow.controller.history.w_max < history.w_max);
    flow.controller.undo(flow.now);
    let after = stage(&flow);
    assert_eq!(flow.controller.cwnd(), sizes.cwnd);
    assert_eq!(flow.controller.ssthresh(), sizes.ssthresh);
    assert!(is_near(flow.controller.history.w_max, history.w_max));
    assert!(is_near(
        flow.controller.history.cwnd_prior,
        history.cwnd_prior
    ));
    assert_eq!(after.elapsed, before.elapsed);
    assert!(is_near(after.curve.k, before.curve.k));
    assert!(is_near(after.w_est, before.w_est));
    // And time passed since does not make up for itself.
    flow.round();
    assert!(stage(&flow).elapsed <= before.elapsed + RTT + RTT / 50);
}

#[test]
fn a_new_segment_size_starts_a_new_stage_that_undo_does_not_bring_back() {
    let mut flow = flow(100);
    lose(&mut flow);
    flow.round();
    lose(&mut flow);
    flow.round();
    flow.controller.set_mss(500);
    assert!(flow.controller.history.stage.is_none());
    flow.controller.undo(flow.now);
    assert!(flow.controller.history.stage.is_none());
}

/// RFC 9438 §4.6: a mark weighs as much as a loss.
#[test]
fn marks_reduce_as_losses_do() {
    let mut flow = flow(100);
    flow.controller
        .on_congestion(flow.now, CongestionSignal::EcnEcho, 100 * MSS);
    assert_eq!(flow.controller.cwnd(), 70 * MSS);
    assert!(is_near(flow.controller.history.w_max, 100_000.0));
}
