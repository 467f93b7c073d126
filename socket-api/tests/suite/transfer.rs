//! Much data, over several paths, and transfers that end in the middle.

use crate::hosts::{Hosts, Pattern, client_address, exchange, soon, subflow_over};
use bytes::Bytes;
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use umptcp::{MptcpStream, OwnedReadHalf, OwnedWriteHalf, SubflowInfo};

const MIB: u64 = 1 << 20;

async fn send(mut stream: OwnedWriteHalf, len: u64) {
    let mut pattern = Pattern::new();
    let mut buffer = vec![0; 60_000];
    while pattern.position() < len {
        let part = usize::try_from(len - pattern.position())
            .unwrap()
            .min(buffer.len());
        pattern.fill(&mut buffer[..part]);
        stream.write_all(&buffer[..part]).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    stream.flushed().await.unwrap();
}

async fn receive(mut stream: OwnedReadHalf) -> u64 {
    let mut pattern = Pattern::new();
    let mut buffer = vec![0; 50_000];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            return pattern.position();
        }
        pattern.check(&buffer[..read]).unwrap();
    }
}

/// Sends so much in both directions at the same time; gives the client's view of its subflows.
async fn both_ways(client: MptcpStream, server: MptcpStream, len: u64) -> Vec<SubflowInfo> {
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let server = tokio::spawn(async move {
        let (received, ()) = tokio::join!(receive(server_read), send(server_write, len));
        received
    });
    let watch = tokio::spawn(async move {
        let mut stream = client_read;
        let mut pattern = Pattern::new();
        while let Some(chunk) = stream.read_chunk(1 << 20).await.unwrap() {
            pattern.check(&chunk).unwrap();
        }
        (stream.subflows(), pattern.position())
    });
    send(client_write, len).await;
    let (subflows, received) = watch.await.unwrap();
    assert_eq!(received, len);
    assert_eq!(server.await.unwrap(), len);
    subflows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_mebibytes_arrive_intact_over_two_paths() {
    let hosts = Hosts::start(2);
    let (client, server) = hosts.connection().await;
    let subflows = soon(both_ways(client, server, 32 * MIB)).await;
    for link in 0..2 {
        let on_link = subflows
            .iter()
            .filter(|subflow| subflow.local.ip() == client_address(link));
        let (sent, received) = on_link.fold((0, 0), |(sent, received), subflow| {
            (sent + subflow.bytes_sent, received + subflow.bytes_received)
        });
        assert!(
            sent > MIB && received > MIB,
            "link {link} carried {sent} and {received} bytes"
        );
    }
}

#[tokio::test]
async fn one_path_and_one_thread_do_as_well() {
    let hosts = Hosts::start(1);
    let (client, server) = hosts.connection().await;
    soon(both_ways(client, server, 4 * MIB)).await;
}

#[tokio::test]
async fn a_path_that_is_cut_and_joined_again_loses_nothing() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = hosts.connection().await;
    exchange(&mut client, &mut server).await;
    subflow_over(&client, 1).await;
    let transfer = tokio::spawn(both_ways(client, server, 16 * MIB));
    for round in 0..6 {
        let link = &hosts.links[round % 2];
        let carried = link.packets_carried();
        soon(async {
            while link.packets_carried() < carried + 200 && !transfer.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        link.set_up(false);
        let other = &hosts.links[(round + 1) % 2];
        let carried = other.packets_carried();
        soon(async {
            while other.packets_carried() < carried + 200 && !transfer.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        link.set_up(true);
    }
    soon(transfer).await.unwrap();
}

#[tokio::test]
async fn a_writer_waits_for_a_reader_that_does_not_read() {
    let hosts = Hosts::start(1);
    let (mut client, mut server) = hosts.connection().await;
    // Both buffers together hold less than this.
    let data = Bytes::from(vec![5; 32 << 20]);
    let len = data.len() as u64;
    let mut rest = data.clone();
    let stalled = loop {
        let write = client.write_chunk(&mut rest);
        match tokio::time::timeout(std::time::Duration::from_secs(1), write).await {
            Ok(written) => assert!(written.unwrap() > 0),
            Err(_) => break len - rest.len() as u64,
        }
        assert!(!rest.is_empty(), "nothing ever stops the writer");
    };
    assert!(stalled > 0);
    let reader = tokio::spawn(async move {
        let mut total = 0;
        while let Some(chunk) = server.read_chunk(1 << 20).await.unwrap() {
            assert!(chunk.iter().all(|byte| *byte == 5));
            total += chunk.len() as u64;
        }
        total
    });
    // The cancelled write took nothing.
    soon(client.write_bytes(rest)).await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(soon(reader).await.unwrap(), len);
}

#[tokio::test]
async fn a_reader_that_drops_in_the_middle_resets_the_writer() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = hosts.connection().await;
    let writer = tokio::spawn(async move {
        loop {
            if let Err(error) = client.write_all(&[1; 10_000]).await {
                return error;
            }
        }
    });
    let mut buffer = vec![0; 100_000];
    soon(server.read_exact(&mut buffer)).await.unwrap();
    drop(server);
    let error = soon(writer).await.unwrap();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_dropped_writer_still_delivers_what_it_wrote() {
    let hosts = Hosts::start(2);
    let (mut client, mut server) = hosts.connection().await;
    let data = Bytes::from(vec![9; 1_000_000]);
    let mut received = Vec::new();
    // More than the buffers take before anybody reads.
    let writing = async {
        let written = client.write_bytes(data.clone()).await;
        drop(client);
        written
    };
    let both = async { tokio::join!(writing, server.read_to_end(&mut received)) };
    let (written, read) = soon(both).await;
    written.unwrap();
    read.unwrap();
    assert!(received == data, "{} bytes", received.len());
}
