//! The options of upstream Linux: level `SOL_MPTCP`, and what `IPPROTO_TCP` tells of an MPTCP socket
//! (API reference 4; include/uapi/linux/mptcp.h and tcp.h of Linux 6.18).
//!
//! The module owns the layouts and copy rules of that family, the sysctls `net.mptcp.*`, the names of
//! the counters, and which ordinary options Linux refuses. It changes nothing but settings.
//!
//! | file | what |
//! |---|---|
//! | `layout` | structures of C as tables |
//! | `tcp_info`, `mptcp_info`, `subflow` | the structures, and what stands in which field |
//! | `arrays`, `full_info` | how they are written to the caller's buffer |
//! | `refused` | ordinary options that Linux refuses on an MPTCP socket |
//! | [`sysctl`] | `net.mptcp.*` |
//! | [`mib`] | the counters by their names |
//! | `face` | typed functions for Rust programs |

mod arrays;
mod face;
mod full_info;
mod layout;
pub mod mib;
mod mptcp_info;
mod refused;
mod subflow;
pub mod sysctl;
mod tcp_info;
#[cfg(test)]
mod tests;

pub use arrays::SubflowDataHeader;
pub use face::{
    FullInfo, full_info, is_mptcp, mptcp_info, subflow_addrs, subflow_tcp_infos, tcp_info,
};
pub use full_info::{FULL_INFO_SIZE, FullInfoHeader};
pub use layout::Field;
pub use mptcp_info::{FLAG_FALLBACK, FLAG_REMOTE_KEY_RECEIVED, MptcpInfo};
pub(super) use refused::{check_get, check_set};
pub use subflow::{NumberedSubflow, SubflowAddrs, linux_subflow_id};
pub use tcp_info::TcpInfo;

use super::value::{write_name, write_small_int, write_truncated};
use crate::bsd::{Errno, Family, Net, OptionProfile, Protocol, Socket, SocketState, UserMemory};
use umptcp_stack::{ConnectionProtocol, PlainDirections};

/// `MPTCP_INFO`: a [`MptcpInfo`], as much of it as fits. With a buffer of 0 bytes it tells whether
/// the socket has fallen back to TCP, and no more.
pub const MPTCP_INFO: i32 = 1;
/// `MPTCP_TCPINFO`: a [`SubflowDataHeader`], then a [`TcpInfo`] for each subflow.
pub const MPTCP_TCPINFO: i32 = 2;
/// `MPTCP_SUBFLOW_ADDRS`: a [`SubflowDataHeader`], then [`SubflowAddrs`] for each subflow.
pub const MPTCP_SUBFLOW_ADDRS: i32 = 3;
/// `MPTCP_FULL_INFO`: a [`FullInfoHeader`] and a [`MptcpInfo`]; the arrays stand behind pointers.
pub const MPTCP_FULL_INFO: i32 = 4;
/// `TCP_IS_MPTCP`, at level `IPPROTO_TCP`: 1 unless the socket is plain TCP or fell back to it.
pub const TCP_IS_MPTCP: i32 = 43;

/// `TCP_ULP_NAME_MAX`: bytes of the name of a protocol above TCP.
const ULP_NAME_LEN: usize = 16;

impl Socket {
    /// `getsockopt` at level `SOL_MPTCP`.
    pub(super) fn get_mptcp_level(
        &self,
        net: &Net<'_>,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Result<usize, Errno> {
        if !self.is_mptcp(net) {
            return Err(self.without_mptcp(net));
        }
        match name {
            MPTCP_INFO => Ok(write_truncated(value, &self.mptcp_info(net).to_bytes())),
            MPTCP_TCPINFO => {
                let subflows = self.listed_subflows(net);
                let elements: Vec<_> = subflows.iter().map(|one| one.tcp.to_bytes()).collect();
                arrays::write(value, &elements)
            }
            MPTCP_SUBFLOW_ADDRS => {
                let subflows = self.listed_subflows(net);
                let addresses = subflows.iter().map(|one| one.subflow.addresses.to_bytes());
                arrays::write(value, &addresses.collect::<Vec<_>>())
            }
            MPTCP_FULL_INFO => {
                let subflows = self.listed_subflows(net);
                full_info::write(value, memory, &self.mptcp_info(net), &subflows)
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }

    /// What `IPPROTO_TCP` tells of it in this family; `None` for other options.
    pub(super) fn get_linux_tcp(
        &self,
        net: &Net<'_>,
        name: i32,
        value: &mut [u8],
    ) -> Option<usize> {
        match name {
            libc::TCP_INFO => {
                let info = self.first_tcp_info(net);
                Some(write_truncated(value, &info.to_bytes()))
            }
            // Neither CUBIC nor NewReno has anything to tell, in Linux or here.
            libc::TCP_CC_INFO => Some(0),
            TCP_IS_MPTCP if net.system.profile != OptionProfile::MultipathTcpOrg => {
                let number = i32::from(self.is_mptcp(net));
                Some(write_small_int(value, number))
            }
            libc::TCP_ULP => Some(match self.protocol {
                Protocol::Mptcp => write_name(value, "mptcp", ULP_NAME_LEN),
                Protocol::Tcp => 0,
            }),
            _ => None,
        }
    }

    /// It is an MPTCP socket that has not fallen back to TCP.
    pub(in crate::bsd) fn is_mptcp(&self, net: &Net<'_>) -> bool {
        let info = self
            .connection()
            .and_then(|id| net.endpoint.connection_info(id));
        // As in Linux, a fallback of one direction is one of the connection.
        let plain = info.is_some_and(|info| {
            info.protocol == ConnectionProtocol::Tcp || info.plain != PlainDirections::Neither
        });
        self.protocol == Protocol::Mptcp && !plain
    }

    /// What an option gives that needs MPTCP: the plain TCP of an IPv6 socket of Linux does not know
    /// the level.
    pub(super) fn without_mptcp(&self, net: &Net<'_>) -> Errno {
        match (net.system.profile, self.family) {
            (OptionProfile::Linux, Family::V6) => Errno::ENOPROTOOPT,
            _ => Errno::EOPNOTSUPP,
        }
    }

    fn mptcp_info(&self, net: &Net<'_>) -> MptcpInfo {
        let path_manager = self.config.path_manager;
        match self.state {
            // As Linux: it tells of no connection, and of no limits.
            SocketState::Listening(_) => MptcpInfo::default(),
            SocketState::Fresh => MptcpInfo::of_host(net.endpoint, path_manager),
            SocketState::Connecting(id) | SocketState::Connected(id) => {
                let path_manager = net.endpoint.path_manager(id).unwrap_or(path_manager);
                let Some(info) = net.endpoint.connection_info(id) else {
                    return MptcpInfo::of_host(net.endpoint, path_manager);
                };
                let subflows = net.endpoint.subflows(id);
                let begun = subflows
                    .first()
                    .map_or(net.now, |first| first.tcp.opened_at);
                MptcpInfo::of_connection(net.now, net.endpoint, path_manager, &info, begun)
            }
        }
    }
}
