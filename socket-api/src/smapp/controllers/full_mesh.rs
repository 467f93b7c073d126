//! A full mesh for long-lived connections: every local address to every one of the peer's, and
//! again after a pause if a subflow is lost. The path manager in the Linux kernel never opens one
//! again; firewalls and NATs that have lost their state then leave a connection with fewer paths
//! for good.

use super::openings::Openings;
use crate::smapp::command::CreateSubflow;
use crate::smapp::controller::{Commands, Controller};
use crate::smapp::event::{ConnectionTuple, Event, SubflowTuple, Token};
use crate::smapp::mask::EventMask;
use nix::errno::Errno;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::Instant;

/// How long after its end a subflow is opened again, by the error it has ended with. One that
/// ended in order is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReopenDelays {
    /// `ECONNRESET`: somebody on the way has lost its state, and makes it anew.
    pub reset: Duration,
    /// `ECONNREFUSED`
    pub refused: Duration,
    /// `ETIMEDOUT`: the path has been silent for long already.
    pub timed_out: Duration,
    /// `ENETUNREACH` and `EHOSTUNREACH`: routers take their time.
    pub unreachable: Duration,
    /// Any other, and commands that fail.
    pub other: Duration,
}

impl Default for ReopenDelays {
    fn default() -> Self {
        Self {
            reset: Duration::from_millis(100),
            refused: Duration::from_secs(2),
            timed_out: Duration::from_secs(1),
            unreachable: Duration::from_secs(10),
            other: Duration::from_secs(5),
        }
    }
}

impl ReopenDelays {
    /// The pause after this error.
    #[must_use]
    pub const fn after(&self, error: Errno) -> Duration {
        match error {
            Errno::ECONNRESET => self.reset,
            Errno::ECONNREFUSED => self.refused,
            Errno::ETIMEDOUT => self.timed_out,
            Errno::ENETUNREACH | Errno::EHOSTUNREACH => self.unreachable,
            _ => self.other,
        }
    }
}

/// A pair of addresses.
type Pair = (IpAddr, SocketAddr);

#[derive(Debug)]
struct Mesh {
    established: bool,
    /// With our ids.
    locals: Vec<(u8, IpAddr)>,
    /// With the peer's ids.
    remotes: Vec<(u8, SocketAddr)>,
    /// Pairs with a subflow that is open or being opened.
    linked: Vec<Pair>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct FullMesh {
    delays: ReopenDelays,
    meshes: HashMap<Token, Mesh>,
    openings: Openings,
}

impl FullMesh {
    /// With these pauses.
    #[must_use]
    pub fn new(delays: ReopenDelays) -> Self {
        Self {
            delays,
            ..Self::default()
        }
    }

    fn created(&mut self, connection: &ConnectionTuple) {
        let mesh = Mesh {
            established: false,
            locals: vec![(0, connection.local.ip())],
            remotes: vec![(0, connection.remote)],
            linked: vec![(connection.local.ip(), connection.remote)],
        };
        self.meshes.insert(connection.token, mesh);
    }

    fn established(
        &mut self,
        now: Instant,
        connection: &ConnectionTuple,
        commands: &mut Commands<'_>,
    ) {
        if !self.meshes.contains_key(&connection.token) {
            self.created(connection);
        }
        if let Some(mesh) = self.meshes.get_mut(&connection.token) {
            mesh.established = true;
            if connection.deny_join_id0 {
                mesh.remotes.retain(|&(id, _)| id != 0);
            }
        }
        self.link(now, connection.token, commands);
    }

    /// Opens what is missing and does not wait for its time.
    fn link(&mut self, now: Instant, token: Token, commands: &mut Commands<'_>) {
        let Some(mesh) = self.meshes.get_mut(&token).filter(|mesh| mesh.established) else {
            return;
        };
        for &(_, local) in &mesh.locals {
            for &(_, remote) in &mesh.remotes {
                let pair = (local, remote);
                let waits = |subflow: &CreateSubflow| is_between(subflow, token, pair);
                if local.is_ipv4() != remote.is_ipv4()
                    || mesh.linked.contains(&pair)
                    || self.openings.any(waits)
                {
                    continue;
                }
                let subflow = CreateSubflow::new(token, remote).from(local);
                match self.openings.open(now, subflow, commands) {
                    Ok(()) => mesh.linked.push(pair),
                    Err(error) => {
                        let at = now + self.delays.after(error);
                        self.openings.schedule(at, subflow);
                    }
                }
            }
        }
    }

    fn subflow_closed(&mut self, now: Instant, subflow: &SubflowTuple, error: Option<Errno>) {
        let Some(mesh) = self.meshes.get_mut(&subflow.token) else {
            return;
        };
        let pair = (subflow.local.ip(), subflow.remote);
        let linked = mesh.linked.iter().position(|&known| known == pair);
        // One of the peer's making is the peer's to open again. One that ended in order stays on
        // the list of those that need no subflow: somebody wants it closed.
        if let Some(index) = linked
            && mesh.knows(pair)
            && let Some(error) = error
        {
            mesh.linked.swap_remove(index);
            let wanted = CreateSubflow::new(subflow.token, pair.1).from(pair.0);
            self.openings
                .schedule(now + self.delays.after(error), wanted);
        }
    }

    /// An address has gone.
    fn unlink(&mut self, token: Token, mut gone: impl FnMut(IpAddr, SocketAddr) -> bool) {
        if let Some(mesh) = self.meshes.get_mut(&token) {
            mesh.linked.retain(|&(local, remote)| !gone(local, remote));
        }
        self.openings.give_up(|subflow| {
            let local = subflow.local;
            subflow.token == token && local.is_some_and(|local| gone(local, subflow.remote))
        });
    }
}

impl Mesh {
    fn knows(&self, (local, remote): Pair) -> bool {
        self.locals.iter().any(|&(_, address)| address == local)
            && self.remotes.iter().any(|&(_, address)| address == remote)
    }
}

fn is_between(subflow: &CreateSubflow, token: Token, (local, remote): Pair) -> bool {
    subflow.token == token && subflow.local == Some(local) && subflow.remote == remote
}

impl Controller for FullMesh {
    fn events(&self) -> EventMask {
        EventMask::CREATED
            | EventMask::ESTABLISHED
            | EventMask::CLOSED
            | EventMask::ANNOUNCED
            | EventMask::REMOVED
            | EventMask::SUBFLOW_ESTABLISHED
            | EventMask::SUBFLOW_CLOSED
            | EventMask::LOCAL_ADDRESSES
    }

    fn handle_event(&mut self, now: Instant, event: &Event, commands: &mut Commands<'_>) {
        match *event {
            Event::Created(connection) if !connection.server_side => self.created(&connection),
            Event::Established(connection) if !connection.server_side => {
                self.established(now, &connection, commands);
            }
            Event::Closed { token } => {
                self.meshes.remove(&token);
                self.openings.forget(token);
            }
            Event::Announced {
                token,
                remote_id,
                address,
            } => {
                if let Some(mesh) = self.meshes.get_mut(&token)
                    && !mesh.remotes.contains(&(remote_id, address))
                {
                    mesh.remotes.push((remote_id, address));
                    self.link(now, token, commands);
                }
            }
            Event::Removed { token, remote_id } => {
                let mut gone = Vec::new();
                if let Some(mesh) = self.meshes.get_mut(&token) {
                    gone.extend(mesh.remotes.extract_if(.., |(id, _)| *id == remote_id));
                }
                self.unlink(token, |_, remote| {
                    gone.iter().any(|&(_, address)| address == remote)
                });
            }
            Event::LocalAddressAdded {
                token,
                local_id,
                address,
            } => {
                if let Some(mesh) = self.meshes.get_mut(&token)
                    && !mesh.locals.iter().any(|&(_, known)| known == address)
                {
                    mesh.locals.push((local_id, address));
                    self.link(now, token, commands);
                }
            }
            Event::LocalAddressRemoved { token, address, .. } => {
                if let Some(mesh) = self.meshes.get_mut(&token) {
                    mesh.locals.retain(|&(_, known)| known != address);
                }
                self.unlink(token, |local, _| local == address);
            }
            Event::SubflowEstablished(subflow) => {
                if let Some(mesh) = self.meshes.get_mut(&subflow.token) {
                    let pair = (subflow.local.ip(), subflow.remote);
                    if !mesh.linked.contains(&pair) {
                        mesh.linked.push(pair);
                    }
                }
            }
            Event::SubflowClosed { subflow, error, .. } => {
                self.subflow_closed(now, &subflow, error);
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.openings.deadline()
    }

    fn handle_timeout(&mut self, now: Instant, commands: &mut Commands<'_>) {
        for (subflow, result) in self.openings.run(now, commands) {
            let (Some(mesh), Some(local)) = (self.meshes.get_mut(&subflow.token), subflow.local)
            else {
                continue;
            };
            let pair = (local, subflow.remote);
            match result {
                Ok(()) if mesh.linked.contains(&pair) => {}
                Ok(()) => mesh.linked.push(pair),
                // Without the connection there is nothing to wait for.
                Err(Errno::EBADR | Errno::EOWNERDEAD | Errno::ENOTCONN) => {}
                Err(error) => {
                    let at = now + self.delays.after(error);
                    mesh.linked.retain(|&known| known != pair);
                    self.openings.schedule(at, subflow);
                }
            }
        }
    }
}
