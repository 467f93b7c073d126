//! Counts the instructions of the hot path with callgrind and compares them with the record.
//!
//! `cargo run --release -p umptcp-benches --bin instruction-counts [-- --record]`
//!
//! Fails if a scenario needs more than the tolerance above its record; `--record` writes the
//! record instead. The profiles stay beside the command, for `callgrind_annotate`.

use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use umptcp_benches::bulk::Variant;
use umptcp_benches::callgrind;
use umptcp_benches::hot_path::{self, VARIANTS};
use umptcp_benches::operation::Operation;
use umptcp_benches::record::{self, Change, Record, Row, TOLERANCE_PERCENT};

/// Rounds of a run: 10,240 data segments.
const ROUNDS: usize = 160;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        // What callgrind looks at.
        ["run", name] => run(name).map(|()| ExitCode::SUCCESS),
        [] => compare_with_record(),
        ["--record"] => {
            let path = record::path();
            measure()?.write(&path)?;
            println!("recorded in {}", path.display());
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("arguments: none, or --record"),
    }
}

/// Prints a line for each operation: its name and how often it was done.
fn run(name: &str) -> Result<()> {
    let variant = VARIANTS.into_iter().find(|variant| variant.name == name);
    let counts = hot_path::run(variant.context("no such variant")?, ROUNDS)?;
    for operation in Operation::ALL {
        println!("{} {}", operation.name(), counts.of(operation));
    }
    Ok(())
}

fn compare_with_record() -> Result<ExitCode> {
    let recorded = Record::read(&record::path())?;
    let measured = measure()?;
    let rows = record::compare(&recorded.instructions, &measured.instructions);
    println!("instructions for each operation");
    println!("{:26} {:>8} {:>8}", "scenario", "recorded", "now");
    for row in &rows {
        print_row(row);
    }
    for (tool, version) in &measured.measured_with {
        let before = recorded.measured_with.get(tool);
        if before != Some(version) {
            let before = before.map_or("nothing", String::as_str);
            println!("note: recorded with {before}, measured with {version}");
        }
    }
    let failed = rows.iter().filter(|row| row.change.is_failure()).count();
    if failed > 0 {
        println!("{failed} of {} scenarios failed", rows.len());
        return Ok(ExitCode::FAILURE);
    }
    println!("no scenario needs {TOLERANCE_PERCENT} % more than recorded");
    Ok(ExitCode::SUCCESS)
}

fn print_row(row: &Row) {
    let number = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |c| c.to_string());
    let change = match row.change {
        Change::Little(percent) => format!("{percent:+.1} %"),
        Change::Grew(percent) => format!("{percent:+.1} %  too much"),
        Change::Shrank(percent) => format!("{percent:+.1} %  better: --record it"),
        Change::New => "not in the record: --record it".to_owned(),
        Change::Gone => "gone: --record it".to_owned(),
    };
    println!(
        "{:26} {:>8} {:>8} {change}",
        row.scenario,
        number(row.recorded),
        number(row.measured)
    );
}

fn measure() -> Result<Record> {
    ensure!(
        !cfg!(debug_assertions),
        "only optimised code is worth counting: run with --release"
    );
    let mut measured = Record {
        measured_with: measured_with()?,
        instructions: BTreeMap::new(),
    };
    let program = std::env::current_exe()?;
    for variant in VARIANTS {
        let counts = measure_variant(&program, variant).with_context(|| variant.name)?;
        measured.instructions.extend(counts);
    }
    Ok(measured)
}

fn measure_variant(program: &Path, variant: Variant) -> Result<Vec<(String, u64)>> {
    let path = program.with_extension(format!("{}.callgrind", variant.name));
    let printed = callgrind::profile(program, &["run", variant.name], &path)?;
    let profile = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut result = Vec::new();
    for operation in Operation::ALL {
        let times = printed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(name, _)| *name == operation.name())
            .and_then(|(_, times)| times.parse::<u64>().ok())
            .filter(|&times| times > 0)
            .with_context(|| format!("{} was not done", operation.name()))?;
        let instructions = callgrind::instructions_in(&profile, operation.function())?;
        let each = (instructions + times / 2) / times;
        result.push((record::scenario(variant.name, operation), each));
    }
    Ok(result)
}

/// What the counts also depend on.
fn measured_with() -> Result<BTreeMap<String, String>> {
    let first_line = |program: &str, argument| -> Result<String> {
        let output = Command::new(program).arg(argument).output();
        let output = output.with_context(|| program.to_owned())?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    };
    Ok(BTreeMap::from([
        ("rustc".to_owned(), first_line("rustc", "--version")?),
        (
            "libc".to_owned(),
            first_line("getconf", "GNU_LIBC_VERSION")?,
        ),
        ("valgrind".to_owned(), callgrind::version()?),
    ]))
}
