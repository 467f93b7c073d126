//! A program that rules its own subflows by the options of draft-hesmans-mptcp-socket: it opens one
//! over the second link as a backup, marks its packets, hands over to it, and is told about all of it by
//! control messages. It needs no privileges: the links are in this process.
//!
//! ```console
//! $ cargo run -p umptcp --example draft_subflows
//! ```

mod option_hosts;

use option_hosts::{Outcome, check, connect, eventually, listen, socket, start};
use umptcp::bsd::options::draft::{
    CloseHow, ControlMessage, NewSubflow, close_subflow, open_subflow, set_events,
    set_subflow_backup, subflow_getsockopt, subflow_ids, subflow_setsockopt, subflow_tuple,
};
use umptcp::bsd::{Errno, IPPROTO_MPTCP, SendFlags};
use umptcp::{PathManagerKind, StackSocket};

#[tokio::main]
async fn main() -> Outcome<()> {
    let [client, server] = start()?;
    for host in [&client, &server] {
        // Nobody else opens subflows here.
        host.with_net(|net| {
            net.system.defaults.path_manager = PathManagerKind::Passive;
            Ok(())
        })?;
    }
    let listener = listen(&server, IPPROTO_MPTCP)?;
    let socket = socket(&client, IPPROTO_MPTCP)?;
    set_events(&socket, true)?;
    let accepted = connect(&socket, &listener).await?;
    eventually("there is one subflow, number 1", || {
        subflow_ids(&socket).is_ok_and(|ids| ids.len() == 1 && ids[0].id == 1)
    })
    .await?;

    let second = open_second(&socket).await?;
    check("opening gives the id at once", second == 2)?;
    eventually("the second subflow is a backup", || {
        let ids = subflow_ids(&socket).unwrap_or_default();
        ids.iter()
            .any(|status| status.id == second && status.fully_established && status.low_prio)
    })
    .await?;
    let tuple = subflow_tuple(&socket, second)?;
    println!("it goes from {} to {}", tuple.local, tuple.remote);
    check(
        "it goes to the port of the first",
        tuple.remote == "10.0.1.2:7777".parse()?,
    )?;

    let tos = 12_i32.to_ne_bytes();
    subflow_setsockopt(&socket, second, libc::IPPROTO_IP, libc::IP_TOS, &tos)?;
    let of = |id: u8| {
        let mut value = [0; 4];
        subflow_getsockopt(&socket, id, libc::IPPROTO_IP, libc::IP_TOS, &mut value)?;
        std::io::Result::Ok(i32::from_ne_bytes(value))
    };
    check(
        "only its packets have the type of service 12",
        (of(1)?, of(2)?) == (0, 12),
    )?;

    // Handover: the second one becomes regular, the first one ends.
    set_subflow_backup(&socket, second, false)?;
    close_subflow(&socket, 1, CloseHow::InOrder)?;
    eventually("the first subflow is gone", || {
        subflow_ids(&socket).is_ok_and(|ids| ids.len() == 1 && ids[0].id == second)
    })
    .await?;
    let sent = socket.with(|socket, net| socket.send(net, b"hello", SendFlags::default()))?;
    check("and the connection goes on", sent == 5)?;
    eventually("the bytes have arrived", || {
        accepted.with(|socket, net| socket.bytes_to_read(net)) == Ok(5)
    })
    .await?;

    let refused = close_subflow(&socket, 1, CloseHow::Reset);
    check(
        "what is closed has no number",
        refused.is_err_and(|error| is(Errno::EINVAL)(&error)),
    )?;
    let messages: Result<Vec<ControlMessage>, Errno> =
        socket.with(|socket, net| Ok(socket.take_control_messages(net, 100)));
    let messages = messages?;
    println!("control messages: {messages:?}");
    let told = |kind: i32, wanted: u8| {
        messages
            .iter()
            .any(|message| message.kind() == kind && message.to_bytes().first() == Some(&wanted))
    };
    check(
        "control messages told of both beginnings",
        told(1, 1) && told(1, second),
    )
}

/// The error is this one.
fn is(errno: Errno) -> impl Fn(&std::io::Error) -> bool {
    move |error| error.raw_os_error() == Some(errno as i32)
}

/// A backup from the second link, as soon as the connection can take one.
async fn open_second(socket: &StackSocket) -> Outcome<u8> {
    let wanted = NewSubflow {
        local: "0.0.0.0:0".parse()?,
        remote: "10.0.1.2:0".parse()?,
        interface: 2,
        low_prio: true,
    };
    let mut opened = open_subflow(socket, wanted);
    while opened.as_ref().is_err_and(is(Errno::EAGAIN)) {
        // The peer has not been heard yet.
        tokio::task::yield_now().await;
        opened = open_subflow(socket, wanted);
    }
    Ok(opened?)
}
