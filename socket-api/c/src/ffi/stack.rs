//! Stacks.

#![allow(unsafe_code, reason = "exported functions keep their names")]

use super::{answer, answer_or};
use crate::calls::lifecycle;
use crate::memory::{CallerMemory, address_of};
use crate::types::ump_stack;
use std::ffi::{c_char, c_int, c_uint};
use std::ptr::{null_mut, without_provenance_mut};
use umptcp::bsd::UserMemory as _;

/// Starts a stack, with a thread of its own, over devices that a text describes.
///
/// Interfaces are separated by `;`, and what is said of one by `,`: first the device, then addresses of
/// the stack, then options. The device is the name of a TUN device to create, which takes the
/// capability CAP_NET_ADMIN, or `fd=` and the number of an open TUN descriptor (without packet
/// information) or of a local socket that keeps packets apart; the library makes a copy of that. An
/// address with a prefix, `10.0.0.2/24`, has the kernel bring a created device up and route the
/// prefix there. Options: `mtu=1500` and, for created devices, `host=10.0.0.1/24`, an address of the
/// kernel's end.
///
/// A part of its own may say `privileged=1` (ports below 1024), `version=0` or `version=1` (what
/// connections offer), `profile=linux` or `profile=multipath-tcp.org` (meaning of option numbers).
///
/// Returns NULL and sets errno: EFAULT, EINVAL for a text that cannot be read, EPERM, ENOENT without
/// /dev/net/tun, EBUSY for a device that exists, EBADF.
#[unsafe(no_mangle)]
pub extern "C" fn ump_stack_new(config: *const c_char) -> *mut ump_stack {
    answer_or(null_mut(), || {
        lifecycle::new_stack(address_of(config)).map(without_provenance_mut)
    })
}

/// Starts two stacks that are joined by links within the process: the first interface of one is joined
/// with the first of the other, and so on. The texts are as for `ump_stack_new`, without devices:
/// "10.0.0.1;10.0.1.1". Needs no privileges.
///
/// Returns 0, or -1 with errno: EFAULT, EINVAL.
#[unsafe(no_mangle)]
pub extern "C" fn ump_stack_new_pair(
    first_config: *const c_char,
    second_config: *const c_char,
    first: *mut *mut ump_stack,
    second: *mut *mut ump_stack,
) -> c_int {
    answer(|| {
        // Before there are stacks that nobody would have a handle of.
        CallerMemory.write(address_of(first), &0_usize.to_ne_bytes())?;
        CallerMemory.write(address_of(second), &0_usize.to_ne_bytes())?;
        let [one, other] =
            lifecycle::new_pair(address_of(first_config), address_of(second_config))?;
        CallerMemory.write(address_of(first), &one.to_ne_bytes())?;
        CallerMemory.write(address_of(second), &other.to_ne_bytes())?;
        Ok(0)
    })
}

/// Ends a stack and its thread at once: its descriptors hang up, what was not sent is lost, peers are told
/// nothing. The descriptors remain to be closed.
///
/// Returns 0, or -1 with errno: EFAULT for NULL, EINVAL for what is no stack, or no longer.
#[unsafe(no_mangle)]
pub extern "C" fn ump_stack_free(stack: *mut ump_stack) -> c_int {
    answer(|| lifecycle::free(stack.addr()))
}

/// Disables (0) or enables an interface, counted from 0: what was in flight there moves to other paths.
///
/// Returns 0, or -1 with errno: EFAULT, EINVAL, ENXIO.
#[unsafe(no_mangle)]
pub extern "C" fn ump_stack_set_interface_up(
    stack: *mut ump_stack,
    interface: c_uint,
    up: c_int,
) -> c_int {
    answer(|| lifecycle::set_interface_up(stack.addr(), interface, up != 0))
}
