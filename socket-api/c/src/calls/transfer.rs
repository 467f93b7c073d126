//! `recv`, `send` and their relatives, and `ioctl`.
//!
//! The module owns what these calls add to `read` and `write` on the descriptor: the error by which a
//! connection has ended, flags that a pair of local sockets does not have, ancillary data, and
//! counts that take in what is on its way between the pair and the stack.

use super::values::write_len;
use crate::app_fd::{AppFd, bytes_waiting};
use crate::descriptor::Descriptor;
use crate::memory::CallerMemory;
use crate::registry;
use nix::errno::Errno;
use nix::sys::signal::{Signal, raise};
use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::atomic::Ordering;
use umptcp::bsd::{SocketState, UserMemory as _};

/// `TCP_INQ`, and `TCP_CM_INQ`, which has the same number (linux/tcp.h).
const TCP_INQ: i32 = 36;
/// `SIOCOUTQNSD` (linux/sockios.h).
const SIOCOUTQNSD: u64 = 0x894B;
/// Bytes of ancillary data about one event: a header, four bytes, and a `sockaddr_in6`.
const LONGEST_EVENT: usize = 48;
/// `MSG_FASTOPEN` and others have no meaning for a pair; these have.
const SEND_FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_EOR;
const RECEIVE_FLAGS: i32 =
    libc::MSG_DONTWAIT | libc::MSG_PEEK | libc::MSG_WAITALL | libc::MSG_CMSG_CLOEXEC;

/// `recv`.
///
/// # Errors
/// `ENOTCONN`; `EINVAL` for `MSG_OOB`; why the connection has ended, once; or as `recv`.
pub(crate) fn receive(
    fd: i32,
    buffer: *mut c_void,
    len: usize,
    flags: i32,
) -> Result<isize, Errno> {
    let (app, descriptor) = connected(fd)?;
    check_receive_flags(flags)?;
    if flags & libc::MSG_TRUNC != 0 {
        return discard(app, &descriptor, len, flags);
    }
    let received = app.receive(buffer, len, flags & RECEIVE_FLAGS);
    finish_receive(app, &descriptor, received, len > 0)
}

fn check_receive_flags(flags: i32) -> Result<(), Errno> {
    if flags & libc::MSG_OOB != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & libc::MSG_ERRQUEUE != 0 {
        return Err(Errno::EAGAIN);
    }
    Ok(())
}

/// `MSG_TRUNC` of a stream: what is read is dropped.
fn discard(app: AppFd, descriptor: &Descriptor, len: usize, flags: i32) -> Result<isize, Errno> {
    let mut dropped = 0;
    let mut room = vec![0_u8; len.min(64 * 1024)];
    while dropped < len {
        let part = room.len().min(len - dropped);
        let waits = if dropped == 0 { 0 } else { libc::MSG_DONTWAIT };
        let flags = (flags & RECEIVE_FLAGS) | waits;
        let received = app.receive(room.as_mut_ptr().cast(), part, flags);
        match finish_receive(app, descriptor, received, true) {
            Ok(0) => break,
            Ok(read) => dropped += usize::try_from(read).map_err(|_| Errno::EIO)?,
            Err(_) if dropped > 0 => break,
            Err(error) => return Err(error),
        }
        if flags & libc::MSG_PEEK != 0 {
            break;
        }
    }
    isize::try_from(dropped).map_err(|_| Errno::EINVAL)
}

/// The descriptor, if it was ever connected or is getting so.
fn connected(fd: i32) -> Result<(AppFd, std::sync::Arc<Descriptor>), Errno> {
    let app = AppFd::new(fd)?;
    let descriptor = registry::find(app)?;
    descriptor.with(|socket, _| match socket.state() {
        SocketState::Connecting(_) | SocketState::Connected(_) => Ok(()),
        SocketState::Fresh | SocketState::Listening(_) => Err(Errno::ENOTCONN),
    })?;
    Ok((app, descriptor))
}

/// At the end of the stream there may be an error to tell.
fn finish_receive(
    app: AppFd,
    descriptor: &Descriptor,
    received: Result<usize, Errno>,
    wanted: bool,
) -> Result<isize, Errno> {
    match received {
        Ok(0) if wanted && app.is_at_end() => descriptor.take_error().map_or(Ok(0), Err),
        Err(Errno::ECONNRESET) => Err(descriptor.take_error().unwrap_or(Errno::ECONNRESET)),
        Ok(read) => isize::try_from(read).map_err(|_| Errno::EIO),
        Err(error) => Err(error),
    }
}

/// `send`.
///
/// # Errors
/// Why the connection has ended, once; otherwise `EPIPE`, with SIGPIPE unless `MSG_NOSIGNAL` is set; or
/// as `send`.
pub(crate) fn send(fd: i32, buffer: *const c_void, len: usize, flags: i32) -> Result<isize, Errno> {
    with_send_flags(fd, flags, |app, flags| app.send(buffer, len, flags))
}

fn with_send_flags(
    fd: i32,
    flags: i32,
    send: impl FnOnce(AppFd, i32) -> Result<usize, Errno>,
) -> Result<isize, Errno> {
    let sent = match connected(fd) {
        // As Linux: who was never connected gets EPIPE.
        Err(Errno::ENOTCONN) => Err(Errno::EPIPE),
        Err(error) => return Err(error),
        Ok((app, descriptor)) => {
            if flags & libc::MSG_MORE != 0 {
                descriptor.more_follows.store(true, Ordering::Relaxed);
            }
            let sent = send(app, (flags & SEND_FLAGS) | libc::MSG_NOSIGNAL);
            sent.map_err(|error| match error {
                Errno::EPIPE | Errno::ECONNRESET => descriptor.take_error().unwrap_or(Errno::EPIPE),
                other => other,
            })
        }
    };
    if sent == Err(Errno::EPIPE) && flags & libc::MSG_NOSIGNAL == 0 {
        // It cannot fail for the calling thread.
        let _ = raise(Signal::SIGPIPE);
    }
    isize::try_from(sent?).map_err(|_| Errno::EIO)
}

/// The parts of a `msghdr` that concern us.
struct Message {
    parts: usize,
    parts_len: usize,
    control: u64,
    control_len: usize,
}

impl Message {
    fn read(address: u64) -> Result<Self, Errno> {
        let bytes: [u8; size_of::<libc::msghdr>()] = CallerMemory.read_bytes(address)?;
        let word = |at: usize| {
            let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
            field.copied().map_or(0, usize::from_ne_bytes)
        };
        Ok(Self {
            parts: word(offset_of!(libc::msghdr, msg_iov)),
            parts_len: word(offset_of!(libc::msghdr, msg_iovlen)),
            control: word(offset_of!(libc::msghdr, msg_control)) as u64,
            control_len: word(offset_of!(libc::msghdr, msg_controllen)),
        })
    }

    /// Writes what the caller gets beside the data.
    fn answer(&self, message: u64, control: &[u8], flags: i32) -> Result<(), Errno> {
        CallerMemory.write(self.control, control)?;
        let at = |offset: usize| message.wrapping_add(offset as u64);
        write_len(at(offset_of!(libc::msghdr, msg_namelen)), 0)?;
        let control_len = at(offset_of!(libc::msghdr, msg_controllen));
        CallerMemory.write(control_len, &control.len().to_ne_bytes())?;
        let msg_flags = at(offset_of!(libc::msghdr, msg_flags));
        CallerMemory.write(msg_flags, &flags.to_ne_bytes())
    }

    const fn parts(&self) -> *mut libc::iovec {
        std::ptr::without_provenance_mut(self.parts)
    }
}

/// `recvmsg`. Ancillary data is what has happened to subflows, if `UMP_EVENTS` is set, and
/// `TCP_CM_INQ`, if `TCP_INQ` is. With `MSG_ERRQUEUE` it is the former only, and no data.
///
/// # Errors
/// As [`receive`]; `EAGAIN` if `MSG_ERRQUEUE` finds nothing.
pub(crate) fn receive_message(fd: i32, message: u64, flags: i32) -> Result<isize, Errno> {
    let (app, descriptor) = connected(fd)?;
    let header = Message::read(message)?;
    if flags & libc::MSG_ERRQUEUE != 0 {
        let control = event_messages(&descriptor, header.control_len)?;
        if control.is_empty() {
            return Err(Errno::EAGAIN);
        }
        header.answer(message, &control, libc::MSG_ERRQUEUE)?;
        return Ok(0);
    }
    check_receive_flags(flags)?;
    let received = app.receive_parts(header.parts(), header.parts_len, flags & RECEIVE_FLAGS);
    let (received, mut of_message) = match received {
        Ok((read, of_message)) => (Ok(read), of_message),
        Err(error) => (Err(error), 0),
    };
    let received = finish_receive(app, &descriptor, received, header.parts_len > 0)?;
    let mut control = event_messages(&descriptor, header.control_len)?;
    if wants_inq(&descriptor) {
        let mut inq = Vec::new();
        let left = bytes_to_read(app, &descriptor)?;
        add_control(&mut inq, TCP_INQ, &left.to_ne_bytes());
        if control.len() + inq.len() <= header.control_len {
            control.extend(inq);
        } else {
            of_message |= libc::MSG_CTRUNC;
        }
    }
    header.answer(message, &control, of_message)?;
    Ok(received)
}

fn wants_inq(descriptor: &Descriptor) -> bool {
    let mut wanted = [0; 4];
    let asked = descriptor.with(|socket, net| {
        socket.getsockopt(
            net,
            libc::IPPROTO_TCP,
            TCP_INQ,
            &mut wanted,
            &mut CallerMemory,
        )
    });
    asked.is_ok() && i32::from_ne_bytes(wanted) == 1
}

/// What has happened to subflows, as much of it as there is room for; the rest stays.
fn event_messages(descriptor: &Descriptor, room: usize) -> Result<Vec<u8>, Errno> {
    let most = room / LONGEST_EVENT;
    let events = descriptor.with(|socket, net| Ok(socket.take_control_messages(net, most)))?;
    let mut control = Vec::new();
    for event in events {
        add_control(&mut control, event.kind(), &event.to_bytes());
    }
    Ok(control)
}

/// A `cmsghdr` and what it holds, at a multiple of its alignment.
fn add_control(control: &mut Vec<u8>, kind: i32, data: &[u8]) {
    let len = size_of::<libc::cmsghdr>() + data.len();
    control.extend(len.to_ne_bytes());
    control.extend(libc::IPPROTO_TCP.to_ne_bytes());
    control.extend(kind.to_ne_bytes());
    control.extend(data);
    control.resize(
        control.len().next_multiple_of(align_of::<libc::cmsghdr>()),
        0,
    );
}

/// `sendmsg`. Neither the address nor ancillary data has a meaning.
///
/// # Errors
/// As [`send`].
pub(crate) fn send_message(fd: i32, message: u64, flags: i32) -> Result<isize, Errno> {
    let header = Message::read(message)?;
    with_send_flags(fd, flags, |app, flags| {
        app.send_parts(header.parts(), header.parts_len, flags)
    })
}

/// `ioctl`: the three counts of a stream; everything else is for the descriptor itself.
///
/// # Errors
/// `EINVAL` for a count of a listening socket, `EFAULT`, or as `ioctl`.
pub(crate) fn ioctl(fd: i32, request: u64, argument: *mut c_void) -> Result<i32, Errno> {
    let app = AppFd::new(fd)?;
    let descriptor = registry::find(app)?;
    let count = match request {
        libc::FIONREAD => bytes_to_read(app, &descriptor)?,
        libc::TIOCOUTQ => bytes_to_go(
            &descriptor,
            descriptor.with(|socket, net| socket.bytes_unacknowledged(net))?,
        ),
        SIOCOUTQNSD => bytes_to_go(
            &descriptor,
            descriptor.with(|socket, net| socket.bytes_unsent(net))?,
        ),
        _ => return app.ioctl(request, argument),
    };
    let address = crate::memory::address_of(argument.cast_const());
    CallerMemory.write(address, &count.to_ne_bytes())?;
    Ok(0)
}

fn bytes_to_read(app: AppFd, descriptor: &Descriptor) -> Result<i32, Errno> {
    let in_stack = descriptor.with(|socket, net| socket.bytes_to_read(net))?;
    Ok(int_of(bytes_waiting(app) + in_stack))
}

fn bytes_to_go(descriptor: &Descriptor, in_stack: usize) -> i32 {
    int_of(descriptor.bytes_on_their_way() + in_stack)
}

fn int_of(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
