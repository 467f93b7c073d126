//! Runs a command under callgrind and reads what it wrote.
//!
//! Owns the command line of valgrind and the format of its profiles. It never knows what the
//! functions do.

use anyhow::{Context as _, Result, bail, ensure};
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

/// Which copying functions glibc chooses depends on the CPU. Without these features it takes what
/// every x86-64 CPU can do, so that the counts do not depend on it. ERMS is more than a choice:
/// callgrind counts `rep movsb` as an instruction for each byte.
const SAME_FUNCTIONS_ON_EVERY_CPU: &str = "glibc.cpu.hwcaps=\
    -AVX512F,-AVX512VL,-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load,-SSSE3,-ERMS,-FSRM";

/// What the command printed; its profile goes into a file.
///
/// # Errors
/// There is no valgrind, or the command failed.
pub fn profile(program: &Path, arguments: &[&str], profile: &Path) -> Result<String> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--quiet", "--error-exitcode=99"])
        // Names in full and lines by number, at every place: no table to keep while reading.
        .args(["--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(arguments)
        .env("GLIBC_TUNABLES", SAME_FUNCTIONS_ON_EVERY_CPU);
    let output = match valgrind.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("valgrind is not installed (Debian: apt-get install valgrind)")
        }
        output => output.context("valgrind does not start")?,
    };
    ensure!(
        output.status.success(),
        "valgrind: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).context("what the command printed is no text")
}

/// The version of valgrind.
///
/// # Errors
/// There is none.
pub fn version() -> Result<String> {
    let output = Command::new("valgrind").arg("--version").output();
    let output = output.context("valgrind is not installed (Debian: apt-get install valgrind)")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Instructions of all calls of the functions whose name contains `function`, with all that they
/// called. The functions must not call each other.
///
/// # Errors
/// The profile is not one of callgrind with instructions first, or nobody called the function.
pub fn instructions_in(profile: &str, function: &str) -> Result<u64> {
    let events = profile
        .lines()
        .find_map(|line| line.strip_prefix("events:"))
        .context("a profile without events")?;
    ensure!(
        events.split_whitespace().next() == Some("Ir"),
        "a profile of{events} instead of Ir"
    );
    let mut lines = profile.lines();
    let mut total = None;
    let mut callee = "";
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("cfn=") {
            callee = name;
        } else if line.starts_with("calls=") {
            // The next line: where the calls are, and what they cost.
            let cost = lines.next().and_then(|cost| cost.split(' ').nth(1));
            if callee.contains(function) {
                let cost: u64 = cost
                    .and_then(|cost| cost.parse().ok())
                    .with_context(|| format!("calls of {callee} without a cost"))?;
                *total.get_or_insert(0) += cost;
            }
        }
    }
    total.with_context(|| format!("nobody called {function}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the form that callgrind writes with names and lines not compressed.
    const PROFILE: &str = "\
# callgrind format
version: 1
positions: line
events: Ir
summary: 5040

fl=main.rs
fn=app::main
10 5
cfi=hot.rs
cfn=app::measured_read
calls=3 20
12 900
cfn=app::other
calls=1 40
13 70
cfn=app::measured_read
calls=2 20
14 600

fl=hot.rs
fn=app::measured_read
20 15
cfn=app::read
calls=5 30
21 1485
";

    #[test]
    fn the_calls_of_a_function_are_summed_wherever_they_are() {
        assert_eq!(instructions_in(PROFILE, "measured_read").unwrap(), 1500);
        assert_eq!(instructions_in(PROFILE, "app::other").unwrap(), 70);
    }

    #[test]
    fn a_function_that_nobody_called_is_an_error_and_not_nothing() {
        let error = instructions_in(PROFILE, "measured_write").unwrap_err();
        assert_eq!(error.to_string(), "nobody called measured_write");
    }

    #[test]
    fn a_profile_of_something_else_is_refused() {
        let cycles = PROFILE.replace("events: Ir", "events: Cycles Ir");
        assert!(instructions_in(&cycles, "measured_read").is_err());
        let cut = PROFILE.split("12 900").next().unwrap();
        assert!(instructions_in(cut, "measured_read").is_err());
        assert!(instructions_in("", "measured_read").is_err());
    }
}
