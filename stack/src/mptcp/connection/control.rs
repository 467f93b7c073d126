//! Options of subflows, policies and endpoints of the host, as they change while the connection
//! lives.

use super::Connection;
use crate::base::config::SubflowOptions;
use crate::base::id::{AddressId, SubflowId};
use crate::base::path_endpoint::{PathEndpoint, PathEndpoints};
use crate::base::path_lists::PathLists;
use crate::base::policy::{PathManagerKind, SchedulerKind};
use crate::base::subflow_options::SubflowChange;
use crate::base::time::Instant;
use crate::mptcp::path_manager::path_manager;
use crate::mptcp::scheduler::scheduler;
use crate::wire::packet::FourTuple;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

impl Connection {
    /// Changes an option of one subflow, or of all and of those that follow. Returns false if there
    /// is no such subflow that is open.
    pub fn change_subflow_options(
        &mut self,
        now: Instant,
        subflow: Option<SubflowId>,
        change: SubflowChange,
    ) -> bool {
        let Some(id) = subflow else {
            self.config.subflow.apply(change);
            for subflow in self.subflows.iter_mut().filter(|s| !s.is_closed()) {
                subflow.change_option(now, change);
            }
            return true;
        };
        let Some(index) = self.position(id) else {
            return false;
        };
        let open = !self.subflows[index].is_closed();
        if open {
            self.subflows[index].change_option(now, change);
        }
        open
    }

    /// The options of one subflow, or those that the next one starts with.
    #[must_use]
    pub fn subflow_options(&self, subflow: Option<SubflowId>) -> Option<SubflowOptions> {
        match subflow {
            None => Some(self.config.subflow),
            Some(id) => self.position(id).map(|index| self.subflows[index].options),
        }
    }

    /// Another scheduler from the next segment on. What subflows hold already stays theirs.
    pub fn set_scheduler(&mut self, kind: SchedulerKind) {
        if self.config.scheduler != kind {
            self.config.scheduler = kind;
            self.scheduler = scheduler(kind);
        }
    }

    /// Another path manager from now on. Its predecessor leaves subflows and announcements behind,
    /// which the new one finds in what it looks at, and nothing else.
    pub fn set_path_manager(&mut self, now: Instant, kind: PathManagerKind) {
        if self.config.path_manager != kind {
            self.config.path_manager = kind;
            self.path_manager = path_manager(kind);
            self.update_paths_soon(now);
        }
    }

    /// The endpoints of the host, or their limits, have changed.
    pub fn set_path_endpoints(&mut self, now: Instant, endpoints: Arc<PathEndpoints>) {
        self.path_endpoints = endpoints;
        if self.follows_endpoints() {
            self.update_paths_soon(now);
        }
    }

    /// An endpoint is gone: its subflows end, and the peer is told if it knows the address.
    pub fn withdraw_endpoint(&mut self, now: Instant, endpoint: &PathEndpoint) {
        self.withdraw_address(now, endpoint.address, endpoint.port);
    }

    /// The same for the address of the initial subflow, if it is this one.
    pub fn remove_initial_address(&mut self, now: Instant, address: IpAddr) {
        if self.addresses_of_initial().local.ip() == address {
            self.withdraw_address(now, address, None);
        }
    }

    pub(super) fn follows_endpoints(&self) -> bool {
        self.config.path_manager == PathManagerKind::Endpoints
    }

    /// Subflows that there may be, whoever opens them.
    pub(super) fn subflow_limit(&self) -> usize {
        if self.follows_endpoints() {
            1 + usize::from(self.path_endpoints.limits.extra_subflows)
        } else {
            self.config.max_subflows
        }
    }

    /// Addresses that are taken from the peer's announcements.
    pub(super) fn address_limit(&self) -> usize {
        if self.follows_endpoints() {
            usize::from(self.path_endpoints.limits.add_addr_accepted)
        } else {
            self.config.max_accepted_addresses
        }
    }

    /// The id that an address should have, as it has it on the whole host.
    pub(super) fn id_of_endpoint(&self, address: IpAddr, port: Option<u16>) -> Option<AddressId> {
        self.path_endpoints
            .find(address, port)
            .filter(|_| self.follows_endpoints())
            .map(|endpoint| AddressId(endpoint.id))
    }

    /// What the application has said about subflows between these addresses.
    #[must_use]
    pub fn is_backup_path(&self, tuple: &FourTuple) -> Option<bool> {
        let lists = &self.config.path_lists;
        lists.is_backup(tuple.local.ip(), tuple.remote.ip())
    }

    /// Other lists from the next subflow on.
    pub fn set_path_lists(&mut self, lists: PathLists) {
        self.config.path_lists = lists;
    }

    /// Whoever joins here is to be a backup.
    pub(super) fn is_backup_endpoint(&self, local: SocketAddr) -> bool {
        let table = &self.path_endpoints;
        let endpoint = table
            .find(local.ip(), Some(local.port()))
            .or_else(|| table.find(local.ip(), None));
        self.follows_endpoints() && endpoint.is_some_and(|endpoint| endpoint.flags.backup)
    }
}
