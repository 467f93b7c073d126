//! Sockets as `ss` shows them (API reference 4.8).
//!
//! Owns the fields as plain values, and how they are read off an endpoint.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use umptcp_stack::{
    ConnectionId, ConnectionInfo, ConnectionProtocol, Endpoint, Instant, SubflowInfo, TcpState,
    Version,
};

/// The state of a socket, in the words of `ss`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
#[non_exhaustive]
pub enum SocketState {
    /// It waits for connections.
    Listen,
    /// It connects.
    SynSent,
    /// Somebody connects to it.
    SynRecv,
    /// Both directions are open.
    Estab,
    /// Our direction has ended, and the peer has not acknowledged that.
    FinWait1,
    /// Our direction has ended.
    FinWait2,
    /// The peer's direction has ended.
    CloseWait,
    /// Both have ended at the same time.
    Closing,
    /// Both have ended, the peer's first.
    LastAck,
    /// Both have ended, ours first.
    TimeWait,
    /// It has ended.
    Unconn,
}

impl SocketState {
    /// The state of a TCP connection.
    #[must_use]
    pub const fn of(state: TcpState) -> Self {
        match state {
            TcpState::SynSent => Self::SynSent,
            TcpState::SynReceived => Self::SynRecv,
            TcpState::Established => Self::Estab,
            TcpState::FinWait1 => Self::FinWait1,
            TcpState::FinWait2 => Self::FinWait2,
            TcpState::CloseWait => Self::CloseWait,
            TcpState::Closing => Self::Closing,
            TcpState::LastAck => Self::LastAck,
            TcpState::TimeWait => Self::TimeWait,
            TcpState::Listen => Self::Listen,
            TcpState::Closed => Self::Unconn,
        }
    }
}

/// A socket at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketReport {
    /// Its state.
    pub state: SocketState,
    /// Bytes that wait to be read; connections that wait to be accepted.
    pub recv_q: u64,
    /// Bytes that are not acknowledged at the data level.
    pub send_q: u64,
    /// Local end of the initial subflow, or where it listens.
    pub local: SocketAddr,
    /// Remote end of the initial subflow; none while it listens.
    pub remote: Option<SocketAddr>,
    /// The MPTCP part; none while it listens.
    pub info: Option<MptcpReport>,
    /// Its subflows that are not closed.
    pub subflows: Vec<SubflowReport>,
}

/// What `mptcp_info` says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MptcpReport {
    /// The version that is spoken; none for plain TCP.
    pub version: Option<u8>,
    /// It has fallen back to TCP, or never was anything else.
    pub fallback: bool,
    /// The peer's key is known.
    pub remote_key: bool,
    /// Our token.
    pub token: Option<u32>,
    /// The peer's.
    pub remote_token: Option<u32>,
    /// Subflows beside the initial one.
    pub subflows: u64,
    /// Subflows, the initial one included.
    pub subflows_total: u64,
    /// Addresses announced.
    pub add_addr_signal: u8,
    /// Addresses of the peer that were taken.
    pub add_addr_accepted: u8,
    /// Local addresses in use beside the initial one.
    pub local_addr_used: u8,
    /// DSS checksums are in use.
    pub csum_enabled: bool,
    /// Data sequence number that is written next.
    pub write_seq: Option<u64>,
    /// Oldest one that is not acknowledged.
    pub snd_una: Option<u64>,
    /// Next one expected.
    pub rcv_nxt: Option<u64>,
    /// Consecutive timeouts of the data level.
    pub retransmits: u32,
    /// Bytes sent again on another subflow.
    pub bytes_retrans: u64,
    /// Bytes sent, each counted once.
    pub bytes_sent: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Bytes acknowledged at the data level.
    pub bytes_acked: u64,
    /// Milliseconds since data was sent.
    pub last_data_sent: Option<u64>,
    /// Milliseconds since data came.
    pub last_data_recv: Option<u64>,
    /// Milliseconds since an acknowledgment came.
    pub last_ack_recv: Option<u64>,
    /// The scheduler.
    pub scheduler: String,
    /// The path manager.
    pub path_manager: String,
}

/// A subflow at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubflowReport {
    /// Its number.
    pub id: u32,
    /// Its state.
    pub state: SocketState,
    /// Local end.
    pub local: SocketAddr,
    /// Remote end.
    pub remote: SocketAddr,
    /// Our id for the local address.
    pub local_id: u8,
    /// The peer's id for the remote address.
    pub remote_id: u8,
    /// The letters by which `ss` shows what it is: see [`flags`].
    pub flags: String,
    /// Its congestion control.
    pub congestion: String,
    /// Smoothed round-trip time and its variation, microseconds.
    pub rtt_us: Option<(u64, u64)>,
    /// Retransmission timeout, milliseconds.
    pub rto_ms: u64,
    /// Congestion window, bytes.
    pub cwnd: u64,
    /// Slow-start threshold, bytes.
    pub ssthresh: Option<u64>,
    /// Payload of a segment, bytes.
    pub mss: u64,
    /// Path MTU, bytes.
    pub pmtu: u64,
    /// Bytes sent, each counted once.
    pub bytes_sent: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Segments sent again.
    pub retrans: u64,
    /// The pace, bytes per second.
    pub pacing_rate: u64,
    /// The mapping that is being received: data sequence number, place, length.
    pub mapping: Option<(u64, u32, u16)>,
}

/// The letters of `ss` (API reference 4.3): who offered MP_CAPABLE or joined, who asked for backup,
/// and how far it is.
#[must_use]
pub fn flags(subflow: &SubflowInfo) -> String {
    let initial = subflow.id == umptcp_stack::SubflowId::INITIAL;
    let mut letters = String::new();
    let mut say = |letter: char, holds: bool| {
        if holds {
            letters.push(letter);
        }
    };
    // MCAP_REM, MCAP_LOC, JOIN_REM, JOIN_LOC: seen from whoever opened it, both have spoken.
    say('M', initial);
    say('m', initial && subflow.opened_by_us);
    say('J', !initial);
    say('j', !initial && subflow.opened_by_us);
    say('B', subflow.backup_asked_by_peer);
    say('b', subflow.backup_asked_by_us);
    say('e', subflow.fully_established);
    say('c', subflow.state.is_synchronized());
    say('v', subflow.receiving.is_some());
    letters
}

/// All sockets of an endpoint: connections, then listeners.
pub(crate) fn all(endpoint: &Endpoint, now: Instant) -> Vec<SocketReport> {
    let connections = endpoint.connections();
    let listeners = endpoint.listeners();
    connections
        .into_iter()
        .filter_map(|id| connection(endpoint, now, id))
        .chain(listeners.into_iter().map(|(id, local)| SocketReport {
            state: SocketState::Listen,
            recv_q: u64::from(endpoint.has_incoming(id)),
            send_q: 0,
            local,
            remote: None,
            info: None,
            subflows: Vec::new(),
        }))
        .collect()
}

fn connection(endpoint: &Endpoint, now: Instant, id: ConnectionId) -> Option<SocketReport> {
    let info = endpoint.connection_info(id)?;
    let subflows = endpoint.subflows(id);
    let open = subflows
        .iter()
        .filter(|subflow| subflow.state != TcpState::Closed);
    Some(SocketReport {
        state: state(&info, &subflows),
        recv_q: info.unread as u64,
        send_q: info.unacked as u64,
        local: info.local,
        remote: Some(info.remote),
        info: Some(mptcp(endpoint, now, &info)),
        subflows: open.map(report_subflow).collect(),
    })
}

fn state(info: &ConnectionInfo, subflows: &[SubflowInfo]) -> SocketState {
    if info.closed.is_some() {
        SocketState::Unconn
    } else if !info.established || info.protocol == ConnectionProtocol::Tcp {
        let first = subflows.first();
        first.map_or(SocketState::Unconn, |first| SocketState::of(first.state))
    } else {
        match (info.can_write, info.peer_finished) {
            (true, false) => SocketState::Estab,
            (true, true) => SocketState::CloseWait,
            (false, false) if info.unacked > 0 => SocketState::FinWait1,
            (false, false) => SocketState::FinWait2,
            (false, true) => SocketState::LastAck,
        }
    }
}

fn mptcp(endpoint: &Endpoint, now: Instant, info: &ConnectionInfo) -> MptcpReport {
    let ago = |then: Option<Instant>| {
        then.map(|then| {
            u64::try_from(now.saturating_duration_since(then).as_millis()).unwrap_or(u64::MAX)
        })
    };
    let version = match info.protocol {
        ConnectionProtocol::Mptcp(version) => Some(version),
        ConnectionProtocol::Negotiating | ConnectionProtocol::Tcp => None,
    };
    let scheduler = endpoint.scheduler(info.id).unwrap_or_default();
    let path_manager = endpoint.path_manager(info.id).unwrap_or_default();
    MptcpReport {
        version: version.map(Version::number),
        fallback: info.protocol == ConnectionProtocol::Tcp,
        remote_key: info.remote_key_received,
        token: info.token,
        remote_token: info.remote_token,
        subflows: (info.subflows - usize::from(info.initial_subflow_alive)) as u64,
        subflows_total: info.subflows as u64,
        add_addr_signal: info.addresses_announced,
        add_addr_accepted: info.addresses_accepted,
        local_addr_used: info.local_addresses_used,
        csum_enabled: info.checksum,
        write_seq: info.write_dsn,
        snd_una: info.snd_una_dsn,
        rcv_nxt: info.rcv_nxt_dsn,
        retransmits: info.data_timeouts,
        bytes_retrans: info.bytes_reinjected,
        bytes_sent: info.bytes_sent,
        bytes_received: info.bytes_received,
        bytes_acked: info.bytes_acked,
        last_data_sent: ago(info.last_data_sent),
        last_data_recv: ago(info.last_data_received),
        last_ack_recv: ago(info.last_ack_received),
        scheduler: scheduler.name().to_owned(),
        path_manager: path_manager.name().to_owned(),
    }
}

fn report_subflow(subflow: &SubflowInfo) -> SubflowReport {
    let micros = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let statistics = &subflow.tcp;
    SubflowReport {
        id: subflow.id.index(),
        state: SocketState::of(subflow.state),
        local: subflow.local,
        remote: subflow.remote,
        local_id: subflow.local_id.0,
        remote_id: subflow.remote_id.0,
        flags: flags(subflow),
        congestion: subflow.congestion.name().to_owned(),
        rtt_us: subflow
            .srtt
            .map(|srtt| (micros(srtt), statistics.rttvar.map_or(0, micros))),
        rto_ms: micros(statistics.rto) / 1000,
        cwnd: subflow.cwnd as u64,
        ssthresh: subflow.ssthresh.map(|bytes| bytes as u64),
        mss: subflow.mss as u64,
        pmtu: subflow.path_mtu as u64,
        bytes_sent: subflow.bytes_sent,
        bytes_received: subflow.bytes_received,
        retrans: subflow.retransmissions,
        pacing_rate: subflow.pacing_rate,
        mapping: subflow
            .receiving
            .map(|mapping| (mapping.dsn, mapping.ssn, mapping.len)),
    }
}
