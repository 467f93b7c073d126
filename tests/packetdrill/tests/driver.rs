//! A program in C that loads the plug-in as the tool does, and is the peer of its stack.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The plug-in. Cargo builds all forms of a library before the integration tests of its package,
/// into the folder of these; only `cargo build` puts it one folder up as well.
fn plug_in() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its program");
    let path = this.with_file_name("libumptcp_packetdrill.so");
    assert!(path.exists(), "{} is not there", path.display());
    path
}

/// The program, compiled once for each run.
fn driver() -> &'static Path {
    static DRIVER: OnceLock<PathBuf> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let fresh = folder.join(format!("driver-{}", std::process::id()));
        let files = [
            "main.c",
            "peer.c",
            "packet.c",
            "connections.c",
            "multipath.c",
            "waiting.c",
            "time.c",
            "limits.c",
        ];
        let built = Command::new("cc")
            .args([
                "-std=gnu11",
                "-D_GNU_SOURCE",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-O1",
                "-o",
            ])
            .arg(&fresh)
            .args(files.map(|file| sources.join(file)))
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler");
        let errors = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{errors}");
        // Another run may be at work with the one of the same name: it keeps its own.
        let program = folder.join("driver");
        std::fs::rename(&fresh, &program).expect("a program can be renamed");
        program
    })
}

fn run(scenario: &str) {
    let run = Command::new("timeout")
        .arg("60")
        .arg(driver())
        .arg(plug_in())
        .arg(scenario)
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{scenario}: {}\n{errors}", run.status);
}

macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*
    };
}

scenarios! {
    tcp_passive,
    tcp_active,
    tcp_refused,
    ipv6,
    vectors_and_messages,
    mptcp_passive,
    mptcp_announces,
    mptcp_falls_back,
    blocked_threads,
    freed,
    readiness,
    edges,
    pipes,
    virtual_time,
    virtual_waits,
    virtual_threads,
    several_addresses,
    settings,
    environment,
    hosts,
    errors,
    bad_packets,
}

#[test]
fn bad_flags() {
    let run = Command::new(driver())
        .arg(plug_in())
        .arg("bad_flags")
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{errors}");
    for told in [
        "\"nowhere\" is no value for the key \"local\"",
        "there is no key \"colour\"",
        "so_flags are no UTF-8",
        "OPT_LOCAL_IP is not set",
    ] {
        assert!(errors.contains(told), "{errors}");
    }
}
