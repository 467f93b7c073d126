//! What a TCP connection tells of itself: the figures of Linux's `struct tcp_info`, as far as they
//! mean something here.
//!
//! Owns the counters of segments and the snapshot. Nothing else on this floor reads them.

use super::recovery::Recovery;
use super::tcb::Tcb;
use super::timers::Timer;
use super::traffic::Traffic;

use crate::base::time::{Duration, Instant};

/// The phase of congestion control, by the names of Linux (`enum tcp_ca_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CongestionPhase {
    /// Nothing is wrong.
    Open,
    /// Something arrived out of order; nothing is judged lost.
    Disorder,
    /// The window comes down because the network marked a packet; nothing is judged lost.
    Cwr,
    /// Fast recovery: a loss was found by acknowledgments.
    Recovery,
    /// The retransmission timer has expired.
    Loss,
}

/// A TCP connection at one moment.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TcpStatistics {
    /// The phase of congestion control.
    pub phase: CongestionPhase,
    /// The retransmission timeout, backed off (RFC 6298).
    pub rto: Duration,
    /// Consecutive expiries of the retransmission timer.
    pub backoff: u32,
    /// When the retransmission timer expires, while it runs.
    pub retransmit_at: Option<Instant>,
    /// Smoothed round-trip time, once measured.
    pub srtt: Option<Duration>,
    /// Its variation.
    pub rttvar: Option<Duration>,
    /// The smallest round-trip time measured.
    pub min_rtt: Option<Duration>,
    /// How long an acknowledgment of ours may wait for company.
    pub delayed_ack: Duration,
    /// Largest payload of a segment that we send, options not counted, bytes.
    pub mss: usize,
    /// The MSS that we announced.
    pub advertised_mss: usize,
    /// Payload of the largest segment that came, bytes.
    pub received_mss: usize,
    /// Largest IP packet sent on the path, bytes.
    pub path_mtu: usize,
    /// Sequence space sent and not acknowledged cumulatively, bytes.
    pub unacked_bytes: usize,
    /// The same in segments.
    pub unacked_segments: u64,
    /// Bytes on their way ("pipe" of RFC 6675 §2).
    pub in_flight: usize,
    /// Bytes that arrived out of order.
    pub sacked_bytes: usize,
    /// The same in segments.
    pub sacked_segments: u64,
    /// Bytes judged lost and not yet sent again.
    pub lost_bytes: usize,
    /// The same in segments.
    pub lost_segments: u64,
    /// Segments that were sent again and are on their way.
    pub retransmitted_now: u64,
    /// Segments sent again, altogether.
    pub retransmissions: u64,
    /// Payload bytes sent again, altogether.
    pub bytes_retransmitted: u64,
    /// Expiries of the retransmission timer, altogether.
    pub timeouts: u64,
    /// Segments have overtaken each other on the path.
    pub reordering_seen: bool,
    /// DSACKs received.
    pub duplicate_reports: u64,
    /// Segments received out of order.
    pub out_of_order: u64,
    /// Segments of ours that are known to have arrived.
    pub delivered: u64,
    /// Those of them that acknowledgments with ECE told of.
    pub delivered_ce: u64,
    /// What arrived at the peer in the last whole round trip, bytes per second, once there was one.
    /// An application that sends less than the path carries makes it small.
    pub delivery_rate: Option<u64>,
    /// Payload bytes sent, retransmissions not counted.
    pub bytes_sent: u64,
    /// Payload bytes of ours that are acknowledged cumulatively.
    pub bytes_acked: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
    /// Segments sent, of whatever kind.
    pub segments_sent: u64,
    /// Segments received, of whatever kind.
    pub segments_received: u64,
    /// Segments with payload sent.
    pub data_segments_sent: u64,
    /// Segments with payload received.
    pub data_segments_received: u64,
    /// The peer's window, bytes.
    pub snd_wnd: u32,
    /// Our window, as announced last, bytes.
    pub rcv_wnd: u32,
    /// Congestion window, bytes.
    pub cwnd: usize,
    /// Slow-start threshold, bytes; none before the first sign of congestion.
    pub ssthresh: Option<usize>,
    /// The pace, bytes per second; 0 while nothing is paced.
    pub pacing_rate: u64,
    /// Timestamps were negotiated (RFC 7323 §3.2).
    pub timestamps: bool,
    /// Selective acknowledgments were negotiated (RFC 2018).
    pub sack: bool,
    /// Explicit congestion notification was negotiated (RFC 3168).
    pub ecn: bool,
    /// Window scaling was negotiated (RFC 7323 §2.2).
    pub window_scaling: bool,
    /// Shift of the peer's windows.
    pub snd_scale: u8,
    /// Shift of ours.
    pub rcv_scale: u8,
    /// Oldest unacknowledged sequence number, relative to the first.
    pub snd_una: u32,
    /// Next sequence number to send, relative to the first.
    pub snd_nxt: u32,
    /// Next sequence number expected, relative to the peer's first.
    pub rcv_nxt: u32,
    /// When payload was last sent, for the first time or again.
    pub last_data_sent: Option<Instant>,
    /// When payload last came.
    pub last_data_received: Option<Instant>,
    /// When an acceptable acknowledgment last came.
    pub last_ack_received: Option<Instant>,
    /// When it was made.
    pub opened_at: Instant,
    /// When its handshake was complete.
    pub established_at: Option<Instant>,
}

impl Tcb {
    /// The phase of congestion control.
    #[must_use]
    pub fn congestion_phase(&self) -> CongestionPhase {
        match self.recovery {
            Recovery::Open if self.scoreboard.sacked() > 0 || self.duplicate_acks > 0 => {
                CongestionPhase::Disorder
            }
            Recovery::Open => CongestionPhase::Open,
            // Only a mark of the network brings the window down with nothing to send again.
            Recovery::Fast { .. }
                if self.scoreboard.lost() == 0 && !self.evidence.has_retransmitted() =>
            {
                CongestionPhase::Cwr
            }
            Recovery::Fast { .. } => CongestionPhase::Recovery,
            Recovery::Loss { .. } => CongestionPhase::Loss,
        }
    }

    /// A snapshot. It looks at every segment that is not acknowledged.
    #[must_use]
    pub fn statistics(&self) -> TcpStatistics {
        let census = self.scoreboard.census();
        let Traffic {
            opened_at,
            established_at,
            last_data_sent,
            last_data_received,
            last_ack_received,
            ..
        } = self.traffic;
        let traffic = &self.traffic;
        TcpStatistics {
            phase: self.congestion_phase(),
            rto: self.rtt.rto(),
            backoff: self.rtt.backoffs(),
            retransmit_at: self.timers.get(Timer::Retransmit),
            srtt: self.rtt.srtt(),
            rttvar: self.rtt.rttvar(),
            min_rtt: self.rtt.min(),
            delayed_ack: self.config.delayed_ack,
            mss: self.mss,
            advertised_mss: usize::from(self.config.local_mss),
            received_mss: traffic.largest_received,
            path_mtu: self.path_mtu.current(),
            unacked_bytes: self.flight_size(),
            unacked_segments: census.segments,
            in_flight: self.scoreboard.in_flight(),
            sacked_bytes: self.scoreboard.sacked(),
            sacked_segments: census.sacked,
            lost_bytes: self.scoreboard.lost(),
            lost_segments: census.lost,
            retransmitted_now: census.retransmitted,
            retransmissions: self.counters.retransmissions,
            bytes_retransmitted: traffic.bytes_retransmitted,
            timeouts: self.counters.timeouts,
            reordering_seen: self.rack.reordering_seen(),
            duplicate_reports: traffic.duplicate_reports,
            out_of_order: traffic.out_of_order,
            delivered: traffic.delivered,
            delivered_ce: traffic.delivered_ce,
            delivery_rate: traffic.delivery_rate,
            bytes_sent: self.bytes_sent,
            bytes_acked: self.bytes_acked,
            bytes_received: self.bytes_received,
            segments_sent: traffic.segments_sent,
            segments_received: traffic.segments_received,
            data_segments_sent: traffic.data_segments_sent,
            data_segments_received: traffic.data_segments_received,
            snd_wnd: self.snd_wnd,
            rcv_wnd: self
                .rcv_edge
                .distance_from(self.rcv_nxt)
                .max(0)
                .unsigned_abs(),
            cwnd: self.congestion.cwnd(),
            ssthresh: Some(self.congestion.ssthresh()).filter(|&bytes| bytes < usize::MAX),
            pacing_rate: self.pacer.rate(),
            timestamps: self.negotiated.timestamps,
            sack: self.negotiated.sack,
            ecn: self.ecn.is_negotiated(),
            window_scaling: self.peer_scales,
            snd_scale: self.negotiated.snd_scale,
            rcv_scale: self.negotiated.rcv_scale,
            snd_una: self.snd_una.0.wrapping_sub(self.iss.0),
            snd_nxt: self.snd_nxt.0.wrapping_sub(self.iss.0),
            rcv_nxt: self.rcv_nxt.0.wrapping_sub(self.irs.0),
            last_data_sent,
            last_data_received,
            last_ack_received,
            opened_at,
            established_at,
        }
    }
}
