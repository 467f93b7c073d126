//! Reading and writing.

use super::{Direction, with_socket};
use crate::descriptor::{Handle, Object};
use crate::host::Host;
use crate::pipe::{End, PipeId};
use umptcp::bsd::{Errno, ReceiveFlags, SendFlags};

/// What bytes go through.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Socket,
    Pipe(PipeId, End),
}

impl Host {
    fn stream(&self, handle: Handle) -> Result<Stream, Errno> {
        self.act(|state| match state.table.get_mut(handle)?.object {
            Object::Socket(_) => Ok(Stream::Socket),
            Object::Pipe(pipe, end) => Ok(Stream::Pipe(pipe, end)),
            Object::Epoll(_) => Err(Errno::EINVAL),
        })
    }

    /// `read`: 0 is the end.
    ///
    /// # Errors
    /// As [`Socket::receive`](umptcp::bsd::Socket::receive); `EBADF` for the wrong end of a pipe.
    pub fn read(&self, number: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
        let handle = self.handle(number)?;
        match self.stream(handle)? {
            Stream::Socket => self.receive(number, buffer, ReceiveFlags::default()),
            Stream::Pipe(_, End::Writing) => Err(Errno::EBADF),
            Stream::Pipe(pipe, End::Reading) => {
                let wait = self.patience(handle, Direction::Read, false)?;
                self.wait(wait, |state| {
                    state.table.get_mut(handle)?;
                    state.pipes.read(pipe, buffer)
                })
            }
        }
    }

    /// `recv`.
    ///
    /// # Errors
    /// As [`Socket::receive`](umptcp::bsd::Socket::receive); `ENOTSOCK`.
    pub fn receive(
        &self,
        number: i32,
        buffer: &mut [u8],
        flags: ReceiveFlags,
    ) -> Result<usize, Errno> {
        let handle = self.handle(number)?;
        self.act(|state| state.table.socket(handle).map(|_| ()))?;
        if buffer.is_empty() {
            // As Linux: nothing is asked for, nothing is waited for.
            return Ok(0);
        }
        let wait = self.patience(handle, Direction::Read, flags.dont_wait)?;
        let all = flags.wait_all && !flags.peek;
        let mut read = 0;
        let result = self.wait(wait, |state| {
            with_socket(state, handle, |socket, net| {
                loop {
                    let rest = buffer.get_mut(read..).unwrap_or_default();
                    let count = socket.receive(net, rest, flags)?;
                    read += count;
                    if count == 0 || read == buffer.len() || !all {
                        return Ok(());
                    }
                }
            })
        });
        match result {
            Err(errno) if read == 0 => Err(errno),
            _ => Ok(read),
        }
    }

    /// `write`: as long as it may wait, until all is taken.
    ///
    /// # Errors
    /// As [`Socket::send`](umptcp::bsd::Socket::send); `EBADF` for the wrong end of a pipe.
    pub fn write(&self, number: i32, data: &[u8]) -> Result<usize, Errno> {
        let handle = self.handle(number)?;
        match self.stream(handle)? {
            Stream::Socket => self.send(number, data, SendFlags::default()),
            Stream::Pipe(_, End::Reading) => Err(Errno::EBADF),
            Stream::Pipe(pipe, End::Writing) => {
                self.write_all(handle, data, false, |state, rest| {
                    state.table.get_mut(handle)?;
                    state.pipes.write(pipe, rest)
                })
            }
        }
    }

    /// `send`: as long as it may wait, until all is taken. There is never a signal.
    ///
    /// # Errors
    /// As [`Socket::send`](umptcp::bsd::Socket::send); `ENOTSOCK`.
    pub fn send(&self, number: i32, data: &[u8], flags: SendFlags) -> Result<usize, Errno> {
        let handle = self.handle(number)?;
        self.write_all(handle, data, flags.dont_wait, |state, rest| {
            with_socket(state, handle, |socket, net| socket.send(net, rest, flags))
        })
    }

    fn write_all(
        &self,
        handle: Handle,
        data: &[u8],
        dont_wait: bool,
        mut write: impl FnMut(&mut crate::state::State, &[u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let wait = self.patience(handle, Direction::Write, dont_wait)?;
        let mut written = 0;
        let result = self.wait(wait, |state| {
            loop {
                let rest = data.get(written..).unwrap_or_default();
                written += write(state, rest)?;
                if written >= data.len() {
                    return Ok(());
                }
            }
        });
        match result {
            Err(errno) if written == 0 => Err(errno),
            _ => Ok(written),
        }
    }
}
