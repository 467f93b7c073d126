//! What a stack is set to, what it has counted, and what it remembers.
//!
//! The module owns these methods of the stack.

use super::Stack;
use std::io;
use std::net::IpAddr;
use umptcp_stack::{ConnectionConfig, EndpointStats, MptcpCounters, PeerKnowledge};

impl Stack {
    /// The settings that new sockets start with: those of [`ConnectionConfig::default`] and what
    /// sysctls have changed.
    #[must_use]
    pub fn default_config(&self) -> ConnectionConfig {
        self.handle.look(|state| {
            let defaults = state.system.defaults.clone();
            ConnectionConfig {
                mptcp: defaults.mptcp && state.system.enabled,
                ..defaults
            }
        })
    }

    /// Changes the settings that new sockets start with.
    pub fn set_default_config(&self, config: ConnectionConfig) {
        self.handle
            .command(|state, _| state.system.defaults = config);
    }

    /// The value of a setting by the name that Linux has for it, such as `net.mptcp.scheduler`.
    ///
    /// # Errors
    /// `NotFound` if there is none with this name, `NetworkDown` if the stack has stopped.
    pub fn sysctl(&self, name: &str) -> io::Result<String> {
        Ok(self.with_net(|net| net.sysctl(name))?)
    }

    /// Changes a setting by the name that Linux has for it: for new sockets, or for the whole stack.
    ///
    /// # Errors
    /// As for [`Net::set_sysctl`](crate::bsd::Net::set_sysctl), by their numbers; `NetworkDown` if the stack has stopped.
    pub fn set_sysctl(&self, name: &str, value: &str) -> io::Result<()> {
        Ok(self.with_net(|net| net.set_sysctl(name, value))?)
    }

    /// Counters of the whole stack.
    #[must_use]
    pub fn stats(&self) -> EndpointStats {
        self.handle.look(|state| state.endpoint.stats())
    }

    /// What happened to MPTCP, counted under the names of the Linux kernel's `MPTcpExt`.
    #[must_use]
    pub fn mptcp_counters(&self) -> MptcpCounters {
        self.handle.look(|state| state.endpoint.mptcp_counters())
    }

    /// What earlier connections have shown of other hosts: which versions they speak, and to which
    /// of them SYNs with MP_CAPABLE vanish.
    #[must_use]
    pub fn peer_memory(&self) -> PeerKnowledge {
        let now = self.handle.clock.now();
        self.handle.look(|state| state.endpoint.peer_memory(now))
    }

    /// Forgets what is remembered of a host: the next connection to it tries everything anew.
    pub fn forget_peer(&self, remote: IpAddr) {
        self.handle
            .command(|state, _| state.endpoint.forget_peer(remote));
    }

    /// Forgets what is remembered of all hosts.
    pub fn forget_peers(&self) {
        self.handle
            .command(|state, _| state.endpoint.forget_peers());
    }
}
