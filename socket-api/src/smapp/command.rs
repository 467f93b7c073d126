//! What a controller can ask for: the commands of the kernels' netlink path managers.
//!
//! Owns commands and replies as plain values. What they do is in `execute`, their numbers are in
//! `numbers`.

use super::event::Token;
use super::mask::EventMask;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// A subflow to open. Only the token and the remote address must be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateSubflow {
    /// The connection.
    pub token: Token,
    /// Our id for the local address, to be checked; `None` leaves it open.
    pub local_id: Option<u8>,
    /// The peer's id for the remote address, to be checked; `None` leaves it open.
    pub remote_id: Option<u8>,
    /// From where; `None` is the first address that can.
    pub local: Option<IpAddr>,
    /// From which port; 0 is a free one, which nobody can foretell (RFC 6056).
    pub local_port: u16,
    /// Where to; port 0 is that of the initial subflow.
    pub remote: SocketAddr,
    /// As a backup.
    pub backup: bool,
    /// The interface that the local address must be on, by its position.
    pub interface: Option<u32>,
}

impl CreateSubflow {
    /// From any address and port to `remote`.
    #[must_use]
    pub const fn new(token: Token, remote: SocketAddr) -> Self {
        Self {
            token,
            local_id: None,
            remote_id: None,
            local: None,
            local_port: 0,
            remote,
            backup: false,
            interface: None,
        }
    }

    /// The same from this address.
    #[must_use]
    pub const fn from(self, local: IpAddr) -> Self {
        Self {
            local: Some(local),
            ..self
        }
    }
}

/// Flags of an endpoint of the host (`MPTCP_PM_ADDR_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointFlags {
    /// 0x01: announced to the peer.
    pub signal: bool,
    /// 0x02: subflows are opened from it.
    pub subflow: bool,
    /// 0x04: its subflows are backups.
    pub backup: bool,
    /// 0x08: to every address of the peer.
    pub fullmesh: bool,
    /// 0x10: made by the stack itself.
    pub implicit: bool,
    /// 0x20: used once, towards an announced address.
    pub laminar: bool,
}

impl EndpointFlags {
    /// The bits of the attribute.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.signal as u32
            | (self.subflow as u32) << 1
            | (self.backup as u32) << 2
            | (self.fullmesh as u32) << 3
            | (self.implicit as u32) << 4
            | (self.laminar as u32) << 5
    }

    /// The flags with these bits; unknown ones are left out.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self {
            signal: bits & 0x01 != 0,
            subflow: bits & 0x02 != 0,
            backup: bits & 0x04 != 0,
            fullmesh: bits & 0x08 != 0,
            implicit: bits & 0x10 != 0,
            laminar: bits & 0x20 != 0,
        }
    }
}

/// An endpoint of the host: an address that its own path manager may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEndpoint {
    /// Its id; 0 asks for the next one.
    pub id: u8,
    /// The address.
    pub address: IpAddr,
    /// The port that is announced, if not that of the connection.
    pub port: Option<u16>,
    /// The flags.
    pub flags: EndpointFlags,
    /// The interface it must be on, by its position.
    pub interface: Option<u32>,
}

/// Which endpoint is meant: by its id, or else by its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointKey {
    /// Its id.
    pub id: Option<u8>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
}

/// Limits of each connection under the host's own path manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Further subflows.
    pub subflows: u8,
    /// Addresses of the peer that are taken from its announcements (RCV_ADD_ADDRS).
    pub add_addr_accepted: u8,
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Command {
    /// Announces an address of ours (ADD_ADDR). Gives [`Reply::Address`].
    Announce {
        /// The connection.
        token: Token,
        /// Our id for it, if it is to be checked: the stack gives the ids.
        local_id: Option<u8>,
        /// The address.
        address: IpAddr,
        /// The port to join, if not that of the initial subflow.
        port: Option<u16>,
    },
    /// Takes an announcement back (REMOVE_ADDR): subflows on that address end.
    Remove {
        /// The connection.
        token: Token,
        /// Our id for it; 0 is the local address of the initial subflow.
        local_id: u8,
    },
    /// Opens a subflow. Gives [`Reply::Subflow`].
    CreateSubflow(CreateSubflow),
    /// Resets a subflow: what it has not delivered goes to the others.
    DestroySubflow {
        /// The connection.
        token: Token,
        /// Its local end.
        local: SocketAddr,
        /// Its remote end.
        remote: SocketAddr,
    },
    /// Asks the peer to treat a subflow as backup or as regular (MP_PRIO).
    SetPriority {
        /// The connection.
        token: Token,
        /// Its local end.
        local: SocketAddr,
        /// Its remote end.
        remote: SocketAddr,
        /// As a backup.
        backup: bool,
    },
    /// Whether a connection lives.
    Exists {
        /// The connection.
        token: Token,
    },
    /// From now on the controller hears these events only, or these as well.
    SetFilter(EventMask),
    /// Adds an endpoint of the host. Gives [`Reply::Endpoint`].
    AddEndpoint(HostEndpoint),
    /// Removes an endpoint of the host.
    RemoveEndpoint(EndpointKey),
    /// Removes all of them.
    FlushEndpoints,
    /// Changes `backup` and `fullmesh` of an endpoint of the host.
    SetEndpointFlags(EndpointKey, EndpointFlags),
    /// Changes the limits of the host's path manager.
    SetLimits(Limits),
}

/// What a command has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Reply {
    /// Just what was asked for.
    Done,
    /// The id of the address that was announced.
    Address {
        /// The id.
        local_id: u8,
    },
    /// The number of the subflow that is being opened.
    Subflow {
        /// The number, as in `SubflowInfo`.
        id: u32,
    },
    /// The id of the endpoint that was added.
    Endpoint {
        /// The id.
        id: u8,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_endpoints_are_those_of_linux() {
        for bit in [0x01, 0x02, 0x04, 0x08, 0x10, 0x20] {
            assert_eq!(EndpointFlags::from_bits(bit).bits(), bit);
        }
        let backup = EndpointFlags::from_bits(0x04);
        assert!(backup.backup && !backup.signal);
        assert_eq!(EndpointFlags::from_bits(u32::MAX).bits(), 0x3f);
    }
}
