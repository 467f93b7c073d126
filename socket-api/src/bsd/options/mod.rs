//! Socket options: `getsockopt` and `setsockopt`, family by family.
//!
//! The module owns which family answers for which level and number. Every family is a module of its
//! own that says which document it follows; the ordinary options of TCP sockets are three more.
//!
//! | module | what |
//! |---|---|
//! | `socket_level`, `tcp_level`, `ip_level` | options of any TCP socket, and how they reach subflows |
//! | [`apple`] | service types, `connectx`, interface costs: multipath sockets of Apple |
//! | [`draft`] | subflows of a socket: draft-hesmans-mptcp-socket, draft-samar-mptcp-socketapi |
//! | `face` | the same for Rust programs |
//! | [`multipath_tcp_org`] | the options and sysctls of the multipath-tcp.org kernel, if the profile says so |
//! | [`rfc6897`] | the basic API of RFC 6897, and where a connection may come from |
//! | [`linux`] | upstream Linux: `SOL_MPTCP`, `TCP_INFO` and what tells MPTCP from TCP, sysctls, counters |
//! | `value`, `kept`, `subflows` | values as bytes, what a socket remembers, how options reach subflows |
//!
//! # Decisions
//!
//! The sources contradict each other in places (API reference 8.7). Decided once:
//!
//! - **Numbers 42 to 45 at level `IPPROTO_TCP`** are upstream Linux's (43 is `TCP_IS_MPTCP`), unless the
//!   stack's [`OptionProfile`] is `MultipathTcpOrg`.
//! - **What Linux refuses** on an MPTCP socket although the stack can do it (`TCP_USER_TIMEOUT`,
//!   `IP_TTL`, `SO_MAX_PACING_RATE` …) works, unless the profile is `Linux`. What the stack cannot do
//!   is never accepted silently: `EOPNOTSUPP` if the number is known, `ENOPROTOOPT` if it is not.
//! - **Not MPTCP, or fallen back**: every option that concerns MPTCP gives `EOPNOTSUPP`, also on IPv6
//!   sockets, where Linux, and the profile of that name, gives `ENOPROTOOPT` for `MPTCP_INFO`.
//! - **An option that comes too late** gives `EINVAL`, as in Linux; only those of
//!   multipath-tcp.org give `EPERM`, as there.
//! - **Subflow ids** count from 1 and are never used again where they are 32 bits wide (Linux); the
//!   draft's ids of 8 bits are the same numbers as long as they fit.

pub mod apple;
pub mod draft;
mod face;
mod ip_level;
mod kept;
pub mod linux;
pub mod multipath_tcp_org;
pub mod rfc6897;
mod socket_level;
mod subflows;
mod tcp_level;
mod value;

pub use face::SocketOptions;
pub use kept::KeptOptions;

use super::{
    Errno, Net, OptionProfile, Protocol, Socket, SocketState, UserMemory, connection_info,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use umptcp_stack::{ConnectionInfo, ConnectionProtocol, Keepalive, PlainDirections, SubflowId};

/// `SOL_MPTCP`.
pub const SOL_MPTCP: i32 = 284;

/// What the families remember of one connection.
#[derive(Clone, Debug, Default)]
pub(in crate::bsd) struct FamilyState {
    /// The draft's ids.
    numbers: draft::SubflowNumbers,
    /// Times of probes that were set on one subflow.
    keepalive_times: BTreeMap<SubflowId, Keepalive>,
    /// Where a call that says so itself connects from.
    source: Option<SocketAddr>,
    /// Service types, and what `connectx` was told.
    apple: apple::AppleState,
}

impl Socket {
    /// `getsockopt`: `value` is the caller's buffer, as long as it says; the result is the new
    /// length. Some options also read the buffer.
    ///
    /// # Errors
    /// `ENOPROTOOPT` for an unknown option, `EOPNOTSUPP` for one that is known and not to be had,
    /// otherwise what the option's family says.
    pub fn getsockopt(
        &mut self,
        net: &mut Net<'_>,
        level: i32,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Result<usize, Errno> {
        if let Some(result) = self.get_of_family(net, level, name, value, memory) {
            return result;
        }
        if self.is_restricted(net) {
            linux::check_get(self.is_mptcp(net), level, name)?;
        }
        match level {
            SOL_MPTCP => self.get_mptcp_level(net, name, value, memory),
            libc::SOL_SOCKET => self.get_socket_level(net, name, value),
            libc::IPPROTO_TCP => self.get_tcp_level(net, name, value),
            libc::IPPROTO_IP => self.get_ip_level(name, value),
            libc::IPPROTO_IPV6 => self.get_ipv6_level(net, name, value),
            // As Linux: IPv4 knows no other level, and says so in its own way.
            _ if net.system.profile == OptionProfile::Linux => Err(self.without_mptcp(net)),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    /// `setsockopt`.
    ///
    /// # Errors
    /// As for [`Self::getsockopt`].
    pub fn setsockopt(
        &mut self,
        net: &mut Net<'_>,
        level: i32,
        name: i32,
        value: &[u8],
        memory: &mut dyn UserMemory,
    ) -> Result<(), Errno> {
        if let Some(result) = self.set_of_family(net, level, name, value, memory) {
            return result;
        }
        if self.is_restricted(net) {
            linux::check_set(self.family, self.is_mptcp(net), level, name)?;
        }
        match level {
            libc::SOL_SOCKET => self.set_socket_level(net, name, value),
            libc::IPPROTO_TCP => self.set_tcp_level(net, name, value),
            libc::IPPROTO_IP => self.set_ip_level(net, name, value),
            libc::IPPROTO_IPV6 => self.set_ipv6_level(net, name, value),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    /// The families that share `IPPROTO_TCP` with ordinary options.
    fn get_of_family(
        &mut self,
        net: &mut Net<'_>,
        level: i32,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Option<Result<usize, Errno>> {
        if level != libc::IPPROTO_TCP {
            return None;
        }
        self.get_rfc6897(net, name, value)
            .or_else(|| self.get_multipath_tcp_org(net, name, value, memory))
            .or_else(|| self.get_apple(net, name, value))
            .or_else(|| self.get_draft(net, name, value, memory))
    }

    fn set_of_family(
        &mut self,
        net: &mut Net<'_>,
        level: i32,
        name: i32,
        value: &[u8],
        memory: &mut dyn UserMemory,
    ) -> Option<Result<(), Errno>> {
        if level != libc::IPPROTO_TCP {
            return None;
        }
        self.set_rfc6897(net, name, value)
            .or_else(|| self.set_multipath_tcp_org(net, name, value))
            .or_else(|| self.set_apple(net, name, value))
            .or_else(|| self.set_draft(net, name, value, memory))
    }

    /// Its connection, which speaks MPTCP or may still come to do so.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on plain TCP and after fallback, also of one direction; `ENOTCONN` without a
    /// connection, or when it has ended.
    fn multipath_connection(&self, net: &Net<'_>) -> Result<ConnectionInfo, Errno> {
        let Some(id) = self.connection() else {
            let wanted = self.config.mptcp;
            return Err(if wanted {
                Errno::ENOTCONN
            } else {
                Errno::EOPNOTSUPP
            });
        };
        let info = connection_info(net.endpoint, id)?;
        if info.protocol == ConnectionProtocol::Tcp || info.plain != PlainDirections::Neither {
            return Err(Errno::EOPNOTSUPP);
        }
        if info.closed.is_some() {
            return Err(Errno::ENOTCONN);
        }
        Ok(info)
    }

    /// A connection has begun.
    pub(in crate::bsd) fn families_begin(&mut self, net: &mut Net<'_>) {
        self.families = FamilyState::default();
        self.subscribe(net);
    }

    /// The connection is about to be let go of.
    pub(in crate::bsd) fn families_end(&mut self, net: &mut Net<'_>) {
        if let Some(id) = self.connection() {
            net.system.subscriptions.end(id);
        }
    }

    /// It is an MPTCP socket to which Linux's restrictions apply.
    fn is_restricted(&self, net: &Net<'_>) -> bool {
        self.protocol == Protocol::Mptcp && net.system.profile == OptionProfile::Linux
    }

    /// Options that concern only how the first subflow begins (API reference 4.4). What has fallen back
    /// is like TCP, which takes them at any time.
    fn check_not_begun(&self, net: &Net<'_>) -> Result<(), Errno> {
        match self.state {
            SocketState::Fresh | SocketState::Listening(_) => Ok(()),
            SocketState::Connecting(_) | SocketState::Connected(_) if self.is_mptcp(net) => {
                Err(Errno::EINVAL)
            }
            SocketState::Connecting(_) | SocketState::Connected(_) => Ok(()),
        }
    }

    /// A value that is kept for whoever asks, and changes nothing.
    fn remember(&mut self, level: i32, name: i32, value: &[u8]) -> Result<(), Errno> {
        let number = value::read_int(value)?;
        self.options.remembered.insert((level, name), number);
        Ok(())
    }

    fn remembered(&self, level: i32, name: i32) -> i32 {
        let known = self.options.remembered.get(&(level, name));
        // As Linux: no CPU in particular.
        let default = if (level, name) == (libc::SOL_SOCKET, libc::SO_INCOMING_CPU) {
            -1
        } else {
            0
        };
        known.copied().unwrap_or(default)
    }
}
