//! The typed face of Linux's options on sockets of the Rust API.

use crate::hosts::{Hosts, exchange, soon, subflow_over};
use umptcp::ConnectionConfig;
use umptcp::bsd::options::{SOL_MPTCP, SocketOptions as _, linux};

#[tokio::test]
async fn streams_tell_what_linux_tells() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = hosts.connection().await;
    exchange(&mut client, &mut server).await;
    subflow_over(&client, 1).await;

    assert!(linux::is_mptcp(&client).unwrap());
    let info = linux::mptcp_info(&client).unwrap();
    assert_eq!((info.bytes_sent, info.bytes_received), (4, 4));
    assert_eq!(Some(info.token), client.info().token);
    let addresses = linux::subflow_addrs(&client).unwrap();
    assert_eq!(addresses[0].remote, hosts.address());
    let full = linux::full_info(&client).unwrap();
    assert!(full.subflows.len() >= 2);
    assert_eq!(full.subflows.len(), full.tcp.len());
    assert_eq!(
        full.subflows.len(),
        usize::from(full.connection.subflows_total)
    );
    assert_eq!(full.subflows[0].id, 1);
    assert_eq!(full.subflows[0].addresses, addresses[0]);
    assert_eq!(linux::tcp_info(&client).unwrap().state, 1);
    let all = linux::subflow_tcp_infos(&client).unwrap();
    assert_eq!(all.len(), full.tcp.len());
}

#[tokio::test]
async fn streams_without_mptcp_say_so() {
    let hosts = Hosts::start(1);
    let plain = ConnectionConfig {
        mptcp: false,
        ..ConnectionConfig::default()
    };
    let listener = hosts.server.listen(hosts.address(), plain).unwrap();
    let (client, server) =
        soon(async { tokio::join!(hosts.client.connect(hosts.address()), listener.accept()) })
            .await;
    let (client, server) = (client.unwrap(), server.unwrap().0);
    for stream in [&client, &server] {
        assert!(!linux::is_mptcp(stream).unwrap());
        for error in [
            linux::mptcp_info(stream).unwrap_err(),
            linux::subflow_addrs(stream).unwrap_err(),
            linux::subflow_tcp_infos(stream).unwrap_err(),
            linux::full_info(stream).unwrap_err(),
        ] {
            assert_eq!(error.raw_os_error(), Some(libc::EOPNOTSUPP));
        }
        let set = stream.setsockopt(SOL_MPTCP, linux::MPTCP_INFO, &[0; 4]);
        assert_eq!(set.unwrap_err().raw_os_error(), Some(libc::ENOPROTOOPT));
        assert_eq!(linux::tcp_info(stream).unwrap().state, 1);
    }
}
