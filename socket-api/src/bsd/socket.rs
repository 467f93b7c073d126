//! A socket, and the calls that change its state: `socket`, `bind`, `listen`, `accept`, `connect`,
//! `shutdown`, `close`.
//!
//! The module owns [`SocketState`] and every transition between its states. None of the calls blocks.

use super::address::{Family, SockAddr};
use super::bindings::{BindingId, Reuse};
use super::errors::ToErrno;
use super::options::{FamilyState, KeptOptions};
use super::system::{OptionProfile, System};
use super::{Errno, IPPROTO_MPTCP, connection_info};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{
    CloseReason, ConnectionConfig, ConnectionId, ConnectionInfo, ConnectionProtocol, Endpoint,
    Instant, ListenerId, WriteError,
};

/// What a call works on beside its socket.
#[derive(Debug)]
pub struct Net<'a> {
    /// The stack.
    pub endpoint: &'a mut Endpoint,
    /// What its sockets have in common.
    pub system: &'a mut System,
    /// The time.
    pub now: Instant,
}

/// What the application asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `IPPROTO_TCP`, or 0.
    Tcp,
    /// `IPPROTO_MPTCP`.
    Mptcp,
}

impl Protocol {
    /// Its number, as `SO_PROTOCOL` gives it.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Tcp => libc::IPPROTO_TCP,
            Self::Mptcp => IPPROTO_MPTCP,
        }
    }
}

/// What `shutdown` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HowToShutDown {
    /// `SHUT_RD`.
    Read,
    /// `SHUT_WR`.
    Write,
    /// `SHUT_RDWR`.
    Both,
}

impl HowToShutDown {
    /// The one with this number.
    ///
    /// # Errors
    /// `EINVAL` for any other number.
    pub const fn of_number(number: i32) -> Result<Self, Errno> {
        match number {
            libc::SHUT_RD => Ok(Self::Read),
            libc::SHUT_WR => Ok(Self::Write),
            libc::SHUT_RDWR => Ok(Self::Both),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// Where a socket is between `socket` and `close`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// Neither connected nor listening.
    Fresh,
    /// `connect` was called, and nobody has been told how it went.
    Connecting(ConnectionId),
    /// Connected, or it was until the connection ended.
    Connected(ConnectionId),
    /// Listening; an IPv6 socket on all addresses also listens to IPv4.
    Listening(Vec<ListenerId>),
}

/// Where a socket is bound.
#[derive(Clone, Copy, Debug)]
struct Bound {
    /// The port is kept for it; not so under `IP_BIND_ADDRESS_NO_PORT`.
    id: Option<BindingId>,
    local: SocketAddr,
}

/// A socket. Whoever owns it calls [`Socket::close`] in the end: dropping it keeps its connection.
#[derive(Debug)]
pub struct Socket {
    pub(super) family: Family,
    pub(super) protocol: Protocol,
    pub(super) state: SocketState,
    /// What its connections start with.
    pub(super) config: ConnectionConfig,
    pub(super) options: KeptOptions,
    bound: Option<Bound>,
    /// The application has bound it to one address.
    bound_to_address: bool,
    /// `SO_ERROR`.
    pub(super) error: Option<Errno>,
    /// The error that ended the connection was told.
    pub(super) end_told: bool,
    pub(super) read_shut: bool,
    /// What the option families remember.
    pub(super) families: FamilyState,
    /// The addresses of the initial subflow, which stay when it is gone.
    names: Option<(SocketAddr, SocketAddr)>,
}

impl Socket {
    /// `socket(domain, kind, protocol)`; `SOCK_NONBLOCK` and `SOCK_CLOEXEC` are for the owner of
    /// the descriptor.
    ///
    /// # Errors
    /// As Linux: `EAFNOSUPPORT`; `ESOCKTNOSUPPORT` or `EPROTONOSUPPORT` for other kinds;
    /// `EPROTONOSUPPORT` for other protocols; `ENOPROTOOPT` if MPTCP is switched off.
    pub fn new(system: &System, domain: i32, kind: i32, protocol: i32) -> Result<Self, Errno> {
        let family = Family::of_number(domain)?;
        let protocol = match protocol {
            0 | libc::IPPROTO_TCP => Protocol::Tcp,
            IPPROTO_MPTCP => Protocol::Mptcp,
            _ => return Err(Errno::EPROTONOSUPPORT),
        };
        match kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) {
            libc::SOCK_STREAM => {}
            libc::SOCK_DGRAM => return Err(Errno::EPROTONOSUPPORT),
            libc::SOCK_SEQPACKET | libc::SOCK_RAW | libc::SOCK_RDM => {
                return Err(Errno::ESOCKTNOSUPPORT);
            }
            _ => return Err(Errno::EINVAL),
        }
        if protocol == Protocol::Mptcp && !system.enabled {
            return Err(Errno::ENOPROTOOPT);
        }
        let mut config = system.defaults.clone();
        config.mptcp = match (protocol, system.profile) {
            (Protocol::Mptcp, _) => true,
            (Protocol::Tcp, OptionProfile::MultipathTcpOrg) => system.enabled,
            (Protocol::Tcp, OptionProfile::Full | OptionProfile::Linux) => false,
        };
        Ok(Self::fresh(family, protocol, config))
    }

    fn fresh(family: Family, protocol: Protocol, config: ConnectionConfig) -> Self {
        Self {
            family,
            protocol,
            state: SocketState::Fresh,
            config,
            options: KeptOptions::default(),
            bound: None,
            bound_to_address: false,
            error: None,
            end_told: false,
            read_shut: false,
            families: FamilyState::default(),
            names: None,
        }
    }

    /// A socket over a connection that was made without one.
    #[must_use]
    pub fn over_connection(info: &ConnectionInfo, config: ConnectionConfig) -> Self {
        let family = if info.local.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        };
        let protocol = if config.mptcp {
            Protocol::Mptcp
        } else {
            Protocol::Tcp
        };
        Self {
            state: SocketState::Connected(info.id),
            names: Some((info.local, info.remote)),
            ..Self::fresh(family, protocol, config)
        }
    }

    /// Its state.
    #[must_use]
    pub const fn state(&self) -> &SocketState {
        &self.state
    }

    /// Its family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// The protocol it was made for.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Its connection, if it has one or is getting one.
    #[must_use]
    pub const fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            SocketState::Connecting(id) | SocketState::Connected(id) => Some(id),
            SocketState::Fresh | SocketState::Listening(_) => None,
        }
    }

    /// What connections start with; a change reaches only those that are still to come.
    pub const fn config_mut(&mut self) -> &mut ConnectionConfig {
        &mut self.config
    }

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
    pub(super) const fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// An address for the stack, of the socket's family.
    fn to_stack(&self, address: SockAddr) -> Result<SocketAddr, Errno> {
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

    /// What a connection starts with now: RFC 6897 §4.2.1 under the legacy rules, and one that is
    /// bound to an interface never leaves it.
    fn starting_config(&self, net: &Net<'_>) -> ConnectionConfig {
        let mut config = self.config.clone();
        let unaware = self.options.multipath_enable.is_none();
        if net.system.legacy_rules && self.bound_to_address && unaware {
            config.mptcp = false;
        }
        if let Some(interface) = self.options.interface {
            config.allowed_local = Some(net.endpoint.addresses_of(interface));
        }
        config
    }

    /// The local end that a connection to `remote` is to have; `None` leaves it to the endpoint.
    fn starting_local(
        &self,
        net: &mut Net<'_>,
        remote: SocketAddr,
    ) -> Result<Option<SocketAddr>, Errno> {
        let (ip, port) = match self.bound {
            Some(Bound { local, .. }) => (Some(local.ip()), local.port()),
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

    /// `getsockname`: where it is bound, or the local end of the initial subflow, also when that is
    /// gone.
    #[must_use]
    pub fn local_name(&self) -> SockAddr {
        let local = match (self.names, self.bound) {
            (Some((local, _)), _) | (None, Some(Bound { local, .. })) => local,
            (None, None) => self.family.unspecified(),
        };
        // An IPv6 socket bound to everything shows the wildcard of its own family.
        if self.family == Family::V6 && local.ip() == Family::V4.unspecified().ip() {
            let any = Family::V6.unspecified().ip();
            return SockAddr::plain(SocketAddr::new(any, local.port()));
        }
        SockAddr::shown_by(self.family, local)
    }

    /// `getpeername`: the remote end of the initial subflow, also when that is gone.
    ///
    /// # Errors
    /// `ENOTCONN` if it is not connected.
    pub fn peer_name(&self) -> Result<SockAddr, Errno> {
        match (&self.state, self.names) {
            (SocketState::Connected(_), Some((_, remote))) => {
                Ok(SockAddr::shown_by(self.family, remote))
            }
            _ => Err(Errno::ENOTCONN),
        }
    }

    /// `shutdown`.
    ///
    /// # Errors
    /// `ENOTCONN` if it is not connected.
    pub fn shutdown(&mut self, net: &mut Net<'_>, how: HowToShutDown) -> Result<(), Errno> {
        if matches!(self.state, SocketState::Listening(_)) && how != HowToShutDown::Write {
            // As Linux: it listens no longer, and may be told to again.
            self.stop_listening(net);
            return Ok(());
        }
        // One that is established counts as connected, whether or not anybody has asked.
        self.connecting(net);
        let SocketState::Connected(id) = self.state else {
            return Err(Errno::ENOTCONN);
        };
        if how != HowToShutDown::Write {
            self.read_shut = true;
        }
        if how != HowToShutDown::Read {
            match net.endpoint.shutdown(net.now, id) {
                Ok(()) | Err(WriteError::ShutDown) => {}
                Err(WriteError::Closed(CloseReason::Finished)) => {}
                Err(_) => return Err(Errno::ENOTCONN),
            }
        }
        Ok(())
    }

    fn stop_listening(&mut self, net: &mut Net<'_>) {
        if let SocketState::Listening(listeners) = &self.state {
            for &listener in listeners {
                net.endpoint.close_listener(net.now, listener);
            }
        }
        self.state = SocketState::Fresh;
    }

    /// `close`: both directions end in order in the background, at once if something is unread or
    /// `SO_LINGER` says so. A connection that is not established is given up.
    pub fn close(mut self, net: &mut Net<'_>) {
        self.families_end(net);
        match self.state {
            SocketState::Fresh => {}
            SocketState::Listening(_) => self.stop_listening(net),
            SocketState::Connecting(id) => {
                let info = net.endpoint.connection_info(id);
                if !info.is_some_and(|info| info.established) {
                    // Unknown is as good as gone.
                    let _ = net.endpoint.abort(net.now, id);
                }
                net.endpoint.release(net.now, id);
            }
            SocketState::Connected(id) => net.endpoint.release(net.now, id),
        }
        if let Some(id) = self.bound.take().and_then(|bound| bound.id) {
            net.system.bindings.release(id);
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
