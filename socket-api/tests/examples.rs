//! Runs the examples, which `cargo test` has built, and looks at what they say.

#[path = "common/namespace.rs"]
mod namespace;

use namespace::in_network_namespace;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the example is.
fn path_of(name: &str) -> PathBuf {
    // This program is in `deps`, beside the folder of the examples.
    let here = std::env::current_exe().expect("a path of this program");
    here.parent()
        .and_then(|deps| deps.parent())
        .expect("a folder above this program's")
        .join("examples")
        .join(name)
}

/// What the example prints; it must end well.
fn run(name: &str) -> String {
    let output = Command::new(path_of(name)).output();
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

#[test]
fn options_of_linux_tell_of_both_paths() {
    let text = run("linux_options");
    for part in [
        "net.mptcp.scheduler = roundrobin",
        "MPTCP_INFO of the server: MptcpInfo {",
        "MPTCP_SUBFLOW_ADDRS: 10.0.0.1:",
        "MPTCP_TCPINFO: state 1,",
        "MPTCP_FULL_INFO: token ",
        "MPTcpExtMPCapableSYNTX          1               0.0",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn every_controller_rules_a_running_stack() {
    let text = run("smapp");
    for said in [
        "full-mesh: a subflow that was reset is open again",
        "smart-backup: the bad path was left for the backup",
        "smart-streaming: ten blocks arrived over two paths",
        "refresh: subflows were replaced by others",
        "refreshing-subflows: subflows were replaced by others",
        "delayed-establishment: the second subflow was opened for a long transfer only",
    ] {
        assert!(text.contains(said), "{text}");
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn http_is_served_to_the_kernel() {
    in_network_namespace(|| async {
        let child = Command::new(path_of("http_server"))
            .arg("--tun")
            .stdout(Stdio::piped())
            .spawn();
        let mut server = Running(child.expect("the example http_server"));
        let output = server.0.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert!(line.contains("http://10.9.0.2/body"), "{line}");

        for (address, path, status) in [
            ("10.9.0.2:80", "/body", "HTTP/1.1 200 OK"),
            ("10.9.1.2:80", "/nothing", "HTTP/1.1 404 Not Found"),
        ] {
            let mut stream = TcpStream::connect(address).unwrap();
            let limit = Some(Duration::from_secs(60));
            stream.set_read_timeout(limit).unwrap();
            let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert!(answer.starts_with(status.as_bytes()), "{path}");
            assert_eq!(answer.len() > 16 << 20, path == "/body");
        }
    });
}
