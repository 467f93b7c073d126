//! One error type for each operation, and the reasons a connection ends.

use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both directions were finished in order.
    #[error("closed by both sides")]
    Finished,
    /// The local application gave it up.
    #[error("aborted locally")]
    Aborted,
    /// The peer reset it: RST on the only subflow, or MP_FASTCLOSE.
    #[error("reset by the peer")]
    ResetByPeer,
    /// The peer refused it: RST in answer to the SYN.
    #[error("refused by the peer")]
    Refused,
    /// While it was being set up the network said, more than once, that the peer cannot be had.
    #[error("not established: {0}")]
    Unreachable(NetworkError),
    /// Nothing was heard from the peer for too long.
    #[error("timed out")]
    TimedOut,
    /// Every subflow was lost and none came back within the close timeout.
    #[error("all paths lost")]
    AllPathsLost,
    /// The peer broke the protocol beyond repair.
    #[error("protocol violation by the peer")]
    ProtocolViolation,
}

/// Why the network did not deliver a packet, as an ICMP error tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A router knows no way to the network.
    #[error("network unreachable")]
    NetworkUnreachable,
    /// The last router does not reach the host.
    #[error("host unreachable")]
    HostUnreachable,
    /// The host does not speak TCP.
    #[error("protocol unreachable")]
    ProtocolUnreachable,
    /// The host takes nothing at this port.
    #[error("port unreachable")]
    PortUnreachable,
    /// A filter on the way forbids it.
    #[error("administratively prohibited")]
    Prohibited,
    /// Too many hops: mostly a loop.
    #[error("time to live exceeded")]
    TimeExceeded,
    /// Something else.
    #[error("not delivered")]
    Other,
}

/// Why `connect` failed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No interface has an address that could reach the remote.
    #[error("no local address of the same family as {0}: add one to an interface first")]
    NoLocalAddress(SocketAddr),
    /// The requested local address belongs to no interface.
    #[error("{0} is not an address of any interface")]
    UnknownLocalAddress(IpAddr),
    /// The requested local address and port are in use towards this remote.
    #[error("{0} is in use")]
    AddressInUse(SocketAddr),
    /// Every ephemeral port towards this remote is in use.
    #[error("no free local port towards {0}")]
    NoFreePort(SocketAddr),
    /// Port 0 or an unspecified or multicast address.
    #[error("{0} is no address to connect to")]
    InvalidRemote(SocketAddr),
}

/// Why `listen` failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Somebody listens there.
    #[error("{0} is in use")]
    AddressInUse(SocketAddr),
    /// Port 0, and somebody listens at every ephemeral port of this address.
    #[error("no free port to listen at {0}")]
    NoFreePort(IpAddr),
}

/// Why a read gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nothing to read yet; `Event::Readable` will say when there is.
    #[error("nothing to read yet")]
    Blocked,
    /// The connection ended before the stream did.
    #[error("connection {0}")]
    Closed(CloseReason),
    /// No such connection.
    #[error("no such connection")]
    UnknownConnection,
}

/// Why a write took nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The send buffer is full; `Event::Writable` will say when there is room.
    #[error("no room in the send buffer yet")]
    Blocked,
    /// The sending direction was shut down.
    #[error("the sending direction is shut down")]
    ShutDown,
    /// The connection ended.
    #[error("connection {0}")]
    Closed(CloseReason),
    /// No such connection.
    #[error("no such connection")]
    UnknownConnection,
}

/// Why an operation on a whole connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AbortError {
    /// No such connection.
    #[error("no such connection")]
    UnknownConnection,
}

/// Why an address could not be announced or withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No such connection.
    #[error("no such connection")]
    UnknownConnection,
    /// It is not an address of ours, or was never told to this connection.
    #[error("{0} is not known")]
    UnknownAddress(IpAddr),
    /// The connection is plain TCP, is not established or has ended; it has as many addresses as
    /// there are ids; or it must not use this one.
    #[error("the connection cannot announce addresses now")]
    NotPossible,
}

/// Why an operation on a subflow failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SubflowError {
    /// No such connection.
    #[error("no such connection")]
    UnknownConnection,
    /// No such subflow, or it is closed.
    #[error("no such subflow")]
    UnknownSubflow,
    /// The connection is plain TCP, or has become plain TCP.
    #[error("the connection does not speak MPTCP")]
    NotMultipath,
    /// The connection is not fully established: a moment later it may be possible.
    #[error("the connection is not fully established yet")]
    NotYet,
    /// The connection has ended.
    #[error("connection {0}")]
    Closed(CloseReason),
    /// The connection has as many subflows, or as many addresses, as it can.
    #[error("the connection has as many subflows as it can")]
    LimitReached,
    /// The local and the remote address are of two families.
    #[error("{0} and {1} are of different families")]
    FamiliesDiffer(IpAddr, IpAddr),
    /// The local address is not on the interface that was asked for.
    #[error("{0} is not on that interface")]
    AnotherInterface(IpAddr),
    /// The connection must not use this local address.
    #[error("the connection must not use {0}")]
    NotAllowed(IpAddr),
    /// The peer takes no further subflows at the address and port of the initial one (flag C).
    #[error("the peer takes no further subflows at {0}")]
    DeniedByPeer(SocketAddr),
    /// The addresses do not work: see the cause.
    #[error(transparent)]
    Address(#[from] ConnectError),
}
