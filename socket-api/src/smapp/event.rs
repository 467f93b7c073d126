//! What a controller hears: the events of the kernels' netlink path managers, and those that SMAPP
//! adds to them.
//!
//! Owns the events as plain values. How they come about is in `registry`, their numbers are in
//! `numbers`.

use super::errno;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The name of a connection: the token that this host has chosen (RFC 8684 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Token(pub u32);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// A connection, by its initial subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTuple {
    /// Its name.
    pub token: Token,
    /// Our id for the local address.
    pub local_id: u8,
    /// The peer's id for the remote address.
    pub remote_id: u8,
    /// Local address and port.
    pub local: SocketAddr,
    /// Remote address and port.
    pub remote: SocketAddr,
    /// The peer has opened it.
    pub server_side: bool,
    /// The peer takes no subflows at the address and port of the initial one (flag C, RFC 8684
    /// §3.1).
    pub deny_join_id0: bool,
}

/// Bits of the attribute FLAGS of the events CREATED and ESTABLISHED.
pub const FLAG_DENY_JOIN_ID0: u16 = 0x1;
/// See [`FLAG_DENY_JOIN_ID0`].
pub const FLAG_SERVER_SIDE: u16 = 0x2;

impl ConnectionTuple {
    /// The attribute FLAGS.
    #[must_use]
    pub const fn flags(&self) -> u16 {
        let deny = if self.deny_join_id0 {
            FLAG_DENY_JOIN_ID0
        } else {
            0
        };
        let server = if self.server_side {
            FLAG_SERVER_SIDE
        } else {
            0
        };
        deny | server
    }
}

/// A subflow, as events name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubflowTuple {
    /// Its connection.
    pub token: Token,
    /// Our id for the local address.
    pub local_id: u8,
    /// The peer's id for the remote address.
    pub remote_id: u8,
    /// Local address and port.
    pub local: SocketAddr,
    /// Remote address and port.
    pub remote: SocketAddr,
    /// The peer wants it used only if no regular one works. What we have asked of the peer does not
    /// show here.
    pub backup: bool,
    /// The interface, by its position.
    pub interface: u32,
}

/// What the peer has said with MP_TCPRST (RFC 8684 §3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// The code on the wire.
    pub reason: u8,
    /// The flag T: the path may be tried again later.
    pub transient: bool,
}

impl Reset {
    /// The attribute RESET_FLAGS.
    #[must_use]
    pub const fn flags(self) -> u32 {
        self.transient as u32
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Event {
    /// A connection is being made: the handshake with MP_CAPABLE is under way.
    Created(ConnectionTuple),
    /// The handshake is complete. Until the peer has acknowledged data, opening a subflow may fail
    /// with `EAGAIN`.
    Established(ConnectionTuple),
    /// Nothing follows for this token: the connection has ended, has become plain TCP, or the
    /// application has let go of it.
    Closed {
        /// The connection.
        token: Token,
    },
    /// The peer has announced an address (ADD_ADDR).
    Announced {
        /// The connection.
        token: Token,
        /// The peer's id for it.
        remote_id: u8,
        /// The address; the port is that of the initial subflow if the announcement had none.
        address: SocketAddr,
    },
    /// The peer has withdrawn an address (REMOVE_ADDR).
    Removed {
        /// The connection.
        token: Token,
        /// The peer's id for it.
        remote_id: u8,
    },
    /// A further subflow is usable. There is none for the initial one.
    SubflowEstablished(SubflowTuple),
    /// A subflow has ended, or has never come to be. There is none for those that end with their
    /// connection.
    SubflowClosed {
        /// The subflow.
        subflow: SubflowTuple,
        /// The error of its socket; `None` for an end in order.
        #[serde(with = "errno::number")]
        error: Option<Errno>,
        /// What the peer has said about it.
        reset: Option<Reset>,
    },
    /// The peer has changed the priority of a subflow (MP_PRIO).
    SubflowPriority(SubflowTuple),
    /// Somebody listens.
    ListenerCreated {
        /// Where.
        local: SocketAddr,
    },
    /// Somebody has stopped to listen.
    ListenerClosed {
        /// Where.
        local: SocketAddr,
    },
    /// The retransmission timer of a subflow has expired (SMAPP).
    Timeout {
        /// The subflow.
        subflow: SubflowTuple,
        /// The timeout now, backed off.
        rto: Duration,
        /// Consecutive expiries.
        backoff: u32,
    },
    /// A connection has one more address of ours to use (SMAPP).
    LocalAddressAdded {
        /// The connection.
        token: Token,
        /// Our id for it there.
        local_id: u8,
        /// The address.
        address: IpAddr,
    },
    /// A connection has an address of ours no longer (SMAPP).
    LocalAddressRemoved {
        /// The connection.
        token: Token,
        /// What our id for it was.
        local_id: u8,
        /// The address.
        address: IpAddr,
    },
}

impl Event {
    /// The connection it is about, if it is about one.
    #[must_use]
    pub const fn token(&self) -> Option<Token> {
        match self {
            Self::Created(connection) | Self::Established(connection) => Some(connection.token),
            Self::SubflowEstablished(subflow)
            | Self::SubflowPriority(subflow)
            | Self::SubflowClosed { subflow, .. }
            | Self::Timeout { subflow, .. } => Some(subflow.token),
            Self::Closed { token }
            | Self::Announced { token, .. }
            | Self::Removed { token, .. }
            | Self::LocalAddressAdded { token, .. }
            | Self::LocalAddressRemoved { token, .. } => Some(*token),
            Self::ListenerCreated { .. } | Self::ListenerClosed { .. } => None,
        }
    }
}
