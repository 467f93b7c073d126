//! What can be set for each subflow by itself, and changed while it lives.
//!
//! Owns the values and their defaults. What they do is for the floors above.

use super::time::Duration;

/// How a subflow finds out how much it may have in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CongestionAlgorithm {
    /// RFC 5681: halves the window on loss and adds a segment a round trip.
    NewReno,
    /// RFC 9438: finds back to the window before a loss in a time that does not depend on the
    /// round trip, so that fast and long paths are filled.
    #[default]
    Cubic,
}

impl CongestionAlgorithm {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::NewReno, Self::Cubic];

    /// The name by which users know it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewReno => "reno",
            Self::Cubic => "cubic",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }
}

/// When an idle subflow is probed, and when it counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// Silence of the peer before the first probe.
    pub idle: Duration,
    /// Between probes that are not answered.
    pub interval: Duration,
    /// Unanswered probes after which the subflow is closed.
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            // RFC 9293 §3.8.4: no less than two hours by default.
            idle: Duration::from_secs(2 * 60 * 60),
            interval: Duration::from_secs(75),
            // One lost probe, or two, must not count as a dead peer (RFC 9293 §3.8.4).
            probes: 9,
        }
    }
}

/// The bits of the traffic class that belong to explicit congestion notification
/// (RFC 3168 §5).
const ECN_BITS: u8 = 0b11;

/// The hop limit of a new subflow: the assigned-numbers default (RFC 1700), which IPv6 hosts use
/// as well.
pub const DEFAULT_HOP_LIMIT: u8 = 64;

/// Settings of one subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubflowOptions {
    /// The TOS field of IPv4, the traffic class of IPv6 (RFC 2474 §3). The two lowest bits are the
    /// stack's own (RFC 3168 §5): what is set there is not sent.
    pub traffic_class: u8,
    /// The time to live of IPv4, the hop limit of IPv6.
    pub hop_limit: u8,
    /// The most payload in a segment without options, in bytes: caps what we send, and what we
    /// announce in SYNs (`TCP_MAXSEG`). Less than 88 counts as 88, as options alone may take
    /// 40. `None` leaves it to the interface, the peer and the path. On a subflow that lives it
    /// changes only what we send.
    pub mss_clamp: Option<u16>,
    /// Congestion control.
    pub congestion: CongestionAlgorithm,
    /// Probe the subflow while it is idle (RFC 9293 §3.8.4: off unless the application asks for
    /// it).
    pub keepalive: Option<Keepalive>,
    /// Goes with every packet to the device, in `Transmit::tag`, and never on the wire.
    pub tag: u32,
    /// The most payload that leaves, in bytes per second, sent again or for the first time, and
    /// whether segments are paced or not. 0 counts as 1. `None` is no cap.
    pub rate_cap: Option<u64>,
}

impl SubflowOptions {
    /// The traffic class without the bits of explicit congestion notification.
    #[must_use]
    pub const fn differentiated_services(&self) -> u8 {
        self.traffic_class & !ECN_BITS
    }

    /// Takes a change over.
    pub const fn apply(&mut self, change: SubflowChange) {
        match change {
            SubflowChange::TrafficClass(class) => self.traffic_class = class,
            SubflowChange::HopLimit(limit) => self.hop_limit = limit,
            SubflowChange::MssClamp(clamp) => self.mss_clamp = clamp,
            SubflowChange::Congestion(algorithm) => self.congestion = algorithm,
            SubflowChange::Keepalive(keepalive) => self.keepalive = keepalive,
            SubflowChange::Tag(tag) => self.tag = tag,
            SubflowChange::RateCap(cap) => self.rate_cap = cap,
        }
    }
}

impl Default for SubflowOptions {
    fn default() -> Self {
        Self {
            traffic_class: 0,
            hop_limit: DEFAULT_HOP_LIMIT,
            mss_clamp: None,
            congestion: CongestionAlgorithm::default(),
            keepalive: None,
            tag: 0,
            rate_cap: None,
        }
    }
}

/// One setting of [`SubflowOptions`] with its new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubflowChange {
    /// See [`SubflowOptions::traffic_class`].
    TrafficClass(u8),
    /// See [`SubflowOptions::hop_limit`].
    HopLimit(u8),
    /// See [`SubflowOptions::mss_clamp`].
    MssClamp(Option<u16>),
    /// See [`SubflowOptions::congestion`]. A subflow that lives keeps its window.
    Congestion(CongestionAlgorithm),
    /// See [`SubflowOptions::keepalive`].
    Keepalive(Option<Keepalive>),
    /// See [`SubflowOptions::tag`].
    Tag(u32),
    /// See [`SubflowOptions::rate_cap`].
    RateCap(Option<u64>),
}
