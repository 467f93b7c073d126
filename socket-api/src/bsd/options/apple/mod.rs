//! Apple's multipath sockets: service types, `connectx` and what belongs to them
//! (xnu-11417, API reference 6).
//!
//! The module owns the option numbers and what a stack can be set to. Who is allowed to use them is
//! one switch ([`Apple::entitled`]), as entitlements are for an operating system to give.
//!
//! | option | number | value |
//! |---|---|---|
//! | `MPTCP_SERVICE_TYPE` | 0x213 | `int`: see [`ServiceType`] |
//! | `MPTCP_ALTERNATE_PORT` | 0x216 | `int`: where further subflows go, 0 for the port of the first |
//! | `MPTCP_FORCE_ENABLE` | 0x217 | `int`: try MPTCP although it has failed with this peer before |
//! | `MPTCP_EXPECTED_PROGRESS_TARGET` | 0x219 | `u64`: nanoseconds from now, 0 for none |
//! | `MPTCP_FORCE_VERSION` | 0x21a | `int`: 0 or 1 |
//!
//! | file | what |
//! |---|---|
//! | `thresholds` | when Wi-Fi is bad enough |
//! | `service` | which subflows there are to be, and which of them is used |
//! | `drive` | the same for a socket |
//! | `connectx` | `connectx`, `disconnectx`, what is known of each subflow |
//! | `face` | typed functions for Rust programs |
//!
//! # Decisions
//!
//! - **Sockets** are those of `IPPROTO_MPTCP`; there is no `AF_MULTIPATH` (39), whose sockets can neither
//!   be bound nor listen. The options work on every MPTCP socket.
//! - **Errors**: `EACCES` without the entitlement and for `AGGREGATE` where [`Apple::allow_aggregate`]
//!   does not allow it, `EINVAL` for a value out of range, `EOPNOTSUPP` on plain TCP. Version and force
//!   come too late once the socket connects (`EINVAL`); the others can be changed at any time.
//! - **Primary and secondary** are what is cheap and what is costly; an interface of which nothing was
//!   said is cheap, and good.
//! - **A subflow that is not to be used** is a backup, which the peer is told as well (MP_PRIO).
//! - **Costly subflows of `HANDOVER`** are closed once Wi-Fi is good and not slow.
//! - **Target-based** opens the costly subflow once the target is 5 seconds away or nearer and data
//!   waits, and then uses all. **Pure handover** uses the subflow with the lowest round-trip time among
//!   those without loss, and opens the costly one as `HANDOVER` does.
//! - kevents are not there; [`draft::MPTCP_EVENTS`](super::draft::MPTCP_EVENTS) tells of subflows.

mod connectx;
mod drive;
mod face;
mod service;
#[cfg(test)]
mod tests;
mod thresholds;

pub use connectx::{
    CONNECT_DATA_AUTHENTICATED, CONNECT_DATA_IDEMPOTENT, CONNECT_RESUME_ON_READ_WRITE, CifFlags,
    Connected, ConnectionFigures, Endpoints, SAE_ALL, SAE_ANY, SubflowConnInfo,
};
pub(in crate::bsd) use drive::AppleState;
pub use face::{
    MultipathService, run_service, service_type, set_multipath_service, set_progress_target,
    set_service_type,
};
pub use service::{Action, PathView, ServiceController, Situation};
pub use thresholds::{Quality, Thresholds};

use super::value::{read_bool, read_int, read_within, write_int, write_truncated};
use crate::bsd::{Errno, Net, Socket, SocketState};
use std::time::Duration;
use umptcp_stack::{Instant, InterfaceId, Version};

/// How paths are used.
pub const MPTCP_SERVICE_TYPE: i32 = 0x213;
/// The port that further subflows go to.
pub const MPTCP_ALTERNATE_PORT: i32 = 0x216;
/// MPTCP is tried although it has failed before.
pub const MPTCP_FORCE_ENABLE: i32 = 0x217;
/// When what is waiting is to have arrived.
pub const MPTCP_EXPECTED_PROGRESS_TARGET: i32 = 0x219;
/// The version that is offered.
pub const MPTCP_FORCE_VERSION: i32 = 0x21a;

/// How the paths of a connection are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceType {
    /// 0: the costly path only while the cheap one does not perform.
    Handover,
    /// 1: the costly path is kept in readiness, and used where it is faster.
    Interactive,
    /// 2: all paths together.
    Aggregate,
    /// 3: the costly path helps to meet a deadline.
    TargetBased,
    /// 4: always the best path.
    PureHandover,
}

impl ServiceType {
    /// Its number in `MPTCP_SERVICE_TYPE`.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Handover => 0,
            Self::Interactive => 1,
            Self::Aggregate => 2,
            Self::TargetBased => 3,
            Self::PureHandover => 4,
        }
    }

    /// The one with this number.
    ///
    /// # Errors
    /// `EINVAL` for any other.
    pub const fn of_number(number: i32) -> Result<Self, Errno> {
        match number {
            0 => Ok(Self::Handover),
            1 => Ok(Self::Interactive),
            2 => Ok(Self::Aggregate),
            3 => Ok(Self::TargetBased),
            4 => Ok(Self::PureHandover),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// What an interface costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Cost {
    /// Wi-Fi, Ethernet.
    #[default]
    Cheap,
    /// Cellular.
    Costly,
}

/// An interface as somebody outside of the stack sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Which one.
    pub id: InterfaceId,
    /// What it costs.
    pub cost: Cost,
    /// How good it is; only that of cheap ones matters.
    pub quality: Quality,
    /// It can be used.
    pub up: bool,
}

/// What the sockets of a stack have in common where this family is concerned.
#[derive(Clone, Debug, Default)]
pub struct Apple {
    /// Programs have `com.apple.developer.networking.multipath`.
    pub entitled: bool,
    /// `net.inet.mptcp.allow_aggregate`.
    pub allow_aggregate: bool,
    /// When paths are good enough.
    pub thresholds: Thresholds,
    /// What is known of interfaces; others are cheap, good and up.
    pub interfaces: Vec<Interface>,
}

/// What a socket was told.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::bsd) struct AppleOptions {
    service: Option<ServiceType>,
    alternate_port: u16,
    force: bool,
    /// When what is waiting is to have arrived.
    target: Option<Instant>,
    force_version: Option<Version>,
}

impl Socket {
    /// `getsockopt`; `None` if it is no option of this family.
    pub(super) fn get_apple(
        &self,
        net: &Net<'_>,
        name: i32,
        value: &mut [u8],
    ) -> Option<Result<usize, Errno>> {
        let options = &self.options.apple;
        let number = match name {
            // As there: who has said nothing has handover.
            MPTCP_SERVICE_TYPE => options.service.map_or(0, ServiceType::number),
            MPTCP_ALTERNATE_PORT => i32::from(options.alternate_port),
            MPTCP_FORCE_ENABLE => i32::from(options.force),
            MPTCP_FORCE_VERSION => i32::from(self.config.version.number()),
            MPTCP_EXPECTED_PROGRESS_TARGET => {
                let left = options
                    .target
                    .map(|target| target.saturating_duration_since(net.now));
                let left =
                    left.map_or(0, |left| u64::try_from(left.as_nanos()).unwrap_or(u64::MAX));
                let written = self
                    .check_apple(net)
                    .map(|()| write_truncated(value, &left.to_ne_bytes()));
                return Some(written);
            }
            _ => return None,
        };
        Some(self.check_apple(net).map(|()| write_int(value, number)))
    }

    /// `setsockopt`; `None` if it is no option of this family.
    pub(super) fn set_apple(
        &mut self,
        net: &Net<'_>,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), Errno>> {
        let set = match name {
            MPTCP_SERVICE_TYPE => Self::set_service,
            MPTCP_ALTERNATE_PORT => Self::set_alternate_port,
            MPTCP_FORCE_ENABLE => Self::set_force,
            MPTCP_EXPECTED_PROGRESS_TARGET => Self::set_target,
            MPTCP_FORCE_VERSION => Self::set_version,
            _ => return None,
        };
        Some(self.check_apple(net).and_then(|()| set(self, net, value)))
    }

    /// Plain TCP has none of these options; a socket without a connection has them already.
    fn check_apple(&self, net: &Net<'_>) -> Result<(), Errno> {
        match self.multipath_connection(net) {
            Err(Errno::EOPNOTSUPP) => Err(Errno::EOPNOTSUPP),
            _ => Ok(()),
        }
    }

    fn set_service(&mut self, net: &Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let service = ServiceType::of_number(read_int(value)?)?;
        let apple = &net.system.apple;
        let allowed = service != ServiceType::Aggregate || apple.allow_aggregate;
        if !apple.entitled || !allowed {
            return Err(Errno::EACCES);
        }
        self.options.apple.service = Some(service);
        Ok(())
    }

    fn set_alternate_port(&mut self, _: &Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let port = read_within(value, 0..=65535)?;
        self.options.apple.alternate_port = u16::try_from(port).map_err(|_| Errno::EINVAL)?;
        Ok(())
    }

    fn set_force(&mut self, _: &Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let force = read_bool(value)?;
        self.check_fresh()?;
        self.options.apple.force = force;
        Ok(())
    }

    fn set_target(&mut self, net: &Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let nanos = u64::from_ne_bytes(*value.first_chunk().ok_or(Errno::EINVAL)?);
        let target = (nanos != 0).then(|| net.now + Duration::from_nanos(nanos));
        self.options.apple.target = target;
        Ok(())
    }

    fn set_version(&mut self, _: &Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let number = u8::try_from(read_int(value)?).map_err(|_| Errno::EINVAL)?;
        let version = Version::of_number(number).ok_or(Errno::EINVAL)?;
        self.check_fresh()?;
        self.options.apple.force_version = Some(version);
        self.config.version = version;
        Ok(())
    }

    fn check_fresh(&self) -> Result<(), Errno> {
        match self.state {
            SocketState::Fresh => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }
}
