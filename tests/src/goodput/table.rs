//! Measurements as text and as JSON.

use super::cell::{Loss, Queue, Reordering};
use super::floor;
use super::measure::Measured;
use serde_json::{Value, json as value};
use std::fmt::Write as _;

/// The columns: kind and percent of the loss.
const COLUMNS: [(Loss, &str); 7] = [
    (Loss::None, "no loss"),
    (Loss::Random(0.1), "random 0.1%"),
    (Loss::Random(1.0), "random 1%"),
    (Loss::Random(3.0), "random 3%"),
    (Loss::Burst(0.1), "burst 0.1%"),
    (Loss::Burst(1.0), "burst 1%"),
    (Loss::Burst(3.0), "burst 3%"),
];
const WIDTH: usize = 12;

/// The cell with the lowest share, the first of several.
#[must_use]
pub fn lowest(measured: &[Measured]) -> Option<&Measured> {
    measured.iter().min_by(|a, b| a.share.total_cmp(&b.share))
}

/// A row for each path, a column for each loss, shares with so many decimals; at the end the
/// lowest cell.
#[must_use]
pub fn table(measured: &[Measured], decimals: usize) -> String {
    let mut text = format!(
        "{:>6} {:>6} {:>5} {:>9}",
        "Mbit/s", "RTT ms", "queue", "reordered"
    );
    for (_, name) in COLUMNS {
        let _ = write!(text, "{name:>WIDTH$}");
    }
    text.push('\n');
    for row in measured.chunk_by(|a, b| path(a) == path(b)) {
        let (rate, rtt, queue, reordering) = path(&row[0]);
        let reordered = match reordering {
            Reordering::None => "-",
            Reordering::TenPercent => "10%",
        };
        let queue = queue.factor();
        let mut line = format!("{rate:>6} {rtt:>6} {queue:>5} {reordered:>9}");
        for (loss, _) in COLUMNS {
            let cell = row.iter().find(|measured| measured.cell.loss == loss);
            let share = cell.map_or_else(String::new, |cell| format!("{:.decimals$}", cell.share));
            let _ = write!(line, "{share:>WIDTH$}");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some(lowest) = lowest(measured) {
        let _ = writeln!(
            text,
            "lowest: {:.decimals$} at {}",
            lowest.share, lowest.cell
        );
    }
    text
}

fn path(measured: &Measured) -> (u64, u64, Queue, Reordering) {
    let cell = measured.cell;
    (cell.rate_mbit, cell.rtt_ms, cell.queue, cell.reordering)
}

/// All measurements as one object.
#[must_use]
pub fn json(measured: &[Measured], seed: u64) -> Value {
    value!({
        "seed": seed,
        "cells": measured.iter().map(cell).collect::<Vec<_>>(),
        "lowest": lowest(measured).map(cell),
    })
}

fn cell(measured: &Measured) -> Value {
    let cell = measured.cell;
    let (sent, lost) = measured.packets;
    value!({
        "rate_mbit_s": cell.rate_mbit,
        "rtt_ms": cell.rtt_ms,
        "queue_bdp": cell.queue.factor(),
        "queue_bytes": cell.queue_bytes(),
        "loss": cell.loss.kind(),
        "loss_percent": cell.loss.percent(),
        "reordered": cell.reordering == Reordering::TenPercent,
        "counted_s": cell.counted().as_secs_f64(),
        "share": measured.share,
        "goodput_mbit_s": measured.goodput_mbit(),
        "floor": floor(&cell),
        "retransmissions": measured.retransmissions,
        "timeouts": measured.timeouts,
        "packets_sent": sent,
        "packets_lost": lost,
    })
}
