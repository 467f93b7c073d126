//! The options of the drafts between two hosts.

mod events;
mod opening;
mod options;

use super::*;
use crate::bsd::testing::{Pair, SERVER};
use crate::bsd::{Family, NoMemory, SockAddr};
use std::net::SocketAddr;
use umptcp_stack::PathManagerKind;

pub(super) const TCP: i32 = libc::IPPROTO_TCP;

pub(super) fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A connection on which nobody opens subflows but the application.
pub(super) fn connected(pair: &mut Pair) -> [Socket; 3] {
    for host in &mut pair.hosts {
        host.system.defaults.path_manager = PathManagerKind::Passive;
    }
    pair.connected()
}

pub(super) fn get(
    pair: &mut Pair,
    socket: &mut Socket,
    name: i32,
    value: &mut [u8],
) -> Result<usize, Errno> {
    socket.getsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

pub(super) fn set(
    pair: &mut Pair,
    socket: &mut Socket,
    name: i32,
    value: &[u8],
) -> Result<(), Errno> {
    socket.setsockopt(&mut pair.net(0), TCP, name, value, &mut NoMemory)
}

/// The ids and flags of all subflows.
pub(super) fn ids(pair: &mut Pair, socket: &mut Socket) -> Vec<(u8, u8)> {
    let mut value = [0; 64];
    let len = get(pair, socket, MPTCP_GET_SUB_IDS, &mut value).expect("ids");
    assert_eq!(len, 2 + 2 * usize::from(value[0]));
    let entries = value[2..len].chunks(2);
    entries.map(|entry| (entry[0], entry[1])).collect()
}

/// `mptcp_sub_tuple` in our layout.
pub(super) fn tuple(prio: u8, interface: i32, local: &str, remote: &str) -> Vec<u8> {
    let mut value = vec![0, prio, 0, 0];
    value.extend(interface.to_ne_bytes());
    value.extend(SockAddr::plain(at(local)).to_bytes());
    value.extend(SockAddr::plain(at(remote)).to_bytes());
    value
}

pub(super) fn open(pair: &mut Pair, socket: &mut Socket, mut value: Vec<u8>) -> Result<u8, Errno> {
    let len = get(pair, socket, MPTCP_OPEN_SUB_TUPLE, &mut value)?;
    assert_eq!(len, value.len());
    Ok(value[0])
}

pub(super) fn close(
    pair: &mut Pair,
    socket: &mut Socket,
    id: u8,
    how: i32,
) -> Result<usize, Errno> {
    let mut value = vec![id, 0, 0, 0];
    value.extend(how.to_ne_bytes());
    get(pair, socket, MPTCP_CLOSE_SUB_ID, &mut value)
}

pub(super) fn number(value: i32) -> Vec<u8> {
    value.to_ne_bytes().to_vec()
}
