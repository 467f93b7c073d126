//! `IPPROTO_TCP`: ordinary options, as an MPTCP socket of Linux has them (API reference 4.4). The
//! families that share the level have modules of their own.

use super::value::{
    int_of, read_bool, read_int, read_name, read_within, write_int, write_name, write_small_int,
};
use crate::bsd::{Errno, Net, Protocol, Socket};
use std::time::Duration;
use umptcp_stack::{CongestionAlgorithm, SubflowChange};

/// `TCP_CA_NAME_MAX`: bytes of a congestion control's name.
const CONGESTION_NAME_LEN: usize = 16;

/// What Linux knows and we have not: fast open, MD5, repair, copies of SYNs.
const NOT_SUPPORTED: [i32; 20] = [
    libc::TCP_MD5SIG,
    libc::TCP_THIN_LINEAR_TIMEOUTS,
    libc::TCP_THIN_DUPACK,
    libc::TCP_REPAIR,
    libc::TCP_REPAIR_QUEUE,
    libc::TCP_QUEUE_SEQ,
    libc::TCP_REPAIR_OPTIONS,
    libc::TCP_FASTOPEN,
    libc::TCP_TIMESTAMP,
    libc::TCP_SAVE_SYN,
    libc::TCP_SAVED_SYN,
    libc::TCP_REPAIR_WINDOW,
    libc::TCP_FASTOPEN_CONNECT,
    libc::TCP_MD5SIG_EXT,
    libc::TCP_FASTOPEN_KEY,
    libc::TCP_FASTOPEN_NO_COOKIE,
    libc::TCP_ZEROCOPY_RECEIVE,
    libc::TCP_CM_INQ,
    TCP_TX_DELAY,
    libc::TCP_WINDOW_CLAMP,
];

// linux/tcp.h, as far as libc does not have them.
const TCP_TX_DELAY: i32 = 37;

impl Socket {
    pub(super) fn get_tcp_level(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &mut [u8],
    ) -> Result<usize, Errno> {
        if let Some(len) = self.get_linux_tcp(net, name, value) {
            return Ok(len);
        }
        let times = self.options.keepalive_times;
        let number = match name {
            libc::TCP_NODELAY => i32::from(self.config.nodelay),
            libc::TCP_CORK => i32::from(self.options.cork),
            libc::TCP_KEEPIDLE => int_of(times.idle.as_secs()),
            libc::TCP_KEEPINTVL => int_of(times.interval.as_secs()),
            libc::TCP_KEEPCNT => int_of(times.probes),
            libc::TCP_MAXSEG => self.segment_size(net),
            libc::TCP_SYNCNT => int_of(self.config.syn_tries_with_mptcp),
            libc::TCP_LINGER2 => int_of(self.config.fin_timeout.as_secs()),
            libc::TCP_QUICKACK => i32::from(self.config.delayed_ack.is_zero()),
            libc::TCP_DEFER_ACCEPT => self.remembered(libc::IPPROTO_TCP, name),
            libc::TCP_NOTSENT_LOWAT => {
                i32::from_ne_bytes(self.options.notsent_low_water.to_ne_bytes())
            }
            libc::TCP_INQ => i32::from(self.options.inq),
            libc::TCP_USER_TIMEOUT => self.get_user_timeout(),
            // What cannot be switched on is off.
            libc::TCP_FASTOPEN | libc::TCP_FASTOPEN_CONNECT | libc::TCP_FASTOPEN_NO_COOKIE => 0,
            libc::TCP_CONGESTION => {
                let name = self.config.subflow.congestion.name();
                return Ok(write_name(value, name, CONGESTION_NAME_LEN));
            }
            name if NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(match self.protocol {
            Protocol::Mptcp => write_small_int(value, number),
            Protocol::Tcp => write_int(value, number),
        })
    }

    pub(super) fn set_tcp_level(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        match name {
            libc::TCP_NODELAY => self.set_nodelay(net, read_bool(value)?),
            libc::TCP_CORK => self.set_cork(net, read_bool(value)?),
            // linux/tcp.h: MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL, MAX_TCP_KEEPCNT.
            libc::TCP_KEEPIDLE => {
                self.options.keepalive_times.idle = seconds(read_within(value, 1..=32767)?);
                self.apply_keepalive(net);
            }
            libc::TCP_KEEPINTVL => {
                self.options.keepalive_times.interval = seconds(read_within(value, 1..=32767)?);
                self.apply_keepalive(net);
            }
            libc::TCP_KEEPCNT => {
                self.options.keepalive_times.probes = read_within(value, 1..=127)?;
                self.apply_keepalive(net);
            }
            libc::TCP_MAXSEG => {
                // linux/tcp.h: TCP_MIN_MSS and MAX_TCP_WINDOW; 0 stands for no limit.
                let clamp = match read_int(value)? {
                    0 => None,
                    clamp @ 88..=32767 => u16::try_from(clamp).ok(),
                    _ => return Err(Errno::EINVAL),
                };
                self.change_subflows(net, SubflowChange::MssClamp(clamp));
            }
            libc::TCP_SYNCNT => {
                self.config.syn_tries_with_mptcp = read_within(value, 1..=127)?;
            }
            libc::TCP_LINGER2 => {
                let time = u64::try_from(read_int(value)?).unwrap_or(0);
                self.config.fin_timeout = Duration::from_secs(time);
            }
            libc::TCP_QUICKACK => {
                let usual = net.system.defaults.delayed_ack;
                let at_once = read_bool(value)?;
                self.config.delayed_ack = if at_once { Duration::ZERO } else { usual };
            }
            // Accepted and without effect: a connection is given out once it is established.
            libc::TCP_DEFER_ACCEPT => self.remember(libc::IPPROTO_TCP, name, value)?,
            libc::TCP_NOTSENT_LOWAT => {
                self.options.notsent_low_water = u32::from_ne_bytes(read_int(value)?.to_ne_bytes());
            }
            libc::TCP_INQ => self.options.inq = read_within(value, 0..=1)? == 1,
            libc::TCP_USER_TIMEOUT => self.set_user_timeout(net, read_int(value)?)?,
            libc::TCP_CONGESTION => {
                let wanted = read_name(value)?;
                let algorithm = CongestionAlgorithm::from_name(wanted).ok_or(Errno::ENOENT)?;
                self.change_subflows(net, SubflowChange::Congestion(algorithm));
            }
            // As Linux: a ULP is no option of an MPTCP socket, and there is none for another.
            libc::TCP_ULP => {
                return Err(match self.protocol {
                    Protocol::Mptcp => Errno::ENOPROTOOPT,
                    Protocol::Tcp => Errno::ENOENT,
                });
            }
            name if NOT_SUPPORTED.contains(&name) => return Err(Errno::EOPNOTSUPP),
            // Also what may only be asked for.
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    fn set_nodelay(&mut self, net: &mut Net<'_>, nodelay: bool) {
        self.config.nodelay = nodelay;
        if let Some(id) = self.connection() {
            net.endpoint.set_nodelay(net.now, id, nodelay);
        }
    }

    fn set_cork(&mut self, net: &mut Net<'_>, cork: bool) {
        self.options.cork = cork;
        if let Some(id) = self.connection() {
            net.endpoint.set_cork(net.now, id, cork);
        }
    }

    /// Milliseconds; 0 stands for the default.
    fn get_user_timeout(&self) -> i32 {
        if self.options.user_timeout_set {
            int_of(self.config.user_timeout.as_millis())
        } else {
            0
        }
    }

    fn set_user_timeout(&mut self, net: &mut Net<'_>, millis: i32) -> Result<(), Errno> {
        let millis = u64::try_from(millis).map_err(|_| Errno::EINVAL)?;
        self.options.user_timeout_set = millis != 0;
        self.config.user_timeout = match millis {
            0 => net.system.defaults.user_timeout,
            millis => Duration::from_millis(millis),
        };
        if let Some(id) = self.connection() {
            let timeout = self.config.user_timeout;
            net.endpoint.set_user_timeout(net.now, id, timeout);
        }
        Ok(())
    }
}

const fn seconds(number: u32) -> Duration {
    Duration::from_secs(number as u64)
}
