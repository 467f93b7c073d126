//! A backup path that is not opened before it is needed: when the retransmission timeout of a
//! subflow has grown beyond a limit, one is opened from another interface, and the bad one is
//! closed. A path manager in the stack waits until the bad path is dead altogether.

use super::openings::Openings;
use super::other_path;
use crate::smapp::command::CreateSubflow;
use crate::smapp::controller::{Commands, Controller};
use crate::smapp::event::{Event, SubflowTuple, Token};
use crate::smapp::mask::EventMask;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::Instant;

/// Parameters of [`SmartBackup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmartBackupConfig {
    /// A subflow whose retransmission timeout is longer than this is bad.
    pub rto_over: Duration,
    /// The address to go to; `None` is the first that the bad subflow does not use.
    pub backup: Option<IpAddr>,
}

impl Default for SmartBackupConfig {
    fn default() -> Self {
        Self {
            rto_over: Duration::from_secs(1),
            backup: None,
        }
    }
}

/// A subflow that is given up for another.
#[derive(Clone, Copy, Debug)]
struct Switch {
    bad: (SocketAddr, SocketAddr),
    to: (IpAddr, SocketAddr),
}

/// See the module.
#[derive(Debug, Default)]
pub struct SmartBackup {
    config: SmartBackupConfig,
    /// Connections of our making, and the switch under way.
    connections: HashMap<Token, Option<Switch>>,
    openings: Openings,
}

impl SmartBackup {
    /// With these parameters.
    #[must_use]
    pub fn new(config: SmartBackupConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    fn timeout(
        &mut self,
        now: Instant,
        subflow: &SubflowTuple,
        rto: Duration,
        commands: &mut Commands<'_>,
    ) {
        let Some(switch) = self.connections.get_mut(&subflow.token) else {
            return;
        };
        if rto <= self.config.rto_over || switch.is_some() {
            return;
        }
        let (token, bad) = (subflow.token, subflow.local.ip());
        let backup = self.config.backup.filter(|&backup| backup != bad);
        let Some(to) = other_path(commands, token, backup, bad, subflow.remote) else {
            return;
        };
        let other = CreateSubflow::new(token, to.1).from(to.0);
        if self.openings.open(now, other, commands).is_ok() {
            *switch = Some(Switch {
                bad: (subflow.local, subflow.remote),
                to,
            });
        }
    }

    fn subflow_established(&mut self, subflow: &SubflowTuple, commands: &mut Commands<'_>) {
        if let Some(pending) = self.connections.get_mut(&subflow.token)
            && let Some(switch) = *pending
            && switch.to == (subflow.local.ip(), subflow.remote)
        {
            *pending = None;
            let (local, remote) = switch.bad;
            // It may have ended by itself.
            let _ = commands.destroy_subflow(subflow.token, local, remote);
        }
    }

    fn subflow_closed(&mut self, subflow: &SubflowTuple) {
        // The next timeout is the next chance.
        if let Some(pending) = self.connections.get_mut(&subflow.token)
            && pending.is_some_and(|switch| switch.to == (subflow.local.ip(), subflow.remote))
        {
            *pending = None;
        }
    }
}

impl Controller for SmartBackup {
    fn events(&self) -> EventMask {
        EventMask::ESTABLISHED
            | EventMask::CLOSED
            | EventMask::TIMEOUT
            | EventMask::SUBFLOW_ESTABLISHED
            | EventMask::SUBFLOW_CLOSED
    }

    fn handle_event(&mut self, now: Instant, event: &Event, commands: &mut Commands<'_>) {
        match *event {
            Event::Established(connection) if !connection.server_side => {
                self.connections.insert(connection.token, None);
            }
            Event::Closed { token } => {
                self.connections.remove(&token);
                self.openings.forget(token);
            }
            Event::Timeout { subflow, rto, .. } => self.timeout(now, &subflow, rto, commands),
            Event::SubflowEstablished(subflow) => self.subflow_established(&subflow, commands),
            Event::SubflowClosed { subflow, .. } => self.subflow_closed(&subflow),
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.openings.deadline()
    }

    fn handle_timeout(&mut self, now: Instant, commands: &mut Commands<'_>) {
        for (subflow, result) in self.openings.run(now, commands) {
            if result.is_err()
                && let Some(pending) = self.connections.get_mut(&subflow.token)
            {
                *pending = None;
            }
        }
    }
}
