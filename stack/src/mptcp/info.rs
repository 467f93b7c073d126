//! Snapshots for the application: what a connection and its subflows look like now.

use crate::base::config::Version;
use crate::base::error::{CloseReason, NetworkError};
use crate::base::id::{AddressId, ConnectionId, InterfaceId, SubflowId};
use crate::base::time::Duration;
use crate::tcp::state::TcpState;
use std::net::SocketAddr;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionProtocol {
    /// The handshake has not decided yet.
    Negotiating,
    /// Multipath TCP.
    Mptcp(Version),
    /// Plain TCP: asked for, or after fallback.
    Tcp,
}

/// A connection at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The connection.
    pub id: ConnectionId,
    /// What it speaks.
    pub protocol: ConnectionProtocol,
    /// DSS checksums are in use.
    pub checksum: bool,
    /// Local address of the initial subflow.
    pub local: SocketAddr,
    /// Remote address of the initial subflow.
    pub remote: SocketAddr,
    /// Bytes taken from the application.
    pub bytes_written: u64,
    /// Bytes of those that the peer has acknowledged at the data level.
    pub bytes_acked: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Bytes sent again on another subflow.
    pub bytes_reinjected: u64,
    /// Why it ended, if it did.
    pub closed: Option<CloseReason>,
}

/// A subflow at one moment. Closed ones stay listed, but for joins that came to nothing and the
/// oldest of very many.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SubflowInfo {
    /// The subflow.
    pub id: SubflowId,
    /// Interface it uses.
    pub interface: InterfaceId,
    /// Local address and port.
    pub local: SocketAddr,
    /// Remote address and port.
    pub remote: SocketAddr,
    /// Our number for the local address.
    pub local_id: AddressId,
    /// The peer's number for the remote address.
    pub remote_id: AddressId,
    /// TCP state.
    pub state: TcpState,
    /// Used only when no regular subflow works, in our sending direction.
    pub backup: bool,
    /// Its path does not answer at the moment: no new data goes there.
    pub stalled: bool,
    /// Payload bytes sent, retransmissions not counted.
    pub bytes_sent: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
    /// Segments sent more than once.
    pub retransmissions: u64,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// Congestion window, bytes.
    pub cwnd: usize,
    /// Largest payload of a segment without options, bytes.
    pub mss: usize,
    /// Largest IP packet that is sent on its path, bytes.
    pub path_mtu: usize,
    /// What the network last said about a packet of it that was not delivered. A working
    /// connection ignores it (RFC 5927 §5.2).
    pub soft_error: Option<NetworkError>,
}
