//! The interface in C: `packetdrill_interface_init`, and a function for each field of the table.
//!
//! The module owns the way from C to the calls and back: pointers to slices
//! (by [`memory`]), errors to -1 and `errno`, and panics to `EIO`. What a call does is in
//! [`calls`](crate::calls).
//!
//! `fcntl` and `ioctl` are variadic in the table. Rust cannot define such functions, so that ours
//! take a third argument always. That is the same on x86-64 and on aarch64 as Linux has it: an
//! integer or a pointer that is passed to a variadic function stands where that of an ordinary
//! function would, and one that was not passed is only read if the command has one.

#![allow(
    unsafe_code,
    reason = "C calls with raw pointers: this folder, and no other, is where they end"
)]

mod descriptors;
mod memory;
mod network;
mod sockets;
mod transfer;

pub(crate) use descriptors::{
    close, epoll_create, epoll_ctl, epoll_wait, fcntl, ioctl, pipe, poll, splice,
};
pub(crate) use network::{gettimeofday, netdev_receive, netdev_send, usleep};
pub(crate) use sockets::{accept, bind, connect, getsockopt, listen, setsockopt, shutdown, socket};
pub(crate) use transfer::{
    read, readv, recv, recvfrom, recvmsg, send, sendmsg, sendto, write, writev,
};

use crate::host::Host;
use crate::hosts;
use crate::interface::{Interface, User};
use libc::{c_char, c_int, ssize_t};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use umptcp::bsd::Errno;

/// Makes a host as `flags` want it, and fills the table with its functions.
///
/// Flags that are not understood are told on stderr. There is no host then, and every function
/// fails with `EINVAL`.
///
/// # Safety
/// Unless null, `flags` is a string of C, and `interface` is good for a write of a table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn packetdrill_interface_init(
    flags: *const c_char,
    interface: *mut Interface,
) {
    let started = catch_unwind(|| {
        let flags = if flags.is_null() {
            ""
        } else {
            // SAFETY: a string of C by the caller's promise.
            let flags = unsafe { CStr::from_ptr(flags) };
            flags
                .to_str()
                .map_err(|_| "so_flags are no UTF-8".to_owned())?
        };
        hosts::start(flags)
    });
    let number = match started {
        Ok(Ok(number)) => number,
        Ok(Err(error)) => {
            eprintln!("umptcp: {error}");
            0
        }
        Err(_) => 0,
    };
    let table = Interface::new(std::ptr::without_provenance_mut(number));
    // SAFETY: the caller's promise. Without a table nobody can call us: there is no error to give.
    if unsafe { memory::write(interface, table) }.is_err() {
        hosts::end(number);
    }
}

/// What a call gives to C when it fails.
trait Failure {
    const FAILURE: Self;
}

impl Failure for c_int {
    const FAILURE: Self = -1;
}

impl Failure for ssize_t {
    const FAILURE: Self = -1;
}

/// Calls a host.
fn call<T: Failure>(user: User, act: impl FnOnce(&Host) -> Result<T, Errno>) -> T {
    let act = AssertUnwindSafe(|| hosts::get(user.addr()).and_then(|host| act(&host)));
    match catch_unwind(act).unwrap_or(Err(Errno::EIO)) {
        Ok(result) => result,
        Err(errno) => {
            errno.set();
            T::FAILURE
        }
    }
}

/// A count of bytes for C; slices are never longer.
fn count(count: usize) -> ssize_t {
    ssize_t::try_from(count).unwrap_or(ssize_t::MAX)
}

pub(crate) unsafe extern "C" fn free(user: User) {
    // A panic here has nobody to be told to.
    let _ = catch_unwind(|| hosts::end(user.addr()));
}
