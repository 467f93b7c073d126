//! Pipes, for scripts that splice.
//!
//! The module owns the bytes in a pipe and how many descriptors each end has.

use libc::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM};
use std::collections::{BTreeMap, VecDeque};
use umptcp::bsd::Errno;

/// The most bytes in a pipe, as Linux has it by default.
const CAPACITY: usize = 65_536;

/// A pipe's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipeId(u64);

/// Which end of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where bytes come out.
    Reading,
    /// Where they go in.
    Writing,
}

#[derive(Debug)]
struct Pipe {
    bytes: VecDeque<u8>,
    reader: bool,
    writer: bool,
}

/// All pipes.
#[derive(Debug, Default)]
pub struct Pipes {
    pipes: BTreeMap<PipeId, Pipe>,
    next: u64,
}

impl Pipes {
    /// A new pipe with both ends open.
    pub fn open(&mut self) -> PipeId {
        let id = PipeId(self.next);
        self.next += 1;
        let pipe = Pipe {
            bytes: VecDeque::new(),
            reader: true,
            writer: true,
        };
        self.pipes.insert(id, pipe);
        id
    }

    /// Closes one end; without ends the pipe is gone.
    pub fn close(&mut self, id: PipeId, end: End) {
        let Some(pipe) = self.pipes.get_mut(&id) else {
            return;
        };
        match end {
            End::Reading => pipe.reader = false,
            End::Writing => pipe.writer = false,
        }
        if !pipe.reader && !pipe.writer {
            self.pipes.remove(&id);
        }
    }

    /// Reads; 0 is the end: nothing is left and nobody writes.
    ///
    /// # Errors
    /// `EAGAIN` if there is nothing yet, `EBADF` if there is no such pipe.
    pub fn read(&mut self, id: PipeId, buffer: &mut [u8]) -> Result<usize, Errno> {
        let pipe = self.pipes.get_mut(&id).ok_or(Errno::EBADF)?;
        if pipe.bytes.is_empty() && pipe.writer && !buffer.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let count = buffer.len().min(pipe.bytes.len());
        for (place, byte) in buffer.iter_mut().zip(pipe.bytes.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `EAGAIN` if there is no room, `EPIPE` if nobody reads, `EBADF` if there is no such pipe.
    pub fn write(&mut self, id: PipeId, data: &[u8]) -> Result<usize, Errno> {
        let room = self.room(id)?;
        if room == 0 && !data.is_empty() {
            return Err(Errno::EAGAIN);
        }
        let count = data.len().min(room);
        let pipe = self.pipes.get_mut(&id).ok_or(Errno::EBADF)?;
        pipe.bytes.extend(data.iter().take(count));
        Ok(count)
    }

    /// Bytes that a write would take.
    ///
    /// # Errors
    /// `EPIPE` if nobody reads, `EBADF` if there is no such pipe.
    pub fn room(&self, id: PipeId) -> Result<usize, Errno> {
        let pipe = self.pipes.get(&id).ok_or(Errno::EBADF)?;
        if !pipe.reader {
            return Err(Errno::EPIPE);
        }
        Ok(CAPACITY.saturating_sub(pipe.bytes.len()))
    }

    /// The bytes that wait, without taking them.
    #[must_use]
    pub fn peek(&self, id: PipeId, most: usize) -> Vec<u8> {
        self.pipes.get(&id).map_or_else(Vec::new, |pipe| {
            pipe.bytes.iter().take(most).copied().collect()
        })
    }

    /// Bytes that wait to be read.
    #[must_use]
    pub fn len(&self, id: PipeId) -> usize {
        self.pipes.get(&id).map_or(0, |pipe| pipe.bytes.len())
    }

    /// What `poll` would say of an end.
    #[must_use]
    pub fn poll_bits(&self, id: PipeId, end: End) -> i16 {
        let Some(pipe) = self.pipes.get(&id) else {
            return POLLERR;
        };
        let mut bits = 0;
        match end {
            End::Reading => {
                if !pipe.bytes.is_empty() {
                    bits |= POLLIN | POLLRDNORM;
                }
                if !pipe.writer {
                    bits |= POLLHUP;
                }
            }
            End::Writing => {
                if pipe.bytes.len() < CAPACITY {
                    bits |= POLLOUT | POLLWRNORM;
                }
                if !pipe.reader {
                    bits |= POLLERR;
                }
            }
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_and_then_the_end() {
        let mut pipes = Pipes::default();
        let pipe = pipes.open();
        let mut buffer = [0; 4];
        assert_eq!(pipes.read(pipe, &mut buffer), Err(Errno::EAGAIN));
        assert_eq!(pipes.write(pipe, b"abcdef"), Ok(6));
        assert_eq!(pipes.read(pipe, &mut buffer), Ok(4));
        assert_eq!(&buffer, b"abcd");
        pipes.close(pipe, End::Writing);
        assert_eq!(
            pipes.poll_bits(pipe, End::Reading),
            POLLIN | POLLRDNORM | POLLHUP
        );
        assert_eq!(pipes.read(pipe, &mut buffer), Ok(2));
        assert_eq!(pipes.read(pipe, &mut buffer), Ok(0));
    }

    #[test]
    fn a_full_pipe_takes_no_more() {
        let mut pipes = Pipes::default();
        let pipe = pipes.open();
        assert_eq!(pipes.write(pipe, &vec![0; CAPACITY + 1]), Ok(CAPACITY));
        assert_eq!(pipes.write(pipe, b"x"), Err(Errno::EAGAIN));
        assert_eq!(pipes.poll_bits(pipe, End::Writing), 0);
        pipes.close(pipe, End::Reading);
        assert_eq!(pipes.write(pipe, b"x"), Err(Errno::EPIPE));
    }
}
