//! The endpoints of the host: addresses with ids, flags and limits, as `ip mptcp` knows them.
//!
//! Owns the table and the ids. What a connection makes of it is for the path manager `Endpoints` to
//! say; connections with another one never look at it.

use super::Endpoint;
use crate::base::path_endpoint::{
    InvalidPathEndpoint, MAX_PATH_ENDPOINTS, PathEndpoint, PathEndpointError, PathEndpointFlags,
    PathEndpointKey, PathEndpoints, PathLimits,
};
use crate::base::policy::PathManagerKind;
use crate::base::time::Instant;
use crate::mptcp::connection::Connection;
use std::net::IpAddr;
use std::sync::Arc;

/// The table, shared with the connections.
#[derive(Debug, Default)]
pub(super) struct PathEndpointTable {
    shared: Arc<PathEndpoints>,
    /// The highest id that was given, 0 before the first.
    last_id: u8,
}

impl PathEndpointTable {
    pub(super) fn shared(&self) -> Arc<PathEndpoints> {
        Arc::clone(&self.shared)
    }

    /// Enters an endpoint; gives its id.
    fn add(&mut self, wanted: PathEndpoint) -> Result<u8, PathEndpointError> {
        let table = &self.shared.endpoints;
        // The order of these is that of Linux.
        if table.len() >= MAX_PATH_ENDPOINTS {
            return Err(PathEndpointError::Full);
        }
        if wanted.id != 0 && self.has_id(wanted.id) {
            return Err(PathEndpointError::IdInUse(wanted.id));
        }
        let same = self.shared.find(wanted.address, wanted.port).copied();
        let replaceable = same.is_none_or(|same| same.flags.implicit && wanted.id == 0);
        if !replaceable {
            return Err(PathEndpointError::Exists(wanted.address));
        }
        let id = match (wanted.id, same) {
            // What takes the place of an implicit one goes on with its id.
            (0, Some(implicit)) => implicit.id,
            (0, None) => self.next_id().ok_or(PathEndpointError::Full)?,
            (id, _) => id,
        };
        self.last_id = self.last_id.max(id);
        let table = Arc::make_mut(&mut self.shared);
        table.endpoints.retain(|known| known.id != id);
        table.endpoints.push(PathEndpoint { id, ..wanted });
        Ok(id)
    }

    fn has_id(&self, id: u8) -> bool {
        self.shared.endpoints.iter().any(|known| known.id == id)
    }

    /// Ids are given in rising order from the last one on, and from 1 again after 255.
    fn next_id(&self) -> Option<u8> {
        let last = self.last_id.max(1);
        (last..=u8::MAX).chain(1..last).find(|&id| !self.has_id(id))
    }

    fn find(&self, key: PathEndpointKey) -> Result<PathEndpoint, PathEndpointError> {
        let by_id = key.id.filter(|&id| id != 0);
        let found = match (by_id, key.address) {
            (Some(id), _) => self.shared.endpoints.iter().find(|known| known.id == id),
            (None, Some(address)) => self.shared.find(address, key.port),
            (None, None) => return Err(PathEndpointError::NeitherIdNorAddress),
        };
        found.copied().ok_or(PathEndpointError::NotFound)
    }
}

impl Endpoint {
    /// Adds an endpoint; returns its id. Connections with the path manager `Endpoints` act on it at
    /// once. One without an id takes the place of an implicit one for the same address.
    ///
    /// # Errors
    /// See [`PathEndpointError`].
    pub fn add_path_endpoint(
        &mut self,
        now: Instant,
        endpoint: PathEndpoint,
    ) -> Result<u8, PathEndpointError> {
        endpoint.check()?;
        let id = self.path_endpoints.add(endpoint)?;
        self.refresh_path_endpoints(now, |_| {});
        Ok(id)
    }

    /// Removes an endpoint: its subflows close and the peers are told (REMOVE_ADDR). Id 0 with an
    /// address does so for the initial subflow of every connection that has it on that address.
    ///
    /// # Errors
    /// There is none like this.
    pub fn remove_path_endpoint(
        &mut self,
        now: Instant,
        key: PathEndpointKey,
    ) -> Result<(), PathEndpointError> {
        if key.id == Some(0) {
            let address = key.address.ok_or(PathEndpointError::NotFound)?;
            self.refresh_path_endpoints(now, |connection| {
                connection.remove_initial_address(now, address);
            });
            return Ok(());
        }
        let removed = self.path_endpoints.find(key)?;
        self.drop_path_endpoints(now, &[removed]);
        Ok(())
    }

    /// Changes `backup` and `fullmesh` of an endpoint; other flags are ignored. A change of
    /// `backup` goes to the peers of its subflows (MP_PRIO).
    ///
    /// # Errors
    /// There is none like this, nothing says which is meant, or it cannot be `fullmesh`.
    pub fn change_path_endpoint(
        &mut self,
        now: Instant,
        key: PathEndpointKey,
        flags: PathEndpointFlags,
    ) -> Result<(), PathEndpointError> {
        let known = self.path_endpoints.find(key)?;
        if flags.fullmesh && (known.flags.signal || known.flags.implicit) {
            return Err(InvalidPathEndpoint::FullMeshNotPossible.into());
        }
        let table = Arc::make_mut(&mut self.path_endpoints.shared);
        for endpoint in &mut table.endpoints {
            if endpoint.id == known.id {
                endpoint.flags.backup = flags.backup;
                endpoint.flags.fullmesh = flags.fullmesh;
            }
        }
        let changed = known.flags.backup != flags.backup;
        self.refresh_path_endpoints(now, |connection| {
            if changed {
                connection.set_address_backup(known.address, flags.backup);
            }
        });
        Ok(())
    }

    /// All endpoints, in the order of addition.
    #[must_use]
    pub fn path_endpoints(&self) -> &[PathEndpoint] {
        &self.path_endpoints.shared.endpoints
    }

    /// Removes all endpoints, as [`Self::remove_path_endpoint`] does. Ids start at 1 again.
    pub fn flush_path_endpoints(&mut self, now: Instant) {
        let all = self.path_endpoints.shared.endpoints.clone();
        self.drop_path_endpoints(now, &all);
        self.path_endpoints.last_id = 0;
    }

    /// The limits of connections with the path manager `Endpoints`.
    #[must_use]
    pub fn path_limits(&self) -> PathLimits {
        self.path_endpoints.shared.limits
    }

    /// Changes the limits; what there is already stays.
    ///
    /// # Errors
    /// One of them is too high.
    pub fn set_path_limits(
        &mut self,
        now: Instant,
        limits: PathLimits,
    ) -> Result<(), PathEndpointError> {
        limits.check()?;
        Arc::make_mut(&mut self.path_endpoints.shared).limits = limits;
        self.refresh_path_endpoints(now, |_| {});
        Ok(())
    }

    /// A subflow of a connection that follows the table uses this address: if the table says nothing
    /// of it, an implicit endpoint stands for it, as long as there is room.
    pub(super) fn note_address_in_use(&mut self, now: Instant, address: IpAddr) {
        let mut endpoints = self.path_endpoints.shared.endpoints.iter();
        if endpoints.any(|known| known.address == address) {
            return;
        }
        let implicit = PathEndpoint {
            id: 0,
            address,
            port: None,
            interface: None,
            flags: PathEndpointFlags {
                implicit: true,
                ..PathEndpointFlags::default()
            },
        };
        if self.path_endpoints.add(implicit).is_ok() {
            self.refresh_path_endpoints(now, |_| {});
        }
    }

    fn drop_path_endpoints(&mut self, now: Instant, removed: &[PathEndpoint]) {
        let table = Arc::make_mut(&mut self.path_endpoints.shared);
        table.endpoints.retain(|known| !removed.contains(known));
        let usable: Vec<IpAddr> = self.interfaces.usable().collect();
        self.refresh_path_endpoints(now, |connection| {
            for endpoint in removed {
                connection.withdraw_endpoint(now, endpoint);
                if usable.contains(&endpoint.address) {
                    // It is still ours, and may be used again under another id.
                    connection.add_local_address(now, endpoint.address);
                }
            }
        });
    }

    /// Gives every connection the table as it is now; `act` on those that follow it.
    fn refresh_path_endpoints(&mut self, now: Instant, act: impl Fn(&mut Connection)) {
        let shared = self.path_endpoints.shared();
        self.for_each_connection(now, |entry| {
            let connection = &mut entry.connection;
            connection.set_path_endpoints(now, Arc::clone(&shared));
            if connection.config().path_manager == PathManagerKind::Endpoints {
                act(connection);
            }
        });
    }
}
