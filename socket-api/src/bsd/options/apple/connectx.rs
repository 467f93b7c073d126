//! `connectx`, `disconnectx`, and what is known of each subflow (`SIOCGCONNIDS`, `SIOCGCONNINFO`).
//!
//! The module owns these calls in the shapes that they have there. Ids of subflows (`sae_connid_t`) count
//! from 1 and are those of Linux.

use crate::bsd::errors::{ToErrno, subflow_errno};
use crate::bsd::options::subflows::is_open;
use crate::bsd::{Errno, HowToShutDown, Net, SockAddr, Socket, SocketState, connection_info};
use std::net::{IpAddr, SocketAddr};
use std::ops::BitOr;
use umptcp_stack::{
    ConnectionInfo, ConnectionProtocol, OpenSubflow, SubflowId, SubflowInfo, SubflowSource,
    Version, WriteError,
};

/// `SAE_ASSOCID_ANY`, `SAE_CONNID_ANY`.
pub const SAE_ANY: u32 = 0;
/// `SAE_ASSOCID_ALL`, `SAE_CONNID_ALL`.
pub const SAE_ALL: u32 = u32::MAX;

/// Connects only when something is read or written. Not supported: `EOPNOTSUPP`.
pub const CONNECT_RESUME_ON_READ_WRITE: u32 = 1;
/// The data may arrive twice. It never does here: nothing rides on a SYN.
pub const CONNECT_DATA_IDEMPOTENT: u32 = 2;
/// The data is protected by whoever gave it.
pub const CONNECT_DATA_AUTHENTICATED: u32 = 4;

/// `sa_endpoints_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// `sae_srcif`: index of the interface, from 1; 0 for any.
    pub source_interface: u32,
    /// `sae_srcaddr`.
    pub source: Option<SockAddr>,
    /// `sae_dstaddr`.
    pub destination: SockAddr,
}

/// What `connectx` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    /// `sae_connid_t` of the subflow.
    pub id: u32,
    /// Bytes of the data that were taken.
    pub sent: usize,
}

/// `CIF_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct CifFlags(u32);

impl CifFlags {
    /// The handshake goes on.
    pub const CONNECTING: Self = Self(0x1);
    /// It is complete.
    pub const CONNECTED: Self = Self(0x2);
    /// Ending.
    pub const DISCONNECTING: Self = Self(0x4);
    /// Ended.
    pub const DISCONNECTED: Self = Self(0x8);
    /// The interface was asked for.
    pub const BOUND_IF: Self = Self(0x10);
    /// The local address was asked for.
    pub const BOUND_IP: Self = Self(0x20);
    /// The local port was asked for.
    pub const BOUND_PORT: Self = Self(0x40);
    /// No backup.
    pub const PREFERRED: Self = Self(0x80);
    /// The peer speaks MPTCP.
    pub const MP_CAPABLE: Self = Self(0x100);
    /// Both sides have proven their keys.
    pub const MP_READY: Self = Self(0x200);
    /// MPTCP was given up.
    pub const MP_DEGRADED: Self = Self(0x400);
    /// Data goes here now.
    pub const MP_ACTIVE: Self = Self(0x800);
    /// Version 1.
    pub const MP_V1: Self = Self(0x1000);

    /// The number.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// All of these are set.
    #[must_use]
    pub const fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    fn when(self, holds: bool) -> Self {
        if holds { self } else { Self::default() }
    }
}

impl BitOr for CifFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What was asked for about a local end.
pub(super) type BoundFlags = CifFlags;

/// `so_cinforeq`: one subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubflowConnInfo {
    /// What is so.
    pub flags: CifFlags,
    /// Index of the interface, from 1.
    pub interface: u32,
    /// Why it ended, if not in order.
    pub error: Option<Errno>,
    /// Our end.
    pub source: SockAddr,
    /// The peer's.
    pub destination: SockAddr,
}

/// `conninfo_multipathtcp`: the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionFigures {
    /// Subflows that are not closed.
    pub subflow_count: u32,
    /// Times that the traffic has moved between cheap and costly paths.
    pub switch_count: u32,
    /// Their ids; there is no limit of four here.
    pub ids: Vec<u32>,
    /// Bytes that came over the first subflow.
    pub initial_received: u64,
    /// Bytes that went over the first subflow.
    pub initial_sent: u64,
}

impl Socket {
    /// `connectx`: begins the connection, or opens another subflow of it. Neither waits:
    /// [`Self::connecting`] and [`Self::conninfo`] tell how it went. `data` is taken as far as there
    /// is room and leaves once the connection is established.
    ///
    /// # Errors
    /// `EPERM` without the entitlement, `EINVAL` for an association (there are none), unknown flags and
    /// after fallback, `EAFNOSUPPORT` for addresses of two families, otherwise as `connect` and
    /// `MPTCP_OPEN_SUB_TUPLE` have them.
    pub fn connectx(
        &mut self,
        net: &mut Net<'_>,
        endpoints: &Endpoints,
        association: u32,
        flags: u32,
        data: &[u8],
    ) -> Result<Connected, Errno> {
        const KNOWN: u32 =
            CONNECT_RESUME_ON_READ_WRITE | CONNECT_DATA_IDEMPOTENT | CONNECT_DATA_AUTHENTICATED;
        if !matches!(association, SAE_ANY | SAE_ALL) || flags & !KNOWN != 0 {
            return Err(Errno::EINVAL);
        }
        if flags & CONNECT_RESUME_ON_READ_WRITE != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if !net.system.apple.entitled {
            return Err(Errno::EPERM);
        }
        let local = local_end(net, endpoints)?;
        let subflow = match self.state {
            SocketState::Fresh => {
                self.connect_first(net, &local, endpoints.destination)?;
                SubflowId::INITIAL
            }
            SocketState::Listening(_) => return Err(Errno::EOPNOTSUPP),
            SocketState::Connecting(_) | SocketState::Connected(_) => {
                self.connect_another(net, &local, endpoints.destination)?
            }
        };
        self.families.apple.bound.insert(subflow, local.bound);
        Ok(Connected {
            id: subflow.index() + 1,
            sent: self.queue_early(net, data)?,
        })
    }

    fn connect_first(
        &mut self,
        net: &mut Net<'_>,
        local: &LocalEnd,
        destination: SockAddr,
    ) -> Result<(), Errno> {
        self.families.source = local.address;
        let remote = destination.for_stack();
        if self.options.apple.force {
            // What is remembered of the peer would keep MPTCP from being tried.
            net.endpoint.forget_peer(remote.ip());
        }
        let begun = self.connect(net, destination);
        if begun != Err(Errno::EINPROGRESS) {
            self.families.source = None;
            return begun;
        }
        Ok(())
    }

    fn connect_another(
        &self,
        net: &mut Net<'_>,
        local: &LocalEnd,
        destination: SockAddr,
    ) -> Result<SubflowId, Errno> {
        let info = match self.multipath_connection(net) {
            Err(Errno::EOPNOTSUPP) => return Err(Errno::EINVAL),
            other => other?,
        };
        let opening = OpenSubflow {
            local: local
                .address
                .map_or(SubflowSource::Any, SubflowSource::Address),
            interface: local.interface,
            remote: Some(destination.for_stack()),
            ..OpenSubflow::default()
        };
        net.endpoint
            .open_subflow_with(net.now, info.id, opening)
            .map_err(ToErrno::to_errno)
    }

    fn queue_early(&self, net: &mut Net<'_>, data: &[u8]) -> Result<usize, Errno> {
        let Some(id) = self.connection().filter(|_| !data.is_empty()) else {
            return Ok(0);
        };
        match net.endpoint.write(net.now, id, data) {
            Err(WriteError::Blocked) => Ok(0),
            written => written.map_err(ToErrno::to_errno),
        }
    }

    /// `disconnectx`: ends one subflow in order, or with [`SAE_ANY`] or [`SAE_ALL`] the connection, in
    /// both directions.
    ///
    /// # Errors
    /// `EINVAL` for an association, or an unknown subflow; `ENOTCONN`.
    pub fn disconnectx(
        &mut self,
        net: &mut Net<'_>,
        association: u32,
        id: u32,
    ) -> Result<(), Errno> {
        if !matches!(association, SAE_ANY | SAE_ALL) {
            return Err(Errno::EINVAL);
        }
        if matches!(id, SAE_ANY | SAE_ALL) {
            return self.shutdown(net, HowToShutDown::Both);
        }
        let connection = self.connection().ok_or(Errno::ENOTCONN)?;
        let subflow = subflow_of(net, connection, id).filter(is_open);
        let subflow = subflow.ok_or(Errno::EINVAL)?;
        net.endpoint
            .close_subflow(net.now, connection, subflow.id)
            .map_err(ToErrno::to_errno)
    }

    /// `SIOCGCONNIDS`: the subflows that are not closed.
    ///
    /// # Errors
    /// `ENOTCONN` without a connection.
    pub fn connection_ids(&self, net: &Net<'_>) -> Result<Vec<u32>, Errno> {
        let id = self.connection().ok_or(Errno::ENOTCONN)?;
        let mut subflows = net.endpoint.subflows(id);
        subflows.retain(is_open);
        Ok(subflows
            .iter()
            .map(|subflow| subflow.id.index() + 1)
            .collect())
    }

    /// `SIOCGCONNINFO`: one subflow, with [`SAE_ANY`] the first; also closed ones, as long as the
    /// stack lists them.
    ///
    /// # Errors
    /// `EINVAL` for an unknown one, `ENOTCONN` without a connection.
    pub fn conninfo(&self, net: &Net<'_>, id: u32) -> Result<SubflowConnInfo, Errno> {
        let connection = self.connection().ok_or(Errno::ENOTCONN)?;
        let info = connection_info(net.endpoint, connection)?;
        let id = if id == SAE_ANY { 1 } else { id };
        let subflow = subflow_of(net, connection, id).ok_or(Errno::EINVAL)?;
        let bound = self.families.apple.bound.get(&subflow.id).copied();
        Ok(SubflowConnInfo {
            flags: flags_of(&info, &subflow) | bound.unwrap_or_default(),
            interface: u32::try_from(subflow.interface.index() + 1).unwrap_or(u32::MAX),
            error: subflow.closed.and_then(subflow_errno),
            source: SockAddr::plain(subflow.local),
            destination: SockAddr::plain(subflow.remote),
        })
    }

    /// `conninfo_multipathtcp`: what the connection as a whole has to say.
    ///
    /// # Errors
    /// `EOPNOTSUPP` on plain TCP, `ENOTCONN` without a connection.
    pub fn connection_figures(&self, net: &Net<'_>) -> Result<ConnectionFigures, Errno> {
        let info = self.multipath_connection(net)?;
        let ids = self.connection_ids(net)?;
        let first = subflow_of(net, info.id, 1);
        let bytes = |of: fn(&SubflowInfo) -> u64| first.as_ref().map_or(0, of);
        Ok(ConnectionFigures {
            subflow_count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            switch_count: self.families.apple.switches(),
            ids,
            initial_received: bytes(|first| first.bytes_received),
            initial_sent: bytes(|first| first.bytes_sent),
        })
    }
}

/// Where a subflow is to come from.
struct LocalEnd {
    address: Option<SocketAddr>,
    interface: Option<umptcp_stack::InterfaceId>,
    bound: BoundFlags,
}

fn local_end(net: &Net<'_>, endpoints: &Endpoints) -> Result<LocalEnd, Errno> {
    let remote = endpoints.destination.for_stack();
    let source = endpoints.source.map(SockAddr::for_stack);
    if source.is_some_and(|source| source.is_ipv4() != remote.is_ipv4()) {
        return Err(Errno::EAFNOSUPPORT);
    }
    let index = i32::try_from(endpoints.source_interface).map_err(|_| Errno::EINVAL)?;
    let interface = net.system.interface_numbered(index)?;
    let port = source.map_or(0, |source| source.port());
    if (1..1024).contains(&port) && !net.system.privileged {
        return Err(Errno::EACCES);
    }
    let given = source
        .map(|source| source.ip())
        .filter(|ip| !ip.is_unspecified());
    let mut address = source;
    if let Some(interface) = interface {
        let there: Vec<IpAddr> = net.endpoint.addresses_of(interface);
        let ip = match given {
            Some(ip) if there.contains(&ip) => ip,
            Some(_) => return Err(Errno::EADDRNOTAVAIL),
            None => {
                let mut like = there
                    .into_iter()
                    .filter(|ip| ip.is_ipv4() == remote.is_ipv4());
                like.next().ok_or(Errno::ENETUNREACH)?
            }
        };
        address = Some(SocketAddr::new(ip, port));
    }
    Ok(LocalEnd {
        address,
        interface,
        bound: CifFlags::BOUND_IF.when(interface.is_some())
            | CifFlags::BOUND_IP.when(given.is_some())
            | CifFlags::BOUND_PORT.when(port != 0),
    })
}

fn subflow_of(
    net: &Net<'_>,
    connection: umptcp_stack::ConnectionId,
    id: u32,
) -> Option<SubflowInfo> {
    let subflows = net.endpoint.subflows(connection).into_iter();
    let mut subflows = subflows.filter(|subflow| subflow.id.index().checked_add(1) == Some(id));
    subflows.next()
}

fn flags_of(info: &ConnectionInfo, subflow: &SubflowInfo) -> CifFlags {
    let ended = subflow.closed.is_some();
    let open = is_open(subflow);
    let connected = open && subflow.state.is_synchronized();
    let mptcp = matches!(info.protocol, ConnectionProtocol::Mptcp(_));
    let version = matches!(info.protocol, ConnectionProtocol::Mptcp(Version::V1));
    let carries = connected && (subflow.fully_established || !mptcp);
    CifFlags::CONNECTING.when(open && !connected)
        | CifFlags::CONNECTED.when(connected)
        | CifFlags::DISCONNECTING.when(!open && !ended)
        | CifFlags::DISCONNECTED.when(ended)
        | CifFlags::PREFERRED.when(!subflow.backup)
        | CifFlags::MP_CAPABLE.when(mptcp)
        | CifFlags::MP_READY.when(mptcp && subflow.fully_established)
        | CifFlags::MP_DEGRADED.when(info.fallback.is_some())
        | CifFlags::MP_ACTIVE.when(carries && !subflow.backup)
        | CifFlags::MP_V1.when(version)
}
