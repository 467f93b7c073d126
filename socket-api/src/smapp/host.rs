//! Controllers beside the endpoint that they rule.
//!
//! Owns the controllers, who hears what, and their deadlines. Whoever drives the endpoint drives
//! them with it: every event of the endpoint goes in, and [`Controllers::poll_timeout`] is one more
//! deadline.

use super::command::{Command, Reply};
use super::controller::{Commands, Control as _, Controller};
use super::event::Event;
use super::execute::LocalControl;
use super::mask::EventMask;
use super::query::{Answer, Query};
use super::registry::Registry;
use nix::errno::Errno;
use umptcp_stack::{Endpoint, Event as StackEvent, Instant};

/// Names a controller among those of a stack. It is never given to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControllerId(u64);

#[derive(Debug)]
struct Slot {
    id: ControllerId,
    controller: Box<dyn Controller>,
    filter: EventMask,
}

/// The controllers of one endpoint. As long as there are none, events cost nothing.
#[derive(Debug, Default)]
pub struct Controllers {
    slots: Vec<Slot>,
    next_id: u64,
    registry: Registry,
    /// Events on their way; empty between calls.
    events: Vec<Event>,
}

impl Controllers {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds a controller. It hears of what there is already, as if it happened now.
    pub fn add(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        controller: Box<dyn Controller>,
    ) -> ControllerId {
        let id = ControllerId(self.next_id);
        self.next_id += 1;
        let mut events = std::mem::take(&mut self.events);
        if self.slots.is_empty() {
            self.registry = Registry::default();
            self.registry.synchronize(endpoint, &mut events);
        } else {
            // The registry of those who are there goes on as it is.
            Registry::default().synchronize(endpoint, &mut events);
        }
        let filter = controller.events();
        self.slots.push(Slot {
            id,
            controller,
            filter,
        });
        let last = self.slots.len() - 1;
        for event in events.drain(..) {
            self.tell(now, endpoint, last, &event);
        }
        self.events = events;
        id
    }

    /// Tells a controller of the connections and listeners that there are, as if they were new.
    pub fn tell_known(&mut self, now: Instant, endpoint: &mut Endpoint, id: ControllerId) {
        let Some(index) = self.slots.iter().position(|slot| slot.id == id) else {
            return;
        };
        let mut events = Vec::new();
        Registry::default().synchronize(endpoint, &mut events);
        for event in events {
            self.tell(now, endpoint, index, &event);
        }
    }

    /// Changes which events a controller hears.
    pub fn set_events(&mut self, id: ControllerId, events: EventMask) {
        for slot in self.slots.iter_mut().filter(|slot| slot.id == id) {
            slot.filter = events;
        }
    }

    /// Takes a controller away; what it has done stays.
    pub fn remove(&mut self, id: ControllerId) -> Option<Box<dyn Controller>> {
        let index = self.slots.iter().position(|slot| slot.id == id)?;
        Some(self.slots.remove(index).controller)
    }

    /// Something has happened on the endpoint. To be called with every event, in order.
    pub fn handle_event(&mut self, now: Instant, endpoint: &mut Endpoint, event: &StackEvent) {
        if self.slots.is_empty() {
            return;
        }
        let mut events = std::mem::take(&mut self.events);
        if let StackEvent::Released(id) = *event {
            self.registry.closed(id, &mut events);
        } else {
            self.registry.translate(endpoint, event, &mut events);
        }
        self.publish(now, endpoint, events);
    }

    /// Carries a command out for somebody who is no controller of this endpoint.
    ///
    /// # Errors
    /// See [`Control::execute`](super::Control::execute).
    pub fn execute(
        &mut self,
        now: Instant,
        endpoint: &mut Endpoint,
        command: &Command,
    ) -> Result<Reply, Errno> {
        self.act(endpoint, |control| control.execute(now, command))
    }

    /// Looks something up for somebody who is no controller of this endpoint.
    ///
    /// # Errors
    /// See [`Control::query`](super::Control::query).
    pub fn query(&mut self, endpoint: &mut Endpoint, query: &Query) -> Result<Answer, Errno> {
        self.act(endpoint, |control| control.query(query))
    }

    fn act<T>(
        &mut self,
        endpoint: &mut Endpoint,
        act: impl FnOnce(&mut LocalControl<'_>) -> T,
    ) -> T {
        let mut fresh = Registry::default();
        let registry = if self.slots.is_empty() {
            // Nobody has kept the other one up to date.
            fresh.synchronize(endpoint, &mut Vec::new());
            &mut fresh
        } else {
            &mut self.registry
        };
        act(&mut LocalControl {
            endpoint,
            registry,
            // Who only asks hears nothing.
            filter: &mut EventMask::NONE.clone(),
        })
    }

    /// When to call [`Self::handle_timeout`] next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let slots = self.slots.iter();
        slots
            .filter_map(|slot| slot.controller.poll_timeout())
            .min()
    }

    /// Lets the controllers do what is due.
    pub fn handle_timeout(&mut self, now: Instant, endpoint: &mut Endpoint) {
        let Self {
            slots, registry, ..
        } = self;
        for slot in slots {
            let due = slot.controller.poll_timeout();
            if due.is_some_and(|due| due <= now) {
                let mut control = LocalControl {
                    endpoint,
                    registry,
                    filter: &mut slot.filter,
                };
                let mut commands = Commands::new(now, &mut control);
                slot.controller.handle_timeout(now, &mut commands);
            }
        }
    }

    fn publish(&mut self, now: Instant, endpoint: &mut Endpoint, mut events: Vec<Event>) {
        for event in events.drain(..) {
            tracing::debug!(?event, "for controllers");
            for index in 0..self.slots.len() {
                self.tell(now, endpoint, index, &event);
            }
        }
        self.events = events;
    }

    fn tell(&mut self, now: Instant, endpoint: &mut Endpoint, index: usize, event: &Event) {
        let Self {
            slots, registry, ..
        } = self;
        if let Some(slot) = slots.get_mut(index)
            && slot.filter.contains(EventMask::of(event))
        {
            let mut control = LocalControl {
                endpoint,
                registry,
                filter: &mut slot.filter,
            };
            let mut commands = Commands::new(now, &mut control);
            slot.controller.handle_event(now, event, &mut commands);
        }
    }
}
