//! `IPPROTO_IP` and `IPPROTO_IPV6`: ordinary options, as an MPTCP socket of Linux has them (API
//! reference 4.4).

use super::value::{int_of, read_bool, read_int, read_within, write_small_int, write_truncated};
use crate::bsd::{Errno, Family, Net, OptionProfile, Socket, SocketState};
use umptcp_stack::SubflowChange;

/// `IP_LOCAL_PORT_RANGE` of linux/in.h.
const IP_LOCAL_PORT_RANGE: i32 = 51;
/// `IPV6_FREEBIND` of linux/in6.h.
const IPV6_FREEBIND: i32 = 78;

/// What Linux knows and refuses on an MPTCP socket, and what nobody but a kernel can do: leaving from
/// addresses that are not ours.
const IP_NOT_SUPPORTED: [i32; 10] = [
    libc::IP_TRANSPARENT,
    libc::IP_MTU_DISCOVER,
    libc::IP_MTU,
    libc::IP_RECVERR,
    libc::IP_PKTINFO,
    libc::IP_RECVTTL,
    libc::IP_RECVTOS,
    libc::IP_MINTTL,
    libc::IP_NODEFRAG,
    libc::IP_CHECKSUM,
];

const IPV6_NOT_SUPPORTED: [i32; 9] = [
    libc::IPV6_TRANSPARENT,
    libc::IPV6_MTU_DISCOVER,
    libc::IPV6_MTU,
    libc::IPV6_RECVERR,
    libc::IPV6_RECVPKTINFO,
    libc::IPV6_RECVHOPLIMIT,
    libc::IPV6_RECVTCLASS,
    libc::IPV6_DONTFRAG,
    libc::IPV6_MINHOPCOUNT,
];

impl Socket {
    pub(super) fn get_ip_level(&self, name: i32, value: &mut [u8]) -> Result<usize, Errno> {
        let number = match name {
            libc::IP_TOS => int_of(self.config.subflow.traffic_class),
            libc::IP_TTL => int_of(self.config.subflow.hop_limit),
            libc::IP_FREEBIND => i32::from(self.options.free_bind),
            libc::IP_BIND_ADDRESS_NO_PORT => i32::from(self.options.bind_without_port),
            IP_LOCAL_PORT_RANGE => {
                let (first, last) = self.options.port_range;
                let both = u32::from(first) | u32::from(last) << 16;
                return Ok(write_truncated(value, &both.to_ne_bytes()));
            }
            name if IP_NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(write_small_int(value, number))
    }

    pub(super) fn set_ip_level(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        match name {
            libc::IP_TOS => {
                // As Linux: a single byte will do.
                let class = match *value {
                    [byte] => byte,
                    _ => low_byte(read_int(value)?),
                };
                // RFC 3168 §5: the two bits of explicit congestion notification are the stack's.
                self.change_subflows(net, SubflowChange::TrafficClass(class & !ECN_BITS));
            }
            libc::IP_TTL => {
                let limit = read_within(value, 1..=255)?;
                self.change_subflows(net, SubflowChange::HopLimit(low_byte(limit)));
            }
            libc::IP_FREEBIND => {
                self.check_not_begun(net)?;
                self.options.free_bind = read_bool(value)?;
            }
            libc::IP_BIND_ADDRESS_NO_PORT => {
                self.check_not_begun(net)?;
                self.options.bind_without_port = read_bool(value)?;
            }
            IP_LOCAL_PORT_RANGE => {
                self.check_not_begun(net)?;
                let both = u32::from_ne_bytes(read_int(value)?.to_ne_bytes());
                let [a, b, c, d] = both.to_le_bytes();
                let (first, last) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
                if last != 0 && first > last {
                    return Err(Errno::EINVAL);
                }
                self.options.port_range = (first, last);
            }
            name if IP_NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    pub(super) fn get_ipv6_level(
        &self,
        net: &Net<'_>,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        self.check_ipv6_get(net)?;
        let number = match name {
            libc::IPV6_V6ONLY => i32::from(self.options.v6_only),
            IPV6_FREEBIND => i32::from(self.options.free_bind),
            libc::IPV6_TCLASS => int_of(self.config.subflow.traffic_class),
            libc::IPV6_UNICAST_HOPS => int_of(self.config.subflow.hop_limit),
            name if IPV6_NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(write_small_int(value, number))
    }

    pub(super) fn set_ipv6_level(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        self.check_ipv6()?;
        match name {
            libc::IPV6_V6ONLY => {
                // What is bound has its family, whatever the protocol.
                if self.state != SocketState::Fresh || self.is_bound() {
                    return Err(Errno::EINVAL);
                }
                self.options.v6_only = read_bool(value)?;
            }
            IPV6_FREEBIND => {
                self.check_not_begun(net)?;
                self.options.free_bind = read_bool(value)?;
            }
            libc::IPV6_TCLASS => {
                // RFC 3542 §6.5: -1 stands for the default.
                let class = match read_int(value)? {
                    -1 => 0,
                    class @ 0..=255 => low_byte(class),
                    _ => return Err(Errno::EINVAL),
                };
                // RFC 3168 §5: the two bits of explicit congestion notification are the stack's.
                self.change_subflows(net, SubflowChange::TrafficClass(class & !ECN_BITS));
            }
            libc::IPV6_UNICAST_HOPS => {
                let limit = match read_int(value)? {
                    -1 => DEFAULT_HOP_LIMIT,
                    limit @ 0..=255 => low_byte(limit),
                    _ => return Err(Errno::EINVAL),
                };
                self.change_subflows(net, SubflowChange::HopLimit(limit));
            }
            name if IPV6_NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    /// As Linux: an MPTCP socket of IPv4 knows them as well, a TCP socket does not know the level.
    fn check_ipv6_get(&self, net: &Net<'_>) -> Result<(), Errno> {
        match net.system.profile {
            OptionProfile::Linux if self.is_mptcp(net) => Ok(()),
            OptionProfile::Linux if self.family == Family::V4 => Err(Errno::EOPNOTSUPP),
            _ => self.check_ipv6(),
        }
    }

    /// These options are for IPv6 sockets (RFC 3493 §5).
    fn check_ipv6(&self) -> Result<(), Errno> {
        match self.family {
            Family::V6 => Ok(()),
            Family::V4 => Err(Errno::ENOPROTOOPT),
        }
    }
}

/// The bits of explicit congestion notification (RFC 3168 §5).
const ECN_BITS: u8 = 0b11;

/// RFC 1340's value, which Linux has as well.
const DEFAULT_HOP_LIMIT: u8 = 64;

/// The last of the bytes of a number.
fn low_byte(number: impl Into<i64>) -> u8 {
    number.into().to_le_bytes()[0]
}
