//! The sysctls `net.mptcp.*` of the multipath-tcp.org kernel, by name (API reference 5.2).
//!
//! The module owns the names and what they stand for here. They hold for sockets that are made
//! afterwards.

use crate::bsd::{Errno, System};
use umptcp_stack::{ChecksumPolicy, PathManagerKind, SchedulerKind, Version};

/// A sysctl of that kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MultipathTcpOrgSysctl {
    /// `mptcp_enabled`: 0 off, 1 every TCP socket, 2 only those that ask for it.
    Enabled,
    /// `mptcp_checksum`: ask for DSS checksums.
    Checksum,
    /// `mptcp_syn_retries`: SYNs with MP_CAPABLE before one without.
    SynRetries,
    /// `mptcp_debug`: only 0.
    Debug,
    /// `mptcp_version`: the version that is offered.
    Version,
    /// `mptcp_path_manager`.
    PathManager,
    /// `mptcp_scheduler`.
    Scheduler,
    /// `mptcp_binder_gateways`: only empty.
    BinderGateways,
}

impl MultipathTcpOrgSysctl {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Enabled,
        Self::Checksum,
        Self::SynRetries,
        Self::Debug,
        Self::Version,
        Self::PathManager,
        Self::Scheduler,
        Self::BinderGateways,
    ];

    /// Its name below `net.mptcp.`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "mptcp_enabled",
            Self::Checksum => "mptcp_checksum",
            Self::SynRetries => "mptcp_syn_retries",
            Self::Debug => "mptcp_debug",
            Self::Version => "mptcp_version",
            Self::PathManager => "mptcp_path_manager",
            Self::Scheduler => "mptcp_scheduler",
            Self::BinderGateways => "mptcp_binder_gateways",
        }
    }

    /// The one with this name, with or without `net.mptcp.`.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub fn of_name(name: &str) -> Result<Self, Errno> {
        let short = name.strip_prefix("net.mptcp.").unwrap_or(name);
        let found = Self::ALL.into_iter().find(|known| known.name() == short);
        found.ok_or(Errno::ENOENT)
    }

    /// Its value.
    #[must_use]
    pub fn get(self, system: &System) -> String {
        let number = match self {
            Self::Enabled if !system.enabled => 0,
            Self::Enabled => 1 + u32::from(system.mptcp_on_request),
            Self::Checksum => u32::from(system.defaults.checksum == ChecksumPolicy::Require),
            Self::SynRetries => system.defaults.syn_tries_with_mptcp,
            Self::Debug => 0,
            Self::Version => u32::from(system.defaults.version.number()),
            Self::PathManager => return system.defaults.path_manager.name().into(),
            Self::Scheduler => return system.defaults.scheduler.name().into(),
            Self::BinderGateways => return String::new(),
        };
        number.to_string()
    }

    /// Changes it.
    ///
    /// # Errors
    /// `EINVAL` for what is no value of it, `ENOENT` for an unknown name of a scheduler or path
    /// manager, `EOPNOTSUPP` for what that kernel could do and this stack cannot.
    pub fn set(self, system: &mut System, value: &str) -> Result<(), Errno> {
        let value = value.trim();
        let number = |most: u8| {
            let number: u8 = value.parse().map_err(|_| Errno::EINVAL)?;
            if number > most {
                return Err(Errno::EINVAL);
            }
            Ok(number)
        };
        let defaults = &mut system.defaults;
        match self {
            Self::Enabled => {
                let number = number(2)?;
                system.enabled = number != 0;
                system.mptcp_on_request = number == 2;
            }
            Self::Checksum => {
                defaults.checksum = match number(1)? {
                    0 => ChecksumPolicy::Offer,
                    _ => ChecksumPolicy::Require,
                }
            }
            Self::SynRetries => defaults.syn_tries_with_mptcp = number(u8::MAX)?.into(),
            Self::Debug => match number(1)? {
                0 => {}
                _ => return Err(Errno::EOPNOTSUPP),
            },
            Self::Version => {
                defaults.version = Version::of_number(number(1)?).ok_or(Errno::EINVAL)?;
            }
            Self::PathManager => {
                defaults.path_manager = PathManagerKind::from_name(value).ok_or(Errno::ENOENT)?;
            }
            Self::Scheduler => {
                defaults.scheduler = SchedulerKind::from_name(value).ok_or(Errno::ENOENT)?;
            }
            Self::BinderGateways if value.is_empty() => {}
            Self::BinderGateways => return Err(Errno::EOPNOTSUPP),
        }
        Ok(())
    }
}
