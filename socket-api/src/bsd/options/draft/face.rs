//! Typed functions for Rust programs, on anything with socket options.
//!
//! The module owns the translation to values and back. It speaks the layout that stacks have unless
//! they are told otherwise ([`DraftLayout::Umptcp`](super::DraftLayout)).

use super::layout::{
    ATTACHED, FULLY_ESTABLISHED, IDS_HEADER, LOW_PRIO, PRE_ESTABLISHED, SLAVE, STATUS_LEN,
    SUB_OPTION_LEN, SubOption,
};
use super::lists::path_bytes;
use super::{
    MPTCP_CLOSE_SUB_ID, MPTCP_EVENTS, MPTCP_GET_SUB_IDS, MPTCP_GET_SUB_INFO, MPTCP_GET_SUB_TUPLE,
    MPTCP_OPEN_SUB_TUPLE, MPTCP_SET_SUB_PRIO, MPTCP_SUB_GETSOCKOPT, MPTCP_SUB_PATH_ACTIVE_LIST,
    MPTCP_SUB_PATH_BACKUP_LIST, MPTCP_SUB_SETSOCKOPT,
};
use crate::bsd::options::SocketOptions;
use crate::bsd::{Errno, SOCKADDR_IN_LEN, SOCKADDR_IN6_LEN, SockAddr};
use std::io;
use std::net::SocketAddr;
use umptcp_stack::PathLists;

/// A subflow as `MPTCP_GET_SUB_IDS` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubflowStatus {
    /// What the other functions know it by.
    pub id: u8,
    /// It is not the initial subflow.
    pub joined: bool,
    /// Both sides have proven their keys: it can carry data.
    pub fully_established: bool,
    /// Its TCP handshake is complete.
    pub attached: bool,
    /// It is a backup.
    pub low_prio: bool,
    /// Its TCP handshake is complete, and the proof of the keys is on its way.
    pub pre_established: bool,
}

/// The ends of a subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubflowTuple {
    /// Ours.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// It is a backup.
    pub low_prio: bool,
    /// Index of the interface that it uses, from 1.
    pub interface: i32,
}

/// A subflow to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSubflow {
    /// Our end: the wildcard for any address, port 0 for a free one.
    pub local: SocketAddr,
    /// The peer's end: port 0 for that of the initial subflow.
    pub remote: SocketAddr,
    /// Index of the interface to use, from 1; 0 for any.
    pub interface: i32,
    /// As a backup.
    pub low_prio: bool,
}

/// How a subflow is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseHow {
    /// In order; what the peer still sends is taken.
    InOrder,
    /// At once. What was not delivered goes to the others, here as there.
    Reset,
}

/// The subflows of a connection that are not closed.
///
/// # Errors
/// `EOPNOTSUPP` on plain TCP, `ENOTCONN`.
pub fn subflow_ids(socket: &impl SocketOptions) -> io::Result<Vec<SubflowStatus>> {
    // A byte counts them.
    let mut value = [0; IDS_HEADER + 255 * STATUS_LEN];
    let len = socket.getsockopt(libc::IPPROTO_TCP, MPTCP_GET_SUB_IDS, &mut value)?;
    let listed = value.get(IDS_HEADER..len).unwrap_or_default();
    let (statuses, _) = listed.as_chunks::<STATUS_LEN>();
    let status = |&[id, flags]: &[u8; STATUS_LEN]| SubflowStatus {
        id,
        joined: flags & SLAVE != 0,
        fully_established: flags & FULLY_ESTABLISHED != 0,
        attached: flags & ATTACHED != 0,
        low_prio: flags & LOW_PRIO != 0,
        pre_established: flags & PRE_ESTABLISHED != 0,
    };
    Ok(statuses.iter().map(status).collect())
}

/// Opens a subflow and gives its id; a control message tells how it went.
///
/// # Errors
/// `EOPNOTSUPP` on plain TCP, `ENOTCONN`, `EAGAIN` if the connection is too young, `EINVAL` for
/// addresses of two families, `EADDRNOTAVAIL` for a source that is not ours, `EADDRINUSE`, `EACCES`
/// for a port below 1024, `ENODEV`, `ENOSPC`.
pub fn open_subflow(socket: &impl SocketOptions, subflow: NewSubflow) -> io::Result<u8> {
    let mut value = vec![0, u8::from(subflow.low_prio), 0, 0];
    value.extend(subflow.interface.to_ne_bytes());
    for address in [subflow.local, subflow.remote] {
        value.extend(SockAddr::plain(address).to_bytes());
    }
    socket.getsockopt(libc::IPPROTO_TCP, MPTCP_OPEN_SUB_TUPLE, &mut value)?;
    Ok(value.first().copied().unwrap_or(0))
}

/// Ends a subflow.
///
/// # Errors
/// `EINVAL` if there is no such subflow, `EOPNOTSUPP` on plain TCP, `ENOTCONN`.
pub fn close_subflow(socket: &impl SocketOptions, id: u8, how: CloseHow) -> io::Result<()> {
    let how = match how {
        CloseHow::InOrder => libc::SHUT_RDWR,
        CloseHow::Reset => 3,
    };
    let mut value = vec![id, 0, 0, 0];
    value.extend(how.to_ne_bytes());
    let closed = socket.getsockopt(libc::IPPROTO_TCP, MPTCP_CLOSE_SUB_ID, &mut value);
    closed.map(|_| ())
}

/// The addresses of a subflow.
///
/// # Errors
/// As for [`close_subflow`].
pub fn subflow_tuple(socket: &impl SocketOptions, id: u8) -> io::Result<SubflowTuple> {
    const HEADER: usize = 8;
    let mut value = [0; HEADER + 2 * SOCKADDR_IN6_LEN];
    value[0] = id;
    let len = socket.getsockopt(libc::IPPROTO_TCP, MPTCP_GET_SUB_TUPLE, &mut value)?;
    let addresses = value.get(HEADER..len).unwrap_or_default();
    let one = if addresses.len() == 2 * SOCKADDR_IN_LEN {
        SOCKADDR_IN_LEN
    } else {
        SOCKADDR_IN6_LEN
    };
    let address = |at: usize| {
        let bytes = addresses.get(at..).unwrap_or_default();
        SockAddr::from_bytes(bytes).map(SockAddr::for_stack)
    };
    let mut interface = [0; 4];
    interface.copy_from_slice(&value[4..HEADER]);
    Ok(SubflowTuple {
        local: address(0)?,
        remote: address(one)?,
        low_prio: value[1] != 0,
        interface: i32::from_ne_bytes(interface),
    })
}

/// `struct tcp_info` of a subflow, as many bytes as there is room for.
///
/// # Errors
/// As for [`close_subflow`].
pub fn subflow_tcp_info(
    socket: &impl SocketOptions,
    id: u8,
    value: &mut [u8],
) -> io::Result<usize> {
    *value.first_mut().ok_or(Errno::EINVAL)? = id;
    socket.getsockopt(libc::IPPROTO_TCP, MPTCP_GET_SUB_INFO, value)
}

/// Reads an ordinary option of one subflow.
///
/// # Errors
/// As for [`close_subflow`]; `EOPNOTSUPP` for an option of the whole connection, `ENOPROTOOPT` for an
/// unknown one.
pub fn subflow_getsockopt(
    socket: &impl SocketOptions,
    id: u8,
    level: i32,
    name: i32,
    value: &mut [u8],
) -> io::Result<usize> {
    let mut bytes = inline(id, level, name, value);
    let len = socket.getsockopt(libc::IPPROTO_TCP, MPTCP_SUB_GETSOCKOPT, &mut bytes)?;
    let given = bytes.get(SUB_OPTION_LEN..len).unwrap_or_default();
    let len = given.len().min(value.len());
    value[..len].copy_from_slice(&given[..len]);
    Ok(len)
}

/// Sets an ordinary option of one subflow.
///
/// # Errors
/// As for [`subflow_getsockopt`], and those of the option.
pub fn subflow_setsockopt(
    socket: &impl SocketOptions,
    id: u8,
    level: i32,
    name: i32,
    value: &[u8],
) -> io::Result<()> {
    let bytes = inline(id, level, name, value);
    socket.setsockopt(libc::IPPROTO_TCP, MPTCP_SUB_SETSOCKOPT, &bytes)
}

fn inline(id: u8, level: i32, name: i32, value: &[u8]) -> Vec<u8> {
    let option = SubOption {
        id,
        level,
        name,
        value: 0,
        len: u64::try_from(value.len()).unwrap_or(u64::MAX),
    };
    [option.to_bytes().as_slice(), value].concat()
}

/// Makes a subflow a backup, or a regular one, and tells the peer (MP_PRIO).
///
/// # Errors
/// As for [`close_subflow`]; `EAGAIN` if the subflow is not established yet.
pub fn set_subflow_backup(socket: &impl SocketOptions, id: u8, backup: bool) -> io::Result<()> {
    let value = [id, u8::from(backup)];
    socket.setsockopt(libc::IPPROTO_TCP, MPTCP_SET_SUB_PRIO, &value)
}

/// Says between which addresses further subflows are backups; may come before the connection.
///
/// # Errors
/// `EINVAL` for a pair of two families, `EOPNOTSUPP` on plain TCP.
pub fn set_path_lists(socket: &impl SocketOptions, lists: &PathLists) -> io::Result<()> {
    for (name, list) in [
        (MPTCP_SUB_PATH_ACTIVE_LIST, &lists.active),
        (MPTCP_SUB_PATH_BACKUP_LIST, &lists.backup),
    ] {
        let value = path_bytes(list).ok_or(Errno::EINVAL)?;
        socket.setsockopt(libc::IPPROTO_TCP, name, &value)?;
    }
    Ok(())
}

/// Asks for control messages about subflows, or for none.
///
/// # Errors
/// Only those of a socket that is gone.
pub fn set_events(socket: &impl SocketOptions, wanted: bool) -> io::Result<()> {
    let value = i32::from(wanted).to_ne_bytes();
    socket.setsockopt(libc::IPPROTO_TCP, MPTCP_EVENTS, &value)
}
