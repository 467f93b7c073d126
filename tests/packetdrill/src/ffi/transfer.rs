//! Reading and writing.

use super::memory::{self, Pieces};
use super::{User, call, count};
use crate::host::Host;
use libc::{c_int, c_void, iovec, msghdr, size_t, sockaddr, socklen_t, ssize_t};
use umptcp::bsd::{Errno, ReceiveFlags, SendFlags};

pub(crate) unsafe extern "C" fn read(
    user: User,
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
) -> ssize_t {
    call(user, |host| {
        // SAFETY: as C has it, `buffer` has `len` bytes, which are the call's.
        let buffer = unsafe { memory::bytes_mut(buffer.cast(), len) };
        host.read(fd, host.checked(fd, buffer)?).map(count)
    })
}

pub(crate) unsafe extern "C" fn readv(
    user: User,
    fd: c_int,
    vector: *const iovec,
    pieces: c_int,
) -> ssize_t {
    call(user, |host| {
        let pieces = usize::try_from(pieces).map_err(|_| Errno::EINVAL)?;
        // SAFETY: as C has it, `vector` has so many entries.
        let pieces = host.checked(fd, unsafe { Pieces::new(vector, pieces) })?;
        let mut buffer = vec![0; pieces.len()];
        let read = host.read(fd, &mut buffer)?;
        // SAFETY: as C has it, each entry is good for writes.
        unsafe { pieces.scatter(&buffer[..read]) }?;
        Ok(count(read))
    })
}

/// # Safety
/// `buffer` has `len` bytes, which are the call's; it may be null if they are thrown away.
unsafe fn receive(
    host: &Host,
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
) -> Result<ssize_t, Errno> {
    let flags = host.checked(fd, ReceiveFlags::of_number(flags))?;
    if flags.discard && buffer.is_null() {
        // Nothing is copied: the stack only has to know how many.
        let mut nothing = vec![0; len.min(1 << 20)];
        return host.receive(fd, &mut nothing, flags).map(count);
    }
    // SAFETY: the caller's promise.
    let buffer = unsafe { memory::bytes_mut(buffer.cast(), len) };
    host.receive(fd, host.checked(fd, buffer)?, flags)
        .map(count)
}

pub(crate) unsafe extern "C" fn recv(
    user: User,
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: as C has it.
    call(user, |host| unsafe {
        receive(host, fd, buffer, len, flags)
    })
}

pub(crate) unsafe extern "C" fn recvfrom(
    user: User,
    fd: c_int,
    buffer: *mut c_void,
    len: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_len: *mut socklen_t,
) -> ssize_t {
    call(user, |host| {
        // SAFETY: as C has it.
        let received = unsafe { receive(host, fd, buffer, len, flags) }?;
        if !address.is_null() {
            // A stream names no sender, as in Linux.
            // SAFETY: as C has it, whoever wants an address gives a place for its length.
            unsafe { memory::write(address_len, 0) }?;
        }
        Ok(received)
    })
}

pub(crate) unsafe extern "C" fn recvmsg(
    user: User,
    fd: c_int,
    message: *mut msghdr,
    flags: c_int,
) -> ssize_t {
    call(user, |host| {
        let flags = host.checked(fd, ReceiveFlags::of_number(flags))?;
        // SAFETY: as C has it, `message` is one.
        let mut given = unsafe { memory::read(message) }?;
        // SAFETY: as C has it, and so are its pieces.
        let pieces = unsafe { memory::pieces_of(&given) }?;
        let mut buffer = vec![0; pieces.len()];
        let received = host.receive(fd, &mut buffer, flags)?;
        if !flags.discard {
            // SAFETY: as C has it, each piece is good for writes.
            unsafe { pieces.scatter(&buffer[..received]) }?;
        }
        (given.msg_namelen, given.msg_controllen, given.msg_flags) = (0, 0, 0);
        // SAFETY: as C has it, `message` is the call's.
        unsafe { memory::write(message, given) }?;
        Ok(count(received))
    })
}

pub(crate) unsafe extern "C" fn write(
    user: User,
    fd: c_int,
    data: *const c_void,
    len: size_t,
) -> ssize_t {
    call(user, |host| {
        // SAFETY: as C has it, `data` has `len` bytes.
        let data = unsafe { memory::bytes(data.cast(), len) };
        host.write(fd, host.checked(fd, data)?).map(count)
    })
}

pub(crate) unsafe extern "C" fn writev(
    user: User,
    fd: c_int,
    vector: *const iovec,
    pieces: c_int,
) -> ssize_t {
    call(user, |host| {
        let pieces = usize::try_from(pieces).map_err(|_| Errno::EINVAL)?;
        // SAFETY: as C has it, `vector` has so many entries.
        let pieces = host.checked(fd, unsafe { Pieces::new(vector, pieces) })?;
        // SAFETY: as C has it, each entry is good for reads.
        host.write(fd, &unsafe { pieces.gather() }?).map(count)
    })
}

/// Fast Open is not there: who asks for it connects another way.
fn send_flags(flags: c_int) -> Result<SendFlags, Errno> {
    if flags & libc::MSG_FASTOPEN != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(SendFlags::of_number(flags))
}

pub(crate) unsafe extern "C" fn send(
    user: User,
    fd: c_int,
    data: *const c_void,
    len: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: as C has it.
    unsafe { sendto(user, fd, data, len, flags, std::ptr::null(), 0) }
}

pub(crate) unsafe extern "C" fn sendto(
    user: User,
    fd: c_int,
    data: *const c_void,
    len: size_t,
    flags: c_int,
    // A stream has its address already; another one is passed over, as in Linux.
    _: *const sockaddr,
    _: socklen_t,
) -> ssize_t {
    call(user, |host| {
        // SAFETY: as C has it, `data` has `len` bytes.
        let data = host.checked(fd, unsafe { memory::bytes(data.cast(), len) })?;
        host.send(fd, data, send_flags(flags)?).map(count)
    })
}

pub(crate) unsafe extern "C" fn sendmsg(
    user: User,
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> ssize_t {
    call(user, |host| {
        // SAFETY: as C has it, `message` is one.
        let message = host.checked(fd, unsafe { memory::read(message) })?;
        // SAFETY: as C has it, and so are its pieces.
        let data = unsafe { memory::pieces_of(&message)?.gather() }?;
        host.send(fd, &data, send_flags(flags)?).map(count)
    })
}
