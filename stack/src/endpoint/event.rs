//! What an endpoint tells its application.
//!
//! Owns the events. There is one for each change of a state, and none for each packet.

use crate::base::error::CloseReason;
use crate::base::id::{AddressId, ConnectionId, ListenerId, SubflowId};
use crate::base::time::Duration;
use crate::mptcp::info::ConnectionProtocol;
use crate::mptcp::reasons::{FallbackReason, SubflowCloseReason};
use std::net::IpAddr;

/// Something the application may want to know.
///
/// Those of a connection that a listener has not handed out yet come too, from
/// [`Event::Created`] to [`Event::Closed`], even if it is never established. Once the application
/// has released a connection nothing more is told of it; what happened before may still be in the
/// queue then, up to [`Event::Released`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A listener was opened.
    ListenerOpened(ListenerId),
    /// A listener was closed.
    ListenerClosed(ListenerId),
    /// A listener has a connection to accept.
    Incoming(ListenerId),
    /// A connection exists: its SYN is about to be sent, or a SYN is being answered.
    Created(ConnectionId),
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
    /// A probe by `probe_subflow` was answered, or was not.
    SubflowProbed(ConnectionId, SubflowId, bool),
    /// A subflow ended, for this reason.
    SubflowClosed(ConnectionId, SubflowId, SubflowCloseReason),
    /// A subflow has become a backup, or is none any more (MP_PRIO).
    SubflowPriority {
        /// The connection.
        connection: ConnectionId,
        /// The subflow.
        subflow: SubflowId,
        /// It is a backup now. If the peer has asked, that binds what we send; if we have, what the
        /// peer sends.
        backup: bool,
        /// The peer has asked for it; else we have asked the peer.
        by_peer: bool,
    },
    /// The peer has announced an address (ADD_ADDR), or another port of one, and it was taken.
    RemoteAddressAdded {
        /// The connection.
        connection: ConnectionId,
        /// The peer's id for the address.
        id: AddressId,
        /// The address.
        address: IpAddr,
        /// The port, if the announcement named one.
        port: Option<u16>,
    },
    /// The peer has withdrawn an address that it had announced or used (REMOVE_ADDR).
    RemoteAddressRemoved {
        /// The connection.
        connection: ConnectionId,
        /// The peer's id for the address.
        id: AddressId,
    },
    /// A connection has got one more address of ours to use or to announce.
    LocalAddressAdded {
        /// The connection.
        connection: ConnectionId,
        /// The address.
        address: IpAddr,
        /// Our id for it in this connection.
        id: AddressId,
    },
    /// A connection has an address of ours no longer.
    LocalAddressRemoved {
        /// The connection.
        connection: ConnectionId,
        /// The address.
        address: IpAddr,
        /// What our id for it was.
        id: AddressId,
    },
    /// The retransmission timer of a subflow has expired.
    RetransmissionTimeout {
        /// The connection.
        connection: ConnectionId,
        /// The subflow.
        subflow: SubflowId,
        /// The next timeout.
        rto: Duration,
        /// Consecutive expiries.
        backoff: u32,
    },
    /// A connection became plain TCP, for this reason.
    FellBack(ConnectionId, FallbackReason),
    /// The application has let go of a connection: nothing more is told of it.
    Released(ConnectionId),
    /// A connection ended. Data received before an orderly end can still be read.
    Closed(ConnectionId, CloseReason),
}

impl Event {
    /// The connection it is about, if it is about one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match *self {
            Self::ListenerOpened(_) | Self::ListenerClosed(_) | Self::Incoming(_) => None,
            Self::Created(id)
            | Self::Connected(id, _)
            | Self::Readable(id)
            | Self::Writable(id)
            | Self::Flushed(id)
            | Self::SubflowEstablished(id, _)
            | Self::SubflowProbed(id, _, _)
            | Self::SubflowClosed(id, _, _)
            | Self::SubflowPriority { connection: id, .. }
            | Self::RemoteAddressAdded { connection: id, .. }
            | Self::RemoteAddressRemoved { connection: id, .. }
            | Self::LocalAddressAdded { connection: id, .. }
            | Self::LocalAddressRemoved { connection: id, .. }
            | Self::RetransmissionTimeout { connection: id, .. }
            | Self::Released(id)
            | Self::FellBack(id, _)
            | Self::Closed(id, _) => Some(id),
        }
    }
}
