//! Which addresses are told to the peer and which subflows are opened, behind a trait.
//!
//! | file | what |
//! |---|---|
//! | `addresses` | ours, with their ids |
//! | `remote` | those that the peer has announced |
//! | `attempts` | pairs on which something went wrong |
//! | `full_mesh` | every address with every other: what a connection has by default |
//! | `passive` | nothing |
//! | `ndiffports` | several subflows over one pair of addresses |
//! | `endpoints` | what the endpoints of the host say |

mod addresses;
mod attempts;
mod endpoints;
mod full_mesh;
mod ndiffports;
mod passive;
mod remote;

pub use addresses::{AddressBook, LocalAddress};
pub use attempts::Attempts;
pub use endpoints::Endpoints;
pub use full_mesh::FullMesh;
pub use ndiffports::NDiffPorts;
pub use passive::Passive;
pub use remote::{Announced, RemoteAddress, RemoteAddresses};

use crate::base::id::AddressId;
use crate::base::path_endpoint::PathEndpoints;
use crate::base::policy::PathManagerKind;
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
        /// As a backup.
        backup: bool,
    },
    /// Announce a local address, or a port of it, with ADD_ADDR.
    Announce {
        /// The address.
        address: IpAddr,
        /// The port to join, if not that of the connection.
        port: Option<u16>,
    },
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
    /// We are opening it.
    pub joining: bool,
}

impl PathInUse {
    /// It leads to a remote address.
    #[must_use]
    pub fn leads_to(&self, remote: &RemoteAddress) -> bool {
        let by_id = self.opened_by_peer && self.remote_id == remote.id;
        self.remote == remote.address || by_id
    }

    /// It joins a local address to a remote one.
    #[must_use]
    pub fn is_between(&self, local: IpAddr, remote: &RemoteAddress) -> bool {
        self.local == local && self.leads_to(remote)
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
    /// The local address of the initial subflow.
    pub initial_local: IpAddr,
    /// Addresses of both sides.
    pub addresses: &'a AddressBook,
    /// The endpoints of the host.
    pub endpoints: &'a PathEndpoints,
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
    /// The connection is fully established: a subflow can be opened.
    pub may_open: bool,
    /// The peer has not confirmed what was announced to it (version 1).
    pub awaiting_echo: bool,
}

impl PathView<'_> {
    /// Nothing is known that speaks against a subflow from here to there.
    #[must_use]
    pub fn may_try(&self, local: IpAddr, remote: &RemoteAddress) -> bool {
        // RFC 8684 §3.1, flag C: that address and port, under whatever id it is announced.
        let denied = self.deny_join_initial && remote.address == self.addresses.initial_remote();
        let prohibited = self.prohibited.contains(&(local, remote.address));
        !denied
            && !prohibited
            && !remote.failed
            && local.is_ipv4() == remote.address.is_ipv4()
            && self.attempts.allows(self.now, local, remote.address)
    }

    /// The same, and there is none yet.
    #[must_use]
    pub fn is_wanted(&self, local: IpAddr, remote: &RemoteAddress) -> bool {
        let used = self
            .in_use
            .iter()
            .any(|path| path.is_between(local, remote));
        !used && self.may_try(local, remote)
    }
}

/// Decides about paths. Called once the connection is confirmed, and whenever addresses or
/// subflows have changed since.
pub trait PathManager: fmt::Debug + Send {
    /// What to do now.
    fn update(&mut self, view: &PathView<'_>) -> PathActions;
}

/// A path manager of this kind.
#[must_use]
pub fn path_manager(kind: PathManagerKind) -> Box<dyn PathManager> {
    match kind {
        PathManagerKind::FullMesh => Box::new(FullMesh),
        PathManagerKind::Passive => Box::new(Passive),
        PathManagerKind::NDiffPorts { subflows } => Box::new(NDiffPorts { subflows }),
        PathManagerKind::Endpoints => Box::new(Endpoints),
    }
}
