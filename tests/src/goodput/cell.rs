//! One cell: a path, and how long it is watched.

use std::fmt;
use std::time::Duration;
use umptcp_lab::link::{self, LinkConfig};

/// Largest IP packet, in bytes.
const PACKET: usize = 1500;
/// A queue is never shorter than this: shorter ones cannot take what a host sends at once.
const MIN_QUEUE_PACKETS: usize = 20;
/// Mean length of a loss burst, in packets.
const MEAN_BURST: f64 = 4.0;
/// Packets that overtake one that is held back, at the least: enough for three duplicate
/// acknowledgments (RFC 5681 §3.2).
const MIN_OVERTAKING: u32 = 4;

/// Losses on the way of the data. Acknowledgments are not lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Only what the queue has no room for.
    None,
    /// So many percent of the packets, each on its own.
    Random(f64),
    /// So many percent of the packets, in bursts of four on average (Gilbert 1960).
    Burst(f64),
}

impl Loss {
    /// Percent of the packets.
    #[must_use]
    pub fn percent(self) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Random(percent) | Self::Burst(percent) => percent,
        }
    }

    /// Its kind in one word.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Random(_) => "random",
            Self::Burst(_) => "burst",
        }
    }

    fn of_link(self) -> link::Loss {
        match self {
            Self::None => link::Loss::None,
            Self::Random(percent) => link::Loss::Bernoulli(percent / 100.0),
            Self::Burst(percent) => {
                let mean = percent / 100.0;
                let to_good = 1.0 / MEAN_BURST;
                link::Loss::GilbertElliott {
                    // The bad state, in which all is lost, takes up `mean` of the time.
                    to_bad: to_good * mean / (1.0 - mean),
                    to_good,
                    loss_good: 0.0,
                    loss_bad: 1.0,
                }
            }
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no loss"),
            _ => write!(f, "{}% {}", self.percent(), self.kind()),
        }
    }
}

/// Whether data packets overtake each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reordering {
    /// They do not.
    None,
    /// One in ten is held back for an eighth of the round-trip time, and never for less than
    /// four packets take.
    TenPercent,
}

/// The drop-tail queue of the link, in proportion to what the path holds (its rate times its
/// round-trip time), though never less than 20 packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Half of it.
    Half,
    /// As much.
    Full,
    /// Twice as much.
    Double,
}

impl Queue {
    /// In proportion to what the path holds.
    #[must_use]
    pub fn factor(self) -> f64 {
        match self {
            Self::Half => 0.5,
            Self::Full => 1.0,
            Self::Double => 2.0,
        }
    }
}

/// One cell of the grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Rate of the link, in Mbit/s of IP packets; the same for the acknowledgments.
    pub rate_mbit: u64,
    /// Round-trip time of the empty path in milliseconds, half of it in each direction.
    pub rtt_ms: u64,
    /// The queue.
    pub queue: Queue,
    /// The losses.
    pub loss: Loss,
    /// The reordering.
    pub reordering: Reordering,
}

impl Cell {
    /// Bits per second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate_mbit * 1_000_000
    }

    /// The round-trip time of the empty path.
    #[must_use]
    pub fn rtt(&self) -> Duration {
        Duration::from_millis(self.rtt_ms)
    }

    /// Bytes that may wait before the link.
    #[must_use]
    pub fn queue_bytes(&self) -> usize {
        let path = usize::try_from(self.rate_mbit * 125 * self.rtt_ms).unwrap_or(usize::MAX);
        let queue = match self.queue {
            Queue::Half => path / 2,
            Queue::Full => path,
            Queue::Double => path.saturating_mul(2),
        };
        queue.max(MIN_QUEUE_PACKETS * PACKET)
    }

    /// Time that is not counted: slow start from ten packets, the losses at its end, and their
    /// repair. Doubling per round trip fills the largest path of the grid in 12 of them.
    #[must_use]
    pub fn start_up(&self) -> Duration {
        Duration::from_secs(1) + self.rtt() * 30
    }

    /// Time that is counted.
    #[must_use]
    pub fn counted(&self) -> Duration {
        let least = match self.loss {
            Loss::None => 10,
            // So that accidents even out.
            Loss::Random(_) | Loss::Burst(_) => 30,
        };
        // 30 s at 200 ms: about what CUBIC takes there from one loss to the next at 1 Gbit/s
        // (RFC 9438 §4.2, K of 34,000 packets).
        Duration::from_secs(least).max(self.rtt() * 150)
    }

    /// The link that carries the data.
    #[must_use]
    pub fn data_link(&self) -> LinkConfig {
        let reorder = match self.reordering {
            Reordering::None => link::Reorder::default(),
            Reordering::TenPercent => link::Reorder {
                probability: 0.1,
                extra_delay: (self.rtt() / 8).max(self.packet_time() * MIN_OVERTAKING),
            },
        };
        LinkConfig {
            queue: self.queue_bytes(),
            loss: self.loss.of_link(),
            reorder,
            ..self.ack_link()
        }
    }

    /// The link that carries the acknowledgments: as fast, with a queue that is never full.
    #[must_use]
    pub fn ack_link(&self) -> LinkConfig {
        LinkConfig {
            rate: Some(self.rate()),
            delay: self.rtt() / 2,
            ..LinkConfig::default()
        }
    }

    /// How long a packet occupies the link.
    fn packet_time(&self) -> Duration {
        Duration::from_nanos(PACKET as u64 * 8 * 1000 / self.rate_mbit.max(1))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} Mbit/s, RTT {} ms, queue {} BDP, {}",
            self.rate_mbit,
            self.rtt_ms,
            self.queue.factor(),
            self.loss
        )?;
        match self.reordering {
            Reordering::None => Ok(()),
            Reordering::TenPercent => f.write_str(", 10% reordered"),
        }
    }
}
