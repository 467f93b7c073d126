//! A socket, and the calls that change its state. None of them blocks.
//!
//! The module owns [`SocketState`] and every transition between its states.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the socket: making it, its names, `shutdown`, `close` |
//! | `listening` | `bind`, `listen`, `accept` |
//! | `connecting` | `connect` |

mod connecting;
mod listening;

use super::address::{Family, SockAddr};
use super::bindings::BindingId;
use super::options::{FamilyState, KeptOptions};
use super::system::{OptionProfile, System};
use super::{Errno, IPPROTO_MPTCP};
use std::net::SocketAddr;
use umptcp_stack::{
    CloseReason, ConnectionConfig, ConnectionId, ConnectionInfo, Endpoint, Instant, ListenerId,
    WriteError,
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
    /// The connection holds small segments back, for `TCP_CORK` or `MSG_MORE`.
    pub(super) corked: bool,
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
            (Protocol::Tcp, OptionProfile::MultipathTcpOrg) => {
                system.enabled && !system.mptcp_on_request
            }
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
            corked: false,
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
