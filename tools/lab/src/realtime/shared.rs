//! What the thread of a path and the devices of stacks share: the links behind a lock, the clock,
//! and the agreement on when the thread has to be woken.

use super::{PathConfig, PathCounters, PerSide, Side};
use crate::link::Link;
use bytes::Bytes;
use mio::{Poll, Token, Waker};
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use umptcp_stack::Instant;

/// The event that [`Shared`] wakes the thread with.
pub(super) const WOKEN: Token = Token(0);

/// A packet and the end where it entered the path, or where it leaves it.
pub(super) type Placed = (Side, Bytes);

/// What the thread does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Delivers what it was given, and looks again.
    Deliver,
    /// Sleeps until then, or until something happens.
    Sleep(Option<Instant>),
    /// Ends.
    Stop,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Time on the path is the time since then.
    origin: std::time::Instant,
    waker: Waker,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By the side where packets enter.
    links: PerSide<Link>,
    /// The thread looks at the links at this time at the latest: whoever needs it earlier has to
    /// wake it.
    thread_looks_at: Instant,
    refused: u64,
    stopped: bool,
}

impl State {
    fn next_deadline(&self) -> Option<Instant> {
        let PerSide { client, server } = &self.links;
        [client, server]
            .into_iter()
            .filter_map(Link::next_deadline)
            .min()
    }
}

/// The thread is awake, and looks before it sleeps.
const AWAKE: Instant = Instant::ZERO;
const NEVER: Instant = Instant::from_nanos(u64::MAX);

impl Shared {
    pub(super) fn new(config: PathConfig) -> io::Result<(Self, Poll)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WOKEN)?;
        // Two streams of accidents that have nothing to do with each other: a Link's seed goes
        // through a generator, so neighbouring numbers do.
        let client = Link::new(config.to_server, config.seed.wrapping_mul(2));
        let server = Link::new(
            config.to_client,
            config.seed.wrapping_mul(2).wrapping_add(1),
        );
        let shared = Self {
            origin: std::time::Instant::now(),
            waker,
            state: Mutex::new(State {
                links: PerSide { client, server },
                thread_looks_at: AWAKE,
                refused: 0,
                stopped: false,
            }),
        };
        Ok((shared, poll))
    }

    pub(super) fn now(&self) -> Instant {
        // Five centuries of nanoseconds fit.
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stack sends a packet into the path; `false` if the path has stopped.
    pub(super) fn push(&self, side: Side, packet: Bytes) -> bool {
        let mut state = self.lock();
        if state.stopped {
            return false;
        }
        let now = self.now();
        let link = state.links.get_mut(side);
        link.push(now, packet);
        let deadline = link.next_deadline();
        let wake = deadline.is_some_and(|deadline| deadline < state.thread_looks_at);
        if wake {
            // Once is enough.
            state.thread_looks_at = AWAKE;
        }
        drop(state);
        if wake {
            self.wake();
        }
        true
    }

    /// The thread's turn: puts in what it has read from TUN devices, takes out what has arrived.
    /// `keeps_on` says that it would not sleep anyway.
    pub(super) fn exchange(
        &self,
        received: &mut Vec<Placed>,
        due: &mut Vec<Placed>,
        keeps_on: bool,
    ) -> Next {
        let mut state = self.lock();
        if state.stopped {
            return Next::Stop;
        }
        let now = self.now();
        for (side, packet) in received.drain(..) {
            state.links.get_mut(side).push(now, packet);
        }
        for side in [Side::Client, Side::Server] {
            let link = state.links.get_mut(side);
            while let Some(packet) = link.poll_deliver(now) {
                due.push((side.other(), packet));
            }
        }
        if keeps_on || !due.is_empty() {
            state.thread_looks_at = AWAKE;
            return Next::Deliver;
        }
        let deadline = state.next_deadline();
        state.thread_looks_at = deadline.unwrap_or(NEVER);
        Next::Sleep(deadline)
    }

    pub(super) fn refuse(&self, packets: u64) {
        self.lock().refused += packets;
    }

    pub(super) fn counters(&self) -> PathCounters {
        let state = self.lock();
        PathCounters {
            to_server: state.links.client.counters(),
            to_client: state.links.server.counters(),
            refused: state.refused,
        }
    }

    pub(super) fn set_up(&self, up: bool) {
        let mut state = self.lock();
        let now = self.now();
        for side in [Side::Client, Side::Server] {
            let link = state.links.get_mut(side);
            if up {
                link.set_up(now);
            } else {
                link.set_down(now);
            }
        }
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.wake();
    }

    fn wake(&self) {
        // It fails only for a poll that is gone, and then nobody sleeps there.
        let _ = self.waker.wake();
    }
}
