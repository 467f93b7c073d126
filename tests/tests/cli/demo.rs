//! `umptcp demo` as users meet it: what it prints where, and its exit status.

use crate::{run, text, umptcp};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use umptcp_tests::privilege::{current_test, in_private_network};
use umptcp_tests::tshark::CaptureFile;

/// A file of this test, removed at its end.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(content: &[u8]) -> Self {
        let name = format!("umptcp-{}-{}", std::process::id(), current_test());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).expect("temporary file");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Exit status 2, one line on standard error that begins with the command's name and has the
/// reason, and nothing on standard output.
fn assert_bad_use(arguments: &[&str], reason: &str) {
    assert_refused(&run(arguments), reason);
}

fn assert_refused(output: &Output, reason: &str) {
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.starts_with("umptcp: "), "{complaint}");
    assert_eq!(complaint.lines().count(), 1, "{complaint}");
    assert!(complaint.contains(reason), "{complaint}");
    assert!(output.stdout.is_empty());
}

#[test]
fn bad_option_values_are_refused() {
    for (arguments, reason) in [
        (&["--paths", "0"][..], "1..=8"),
        (&["--paths", "9"], "1..=8"),
        (&["--paths", "two"], "invalid value 'two'"),
        (&["--version", "2"], "0..=1"),
        (&["--cut", "1"], "PATH@MS"),
        (&["--cut", "2@10"], "paths are numbered 0 to 1"),
        (&["--paths", "1", "--cut", "0@10"], "cutting every path"),
        (&["--size", "64X"], "not a number of bytes"),
        (&["--peer", "windows"], "possible values: stack, kernel"),
        (
            &["--direction", "to-kernel"],
            "--direction goes with --peer kernel",
        ),
        (&["--peer", "kernel", "--version", "0"], "version 1 only"),
        (
            &["--peer", "kernel", "--links", "in-process"],
            "TUN devices",
        ),
        (
            &["--pcap", "/nonexistent/file"],
            "/nonexistent/file cannot be written",
        ),
        (&["--frobnicate"], "unexpected argument '--frobnicate'"),
        (&["surplus"], "unexpected argument 'surplus'"),
    ] {
        assert_bad_use(&[&["demo"], arguments].concat(), reason);
    }
    assert_bad_use(&["juggle"], "unrecognized subcommand 'juggle'");
}

#[test]
fn files_that_cannot_be_sent_are_refused() {
    assert_bad_use(
        &["demo", "--file", "/nonexistent"],
        "/nonexistent cannot be sent: No such file",
    );
    assert_bad_use(
        &["demo", "--file", "/"],
        "/ cannot be sent: not a regular file",
    );
    in_private_network(|| {
        let file = TemporaryFile::new(b"secret");
        let nobody = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(&file.0, nobody).expect("permissions");
        assert_refused(
            &without_privileges(&["demo", "--file", file.path()]),
            "cannot be sent: Permission denied",
        );
    });
}

/// Runs the command as a user like any other, whoever runs the tests: being root gives it no
/// capability but the one without which Linux lets nobody map the number 0 into a user namespace.
fn without_privileges(arguments: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    command.args([
        "--securebits=+noroot,+noroot_locked",
        "--bounding-set=-all,+setfcap",
    ]);
    command.args(["--inh-caps=-all,+setfcap", "--ambient-caps=-all,+setfcap"]);
    command
        .arg(umptcp())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("setpriv (util-linux)")
}

/// Runs the command where it can have no namespace of its own, not even through another one.
fn without_namespaces(arguments: &[&str]) -> Output {
    const FORBID: &str = "echo 0 > /proc/sys/user/max_user_namespaces &&
        echo 0 > /proc/sys/user/max_net_namespaces && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", FORBID, "sh"]);
    command
        .arg(umptcp())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("unshare (util-linux)")
}

/// The one JSON object on standard output of a run that went well.
fn json(output: &Output) -> Value {
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{complaint}");
    let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON value and no more");
    assert!(object.is_object());
    object
}

/// What `--json` promises, for a transfer of so many bytes over so many subflows.
fn assert_outcome(outcome: &Value, version: u64, bytes: u64, subflows: usize) {
    assert_eq!(outcome["version"], version, "{outcome}");
    assert_eq!(outcome["bytes"], bytes, "{outcome}");
    assert_eq!(outcome["intact"], true, "{outcome}");
    assert!(
        outcome["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0),
        "{outcome}"
    );
    assert!(outcome["goodput_mbit_s"].is_f64(), "{outcome}");
    let listed = outcome["subflows"].as_array().expect("subflows");
    assert_eq!(listed.len(), subflows, "{outcome}");
    let mut carried = 0;
    for subflow in listed {
        for end in ["local", "remote"] {
            let address = subflow[end].as_str().expect("address");
            address.parse::<SocketAddr>().expect("address and port");
        }
        carried += subflow["bytes"].as_u64().expect("bytes");
    }
    assert!(carried >= bytes, "{outcome}");
}

#[test]
fn the_default_run_ends_with_a_table() {
    in_private_network(|| {
        let output = run(&["demo"]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(
            output.stderr.is_empty(),
            "no bar, no notice: {}",
            text(&output.stderr)
        );
        let table = text(&output.stdout);
        assert!(
            table.starts_with("MPTCP version 0 over TUN devices"),
            "{table}"
        );
        for part in [
            "10.77.0.2:",
            "10.77.1.2:",
            "10.78.0.2:5001",
            "10.78.1.2:5001",
            "retransmissions",
        ] {
            assert!(table.contains(part), "{part} in {table}");
        }
        assert!(table.contains("67108864 bytes in"), "{table}");
        assert!(
            table.contains("intact: CRC-32 equal in all 1024 blocks"),
            "{table}"
        );
    });
}

#[test]
fn a_file_is_sent_and_the_outcome_is_one_object() {
    in_private_network(|| {
        let content: Vec<u8> = (0_u32..1_000_000).flat_map(u32::to_le_bytes).collect();
        let file = TemporaryFile::new(&content);
        let output = run(&[
            "demo",
            "--json",
            "--file",
            file.path(),
            "--version",
            "1",
            "--checksum",
        ]);
        let outcome = json(&output);
        assert_outcome(&outcome, 1, 4_000_000, 2);
        assert_eq!(outcome["checksum"], true);
        assert_eq!(outcome["links"], "tun");
    });
}

#[test]
fn an_empty_file_arrives_too() {
    in_private_network(|| {
        let file = TemporaryFile::new(b"");
        let outcome = json(&run(&[
            "demo",
            "--json",
            "--paths",
            "1",
            "--file",
            file.path(),
        ]));
        assert_outcome(&outcome, 0, 0, 1);
    });
}

#[test]
fn a_cut_is_survived_and_reported() {
    in_private_network(|| {
        let outcome = json(&run(&[
            "demo", "--json", "--ipv6", "--size", "128M", "--cut", "1@40",
        ]));
        assert_outcome(&outcome, 0, 128 << 20, 2);
        assert_eq!(outcome["cuts"][0]["path"], 1);
        assert_eq!(outcome["cuts"][0]["during_transfer"], true);
    });
}

#[test]
fn the_kernel_is_a_peer_in_both_directions() {
    in_private_network(|| {
        for direction in ["to-kernel", "from-kernel"] {
            let arguments = [
                "--peer",
                "kernel",
                "--direction",
                direction,
                "--size",
                "16M",
            ];
            let outcome = json(&run(&[&["demo", "--json"][..], &arguments].concat()));
            assert_outcome(&outcome, 1, 16 << 20, 2);
            assert_eq!(outcome["peer"], "kernel");
            assert_eq!(outcome["direction"], direction);
        }
    });
}

#[test]
fn a_capture_has_the_packets_of_all_paths() {
    in_private_network(|| {
        let file = CaptureFile::new();
        let path = file.path().to_str().expect("UTF-8");
        json(&run(&[
            "demo", "--json", "--size", "32M", "--paths", "3", "--pcap", path,
        ]));
        let interfaces: BTreeSet<String> = file
            .rows("tcp", &["frame.interface_name"])
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(interfaces, ["c0", "c1", "c2"].map(str::to_owned).into());
    });
}

#[test]
fn nobody_in_particular_has_tun_devices_through_a_user_namespace() {
    in_private_network(|| {
        let output = without_privileges(&["demo", "--json", "--links", "tun", "--size", "16M"]);
        let outcome = json(&output);
        assert_outcome(&outcome, 0, 16 << 20, 2);
        assert_eq!(outcome["links"], "tun");
    });
}

#[test]
fn without_namespaces_the_same_runs_over_links_in_the_process() {
    in_private_network(|| {
        let output = without_namespaces(&["demo", "--json", "--size", "16M", "--cut", "0@5"]);
        let notice = text(&output.stderr);
        assert!(notice.contains("no private network namespace"), "{notice}");
        assert!(notice.contains("in-process links"), "{notice}");
        assert_eq!(notice.lines().count(), 1, "{notice}");
        let outcome = json(&output);
        assert_outcome(&outcome, 0, 16 << 20, 2);
        assert_eq!(outcome["links"], "in-process");
    });
}

#[test]
fn without_namespaces_what_needs_tun_devices_is_refused_with_a_hint() {
    in_private_network(|| {
        for arguments in [
            &["demo", "--links", "tun"][..],
            &["demo", "--peer", "kernel"],
        ] {
            let output = without_namespaces(arguments);
            assert_refused(
                &output,
                "hint: run as root, or allow unprivileged user namespaces",
            );
        }
    });
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let mut command = Command::new(umptcp());
    command.args(["demo", "--links", "in-process", "--size", "1M"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("umptcp runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("umptcp ends");
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.starts_with("umptcp: standard output: "),
        "{complaint}"
    );
}
