//! Sockets that are set up before they connect or listen.

use crate::hosts::{Hosts, PORT, client_address, exchange, server_address, soon};
use std::io::ErrorKind;
use std::time::Duration;
use umptcp::{ChecksumPolicy, ConnectionProtocol, Keepalive, MptcpSocket, OtherVersion, Version};

#[tokio::test]
async fn what_is_set_before_counts_afterwards() {
    let hosts = Hosts::start(1);
    let mut listening = hosts.server.socket_v4();
    listening.bind(([0, 0, 0, 0], 0).into()).unwrap();
    listening.set_nodelay(true);
    let listener = listening.listen(8).unwrap();
    let port = listener.local_addr().port();
    assert_ne!(port, 0);

    let keepalive = Keepalive {
        idle: Duration::from_secs(7),
        ..Keepalive::default()
    };
    let seconds = Duration::from_secs;
    let mut socket = MptcpSocket::new_v4(&hosts.client);
    assert_eq!(socket.local_addr(), ([0, 0, 0, 0], 0).into());
    let local = (client_address(0), 6000).into();
    socket.bind(local).unwrap();
    socket.set_nodelay(true);
    socket.set_keepalive(Some(keepalive));
    socket.set_linger(Some(seconds(3)));
    socket.set_send_buffer_size(100_000);
    socket.set_recv_buffer_size(50_000);
    socket.set_version(Version::V1);
    socket.set_other_version(OtherVersion::Never);
    socket.set_checksum(ChecksumPolicy::Require);
    socket.set_max_subflows(2);
    socket.set_connect_timeout(seconds(5));
    socket.set_user_timeout(seconds(6));
    socket.config_mut().pacing = false;
    assert_eq!(socket.local_addr(), local);
    assert_eq!(socket.connect_timeout(), seconds(5));
    assert_eq!(socket.other_version(), OtherVersion::Never);
    assert_eq!((socket.max_subflows(), socket.mptcp()), (2, true));
    assert!(!socket.config().pacing);

    let connect = socket.connect((server_address(0), port));
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    let (mut client, (mut server, peer)) = (client.unwrap(), server.unwrap());
    assert_eq!((client.local_addr(), peer), (local, local));
    assert!(client.nodelay() && server.nodelay());
    assert_eq!(client.keepalive(), Some(keepalive));
    assert_eq!(client.linger(), Some(seconds(3)));
    assert_eq!(client.user_timeout(), seconds(6));
    exchange(&mut client, &mut server).await;
    let info = client.info();
    assert_eq!(info.protocol, ConnectionProtocol::Mptcp(Version::V1));
    assert!(info.checksum);
    assert!(info.send_capacity <= 100_000 && info.receive_capacity <= 50_000);

    client.set_nodelay(false);
    client.set_keepalive(None);
    client.set_linger(None);
    client.set_user_timeout(Duration::MAX);
    assert!(!client.nodelay());
    assert_eq!((client.keepalive(), client.linger()), (None, None));
    assert_eq!(client.user_timeout(), Duration::MAX);
}

#[tokio::test]
async fn plain_tcp_is_made_when_it_is_asked_for() {
    let hosts = Hosts::start(1);
    let listener = hosts.listen();
    let mut socket = hosts.client.socket_v4();
    socket.set_mptcp(false);
    let connect = socket.connect(hosts.address());
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    assert_eq!(client.unwrap().info().protocol, ConnectionProtocol::Tcp);
    assert_eq!(server.unwrap().0.info().protocol, ConnectionProtocol::Tcp);
}

#[tokio::test]
async fn an_interface_can_be_chosen() {
    let hosts = Hosts::start(2);
    let mut socket = hosts.server.socket_v4();
    socket.bind_interface(hosts.server.interfaces()[1]);
    socket.bind(([0, 0, 0, 0], PORT).into()).unwrap();
    let listener = socket.listen(8).unwrap();
    assert_eq!(listener.local_addr(), (server_address(1), PORT).into());

    // Not heard at the other interface's address.
    let error = soon(hosts.client.connect(hosts.address()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");

    let mut socket = hosts.client.socket_v4();
    socket.bind_interface(hosts.client.interfaces()[1]);
    let connect = socket.connect(listener.local_addr());
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    assert_eq!(client.unwrap().local_addr().ip(), client_address(1));
    server.unwrap();

    let mut socket = hosts.client.socket_v4();
    socket.bind_interface(hosts.client.interfaces()[1]);
    socket.bind((client_address(0), 0).into()).unwrap();
    let error = socket.connect(listener.local_addr()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
}

#[tokio::test]
async fn what_does_not_fit_the_socket_is_refused() {
    let hosts = Hosts::start(1);
    let mut socket = hosts.client.socket_v4();
    let error = socket.bind("[::1]:80".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    let error = socket.bind("192.0.2.1:80".parse().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
    let error = socket.connect("[2001:db8::1]:80").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");

    let mut socket = hosts.client.socket_v6();
    assert!(socket.local_addr().is_ipv6());
    socket.bind_interface(hosts.client.interfaces()[0]);
    let error = socket.listen(1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
}
