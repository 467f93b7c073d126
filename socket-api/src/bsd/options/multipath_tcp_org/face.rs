//! Typed functions for Rust programs, on anything with socket options.
//!
//! They work where the stack's profile is
//! [`OptionProfile::MultipathTcpOrg`](crate::bsd::OptionProfile::MultipathTcpOrg); elsewhere the
//! numbers mean something else.

use super::{
    MPTCP_ENABLED, MPTCP_INFO, MPTCP_PATH_MANAGER, MPTCP_SCHEDULER, NAME_LEN, SAVE_INITIAL,
};
use crate::bsd::options::SocketOptions;
use std::io;
use umptcp_stack::{PathManagerKind, SchedulerKind};

const TCP: i32 = libc::IPPROTO_TCP;

/// MPTCP is in use, or wanted as long as that is not known.
///
/// # Errors
/// Only those of a socket that is gone.
pub fn enabled(socket: &impl SocketOptions) -> io::Result<bool> {
    let mut value = [0; 4];
    socket.getsockopt(TCP, MPTCP_ENABLED, &mut value)?;
    Ok(i32::from_ne_bytes(value) != 0)
}

/// Uses MPTCP, or does not.
///
/// # Errors
/// `EPERM` if the socket connects or listens already, or MPTCP is switched off.
pub fn set_enabled(socket: &impl SocketOptions, enabled: bool) -> io::Result<()> {
    let value = i32::from(enabled).to_ne_bytes();
    socket.setsockopt(TCP, MPTCP_ENABLED, &value)
}

/// The name of the scheduler.
///
/// # Errors
/// Only those of a socket that is gone.
pub fn scheduler(socket: &impl SocketOptions) -> io::Result<String> {
    name(socket, MPTCP_SCHEDULER)
}

/// Chooses a scheduler.
///
/// # Errors
/// `EPERM` if the socket connects or listens already.
pub fn set_scheduler(socket: &impl SocketOptions, kind: SchedulerKind) -> io::Result<()> {
    socket.setsockopt(TCP, MPTCP_SCHEDULER, kind.name().as_bytes())
}

/// The name of the path manager.
///
/// # Errors
/// Only those of a socket that is gone.
pub fn path_manager(socket: &impl SocketOptions) -> io::Result<String> {
    name(socket, MPTCP_PATH_MANAGER)
}

/// Chooses a path manager, with the defaults of its parameters.
///
/// # Errors
/// `EPERM` if the socket connects or listens already.
pub fn set_path_manager(socket: &impl SocketOptions, kind: PathManagerKind) -> io::Result<()> {
    socket.setsockopt(TCP, MPTCP_PATH_MANAGER, kind.name().as_bytes())
}

/// Keeps the figures of the first subflow when that has ended, or does not.
///
/// # Errors
/// Only those of a socket that is gone.
pub fn keep_initial(socket: &impl SocketOptions, keep: bool) -> io::Result<()> {
    let value = if keep { SAVE_INITIAL } else { 0 };
    socket.setsockopt(TCP, MPTCP_INFO, &value.to_ne_bytes())
}

fn name(socket: &impl SocketOptions, option: i32) -> io::Result<String> {
    let mut value = [0; NAME_LEN];
    let len = socket.getsockopt(TCP, option, &mut value)?;
    let name = value.get(..len).unwrap_or_default();
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}
