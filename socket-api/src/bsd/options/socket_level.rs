//! `SOL_SOCKET`: ordinary options, as an MPTCP socket of Linux has them (API reference 4.4).
//!
//! The module owns their values and their errors; `subflows` brings them to subflows.

use super::value::{
    int_of, read_bool, read_int, read_name, read_timeval, write_int, write_timeval, write_truncated,
};
use crate::bsd::{Errno, Net, Protocol, Socket, SocketState};
use std::time::Duration;
use umptcp_stack::SubflowChange;

/// Options that may be set and change nothing.
const WITHOUT_EFFECT: [i32; 11] = [
    libc::SO_NO_CHECK,
    libc::SO_DONTROUTE,
    libc::SO_BROADCAST,
    libc::SO_BSDCOMPAT,
    libc::SO_PASSCRED,
    libc::SO_PASSSEC,
    libc::SO_RXQ_OVFL,
    libc::SO_WIFI_STATUS,
    libc::SO_NOFCS,
    libc::SO_SELECT_ERR_QUEUE,
    SO_PASSPIDFD,
];

/// Options whose value is kept, for which a program in user space has no use.
const REMEMBERED: [i32; 6] = [
    libc::SO_PRIORITY,
    libc::SO_INCOMING_CPU,
    libc::SO_DEBUG,
    libc::SO_BUSY_POLL,
    SO_PREFER_BUSY_POLL,
    SO_BUSY_POLL_BUDGET,
];

/// Options that a kernel knows and an MPTCP socket has not; time stamps of packets among them, as no
/// device gives any.
const NOT_SUPPORTED: [i32; 21] = [
    libc::SO_OOBINLINE,
    libc::SO_ZEROCOPY,
    libc::SO_PEEK_OFF,
    libc::SO_ATTACH_FILTER,
    libc::SO_DETACH_FILTER,
    libc::SO_LOCK_FILTER,
    libc::SO_ATTACH_BPF,
    libc::SO_ATTACH_REUSEPORT_CBPF,
    libc::SO_ATTACH_REUSEPORT_EBPF,
    SO_DETACH_REUSEPORT_BPF,
    SO_TXTIME,
    libc::SO_TIMESTAMP,
    libc::SO_TIMESTAMPNS,
    libc::SO_TIMESTAMPING,
    SO_TIMESTAMP_NEW,
    SO_TIMESTAMPNS_NEW,
    SO_TIMESTAMPING_NEW,
    SO_CNX_ADVICE,
    libc::SO_PEERCRED,
    libc::SO_PEERSEC,
    SO_MEMINFO,
];

/// Those of them that may be asked for: what cannot be switched on is off.
const ALWAYS_OFF: [i32; 9] = [
    libc::SO_OOBINLINE,
    libc::SO_ZEROCOPY,
    libc::SO_LOCK_FILTER,
    libc::SO_TIMESTAMP,
    libc::SO_TIMESTAMPNS,
    libc::SO_TIMESTAMPING,
    SO_TIMESTAMP_NEW,
    SO_TIMESTAMPNS_NEW,
    SO_TIMESTAMPING_NEW,
];

// asm-generic/socket.h of Linux, as far as libc does not have them.
const SO_CNX_ADVICE: i32 = 53;
const SO_MEMINFO: i32 = 55;
const SO_TXTIME: i32 = 61;
const SO_BINDTOIFINDEX: i32 = 62;
const SO_TIMESTAMP_NEW: i32 = 63;
const SO_TIMESTAMPNS_NEW: i32 = 64;
const SO_TIMESTAMPING_NEW: i32 = 65;
const SO_RCVTIMEO_NEW: i32 = 66;
const SO_SNDTIMEO_NEW: i32 = 67;
const SO_DETACH_REUSEPORT_BPF: i32 = 68;
const SO_PREFER_BUSY_POLL: i32 = 69;
const SO_BUSY_POLL_BUDGET: i32 = 70;
const SO_PASSPIDFD: i32 = 76;

/// `IFNAMSIZ` of linux/if.h.
const INTERFACE_NAME_LEN: usize = 16;

/// The least that Linux makes of a buffer size: `SOCK_MIN_SNDBUF`, `SOCK_MIN_RCVBUF`.
const LEAST_SEND_BUFFER: usize = 4608;
const LEAST_RECEIVE_BUFFER: usize = 2304;

impl Socket {
    pub(super) fn get_socket_level(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        let number = match name {
            libc::SO_TYPE => libc::SOCK_STREAM,
            libc::SO_PROTOCOL => self.protocol.number(),
            libc::SO_DOMAIN => self.family.number(),
            libc::SO_ACCEPTCONN => i32::from(matches!(self.state, SocketState::Listening(_))),
            libc::SO_ERROR => self.take_error(net).map_or(0, |error| error as i32),
            libc::SO_REUSEADDR => i32::from(self.options.reuse_address),
            libc::SO_REUSEPORT => i32::from(self.options.reuse_port),
            libc::SO_KEEPALIVE => i32::from(self.config.subflow.keepalive.is_some()),
            libc::SO_SNDBUF => int_of(self.config.send_buffer),
            libc::SO_RCVBUF => int_of(self.config.receive_buffer),
            libc::SO_RCVLOWAT => int_of(self.options.receive_low_water),
            libc::SO_SNDLOWAT => 1,
            libc::SO_MARK => int_of(self.config.subflow.tag),
            SO_BINDTOIFINDEX => self
                .options
                .interface
                .map_or(0, |id| int_of(id.index() + 1)),
            libc::SO_LINGER => return Ok(self.get_linger(value)),
            libc::SO_RCVTIMEO | SO_RCVTIMEO_NEW => {
                return Ok(write_timeval(value, self.options.receive_timeout));
            }
            libc::SO_SNDTIMEO | SO_SNDTIMEO_NEW => {
                return Ok(write_timeval(value, self.options.send_timeout));
            }
            libc::SO_MAX_PACING_RATE => {
                return Ok(self.get_pacing_rate(value));
            }
            libc::SO_BINDTODEVICE => return self.get_device(net, value),
            // Nothing is known of whoever sends.
            libc::SO_PASSCRED | libc::SO_PASSSEC | SO_PASSPIDFD => return Err(Errno::EOPNOTSUPP),
            name if WITHOUT_EFFECT.contains(&name) || ALWAYS_OFF.contains(&name) => 0,
            // As Linux: it may only be set.
            SO_BUSY_POLL_BUDGET => return Err(Errno::ENOPROTOOPT),
            name if REMEMBERED.contains(&name) => self.remembered(libc::SOL_SOCKET, name),
            name if NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(write_int(value, number))
    }

    pub(super) fn set_socket_level(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        match name {
            libc::SO_REUSEADDR => {
                self.check_socket_not_begun()?;
                self.options.reuse_address = read_bool(value)?;
            }
            libc::SO_REUSEPORT => {
                self.check_socket_not_begun()?;
                self.options.reuse_port = read_bool(value)?;
            }
            libc::SO_KEEPALIVE => {
                self.switch_keepalive(net, read_bool(value)?);
            }
            libc::SO_LINGER => self.set_linger(net, value)?,
            libc::SO_SNDBUF | libc::SO_SNDBUFFORCE => {
                self.config.send_buffer = buffer_size(value, LEAST_SEND_BUFFER)?;
                self.apply_buffers(net);
            }
            libc::SO_RCVBUF | libc::SO_RCVBUFFORCE => {
                self.config.receive_buffer = buffer_size(value, LEAST_RECEIVE_BUFFER)?;
                self.apply_buffers(net);
            }
            libc::SO_RCVLOWAT => {
                // As Linux: negative stands for as much as there can be.
                let wanted = usize::try_from(read_int(value)?).unwrap_or(usize::MAX);
                let most = self.config.receive_buffer / 2;
                self.options.receive_low_water = wanted.min(most).max(1);
            }
            libc::SO_RCVTIMEO | SO_RCVTIMEO_NEW => {
                self.options.receive_timeout = read_timeval(value)?;
            }
            libc::SO_SNDTIMEO | SO_SNDTIMEO_NEW => {
                self.options.send_timeout = read_timeval(value)?;
            }
            libc::SO_MARK => {
                let tag = u32::from_ne_bytes(read_int(value)?.to_ne_bytes());
                self.change_subflows(net, SubflowChange::Tag(tag));
            }
            libc::SO_BINDTODEVICE => {
                self.check_socket_not_begun()?;
                let device = read_name(value)?;
                self.options.interface = net.system.interface_named(device)?;
            }
            SO_BINDTOIFINDEX => {
                self.check_socket_not_begun()?;
                self.options.interface = net.system.interface_numbered(read_int(value)?)?;
            }
            libc::SO_MAX_PACING_RATE => {
                self.set_pacing_rate(net, value)?;
            }
            name if WITHOUT_EFFECT.contains(&name) => {
                read_int(value)?;
            }
            name if REMEMBERED.contains(&name) => {
                self.remember(libc::SOL_SOCKET, name, value)?;
            }
            name if NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            // What may only be asked for, and what does not exist.
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    /// As Linux has it for MPTCP, also after a fallback.
    fn check_socket_not_begun(&self) -> Result<(), Errno> {
        match (self.protocol, &self.state) {
            (Protocol::Mptcp, SocketState::Connecting(_) | SocketState::Connected(_)) => {
                Err(Errno::EINVAL)
            }
            _ => Ok(()),
        }
    }

    /// The name of the interface with a zero behind it; nothing if there is none.
    fn get_device(&self, net: &Net<'_>, value: &mut [u8]) -> Result<usize, Errno> {
        let Some(name) = self.options.interface.and_then(|id| net.system.name_of(id)) else {
            return Ok(0);
        };
        // As Linux: there has to be room for any name.
        if value.len() < INTERFACE_NAME_LEN {
            return Err(Errno::EINVAL);
        }
        let bytes = [name.as_bytes(), &[0]].concat();
        Ok(write_truncated(value, &bytes))
    }

    /// `struct linger`: two `int`s, whether and how many seconds.
    fn get_linger(&self, value: &mut [u8]) -> usize {
        let seconds = self.config.linger.map(|linger| int_of(linger.as_secs()));
        let parts = [i32::from(seconds.is_some()), seconds.unwrap_or(0)];
        write_truncated(value, &parts.map(i32::to_ne_bytes).concat())
    }

    fn set_linger(&mut self, net: &mut Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let on = read_bool(value)?;
        let seconds = read_int(value.get(4..).unwrap_or_default())?;
        let seconds = u64::try_from(seconds).unwrap_or(0);
        self.config.linger = on.then(|| Duration::from_secs(seconds));
        if let Some(id) = self.connection() {
            net.endpoint.set_linger(net.now, id, self.config.linger);
        }
        Ok(())
    }

    /// Bytes per second, 32 or 64 bits wide; all ones stand for no limit.
    fn get_pacing_rate(&self, value: &mut [u8]) -> usize {
        let rate = self.config.subflow.rate_cap;
        if value.len() >= 8 {
            return write_truncated(value, &rate.unwrap_or(u64::MAX).to_ne_bytes());
        }
        let narrow = rate.map_or(u32::MAX, |rate| u32::try_from(rate).unwrap_or(u32::MAX));
        write_truncated(value, &narrow.to_ne_bytes())
    }

    fn set_pacing_rate(&mut self, net: &mut Net<'_>, value: &[u8]) -> Result<(), Errno> {
        let rate = match (value.first_chunk(), value.first_chunk()) {
            (Some(wide), _) => Some(u64::from_ne_bytes(*wide)).filter(|rate| *rate != u64::MAX),
            (None, Some(narrow)) => Some(u32::from_ne_bytes(*narrow))
                .filter(|rate| *rate != u32::MAX)
                .map(u64::from),
            (None, None) => return Err(Errno::EINVAL),
        };
        self.change_subflows(net, SubflowChange::RateCap(rate));
        Ok(())
    }
}

/// A buffer size as Linux takes it: twice what is asked for, as a kernel needs room for its own.
fn buffer_size(value: &[u8], least: usize) -> Result<usize, Errno> {
    let wanted = usize::try_from(read_int(value)?).unwrap_or(0);
    Ok(wanted.saturating_mul(2).max(least))
}
