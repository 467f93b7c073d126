//! Halves that borrow the stream: for one task that reads and writes at the same time.

use crate::stream::{self, MptcpStream};
use bytes::Bytes;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The half of a borrowed [`MptcpStream`] that reads. Dropping it changes nothing.
#[derive(Debug)]
pub struct ReadHalf<'stream>(&'stream MptcpStream);

/// The half of a borrowed [`MptcpStream`] that writes. Dropping it changes nothing.
#[derive(Debug)]
pub struct WriteHalf<'stream>(&'stream MptcpStream);

pub(crate) fn split(stream: &mut MptcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

impl ReadHalf<'_> {
    /// As [`MptcpStream::read_chunk`], and as safe to cancel.
    ///
    /// # Errors
    /// As for [`MptcpStream::read_chunk`].
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.0.connection().poll_read_chunk(cx, max)).await
    }

    /// As [`MptcpStream::peek`], and as safe to cancel.
    ///
    /// # Errors
    /// As for [`MptcpStream::peek`].
    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.peek(buffer).await
    }
}

/// The whole stream, for whatever changes nothing between the halves.
impl AsRef<MptcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &MptcpStream {
        self.0
    }
}

impl WriteHalf<'_> {
    /// As [`MptcpStream::write_bytes`]; what is said there on dropping the future holds here.
    ///
    /// # Errors
    /// As for [`MptcpStream::write_bytes`].
    pub async fn write_bytes(&mut self, data: Bytes) -> io::Result<()> {
        stream::write_bytes(self.0.connection(), data).await
    }

    /// As [`MptcpStream::write_chunk`], and as safe to cancel.
    ///
    /// # Errors
    /// As for [`MptcpStream::write_bytes`].
    pub async fn write_chunk(&mut self, data: &mut Bytes) -> io::Result<usize> {
        stream::write_chunk(self.0.connection(), data).await
    }
}

/// The whole stream, for whatever changes nothing between the halves.
impl AsRef<MptcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &MptcpStream {
        self.0
    }
}

/// As for [`MptcpStream`].
impl AsyncRead for ReadHalf<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        stream::poll_read(self.0.connection(), cx, buffer)
    }
}

/// As for [`MptcpStream`].
impl AsyncWrite for WriteHalf<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        stream::poll_write(self.0.connection(), cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.connection().shutdown())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        stream::poll_write_vectored(self.0.connection(), cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
