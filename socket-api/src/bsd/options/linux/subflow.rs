//! The subflows of a socket as Linux lists them: `struct mptcp_subflow_addrs` and
//! `struct mptcp_subflow_info` of linux/mptcp.h.
//!
//! The module owns the two layouts, and which subflows are listed: those that are open. A socket that is
//! not connected yet has one, its future first, as in Linux.

use super::layout::{put, take};
use super::tcp_info::TcpInfo;
use crate::bsd::{Errno, Net, SockAddr, Socket, SocketState};
use std::net::SocketAddr;
use umptcp_stack::{SubflowId, SubflowInfo};

/// Bytes of a `sockaddr_storage`, which an address takes whatever its family.
const STORAGE_LEN: usize = 128;
/// Where the addresses of a `struct mptcp_subflow_info` begin.
const ADDRESSES_OFFSET: usize = 8;

/// `struct mptcp_subflow_addrs`: the two ends of a subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubflowAddrs {
    /// Our end; on an IPv6 socket IPv4 addresses are mapped.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
}

impl SubflowAddrs {
    /// Bytes that it takes.
    pub const SIZE: usize = 2 * STORAGE_LEN;

    /// The structure as C has it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        put(&mut bytes, 0, &SockAddr::plain(self.local).to_bytes());
        put(
            &mut bytes,
            STORAGE_LEN,
            &SockAddr::plain(self.remote).to_bytes(),
        );
        bytes
    }

    /// Reads the structure of C.
    ///
    /// # Errors
    /// `EINVAL` if there is less, `EAFNOSUPPORT` if an address is neither IPv4 nor IPv6.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Errno> {
        let (local, rest) = bytes.split_at_checked(STORAGE_LEN).ok_or(Errno::EINVAL)?;
        Ok(Self {
            local: SockAddr::from_bytes(local)?.as_given(),
            remote: SockAddr::from_bytes(rest)?.as_given(),
        })
    }
}

/// `struct mptcp_subflow_info`: a subflow with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NumberedSubflow {
    /// Counts from 1 in the order of opening within the connection, and is never used again.
    pub id: u32,
    /// Its two ends.
    pub addresses: SubflowAddrs,
}

impl NumberedSubflow {
    /// Bytes that it takes.
    pub const SIZE: usize = ADDRESSES_OFFSET + SubflowAddrs::SIZE;

    /// The structure as C has it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        put(&mut bytes, 0, &self.id.to_ne_bytes());
        put(&mut bytes, ADDRESSES_OFFSET, &self.addresses.to_bytes());
        bytes
    }

    /// Reads the structure of C.
    ///
    /// # Errors
    /// As for [`SubflowAddrs::from_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Errno> {
        let addresses = bytes.get(ADDRESSES_OFFSET..).ok_or(Errno::EINVAL)?;
        Ok(Self {
            id: u32::from_ne_bytes(take(bytes, 0)),
            addresses: SubflowAddrs::from_bytes(addresses)?,
        })
    }
}

/// The number by which Linux knows a subflow: the initial one is 1.
#[must_use]
pub const fn linux_subflow_id(id: SubflowId) -> u32 {
    id.index().wrapping_add(1)
}

/// What there is to say of one subflow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) subflow: NumberedSubflow,
    pub(super) tcp: TcpInfo,
}

impl Socket {
    /// Its open subflows, all at the same moment.
    pub(super) fn listed_subflows(&self, net: &Net<'_>) -> Vec<Listed> {
        let Some(connection) = self.connection() else {
            return vec![self.future_subflow(net)];
        };
        let subflows = net.endpoint.subflows(connection);
        let open = subflows.iter().filter(|subflow| subflow.closed.is_none());
        open.map(|subflow| Listed {
            subflow: NumberedSubflow {
                id: linux_subflow_id(subflow.id),
                addresses: SubflowAddrs {
                    local: self.shown(subflow.local),
                    remote: self.shown(subflow.remote),
                },
            },
            tcp: self.tcp_info_of(net, subflow),
        })
        .collect()
    }

    /// The subflow that a socket without a connection is going to begin with.
    fn future_subflow(&self, net: &Net<'_>) -> Listed {
        Listed {
            subflow: NumberedSubflow {
                id: 1,
                addresses: SubflowAddrs {
                    local: self.local_name().as_given(),
                    remote: self.family.unspecified(),
                },
            },
            tcp: self.first_tcp_info(net),
        }
    }

    /// `TCP_INFO`: the first subflow, also once it is closed.
    pub(super) fn first_tcp_info(&self, net: &Net<'_>) -> TcpInfo {
        if let SocketState::Listening(listeners) = &self.state {
            let queues = listeners
                .iter()
                .filter_map(|&id| net.endpoint.listener_queue(id));
            let (waiting, most) = queues.fold((0, 0), |(waiting, most), (more, limit)| {
                // What `listen` was told: one more than that may wait.
                (waiting + more, limit.saturating_sub(1).max(most))
            });
            return TcpInfo::listening(waiting, most);
        }
        let subflows = self.connection().map(|id| net.endpoint.subflows(id));
        match subflows.as_deref() {
            Some([first, ..]) => self.tcp_info_of(net, first),
            _ => TcpInfo::closed(),
        }
    }

    pub(in crate::bsd::options) fn tcp_info_of(
        &self,
        net: &Net<'_>,
        subflow: &SubflowInfo,
    ) -> TcpInfo {
        let options = self
            .connection()
            .and_then(|id| net.endpoint.subflow_options(id, Some(subflow.id)));
        let rate_cap = options.map_or(self.config.subflow.rate_cap, |options| options.rate_cap);
        TcpInfo::of_subflow(net.now, subflow, rate_cap)
    }

    fn shown(&self, address: SocketAddr) -> SocketAddr {
        SockAddr::shown_by(self.family, address).as_given()
    }
}
