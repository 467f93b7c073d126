//! A program of the multipath-tcp.org kernel: its TCP sockets speak MPTCP, and it chooses a scheduler
//! and a path manager by name. It needs no privileges: the links are in this process.
//!
//! ```console
//! $ cargo run -p umptcp --example multipath_tcp_org
//! ```

mod option_hosts;

use option_hosts::{Outcome, check, connect, eventually, listen, socket, start};
use umptcp::bsd::options::multipath_tcp_org::{
    MPTCP_SCHEDULER, MultipathTcpOrgSysctl, enabled, path_manager, scheduler, set_enabled,
    set_path_manager, set_scheduler,
};
use umptcp::bsd::options::rfc6897::subflow_pairs;
use umptcp::bsd::{Errno, OptionProfile};
use umptcp::{PathManagerKind, SchedulerKind, SocketOptions as _};

#[tokio::main]
async fn main() -> Outcome<()> {
    let [client, server] = start()?;
    for host in [&client, &server] {
        host.with_net(|net| {
            net.system.profile = OptionProfile::MultipathTcpOrg;
            MultipathTcpOrgSysctl::of_name("net.mptcp.mptcp_checksum")?.set(net.system, "1")
        })?;
    }
    let listener = listen(&server, libc::IPPROTO_TCP)?;

    let plain = socket(&client, libc::IPPROTO_TCP)?;
    check("a TCP socket wants MPTCP", enabled(&plain)?)?;
    set_enabled(&plain, false)?;
    let _accepted = connect(&plain, &listener).await?;
    check("unless it is told not to", !enabled(&plain)?)?;

    let socket = socket(&client, libc::IPPROTO_TCP)?;
    set_scheduler(&socket, SchedulerKind::RoundRobin)?;
    set_path_manager(&socket, PathManagerKind::NDiffPorts { subflows: 2 })?;
    println!(
        "scheduler {}, path manager {}",
        scheduler(&socket)?,
        path_manager(&socket)?
    );
    let unknown = socket.setsockopt(libc::IPPROTO_TCP, MPTCP_SCHEDULER, b"redundant");
    check(
        "a scheduler that does not exist is not found",
        fails(&unknown, Errno::ENOENT),
    )?;
    let _accepted = connect(&socket, &listener).await?;
    check("MPTCP is in use", enabled(&socket)?)?;
    eventually(
        "ndiffports has opened a second subflow between the same addresses",
        || {
            let pairs = subflow_pairs(&socket).unwrap_or_default();
            pairs.len() == 2 && pairs[0].0.ip() == pairs[1].0.ip()
        },
    )
    .await?;
    let late = set_scheduler(&socket, SchedulerKind::LowestRtt);
    check(
        "during a connection nothing can be changed",
        fails(&late, Errno::EPERM),
    )
}

fn fails(result: &std::io::Result<()>, errno: Errno) -> bool {
    let error = result.as_ref().err();
    error.and_then(std::io::Error::raw_os_error) == Some(errno as i32)
}
