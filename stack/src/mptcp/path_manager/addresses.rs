//! The addresses of both hosts within one connection, with their ids (RFC 6824 §3.4).

use crate::base::id::AddressId;
use std::net::{IpAddr, SocketAddr};

/// One of our addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// Our id for it.
    pub id: AddressId,
    /// The address.
    pub address: IpAddr,
    /// ADD_ADDR was queued for it.
    pub announced: bool,
    /// Its interface is up.
    pub up: bool,
}

/// One of the peer's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    /// The peer's id for it.
    pub id: AddressId,
    /// Address and port to join.
    pub address: SocketAddr,
    /// A subflow to it failed; not tried again until announced again (RFC 6824 §3.4.1).
    pub failed: bool,
}

/// Addresses and ids. An id means one address for as long as it is known; id 0 is the address
/// of the initial subflow.
#[derive(Debug)]
pub struct AddressBook {
    local: Vec<LocalAddress>,
    remote: Vec<RemoteAddress>,
    next_local_id: u8,
}

/// Addresses a peer may announce; more are ignored.
const MAX_REMOTE: usize = 32;

impl AddressBook {
    /// Starts with the addresses of the initial subflow.
    #[must_use]
    pub fn new(local: IpAddr, remote: SocketAddr) -> Self {
        Self {
            local: vec![LocalAddress {
                id: AddressId::INITIAL,
                address: local,
                announced: true,
                up: true,
            }],
            remote: vec![RemoteAddress {
                id: AddressId::INITIAL,
                address: remote,
                failed: false,
            }],
            next_local_id: 1,
        }
    }

    /// Our addresses.
    #[must_use]
    pub fn local(&self) -> &[LocalAddress] {
        &self.local
    }

    /// The peer's addresses.
    #[must_use]
    pub fn remote(&self) -> &[RemoteAddress] {
        &self.remote
    }

    /// Adds one of our addresses; returns its id, or `None` if all ids are taken.
    pub fn add_local(&mut self, address: IpAddr) -> Option<AddressId> {
        if let Some(known) = self.local.iter_mut().find(|known| known.address == address) {
            known.up = true;
            return Some(known.id);
        }
        let free = (0..=u8::MAX)
            .map(|step| self.next_local_id.wrapping_add(step))
            .find(|&id| id != 0 && self.local.iter().all(|known| known.id.0 != id))?;
        self.next_local_id = free.wrapping_add(1);
        let id = AddressId(free);
        self.local.push(LocalAddress {
            id,
            address,
            announced: false,
            up: true,
        });
        Some(id)
    }

    /// Takes one of our addresses away; returns the id it had.
    pub fn remove_local(&mut self, address: IpAddr) -> Option<AddressId> {
        let index = self
            .local
            .iter()
            .position(|known| known.address == address)?;
        Some(self.local.remove(index).id)
    }

    /// Our id for an address.
    #[must_use]
    pub fn local_id(&self, address: IpAddr) -> Option<AddressId> {
        self.local
            .iter()
            .find(|known| known.address == address)
            .map(|known| known.id)
    }

    /// ADD_ADDR was queued for it.
    pub fn set_announced(&mut self, address: IpAddr) {
        if let Some(known) = self.local.iter_mut().find(|known| known.address == address) {
            known.announced = true;
        }
    }

    /// Its interface went up or down.
    pub fn set_local_up(&mut self, address: IpAddr, up: bool) {
        if let Some(known) = self.local.iter_mut().find(|known| known.address == address) {
            known.up = up;
        }
    }

    /// The peer announced an address. Returns true if that is news: a known id must keep its
    /// address (RFC 6824 §3.4.1), another one is ignored.
    pub fn announce_remote(&mut self, id: AddressId, address: SocketAddr) -> bool {
        if let Some(known) = self.remote.iter_mut().find(|known| known.id == id) {
            if known.address.ip() == address.ip() {
                known.failed = false;
            }
            return false;
        }
        let fits = self.remote.len() < MAX_REMOTE;
        if fits {
            self.remote.push(RemoteAddress {
                id,
                address,
                failed: false,
            });
        }
        fits
    }

    /// The peer withdrew an address. Unknown ids are ignored.
    pub fn withdraw_remote(&mut self, id: AddressId) {
        self.remote.retain(|known| known.id != id);
    }

    /// A subflow to this address could not be opened. The initial address is known to work.
    pub fn set_remote_failed_if_announced(&mut self, id: AddressId) {
        let announced = self
            .remote
            .iter_mut()
            .filter(|known| known.id != AddressId::INITIAL);
        if let Some(known) = announced.into_iter().find(|known| known.id == id) {
            known.failed = true;
        }
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

    #[test]
    fn local_ids_are_unique_and_stable() {
        let mut book = book();
        assert_eq!(book.add_local(ip(1)), Some(AddressId(0)));
        assert_eq!(book.add_local(ip(2)), Some(AddressId(1)));
        assert_eq!(book.add_local(ip(3)), Some(AddressId(2)));
        assert_eq!(book.add_local(ip(2)), Some(AddressId(1)));
        assert_eq!(book.remove_local(ip(2)), Some(AddressId(1)));
        assert_eq!(book.add_local(ip(4)), Some(AddressId(3)));
        assert_eq!(book.local_id(ip(2)), None);
    }

    #[test]
    fn a_known_id_keeps_its_address() {
        let mut book = book();
        assert!(book.announce_remote(AddressId(7), SocketAddr::new(ip(101), 80)));
        assert!(!book.announce_remote(AddressId(7), SocketAddr::new(ip(102), 80)));
        assert_eq!(book.remote()[1].address.ip(), ip(101));
        book.withdraw_remote(AddressId(7));
        assert!(book.announce_remote(AddressId(7), SocketAddr::new(ip(102), 80)));
    }

    #[test]
    fn announcements_are_bounded() {
        let mut book = book();
        for id in 1..=255 {
            book.announce_remote(AddressId(id), SocketAddr::new(ip(id), 80));
        }
        assert_eq!(book.remote().len(), MAX_REMOTE);
    }
}
