//! Reading and writing. The calls of the C library do the same, except for errors and flags.

#![allow(unsafe_code, reason = "exported functions keep their names")]

use super::answer;
use crate::calls::transfer;
use crate::memory::address_of;
use libc::{msghdr, size_t, ssize_t};
use std::ffi::{c_int, c_void};

/// As `read` of a TCP socket: where that of the C library sees only an end, this tells the error.
#[unsafe(no_mangle)]
pub extern "C" fn ump_read(fd: c_int, buffer: *mut c_void, len: size_t) -> ssize_t {
    answer(|| transfer::receive(fd, buffer, len, 0))
}

/// As `write` of a TCP socket: where that of the C library gives EPIPE, this first tells the error.
#[unsafe(no_mangle)]
pub extern "C" fn ump_write(fd: c_int, buffer: *const c_void, len: size_t) -> ssize_t {
    answer(|| transfer::send(fd, buffer, len, 0))
}

/// As `recv`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_recv(fd: c_int, buffer: *mut c_void, len: size_t, flags: c_int) -> ssize_t {
    answer(|| transfer::receive(fd, buffer, len, flags))
}

/// As `send`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_send(fd: c_int, buffer: *const c_void, len: size_t, flags: c_int) -> ssize_t {
    answer(|| transfer::send(fd, buffer, len, flags))
}

/// As `recvmsg`, with ancillary data of level IPPROTO_TCP: what has happened to subflows, if UMP_EVENTS is
/// set (types UMP_EV_INIT_SUB and so on), and TCP_CM_INQ, if TCP_INQ is. With MSG_ERRQUEUE the former
/// comes without data, or EAGAIN.
#[unsafe(no_mangle)]
pub extern "C" fn ump_recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    answer(|| transfer::receive_message(fd, address_of(message), flags))
}

/// As `sendmsg`.
#[unsafe(no_mangle)]
pub extern "C" fn ump_sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    answer(|| transfer::send_message(fd, address_of(message), flags))
}
