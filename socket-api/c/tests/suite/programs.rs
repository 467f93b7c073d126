//! C programs, compiled by gcc against the committed header, that check the library themselves.

use crate::build::{Folder, compile, root, run};
use std::process::Command;

fn passes(name: &str) {
    let folder = Folder::new(name);
    run(&mut program(name, &folder));
}

fn program(name: &str, folder: &Folder) -> Command {
    let source = root().join("tests/programs").join(name).with_extension("c");
    let mut command = Command::new(compile(&source, folder));
    command.env("LD_LIBRARY_PATH", folder.path());
    command
}

#[test]
fn layouts_and_numbers_are_those_that_were_decided() {
    passes("layouts");
}

#[test]
fn ordinary_calls_work_on_descriptors() {
    passes("echo");
}

#[test]
fn every_error_has_its_number_and_nothing_crashes() {
    passes("errors");
}

#[test]
fn closing_frees_everything() {
    passes("leaks");
}

#[test]
fn subflows_are_ruled_by_names_and_by_numbers() {
    passes("subflows");
}

#[test]
fn open_descriptors_are_devices() {
    passes("devices");
}

#[test]
fn tun_devices_lead_to_the_kernel() {
    /// What the program ends with where it may not make a network namespace.
    const NOT_ALLOWED: i32 = 77;

    let folder = Folder::new("tun");
    let output = program("tun", &folder).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let may_skip = std::env::var("UMPTCP_ALLOW_SKIP").is_ok_and(|value| value == "1");
    if output.status.code() == Some(NOT_ALLOWED) && may_skip {
        eprintln!("SKIPPED: tun_devices_lead_to_the_kernel: {errors}");
        return;
    }
    assert!(output.status.success(), "{}: {errors}", output.status);
}
