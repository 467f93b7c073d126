//! `struct tcp_info` of linux/tcp.h, as Linux 6.18 has it.
//!
//! The module owns the layout, and what of our TCP stands in which field. What we do not count is 0,
//! as in a kernel that does not know the field.

use super::layout::layout;
use umptcp_stack::{CongestionPhase, Instant, SubflowInfo, TcpState};

layout! {
    /// `struct tcp_info`: a TCP connection, or a subflow, at one moment. Times are microseconds, unless
    /// said otherwise.
    TcpInfo, 280;
    /// State of the connection: 1 established, 2 to 11 as in the kernel's `tcp_states.h`.
    0 "tcpi_state" state: u8,
    /// Phase of congestion control: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss.
    1 "tcpi_ca_state" congestion_state: u8,
    /// Expiries of the retransmission timer in a row.
    2 "tcpi_retransmits" retransmits: u8,
    /// Window probes in a row without an answer.
    3 "tcpi_probes" probes: u8,
    /// Doublings of the retransmission timeout.
    4 "tcpi_backoff" backoff: u8,
    /// What was negotiated: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN.
    5 "tcpi_options" options: u8,
    /// Window scales: the peer's in the low four bits, ours in the high four.
    6 "tcpi_wscale" window_scales: u8,
    /// Two fields of bits about delivery rate and fast open, which we have not.
    7 "tcpi_flags" flags: u8,
    /// Retransmission timeout.
    8 "tcpi_rto" rto: u32,
    /// How long an acknowledgment may wait.
    12 "tcpi_ato" ato: u32,
    /// Largest payload that we send, bytes.
    16 "tcpi_snd_mss" snd_mss: u32,
    /// Largest payload that came, bytes.
    20 "tcpi_rcv_mss" rcv_mss: u32,
    /// Segments that are not acknowledged; of a listener, connections that wait to be accepted.
    24 "tcpi_unacked" unacked: u32,
    /// Segments that arrived out of order; of a listener, the most connections that may wait.
    28 "tcpi_sacked" sacked: u32,
    /// Segments judged lost and not sent again.
    32 "tcpi_lost" lost: u32,
    /// Segments sent again and on their way.
    36 "tcpi_retrans" retrans: u32,
    /// Not used by Linux any more.
    40 "tcpi_fackets" fackets: u32,
    /// Milliseconds since payload was last sent.
    44 "tcpi_last_data_sent" last_data_sent: u32,
    /// Never filled by Linux.
    48 "tcpi_last_ack_sent" last_ack_sent: u32,
    /// Milliseconds since payload last came.
    52 "tcpi_last_data_recv" last_data_received: u32,
    /// Milliseconds since an acknowledgment last came.
    56 "tcpi_last_ack_recv" last_ack_received: u32,
    /// Largest IP packet on the path, bytes.
    60 "tcpi_pmtu" path_mtu: u32,
    /// Not filled: our windows have no threshold of their own.
    64 "tcpi_rcv_ssthresh" rcv_ssthresh: u32,
    /// Smoothed round-trip time.
    68 "tcpi_rtt" rtt: u32,
    /// Its variation.
    72 "tcpi_rttvar" rttvar: u32,
    /// Slow-start threshold in segments; 0x7fffffff if there is none.
    76 "tcpi_snd_ssthresh" snd_ssthresh: u32,
    /// Congestion window in segments.
    80 "tcpi_snd_cwnd" snd_cwnd: u32,
    /// The MSS that we announced.
    84 "tcpi_advmss" advertised_mss: u32,
    /// Not filled: we measure reordering in time (RFC 8985), not in segments.
    88 "tcpi_reordering" reordering: u32,
    /// Round-trip time as a receiver of data sees it.
    92 "tcpi_rcv_rtt" rcv_rtt: u32,
    /// Not filled.
    96 "tcpi_rcv_space" rcv_space: u32,
    /// Segments sent again, altogether.
    100 "tcpi_total_retrans" total_retrans: u32,
    /// Bytes per second; all ones if nothing is paced.
    104 "tcpi_pacing_rate" pacing_rate: u64,
    /// The most it may be; all ones for no limit.
    112 "tcpi_max_pacing_rate" max_pacing_rate: u64,
    /// Payload bytes of ours that are acknowledged.
    120 "tcpi_bytes_acked" bytes_acked: u64,
    /// Payload bytes received in order.
    128 "tcpi_bytes_received" bytes_received: u64,
    /// Segments sent.
    136 "tcpi_segs_out" segments_out: u32,
    /// Segments received.
    140 "tcpi_segs_in" segments_in: u32,
    /// 0: nothing waits on a subflow to be sent for the first time.
    144 "tcpi_notsent_bytes" notsent_bytes: u32,
    /// Smallest round-trip time; all ones before the first.
    148 "tcpi_min_rtt" min_rtt: u32,
    /// Segments with payload received.
    152 "tcpi_data_segs_in" data_segments_in: u32,
    /// Segments with payload sent.
    156 "tcpi_data_segs_out" data_segments_out: u32,
    /// Payload delivered in the last whole round trip, bytes per second.
    160 "tcpi_delivery_rate" delivery_rate: u64,
    /// Not filled.
    168 "tcpi_busy_time" busy_time: u64,
    /// Not filled.
    176 "tcpi_rwnd_limited" rwnd_limited: u64,
    /// Not filled.
    184 "tcpi_sndbuf_limited" sndbuf_limited: u64,
    /// Segments of ours that have arrived.
    192 "tcpi_delivered" delivered: u32,
    /// Those of them that acknowledgments with ECE told of.
    196 "tcpi_delivered_ce" delivered_ce: u32,
    /// Payload bytes sent, also those sent again.
    200 "tcpi_bytes_sent" bytes_sent: u64,
    /// Payload bytes sent again.
    208 "tcpi_bytes_retrans" bytes_retransmitted: u64,
    /// DSACKs received.
    216 "tcpi_dsack_dups" dsack_dups: u32,
    /// 1 if segments have overtaken each other: how often is not counted.
    220 "tcpi_reord_seen" reordering_seen: u32,
    /// Segments received out of order.
    224 "tcpi_rcv_ooopack" out_of_order: u32,
    /// The peer's window, bytes.
    228 "tcpi_snd_wnd" snd_wnd: u32,
    /// Our window, bytes.
    232 "tcpi_rcv_wnd" rcv_wnd: u32,
    /// Not filled.
    236 "tcpi_rehash" rehash: u32,
    /// Expiries of the retransmission timer, altogether.
    240 "tcpi_total_rto" total_rto: u16,
    /// Not filled.
    242 "tcpi_total_rto_recoveries" total_rto_recoveries: u16,
    /// Not filled.
    244 "tcpi_total_rto_time" total_rto_time: u32,
    /// Accurate ECN, which we have not, like all that follows.
    248 "tcpi_received_ce" received_ce: u32,
    /// See above.
    252 "tcpi_delivered_e1_bytes" delivered_e1_bytes: u32,
    /// See above.
    256 "tcpi_delivered_e0_bytes" delivered_e0_bytes: u32,
    /// See above.
    260 "tcpi_delivered_ce_bytes" delivered_ce_bytes: u32,
    /// See above.
    264 "tcpi_received_e1_bytes" received_e1_bytes: u32,
    /// See above.
    268 "tcpi_received_e0_bytes" received_e0_bytes: u32,
    /// See above.
    272 "tcpi_received_ce_bytes" received_ce_bytes: u32,
    /// See above.
    276 "tcpi_accecn_fail_mode" accecn_fail_mode: u16,
    /// See above.
    278 "tcpi_accecn_opt_seen" accecn_opt_seen: u16,
}

// linux/tcp.h: `TCPI_OPT_*`.
const OPTION_TIMESTAMPS: u8 = 1;
const OPTION_SACK: u8 = 2;
const OPTION_WINDOW_SCALE: u8 = 4;
const OPTION_ECN: u8 = 8;

/// What Linux has for no threshold (`TCP_INFINITE_SSTHRESH`).
const NO_THRESHOLD: u32 = 0x7fff_ffff;

/// net/tcp_states.h.
const fn number_of_state(state: TcpState) -> u8 {
    match state {
        TcpState::Established => 1,
        TcpState::SynSent => 2,
        TcpState::SynReceived => 3,
        TcpState::FinWait1 => 4,
        TcpState::FinWait2 => 5,
        TcpState::TimeWait => 6,
        TcpState::Closed => 7,
        TcpState::CloseWait => 8,
        TcpState::LastAck => 9,
        TcpState::Listen => 10,
        TcpState::Closing => 11,
    }
}

/// `enum tcp_ca_state` of linux/tcp.h.
const fn number_of_phase(phase: CongestionPhase) -> u8 {
    match phase {
        CongestionPhase::Open => 0,
        CongestionPhase::Disorder => 1,
        CongestionPhase::Cwr => 2,
        CongestionPhase::Recovery => 3,
        CongestionPhase::Loss => 4,
    }
}

/// As much of a number as a field can hold.
fn narrow<T: TryFrom<U>, U>(number: U, most: T) -> T {
    T::try_from(number).unwrap_or(most)
}

/// The low bits of a counter, as counters of 32 bits wrap in Linux.
fn wrapped(counter: u64) -> u32 {
    narrow(counter & u64::from(u32::MAX), 0)
}

fn micros(time: std::time::Duration) -> u32 {
    narrow(time.as_micros(), u32::MAX)
}

/// Milliseconds from a moment until now.
pub(super) fn millis_since(now: Instant, moment: Instant) -> u32 {
    narrow(now.saturating_duration_since(moment).as_millis(), u32::MAX)
}

impl TcpInfo {
    /// A socket without a connection, that neither listens.
    #[must_use]
    pub fn closed() -> Self {
        Self {
            state: number_of_state(TcpState::Closed),
            snd_ssthresh: NO_THRESHOLD,
            max_pacing_rate: u64::MAX,
            pacing_rate: u64::MAX,
            min_rtt: u32::MAX,
            ..Self::default()
        }
    }

    /// A listening socket.
    #[must_use]
    pub fn listening(waiting: usize, most: usize) -> Self {
        Self {
            state: number_of_state(TcpState::Listen),
            unacked: narrow(waiting, u32::MAX),
            sacked: narrow(most, u32::MAX),
            ..Self::closed()
        }
    }

    /// A subflow, or the connection of plain TCP, with the cap of its pace.
    #[must_use]
    pub fn of_subflow(now: Instant, subflow: &SubflowInfo, rate_cap: Option<u64>) -> Self {
        let tcp = &subflow.tcp;
        let state = match subflow.closed {
            Some(_) => TcpState::Closed,
            None => subflow.state,
        };
        let mut options = 0;
        for (has, bit) in [
            (tcp.timestamps, OPTION_TIMESTAMPS),
            (tcp.sack, OPTION_SACK),
            (tcp.window_scaling, OPTION_WINDOW_SCALE),
            (tcp.ecn, OPTION_ECN),
        ] {
            options |= if has { bit } else { 0 };
        }
        let mss = tcp.mss.max(1);
        // As Linux: before anything has come, time runs from the beginning.
        let begun = tcp.established_at.unwrap_or(tcp.opened_at);
        let since = |moment: Option<Instant>| millis_since(now, moment.unwrap_or(begun));
        Self {
            state: number_of_state(state),
            congestion_state: number_of_phase(tcp.phase),
            retransmits: narrow(tcp.backoff, u8::MAX),
            probes: narrow(subflow.unanswered_probes, u8::MAX),
            backoff: narrow(tcp.backoff, u8::MAX),
            options,
            window_scales: (tcp.snd_scale & 0xf) | (tcp.rcv_scale & 0xf) << 4,
            rto: micros(tcp.rto),
            ato: micros(tcp.delayed_ack),
            snd_mss: narrow(tcp.mss, u32::MAX),
            rcv_mss: narrow(tcp.received_mss, u32::MAX),
            unacked: narrow(tcp.unacked_segments, u32::MAX),
            sacked: narrow(tcp.sacked_segments, u32::MAX),
            lost: narrow(tcp.lost_segments, u32::MAX),
            retrans: narrow(tcp.retransmitted_now, u32::MAX),
            last_data_sent: since(tcp.last_data_sent),
            last_data_received: since(tcp.last_data_received),
            last_ack_received: since(tcp.last_ack_received),
            path_mtu: narrow(tcp.path_mtu, u32::MAX),
            rtt: tcp.srtt.map_or(0, micros),
            rttvar: tcp.rttvar.map_or(0, micros),
            snd_ssthresh: tcp
                .ssthresh
                .map_or(NO_THRESHOLD, |bytes| narrow(bytes / mss, NO_THRESHOLD)),
            snd_cwnd: narrow(tcp.cwnd / mss, u32::MAX),
            advertised_mss: narrow(tcp.advertised_mss, u32::MAX),
            rcv_rtt: subflow.receive_rtt.map_or(0, micros),
            total_retrans: wrapped(tcp.retransmissions),
            pacing_rate: match tcp.pacing_rate {
                0 => u64::MAX,
                rate => rate,
            },
            max_pacing_rate: rate_cap.unwrap_or(u64::MAX),
            bytes_acked: tcp.bytes_acked,
            bytes_received: tcp.bytes_received,
            segments_out: wrapped(tcp.segments_sent),
            segments_in: wrapped(tcp.segments_received),
            min_rtt: tcp.min_rtt.map_or(u32::MAX, micros),
            data_segments_in: wrapped(tcp.data_segments_received),
            data_segments_out: wrapped(tcp.data_segments_sent),
            delivery_rate: tcp.delivery_rate.unwrap_or(0),
            delivered: wrapped(tcp.delivered),
            delivered_ce: wrapped(tcp.delivered_ce),
            bytes_sent: tcp.bytes_sent.saturating_add(tcp.bytes_retransmitted),
            bytes_retransmitted: tcp.bytes_retransmitted,
            dsack_dups: wrapped(tcp.duplicate_reports),
            reordering_seen: u32::from(tcp.reordering_seen),
            out_of_order: wrapped(tcp.out_of_order),
            snd_wnd: tcp.snd_wnd,
            rcv_wnd: tcp.rcv_wnd,
            total_rto: narrow(tcp.timeouts, u16::MAX),
            ..Self::default()
        }
    }
}
