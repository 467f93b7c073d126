//! `socket`, `bind`, names, `shutdown`, `close`.
//!
//! The module owns what those calls of the C library do beyond the socket itself.

use super::values::{read_address, read_len, write_address};
use crate::app_fd::AppFd;
use crate::descriptor::Descriptor;
use crate::end::end_direction_of;
use crate::listening::is_listening;
use crate::pair::{Pair, put_token};
use crate::registry;
use nix::errno::Errno;
use nix::sys::socket::Shutdown;
use std::os::fd::IntoRawFd as _;
use std::sync::Arc;
use umptcp::bsd::{HowToShutDown, Net, Socket, SocketState};

/// `socket`.
///
/// # Errors
/// As [`Socket::new`]; `EMFILE`, `ENFILE`, `ENOMEM`; `EFAULT` or `EINVAL` for a stack that is none.
pub(crate) fn socket(stack: usize, domain: i32, kind: i32, protocol: i32) -> Result<i32, Errno> {
    let stack = registry::find_stack(stack)?;
    let socket = stack.stack().socket(domain, kind, protocol)?;
    let pair = Pair::open(
        kind & libc::SOCK_NONBLOCK != 0,
        kind & libc::SOCK_CLOEXEC != 0,
    )?;
    let (app, _) = Descriptor::open(&stack, pair, socket, false)?;
    Ok(app.into_raw_fd())
}

/// `bind`.
///
/// # Errors
/// As [`Socket::bind`].
pub(crate) fn bind(fd: i32, address: u64, len: u32) -> Result<i32, Errno> {
    let descriptor = registry::find(AppFd::new(fd)?)?;
    let address = read_address(address, len)?;
    // What was closed a moment ago is to have no port any more.
    descriptor.stack().hangups().sweep();
    descriptor.with(|socket, net| socket.bind(net, address))?;
    Ok(0)
}

/// `getsockname`.
///
/// # Errors
/// `EFAULT`, `EINVAL`.
pub(crate) fn local_name(fd: i32, address: u64, len: u64) -> Result<i32, Errno> {
    let descriptor = registry::find(AppFd::new(fd)?)?;
    let room = read_len(len)?;
    let name = descriptor.with(|socket, _| Ok(socket.local_name()))?;
    write_address(name, address, room, len)?;
    Ok(0)
}

/// `getpeername`.
///
/// # Errors
/// `ENOTCONN`, `EFAULT`, `EINVAL`.
pub(crate) fn peer_name(fd: i32, address: u64, len: u64) -> Result<i32, Errno> {
    let descriptor = registry::find(AppFd::new(fd)?)?;
    let name = descriptor.with(|socket, net| {
        notice_connection(socket, net);
        socket.peer_name()
    })?;
    let room = read_len(len)?;
    write_address(name, address, room, len)?;
    Ok(0)
}

/// One that is established counts as connected, whether or not anybody has asked. One that has failed
/// keeps that to itself until somebody does.
fn notice_connection(socket: &mut Socket, net: &mut Net<'_>) {
    let info = socket
        .connection()
        .and_then(|id| net.endpoint.connection_info(id));
    if info.is_some_and(|info| info.established) {
        socket.connecting(net);
    }
}

/// `shutdown`.
///
/// # Errors
/// As [`Socket::shutdown`].
pub(crate) fn shutdown(fd: i32, how: i32) -> Result<i32, Errno> {
    let how = HowToShutDown::of_number(how)?;
    let app = AppFd::new(fd)?;
    let descriptor = registry::find(app)?;
    if is_listening(&descriptor) {
        descriptor.with(|socket, net| socket.shutdown(net, how))?;
        if how != HowToShutDown::Write {
            // Whoever waits in `accept` is to find out.
            put_token(descriptor.end());
            descriptor.look_again.notify_one();
        }
        return Ok(0);
    }
    descriptor.with(|socket, net| {
        notice_connection(socket, net);
        match socket.state() {
            SocketState::Connected(_) => Ok(()),
            _ => Err(Errno::ENOTCONN),
        }
    })?;
    let of_pair = match how {
        HowToShutDown::Read => Shutdown::Read,
        HowToShutDown::Write => Shutdown::Write,
        HowToShutDown::Both => Shutdown::Both,
    };
    if how != HowToShutDown::Write {
        descriptor.with(|socket, net| socket.shutdown(net, HowToShutDown::Read))?;
    }
    // What was written goes through the pair first; then the end of it reaches the connection.
    end_direction_of(app, of_pair)?;
    Ok(0)
}

/// `close`: as that of the C library; when it returns, a socket without a connection has let its port
/// go.
///
/// # Errors
/// `EBADF`.
pub(crate) fn close(fd: i32) -> Result<i32, Errno> {
    let app = AppFd::new(fd)?;
    let stack = registry::find(app).map(|descriptor| Arc::clone(descriptor.stack()));
    app.close()?;
    if let Ok(stack) = stack {
        stack.hangups().sweep();
    }
    Ok(0)
}
