//! Addresses and priorities: statements 101 to 110, and the signals of 73.
//!
//! | file | what |
//! |---|---|
//! | `received` | ADD_ADDR of the peer |
//! | `announced` | ADD_ADDR of the stack |
//! | `withdrawn` | REMOVE_ADDR both ways |
//! | `priority` | MP_PRIO both ways, backups |
//! | `signals` | acknowledgments that are there for their options |
//! | `told` | what the application is told |

mod announced;
mod priority;
mod received;
mod signals;
mod told;
mod withdrawn;

use crate::peer::options::{add_addr_v0, add_addr_v1};
use crate::peer::{Scene, Version};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::{Instant, MptcpCounter};

/// An address by its last number, in the network that the peer's joins come from.
fn address(last: u8) -> IpAddr {
    [10, 2, 9, last].into()
}

fn since(earlier: Instant, later: Instant) -> Duration {
    later.saturating_duration_since(earlier)
}

impl Scene {
    /// The ADD_ADDR that the peer would send.
    fn announcement(&self, id: u8, address: IpAddr, port: Option<u16>) -> Vec<u8> {
        match self.setup.version {
            Version::V0 => add_addr_v0(id, address, port),
            Version::V1 => add_addr_v1(self.peer.key, self.peer.their_key(), id, address, port),
        }
    }

    /// The ADD_ADDR that the stack has to send.
    fn expected_announcement(&self, id: u8, address: IpAddr, port: Option<u16>) -> Vec<u8> {
        match self.setup.version {
            Version::V0 => add_addr_v0(id, address, port),
            Version::V1 => add_addr_v1(self.peer.their_key(), self.peer.key, id, address, port),
        }
    }

    /// The peer announces an address on a subflow.
    fn announce(&mut self, subflow: usize, id: u8, address: IpAddr, port: Option<u16>) {
        let option = self.announcement(id, address, port);
        let mut segment = self.segment(subflow);
        if option.len() > 28 {
            // It has no room beside timestamps.
            segment = segment.without_options();
        }
        self.send(segment.option(option));
    }

    /// How often the stack has counted something.
    fn counted(&self, counter: MptcpCounter) -> u64 {
        self.endpoint.mptcp_counters()[counter]
    }

    /// Where the stack begins to join while this time passes. What is sent is forgotten.
    fn joins_within(&mut self, millis: u64) -> Vec<SocketAddr> {
        let before = self.peer.subflows.len();
        self.advance_ms(millis);
        self.clear();
        let new = &self.peer.subflows[before..];
        new.iter().map(|subflow| subflow.local).collect()
    }

    /// The peer refuses the latest join of the stack.
    fn refuse_join(&mut self) {
        let subflow = self.peer.subflows.len() - 1;
        let state = &mut self.peer.subflows[subflow];
        state.synchronized = true;
        state.acked = state.irs.wrapping_add(1);
        self.rst(subflow, []);
        self.clear();
    }
}
