//! Making a TCB from nothing or from a SYN, and reading the peer's SYN (RFC 9293 §3.5).

use super::ack_policy::AckPolicy;
use super::challenge_ack::AckLimits;
use super::congestion;
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
use super::tcb::{Fin, Negotiated, RecoveryCounters, Tcb, TcbConfig};
use super::timers::{Timer, Timers};
use super::timestamps::TimestampState;
use super::traffic::Traffic;
use crate::base::config::WindowScale;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::buffer::assembler::Assembler;
use crate::wire::packet::Segment;
use crate::wire::tcp_option::TcpOptions;

/// RFC 7323 §2.3: a larger shift counts as this.
pub const MAX_SHIFT: u8 = 14;
/// RFC 9293 §3.7.1: the MSS of a peer that announces none, over IPv4 and IPv6.
const DEFAULT_MSS: (u16, u16) = (536, 1220);

impl Tcb {
    /// A connection that sends a SYN.
    #[must_use]
    pub fn connect(now: Instant, config: TcbConfig) -> Self {
        let mut tcb = Self::new(now, config);
        tcb.transition(TcpEvent::ActiveOpen);
        tcb.queue_syn(now);
        tcb
    }

    /// A connection made by a SYN; it sends a SYN/ACK.
    #[must_use]
    pub fn accept(now: Instant, config: TcbConfig, syn: &Segment) -> Self {
        let mut tcb = Self::new(now, config);
        tcb.state = TcpState::Listen;
        tcb.answer_syn(now, syn);
        tcb
    }

    /// A SYN arrives in the state LISTEN (RFC 9293 §3.10.7.2).
    pub(super) fn answer_syn(&mut self, now: Instant, syn: &Segment) {
        self.transition(TcpEvent::ReceiveSyn);
        self.read_syn(now, syn);
        self.queue_syn(now);
    }

    pub(super) fn new(now: Instant, config: TcbConfig) -> Self {
        Self {
            state: TcpState::Closed,
            iss: config.iss,
            snd_una: config.iss,
            snd_nxt: config.iss,
            snd_wnd: 0,
            snd_wl1: SeqNum(0),
            snd_wl2: SeqNum(0),
            max_snd_wnd: 0,
            irs: SeqNum(0),
            rcv_nxt: SeqNum(0),
            rcv_edge: SeqNum(0),
            peer_scales: false,
            negotiated: Negotiated::default(),
            config,
            timestamps: TimestampState::new(config.timestamp_offset),
            mss: usize::from(config.local_mss),
            // The SYNs will tell the family and the peer's MSS.
            path_mtu: PathMtu::new(false, usize::from(config.local_mss)),
            scoreboard: Scoreboard::new(config.iss),
            assembler: Assembler::new(0),
            sack_report: SackReport::default(),
            rtt: RttEstimator::new(config.initial_rto),
            rack: Rack::new(config.iss),
            recovery: Recovery::Open,
            evidence: Evidence::default(),
            tail_loss: TailLoss::default(),
            ecn: Ecn::default(),
            pacer: Pacer::new(config.rate_cap),
            duplicate_acks: 0,
            fast_retransmit: false,
            congestion: congestion::controller(config.congestion, usize::from(config.local_mss)),
            ack: AckPolicy::default(),
            timers: Timers::default(),
            fin: Fin::Open,
            peer_fin: None,
            paused: false,
            waiting_since: None,
            last_sent: now,
            ack_limits: AckLimits::new(config.seed),
            probe: false,
            keepalive: Keepalive::default(),
            syn_transmissions: 0,
            counters: RecoveryCounters::default(),
            traffic: Traffic::new(now),
            peer_closed_first: false,
            bytes_sent: 0,
            bytes_acked: 0,
            bytes_received: 0,
        }
    }

    /// Queues our SYN: the next transmission sends it.
    fn queue_syn(&mut self, now: Instant) {
        self.scoreboard.push_unsent_syn(now, self.iss);
        self.snd_nxt = self.iss + 1;
        self.timers.set(Timer::Retransmit, now + self.rtt.rto());
    }

    /// Takes over the peer's sequence number and options from its SYN or SYN/ACK.
    pub(super) fn read_syn(&mut self, now: Instant, syn: &Segment) {
        // What our own SYN has announced already, see `on_syn_sent`.
        let announced = self.rcv_edge.distance_from(self.rcv_nxt).max(0);
        self.irs = syn.seq;
        self.rcv_nxt = syn.seq + 1;
        self.rcv_edge = self.rcv_nxt + announced.unsigned_abs();
        self.timestamps.last_ack_sent = self.rcv_nxt;
        self.negotiate(now, &syn.options, syn.tuple.remote.is_ipv6());
        match syn.ack {
            None => self.ecn.on_syn(self.config.ecn, syn.flags),
            Some(_) => self.ecn.on_syn_ack(self.config.ecn, syn.flags),
        }
        // RFC 7323 §2.2: the window of a SYN is never scaled.
        self.snd_wnd = u32::from(syn.window);
        self.max_snd_wnd = self.snd_wnd;
        self.snd_wl1 = syn.seq;
        self.snd_wl2 = self.snd_una;
    }

    fn negotiate(&mut self, now: Instant, options: &TcpOptions, ipv6: bool) {
        let peer_mss = usize::from(options.mss.unwrap_or_else(|| default_mss(ipv6)));
        let both = peer_mss
            .min(usize::from(self.config.local_mss))
            .max(usize::from(MIN_MSS));
        self.path_mtu = PathMtu::new(ipv6, both);
        self.path_mtu.clamp(now, self.config.mss_clamp);
        self.mss = self.path_mtu.mss();
        self.congestion = congestion::controller(self.config.congestion, self.mss);
        let ours = self.config.syn_options;
        // Scaling and timestamps hold only if both sides offer them (RFC 7323 §2.2, §3.2).
        let scale = options.window_scale.filter(|_| self.config.scales());
        let timestamps = options.timestamps.filter(|_| ours.timestamps);
        self.peer_scales = scale.is_some();
        self.negotiated = Negotiated {
            timestamps: timestamps.is_some(),
            sack: options.sack_permitted && ours.sack,
            snd_scale: scale.unwrap_or(0).min(MAX_SHIFT),
            rcv_scale: scale.map_or(0, |_| self.config.rcv_scale),
        };
        if let Some(timestamps) = timestamps {
            self.timestamps.begin(now, timestamps.value, self.rcv_nxt);
        }
    }
}

/// The MSS of a peer that announces none.
#[must_use]
pub const fn default_mss(ipv6: bool) -> u16 {
    if ipv6 { DEFAULT_MSS.1 } else { DEFAULT_MSS.0 }
}

/// The shift that a SYN offers for a receive buffer of this many bytes, if it offers one.
#[must_use]
pub fn offered_scale(setting: WindowScale, buffer: usize) -> u8 {
    match setting {
        WindowScale::Off => 0,
        WindowScale::ForBuffer => window_scale_for(buffer),
        WindowScale::Fixed(shift) => shift.min(MAX_SHIFT),
    }
}

/// The smallest shift with which a window of `buffer` bytes can be announced.
#[must_use]
pub fn window_scale_for(buffer: usize) -> u8 {
    (0..MAX_SHIFT)
        .find(|&shift| buffer >> shift <= usize::from(u16::MAX))
        .unwrap_or(MAX_SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_fits_the_buffer() {
        assert_eq!(window_scale_for(65_535), 0);
        assert_eq!(window_scale_for(65_536), 1);
        assert_eq!(window_scale_for(4 << 20), 7);
        assert_eq!(window_scale_for(usize::MAX), 14);
    }

    #[test]
    fn the_scale_is_as_the_settings_say() {
        assert_eq!(offered_scale(WindowScale::ForBuffer, 65_536), 1);
        assert_eq!(offered_scale(WindowScale::Off, 65_536), 0);
        assert_eq!(offered_scale(WindowScale::Fixed(7), 65_536), 7);
        // RFC 7323 §2.3: a larger shift counts as this.
        assert_eq!(offered_scale(WindowScale::Fixed(200), 0), MAX_SHIFT);
    }
}
