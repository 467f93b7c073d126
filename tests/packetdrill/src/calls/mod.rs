//! The calls of the interface, on numbers and bytes that are known to be good.
//!
//! The module owns what each call does and gives. Pointers are the business of
//! `ffi`, waiting that of [`host`](crate::host), and what a socket is that of
//! `umptcp::bsd`.
//!
//! | file | what |
//! |---|---|
//! | `mod` | packets, and what calls have in common |
//! | `sockets` | making, naming, connecting, ending; options |
//! | `transfer` | reading and writing |
//! | `descriptors` | `fcntl`, `ioctl`, `close`, `pipe`, `splice` |
//! | `readiness` | `poll` and epoll |

mod descriptors;
mod readiness;
mod sockets;
mod transfer;

pub use descriptors::Request;
pub use readiness::{Control, Polled, Timeout};

use crate::descriptor::Handle;
use crate::host::{Host, Wait};
use crate::state::State;
use bytes::Bytes;
use std::time::Duration;
use umptcp::bsd::{Errno, Net, NoMemory, Socket};

/// What a call waits for: that it can read, or that it can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Read,
    Write,
}

impl Host {
    fn handle(&self, number: i32) -> Result<Handle, Errno> {
        self.act(|state| state.table.handle(number))
    }

    /// What was read from the caller's memory, unless the descriptor is a bad one: that is told
    /// first, as in Linux.
    ///
    /// # Errors
    /// `EBADF`, or what was wrong with the memory.
    pub fn checked<T>(&self, number: i32, read: Result<T, Errno>) -> Result<T, Errno> {
        self.handle(number)?;
        read
    }

    /// The next packet that has left the stack, of at most so many bytes, with the time of its
    /// leaving in microseconds since 1970; `None` if none comes.
    ///
    /// # Errors
    /// `EMSGSIZE` if it is longer; it stays where it is.
    pub fn next_packet(&self, most: usize) -> Result<Option<(Bytes, u64)>, Errno> {
        let result = self.wait_driving(|state| {
            let next = state.outgoing.front().ok_or(Errno::EAGAIN)?;
            if next.packet.len() > most {
                return Err(Errno::EMSGSIZE);
            }
            let micros = state.clock.micros(next.sent_at);
            let next = state.outgoing.pop_front();
            Ok(next.map(|next| (next.packet, micros)))
        });
        match result {
            Err(Errno::EAGAIN) => Ok(None),
            result => result,
        }
    }

    /// How long a call on a socket may wait: `SO_RCVTIMEO` and `SO_SNDTIMEO` bound it.
    fn patience(
        &self,
        handle: Handle,
        direction: Direction,
        dont_wait: bool,
    ) -> Result<Wait, Errno> {
        self.act(|state| {
            let nonblocking = state.table.get_mut(handle)?.nonblocking;
            if nonblocking || dont_wait {
                return Ok(Wait::No);
            }
            Ok(Wait::For(time_limit(state, handle, direction)))
        })
    }
}

/// What `SO_RCVTIMEO` or `SO_SNDTIMEO` says; zero stands for no limit.
fn time_limit(state: &mut State, handle: Handle, direction: Direction) -> Option<Duration> {
    let name = match direction {
        Direction::Read => libc::SO_RCVTIMEO,
        Direction::Write => libc::SO_SNDTIMEO,
    };
    // A `struct timeval`: seconds and microseconds.
    let mut value = [0; 16];
    let asked = with_socket(state, handle, |socket, net| {
        socket.getsockopt(net, libc::SOL_SOCKET, name, &mut value, &mut NoMemory)
    });
    asked.ok()?;
    let (seconds, micros) = value.split_at(8);
    let seconds = u64::from_ne_bytes(*seconds.first_chunk()?);
    let micros = u64::from_ne_bytes(*micros.first_chunk()?);
    let limit = Duration::from_secs(seconds).saturating_add(Duration::from_micros(micros));
    (!limit.is_zero()).then_some(limit)
}

/// Does something with a socket and its stack.
fn with_socket<T>(
    state: &mut State,
    handle: Handle,
    act: impl FnOnce(&mut Socket, &mut Net<'_>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let (table, mut net) = state.parts();
    act(table.socket(handle)?, &mut net)
}
