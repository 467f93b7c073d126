//! Multipath TCP sockets in user space.
//!
//! The crate owns what applications touch: a [`Stack`] over one [`Device`] for each interface, the
//! [`MptcpStream`]s and [`MptcpListener`]s on it, and [`Network`] to set up the operating system's
//! side of TUN devices. The protocol itself is the crate `umptcp-stack`, driven here by one tokio
//! task for each stack.
//!
//! ```no_run
//! use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! use umptcp::{Network, Stack, TunDevice};
//!
//! # async fn example() -> std::io::Result<()> {
//! // Two links of the kernel, with our end of them at .2.
//! let network = Network::connect().await?;
//! let mut stack = Stack::builder();
//! for (name, theirs, ours) in [("tun0", "10.0.0.1", "10.0.0.2"), ("tun1", "10.0.1.1", "10.0.1.2")] {
//!     let device = TunDevice::open(name, 1500)?;
//!     network.add_address(name, theirs.parse().unwrap(), 24).await?;
//!     network.set_up(name).await?;
//!     stack = stack.interface(device, [ours.parse().unwrap()]);
//! }
//! let stack = stack.start()?;
//!
//! let mut stream = stack.connect("10.0.0.1:7").await?;
//! stream.write_all(b"hello").await?;
//! let mut answer = [0; 5];
//! stream.read_exact(&mut answer).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `stack` | starting a stack, connecting, listening |
//! | `socket` | a socket before it is connected or listens |
//! | `stream`, `readiness`, `options`, `split`, `listener` | the sockets |
//! | [`blocking`] | the same for programs without async |
//! | `control` | subflows, addresses and policies of a live connection |
//! | `events` | what happens to connections, as streams |
//! | `timeouts` | time limits on reads and writes |
//! | [`control_socket`] | the same for other processes: the sockets, commands and events of a stack |
//! | [`smapp`] | controllers: path management outside of the stack |
//! | `address`, `connect` | names, and the first of several addresses that answers |
//! | `connection` | what the faces of one connection have in common |
//! | `shared` | the endpoint behind its lock, and who waits for what |
//! | [`bsd`] | sockets as C programs know them, with every family of socket options |
//! | `stack_socket` | such a socket on a running stack |
//! | `driver` | the task between devices and endpoint |
//! | [`device`] | devices |
//! | `netlink` | the operating system's links, addresses, routes |
//! | `error` | the stack's errors as `io::Error`s |

mod address;
pub mod blocking;
pub mod bsd;
mod connect;
mod connection;
mod control;
pub mod control_socket;
pub mod device;
mod driver;
mod error;
mod events;
mod listener;
#[cfg(test)]
#[path = "../tests/common/namespace.rs"]
mod namespace;
mod netlink;
mod options;
mod readiness;
mod shared;
pub mod smapp;
mod socket;
mod split;
mod stack;
mod stack_socket;
mod stream;
#[cfg(test)]
mod testing;
mod timeouts;

pub use address::ToAddresses;
pub use bsd::options::SocketOptions;
pub use control::{ConnectionControl, SubflowControl};
pub use device::{Device, LinkSwitch, MemoryDevice, TunDevice};
pub use events::{ConnectionEvent, ConnectionEvents, DEFAULT_QUEUE, StackEvent, StackEvents};
pub use listener::{Incoming, MptcpListener};
pub use netlink::Network;
pub use socket::MptcpSocket;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use stack::{Stack, StackBuilder};
pub use stack_socket::{FromErrno, Interest, StackSocket};
pub use stream::MptcpStream;
pub use timeouts::WithTimeouts;
pub use umptcp_stack::{
    AbortError, AcceptVersions, AddressError, AddressId, BlackHole, ChecksumPolicy, CloseReason,
    CongestionAlgorithm, CongestionPhase, ConnectError, ConnectionConfig, ConnectionId,
    ConnectionInfo, ConnectionProtocol, DataState, EcnPolicy, EndpointConfig, EndpointStats, Event,
    FailedJoinLimits, FallbackReason, FastcloseMethod, InterfaceId, JoinPorts, Keepalive,
    ListenError, ListenerId, LocalAddress, MpTcpRst, MptcpCounter, MptcpCounters, NetworkError,
    OpenSubflow, OtherVersion, PathEndpoint, PathEndpointError, PathEndpointFlags, PathEndpointKey,
    PathLimits, PathLog, PathManagerKind, PathRange, PeerKnowledge, PeerVersions, PlainDirections,
    ReadError, RemoteAddress, ResetReason, SchedulerKind, SubflowChange, SubflowCloseReason,
    SubflowError, SubflowId, SubflowInfo, SubflowOptions, SubflowSource, SynCookies, TcpState,
    TcpStatistics, Transmit, Version, WriteError,
};

/// The README's program is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
