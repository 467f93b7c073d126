//! The service types, and the calls between two hosts.

mod calls;
mod services;

use super::*;
use crate::bsd::testing::{Pair, SERVER};
use crate::bsd::{Family, NoMemory, ReceiveFlags, SockAddr};
use umptcp_stack::{Endpoint, EndpointConfig, InterfaceConfig, PathManagerKind, SubflowId};

pub(super) const TCP: i32 = libc::IPPROTO_TCP;
pub(super) const NOW: Instant = Instant::from_millis(1_000_000);

pub(super) fn passive_pair() -> Pair {
    let mut pair = Pair::new();
    for host in &mut pair.hosts {
        host.system.defaults.path_manager = PathManagerKind::Passive;
    }
    pair
}

pub(super) fn towards(interface: u32, source: Option<&str>, destination: &str) -> Endpoints {
    let address = |text: &str| SockAddr::plain(text.parse().expect("an address"));
    Endpoints {
        source_interface: interface,
        source: source.map(address),
        destination: address(destination),
    }
}
