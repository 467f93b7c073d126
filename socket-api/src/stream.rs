//! A connected socket.
//!
//! The module owns the public face of a whole connection: bytes in order in both directions, and
//! control over its subflows. `split` has the faces of its halves, `readiness` and `options` have
//! more of its methods.

use crate::connection::{Connection, SharedConnection};
use crate::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use bytes::Bytes;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use umptcp_stack::{ConnectionInfo, SubflowId, SubflowInfo};

/// Most that one `poll_read` fills: reading into memory that was never written means clearing it
/// first, and more than this seldom waits.
const MAX_READ: usize = 256 * 1024;

/// An MPTCP connection, or the plain TCP connection it has fallen back to.
///
/// It reads and writes like a TCP stream. Dropping it closes both directions in order once
/// everything written has arrived, or at once if something was left unread;
/// [`set_linger`](Self::set_linger) changes that.
///
/// A time limit for any of its waits is `tokio::time::timeout` around it: what a method says on
/// cancellation is what is so after the limit. [`WithTimeouts`](crate::WithTimeouts) limits the
/// reads and writes of code that takes any stream.
#[derive(Debug)]
pub struct MptcpStream {
    connection: SharedConnection,
}

impl MptcpStream {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
        }
    }

    pub(crate) fn from_shared(connection: SharedConnection) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(&self) -> &SharedConnection {
        &self.connection
    }

    /// The local address of the initial subflow.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.connection.local_addr()
    }

    /// The remote address of the initial subflow.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.connection.peer_addr()
    }

    /// What the connection looks like now.
    #[must_use]
    pub fn info(&self) -> ConnectionInfo {
        self.connection.info()
    }

    /// What its subflows look like now, in the order of opening.
    #[must_use]
    pub fn subflows(&self) -> Vec<SubflowInfo> {
        self.connection.subflows()
    }

    /// Begins to open a subflow; [`Self::subflow_established`] waits for it.
    ///
    /// # Errors
    /// `Unsupported` if the connection can take no further subflow, otherwise as for connecting.
    pub fn open_subflow(
        &self,
        local: IpAddr,
        remote: SocketAddr,
        backup: bool,
    ) -> io::Result<SubflowId> {
        self.connection.open_subflow(local, remote, backup)
    }

    /// Waits until a subflow is usable.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// `ConnectionAborted` if the subflow was closed, or why the connection ended.
    pub async fn subflow_established(&self, subflow: SubflowId) -> io::Result<()> {
        poll_fn(|cx| self.connection.poll_subflow(cx, subflow)).await
    }

    /// Closes a subflow in order; what it had not delivered goes to the others.
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow.
    pub fn close_subflow(&self, subflow: SubflowId) -> io::Result<()> {
        self.connection.close_subflow(subflow)
    }

    /// Asks the peer to use a subflow only when no other works, or as a regular one, and does the
    /// same here if `ConnectionConfig::backup_binds_both` says so.
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow.
    pub fn set_backup(&self, subflow: SubflowId, backup: bool) -> io::Result<()> {
        self.connection.set_backup(subflow, backup)
    }

    /// Reads up to `max` bytes without a copy; `None` is the end of the stream.
    ///
    /// Cancellation safe: bytes leave the stream only if the future gives them.
    ///
    /// # Errors
    /// Why the connection ended, if it did before the stream.
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.connection.poll_read_chunk(cx, max)).await
    }

    /// Writes all of `data` without a copy.
    ///
    /// Dropping the future leaves the stream usable with a part of `data` written, and how much is
    /// then not known: use [`Self::write_chunk`] where that matters.
    ///
    /// # Errors
    /// `BrokenPipe` after a shutdown, or why the connection ended.
    pub async fn write_bytes(&mut self, data: Bytes) -> io::Result<()> {
        write_bytes(&self.connection, data).await
    }

    /// Waits for room and writes as much of `data` as fits, without a copy; that much is gone from
    /// its front.
    ///
    /// Cancellation safe: if the future is dropped before it is done, nothing was written.
    ///
    /// # Errors
    /// As for [`Self::write_bytes`].
    pub async fn write_chunk(&mut self, data: &mut Bytes) -> io::Result<usize> {
        write_chunk(&self.connection, data).await
    }

    /// Waits until the peer has acknowledged everything, the end of the stream included; it does
    /// not end the stream, [`shutdown`](tokio::io::AsyncWriteExt::shutdown) does.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// Why the connection ended, if it did before.
    pub async fn flushed(&self) -> io::Result<()> {
        poll_fn(|cx| self.connection.poll_flushed(cx)).await
    }

    /// Splits the stream into borrowed halves, to read and write at the same time in one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::borrow(self)
    }

    /// The same connection for a program without async. What still drives it is the runtime of
    /// its stack: that must go on running on another thread while this one waits.
    ///
    /// There is no `into_std`: the standard library's streams are descriptors of the operating
    /// system, and this connection has none.
    #[must_use]
    pub fn into_blocking(self) -> crate::blocking::MptcpStream {
        crate::blocking::MptcpStream::new(self)
    }

    /// Splits the stream into a half to read and a half to write, for two tasks.
    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let read = OwnedReadHalf::new(Arc::clone(&self.connection));
        (read, OwnedWriteHalf::new(self.connection))
    }
}

/// Cancellation safe, as tokio's own traits say for `read` and its companions.
impl AsyncRead for MptcpStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read(&self.connection, cx, buffer)
    }
}

/// Cancellation safe, as tokio's own traits say for `write` and its companions. Flushing is done
/// at once, as for a TCP socket; shutting down is done when the end of the stream is queued.
impl AsyncWrite for MptcpStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_write(&self.connection, cx, data)
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
        poll_write_vectored(&self.connection, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

pub(crate) fn poll_read(
    connection: &Connection,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let room = buffer.remaining().min(MAX_READ);
    if room == 0 {
        return Poll::Ready(Ok(()));
    }
    let read = ready!(connection.poll_read(cx, buffer.initialize_unfilled_to(room)))?;
    buffer.advance(read);
    Poll::Ready(Ok(()))
}

pub(crate) fn poll_write(
    connection: &Connection,
    cx: &mut Context<'_>,
    data: &[u8],
) -> Poll<io::Result<usize>> {
    if data.is_empty() {
        return Poll::Ready(Ok(0));
    }
    connection.poll_write(cx, data)
}

pub(crate) fn poll_write_vectored(
    connection: &Connection,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if slices.iter().all(|slice| slice.is_empty()) {
        return Poll::Ready(Ok(0));
    }
    connection.poll_write_vectored(cx, slices)
}

pub(crate) async fn write_chunk(connection: &Connection, data: &mut Bytes) -> io::Result<usize> {
    if data.is_empty() {
        return Ok(0);
    }
    poll_fn(|cx| connection.poll_write_bytes(cx, data)).await
}

pub(crate) async fn write_bytes(connection: &Connection, mut data: Bytes) -> io::Result<()> {
    while !data.is_empty() {
        write_chunk(connection, &mut data).await?;
    }
    Ok(())
}
