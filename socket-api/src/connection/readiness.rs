//! Operations that never wait, and waiting for when they can.

use super::{Connection, readers, writers};
use crate::error::{StackError, Stopped};
use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll, ready};
use tokio::io::{Interest, Ready};
use umptcp_stack::{ConnectionId, Endpoint, Instant, ReadError, WriteError};

impl Connection {
    pub(crate) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_operation(cx, readers, |endpoint, _, id| endpoint.peek(id, buffer))
    }

    pub(crate) fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_operation(cx, readers, |endpoint, now, id| {
            read_vectored(endpoint, now, id, buffers)
        })
    }

    /// Ready when a read would not wait: there is something, the stream has ended, or there is an
    /// error to be told.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.poll_operation(cx, readers, |endpoint, _, id| {
            match endpoint.peek(id, &mut [0]) {
                Err(ReadError::Blocked) => Err(ReadError::Blocked),
                Ok(0) | Err(_) => Ok(Ready::READABLE | Ready::READ_CLOSED),
                Ok(_) => Ok(Ready::READABLE),
            }
        })
    }

    /// Ready when a write would not wait: there is room, or an error to be told.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        self.poll_operation(cx, writers, |endpoint, _, id| match endpoint.writable(id) {
            Err(WriteError::Blocked) => Err(WriteError::Blocked),
            Err(_) => Ok(Ready::WRITABLE | Ready::WRITE_CLOSED),
            Ok(_) => Ok(Ready::WRITABLE),
        })
    }

    /// Ready when one of the two is, if asked for.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<io::Result<Ready>> {
        let mut state = Ready::EMPTY;
        if interest.is_readable()
            && let Poll::Ready(readable) = self.poll_readable(cx)
        {
            state |= readable?;
        }
        if interest.is_writable()
            && let Poll::Ready(writable) = self.poll_writable(cx)
        {
            state |= writable?;
        }
        if state.is_empty() && (interest.is_readable() || interest.is_writable()) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(state))
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_operation(|endpoint, now, id| endpoint.read(now, id, buffer))
    }

    pub(crate) fn try_read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.try_operation(|endpoint, now, id| read_vectored(endpoint, now, id, buffers))
    }

    pub(crate) fn try_write(&self, data: &[u8]) -> io::Result<usize> {
        self.try_operation(|endpoint, now, id| endpoint.write(now, id, data))
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_operation(|endpoint, now, id| write_vectored(endpoint, now, id, slices))
    }

    fn try_operation<T, E: StackError>(
        &self,
        operation: impl FnOnce(&mut Endpoint, Instant, ConnectionId) -> Result<T, E>,
    ) -> io::Result<T> {
        self.handle.command(
            |state, now| match operation(&mut state.endpoint, now, self.id) {
                Err(error) if error.is_blocked() && state.stopped => Err(Stopped.into_io()),
                result => result.map_err(StackError::into_io),
            },
        )
    }
}

/// Only the kind of readiness that was waited for.
pub(crate) fn without_state(ready: Poll<io::Result<Ready>>) -> Poll<io::Result<()>> {
    ready!(ready)?;
    Poll::Ready(Ok(()))
}

/// Writes the slices one after the other until one does not fit.
pub(super) fn write_vectored(
    endpoint: &mut Endpoint,
    now: Instant,
    id: ConnectionId,
    slices: &[IoSlice<'_>],
) -> Result<usize, WriteError> {
    let mut total = 0;
    for slice in slices.iter().filter(|slice| !slice.is_empty()) {
        match endpoint.write(now, id, slice) {
            Ok(written) => {
                total += written;
                if written < slice.len() {
                    break;
                }
            }
            // The next call meets the error again; what was taken must be told first.
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Fills the buffers one after the other until there is nothing more.
fn read_vectored(
    endpoint: &mut Endpoint,
    now: Instant,
    id: ConnectionId,
    buffers: &mut [IoSliceMut<'_>],
) -> Result<usize, ReadError> {
    let mut total = 0;
    for buffer in buffers.iter_mut().filter(|buffer| !buffer.is_empty()) {
        match endpoint.read(now, id, buffer) {
            Ok(read) => {
                total += read;
                if read < buffer.len() {
                    break;
                }
            }
            // The next call meets the error again; what was read must be told first.
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
