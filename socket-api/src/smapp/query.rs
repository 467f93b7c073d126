//! What a controller can look at: connections and subflows, as far as they help to decide.
//!
//! Owns questions and answers as plain values.

use super::command::{HostEndpoint, Limits};
use super::event::Token;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Query {
    /// The tokens of all connections that speak MPTCP. Gives [`Answer::Connections`].
    Connections,
    /// One connection. Gives [`Answer::Connection`].
    Connection(Token),
    /// Its open subflows. Gives [`Answer::Subflows`].
    Subflows(Token),
    /// Its addresses, ours and the peer's. Gives [`Answer::Addresses`].
    Addresses(Token),
    /// The endpoints of the host. Gives [`Answer::Endpoints`].
    Endpoints,
    /// The limits of the host's path manager. Gives [`Answer::Limits`].
    Limits,
}

/// What a query finds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Query::Connections`].
    Connections(Vec<Token>),
    /// To [`Query::Connection`].
    Connection(ConnectionState),
    /// To [`Query::Subflows`].
    Subflows(Vec<SubflowState>),
    /// To [`Query::Addresses`].
    Addresses(Addresses),
    /// To [`Query::Endpoints`].
    Endpoints(Vec<HostEndpoint>),
    /// To [`Query::Limits`].
    Limits(Limits),
}

/// A connection at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionState {
    /// Its name.
    pub token: Token,
    /// The peer has opened it.
    pub server_side: bool,
    /// Subflows may be added.
    pub fully_established: bool,
    /// Local end of the initial subflow.
    pub local: SocketAddr,
    /// Remote end of the initial subflow.
    pub remote: SocketAddr,
    /// Bytes taken from the application.
    pub bytes_written: u64,
    /// Bytes of those given to subflows, each counted once.
    pub bytes_sent: u64,
    /// Bytes of those that the peer has acknowledged at the data level.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Oldest data sequence number without a DATA_ACK.
    pub snd_una: Option<u64>,
    /// Next data sequence number expected.
    pub rcv_nxt: Option<u64>,
    /// Subflows that are not closed.
    pub subflows: u32,
}

/// A subflow at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubflowState {
    /// Its number, which no other subflow of the connection ever has.
    pub id: u32,
    /// Our id for the local address.
    pub local_id: u8,
    /// The peer's id for the remote address.
    pub remote_id: u8,
    /// Local end.
    pub local: SocketAddr,
    /// Remote end.
    pub remote: SocketAddr,
    /// The interface, by its position.
    pub interface: u32,
    /// Data may be sent there.
    pub established: bool,
    /// Used only when no regular one works, in our sending direction.
    pub backup: bool,
    /// The pace, in bytes per second; 0 before the first round trip.
    pub pacing_rate: u64,
    /// Congestion window, in bytes.
    pub cwnd: u64,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// The retransmission timeout, backed off.
    pub rto: Duration,
    /// Consecutive expiries of the retransmission timer.
    pub backoff: u32,
    /// Oldest sequence number not acknowledged, relative to the first.
    pub snd_una: u32,
    /// Next sequence number to send, relative to the first.
    pub snd_nxt: u32,
    /// Payload bytes sent, each counted once.
    pub bytes_sent: u64,
    /// Payload bytes of those that are acknowledged.
    pub bytes_acked: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Expiries of the retransmission timer, altogether.
    pub timeouts: u64,
}

/// The addresses that a connection knows, with their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Ours.
    pub local: Vec<(u8, IpAddr)>,
    /// The peer's.
    pub remote: Vec<(u8, SocketAddr)>,
}
