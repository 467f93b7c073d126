//! `connect`, and how it went.
//!
//! The module owns what a connection starts with: its settings and its local end.

use super::{Net, Socket, SocketState};
use crate::bsd::address::{Family, SockAddr};
use crate::bsd::errors::ToErrno;
use crate::bsd::{Errno, connection_info};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::ConnectionConfig;

impl Socket {
    /// What a connection starts with now: RFC 6897 §4.2.1 under the legacy rules, and one that is
    /// bound to an interface never leaves it.
    pub(super) fn starting_config(&self, net: &Net<'_>) -> ConnectionConfig {
        let mut config = self.config.clone();
        let bound = self.bound.filter(|_| self.bound_to_address);
        self.restrict(net, bound.map(|bound| bound.local.ip()), &mut config);
        config
    }

    /// The local end that a connection to `remote` is to have; `None` leaves it to the endpoint.
    fn starting_local(
        &self,
        net: &mut Net<'_>,
        remote: SocketAddr,
    ) -> Result<Option<SocketAddr>, Errno> {
        let bound = match self.bound.map(|bound| bound.local) {
            Some(local) if !local.ip().is_unspecified() => Some(local),
            // What is bound to a port alone keeps it.
            bound => {
                let said = self.permitted_source(net, remote)?;
                let port = bound.map_or(0, |bound| bound.port());
                let with_port = |said: SocketAddr| match port {
                    0 => said,
                    port => SocketAddr::new(said.ip(), port),
                };
                said.map(with_port).or(bound)
            }
        };
        let (ip, port) = match bound {
            Some(local) => (Some(local.ip()), local.port()),
            None if self.options.port_range != (0, 0) => {
                let any = SocketAddr::new(unspecified_like(remote), 0);
                let range = self.options.port_range;
                (None, net.system.bindings.free_port(any, range)?.port())
            }
            None => (None, 0),
        };
        // The wildcard of the other family says nothing about the address.
        let ip = match (ip.filter(|ip| !ip.is_unspecified()), self.options.interface) {
            (Some(ip), _) => ip,
            (None, None) => unspecified_like(remote),
            (None, Some(interface)) => {
                let addresses = net.endpoint.addresses_of(interface);
                let mut like = addresses
                    .into_iter()
                    .filter(|address| address.is_ipv4() == remote.is_ipv4());
                like.next().ok_or(Errno::ENETUNREACH)?
            }
        };
        let open = ip.is_unspecified() && port == 0;
        Ok((!open).then(|| SocketAddr::new(ip, port)))
    }

    /// `connect`: starts a connection; called again it tells how that went.
    ///
    /// # Errors
    /// `EINPROGRESS` when it has begun, `EALREADY` while it goes on, `EISCONN` afterwards, or why it
    /// failed; `EOPNOTSUPP` if it listens.
    pub fn connect(&mut self, net: &mut Net<'_>, remote: SockAddr) -> Result<(), Errno> {
        match self.state {
            SocketState::Fresh => self.start_connecting(net, remote),
            SocketState::Connecting(_) => match self.connecting(net) {
                None => Err(Errno::EALREADY),
                Some(result) => result,
            },
            SocketState::Connected(_) => Err(Errno::EISCONN),
            SocketState::Listening(_) => Err(Errno::EOPNOTSUPP),
        }
    }

    fn start_connecting(&mut self, net: &mut Net<'_>, remote: SockAddr) -> Result<(), Errno> {
        let remote = self.to_stack(remote)?;
        let config = self.starting_config(net);
        let local = self.starting_local(net, remote)?;
        let id = net
            .endpoint
            .connect(net.now, local, remote, config)
            .map_err(ToErrno::to_errno)?;
        if let Ok(info) = connection_info(net.endpoint, id) {
            self.names = Some((info.local, info.remote));
        }
        self.state = SocketState::Connecting(id);
        self.end_told = false;
        self.error = None;
        self.apply_options(net);
        self.families_begin(net);
        Err(Errno::EINPROGRESS)
    }

    /// How connecting went, once that is known.
    pub fn connecting(&mut self, net: &mut Net<'_>) -> Option<Result<(), Errno>> {
        let SocketState::Connecting(id) = self.state else {
            return Some(Ok(()));
        };
        if let Some(error) = self.settle_connecting(net) {
            self.error = None;
            // It may be tried again, from the same binding.
            self.families_end(net);
            net.endpoint.release(net.now, id);
            self.state = SocketState::Fresh;
            self.names = None;
            return Some(Err(error));
        }
        let info = connection_info(net.endpoint, id).ok()?;
        info.established.then(|| {
            self.state = SocketState::Connected(id);
            Ok(())
        })
    }

    /// The error by which connecting has failed, if it has.
    pub(super) fn settle_connecting(&self, net: &Net<'_>) -> Option<Errno> {
        let SocketState::Connecting(id) = self.state else {
            return None;
        };
        match net.endpoint.connection_info(id) {
            None => Some(Errno::ECONNABORTED),
            Some(info) if info.established => None,
            Some(info) => info.closed.map(ToErrno::to_errno),
        }
    }
}

fn unspecified_like(address: SocketAddr) -> IpAddr {
    if address.is_ipv4() {
        Family::V4.unspecified().ip()
    } else {
        Family::V6.unspecified().ip()
    }
}
