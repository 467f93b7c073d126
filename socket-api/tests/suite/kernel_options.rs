//! The options of `SOL_MPTCP` against the kernel: a program in C asks both for layouts and rules
//! (`tests/c/full_info.c`), and the same calls are made on sockets of this stack.

use crate::hosts::{Hosts, soon};
use crate::namespace::in_network_namespace;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::process::Command;
use umptcp::bsd::options::linux::{Field, MPTCP_FULL_INFO, MptcpInfo, SubflowDataHeader, TcpInfo};
use umptcp::bsd::options::{SOL_MPTCP, SocketOptions as _};
use umptcp::bsd::{Errno, IPPROTO_MPTCP, NoMemory, ReceiveFlags, SendFlags, SockAddr, UserMemory};
use umptcp::{Interest, Stack, StackSocket};

/// Where the second of the arrays of `MPTCP_FULL_INFO` and the first begin.
const SUBFLOWS_AT: u64 = 10_000;
const TCP_AT: u64 = 20_000;
/// Where their addresses stand in the value.
const POINTERS_AT: usize = 24;

/// A program that is removed when dropped.
struct Program(PathBuf);

impl Program {
    /// Compiles it.
    fn new() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/c/full_info.c");
        let name = format!("umptcp-full-info-{}", std::process::id());
        let program = Self(std::env::temp_dir().join(name));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let status = Command::new(compiler)
            .args(["-Wall", "-Wextra", "-Werror", "-o"])
            .args([&program.0, &source])
            .status();
        assert!(status.expect("a compiler for C").success());
        program
    }

    /// What it prints.
    fn run(&self) -> String {
        let output = Command::new(&self.0).output().expect("the program");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may never have come to be.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Room for two elements in each array, as in the program.
struct Arrays;

impl UserMemory for Arrays {
    fn read(&self, _: u64, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EFAULT)
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let end = address + bytes.len() as u64;
        let subflows = (SUBFLOWS_AT..SUBFLOWS_AT + 2 * 264).contains(&address);
        let tcp = (TCP_AT..TCP_AT + 2 * 280).contains(&address);
        let inside = (subflows && end <= SUBFLOWS_AT + 2 * 264) || (tcp && end <= TCP_AT + 2 * 280);
        inside.then_some(()).ok_or(Errno::EFAULT)
    }
}

fn fields_of(structure: &str) -> &'static [Field] {
    match structure {
        "mptcp_info" => MptcpInfo::FIELDS,
        "mptcp_subflow_data" => SubflowDataHeader::FIELDS,
        "tcp_info" => TcpInfo::FIELDS,
        other => panic!("{other}"),
    }
}

/// The words of all lines of one kind.
fn lines<'a>(text: &'a str, kind: &str) -> Vec<Vec<&'a str>> {
    let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let of_kind = words.filter(|words| words[0] == kind);
    of_kind.map(|words| words[1..].to_vec()).collect()
}

fn numbers(words: &[&str]) -> Vec<u32> {
    let numbers = words.iter().map(|word| word.parse().expect("a number"));
    numbers.collect()
}

/// Makes the call of a rule: error, length and numbers as the program prints them.
fn try_rule(socket: &StackSocket, option: i32, len: usize, asked: &[u32]) -> Vec<u32> {
    // A buffer in C is larger than its length says; here it is not.
    let mut value = vec![0; len.max(500)];
    for (place, number) in value.chunks_mut(4).zip(asked) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    if option == MPTCP_FULL_INFO {
        let pointers = [SUBFLOWS_AT, TCP_AT].map(u64::to_ne_bytes).concat();
        value[POINTERS_AT..POINTERS_AT + 16].copy_from_slice(&pointers);
    }
    let result = socket.with(|socket, net| {
        socket.getsockopt(net, SOL_MPTCP, option, &mut value[..len], &mut Arrays)
    });
    match result {
        Ok(len) => {
            let told = value.chunks(4).take(asked.len());
            let told = told.map(|one| u32::from_ne_bytes(one.try_into().expect("four bytes")));
            [0, u32::try_from(len).expect("a length")]
                .into_iter()
                .chain(told)
                .collect()
        }
        Err(errno) => vec![u32::try_from(errno as i32).expect("an errno"), 0],
    }
}

fn open(stack: &Stack, protocol: i32) -> StackSocket {
    let socket = stack.socket(libc::AF_INET, libc::SOCK_STREAM, protocol);
    socket.expect("a socket")
}

async fn ready(socket: &StackSocket, readable: bool) {
    let interest = Interest {
        readable,
        writable: !readable,
    };
    soon(poll_fn(|cx| socket.poll_ready(cx, interest))).await;
}

/// Both ends of a connection to a listener of this protocol.
async fn connection(hosts: &Hosts, protocol: i32) -> [StackSocket; 2] {
    let listener = open(&hosts.server, protocol);
    let address = SockAddr::plain(hosts.address());
    listener
        .with(|socket, net| socket.bind(net, address))
        .unwrap();
    listener.with(|socket, net| socket.listen(net, 5)).unwrap();
    let client = open(&hosts.client, IPPROTO_MPTCP);
    let begun = client.with(|socket, net| socket.connect(net, address));
    assert_eq!(begun, Err(Errno::EINPROGRESS));
    ready(&client, false).await;
    ready(&listener, true).await;
    let server = listener.accept().expect("accepted");
    [client, server]
}

async fn send_and_receive(from: &StackSocket, to: &StackSocket, data: &[u8]) {
    let sent = from.with(|socket, net| socket.send(net, data, SendFlags::default()));
    assert_eq!(sent, Ok(data.len()));
    ready(to, true).await;
    let mut buffer = [0; 16];
    let flags = ReceiveFlags::default();
    let read = to.with(|socket, net| socket.receive(net, &mut buffer, flags));
    assert_eq!(read, Ok(data.len()));
    soon(async {
        loop {
            let waiting = from.with(|socket, net| socket.bytes_unacknowledged(net));
            if waiting == Ok(0) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The facts that both must tell of the connection of the program: five bytes one way, three the
/// other.
fn check_infos(info: MptcpInfo, tcp: TcpInfo) {
    assert_eq!((info.bytes_sent, info.bytes_acked), (5, 5));
    assert_eq!((info.bytes_received, info.bytes_retransmitted), (3, 0));
    assert_eq!((info.subflows, info.subflows_total), (0, 1));
    assert_eq!((info.flags, info.csum_enabled, info.retransmits), (2, 0, 0));
    assert_eq!(info.write_seq, info.snd_una);
    assert!(info.token != 0 && info.rcv_nxt != 0 && info.write_seq != 0);
    assert!(info.last_data_sent < 60_000 && info.last_ack_received < 60_000);
    assert_eq!((tcp.state, tcp.congestion_state, tcp.backoff), (1, 0, 0));
    assert_eq!(tcp.options & 7, 7, "timestamps, SACK, window scaling");
    assert_eq!((tcp.unacked, tcp.lost, tcp.retrans), (0, 0, 0));
    assert_eq!((tcp.bytes_sent, tcp.bytes_received), (5, 3));
    assert_eq!((tcp.data_segments_out, tcp.data_segments_in), (1, 1));
    assert_eq!((tcp.bytes_retransmitted, tcp.total_retrans), (0, 0));
    assert!(tcp.rto > 1000 && tcp.snd_mss >= 500 && tcp.advertised_mss >= 500);
    assert!(tcp.snd_cwnd >= 2 && tcp.path_mtu >= 1280 && tcp.rtt > 0);
    assert!(tcp.snd_wnd > 0 && tcp.rcv_wnd > 0);
    assert!(tcp.delivered >= 1 && tcp.segments_out > 1 && tcp.segments_in > 1);
    assert_eq!(tcp.snd_ssthresh, 0x7fff_ffff);
}

/// The bytes of what the kernel tells of its connection.
fn raw(text: &str, option: &str) -> Vec<u8> {
    let raws = lines(text, "raw");
    let of_connection = raws
        .iter()
        .find(|words| words[..2] == ["connected", option]);
    let hex = of_connection.expect("the bytes")[2];
    let bytes = (0..hex.len()).step_by(2);
    bytes
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte"))
        .collect()
}

#[test]
fn layouts_and_rules_are_those_of_the_kernel() {
    in_network_namespace(|| async {
        let text = Program::new().run();
        for words in lines(&text, "field") {
            let [structure, name, offset, size] = words[..] else {
                panic!("{words:?}");
            };
            let fields = fields_of(structure);
            let field = fields.iter().find(|field| field.name == name);
            let field = field.unwrap_or_else(|| panic!("{name}"));
            assert_eq!(field.offset.to_string(), offset, "{name}");
            assert_eq!(field.size.to_string(), size, "{name}");
        }

        // One link, so that there is one subflow as over the kernel's loopback device.
        let hosts = Hosts::start(1);
        let new = open(&hosts.client, IPPROTO_MPTCP);
        let listening = open(&hosts.client, IPPROTO_MPTCP);
        listening.with(|socket, net| socket.listen(net, 5)).unwrap();
        let [connected, peer] = connection(&hosts, IPPROTO_MPTCP).await;
        send_and_receive(&connected, &peer, b"hello").await;
        send_and_receive(&peer, &connected, b"yes").await;
        let others = Hosts::start(1);
        let [fallen, _peer] = connection(&others, libc::IPPROTO_TCP).await;

        let rules = lines(&text, "rule");
        assert!(rules.len() > 100);
        for words in rules {
            let socket = match words[0] {
                "new" => &new,
                "listening" => &listening,
                "connected" => &connected,
                "fallen" => &fallen,
                other => panic!("{other}"),
            };
            let middle = words
                .iter()
                .position(|word| *word == "=")
                .expect("a result");
            let option = words[1].parse().expect("an option");
            let len = words[2].parse().expect("a length");
            let ours = try_rule(socket, option, len, &numbers(&words[3..middle]));
            let theirs = numbers(&words[middle + 1..]);
            // Structures grow with kernels; Linux 6.18 has what we have.
            assert_eq!(ours, theirs, "{words:?}");
        }

        let theirs = (raw(&text, "MPTCP_INFO"), raw(&text, "TCP_INFO"));
        check_infos(
            MptcpInfo::from_bytes(&theirs.0),
            TcpInfo::from_bytes(&theirs.1),
        );
        let mut value = [0; 1000];
        let mut ask = |level, name| {
            let len = connected.getsockopt_with(level, name, &mut value, &mut NoMemory);
            value[..len.expect("an info")].to_vec()
        };
        let ours = (ask(SOL_MPTCP, 1), ask(libc::IPPROTO_TCP, libc::TCP_INFO));
        assert_eq!(
            (ours.0.len(), ours.1.len()),
            (theirs.0.len(), theirs.1.len())
        );
        check_infos(MptcpInfo::from_bytes(&ours.0), TcpInfo::from_bytes(&ours.1));
    });
}
