//! The basic API of RFC 6897 §5, which has names and no numbers.
//!
//! The module owns the five options; `addresses` what they do to a connection. Lists of
//! addresses are `sockaddr_in`s and `sockaddr_in6`s one after the other, mixed as one likes.
//!
//! | option | number | value |
//! |---|---|---|
//! | `TCP_MULTIPATH_ENABLE` | 10002 | get and set: `int` |
//! | `TCP_MULTIPATH_ADD` | 10003 (FreeBSD) | set: local addresses, with or without a port |
//! | `TCP_MULTIPATH_REMOVE` | 10004 | set: the same |
//! | `TCP_MULTIPATH_SUBFLOWS` | 10005 | get: pairs of addresses, the local one first |
//! | `TCP_MULTIPATH_CONNID` | 10006 (FreeBSD) | get: `u32` |
//! | `TCP_MULTIPATH_CONNID` | 50 (`mptcp_3.0.x`) | the same |
//! | `TCP_MULTIPATH_SUBFLOWS` | 51 (`mptcp_3.0.x`) | get: 40 bytes for each: `u16 family`, ports of destination and source, both addresses at 8 |
//!
//! # Decisions
//!
//! - **`ENABLE`** comes too late once the socket connects or listens: `EINVAL`. It can be set on a
//!   socket of `IPPROTO_TCP`, and reads as what is so once that is known. Where MPTCP is switched off
//!   for the stack it cannot be switched on (`EOPNOTSUPP`).
//! - **`ADD` before the connection** makes the list of local addresses that it may use; the first of
//!   the right family, with its port, is where a socket that is not bound connects from, and
//!   `ENETUNREACH` if there is none. Together with `ENABLE` what `bind` gave counts as well, and nothing else.
//! - **`ADD` on a connection** permits the address. What becomes of it is for the path manager; without
//!   one (`default` of multipath-tcp.org, which opens nothing) it is announced to the peer. With a port, who
//!   has connected opens a subflow from that port, and who was connected to announces the port.
//! - **`REMOVE`** with a port ends what comes from that port and leaves the address alone. Before the
//!   connection it leaves all other addresses that the host has then.
//! - **`SUBFLOWS`** gives as many whole pairs as there is room for, as `mptcp_3.0.x` does.
//! - **Errors**: an address that is not ours `EADDRNOTAVAIL`, a port below 1024 `EACCES` without
//!   privileges, a list that is cut off `EINVAL`; `EAGAIN` for a port while the connection is too
//!   young for subflows. Nothing is changed if one address is wrong.
//!
//! The rules for programs that know nothing of MPTCP (RFC 6897 §4) are [`System::legacy_rules`](crate::bsd::System::legacy_rules) and
//! [`System::fate_sharing`](crate::bsd::System::fate_sharing).

mod addresses;
mod face;
#[cfg(test)]
mod tests;

pub use face::{
    add_addresses, connection_id, multipath_enabled, remove_addresses, set_multipath_enabled,
    subflow_pairs,
};

use self::addresses::{check_addresses, permit, take_away};
use super::value::{read_bool, write_int, write_truncated};
use crate::bsd::{Errno, Net, SOCKADDR_IN_LEN, SOCKADDR_IN6_LEN, SockAddr, Socket, SocketState};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{ConnectionInfo, ConnectionProtocol};

/// Whether MPTCP is tried, or in use.
pub const TCP_MULTIPATH_ENABLE: i32 = 10002;
/// Permits local addresses.
pub const TCP_MULTIPATH_ADD: i32 = 10003;
/// Takes local addresses away.
pub const TCP_MULTIPATH_REMOVE: i32 = 10004;
/// The addresses of the subflows.
pub const TCP_MULTIPATH_SUBFLOWS: i32 = 10005;
/// The connection's identity: its local token.
pub const TCP_MULTIPATH_CONNID: i32 = 10006;
/// `TCP_MULTIPATH_CONNID` of `mptcp_3.0.x`.
const CONNID_OF_3_0: i32 = 50;
/// `TCP_MULTIPATH_SUBFLOWS` of `mptcp_3.0.x`.
const SUBFLOWS_OF_3_0: i32 = 51;

/// Bytes of `mptcp_subflow` of `mptcp_3.0.x`, and where its addresses begin.
const SUBFLOW_OF_3_0_LEN: usize = 40;
const ADDRESSES_OF_3_0: usize = 8;

impl Socket {
    /// `getsockopt`; `None` if it is no option of this family.
    pub(super) fn get_rfc6897(
        &self,
        net: &Net<'_>,
        name: i32,
        value: &mut [u8],
    ) -> Option<Result<usize, Errno>> {
        Some(match name {
            TCP_MULTIPATH_ENABLE => Ok(write_int(value, i32::from(self.is_multipath(net)))),
            TCP_MULTIPATH_SUBFLOWS => self.established_pairs(net).map(|pairs| {
                write_whole(
                    value,
                    pairs.into_iter().map(|(local, remote)| {
                        [local, remote]
                            .map(|end| SockAddr::plain(end).to_bytes())
                            .concat()
                    }),
                )
            }),
            SUBFLOWS_OF_3_0 => self
                .established_pairs(net)
                .map(|pairs| write_whole(value, pairs.into_iter().map(subflow_of_3_0))),
            TCP_MULTIPATH_CONNID | CONNID_OF_3_0 => self
                .connection_identity(net)
                .map(|token| write_truncated(value, &token.to_ne_bytes())),
            TCP_MULTIPATH_ADD | TCP_MULTIPATH_REMOVE => Err(Errno::ENOPROTOOPT),
            _ => return None,
        })
    }

    /// `setsockopt`; `None` if it is no option of this family.
    pub(super) fn set_rfc6897(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &[u8],
    ) -> Option<Result<(), Errno>> {
        Some(match name {
            TCP_MULTIPATH_ENABLE => self.set_multipath_enable(net, value),
            TCP_MULTIPATH_ADD => self.multipath_add(net, value),
            TCP_MULTIPATH_REMOVE => self.multipath_remove(net, value),
            TCP_MULTIPATH_SUBFLOWS | TCP_MULTIPATH_CONNID | SUBFLOWS_OF_3_0 | CONNID_OF_3_0 => {
                Err(Errno::ENOPROTOOPT)
            }
            _ => return None,
        })
    }

    /// MPTCP is in use, or wanted as long as that is not known.
    pub(super) fn is_multipath(&self, net: &Net<'_>) -> bool {
        let info = self
            .connection()
            .and_then(|id| net.endpoint.connection_info(id));
        match info.map(|info| info.protocol) {
            Some(ConnectionProtocol::Mptcp(_)) => true,
            Some(ConnectionProtocol::Tcp) => false,
            Some(ConnectionProtocol::Negotiating) | None => self.config.mptcp,
        }
    }

    fn set_multipath_enable(&mut self, net: &Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let enable = read_bool(value)?;
        if self.state != SocketState::Fresh {
            return Err(Errno::EINVAL);
        }
        if enable && !net.system.enabled {
            return Err(Errno::EOPNOTSUPP);
        }
        self.config.mptcp = enable;
        self.options.multipath_enable = Some(enable);
        Ok(())
    }

    fn connection_identity(&self, net: &Net<'_>) -> Result<u32, Errno> {
        let info = self.multipath_connection(net)?;
        let token = info.token.filter(|_| info.established);
        token.ok_or(Errno::ENOTCONN)
    }

    /// The ends of the subflows that are established, in the order of opening.
    fn established_pairs(&self, net: &Net<'_>) -> Result<Vec<(SocketAddr, SocketAddr)>, Errno> {
        let info = self.multipath_connection(net)?;
        if !info.established {
            return Err(Errno::ENOTCONN);
        }
        let mut subflows = net.endpoint.subflows(info.id);
        subflows.retain(|subflow| subflow.closed.is_none() && subflow.fully_established);
        let ends = subflows.into_iter();
        Ok(ends
            .map(|subflow| (subflow.local, subflow.remote))
            .collect())
    }

    fn multipath_add(&mut self, net: &mut Net<'_>, value: &[u8]) -> Result<(), Errno> {
        if let Some(info) = self.connection_to_change(net)? {
            let addresses = read_addresses(value)?;
            check_addresses(net, &addresses)?;
            if addresses.iter().any(|address| address.port() != 0) && !info.fully_established {
                return Err(Errno::EAGAIN);
            }
            return addresses
                .into_iter()
                .try_for_each(|address| permit(net, &info, address));
        }
        let addresses = read_addresses(value)?;
        check_addresses(net, &addresses)?;
        for address in addresses {
            let ip = address.ip();
            self.options
                .multipath_removed
                .retain(|removed| *removed != ip);
            self.options
                .multipath_added
                .retain(|known| *known != address);
            self.options.multipath_added.push(address);
        }
        Ok(())
    }

    fn multipath_remove(&mut self, net: &mut Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let connection = self.connection_to_change(net)?;
        let addresses = read_addresses(value)?;
        if let Some(info) = connection {
            let subflows = net.endpoint.subflows(info.id);
            let known = |address: &SocketAddr| {
                let used = subflows
                    .iter()
                    .any(|subflow| subflow.closed.is_none() && subflow.local.ip() == address.ip());
                used || net.endpoint.has_address(address.ip())
            };
            if !addresses.iter().all(known) {
                return Err(Errno::EADDRNOTAVAIL);
            }
            return addresses
                .into_iter()
                .try_for_each(|address| take_away(net, info.id, address));
        }
        let ours = |address: &SocketAddr| net.endpoint.has_address(address.ip());
        if !addresses.iter().all(ours) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        for address in addresses {
            let (ip, port) = (address.ip(), address.port());
            let added = &mut self.options.multipath_added;
            added.retain(|known| known.ip() != ip || (port != 0 && known.port() != port));
            if port == 0 && !self.options.multipath_removed.contains(&ip) {
                self.options.multipath_removed.push(ip);
            }
        }
        Ok(())
    }

    /// The connection whose addresses are to change; `None` if there is none yet.
    fn connection_to_change(&self, net: &Net<'_>) -> Result<Option<ConnectionInfo>, Errno> {
        match self.state {
            SocketState::Fresh if self.config.mptcp => Ok(None),
            SocketState::Fresh => Err(Errno::EOPNOTSUPP),
            // What it has begun with is settled.
            SocketState::Listening(_) => Err(Errno::EINVAL),
            SocketState::Connecting(_) | SocketState::Connected(_) => {
                self.multipath_connection(net).map(Some)
            }
        }
    }
}

/// Reads addresses one after the other.
fn read_addresses(value: &[u8]) -> Result<Vec<SocketAddr>, Errno> {
    let mut addresses = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let address = SockAddr::from_bytes(rest)?;
        let len = match address.as_given() {
            SocketAddr::V4(_) => SOCKADDR_IN_LEN,
            SocketAddr::V6(_) => SOCKADDR_IN6_LEN,
        };
        rest = rest.get(len..).unwrap_or_default();
        addresses.push(address.for_stack());
    }
    if addresses.is_empty() {
        return Err(Errno::EINVAL);
    }
    Ok(addresses)
}

/// Writes as many entries as there is room for.
fn write_whole(value: &mut [u8], entries: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut written = 0;
    for entry in entries {
        let Some(room) = value.get_mut(written..written + entry.len()) else {
            break;
        };
        room.copy_from_slice(&entry);
        written += entry.len();
    }
    written
}

fn subflow_of_3_0((local, remote): (SocketAddr, SocketAddr)) -> Vec<u8> {
    // `sockaddr`s begin with the family as well.
    let family = SockAddr::plain(local).to_bytes();
    let mut bytes = family.get(..2).unwrap_or_default().to_vec();
    bytes.extend(remote.port().to_be_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.resize(ADDRESSES_OF_3_0, 0);
    for ip in [remote.ip(), local.ip()] {
        match ip {
            IpAddr::V4(v4) => bytes.extend(v4.octets()),
            IpAddr::V6(v6) => bytes.extend(v6.octets()),
        }
    }
    bytes.resize(SUBFLOW_OF_3_0_LEN, 0);
    bytes
}
