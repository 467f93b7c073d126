//! Socket options: `getsockopt` and `setsockopt`, family by family.
//!
//! The module owns which family answers for which level and number. Every family is a module of its
//! own that says which document it follows; the ordinary options of TCP sockets are three more.
//!
//! | module | what |
//! |---|---|
//! | `socket_level`, `tcp_level`, `ip_level` | options of any TCP socket, and how they reach subflows |
//! | `face` | the same for Rust programs |
//! | `value`, `kept`, `subflows` | values as bytes, what a socket remembers, how options reach subflows |
//!
//! # Decisions
//!
//! The sources contradict each other in places (API reference 8.7). Decided once:
//!
//! - **Numbers 42 to 45 at level `IPPROTO_TCP`** are upstream Linux's (43 is `TCP_IS_MPTCP`), unless the
//!   stack's [`OptionProfile`](super::OptionProfile) is `MultipathTcpOrg`.
//! - **What Linux refuses** on an MPTCP socket although the stack can do it (`TCP_USER_TIMEOUT`,
//!   `IP_TTL`, `SO_MAX_PACING_RATE` …) works, unless the profile is `Linux`. What the stack cannot do
//!   is never accepted silently: `EOPNOTSUPP` if the number is known, `ENOPROTOOPT` if it is not.
//! - **Not MPTCP, or fallen back**: every option that concerns MPTCP gives `EOPNOTSUPP`, also on IPv6
//!   sockets, where Linux gives `ENOPROTOOPT` for `MPTCP_INFO`.
//! - **An option that comes too late** gives `EINVAL`, as in Linux; only those of
//!   multipath-tcp.org give `EPERM`, as there.
//! - **Subflow ids** count from 1 and are never used again where they are 32 bits wide (Linux); the
//!   draft's ids of 8 bits are the same numbers as long as they fit.

mod face;
mod ip_level;
mod kept;
mod socket_level;
mod subflows;
mod tcp_level;
mod value;

pub use face::SocketOptions;
pub use kept::KeptOptions;

use super::{Errno, Net, OptionProfile, Protocol, Socket, UserMemory};

/// `SOL_MPTCP`.
pub const SOL_MPTCP: i32 = 284;

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
        let _ = memory;
        match level {
            libc::SOL_SOCKET => self.get_socket_level(net, name, value),
            libc::IPPROTO_TCP => self.get_tcp_level(net, name, value),
            libc::IPPROTO_IP => self.get_ip_level(net, name, value),
            libc::IPPROTO_IPV6 => self.get_ipv6_level(net, name, value),
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
        let _ = memory;
        match level {
            libc::SOL_SOCKET => self.set_socket_level(net, name, value),
            libc::IPPROTO_TCP => self.set_tcp_level(net, name, value),
            libc::IPPROTO_IP => self.set_ip_level(net, name, value),
            libc::IPPROTO_IPV6 => self.set_ipv6_level(net, name, value),
            _ => Err(Errno::ENOPROTOOPT),
        }
    }

    /// It is an MPTCP socket to which Linux's restrictions apply.
    fn is_restricted(&self, net: &Net<'_>) -> bool {
        self.protocol == Protocol::Mptcp && net.system.profile == OptionProfile::Linux
    }

    /// Options that concern only how the first subflow begins (API reference 4.4).
    fn check_not_begun(&self) -> Result<(), Errno> {
        match (self.protocol, &self.state) {
            (Protocol::Tcp, _) | (_, super::SocketState::Fresh) => Ok(()),
            (Protocol::Mptcp, _) => Err(Errno::EINVAL),
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
        known.copied().unwrap_or(0)
    }
}
