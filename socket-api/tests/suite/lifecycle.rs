//! Cancelled futures, dropped handles, stopped stacks: nobody hangs, nothing leaks.

use crate::hosts::{Hosts, cancel_after_one_poll, soon, waits};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::Context;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use umptcp::{ConnectionConfig, Device, MemoryDevice, Stack};

#[tokio::test]
async fn cancelled_reads_and_accepts_lose_nothing() {
    let hosts = Hosts::start(1);
    let listener = hosts.listen();
    for _ in 0..3 {
        cancel_after_one_poll(listener.accept()).await;
    }
    let (client, server) =
        soon(async { tokio::join!(hosts.client.connect(hosts.address()), listener.accept()) })
            .await;
    let (mut client, (mut server, _)) = (client.unwrap(), server.unwrap());
    for round in 0..20_u8 {
        cancel_after_one_poll(server.read(&mut [0; 10])).await;
        cancel_after_one_poll(server.read_chunk(10)).await;
        client.write_all(&[round; 3]).await.unwrap();
        let mut buffer = [0; 3];
        soon(server.read_exact(&mut buffer)).await.unwrap();
        assert_eq!(buffer, [round; 3]);
    }
    cancel_after_one_poll(client.flushed()).await;
    client.shutdown().await.unwrap();
    soon(client.flushed()).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_connect_frees_its_port() {
    let hosts = Hosts::start(1);
    hosts.links[0].set_up(false);
    let local = "10.0.0.1:7000".parse().unwrap();
    let connect = || {
        hosts
            .client
            .connect_with(Some(local), hosts.address(), ConnectionConfig::default())
    };
    cancel_after_one_poll(connect()).await;
    hosts.links[0].set_up(true);
    let listener = hosts.listen();
    let (client, server) = soon(async { tokio::join!(connect(), listener.accept()) }).await;
    assert_eq!(client.unwrap().local_addr(), local);
    server.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_dropped_without_lingering_is_reset() {
    for linger in [None, Some(std::time::Duration::ZERO)] {
        let hosts = Hosts::start(1);
        let (mut client, mut server) = hosts.connection().await;
        client.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 5];
        soon(server.read_exact(&mut buffer)).await.unwrap();
        client.set_linger(linger);
        drop(client);
        let end = soon(server.read(&mut buffer)).await;
        match linger {
            None => assert_eq!(end.unwrap(), 0),
            Some(_) => assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset),
        }
    }
}

#[tokio::test]
async fn several_tasks_accept() {
    let hosts = Hosts::start(1);
    let listener = std::sync::Arc::new(hosts.listen());
    let accepting: Vec<_> = (0..4)
        .map(|_| {
            let listener = std::sync::Arc::clone(&listener);
            tokio::spawn(async move { listener.accept().await.map(|(stream, _)| stream) })
        })
        .collect();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(soon(hosts.client.connect(hosts.address())).await.unwrap());
    }
    for task in accepting {
        let server = soon(task).await.unwrap().unwrap();
        assert!(
            clients
                .iter()
                .any(|client| client.local_addr() == server.peer_addr())
        );
    }
}

#[tokio::test]
async fn a_dropped_listener_frees_its_port_and_refuses() {
    let hosts = Hosts::start(1);
    drop(hosts.listen());
    let error = soon(hosts.client.connect(hosts.address()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    let listener = hosts.listen();
    let accept = listener.accept();
    let (client, _) =
        soon(async { tokio::join!(hosts.client.connect(hosts.address()), accept) }).await;
    client.unwrap();
}

#[tokio::test]
async fn a_stopped_stack_answers_everybody() {
    let hosts = Hosts::start(1);
    let listener = hosts.listen();
    let (mut client, mut server) = {
        let connect = hosts.client.connect(hosts.address());
        let (client, server) = soon(async { tokio::join!(connect, listener.accept()) }).await;
        (client.unwrap(), server.unwrap().0)
    };
    let read = tokio::spawn(async move { server.read(&mut [0; 10]).await.map(drop) });
    let accept = tokio::spawn(async move { listener.accept().await.map(drop) });
    tokio::task::yield_now().await;
    soon(hosts.server.stop()).await;
    for task in [read, accept] {
        let error = soon(task).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        assert!(error.to_string().contains("stopped"), "{error}");
    }
    let error = hosts.server.connect(hosts.address()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    let config = ConnectionConfig::default();
    assert!(
        hosts
            .server
            .listen("0.0.0.0:1".parse().unwrap(), config)
            .is_err()
    );
    soon(hosts.server.stop()).await;
    // The other stack lives; its link is down now.
    client.write_all(b"into the void").await.unwrap();
}

#[test]
fn calls_fail_when_the_runtime_of_the_stack_is_gone() {
    let build = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let runtime = build();
    let (mut client, hosts) = runtime.block_on(async {
        let hosts = Hosts::start(1);
        (hosts.connection().await.0, hosts)
    });
    drop(runtime);
    build().block_on(async {
        let error = soon(client.read(&mut [0; 10])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
        assert!(soon(hosts.client.connect(hosts.address())).await.is_err());
        soon(hosts.client.stop()).await;
    });
}

/// Waits until the other end of a device is dropped, and with it its stack's task.
async fn until_peer_is_gone(device: &mut MemoryDevice) {
    soon(poll_fn(|cx: &mut Context<'_>| {
        // Packets that are still sent make room for the link's end.
        while device.poll_recv(cx, &mut [0; 1500]).is_ready() {}
        device.poll_link(cx)
    }))
    .await;
}

#[tokio::test]
async fn the_task_ends_with_the_last_handle() {
    let (device, mut other) = MemoryDevice::pair(1500);
    let stack = Stack::builder()
        .interface(device, [[10, 0, 0, 1].into()])
        .start()
        .unwrap();
    let clone = stack.clone();
    let listener = stack
        .listen("0.0.0.0:80".parse().unwrap(), ConnectionConfig::default())
        .unwrap();
    drop(stack);
    drop(clone);
    let mut gone = Box::pin(until_peer_is_gone(&mut other));
    for _ in 0..100 {
        // The task of the stack runs in between, and would end here.
        assert!(
            waits(gone.as_mut()).await,
            "the listener still needs the stack"
        );
        tokio::task::yield_now().await;
    }
    drop(listener);
    gone.await;
}

#[tokio::test]
async fn a_dropped_connect_ends_the_task_too() {
    let (device, mut other) = MemoryDevice::pair(1500);
    let stack = Stack::builder()
        .interface(device, [[10, 0, 0, 1].into()])
        .start()
        .unwrap();
    cancel_after_one_poll(stack.connect("10.0.0.2:80")).await;
    drop(stack);
    until_peer_is_gone(&mut other).await;
}
