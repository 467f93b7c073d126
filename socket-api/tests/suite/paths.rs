//! Control over interfaces, addresses and subflows.

use crate::hosts::{Hosts, client_address, server_address, soon};
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use umptcp::{ConnectionConfig, MptcpStream};

/// One message from each end.
async fn exchange(one: &mut MptcpStream, other: &mut MptcpStream) {
    let mut buffer = [0; 4];
    one.write_all(b"ping").await.unwrap();
    soon(other.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"ping");
    other.write_all(b"pong").await.unwrap();
    soon(one.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"pong");
}

/// A connection that takes further subflows.
async fn confirmed_connection(hosts: &Hosts) -> (MptcpStream, MptcpStream) {
    let (mut client, mut server) = hosts.connection().await;
    // Data both ways has to be acknowledged before anybody may join (RFC 6824 §3.1).
    exchange(&mut client, &mut server).await;
    (client, server)
}

#[tokio::test]
async fn subflows_are_opened_used_and_closed_by_hand() {
    // The path manager has nothing to do with a single path; a second subflow on it is ours.
    let hosts = Hosts::start(1);
    let (mut client, mut server) = confirmed_connection(&hosts).await;
    let id = client
        .open_subflow(client_address(0), hosts.address(), true)
        .unwrap();
    soon(client.subflow_established(id)).await.unwrap();
    let first = client.subflows()[0].id;
    soon(client.subflow_established(first)).await.unwrap();
    let info = |client: &MptcpStream| {
        client
            .subflows()
            .into_iter()
            .find(|subflow| subflow.id == id)
            .unwrap()
    };
    let subflow = info(&client);
    assert!(subflow.backup);
    assert_eq!(
        (subflow.local.ip(), subflow.remote),
        (client_address(0), hosts.address())
    );
    client.set_backup(id, false).unwrap();
    assert!(!info(&client).backup);
    client.close_subflow(first).unwrap();
    let sent = info(&client).bytes_sent;
    exchange(&mut client, &mut server).await;
    assert!(info(&client).bytes_sent > sent, "{:?}", client.subflows());
}

#[tokio::test]
async fn subflows_that_cannot_be_are_refused() {
    let hosts = Hosts::start(1);
    let (client, _server) = confirmed_connection(&hosts).await;
    let error = client
        .open_subflow([192, 0, 2, 1].into(), hosts.address(), false)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
    // Nobody listens there, so that the handshake is answered with a reset.
    let nobody = (server_address(0), 1).into();
    let id = client
        .open_subflow(client_address(0), nobody, false)
        .unwrap();
    let error = soon(client.subflow_established(id)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
    let unknown = client.close_subflow(id).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown}");
}

#[tokio::test]
async fn a_disabled_interface_is_not_used() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = confirmed_connection(&hosts).await;
    let second = soon(async {
        loop {
            let on_second = |local: SocketAddr| local.ip() == client_address(1);
            if let Some(subflow) = client.subflows().iter().find(|s| on_second(s.local)) {
                return subflow.id;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(client.subflow_established(second)).await.unwrap();
    let first = hosts.client.interfaces()[0];
    hosts.client.set_interface_up(first, false);
    let carried = hosts.links[0].packets_carried();
    for _ in 0..10 {
        exchange(&mut client, &mut server).await;
    }
    // A link that comes up does not enable what the application has disabled.
    hosts.links[0].set_up(false);
    hosts.links[0].set_up(true);
    exchange(&mut client, &mut server).await;
    let leaving = hosts.links[0].packets_carried() - carried;
    assert!(leaving < 20, "{leaving} packets on a disabled interface");
    hosts.client.set_interface_up(first, true);
    exchange(&mut client, &mut server).await;
}

#[tokio::test]
async fn addresses_come_and_go() {
    let hosts = Hosts::start(1);
    let interface = hosts.client.interfaces()[0];
    let address = [10, 0, 9, 9].into();
    let listener = hosts.listen();
    let connect = || {
        let local = Some((address, 0).into());
        hosts
            .client
            .connect_with(local, hosts.address(), ConnectionConfig::default())
    };
    assert_eq!(
        connect().await.unwrap_err().kind(),
        ErrorKind::AddrNotAvailable
    );
    hosts.client.add_address(interface, address);
    let (client, server) = soon(async { tokio::join!(connect(), listener.accept()) }).await;
    assert_eq!(client.unwrap().local_addr().ip(), address);
    assert_eq!(server.unwrap().1.ip(), address);
    hosts.client.remove_address(address);
    assert_eq!(
        connect().await.unwrap_err().kind(),
        ErrorKind::AddrNotAvailable
    );
}

#[tokio::test]
async fn counters_count() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    exchange(&mut client, &mut server).await;
    let stats = hosts.client.stats();
    assert!(
        stats.packets_sent >= 3 && stats.packets_received >= 2,
        "{stats:?}"
    );
    assert_eq!(stats.packets_malformed, 0);
    let info = client.info();
    assert_eq!((info.bytes_written, info.bytes_received), (4, 4));
}
