//! `umptcp demo`: from the command line to a transfer, and from its outcome to what is printed.

use crate::args::{DemoArgs, PeerArg};
use crate::{BAD_USE, FAILED, refuse};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::process::ExitCode;
use umptcp_lab::capture::SharedCapture;
use umptcp_lab::demo::{self, DemoOptions, Direction, Observer, Peer, Report};
use umptcp_lab::payload::Payload;
use umptcp_lab::topology::Family;
use umptcp_stack::Version;

/// Bytes that are sent if nobody says what to send.
const DEFAULT_SIZE: u64 = 64 << 20;
/// Any seed does: what matters is that blocks differ.
const SEED: u64 = 6824;

pub(crate) fn run(args: &DemoArgs) -> ExitCode {
    let options = match options(args) {
        Ok(options) => options,
        Err(why) => return refuse(BAD_USE, &why),
    };
    let mut progress = Progress::new(options.payload.len());
    let outcome = demo::run(&options, &mut progress);
    progress.finish();
    match outcome {
        Ok(report) => finish(args, &report),
        Err(error) if error.is_bad_use() => refuse(BAD_USE, &error.to_string()),
        Err(error) => {
            if args.json {
                let object = json!({ "intact": false, "error": error.to_string() });
                if let Err(status) = print(&object.to_string()) {
                    return status;
                }
            }
            refuse(FAILED, &error.to_string())
        }
    }
}

/// What the arguments ask for; contradictions that are not about the command line itself are left
/// to the demonstration.
fn options(args: &DemoArgs) -> Result<DemoOptions, String> {
    let payload = match &args.file {
        // Opened here too, so that a file one may not read is bad use and not a failed transfer.
        Some(path) => Payload::file(path)
            .and_then(|payload| payload.open().map(|_| payload))
            .map_err(|error| format!("{} cannot be sent: {error}", path.display()))?,
        None => Payload::generated(SEED, args.size.unwrap_or(DEFAULT_SIZE)),
    };
    let peer = match (args.peer, args.direction) {
        (PeerArg::Kernel, direction) => {
            Peer::Kernel(direction.map_or(Direction::ToKernel, Direction::from))
        }
        (PeerArg::Stack, None) => Peer::Stack,
        (PeerArg::Stack, Some(_)) => return Err("--direction goes with --peer kernel".into()),
    };
    let version = match (args.version, args.peer) {
        (Some(0), _) | (None, PeerArg::Stack) => Version::V0,
        (Some(_), _) | (None, PeerArg::Kernel) => Version::V1,
    };
    let mut options = DemoOptions::new(payload);
    options.peer = peer;
    options.version = version;
    options.checksum = args.checksum;
    options.paths = args.paths.into();
    options.family = if args.ipv6 { Family::V6 } else { Family::V4 };
    options.cuts.clone_from(&args.cut);
    options.links = args.links.into();
    // Before the file is made: a refused command leaves nothing behind.
    options.check().map_err(|error| error.to_string())?;
    if let Some(path) = &args.pcap {
        let capture = File::create(path).and_then(|file| SharedCapture::new(BufWriter::new(file)));
        options.capture = Some(
            capture.map_err(|error| format!("{} cannot be written: {error}", path.display()))?,
        );
    }
    Ok(options)
}

fn finish(args: &DemoArgs, report: &Report) -> ExitCode {
    let text = if args.json {
        match serde_json::to_string(report) {
            Ok(text) => text,
            Err(error) => return refuse(FAILED, &format!("the outcome cannot be told: {error}")),
        }
    } else {
        report.to_string()
    };
    if let Err(status) = print(&text) {
        return status;
    }
    if let Some(why) = &report.capture_error {
        return refuse(FAILED, &format!("the capture is incomplete: {why}"));
    }
    if report.intact {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    }
}

/// Prints on standard output, which may be closed or full.
fn print(text: &str) -> Result<(), ExitCode> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")
        .and_then(|()| output.flush())
        .map_err(|error| refuse(FAILED, &format!("standard output: {error}")))
}

/// A bar on a terminal, nothing elsewhere.
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(total: u64) -> Self {
        if !io::stderr().is_terminal() {
            return Self {
                bar: ProgressBar::hidden(),
            };
        }
        let bar = ProgressBar::new(total);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:40} {bytes} of {total_bytes}  {binary_bytes_per_sec}  {elapsed}",
        ) {
            bar.set_style(style);
        }
        Self { bar }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn notice(&mut self, text: &str) {
        self.bar.suspend(|| eprintln!("umptcp: {text}"));
    }

    fn progress(&mut self, bytes: u64) {
        self.bar.set_position(bytes);
    }
}
