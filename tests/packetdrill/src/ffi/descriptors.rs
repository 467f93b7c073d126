//! Calls on descriptors of any kind, `poll` and epoll.

use super::{User, call, count, memory};
use crate::calls::{Control, Polled, Request, Timeout};
use crate::epoll::Wanted;
use libc::{c_int, c_long, c_uint, c_ulong, epoll_event, loff_t, nfds_t, pollfd, size_t, ssize_t};
use umptcp::bsd::Errno;

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
