//! The sysctls `net.mptcp.*` of Linux as settings of a stack (API reference 4.6, errors as measured on
//! Linux 6.18).
//!
//! The module owns their names, what they accept, and which setting each stands for. They show in
//! sockets that are made afterwards; `blackhole_timeout` is the whole host's.

use crate::bsd::{Errno, Net};
use std::time::Duration;
use umptcp_stack::{ChecksumPolicy, PathManagerKind, SchedulerKind};

/// A sysctl below `net.mptcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sysctl {
    /// `add_addr_timeout`: seconds until an ADD_ADDR without echo is sent again; 0 never does.
    AddAddrTimeout,
    /// `allow_join_initial_addr_port`: 0 asks the peer not to join the initial address.
    AllowJoinInitialAddrPort,
    /// `available_path_managers`: cannot be set.
    AvailablePathManagers,
    /// `available_schedulers`: cannot be set.
    AvailableSchedulers,
    /// `blackhole_timeout`: seconds without MPTCP after SYNs with it were swallowed; 0 for none.
    BlackholeTimeout,
    /// `checksum_enabled`: 1 asks for DSS checksums.
    ChecksumEnabled,
    /// `close_timeout`: seconds that a connection lives without subflows.
    CloseTimeout,
    /// `enabled`: MPTCP sockets may be made.
    Enabled,
    /// `path_manager`: `kernel` follows the host's endpoints, `userspace` does nothing by itself.
    PathManager,
    /// `pm_type`: the same by number, 0 or 1.
    PmType,
    /// `scheduler`: by name.
    Scheduler,
    /// `stale_loss_cnt`: timeouts in a row after which a subflow is stale; 0 for never.
    StaleLossCnt,
    /// `syn_retrans_before_tcp_fallback`: SYNs sent again with MPTCP before one without; from 128 on,
    /// all of them.
    SynRetransBeforeTcpFallback,
}

/// What a path manager of ours is called; the first two are Linux's.
const PATH_MANAGERS: [(&str, PathManagerKind); 4] = [
    ("kernel", PathManagerKind::Endpoints),
    ("userspace", PathManagerKind::Passive),
    ("fullmesh", PathManagerKind::FullMesh),
    ("ndiffports", PathManagerKind::NDiffPorts { subflows: 2 }),
];

/// From here on SYNs never go without MPTCP.
const NEVER_WITHOUT: u32 = 128;
/// The most that `syn_retrans_before_tcp_fallback` may be.
const MOST_SYN_RETRANSMISSIONS: u32 = 255;

impl Sysctl {
    /// All of them, in alphabetical order.
    pub const ALL: [Self; 13] = [
        Self::AddAddrTimeout,
        Self::AllowJoinInitialAddrPort,
        Self::AvailablePathManagers,
        Self::AvailableSchedulers,
        Self::BlackholeTimeout,
        Self::ChecksumEnabled,
        Self::CloseTimeout,
        Self::Enabled,
        Self::PathManager,
        Self::PmType,
        Self::Scheduler,
        Self::StaleLossCnt,
        Self::SynRetransBeforeTcpFallback,
    ];

    /// Its name behind `net.mptcp.`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddAddrTimeout => "add_addr_timeout",
            Self::AllowJoinInitialAddrPort => "allow_join_initial_addr_port",
            Self::AvailablePathManagers => "available_path_managers",
            Self::AvailableSchedulers => "available_schedulers",
            Self::BlackholeTimeout => "blackhole_timeout",
            Self::ChecksumEnabled => "checksum_enabled",
            Self::CloseTimeout => "close_timeout",
            Self::Enabled => "enabled",
            Self::PathManager => "path_manager",
            Self::PmType => "pm_type",
            Self::Scheduler => "scheduler",
            Self::StaleLossCnt => "stale_loss_cnt",
            Self::SynRetransBeforeTcpFallback => "syn_retrans_before_tcp_fallback",
        }
    }

    /// The one with this name: with `net.mptcp.` or `net/mptcp/` before it, or without.
    ///
    /// # Errors
    /// `ENOENT` if there is none.
    pub fn of_name(name: &str) -> Result<Self, Errno> {
        let short = name
            .strip_prefix("net.mptcp.")
            .or_else(|| name.strip_prefix("net/mptcp/"))
            .unwrap_or(name);
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.name() == short).ok_or(Errno::ENOENT)
    }
}

impl Net<'_> {
    /// The value of a sysctl, by its short or its full name.
    ///
    /// # Errors
    /// `ENOENT` if there is none with this name.
    pub fn sysctl(&self, name: &str) -> Result<String, Errno> {
        Ok(self.value_of(Sysctl::of_name(name)?))
    }

    /// All sysctls with their full names and values, as `sysctl net.mptcp` shows them.
    #[must_use]
    pub fn sysctls(&self) -> Vec<(String, String)> {
        let all = Sysctl::ALL.into_iter();
        all.map(|sysctl| {
            let name = format!("net.mptcp.{}", sysctl.name());
            (name, self.value_of(sysctl))
        })
        .collect()
    }

    /// Sets a sysctl. White space around the value does not count, and nothing at all changes
    /// nothing.
    ///
    /// # Errors
    /// `ENOENT` for an unknown sysctl, or the name of a path manager or scheduler that there is not;
    /// `EACCES` for one that cannot be set; `EINVAL` for what is no number or out of range.
    pub fn set_sysctl(&mut self, name: &str, value: &str) -> Result<(), Errno> {
        let sysctl = Sysctl::of_name(name)?;
        if matches!(
            sysctl,
            Sysctl::AvailablePathManagers | Sysctl::AvailableSchedulers
        ) {
            return Err(Errno::EACCES);
        }
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        match sysctl {
            Sysctl::PathManager => {
                let known = PATH_MANAGERS.iter().find(|(known, _)| *known == value);
                let (_, kind) = known.ok_or(Errno::ENOENT)?;
                self.system.defaults.path_manager = *kind;
                Ok(())
            }
            Sysctl::Scheduler => {
                let kind = SchedulerKind::from_name(value).ok_or(Errno::ENOENT)?;
                self.system.defaults.scheduler = kind;
                Ok(())
            }
            numeric => self.set_number(numeric, value),
        }
    }

    fn set_number(&mut self, sysctl: Sysctl, value: &str) -> Result<(), Errno> {
        let defaults = &mut self.system.defaults;
        match sysctl {
            Sysctl::Enabled => self.system.enabled = truth(value)?,
            Sysctl::AllowJoinInitialAddrPort => {
                defaults.allow_join_initial_address = truth(value)?;
            }
            Sysctl::ChecksumEnabled => {
                // A policy that forbids them does not ask for them either.
                defaults.checksum = match (truth(value)?, defaults.checksum) {
                    (true, _) => ChecksumPolicy::Require,
                    (false, ChecksumPolicy::Require) => ChecksumPolicy::Offer,
                    (false, other) => other,
                };
            }
            Sysctl::PmType => {
                let (_, kind) = PATH_MANAGERS[usize::from(truth(value)?)];
                defaults.path_manager = kind;
            }
            Sysctl::AddAddrTimeout => defaults.add_addr_timeout = seconds(value)?,
            Sysctl::CloseTimeout => defaults.close_timeout = seconds(value)?,
            Sysctl::BlackholeTimeout => self.endpoint.set_blackhole_timeout(seconds(value)?),
            Sysctl::StaleLossCnt => defaults.stale_loss_count = number(value, u32::MAX)?,
            Sysctl::SynRetransBeforeTcpFallback => {
                let again = number(value, MOST_SYN_RETRANSMISSIONS)?;
                defaults.syn_tries_with_mptcp = syn_tries(again);
            }
            Sysctl::PathManager
            | Sysctl::Scheduler
            | Sysctl::AvailablePathManagers
            | Sysctl::AvailableSchedulers => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn value_of(&self, sysctl: Sysctl) -> String {
        let defaults = &self.system.defaults;
        let flag = |on: bool| u8::from(on).to_string();
        match sysctl {
            Sysctl::Enabled => flag(self.system.enabled),
            Sysctl::AllowJoinInitialAddrPort => flag(defaults.allow_join_initial_address),
            Sysctl::ChecksumEnabled => flag(defaults.checksum == ChecksumPolicy::Require),
            Sysctl::PmType => flag(defaults.path_manager == PathManagerKind::Passive),
            Sysctl::AddAddrTimeout => in_seconds(defaults.add_addr_timeout),
            Sysctl::CloseTimeout => in_seconds(defaults.close_timeout),
            Sysctl::BlackholeTimeout => in_seconds(self.endpoint.blackhole_timeout()),
            Sysctl::StaleLossCnt => defaults.stale_loss_count.to_string(),
            Sysctl::SynRetransBeforeTcpFallback => {
                syn_retransmissions(defaults.syn_tries_with_mptcp).to_string()
            }
            Sysctl::PathManager => name_of(defaults.path_manager).to_owned(),
            Sysctl::Scheduler => defaults.scheduler.name().to_owned(),
            Sysctl::AvailablePathManagers => PATH_MANAGERS.map(|(name, _)| name).join(" "),
            Sysctl::AvailableSchedulers => {
                let names = SchedulerKind::ALL.iter().map(|kind| kind.name());
                names.collect::<Vec<_>>().join(" ")
            }
        }
    }
}

fn name_of(kind: PathManagerKind) -> &'static str {
    let same =
        |known: PathManagerKind| std::mem::discriminant(&known) == std::mem::discriminant(&kind);
    let found = PATH_MANAGERS.iter().find(|(_, known)| same(*known));
    found.map_or_else(|| kind.name(), |(name, _)| *name)
}

/// SYNs with MPTCP altogether. Those from 128 on are so many that they never come to an end, and each
/// is another number so that it can be read back.
const fn syn_tries(retransmissions: u32) -> u32 {
    if retransmissions < NEVER_WITHOUT {
        retransmissions + 1
    } else {
        u32::MAX - (MOST_SYN_RETRANSMISSIONS - retransmissions)
    }
}

const fn syn_retransmissions(tries: u32) -> u32 {
    let short_of_all = u32::MAX - tries;
    if short_of_all <= MOST_SYN_RETRANSMISSIONS - NEVER_WITHOUT {
        MOST_SYN_RETRANSMISSIONS - short_of_all
    } else {
        tries.saturating_sub(1)
    }
}

/// A number as the kernel reads it: decimal, hexadecimal with 0x or octal with 0; what follows after
/// white space does not count.
fn number(value: &str, most: u32) -> Result<u32, Errno> {
    let word = value.split_ascii_whitespace().next().unwrap_or_default();
    let (digits, radix) = match (word.strip_prefix("0x"), word.strip_prefix('0')) {
        (Some(digits), _) => (digits, 16),
        (None, Some(digits)) if !digits.is_empty() => (digits, 8),
        (None, _) => (word, 10),
    };
    // `from_str_radix` would also take a sign.
    if !digits.starts_with(|first: char| first.is_digit(radix)) {
        return Err(Errno::EINVAL);
    }
    let number = u32::from_str_radix(digits, radix).map_err(|_| Errno::EINVAL)?;
    (number <= most).then_some(number).ok_or(Errno::EINVAL)
}

fn truth(value: &str) -> Result<bool, Errno> {
    Ok(number(value, 1)? == 1)
}

/// Seconds, as many as an `int` can hold.
fn seconds(value: &str) -> Result<Duration, Errno> {
    let most = u32::try_from(i32::MAX).unwrap_or(u32::MAX);
    Ok(Duration::from_secs(number(value, most)?.into()))
}

fn in_seconds(time: Duration) -> String {
    i32::try_from(time.as_secs())
        .unwrap_or(i32::MAX)
        .to_string()
}

#[cfg(test)]
mod tests;
