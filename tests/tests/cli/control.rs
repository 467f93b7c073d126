//! The commands for a running stack: `ss`, `monitor`, `endpoint`, `limits`, `subflow`, `nstat`.

use crate::{run, text, umptcp};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;
use umptcp::control_socket::ControlServer;
use umptcp::{
    ConnectionConfig, MemoryDevice, MptcpListener, MptcpStream, PathManagerKind, Stack, SubflowId,
};
use umptcp_tests::privilege::{cannot_run, current_test};

const PORT: u16 = 4000;

fn client_address(link: u8) -> IpAddr {
    [10, 0, link, 1].into()
}

fn server_address(link: u8) -> IpAddr {
    [10, 0, link, 2].into()
}

/// A stack with a connection over the first of two links, and its control socket.
struct Ruled {
    runtime: Runtime,
    stack: Stack,
    peer: Stack,
    listener: MptcpListener,
    stream: MptcpStream,
    _far: MptcpStream,
    control: Option<ControlServer>,
    folder: PathBuf,
}

/// Nothing happens by itself but what the endpoints say.
fn config() -> ConnectionConfig {
    ConnectionConfig {
        path_manager: PathManagerKind::Endpoints,
        ..ConnectionConfig::default()
    }
}

impl Ruled {
    fn new() -> Self {
        let name = format!("umptcp-{}-{}", std::process::id(), current_test());
        let folder = std::env::temp_dir().join(name.replace("::", "-"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let runtime = Runtime::new().expect("a runtime");
        let _inside = runtime.enter();
        let (mut stack, mut peer) = (Stack::builder(), Stack::builder());
        for link in 0..2 {
            let (one, other) = MemoryDevice::pair(1500);
            stack = stack.interface(one, [client_address(link)]);
            peer = peer.interface(other, [server_address(link)]);
        }
        let (stack, peer) = (
            stack.start().expect("a stack"),
            peer.start().expect("a stack"),
        );
        let address = SocketAddr::new(server_address(0), PORT);
        let listener = peer
            .listen(([0, 0, 0, 0], PORT).into(), config())
            .expect("listening");
        let (stream, far) = runtime.block_on(async {
            let connecting = stack.connect_with(None, address, config());
            let (stream, far) = tokio::join!(connecting, listener.accept());
            let (mut stream, mut far) = (stream.expect("connected"), far.expect("accepted").0);
            // Subflows can be added once data has been acknowledged both ways.
            let mut buffer = [0; 4];
            stream.write_all(b"ping").await.expect("written");
            far.read_exact(&mut buffer).await.expect("read");
            far.write_all(b"pong").await.expect("written");
            stream.read_exact(&mut buffer).await.expect("read");
            (stream, far)
        });
        let control = stack
            .serve_control(folder.join("control"))
            .expect("a control socket");
        Self {
            stack,
            peer,
            listener,
            stream,
            _far: far,
            control: Some(control),
            folder,
            runtime,
        }
    }

    fn socket(&self) -> String {
        let path = self.folder.join("control");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// What a command prints that succeeds.
    fn ask(&self, words: &[&str]) -> String {
        let socket = self.socket();
        let output = run(&[words, &["--socket", &socket]].concat());
        let said = text(&output.stderr);
        assert_eq!(
            (output.status.code(), said.as_str()),
            (Some(0), ""),
            "{words:?}"
        );
        text(&output.stdout)
    }

    /// What a command says that fails so.
    fn refused(&self, words: &[&str], status: i32) -> String {
        let socket = self.socket();
        let output = run(&[words, &["--socket", &socket]].concat());
        assert_eq!(output.status.code(), Some(status), "{words:?}");
        let said = text(&output.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    }

    fn token(&self) -> String {
        format!("{:x}", self.stream.info().token.expect("MPTCP is spoken"))
    }

    /// Waits until there are so many subflows that work.
    fn wait_for_subflows(&self, count: usize) {
        self.runtime.block_on(async {
            let usable = || {
                let subflows = self.stream.subflows();
                let open = subflows.iter().filter(|subflow| subflow.fully_established);
                open.filter(|subflow| subflow.closed.is_none()).count()
            };
            tokio::time::timeout(Duration::from_secs(60), async {
                while usable() != count {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            })
            .await
            .expect("that many subflows");
        });
    }

    fn monitor(&self, words: &[&str]) -> Monitor {
        let socket = self.socket();
        let mut child = Command::new(umptcp())
            .args([&["monitor"], words, &["--socket", &socket]].concat())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("umptcp monitor runs");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        Monitor { child, lines }
    }
}

impl Drop for Ruled {
    fn drop(&mut self) {
        drop(self.control.take());
        self.runtime.block_on(async {
            self.stack.stop().await;
            self.peer.stop().await;
        });
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A monitor that runs.
struct Monitor {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Monitor {
    /// The next line that has this in it.
    fn wait_for(&mut self, part: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("a line");
            assert_ne!(read, 0, "no line with {part}: {seen}");
            if line.contains(part) {
                return line;
            }
            seen += &line;
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ss_shows_sockets_and_their_subflows() {
    let ruled = Ruled::new();
    let plain = ruled.ask(&["ss"]);
    let mut lines = plain.lines();
    assert!(
        lines.next().is_some_and(|head| head.starts_with("State")),
        "{plain}"
    );
    let line = lines.next().expect("a socket");
    assert!(
        line.starts_with("ESTAB") && line.contains("10.0.0.2:4000"),
        "{line}"
    );
    let detailed = ruled.ask(&["ss", "-i"]);
    for part in [
        &format!("remote_key token:{} ", ruled.token()),
        " bytes_sent:4 bytes_received:4 bytes_acked:4 subflows_total:1 ",
        "path_manager:kernel",
        "tcp-ulp-mptcp flags:Mmec token:0000(id:0)/0000(id:0)",
    ] {
        assert!(detailed.contains(part), "{part}: {detailed}");
    }
    let json: Value = serde_json::from_str(&ruled.ask(&["ss", "--json"])).expect("JSON");
    assert_eq!(json[0]["state"], "ESTAB");
    assert_eq!(json[0]["subflows"][0]["remote"], "10.0.0.2:4000");
    // This side does not listen.
    assert_eq!(ruled.ask(&["ss", "--listening"]).lines().count(), 1);
}

#[test]
fn subflows_are_opened_changed_and_closed_and_the_monitor_tells() {
    let ruled = Ruled::new();
    let mut monitor = ruled.monitor(&["--known"]);
    let token = ruled.token();
    let known = monitor.wait_for("ESTABLISHED");
    assert!(known.contains(&format!("token={token:0>8}")), "{known}");
    let opened = ruled.ask(&[
        "subflow",
        "open",
        &token,
        "--to",
        "10.0.1.2:0",
        "--from",
        "10.0.1.1",
    ]);
    assert_eq!(opened, "subflow 1\n");
    let line = monitor.wait_for("[SF_ESTABLISHED");
    assert!(
        line.contains("saddr4=10.0.1.1 daddr4=10.0.1.2") && line.contains("dport=4000"),
        "{line}"
    );
    ruled.wait_for_subflows(2);
    let second = ruled.stream.control().subflow(SubflowId::INITIAL);
    assert!(!second.info().expect("the initial subflow").backup);
    let subflows = ruled.stream.subflows();
    let (local, remote) = (
        subflows[1].local.to_string(),
        subflows[1].remote.to_string(),
    );
    ruled.ask(&["subflow", "backup", &token, &local, &remote, "on"]);
    assert!(ruled.stream.subflows()[1].backup_asked_by_us);
    ruled.ask(&["subflow", "close", &token, &local, &remote]);
    let line = monitor.wait_for("[SF_CLOSED");
    assert!(line.contains("daddr4=10.0.1.2"), "{line}");
    let gone = ruled.refused(&["subflow", "close", &token, &local, &remote], 1);
    assert!(gone.contains("No such process"), "{gone}");
    ruled.stream.abort();
    monitor.wait_for("[CLOSED");
}

#[test]
fn endpoints_and_limits_are_those_of_the_path_manager() {
    let ruled = Ruled::new();
    assert_eq!(ruled.ask(&["limits"]), "add_addr_accepted 0 subflows 2\n");
    ruled.ask(&["limits", "set", "subflow", "3", "add_addr_accepted", "1"]);
    assert_eq!(
        ruled.ask(&["limits", "show"]),
        "add_addr_accepted 1 subflows 3\n"
    );
    let too_high = ruled.refused(&["limits", "set", "subflow", "9"], 1);
    assert!(too_high.contains("Invalid argument"), "{too_high}");

    assert_eq!(ruled.ask(&["endpoint"]), "");
    ruled.ask(&[
        "endpoint", "add", "10.0.1.1", "dev", "if1", "id", "4", "subflow", "backup",
    ]);
    assert_eq!(
        ruled.ask(&["endpoint", "show"]),
        "10.0.1.1 id 4 subflow backup dev if1\n"
    );
    // Live connections use it.
    ruled.wait_for_subflows(2);
    assert!(ruled.stream.subflows()[1].backup);
    ruled.ask(&["endpoint", "change", "id", "4", "nobackup"]);
    assert_eq!(
        ruled.ask(&["endpoint", "show", "id", "4"]),
        "10.0.1.1 id 4 subflow dev if1\n"
    );
    for (words, why) in [
        (&["endpoint", "add", "10.0.1.1"][..], "File exists"),
        (
            &["endpoint", "add", "10.0.0.1", "id", "4"],
            "Device or resource busy",
        ),
        (
            &["endpoint", "add", "10.0.0.1", "port", "80"],
            "Invalid argument",
        ),
        (&["endpoint", "add", "10.0.0.1", "dev", "if9"], "if0, if1"),
        (&["endpoint", "delete", "id", "9"], "Invalid argument"),
        (
            &["endpoint", "change", "id", "9", "backup"],
            "no such endpoint",
        ),
        (&["endpoint", "show", "id", "9"], "no endpoint with id 9"),
    ] {
        let said = ruled.refused(words, 1);
        assert!(said.contains(why), "{words:?}: {said}");
    }
    ruled.ask(&["endpoint", "delete", "id", "4"]);
    ruled.wait_for_subflows(1);
    ruled.ask(&["endpoint", "add", "10.0.1.1", "signal"]);
    ruled.ask(&["endpoint", "flush"]);
    assert_eq!(ruled.ask(&["endpoint", "show"]), "");
}

#[test]
fn counters_have_the_names_of_the_kernel() {
    let ruled = Ruled::new();
    let counted = ruled.ask(&["nstat"]);
    assert!(counted.starts_with("#umptcp\n"), "{counted}");
    let line = counted
        .lines()
        .find(|line| line.starts_with("MPTcpExtMPCapableSYNTX "));
    let value = line.and_then(|line| line.split_whitespace().nth(1));
    assert_eq!(value, Some("1"), "{counted}");
    assert!(!counted.contains("MPTcpExtMPJoinSynTx "), "zero: {counted}");
    let all = ruled.ask(&["nstat", "--zeros", "--json"]);
    let all: Value = serde_json::from_str(&all).expect("JSON");
    assert_eq!(all["MPTcpExtMPJoinSynTx"], 0);
    let known = ruled.stack.mptcp_counters().iter().count();
    assert_eq!(all.as_object().map(serde_json::Map::len), Some(known));
    let one = ruled.ask(&["nstat", "MPCurrEstab"]);
    assert_eq!(one.lines().count(), 2, "{one}");
}

#[test]
fn bad_use_and_a_stack_that_is_not_there() {
    let ruled = Ruled::new();
    for words in [
        &["endpoint", "add"][..],
        &["endpoint", "burn"],
        &["limits", "set"],
        &["subflow", "open", "xyz", "--to", "10.0.0.1:1"],
        &["subflow", "open", "12", "--to", "nowhere"],
        &[
            "subflow",
            "backup",
            "12",
            "10.0.0.1:1",
            "10.0.0.2:1",
            "maybe",
        ],
        &["ss", "--all", "--listening"],
        &["monitor", "--count", "-1"],
    ] {
        ruled.refused(words, 2);
    }
    let unknown = ruled.refused(&["subflow", "open", "12", "--to", "10.0.1.2:0"], 1);
    assert!(unknown.contains("Invalid request descriptor"), "{unknown}");
    let nobody = run(&["ss", "--socket", "/nonexistent/umptcp.sock"]);
    assert_eq!(nobody.status.code(), Some(1));
    let said = text(&nobody.stderr);
    assert!(
        said.contains("no stack runs") && said.lines().count() == 1,
        "{said}"
    );
    // The monitor of a stack that stops ends by itself.
    let mut monitor = ruled.monitor(&["--known"]);
    monitor.wait_for("[ESTABLISHED");
    let listening = ruled.listener.local_addr().port();
    assert_eq!(listening, PORT);
    drop(ruled);
    assert!(monitor.child.wait().expect("it ends").success());
}

/// Whatever the file system says: here somebody has opened the file to everybody.
#[test]
fn another_user_is_turned_away() {
    /// Nobody in particular.
    const NOBODY: u32 = 65534;

    let ruled = Ruled::new();
    let socket = ruled.socket();
    let open_to_all = |path: &str, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    open_to_all(ruled.folder.to_str().expect("UTF-8"), 0o755);
    // Where nobody can run it: the folder of the build may be closed to others.
    let program = ruled.folder.join("umptcp");
    std::fs::copy(umptcp(), &program).expect("a copy");
    let ask = || {
        let mut command = Command::new(&program);
        command.args(["ss", "--socket", &socket]).uid(NOBODY);
        command.output()
    };
    let closed = match ask() {
        Ok(output) => output,
        Err(error) => return cannot_run(&current_test(), &format!("another user: {error}")),
    };
    assert_eq!(closed.status.code(), Some(1));
    open_to_all(&socket, 0o666);
    let turned_away = ask().expect("it runs");
    assert_eq!(turned_away.status.code(), Some(1));
    let said = text(&turned_away.stderr);
    assert!(said.contains("belongs to another user"), "{said}");
    assert_eq!(text(&turned_away.stdout), "");
    // Its own user is served all the same.
    ruled.ask(&["ss"]);
}
