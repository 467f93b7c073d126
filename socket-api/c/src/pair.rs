//! The pair of local stream sockets between an application and the stack.
//!
//! The module owns making one, and the two signs that it gives by what stands in it: filler, so that the
//! application's end is not writable before there is a connection, and the byte by which a
//! listening socket is readable.

use crate::app_fd::has_unread;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt,
};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

/// What stands between the application and the stack: `SO_SNDBUF` of either end, in bytes. The kernel
/// counts twice as much, for what it needs itself. Half of the latter must be more than one write
/// of the largest piece that it makes (36 KiB), or a socket that is read would not become
/// writable again.
const PAIR_BUFFER: usize = 106_496;

/// A pair, both ends open.
#[derive(Debug)]
pub(crate) struct Pair {
    /// For the application.
    pub(crate) app: OwnedFd,
    /// For us.
    pub(crate) end: OwnedFd,
}

impl Pair {
    /// A new pair; the flags are for the application's end.
    ///
    /// # Errors
    /// As `socketpair`: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub(crate) fn open(non_blocking: bool, close_on_exec: bool) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (app, end) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
        if !close_on_exec {
            fcntl(&app, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        if !non_blocking {
            let status = OFlag::from_bits_retain(fcntl(&app, FcntlArg::F_GETFL)?);
            fcntl(&app, FcntlArg::F_SETFL(status - OFlag::O_NONBLOCK))?;
        }
        for side in [&app, &end] {
            setsockopt(side, sockopt::SndBuf, &PAIR_BUFFER)?;
        }
        Ok(Self { app, end })
    }
}

/// Fills the application's direction until nothing more fits, and says how many bytes that took.
///
/// # Errors
/// As `send`.
pub(crate) fn fill(app: impl AsFd) -> Result<usize, Errno> {
    let filler = [0; 32 * 1024];
    let app = app.as_fd().as_raw_fd();
    let mut filled = 0;
    loop {
        match send(
            app,
            &filler,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        ) {
            Ok(sent) => filled += sent,
            Err(Errno::EAGAIN) => return Ok(filled),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Makes a listening socket readable, if it is not.
pub(crate) fn put_token(end: impl AsFd) {
    if has_unread(&end) {
        return;
    }
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    // It fails only if nobody is there to read it.
    let _ = send(end.as_fd().as_raw_fd(), &[1], flags);
}

/// Takes that byte back.
pub(crate) fn take_token(app: impl AsFd) {
    let mut token = [0; 16];
    while let Ok(1..) = recv(app.as_fd().as_raw_fd(), &mut token, MsgFlags::MSG_DONTWAIT) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn ready(fd: &OwnedFd) -> PollFlags {
        let all = PollFlags::POLLIN | PollFlags::POLLOUT;
        let mut fds = [PollFd::new(fd.as_fd(), all)];
        poll(&mut fds, PollTimeout::ZERO).unwrap();
        fds[0].revents().unwrap()
    }

    #[test]
    fn a_filled_pair_is_not_writable_until_it_is_drained() {
        let pair = Pair::open(true, true).unwrap();
        assert_eq!(ready(&pair.app), PollFlags::POLLOUT);
        let filled = fill(&pair.app).unwrap();
        assert_eq!(ready(&pair.app), PollFlags::empty());
        let mut buffer = vec![0; filled];
        let mut drained = 0;
        while drained < filled {
            let room = &mut buffer[drained..];
            drained += recv(pair.end.as_raw_fd(), room, MsgFlags::empty()).unwrap();
        }
        assert_eq!(ready(&pair.app), PollFlags::POLLOUT);
    }

    #[test]
    fn tokens_make_readable_and_are_one_at_most() {
        let pair = Pair::open(false, false).unwrap();
        put_token(&pair.end);
        put_token(&pair.end);
        assert_eq!(crate::app_fd::bytes_waiting(&pair.app), 1);
        take_token(&pair.app);
        assert_eq!(ready(&pair.app), PollFlags::POLLOUT);
        take_token(&pair.app);
    }

    #[test]
    fn flags_are_those_that_were_asked_for() {
        for (non_blocking, close_on_exec) in [(false, true), (true, false)] {
            let pair = Pair::open(non_blocking, close_on_exec).unwrap();
            let status = OFlag::from_bits_retain(fcntl(&pair.app, FcntlArg::F_GETFL).unwrap());
            assert_eq!(status.contains(OFlag::O_NONBLOCK), non_blocking);
            let flags = FdFlag::from_bits_retain(fcntl(&pair.app, FcntlArg::F_GETFD).unwrap());
            assert_eq!(flags.contains(FdFlag::FD_CLOEXEC), close_on_exec);
            let ours = OFlag::from_bits_retain(fcntl(&pair.end, FcntlArg::F_GETFL).unwrap());
            assert!(ours.contains(OFlag::O_NONBLOCK));
        }
    }
}
