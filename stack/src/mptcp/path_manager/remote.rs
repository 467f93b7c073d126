//! The peer's addresses, as it announced them (RFC 6824 §3.4.1, RFC 8684 §3.4.1).
//!
//! Owns which id means which address. Where the peer's subflows really come from may be something
//! else, behind a NAT: that is what a subflow's own addresses say.

use crate::base::id::AddressId;
use std::net::SocketAddr;

/// One of the peer's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteAddress {
    /// The peer's id for it.
    pub id: AddressId,
    /// Address and port to join.
    pub address: SocketAddr,
    /// A subflow to it failed; not tried again until announced again (RFC 6824 §3.4.1).
    pub failed: bool,
    /// A subflow to it was established at some time, so it is the peer's.
    pub proven: bool,
}

/// What an announcement amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// An address that was not known.
    New,
    /// A known one, with another port (RFC 8684 §3.4.1: a reason to join it).
    AnotherPort,
    /// A known one that had failed: it may be tried again.
    Refreshed,
    /// Nothing new.
    Known,
    /// A known id with another address: ignored (RFC 6824 §3.4.1).
    AnotherAddress,
    /// More than are taken.
    TooMany,
}

/// The peer's addresses by id, few and bounded.
#[derive(Debug)]
pub struct RemoteAddresses {
    known: Vec<RemoteAddress>,
    initial: SocketAddr,
}

impl RemoteAddresses {
    /// Starts with the remote end of the initial subflow.
    #[must_use]
    pub fn new(initial: SocketAddr) -> Self {
        Self {
            known: vec![RemoteAddress {
                id: AddressId::INITIAL,
                address: initial,
                failed: false,
                proven: true,
            }],
            initial,
        }
    }

    /// All of them.
    #[must_use]
    pub fn known(&self) -> &[RemoteAddress] {
        &self.known
    }

    /// The remote end of the initial subflow.
    #[must_use]
    pub const fn initial(&self) -> SocketAddr {
        self.initial
    }

    /// The peer announced an address. `limit` is for those beside the initial one.
    pub fn announce(&mut self, id: AddressId, address: SocketAddr, limit: usize) -> Announced {
        let Some(known) = self.known.iter_mut().find(|known| known.id == id) else {
            let announced = self.known.iter().filter(|k| k.id != AddressId::INITIAL);
            if announced.count() >= limit {
                return Announced::TooMany;
            }
            self.known.push(RemoteAddress {
                id,
                address,
                failed: false,
                proven: false,
            });
            return Announced::New;
        };
        if known.address.ip() != address.ip() {
            return Announced::AnotherAddress;
        }
        if known.address != address {
            known.address = address;
            known.failed = false;
            known.proven = false;
            return Announced::AnotherPort;
        }
        if core::mem::take(&mut known.failed) {
            Announced::Refreshed
        } else {
            Announced::Known
        }
    }

    /// The peer withdrew an address. Returns false for an unknown id.
    pub fn withdraw(&mut self, id: AddressId) -> bool {
        let before = self.known.len();
        self.known.retain(|known| known.id != id);
        self.known.len() < before
    }

    /// A subflow to this address was established.
    pub fn set_proven(&mut self, address: SocketAddr) {
        for known in &mut self.known {
            if known.address == address {
                known.proven = true;
                known.failed = false;
            }
        }
    }

    /// A subflow to this address could not be opened. One that was announced and never worked may
    /// be somebody else's: true says that it is left alone until it is announced again
    /// (RFC 6824 §3.4.1).
    pub fn set_failed(&mut self, address: SocketAddr) -> bool {
        let mut unproven = self
            .known
            .iter_mut()
            .filter(|known| known.address == address && !known.proven)
            .peekable();
        let any = unproven.peek().is_some();
        unproven.for_each(|known| known.failed = true);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn end(last: u8, port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::from([10, 0, 0, last]), port)
    }

    fn remote() -> RemoteAddresses {
        RemoteAddresses::new(end(100, 80))
    }

    #[test]
    fn a_known_id_keeps_its_address() {
        let mut remote = remote();
        let id = AddressId(7);
        assert_eq!(remote.announce(id, end(101, 80), 8), Announced::New);
        assert_eq!(remote.announce(id, end(101, 80), 8), Announced::Known);
        let other = remote.announce(id, end(102, 80), 8);
        assert_eq!(other, Announced::AnotherAddress);
        assert_eq!(remote.known()[1].address, end(101, 80));
        let initial = remote.announce(AddressId::INITIAL, end(102, 80), 8);
        assert_eq!(initial, Announced::AnotherAddress);
        assert!(remote.withdraw(id));
        assert!(!remote.withdraw(id));
        assert_eq!(remote.announce(id, end(102, 80), 8), Announced::New);
    }

    #[test]
    fn another_port_is_news() {
        let mut remote = remote();
        let id = AddressId(7);
        remote.announce(id, end(101, 80), 8);
        assert!(remote.set_failed(end(101, 80)));
        assert_eq!(remote.announce(id, end(101, 81), 8), Announced::AnotherPort);
        assert!(!remote.known()[1].failed);
        assert_eq!(remote.known()[1].address, end(101, 81));
    }

    #[test]
    fn what_failed_may_be_tried_when_it_is_announced_again() {
        let mut remote = remote();
        let id = AddressId(7);
        remote.announce(id, end(101, 80), 8);
        assert!(remote.set_failed(end(101, 80)));
        assert!(remote.known()[1].failed);
        assert_eq!(remote.announce(id, end(101, 80), 8), Announced::Refreshed);
        assert!(!remote.known()[1].failed);
        // What has worked is the peer's, and so is the initial one.
        remote.set_proven(end(101, 80));
        assert!(!remote.set_failed(end(101, 80)));
        assert!(!remote.set_failed(end(100, 80)));
        assert!(!remote.known()[1].failed);
    }

    #[test]
    fn announcements_are_bounded() {
        let mut remote = remote();
        for last in 1..=255 {
            let news = remote.announce(AddressId(last), end(last, 80), 8);
            assert_eq!(news == Announced::New, last <= 8);
        }
        assert_eq!(remote.known().len(), 9);
        assert!(remote.withdraw(AddressId(3)));
        let news = remote.announce(AddressId(200), end(200, 80), 8);
        assert_eq!(news, Announced::New);
    }
}
