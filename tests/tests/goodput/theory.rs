//! Cells in which losses limit the rate, held against what RFC 9438 says that CUBIC reaches.

use umptcp_tests::goodput::{Cell, Loss, Queue, Reordering, run_all};

const SEED: u64 = 2;
/// Payload of a full segment with timestamps, in bits.
const SEGMENT_BITS: f64 = 1448.0 * 8.0;
/// How far a measured rate may be from the model's, either way: the model has no time-outs, no
/// queue and no end.
const TOLERANCE: f64 = 0.25;

/// The mean window in segments at this loss rate: the larger of what the cubic function gives
/// (RFC 9438 §5.1, figure 6) and what NewReno gives (§5.1, figure 5 with RFC 5681's 1 and 1/2),
/// below which CUBIC never stays (§4.3).
fn mean_window(loss: f64, rtt: f64) -> f64 {
    const C: f64 = 0.4;
    const BETA: f64 = 0.7;
    let cubic = (C * (3.0 + BETA) / (4.0 * (1.0 - BETA))).powf(0.25) * (rtt / loss).powf(0.75);
    let reno = (1.5 / loss).sqrt();
    cubic.max(reno)
}

#[test]
fn where_losses_limit_the_rate_it_is_what_the_model_says() {
    let cell = |rate_mbit, rtt_ms, percent| Cell {
        rate_mbit,
        rtt_ms,
        queue: Queue::Full,
        loss: Loss::Random(percent),
        reordering: Reordering::None,
    };
    let cells = [
        cell(10, 50, 1.0),
        cell(10, 200, 1.0),
        cell(100, 5, 1.0),
        cell(100, 50, 0.1),
        cell(100, 50, 1.0),
        cell(100, 50, 3.0),
        cell(100, 200, 0.1),
        cell(1000, 5, 0.1),
    ];
    let measured = run_all(&cells, SEED, |_, _| {}).expect("every cell runs to its end");
    for measured in measured {
        let rtt = measured.cell.rtt_ms as f64 / 1000.0;
        let window = mean_window(measured.cell.loss.percent() / 100.0, rtt);
        let expected = window * SEGMENT_BITS / rtt / 1e6;
        let got = measured.goodput_mbit();
        assert!(
            (got / expected - 1.0).abs() <= TOLERANCE,
            "{}: {got:.2} Mbit/s, the model says {expected:.2}",
            measured.cell
        );
    }
}
