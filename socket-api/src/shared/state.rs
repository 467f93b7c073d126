//! Everything behind the lock: the endpoint, and what its events mean for whom.
//!
//! The module owns the dispatch of events to waiting tasks, the combined state of interfaces and
//! the rule when the driver must be woken. It collects the tasks to wake and wakes none itself.

use super::wakers::WakerSet;
use crate::bsd::{Net, System};
use crate::error::{StackError as _, Stopped};
use crate::events::{ConnectionEvent, EventQueue, StackEvent};
use crate::smapp::Controllers;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::task::{Poll, Waker};
use umptcp_stack::{
    CloseReason, ConnectionId, Endpoint, Event, Instant, InterfaceId, ListenerId, SubflowId,
    Transmit,
};

/// What a connection's events have told, and who waits for more.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    pub(crate) established: bool,
    pub(crate) flushed: bool,
    pub(crate) closed: Option<CloseReason>,
    /// The application has asked for the error that this is, and was told.
    pub(crate) error_taken: bool,
    /// Further subflows that were established, and whether they still are.
    pub(crate) subflows: Vec<(SubflowId, bool)>,
    pub(crate) readers: WakerSet,
    pub(crate) writers: WakerSet,
    /// Those that wait for the connection itself: established, flushed, another subflow.
    pub(crate) watchers: WakerSet,
    /// Who listens to its events.
    pub(crate) listeners: Vec<EventQueue<ConnectionEvent>>,
}

impl ConnectionState {
    pub(crate) fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        self.readers.wake(woken);
        self.writers.wake(woken);
        self.watchers.wake(woken);
    }

    /// Tells those who listen what has happened.
    fn tell(&mut self, event: &ConnectionEvent, woken: &mut Vec<Waker>) {
        if let ConnectionEvent::Closed(_) = event {
            self.finish(Some(event), woken);
            return;
        }
        self.listeners
            .retain(|queue| queue.push(event.clone(), woken));
    }

    /// Nothing will be told any more.
    pub(crate) fn finish(&mut self, last: Option<&ConnectionEvent>, woken: &mut Vec<Waker>) {
        for queue in self.listeners.drain(..) {
            queue.finish(last.cloned(), woken);
        }
    }
}

/// An interface is up for the endpoint if both its link and the application say so.
#[derive(Clone, Copy, Debug)]
struct InterfaceState {
    id: InterfaceId,
    link_up: bool,
    enabled: bool,
}

impl InterfaceState {
    fn is_up(self) -> bool {
        self.link_up && self.enabled
    }
}

/// Everything behind the lock.
pub(crate) struct State {
    pub(crate) endpoint: Endpoint,
    /// Who rules connections in the place of path managers.
    pub(crate) controllers: Controllers,
    /// What the sockets of C programs have in common.
    pub(crate) system: System,
    pub(crate) connections: HashMap<ConnectionId, ConnectionState>,
    pub(crate) listeners: HashMap<ListenerId, WakerSet>,
    /// Who listens to the events of all connections.
    pub(crate) monitors: Vec<EventQueue<StackEvent>>,
    interfaces: Vec<InterfaceState>,
    /// The driver's task while it sleeps; `None` while it runs or is about to run, and then it
    /// will see whatever changes now.
    driver: Option<Waker>,
    /// When the sleeping driver wakes up by itself.
    driver_deadline: Option<Instant>,
    /// A packet that a command found ready to go; the driver sends it first.
    staged: Option<Transmit>,
    /// Tasks that wait for an interface to come up.
    interface_waiters: WakerSet,
    /// Tasks that wait for the driver's end.
    stop_waiters: WakerSet,
    /// Somebody asked the driver to end.
    pub(crate) stop_requested: bool,
    /// The driver has ended.
    pub(crate) stopped: bool,
    /// Stacks, listeners and connections in the application's hands.
    pub(crate) handles: usize,
}

impl State {
    pub(super) fn new(endpoint: Endpoint, interfaces: &[InterfaceId]) -> Self {
        let interfaces = interfaces
            .iter()
            .map(|&id| InterfaceState {
                id,
                link_up: true,
                enabled: true,
            })
            .collect();
        Self {
            endpoint,
            controllers: Controllers::new(),
            system: System::default(),
            connections: HashMap::new(),
            listeners: HashMap::new(),
            monitors: Vec::new(),
            interfaces,
            driver: None,
            driver_deadline: None,
            staged: None,
            interface_waiters: WakerSet::default(),
            stop_waiters: WakerSet::default(),
            stop_requested: false,
            stopped: false,
            handles: 0,
        }
    }

    /// What a call on a socket of a C program works on.
    pub(crate) fn net(&mut self, now: Instant) -> Net<'_> {
        Net {
            endpoint: &mut self.endpoint,
            system: &mut self.system,
            now,
        }
    }

    /// Sees to it that the consequences of a command are carried out.
    ///
    /// While the driver runs, it will do so itself. While it sleeps, it is woken only if there is
    /// work for it: a read that opens the window by little, or a write that the congestion window
    /// holds back, costs no task switch.
    pub(super) fn settle(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        if self.driver.is_none() {
            return;
        }
        if self.staged.is_none() {
            self.staged = self.endpoint.poll_transmit(now);
        }
        if self.staged.is_none() {
            self.dispatch_events(now, woken);
        }
        let earlier = self.poll_timeout().is_some_and(|timeout| {
            self.driver_deadline
                .is_none_or(|deadline| timeout < deadline)
        });
        if self.staged.is_some() || earlier || self.stop_requested || self.handles == 0 {
            woken.extend(self.driver.take());
        }
    }

    /// The next packet to send.
    pub(crate) fn next_transmit(&mut self, now: Instant) -> Option<Transmit> {
        self.staged
            .take()
            .or_else(|| self.endpoint.poll_transmit(now))
    }

    /// Notes that the driver runs from now on.
    pub(crate) fn driver_runs(&mut self) {
        self.driver = None;
    }

    /// Notes that the driver goes to sleep; `deadline` is when it wakes by itself.
    pub(crate) fn driver_sleeps(&mut self, waker: &Waker, deadline: Option<Instant>) {
        self.driver = Some(waker.clone());
        self.driver_deadline = deadline;
    }

    /// Carries the endpoint's events to controllers and to the tasks that wait for them. What
    /// controllers have begun is sent next.
    pub(crate) fn dispatch_events(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        while let Some(event) = self.endpoint.poll_event() {
            self.controllers
                .handle_event(now, &mut self.endpoint, &event);
            self.dispatch(&event, woken);
        }
        if self.staged.is_none() && !self.controllers.is_empty() {
            self.staged = self.endpoint.poll_transmit(now);
        }
    }

    /// There is a packet that was found ready to go.
    pub(crate) const fn has_staged(&self) -> bool {
        self.staged.is_some()
    }

    /// When [`Self::handle_timeout`] wants to be called next.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [
            self.endpoint.poll_timeout(),
            self.controllers.poll_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        self.controllers.handle_timeout(now, &mut self.endpoint);
    }

    fn dispatch(&mut self, event: &Event, woken: &mut Vec<Waker>) {
        tracing::trace!(?event);
        self.system.handle_event(event);
        self.observe(event, woken);
        let connections = &mut self.connections;
        match *event {
            Event::Incoming(listener) => {
                if let Some(waiters) = self.listeners.get_mut(&listener) {
                    waiters.wake(woken);
                }
            }
            Event::Connected(id, _) => {
                if let Some(connection) = connections.get_mut(&id) {
                    connection.established = true;
                    connection.watchers.wake(woken);
                }
            }
            Event::Readable(id) => {
                if let Some(connection) = connections.get_mut(&id) {
                    connection.readers.wake(woken);
                }
            }
            Event::Writable(id) => {
                if let Some(connection) = connections.get_mut(&id) {
                    connection.writers.wake(woken);
                }
            }
            Event::Flushed(id) => {
                if let Some(connection) = connections.get_mut(&id) {
                    connection.flushed = true;
                    connection.watchers.wake(woken);
                }
            }
            Event::SubflowEstablished(id, subflow) => self.note_subflow(id, subflow, true, woken),
            Event::SubflowClosed(id, subflow, _) => self.note_subflow(id, subflow, false, woken),
            Event::Closed(id, reason) => {
                if let Some(connection) = connections.get_mut(&id) {
                    connection.closed = Some(reason);
                    connection.wake_all(woken);
                }
            }
            // Falling back shows in the connection's info; nobody waits for it.
            _ => {}
        }
    }

    /// Tells those who listen to events.
    fn observe(&mut self, event: &Event, woken: &mut Vec<Waker>) {
        if !self.monitors.is_empty()
            && let Some(event) = StackEvent::of(event)
        {
            self.monitors
                .retain(|queue| queue.push(event.clone(), woken));
        }
        let connection = event.connection();
        if let Some(connection) = connection.and_then(|id| self.connections.get_mut(&id))
            && !connection.listeners.is_empty()
            && let Some(event) = ConnectionEvent::of(event)
        {
            connection.tell(&event, woken);
        }
    }

    fn note_subflow(
        &mut self,
        id: ConnectionId,
        subflow: SubflowId,
        open: bool,
        woken: &mut Vec<Waker>,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        match connection
            .subflows
            .iter_mut()
            .find(|(known, _)| *known == subflow)
        {
            Some((_, known)) => *known = open,
            None => connection.subflows.push((subflow, open)),
        }
        connection.watchers.wake(woken);
    }

    /// Fails if the stack has stopped.
    pub(crate) fn check_running(&self) -> io::Result<()> {
        if self.stopped {
            Err(Stopped.into_io())
        } else {
            Ok(())
        }
    }

    /// What an operation that has to wait gives: `Pending`, or an error if nothing will come.
    pub(crate) fn pending<T>(&self) -> Poll<io::Result<T>> {
        if self.stopped {
            Poll::Ready(Err(Stopped.into_io()))
        } else {
            Poll::Pending
        }
    }

    /// The link of an interface went up or down.
    pub(crate) fn set_link_up(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        up: bool,
        woken: &mut Vec<Waker>,
    ) {
        self.change_interface(now, interface, |state| state.link_up = up);
        if up {
            self.interface_waiters.wake(woken);
        }
    }

    /// The application enables or disables an interface.
    pub(crate) fn enable_interface(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        up: bool,
        woken: &mut Vec<Waker>,
    ) {
        self.change_interface(now, interface, |state| state.enabled = up);
        if up {
            self.interface_waiters.wake(woken);
        }
    }

    fn change_interface(
        &mut self,
        now: Instant,
        interface: InterfaceId,
        change: impl FnOnce(&mut InterfaceState),
    ) {
        let mut interfaces = self.interfaces.iter_mut();
        let Some(state) = interfaces.find(|state| state.id == interface) else {
            return;
        };
        let was_up = state.is_up();
        change(state);
        let is_up = state.is_up();
        if is_up != was_up {
            tracing::debug!(?interface, up = is_up, "interface changes");
            self.endpoint.set_interface_up(now, interface, is_up);
        }
    }

    /// Ready once an interface is up.
    pub(crate) fn poll_interface_up(
        &mut self,
        interface: InterfaceId,
        waker: &Waker,
    ) -> Poll<io::Result<()>> {
        match self.interfaces.iter().find(|state| state.id == interface) {
            Some(state) if state.is_up() => Poll::Ready(Ok(())),
            Some(_) => {
                self.interface_waiters.register(waker);
                self.pending()
            }
            None => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::NotFound,
                "no such interface",
            ))),
        }
    }

    /// The driver has ended: everybody who waits gets an answer.
    pub(crate) fn stop(&mut self, woken: &mut Vec<Waker>) {
        self.stopped = true;
        self.driver = None;
        for queue in self.monitors.drain(..) {
            queue.finish(None, woken);
        }
        for connection in self.connections.values_mut() {
            connection.wake_all(woken);
            connection.finish(None, woken);
        }
        for waiters in self.listeners.values_mut() {
            waiters.wake(woken);
        }
        self.interface_waiters.wake(woken);
        self.stop_waiters.wake(woken);
    }

    /// Ready once the driver has ended.
    pub(crate) fn poll_stopped(&mut self, waker: &Waker) -> Poll<()> {
        if self.stopped {
            return Poll::Ready(());
        }
        self.stop_waiters.register(waker);
        Poll::Pending
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("connections", &self.connections.len())
            .field("listeners", &self.listeners.len())
            .field("interfaces", &self.interfaces)
            .field("handles", &self.handles)
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}
