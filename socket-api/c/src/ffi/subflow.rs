//! Subflows of a connection, by ids from 1 to 255; 1 is the initial one.

#![allow(unsafe_code, reason = "exported functions keep their names")]

use super::answer;
use crate::calls::subflows;
use crate::memory::address_of;
use crate::types::ump_sub_status;
use libc::{size_t, sockaddr, sockaddr_storage, socklen_t};
use std::ffi::c_int;

/// Fills `statuses` with up to `room` subflows, and returns how many there are, or -1 with errno:
/// EOPNOTSUPP if it is plain TCP, ENOTCONN, EFAULT.
#[unsafe(no_mangle)]
pub extern "C" fn ump_subflows(fd: c_int, statuses: *mut ump_sub_status, room: size_t) -> c_int {
    answer(|| subflows::statuses(fd, address_of(statuses), room))
}

/// Opens a subflow. `local` may have port 0 and the wildcard as its address, `remote` port 0 for the
/// port of the connection; `interface` counts from 1 and is 0 for any. Returns its id without waiting
/// for the handshake, or -1 with errno as UMP_OPEN_SUB_TUPLE.
#[unsafe(no_mangle)]
pub extern "C" fn ump_open_subflow(
    fd: c_int,
    local: *const sockaddr,
    local_len: socklen_t,
    remote: *const sockaddr,
    remote_len: socklen_t,
    interface: c_int,
    backup: c_int,
) -> c_int {
    answer(|| {
        subflows::open(
            fd,
            (address_of(local), local_len),
            (address_of(remote), remote_len),
            interface,
            backup != 0,
        )
    })
}

/// Ends a subflow; what it has not delivered goes to the others. `how` is SHUT_RDWR, or UMP_SUB_RST to
/// reset it.
#[unsafe(no_mangle)]
pub extern "C" fn ump_close_subflow(fd: c_int, id: c_int, how: c_int) -> c_int {
    answer(|| subflows::close(fd, id, how))
}

/// Makes a subflow a backup, or (0) a regular one, and tells the peer.
#[unsafe(no_mangle)]
pub extern "C" fn ump_set_backup(fd: c_int, id: c_int, backup: c_int) -> c_int {
    answer(|| subflows::set_backup(fd, id, backup != 0))
}

/// Tells the addresses of a subflow, and their length.
#[unsafe(no_mangle)]
pub extern "C" fn ump_subflow_addresses(
    fd: c_int,
    id: c_int,
    local: *mut sockaddr_storage,
    remote: *mut sockaddr_storage,
    len: *mut socklen_t,
) -> c_int {
    answer(|| {
        subflows::addresses(
            fd,
            id,
            address_of(local),
            address_of(remote),
            address_of(len),
        )
    })
}
