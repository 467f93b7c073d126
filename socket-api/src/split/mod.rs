//! The halves of a connected socket: owned ones for two tasks, borrowed ones for one.
//!
//! The module owns the public faces of the halves; the connection is released with the last owned
//! one.

mod borrowed;

pub(crate) use borrowed::split as borrow;
pub use borrowed::{ReadHalf, WriteHalf};

use crate::connection::SharedConnection;
use crate::control::ConnectionControl;
use crate::stream::{self, MptcpStream};
use bytes::Bytes;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use umptcp_stack::{ConnectionInfo, SubflowInfo};

/// The half of an [`MptcpStream`] that reads. Dropping it alone changes nothing.
#[derive(Debug)]
pub struct OwnedReadHalf {
    connection: SharedConnection,
}

/// The half of an [`MptcpStream`] that writes. Dropping it ends the sending direction.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    connection: SharedConnection,
    shutdown_on_drop: bool,
}

/// Two halves that are not of the same stream.
#[derive(Debug)]
pub struct ReuniteError(
    /// The half that reads.
    pub OwnedReadHalf,
    /// The half that writes.
    pub OwnedWriteHalf,
);

impl std::fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the halves are not of the same stream")
    }
}

impl std::error::Error for ReuniteError {}

impl OwnedReadHalf {
    pub(crate) fn new(connection: SharedConnection) -> Self {
        Self { connection }
    }

    /// As [`MptcpStream::read_chunk`], and as safe to cancel.
    ///
    /// # Errors
    /// As for [`MptcpStream::read_chunk`].
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.connection.poll_read_chunk(cx, max)).await
    }

    /// As [`MptcpStream::peek`], and as safe to cancel.
    ///
    /// # Errors
    /// As for [`MptcpStream::peek`].
    pub async fn peek(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| self.connection.poll_peek(cx, buffer)).await
    }

    /// Makes the halves a stream again.
    ///
    /// # Errors
    /// They are of different streams.
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<MptcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.connection, &other.connection) {
            return Err(ReuniteError(self, other));
        }
        other.forget();
        Ok(MptcpStream::from_shared(self.connection))
    }

    /// As [`MptcpStream::info`].
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        self.connection.info()
    }

    /// As [`MptcpStream::subflows`].
    #[must_use]
    pub fn subflows(&self) -> Vec<SubflowInfo> {
        self.connection.subflows()
    }

    /// As [`MptcpStream::control`].
    #[must_use]
    pub fn control(&self) -> ConnectionControl {
        ConnectionControl::new(&self.connection)
    }

    /// As [`MptcpStream::local_addr`].
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.connection.local_addr()
    }

    /// As [`MptcpStream::peer_addr`].
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.connection.peer_addr()
    }
}

impl OwnedWriteHalf {
    pub(crate) fn new(connection: SharedConnection) -> Self {
        Self {
            connection,
            shutdown_on_drop: true,
        }
    }

    /// As [`MptcpStream::write_bytes`]; what is said there on dropping the future holds here.
    ///
    /// # Errors
    /// As for [`MptcpStream::write_bytes`].
    pub async fn write_bytes(&mut self, data: Bytes) -> io::Result<()> {
        stream::write_bytes(&self.connection, data).await
    }

    /// As [`MptcpStream::write_chunk`], and as safe to cancel.
    ///
    /// # Errors
    /// As for [`MptcpStream::write_bytes`].
    pub async fn write_chunk(&mut self, data: &mut Bytes) -> io::Result<usize> {
        stream::write_chunk(&self.connection, data).await
    }

    /// As [`MptcpStream::flushed`], and as safe to cancel.
    ///
    /// # Errors
    /// As for [`MptcpStream::flushed`].
    pub async fn flushed(&self) -> io::Result<()> {
        poll_fn(|cx| self.connection.poll_flushed(cx)).await
    }

    /// As [`MptcpStream::abort`].
    pub fn abort(&self) {
        self.connection.abort();
    }

    /// Drops the half without ending the sending direction.
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    /// As [`MptcpStream::info`].
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        self.connection.info()
    }

    /// As [`MptcpStream::subflows`].
    #[must_use]
    pub fn subflows(&self) -> Vec<SubflowInfo> {
        self.connection.subflows()
    }

    /// As [`MptcpStream::control`].
    #[must_use]
    pub fn control(&self) -> ConnectionControl {
        ConnectionControl::new(&self.connection)
    }

    /// As [`MptcpStream::local_addr`].
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.connection.local_addr()
    }

    /// As [`MptcpStream::peer_addr`].
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.connection.peer_addr()
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // A connection that has ended already needs no end of stream.
            let _ = self.connection.shutdown();
        }
    }
}

/// As for [`MptcpStream`].
impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        stream::poll_read(&self.connection, cx, buffer)
    }
}

/// As for [`MptcpStream`].
impl AsyncWrite for OwnedWriteHalf {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        stream::poll_write(&self.connection, cx, data)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.connection.shutdown())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        stream::poll_write_vectored(&self.connection, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
