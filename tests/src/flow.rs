//! Known bytes through a stream, and the check that they are what came out.

use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use umptcp_lab::payload::Pattern;

/// A step that takes longer has hung. Far more than any needs, on a machine however busy.
pub const LIMIT: Duration = Duration::from_secs(60);

const PIECE: usize = 64 << 10;

/// Writes `len` bytes of a pattern and ends the stream.
///
/// # Panics
/// The stream does not take them.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), pattern: Pattern, len: u64) {
    let mut at = 0;
    while at < len {
        let piece = usize::try_from(len - at).unwrap_or(usize::MAX).min(PIECE);
        let bytes = pattern.bytes(at, piece);
        let written = timeout(LIMIT, stream.write_all(&bytes)).await;
        written.expect("sending has hung").expect("write");
        at += piece as u64;
    }
    let shut_down = timeout(LIMIT, stream.shutdown()).await;
    shut_down.expect("the end has hung").expect("shutdown");
}

/// Reads to the end of the stream, which must be `len` bytes of a pattern.
///
/// # Panics
/// It is not.
pub async fn receive(stream: &mut (impl AsyncRead + Unpin), pattern: Pattern, len: u64) {
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    loop {
        let read = timeout(LIMIT, stream.read(&mut buffer)).await;
        let count = read.expect("receiving has hung").expect("read");
        if count == 0 {
            break;
        }
        let difference = pattern.first_difference(at, &buffer[..count]);
        assert_eq!(difference, None, "what arrived differs from what was sent");
        at += count as u64;
    }
    assert_eq!(at, len, "bytes until the end of the stream");
}
