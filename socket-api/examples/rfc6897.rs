//! The basic API of RFC 6897: a program says that it knows of MPTCP, from which addresses it may be
//! seen, and reads what came of it. It needs no privileges: the links are in this process.
//!
//! ```console
//! $ cargo run -p umptcp --example rfc6897
//! ```

mod option_hosts;

use option_hosts::{Outcome, check, connect, eventually, listen, socket, start};
use std::net::SocketAddr;
use umptcp::bsd::options::rfc6897::{
    add_addresses, connection_id, multipath_enabled, remove_addresses, set_multipath_enabled,
    subflow_pairs,
};
use umptcp::bsd::{IPPROTO_MPTCP, SockAddr};

#[tokio::main]
async fn main() -> Outcome<()> {
    let [client, server] = start()?;
    // As RFC 6897 wants it for programs that know nothing of MPTCP; Linux does not do so.
    client.with_net(|net| {
        net.system.legacy_rules = true;
        Ok(())
    })?;
    let listener = listen(&server, IPPROTO_MPTCP)?;
    let first: SocketAddr = "10.0.0.1:0".parse()?;
    let second: SocketAddr = "10.0.1.1:0".parse()?;

    let unaware = socket(&client, IPPROTO_MPTCP)?;
    unaware.with(|socket, net| socket.bind(net, SockAddr::plain(first)))?;
    let _accepted = connect(&unaware, &listener).await?;
    check(
        "a program that binds and says nothing has plain TCP",
        !multipath_enabled(&unaware)?,
    )?;
    check(
        "and no subflows to ask for",
        subflow_pairs(&unaware).is_err(),
    )?;

    let aware = socket(&client, libc::IPPROTO_TCP)?;
    set_multipath_enabled(&aware, true)?;
    aware.with(|socket, net| socket.bind(net, SockAddr::plain(first)))?;
    let _accepted = connect(&aware, &listener).await?;
    check("one that asks for MPTCP has it", multipath_enabled(&aware)?)?;
    println!("the connection is {:08x}", connection_id(&aware)?);
    let is_from = |wanted: SocketAddr| {
        let pairs = subflow_pairs(&aware).unwrap_or_default();
        pairs.iter().any(|(local, _)| local.ip() == wanted.ip())
    };
    check(
        "from the address it is bound to",
        is_from(first) && !is_from(second),
    )?;

    add_addresses(&aware, &[second])?;
    eventually("a second address is used once it is added", || {
        is_from(second)
    })
    .await?;
    for (local, remote) in subflow_pairs(&aware)? {
        println!("{local} -> {remote}");
    }
    remove_addresses(&aware, &[first])?;
    eventually("and the first no longer once it is removed", || {
        !is_from(first) && is_from(second)
    })
    .await?;
    let name = aware.with(|socket, _| Ok::<_, umptcp::bsd::Errno>(socket.local_name()))?;
    check(
        "getsockname tells of the first subflow all the same",
        name.as_given().ip() == first.ip(),
    )?;
    check(
        "it is too late to switch MPTCP off",
        set_multipath_enabled(&aware, false).is_err(),
    )
}
