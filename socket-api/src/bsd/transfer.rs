//! Reading and writing, and what `poll` and `ioctl` tell about a socket.
//!
//! The module owns the meaning of the flags of `send` and `recv`, and what makes a socket ready.

use super::errors::ToErrno;
use super::{Errno, Net, Socket, SocketState, connection_info};
use umptcp_stack::{CloseReason, ConnectionId, ReadError, WriteError};

/// Flags of `recv` that have a meaning here (API reference 4.5); the others are dropped silently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveFlags {
    /// `MSG_PEEK`: leave it there.
    pub peek: bool,
    /// `MSG_WAITALL`: for whoever can wait; here it has no effect.
    pub wait_all: bool,
    /// `MSG_TRUNC`: count, do not copy.
    pub discard: bool,
    /// `MSG_DONTWAIT`: for whoever could wait.
    pub dont_wait: bool,
    /// `MSG_OOB`: urgent data, of which there is none; MPTCP reads what comes next.
    pub urgent: bool,
    /// `MSG_ERRQUEUE`: queued errors, of which there is none.
    pub error_queue: bool,
}

impl ReceiveFlags {
    /// Reads the flags.
    ///
    /// # Errors
    /// None: whatever is unknown is dropped.
    pub const fn of_number(flags: i32) -> Result<Self, Errno> {
        Ok(Self {
            urgent: flags & libc::MSG_OOB != 0,
            error_queue: flags & libc::MSG_ERRQUEUE != 0,
            peek: flags & libc::MSG_PEEK != 0,
            wait_all: flags & libc::MSG_WAITALL != 0,
            discard: flags & libc::MSG_TRUNC != 0,
            dont_wait: flags & libc::MSG_DONTWAIT != 0,
        })
    }
}

/// Flags of `send` that have a meaning here (API reference 4.5); the others are dropped silently,
/// `MSG_OOB` data among them goes in line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendFlags {
    /// `MSG_MORE`: more is about to follow, a part of a segment can wait for it.
    pub more: bool,
    /// `MSG_DONTWAIT`: for whoever could wait.
    pub dont_wait: bool,
    /// `MSG_NOSIGNAL`: for whoever raises SIGPIPE.
    pub no_signal: bool,
}

impl SendFlags {
    /// Reads the flags.
    #[must_use]
    pub const fn of_number(flags: i32) -> Self {
        Self {
            more: flags & libc::MSG_MORE != 0,
            dont_wait: flags & libc::MSG_DONTWAIT != 0,
            no_signal: flags & libc::MSG_NOSIGNAL != 0,
        }
    }
}

/// What `poll` would say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// `POLLIN`: a read, or an accept, does not wait.
    pub readable: bool,
    /// `POLLOUT`: a write does not wait.
    pub writable: bool,
    /// `POLLRDHUP`: the peer sends no more.
    pub peer_finished: bool,
    /// `POLLHUP`: nothing goes in either direction any more.
    pub hung_up: bool,
    /// `POLLERR`: `SO_ERROR` has something to tell.
    pub error: bool,
}

impl Readiness {
    /// The bits of `poll`.
    #[must_use]
    pub const fn poll_bits(self) -> i16 {
        let mut bits = 0;
        if self.readable {
            bits |= libc::POLLIN | libc::POLLRDNORM;
        }
        if self.writable {
            bits |= libc::POLLOUT | libc::POLLWRNORM;
        }
        if self.peer_finished {
            bits |= libc::POLLRDHUP;
        }
        if self.hung_up {
            bits |= libc::POLLHUP;
        }
        if self.error {
            bits |= libc::POLLERR;
        }
        bits
    }
}

impl Socket {
    /// The connection, which a socket that is still connecting has only once that is done.
    fn open_connection(&mut self, net: &mut Net<'_>) -> Result<ConnectionId, Errno> {
        match self.state {
            SocketState::Connected(id) => Ok(id),
            SocketState::Connecting(_) => match self.connecting(net) {
                None => Err(Errno::EAGAIN),
                Some(result) => result.and_then(|()| self.connection().ok_or(Errno::ENOTCONN)),
            },
            SocketState::Fresh | SocketState::Listening(_) => Err(Errno::ENOTCONN),
        }
    }

    /// `recv`: 0 is the end of the stream.
    ///
    /// # Errors
    /// `EAGAIN` if there is nothing yet, `ENOTCONN`, or, once, why the connection has ended. Plain TCP
    /// has no urgent data: `EINVAL`.
    pub fn receive(
        &mut self,
        net: &mut Net<'_>,
        buffer: &mut [u8],
        flags: ReceiveFlags,
    ) -> Result<usize, Errno> {
        if flags.error_queue {
            // As Linux, in any state.
            return Err(Errno::EAGAIN);
        }
        let id = self.open_connection(net)?;
        if flags.urgent && !self.is_mptcp(net) {
            return Err(Errno::EINVAL);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let result = if flags.peek {
            net.endpoint.peek(id, buffer)
        } else if flags.discard {
            let chunk = net.endpoint.read_chunk(net.now, id, buffer.len());
            chunk.map(|chunk| chunk.map_or(0, |chunk| chunk.len()))
        } else {
            net.endpoint.read(net.now, id, buffer)
        };
        match result {
            Err(ReadError::Blocked) if self.read_shut => Ok(0),
            // It is told once; afterwards the stream has merely ended.
            Err(ReadError::Closed(_)) if self.end_told => Ok(0),
            Err(error) => {
                self.end_told |= matches!(error, ReadError::Closed(_));
                Err(error.to_errno())
            }
            Ok(read) => Ok(read),
        }
    }

    /// `send`: as much as there is room for.
    ///
    /// # Errors
    /// `EAGAIN` if there is no room, `EPIPE` after a shutdown or the end of the connection,
    /// `ENOTCONN`, or, once, why the connection has ended.
    pub fn send(
        &mut self,
        net: &mut Net<'_>,
        data: &[u8],
        flags: SendFlags,
    ) -> Result<usize, Errno> {
        let id = match self.open_connection(net) {
            // As Linux: who was never connected gets EPIPE.
            Err(Errno::ENOTCONN) => return Err(Errno::EPIPE),
            other => other?,
        };
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.hold_back(net, id, flags.more || self.options.cork);
        match net.endpoint.write(net.now, id, data) {
            Err(WriteError::Closed(_)) if self.end_told => Err(Errno::EPIPE),
            Err(error) => {
                self.end_told |= matches!(error, WriteError::Closed(_));
                Err(error.to_errno())
            }
            Ok(written) => Ok(written),
        }
    }

    /// Lets the connection hold small segments back or send them, if it does not already.
    pub(super) fn hold_back(&mut self, net: &mut Net<'_>, id: ConnectionId, corked: bool) {
        if self.corked != corked {
            self.corked = corked;
            net.endpoint.set_cork(net.now, id, corked);
        }
    }

    /// What `poll` would say now. It also arms the endpoint's events, `Readable` and `Writable`, for
    /// what is not ready.
    pub fn readiness(&mut self, net: &mut Net<'_>) -> Readiness {
        let id = match &self.state {
            // As Linux says of a socket that is neither connected nor listening.
            SocketState::Fresh => {
                return Readiness {
                    writable: true,
                    hung_up: true,
                    error: self.error.is_some(),
                    ..Readiness::default()
                };
            }
            SocketState::Listening(listeners) => {
                let waiting = |&listener: &_| net.endpoint.has_incoming(listener);
                return Readiness {
                    readable: listeners.iter().any(waiting),
                    ..Readiness::default()
                };
            }
            SocketState::Connecting(id) | SocketState::Connected(id) => *id,
        };
        let Ok(info) = connection_info(net.endpoint, id) else {
            return Readiness {
                readable: true,
                writable: true,
                hung_up: true,
                ..Readiness::default()
            };
        };
        if !info.established && info.closed.is_none() {
            return Readiness::default();
        }
        if !info.established {
            // As Linux says of an attempt that has failed.
            return Readiness {
                writable: true,
                hung_up: true,
                error: !self.end_told,
                ..Readiness::default()
            };
        }
        let ended = info.closed.is_some();
        let failed = info
            .closed
            .is_some_and(|reason| reason != CloseReason::Finished);
        let enough = info.unread >= self.options.receive_low_water(info.receive_capacity);
        // The only error is that there is no such connection, and there is.
        if !enough {
            let _ = net.endpoint.want_read(id);
        }
        if info.can_write && info.send_room == 0 {
            let _ = net.endpoint.want_write(id);
        }
        Readiness {
            readable: ended || self.read_shut || info.peer_finished || (info.unread > 0 && enough),
            writable: ended || !info.can_write || info.send_room > 0,
            peer_finished: ended || self.read_shut || info.peer_finished,
            hung_up: ended || (!info.can_write && (self.read_shut || info.peer_finished)),
            error: self.error.is_some() || (failed && !self.end_told),
        }
    }

    /// `SO_ERROR`: what went wrong since it was last asked for.
    pub fn take_error(&mut self, net: &mut Net<'_>) -> Option<Errno> {
        if let Some(error) = self.error.take() {
            return Some(error);
        }
        if let SocketState::Connecting(_) = self.state {
            return self.connecting(net).and_then(Result::err);
        }
        let SocketState::Connected(id) = self.state else {
            return None;
        };
        let closed = net.endpoint.connection_info(id)?.closed?;
        let failed = closed != CloseReason::Finished && !self.end_told;
        self.end_told |= failed;
        failed.then(|| closed.to_errno())
    }

    /// `SIOCINQ`: bytes that wait to be read.
    ///
    /// # Errors
    /// `EINVAL` if it listens.
    pub fn bytes_to_read(&self, net: &Net<'_>) -> Result<usize, Errno> {
        self.queue(net, |info| info.unread)
    }

    /// `SIOCOUTQ`: bytes that the peer has not acknowledged at the data level.
    ///
    /// # Errors
    /// `EINVAL` if it listens.
    pub fn bytes_unacknowledged(&self, net: &Net<'_>) -> Result<usize, Errno> {
        self.queue(net, |info| info.unacked)
    }

    /// `SIOCOUTQNSD`: bytes that were never sent.
    ///
    /// # Errors
    /// `EINVAL` if it listens.
    pub fn bytes_unsent(&self, net: &Net<'_>) -> Result<usize, Errno> {
        self.queue(net, |info| info.unsent)
    }

    fn queue(
        &self,
        net: &Net<'_>,
        of: impl FnOnce(&umptcp_stack::ConnectionInfo) -> usize,
    ) -> Result<usize, Errno> {
        match self.state {
            SocketState::Listening(_) => Err(Errno::EINVAL),
            SocketState::Fresh => Ok(0),
            SocketState::Connecting(id) | SocketState::Connected(id) => {
                let info = net.endpoint.connection_info(id);
                Ok(info.as_ref().map_or(0, of))
            }
        }
    }
}
