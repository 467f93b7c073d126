//! Looking before reading, trying without waiting, and ending one direction.

use crate::hosts::{Hosts, PORT, cancel_after_one_poll, exchange, soon};
use bytes::Bytes;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest, ReadBuf};
use umptcp::{ConnectionConfig, MptcpStream, WithTimeouts};

/// A connection whose buffers are soon full.
async fn with_small_buffers(hosts: &Hosts) -> (MptcpStream, MptcpStream) {
    let config = ConnectionConfig {
        receive_buffer: 20_000,
        send_buffer: 20_000,
        ..ConnectionConfig::default()
    };
    let local = ([0, 0, 0, 0], PORT).into();
    let listener = hosts.server.listen(local, config.clone()).unwrap();
    let connect = hosts.client.connect_with(None, hosts.address(), config);
    let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
    (client.unwrap(), server.unwrap().0)
}

/// Writes until there is no more room; returns how much that was.
fn fill(stream: &MptcpStream) -> usize {
    let mut total = 0;
    loop {
        match stream.try_write(&[7; 1000]) {
            Ok(written) => total += written,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                return total;
            }
        }
    }
}

#[tokio::test]
async fn what_is_peeked_at_can_still_be_read() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    cancel_after_one_poll(server.peek(&mut [0; 4])).await;
    client.write_all(b"hello").await.unwrap();
    let mut buffer = [0; 10];
    soon(async {
        while server.peek(&mut buffer).await.unwrap() < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(server.peek(&mut buffer[..2]).await.unwrap(), 2);
    assert_eq!(&buffer[..5], b"hello");
    let mut space = [0; 3];
    let mut read_buf = ReadBuf::new(&mut space);
    let peeked = std::future::poll_fn(|cx| server.poll_peek(cx, &mut read_buf));
    assert_eq!(peeked.await.unwrap(), 3);
    assert_eq!(read_buf.filled(), b"hel");
    assert_eq!(server.read(&mut buffer[..2]).await.unwrap(), 2);
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    soon(server.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "llo");
    assert_eq!(server.peek(&mut buffer).await.unwrap(), 0, "the end");
}

#[tokio::test]
async fn what_is_not_possible_now_is_waited_for() {
    let hosts = Hosts::start(1);
    let (mut client, server) = hosts.connection().await;
    let mut buffer = [0; 10];
    assert_eq!(
        server.try_read(&mut buffer).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    cancel_after_one_poll(server.readable()).await;
    cancel_after_one_poll(server.ready(Interest::READABLE)).await;
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = soon(server.ready(both)).await.unwrap();
    assert!(ready.is_writable() && !ready.is_readable());

    assert_eq!(
        client
            .try_write_vectored(&[IoSlice::new(b"one "), IoSlice::new(b"two")])
            .unwrap(),
        7
    );
    soon(async {
        loop {
            server.readable().await.unwrap();
            if server.info().unread == 7 {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ready = soon(server.ready(both)).await.unwrap();
    assert!(ready.is_readable() && ready.is_writable() && !ready.is_read_closed());
    let (mut first, mut second) = ([0; 2], [0; 10]);
    let mut buffers = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
    assert_eq!(server.try_read_vectored(&mut buffers).unwrap(), 7);
    assert_eq!((&first, &second[..5]), (b"on", &b"e two"[..]));

    client.shutdown().await.unwrap();
    soon(server.readable()).await.unwrap();
    let ready = server.ready(Interest::READABLE).await.unwrap();
    assert!(ready.is_read_closed());
    assert_eq!(server.try_read(&mut buffer).unwrap(), 0);
    assert_eq!(
        client.try_write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    let ready = client.ready(Interest::WRITABLE).await.unwrap();
    assert!(ready.is_write_closed());
}

#[tokio::test]
async fn room_is_waited_for_and_cancelled_writes_take_nothing() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = with_small_buffers(&hosts).await;
    // Nothing gets through, so that there is no room for as long as the test wants.
    hosts.links[0].set_up(false);
    let written = fill(&client);
    assert_eq!(written, 20_000);
    cancel_after_one_poll(client.writable()).await;
    let mut more = Bytes::from_static(b"more");
    cancel_after_one_poll(client.write_chunk(&mut more)).await;
    assert_eq!(more, "more", "nothing was taken");
    cancel_after_one_poll(client.write(b"lost?")).await;

    hosts.links[0].set_up(true);
    let mut data = vec![0; written];
    soon(server.read_exact(&mut data)).await.unwrap();
    soon(client.writable()).await.unwrap();
    assert_eq!(soon(client.write_chunk(&mut more)).await.unwrap(), 4);
    client.shutdown().await.unwrap();
    let mut rest = String::new();
    soon(server.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "more", "and nothing was written");
}

#[tokio::test]
async fn a_limit_on_waiting_loses_nothing() {
    let hosts = Hosts::start(1);
    let (client, mut server) = with_small_buffers(&hosts).await;
    let limit = Some(Duration::from_millis(50));
    let mut client = WithTimeouts::new(client, limit, limit);
    let mut buffer = [0; 10];
    for _ in 0..2 {
        let began = Instant::now();
        let error = soon(client.read(&mut buffer)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(began.elapsed() >= Duration::from_millis(50));
    }
    server.write_all(b"late").await.unwrap();
    soon(client.get_ref().readable()).await.unwrap();
    assert_eq!(client.read(&mut buffer).await.unwrap(), 4);

    hosts.links[0].set_up(false);
    let written = fill(client.get_ref());
    let error = soon(client.write(b"more")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    hosts.links[0].set_up(true);
    soon(server.read_exact(&mut vec![0; written]))
        .await
        .unwrap();
    soon(client.get_ref().writable()).await.unwrap();
    client.write_all(b"more").await.unwrap();
    client.into_inner().shutdown().await.unwrap();
    let mut rest = String::new();
    soon(server.read_to_string(&mut rest)).await.unwrap();
    assert_eq!(rest, "more");
}

#[tokio::test]
async fn who_reads_no_more_still_writes() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = with_small_buffers(&hosts).await;
    server.write_all(b"not read any more").await.unwrap();
    soon(client.readable()).await.unwrap();
    client.shutdown_with(Shutdown::Read).unwrap();
    let mut buffer = [0; 10];
    assert_eq!(client.read(&mut buffer).await.unwrap(), 0);
    assert_eq!(client.peek(&mut buffer).await.unwrap(), 0);
    assert!(client.read_chunk(10).await.unwrap().is_none());

    // Much more than the window: it is all acknowledged, and nobody sees it.
    soon(server.write_all(&vec![1; 1_000_000])).await.unwrap();
    server.shutdown().await.unwrap();
    soon(server.flushed()).await.unwrap();
    assert_eq!(client.read(&mut buffer).await.unwrap(), 0);
    client.write_all(b"still heard").await.unwrap();
    client.shutdown_with(Shutdown::Write).unwrap();
    let mut text = String::new();
    soon(server.read_to_string(&mut text)).await.unwrap();
    assert_eq!(text, "still heard");
    soon(client.flushed()).await.unwrap();
    assert_eq!(client.read(&mut buffer).await.unwrap(), 0, "the end stays");
}

/// RFC 1122 §4.2.2.13: data for an application that has gone is answered with a reset, whether or
/// not it had stopped reading before.
#[tokio::test]
async fn who_reads_no_more_and_goes_is_heard_to_be_gone() {
    let hosts = Hosts::start(1);
    let (client, mut server) = hosts.connection().await;
    client.shutdown_with(Shutdown::Read).unwrap();
    drop(client);
    assert_eq!(soon(server.read(&mut [0; 1])).await.unwrap(), 0);
    let error = soon(async {
        loop {
            if let Err(error) = server.write_all(&[1; 1000]).await {
                return error;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
}

#[tokio::test]
async fn a_reader_that_waits_comes_to_the_end() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    let (mut read, write) = client.split();
    let mut buffer = [0; 10];
    let shut_down = async {
        tokio::task::yield_now().await;
        write.as_ref().shutdown_with(Shutdown::Both)
    };
    let (read, done) = soon(async { tokio::join!(read.read(&mut buffer), shut_down) }).await;
    assert_eq!(read.unwrap(), 0);
    done.unwrap();
    assert_eq!(soon(server.read(&mut buffer)).await.unwrap(), 0);
}

#[tokio::test]
async fn borrowed_halves_work_at_the_same_time() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    {
        let (mut read, mut write) = client.split();
        let (mut echo_read, mut echo_write) = server.split();
        let data: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let mut echoed = vec![0; data.len()];
        let echo = async {
            while let Some(chunk) = echo_read.read_chunk(10_000).await? {
                echo_write.write_bytes(chunk).await?;
            }
            echo_write.shutdown().await
        };
        let send = async {
            write.write_all(&data).await?;
            write.shutdown().await
        };
        let receive = read.read_exact(&mut echoed);
        let results = soon(async { tokio::join!(echo, send, receive) }).await;
        results.0.unwrap();
        results.1.unwrap();
        results.2.unwrap();
        assert_eq!(echoed, data);
    }
    assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
}

#[tokio::test]
async fn an_error_is_taken_once() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    exchange(&mut client, &mut server).await;
    assert!(client.take_error().unwrap().is_none());
    server.abort();
    soon(client.readable()).await.unwrap();
    soon(client.writable()).await.unwrap();
    let error = client.take_error().unwrap().expect("an error");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(client.take_error().unwrap().is_none());
    let error = client.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}
