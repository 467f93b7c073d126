//! Commands carried out by an endpoint in the same process.
//!
//! Owns the way from a command to the endpoint's methods, and from their errors to errnos.

use super::command::{
    Command, CreateSubflow, EndpointFlags, EndpointKey, HostEndpoint, Limits, Reply,
};
use super::controller::Control;
use super::errno::{of_address, of_opening, of_path_endpoint};
use super::event::Token;
use super::mask::EventMask;
use super::query::{Addresses, Answer, ConnectionState, Query, SubflowState};
use super::registry::Registry;
use nix::errno::Errno;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{
    ConnectionId, ConnectionInfo, Endpoint, Instant, InterfaceId, OpenSubflow, PathEndpoint,
    PathEndpointFlags, PathEndpointKey, PathLimits, ResetReason, SubflowId, SubflowInfo,
    SubflowSource,
};

/// An endpoint for one controller.
pub(super) struct LocalControl<'a> {
    pub(super) endpoint: &'a mut Endpoint,
    pub(super) registry: &'a mut Registry,
    /// What the controller hears.
    pub(super) filter: &'a mut EventMask,
}

impl Control for LocalControl<'_> {
    fn execute(&mut self, now: Instant, command: &Command) -> Result<Reply, Errno> {
        match *command {
            Command::Announce {
                token,
                local_id,
                address,
                port,
            } => self.announce(now, token, local_id, address, port),
            Command::Remove { token, local_id } => self.remove(now, token, local_id),
            Command::CreateSubflow(wanted) => self.create(now, &wanted),
            Command::DestroySubflow {
                token,
                local,
                remote,
            } => {
                let (id, subflow) = self.subflow(token, local, remote, Errno::ESRCH)?;
                self.endpoint
                    .reset_subflow(now, id, subflow, ResetReason::Unspecified)
                    .map_err(|_| Errno::ESRCH)?;
                Ok(Reply::Done)
            }
            Command::SetPriority {
                token,
                local,
                remote,
                backup,
            } => {
                let (id, subflow) = self.subflow(token, local, remote, Errno::ENOTCONN)?;
                self.endpoint
                    .set_backup(now, id, subflow, backup)
                    .map_err(|_| Errno::ENOTCONN)?;
                Ok(Reply::Done)
            }
            Command::Exists { token } => match self.registry.connection(self.endpoint, token) {
                Some(_) => Ok(Reply::Done),
                None => Err(Errno::ENOTCONN),
            },
            Command::SetFilter(mask) => {
                *self.filter = mask;
                Ok(Reply::Done)
            }
            Command::AddEndpoint(_)
            | Command::RemoveEndpoint(_)
            | Command::FlushEndpoints
            | Command::SetEndpointFlags(..)
            | Command::SetLimits(_) => self.of_host(now, command),
        }
    }

    fn query(&mut self, query: &Query) -> Result<Answer, Errno> {
        Ok(match *query {
            Query::Connections => Answer::Connections(self.registry.tokens()),
            Query::Connection(token) => {
                let id = self.connection(token)?;
                let info = self.endpoint.connection_info(id).ok_or(Errno::EINVAL)?;
                Answer::Connection(connection_state(token, &info))
            }
            Query::Subflows(token) => {
                let id = self.connection(token)?;
                let subflows = self.endpoint.subflows(id).into_iter();
                let open = subflows.filter(|info| info.closed.is_none());
                Answer::Subflows(open.map(|info| subflow_state(&info)).collect())
            }
            Query::Addresses(token) => {
                let id = self.connection(token)?;
                let local = self.endpoint.local_addresses(id).into_iter();
                let remote = self.endpoint.remote_addresses(id).into_iter();
                Answer::Addresses(Addresses {
                    local: local.map(|known| (known.id.0, known.address)).collect(),
                    remote: remote.map(|known| (known.id.0, known.address)).collect(),
                })
            }
            Query::Endpoints => {
                let endpoints = self.endpoint.path_endpoints().iter();
                Answer::Endpoints(endpoints.map(host_endpoint).collect())
            }
            Query::Limits => {
                let limits = self.endpoint.path_limits();
                Answer::Limits(Limits {
                    subflows: limits.extra_subflows,
                    add_addr_accepted: limits.add_addr_accepted,
                })
            }
        })
    }
}

impl LocalControl<'_> {
    fn connection(&self, token: Token) -> Result<ConnectionId, Errno> {
        self.registry
            .connection(self.endpoint, token)
            .ok_or(Errno::EINVAL)
    }

    fn subflow(
        &self,
        token: Token,
        local: SocketAddr,
        remote: SocketAddr,
        unknown: Errno,
    ) -> Result<(ConnectionId, SubflowId), Errno> {
        let id = self.connection(token)?;
        if local.is_ipv4() != remote.is_ipv4() || local.port() == 0 || remote.port() == 0 {
            return Err(Errno::EINVAL);
        }
        let subflow = self.endpoint.subflow_by_tuple(id, local, remote);
        Ok((id, subflow.ok_or(unknown)?))
    }

    fn interface(&self, position: u32) -> Result<InterfaceId, Errno> {
        let mut interfaces = self.endpoint.interfaces().into_iter();
        interfaces
            .find(|id| u32::try_from(id.index()) == Ok(position))
            .ok_or(Errno::ENODEV)
    }

    fn announce(
        &mut self,
        now: Instant,
        token: Token,
        wanted: Option<u8>,
        address: IpAddr,
        port: Option<u16>,
    ) -> Result<Reply, Errno> {
        let id = self.connection(token)?;
        let known = |endpoint: &Endpoint| {
            let mut addresses = endpoint.local_addresses(id).into_iter();
            addresses
                .find(|known| known.address == address && known.port == port)
                .map(|known| known.id.0)
        };
        if let Some(wanted) = wanted
            && known(self.endpoint) != Some(wanted)
        {
            return Err(Errno::EINVAL);
        }
        self.endpoint
            .announce_address(now, Some(id), address, port)
            .map_err(|error| of_address(&error))?;
        let local_id = known(self.endpoint).ok_or(Errno::ENOBUFS)?;
        Ok(Reply::Address { local_id })
    }

    fn remove(&mut self, now: Instant, token: Token, local_id: u8) -> Result<Reply, Errno> {
        let id = self.connection(token)?;
        let mut addresses = self.endpoint.local_addresses(id).into_iter();
        let known = addresses
            .find(|known| known.id.0 == local_id)
            .ok_or(Errno::EINVAL)?;
        self.endpoint
            .withdraw_address(now, Some(id), known.address, known.port)
            .map_err(|error| of_address(&error))?;
        Ok(Reply::Done)
    }

    fn create(&mut self, now: Instant, wanted: &CreateSubflow) -> Result<Reply, Errno> {
        let id = self
            .registry
            .connection(self.endpoint, wanted.token)
            .ok_or(Errno::EBADR)?;
        if let Some(local) = wanted.local
            && local.is_ipv4() != wanted.remote.is_ipv4()
        {
            return Err(Errno::EINVAL);
        }
        self.check_ids(id, wanted)?;
        let any: IpAddr = match wanted.remote {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let interface = match wanted.interface {
            Some(position) => Some(self.interface(position)?),
            None => None,
        };
        let local = SocketAddr::new(wanted.local.unwrap_or(any), wanted.local_port);
        let open = OpenSubflow {
            local: SubflowSource::Address(local),
            interface,
            remote: Some(wanted.remote),
            backup: wanted.backup,
            options: None,
        };
        let subflow = self
            .endpoint
            .open_subflow_with(now, id, open)
            .map_err(|error| of_opening(&error))?;
        self.registry.opening(self.endpoint, id, subflow);
        Ok(Reply::Subflow {
            id: subflow.index(),
        })
    }

    /// The ids that the command names must not stand for other addresses.
    fn check_ids(&self, id: ConnectionId, wanted: &CreateSubflow) -> Result<(), Errno> {
        if let (Some(local_id), Some(local)) = (wanted.local_id, wanted.local) {
            let mut known = self.endpoint.local_addresses(id).into_iter();
            let at_odds = |id: u8, address: IpAddr| (id == local_id) != (address == local);
            if known.any(|known| known.port.is_none() && at_odds(known.id.0, known.address)) {
                return Err(Errno::EINVAL);
            }
        }
        if let Some(remote_id) = wanted.remote_id {
            let mut known = self.endpoint.remote_addresses(id).into_iter();
            let other = |id: u8, address: IpAddr| id == remote_id && address != wanted.remote.ip();
            if known.any(|known| other(known.id.0, known.address.ip())) {
                return Err(Errno::EINVAL);
            }
        }
        Ok(())
    }

    /// The commands that are about no connection.
    fn of_host(&mut self, now: Instant, command: &Command) -> Result<Reply, Errno> {
        let result = match *command {
            Command::AddEndpoint(wanted) => {
                let interface = match wanted.interface {
                    Some(position) => Some(self.interface(position)?),
                    None => None,
                };
                let wanted = PathEndpoint {
                    id: wanted.id,
                    address: wanted.address,
                    port: wanted.port,
                    interface,
                    flags: path_endpoint_flags(wanted.flags),
                };
                let id = self.endpoint.add_path_endpoint(now, wanted);
                return match id {
                    Ok(id) => Ok(Reply::Endpoint { id }),
                    Err(error) => Err(of_path_endpoint(&error)),
                };
            }
            Command::RemoveEndpoint(key) => self
                .endpoint
                .remove_path_endpoint(now, path_endpoint_key(key)),
            Command::FlushEndpoints => {
                self.endpoint.flush_path_endpoints(now);
                Ok(())
            }
            Command::SetEndpointFlags(key, flags) => {
                let (key, flags) = (path_endpoint_key(key), path_endpoint_flags(flags));
                self.endpoint.change_path_endpoint(now, key, flags)
            }
            Command::SetLimits(limits) => {
                let limits = PathLimits {
                    extra_subflows: limits.subflows,
                    add_addr_accepted: limits.add_addr_accepted,
                };
                self.endpoint.set_path_limits(now, limits)
            }
            _ => return Err(Errno::EOPNOTSUPP),
        };
        match result {
            Ok(()) => Ok(Reply::Done),
            Err(error) => Err(of_path_endpoint(&error)),
        }
    }
}

const fn path_endpoint_key(key: EndpointKey) -> PathEndpointKey {
    PathEndpointKey {
        id: key.id,
        address: key.address,
        port: key.port,
    }
}

const fn path_endpoint_flags(flags: EndpointFlags) -> PathEndpointFlags {
    PathEndpointFlags {
        signal: flags.signal,
        subflow: flags.subflow,
        backup: flags.backup,
        fullmesh: flags.fullmesh,
        laminar: flags.laminar,
        implicit: flags.implicit,
    }
}

fn host_endpoint(endpoint: &PathEndpoint) -> HostEndpoint {
    let flags = endpoint.flags;
    HostEndpoint {
        id: endpoint.id,
        address: endpoint.address,
        port: endpoint.port,
        interface: endpoint.interface.map(position),
        flags: EndpointFlags {
            signal: flags.signal,
            subflow: flags.subflow,
            backup: flags.backup,
            fullmesh: flags.fullmesh,
            implicit: flags.implicit,
            laminar: flags.laminar,
        },
    }
}

fn position(interface: InterfaceId) -> u32 {
    u32::try_from(interface.index()).unwrap_or(u32::MAX)
}

fn connection_state(token: Token, info: &ConnectionInfo) -> ConnectionState {
    ConnectionState {
        token,
        server_side: !info.initiator,
        fully_established: info.fully_established,
        local: info.local,
        remote: info.remote,
        bytes_written: info.bytes_written,
        bytes_sent: info.bytes_sent,
        bytes_acked: info.bytes_acked,
        bytes_received: info.bytes_received,
        snd_una: info.snd_una_dsn,
        rcv_nxt: info.rcv_nxt_dsn,
        subflows: u32::try_from(info.subflows).unwrap_or(u32::MAX),
    }
}

fn subflow_state(info: &SubflowInfo) -> SubflowState {
    SubflowState {
        id: info.id.index(),
        local_id: info.local_id.0,
        remote_id: info.remote_id.0,
        local: info.local,
        remote: info.remote,
        interface: position(info.interface),
        established: info.fully_established,
        backup: info.backup,
        pacing_rate: info.pacing_rate,
        cwnd: info.cwnd as u64,
        srtt: info.srtt,
        rto: info.tcp.rto,
        backoff: info.tcp.backoff,
        snd_una: info.tcp.snd_una,
        snd_nxt: info.tcp.snd_nxt,
        bytes_sent: info.tcp.bytes_sent,
        bytes_acked: info.tcp.bytes_acked,
        bytes_received: info.tcp.bytes_received,
        retransmissions: info.tcp.retransmissions,
        timeouts: info.tcp.timeouts,
    }
}
