//! What a socket remembers of options that were set on it.
//!
//! The module owns the values and the defaults of Linux. What a connection needs of them is in its
//! `ConnectionConfig`, or is applied once there is a connection.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::InterfaceId;

/// Options that a socket keeps.
#[derive(Clone, Debug)]
pub struct KeptOptions {
    pub(in crate::bsd) reuse_address: bool,
    pub(in crate::bsd) reuse_port: bool,
    pub(in crate::bsd) v6_only: bool,
    /// `IP_FREEBIND`: an address may be bound that is not ours yet.
    pub(in crate::bsd) free_bind: bool,
    /// `IP_BIND_ADDRESS_NO_PORT`.
    pub(in crate::bsd) bind_without_port: bool,
    /// `IP_LOCAL_PORT_RANGE`: first and last, 0 for no limit.
    pub(in crate::bsd) port_range: (u16, u16),
    /// `SO_BINDTODEVICE`, `SO_BINDTOIFINDEX`.
    pub(in crate::bsd) interface: Option<InterfaceId>,
    /// `TCP_KEEPIDLE` and its companions, for when `SO_KEEPALIVE` is switched on.
    pub(in crate::bsd) keepalive_times: umptcp_stack::Keepalive,
    /// `SO_RCVLOWAT` as it was asked for.
    pub(in crate::bsd) receive_low_water: usize,
    /// `SO_RCVTIMEO`, for whoever waits.
    pub receive_timeout: Option<Duration>,
    /// `SO_SNDTIMEO`, for whoever waits.
    pub send_timeout: Option<Duration>,
    pub(in crate::bsd) cork: bool,
    /// `TCP_NOTSENT_LOWAT`.
    pub(in crate::bsd) notsent_low_water: u32,
    /// `TCP_INQ`: `recvmsg` tells how much is left.
    pub inq: bool,
    /// `MPTCP_EVENTS`: control messages are wanted.
    pub(in crate::bsd) draft_events: bool,
    /// RFC 6897 `TCP_MULTIPATH_ENABLE`, once it was set.
    pub(in crate::bsd) multipath_enable: Option<bool>,
    /// Addresses that RFC 6897 `TCP_MULTIPATH_ADD` gave before the connection.
    pub(in crate::bsd) multipath_added: Vec<SocketAddr>,
    /// Addresses that `TCP_MULTIPATH_REMOVE` took away before it.
    pub(in crate::bsd) multipath_removed: Vec<IpAddr>,
    /// `MPTCP_INFO_FLAG_SAVE_MASTER` of multipath-tcp.org.
    pub(in crate::bsd) keep_initial: bool,
    /// Apple's options.
    pub(in crate::bsd) apple: super::apple::AppleOptions,
    /// Values that are kept for whoever asks and change nothing, by level and number.
    pub(in crate::bsd) remembered: BTreeMap<(i32, i32), i32>,
}

impl Default for KeptOptions {
    fn default() -> Self {
        Self {
            reuse_address: false,
            reuse_port: false,
            v6_only: false,
            free_bind: false,
            bind_without_port: false,
            port_range: (0, 0),
            interface: None,
            keepalive_times: umptcp_stack::Keepalive::default(),
            receive_low_water: 1,
            receive_timeout: None,
            send_timeout: None,
            cork: false,
            notsent_low_water: 0,
            inq: false,
            draft_events: false,
            multipath_enable: None,
            multipath_added: Vec::new(),
            keep_initial: false,
            apple: super::apple::AppleOptions::default(),
            multipath_removed: Vec::new(),
            remembered: BTreeMap::new(),
        }
    }
}

impl KeptOptions {
    /// What an accepted socket has of its listener's.
    pub(in crate::bsd) fn inherited(&self) -> Self {
        Self {
            // The times of blocking calls are those of the descriptor.
            receive_timeout: None,
            send_timeout: None,
            ..self.clone()
        }
    }

    /// Bytes that make a socket readable: never more than half of what it can hold (Linux).
    pub(in crate::bsd) fn receive_low_water(&self, capacity: usize) -> usize {
        self.receive_low_water.min(capacity / 2).max(1)
    }
}
