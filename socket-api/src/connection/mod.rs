//! One connection in the application's hands; streams and their halves are faces of it.
//!
//! The module owns the translation of the endpoint's commands into polling: what would block
//! registers the task, what failed becomes an `io::Error`. Its lifetime is the connection's in the
//! application: dropping it releases the connection.
//!
//! | file | what |
//! |---|---|
//! | `mod` | beginning, reading, writing, subflows, waiting |
//! | `readiness` | operations that never wait, and waiting for when they can |
//! | `options` | settings, and errors to be told |

mod options;
mod readiness;

pub(crate) use readiness::without_state;

use crate::bsd::Socket;
use crate::error::StackError;
use crate::shared::{ConnectionState, Handle, State, WakerSet, wake_all};
use bytes::Bytes;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use tokio::task::coop;
use umptcp_stack::{
    CloseReason, ConnectionConfig, ConnectionId, ConnectionInfo, Endpoint, Instant, SubflowId,
    SubflowInfo, WriteError,
};

/// A connection of the application, released when dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    handle: Handle,
    id: ConnectionId,
    /// How it looked when it came into the application's hands.
    first_info: ConnectionInfo,
    /// It as C programs know it, once somebody asks for its options by number.
    socket: Mutex<Option<Socket>>,
}

impl Connection {
    /// Starts a connection; [`Self::poll_established`] tells how it went.
    pub(crate) fn connect(
        handle: &Handle,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        config: ConnectionConfig,
    ) -> io::Result<Self> {
        let (id, first_info) = handle.command(|state, now| {
            if state.stopped {
                return Err(crate::error::Stopped.into_io());
            }
            let connected = state.endpoint.connect(now, local, remote, config);
            let id = connected.map_err(StackError::into_io)?;
            // The handshake has just begun, even where the protocol is settled beforehand.
            Ok((id, admit(state, id, false)?))
        })?;
        Ok(Self {
            handle: handle.clone(),
            id,
            first_info,
            socket: Mutex::new(None),
        })
    }

    /// Takes over a connection that a listener has accepted. `state` is locked, so that the handle
    /// comes from the caller.
    pub(crate) fn accepted(
        handle: &Handle,
        accept: impl FnOnce(&mut State) -> Poll<io::Result<ConnectionId>>,
    ) -> Poll<io::Result<Self>> {
        let (id, first_info) = ready!(handle.command(|state, _| {
            let id = ready!(accept(state))?;
            Poll::Ready(admit(state, id, true).map(|info| (id, info)))
        }))?;
        Poll::Ready(Ok(Self {
            handle: handle.clone(),
            id,
            first_info,
            socket: Mutex::new(None),
        }))
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) const fn id(&self) -> ConnectionId {
        self.id
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.first_info.local
    }

    pub(crate) fn peer_addr(&self) -> SocketAddr {
        self.first_info.remote
    }

    /// A snapshot; the endpoint keeps a connection until it is released, and until then it has one.
    pub(crate) fn info(&self) -> ConnectionInfo {
        self.handle
            .look(|state| state.endpoint.connection_info(self.id))
            .unwrap_or_else(|| self.first_info.clone())
    }

    pub(crate) fn subflows(&self) -> Vec<SubflowInfo> {
        self.handle.look(|state| state.endpoint.subflows(self.id))
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_operation(cx, readers, |endpoint, now, id| {
            endpoint.read(now, id, buffer)
        })
    }

    pub(crate) fn poll_read_chunk(
        &self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<io::Result<Option<Bytes>>> {
        self.poll_operation(cx, readers, |endpoint, now, id| {
            endpoint.read_chunk(now, id, max)
        })
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_operation(cx, writers, |endpoint, now, id| {
            endpoint.write(now, id, data)
        })
    }

    pub(crate) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_operation(cx, writers, |endpoint, now, id| {
            readiness::write_vectored(endpoint, now, id, slices)
        })
    }

    /// Hands over bytes from the front of `data` without a copy.
    pub(crate) fn poll_write_bytes(
        &self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
    ) -> Poll<io::Result<usize>> {
        self.poll_operation(cx, writers, |endpoint, now, id| {
            endpoint.write_bytes(now, id, data)
        })
    }

    /// Ends the sending direction; doing so again is no error, as with a kernel socket.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.handle
            .command(|state, now| match state.endpoint.shutdown(now, self.id) {
                Ok(()) | Err(WriteError::ShutDown | WriteError::Closed(CloseReason::Finished)) => {
                    Ok(())
                }
                Err(error) => Err(error.into_io()),
            })
    }

    pub(crate) fn abort(&self) {
        self.handle.command(|state, now| {
            // The only error is that the connection is gone already.
            let _ = state.endpoint.abort(now, self.id);
        });
    }

    pub(crate) fn open_subflow(
        &self,
        local: IpAddr,
        remote: SocketAddr,
        backup: bool,
    ) -> io::Result<SubflowId> {
        self.handle
            .command(|state, now| {
                state
                    .endpoint
                    .open_subflow(now, self.id, local, remote, backup)
            })
            .map_err(StackError::into_io)
    }

    pub(crate) fn close_subflow(&self, subflow: SubflowId) -> io::Result<()> {
        self.handle
            .command(|state, now| state.endpoint.close_subflow(now, self.id, subflow))
            .map_err(StackError::into_io)
    }

    pub(crate) fn set_backup(&self, subflow: SubflowId, backup: bool) -> io::Result<()> {
        self.handle
            .command(|state, now| state.endpoint.set_backup(now, self.id, subflow, backup))
            .map_err(StackError::into_io)
    }

    /// Ready when the handshake is done.
    pub(crate) fn poll_established(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_watch(cx, |connection| connection.established.then_some(Ok(())))
    }

    /// Ready when the peer has acknowledged everything, the end of the stream included.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_watch(cx, |connection| {
            let finished = connection.closed == Some(CloseReason::Finished);
            (connection.flushed || finished).then_some(Ok(()))
        })
    }

    /// Ready when the subflow is usable, or will never be.
    pub(crate) fn poll_subflow(&self, cx: &mut Context<'_>, id: SubflowId) -> Poll<io::Result<()>> {
        self.poll_watch(cx, |connection| {
            if id.index() == 0 {
                return connection.established.then_some(Ok(()));
            }
            let (_, open) = connection.subflows.iter().find(|(known, _)| *known == id)?;
            Some(if *open {
                Ok(())
            } else {
                Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "the subflow was closed",
                ))
            })
        })
    }

    /// Waits until `done` says something about the connection, or it ends.
    fn poll_watch(
        &self,
        cx: &Context<'_>,
        done: impl FnOnce(&ConnectionState) -> Option<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        self.handle.command(|state, _| {
            if let Some(connection) = state.connections.get_mut(&self.id) {
                if let Some(result) = done(connection) {
                    return Poll::Ready(result);
                }
                if let Some(reason) = connection.closed {
                    return Poll::Ready(Err(reason.into_io()));
                }
                connection.watchers.register(cx.waker());
            }
            state.pending()
        })
    }

    /// Runs an operation; if it would block, the task joins `waiters`.
    fn poll_operation<T, E: StackError>(
        &self,
        cx: &mut Context<'_>,
        waiters: fn(&mut ConnectionState) -> &mut WakerSet,
        operation: impl FnOnce(&mut Endpoint, Instant, ConnectionId) -> Result<T, E>,
    ) -> Poll<io::Result<T>> {
        // A task that always finds data or room must still let the driver run.
        let budget = ready!(coop::poll_proceed(cx));
        let result =
            self.handle.command(
                |state, now| match operation(&mut state.endpoint, now, self.id) {
                    Ok(value) => Poll::Ready(Ok(value)),
                    Err(error) if error.is_blocked() => {
                        if let Some(connection) = state.connections.get_mut(&self.id) {
                            waiters(connection).register(cx.waker());
                        }
                        state.pending()
                    }
                    Err(error) => Poll::Ready(Err(error.into_io())),
                },
            );
        if result.is_ready() {
            budget.made_progress();
        }
        result
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let known = self.handle.command(|state, now| {
            let known = state.connections.remove(&self.id);
            if known.as_ref().is_some_and(|known| !known.established) {
                // A connect that nobody waits for any more: the peer need not hear of it politely.
                let _ = state.endpoint.abort(now, self.id);
            }
            state.endpoint.release(now, self.id);
            known
        });
        end_of_events(known);
    }
}

/// Whoever listens to the events of a connection that the application has let go of hears of the
/// end, and is woken without the lock.
pub(crate) fn end_of_events(connection: Option<ConnectionState>) {
    let mut woken = Vec::new();
    if let Some(mut connection) = connection {
        connection.finish(None, &mut woken);
    }
    wake_all(&mut woken);
}

fn readers(connection: &mut ConnectionState) -> &mut WakerSet {
    &mut connection.readers
}

fn writers(connection: &mut ConnectionState) -> &mut WakerSet {
    &mut connection.writers
}

/// Begins to follow a connection's events; what it has gone through already is in its info.
fn admit(state: &mut State, id: ConnectionId, established: bool) -> io::Result<ConnectionInfo> {
    let Some(info) = state.endpoint.connection_info(id) else {
        return Err(umptcp_stack::ReadError::UnknownConnection.into_io());
    };
    let connection = ConnectionState {
        established,
        closed: info.closed,
        ..ConnectionState::default()
    };
    state.connections.insert(id, connection);
    Ok(info)
}

/// A connection that several halves share.
pub(crate) type SharedConnection = Arc<Connection>;
