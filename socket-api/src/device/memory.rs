//! Links inside one process: what one end sends, the other receives.
//!
//! The module owns a pair of devices, the two bounded queues between them and a switch to cut the
//! link. A full queue drops, as a router's does. There is no rate, no delay and no loss here:
//! those are for devices that wrap one of these.

use super::Device;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use umptcp_stack::Transmit;

/// Packets that wait in one direction of a link, as in the transmit queue of a Linux interface.
const DEFAULT_QUEUE_LENGTH: usize = 1000;

/// One end of a link inside the process.
#[derive(Debug)]
pub struct MemoryDevice {
    outgoing: Arc<Direction>,
    incoming: Arc<Direction>,
    mtu: u16,
    /// The link state that `poll_link` reported last.
    reported_up: bool,
}

impl MemoryDevice {
    /// The two ends of a new link that carries packets of up to `mtu` bytes.
    #[must_use]
    pub fn pair(mtu: u16) -> (Self, Self) {
        Self::pair_with_queue(mtu, DEFAULT_QUEUE_LENGTH)
    }

    /// As [`Self::pair`], with room for `queue_length` packets in each direction.
    #[must_use]
    pub fn pair_with_queue(mtu: u16, queue_length: usize) -> (Self, Self) {
        let there = Arc::new(Direction::new(queue_length));
        let back = Arc::new(Direction::new(queue_length));
        let first = Self {
            outgoing: Arc::clone(&there),
            incoming: Arc::clone(&back),
            mtu,
            reported_up: true,
        };
        let second = Self {
            outgoing: back,
            incoming: there,
            mtu,
            reported_up: true,
        };
        (first, second)
    }

    /// A switch that cuts and joins the link, to keep while a stack owns the device.
    #[must_use]
    pub fn switch(&self) -> LinkSwitch {
        LinkSwitch {
            directions: [Arc::clone(&self.outgoing), Arc::clone(&self.incoming)],
        }
    }
}

impl Device for MemoryDevice {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.incoming.lock();
        while let Some(packet) = state.queue.pop_front() {
            if packet.len() <= buffer.len() {
                state.carried += 1;
                drop(state);
                return Poll::Ready(Ok(packet.copy_to(buffer)));
            }
            state.dropped += 1;
        }
        state.wait(cx);
        Poll::Pending
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        let mut state = self.outgoing.lock();
        if !state.up {
            return Err(io::Error::new(
                io::ErrorKind::NetworkDown,
                "the link is cut",
            ));
        }
        if state.queue.len() >= self.outgoing.queue_length || packet.len() > usize::from(self.mtu) {
            state.dropped += 1;
            return Ok(());
        }
        // A clone shares the payload: the only copy is the one into the receiver's buffer.
        state.queue.push_back(packet.clone());
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = self.incoming.lock();
        if state.up == self.reported_up {
            state.wait(cx);
            return Poll::Pending;
        }
        self.reported_up = state.up;
        Poll::Ready(state.up)
    }
}

impl Drop for MemoryDevice {
    fn drop(&mut self) {
        for direction in [&self.outgoing, &self.incoming] {
            direction.lock().end_is_gone = true;
            direction.set_up(false);
        }
    }
}

/// Cuts and joins a link between two [`MemoryDevice`]s, as if its cable were pulled: both ends
/// notice at once, and packets on their way are lost.
#[derive(Clone, Debug)]
pub struct LinkSwitch {
    directions: [Arc<Direction>; 2],
}

impl LinkSwitch {
    /// Joins (`true`) or cuts the link. A link that has lost an end stays down.
    pub fn set_up(&self, up: bool) {
        for direction in &self.directions {
            direction.set_up(up);
        }
    }

    /// Packets that the link has carried, both directions together.
    #[must_use]
    pub fn packets_carried(&self) -> u64 {
        self.directions
            .iter()
            .map(|direction| direction.lock().carried)
            .sum()
    }

    /// Packets that the link has dropped, both directions together: they found a full queue, were
    /// longer than the MTU, or were on their way when the link was cut.
    #[must_use]
    pub fn packets_dropped(&self) -> u64 {
        self.directions
            .iter()
            .map(|direction| direction.lock().dropped)
            .sum()
    }
}

/// One direction of a link.
struct Direction {
    queue_length: usize,
    state: Mutex<DirectionState>,
}

struct DirectionState {
    queue: VecDeque<Transmit>,
    up: bool,
    end_is_gone: bool,
    carried: u64,
    dropped: u64,
    /// The task that drives the receiving end, when it waits.
    receiver: Option<Waker>,
}

impl Direction {
    fn new(queue_length: usize) -> Self {
        Self {
            queue_length,
            state: Mutex::new(DirectionState {
                queue: VecDeque::new(),
                up: true,
                end_is_gone: false,
                carried: 0,
                dropped: 0,
                receiver: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, DirectionState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_up(&self, up: bool) {
        let mut state = self.lock();
        let up = up && !state.end_is_gone;
        if up == state.up {
            return;
        }
        state.up = up;
        state.dropped += state.queue.len() as u64;
        state.queue.clear();
        let receiver = state.receiver.take();
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl DirectionState {
    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.receiver {
            Some(receiver) => receiver.clone_from(cx.waker()),
            None => self.receiver = Some(cx.waker().clone()),
        }
    }
}

impl fmt::Debug for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Direction")
            .field("up", &state.up)
            .field("waiting", &state.queue.len())
            .field("carried", &state.carried)
            .field("dropped", &state.dropped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
