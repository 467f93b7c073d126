//! The Linux kernel as a peer: its TCP and MPTCP sockets, its path manager, its counters.
//!
//! It owns the calls that make such sockets and read such counters, all of them in the network
//! namespace of the calling thread. It never reaches for another namespace.

mod counters;
mod path_manager;

pub use counters::Counters;
pub use path_manager::{KernelEndpoint, PathManager, Use};

use crate::topology::namespace;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;
use thiserror::Error;

/// What a kernel socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelProtocol {
    /// Plain TCP.
    Tcp,
    /// MPTCP version 1, the only one the kernel has.
    Mptcp,
}

impl KernelProtocol {
    const fn number(self) -> Protocol {
        match self {
            Self::Tcp => Protocol::TCP,
            Self::Mptcp => Protocol::MPTCP,
        }
    }
}

/// Why the kernel is no MPTCP peer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// Built without it.
    #[error("this kernel has no MPTCP (hint: Linux 5.6 or later with CONFIG_MPTCP)")]
    NoMptcp,
    /// Switched off, and not to be switched on.
    #[error("MPTCP of this kernel is off and cannot be switched on: {0}")]
    Disabled(#[from] namespace::NamespaceError),
    /// The limits on subflows cannot be set.
    #[error("limits of the kernel's MPTCP path manager cannot be set: {0}")]
    Limits(#[source] io::Error),
}

/// Makes the kernel ready for connections of `subflows` subflows, in either role, in the caller's
/// namespace.
///
/// # Errors
/// The kernel has no MPTCP, or does not allow it.
pub fn prepare_mptcp(subflows: usize) -> Result<(), KernelError> {
    const SWITCH: &str = "net/mptcp/enabled";
    match namespace::setting(SWITCH).as_deref() {
        None => return Err(KernelError::NoMptcp),
        Some("0") => namespace::set(SWITCH, "1")?,
        Some(_) => {}
    }
    let additional = u32::try_from(subflows.saturating_sub(1)).unwrap_or(u32::MAX);
    PathManager::open()
        .and_then(|manager| manager.set_limits(additional, additional))
        .map_err(KernelError::Limits)
}

/// A listening kernel socket.
///
/// # Errors
/// The kernel refused: no such protocol, no such address, or the port is taken.
pub fn listen(protocol: KernelProtocol, local: SocketAddr) -> io::Result<TcpListener> {
    listen_on(open(protocol, local)?, local)
}

/// As [`listen`], for plain TCP whose connections have this congestion control, such as `cubic`,
/// whatever the default is here: some hosts make it another, and allow no namespace to change it.
///
/// # Errors
/// As there, or the kernel has no such congestion control.
pub fn listen_tcp(local: SocketAddr, congestion_control: &str) -> io::Result<TcpListener> {
    let socket = open(KernelProtocol::Tcp, local)?;
    socket.set_tcp_congestion(congestion_control.as_bytes())?;
    listen_on(socket, local)
}

fn listen_on(socket: Socket, local: SocketAddr) -> io::Result<TcpListener> {
    socket.set_reuse_address(true)?;
    socket.bind(&local.into())?;
    socket.listen(16)?;
    Ok(socket.into())
}

/// A kernel socket connected to `remote`, from `local` if that is given.
///
/// # Errors
/// The kernel refused, or the peer did, or it did not answer in time.
pub fn connect(
    protocol: KernelProtocol,
    local: Option<SocketAddr>,
    remote: SocketAddr,
    timeout: Duration,
) -> io::Result<TcpStream> {
    let socket = open(protocol, remote)?;
    if let Some(local) = local {
        socket.bind(&local.into())?;
    }
    socket.connect_timeout(&remote.into(), timeout)?;
    Ok(socket.into())
}

/// As [`connect`], for plain TCP with this congestion control from its first packet on.
///
/// # Errors
/// As there, or the kernel has no such congestion control.
pub fn connect_tcp(
    remote: SocketAddr,
    congestion_control: &str,
    timeout: Duration,
) -> io::Result<TcpStream> {
    let socket = open(KernelProtocol::Tcp, remote)?;
    // Before connecting: pacing that another one has begun would go on (BBR's does).
    socket.set_tcp_congestion(congestion_control.as_bytes())?;
    socket.connect_timeout(&remote.into(), timeout)?;
    Ok(socket.into())
}

fn open(protocol: KernelProtocol, address: SocketAddr) -> io::Result<Socket> {
    Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(protocol.number()),
    )
}
