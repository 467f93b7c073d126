//! Addresses and priorities, as the application rules them: what the path manager does by itself
//! can be done by hand.

use super::Endpoint;
use crate::base::error::{AddressError, SubflowError};
use crate::base::id::{ConnectionId, InterfaceId};
use crate::base::time::Instant;
use crate::mptcp::path_manager::{LocalAddress, RemoteAddress};
use std::net::IpAddr;

/// What the application wants to be announced to every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    address: IpAddr,
    port: Option<u16>,
}

impl Endpoint {
    /// Announces an address of ours to the peer of a connection (ADD_ADDR), or to the peers of all
    /// connections, now and in future. `port` is where the peer is to join, if that is not the port
    /// of the initial subflow; nobody has to listen there. What was announced before is announced
    /// again: a peer whose joins failed may try once more.
    ///
    /// # Errors
    /// There is no such connection or no such address, or the connection cannot announce anything.
    pub fn announce_address(
        &mut self,
        now: Instant,
        connection: Option<ConnectionId>,
        address: IpAddr,
        port: Option<u16>,
    ) -> Result<(), AddressError> {
        if self.interfaces.of(address).is_none() || port == Some(0) {
            return Err(AddressError::UnknownAddress(address));
        }
        if let Some(id) = connection {
            return self
                .change(now, id, |connection| {
                    connection.announce_address(now, address, port)
                })
                .ok_or(AddressError::UnknownConnection)?
                .then_some(())
                .ok_or(AddressError::NotPossible);
        }
        let announced = Announced { address, port };
        if !self.announced.contains(&announced) {
            self.announced.push(announced);
        }
        self.for_each_connection(now, |entry| {
            // Not all of them are MPTCP.
            entry.connection.announce_address(now, address, port);
        });
        Ok(())
    }

    /// Takes an announcement back (REMOVE_ADDR), from one peer or from all. Subflows of ours on that
    /// address, or on that port if one is given, end with it; a subflow that works and is merely not
    /// wanted is better closed.
    ///
    /// # Errors
    /// There is no such connection, or it does not know the address.
    pub fn withdraw_address(
        &mut self,
        now: Instant,
        connection: Option<ConnectionId>,
        address: IpAddr,
        port: Option<u16>,
    ) -> Result<(), AddressError> {
        if let Some(id) = connection {
            return self
                .change(now, id, |connection| {
                    connection.withdraw_address(now, address, port)
                })
                .ok_or(AddressError::UnknownConnection)?
                .then_some(())
                .ok_or(AddressError::UnknownAddress(address));
        }
        self.announced
            .retain(|announced| *announced != Announced { address, port });
        self.for_each_connection(now, |entry| {
            // Those that do not know it have nothing to take back.
            entry.connection.withdraw_address(now, address, port);
        });
        Ok(())
    }

    /// Tells a new connection of what is announced to all.
    pub(super) fn announce_to(&mut self, now: Instant, id: ConnectionId) {
        if self.announced.is_empty() {
            return;
        }
        let announced = self.announced.clone();
        if let Some(entry) = self.connections.get_mut(id) {
            for Announced { address, port } in announced {
                entry.connection.announce_address(now, address, port);
            }
        }
    }

    /// Asks the peer to treat all subflows on one of our addresses as backup or as regular
    /// (MP_PRIO), as [`Self::set_backup`] does for one. In version 0 that is told on any subflow, so
    /// it works for a path that is dead as well.
    ///
    /// # Errors
    /// There is no such connection, or no established subflow on that address.
    pub fn set_address_backup(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        address: IpAddr,
        backup: bool,
    ) -> Result<(), SubflowError> {
        self.change(now, connection, |connection| {
            connection.set_address_backup(address, backup)
        })
        .ok_or(SubflowError::UnknownConnection)?
        .then_some(())
        .ok_or(SubflowError::UnknownSubflow)
    }

    /// An interface of ours has this address.
    #[must_use]
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.interfaces.of(address).is_some()
    }

    /// The addresses of an interface, in the order in which it got them.
    #[must_use]
    pub fn addresses_of(&self, interface: InterfaceId) -> Vec<IpAddr> {
        self.interfaces.addresses_of(interface)
    }

    /// Our addresses within a connection, with the ids the peer knows them by.
    #[must_use]
    pub fn local_addresses(&self, connection: ConnectionId) -> Vec<LocalAddress> {
        let entry = self.connections.get(connection);
        entry.map_or_else(Vec::new, |entry| entry.connection.local_addresses().into())
    }

    /// The peer's addresses within a connection, as it announced them. Its subflows may come from
    /// others, behind a NAT: [`Self::subflows`] has what we see, and the ids tell which is which.
    #[must_use]
    pub fn remote_addresses(&self, connection: ConnectionId) -> Vec<RemoteAddress> {
        let entry = self.connections.get(connection);
        entry.map_or_else(Vec::new, |entry| entry.connection.remote_addresses().into())
    }
}
