//! Snapshots for the application: what a connection and its subflows look like now.

use crate::base::config::{CongestionAlgorithm, Version};
use crate::base::error::{CloseReason, NetworkError};
use crate::base::id::{AddressId, ConnectionId, InterfaceId, SubflowId};
use crate::base::time::{Duration, Instant};
use crate::mptcp::reasons::{FallbackReason, SubflowCloseReason};
use crate::mptcp::state::DataState;
use crate::tcp::state::TcpState;
use crate::tcp::statistics::TcpStatistics;
use crate::wire::mptcp_option::MpTcpRst;
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

/// The directions of a connection that are plain TCP: from the start, or since the fallback of
/// RFC 6824 §3.6 and RFC 8684 §3.7, which takes each direction at its own moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlainDirections {
    /// Neither, or the handshake has not decided yet.
    Neither,
    /// Ours: what we send has no mappings any more.
    Sending,
    /// The peer's: what we receive has none.
    Receiving,
    /// Both.
    Both,
}

/// A connection at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The connection.
    pub id: ConnectionId,
    /// We started it.
    pub initiator: bool,
    /// The handshake of the initial subflow is complete.
    pub established: bool,
    /// Both sides have shown that they speak MPTCP, so subflows may be added (RFC 8684 §3.1).
    pub fully_established: bool,
    /// What it speaks: MPTCP as long as one direction does.
    pub protocol: ConnectionProtocol,
    /// The version that was negotiated, also after a fallback; `None` if MPTCP never was.
    pub version: Option<Version>,
    /// Why it fell back to plain TCP, if it did.
    pub fallback: Option<FallbackReason>,
    /// Our token, if MPTCP was ever offered.
    pub token: Option<u32>,
    /// The peer's token, once its key is known.
    pub remote_token: Option<u32>,
    /// The peer's key is known.
    pub remote_key_received: bool,
    /// The peer takes no further subflows at the address and port of the initial one (flag C,
    /// RFC 8684 §3.1).
    pub deny_join_initial: bool,
    /// The state of the stream as a whole.
    pub data_state: DataState,
    /// The directions that are plain TCP.
    pub plain: PlainDirections,
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
    /// Bytes given to subflows, each counted once.
    pub bytes_sent: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Bytes sent again on another subflow.
    pub bytes_reinjected: u64,
    /// Consecutive expiries of the data-level timer.
    pub data_timeouts: u32,
    /// Data sequence number of the next byte that the application writes; `None` for plain TCP, as
    /// are the next two.
    pub write_dsn: Option<u64>,
    /// Oldest data sequence number without a DATA_ACK.
    pub snd_una_dsn: Option<u64>,
    /// Next data sequence number expected; the peer's DATA_FIN counts once everything before it
    /// has come.
    pub rcv_nxt_dsn: Option<u64>,
    /// The application may write: neither it nor anything else has ended our direction.
    pub can_write: bool,
    /// Bytes that a write would take now.
    pub send_room: usize,
    /// Bytes written and not given to any subflow yet.
    pub unsent: usize,
    /// Bytes written and not acknowledged at the data level, unsent ones included.
    pub unacked: usize,
    /// Bytes that may wait to be sent or acknowledged now; grows up to the setting.
    pub send_capacity: usize,
    /// Times that a subflow could have taken more, and a writer waited for room in the buffer.
    pub send_buffer_limited: u64,
    /// Bytes that may wait to be read now; grows up to the setting.
    pub receive_capacity: usize,
    /// Bytes that wait to be read.
    pub unread: usize,
    /// The peer has ended its direction, and all of it has come; it may be unread yet.
    pub peer_finished: bool,
    /// The same, and everything was read.
    pub end_of_stream: bool,
    /// When data was last given to a subflow.
    pub last_data_sent: Option<Instant>,
    /// When a segment with data last came, on any subflow.
    pub last_data_received: Option<Instant>,
    /// When a DATA_ACK last came; an acknowledgment of any kind for plain TCP.
    pub last_ack_received: Option<Instant>,
    /// Addresses that we have announced to the peer with ADD_ADDR and not withdrawn.
    pub addresses_announced: u8,
    /// Addresses that the peer has announced, and that were taken.
    pub addresses_accepted: u8,
    /// Local addresses beside the initial one that open subflows use.
    pub local_addresses_used: u8,
    /// Subflows that are not closed, the initial one included.
    pub subflows: usize,
    /// The initial one is among them.
    pub initial_subflow_alive: bool,
    /// Why it ended, if it did.
    pub closed: Option<CloseReason>,
}

/// The mapping whose bytes a subflow is receiving (RFC 6824 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivingMapping {
    /// Data sequence number of its first byte.
    pub dsn: u64,
    /// Its first byte's place on the subflow, relative to the peer's initial sequence number.
    pub ssn: u32,
    /// Its length, a DATA_FIN included.
    pub len: u16,
}

/// A subflow at one moment. Closed ones stay listed, but for joins that came to nothing without a
/// word why, and the oldest of very many.
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
    /// We have opened it; else the peer has.
    pub opened_by_us: bool,
    /// Our number for the local address.
    pub local_id: AddressId,
    /// The peer's number for the remote address.
    pub remote_id: AddressId,
    /// TCP state.
    pub state: TcpState,
    /// Both sides have proven their keys, so data may be sent. A join whose third ACK is on its way
    /// is `Established` for TCP and not yet for MPTCP (RFC 6824 §3.2).
    pub fully_established: bool,
    /// Used only when no regular subflow works, in our sending direction.
    pub backup: bool,
    /// The peer has asked for that.
    pub backup_asked_by_peer: bool,
    /// We have asked the peer to send here only if no regular subflow works.
    pub backup_asked_by_us: bool,
    /// Why it ended, if it did.
    pub closed: Option<SubflowCloseReason>,
    /// Why the peer has reset it, if it did and said so (MP_TCPRST, version 1).
    pub reset_reason: Option<MpTcpRst>,
    /// Its path does not answer at the moment: no new data goes there.
    pub stalled: bool,
    /// So for several timeouts: nothing will go there until something gets through.
    pub stale: bool,
    /// Payload bytes sent, retransmissions not counted.
    pub bytes_sent: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
    /// Segments sent more than once.
    pub retransmissions: u64,
    /// Expiries of the retransmission timer.
    pub timeouts: u64,
    /// Fast recoveries that began with a loss.
    pub fast_recoveries: u64,
    /// Recoveries that turned out to be for nothing, and were undone.
    pub spurious_recoveries: u64,
    /// Probes for the loss of the tail.
    pub tail_loss_probes: u64,
    /// Windows that were reduced because the network marked a packet.
    pub ecn_reductions: u64,
    /// Explicit congestion notification was negotiated.
    pub ecn: bool,
    /// The pace, bytes per second; 0 while nothing is paced.
    pub pacing_rate: u64,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// Its congestion control.
    pub congestion: CongestionAlgorithm,
    /// Congestion window, bytes.
    pub cwnd: usize,
    /// Slow-start threshold, bytes; none before the first sign of congestion.
    pub ssthresh: Option<usize>,
    /// Largest payload of a segment without options, bytes.
    pub mss: usize,
    /// Largest IP packet that is sent on its path, bytes.
    pub path_mtu: usize,
    /// What the network last said about a packet of it that was not delivered. A working
    /// connection ignores it (RFC 5927 §5.2).
    pub soft_error: Option<NetworkError>,
    /// Window probes in a row without an answer.
    pub unanswered_probes: u32,
    /// The round-trip time as a receiver of data sees it, once there was an echo.
    pub receive_rtt: Option<Duration>,
    /// The mapping whose bytes are being received, if any.
    pub receiving: Option<ReceivingMapping>,
    /// The figures of its TCP connection.
    pub tcp: TcpStatistics,
}
