//! One program in C, on the kernel's sockets and on those of the library: it prints the same fields in
//! the same places, and every call of its gives the same (`tests/c/full_info.c`).

use crate::build::{Folder, compile_with, compiler, root, run};
use std::path::PathBuf;
use std::process::Command;

fn source() -> PathBuf {
    root().join("../../tests/c/full_info.c")
}

/// What it prints of kernel sockets, in a network namespace of its own; nothing where it may not
/// have one and may be skipped.
fn of_the_kernel(folder: &Folder) -> Option<String> {
    let program = folder.path().join("with_the_kernel");
    run(compiler().arg(source()).arg("-o").arg(&program));
    let inside = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)
            .map(|()| run(&mut Command::new(program)))
    });
    match inside.join().expect("the program ran") {
        Ok(text) => Some(text),
        Err(error) => {
            let may_skip = std::env::var("UMPTCP_ALLOW_SKIP").is_ok_and(|value| value == "1");
            assert!(may_skip, "cannot make a network namespace: {error}");
            eprintln!("SKIPPED: same_fields_in_the_same_places: no network namespace: {error}");
            None
        }
    }
}

/// What it prints of sockets of the library.
fn of_the_library(folder: &Folder) -> String {
    let program = compile_with(&source(), folder, &["-DWITH_UMPTCP"]);
    run(Command::new(program).env("LD_LIBRARY_PATH", folder.path()))
}

/// The lines of one kind.
fn lines<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let wanted = |line: &&str| line.split(' ').next() == Some(kind);
    text.lines().filter(wanted).collect()
}

#[test]
fn same_fields_in_the_same_places() {
    let folder = Folder::new("kernel");
    let ours = of_the_library(&folder);
    let Some(theirs) = of_the_kernel(&folder) else {
        return;
    };
    assert!(lines(&theirs, "rule").len() > 100 && lines(&theirs, "field").len() > 60);
    for kind in ["field", "rule"] {
        let (ours, theirs) = (lines(&ours, kind), lines(&theirs, kind));
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
    }
    // The values of a connection: as many bytes, and what does not depend on time and chance is
    // the same.
    let raws = |text: &str| -> Vec<(String, Vec<u8>)> {
        let raws = lines(text, "raw").into_iter().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (format!("{} {}", words[1], words[2]), bytes(words[3]))
        });
        raws.collect()
    };
    let (ours, theirs) = (raws(&ours), raws(&theirs));
    assert_eq!(ours.len(), theirs.len());
    for ((name, ours), (also, theirs)) in ours.iter().zip(&theirs) {
        assert_eq!((name, ours.len()), (also, theirs.len()));
        for &(structure, from, to) in SAME {
            if name == structure {
                assert_eq!(
                    ours[from..to],
                    theirs[from..to],
                    "{name}, bytes {from} to {to}"
                );
            }
        }
    }
}

/// Bytes of values that both must have, of a connection that has carried five bytes one way and three
/// the other.
const SAME: &[(&str, usize, usize)] = &[
    // Subflows, announcements sent and accepted.
    ("connected MPTCP_INFO", 0, 3),
    // The flags.
    ("connected MPTCP_INFO", 8, 12),
    // From the local addresses to the retransmissions, and all counts of bytes.
    ("connected MPTCP_INFO", 42, 43),
    ("connected MPTCP_INFO", 44, 81),
    // The state, the phase of congestion control, retransmissions, probes, back-off.
    ("connected TCP_INFO", 0, 5),
    // Segments in flight, sacked, lost, sent again.
    ("connected TCP_INFO", 24, 40),
];

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte"))
        .collect()
}
