//! The table of connections, and the order in which they get their turn.

use crate::base::id::{ConnectionId, ListenerId};
use crate::base::time::Instant;
use crate::mptcp::connection::Connection;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// A connection with what the endpoint keeps about it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) connection: Connection,
    /// Set until the application accepted it.
    pub(super) listener: Option<ListenerId>,
    pub(super) established: bool,
    /// The application has let go of the id: it hears nothing more of it.
    pub(super) released: bool,
    ready: bool,
    /// The deadline in the heap that counts; earlier entries for it are void.
    scheduled: Option<Instant>,
}

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    entry: Option<Box<Entry>>,
}

/// Connections by id; a slot is reused under a new generation.
#[derive(Debug, Default)]
pub(super) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Those that may have something to send.
    ready: VecDeque<ConnectionId>,
    deadlines: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
}

impl Connections {
    /// Adds a connection made for its own id.
    pub(super) fn insert(
        &mut self,
        listener: Option<ListenerId>,
        make: impl FnOnce(ConnectionId) -> Connection,
    ) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut self.slots[slot as usize];
        let id = ConnectionId {
            slot,
            generation: place.generation,
        };
        place.entry = Some(Box::new(Entry {
            connection: make(id),
            listener,
            established: false,
            released: false,
            ready: false,
            scheduled: None,
        }));
        self.mark_ready(id);
        id
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Entry> {
        let slot = self.slots.get(id.slot as usize)?;
        slot.entry
            .as_deref()
            .filter(|_| slot.generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(id.slot as usize)?;
        if slot.generation == id.generation {
            slot.entry.as_deref_mut()
        } else {
            None
        }
    }

    pub(super) fn remove(&mut self, id: ConnectionId) {
        if let Some(slot) = self.slots.get_mut(id.slot as usize)
            && slot.generation == id.generation
            && slot.entry.take().is_some()
        {
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(id.slot);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Those that the kernel would count as established MPTCP connections.
    pub(super) fn count_current(&self) -> u64 {
        let entries = self.slots.iter().filter_map(|slot| slot.entry.as_deref());
        entries
            .filter(|entry| entry.connection.is_current())
            .count() as u64
    }

    /// All ids.
    pub(super) fn ids(&self) -> Vec<ConnectionId> {
        let live = self
            .slots
            .iter()
            .zip(0..)
            .filter(|(slot, _)| slot.entry.is_some());
        live.map(|(slot, index)| ConnectionId {
            slot: index,
            generation: slot.generation,
        })
        .collect()
    }

    /// Gives a connection a turn at sending.
    pub(super) fn mark_ready(&mut self, id: ConnectionId) {
        if let Some(entry) = self.get_mut(id)
            && !core::mem::replace(&mut entry.ready, true)
        {
            self.ready.push_back(id);
        }
    }

    /// Whose turn it is.
    pub(super) fn first_ready(&self) -> Option<ConnectionId> {
        self.ready.front().copied()
    }

    /// The first in turn has nothing to send now; its timers are noted.
    pub(super) fn pass(&mut self) {
        let Some(id) = self.ready.pop_front() else {
            return;
        };
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        entry.ready = false;
        let Some(deadline) = entry.connection.next_timeout() else {
            return;
        };
        // A later deadline than the one in the heap needs no entry: when the earlier one comes
        // up, the real one is looked at.
        if entry.scheduled.is_none_or(|scheduled| deadline < scheduled) {
            entry.scheduled = Some(deadline);
            self.deadlines.push(Reverse((deadline, id)));
        }
    }

    /// The next deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines
            .peek()
            .map(|Reverse((deadline, _))| *deadline)
    }

    /// A connection whose deadline is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<ConnectionId> {
        loop {
            let &Reverse((deadline, id)) = self.deadlines.peek()?;
            if deadline > now {
                return None;
            }
            self.deadlines.pop();
            if let Some(entry) = self.get_mut(id)
                && entry.scheduled == Some(deadline)
            {
                entry.scheduled = None;
                return Some(id);
            }
        }
    }
}
