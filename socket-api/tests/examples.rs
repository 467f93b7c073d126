//! Runs the examples, which `cargo test` has built, and looks at what they say.

use std::path::PathBuf;
use std::process::Command;

/// What the example prints; it must end well.
fn run(name: &str) -> String {
    // This program is in `deps`, beside the folder of the examples.
    let here = std::env::current_exe().expect("a path of this program");
    let folder: PathBuf = here
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a folder above this program's")
        .join("examples");
    let output = Command::new(folder.join(name)).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot run the example {name}, which `cargo build --examples` makes: {error}")
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name} ends with {}:\n{text}\n{errors}",
        output.status
    );
    text
}

#[test]
fn http_is_served_over_two_paths() {
    let text = run("http_server");
    assert!(text.contains("200 OK Some(16777216)"), "{text}");
    assert!(text.contains("a path is cut"), "{text}");
    assert!(text.contains("16777216 bytes came over"), "{text}");
}

#[test]
fn tls_goes_on_when_a_path_is_cut() {
    let text = run("tls_echo");
    assert!(text.contains("came back over both paths"), "{text}");
    assert!(
        text.contains("came back over the path that is left"),
        "{text}"
    );
    assert!(text.contains("TLSv1_3"), "{text}");
}

#[test]
fn threads_echo_without_async() {
    let text = run("blocking_echo");
    assert!(text.contains("the first path is cut"), "{text}");
    assert!(text.contains("4000000 bytes came back"), "{text}");
}
