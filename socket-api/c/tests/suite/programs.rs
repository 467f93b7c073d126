//! C programs, compiled by gcc against the committed header, that check the library themselves.

use crate::build::{Folder, compile, root, run};
use std::process::Command;

fn passes(name: &str) {
    let folder = Folder::new(name);
    let source = root().join("tests/programs").join(name).with_extension("c");
    let program = compile(&source, &folder);
    run(Command::new(program).env("LD_LIBRARY_PATH", folder.path()));
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
