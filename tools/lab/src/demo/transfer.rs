//! The transfer itself: bytes from a payload into one stream and out of another, digested on the
//! way in and on the way out, by parts that share nothing but the bytes.

use crate::payload::{BLOCK_LEN, BlockDigests, Payload};
use bytes::Bytes;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

/// Blocks that are read ahead of the stream.
const READ_AHEAD: usize = 8;

/// What the receiver takes from its stream at a time.
const READ_LEN: usize = 256 << 10;

/// Why the sender gave up.
#[derive(Debug)]
pub(super) enum SendError {
    /// The payload could not be read.
    Payload(io::Error),
    /// The stream did not take it.
    Stream(io::Error),
}

/// Sends a payload and ends the stream; gives the stream back, with the digests of what was sent.
pub(super) async fn send<S>(mut stream: S, payload: Payload) -> Result<(S, BlockDigests), SendError>
where
    S: AsyncWrite + Unpin,
{
    let (blocks, mut incoming) = mpsc::channel(READ_AHEAD);
    let reader = tokio::task::spawn_blocking(move || read_blocks(&payload, &blocks));
    while let Some(block) = incoming.recv().await {
        stream.write_all(&block).await.map_err(SendError::Stream)?;
    }
    let digests = match reader.await {
        Ok(digests) => digests.map_err(SendError::Payload)?,
        Err(panicked) => return Err(SendError::Payload(io::Error::other(panicked))),
    };
    stream.shutdown().await.map_err(SendError::Stream)?;
    Ok((stream, digests))
}

/// Reads a payload block by block until its end, or until nobody wants more.
fn read_blocks(payload: &Payload, blocks: &mpsc::Sender<Bytes>) -> io::Result<BlockDigests> {
    let mut reader = payload.open()?;
    let mut digests = BlockDigests::new();
    loop {
        let mut block = Vec::with_capacity(BLOCK_LEN);
        reader
            .by_ref()
            .take(BLOCK_LEN as u64)
            .read_to_end(&mut block)?;
        digests.update(&block);
        if block.is_empty() || blocks.blocking_send(block.into()).is_err() {
            return Ok(digests);
        }
    }
}

/// Receives until the end of the stream; gives the stream back, with the digests of what came.
pub(super) async fn receive<S>(mut stream: S, arrived: &AtomicU64) -> io::Result<(S, BlockDigests)>
where
    S: AsyncRead + Unpin,
{
    let mut digests = BlockDigests::new();
    let mut buffer = vec![0; READ_LEN];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok((stream, digests));
        }
        digests.update(&buffer[..len]);
        arrived.store(digests.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(len: u64) -> (BlockDigests, BlockDigests, u64) {
        let (near, far) = tokio::io::duplex(10_000);
        let arrived = AtomicU64::new(0);
        let (sent, received) = tokio::join!(
            send(near, Payload::generated(1, len)),
            receive(far, &arrived)
        );
        let sent = sent.expect("nothing fails here").1;
        (
            sent,
            received.expect("nothing fails here").1,
            arrived.into_inner(),
        )
    }

    #[tokio::test]
    async fn what_arrives_has_the_digests_of_what_was_sent() {
        for len in [0, 1, BLOCK_LEN as u64, 3 * BLOCK_LEN as u64 + 17] {
            let (sent, received, arrived) = pass(len).await;
            assert_eq!((sent.len(), received.len(), arrived), (len, len, len));
            assert_eq!(sent.first_difference(&received), None);
        }
    }

    #[tokio::test]
    async fn a_payload_that_vanished_is_the_payloads_fault() {
        let path = std::env::temp_dir().join(format!("umptcp-gone-{}", std::process::id()));
        std::fs::write(&path, "here for a moment").expect("temporary file");
        let payload = Payload::file(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it was there");
        let (near, _far) = tokio::io::duplex(100);
        assert!(matches!(
            send(near, payload).await,
            Err(SendError::Payload(_))
        ));
    }

    #[tokio::test]
    async fn a_receiver_that_goes_away_is_the_streams_fault() {
        let (near, far) = tokio::io::duplex(100);
        drop(far);
        let outcome = send(near, Payload::generated(1, 1 << 20)).await;
        assert!(matches!(outcome, Err(SendError::Stream(_))));
    }
}
