//! Sockets: the calls of the C library under names of our own.

#![allow(unsafe_code, reason = "exported functions keep their names")]

use super::answer;
use crate::calls::{accepting, connecting, options, sockets};
use crate::memory::address_of;
use crate::types::ump_stack;
use libc::{sockaddr, socklen_t};
use std::ffi::{c_int, c_ulong, c_void};

/// As `socket`, on a stack. The result is a real descriptor, for `read`, `write`, `poll`, `epoll`,
/// `sendfile`, `dup`, `fcntl` and `close`; other calls that are about sockets have to be those of this
/// header. It is not writable before it is connected. O_NONBLOCK of the descriptor is what counts.
///
/// `domain` is AF_INET or AF_INET6, `type` SOCK_STREAM with SOCK_NONBLOCK and SOCK_CLOEXEC, `protocol`
/// UMP_IPPROTO_MPTCP, IPPROTO_TCP or 0.
#[unsafe(no_mangle)]
pub extern "C" fn ump_socket(
    stack: *mut ump_stack,
    domain: c_int,
    r#type: c_int,
    protocol: c_int,
) -> c_int {
    answer(|| sockets::socket(stack.addr(), domain, r#type, protocol))
}

/// As `bind`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_bind(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    answer(|| sockets::bind(fd, address_of(address), len))
}

/// As `listen`. The descriptor is readable while a connection waits; do not read from it.
#[unsafe(no_mangle)]
pub extern "C" fn ump_listen(fd: c_int, backlog: c_int) -> c_int {
    answer(|| accepting::listen(fd, backlog))
}

/// As `accept`; `address` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn ump_accept(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    answer(|| accepting::accept(fd, address_of(address), address_of(len), 0))
}

/// As `accept4`: `flags` are SOCK_NONBLOCK and SOCK_CLOEXEC.
#[unsafe(no_mangle)]
pub extern "C" fn ump_accept4(
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
    flags: c_int,
) -> c_int {
    answer(|| accepting::accept(fd, address_of(address), address_of(len), flags))
}

/// As `connect`. When it fails the descriptor hangs up; if it is called again after that, another file
/// takes the place of the number, which event loops have to be told of anew.
#[unsafe(no_mangle)]
pub extern "C" fn ump_connect(fd: c_int, address: *const sockaddr, len: socklen_t) -> c_int {
    answer(|| connecting::connect(fd, address_of(address), len))
}

/// As `getsockname`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_getsockname(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    answer(|| sockets::local_name(fd, address_of(address), address_of(len)))
}

/// As `getpeername`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_getpeername(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    answer(|| sockets::peer_name(fd, address_of(address), address_of(len)))
}

/// As `getsockopt`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    answer(|| options::get(fd, level, name, address_of(value), address_of(len)))
}

/// As `setsockopt`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    answer(|| options::set(fd, level, name, address_of(value), len))
}

/// As `shutdown`. That of the C library works as well, but does not check.
#[unsafe(no_mangle)]
pub extern "C" fn ump_shutdown(fd: c_int, how: c_int) -> c_int {
    answer(|| sockets::shutdown(fd, how))
}

/// As `close`, of any descriptor. That of the C library works as well.
#[unsafe(no_mangle)]
pub extern "C" fn ump_close(fd: c_int) -> c_int {
    answer(|| sockets::close(fd))
}

/// As `ioctl`. SIOCINQ, SIOCOUTQ and SIOCOUTQNSD count what the descriptor and the stack hold.
#[unsafe(no_mangle)]
pub extern "C" fn ump_ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int {
    answer(|| crate::calls::transfer::ioctl(fd, request, argument))
}
