//! A connected socket for programs that wait for readiness and then try, as with tokio's
//! `TcpStream`; and looking at what can be read without reading it.
//!
//! The module owns these methods of the stream; what they do is the connection's.

use crate::connection::without_state;
use crate::stream::MptcpStream;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll, ready};
use tokio::io::{Interest, ReadBuf, Ready};

impl MptcpStream {
    /// Waits until one of the things asked for is possible, and says which. An error that a read
    /// or write would give counts as possible. Interest in anything but reading and writing means
    /// nothing.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// `NotConnected` if the stack has stopped.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|cx| self.connection().poll_ready(cx, interest)).await
    }

    /// Waits until a read would not wait.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// As for [`Self::ready`].
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_read_ready(cx)).await
    }

    /// Waits until a write would not wait.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// As for [`Self::ready`].
    pub async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_write_ready(cx)).await
    }

    /// As [`Self::readable`], for hand-written futures.
    ///
    /// # Errors
    /// As for [`Self::ready`].
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        without_state(self.connection().poll_readable(cx))
    }

    /// As [`Self::writable`], for hand-written futures.
    ///
    /// # Errors
    /// As for [`Self::ready`].
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        without_state(self.connection().poll_writable(cx))
    }

    /// Reads what is there; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing yet, otherwise why the connection ended.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection().try_read(buffer)
    }

    /// As [`Self::try_read`], filling one buffer after the other.
    ///
    /// # Errors
    /// As for [`Self::try_read`].
    pub fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.connection().try_read_vectored(buffers)
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` if there is no room, `BrokenPipe` after a shutdown, or why the connection ended.
    pub fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.connection().try_write(data)
    }

    /// As [`Self::try_write`], one slice after the other.
    ///
    /// # Errors
    /// As for [`Self::try_write`].
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.connection().try_write_vectored(slices)
    }

    /// Waits until there is something to read and copies it, leaving it to be read; 0 is the end of
    /// the stream.
    ///
    /// Cancellation safe: nothing is taken.
    ///
    /// # Errors
    /// Why the connection ended, if it did before the stream.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.connection().poll_peek(cx, buffer)).await
    }

    /// As [`Self::peek`], for hand-written futures.
    ///
    /// # Errors
    /// As for [`Self::peek`].
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let peeked = ready!(
            self.connection()
                .poll_peek(cx, buffer.initialize_unfilled())
        )?;
        buffer.advance(peeked);
        Poll::Ready(Ok(peeked))
    }
}
