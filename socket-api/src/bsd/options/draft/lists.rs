//! draft-samar-mptcp-socketapi-03: priorities of subflows, of those that are there and of those to come.
//!
//! The module owns the two layouts. `mptcp_sub_path` is 36 bytes: `u16 family` at 0, the source at
//! 4 and the destination at 20, both in network order with room for IPv6.

use crate::bsd::errors::ToErrno;
use crate::bsd::{Errno, Family, Net, Socket};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use umptcp_stack::{PathLists, PathPair};

const PATH_LEN: usize = 36;
const SOURCE: usize = 4;
const DESTINATION: usize = 20;

impl Socket {
    /// `mptcp_sub_prio { u8 id; u16 low_prio : 1; }`, of which GCC makes two bytes.
    pub(super) fn set_sub_prio(&mut self, net: &mut Net<'_>, value: &[u8]) -> Result<(), Errno> {
        self.multipath_connection(net)?;
        let [number, low_prio, ..] = *value else {
            return Err(Errno::EINVAL);
        };
        let (id, subflow) = self.subflow_numbered(net, number)?;
        if !subflow.fully_established {
            return Err(Errno::EAGAIN);
        }
        net.endpoint
            .set_backup(net.now, id, subflow.id, low_prio & 1 != 0)
            .map_err(ToErrno::to_errno)
    }

    /// May come before there is a connection.
    pub(super) fn set_path_list(
        &mut self,
        net: &mut Net<'_>,
        value: &[u8],
        list: fn(&mut PathLists) -> &mut Vec<PathPair>,
    ) -> Result<(), Errno> {
        if self.connection().is_some() || !self.config.mptcp {
            self.multipath_connection(net)?;
        }
        let (paths, []) = value.as_chunks::<PATH_LEN>() else {
            return Err(Errno::EINVAL);
        };
        let paths: Result<Vec<PathPair>, Errno> = paths.iter().map(read_path).collect();
        *list(&mut self.config.path_lists) = paths?;
        if let Some(id) = self.connection() {
            let lists = self.config.path_lists.clone();
            net.endpoint.set_path_lists(net.now, id, lists);
        }
        Ok(())
    }
}

fn read_path(bytes: &[u8; PATH_LEN]) -> Result<PathPair, Errno> {
    let family = u16::from_ne_bytes([bytes[0], bytes[1]]);
    let family = Family::of_number(i32::from(family))?;
    let address = |at: usize| -> IpAddr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&bytes[at..at + 16]);
        match family {
            Family::V4 => Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into(),
            Family::V6 => IpAddr::from(Ipv6Addr::from(octets)).to_canonical(),
        }
    };
    Ok(PathPair {
        local: address(SOURCE),
        remote: address(DESTINATION),
    })
}

/// Pairs as bytes, for the typed functions; `None` if the families of one differ.
pub(super) fn path_bytes(paths: &[PathPair]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for pair in paths {
        let (family, local, remote) = match (pair.local, pair.remote) {
            (IpAddr::V4(local), IpAddr::V4(remote)) => {
                let wide = |address: Ipv4Addr| {
                    let mut wide = [0; 16];
                    wide[..4].copy_from_slice(&address.octets());
                    wide
                };
                (Family::V4, wide(local), wide(remote))
            }
            (IpAddr::V6(local), IpAddr::V6(remote)) => {
                (Family::V6, local.octets(), remote.octets())
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
        };
        let family = u16::try_from(family.number()).ok()?;
        bytes.extend(family.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(local);
        bytes.extend(remote);
    }
    Some(bytes)
}
