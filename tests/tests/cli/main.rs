//! The `umptcp` command as users meet it: what it prints where, and its exit status.

mod control;
mod demo;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The command that belongs to this test: cargo puts both under the same directory.
pub(crate) fn umptcp() -> PathBuf {
    let test = std::env::current_exe().expect("path of the test");
    let path = test
        .ancestors()
        .nth(2)
        .expect("target directory")
        .join("umptcp");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --workspace` first, as tests/run does",
        path.display()
    );
    path
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(umptcp());
    command
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("umptcp runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
