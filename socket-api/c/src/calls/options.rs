//! `getsockopt` and `setsockopt`.
//!
//! The module owns the way of values between the caller's memory and the socket, and the few options that
//! the descriptor itself must know too.

use super::values::{read_len, write_len};
use crate::app_fd::AppFd;
use crate::memory::CallerMemory;
use crate::registry;
use nix::errno::Errno;
use umptcp::bsd::UserMemory as _;

/// No option is longer.
const LONGEST: usize = 1 << 20;

// asm-generic/socket.h of Linux, which libc does not have.
const SO_RCVTIMEO_NEW: i32 = 66;
const SO_SNDTIMEO_NEW: i32 = 67;

/// `getsockopt`.
///
/// # Errors
/// `EFAULT`, `EINVAL` for a negative length, or as [`umptcp::bsd::Socket::getsockopt`].
pub(crate) fn get(fd: i32, level: i32, name: i32, value: u64, len: u64) -> Result<i32, Errno> {
    let descriptor = registry::find(AppFd::new(fd)?)?;
    let room = read_len(len)?.min(LONGEST);
    let mut bytes = vec![0; room];
    // Some options say in the value what they are asked for.
    CallerMemory.read(value, &mut bytes)?;
    let used = if (level, name) == (libc::SOL_SOCKET, libc::SO_ERROR) {
        let number = descriptor.take_error().map_or(0, |error| error as i32);
        let number = number.to_ne_bytes();
        let fits = room.min(number.len());
        let fitting = bytes.iter_mut().zip(number);
        fitting.for_each(|(byte, of_number)| *byte = of_number);
        fits
    } else {
        descriptor.with(|socket, net| {
            socket.getsockopt(net, level, name, &mut bytes, &mut CallerMemory)
        })?
    };
    CallerMemory.write(value, bytes.get(..used.min(room)).unwrap_or_default())?;
    write_len(len, used)?;
    Ok(0)
}

/// `setsockopt`.
///
/// # Errors
/// `EFAULT`, `EINVAL`, or as [`umptcp::bsd::Socket::setsockopt`].
pub(crate) fn set(fd: i32, level: i32, name: i32, value: u64, len: u32) -> Result<i32, Errno> {
    let app = AppFd::new(fd)?;
    let descriptor = registry::find(app)?;
    let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
    if len > LONGEST {
        return Err(Errno::EINVAL);
    }
    let mut bytes = vec![0; len];
    CallerMemory.read(value, &mut bytes)?;
    descriptor
        .with(|socket, net| socket.setsockopt(net, level, name, &bytes, &mut CallerMemory))?;
    let is_limit = matches!(
        name,
        libc::SO_RCVTIMEO | libc::SO_SNDTIMEO | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW
    );
    if level == libc::SOL_SOCKET && is_limit {
        // `read` and `write` are to heed it as well.
        app.set_option(level, name, &bytes)?;
    }
    Ok(0)
}
