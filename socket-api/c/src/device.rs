//! A device over a descriptor that the C program has opened: a TUN device without packet information,
//! or a local socket that keeps packets apart (`SOCK_DGRAM`, `SOCK_SEQPACKET`).
//!
//! The module owns a copy of the descriptor, one packet for each read and write. It never knows what
//! is behind it, so its link counts as up.

#![allow(
    unsafe_code,
    reason = "a descriptor that a C program gives as a number, and its registration"
)]

use crate::app_fd::AppFd;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::task::{Context, Poll, ready};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use umptcp::{Device, Transmit};

/// Parts of one packet that go to the device without being joined first.
const MAX_PARTS: usize = 16;

/// A device over a descriptor.
#[derive(Debug)]
pub(crate) struct FdDevice {
    file: AsyncFd<File>,
    mtu: u16,
}

/// A copy of a descriptor of the application, not waiting.
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub(crate) fn copy_of(fd: AppFd) -> Result<OwnedFd, Errno> {
    let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(0))?;
    // SAFETY: the kernel has just made it, and nobody else knows it.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    let flags = OFlag::from_bits_retain(fcntl(&copy, FcntlArg::F_GETFL)?);
    fcntl(&copy, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(copy)
}

impl FdDevice {
    /// Puts a device over a descriptor, inside the runtime.
    ///
    /// # Errors
    /// `EPERM` for a file that cannot be waited for.
    pub(crate) fn new(fd: OwnedFd, mtu: u16) -> io::Result<Self> {
        // SAFETY: the `File` owns its descriptor, and nothing replaces or closes it while the `AsyncFd`
        // has it: only `&File` is ever taken out of it.
        let file = unsafe { AsyncFd::register(File::from(fd))? };
        Ok(Self { file, mtu })
    }
}

impl Device for FdDevice {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.file.poll_read_ready(cx))?;
            match ready.try_io(|file| file.get_ref().read(buffer)) {
                // The other end of a socket is gone.
                Ok(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::NetworkDown.into())),
                Ok(result) => return Poll::Ready(result),
                Err(_) => {}
            }
        }
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        let payload = packet.payload();
        let written = self.file.try_io(Interest::WRITABLE, |mut file| {
            if payload.len() >= MAX_PARTS {
                return file.write(&packet.to_bytes());
            }
            let mut parts = [IoSlice::new(&[]); MAX_PARTS];
            parts[0] = IoSlice::new(packet.header());
            for (part, slice) in parts[1..].iter_mut().zip(payload) {
                *part = IoSlice::new(slice);
            }
            file.write_vectored(&parts[..=payload.len()])
        })?;
        if written == packet.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn poll_send_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // An error of the reactor shows in the next `send`, which reports it.
        self.file.poll_write_ready(cx).map(|_| ())
    }
}
