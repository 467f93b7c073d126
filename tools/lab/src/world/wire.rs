//! A cable between two interfaces: a link, or several, and perhaps a middlebox for each direction.

use super::parallel::Links;
use super::recorder::Recorder;
use super::{ForeignId, HostId};
use crate::link::LinkCounters;
use bytes::Bytes;
use std::fmt;
use umptcp_stack::Instant;

/// What sits on a wire and looks into packets, before the link carries them.
pub trait Middlebox {
    /// Takes a packet and gives what goes on in its place, in order: itself, something else,
    /// several packets or nothing.
    fn process(&mut self, now: Instant, packet: Bytes, out: &mut Vec<Bytes>);

    /// After each packet: gives what it sends back to where that came from. Most say nothing.
    fn answer(&mut self, _back: &mut Vec<Bytes>) {}
}

/// A middlebox that drops the packets a predicate picks.
pub struct DropIf<F>(pub F);

impl<F: FnMut(Instant, &Bytes) -> bool> Middlebox for DropIf<F> {
    fn process(&mut self, now: Instant, packet: Bytes, out: &mut Vec<Bytes>) {
        if !(self.0)(now, &packet) {
            out.push(packet);
        }
    }
}

impl<F> fmt::Debug for DropIf<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DropIf")
    }
}

/// One end of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// An interface of a host with our stack, by its position there.
    Interface(HostId, usize),
    /// A foreign host, which has one interface only.
    Foreign(ForeignId),
}

/// One direction of a wire.
pub(super) struct Direction {
    pub(super) links: Links,
    pub(super) middlebox: Option<Box<dyn Middlebox>>,
    pub(super) to: End,
    /// The interface of the recorder.
    pub(super) recorded_as: usize,
    through_middlebox: Vec<Bytes>,
    answers: Vec<Bytes>,
}

impl Direction {
    pub(super) fn new(links: Links, to: End, recorded_as: usize) -> Self {
        Self {
            links,
            middlebox: None,
            to,
            recorded_as,
            through_middlebox: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Sends a packet in, through the middlebox if there is one.
    fn push(&mut self, now: Instant, packet: Bytes, recorder: &mut Recorder) {
        let Some(middlebox) = &mut self.middlebox else {
            return self.push_to_link(now, packet, recorder);
        };
        let mut out = std::mem::take(&mut self.through_middlebox);
        middlebox.process(now, packet.clone(), &mut out);
        middlebox.answer(&mut self.answers);
        if out.is_empty() {
            recorder.packet(
                self.recorded_as,
                now,
                &packet,
                Some("dropped by the middlebox"),
            );
        }
        for packet in out.drain(..) {
            self.push_to_link(now, packet, recorder);
        }
        self.through_middlebox = out;
    }

    fn push_to_link(&mut self, now: Instant, packet: Bytes, recorder: &mut Recorder) {
        let before = self.links.counters();
        self.links.push(now, packet.clone());
        let fate = fate(before, self.links.counters());
        recorder.packet(self.recorded_as, now, &packet, fate);
    }
}

/// What happened to a packet, told from the counters around it.
fn fate(before: LinkCounters, after: LinkCounters) -> Option<&'static str> {
    [
        (before.dropped_loss != after.dropped_loss, "lost"),
        (
            before.dropped_queue != after.dropped_queue,
            "dropped: queue full",
        ),
        (
            before.dropped_mtu != after.dropped_mtu,
            "dropped: longer than the MTU",
        ),
        (
            before.corrupted != after.corrupted,
            "a bit flipped on the way",
        ),
        (before.reordered != after.reordered, "held back"),
        (before.duplicated != after.duplicated, "duplicated"),
        (
            before.dropped_cut != after.dropped_cut,
            "dropped: link down",
        ),
    ]
    .into_iter()
    .find_map(|(happened, name)| happened.then_some(name))
}

/// Both directions: `[0]` from the end named first, `[1]` back.
pub(super) type Wire = [Direction; 2];

/// Sends a packet into one direction of a wire. What the middlebox there answers goes back by the
/// other, past the middlebox of that.
pub(super) fn push(
    wire: &mut Wire,
    direction: usize,
    now: Instant,
    packet: Bytes,
    recorder: &mut Recorder,
) {
    wire[direction].push(now, packet, recorder);
    let mut answers = std::mem::take(&mut wire[direction].answers);
    for answer in answers.drain(..) {
        wire[1 - direction].push_to_link(now, answer, recorder);
    }
    wire[direction].answers = answers;
}
