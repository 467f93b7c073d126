//! Calls that make sockets and change their state.

use super::{Direction, with_socket};
use crate::descriptor::Object;
use crate::host::{Host, Wait};
use crate::state::State;
use umptcp::bsd::{Errno, HowToShutDown, SockAddr, Socket, UserMemory};

impl Host {
    /// `socket`.
    ///
    /// # Errors
    /// As [`Socket::new`]; `EMFILE`.
    pub fn socket(&self, domain: i32, kind: i32, protocol: i32) -> Result<i32, Errno> {
        self.act(|state| {
            let socket = Socket::new(&state.system, domain, kind, protocol)?;
            add(state, socket, kind & libc::SOCK_NONBLOCK != 0)
        })
    }

    /// `bind`.
    ///
    /// # Errors
    /// As [`Socket::bind`].
    pub fn bind(&self, number: i32, address: SockAddr) -> Result<(), Errno> {
        let handle = self.handle(number)?;
        self.act(|state| with_socket(state, handle, |socket, net| socket.bind(net, address)))
    }

    /// `listen`.
    ///
    /// # Errors
    /// As [`Socket::listen`].
    pub fn listen(&self, number: i32, backlog: i32) -> Result<(), Errno> {
        let handle = self.handle(number)?;
        self.act(|state| with_socket(state, handle, |socket, net| socket.listen(net, backlog)))
    }

    /// `accept`: the new descriptor, and the address of the peer.
    ///
    /// # Errors
    /// As [`Socket::accept`]; `EMFILE`.
    pub fn accept(&self, number: i32) -> Result<(i32, SockAddr), Errno> {
        let handle = self.handle(number)?;
        let wait = self.patience(handle, Direction::Read, false)?;
        self.wait(wait, |state| {
            if state.table.is_full() {
                return Err(Errno::EMFILE);
            }
            let socket = with_socket(state, handle, Socket::accept)?;
            let peer = socket.peer_name()?;
            Ok((add(state, socket, false)?, peer))
        })
    }

    /// `connect`.
    ///
    /// # Errors
    /// As [`Socket::connect`]; `EINPROGRESS` if it is not to wait, or if the time is over.
    pub fn connect(&self, number: i32, remote: SockAddr) -> Result<(), Errno> {
        let handle = self.handle(number)?;
        let wait = self.patience(handle, Direction::Write, false)?;
        let begun =
            self.act(|state| with_socket(state, handle, |socket, net| socket.connect(net, remote)));
        match (begun, wait) {
            (Err(Errno::EINPROGRESS), Wait::No) => return Err(Errno::EINPROGRESS),
            // Who may wait does so for an attempt that was begun before, as well.
            (Err(Errno::EINPROGRESS | Errno::EALREADY), Wait::For(_)) => {}
            (begun, _) => return begun,
        }
        let result = self.wait(wait, |state| {
            with_socket(state, handle, |socket, net| {
                socket.connecting(net).unwrap_or(Err(Errno::EAGAIN))
            })
        });
        match result {
            Err(Errno::EAGAIN) => Err(Errno::EINPROGRESS),
            result => result,
        }
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// `EINVAL` for a number that is none of the three; as [`Socket::shutdown`].
    pub fn shutdown(&self, number: i32, how: i32) -> Result<(), Errno> {
        let handle = self.handle(number)?;
        let how = HowToShutDown::of_number(how)?;
        self.act(|state| with_socket(state, handle, |socket, net| socket.shutdown(net, how)))
    }

    /// `getsockopt`: the length of the value.
    ///
    /// # Errors
    /// As [`Socket::getsockopt`].
    pub fn getsockopt(
        &self,
        number: i32,
        level: i32,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Result<usize, Errno> {
        let handle = self.handle(number)?;
        self.act(|state| {
            with_socket(state, handle, |socket, net| {
                socket.getsockopt(net, level, name, value, memory)
            })
        })
    }

    /// `setsockopt`.
    ///
    /// # Errors
    /// As [`Socket::setsockopt`].
    pub fn setsockopt(
        &self,
        number: i32,
        level: i32,
        name: i32,
        value: &[u8],
        memory: &mut dyn UserMemory,
    ) -> Result<(), Errno> {
        let handle = self.handle(number)?;
        self.act(|state| {
            with_socket(state, handle, |socket, net| {
                socket.setsockopt(net, level, name, value, memory)
            })
        })
    }
}

/// Gives a socket a number; without one it is closed again.
fn add(state: &mut State, socket: Socket, nonblocking: bool) -> Result<i32, Errno> {
    let object = Object::Socket(Box::new(socket));
    state
        .table
        .add(object, nonblocking)
        .map_err(|(errno, object)| {
            if let Object::Socket(socket) = object {
                socket.close(&mut state.net());
            }
            errno
        })
}
