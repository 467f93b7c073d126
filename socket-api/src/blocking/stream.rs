//! A connected socket.

use super::wait::{self, Limit};
use crate::connection::Connection;
use bytes::Bytes;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// An MPTCP connection, or the plain TCP connection it has fallen back to, whose methods wait like
/// those of `std::net::TcpStream`.
///
/// It can be read and written by many threads, also as `&MptcpStream`. The connection is let go of
/// when the stream and all that `try_clone` made of it are dropped; what that means is said at
/// [`umptcp::MptcpStream`](crate::MptcpStream), which this dereferences to for what needs no
/// waiting: addresses, options, subflows.
#[derive(Debug)]
pub struct MptcpStream {
    stream: crate::MptcpStream,
    waiting: Arc<Waiting>,
}

/// How long operations wait, for all clones.
#[derive(Debug, Default)]
struct Waiting {
    nonblocking: AtomicBool,
    read_timeout: Mutex<Option<Duration>>,
    write_timeout: Mutex<Option<Duration>>,
}

impl MptcpStream {
    pub(crate) fn new(stream: crate::MptcpStream) -> Self {
        Self {
            stream,
            waiting: Arc::default(),
        }
    }

    /// The same connection for async programs. It may be awaited in any runtime; clones and time
    /// limits of this one mean nothing to it.
    #[must_use]
    pub fn into_async(self) -> crate::MptcpStream {
        self.stream
    }

    /// The same stream once more, with common time limits.
    ///
    /// # Errors
    /// Never; the type is that of `std::net`.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            stream: crate::MptcpStream::from_shared(Arc::clone(self.stream.connection())),
            waiting: Arc::clone(&self.waiting),
        })
    }

    /// Reads what there is to read without taking it; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` at the limit for reading, or why the connection ended.
    pub fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(Direction::Read, |connection, cx| {
            connection.poll_peek(cx, buffer)
        })
    }

    /// Reads up to `max` bytes without a copy; `None` is the end of the stream.
    ///
    /// # Errors
    /// As for [`Self::peek`].
    pub fn read_chunk(&self, max: usize) -> io::Result<Option<Bytes>> {
        self.wait(Direction::Read, |connection, cx| {
            connection.poll_read_chunk(cx, max)
        })
    }

    /// Writes as much of `data` as there is room for, without a copy; that much is gone from its
    /// front.
    ///
    /// # Errors
    /// `WouldBlock` at the limit for writing, `BrokenPipe` after a shutdown, or why the connection
    /// ended.
    pub fn write_chunk(&self, data: &mut Bytes) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.wait(Direction::Write, |connection, cx| {
            connection.poll_write_bytes(cx, data)
        })
    }

    /// Waits until the peer has acknowledged everything, the end of the stream included; it does
    /// not end the stream, [`Self::shutdown`] does.
    ///
    /// # Errors
    /// `WouldBlock` at the limit for writing, or why the connection ended, if it did before.
    pub fn flushed(&self) -> io::Result<()> {
        self.wait(Direction::Write, Connection::poll_flushed)
    }

    /// As [`shutdown_with`](crate::MptcpStream::shutdown_with), under the name that `std::net` has.
    ///
    /// # Errors
    /// Why the connection ended, if it did before.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.stream.shutdown_with(how)
    }

    /// How long a read waits at most; `None` is for ever.
    ///
    /// # Errors
    /// Never; the type is that of `std::net`.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(*lock(&self.waiting.read_timeout))
    }

    /// Sets how long a read waits at most. At the limit it gives `WouldBlock`, as on Unix.
    ///
    /// # Errors
    /// `InvalidInput` for no time at all, which `std::net` does not take either.
    pub fn set_read_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        set_limit(&self.waiting.read_timeout, limit)
    }

    /// How long a write waits at most; `None` is for ever.
    ///
    /// # Errors
    /// Never; the type is that of `std::net`.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(*lock(&self.waiting.write_timeout))
    }

    /// Sets how long a write waits for room at most. At the limit it gives `WouldBlock`, as on Unix.
    ///
    /// # Errors
    /// As for [`Self::set_read_timeout`].
    pub fn set_write_timeout(&self, limit: Option<Duration>) -> io::Result<()> {
        set_limit(&self.waiting.write_timeout, limit)
    }

    /// Makes reads and writes give `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// Never; the type is that of `std::net`.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.waiting
            .nonblocking
            .store(nonblocking, Ordering::Relaxed);
        Ok(())
    }

    fn wait<T>(
        &self,
        direction: Direction,
        mut poll: impl FnMut(&Connection, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> io::Result<T> {
        let limit = match direction {
            Direction::Read => &self.waiting.read_timeout,
            Direction::Write => &self.waiting.write_timeout,
        };
        let limit = if self.waiting.nonblocking.load(Ordering::Relaxed) {
            Limit::Now
        } else {
            lock(limit).map_or(Limit::None, Limit::After)
        };
        wait::poll_within(limit, |cx| poll(self.stream.connection(), cx))
    }
}

impl Deref for MptcpStream {
    type Target = crate::MptcpStream;

    fn deref(&self) -> &crate::MptcpStream {
        &self.stream
    }
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Read,
    Write,
}

fn lock(limit: &Mutex<Option<Duration>>) -> std::sync::MutexGuard<'_, Option<Duration>> {
    limit.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set_limit(place: &Mutex<Option<Duration>>, limit: Option<Duration>) -> io::Result<()> {
    if limit == Some(Duration::ZERO) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a limit of no time at all: set_nonblocking does that",
        ));
    }
    *lock(place) = limit;
    Ok(())
}

impl Read for &MptcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.wait(Direction::Read, |connection, cx| {
            connection.poll_read(cx, buffer)
        })
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.wait(Direction::Read, |connection, cx| {
            connection.poll_read_vectored(cx, buffers)
        })
    }
}

/// Flushing is done at once, as for a TCP socket.
impl Write for &MptcpStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.wait(Direction::Write, |connection, cx| {
            connection.poll_write(cx, data)
        })
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wait(Direction::Write, |connection, cx| {
            connection.poll_write_vectored(cx, slices)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for MptcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(buffers)
    }
}

/// Flushing is done at once, as for a TCP socket.
impl Write for MptcpStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (&*self).write(data)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
