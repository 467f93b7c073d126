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
//! let mut stream = stack.connect("10.0.0.1:7".parse().unwrap()).await?;
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
//! | `stream`, `split`, `listener` | the sockets |
//! | `connection` | what the faces of one connection have in common |
//! | `shared` | the endpoint behind its lock, and who waits for what |
//! | `driver` | the task between devices and endpoint |
//! | [`device`] | devices |
//! | [`smapp`] | controllers: path management outside of the stack |
//! | `netlink` | the operating system's links, addresses, routes |
//! | `error` | the stack's errors as `io::Error`s |

mod connection;
pub mod device;
mod driver;
mod error;
mod listener;
#[cfg(test)]
#[path = "../tests/common/namespace.rs"]
mod namespace;
mod netlink;
mod shared;
pub mod smapp;
mod split;
mod stack;
mod stream;
#[cfg(test)]
mod testing;

pub use device::{Device, LinkSwitch, MemoryDevice, TunDevice};
pub use listener::MptcpListener;
pub use netlink::Network;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};
pub use stack::{Stack, StackBuilder};
pub use stream::MptcpStream;
pub use umptcp_stack::{
    AbortError, AcceptVersions, AddressError, AddressId, BlackHole, ChecksumPolicy, CloseReason,
    CongestionAlgorithm, ConnectError, ConnectionConfig, ConnectionId, ConnectionInfo,
    ConnectionProtocol, EcnPolicy, EndpointConfig, EndpointStats, FailedJoinLimits,
    FastcloseMethod, InterfaceId, JoinPorts, ListenError, MpTcpRst, MptcpCounter, MptcpCounters,
    NetworkError, OtherVersion, PeerKnowledge, PeerVersions, ReadError, ResetReason, SubflowError,
    SubflowId, SubflowInfo, SynCookies, Transmit, Version, WriteError,
};

/// The README's program is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
