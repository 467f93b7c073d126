//! What an application rules on a connection that lives: options of its subflows, policies, and the
//! local addresses that it may use.

use super::Endpoint;
use crate::base::config::SubflowOptions;
use crate::base::error::SubflowError;
use crate::base::id::{ConnectionId, SubflowId};
use crate::base::path_lists::PathLists;
use crate::base::policy::{PathManagerKind, SchedulerKind};
use crate::base::subflow_options::SubflowChange;
use crate::base::time::Instant;
use crate::mptcp::connection::Connection;
use std::net::IpAddr;

impl Endpoint {
    /// Changes an option of one subflow, or of all and of those that follow if `subflow` is `None`.
    ///
    /// # Errors
    /// There is no such connection, or no such subflow that is open.
    pub fn set_subflow_options(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        subflow: Option<SubflowId>,
        change: SubflowChange,
    ) -> Result<(), SubflowError> {
        self.change(now, connection, |connection| {
            connection.change_subflow_options(now, subflow, change)
        })
        .ok_or(SubflowError::UnknownConnection)?
        .then_some(())
        .ok_or(SubflowError::UnknownSubflow)
    }

    /// The options of one subflow, or those that the next one starts with if `subflow` is `None`.
    /// `None` if there is no such connection or no such subflow.
    #[must_use]
    pub fn subflow_options(
        &self,
        connection: ConnectionId,
        subflow: Option<SubflowId>,
    ) -> Option<SubflowOptions> {
        self.connections
            .get(connection)?
            .connection
            .subflow_options(subflow)
    }

    /// Changes which subflow carries the next bytes. What was handed to a subflow stays there. A
    /// connection that does not exist is ignored.
    pub fn set_scheduler(&mut self, now: Instant, connection: ConnectionId, kind: SchedulerKind) {
        self.change(now, connection, |connection| connection.set_scheduler(kind));
    }

    /// Which subflow carries the next bytes; `None` if there is no such connection.
    #[must_use]
    pub fn scheduler(&self, connection: ConnectionId) -> Option<SchedulerKind> {
        self.connections
            .get(connection)
            .map(|entry| entry.connection.config().scheduler)
    }

    /// Changes which subflows are opened and which addresses announced from now on. Subflows and
    /// announcements of the old path manager stay. A connection that does not exist is ignored.
    pub fn set_path_manager(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        kind: PathManagerKind,
    ) {
        self.change(now, connection, |connection| {
            connection.set_path_manager(now, kind);
        });
    }

    /// Which path manager a connection has; `None` if there is no such connection.
    #[must_use]
    pub fn path_manager(&self, connection: ConnectionId) -> Option<PathManagerKind> {
        self.connections
            .get(connection)
            .map(|entry| entry.connection.config().path_manager)
    }

    /// Lets a connection use these local addresses and that of its initial subflow only, or all
    /// with `None` (RFC 6897 §5.3.3). Subflows from others close, once permitted paths that were
    /// unused are up, and the peer is told (REMOVE_ADDR).
    ///
    /// # Errors
    /// There is no such connection.
    pub fn set_allowed_local(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        allowed: Option<Vec<IpAddr>>,
    ) -> Result<(), SubflowError> {
        self.change_allowed(now, connection, |connection| {
            connection.set_allowed_local(now, allowed);
        })
    }

    /// Lets a connection use one more local address; no change if it may use all.
    ///
    /// # Errors
    /// There is no such connection.
    pub fn allow_local(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        address: IpAddr,
    ) -> Result<(), SubflowError> {
        self.change_allowed(now, connection, |connection| {
            connection.allow_local(address);
        })
    }

    /// Takes one local address away from a connection, also that of the initial subflow. Its
    /// subflows close, once permitted paths that were unused are up, and the peer is told
    /// (REMOVE_ADDR).
    ///
    /// # Errors
    /// There is no such connection.
    pub fn disallow_local(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        address: IpAddr,
    ) -> Result<(), SubflowError> {
        self.change_allowed(now, connection, |connection| {
            connection.disallow_local(now, address);
        })
    }

    /// The local addresses that a connection may use; `None` if it may use all, or all but a few
    /// ([`Self::is_local_allowed`] tells), or does not exist.
    #[must_use]
    pub fn allowed_local(&self, connection: ConnectionId) -> Option<Vec<IpAddr>> {
        let entry = self.connections.get(connection)?;
        entry.connection.allowed_local().map(<[IpAddr]>::to_vec)
    }

    /// The connection exists and may use this local address.
    #[must_use]
    pub fn is_local_allowed(&self, connection: ConnectionId, address: IpAddr) -> bool {
        let entry = self.connections.get(connection);
        entry.is_some_and(|entry| entry.connection.permits(address))
    }

    /// Changes between which addresses further subflows are backups, from the next one on. A
    /// connection that does not exist is ignored.
    pub fn set_path_lists(&mut self, now: Instant, connection: ConnectionId, lists: PathLists) {
        self.change(now, connection, |connection| {
            connection.set_path_lists(lists);
        });
    }

    /// What has become permitted is to be known to the connection before it looks for paths.
    fn change_allowed(
        &mut self,
        now: Instant,
        id: ConnectionId,
        change: impl FnOnce(&mut Connection),
    ) -> Result<(), SubflowError> {
        let usable: Vec<IpAddr> = self.interfaces.usable().collect();
        let entry = self
            .connections
            .get_mut(id)
            .ok_or(SubflowError::UnknownConnection)?;
        change(&mut entry.connection);
        if entry.established {
            for address in usable {
                entry.connection.add_local_address(now, address);
            }
        }
        self.after(now, id);
        Ok(())
    }
}
