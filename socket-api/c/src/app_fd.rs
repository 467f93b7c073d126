//! Descriptors that the C program gives.
//!
//! The module owns the system calls on them that take pointers of the caller, which go to the kernel as
//! they are: it gives `EFAULT` where a program would crash. It never closes a descriptor.

#![allow(
    unsafe_code,
    reason = "descriptors and pointers of a C program are numbers until the kernel has seen them"
)]

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, getsockopt, setsockopt, sockopt};
use nix::sys::stat::fstat;
use std::ffi::{c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// A descriptor of the application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppFd(RawFd);

/// What tells one socket from all others, whatever number its descriptors have.
///
/// Numbers are used again as soon as they are free. The cookie never is (Linux counts it up); where a
/// kernel has none, the inode has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    cookie: u64,
    inode: u64,
}

impl AppFd {
    /// Takes a number from the caller.
    ///
    /// # Errors
    /// `EBADF` for a number that no descriptor has.
    pub(crate) fn new(number: c_int) -> Result<Self, Errno> {
        if number < 0 {
            return Err(Errno::EBADF);
        }
        Ok(Self(number))
    }

    /// Which socket it is.
    ///
    /// # Errors
    /// `EBADF`, or `ENOTSOCK` for another kind of file.
    pub(crate) fn identity(self) -> Result<Identity, Errno> {
        identity_of(self)
    }

    /// `O_NONBLOCK` is set.
    pub(crate) fn is_non_blocking(self) -> Result<bool, Errno> {
        let flags = fcntl(self, FcntlArg::F_GETFL)?;
        Ok(OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK))
    }

    /// `FD_CLOEXEC` is set.
    pub(crate) fn is_closed_on_exec(self) -> Result<bool, Errno> {
        let flags = fcntl(self, FcntlArg::F_GETFD)?;
        Ok(FdFlag::from_bits_retain(flags).contains(FdFlag::FD_CLOEXEC))
    }

    /// Puts another file under this number.
    ///
    /// # Errors
    /// As `dup3`.
    pub(crate) fn replace_by(self, file: &OwnedFd, close_on_exec: bool) -> Result<(), Errno> {
        let flags = if close_on_exec { libc::O_CLOEXEC } else { 0 };
        // SAFETY: the application has called with this number, so it means what the number stands for.
        let result = unsafe { libc::dup3(file.as_raw_fd(), self.0, flags) };
        Errno::result(result).map(drop)
    }

    /// Gives another socket the time limits of this one.
    pub(crate) fn copy_timeouts_to(self, other: &OwnedFd) {
        // Between two sockets of one kind this does not fail.
        if let Ok(limit) = getsockopt(&self, sockopt::ReceiveTimeout) {
            let _ = setsockopt(other, sockopt::ReceiveTimeout, &limit);
        }
        if let Ok(limit) = getsockopt(&self, sockopt::SendTimeout) {
            let _ = setsockopt(other, sockopt::SendTimeout, &limit);
        }
    }

    /// `SO_RCVTIMEO` of the descriptor itself.
    pub(crate) fn receive_timeout(self) -> Option<Duration> {
        let value = getsockopt(&self, sockopt::ReceiveTimeout).ok()?;
        duration_of(value.tv_sec(), value.tv_usec())
    }

    /// `SO_SNDTIMEO` of the descriptor itself.
    pub(crate) fn send_timeout(self) -> Option<Duration> {
        let value = getsockopt(&self, sockopt::SendTimeout).ok()?;
        duration_of(value.tv_sec(), value.tv_usec())
    }

    /// Waits until the descriptor is ready for `events`; `false` at the time limit.
    ///
    /// # Errors
    /// `EINTR`, as any call that waits.
    pub(crate) fn wait(self, events: PollFlags, until: Option<Instant>) -> Result<bool, Errno> {
        let timeout = match until {
            None => PollTimeout::NONE,
            Some(until) => {
                // Rounded up, so that the limit has passed when it is given up.
                let left = until.saturating_duration_since(Instant::now());
                let left = left.saturating_add(Duration::from_micros(999));
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        let mut fds = [PollFd::new(self.as_fd(), events)];
        let ready = poll(&mut fds, timeout)?;
        // The longest time that `poll` takes may be shorter than the limit.
        let early = until.is_some_and(|until| Instant::now() < until);
        if ready == 0 && early {
            return self.wait(events, until);
        }
        Ok(ready > 0)
    }

    /// `setsockopt` on the descriptor itself.
    pub(crate) fn set_option(self, level: c_int, name: c_int, value: &[u8]) -> Result<(), Errno> {
        let len = libc::socklen_t::try_from(value.len()).map_err(|_| Errno::EINVAL)?;
        // SAFETY: the value is as long as `len` says, and outlives the call.
        let result = unsafe { libc::setsockopt(self.0, level, name, value.as_ptr().cast(), len) };
        Errno::result(result).map(drop)
    }

    /// Nothing is left to read, and nothing will come.
    pub(crate) fn is_at_end(self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        matches!(
            nix::sys::socket::recv(self.0, &mut [0], flags),
            Ok(0) | Err(Errno::ECONNRESET)
        )
    }

    /// `recv` to a buffer of the caller.
    pub(crate) fn receive(
        self,
        buffer: *mut c_void,
        len: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        // SAFETY: the kernel checks descriptor and buffer; what it writes to is what the caller gave.
        let result = unsafe { libc::recv(self.0, buffer, len, flags) };
        count(result)
    }

    /// `send` from a buffer of the caller.
    pub(crate) fn send(
        self,
        buffer: *const c_void,
        len: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        // SAFETY: the kernel checks descriptor and buffer, from which it only reads.
        let result = unsafe { libc::send(self.0, buffer, len, flags) };
        count(result)
    }

    /// `recvmsg` to the caller's slices: `parts` is the address of `count` `iovec`s.
    pub(crate) fn receive_parts(
        self,
        parts: *mut libc::iovec,
        parts_len: usize,
        flags: c_int,
    ) -> Result<(usize, c_int), Errno> {
        let mut message = message_of(parts, parts_len);
        // SAFETY: the header is ours; the kernel checks the caller's slices behind it.
        let result = unsafe { libc::recvmsg(self.0, &raw mut message, flags) };
        Ok((count(result)?, message.msg_flags))
    }

    /// `sendmsg` from the caller's slices. Neither an address nor ancillary data goes along: that
    /// would be for the other end of the pair.
    pub(crate) fn send_parts(
        self,
        parts: *mut libc::iovec,
        parts_len: usize,
        flags: c_int,
    ) -> Result<usize, Errno> {
        let message = message_of(parts, parts_len);
        // SAFETY: the header is ours; the kernel checks the caller's slices behind it.
        let result = unsafe { libc::sendmsg(self.0, &raw const message, flags) };
        count(result)
    }

    /// `ioctl` on the descriptor itself.
    pub(crate) fn ioctl(
        self,
        request: libc::c_ulong,
        argument: *mut c_void,
    ) -> Result<c_int, Errno> {
        // SAFETY: the kernel checks both, as it would have done without us in between.
        Errno::result(unsafe { libc::ioctl(self.0, request, argument) })
    }

    /// `close`.
    pub(crate) fn close(self) -> Result<(), Errno> {
        // SAFETY: the application asks for it, and the number is its own: nothing of ours has it.
        Errno::result(unsafe { libc::close(self.0) }).map(drop)
    }
}

impl AsFd for AppFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is not negative. That it stays open during one system call is up to the C program,
        // as with any call on a descriptor; if not, the kernel gives `EBADF`.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

impl AsRawFd for AppFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

/// Which socket a descriptor is.
///
/// # Errors
/// `EBADF`, or `ENOTSOCK` for another kind of file.
pub(crate) fn identity_of(fd: impl AsFd) -> Result<Identity, Errno> {
    let fd = fd.as_fd();
    let mut cookie = 0_u64;
    let mut len = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or(0);
    // SAFETY: the value is as long as `len` says, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    match Errno::result(result) {
        Ok(_) => {}
        Err(Errno::ENOPROTOOPT) => cookie = 0,
        Err(error) => return Err(error),
    }
    let inode = fstat(fd)?.st_ino;
    Ok(Identity { cookie, inode })
}

/// Bytes that wait to be read from a socket.
pub(crate) fn bytes_waiting(fd: impl AsFd) -> usize {
    let mut bytes: c_int = 0;
    // SAFETY: FIONREAD writes one `int`, which outlives the call.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if result < 0 {
        return 0;
    }
    usize::try_from(bytes).unwrap_or(0)
}

/// The peer of a local socket has not read everything that was written to it.
pub(crate) fn has_unread(fd: impl AsFd) -> bool {
    let mut bytes: c_int = 0;
    // SAFETY: SIOCOUTQ writes one `int`, which outlives the call.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    result >= 0 && bytes > 0
}

fn message_of(parts: *mut libc::iovec, parts_len: usize) -> libc::msghdr {
    // SAFETY: all zeros are an empty message: no name, no slices, no ancillary data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = parts;
    message.msg_iovlen = parts_len as _;
    message
}

fn count(result: isize) -> Result<usize, Errno> {
    usize::try_from(Errno::result(result)?).map_err(|_| Errno::EIO)
}

/// A time limit; none at all stands for waiting without end.
fn duration_of(seconds: i64, microseconds: i64) -> Option<Duration> {
    let seconds = u64::try_from(seconds).ok()?;
    let microseconds = u64::try_from(microseconds).ok()?;
    let limit = Duration::from_secs(seconds) + Duration::from_micros(microseconds);
    (!limit.is_zero()).then_some(limit)
}
