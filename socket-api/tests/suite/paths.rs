//! Control over interfaces, addresses and subflows.

use crate::hosts::{Hosts, client_address, exchange, server_address, soon, subflow_over};
use std::io::ErrorKind;
use std::time::Duration;
use umptcp::{ConnectionConfig, MemoryDevice, MptcpStream, Stack};

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
    let (to_server, server_device) = MemoryDevice::pair(1500);
    let (to_stranger, stranger_device) = MemoryDevice::pair(1500);
    let client = Stack::builder()
        .interface(to_server, [client_address(0)])
        .interface(to_stranger, [client_address(1)]);
    let server = Stack::builder().interface(server_device, [server_address(0)]);
    let hosts = Hosts {
        client: client.start().unwrap(),
        server: server.start().unwrap(),
        links: vec![],
    };
    let _stranger = Stack::builder()
        .interface(stranger_device, [server_address(1)])
        .start()
        .unwrap();
    let stranger = (server_address(1), hosts.address().port()).into();
    let (client, _server) = confirmed_connection(&hosts).await;
    let error = client
        .open_subflow([192, 0, 2, 1].into(), hosts.address(), false)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
    // A host that does not know the connection answers the join with a reset.
    let id = client
        .open_subflow(client_address(1), stranger, false)
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
    subflow_over(&client, 1).await;
    let first = hosts.client.interfaces()[0];
    hosts.client.set_interface_up(first, false);
    let sent_there = |client: &MptcpStream| -> u64 {
        let subflows = client.subflows().into_iter();
        subflows
            .filter(|subflow| subflow.interface == first)
            .map(|s| s.bytes_sent)
            .sum()
    };
    let sent = sent_there(&client);
    for _ in 0..10 {
        exchange(&mut client, &mut server).await;
    }
    // A link that comes up does not enable what the application has disabled.
    hosts.links[0].set_up(false);
    hosts.links[0].set_up(true);
    exchange(&mut client, &mut server).await;
    assert_eq!(sent_there(&client), sent);
    let mut up = tokio::spawn({
        let client = hosts.client.clone();
        async move { client.interface_up(first).await }
    });
    let early = tokio::time::timeout(Duration::from_millis(20), &mut up).await;
    assert!(early.is_err(), "it is still disabled");
    hosts.client.set_interface_up(first, true);
    soon(up).await.unwrap().unwrap();
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
