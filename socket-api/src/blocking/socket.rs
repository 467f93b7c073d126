//! A socket before it is connected or listens.

use super::listener::MptcpListener;
use super::stack::{Runtime, Stack};
use super::stream::MptcpStream;
use crate::address::ToAddresses;
use crate::connect::within;
use std::io;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// As [`umptcp::MptcpSocket`](crate::MptcpSocket), which this dereferences to for its options.
#[derive(Debug)]
pub struct MptcpSocket {
    socket: crate::MptcpSocket,
    runtime: Runtime,
}

impl MptcpSocket {
    /// A socket for IPv4, with the default settings.
    #[must_use]
    pub fn new_v4(stack: &Stack) -> Self {
        Self {
            socket: crate::MptcpSocket::new_v4(stack),
            runtime: stack.runtime().clone(),
        }
    }

    /// A socket for IPv6, with the default settings.
    #[must_use]
    pub fn new_v6(stack: &Stack) -> Self {
        Self {
            socket: crate::MptcpSocket::new_v6(stack),
            runtime: stack.runtime().clone(),
        }
    }

    /// As [`MptcpSocket::connect`](crate::MptcpSocket::connect).
    ///
    /// # Errors
    /// As there.
    pub fn connect(self, remote: impl ToAddresses) -> io::Result<MptcpStream> {
        let stream = self.runtime.block_on(self.socket.connect(remote))?;
        Ok(stream.into_blocking())
    }

    /// As [`Self::connect`], giving up after `limit`.
    ///
    /// # Errors
    /// `TimedOut` at the limit, otherwise as there.
    pub fn connect_timeout(
        self,
        remote: impl ToAddresses,
        limit: Duration,
    ) -> io::Result<MptcpStream> {
        let Self { socket, runtime } = self;
        let stream = runtime.block_on(async { within(limit, socket.connect(remote)).await })?;
        Ok(stream.into_blocking())
    }

    /// As [`MptcpSocket::listen`](crate::MptcpSocket::listen).
    ///
    /// # Errors
    /// As there.
    pub fn listen(self, backlog: usize) -> io::Result<MptcpListener> {
        Ok(MptcpListener::new(self.socket.listen(backlog)?))
    }
}

impl Deref for MptcpSocket {
    type Target = crate::MptcpSocket;

    fn deref(&self) -> &crate::MptcpSocket {
        &self.socket
    }
}

impl DerefMut for MptcpSocket {
    fn deref_mut(&mut self) -> &mut crate::MptcpSocket {
        &mut self.socket
    }
}

impl Stack {
    /// A socket for IPv4, to be set up before it connects or listens.
    #[must_use]
    pub fn socket_v4(&self) -> MptcpSocket {
        MptcpSocket::new_v4(self)
    }

    /// A socket for IPv6, to be set up before it connects or listens.
    #[must_use]
    pub fn socket_v6(&self) -> MptcpSocket {
        MptcpSocket::new_v6(self)
    }
}
