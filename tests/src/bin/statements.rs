//! Prints the protocol statements and the tests that carry them.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use umptcp_tests::statements::{Report, scan_workspace};

fn main() -> ExitCode {
    // The workspace that this was built in.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let scan = match scan_workspace(&root) {
        Ok(scan) => scan,
        Err(error) => {
            eprintln!("statements: the sources cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    let report = Report::new(&scan);
    match io::stdout().write_all(report.to_string().as_bytes()) {
        // A reader that has seen enough is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("statements: {error}");
            return ExitCode::FAILURE;
        }
        Ok(()) | Err(_) => {}
    }
    if report.is_good() {
        return ExitCode::SUCCESS;
    }
    for error in report.errors() {
        eprintln!("statements: {error}");
    }
    let missing: Vec<String> = report.missing().iter().map(u32::to_string).collect();
    if !missing.is_empty() {
        eprintln!(
            "statements: neither test nor reason: {}",
            missing.join(", ")
        );
    }
    ExitCode::FAILURE
}
