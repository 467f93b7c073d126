//! What upstream Linux tells of an MPTCP socket, told by this stack: the four options of `SOL_MPTCP`,
//! `TCP_INFO`, the sysctls `net.mptcp.*` and the counters `MPTcpExt`, over two paths.
//!
//! ```console
//! $ cargo run -p umptcp --example linux_options
//! ```

use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;
use umptcp::bsd::options::SocketOptions as _;
use umptcp::bsd::options::linux::{self, mib};
use umptcp::bsd::{Errno, Family, IPPROTO_MPTCP, ReceiveFlags, SendFlags, SockAddr};
use umptcp::{Interest, MemoryDevice, MptcpCounter, Stack, StackSocket};

/// Whatever goes wrong ends the example.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const ADDRESS: &str = "10.0.0.2:8080";
const LEN: usize = 200_000;

const READABLE: Interest = Interest {
    readable: true,
    writable: false,
};
const WRITABLE: Interest = Interest {
    readable: false,
    writable: true,
};

#[tokio::main]
async fn main() -> Outcome<()> {
    let (client_host, server_host) = hosts()?;
    show_sysctls(&client_host)?;

    let listener = open(&server_host)?;
    let address = SockAddr::plain(ADDRESS.parse()?);
    listener.with(|socket, net| socket.bind(net, address))?;
    listener.with(|socket, net| socket.listen(net, 1))?;
    let client = open(&client_host)?;
    client.setsockopt(libc::IPPROTO_TCP, libc::TCP_CONGESTION, b"reno")?;
    match client.with(|socket, net| socket.connect(net, address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    poll_fn(|cx| client.poll_ready(cx, WRITABLE)).await;
    poll_fn(|cx| listener.poll_ready(cx, READABLE)).await;
    let server = listener.accept()?;

    wait_for_both_paths(&client, &server).await?;
    transfer(&client, &server).await?;
    check(linux::is_mptcp(&client)?, "MPTCP is in use")?;
    show_infos(&client, &server)?;
    show_counters(&client_host)
}

/// A client and a server with two links between them.
fn hosts() -> Outcome<(Stack, Stack)> {
    let (mut client, mut server) = (Stack::builder(), Stack::builder());
    for link in 0..2 {
        let (one, other) = MemoryDevice::pair(1500);
        client = client.interface(one, [[10, 0, link, 1].into()]);
        server = server.interface(other, [[10, 0, link, 2].into()]);
    }
    Ok((client.start()?, server.start()?))
}

fn open(host: &Stack) -> Outcome<StackSocket> {
    let family = Family::V4.number();
    Ok(host.socket(family, libc::SOCK_STREAM, IPPROTO_MPTCP)?)
}

fn check(is_so: bool, what: &str) -> Outcome<()> {
    if is_so {
        Ok(())
    } else {
        Err(format!("it is not so that {what}").into())
    }
}

/// Settings of the whole stack, by the names of Linux.
fn show_sysctls(host: &Stack) -> Outcome<()> {
    host.with_net(|net| net.set_sysctl("net.mptcp.scheduler", "roundrobin"))?;
    let refused = host.with_net(|net| net.set_sysctl("net.mptcp.enabled", "2"));
    check(refused == Err(Errno::EINVAL), "`enabled` is 0 or 1")?;
    let all = host.with_net(|net| Ok::<_, Errno>(net.sysctls()))?;
    for (name, value) in &all {
        println!("{name} = {value}");
    }
    let set = ("net.mptcp.scheduler".to_owned(), "roundrobin".to_owned());
    check(all.contains(&set), "the scheduler was set")
}

/// Looks again and again until a subflow over the second link is established at both ends.
async fn wait_for_both_paths(client: &StackSocket, server: &StackSocket) -> Outcome<()> {
    let second: SocketAddr = "10.0.1.2:8080".parse()?;
    for _ in 0..2000 {
        let full = linux::full_info(client)?;
        let mut subflows = full.subflows.iter().zip(&full.tcp);
        let joined = |(subflow, tcp): (&linux::NumberedSubflow, &linux::TcpInfo)| {
            subflow.addresses.remote == second && tcp.state == 1
        };
        if subflows.any(joined) && linux::mptcp_info(server)?.subflows_total >= 2 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err("the second path was not found".into())
}

async fn transfer(from: &StackSocket, to: &StackSocket) -> Outcome<()> {
    let data = vec![7; LEN];
    let sending = async {
        let mut sent = 0;
        while sent < LEN {
            let rest = &data[sent..];
            let flags = SendFlags::default();
            match from.with(|socket, net| socket.send(net, rest, flags)) {
                Ok(more) => sent += more,
                Err(Errno::EAGAIN) => {
                    poll_fn(|cx| from.poll_ready(cx, WRITABLE)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    let receiving = async {
        let mut received = 0;
        let mut buffer = vec![0; 65536];
        while received < LEN {
            let flags = ReceiveFlags::default();
            match to.with(|socket, net| socket.receive(net, &mut buffer, flags)) {
                Ok(more) => received += more,
                Err(Errno::EAGAIN) => {
                    poll_fn(|cx| to.poll_ready(cx, READABLE)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    };
    tokio::try_join!(sending, receiving)?;
    Ok(())
}

/// The four options of `SOL_MPTCP`, and `TCP_INFO`.
fn show_infos(client: &StackSocket, server: &StackSocket) -> Outcome<()> {
    let info = linux::mptcp_info(server)?;
    println!("MPTCP_INFO of the server: {info:?}");
    check(info.bytes_received == LEN as u64, "everything has come")?;
    check(info.subflows_total >= 2, "there are two paths")?;

    let addresses = linux::subflow_addrs(client)?;
    for subflow in &addresses {
        println!(
            "MPTCP_SUBFLOW_ADDRS: {} to {}",
            subflow.local, subflow.remote
        );
    }
    let tcp = linux::subflow_tcp_infos(client)?;
    for one in &tcp {
        println!(
            "MPTCP_TCPINFO: state {}, round trip {} microseconds, window {}, {} bytes sent",
            one.state, one.rtt, one.snd_cwnd, one.bytes_sent
        );
    }
    let sent: u64 = tcp.iter().map(|one| one.bytes_sent).sum();
    check(sent >= LEN as u64, "the subflows have sent everything")?;
    check(
        linux::tcp_info(client)?.state == 1,
        "the first is established",
    )?;

    let full = linux::full_info(client)?;
    let ids: Vec<u32> = full.subflows.iter().map(|subflow| subflow.id).collect();
    println!(
        "MPTCP_FULL_INFO: token {:08x}, subflows {ids:?}",
        full.connection.token
    );
    check(ids.first() == Some(&1), "the initial subflow is number 1")?;
    check(full.tcp.len() == ids.len(), "each subflow has its TCP")?;
    let total = usize::from(full.connection.subflows_total);
    check(total == ids.len(), "it is all of one moment")?;
    let peer = linux::mptcp_info(server)?;
    check(
        peer.rcv_nxt == full.connection.write_seq,
        "both are at the same byte",
    )
}

/// The counters that are not 0, as `nstat` prints them.
fn show_counters(host: &Stack) -> Outcome<()> {
    let counters = host.mptcp_counters();
    for line in mib::nstat(&counters, mib::Names::Linux6_18).lines() {
        if line.split_whitespace().nth(1) != Some("0") {
            println!("{line}");
        }
    }
    check(
        counters[MptcpCounter::MpCapableSynTx] == 1,
        "one SYN was sent",
    )?;
    check(
        counters[MptcpCounter::MpJoinSynTx] >= 1,
        "a path was joined",
    )
}
