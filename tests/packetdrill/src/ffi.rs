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
    reason = "C calls with raw pointers; this file and memory.rs are where they end"
)]

use crate::calls::{Control, Polled, Request, Timeout};
use crate::epoll::Wanted;
use crate::host::Host;
use crate::hosts;
use crate::interface::{Interface, Micros, User};
use crate::memory::{self, CallerMemory, Pieces};
use bytes::Bytes;
use libc::{
    c_char, c_int, c_long, c_longlong, c_uint, c_ulong, c_void, epoll_event, iovec, loff_t, msghdr,
    nfds_t, pollfd, size_t, sockaddr, socklen_t, ssize_t, timeval,
};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use umptcp::bsd::{Errno, ReceiveFlags, SendFlags};

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

pub(crate) unsafe extern "C" fn fcntl(
    user: User,
    fd: c_int,
    command: c_int,
    argument: c_long,
) -> c_int {
    // The caller has passed an `int`: what is above it is left over from elsewhere.
    let bytes = argument.to_ne_bytes();
    let low = if cfg!(target_endian = "big") {
        bytes.last_chunk()
    } else {
        bytes.first_chunk()
    };
    let argument = low.map_or(0, |low| c_int::from_ne_bytes(*low));
    call(user, |host| host.fcntl(fd, command, argument))
}

pub(crate) unsafe extern "C" fn ioctl(
    user: User,
    fd: c_int,
    request: c_ulong,
    argument: *mut c_int,
) -> c_int {
    call(user, |host| {
        match host.checked(fd, Request::of_number(request))? {
            Request::SetNonblocking => {
                // SAFETY: as C has it, this request comes with a number.
                let on = unsafe { memory::read(argument) }? != 0;
                host.set_nonblocking(fd, on)?;
            }
            request => {
                let length = host.queue_length(fd, request)?;
                // SAFETY: as C has it, these requests come with a place for a number.
                unsafe { memory::write(argument, length) }?;
            }
        }
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn close(user: User, fd: c_int) -> c_int {
    call(user, |host| host.close(fd).map(|()| 0))
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

pub(crate) unsafe extern "C" fn poll(
    user: User,
    entries: *mut pollfd,
    number: nfds_t,
    timeout: c_int,
) -> c_int {
    call(user, |host| {
        let number = usize::try_from(number).map_err(|_| Errno::EINVAL)?;
        let size = number.checked_mul(size_of::<pollfd>());
        if size.is_none_or(|size| size > 1 << 20) {
            return Err(Errno::EINVAL);
        }
        let mut polled = Vec::with_capacity(number);
        for index in 0..number {
            if entries.is_null() {
                return Err(Errno::EFAULT);
            }
            // SAFETY: as C has it, there are so many entries.
            let entry = unsafe { memory::read(entries.add(index)) }?;
            polled.push(Polled {
                number: entry.fd,
                events: entry.events,
                found: 0,
            });
        }
        let found = host.poll(&mut polled, Timeout::of_millis(timeout))?;
        for (index, polled) in polled.into_iter().enumerate() {
            let entry = pollfd {
                fd: polled.number,
                events: polled.events,
                revents: polled.found,
            };
            // SAFETY: as before; they are the call's.
            unsafe { memory::write(entries.add(index), entry) }?;
        }
        Ok(c_int::try_from(found).unwrap_or(c_int::MAX))
    })
}

pub(crate) unsafe extern "C" fn netdev_send(
    user: User,
    packet: *const c_void,
    len: size_t,
) -> c_int {
    call(user, |host| {
        // SAFETY: as C has it, `packet` has `len` bytes.
        let packet = unsafe { memory::bytes(packet.cast(), len) }?;
        if packet.is_empty() || packet.len() > usize::from(u16::MAX) {
            return Err(Errno::EINVAL);
        }
        let packet = Bytes::copy_from_slice(packet);
        host.drive(|state| state.receive(packet));
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn netdev_receive(
    user: User,
    buffer: *mut c_void,
    len: *mut size_t,
    time: *mut c_longlong,
) -> c_int {
    call(user, |host| {
        // SAFETY: as C has it, `len` is one.
        let room = unsafe { memory::read(len) }?;
        // SAFETY: as C has it, `buffer` has so many bytes.
        let buffer = unsafe { memory::bytes_mut(buffer.cast(), room) }?;
        let received = host.next_packet(buffer.len())?;
        if let Some((packet, sent_at)) = &received {
            buffer[..packet.len()].copy_from_slice(packet);
            if !time.is_null() {
                let sent_at = c_longlong::try_from(*sent_at).unwrap_or(c_longlong::MAX);
                // SAFETY: as C has it, `time` is one.
                unsafe { memory::write(time, sent_at) }?;
            }
        }
        let length = received.map_or(0, |(packet, _)| packet.len());
        // SAFETY: as C has it, `len` is the call's.
        unsafe { memory::write(len, length) }?;
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn usleep(user: User, micros: Micros) -> c_int {
    call(user, |host| {
        host.sleep(Duration::from_micros(micros.into()));
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn gettimeofday(
    user: User,
    time: *mut timeval,
    zone: *mut c_void,
) -> c_int {
    call(user, |host| {
        let micros = host.micros();
        let value = timeval {
            tv_sec: i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX),
            tv_usec: i64::try_from(micros % 1_000_000).unwrap_or(0),
        };
        if !time.is_null() {
            // SAFETY: as C has it, `time` is one.
            unsafe { memory::write(time, value) }?;
        }
        if !zone.is_null() {
            // `struct timezone` is two numbers: we are in Greenwich and know no summer.
            // SAFETY: as C has it, `zone` is one.
            unsafe { memory::write(zone.cast(), [0; 2] as [c_int; 2]) }?;
        }
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn epoll_create(user: User, size: c_int) -> c_int {
    call(user, |host| {
        if size <= 0 {
            return Err(Errno::EINVAL);
        }
        host.epoll_create()
    })
}

pub(crate) unsafe extern "C" fn epoll_ctl(
    user: User,
    set: c_int,
    operation: c_int,
    fd: c_int,
    event: *mut epoll_event,
) -> c_int {
    call(user, |host| {
        let wanted = || {
            // SAFETY: as C has it, these operations come with an event.
            unsafe { memory::read(event) }.map(|event| Wanted {
                events: event.events,
                data: event.u64,
            })
        };
        let control = match operation {
            libc::EPOLL_CTL_ADD => Control::Add(wanted()?),
            libc::EPOLL_CTL_MOD => Control::Modify(wanted()?),
            libc::EPOLL_CTL_DEL => Control::Delete,
            _ => return Err(Errno::EINVAL),
        };
        host.epoll_control(set, fd, control).map(|()| 0)
    })
}

pub(crate) unsafe extern "C" fn epoll_wait(
    user: User,
    set: c_int,
    events: *mut epoll_event,
    most: c_int,
    timeout: c_int,
) -> c_int {
    call(user, |host| {
        let most = usize::try_from(most).map_err(|_| Errno::EINVAL)?;
        if most == 0 {
            return Err(Errno::EINVAL);
        }
        if events.is_null() {
            return Err(Errno::EFAULT);
        }
        let found = host.epoll_wait(set, most, Timeout::of_millis(timeout))?;
        for (index, found) in found.iter().enumerate() {
            let event = epoll_event {
                events: found.events,
                u64: found.data,
            };
            // SAFETY: as C has it, there are `most` events, which are the call's.
            unsafe { memory::write(events.add(index), event) }?;
        }
        Ok(c_int::try_from(found.len()).unwrap_or(c_int::MAX))
    })
}

pub(crate) unsafe extern "C" fn pipe(user: User, ends: *mut c_int) -> c_int {
    call(user, |host| {
        if ends.is_null() {
            return Err(Errno::EFAULT);
        }
        let (reading, writing) = host.pipe()?;
        // SAFETY: as C has it, `ends` are two numbers.
        unsafe { memory::write(ends.cast(), [reading, writing]) }?;
        Ok(0)
    })
}

pub(crate) unsafe extern "C" fn splice(
    user: User,
    from: c_int,
    from_offset: *mut loff_t,
    to: c_int,
    to_offset: *mut loff_t,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    call(user, |host| {
        for offset in [from_offset, to_offset] {
            // The tool always passes a place; one with 0 in it stands for none.
            // SAFETY: as C has it, an offset that is not null is one.
            if !offset.is_null() && unsafe { memory::read(offset) }? != 0 {
                return Err(Errno::ESPIPE);
            }
        }
        let dont_wait = flags & libc::SPLICE_F_NONBLOCK != 0;
        host.splice(from, to, len, dont_wait).map(count)
    })
}
