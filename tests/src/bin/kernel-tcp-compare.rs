//! Compares the goodput of our TCP with that of the Linux kernel's CUBIC over the same emulated
//! link, in real time, alternating between them.

use clap::Parser;
use serde::Serialize;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;
use umptcp_lab::topology::namespace;
use umptcp_tests::compare::{Conditions, Pairing, Run, median, round, transfer};

/// Compares our TCP with the Linux kernel's over the same emulated link.
///
/// Each run is one connection that sends in one direction for a fixed time, slow start included.
/// Kernel and kernel, and a stack of ours and another, take turns; hosts and path are made anew for
/// each run. Both use their default settings, the kernel with CUBIC. The link drops at random
/// (seeded) what carries data; its queue holds 100 ms unless told otherwise.
///
/// Needs root, or user namespaces, and /dev/net/tun.
#[derive(Debug, Parser)]
struct Options {
    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Rate of the link in Mbit/s, counted over IP packets
    #[arg(long, value_name = "MBIT/S", default_value_t = 50.0, value_parser = positive)]
    rate: f64,

    /// Round-trip time in milliseconds, half of it each way
    #[arg(long, value_name = "MS", default_value_t = 20.0, value_parser = not_negative)]
    rtt: f64,

    /// Packets lost on their way to the receiver, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percentage)]
    loss: f64,

    /// Lose acknowledgments likewise
    #[arg(long)]
    loss_both_ways: bool,

    /// Queue in front of the link, in milliseconds at its rate
    #[arg(long, value_name = "MS", default_value_t = 100.0, value_parser = positive)]
    queue: f64,

    /// Runs of each kind
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,

    /// Duration of a run in seconds
    #[arg(long, value_name = "S", default_value_t = 10.0, value_parser = positive)]
    seconds: f64,

    /// Seed of the first run's losses; those of the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Compare our stack with the kernel at the other end as well, in both roles
    #[arg(long)]
    cross: bool,
}

fn number(text: &str, allowed: impl Fn(f64) -> bool, what: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if f64::is_finite(number) && allowed(number) => Ok(number),
        _ => Err(format!("must be {what}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    // A million of anything is beyond every link, and the sums below stay in range.
    number(
        text,
        |n| n > 0.0 && n <= 1e6,
        "above 0, and a million at most",
    )
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |n| (0.0..=1e6).contains(&n), "0 to a million")
}

fn percentage(text: &str) -> Result<f64, String> {
    number(text, |n| (0.0..=100.0).contains(&n), "0 to 100")
}

impl Options {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the parsers keep the numbers positive, and small enough for these types"
    )]
    fn conditions(&self) -> Conditions {
        let bytes_per_ms = self.rate * 125.0;
        Conditions {
            rate: (self.rate * 1e6).max(1.0) as u64,
            rtt: Duration::from_secs_f64(self.rtt / 1000.0),
            loss: self.loss / 100.0,
            loss_both_ways: self.loss_both_ways,
            queue: (bytes_per_ms * self.queue) as usize,
        }
    }

    fn pairings(&self) -> &'static [Pairing] {
        if self.cross { &ALL } else { &ALL[..2] }
    }
}

const ALL: [Pairing; 4] = [
    Pairing::Kernel,
    Pairing::Ours,
    Pairing::OursToKernel,
    Pairing::KernelToOurs,
];

/// What was measured, as it is printed: medians first, then the conditions and the runs, in the
/// order in which they ran.
#[derive(Debug, Default, Serialize)]
struct Report {
    ours_mbit_s: Option<f64>,
    kernel_mbit_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ours_to_kernel_mbit_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_to_ours_mbit_s: Option<f64>,
    rate_mbit_s: f64,
    rtt_ms: f64,
    loss_percent: f64,
    loss_both_ways: bool,
    queue_bytes: usize,
    seconds: f64,
    runs: Vec<RunReport>,
}

#[derive(Debug, Serialize)]
struct RunReport {
    pairing: &'static str,
    seed: u64,
    mbit_s: f64,
    /// Packets that carried data, or were sent in that direction without any.
    packets: u64,
    lost: u64,
    dropped_by_queue: u64,
    /// Lost outside the link, which should be none.
    dropped_elsewhere: u64,
}

impl RunReport {
    fn new(pairing: Pairing, seed: u64, run: &Run) -> Self {
        let link = run.path.to_server;
        Self {
            pairing: name(pairing),
            seed,
            mbit_s: run.mbit_s(),
            packets: link.sent,
            lost: link.dropped_loss,
            dropped_by_queue: link.dropped_queue,
            dropped_elsewhere: run.path.refused + run.dropped_before_path,
        }
    }
}

const fn name(pairing: Pairing) -> &'static str {
    match pairing {
        Pairing::Ours => "ours",
        Pairing::Kernel => "kernel",
        Pairing::OursToKernel => "ours to kernel",
        Pairing::KernelToOurs => "kernel to ours",
    }
}

impl Report {
    fn median(&self, pairing: Pairing) -> Option<f64> {
        let mbit_s = self
            .runs
            .iter()
            .filter(|run| run.pairing == name(pairing))
            .map(|run| run.mbit_s)
            .collect();
        median(mbit_s)
    }

    fn conclude(&mut self) {
        self.ours_mbit_s = self.median(Pairing::Ours);
        self.kernel_mbit_s = self.median(Pairing::Kernel);
        self.ours_to_kernel_mbit_s = self.median(Pairing::OursToKernel);
        self.kernel_to_ours_mbit_s = self.median(Pairing::KernelToOurs);
    }

    fn print_table(&self, out: &mut impl io::Write, pairings: &[Pairing]) -> io::Result<()> {
        writeln!(
            out,
            "{} Mbit/s, {} ms, {} % loss{}, queue of {} bytes, {} s each",
            self.rate_mbit_s,
            self.rtt_ms,
            self.loss_percent,
            if self.loss_both_ways {
                " both ways"
            } else {
                ""
            },
            self.queue_bytes,
            self.seconds,
        )?;
        writeln!(out, "{:16} {:>14}  runs", "", "median Mbit/s")?;
        for &pairing in pairings {
            let runs: Vec<String> = self
                .runs
                .iter()
                .filter(|run| run.pairing == name(pairing))
                .map(|run| format!("{:.2}", run.mbit_s))
                .collect();
            let median = self.median(pairing).unwrap_or_default();
            writeln!(
                out,
                "{:16} {median:14.2}  {}",
                name(pairing),
                runs.join(" ")
            )?;
        }
        let elsewhere: u64 = self.runs.iter().map(|run| run.dropped_elsewhere).sum();
        if elsewhere > 0 {
            writeln!(
                out,
                "{elsewhere} packets were lost outside the link: the machine was too busy"
            )?;
        }
        Ok(())
    }
}

async fn measure(options: &Options) -> io::Result<Report> {
    let conditions = options.conditions();
    let mut report = Report {
        rate_mbit_s: options.rate,
        rtt_ms: options.rtt,
        loss_percent: options.loss,
        loss_both_ways: options.loss_both_ways,
        queue_bytes: conditions.queue,
        seconds: options.seconds,
        ..Report::default()
    };
    let duration = Duration::from_secs_f64(options.seconds);
    for number in 0..options.runs {
        let seed = options.seed.wrapping_add(number.into());
        for pairing in round(options.pairings(), number.into()) {
            let run = transfer(pairing, conditions, duration, seed)
                .await
                .map_err(|error| io::Error::other(format!("{}: {error}", name(pairing))))?;
            report.runs.push(RunReport::new(pairing, seed, &run));
        }
    }
    report.conclude();
    Ok(report)
}

fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    // Before the first thread: without root, only a process of one may.
    namespace::check_tun_file()?;
    namespace::enter_private_network()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let report = runtime.block_on(measure(options))?;
    let mut out = io::stdout().lock();
    if options.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        report.print_table(&mut out, options.pairings())?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kernel-tcp-compare: {error}");
            ExitCode::FAILURE
        }
    }
}
