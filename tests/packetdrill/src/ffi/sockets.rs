//! Calls that make sockets, name them, connect them and set their options.

use super::memory::{self, CallerMemory};
use super::{User, call};
use libc::{c_int, c_void, sockaddr, socklen_t};
use umptcp::bsd::Errno;

pub(crate) unsafe extern "C" fn socket(
    user: User,
    domain: c_int,
    kind: c_int,
    protocol: c_int,
) -> c_int {
    call(user, |host| host.socket(domain, kind, protocol))
}

pub(crate) unsafe extern "C" fn bind(
    user: User,
    fd: c_int,
    address: *const sockaddr,
    len: socklen_t,
) -> c_int {
    call(user, |host| {
        // SAFETY: as C has it, `address` has `len` bytes.
        let address = unsafe { memory::address(address, len) };
        host.bind(fd, host.checked(fd, address)?).map(|()| 0)
    })
}

pub(crate) unsafe extern "C" fn listen(user: User, fd: c_int, backlog: c_int) -> c_int {
    call(user, |host| host.listen(fd, backlog).map(|()| 0))
}

pub(crate) unsafe extern "C" fn accept(
    user: User,
    fd: c_int,
    address: *mut sockaddr,
    len: *mut socklen_t,
) -> c_int {
    call(user, |host| {
        let (accepted, peer) = host.accept(fd)?;
        // SAFETY: as C has it, `address` has as many bytes as `len` says.
        match unsafe { memory::give_address(address, len, peer) } {
            Ok(()) => Ok(accepted),
            Err(errno) => {
                host.close(accepted)?;
                Err(errno)
            }
        }
    })
}

pub(crate) unsafe extern "C" fn connect(
    user: User,
    fd: c_int,
    address: *const sockaddr,
    len: socklen_t,
) -> c_int {
    call(user, |host| {
        // SAFETY: as C has it, `address` has `len` bytes.
        let address = unsafe { memory::address(address, len) };
        host.connect(fd, host.checked(fd, address)?).map(|()| 0)
    })
}

pub(crate) unsafe extern "C" fn shutdown(user: User, fd: c_int, how: c_int) -> c_int {
    call(user, |host| host.shutdown(fd, how).map(|()| 0))
}

pub(crate) unsafe extern "C" fn getsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    len: *mut socklen_t,
) -> c_int {
    call(user, |host| {
        // SAFETY: as C has it, `len` is one.
        let room = host.checked(fd, unsafe { memory::read(len) })?;
        // A length is signed to Linux.
        let room = c_int::try_from(room).map_err(|_| Errno::EINVAL)?;
        let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
        // SAFETY: as C has it, `value` has so many bytes, and its pointers are good.
        let value = unsafe { memory::bytes_mut(value.cast(), room) }?;
        // SAFETY: as before.
        let mut memory = unsafe { CallerMemory::new() };
        let given = host.getsockopt(fd, level, name, value, &mut memory)?;
        let given = socklen_t::try_from(given).map_err(|_| Errno::EINVAL)?;
        // SAFETY: as C has it, `len` is the call's.
        unsafe { memory::write(len, given) }?;
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn setsockopt(
    user: User,
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    len: socklen_t,
) -> c_int {
    call(user, |host| {
        let len = c_int::try_from(len).map_err(|_| Errno::EINVAL)?;
        let len = usize::try_from(len).map_err(|_| Errno::EINVAL)?;
        // SAFETY: as C has it, `value` has `len` bytes, and its pointers are good.
        let value = host.checked(fd, unsafe { memory::bytes(value.cast(), len) })?;
        // SAFETY: as before.
        let mut memory = unsafe { CallerMemory::new() };
        host.setsockopt(fd, level, name, value, &mut memory)?;
        Ok(0)
    })
}
