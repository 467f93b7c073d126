//! Paths inside the process, for where TUN devices are not to be had.

use super::{AddressPlan, Interfaces, MTU};
use umptcp::{LinkSwitch, MemoryDevice};

/// Paths of which each is a pair of queues.
#[derive(Debug)]
pub struct MemoryPaths {
    switches: Vec<LinkSwitch>,
}

impl MemoryPaths {
    /// Makes a client and a server with one device each for each path of `plan`.
    #[must_use]
    pub fn between_stacks(
        plan: AddressPlan,
    ) -> (Self, Interfaces<MemoryDevice>, Interfaces<MemoryDevice>) {
        let (mut switches, mut clients, mut servers) = (Vec::new(), Vec::new(), Vec::new());
        for path in 0..plan.paths() {
            let (client, server) = MemoryDevice::pair(MTU);
            switches.push(client.switch());
            clients.push((client, plan.client(path)));
            servers.push((server, plan.server(path)));
        }
        (Self { switches }, clients, servers)
    }

    /// Takes a path down, if there is one of that number.
    pub fn cut(&self, path: usize) {
        if let Some(switch) = self.switches.get(path) {
            switch.set_up(false);
        }
    }
}
