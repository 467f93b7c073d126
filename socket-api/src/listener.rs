//! Listening sockets.
//!
//! The module owns the waiting for incoming connections, at one address or several; the backlogs
//! are the endpoint's.

use crate::connection::Connection;
use crate::error::StackError as _;
use crate::shared::Handle;
use crate::stream::MptcpStream;
use futures::Stream;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use umptcp_stack::{ConnectionConfig, ConnectionId, ListenerId};

/// Accepts MPTCP and, from hosts that know no MPTCP, plain TCP connections.
///
/// Dropping it stops listening; connections that were not accepted are reset.
#[derive(Debug)]
pub struct MptcpListener {
    handle: Handle,
    /// At least one.
    places: Vec<Place>,
    /// Which place is asked first: each in turn, so that none starves.
    turn: AtomicUsize,
}

/// An address that is listened at.
#[derive(Clone, Copy, Debug)]
struct Place {
    id: ListenerId,
    local: SocketAddr,
}

impl MptcpListener {
    /// Listens at all of `locals`. Where several have port 0, they get the same port.
    pub(crate) fn new(
        handle: &Handle,
        locals: &[SocketAddr],
        config: &ConnectionConfig,
    ) -> io::Result<Self> {
        // What is in it by then is closed if one of the addresses fails.
        let mut listener = Self {
            handle: handle.clone(),
            places: Vec::with_capacity(locals.len()),
            turn: AtomicUsize::new(0),
        };
        let mut chosen = 0;
        for &local in locals {
            let mut local = local;
            if local.port() == 0 {
                local.set_port(chosen);
                listener.add(local, config)?;
                chosen = listener.places.last().map_or(0, |place| place.local.port());
            } else {
                listener.add(local, config)?;
            }
        }
        if listener.places.is_empty() {
            let kind = io::ErrorKind::InvalidInput;
            return Err(io::Error::new(kind, "no address to listen at"));
        }
        Ok(listener)
    }

    fn add(&mut self, local: SocketAddr, config: &ConnectionConfig) -> io::Result<()> {
        let place = self.handle.command(|state, _| {
            state.check_running()?;
            let id = state
                .endpoint
                .listen(local, config.clone())
                .map_err(|error| error.into_io())?;
            state
                .listeners
                .insert(id, crate::shared::WakerSet::default());
            let local = state.endpoint.listener_address(id).unwrap_or(local);
            Ok::<_, io::Error>(Place { id, local })
        })?;
        self.places.push(place);
        Ok(())
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
            if let Some(id) = self.take_next(state) {
                return Poll::Ready(Ok(id));
            }
            for place in &self.places {
                if let Some(waiters) = state.listeners.get_mut(&place.id) {
                    waiters.register(cx.waker());
                }
            }
            state.pending()
        }))?;
        budget.made_progress();
        let peer = connection.peer_addr();
        Poll::Ready(Ok((MptcpStream::new(connection), peer)))
    }

    fn take_next(&self, state: &mut crate::shared::State) -> Option<ConnectionId> {
        let count = self.places.len();
        let turn = self.turn.load(Ordering::Relaxed);
        let mut order = (0..count).map(|step| (turn + step) % count);
        order.find_map(|index| {
            let id = state.endpoint.accept(self.places.get(index)?.id)?;
            self.turn.store((index + 1) % count, Ordering::Relaxed);
            Some(id)
        })
    }

    /// The connections one after the other; the stream has no end.
    ///
    /// Cancellation safe: a connection is taken only if the stream gives it.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self)
    }

    /// Where it listens; the first address if there are several.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
        let first = self.places.first();
        first.map_or(unspecified, |place| place.local)
    }

    /// Everywhere it listens.
    pub fn local_addrs(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.places.iter().map(|place| place.local)
    }

    /// How many established connections may wait to be accepted at each address, at least one; what
    /// [`EndpointConfig::backlog`](crate::EndpointConfig::backlog) says until this is called. Those
    /// that wait already stay.
    pub fn set_backlog(&self, backlog: usize) {
        self.handle.command(|state, _| {
            for place in &self.places {
                state.endpoint.set_backlog(place.id, backlog);
            }
        });
    }
}

impl Drop for MptcpListener {
    fn drop(&mut self) {
        self.handle.command(|state, now| {
            for place in &self.places {
                state.listeners.remove(&place.id);
                state.endpoint.close_listener(now, place.id);
            }
        });
    }
}

/// The connections that a listener accepts: see [`MptcpListener::incoming`].
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct Incoming<'listener>(&'listener MptcpListener);

impl Stream for Incoming<'_> {
    type Item = io::Result<MptcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(self.0.poll_accept(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}
