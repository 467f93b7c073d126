//! Who listens where, what is half-open there, and what waits to be accepted.

use crate::base::config::ConnectionConfig;
use crate::base::error::ListenError;
use crate::base::id::{ConnectionId, ListenerId};
use crate::base::time::Instant;
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

/// A listening address and port.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    pub(super) config: ConnectionConfig,
    /// Most connections that wait to be accepted; at least one.
    backlog: usize,
    /// Established and not yet accepted.
    pub(super) queue: VecDeque<ConnectionId>,
    /// Connections whose third packet is awaited.
    pub(super) half_open: usize,
    /// Cookies may come back until then; before the first there are none.
    pub(super) cookies_until: Option<Instant>,
}

impl Listener {
    /// As many connections wait to be accepted as may.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= self.backlog
    }

    pub(super) const fn backlog(&self) -> usize {
        self.backlog
    }

    /// With none, no connection would ever be made: 0 counts as 1, as `listen` of Linux has it.
    pub(super) fn set_backlog(&mut self, backlog: usize) {
        self.backlog = backlog.max(1);
    }
}

/// All listeners.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_address: HashMap<SocketAddr, ListenerId>,
    listeners: HashMap<ListenerId, Listener>,
    next: u32,
}

impl Listeners {
    pub(super) fn add(
        &mut self,
        local: SocketAddr,
        config: ConnectionConfig,
        backlog: usize,
    ) -> Result<ListenerId, ListenError> {
        if self.by_address.contains_key(&local) {
            return Err(ListenError::AddressInUse(local));
        }
        let id = ListenerId(self.next);
        self.next += 1;
        self.by_address.insert(local, id);
        self.listeners.insert(
            id,
            Listener {
                local,
                config,
                backlog: backlog.max(1),
                queue: VecDeque::new(),
                half_open: 0,
                cookies_until: None,
            },
        );
        Ok(id)
    }

    pub(super) fn remove(&mut self, id: ListenerId) -> Option<Listener> {
        let listener = self.listeners.remove(&id)?;
        self.by_address.remove(&listener.local);
        Some(listener)
    }

    pub(super) fn get(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: ListenerId) -> Option<&mut Listener> {
        self.listeners.get_mut(&id)
    }

    /// All of them, in the order of creation.
    pub(super) fn all(&self) -> Vec<(ListenerId, SocketAddr)> {
        let listeners = self.listeners.iter();
        let mut all: Vec<_> = listeners.map(|(&id, known)| (id, known.local)).collect();
        all.sort_unstable_by_key(|&(id, _)| id);
        all
    }

    /// As many connections wait to be accepted as may.
    pub(super) fn is_full(&self, id: ListenerId) -> bool {
        self.get(id).is_some_and(Listener::is_full)
    }

    /// A port of the range, both ends included, at which nobody listens who would share
    /// connections with `address`; the search starts at `start` ports into the range.
    pub(super) fn free_port(
        &self,
        address: IpAddr,
        (first, last): (u16, u16),
        start: u32,
    ) -> Option<u16> {
        let taken: HashSet<u16> = self
            .by_address
            .keys()
            .filter(|known| known.is_ipv4() == address.is_ipv4())
            .filter(|known| {
                let both_special = !known.ip().is_unspecified() && !address.is_unspecified();
                known.ip() == address || !both_special
            })
            .map(SocketAddr::port)
            .collect();
        let (first, last) = (first.max(1), last.max(1));
        let count = u32::from(last.saturating_sub(first)) + 1;
        (0..count)
            .map(|step| u32::from(first) + (start % count + step) % count)
            .filter_map(|port| u16::try_from(port).ok())
            .find(|port| !taken.contains(port))
    }

    /// Who listens at an address of ours: exactly there, or at any address.
    pub(super) fn at(&self, local: SocketAddr) -> Option<ListenerId> {
        let any: SocketAddr = match local {
            SocketAddr::V4(_) => ([0, 0, 0, 0], local.port()).into(),
            SocketAddr::V6(_) => ([0_u16; 8], local.port()).into(),
        };
        self.by_address
            .get(&local)
            .or_else(|| self.by_address.get(&any))
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners(at: &[&str]) -> Listeners {
        let mut listeners = Listeners::default();
        for local in at {
            let local = local.parse().unwrap();
            listeners
                .add(local, ConnectionConfig::default(), 1)
                .unwrap();
        }
        listeners
    }

    #[test]
    fn a_free_port_is_one_that_nobody_shares() {
        let listeners = listeners(&["10.0.0.1:50", "0.0.0.0:51", "[::]:52"]);
        let free = |address: &str, range, start| {
            listeners.free_port(address.parse().unwrap(), range, start)
        };
        assert_eq!(free("10.0.0.1", (50, 51), 0), None);
        assert_eq!(free("10.0.0.1", (50, 52), 0), Some(52), "the other family");
        assert_eq!(free("10.0.0.2", (50, 51), 1), Some(50), "another address");
        assert_eq!(free("0.0.0.0", (50, 51), 0), None, "every address");
        assert_eq!(free("::1", (50, 52), 2), Some(50), "the search goes round");
        assert_eq!(free("10.0.0.2", (0, 0), 7), Some(1), "never port 0");
    }

    #[test]
    fn a_backlog_of_nothing_is_one() {
        let mut listeners = listeners(&["10.0.0.1:50"]);
        let id = listeners.at("10.0.0.1:50".parse().unwrap()).unwrap();
        listeners.get_mut(id).unwrap().set_backlog(0);
        assert!(!listeners.is_full(id));
        let waiting = ConnectionId {
            slot: 0,
            generation: 0,
        };
        listeners.get_mut(id).unwrap().queue.push_back(waiting);
        assert!(listeners.is_full(id));
    }
}
