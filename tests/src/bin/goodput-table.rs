//! Prints the table of `umptcp_tests::goodput`.

use clap::Parser;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;
use umptcp_tests::goodput::{self, Grid};

/// Goodput of one TCP connection as a share of the link rate, in virtual time.
///
/// A share is payload in order at the receiving application over the raw rate of the link, which
/// counts whole IP packets: at most 0.965. Start-up is not counted.
#[derive(Debug, Parser)]
struct Arguments {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Run every combination.
    #[arg(long)]
    full: bool,
    /// Run only cells whose name contains this, for example "1000 Mbit/s, RTT 50 ms".
    #[arg(long, value_name = "TEXT")]
    cell: Option<String>,
    /// Everything random grows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match print(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("goodput-table: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn print(arguments: &Arguments) -> Result<(), String> {
    let grid = if arguments.full {
        Grid::Full
    } else {
        Grid::Default
    };
    let mut cells = goodput::cells(grid);
    if let Some(text) = &arguments.cell {
        cells.retain(|cell| cell.to_string().contains(text));
    }
    if cells.is_empty() {
        return Err("no cell has such a name".into());
    }
    let begin = Instant::now();
    let measured = goodput::run_all(&cells, arguments.seed, |measured, done| {
        let (seconds, count) = (begin.elapsed().as_secs(), cells.len());
        eprintln!(
            "{seconds:>4} s  {done:>3}/{count}  {:.3}  {}",
            measured.share, measured.cell
        );
    })?;
    let text = if arguments.json {
        format!("{}\n", goodput::json(&measured, arguments.seed))
    } else {
        goodput::table(&measured, 3)
    };
    // A reader that has seen enough is no failure.
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}
