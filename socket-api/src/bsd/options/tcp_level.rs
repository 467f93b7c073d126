//! `IPPROTO_TCP`: ordinary options, as an MPTCP socket of Linux has them (API reference 4.4). The
//! families that share the level have modules of their own.

use super::value::{
    int_of, read_bool, read_int, read_name, read_within, write_int, write_name, write_small_int,
};
use crate::bsd::{Errno, Net, Protocol, Socket};
use std::time::Duration;
use umptcp_stack::{CongestionAlgorithm, Keepalive, SubflowChange};

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
        let times = self.keepalive_times();
        let number = match name {
            libc::TCP_NODELAY => i32::from(self.config.nodelay),
            libc::TCP_CORK => i32::from(self.options.cork),
            libc::TCP_KEEPIDLE => int_of(times.idle.as_secs()),
            libc::TCP_KEEPINTVL => int_of(times.interval.as_secs()),
            libc::TCP_KEEPCNT => int_of(times.probes),
            libc::TCP_MAXSEG => self.segment_size(net),
            libc::TCP_SYNCNT => int_of(self.syn_repetitions()),
            libc::TCP_LINGER2 => int_of(self.config.fin_timeout.as_secs()),
            libc::TCP_QUICKACK => i32::from(self.config.delayed_ack.is_zero()),
            libc::TCP_DEFER_ACCEPT => self.remembered(libc::IPPROTO_TCP, name),
            libc::TCP_NOTSENT_LOWAT => {
                i32::from_ne_bytes(self.options.notsent_low_water.to_ne_bytes())
            }
            libc::TCP_INQ => i32::from(self.options.inq),
            libc::TCP_USER_TIMEOUT => self.get_user_timeout(net),
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
                let idle = seconds(read_within(value, 1..=32767)?);
                let times = self.keepalive_times();
                self.set_keepalive_times(net, Keepalive { idle, ..times });
            }
            libc::TCP_KEEPINTVL => {
                let interval = seconds(read_within(value, 1..=32767)?);
                let times = self.keepalive_times();
                self.set_keepalive_times(net, Keepalive { interval, ..times });
            }
            libc::TCP_KEEPCNT => {
                let probes = read_within(value, 1..=127)?;
                let times = self.keepalive_times();
                self.set_keepalive_times(net, Keepalive { probes, ..times });
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
                let repetitions = read_within(value, 1..=127)?;
                self.config.connect_timeout = self.time_for_syns(repetitions);
            }
            libc::TCP_LINGER2 => {
                let time = u64::try_from(read_int(value)?).unwrap_or(0);
                self.set_fin_timeout(net, Duration::from_secs(time));
            }
            libc::TCP_QUICKACK => {
                let usual = net.system.defaults.delayed_ack;
                let at_once = read_bool(value)?;
                self.set_delayed_ack(net, if at_once { Duration::ZERO } else { usual });
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
            self.hold_back(net, id, cork);
        }
    }

    fn set_delayed_ack(&mut self, net: &mut Net<'_>, delay: Duration) {
        self.config.delayed_ack = delay;
        if let Some(id) = self.connection() {
            net.endpoint.set_delayed_ack(net.now, id, delay);
        }
    }

    fn set_fin_timeout(&mut self, net: &mut Net<'_>, timeout: Duration) {
        self.config.fin_timeout = timeout;
        if let Some(id) = self.connection() {
            net.endpoint.set_fin_timeout(net.now, id, timeout);
        }
    }

    /// How long an attempt to connect lasts that repeats its SYN so often: each wait is twice the
    /// one before (RFC 6298 §5.5).
    fn time_for_syns(&self, repetitions: u32) -> Duration {
        let waits = 1_u32
            .checked_shl(repetitions + 1)
            .map_or(u32::MAX, |doubled| doubled - 1);
        self.config.initial_rto.saturating_mul(waits)
    }

    /// The other way round.
    fn syn_repetitions(&self) -> u32 {
        let lasts =
            |repetitions: &u32| self.time_for_syns(*repetitions) >= self.config.connect_timeout;
        (0..127).find(lasts).unwrap_or(127)
    }

    /// Milliseconds; 0 stands for the default.
    fn get_user_timeout(&self, net: &Net<'_>) -> i32 {
        if self.config.user_timeout == net.system.defaults.user_timeout {
            0
        } else {
            int_of(self.config.user_timeout.as_millis())
        }
    }

    fn set_user_timeout(&mut self, net: &mut Net<'_>, millis: i32) -> Result<(), Errno> {
        let millis = u64::try_from(millis).map_err(|_| Errno::EINVAL)?;
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
