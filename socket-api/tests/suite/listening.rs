//! Listeners: how many wait, where they listen, and the stream of connections.

use crate::hosts::{Hosts, client_address, exchange, server_address, soon};
use futures::StreamExt as _;
use std::io::ErrorKind;
use std::net::SocketAddr;
use umptcp::{ConnectionConfig, EndpointConfig, MemoryDevice, Stack};

#[tokio::test]
async fn no_more_than_the_backlog_wait() {
    let hosts = Hosts::start(1);
    let listener = hosts.listen();
    listener.set_backlog(1);
    let first = soon(hosts.client.connect(hosts.address())).await.unwrap();
    // It counts once its third packet has come.
    let client = hosts.client.clone();
    let address = hosts.address();
    let second = tokio::spawn(async move { client.connect(address).await });
    let overflows = || {
        let stats = hosts.server.stats();
        stats.syns_dropped + stats.accept_overflows
    };
    soon(async {
        while overflows() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (mut server, peer) = soon(listener.accept()).await.unwrap();
    let mut first = first;
    assert_eq!(peer, first.local_addr());
    exchange(&mut first, &mut server).await;
    // The other one repeats itself, and now there is room.
    let (mut server, peer) = soon(listener.accept()).await.unwrap();
    let mut second = soon(second).await.unwrap().unwrap();
    assert_eq!(peer, second.local_addr());
    exchange(&mut second, &mut server).await;
}

#[tokio::test]
async fn a_listener_hears_at_several_addresses() {
    let hosts = Hosts::start(2);
    let config = ConnectionConfig {
        nodelay: true,
        ..ConnectionConfig::default()
    };
    let locals: Vec<SocketAddr> = (0..2)
        .map(|link| (server_address(link), 0).into())
        .collect();
    let listener = hosts
        .server
        .listen_at(locals, config.clone())
        .await
        .unwrap();
    let locals: Vec<SocketAddr> = listener.local_addrs().collect();
    assert_eq!(locals.len(), 2);
    assert_eq!(locals[0], listener.local_addr());
    assert_ne!(locals[0].port(), 0);
    assert_eq!(locals[0].port(), locals[1].port());

    let mut incoming = listener.incoming();
    for (link, local) in (0..2).zip(&locals) {
        let connect = hosts.client.connect_with(
            Some((client_address(link), 0).into()),
            *local,
            ConnectionConfig::default(),
        );
        let (client, server) = soon(async { tokio::join!(connect, incoming.next()) }).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap().unwrap());
        assert_eq!(server.local_addr(), *local);
        assert!(server.nodelay(), "the listener's settings");
        exchange(&mut client, &mut server).await;
    }

    // One of them taken: none is listened at.
    let free: SocketAddr = (server_address(0), 9).into();
    let error = hosts
        .server
        .listen_at(vec![free, locals[1]], config.clone())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
    hosts.server.listen(free, config).unwrap();
}

#[tokio::test]
async fn the_stack_chooses_ports_until_none_is_left() {
    let (device, _end) = MemoryDevice::pair(1500);
    let config = EndpointConfig {
        ephemeral_ports: (50_000, 50_003),
        ..EndpointConfig::default()
    };
    let local = "10.0.0.1".parse().unwrap();
    let stack = Stack::builder()
        .config(config)
        .interface(device, [local])
        .start()
        .unwrap();
    let listen = |ip: [u8; 4]| stack.listen((ip, 0).into(), ConnectionConfig::default());
    let one = listen([10, 0, 0, 1]).unwrap();
    // A port of one address does for another one, and is not taken for all.
    let mut listeners = vec![listen([10, 0, 0, 3]).unwrap()];
    listeners.extend((0..2).map(|_| listen([0, 0, 0, 0]).unwrap()));
    let last = listen([0, 0, 0, 0]);
    let mut ports: Vec<u16> = listeners
        .iter()
        .chain([&one])
        .map(|listener| listener.local_addr().port())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    assert!(ports.iter().all(|port| (50_000..=50_003).contains(port)));
    // The two single addresses may have got the same port, and then there was one more for all.
    if ports.len() == 4 {
        assert_eq!(last.unwrap_err().kind(), ErrorKind::AddrInUse);
    } else {
        last.unwrap();
    }
    drop(one);
    assert!(listen([10, 0, 0, 1]).is_ok(), "a port is free again");
}
