//! The transmission control block: all variables of one TCP connection (RFC 9293 §3.3.1).

use super::ack_policy::AckPolicy;
use super::challenge_ack::AckLimits;
use super::congestion::{self, CongestionController};
use super::ecn::Ecn;
use super::keepalive::Keepalive;
use super::pacing::Pacer;
use super::path_mtu::{MIN_MSS, PathMtu};
use super::rack::Rack;
use super::recovery::{Evidence, Recovery};
use super::rtt::RttEstimator;
use super::sack_report::SackReport;
use super::scoreboard::Scoreboard;
use super::state::{TcpEvent, TcpState};
use super::tail_loss::TailLoss;
use super::timers::{Timer, Timers};
use super::timestamps::{TimestampState, timestamp_clock};
use super::traffic::Traffic;
use crate::base::config::{CongestionAlgorithm, EcnPolicy, SynOptions, WindowScale};
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::buffer::assembler::Assembler;
use crate::wire::tcp_option::SackBlock;

/// What both sides agreed on in their SYNs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Negotiated {
    /// Timestamps on every segment (RFC 7323 §3.2).
    pub timestamps: bool,
    /// Selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// Shift of the windows the peer announces.
    pub snd_scale: u8,
    /// Shift of the windows we announce.
    pub rcv_scale: u8,
}

/// Settings of a new TCB.
#[derive(Clone, Copy, Debug)]
pub struct TcbConfig {
    /// Initial send sequence number.
    pub iss: SeqNum,
    /// The interface MTU less IP and TCP headers: the MSS we announce (RFC 9293 §3.7.1), unless
    /// `mss_clamp` is less.
    pub local_mss: u16,
    /// The most that we announce and send.
    pub mss_clamp: Option<u16>,
    /// The most payload that leaves, in bytes per second.
    pub rate_cap: Option<u64>,
    /// The window scale shift we offer, if `syn_options` says that we do.
    pub rcv_scale: u8,
    /// What our SYN offers.
    pub syn_options: SynOptions,
    /// The retransmission timeout before there is a round-trip time.
    pub initial_rto: Duration,
    /// Start of the timestamp clock.
    pub timestamp_offset: u32,
    /// Explicit congestion notification.
    pub ecn: EcnPolicy,
    /// Pace what is sent.
    pub pacing: bool,
    /// Time without acknowledgment after which the connection is given up.
    pub user_timeout: Duration,
    /// Congestion control.
    pub congestion: CongestionAlgorithm,
    /// Length of TIME-WAIT.
    pub time_wait: Duration,
    /// How long an acknowledgment may wait for company; at most
    /// [`MAX_DELAY`](super::ack_policy::MAX_DELAY).
    pub delayed_ack: Duration,
    /// A secret number of this connection, for what must not be predicted from outside.
    pub seed: u64,
}

impl TcbConfig {
    /// Our SYN offers window scaling.
    #[must_use]
    pub fn scales(&self) -> bool {
        self.syn_options.window_scale != WindowScale::Off
    }

    /// The MSS that we announce.
    #[must_use]
    pub fn announced_mss(&self) -> u16 {
        self.mss_clamp.map_or(self.local_mss, |clamp| {
            self.local_mss.min(clamp.max(MIN_MSS))
        })
    }
}

#[cfg(test)]
impl TcbConfig {
    /// Settings as most tests have them: an Ethernet MTU and nothing scaled.
    pub(crate) fn sample(iss: SeqNum) -> Self {
        Self {
            iss,
            local_mss: 1460,
            mss_clamp: None,
            rate_cap: None,
            rcv_scale: 0,
            syn_options: SynOptions::default(),
            initial_rto: Duration::from_secs(1),
            timestamp_offset: 0,
            congestion: CongestionAlgorithm::default(),
            ecn: EcnPolicy::Accept,
            pacing: true,
            delayed_ack: Duration::from_millis(40),
            seed: 1,
            user_timeout: Duration::from_secs(100),
            time_wait: Duration::from_secs(60),
        }
    }
}

/// How often recovery was needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveryCounters {
    /// Segments sent again.
    pub retransmissions: u64,
    /// Expiries of the retransmission timer.
    pub timeouts: u64,
    /// Fast recoveries that began with a loss.
    pub fast_recoveries: u64,
    /// Recoveries of either kind that turned out to be for nothing, and were undone.
    pub spurious_recoveries: u64,
    /// Probes for the loss of the tail.
    pub tail_loss_probes: u64,
    /// Windows that were reduced because the network marked a packet.
    pub ecn_reductions: u64,
}

/// Our FIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fin {
    /// Nobody asked for it.
    Open,
    /// To be sent once everything else is.
    Wanted,
    /// Sent.
    Sent,
}

/// One TCP connection. Field names are those of RFC 9293 §3.3.1.
#[derive(Debug)]
pub struct Tcb {
    /// The state.
    pub state: TcpState,
    /// Initial send sequence number.
    pub iss: SeqNum,
    /// Oldest unacknowledged sequence number.
    pub snd_una: SeqNum,
    /// Next sequence number to send.
    pub snd_nxt: SeqNum,
    /// Send window in bytes, already scaled.
    pub snd_wnd: u32,
    /// Segment sequence number of the last window update.
    pub snd_wl1: SeqNum,
    /// Segment acknowledgment number of the last window update.
    pub snd_wl2: SeqNum,
    /// Largest window seen (RFC 5961 §5.2).
    pub max_snd_wnd: u32,
    /// Initial receive sequence number.
    pub irs: SeqNum,
    /// Next sequence number expected.
    pub rcv_nxt: SeqNum,
    /// Right edge of the widest window announced.
    pub rcv_edge: SeqNum,
    /// The peer's SYN offered window scaling.
    pub peer_scales: bool,
    /// What the SYNs agreed on.
    pub negotiated: Negotiated,
    /// The settings.
    pub config: TcbConfig,
    /// Timestamps.
    pub timestamps: TimestampState,
    /// Largest payload without options: the peer's MSS, bounded by our own and the path MTU.
    pub mss: usize,
    /// The largest packet that the path carries.
    pub path_mtu: PathMtu,
    /// What was sent and is unacknowledged.
    pub scoreboard: Scoreboard,
    /// Bytes received out of order, by offset from the first payload byte.
    pub assembler: Assembler,
    /// The same as ranges, for SACK blocks.
    pub sack_report: SackReport,
    /// Round-trip time.
    pub rtt: RttEstimator,
    /// Which segments count as lost.
    pub rack: Rack,
    /// Loss recovery.
    pub recovery: Recovery,
    /// Whether the last recovery was for nothing.
    pub evidence: Evidence,
    /// Probes for the loss of the tail.
    pub tail_loss: TailLoss,
    /// Explicit congestion notification.
    pub ecn: Ecn,
    /// When the next segment may leave.
    pub pacer: Pacer,
    /// Duplicate acknowledgments in a row, used without SACK.
    pub duplicate_acks: u32,
    /// A loss was just found: its retransmission does not wait for the window.
    pub fast_retransmit: bool,
    /// The congestion window.
    pub congestion: Box<dyn CongestionController>,
    /// Acknowledgments owed.
    pub ack: AckPolicy,
    /// Deadlines.
    pub timers: Timers,
    /// Our FIN.
    pub fin: Fin,
    /// The peer's FIN, as offset of the byte that it would be, once known.
    pub peer_fin: Option<u64>,
    /// The path is known not to work at the moment.
    pub paused: bool,
    /// Since when something is unacknowledged without progress.
    pub waiting_since: Option<Instant>,
    /// When data was last sent.
    pub last_sent: Instant,
    /// How many acknowledgments strangers can make us send.
    pub ack_limits: AckLimits,
    /// A window probe is to be sent.
    pub probe: bool,
    /// Whether the peer is still there.
    pub keepalive: Keepalive,
    /// Times a SYN or SYN/ACK was sent.
    pub syn_transmissions: u32,
    /// How often recovery was needed.
    pub counters: RecoveryCounters,
    /// What is counted for each segment.
    pub traffic: Traffic,
    /// The peer's FIN came before ours was sent.
    pub peer_closed_first: bool,
    /// Payload bytes sent for the first time.
    pub bytes_sent: u64,
    /// Payload bytes of ours that are acknowledged cumulatively.
    pub bytes_acked: u64,
    /// Payload bytes received in order.
    pub bytes_received: u64,
}

impl Tcb {
    /// Applies an event to the state machine; one that means nothing here changes nothing.
    pub(super) fn transition(&mut self, event: TcpEvent) {
        if let Some(next) = self.state.next(event) {
            self.state = next;
        }
    }

    /// The payload byte at `offset` as a sequence number.
    #[must_use]
    pub fn receive_seq(&self, offset: u64) -> SeqNum {
        let ahead = offset.wrapping_sub(self.assembler.next_offset());
        // Offsets handed out lie within a window of RCV.NXT.
        self.rcv_nxt + u32::try_from(ahead & u64::from(u32::MAX)).unwrap_or(0)
    }

    /// Bytes that we had already: they are acknowledged at once, and told by a DSACK.
    pub(super) fn report_duplicate(&mut self, left: SeqNum, right: SeqNum) {
        self.sack_report.set_duplicate(SackBlock { left, right });
        self.ack.require_bare();
    }

    /// Our timestamp clock.
    #[must_use]
    pub fn timestamp(&self, now: Instant) -> u32 {
        timestamp_clock(now, self.timestamps.offset)
    }

    /// The latest time at which the segment can have been sent whose timestamp `echo` is; `None`
    /// if our clock has not been there.
    #[must_use]
    pub fn sent_by(&self, now: Instant, echo: u32) -> Option<Instant> {
        let age = SeqNum(self.timestamp(now)).distance_from(SeqNum(echo));
        let millis = now.as_millis().checked_sub(u64::try_from(age).ok()?)?;
        Some(Instant::from_millis(millis + 1) - Duration::from_nanos(1))
    }

    /// FlightSize of RFC 5681 §2: sequence space sent and not acknowledged cumulatively.
    #[must_use]
    pub fn flight_size(&self) -> usize {
        usize::try_from(self.snd_nxt.distance_from(self.snd_una)).unwrap_or(0)
    }

    /// Nothing of ours is unacknowledged.
    #[must_use]
    pub fn is_all_acknowledged(&self) -> bool {
        self.scoreboard.is_empty()
    }

    /// Ends the connection without a word: after an RST in either direction.
    pub fn close_at_once(&mut self) {
        self.transition(TcpEvent::Reset);
        self.scoreboard.clear();
        self.assembler.clear();
        self.sack_report.clear();
        self.timers.clear_all();
    }

    /// Changes congestion control. The window stays what it is.
    pub fn set_congestion(&mut self, algorithm: CongestionAlgorithm) {
        self.config.congestion = algorithm;
        if self.congestion.algorithm() != algorithm {
            self.congestion = congestion::successor(algorithm, self.mss, &*self.congestion);
        }
    }

    /// Asks for a FIN after all data; it goes out with the next transmission.
    pub fn close(&mut self) {
        if self.fin == Fin::Open {
            self.fin = Fin::Wanted;
        }
    }

    /// Enters the quiet time of TIME-WAIT.
    pub(super) fn start_time_wait(&mut self, now: Instant) {
        self.timers.clear_all();
        self.timers
            .set(Timer::TimeWait, now + self.config.time_wait);
        // All of both directions is acknowledged. There may be many that wait like this: what the
        // queues have grown to is given back.
        self.scoreboard = Scoreboard::new(self.snd_nxt);
    }
}
