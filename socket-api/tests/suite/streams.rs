//! What a stream does that a TCP stream does, too.

use crate::hosts::{Hosts, client_address, server_address, soon};
use bytes::Bytes;
use std::io::{ErrorKind, IoSlice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use umptcp::{ConnectError, ConnectionConfig, ConnectionProtocol, Version};

#[tokio::test]
async fn what_is_written_is_echoed() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    assert_eq!(client.peer_addr(), hosts.address());
    assert_eq!(client.local_addr().ip(), client_address(0));
    assert_eq!(server.local_addr(), hosts.address());
    assert_eq!(server.peer_addr(), client.local_addr());
    let echo = tokio::spawn(async move {
        let mut buffer = [0; 100];
        loop {
            let read = server.read(&mut buffer).await.unwrap();
            if read == 0 {
                return server.shutdown().await.unwrap();
            }
            server.write_all(&buffer[..read]).await.unwrap();
        }
    });
    for round in 0..50_u8 {
        let message = vec![round; 1 + usize::from(round) * 7];
        client.write_all(&message).await.unwrap();
        let mut answer = vec![0; message.len()];
        soon(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(answer, message);
    }
    client.shutdown().await.unwrap();
    assert_eq!(soon(client.read(&mut [0; 10])).await.unwrap(), 0);
    soon(echo).await.unwrap();
}

#[tokio::test]
async fn every_version_and_plain_tcp_connect() {
    let hosts = Hosts::start(1);
    let listener = hosts.listen();
    for (mptcp, version, protocol) in [
        (true, Version::V0, ConnectionProtocol::Mptcp(Version::V0)),
        (true, Version::V1, ConnectionProtocol::Mptcp(Version::V1)),
        (false, Version::V0, ConnectionProtocol::Tcp),
    ] {
        let config = ConnectionConfig {
            mptcp,
            version,
            ..ConnectionConfig::default()
        };
        let (client, server) = soon(async {
            let connect = hosts.client.connect_with(None, hosts.address(), config);
            tokio::join!(connect, listener.accept())
        })
        .await;
        let (mut client, (mut server, peer)) = (client.unwrap(), server.unwrap());
        assert_eq!(peer, client.local_addr());
        client.write_all(b"which?").await.unwrap();
        let mut question = [0; 6];
        soon(server.read_exact(&mut question)).await.unwrap();
        assert_eq!(client.info().protocol, protocol);
        assert_eq!(server.info().protocol, protocol);
    }
}

#[tokio::test]
async fn one_direction_ends_while_the_other_goes_on() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    client
        .shutdown()
        .await
        .expect("shutting down again is no error");
    let error = client.write_all(b"more").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenPipe, "{error}");

    let mut question = String::new();
    soon(server.read_to_string(&mut question)).await.unwrap();
    assert_eq!(question, "question");
    soon(client.flushed()).await.unwrap();
    for _ in 0..100 {
        server.write_all(&[7; 1000]).await.unwrap();
    }
    server.shutdown().await.unwrap();
    let mut answer = Vec::new();
    soon(client.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, [7; 100_000]);
    soon(server.flushed()).await.unwrap();
}

#[tokio::test]
async fn the_halves_work_in_two_tasks() {
    let hosts = Hosts::start(1);
    let (client, server) = hosts.connection().await;
    let (mut client_read, mut client_write) = client.into_split();
    let (mut server_read, mut server_write) = server.into_split();
    let copy = tokio::spawn(async move {
        tokio::io::copy(&mut server_read, &mut server_write)
            .await
            .unwrap();
        // Dropping the half ends the direction.
    });
    let write = tokio::spawn(async move {
        for number in 0..2000_u32 {
            client_write.write_all(&number.to_be_bytes()).await.unwrap();
        }
    });
    let mut echoed = Vec::new();
    soon(client_read.read_to_end(&mut echoed)).await.unwrap();
    let expected: Vec<u8> = (0..2000_u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(echoed, expected);
    soon(async { (copy.await.unwrap(), write.await.unwrap()) }).await;
}

#[tokio::test]
async fn halves_are_reunited_with_their_own_kind() {
    let hosts = Hosts::start(1);
    let (client, server) = hosts.connection().await;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let error = client_read.reunite(server_write).unwrap_err();
    let mut client = error.0.reunite(client_write).unwrap();
    let mut server = server_read.reunite(error.1).unwrap();
    // Neither direction was ended by that.
    client.write_all(b"ping").await.unwrap();
    server.write_all(b"pong").await.unwrap();
    let mut buffer = [0; 4];
    soon(server.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"ping");
    soon(client.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"pong");
}

#[tokio::test]
async fn bytes_and_slices_are_written_and_chunks_read() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    assert!(tokio::io::AsyncWrite::is_write_vectored(&client));
    let slices = [
        IoSlice::new(b"one "),
        IoSlice::new(b""),
        IoSlice::new(b"two "),
    ];
    assert_eq!(client.write_vectored(&slices).await.unwrap(), 8);
    client
        .write_bytes(Bytes::from_static(b"three "))
        .await
        .unwrap();
    let mut rest = Bytes::from_static(b"four");
    assert_eq!(client.write_chunk(&mut rest).await.unwrap(), 4);
    assert!(rest.is_empty());
    client.shutdown().await.unwrap();
    let mut text = Vec::new();
    while let Some(chunk) = soon(server.read_chunk(3)).await.unwrap() {
        assert!((1..=3).contains(&chunk.len()), "{}", chunk.len());
        text.extend_from_slice(&chunk);
    }
    assert_eq!(text, b"one two three four");
    assert!(
        soon(server.read_chunk(3)).await.unwrap().is_none(),
        "the end stays the end"
    );
}

#[tokio::test]
async fn nothing_read_or_written_is_no_end() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    assert_eq!(client.write(&[]).await.unwrap(), 0);
    assert_eq!(
        client.write_vectored(&[IoSlice::new(&[])]).await.unwrap(),
        0
    );
    client.write_bytes(Bytes::new()).await.unwrap();
    assert_eq!(server.read(&mut []).await.unwrap(), 0);
    client.write_all(b"x").await.unwrap();
    let mut buffer = [0; 10];
    assert_eq!(soon(server.read(&mut buffer)).await.unwrap(), 1);
}

#[tokio::test]
async fn nobody_listens() {
    let hosts = Hosts::start(1);
    let error = soon(hosts.client.connect(hosts.address()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
}

#[tokio::test]
async fn addresses_that_cannot_be_used_are_refused() {
    let hosts = Hosts::start(1);
    let error = hosts.client.connect("[2001:db8::1]:80").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ConnectError>());
    assert!(
        matches!(inner, Some(ConnectError::NoLocalAddress(_))),
        "{inner:?}"
    );

    let foreign = Some("192.0.2.1:0".parse().unwrap());
    let config = ConnectionConfig::default();
    let connect = hosts
        .client
        .connect_with(foreign, hosts.address(), config.clone());
    assert_eq!(
        connect.await.unwrap_err().kind(),
        ErrorKind::AddrNotAvailable
    );

    let listener = hosts.listen();
    let error = hosts
        .server
        .listen(listener.local_addr(), config)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error}");
}

#[tokio::test]
async fn a_local_address_and_port_can_be_chosen() {
    let hosts = Hosts::start(2);
    let listener = hosts.listen();
    let local = (client_address(1), 5555).into();
    let remote = (server_address(1), listener.local_addr().port()).into();
    let (client, server) = soon(async {
        let connect = hosts
            .client
            .connect_with(Some(local), remote, ConnectionConfig::default());
        tokio::join!(connect, listener.accept())
    })
    .await;
    assert_eq!(client.unwrap().local_addr(), local);
    assert_eq!(server.unwrap().1, local);
}

#[tokio::test]
async fn an_aborted_connection_is_reset() {
    let hosts = Hosts::start(1);
    let (client, mut server) = hosts.connection().await;
    let waits = tokio::spawn(async move { server.read(&mut [0; 10]).await });
    let (mut read, write) = client.into_split();
    let ours = tokio::spawn(async move { read.read(&mut [0; 10]).await });
    tokio::task::yield_now().await;
    write.abort();
    let error = soon(waits).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    let error = soon(ours).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionAborted, "{error}");
}
