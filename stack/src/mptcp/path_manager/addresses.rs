//! The addresses of both hosts within one connection, with their ids (RFC 6824 §3.4).
//!
//! Owns our ids and what we have told of them. It never decides to tell or to use an address.

use super::remote::{Announced, RemoteAddress, RemoteAddresses};
use crate::base::id::AddressId;
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// One of our addresses, or a port of one that was announced for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// Our id for it.
    pub id: AddressId,
    /// The address.
    pub address: IpAddr,
    /// The port the peer is to join, if not that of the subflow that carries the announcement.
    pub port: Option<u16>,
    /// ADD_ADDR was queued for it, or the peer has met it otherwise.
    pub announced: bool,
    /// Its interface is up.
    pub up: bool,
}

/// Addresses and ids. An id means one address for as long as it is known; id 0 is the address
/// of the initial subflow.
#[derive(Debug)]
pub struct AddressBook {
    local: Vec<LocalAddress>,
    remote: RemoteAddresses,
    next_local_id: u8,
}

impl AddressBook {
    /// Starts with the addresses of the initial subflow.
    #[must_use]
    pub fn new(local: IpAddr, remote: SocketAddr) -> Self {
        Self {
            local: vec![LocalAddress {
                id: AddressId::INITIAL,
                address: local,
                port: None,
                announced: true,
                up: true,
            }],
            remote: RemoteAddresses::new(remote),
            next_local_id: 1,
        }
    }

    /// Our addresses.
    #[must_use]
    pub fn local(&self) -> &[LocalAddress] {
        &self.local
    }

    /// Our addresses as such, without the entries for ports.
    pub fn local_addresses(&self) -> impl Iterator<Item = &LocalAddress> {
        self.local.iter().filter(|known| known.port.is_none())
    }

    /// The peer's addresses.
    #[must_use]
    pub fn remote(&self) -> &[RemoteAddress] {
        self.remote.known()
    }

    /// The remote end of the initial subflow, whether it was withdrawn since or not.
    #[must_use]
    pub fn initial_remote(&self) -> SocketAddr {
        self.remote.initial()
    }

    /// Adds one of our addresses; returns its id, or `None` if all ids are taken.
    pub fn add_local(&mut self, address: IpAddr) -> Option<AddressId> {
        self.add(address, None)
    }

    /// Adds an address, or a port of one, that is to be announced for itself; returns its id, or
    /// `None` if all ids are taken.
    ///
    /// A port has an id of its own. Hosts tell addresses from each other by the id alone, so that
    /// of the address goes on meaning the address.
    pub fn add(&mut self, address: IpAddr, port: Option<u16>) -> Option<AddressId> {
        self.add_as(address, port, None)
    }

    /// The same, with an id that it should have if it is not known and that id is free.
    pub fn add_as(
        &mut self,
        address: IpAddr,
        port: Option<u16>,
        wanted: Option<AddressId>,
    ) -> Option<AddressId> {
        if let Some(known) = self.find_mut(address, port) {
            known.up = true;
            return Some(known.id);
        }
        // RFC 6824 §3.4: unique within the connection. They are given out in turn, so that one that
        // was withdrawn means nothing for as long as possible.
        let is_free = |&id: &u8| id != 0 && self.local.iter().all(|known| known.id.0 != id);
        let wanted = wanted.map(|id| id.0).filter(is_free);
        let free = wanted.or_else(|| {
            (0..=u8::MAX)
                .map(|step| self.next_local_id.wrapping_add(step))
                .find(is_free)
        })?;
        if wanted.is_none() {
            self.next_local_id = free.wrapping_add(1);
        }
        let id = AddressId(free);
        self.local.push(LocalAddress {
            id,
            address,
            port,
            announced: false,
            up: true,
        });
        Some(id)
    }

    /// The peer was told to join this address at this very port.
    #[must_use]
    pub fn is_announced(&self, end: SocketAddr) -> bool {
        self.is_told(end.ip(), Some(end.port()))
    }

    /// The peer was told of this address, or of this port of it.
    #[must_use]
    pub fn is_told(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.local
            .iter()
            .any(|known| known.announced && known.address == address && known.port == port)
    }

    /// Our id for the local end of a subflow: that of its port, if it was announced, or that of the
    /// address, which becomes known if it is not. `None` if all ids are taken.
    pub fn id_of_end(&mut self, local: SocketAddr) -> Option<AddressId> {
        match self.find_mut(local.ip(), Some(local.port())) {
            Some(known) => Some(known.id),
            None => self.add_local(local.ip()),
        }
    }

    /// Takes one of our addresses away with all its ports; returns the entries it had.
    pub fn remove_local(&mut self, address: IpAddr) -> SmallVec<[LocalAddress; 2]> {
        self.remove_where(|known| known.address == address)
    }

    /// Takes one entry away: an address as such, or a port of one.
    pub fn remove(&mut self, address: IpAddr, port: Option<u16>) -> Option<LocalAddress> {
        self.remove_where(|known| known.address == address && known.port == port)
            .pop()
    }

    fn remove_where(
        &mut self,
        matches: impl Fn(&LocalAddress) -> bool,
    ) -> SmallVec<[LocalAddress; 2]> {
        let removed = self.local.iter().copied().filter(&matches).collect();
        self.local.retain(|known| !matches(known));
        removed
    }

    /// It is known, and its interface is up.
    #[must_use]
    pub fn is_up(&self, address: IpAddr) -> bool {
        self.local_addresses()
            .any(|known| known.address == address && known.up)
    }

    /// Our id for an address.
    #[must_use]
    pub fn local_id(&self, address: IpAddr) -> Option<AddressId> {
        self.local_addresses()
            .find(|known| known.address == address)
            .map(|known| known.id)
    }

    /// ADD_ADDR was queued for it, or the peer need not be told.
    pub fn set_announced(&mut self, address: IpAddr) {
        if let Some(known) = self.find_mut(address, None) {
            known.announced = true;
        }
    }

    /// ADD_ADDR was queued for what has this id.
    pub fn set_id_announced(&mut self, id: AddressId) {
        if let Some(known) = self.local.iter_mut().find(|known| known.id == id) {
            known.announced = true;
        }
    }

    /// Its interface went up or down.
    pub fn set_local_up(&mut self, address: IpAddr, up: bool) {
        for known in &mut self.local {
            if known.address == address {
                known.up = up;
            }
        }
    }

    /// The peer announced an address; `limit` is how many it may have announced.
    pub fn announce_remote(
        &mut self,
        id: AddressId,
        address: SocketAddr,
        limit: usize,
    ) -> Announced {
        self.remote.announce(id, address, limit)
    }

    /// The peer withdrew an address. Returns false for an unknown id.
    pub fn withdraw_remote(&mut self, id: AddressId) -> bool {
        self.remote.withdraw(id)
    }

    /// A subflow to this address was established: it is the peer's without doubt.
    pub fn set_remote_proven(&mut self, address: SocketAddr) {
        self.remote.set_proven(address);
    }

    /// A subflow to this address could not be opened. Returns true if it must not be tried again
    /// before it is announced again (RFC 6824 §3.4.1).
    pub fn set_remote_failed(&mut self, address: SocketAddr) -> bool {
        self.remote.set_failed(address)
    }

    fn find_mut(&mut self, address: IpAddr, port: Option<u16>) -> Option<&mut LocalAddress> {
        self.local
            .iter_mut()
            .find(|known| known.address == address && known.port == port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn book() -> AddressBook {
        AddressBook::new(ip(1), SocketAddr::new(ip(100), 80))
    }

    /// Protocol statement 107.
    #[test]
    fn local_ids_are_unique_and_stable() {
        let mut book = book();
        assert_eq!(book.add_local(ip(1)), Some(AddressId(0)));
        assert_eq!(book.add_local(ip(2)), Some(AddressId(1)));
        assert_eq!(book.add_local(ip(3)), Some(AddressId(2)));
        assert_eq!(book.add_local(ip(2)), Some(AddressId(1)));
        assert_eq!(book.remove_local(ip(2))[0].id, AddressId(1));
        assert_eq!(book.add_local(ip(4)), Some(AddressId(3)));
        assert_eq!(book.local_id(ip(2)), None);
    }

    /// Protocol statement 107.
    #[test]
    fn an_id_is_given_again_only_when_it_was_taken_back() {
        let mut book = book();
        for last in 2..=255 {
            assert_eq!(book.add_local(ip(last)), Some(AddressId(last - 1)));
        }
        let more: IpAddr = [10, 0, 1, 1].into();
        assert_eq!(book.add_local(more), Some(AddressId(255)));
        let one_too_many: IpAddr = [10, 0, 1, 2].into();
        assert_eq!(book.add_local(one_too_many), None);
        book.remove_local(ip(1));
        assert_eq!(book.add_local(one_too_many), None, "0 is the initial one");
        book.remove_local(ip(8));
        assert_eq!(book.add_local(one_too_many), Some(AddressId(7)));
    }

    #[test]
    fn a_port_has_an_id_of_its_own() {
        let mut book = book();
        assert_eq!(book.add(ip(1), Some(8080)), Some(AddressId(1)));
        assert_eq!(book.local_id(ip(1)), Some(AddressId(0)));
        for (port, id) in [(8080, 1), (80, 0)] {
            let end = SocketAddr::new(ip(1), port);
            assert_eq!(book.id_of_end(end), Some(AddressId(id)));
        }
        let removed = book.remove(ip(1), Some(8080)).map(|known| known.id);
        assert_eq!(removed, Some(AddressId(1)));
        assert_eq!(book.local().len(), 1);
    }

    #[test]
    fn an_address_goes_with_its_ports() {
        let mut book = book();
        book.add_local(ip(2));
        book.add(ip(2), Some(1));
        let ids: Vec<u8> = book.remove_local(ip(2)).iter().map(|k| k.id.0).collect();
        assert_eq!(ids, [1, 2]);
        assert_eq!(book.local().len(), 1);
    }

    #[test]
    fn an_id_that_is_wanted_is_given_if_it_is_free() {
        let mut book = book();
        assert_eq!(
            book.add_as(ip(2), None, Some(AddressId(7))),
            Some(AddressId(7))
        );
        // What is known keeps its id.
        assert_eq!(
            book.add_as(ip(2), None, Some(AddressId(8))),
            Some(AddressId(7))
        );
        assert_eq!(
            book.add_as(ip(3), None, Some(AddressId(7))),
            Some(AddressId(1))
        );
        assert_eq!(
            book.add_as(ip(4), None, Some(AddressId(0))),
            Some(AddressId(2))
        );
        assert_eq!(book.add_as(ip(5), None, None), Some(AddressId(3)));
    }
}
