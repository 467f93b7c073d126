//! Who waits in a host, and who may move its virtual time.
//!
//! The module owns the books: the calls that wait, whether they have looked since something changed,
//! and the threads that were woken and have not been heard of since. It never blocks.

use std::collections::BTreeMap;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant as Monotonic};
use umptcp_stack::Instant;

/// How long, in real time, virtual time waits for others before it moves.
///
/// The tool starts a call on one thread and goes on to the next event on another: who waits for
/// packets must not let time pass before that call was made.
const DRIVER_QUIET: Duration = Duration::from_millis(2);
/// The same for other calls that wait on the thread that drives. Another thread may be about to
/// bring what they wait for.
const CALL_QUIET: Duration = Duration::from_millis(20);
/// The same on a thread that does not drive: whoever does will move time, unless it waits for us.
const OTHER_QUIET: Duration = Duration::from_secs(3);
/// The same before `netdev_receive` says that there is nothing.
const GIVE_UP_QUIET: Duration = Duration::from_millis(50);
/// How long time stands still for a thread that was woken and has not called again.
const RETURN_TIME: Duration = Duration::from_millis(20);
/// The longest that one who waits can take to look again.
const LOOK_TIME: Duration = Duration::from_millis(100);

/// What kind of call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// `netdev_receive`.
    Driver,
    /// Any other.
    Call,
}

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
struct Waiter {
    thread: ThreadId,
    deadline: Option<Instant>,
    /// The generation that it has looked at.
    seen: u64,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: BTreeMap<Ticket, Waiter>,
    next_ticket: u64,
    /// Counts whatever may interest somebody who waits.
    generation: u64,
    /// Counts calls.
    calls: u64,
    /// Threads that were woken in virtual time, and until when they are waited for.
    woken: BTreeMap<u64, (ThreadId, Monotonic)>,
    /// Who has last moved packets or slept: it is this thread that moves time.
    driver: ThreadId,
    /// More than one thread has called.
    several: bool,
    /// Who has asked for the time, if that was the last call.
    questioner: Option<ThreadId>,
}

impl Waiting {
    /// Nobody waits; the caller drives.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self {
            waiters: BTreeMap::new(),
            next_ticket: 0,
            generation: 0,
            calls: 0,
            woken: BTreeMap::new(),
            driver: thread::current().id(),
            several: false,
            questioner: None,
        }
    }

    /// The calling thread drives from now on.
    pub(crate) fn become_driver(&mut self) {
        let thread = thread::current().id();
        self.several |= thread != self.driver;
        self.driver = thread;
    }

    /// The calling thread is in a call again; true if it was waited for.
    pub(crate) fn is_back(&mut self) -> bool {
        let thread = thread::current().id();
        self.several |= thread != self.driver;
        let before = self.woken.len();
        self.woken.retain(|_, (woken, _)| *woken != thread);
        self.woken.len() != before
    }

    /// A call that is no question for the time.
    pub(crate) fn note_call(&mut self) {
        self.calls += 1;
        self.questioner = None;
    }

    /// A question for the time; true if the same thread has asked just before.
    pub(crate) fn note_question(&mut self) -> bool {
        let thread = thread::current().id();
        self.questioner.replace(thread) == Some(thread)
    }

    /// Something has changed.
    pub(crate) fn changed(&mut self) {
        self.generation += 1;
    }

    /// Tells changes apart.
    #[must_use]
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells calls apart.
    #[must_use]
    pub(crate) const fn calls(&self) -> u64 {
        self.calls
    }

    /// A call begins to wait.
    pub(crate) fn begin(&mut self, deadline: Option<Instant>) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let waiter = Waiter {
            thread: thread::current().id(),
            deadline,
            // It has looked before it decided to wait.
            seen: self.generation,
        };
        self.waiters.insert(ticket, waiter);
        ticket
    }

    /// A call that waits has looked again; true if somebody may have waited for that.
    pub(crate) fn look(&mut self, ticket: Ticket) -> bool {
        let generation = self.generation;
        self.waiters
            .get_mut(&ticket)
            .is_some_and(|waiter| std::mem::replace(&mut waiter.seen, generation) != generation)
    }

    /// A call waits no longer. In virtual time the present stays for its thread to look at.
    pub(crate) fn end(&mut self, ticket: Ticket, is_virtual: bool) {
        if let Some(waiter) = self.waiters.remove(&ticket)
            && is_virtual
            && waiter.thread != self.driver
        {
            let until = Monotonic::now() + RETURN_TIME;
            self.woken.insert(ticket.0, (waiter.thread, until));
        }
    }

    /// How long nothing must have happened before the calling thread moves time, or gives up
    /// because no packet is to come.
    #[must_use]
    pub(crate) fn quiet(&self, patience: Patience, gives_up: bool) -> Duration {
        match patience {
            Patience::Driver if gives_up => GIVE_UP_QUIET,
            // Who is alone need not wait for anybody.
            Patience::Driver if !self.several => Duration::ZERO,
            Patience::Driver => DRIVER_QUIET,
            Patience::Call if thread::current().id() == self.driver => CALL_QUIET,
            Patience::Call => OTHER_QUIET,
        }
    }

    /// How long to wait for others before time moves; `None` if nobody is waited for.
    pub(crate) fn time_for_others(&mut self) -> Option<Duration> {
        let now = Monotonic::now();
        self.woken.retain(|_, (_, until)| *until > now);
        let me = thread::current().id();
        let behind = |waiter: &Waiter| waiter.thread != me && waiter.seen != self.generation;
        if self.waiters.values().any(behind) {
            return Some(LOOK_TIME);
        }
        let longest = self.woken.values().map(|&(_, until)| until).max();
        longest.map(|until| until.saturating_duration_since(now))
    }

    /// The next moment at which something happens by itself.
    #[must_use]
    pub(crate) fn next(&self, stack: Option<Instant>) -> Option<Instant> {
        let waiters = self.waiters.values().filter_map(|waiter| {
            // What the caller itself waits for is its own affair.
            waiter
                .deadline
                .filter(|_| waiter.thread != thread::current().id())
        });
        waiters.chain(stack).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_questions_in_a_row_move_time() {
        let mut waiting = Waiting::new();
        assert!(!waiting.note_question());
        assert!(waiting.note_question());
        waiting.note_call();
        assert!(!waiting.note_question());
    }

    #[test]
    fn time_waits_for_those_who_have_not_looked() {
        let mut waiting = Waiting::new();
        let deadline = Some(Instant::from_millis(7));
        let ticket = thread::scope(|scope| {
            let other = scope.spawn(|| waiting.begin(deadline));
            other.join().unwrap()
        });
        assert_eq!(waiting.time_for_others(), None);
        assert_eq!(waiting.next(Some(Instant::from_millis(9))), deadline);
        waiting.changed();
        assert_eq!(waiting.time_for_others(), Some(LOOK_TIME));
        assert!(waiting.look(ticket));
        assert!(!waiting.look(ticket));
        assert_eq!(waiting.time_for_others(), None);
        waiting.end(ticket, true);
        assert!(waiting.time_for_others().is_some(), "its thread is woken");
        assert_eq!(waiting.next(None), None);
    }
}
