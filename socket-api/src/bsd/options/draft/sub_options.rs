//! Ordinary options of one subflow: `MPTCP_SUB_GETSOCKOPT` and `MPTCP_SUB_SETSOCKOPT`.
//!
//! The module owns which options a subflow has by itself. Those that belong to the connection as a
//! whole give `EOPNOTSUPP` here, what is unknown `ENOPROTOOPT`.

use super::layout::{SUB_OPTION_LEN, SubOption};
use crate::bsd::errors::ToErrno;
use crate::bsd::options::value::{
    int_of, read_bool, read_int, read_name, read_within, write_int, write_name, write_truncated,
};
use crate::bsd::{Errno, Net, Socket, UserMemory};
use std::time::Duration;
use umptcp_stack::{
    CongestionAlgorithm, ConnectionId, Keepalive, SubflowChange, SubflowInfo, SubflowOptions,
};

/// The most bytes of a value; no option has as many.
const MOST_BYTES: usize = 4096;
/// `TCP_CA_NAME_MAX`.
const CONGESTION_NAME_LEN: usize = 16;
/// `SO_BINDTOIFINDEX` of asm-generic/socket.h.
const SO_BINDTOIFINDEX: i32 = 62;

/// Options that the connection has, and its subflows have not.
const OF_CONNECTION: [(i32, i32); 14] = [
    (libc::SOL_SOCKET, libc::SO_SNDBUF),
    (libc::SOL_SOCKET, libc::SO_RCVBUF),
    (libc::SOL_SOCKET, libc::SO_LINGER),
    (libc::SOL_SOCKET, libc::SO_RCVLOWAT),
    (libc::SOL_SOCKET, libc::SO_RCVTIMEO),
    (libc::SOL_SOCKET, libc::SO_SNDTIMEO),
    (libc::SOL_SOCKET, libc::SO_REUSEADDR),
    (libc::SOL_SOCKET, libc::SO_REUSEPORT),
    (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_CORK),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
    (libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT),
    (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
];

impl Socket {
    pub(super) fn sub_getsockopt(
        &mut self,
        net: &Net<'_>,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Result<usize, Errno> {
        self.multipath_connection(net)?;
        let wanted = SubOption::read(value)?;
        let (id, subflow) = self.subflow_numbered(net, wanted.id)?;
        let asked = (wanted.level, wanted.name);
        if wanted.value == 0 {
            let room = value.get_mut(SUB_OPTION_LEN..).unwrap_or_default();
            let len = self.get_of_subflow(net, (id, &subflow), asked, room)?;
            return Ok(SUB_OPTION_LEN + len);
        }
        let mut len = [0; 4];
        memory.read(wanted.len, &mut len)?;
        // As an int: a negative length is none.
        let len = usize::try_from(i32::from_ne_bytes(len)).map_err(|_| Errno::EINVAL)?;
        let mut bytes = vec![0; len.min(MOST_BYTES)];
        let len = self.get_of_subflow(net, (id, &subflow), asked, &mut bytes)?;
        memory.write(wanted.value, bytes.get(..len).unwrap_or_default())?;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        memory.write(wanted.len, &len.to_ne_bytes())?;
        Ok(SUB_OPTION_LEN)
    }

    pub(super) fn sub_setsockopt(
        &mut self,
        net: &mut Net<'_>,
        value: &[u8],
        memory: &mut dyn UserMemory,
    ) -> Result<(), Errno> {
        self.multipath_connection(net)?;
        let wanted = SubOption::read(value)?;
        let (id, subflow) = self.subflow_numbered(net, wanted.id)?;
        // `unsigned int optlen` is in the lower half; the upper one is padding.
        let [a, b, c, d, ..] = wanted.len.to_ne_bytes();
        let len = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len.min(MOST_BYTES)];
        if wanted.value == 0 {
            let rest = value.get(SUB_OPTION_LEN..).unwrap_or_default();
            let given = rest.get(..bytes.len()).ok_or(Errno::EINVAL)?;
            bytes.copy_from_slice(given);
        } else {
            memory.read(wanted.value, &mut bytes)?;
        }
        let privileged = net.system.privileged;
        let asked = (wanted.level, wanted.name);
        let change = self.change_of_subflow(privileged, &subflow, asked, &bytes, net, id)?;
        let Some(change) = change else {
            return Ok(());
        };
        net.endpoint
            .set_subflow_options(net.now, id, Some(subflow.id), change)
            .map_err(ToErrno::to_errno)
    }

    fn get_of_subflow(
        &self,
        net: &Net<'_>,
        (id, subflow): (ConnectionId, &SubflowInfo),
        (level, name): (i32, i32),
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        let options = net.endpoint.subflow_options(id, Some(subflow.id));
        let options = options.ok_or(Errno::EINVAL)?;
        let times = self.keepalive_times_of(subflow, &options);
        let number = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_STREAM,
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => libc::IPPROTO_TCP,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) if subflow.local.is_ipv4() => libc::AF_INET,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_INET6,
            (libc::SOL_SOCKET, libc::SO_ERROR) => {
                let error = subflow.soft_error.map(ToErrno::to_errno);
                error.map_or(0, |errno| errno as i32)
            }
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => i32::from(options.keepalive.is_some()),
            (libc::SOL_SOCKET, libc::SO_MARK) => i32::from_ne_bytes(options.tag.to_ne_bytes()),
            (libc::SOL_SOCKET, SO_BINDTOIFINDEX) => int_of(subflow.interface.index() + 1),
            (libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE) => {
                return Ok(write_rate(value, options.rate_cap));
            }
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => int_of(times.idle.as_secs()),
            (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => int_of(times.interval.as_secs()),
            (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => int_of(times.probes),
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => int_of(subflow.mss),
            (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => {
                let name = options.congestion.name();
                return Ok(write_name(value, name, CONGESTION_NAME_LEN));
            }
            (libc::IPPROTO_TCP, libc::TCP_INFO) => {
                let info = self.tcp_info_of(net, subflow).to_bytes();
                return Ok(write_truncated(value, &info));
            }
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                i32::from(options.traffic_class)
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => {
                i32::from(options.hop_limit)
            }
            (libc::IPPROTO_IP, libc::IP_MTU) | (libc::IPPROTO_IPV6, libc::IPV6_MTU) => {
                int_of(subflow.path_mtu)
            }
            other => return Err(not_of_subflows(other)),
        };
        Ok(write_int(value, number))
    }

    /// What a value asks for; nothing if it is only kept for later.
    fn change_of_subflow(
        &mut self,
        privileged: bool,
        subflow: &SubflowInfo,
        (level, name): (i32, i32),
        value: &[u8],
        net: &Net<'_>,
        id: ConnectionId,
    ) -> Result<Option<SubflowChange>, Errno> {
        let options = net.endpoint.subflow_options(id, Some(subflow.id));
        let options = options.ok_or(Errno::EINVAL)?;
        let mut times = self.keepalive_times_of(subflow, &options);
        let on = options.keepalive.is_some();
        let seconds = |value| read_within(value, 1..=32767).map(|n| Duration::from_secs(n.into()));
        let change = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => {
                SubflowChange::Keepalive(read_bool(value)?.then_some(times))
            }
            (libc::SOL_SOCKET, libc::SO_MARK) if !privileged => return Err(Errno::EPERM),
            (libc::SOL_SOCKET, libc::SO_MARK) => {
                SubflowChange::Tag(u32::from_ne_bytes(read_int(value)?.to_ne_bytes()))
            }
            (libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE) => {
                SubflowChange::RateCap(read_rate(value)?)
            }
            (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE | libc::TCP_KEEPINTVL | libc::TCP_KEEPCNT) => {
                match name {
                    libc::TCP_KEEPIDLE => times.idle = seconds(value)?,
                    libc::TCP_KEEPINTVL => times.interval = seconds(value)?,
                    _ => times.probes = read_within(value, 1..=127)?,
                }
                self.families.keepalive_times.insert(subflow.id, times);
                if !on {
                    return Ok(None);
                }
                SubflowChange::Keepalive(Some(times))
            }
            (libc::IPPROTO_TCP, libc::TCP_MAXSEG) => {
                // linux/tcp.h: TCP_MIN_MSS and MAX_TCP_WINDOW; 0 stands for no limit.
                SubflowChange::MssClamp(match read_int(value)? {
                    0 => None,
                    clamp @ 88..=32767 => u16::try_from(clamp).ok(),
                    _ => return Err(Errno::EINVAL),
                })
            }
            (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => {
                let algorithm = CongestionAlgorithm::from_name(read_name(value)?);
                SubflowChange::Congestion(algorithm.ok_or(Errno::ENOENT)?)
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => SubflowChange::TrafficClass(match *value {
                // As Linux: a single byte will do.
                [byte] => byte,
                _ => read_int(value)?.to_le_bytes()[0],
            }),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                SubflowChange::TrafficClass(read_byte(value, 0..=255)?)
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => {
                SubflowChange::HopLimit(read_byte(value, 1..=255)?)
            }
            other => return Err(not_of_subflows(other)),
        };
        Ok(Some(change))
    }

    /// The times of probes, which a subflow without probes has as well: they are set one by one.
    fn keepalive_times_of(&self, subflow: &SubflowInfo, options: &SubflowOptions) -> Keepalive {
        let kept = self.families.keepalive_times.get(&subflow.id).copied();
        options
            .keepalive
            .or(kept)
            .unwrap_or(self.options.keepalive_times)
    }
}

/// The error for what no subflow has by itself.
fn not_of_subflows(option: (i32, i32)) -> Errno {
    if OF_CONNECTION.contains(&option) {
        Errno::EOPNOTSUPP
    } else {
        Errno::ENOPROTOOPT
    }
}

fn read_byte(value: &[u8], range: std::ops::RangeInclusive<i32>) -> Result<u8, Errno> {
    u8::try_from(read_within(value, range)?).map_err(|_| Errno::EINVAL)
}

/// Bytes per second, 32 or 64 bits wide; all ones stand for no limit.
fn write_rate(value: &mut [u8], rate: Option<u64>) -> usize {
    if value.len() >= 8 {
        return write_truncated(value, &rate.unwrap_or(u64::MAX).to_ne_bytes());
    }
    let narrow = rate.map_or(u32::MAX, |rate| u32::try_from(rate).unwrap_or(u32::MAX));
    write_truncated(value, &narrow.to_ne_bytes())
}

fn read_rate(value: &[u8]) -> Result<Option<u64>, Errno> {
    if let Some(wide) = value.first_chunk() {
        return Ok(Some(u64::from_ne_bytes(*wide)).filter(|rate| *rate != u64::MAX));
    }
    let narrow = u32::from_ne_bytes(*value.first_chunk().ok_or(Errno::EINVAL)?);
    Ok((narrow != u32::MAX).then(|| narrow.into()))
}
