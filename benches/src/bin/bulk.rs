//! Transfers bytes between two endpoints in one thread, and prints how fast that was.
//!
//! `cargo run --release -p umptcp-benches --bin bulk [MiB [variant …]]`

use anyhow::{Context as _, Result, ensure};
use std::time::Instant;
use umptcp_benches::bulk::{Pair, VARIANTS, Variant};

/// Rounds; each runs every variant once, so that slow moments of the machine hit all alike.
const ROUNDS: usize = 5;

/// What a round of one variant gave.
struct Figures {
    gbit_per_second: f64,
    packets_per_second: f64,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mib: u64 = match arguments.next() {
        Some(mib) => mib
            .parse()
            .with_context(|| format!("{mib} is no number of MiB"))?,
        None => 2048,
    };
    let names: Vec<String> = arguments.collect();
    for name in &names {
        let known = VARIANTS.iter().any(|variant| variant.name == name);
        ensure!(
            known,
            "no variant {name}; there are {}",
            VARIANTS.map(|v| v.name).join(", ")
        );
    }
    let chosen = VARIANTS
        .into_iter()
        .filter(|variant| names.is_empty() || names.iter().any(|name| name == variant.name));
    let mut results: Vec<(Variant, Vec<Figures>)> =
        chosen.map(|variant| (variant, Vec::new())).collect();

    for _ in 0..ROUNDS {
        for (variant, figures) in &mut results {
            figures.push(round(*variant, mib << 20).with_context(|| variant.name)?);
        }
    }

    println!("{mib} MiB, median of {ROUNDS} alternating rounds, one thread for both ends");
    for (variant, figures) in results {
        let gbit = median(figures.iter().map(|figures| figures.gbit_per_second));
        let packets = median(figures.iter().map(|figures| figures.packets_per_second));
        println!(
            "{:16} {gbit:7.2} Gbit/s {:9.0} packets/s",
            variant.name, packets
        );
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for reading")]
fn round(variant: Variant, total: u64) -> Result<Figures> {
    let mut pair = Pair::connect(variant)?;
    // Buffers and congestion windows grow to their size.
    pair.transfer(total / 16)?;
    let packets = pair.packets();
    let start = Instant::now();
    pair.transfer(total)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Figures {
        gbit_per_second: total as f64 * 8.0 / 1e9 / seconds,
        packets_per_second: (pair.packets() - packets) as f64 / seconds,
    })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
