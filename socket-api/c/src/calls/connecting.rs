//! `connect`.
//!
//! The module owns waiting for a connection, and what becomes of a descriptor whose connection could
//! not be made.

use super::values::{deadline, read_address};
use crate::app_fd::AppFd;
use crate::descriptor::{Descriptor, Phase};
use crate::pair::Pair;
use crate::registry;
use nix::errno::Errno;
use nix::poll::PollFlags;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use umptcp::bsd::SocketState;

/// How long a task may take to notice that its connection has failed.
const NOTICING: Duration = Duration::from_secs(5);

/// `connect`.
///
/// # Errors
/// As [`umptcp::bsd::Socket::connect`]; one that waits gives how it went, `EINPROGRESS` at its time
/// limit, or `EINTR`.
pub(crate) fn connect(fd: i32, address: u64, len: u32) -> Result<i32, Errno> {
    let app = AppFd::new(fd)?;
    let descriptor = registry::find(app)?;
    let remote = read_address(address, len)?;
    descriptor.stack().hangups().sweep();
    let descriptor = renewed(app, descriptor)?;
    match descriptor.with(|socket, net| socket.connect(net, remote)) {
        // Who asks again when it is done is told once (Linux).
        Err(Errno::EISCONN) if !descriptor.connect_told.swap(true, Ordering::Relaxed) => {
            return connected(&descriptor);
        }
        Err(Errno::EINPROGRESS) => {
            descriptor.start_carrying();
            if app.is_non_blocking()? {
                return Err(Errno::EINPROGRESS);
            }
        }
        Err(Errno::EALREADY) if !app.is_non_blocking()? => {}
        Err(error) => return Err(error),
        Ok(()) => return connected(&descriptor),
    }
    wait_connected(app, &descriptor)
}

/// Who is told that it is connected can write, whether or not the task has seen it.
fn connected(descriptor: &Descriptor) -> Result<i32, Errno> {
    descriptor.connect_told.store(true, Ordering::Relaxed);
    descriptor.drain_filler();
    Ok(0)
}

/// Waits until it is known how connecting went.
fn wait_connected(app: AppFd, descriptor: &Descriptor) -> Result<i32, Errno> {
    let until = app.send_timeout().map(deadline);
    loop {
        let known = descriptor.with(|socket, net| {
            if *socket.state() == SocketState::Fresh {
                // Another thread was told why.
                return Err(Errno::ECONNABORTED);
            }
            socket.connecting(net).transpose()
        })?;
        if known.is_some() {
            return connected(descriptor);
        }
        if !app.wait(PollFlags::POLLOUT, until)? {
            return Err(Errno::EINPROGRESS);
        }
    }
}

/// The descriptor itself, or a new one in its place if it was hung up because connecting failed: under
/// the same number it gets a pair that nobody has hung up. Copies of the number stay what they were.
fn renewed(app: AppFd, old: Arc<Descriptor>) -> Result<Arc<Descriptor>, Errno> {
    let fresh = old.with(|socket, _| Ok(*socket.state() == SocketState::Fresh))?;
    if fresh && old.phase() == Phase::Connecting {
        // The failure was told before its task had seen it, which is about to hang up.
        let _ = app.wait(PollFlags::empty(), Some(deadline(NOTICING)));
    }
    if !fresh || old.phase() != Phase::HungUp {
        return Ok(old);
    }
    let close_on_exec = app.is_closed_on_exec()?;
    let pair = Pair::open(app.is_non_blocking()?, close_on_exec)?;
    let socket = old.take_socket().ok_or(Errno::EBADF)?;
    let (fresh, renewed) = Descriptor::open(old.stack(), pair, socket, false)?;
    app.copy_timeouts_to(&fresh);
    app.replace_by(&fresh, close_on_exec)?;
    registry::remove(old.id());
    Ok(renewed)
}
