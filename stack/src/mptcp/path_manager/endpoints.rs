//! What the endpoints of the host say, by the rules of the path manager in the Linux kernel, on
//! both sides of a connection.
//!
//! | endpoint | what happens |
//! |---|---|
//! | `signal` | it is announced, one after the other as the peer confirms them |
//! | `subflow` | a subflow from it to the peer's end of the initial one, one after the other |
//! | `subflow` and `fullmesh` | subflows from it to every known address of the peer |
//! | `laminar` | a subflow from it to one address that the peer has announced |
//! | `backup` | its subflows are backups |
//!
//! An address that the peer has announced is joined from all `fullmesh` endpoints; or, if there are
//! none, from a `laminar` one that is not used yet; or, if there are none of those either, from the
//! address of the initial subflow, or the first one of the family.
//!
//! Nothing happens before the connection is fully established. The limits bound the subflows of
//! both sides, and the addresses that are taken from announcements. Endpoints whose address is that
//! of the initial subflow, id 0, are used already.
//!
//! One thing is different: Linux tries each subflow once. Here one that failed or ended is tried
//! again after a pause that grows ([`super::Attempts`]), as paths that heal are wished for.

use super::{PathAction, PathActions, PathManager, PathView, RemoteAddress};
use crate::base::id::AddressId;
use crate::base::path_endpoint::PathEndpoint;
use std::net::IpAddr;

/// Follows the endpoints of the host. What it has done so far is to be seen in the addresses and
/// subflows of the connection, so it remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Endpoints;

impl PathManager for Endpoints {
    fn update(&mut self, view: &PathView<'_>) -> PathActions {
        let mut actions = PathActions::new();
        if !view.may_open {
            return actions;
        }
        if !view.awaiting_echo {
            actions.extend(next_announcement(view));
        }
        let room = view.max_subflows.saturating_sub(view.in_use.len());
        let mut opened = Vec::new();
        joins_by_subflow_endpoints(view, &mut opened);
        joins_to_announced(view, &mut opened);
        opened.truncate(room);
        actions.extend(opened.into_iter().map(Join::action));
        actions
    }
}

/// A subflow to open.
#[derive(Clone, Copy)]
struct Join {
    local: IpAddr,
    remote: RemoteAddress,
    backup: bool,
}

impl Join {
    fn action(self) -> PathAction {
        PathAction::Open {
            local: self.local,
            remote: self.remote.address,
            remote_id: self.remote.id,
            backup: self.backup,
        }
    }

    fn from(endpoint: &PathEndpoint, remote: &RemoteAddress) -> Self {
        Self {
            local: endpoint.address,
            remote: *remote,
            backup: endpoint.flags.backup,
        }
    }
}

/// The next `signal` endpoint that the peer has not heard of.
fn next_announcement(view: &PathView<'_>) -> Option<PathAction> {
    let next = view.endpoints.endpoints.iter().find(|endpoint| {
        let initial = endpoint.port.is_none() && endpoint.address == view.initial_local;
        let told = view.addresses.is_told(endpoint.address, endpoint.port);
        endpoint.flags.signal && !initial && !told && view.addresses.is_up(endpoint.address)
    })?;
    Some(PathAction::Announce {
        address: next.address,
        port: next.port,
    })
}

/// Endpoints from which subflows are opened.
fn sources<'a>(view: &'a PathView<'_>) -> impl Iterator<Item = &'a PathEndpoint> {
    view.endpoints
        .endpoints
        .iter()
        .filter(|endpoint| view.addresses.is_up(endpoint.address))
}

fn is_full_mesh(endpoint: &PathEndpoint) -> bool {
    endpoint.flags.subflow && endpoint.flags.fullmesh
}

/// What `subflow` endpoints bring: those with `fullmesh` go everywhere, the others one at a time to
/// the initial address.
fn joins_by_subflow_endpoints(view: &PathView<'_>, opened: &mut Vec<Join>) {
    for endpoint in sources(view).filter(|endpoint| is_full_mesh(endpoint)) {
        for remote in view.addresses.remote() {
            if view.is_wanted(endpoint.address, remote) {
                opened.push(Join::from(endpoint, remote));
            }
        }
    }
    if view.in_use.iter().any(|path| path.joining) {
        return;
    }
    let initial = view.addresses.initial_remote();
    let mut remotes = view.addresses.remote().iter();
    let Some(remote) = remotes.find(|known| known.address == initial) else {
        return;
    };
    let next = sources(view).find(|endpoint| {
        let flags = endpoint.flags;
        // The address of the initial subflow is used already.
        flags.subflow
            && !flags.fullmesh
            && endpoint.address != view.initial_local
            && view.is_wanted(endpoint.address, remote)
    });
    opened.extend(next.map(|endpoint| Join::from(endpoint, remote)));
}

/// Addresses that the peer has announced, unless `fullmesh` endpoints see to them.
fn joins_to_announced(view: &PathView<'_>, opened: &mut Vec<Join>) {
    if sources(view).any(is_full_mesh) {
        return;
    }
    let announced = view.addresses.remote().iter().filter(|known| {
        let used = view.in_use.iter().any(|path| path.leads_to(known));
        known.id != AddressId::INITIAL && !used
    });
    let any_laminar = view.endpoints.endpoints.iter().any(|e| e.flags.laminar);
    for remote in announced {
        let join = if any_laminar {
            let laminar = sources(view).find(|endpoint| {
                let address = endpoint.address;
                let used = view.in_use.iter().any(|path| path.local == address)
                    || opened.iter().any(|join| join.local == address);
                endpoint.flags.laminar && !used && view.is_wanted(address, remote)
            });
            laminar.map(|endpoint| Join::from(endpoint, remote))
        } else {
            routed_source(view, remote).map(|local| Join {
                local,
                remote: *remote,
                backup: view
                    .endpoints
                    .find(local, None)
                    .is_some_and(|endpoint| endpoint.flags.backup),
            })
        };
        opened.extend(join);
    }
}

/// The source address that a host without other advice would take.
fn routed_source(view: &PathView<'_>, remote: &RemoteAddress) -> Option<IpAddr> {
    let first = view
        .addresses
        .is_up(view.initial_local)
        .then_some(view.initial_local);
    let others = view.addresses.local_addresses().filter(|local| local.up);
    first
        .into_iter()
        .chain(others.map(|local| local.address))
        .find(|&local| view.is_wanted(local, remote))
}
