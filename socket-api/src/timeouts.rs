//! Time limits on a stream's reads and writes, for code that takes any stream and has none.
//!
//! The module owns the two timers. It knows nothing of connections: any stream will do.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A stream whose reads and writes fail with `TimedOut` when they wait for too long; afterwards
/// they can be tried again, and nothing is lost.
///
/// The time runs from the first read that has to wait until one gives something, and the same for
/// writes. Giving a read up does not stop the time: the limit is on how long the peer lets us wait.
/// For the limit on a single operation, put `tokio::time::timeout` around it.
#[derive(Debug)]
pub struct WithTimeouts<S> {
    stream: S,
    read: Timer,
    write: Timer,
}

impl<S> WithTimeouts<S> {
    /// Limits how long reads and writes may wait; `None` is for ever.
    #[must_use]
    pub fn new(stream: S, read: Option<Duration>, write: Option<Duration>) -> Self {
        Self {
            stream,
            read: Timer::new(read),
            write: Timer::new(write),
        }
    }

    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream; what is read and written there has no limit.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream without limits.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.stream
    }
}

#[derive(Debug)]
struct Timer {
    limit: Option<Duration>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Something waits, and the sleep is set to when it has waited for too long.
    running: bool,
}

impl Timer {
    fn new(limit: Option<Duration>) -> Self {
        Self {
            limit,
            sleep: None,
            running: false,
        }
    }

    /// Passes a result on; what is not ready in time becomes an error.
    fn limit<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let Some(limit) = self.limit.filter(|_| result.is_pending()) else {
            self.running = false;
            return result;
        };
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.running {
            self.running = true;
            // A limit beyond what the clock can count is set to where it ends.
            let far = Duration::from_secs(86_400 * 365);
            let now = Instant::now();
            let end = now.checked_add(limit).unwrap_or_else(|| now + far);
            sleep.as_mut().reset(end);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        self.running = false;
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("waited for {limit:?} in vain"),
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WithTimeouts<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_read(cx, buffer);
        this.read.limit(cx, result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WithTimeouts<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, data);
        this.write.limit(cx, result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        this.write.limit(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.write.limit(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.write.limit(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
