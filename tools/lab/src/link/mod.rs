//! One direction of a network link, sans-IO: packets go in, packets come out later, damaged or
//! not at all.
//!
//! Owns rate, delay, queue and every harm of [`LinkConfig`]. Of what a packet holds it knows only
//! the ECN field, and not where time comes from, so that the virtual-time world and a wrapper around a device in
//! real time can both use it. The same seed and the same calls give the same deliveries.
//!
//! A packet meets, in this order: a cut, the MTU, the queue, the transmitter (which it occupies
//! for its length at the rate), the mark, loss, duplication, corruption, and the delay.

mod config;
mod ecn;
#[cfg(test)]
mod tests;

pub use config::{Cut, Hold, LinkConfig, Loss, Reorder};

use bytes::Bytes;
use rand::rngs::ChaCha12Rng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use umptcp_stack::Instant;

/// What became of the packets of a link so far, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Handed to the link.
    pub sent: u64,
    /// Came out, duplicates included.
    pub delivered: u64,
    /// Bytes that came out.
    pub delivered_bytes: u64,
    /// Dropped because the queue was full.
    pub dropped_queue: u64,
    /// Marked as having met congestion, instead of told by a loss.
    pub marked: u64,
    /// Lost at random.
    pub dropped_loss: u64,
    /// Sent or in flight while the link was down.
    pub dropped_cut: u64,
    /// Longer than the MTU.
    pub dropped_mtu: u64,
    /// Held back so that others overtake them.
    pub reordered: u64,
    /// Sent twice.
    pub duplicated: u64,
    /// Came out with a flipped bit.
    pub corrupted: u64,
}

/// One direction of a link.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    rng: ChaCha12Rng,
    /// The Gilbert-Elliott chain is in its bad state.
    bursting: bool,
    /// When the transmitter has sent all it was given.
    transmitter_free: Instant,
    /// Packets whose transmission has not begun: when it does, and their length.
    waiting: VecDeque<(Instant, usize)>,
    waiting_bytes: usize,
    /// Packets by time of arrival; the number keeps the order of those that arrive together.
    in_flight: BTreeMap<(Instant, u64), Bytes>,
    next_number: u64,
    /// No packet that keeps its order arrives before this one.
    last_arrival: Instant,
    /// Cuts of the configuration that have begun.
    cuts_begun: usize,
    /// Down by [`Self::set_down`].
    down: bool,
    counters: LinkCounters,
}

impl Link {
    /// A link whose accidents all follow from `seed`.
    #[must_use]
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            rng: ChaCha12Rng::seed_from_u64(seed),
            bursting: false,
            transmitter_free: Instant::ZERO,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            in_flight: BTreeMap::new(),
            next_number: 0,
            last_arrival: Instant::ZERO,
            cuts_begun: 0,
            down: false,
            counters: LinkCounters::default(),
        }
    }

    /// Sends a packet into the link.
    pub fn push(&mut self, now: Instant, packet: Bytes) {
        self.begin_cuts(now);
        self.counters.sent += 1;
        if self.is_down(now) {
            self.counters.dropped_cut += 1;
            return;
        }
        if packet.len() > usize::from(self.config.mtu) {
            self.counters.dropped_mtu += 1;
            return;
        }
        let Some(sent) = self.transmit(now, packet.len()) else {
            self.counters.dropped_queue += 1;
            return;
        };
        let packet = self.mark(packet);
        if self.is_lost() {
            self.counters.dropped_loss += 1;
            return;
        }
        if self.happens(self.config.duplicate) {
            self.counters.duplicated += 1;
            self.fly(sent, packet.clone());
        }
        self.fly(sent, packet);
    }

    /// The next packet that has arrived by `now`, in order of arrival.
    pub fn poll_deliver(&mut self, now: Instant) -> Option<Bytes> {
        self.begin_cuts(now);
        let first = self.in_flight.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let packet = first.remove();
        self.counters.delivered += 1;
        self.counters.delivered_bytes += packet.len() as u64;
        Some(packet)
    }

    /// When to call [`Self::poll_deliver`] next; `None` while nothing is in flight.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.in_flight
            .first_key_value()
            .map(|((arrival, _), _)| *arrival)
    }

    /// Takes the link down: what is in flight at `now` is lost, and what is sent from now on.
    pub fn set_down(&mut self, now: Instant) {
        self.begin_cuts(now);
        self.down = true;
        self.drop_in_flight(now);
    }

    /// Brings the link back, unless the configuration has it down at this time.
    pub fn set_up(&mut self, now: Instant) {
        self.begin_cuts(now);
        self.down = false;
    }

    /// The counters so far.
    #[must_use]
    pub fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    fn is_down(&self, now: Instant) -> bool {
        self.down
            || self
                .config
                .cuts
                .iter()
                .any(|cut| cut.from <= now && cut.to.is_none_or(|to| now < to))
    }

    /// Applies the beginning of every cut that lies at or before `now`.
    fn begin_cuts(&mut self, now: Instant) {
        while let Some(cut) = self.config.cuts.get(self.cuts_begun)
            && cut.from <= now
        {
            let from = cut.from;
            self.cuts_begun += 1;
            self.drop_in_flight(from);
        }
    }

    /// Loses all that had not arrived before `from`; what had may still be polled later.
    fn drop_in_flight(&mut self, from: Instant) {
        let lost = self.in_flight.split_off(&(from, 0));
        self.counters.dropped_cut += lost.len() as u64;
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.transmitter_free = self.transmitter_free.min(from);
        self.last_arrival = self.last_arrival.min(from);
    }

    /// Queues a packet for the transmitter; when its last bit leaves, or `None` if the queue is
    /// full.
    fn transmit(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.config.rate else {
            return Some(now);
        };
        while let Some(&(begins, waited)) = self.waiting.front()
            && begins <= now
        {
            self.waiting.pop_front();
            self.waiting_bytes -= waited;
        }
        let begins = self.transmitter_free.max(now);
        if begins > now {
            if self.waiting_bytes.saturating_add(len) > self.config.queue {
                return None;
            }
            self.waiting.push_back((begins, len));
            self.waiting_bytes += len;
        }
        self.transmitter_free = begins + transmission_time(len, rate);
        Some(self.transmitter_free)
    }

    /// Marks a packet that has joined a long queue, if its sender understands that.
    fn mark(&mut self, packet: Bytes) -> Bytes {
        if self
            .config
            .mark_above
            .is_none_or(|limit| self.waiting_bytes <= limit)
        {
            return packet;
        }
        match ecn::marked(&packet) {
            Some(marked) => {
                self.counters.marked += 1;
                marked
            }
            None => packet,
        }
    }

    fn is_lost(&mut self) -> bool {
        match self.config.loss {
            Loss::None => false,
            Loss::Bernoulli(probability) => self.happens(probability),
            Loss::GilbertElliott {
                to_bad,
                to_good,
                loss_good,
                loss_bad,
            } => {
                let changes = self.happens(if self.bursting { to_good } else { to_bad });
                self.bursting ^= changes;
                self.happens(if self.bursting { loss_bad } else { loss_good })
            }
        }
    }

    /// Puts one copy of a packet in flight.
    fn fly(&mut self, sent: Instant, packet: Bytes) {
        let packet = if self.happens(self.config.corrupt) {
            self.counters.corrupted += 1;
            self.flip_a_bit(&packet)
        } else {
            packet
        };
        let mut arrival = sent + self.config.delay + self.draw_jitter();
        if self.happens(self.config.reorder.probability) {
            self.counters.reordered += 1;
            arrival += self.config.reorder.extra_delay;
        } else {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        arrival = self.held_until(arrival);
        self.in_flight.insert((arrival, self.next_number), packet);
        self.next_number += 1;
    }

    /// When something arrives that would at `arrival`, if nothing were held back.
    fn held_until(&self, arrival: Instant) -> Instant {
        let holds = self.config.holds.iter();
        holds
            .filter(|hold| hold.from <= arrival && arrival < hold.to)
            .map(|hold| hold.to)
            .next()
            .unwrap_or(arrival)
    }

    fn draw_jitter(&mut self) -> Duration {
        if self.config.jitter.is_zero() {
            return Duration::ZERO;
        }
        self.rng.random_range(Duration::ZERO..=self.config.jitter)
    }

    fn flip_a_bit(&mut self, packet: &[u8]) -> Bytes {
        let mut bytes = packet.to_vec();
        if !bytes.is_empty() {
            let position = self.rng.random_range(0..bytes.len());
            bytes[position] ^= 1 << (self.rng.next_u32() % 8);
        }
        bytes.into()
    }

    /// Draws an accident. Impossible ones draw nothing, so that adding a feature to a
    /// configuration leaves the randomness of the others alone.
    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.rng.random_bool(probability.min(1.0))
    }
}

/// Time to send `len` bytes at `rate` bits per second, rounded up to a nanosecond.
fn transmission_time(len: usize, rate: u64) -> Duration {
    let nanos = (len as u128 * 8 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
