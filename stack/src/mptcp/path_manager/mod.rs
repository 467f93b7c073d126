//! Which addresses are told to the peer and which subflows are opened, behind a trait.

mod addresses;
mod full_mesh;

pub use addresses::{AddressBook, LocalAddress, RemoteAddress};
pub use full_mesh::FullMesh;

use crate::base::id::AddressId;
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
    /// Remote address and port.
    pub remote: SocketAddr,
}

/// What a path manager looks at.
#[derive(Clone, Copy, Debug)]
pub struct PathView<'a> {
    /// We started the connection.
    pub initiator: bool,
    /// The address of the initial subflow's remote end may not be joined (flag C).
    pub deny_join_initial: bool,
    /// Addresses of both sides.
    pub addresses: &'a AddressBook,
    /// Subflows that are not closed.
    pub in_use: &'a [PathInUse],
    /// Pairs of a local and a remote address on which the peer wants no subflow any more.
    pub prohibited: &'a [(IpAddr, SocketAddr)],
    /// Subflows the connection may have.
    pub max_subflows: usize,
}

/// Decides about paths. Called once the connection is confirmed, and whenever addresses or
/// subflows have changed since.
pub trait PathManager: fmt::Debug + Send {
    /// What to do now.
    fn update(&mut self, view: &PathView<'_>) -> PathActions;
}
