//! Calls on descriptors of any kind.

use super::{Direction, with_socket};
use crate::descriptor::{Handle, Object};
use crate::host::Host;
use crate::pipe::{End, PipeId};
use crate::state::State;
use umptcp::bsd::{Errno, ReceiveFlags, SendFlags};

/// `SIOCOUTQNSD` of `linux/sockios.h`.
const SIOCOUTQNSD: u64 = 0x894b;

/// What `ioctl` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// `FIONREAD`, which is `SIOCINQ`.
    Unread,
    /// `TIOCOUTQ`, which is `SIOCOUTQ`.
    Unacknowledged,
    /// `SIOCOUTQNSD`.
    Unsent,
    /// `FIONBIO`, with what the caller gave.
    SetNonblocking,
}

impl Request {
    /// The request with this number.
    ///
    /// # Errors
    /// `ENOTTY` for any other.
    pub fn of_number(number: u64) -> Result<Self, Errno> {
        match number {
            libc::FIONREAD => Ok(Self::Unread),
            libc::TIOCOUTQ => Ok(Self::Unacknowledged),
            SIOCOUTQNSD => Ok(Self::Unsent),
            libc::FIONBIO => Ok(Self::SetNonblocking),
            _ => Err(Errno::ENOTTY),
        }
    }
}

impl Host {
    /// `fcntl`: `F_GETFL`, `F_SETFL`, `F_GETFD`, `F_SETFD`.
    ///
    /// # Errors
    /// `EBADF`, or `EINVAL` for any other command.
    pub fn fcntl(&self, number: i32, command: i32, argument: i32) -> Result<i32, Errno> {
        let handle = self.handle(number)?;
        self.act(|state| {
            let descriptor = state.table.get_mut(handle)?;
            match command {
                libc::F_GETFL => {
                    let access = match descriptor.object {
                        Object::Pipe(_, End::Reading) => libc::O_RDONLY,
                        Object::Pipe(_, End::Writing) => libc::O_WRONLY,
                        Object::Socket(_) | Object::Epoll(_) => libc::O_RDWR,
                    };
                    Ok(access
                        | if descriptor.nonblocking {
                            libc::O_NONBLOCK
                        } else {
                            0
                        })
                }
                libc::F_SETFL => {
                    descriptor.nonblocking = argument & libc::O_NONBLOCK != 0;
                    Ok(0)
                }
                libc::F_GETFD => Ok(i32::from(descriptor.close_on_exec) * libc::FD_CLOEXEC),
                libc::F_SETFD => {
                    descriptor.close_on_exec = argument & libc::FD_CLOEXEC != 0;
                    Ok(0)
                }
                _ => Err(Errno::EINVAL),
            }
        })
    }

    /// `ioctl` with a request that gives a number.
    ///
    /// # Errors
    /// `EBADF`; `ENOTTY` for what that kind of descriptor does not know.
    pub fn queue_length(&self, number: i32, request: Request) -> Result<i32, Errno> {
        let handle = self.handle(number)?;
        self.act(|state| {
            if let Object::Pipe(pipe, _) = state.table.get_mut(handle)?.object {
                return match request {
                    Request::Unread => Ok(state.pipes.len(pipe)),
                    _ => Err(Errno::ENOTTY),
                };
            }
            let length = with_socket(state, handle, |socket, net| match request {
                Request::Unread => socket.bytes_to_read(net),
                Request::Unacknowledged => socket.bytes_unacknowledged(net),
                Request::Unsent => socket.bytes_unsent(net),
                Request::SetNonblocking => Err(Errno::ENOTTY),
            });
            length.map_err(|errno| match errno {
                Errno::ENOTSOCK => Errno::ENOTTY,
                errno => errno,
            })
        })
        .map(|length| i32::try_from(length).unwrap_or(i32::MAX))
    }

    /// `ioctl(FIONBIO)`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_nonblocking(&self, number: i32, nonblocking: bool) -> Result<(), Errno> {
        let handle = self.handle(number)?;
        self.act(|state| {
            state.table.get_mut(handle)?.nonblocking = nonblocking;
            Ok(())
        })
    }

    /// `close`.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&self, number: i32) -> Result<(), Errno> {
        self.act(|state| state.close(number))
    }

    /// `pipe`: the end to read from, and the one to write to.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn pipe(&self) -> Result<(i32, i32), Errno> {
        self.act(|state| {
            let pipe = state.pipes.open();
            let reading = add_end(state, pipe, End::Reading);
            let reading = reading.inspect_err(|_| state.pipes.close(pipe, End::Writing))?;
            match add_end(state, pipe, End::Writing) {
                Ok(writing) => Ok((reading, writing)),
                Err(errno) => {
                    state.close(reading)?;
                    Err(errno)
                }
            }
        })
    }

    /// `splice`: moves bytes from one descriptor to another, of which at least one is a pipe; 0 is
    /// the end.
    ///
    /// # Errors
    /// `EINVAL` without a pipe; otherwise as reading and writing.
    pub fn splice(&self, from: i32, to: i32, most: usize, dont_wait: bool) -> Result<usize, Errno> {
        let (from, to) = (self.handle(from)?, self.handle(to)?);
        self.act(|state| {
            let source = pipe_of(state, from, End::Reading)?;
            let sink = pipe_of(state, to, End::Writing)?;
            if source.is_none() && sink.is_none() || source.is_some() && source == sink {
                return Err(Errno::EINVAL);
            }
            Ok(())
        })?;
        if most == 0 {
            return Ok(0);
        }
        let reading = self.patience(from, Direction::Read, dont_wait)?;
        self.wait(reading, |state| move_bytes(state, from, to, most))
    }
}

fn add_end(state: &mut State, pipe: PipeId, end: End) -> Result<i32, Errno> {
    state
        .table
        .add(Object::Pipe(pipe, end), false)
        .map_err(|(errno, _)| {
            state.pipes.close(pipe, end);
            errno
        })
}

/// The pipe of a descriptor, if it is one.
fn pipe_of(state: &mut State, handle: Handle, wanted: End) -> Result<Option<PipeId>, Errno> {
    match state.table.get_mut(handle)?.object {
        Object::Pipe(pipe, end) if end == wanted => Ok(Some(pipe)),
        Object::Pipe(..) => Err(Errno::EBADF),
        Object::Socket(_) => Ok(None),
        Object::Epoll(_) => Err(Errno::EINVAL),
    }
}

/// Moves what can be moved at once. Nothing is taken for which there is no place.
fn move_bytes(state: &mut State, from: Handle, to: Handle, most: usize) -> Result<usize, Errno> {
    let source = pipe_of(state, from, End::Reading)?;
    let sink = pipe_of(state, to, End::Writing)?;
    match (source, sink) {
        (None, Some(sink)) => {
            let room = state.pipes.room(sink)?.min(most);
            if room == 0 {
                return Err(Errno::EAGAIN);
            }
            let mut bytes = vec![0; room];
            let count = with_socket(state, from, |socket, net| {
                socket.receive(net, &mut bytes, ReceiveFlags::default())
            })?;
            bytes.truncate(count);
            state.pipes.write(sink, &bytes)
        }
        (Some(source), _) => {
            let bytes = state.pipes.peek(source, most);
            if bytes.is_empty() {
                // The end, or nothing yet.
                return state.pipes.read(source, &mut [0]);
            }
            let count = match sink {
                Some(sink) => state.pipes.write(sink, &bytes)?,
                None => with_socket(state, to, |socket, net| {
                    socket.send(net, &bytes, SendFlags::default())
                })?,
            };
            let mut taken = bytes;
            taken.truncate(count);
            state.pipes.read(source, &mut taken)
        }
        (None, None) => Err(Errno::EINVAL),
    }
}
