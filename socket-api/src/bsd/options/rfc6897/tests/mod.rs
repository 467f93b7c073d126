//! The options of RFC 6897 between two hosts.

mod legacy;
mod options;

use super::*;
use crate::bsd::testing::{Pair, SERVER};
use crate::bsd::{Family, NoMemory};
use std::time::Duration;
use umptcp_stack::{CloseReason, PathManagerKind};

pub(super) const TCP: i32 = libc::IPPROTO_TCP;

pub(super) fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) fn list(addresses: &[&str]) -> Vec<u8> {
    let addresses = addresses.iter();
    addresses
        .flat_map(|text| SockAddr::plain(at(text)).to_bytes())
        .collect()
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

pub(super) fn enabled(pair: &mut Pair, socket: &mut Socket) -> i32 {
    let mut value = [0; 4];
    assert_eq!(get(pair, socket, TCP_MULTIPATH_ENABLE, &mut value), Ok(4));
    i32::from_ne_bytes(value)
}

/// The local addresses of the established subflows.
pub(super) fn locals(pair: &mut Pair, socket: &mut Socket) -> Vec<IpAddr> {
    let mut value = [0; 560];
    let len = get(pair, socket, TCP_MULTIPATH_SUBFLOWS, &mut value).expect("subflows");
    let ends = read_addresses(&value[..len]).expect("addresses");
    let mut locals: Vec<IpAddr> = ends.chunks(2).map(|pair| pair[0].ip()).collect();
    locals.sort();
    locals.dedup();
    locals
}

pub(super) fn listening(pair: &mut Pair) -> Socket {
    let mut listener = pair.mptcp(1, Family::V4);
    listener
        .bind(&mut pair.net(1), SockAddr::plain(SERVER))
        .unwrap();
    listener.listen(&mut pair.net(1), 5).unwrap();
    listener
}

pub(super) fn connect(pair: &mut Pair, client: &mut Socket) {
    let begun = client.connect(&mut pair.net(0), SockAddr::plain(SERVER));
    assert_eq!(begun, Err(Errno::EINPROGRESS));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(client.connecting(&mut pair.net(0)), Some(Ok(())));
}
