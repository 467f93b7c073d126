//! Multipath TCP as a state machine: RFC 6824 (version 0) and RFC 8684 (version 1) on a TCP
//! engine of our own.
//!
//! The crate owns the protocol and nothing else. It never reads a clock, starts a thread, opens a
//! file or makes a system call: time is an argument, randomness grows from a seed, packets and
//! events are values. The same seed and the same inputs give the same packets, byte for byte.
//!
//! The modules form floors; each imports only from its own floor and those below it:
//!
//! | floor | owns |
//! |---|---|
//! | [`base`] | time, sequence numbers, randomness, configuration, counters, errors |
//! | [`wire`] | packets and options as bytes and as values |
//! | [`buffer`] | byte ranges: what waits to be sent, what came out of order |
//! | `tcp` | one TCP connection: RFC 9293 and its companions; knows nothing of MPTCP |
//! | `mptcp` | one MPTCP connection over several of them |
//! | [`endpoint`] | a host: demultiplexing, listeners, ports, and the public face [`Endpoint`] |

#![forbid(unsafe_code)]

pub mod base;
pub mod buffer;
pub mod endpoint;
pub mod mptcp;
pub mod tcp;
pub mod wire;

pub use base::config::{
    AcceptVersions, ChecksumPolicy, CongestionAlgorithm, ConnectionConfig, EcnPolicy,
    EndpointConfig, FailedJoinLimits, FastcloseMethod, InterfaceConfig, JoinPorts, Keepalive,
    OtherVersion, SubflowOptions, SynCookies, SynOptions, Version, WindowScale,
};
pub use base::error::{
    AbortError, AddressError, CloseReason, ConnectError, ListenError, NetworkError, ReadError,
    SubflowError, WriteError,
};
pub use base::id::{AddressId, ConnectionId, InterfaceId, ListenerId, SubflowId};
pub use base::mptcp_counters::{MptcpCounter, MptcpCounters};
pub use base::path_endpoint::{
    InvalidPathEndpoint, MAX_PATH_ENDPOINTS, PathEndpoint, PathEndpointError, PathEndpointFlags,
    PathEndpointKey, PathEndpoints, PathLimits,
};
pub use base::path_lists::{PathLists, PathPair};
pub use base::policy::{PathManagerKind, SchedulerKind};
pub use base::stats::EndpointStats;
pub use base::subflow_options::SubflowChange;
pub use base::time::Instant;
pub use endpoint::{
    BlackHole, Endpoint, Event, OpenSubflow, PeerKnowledge, PeerVersions, SubflowSource,
};
pub use mptcp::info::{
    ConnectionInfo, ConnectionProtocol, PlainDirections, ReceivingMapping, SubflowInfo,
};
pub use mptcp::path_log::{PathLog, PathRange};
pub use mptcp::path_manager::{LocalAddress, RemoteAddress};
pub use mptcp::reasons::{FallbackReason, SubflowCloseReason};
pub use mptcp::state::DataState;
pub use tcp::state::TcpState;
pub use tcp::statistics::{CongestionPhase, TcpStatistics};
pub use wire::mptcp_option::{MpTcpRst, ResetReason};
pub use wire::packet::{ChecksumStatus, ReceivedPacket, Transmit, TransmitChecksum};
