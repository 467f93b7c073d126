//! Endpoints of the host for the path manager that follows them, as Linux has them: addresses with
//! an id and what they are for, and the limits of each connection.
//!
//! Owns the values, and what may be asked of them. The table is the endpoint's, the rules are those
//! of `mptcp::path_manager`.

use super::id::InterfaceId;
use std::net::IpAddr;
use thiserror::Error;

/// Endpoints a host has at most, and the most that each limit may be (Linux: 8).
pub const MAX_PATH_ENDPOINTS: usize = 8;
/// The same as a limit.
const MAX_LIMIT: u8 = 8;

/// What an endpoint is for. One without any of `signal`, `subflow` and `fullmesh` makes nothing
/// happen by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathEndpointFlags {
    /// Announced to the peer (ADD_ADDR).
    pub signal: bool,
    /// A subflow is opened from it to the address of the peer's end of the initial subflow.
    pub subflow: bool,
    /// Its subflows are backups: the peer is asked so, and low priority here.
    pub backup: bool,
    /// With `subflow`: subflows are opened from it to every known address of the peer.
    pub fullmesh: bool,
    /// It is used once, towards an address that the peer has announced.
    pub laminar: bool,
    /// Made by the stack because a subflow uses an address of which the table says nothing.
    pub implicit: bool,
}

/// An address that the path manager may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathEndpoint {
    /// Its id, which is also that of the address in new connections; 0 asks for the next one.
    pub id: u8,
    /// The address.
    pub address: IpAddr,
    /// The port that is announced, if not that of the connection.
    pub port: Option<u16>,
    /// The interface that the address must be on for subflows to be opened from it.
    pub interface: Option<InterfaceId>,
    /// What it is for.
    pub flags: PathEndpointFlags,
}

impl PathEndpoint {
    /// It is for this address, and for this port if it has one.
    #[must_use]
    pub fn is_for(&self, address: IpAddr, port: Option<u16>) -> bool {
        self.address == address && self.port == port
    }

    /// Whether it can be at all.
    ///
    /// # Errors
    /// See [`InvalidPathEndpoint`].
    pub const fn check(&self) -> Result<(), InvalidPathEndpoint> {
        let flags = self.flags;
        if self.address.is_unspecified() || self.address.is_multicast() {
            return Err(InvalidPathEndpoint::Address);
        }
        match self.port {
            Some(0) => return Err(InvalidPathEndpoint::PortZero),
            Some(_) if !flags.signal => return Err(InvalidPathEndpoint::PortWithoutSignal),
            Some(_) if flags.subflow => return Err(InvalidPathEndpoint::PortWithSubflow),
            Some(_) | None => {}
        }
        if flags.signal && flags.fullmesh {
            return Err(InvalidPathEndpoint::SignalWithFullMesh);
        }
        if flags.implicit {
            return Err(InvalidPathEndpoint::Implicit);
        }
        Ok(())
    }
}

/// What each connection may have beside its initial subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathLimits {
    /// Further subflows, whoever opens them.
    pub extra_subflows: u8,
    /// Addresses of the peer that are taken from its announcements.
    pub add_addr_accepted: u8,
}

impl PathLimits {
    /// Whether they are within bounds.
    ///
    /// # Errors
    /// One of them is too high.
    pub const fn check(self) -> Result<(), PathEndpointError> {
        if self.extra_subflows > MAX_LIMIT {
            return Err(PathEndpointError::LimitTooHigh(self.extra_subflows));
        }
        if self.add_addr_accepted > MAX_LIMIT {
            return Err(PathEndpointError::LimitTooHigh(self.add_addr_accepted));
        }
        Ok(())
    }
}

impl Default for PathLimits {
    fn default() -> Self {
        // As Linux.
        Self {
            extra_subflows: 2,
            add_addr_accepted: 0,
        }
    }
}

/// The endpoints of a host with the limits: what connections look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathEndpoints {
    /// In the order of addition, at most [`MAX_PATH_ENDPOINTS`].
    pub endpoints: Vec<PathEndpoint>,
    /// The limits.
    pub limits: PathLimits,
}

impl PathEndpoints {
    /// The endpoint for an address, at this very port if one is given.
    #[must_use]
    pub fn find(&self, address: IpAddr, port: Option<u16>) -> Option<&PathEndpoint> {
        self.endpoints
            .iter()
            .find(|known| known.is_for(address, port))
    }
}

/// Which endpoint is meant: by its id, or else by its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathEndpointKey {
    /// Its id; `None` or 0 goes by the address. Removing id 0 with an address closes the initial
    /// subflows from that address.
    pub id: Option<u8>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
}

/// Why an endpoint cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidPathEndpoint {
    /// It is no address of a host.
    #[error("it is no address of a host")]
    Address,
    /// Port 0.
    #[error("port 0")]
    PortZero,
    /// Only what is announced has a port.
    #[error("a port needs `signal`")]
    PortWithoutSignal,
    /// What has a port is only announced.
    #[error("a port does not go with `subflow`")]
    PortWithSubflow,
    /// What is announced is joined by the peer.
    #[error("`signal` does not go with `fullmesh`")]
    SignalWithFullMesh,
    /// Only the stack makes those.
    #[error("`implicit` is for the stack to set")]
    Implicit,
    /// `fullmesh` for an endpoint that is `signal` or `implicit`.
    #[error("`fullmesh` does not go with an endpoint that is `signal` or `implicit`")]
    FullMeshNotPossible,
}

/// Why an operation on the endpoints of the host failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PathEndpointError {
    /// There are [`MAX_PATH_ENDPOINTS`] already.
    #[error("there are as many endpoints as there may be")]
    Full,
    /// Another endpoint has this id.
    #[error("id {0} is in use")]
    IdInUse(u8),
    /// There is one for this address and port.
    #[error("there is an endpoint for {0} already")]
    Exists(IpAddr),
    /// It makes no sense.
    #[error("not possible: {0}")]
    Invalid(#[from] InvalidPathEndpoint),
    /// There is none like this.
    #[error("no such endpoint")]
    NotFound,
    /// Neither an id nor an address says which.
    #[error("neither an id nor an address says which endpoint")]
    NeitherIdNorAddress,
    /// A limit is more than [`MAX_PATH_ENDPOINTS`].
    #[error("{0} is more than a limit may be")]
    LimitTooHigh(u8),
}
