//! Listening sockets.
//!
//! The module owns the waiting for incoming connections; the backlog is the endpoint's.

use crate::connection::Connection;
use crate::error::StackError as _;
use crate::shared::Handle;
use crate::stack::check_running;
use crate::stream::MptcpStream;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use umptcp_stack::{ConnectionConfig, ListenerId};

/// Accepts MPTCP and, from hosts that know no MPTCP, plain TCP connections.
///
/// Dropping it stops listening; connections that were not accepted are reset.
#[derive(Debug)]
pub struct MptcpListener {
    handle: Handle,
    id: ListenerId,
    local: SocketAddr,
}

impl MptcpListener {
    pub(crate) fn new(
        handle: &Handle,
        local: SocketAddr,
        config: ConnectionConfig,
    ) -> io::Result<Self> {
        let id = handle.command(|state, _| {
            check_running(state)?;
            let id = state
                .endpoint
                .listen(local, config)
                .map_err(|error| error.into_io())?;
            state
                .listeners
                .insert(id, crate::shared::WakerSet::default());
            Ok::<_, io::Error>(id)
        })?;
        Ok(Self {
            handle: handle.clone(),
            id,
            local,
        })
    }

    /// The next connection, and who it is from.
    ///
    /// Cancellation safe: a connection is taken only if the future gives it. Several tasks may
    /// accept at the same time.
    ///
    /// # Errors
    /// `NotConnected` if the stack has stopped.
    pub async fn accept(&self) -> io::Result<(MptcpStream, SocketAddr)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// As [`Self::accept`], for hand-written futures.
    ///
    /// # Errors
    /// As for [`Self::accept`].
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(MptcpStream, SocketAddr)>> {
        let budget = ready!(tokio::task::coop::poll_proceed(cx));
        let connection = ready!(Connection::accepted(&self.handle, |state| {
            if let Some(id) = state.endpoint.accept(self.id) {
                return Poll::Ready(Ok(id));
            }
            if let Some(waiters) = state.listeners.get_mut(&self.id) {
                waiters.register(cx.waker());
            }
            state.pending()
        }))?;
        budget.made_progress();
        let peer = connection.peer_addr();
        Poll::Ready(Ok((MptcpStream::new(connection), peer)))
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }
}

impl Drop for MptcpListener {
    fn drop(&mut self) {
        self.handle.command(|state, now| {
            state.listeners.remove(&self.id);
            state.endpoint.close_listener(now, self.id);
        });
    }
}
