//! Our interfaces and the addresses they have.

use crate::base::config::InterfaceConfig;
use crate::base::id::InterfaceId;
use crate::mptcp::connection::Interfaces;
use std::net::IpAddr;

#[derive(Debug)]
struct Interface {
    config: InterfaceConfig,
    up: bool,
}

/// All interfaces with their addresses, in the order in which they were added.
#[derive(Debug, Default)]
pub(super) struct InterfaceTable {
    interfaces: Vec<Interface>,
    addresses: Vec<(IpAddr, InterfaceId)>,
}

impl InterfaceTable {
    pub(super) fn add(&mut self, config: InterfaceConfig) -> InterfaceId {
        self.interfaces.push(Interface { config, up: true });
        InterfaceId(u32::try_from(self.interfaces.len() - 1).unwrap_or(u32::MAX))
    }

    pub(super) fn ids(&self) -> Vec<InterfaceId> {
        (0..).map(InterfaceId).take(self.interfaces.len()).collect()
    }

    /// Returns false if there is no such interface.
    pub(super) fn add_address(&mut self, interface: InterfaceId, address: IpAddr) -> bool {
        let exists = interface.index() < self.interfaces.len();
        if exists {
            self.addresses.retain(|&(known, _)| known != address);
            self.addresses.push((address, interface));
        }
        exists
    }

    pub(super) fn remove_address(&mut self, address: IpAddr) {
        self.addresses.retain(|&(known, _)| known != address);
    }

    pub(super) fn set_up(&mut self, interface: InterfaceId, up: bool) {
        if let Some(interface) = self.interfaces.get_mut(interface.index()) {
            interface.up = up;
        }
    }

    /// The addresses of one.
    pub(super) fn addresses_of(&self, interface: InterfaceId) -> Vec<IpAddr> {
        let of = |(address, id): &(IpAddr, InterfaceId)| (*id == interface).then_some(*address);
        self.addresses.iter().filter_map(of).collect()
    }

    /// The interface that has an address.
    pub(super) fn of(&self, address: IpAddr) -> Option<InterfaceId> {
        self.addresses
            .iter()
            .find(|(known, _)| *known == address)
            .map(|&(_, interface)| interface)
    }

    /// Addresses of interfaces that are up.
    pub(super) fn usable(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses
            .iter()
            .filter(|(_, id)| self.is_up(*id))
            .map(|&(address, _)| address)
    }

    fn is_up(&self, interface: InterfaceId) -> bool {
        self.interfaces
            .get(interface.index())
            .is_some_and(|interface| interface.up)
    }
}

impl Interfaces for InterfaceTable {
    fn capabilities(&self, id: InterfaceId) -> InterfaceConfig {
        self.interfaces
            .get(id.index())
            .map_or_else(InterfaceConfig::default, |i| i.config)
    }
}
