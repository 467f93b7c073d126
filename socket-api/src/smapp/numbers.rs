//! The numbers of the kernels' netlink families.
//!
//! Owns the numbers of events, commands and attributes: of the family `mptcp` of the
//! multipath-tcp.org kernel (v0.95 and later), and of `mptcp_pm` of Linux. What goes over a socket
//! is for others to encode.

use super::command::Command;
use super::event::Event;
use super::query::Query;

/// A generic netlink family with a path manager behind it. Both have version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// `mptcp` of the multipath-tcp.org kernel.
    Mptcp,
    /// `mptcp_pm` of Linux.
    MptcpPm,
}

impl Family {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mptcp => "mptcp",
            Self::MptcpPm => "mptcp_pm",
        }
    }

    /// The multicast group of its events.
    #[must_use]
    pub const fn event_group(self) -> &'static str {
        match self {
            Self::Mptcp => "mptcp_events",
            Self::MptcpPm => "mptcp_pm_events",
        }
    }

    /// The multicast group of its commands.
    #[must_use]
    pub const fn command_group(self) -> &'static str {
        match self {
            Self::Mptcp => "mptcp_commands",
            Self::MptcpPm => "mptcp_pm_cmds",
        }
    }
}

impl Event {
    /// Its number in a family; `None` if that knows no such event. Those that both have are
    /// numbered alike.
    #[must_use]
    pub const fn number(&self, family: Family) -> Option<u8> {
        match self {
            Self::Created(_) => Some(1),
            Self::Established(_) => Some(2),
            Self::Closed { .. } => Some(3),
            Self::Announced { .. } => Some(6),
            Self::Removed { .. } => Some(7),
            Self::SubflowEstablished(_) => Some(10),
            Self::SubflowClosed { .. } => Some(11),
            Self::SubflowPriority(_) => Some(13),
            Self::ListenerCreated { .. } => match family {
                Family::Mptcp => None,
                Family::MptcpPm => Some(15),
            },
            Self::ListenerClosed { .. } => match family {
                Family::Mptcp => None,
                Family::MptcpPm => Some(16),
            },
            Self::Timeout { .. }
            | Self::LocalAddressAdded { .. }
            | Self::LocalAddressRemoved { .. } => None,
        }
    }
}

impl Command {
    /// Its number in a family; `None` if that knows no such command.
    #[must_use]
    pub const fn number(&self, family: Family) -> Option<u8> {
        let (mptcp, mptcp_pm) = match self {
            Self::Announce { .. } => (Some(4), Some(8)),
            Self::Remove { .. } => (Some(5), Some(9)),
            Self::CreateSubflow(_) => (Some(8), Some(10)),
            Self::DestroySubflow { .. } => (Some(9), Some(11)),
            // SET_FLAGS with a token.
            Self::SetPriority { .. } => (Some(12), Some(7)),
            Self::SetFilter(_) => (Some(14), None),
            Self::Exists { .. } => (Some(15), None),
            Self::AddEndpoint(_) => (None, Some(1)),
            Self::RemoveEndpoint(_) => (None, Some(2)),
            Self::FlushEndpoints => (None, Some(4)),
            Self::SetLimits(_) => (None, Some(5)),
            Self::SetEndpointFlags(..) => (None, Some(7)),
        };
        match family {
            Family::Mptcp => mptcp,
            Family::MptcpPm => mptcp_pm,
        }
    }
}

impl Query {
    /// Its number in a family; `None` if that knows no such query.
    #[must_use]
    pub const fn number(&self, family: Family) -> Option<u8> {
        match (family, self) {
            (Family::MptcpPm, Self::Endpoints) => Some(3),
            (Family::MptcpPm, Self::Limits) => Some(6),
            _ => None,
        }
    }
}

/// Attributes of events, and of the commands of the family `mptcp` (`MPTCP_ATTR_*`). Ports are in
/// host order in `mptcp`, and in network order in the events of `mptcp_pm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Attribute {
    /// u32
    Token = 1,
    /// u16: `AF_INET` or `AF_INET6`
    Family = 2,
    /// u8
    LocalId = 3,
    /// u8
    RemoteId = 4,
    /// 4 bytes
    SourceAddress4 = 5,
    /// 16 bytes
    SourceAddress6 = 6,
    /// 4 bytes
    DestinationAddress4 = 7,
    /// 16 bytes
    DestinationAddress6 = 8,
    /// u16
    SourcePort = 9,
    /// u16
    DestinationPort = 10,
    /// u8
    Backup = 11,
    /// u8: an errno
    Error = 12,
    /// u16
    Flags = 13,
    /// u32
    Timeout = 14,
    /// i32
    InterfaceIndex = 15,
    /// u32, `mptcp_pm` only
    ResetReason = 16,
    /// u32, `mptcp_pm` only
    ResetFlags = 17,
    /// u8, `mptcp_pm` only
    ServerSide = 18,
}

/// Attributes of the commands of the family `mptcp_pm` (`MPTCP_PM_ATTR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum CommandAttribute {
    /// [`AddressAttribute`]s
    Address = 1,
    /// u32
    ReceivedAddAddrs = 2,
    /// u32
    Subflows = 3,
    /// u32
    Token = 4,
    /// u8
    LocalId = 5,
    /// [`AddressAttribute`]s
    RemoteAddress = 6,
}

/// Attributes of an address in the commands of the family `mptcp_pm` (`MPTCP_PM_ADDR_ATTR_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum AddressAttribute {
    /// u16
    Family = 1,
    /// u8
    Id = 2,
    /// 4 bytes
    Address4 = 3,
    /// 16 bytes
    Address6 = 4,
    /// u16, host order
    Port = 5,
    /// u32
    Flags = 6,
    /// i32
    InterfaceIndex = 7,
}
