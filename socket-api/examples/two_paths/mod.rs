//! What the examples run on: a client and a server in this process with two links between them, so
//! that no privileges are needed. Between real hosts, these would be `TunDevice`s.

#![allow(dead_code, reason = "no example needs all of it")]

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;
use umptcp::{LinkSwitch, MemoryDevice, Stack, StackBuilder, SubflowInfo};

/// Whatever goes wrong ends the example.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The two hosts, not started yet, and switches to cut the links between them.
pub(crate) struct TwoPaths {
    pub(crate) client: StackBuilder,
    pub(crate) server: StackBuilder,
    pub(crate) links: [LinkSwitch; 2],
}

impl TwoPaths {
    pub(crate) fn new() -> Self {
        let (client_0, server_0) = MemoryDevice::pair(1500);
        let (client_1, server_1) = MemoryDevice::pair(1500);
        let links = [client_0.switch(), client_1.switch()];
        Self {
            client: Stack::builder()
                .interface(client_0, [address(0, 1)])
                .interface(client_1, [address(1, 1)]),
            server: Stack::builder()
                .interface(server_0, [address(0, 2)])
                .interface(server_1, [address(1, 2)]),
            links,
        }
    }
}

/// The address of a host on a link.
fn address(link: u8, host: u8) -> IpAddr {
    [10, 0, link, host].into()
}

/// Looks at a connection of the client again and again until it uses both links.
pub(crate) fn wait_for_both_paths(subflows: impl Fn() -> Vec<SubflowInfo>) -> Outcome<()> {
    for _ in 0..2000 {
        let over_second = |subflow: &SubflowInfo| {
            subflow.fully_established
                && subflow.local.ip() == address(1, 1)
                && subflow.remote.ip() == address(1, 2)
        };
        if subflows().iter().any(over_second) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err("the second path was not found".into())
}
