//! Which addresses are told to the peer and which subflows are opened, behind a trait.

//!
//! | file | what |
//! |---|---|
//! | `addresses` | ours, with their ids |
//! | `remote` | those that the peer has announced |
//! | `attempts` | pairs on which something went wrong |
//! | `full_mesh` | the path manager that a connection has |

mod addresses;
mod attempts;
mod full_mesh;
mod remote;

pub use addresses::{AddressBook, LocalAddress};
pub use attempts::Attempts;
pub use full_mesh::FullMesh;
pub use remote::{Announced, RemoteAddress, RemoteAddresses};

use crate::base::id::AddressId;
use crate::base::time::Instant;
use core::fmt;
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// Something for the connection to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathAction {
    /// Open a subflow.
    Open {
        /// From this local address.
        local: IpAddr,
        /// To this remote one.
        remote: SocketAddr,
        /// The peer's id for the remote address.
        remote_id: AddressId,
    },
    /// Announce a local address with ADD_ADDR.
    Announce(IpAddr),
}

/// Actions, usually few.
pub type PathActions = SmallVec<[PathAction; 4]>;

/// A subflow as the path manager sees it: opened or being opened.
#[derive(Clone, Copy, Debug)]
pub struct PathInUse {
    /// Local address.
    pub local: IpAddr,
    /// Remote address and port, as we see them.
    pub remote: SocketAddr,
    /// The peer's id for the remote address.
    pub remote_id: AddressId,
    /// The peer opened it, so the port is any, and behind a NAT the address may be another than it
    /// knows: only the id tells.
    pub opened_by_peer: bool,
}

impl PathInUse {
    /// It joins a local address to a remote one.
    #[must_use]
    pub fn is_between(&self, local: IpAddr, remote: &RemoteAddress) -> bool {
        let by_id = self.opened_by_peer && self.remote_id == remote.id;
        self.local == local && (self.remote == remote.address || by_id)
    }
}

/// What a path manager looks at.
#[derive(Clone, Copy, Debug)]
pub struct PathView<'a> {
    /// The time.
    pub now: Instant,
    /// We started the connection.
    pub initiator: bool,
    /// The address of the initial subflow's remote end may not be joined (flag C).
    pub deny_join_initial: bool,
    /// Addresses of both sides.
    pub addresses: &'a AddressBook,
    /// What came of earlier attempts.
    pub attempts: &'a Attempts,
    /// Subflows that are not closed.
    pub in_use: &'a [PathInUse],
    /// Pairs of a local and a remote address on which the peer wants no subflow any more.
    pub prohibited: &'a [(IpAddr, SocketAddr)],
    /// Subflows the connection may have.
    pub max_subflows: usize,
    /// The peer has announced something a moment ago, and may go on: signals are sent a few at a
    /// time.
    pub more_may_come: bool,
}

/// Decides about paths. Called once the connection is confirmed, and whenever addresses or
/// subflows have changed since.
pub trait PathManager: fmt::Debug + Send {
    /// What to do now.
    fn update(&mut self, view: &PathView<'_>) -> PathActions;
}
