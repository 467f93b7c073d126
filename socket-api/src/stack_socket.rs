//! A C program's socket on a running stack.
//!
//! The module owns the marriage of a [`bsd::Socket`](crate::bsd::Socket), which knows numbers and never
//! waits, with the stack's lock and with tasks that wait for it to become ready.

use crate::bsd::{Errno, Net, Readiness, Socket, SocketState};
use crate::connection::end_of_events;
use crate::shared::{ConnectionState, Handle, State};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use umptcp_stack::{ConnectionId, ListenerId};

/// What somebody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    /// There is something to read or to accept, or there will never be.
    pub readable: bool,
    /// There is room to write, or connecting has come to an end.
    pub writable: bool,
}

impl Interest {
    /// This is what was waited for; an end or an error always is.
    const fn is_met_by(self, ready: Readiness) -> bool {
        ready.hung_up
            || ready.error
            || (self.readable && (ready.readable || ready.peer_finished))
            || (self.writable && ready.writable)
    }
}

/// A socket as C programs know it, on a running stack; closed when dropped.
///
/// Its calls never wait: [`Self::poll_ready`] does. It can be shared between threads, whose calls
/// then follow each other.
#[derive(Debug)]
pub struct StackSocket {
    handle: Handle,
    /// `None` only while it is being dropped.
    socket: Mutex<Option<Socket>>,
}

impl StackSocket {
    /// Puts a new socket of `Socket::new` on a stack, or one that `Socket::accept` gave.
    pub(crate) fn new(handle: &Handle, socket: Socket) -> Self {
        let socket = Self {
            handle: handle.clone(),
            socket: Mutex::new(Some(socket)),
        };
        // An accepted one has a connection whose events are to be heard from now on.
        socket.with(|_, _| ());
        socket
    }

    fn lock(&self) -> MutexGuard<'_, Option<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes calls on the socket.
    pub fn with<T>(&self, calls: impl FnOnce(&mut Socket, &mut Net<'_>) -> T) -> T
    where
        T: FromErrno,
    {
        let mut socket = self.lock();
        let Some(socket) = socket.as_mut() else {
            return T::from_errno(Errno::EBADF);
        };
        let (result, ended) = self.handle.command(|state, now| {
            if state.stopped {
                return (T::from_errno(Errno::ENETDOWN), None);
            }
            let before = socket.state().clone();
            let result = calls(socket, &mut state.net(now));
            (result, follow(state, &before, socket.state()))
        });
        end_of_events(ended);
        result
    }

    /// `accept`: the next connection of a listening socket.
    ///
    /// # Errors
    /// As for [`Socket::accept`].
    pub fn accept(&self) -> Result<Self, Errno> {
        let socket = self.with(|socket, net| socket.accept(net))?;
        Ok(Self::new(&self.handle, socket))
    }

    /// Ready when what is waited for has come, with everything that is ready then.
    pub fn poll_ready(&self, cx: &Context<'_>, interest: Interest) -> Poll<Readiness> {
        let ended = Readiness {
            readable: true,
            writable: true,
            hung_up: true,
            error: true,
            peer_finished: true,
        };
        let mut socket = self.lock();
        let Some(socket) = socket.as_mut() else {
            return Poll::Ready(ended);
        };
        self.handle.command(|state, now| {
            if state.stopped {
                return Poll::Ready(ended);
            }
            let ready = socket.readiness(&mut state.net(now));
            if interest.is_met_by(ready) {
                return Poll::Ready(ready);
            }
            register(state, socket.state(), cx);
            Poll::Pending
        })
    }
}

impl Drop for StackSocket {
    fn drop(&mut self) {
        let Some(socket) = self.lock().take() else {
            return;
        };
        let ended = self.handle.command(|state, now| {
            let before = socket.state().clone();
            socket.close(&mut state.net(now));
            follow(state, &before, &SocketState::Fresh)
        });
        end_of_events(ended);
    }
}

/// Results that can say that there is no socket any more.
pub trait FromErrno {
    /// The result that stands for this error.
    fn from_errno(errno: Errno) -> Self;
}

impl<T> FromErrno for Result<T, Errno> {
    fn from_errno(errno: Errno) -> Self {
        Err(errno)
    }
}

impl<T> FromErrno for Option<T> {
    fn from_errno(_: Errno) -> Self {
        None
    }
}

impl FromErrno for () {
    fn from_errno(_: Errno) {}
}

/// The connections and listeners whose events the stack carries to tasks are those that sockets
/// have. Gives the connection that the socket has no longer.
fn follow(state: &mut State, before: &SocketState, after: &SocketState) -> Option<ConnectionState> {
    let (old, new) = (connection_of(before), connection_of(after));
    let ended = old
        .filter(|_| old != new)
        .and_then(|old| state.connections.remove(&old));
    if let Some(id) = new {
        state.connections.entry(id).or_default();
    }
    let (old, new) = (listeners_of(before), listeners_of(after));
    for listener in old.iter().filter(|listener| !new.contains(listener)) {
        state.listeners.remove(listener);
    }
    for &listener in new {
        state.listeners.entry(listener).or_default();
    }
    ended
}

fn register(state: &mut State, of: &SocketState, cx: &Context<'_>) {
    if let Some(connection) = connection_of(of).and_then(|id| state.connections.get_mut(&id)) {
        for waiters in [
            &mut connection.readers,
            &mut connection.writers,
            &mut connection.watchers,
        ] {
            waiters.register(cx.waker());
        }
    }
    for listener in listeners_of(of) {
        if let Some(waiters) = state.listeners.get_mut(listener) {
            waiters.register(cx.waker());
        }
    }
}

const fn connection_of(state: &SocketState) -> Option<ConnectionId> {
    match state {
        SocketState::Connecting(id) | SocketState::Connected(id) => Some(*id),
        SocketState::Fresh | SocketState::Listening(_) => None,
    }
}

const fn listeners_of(state: &SocketState) -> &[ListenerId] {
    match state {
        SocketState::Listening(listeners) => listeners.as_slice(),
        SocketState::Fresh | SocketState::Connecting(_) | SocketState::Connected(_) => &[],
    }
}
