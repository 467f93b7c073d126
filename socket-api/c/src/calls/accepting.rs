//! `listen` and `accept`.
//!
//! The module owns waiting for a connection, and which descriptor it gets.

use super::values::{deadline, read_len, write_address};
use crate::app_fd::AppFd;
use crate::descriptor::Descriptor;
use crate::listening::connection_waits;
use crate::pair::{Pair, put_token, take_token};
use crate::registry;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::os::fd::IntoRawFd as _;
use std::sync::PoisonError;
use umptcp::StackSocket;

/// `listen`.
///
/// # Errors
/// As [`umptcp::bsd::Socket::listen`].
pub(crate) fn listen(fd: i32, backlog: i32) -> Result<i32, Errno> {
    let descriptor = registry::find(AppFd::new(fd)?)?;
    // What was closed a moment ago is to have no port any more.
    descriptor.stack().hangups().sweep();
    descriptor.with(|socket, net| socket.listen(net, backlog))?;
    descriptor.start_listening();
    Ok(0)
}

/// `accept4`.
///
/// # Errors
/// `EAGAIN` if nothing waits and the descriptor does not, or at its time limit; `EINVAL` if it does not
/// listen; `EINTR`, `EMFILE`, `EFAULT`.
pub(crate) fn accept(fd: i32, address: u64, len: u64, flags: i32) -> Result<i32, Errno> {
    if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let app = AppFd::new(fd)?;
    let descriptor = registry::find(app)?;
    // Before a connection is taken: there is no way to put it back.
    let room = match address {
        0 => None,
        _ => Some(read_len(len)?),
    };
    let pair = Pair::open(
        flags & libc::SOCK_NONBLOCK != 0,
        flags & libc::SOCK_CLOEXEC != 0,
    )?;
    let until = app.receive_timeout().map(deadline);
    let socket = loop {
        match accept_one(app, &descriptor) {
            Err(Errno::EAGAIN) if !app.is_non_blocking()? => {
                if !app.wait(PollFlags::POLLIN, until)? {
                    return Err(Errno::EAGAIN);
                }
            }
            accepted => break accepted?,
        }
    };
    let peer = socket.with(|socket, _| socket.peer_name())?;
    let (accepted, served) = Descriptor::open(descriptor.stack(), pair, socket, true)?;
    served.start_carrying();
    if let Some(room) = room {
        // If this fails, the connection goes with its descriptor.
        write_address(peer, address, room, len)?;
    }
    Ok(accepted.into_raw_fd())
}

/// Takes a connection, and sees to it that the descriptor is readable as long as others wait.
fn accept_one(app: AppFd, descriptor: &Descriptor) -> Result<StackSocket, Errno> {
    let accepting = descriptor
        .accepting
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let accepted = descriptor.accept();
    if !matches!(accepted, Ok(_) | Err(Errno::EAGAIN | Errno::ECONNABORTED)) {
        // It does not listen: what there is to read is not ours.
        return accepted;
    }
    take_token(app);
    if connection_waits(descriptor) {
        // Put anew, so that those who watch for edges see one.
        put_token(descriptor.end());
    }
    drop(accepting);
    descriptor.look_again.notify_one();
    accepted
}
