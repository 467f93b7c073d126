//! `bind`, `listen` and `accept`.
//!
//! The module owns where a socket is bound and where its endpoint listens.

use super::{Bound, Net, Protocol, Socket, SocketState};
use crate::bsd::address::{Family, SockAddr};
use crate::bsd::bindings::Reuse;
use crate::bsd::errors::ToErrno;
use crate::bsd::{Errno, connection_info};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::ConnectionProtocol;

impl Socket {
    /// `bind`.
    ///
    /// # Errors
    /// `EINVAL` if it is bound already or past that, `EAFNOSUPPORT` for the other family,
    /// `EADDRNOTAVAIL` for an address that is not ours, `EACCES` for a port below 1024 without
    /// privileges, `EADDRINUSE`.
    pub fn bind(&mut self, net: &mut Net<'_>, address: SockAddr) -> Result<(), Errno> {
        if self.state != SocketState::Fresh || self.bound.is_some() {
            return Err(Errno::EINVAL);
        }
        let local = self.to_stack(address)?;
        let ip = local.ip();
        let ours = ip.is_unspecified() || net.endpoint.has_address(ip);
        if !ours && !self.options.free_bind {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if (1..1024).contains(&local.port()) && !net.system.privileged {
            return Err(Errno::EACCES);
        }
        self.bound_to_address = !ip.is_unspecified();
        if local.port() == 0 && self.options.bind_without_port {
            self.bound = Some(Bound { id: None, local });
            return Ok(());
        }
        self.bind_to(net, local)?;
        Ok(())
    }

    fn bind_to(&mut self, net: &mut Net<'_>, local: SocketAddr) -> Result<Bound, Errno> {
        let reuse = Reuse {
            address: self.options.reuse_address,
            port: self.options.reuse_port,
        };
        let (id, local) = net
            .system
            .bindings
            .bind(local, reuse, self.options.port_range)?;
        let bound = Bound {
            id: Some(id),
            local,
        };
        self.bound = Some(bound);
        Ok(bound)
    }

    /// It is bound, by the application or by a call that needed a port.
    pub(in crate::bsd) const fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// An address for the stack, of the socket's family.
    pub(super) fn to_stack(&self, address: SockAddr) -> Result<SocketAddr, Errno> {
        let given = address.as_given();
        match self.family {
            Family::V4 if given.is_ipv6() => Err(Errno::EAFNOSUPPORT),
            Family::V6 if given.is_ipv4() => Err(Errno::EINVAL),
            Family::V6 if self.options.v6_only && given.ip().to_canonical().is_ipv4() => {
                Err(Errno::EINVAL)
            }
            Family::V4 | Family::V6 => Ok(address.for_stack()),
        }
    }

    /// `listen`; on a socket that listens already it changes the backlog.
    ///
    /// # Errors
    /// `EINVAL` if it is connected, `EADDRINUSE`.
    pub fn listen(&mut self, net: &mut Net<'_>, backlog: i32) -> Result<(), Errno> {
        // As Linux: nothing waits in a backlog of 0 but one connection does.
        let backlog = usize::try_from(backlog)
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        match &self.state {
            SocketState::Listening(listeners) => {
                for &listener in listeners {
                    net.endpoint.set_backlog(listener, backlog);
                }
                return Ok(());
            }
            SocketState::Fresh => {}
            SocketState::Connecting(_) | SocketState::Connected(_) => return Err(Errno::EINVAL),
        }
        let bound = match self.bound {
            Some(bound) if bound.id.is_some() => bound,
            Some(Bound { local, .. }) => self.bind_to(net, local)?,
            None => self.bind_to(net, self.family.unspecified())?,
        };
        if let Some(id) = bound.id {
            net.system.bindings.set_listening(id)?;
        }
        let config = self.starting_config(net);
        let mut listeners = Vec::new();
        for local in self.listening_addresses(net, bound.local) {
            match net.endpoint.listen(local, config.clone()) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    for listener in listeners {
                        net.endpoint.close_listener(net.now, listener);
                    }
                    return Err(error.to_errno());
                }
            }
        }
        for &listener in &listeners {
            net.endpoint.set_backlog(listener, backlog);
        }
        self.state = SocketState::Listening(listeners);
        Ok(())
    }

    /// Where the endpoint is to listen: an IPv6 wildcard also stands for IPv4, and the wildcard of a
    /// socket that is bound to an interface for the addresses of that.
    fn listening_addresses(&self, net: &Net<'_>, local: SocketAddr) -> Vec<SocketAddr> {
        let wildcard = local.ip().is_unspecified();
        let both = self.family == Family::V6 && wildcard && !self.options.v6_only;
        let of_family = |address: &IpAddr| both || address.is_ipv4() == local.is_ipv4();
        match self.options.interface.filter(|_| wildcard) {
            Some(interface) => net
                .endpoint
                .addresses_of(interface)
                .into_iter()
                .filter(of_family)
                .map(|address| SocketAddr::new(address, local.port()))
                .collect(),
            None if both => {
                let mapped = SocketAddr::new(Family::V4.unspecified().ip(), local.port());
                vec![local, mapped]
            }
            None => vec![local],
        }
    }

    /// `accept`: the next connection, which has the options of this socket.
    ///
    /// # Errors
    /// `EAGAIN` if there is none, `EINVAL` if it does not listen.
    pub fn accept(&mut self, net: &mut Net<'_>) -> Result<Self, Errno> {
        let SocketState::Listening(listeners) = &self.state else {
            return Err(Errno::EINVAL);
        };
        let accepted = listeners
            .iter()
            .find_map(|&listener| net.endpoint.accept(listener));
        let id = accepted.ok_or(Errno::EAGAIN)?;
        let info = connection_info(net.endpoint, id).map_err(|_| Errno::ECONNABORTED)?;
        // A peer without MPTCP gets a socket of plain TCP, as in Linux.
        let protocol = match (self.protocol, info.protocol) {
            (Protocol::Mptcp, ConnectionProtocol::Tcp) => Protocol::Tcp,
            (protocol, _) => protocol,
        };
        let mut socket = Self {
            state: SocketState::Connected(id),
            options: self.options.inherited(),
            names: Some((info.local, info.remote)),
            ..Self::fresh(self.family, protocol, self.config.clone())
        };
        socket.apply_options(net);
        socket.families_begin(net);
        Ok(socket)
    }

    pub(super) fn stop_listening(&mut self, net: &mut Net<'_>) {
        if let SocketState::Listening(listeners) = &self.state {
            for &listener in listeners {
                net.endpoint.close_listener(net.now, listener);
            }
        }
        self.state = SocketState::Fresh;
    }
}
