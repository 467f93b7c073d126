//! Subflows that we open: from where, to where, and why not.
//!
//! Owns the choice of both ends. Whether the connection takes a subflow at all is for
//! `mptcp::connection` to say.

use super::Endpoint;
use super::commands::LocalEnd;
use crate::base::config::SubflowOptions;
use crate::base::error::{ConnectError, SubflowError};
use crate::base::id::{ConnectionId, InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::policy::PathManagerKind;
use crate::base::time::Instant;
use crate::mptcp::connection::NewJoin;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::Nonce;
use std::net::{IpAddr, SocketAddr};

/// Where a subflow comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubflowSource {
    /// The first address that is up, of the family of the remote one, and allowed.
    #[default]
    Any,
    /// The same on this interface.
    Interface(InterfaceId),
    /// This address, and this port; 0 stands for a free one. An unspecified address is as `Any`.
    Address(SocketAddr),
}

/// A subflow to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenSubflow {
    /// Where it comes from.
    pub local: SubflowSource,
    /// The interface that the local address must be on; `None` is any.
    pub interface: Option<InterfaceId>,
    /// Where it goes. `None` stands for the remote end of the initial subflow, and port 0 for its
    /// port.
    pub remote: Option<SocketAddr>,
    /// As a backup.
    pub backup: bool,
    /// What it starts with; `None` for what the connection's settings say.
    pub options: Option<SubflowOptions>,
}

impl Endpoint {
    /// Opens a further subflow from a local address to a remote one.
    ///
    /// # Errors
    /// The connection cannot take one now, or the addresses do not work.
    pub fn open_subflow(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        local: IpAddr,
        remote: SocketAddr,
        backup: bool,
    ) -> Result<SubflowId, SubflowError> {
        if remote.port() == 0 {
            self.counters.count(MptcpCounter::MpJoinSynTxConnectErr);
            return Err(ConnectError::InvalidRemote(remote).into());
        }
        let wanted = OpenSubflow {
            local: SubflowSource::Address(SocketAddr::new(local, 0)),
            remote: Some(remote),
            backup,
            ..OpenSubflow::default()
        };
        self.open_subflow_with(now, connection, wanted)
    }

    /// Opens a further subflow. Several between the same two addresses differ in our port.
    /// `Event::SubflowEstablished` or `Event::SubflowClosed` tells how it went.
    ///
    /// # Errors
    /// The connection cannot take one now, or the addresses do not work: see [`SubflowError`].
    pub fn open_subflow_with(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        wanted: OpenSubflow,
    ) -> Result<SubflowId, SubflowError> {
        let entry = self
            .connections
            .get(connection)
            .ok_or(SubflowError::UnknownConnection)?;
        entry.connection.check_can_open_subflow()?;
        let initial = entry.connection.initial_tuple();
        let remote = match wanted.remote {
            None => initial.remote,
            Some(remote) if remote.port() == 0 => {
                SocketAddr::new(remote.ip(), initial.remote.port())
            }
            Some(remote) => remote,
        };
        if entry.connection.may_not_join(remote) {
            return Err(SubflowError::DeniedByPeer(remote));
        }
        let config = entry.connection.config().clone();
        let options = wanted.options.unwrap_or(config.subflow);
        let local = self
            .source(connection, &wanted, remote)
            .inspect_err(|error| self.counters.count(counter_of(error)))?;
        let LocalEnd {
            tuple,
            interface,
            after,
        } = self
            .choose_local(now, Some(local), remote)
            .map_err(SubflowError::Address)
            .inspect_err(|error| self.counters.count(counter_of(error)))?;
        if config.path_manager == PathManagerKind::Endpoints && local.ip() != initial.local.ip() {
            self.note_address_in_use(now, local.ip());
        }
        let nonce = Nonce(self.rng.next_u32());
        let tcb_config = self.tcb_config(now, &tuple, interface, (&config, &options), after);
        let entry = self
            .connections
            .get_mut(connection)
            .ok_or(SubflowError::UnknownConnection)?;
        let Some(local_id) = entry.connection.place_for_subflow(tuple.local.ip()) else {
            self.counters.count(MptcpCounter::MpJoinSynTxCreatSkErr);
            return Err(SubflowError::LimitReached);
        };
        let id = entry.connection.open_subflow(NewJoin {
            tuple,
            interface,
            tcb: Tcb::connect(now, tcb_config),
            nonce,
            local_id,
            backup: wanted.backup,
            options,
        });
        self.demux.insert(tuple, connection, id);
        self.after(now, connection);
        Ok(id)
    }

    /// What the path manager of a connection wants.
    pub(super) fn open_for_path_manager(
        &mut self,
        now: Instant,
        id: ConnectionId,
        (local, remote): (IpAddr, SocketAddr),
        backup: bool,
    ) {
        let follows = self.path_manager(id) == Some(PathManagerKind::Endpoints);
        let mut endpoints = self.path_endpoints().iter();
        let endpoint = endpoints.find(|known| follows && known.address == local);
        let lists = self.connection_config(id).map(|config| &config.path_lists);
        let said = lists.and_then(|lists| lists.is_backup(local, remote.ip()));
        let backup = said.unwrap_or(backup);
        let wanted = OpenSubflow {
            local: SubflowSource::Address(SocketAddr::new(local, 0)),
            interface: endpoint.and_then(|endpoint| endpoint.interface),
            remote: Some(remote),
            backup,
            options: None,
        };
        let Err(error) = self.open_subflow_with(now, id, wanted) else {
            return;
        };
        let Some(entry) = self.connections.get_mut(id) else {
            return;
        };
        match error {
            SubflowError::Address(_) | SubflowError::DeniedByPeer(_) => {
                entry.connection.path_failed(now, local, remote);
            }
            _ => entry.connection.path_not_tried(now, local, remote),
        }
    }

    /// The local end: an address of ours that the connection may use.
    fn source(
        &self,
        connection: ConnectionId,
        wanted: &OpenSubflow,
        remote: SocketAddr,
    ) -> Result<SocketAddr, SubflowError> {
        let peer = remote.ip();
        if peer.is_unspecified() || peer.is_multicast() {
            return Err(ConnectError::InvalidRemote(remote).into());
        }
        let (address, port) = match wanted.local {
            SubflowSource::Address(local) if !local.ip().is_unspecified() => {
                (Some(local.ip()), local.port())
            }
            SubflowSource::Address(local) => (None, local.port()),
            SubflowSource::Any | SubflowSource::Interface(_) => (None, 0),
        };
        let only_on = match wanted.local {
            SubflowSource::Interface(interface) => Some(interface),
            SubflowSource::Any | SubflowSource::Address(_) => wanted.interface,
        };
        let is_there = |address: IpAddr| {
            only_on.is_none_or(|interface| self.interfaces.of(address) == Some(interface))
        };
        let Some(address) = address else {
            return self
                .interfaces
                .usable()
                .filter(|address| address.is_ipv4() == peer.is_ipv4())
                .find(|&address| is_there(address) && self.is_local_allowed(connection, address))
                .map(|address| SocketAddr::new(address, port))
                .ok_or_else(|| ConnectError::NoLocalAddress(remote).into());
        };
        if address.is_ipv4() != peer.is_ipv4() {
            return Err(SubflowError::FamiliesDiffer(address, peer));
        }
        if self.interfaces.of(address).is_some() && !is_there(address) {
            return Err(SubflowError::AnotherInterface(address));
        }
        if !self.is_local_allowed(connection, address) {
            return Err(SubflowError::NotAllowed(address));
        }
        Ok(SocketAddr::new(address, port))
    }
}

/// The kernel counts by the system call that fails.
const fn counter_of(error: &SubflowError) -> MptcpCounter {
    match error {
        SubflowError::AnotherInterface(_)
        | SubflowError::NotAllowed(_)
        | SubflowError::Address(
            ConnectError::UnknownLocalAddress(_)
            | ConnectError::AddressInUse(_)
            | ConnectError::NoFreePort(_),
        ) => MptcpCounter::MpJoinSynTxBindErr,
        _ => MptcpCounter::MpJoinSynTxConnectErr,
    }
}
