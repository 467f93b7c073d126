//! The decisions of [`ServiceController`] for a socket: looking at its connection, and doing what they
//! say.
//!
//! The module owns what one connection remembers for this family.

use super::connectx::BoundFlags;
use super::{Action, Cost, Interface, PathView, Quality, ServiceController, Situation};
use crate::bsd::options::subflows::is_open;
use crate::bsd::{Errno, Net, Socket};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use umptcp_stack::{
    ConnectionId, ConnectionInfo, Instant, OpenSubflow, SubflowId, SubflowInfo, SubflowSource,
};

/// What one connection remembers.
#[derive(Clone, Debug, Default)]
pub(in crate::bsd) struct AppleState {
    controller: Option<ServiceController>,
    /// What `connectx` was told about the local end of a subflow.
    pub(super) bound: BTreeMap<SubflowId, BoundFlags>,
}

impl AppleState {
    pub(super) fn switches(&self) -> u32 {
        self.controller
            .as_ref()
            .map_or(0, ServiceController::switches)
    }
}

impl Socket {
    /// Opens, closes and chooses subflows as the socket's service type says, and tells what was done. It
    /// is to be called when a subflow or an interface changes, and at the moment that
    /// [`Self::next_service_decision`] gives; calling it more often does no harm. Without a service type
    /// it does nothing.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on plain TCP, `ENOTCONN` without a connection.
    pub fn run_service(&mut self, net: &mut Net<'_>) -> Result<Vec<Action>, Errno> {
        let info = self.multipath_connection(net)?;
        let Some(service) = self.options.apple.service else {
            return Ok(Vec::new());
        };
        if !info.fully_established {
            return Ok(Vec::new());
        }
        let interfaces = interfaces(net);
        let subflows = views(net, &info);
        let situation = Situation {
            interfaces: &interfaces,
            subflows: &subflows,
            data_waiting: info.unacked > 0,
            target: self.options.apple.target,
        };
        let thresholds = net.system.apple.thresholds;
        let state = &mut self.families.apple;
        let controller = state
            .controller
            .get_or_insert_with(|| ServiceController::new(thresholds));
        let actions = controller.decide(net.now, service, &situation);
        for &action in &actions {
            self.carry_out(net, info.id, action);
        }
        Ok(actions)
    }

    /// When [`Self::run_service`] is to be called again, if nothing happens before.
    #[must_use]
    pub fn next_service_decision(&self, now: Instant) -> Option<Instant> {
        let controller = self.families.apple.controller.as_ref()?;
        controller.next_decision(now, self.options.apple.target)
    }

    /// What cannot be done now is asked for again, as the situation stays what it is.
    fn carry_out(&self, net: &mut Net<'_>, id: ConnectionId, action: Action) {
        match action {
            Action::Open(interface) => {
                let port = self.options.apple.alternate_port;
                let info = net.endpoint.connection_info(id).filter(|_| port != 0);
                let opening = OpenSubflow {
                    local: SubflowSource::Interface(interface),
                    remote: info.map(|info| SocketAddr::new(info.remote.ip(), port)),
                    ..OpenSubflow::default()
                };
                let _ = net.endpoint.open_subflow_with(net.now, id, opening);
            }
            Action::Close(subflow) => {
                let _ = net.endpoint.close_subflow(net.now, id, subflow);
            }
            Action::SetBackup(subflow, backup) => {
                let _ = net.endpoint.set_backup(net.now, id, subflow, backup);
            }
        }
    }
}

/// All interfaces of the stack, with what is known of them.
fn interfaces(net: &Net<'_>) -> Vec<Interface> {
    let known = &net.system.apple.interfaces;
    let of = |&(id, _): &(_, String)| {
        let mut known = known.iter().filter(|known| known.id == id);
        known.next().copied().unwrap_or_else(|| Interface {
            id,
            cost: Cost::default(),
            quality: Quality::default(),
            up: true,
        })
    };
    net.system.interfaces.iter().map(of).collect()
}

fn views(net: &Net<'_>, info: &ConnectionInfo) -> Vec<PathView> {
    let mut subflows = net.endpoint.subflows(info.id);
    subflows.retain(is_open);
    let view = |subflow: SubflowInfo| PathView {
        id: subflow.id,
        interface: subflow.interface,
        usable: subflow.fully_established,
        backup: subflow.backup,
        srtt: subflow.srtt,
        rto: subflow.tcp.rto,
        backoff: subflow.tcp.backoff,
        data_waiting: subflow.tcp.unacked_bytes > 0 || info.unsent > 0,
    };
    subflows.into_iter().map(view).collect()
}
