//! The task that carries packets between the devices and the endpoint.
//!
//! The module owns the devices, the timer and the fixed order of a turn: receive, hand in, let due
//! timers run, send until there is nothing more, tell the application's tasks, sleep. It holds the
//! lock for neither reading from nor writing to a device. It takes no protocol decision.

mod arena;
mod port;

use crate::device::Device;
use crate::shared::{Shared, State, wake_all};
use arena::Arena;
use port::Port;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::time::Sleep;
use umptcp_stack::{Instant, InterfaceId, ReceivedPacket, Transmit};

/// Packets sent without giving the application a chance to take the lock in between.
const TRANSMIT_BATCH: usize = 64;

/// Batches in one turn, so that sending does not starve receiving.
const TRANSMIT_BATCHES: usize = 4;

/// The driver of one stack, to be spawned as a task.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    /// In the order of their `InterfaceId`s.
    ports: Vec<Port>,
    arena: Arena,
    received: Vec<(InterfaceId, ReceivedPacket)>,
    transmits: Vec<Transmit>,
    woken: Vec<Waker>,
    sleep: Pin<Box<Sleep>>,
    /// What `sleep` is set to; `None` once it has fired.
    armed: Option<Instant>,
}

/// Whether a turn has ended with nothing to do or with its budget used up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Idle,
    Unfinished,
    Over,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, devices: Vec<(InterfaceId, Box<dyn Device>)>) -> Self {
        let sleep = Box::pin(tokio::time::sleep_until(
            shared.clock.to_tokio(Instant::ZERO),
        ));
        Self {
            shared,
            ports: devices
                .into_iter()
                .map(|(id, device)| Port::new(id, device))
                .collect(),
            arena: Arena::default(),
            received: Vec::new(),
            transmits: Vec::with_capacity(TRANSMIT_BATCH),
            woken: Vec::new(),
            sleep,
            armed: None,
        }
    }

    /// Looks at the devices and reads from them; `true` if there may be more.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let now = self.shared.clock.now();
        let mut more = false;
        for port in &mut self.ports {
            more |= port.poll_link(cx);
            port.flush(cx, now);
            more |= port.receive(cx, now, &mut self.arena, &mut self.received);
        }
        more
    }

    /// Hands in what was received, sends what results, and ends by noting, in the same locked
    /// section that found nothing to send, that the driver sleeps: no command can slip in between.
    fn exchange(&mut self, cx: &mut Context<'_>) -> (Turn, Option<Instant>) {
        let shared = Arc::clone(&self.shared);
        let mut batches = 0;
        loop {
            let mut state = shared.lock();
            state.driver_runs();
            let now = shared.clock.now();
            self.hand_in(&mut state, now);
            if batches < TRANSMIT_BATCHES {
                while self.transmits.len() < TRANSMIT_BATCH
                    && let Some(transmit) = state.next_transmit(now)
                {
                    self.transmits.push(transmit);
                }
            }
            if self.transmits.is_empty() {
                state.dispatch_events(now, &mut self.woken);
                if state.has_staged() && batches < TRANSMIT_BATCHES {
                    continue;
                }
                let deadline = self.deadline(&state);
                let turn = if state.stop_requested || (state.handles == 0 && deadline.is_none()) {
                    Turn::Over
                } else if batches < TRANSMIT_BATCHES {
                    Turn::Idle
                } else {
                    Turn::Unfinished
                };
                state.driver_sleeps(cx.waker(), deadline);
                return (turn, deadline);
            }
            drop(state);
            self.send(cx, now);
            batches += 1;
        }
    }

    fn hand_in(&mut self, state: &mut State, now: Instant) {
        for port in &mut self.ports {
            if let Some(up) = port.state_change() {
                state.set_link_up(now, port.interface, up, &mut self.woken);
            }
        }
        for (interface, packet) in self.received.drain(..) {
            state.endpoint.handle_packet(now, interface, &packet);
        }
        if state.poll_timeout().is_some_and(|timeout| timeout <= now) {
            state.handle_timeout(now);
        }
    }

    fn send(&mut self, cx: &mut Context<'_>, now: Instant) {
        for transmit in self.transmits.drain(..) {
            if let Some(port) = self.ports.get_mut(transmit.interface.index()) {
                port.send(now, transmit);
            }
        }
        for port in &mut self.ports {
            port.flush(cx, now);
        }
    }

    fn deadline(&self, state: &State) -> Option<Instant> {
        let ports = self.ports.iter().filter_map(Port::deadline);
        state.poll_timeout().into_iter().chain(ports).min()
    }

    /// Arranges for the task to be woken at `deadline`; `false` if that has passed already.
    fn arm(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        if self.armed != Some(deadline) {
            self.sleep
                .as_mut()
                .reset(self.shared.clock.to_tokio(deadline));
            self.armed = Some(deadline);
        }
        if self.sleep.as_mut().poll(cx).is_ready() {
            self.armed = None;
            return false;
        }
        // The timer is coarse: the clock decides whether the time has come.
        self.shared.clock.now() < deadline
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let more_input = this.receive(cx);
        let (turn, deadline) = this.exchange(cx);
        wake_all(&mut this.woken);
        if turn == Turn::Over {
            return Poll::Ready(());
        }
        let sleeps = deadline.is_none_or(|deadline| this.arm(cx, deadline));
        if more_input || turn == Turn::Unfinished || !sleeps {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// Whether the driver ends by itself, is stopped or goes down with its runtime: nobody waits on.
impl Drop for Driver {
    fn drop(&mut self) {
        // Devices close before anybody hears that the stack has stopped, so that their names and
        // addresses are free then.
        self.ports.clear();
        self.shared.lock().stop(&mut self.woken);
        wake_all(&mut self.woken);
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("ports", &self.ports)
            .finish_non_exhaustive()
    }
}
