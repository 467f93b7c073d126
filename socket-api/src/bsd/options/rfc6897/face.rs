//! Typed functions for Rust programs, on anything with socket options.

use super::{
    TCP_MULTIPATH_ADD, TCP_MULTIPATH_CONNID, TCP_MULTIPATH_ENABLE, TCP_MULTIPATH_REMOVE,
    TCP_MULTIPATH_SUBFLOWS, read_addresses,
};
use crate::bsd::options::SocketOptions;
use crate::bsd::{SOCKADDR_IN6_LEN, SockAddr};
use std::io;
use std::net::SocketAddr;

const TCP: i32 = libc::IPPROTO_TCP;

/// MPTCP is in use, or will be tried.
///
/// # Errors
/// Only those of a socket that is gone.
pub fn multipath_enabled(socket: &impl SocketOptions) -> io::Result<bool> {
    let mut value = [0; 4];
    socket.getsockopt(TCP, TCP_MULTIPATH_ENABLE, &mut value)?;
    Ok(i32::from_ne_bytes(value) != 0)
}

/// Tries MPTCP, or does not.
///
/// # Errors
/// `EINVAL` if the socket connects or listens already, `EOPNOTSUPP` if the stack has it switched off.
pub fn set_multipath_enabled(socket: &impl SocketOptions, enable: bool) -> io::Result<()> {
    let value = i32::from(enable).to_ne_bytes();
    socket.setsockopt(TCP, TCP_MULTIPATH_ENABLE, &value)
}

/// Lets a connection use these local addresses; port 0 leaves the port open.
///
/// # Errors
/// `EADDRNOTAVAIL` for an address that is not ours, `EACCES`, `EADDRINUSE`, `EAGAIN` for a port on a
/// connection that is too young, `EINVAL` for none at all or on a listener, `EOPNOTSUPP` on plain TCP.
pub fn add_addresses(socket: &impl SocketOptions, local: &[SocketAddr]) -> io::Result<()> {
    socket.setsockopt(TCP, TCP_MULTIPATH_ADD, &bytes_of(local))
}

/// Takes local addresses away from a connection: its subflows there end, and the peer is told.
///
/// # Errors
/// `EADDRNOTAVAIL` for an address that is neither ours nor in use, otherwise as for [`add_addresses`].
pub fn remove_addresses(socket: &impl SocketOptions, local: &[SocketAddr]) -> io::Result<()> {
    socket.setsockopt(TCP, TCP_MULTIPATH_REMOVE, &bytes_of(local))
}

/// The ends of the established subflows, the local one first.
///
/// # Errors
/// `EOPNOTSUPP` on plain TCP, `ENOTCONN` without an established connection.
pub fn subflow_pairs(socket: &impl SocketOptions) -> io::Result<Vec<(SocketAddr, SocketAddr)>> {
    // More than a connection can have.
    let mut value = [0; 64 * 2 * SOCKADDR_IN6_LEN];
    let len = socket.getsockopt(TCP, TCP_MULTIPATH_SUBFLOWS, &mut value)?;
    let bytes = value.get(..len).unwrap_or_default();
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let ends = read_addresses(bytes)?;
    let (pairs, _) = ends.as_chunks();
    Ok(pairs
        .iter()
        .map(|&[local, remote]| (local, remote))
        .collect())
}

/// What names the connection on this host: its token.
///
/// # Errors
/// As for [`subflow_pairs`].
pub fn connection_id(socket: &impl SocketOptions) -> io::Result<u32> {
    let mut value = [0; 4];
    socket.getsockopt(TCP, TCP_MULTIPATH_CONNID, &mut value)?;
    Ok(u32::from_ne_bytes(value))
}

fn bytes_of(addresses: &[SocketAddr]) -> Vec<u8> {
    let addresses = addresses.iter();
    addresses
        .flat_map(|&address| SockAddr::plain(address).to_bytes())
        .collect()
}
