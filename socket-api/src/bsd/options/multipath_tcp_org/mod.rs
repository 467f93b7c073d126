//! The options and sysctls of the multipath-tcp.org kernel, v0.9x.
//!
//! The module owns the numbers 42 to 45 at level `IPPROTO_TCP` as that kernel has them. Upstream Linux
//! gives them to others, so they have this meaning only where the stack's profile is
//! [`OptionProfile::MultipathTcpOrg`]. TCP sockets speak MPTCP then.
//!
//! | option | number | value |
//! |---|---|---|
//! | `MPTCP_ENABLED` | 42 | `int`: in use, or wanted as long as that is not known |
//! | `MPTCP_SCHEDULER` | 43 | name: `default`, `roundrobin` |
//! | `MPTCP_PATH_MANAGER` | 44 | name: `default`, `fullmesh`, `ndiffports`; and ours, `kernel` |
//! | `MPTCP_INFO` | 45 | get: `struct mptcp_info`; set: `int`, 1 keeps the first subflow's `tcp_info` |
//!
//! # Decisions
//!
//! - All but `MPTCP_INFO` can be set only before the socket connects or listens (`EPERM`), as there. A
//!   name that is unknown, or known there and not here (`redundant`, `blest`, `ecf`, `binder`,
//!   `netlink`; of congestion controls `lia`, `olia`, `balia`, `wvegas`), gives `ENOENT`.
//! - `MPTCP_INFO` gives `EINVAL` on plain TCP, as there, and `EINVAL` for the first subflow's figures
//!   if that is gone and they were not kept. `MPTCP_ENABLED` and both names can be read always.
//! - The connection as a whole has no timer of its own that would fill `mptcpi_rto`: it is the largest
//!   of its subflows. Counts of segments are bytes divided by the segment size of the first subflow.

mod face;
mod info;
mod sysctl;
#[cfg(test)]
mod tests;

pub use face::{
    enabled, keep_initial, path_manager, scheduler, set_enabled, set_path_manager, set_scheduler,
};
pub use info::{META_INFO_SIZE, MPTCP_INFO_SIZE, SUB_INFO_SIZE};
pub use sysctl::MultipathTcpOrgSysctl;

use super::value::{read_bool, read_int, read_name, write_int, write_name};
use crate::bsd::{Errno, Net, OptionProfile, Socket, SocketState, UserMemory};
use umptcp_stack::{PathManagerKind, SchedulerKind};

/// Whether MPTCP is used.
pub const MPTCP_ENABLED: i32 = 42;
/// Which subflow carries the next bytes.
pub const MPTCP_SCHEDULER: i32 = 43;
/// Which subflows are opened.
pub const MPTCP_PATH_MANAGER: i32 = 44;
/// Figures of the connection and its subflows.
pub const MPTCP_INFO: i32 = 45;
/// `MPTCP_INFO_FLAG_SAVE_MASTER`.
const SAVE_INITIAL: i32 = 1;
/// `MPTCP_SCHED_NAME_MAX` and `MPTCP_PM_NAME_MAX`.
const NAME_LEN: usize = 16;

impl Socket {
    /// `getsockopt`; `None` if it is no option of this family, or another profile is in force.
    pub(super) fn get_multipath_tcp_org(
        &self,
        net: &Net<'_>,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Option<Result<usize, Errno>> {
        if net.system.profile != OptionProfile::MultipathTcpOrg {
            return None;
        }
        let id = self.connection();
        Some(match name {
            MPTCP_ENABLED => Ok(write_int(value, i32::from(self.is_multipath(net)))),
            MPTCP_SCHEDULER => {
                let kind = id.and_then(|id| net.endpoint.scheduler(id));
                let kind = kind.unwrap_or(self.config.scheduler);
                Ok(write_name(value, kind.name(), NAME_LEN))
            }
            MPTCP_PATH_MANAGER => {
                let kind = id.and_then(|id| net.endpoint.path_manager(id));
                let kind = kind.unwrap_or(self.config.path_manager);
                Ok(write_name(value, kind.name(), NAME_LEN))
            }
            MPTCP_INFO => self.multipath_tcp_org_info(net, value, memory),
            _ => return None,
        })
    }

    /// `setsockopt`; `None` if it is no option of this family, or another profile is in force.
    pub(super) fn set_multipath_tcp_org(
        &mut self,
        net: &Net<'_>,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), Errno>> {
        if net.system.profile != OptionProfile::MultipathTcpOrg {
            return None;
        }
        Some(match name {
            MPTCP_ENABLED => self.set_org_enabled(net, value),
            MPTCP_SCHEDULER => self.set_org_scheduler(value),
            MPTCP_PATH_MANAGER => self.set_org_path_manager(value),
            MPTCP_INFO => match read_int(value) {
                Ok(flag @ 0..=SAVE_INITIAL) => {
                    self.options.keep_initial = flag == SAVE_INITIAL;
                    Ok(())
                }
                Ok(_) => Err(Errno::EINVAL),
                Err(error) => Err(error),
            },
            _ => return None,
        })
    }

    /// That kernel's way of saying that an option comes too late.
    fn check_closed(&self) -> Result<(), Errno> {
        match self.state {
            SocketState::Fresh => Ok(()),
            _ => Err(Errno::EPERM),
        }
    }

    fn set_org_enabled(&mut self, net: &Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let enable = read_bool(value)?;
        self.check_closed()?;
        if !net.system.enabled {
            return Err(Errno::EPERM);
        }
        self.config.mptcp = enable;
        // A program that says this knows of MPTCP (RFC 6897 §4.1).
        self.options.multipath_enable = Some(enable);
        Ok(())
    }

    fn set_org_scheduler(&mut self, value: &[u8]) -> Result<(), Errno> {
        self.check_closed()?;
        let kind = SchedulerKind::from_name(read_name(value)?);
        self.config.scheduler = kind.ok_or(Errno::ENOENT)?;
        Ok(())
    }

    fn set_org_path_manager(&mut self, value: &[u8]) -> Result<(), Errno> {
        self.check_closed()?;
        let kind = PathManagerKind::from_name(read_name(value)?);
        self.config.path_manager = kind.ok_or(Errno::ENOENT)?;
        Ok(())
    }
}
