//! `struct mptcp_info` of linux/mptcp.h, as Linux 6.18 has it.
//!
//! The module owns the layout, and what of our connections stands in which field.

use super::layout::layout;
use super::tcp_info::millis_since;
use umptcp_stack::{ConnectionInfo, Endpoint, Instant, PathManagerKind};

layout! {
    /// `struct mptcp_info`: an MPTCP connection at one moment. The limits are those of the path manager
    /// that follows the host's endpoints, and 0 with another.
    MptcpInfo, 96;
    /// Open subflows beside the initial one.
    0 "mptcpi_subflows" subflows: u8,
    /// Addresses that we have announced.
    1 "mptcpi_add_addr_signal" add_addr_signal: u8,
    /// Addresses of the peer that were taken.
    2 "mptcpi_add_addr_accepted" add_addr_accepted: u8,
    /// The most subflows beside the initial one.
    3 "mptcpi_subflows_max" subflows_max: u8,
    /// Endpoints of this host that are announced.
    4 "mptcpi_add_addr_signal_max" add_addr_signal_max: u8,
    /// The most addresses that are taken from the peer.
    5 "mptcpi_add_addr_accepted_max" add_addr_accepted_max: u8,
    /// Bit 0: fell back to TCP; bit 1: the peer's key is known.
    8 "mptcpi_flags" flags: u32,
    /// Our token.
    12 "mptcpi_token" token: u32,
    /// Data sequence number of the next byte that the application writes.
    16 "mptcpi_write_seq" write_seq: u64,
    /// First data sequence number that is not acknowledged.
    24 "mptcpi_snd_una" snd_una: u64,
    /// Next data sequence number expected.
    32 "mptcpi_rcv_nxt" rcv_nxt: u64,
    /// Local addresses that subflows use beside the initial one.
    40 "mptcpi_local_addr_used" local_addr_used: u8,
    /// Endpoints of this host from which subflows are opened.
    41 "mptcpi_local_addr_max" local_addr_max: u8,
    /// DSS checksums are in use.
    42 "mptcpi_csum_enabled" csum_enabled: u8,
    /// Expiries of the data-level timer in a row.
    44 "mptcpi_retransmits" retransmits: u32,
    /// Bytes sent again at the data level.
    48 "mptcpi_bytes_retrans" bytes_retransmitted: u64,
    /// Bytes sent for the first time.
    56 "mptcpi_bytes_sent" bytes_sent: u64,
    /// Bytes received in order.
    64 "mptcpi_bytes_received" bytes_received: u64,
    /// Bytes of ours that the peer has acknowledged.
    72 "mptcpi_bytes_acked" bytes_acked: u64,
    /// Open subflows, the initial one included.
    80 "mptcpi_subflows_total" subflows_total: u8,
    /// Endpoints of this host that are used once, towards an announced address.
    81 "mptcpi_endp_laminar_max" endpoints_laminar_max: u8,
    /// Endpoints of this host that are joined to every address of the peer.
    82 "mptcpi_endp_fullmesh_max" endpoints_fullmesh_max: u8,
    /// Milliseconds since data was last sent.
    84 "mptcpi_last_data_sent" last_data_sent: u32,
    /// Milliseconds since data last came.
    88 "mptcpi_last_data_recv" last_data_received: u32,
    /// Milliseconds since an acknowledgment last came.
    92 "mptcpi_last_ack_recv" last_ack_received: u32,
}

/// `MPTCP_INFO_FLAG_FALLBACK`.
pub const FLAG_FALLBACK: u32 = 1;
/// `MPTCP_INFO_FLAG_REMOTE_KEY_RECEIVED`.
pub const FLAG_REMOTE_KEY_RECEIVED: u32 = 2;

fn small(number: impl TryInto<u8>) -> u8 {
    number.try_into().unwrap_or(u8::MAX)
}

impl MptcpInfo {
    /// What the endpoints and limits of the host say, before there is a connection.
    #[must_use]
    pub fn of_host(endpoint: &Endpoint, path_manager: PathManagerKind) -> Self {
        if path_manager != PathManagerKind::Endpoints {
            return Self::default();
        }
        let limits = endpoint.path_limits();
        let endpoints = endpoint.path_endpoints();
        let count = |of: fn(&umptcp_stack::PathEndpointFlags) -> bool| {
            small(endpoints.iter().filter(|known| of(&known.flags)).count())
        };
        Self {
            subflows_max: limits.extra_subflows,
            add_addr_accepted_max: limits.add_addr_accepted,
            add_addr_signal_max: count(|flags| flags.signal),
            local_addr_max: count(|flags| flags.subflow),
            endpoints_laminar_max: count(|flags| flags.laminar),
            endpoints_fullmesh_max: count(|flags| flags.fullmesh),
            ..Self::default()
        }
    }

    /// A connection that was begun at `begun`.
    #[must_use]
    pub fn of_connection(
        now: Instant,
        endpoint: &Endpoint,
        path_manager: PathManagerKind,
        info: &ConnectionInfo,
        begun: Instant,
    ) -> Self {
        let since = |moment: Option<Instant>| millis_since(now, moment.unwrap_or(begun));
        let initial = usize::from(info.initial_subflow_alive);
        let mut flags = 0;
        if info.fallback.is_some() {
            flags |= FLAG_FALLBACK;
        }
        if info.remote_key_received {
            flags |= FLAG_REMOTE_KEY_RECEIVED;
        }
        Self {
            subflows: small(info.subflows.saturating_sub(initial)),
            add_addr_signal: info.addresses_announced,
            add_addr_accepted: info.addresses_accepted,
            flags,
            token: info.token.unwrap_or(0),
            write_seq: info.write_dsn.unwrap_or(0),
            snd_una: info.snd_una_dsn.unwrap_or(0),
            rcv_nxt: info.rcv_nxt_dsn.unwrap_or(0),
            local_addr_used: info.local_addresses_used,
            csum_enabled: u8::from(info.checksum),
            retransmits: info.data_timeouts,
            bytes_retransmitted: info.bytes_reinjected,
            bytes_sent: info.bytes_sent,
            bytes_received: info.bytes_received,
            bytes_acked: info.bytes_acked,
            subflows_total: small(info.subflows),
            last_data_sent: since(info.last_data_sent),
            last_data_received: since(info.last_data_received),
            last_ack_received: since(info.last_ack_received),
            ..Self::of_host(endpoint, path_manager)
        }
    }
}
