//! Which subflow a segment belongs to, and which connection a token names.

use crate::base::id::{ConnectionId, SubflowId};
use crate::base::rng::SeededRng;
use crate::wire::mptcp_option::Token;
use crate::wire::packet::FourTuple;
use core::hash::{BuildHasher, Hash, Hasher};
use siphasher::sip::SipHasher13;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};

/// Tables keyed by a secret, so that nobody outside can make entries collide.
#[derive(Debug)]
pub(super) struct Demux {
    subflows: HashMap<Key, (ConnectionId, SubflowId), Keyed>,
    tokens: HashMap<Token, TokenUse, Keyed>,
    /// First and last ephemeral port.
    ephemeral: (u16, u16),
    /// Ephemeral ports in use between an address of ours and a destination.
    ports_in_use: HashMap<(IpAddr, SocketAddr), u32, Keyed>,
}

impl Demux {
    pub(super) fn new(rng: &mut SeededRng, ephemeral: (u16, u16)) -> Self {
        let keyed = Keyed(rng.next_key());
        Self {
            subflows: HashMap::with_hasher(keyed),
            tokens: HashMap::with_hasher(keyed),
            ephemeral,
            ports_in_use: HashMap::with_hasher(keyed),
        }
    }

    pub(super) fn subflow(&self, tuple: &FourTuple) -> Option<(ConnectionId, SubflowId)> {
        self.subflows.get(&Key(*tuple)).copied()
    }

    pub(super) fn insert(
        &mut self,
        tuple: FourTuple,
        connection: ConnectionId,
        subflow: SubflowId,
    ) {
        let before = self.subflows.insert(Key(tuple), (connection, subflow));
        if before.is_none() && self.is_ephemeral(&tuple) {
            *self.ports_in_use.entry(destination(&tuple)).or_default() += 1;
        }
    }

    /// Ephemeral ports in use between an address of ours and a destination: whether there is a
    /// free one must not take a search.
    pub(super) fn ports_in_use(&self, local: IpAddr, remote: SocketAddr) -> u32 {
        let count = self.ports_in_use.get(&(local, remote));
        count.copied().unwrap_or(0)
    }

    fn is_ephemeral(&self, tuple: &FourTuple) -> bool {
        (self.ephemeral.0..=self.ephemeral.1).contains(&tuple.local.port())
    }

    /// Removes an entry, if it still belongs to this subflow.
    pub(super) fn remove(
        &mut self,
        tuple: FourTuple,
        connection: ConnectionId,
        subflow: SubflowId,
    ) {
        if self.subflow(&tuple) == Some((connection, subflow)) {
            self.subflows.remove(&Key(tuple));
            if self.is_ephemeral(&tuple)
                && let Entry::Occupied(mut count) = self.ports_in_use.entry(destination(&tuple))
            {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }

    /// The connection that can be joined by this token.
    pub(super) fn token(&self, token: Token) -> Option<ConnectionId> {
        let known = self.tokens.get(&token)?;
        known.open.then_some(known.connection)
    }

    /// The token is that of a connection: half-open, established, or closing.
    pub(super) fn is_token_taken(&self, token: Token) -> bool {
        self.tokens.contains_key(&token)
    }

    pub(super) fn insert_token(&mut self, token: Token, connection: ConnectionId) {
        let open = true;
        self.tokens.insert(token, TokenUse { connection, open });
    }

    /// Nobody can join by it any more.
    pub(super) fn close_token(&mut self, token: Token, connection: ConnectionId) {
        if let Some(known) = self.tokens.get_mut(&token)
            && known.connection == connection
        {
            known.open = false;
        }
    }

    pub(super) fn remove_token(&mut self, token: Token, connection: ConnectionId) {
        if let Entry::Occupied(known) = self.tokens.entry(token)
            && known.get().connection == connection
        {
            known.remove();
        }
    }
}

/// Whose a token is.
#[derive(Clone, Copy, Debug)]
struct TokenUse {
    connection: ConnectionId,
    /// The connection has not ended.
    open: bool,
}

const fn destination(tuple: &FourTuple) -> (IpAddr, SocketAddr) {
    (tuple.local.ip(), tuple.remote)
}

/// A four-tuple that is hashed in one piece: it is looked up for every packet.
#[derive(Debug, PartialEq, Eq)]
struct Key(FourTuple);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        write_tuple(state, &self.0);
    }
}

/// Feeds a four-tuple to a hasher: 12 bytes for IPv4, 36 for IPv6.
pub(super) fn write_tuple(hasher: &mut impl Hasher, tuple: &FourTuple) {
    let mut bytes = [0; 36];
    let local = write_address(&mut bytes, tuple.local);
    let remote = write_address(&mut bytes[local..], tuple.remote);
    hasher.write(&bytes[..local + remote]);
}

fn write_address(out: &mut [u8], address: SocketAddr) -> usize {
    let len = match address.ip() {
        IpAddr::V4(ip) => {
            out[..4].copy_from_slice(&ip.octets());
            4
        }
        IpAddr::V6(ip) => {
            out[..16].copy_from_slice(&ip.octets());
            16
        }
    };
    out[len..len + 2].copy_from_slice(&address.port().to_be_bytes());
    len + 2
}

#[derive(Clone, Copy)]
struct Keyed([u8; 16]);

impl core::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Keyed(..)")
    }
}

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;
    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}
