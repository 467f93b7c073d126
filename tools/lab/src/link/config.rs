//! What a link does to packets, as plain data.

use std::time::Duration;
use umptcp_stack::Instant;

/// How packets get lost on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Loss {
    /// They do not.
    #[default]
    None,
    /// Each packet on its own, with this probability.
    Bernoulli(f64),
    /// In bursts: a chain of two states, each with its own loss probability. The state may
    /// change before each packet (Gilbert 1960, Elliott 1963).
    GilbertElliott {
        /// Probability of going from the good state to the bad one.
        to_bad: f64,
        /// Probability of going from the bad state to the good one.
        to_good: f64,
        /// Loss probability in the good state.
        loss_good: f64,
        /// Loss probability in the bad state.
        loss_bad: f64,
    },
}

/// How packets overtake each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reorder {
    /// Probability that a packet is held back.
    pub probability: f64,
    /// For how long: packets sent within this time after it overtake it.
    pub extra_delay: Duration,
}

/// A time during which a link is down: what is sent then is lost, and so is what was in flight
/// when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When the link goes down.
    pub from: Instant,
    /// When it comes back; `None` if never.
    pub to: Option<Instant>,
}

/// A time during which nothing arrives, and nothing is lost by it: what would have arrived does so
/// at its end, all at once. So behaves a radio link that is busy with a handover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// When it begins.
    pub from: Instant,
    /// When everything arrives.
    pub to: Instant,
}

/// One direction of a link. The default is perfect: no delay, no limit, no harm.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkConfig {
    /// Bits per second, counted over whole IP packets; `None` is without limit.
    pub rate: Option<u64>,
    /// Time from the last bit sent to the last bit received.
    pub delay: Duration,
    /// A further delay, uniform between zero and this, that never changes the order.
    pub jitter: Duration,
    /// Bytes that may wait while another packet is being sent; more are dropped (drop-tail).
    pub queue: usize,
    /// Bytes waiting above which a packet that can be marked as having met congestion is
    /// (RFC 3168 §5); `None` marks none. All others wait or are dropped as usual.
    pub mark_above: Option<usize>,
    /// Losses, behind the queue: a lost packet has still taken its time to send.
    pub loss: Loss,
    /// Packets that are overtaken.
    pub reorder: Reorder,
    /// Probability that a packet arrives twice.
    pub duplicate: f64,
    /// Probability that one bit of a packet is flipped.
    pub corrupt: f64,
    /// Largest packet in bytes; longer ones are dropped.
    pub mtu: u16,
    /// When the link is down, in order of time and without overlap.
    pub cuts: Vec<Cut>,
    /// When it holds packets back, in order of time and without overlap.
    pub holds: Vec<Hold>,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            queue: usize::MAX,
            mark_above: None,
            loss: Loss::None,
            reorder: Reorder::default(),
            duplicate: 0.0,
            corrupt: 0.0,
            mtu: u16::MAX,
            cuts: Vec::new(),
            holds: Vec::new(),
        }
    }
}

impl LinkConfig {
    /// A link with nothing but a rate in bits per second and a delay, and a queue that holds
    /// 100 ms at that rate, though never less than 64 KiB.
    #[must_use]
    pub fn with_rate_and_delay(rate: u64, delay: Duration) -> Self {
        let queue = usize::try_from(rate / 80)
            .unwrap_or(usize::MAX)
            .max(64 << 10);
        Self {
            rate: Some(rate),
            delay,
            queue,
            ..Self::default()
        }
    }

    /// A link with nothing but a delay.
    #[must_use]
    pub fn with_delay(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }

    /// This link with losses.
    #[must_use]
    pub fn lossy(self, loss: Loss) -> Self {
        Self { loss, ..self }
    }

    /// This link with a further time during which it is down.
    #[must_use]
    pub fn cut(mut self, from: Instant, to: Option<Instant>) -> Self {
        self.cuts.push(Cut { from, to });
        self
    }
}
