//! Who listens where, what is half-open there, and what waits to be accepted.

use crate::base::config::ConnectionConfig;
use crate::base::error::ListenError;
use crate::base::id::{ConnectionId, ListenerId};
use crate::base::time::Instant;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

/// A listening address and port.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    pub(super) config: ConnectionConfig,
    /// Established and not yet accepted.
    pub(super) queue: VecDeque<ConnectionId>,
    /// Connections whose third packet is awaited.
    pub(super) half_open: usize,
    /// Cookies may come back until then; before the first there are none.
    pub(super) cookies_until: Option<Instant>,
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
    ) -> Result<ListenerId, ListenError> {
        if local.port() == 0 {
            return Err(ListenError::InvalidPort);
        }
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
    pub(super) fn is_full(&self, id: ListenerId, backlog: usize) -> bool {
        self.get(id)
            .is_some_and(|listener| listener.queue.len() >= backlog)
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
