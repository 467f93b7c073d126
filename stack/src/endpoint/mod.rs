//! A host: the public face of the stack.

use crate::base::config::{ConnectionConfig, EndpointConfig, InterfaceConfig};
use crate::base::error::{
    AbortError, CloseReason, ConnectError, ListenError, ReadError, SubflowError, WriteError,
};
use crate::base::id::{ConnectionId, InterfaceId, ListenerId, SubflowId};
use crate::base::info::{ConnectionInfo, ConnectionProtocol, SubflowInfo};
use crate::base::stats::EndpointStats;
use crate::base::time::Instant;
use crate::wire::packet::{ReceivedPacket, Transmit};
use bytes::Bytes;
use std::net::{IpAddr, SocketAddr};

/// Something the application may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A listener has a connection to accept.
    Incoming(ListenerId),
    /// A connection started by `connect` is established and speaks this.
    Connected(ConnectionId, ConnectionProtocol),
    /// After a read that was blocked: there is something to read, or the stream ended.
    Readable(ConnectionId),
    /// After a write that was blocked: there is room again.
    Writable(ConnectionId),
    /// All that was written, and the end of the stream, is acknowledged by the peer.
    Flushed(ConnectionId),
    /// A further subflow is usable.
    SubflowEstablished(ConnectionId, SubflowId),
    /// A subflow ended.
    SubflowClosed(ConnectionId, SubflowId),
    /// A connection became plain TCP.
    FellBack(ConnectionId),
    /// A connection ended. Data received before an orderly end can still be read.
    Closed(ConnectionId, CloseReason),
}

/// A host with its addresses, listeners and connections.
///
/// Its methods are of four kinds:
///
/// - **input** (`handle_packet`, `handle_timeout`, `set_interface_up`): what happens outside;
/// - **commands** (`listen`, `connect`, `write`, …): what the application wants;
/// - **output** (`poll_transmit`, `poll_timeout`, `poll_event`): what should happen outside;
/// - **getters** (`connection_info`, `subflows`, `stats`): `&self` snapshots.
///
/// After any input or command, call `poll_transmit` until it gives `None`, then `poll_event`
/// until `None`, then ask `poll_timeout` when to call `handle_timeout`.
#[derive(Debug)]
pub struct Endpoint {}

#[allow(unused_variables, clippy::missing_errors_doc)]
impl Endpoint {
    /// A host without interfaces; all its randomness grows from `seed`.
    #[must_use]
    pub fn new(config: EndpointConfig, seed: [u8; 32]) -> Self { todo!() }
    /// Adds an interface, up.
    pub fn add_interface(&mut self, config: InterfaceConfig) -> InterfaceId { todo!() }
    /// Gives an interface an address; packets from this address leave there.
    pub fn add_address(&mut self, now: Instant, interface: InterfaceId, address: IpAddr) { todo!() }
    /// Takes an address away: its subflows close and peers are told (REMOVE_ADDR).
    pub fn remove_address(&mut self, now: Instant, address: IpAddr) { todo!() }
    /// Tells that an interface went down or came up: data in flight there moves to other paths.
    pub fn set_interface_up(&mut self, now: Instant, interface: InterfaceId, up: bool) { todo!() }

    /// Takes a packet from a device.
    pub fn handle_packet(&mut self, now: Instant, interface: InterfaceId, packet: &ReceivedPacket) { todo!() }
    /// Does whatever is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) { todo!() }

    /// The next packet to send, if any.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Transmit> { todo!() }
    /// When `handle_timeout` wants to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> { todo!() }
    /// The next event, if any.
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }

    /// Accepts connections to `local`; an unspecified address stands for every local one.
    pub fn listen(&mut self, local: SocketAddr, config: ConnectionConfig) -> Result<ListenerId, ListenError> { todo!() }
    /// Stops listening; connections not accepted yet are reset.
    pub fn close_listener(&mut self, now: Instant, listener: ListenerId) { todo!() }
    /// The next connection of a listener that is established and not yet accepted.
    pub fn accept(&mut self, listener: ListenerId) -> Option<ConnectionId> { todo!() }
    /// Starts a connection; `Event::Connected` or `Event::Closed` tells how it went.
    /// `local` may leave the address unspecified and the port 0; `None` leaves both open.
    pub fn connect(&mut self, now: Instant, local: Option<SocketAddr>, remote: SocketAddr, config: ConnectionConfig) -> Result<ConnectionId, ConnectError> { todo!() }
    /// Queues as much of `data` as there is room for; returns how much that was.
    pub fn write(&mut self, now: Instant, connection: ConnectionId, data: &[u8]) -> Result<usize, WriteError> { todo!() }
    /// As `write`, without a copy; takes from the front of `data` what there is room for.
    pub fn write_bytes(&mut self, now: Instant, connection: ConnectionId, data: &mut Bytes) -> Result<usize, WriteError> { todo!() }
    /// Reads into `buffer`; 0 is the end of the stream.
    pub fn read(&mut self, now: Instant, connection: ConnectionId, buffer: &mut [u8]) -> Result<usize, ReadError> { todo!() }
    /// Reads up to `max` bytes without a copy; `None` is the end of the stream.
    pub fn read_chunk(&mut self, now: Instant, connection: ConnectionId, max: usize) -> Result<Option<Bytes>, ReadError> { todo!() }
    /// Ends the sending direction once everything written is sent (DATA_FIN, or FIN of plain TCP).
    pub fn shutdown(&mut self, now: Instant, connection: ConnectionId) -> Result<(), WriteError> { todo!() }
    /// Ends the connection at once (MP_FASTCLOSE, or RST of plain TCP).
    pub fn abort(&mut self, now: Instant, connection: ConnectionId) -> Result<(), AbortError> { todo!() }
    /// The application is done with this id: both directions end in order (at once if data is
    /// unread), and the connection is forgotten when it has ended. The id is invalid from now on.
    pub fn release(&mut self, now: Instant, connection: ConnectionId) { todo!() }
    /// Opens a further subflow from a local address to a remote one.
    pub fn open_subflow(&mut self, now: Instant, connection: ConnectionId, local: IpAddr, remote: SocketAddr, backup: bool) -> Result<SubflowId, SubflowError> { todo!() }
    /// Closes a subflow in order; what it had not delivered goes to the others.
    pub fn close_subflow(&mut self, now: Instant, connection: ConnectionId, subflow: SubflowId) -> Result<(), SubflowError> { todo!() }
    /// Asks the peer to treat a subflow as backup or as regular (MP_PRIO), and does so itself.
    pub fn set_backup(&mut self, now: Instant, connection: ConnectionId, subflow: SubflowId, backup: bool) -> Result<(), SubflowError> { todo!() }

    /// A snapshot of a connection; `None` once it is forgotten.
    #[must_use]
    pub fn connection_info(&self, connection: ConnectionId) -> Option<ConnectionInfo> { todo!() }
    /// Snapshots of all its subflows, in the order of opening.
    #[must_use]
    pub fn subflows(&self, connection: ConnectionId) -> Vec<SubflowInfo> { todo!() }
    /// Counters.
    #[must_use]
    pub fn stats(&self) -> EndpointStats { todo!() }
}
