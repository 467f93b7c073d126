//! What the application asks of an endpoint.

use super::ports::PortUse as _;
use super::time_wait::PortsTowards;
use super::{Endpoint, Event};
use crate::base::config::ConnectionConfig;
use crate::base::error::{
    AbortError, CloseReason, ConnectError, ListenError, ReadError, SubflowError, WriteError,
};
use crate::base::id::{ConnectionId, InterfaceId, ListenerId, SubflowId};
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::mptcp::connection::{Connection, InitialSubflow};
use crate::tcp::tcb::Tcb;
use crate::wire::packet::FourTuple;
use bytes::Bytes;
use std::net::SocketAddr;

/// The local end of a new subflow.
pub(super) struct LocalEnd {
    pub(super) tuple: FourTuple,
    pub(super) interface: InterfaceId,
    /// Where the sequence numbers of the connection before it ended.
    pub(super) after: Option<SeqNum>,
}

impl Endpoint {
    /// Accepts connections to `local`; an unspecified address stands for every local one, and
    /// port 0 for a free one, which [`Self::listener_address`] tells.
    ///
    /// # Errors
    /// Somebody listens there already, or at every ephemeral port.
    pub fn listen(
        &mut self,
        local: SocketAddr,
        config: ConnectionConfig,
    ) -> Result<ListenerId, ListenError> {
        let mut local = local;
        if local.port() == 0 {
            let start = self.rng.next_u32();
            let range = self.config.ephemeral_ports;
            let port = self.listeners.free_port(local.ip(), range, start);
            local.set_port(port.ok_or_else(|| ListenError::NoFreePort(local.ip()))?);
        }
        let listener = self.listeners.add(local, config, self.config.backlog)?;
        self.events.push_back(Event::ListenerOpened(listener));
        Ok(listener)
    }

    /// Where a listener listens; `None` if there is no such listener.
    #[must_use]
    pub fn listener_address(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.listeners.get(listener).map(|listener| listener.local)
    }

    /// Changes how many established connections of a listener may wait to be accepted: see
    /// [`EndpointConfig::backlog`](crate::EndpointConfig::backlog). 0 counts as 1; those that wait
    /// already stay. A listener that does not exist is ignored.
    pub fn set_backlog(&mut self, listener: ListenerId, backlog: usize) {
        if let Some(listener) = self.listeners.get_mut(listener) {
            listener.set_backlog(backlog);
        }
    }

    /// Connections of a listener that wait to be accepted, and how many may; `None` if there is no
    /// such listener.
    #[must_use]
    pub fn listener_queue(&self, listener: ListenerId) -> Option<(usize, usize)> {
        let listener = self.listeners.get(listener)?;
        Some((listener.queue.len(), listener.backlog()))
    }

    /// Stops listening; connections not accepted yet are reset.
    pub fn close_listener(&mut self, now: Instant, listener: ListenerId) {
        let Some(_) = self.listeners.remove(listener) else {
            return;
        };
        for id in self.connections.ids() {
            if let Some(entry) = self.connections.get_mut(id)
                && entry.listener == Some(listener)
            {
                // Nobody has accepted it, so nobody has let go of it: its end is told.
                entry.connection.abort(now, CloseReason::Aborted);
                self.after(now, id);
                if let Some(entry) = self.connections.get_mut(id) {
                    entry.released = true;
                    entry.connection.release(now);
                    self.after(now, id);
                }
            }
        }
        self.events
            .retain(|event| *event != Event::Incoming(listener));
        self.events.push_back(Event::ListenerClosed(listener));
    }

    /// A connection waits to be accepted.
    #[must_use]
    pub fn has_incoming(&self, listener: ListenerId) -> bool {
        let listener = self.listeners.get(listener);
        listener.is_some_and(|listener| !listener.queue.is_empty())
    }

    /// The next connection of a listener that is established and not yet accepted.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> {
        let waiting = self.listeners.get_mut(listener)?;
        let id = waiting.queue.pop_front()?;
        if let Some(entry) = self.connections.get_mut(id) {
            entry.listener = None;
        }
        Some(id)
    }

    /// Starts a connection; `Event::Connected` or `Event::Closed` tells how it went.
    /// `local` may leave the address unspecified and the port 0; `None` leaves both open.
    ///
    /// # Errors
    /// The addresses do not work: see [`ConnectError`].
    pub fn connect(
        &mut self,
        now: Instant,
        local: Option<SocketAddr>,
        remote: SocketAddr,
        config: ConnectionConfig,
    ) -> Result<ConnectionId, ConnectError> {
        if remote.port() == 0 || remote.ip().is_unspecified() || remote.ip().is_multicast() {
            return Err(ConnectError::InvalidRemote(remote));
        }
        let LocalEnd {
            tuple,
            interface,
            after,
        } = self.choose_local(now, local, remote)?;
        let mut config = config;
        let any_port = local.is_none_or(|local| local.port() == 0);
        let offer = self.offer(now, remote, any_port, &mut config);
        let token = offer.as_ref().map(|offer| offer.local.token);
        let tcb = Tcb::connect(
            now,
            self.tcb_config(now, &tuple, interface, (&config, &config.subflow), after),
        );
        let initial = InitialSubflow {
            tuple,
            interface,
            tcb,
        };
        let id = self
            .connections
            .insert(None, |id| Connection::connect(id, config, offer, initial));
        if let Some(token) = token {
            self.demux.insert_token(token, id);
        }
        self.demux.insert(tuple, id, SubflowId(0));
        self.tell(id, Event::Created(id));
        Ok(id)
    }

    /// Queues as much of `data` as there is room for; returns how much that was.
    ///
    /// # Errors
    /// Nothing could be taken: see [`WriteError`].
    pub fn write(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        data: &[u8],
    ) -> Result<usize, WriteError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(WriteError::UnknownConnection)?;
        let written = entry.connection.write(data)?;
        self.after(now, connection);
        Ok(written)
    }

    /// As `write`, without a copy; takes from the front of `data` what there is room for.
    ///
    /// # Errors
    /// Nothing could be taken: see [`WriteError`].
    pub fn write_bytes(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        data: &mut Bytes,
    ) -> Result<usize, WriteError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(WriteError::UnknownConnection)?;
        let written = entry.connection.write_bytes(data)?;
        self.after(now, connection);
        Ok(written)
    }

    /// Reads into `buffer`; 0 is the end of the stream.
    ///
    /// # Errors
    /// There is nothing to read: see [`ReadError`].
    pub fn read(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        buffer: &mut [u8],
    ) -> Result<usize, ReadError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(ReadError::UnknownConnection)?;
        let read = entry.connection.read(buffer)?;
        self.after(now, connection);
        Ok(read)
    }

    /// How much a write could take now; more than 0, unless it is an error.
    ///
    /// # Errors
    /// A write would take nothing: see [`WriteError`].
    pub fn writable(&mut self, connection: ConnectionId) -> Result<usize, WriteError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(WriteError::UnknownConnection)?;
        entry.connection.writable()
    }

    /// The application reads no more: what waits to be read and what still comes is dropped and
    /// acknowledged, and reads find the end of the stream. The peer is not told. A connection that
    /// does not exist is ignored.
    pub fn shutdown_read(&mut self, now: Instant, connection: ConnectionId) {
        self.change(now, connection, Connection::shutdown_read);
    }

    /// Reads up to `max` bytes without a copy; `None` is the end of the stream.
    ///
    /// # Errors
    /// There is nothing to read: see [`ReadError`].
    pub fn read_chunk(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        max: usize,
    ) -> Result<Option<Bytes>, ReadError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(ReadError::UnknownConnection)?;
        let chunk = entry.connection.read_chunk(max)?;
        self.after(now, connection);
        Ok(chunk)
    }

    /// Ends the sending direction once everything written is sent (DATA_FIN, or FIN of plain TCP).
    ///
    /// # Errors
    /// The connection has ended or does not exist.
    pub fn shutdown(&mut self, now: Instant, connection: ConnectionId) -> Result<(), WriteError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(WriteError::UnknownConnection)?;
        entry.connection.shutdown(now)?;
        self.after(now, connection);
        Ok(())
    }

    /// Ends the connection at once (MP_FASTCLOSE, or RST of plain TCP).
    ///
    /// # Errors
    /// The connection does not exist.
    pub fn abort(&mut self, now: Instant, connection: ConnectionId) -> Result<(), AbortError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(AbortError::UnknownConnection)?;
        entry.connection.abort(now, CloseReason::Aborted);
        self.after(now, connection);
        Ok(())
    }

    /// The application is done with this id: both directions end in order (at once if data is
    /// unread), and the connection is forgotten when it has ended. The id is invalid from now on.
    pub fn release(&mut self, now: Instant, connection: ConnectionId) {
        if let Some(entry) = self.connections.get_mut(connection)
            && !entry.released
        {
            entry.released = true;
            entry.connection.release(now);
            self.after(now, connection);
            self.events.push_back(Event::Released(connection));
        }
    }

    /// Closes a subflow in order; what it had not delivered goes to the others.
    ///
    /// # Errors
    /// There is no such connection, or no such subflow that is open.
    pub fn close_subflow(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        subflow: SubflowId,
    ) -> Result<(), SubflowError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(SubflowError::UnknownConnection)?;
        if !entry.connection.close_subflow(now, subflow) {
            return Err(SubflowError::UnknownSubflow);
        }
        self.after(now, connection);
        Ok(())
    }

    /// Asks the peer to treat a subflow as backup or as regular (MP_PRIO), and does so itself if
    /// `ConnectionConfig::backup_binds_both` says so.
    ///
    /// # Errors
    /// There is no such connection, or no such established subflow of an MPTCP connection.
    pub fn set_backup(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        subflow: SubflowId,
        backup: bool,
    ) -> Result<(), SubflowError> {
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(SubflowError::UnknownConnection)?;
        if !entry.connection.set_backup(subflow, backup) {
            return Err(SubflowError::UnknownSubflow);
        }
        self.after(now, connection);
        Ok(())
    }

    /// The local end of a new subflow: as asked for, or the first address of the family that is
    /// up, and a free port.
    ///
    /// Where there is none, the port of a connection in TIME-WAIT serves if timestamps keep the
    /// two apart (see `tcp::time_wait`).
    pub(super) fn choose_local(
        &mut self,
        now: Instant,
        wanted: Option<SocketAddr>,
        remote: SocketAddr,
    ) -> Result<LocalEnd, ConnectError> {
        let address = match wanted
            .map(|wanted| wanted.ip())
            .filter(|ip| !ip.is_unspecified())
        {
            Some(address) => address,
            None => self
                .interfaces
                .usable()
                .find(|address| address.is_ipv4() == remote.is_ipv4())
                .ok_or(ConnectError::NoLocalAddress(remote))?,
        };
        if address.is_ipv4() != remote.is_ipv4() {
            return Err(ConnectError::NoLocalAddress(remote));
        }
        let interface = self
            .interfaces
            .of(address)
            .ok_or(ConnectError::UnknownLocalAddress(address))?;
        let ports = PortsTowards {
            now,
            local: address,
            remote,
            demux: &self.demux,
            connections: &self.connections,
        };
        let port = match wanted.map_or(0, |wanted| wanted.port()) {
            0 => self
                .ports
                .select(address, remote, &ports)
                .ok_or(ConnectError::NoFreePort(remote))?,
            port if ports.is_taken(port) && !ports.is_reusable(port) => {
                return Err(ConnectError::AddressInUse(SocketAddr::new(address, port)));
            }
            port => port,
        };
        let tuple = FourTuple {
            local: SocketAddr::new(address, port),
            remote,
        };
        let after = self.take_over(now, &tuple);
        Ok(LocalEnd {
            tuple,
            interface,
            after,
        })
    }
}
