//! Control over interfaces, addresses and subflows.

use crate::hosts::{Hosts, client_address, server_address, soon};
use std::io::ErrorKind;
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

/// A connection that opens no subflows by itself.
async fn single_path_connection(hosts: &Hosts) -> (MptcpStream, MptcpStream) {
    let config = ConnectionConfig {
        max_subflows: 1,
        ..ConnectionConfig::default()
    };
    let listener = hosts.listen();
    let (client, server) = soon(async {
        let connect = hosts.client.connect_with(None, hosts.address(), config);
        tokio::join!(connect, listener.accept())
    })
    .await;
    let (mut client, (mut server, _)) = (client.unwrap(), server.unwrap());
    exchange(&mut client, &mut server).await;
    assert_eq!(client.subflows().len(), 1);
    (client, server)
}

#[tokio::test]
async fn subflows_are_opened_used_and_closed_by_hand() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = single_path_connection(&hosts).await;
    let remote = (server_address(1), hosts.address().port()).into();
    let id = client
        .open_subflow(client_address(1), remote, true)
        .unwrap();
    soon(client.subflow_established(id)).await.unwrap();
    soon(client.subflow_established(client.subflows()[0].id))
        .await
        .unwrap();
    let subflow = client
        .subflows()
        .into_iter()
        .find(|subflow| subflow.id == id)
        .unwrap();
    assert!(subflow.backup);
    assert_eq!(
        (subflow.local.ip(), subflow.remote),
        (client_address(1), remote)
    );
    client.set_backup(id, false).unwrap();
    assert!(!client.subflows().iter().any(|subflow| subflow.backup));
    client.close_subflow(client.subflows()[0].id).unwrap();
    exchange(&mut client, &mut server).await;
    let used = client
        .subflows()
        .into_iter()
        .find(|subflow| subflow.id == id)
        .unwrap();
    assert!(used.bytes_sent > 0, "{used:?}");
}

#[tokio::test]
async fn subflows_that_cannot_be_are_refused() {
    let hosts = Hosts::start(2);
    let (client, _server) = single_path_connection(&hosts).await;
    let remote = (server_address(1), hosts.address().port()).into();
    let error = client
        .open_subflow([192, 0, 2, 1].into(), remote, false)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
    // Nobody listens there, so that the handshake is answered with a reset.
    let id = client
        .open_subflow(client_address(1), (server_address(1), 1).into(), false)
        .unwrap();
    let error = soon(client.subflow_established(id)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
}

#[tokio::test]
async fn a_disabled_interface_is_not_used() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = single_path_connection(&hosts).await;
    let remote = (server_address(1), hosts.address().port()).into();
    let id = client
        .open_subflow(client_address(1), remote, false)
        .unwrap();
    soon(client.subflow_established(id)).await.unwrap();
    let first = hosts.client.interfaces()[0];
    hosts.client.set_interface_up(first, false);
    for _ in 0..10 {
        exchange(&mut client, &mut server).await;
    }
    // A link that comes up does not enable what the application has disabled.
    hosts.links[0].set_up(false);
    hosts.links[0].set_up(true);
    exchange(&mut client, &mut server).await;
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
