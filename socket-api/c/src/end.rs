//! Our end of a pair, on the stack's runtime.
//!
//! The module owns waiting for it. It raises no signal: a program that does not expect SIGPIPE gets none
//! from us.

#![allow(unsafe_code, reason = "the registration of a descriptor with tokio")]

use crate::app_fd::AppFd;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use tokio::io::unix::AsyncFd;

/// Our end; the descriptor shares it.
#[derive(Debug)]
pub(crate) struct End(AsyncFd<Arc<OwnedFd>>);

impl End {
    /// Registers it with the runtime in whose context this runs.
    pub(crate) fn register(fd: Arc<OwnedFd>) -> io::Result<Self> {
        // SAFETY: the descriptor stays open and the same as long as any `Arc` of it is there, and the
        // `AsyncFd` has one that is never taken out.
        let registered = unsafe { AsyncFd::register(fd) };
        Ok(Self(registered?))
    }

    /// Waits until there is something to read, or an end.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0
            .readable()
            .await
            .map(|mut ready| ready.retain_ready())
    }

    /// Waits until something has happened since this was called last.
    pub(crate) async fn readable_anew(&self) -> io::Result<()> {
        self.0.readable().await.map(|mut ready| ready.clear_ready())
    }

    /// Reads without waiting; 0 is the end.
    ///
    /// # Errors
    /// `EAGAIN`; `ECONNRESET` if the application has closed its end with something unread in it.
    pub(crate) fn try_receive(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        let read = self.0.try_io(tokio::io::Interest::READABLE, |fd| {
            Ok(recv(fd.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?)
        });
        read.map_err(|error| errno_of(&error))
    }

    /// Writes everything.
    ///
    /// # Errors
    /// `EPIPE` or `ECONNRESET` if the application reads no more.
    pub(crate) async fn send_all(&self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let sent = self
                .0
                .async_io(tokio::io::Interest::WRITABLE, |fd| {
                    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                    Ok(send(fd.as_raw_fd(), bytes, flags)?)
                })
                .await
                .map_err(|error| errno_of(&error))?;
            bytes = bytes.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Ends a direction of our end, or both; the application's end sees it.
pub(crate) fn end_direction(fd: &OwnedFd, how: Shutdown) {
    // It is a connected socket, which has no reason to refuse.
    let _ = shutdown(fd.as_raw_fd(), how);
}

/// Ends a direction of the application's end, or both; ours sees it.
///
/// # Errors
/// `EBADF`.
pub(crate) fn end_direction_of(app: AppFd, how: Shutdown) -> Result<(), Errno> {
    shutdown(app.as_raw_fd(), how)
}

/// Takes away up to `limit` bytes that wait, and says how many those were.
pub(crate) fn discard(fd: &OwnedFd, limit: usize) -> usize {
    let mut buffer = [0; 32 * 1024];
    let mut discarded = 0;
    while discarded < limit {
        let len = buffer.len().min(limit - discarded);
        let Some(room) = buffer.get_mut(..len) else {
            break;
        };
        match recv(fd.as_raw_fd(), room, MsgFlags::MSG_DONTWAIT) {
            Ok(0) => break,
            Ok(read) => discarded += read,
            Err(Errno::EINTR) => {}
            Err(_) => break,
        }
    }
    discarded
}

fn errno_of(error: &io::Error) -> Errno {
    if error.kind() == io::ErrorKind::WouldBlock {
        return Errno::EAGAIN;
    }
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
