//! Which local addresses a connection may use, from its beginning and while it lives.
//!
//! The module owns what becomes of the addresses that the application has given or taken.

use crate::bsd::errors::ToErrno;
use crate::bsd::{Errno, Net, Socket, System, connection_info};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{
    ConnectionConfig, ConnectionId, ConnectionInfo, OpenSubflow, PathManagerKind, SubflowSource,
};

impl Socket {
    /// What a connection begins with: RFC 6897 §4.1 under the legacy rules, and the local addresses that
    /// the application has given. `bound` is the one address that it is bound to.
    pub(in crate::bsd) fn restrict(
        &self,
        net: &Net<'_>,
        bound: Option<IpAddr>,
        config: &mut ConnectionConfig,
    ) {
        let tied = bound.is_some() || self.options.interface.is_some();
        if net.system.legacy_rules && tied && self.options.multipath_enable.is_none() {
            config.mptcp = false;
        }
        config.fate_sharing |= net.system.fate_sharing;
        let mut given: Vec<IpAddr> = Vec::new();
        if let Some(interface) = self.options.interface {
            given = net.endpoint.addresses_of(interface);
        }
        if self.options.multipath_enable == Some(true) {
            given.extend(bound);
        }
        given.extend(
            self.options
                .multipath_added
                .iter()
                .map(|address| address.ip()),
        );
        let removed = &self.options.multipath_removed;
        if given.is_empty() && !removed.is_empty() {
            given = addresses_of_host(net);
        }
        given.retain(|address| !removed.contains(address));
        if !given.is_empty() || !removed.is_empty() || self.options.interface.is_some() {
            config.allowed_local = Some(given);
        }
    }

    /// Where a socket that is not bound connects from, if the application has said anything about that.
    pub(in crate::bsd) fn permitted_source(
        &self,
        net: &Net<'_>,
        remote: SocketAddr,
    ) -> Result<Option<SocketAddr>, Errno> {
        let like = |address: &IpAddr| address.is_ipv4() == remote.is_ipv4();
        if let Some(source) = self.families.source.filter(|source| like(&source.ip())) {
            return Ok(Some(source));
        }
        let added = &self.options.multipath_added;
        if !added.is_empty() {
            let first = added.iter().copied().find(|address| like(&address.ip()));
            return first.map(Some).ok_or(Errno::ENETUNREACH);
        }
        let removed = &self.options.multipath_removed;
        if removed.is_empty() {
            return Ok(None);
        }
        let first = addresses_of_host(net)
            .into_iter()
            .find(|address| like(address) && !removed.contains(address));
        let source = first.map(|address| SocketAddr::new(address, 0));
        source.map(Some).ok_or(Errno::ENETUNREACH)
    }
}

/// Our addresses, in the order of the interfaces.
fn addresses_of_host(net: &Net<'_>) -> Vec<IpAddr> {
    let System { interfaces, .. } = &*net.system;
    let addresses = interfaces.iter();
    addresses
        .flat_map(|(interface, _)| net.endpoint.addresses_of(*interface))
        .collect()
}

pub(super) fn check_addresses(net: &Net<'_>, addresses: &[SocketAddr]) -> Result<(), Errno> {
    for address in addresses {
        if !net.endpoint.has_address(address.ip()) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if (1..1024).contains(&address.port()) && !net.system.privileged {
            return Err(Errno::EACCES);
        }
    }
    Ok(())
}

/// Lets a connection use an address, and lets the peer know where nobody else would.
pub(super) fn permit(
    net: &mut Net<'_>,
    info: &ConnectionInfo,
    address: SocketAddr,
) -> Result<(), Errno> {
    let (id, ip, port) = (info.id, address.ip(), address.port());
    net.endpoint
        .allow_local(net.now, id, ip)
        .map_err(ToErrno::to_errno)?;
    if port != 0 && info.initiator {
        let announced = net.endpoint.remote_addresses(id);
        let like = |remote: &SocketAddr| remote.is_ipv4() == ip.is_ipv4();
        let mut remotes =
            std::iter::once(info.remote).chain(announced.iter().map(|known| known.address));
        let opening = OpenSubflow {
            local: SubflowSource::Address(address),
            // The peer may have no address of the family; it is a hint then (RFC 6897 §5.3.1).
            remote: Some(match remotes.find(like) {
                Some(remote) => remote,
                None => return Ok(()),
            }),
            ..OpenSubflow::default()
        };
        let opened = net.endpoint.open_subflow_with(net.now, id, opening);
        return opened.map(|_| ()).map_err(ToErrno::to_errno);
    }
    let passive = net.endpoint.path_manager(id) == Some(PathManagerKind::Passive);
    if port != 0 || passive {
        let port = (port != 0).then_some(port);
        // A hint: where the connection is too young, or has as many as it can, nothing is said.
        let _ = net.endpoint.announce_address(net.now, Some(id), ip, port);
    }
    Ok(())
}

/// Takes an address from a connection, or one of its ports.
pub(super) fn take_away(
    net: &mut Net<'_>,
    id: ConnectionId,
    address: SocketAddr,
) -> Result<(), Errno> {
    let (ip, port) = (address.ip(), address.port());
    if port == 0 {
        let taken = net.endpoint.disallow_local(net.now, id, ip);
        return taken.map_err(ToErrno::to_errno);
    }
    let withdrawn = net
        .endpoint
        .withdraw_address(net.now, Some(id), ip, Some(port))
        .is_ok();
    let mut subflows = net.endpoint.subflows(id);
    subflows.retain(|subflow| subflow.closed.is_none() && subflow.local == address);
    if !withdrawn && subflows.is_empty() {
        return Err(Errno::EADDRNOTAVAIL);
    }
    for subflow in subflows {
        // Withdrawing may have closed it.
        let _ = net.endpoint.close_subflow(net.now, id, subflow.id);
    }
    connection_info(net.endpoint, id).map(|_| ())
}
