//! A host that many threads call: one lock, one bell, and calls that wait.
//!
//! The module owns who waits for what and until when, and who moves time:
//!
//! - **Real time** moves by itself. A thread of the host does what is due; a call that waits looks
//!   again whenever anything has happened.
//! - **Virtual time** stands still between calls. It moves in `usleep`, in `netdev_receive` while
//!   there is no packet, and in a call that waits if nobody else can end the waiting: from one
//!   deadline to the next, of the stack and of the calls that wait. Before each step all that wait
//!   have looked again, and who was woken has been given the chance to ask for the time, so that the
//!   end of a call has the time of what ended it.

use crate::flags::Settings;
use crate::state::State;
use crate::waiting::{Patience, Waiting};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use umptcp::bsd::Errno;
use umptcp_stack::Instant;

/// The host behind the plug-in.
#[derive(Debug)]
pub struct Host {
    inside: Mutex<Inside>,
    /// Rings whenever somebody who waits should look again.
    bell: Condvar,
    receive_timeout: Duration,
    timers: Mutex<Option<JoinHandle<()>>>,
}

/// What the lock guards.
#[derive(Debug)]
struct Inside {
    state: State,
    waiting: Waiting,
    stopped: bool,
}

type Guard<'a> = MutexGuard<'a, Inside>;

/// Who waits, for how long, and what comes of it in virtual time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// Until it is done, or the time is over.
    For(Option<Duration>),
}

impl Host {
    /// A host that runs.
    ///
    /// # Errors
    /// See [`State::new`]; `EAGAIN` if there is no thread to be had.
    pub fn start(settings: &Settings) -> Result<Arc<Self>, Errno> {
        let state = State::new(settings)?;
        let is_virtual = state.clock.is_virtual();
        let host = Arc::new(Self {
            inside: Mutex::new(Inside {
                state,
                waiting: Waiting::new(),
                stopped: false,
            }),
            bell: Condvar::new(),
            receive_timeout: settings.receive_timeout,
            timers: Mutex::new(None),
        });
        if !is_virtual {
            let weak = Arc::downgrade(&host);
            let timers = thread::Builder::new()
                .name("umptcp timers".to_owned())
                .spawn(move || run_timers(&weak))
                .map_err(|_| Errno::EAGAIN)?;
            *lock(&host.timers) = Some(timers);
        }
        Ok(host)
    }

    /// Ends every call that waits with `ECANCELED`, and the thread.
    pub fn stop(&self) {
        lock(&self.inside).stopped = true;
        self.bell.notify_all();
        if let Some(timers) = lock(&self.timers).take() {
            // It ends by itself; that it panicked was told already.
            let _ = timers.join();
        }
    }

    /// How long `netdev_receive` waits.
    #[must_use]
    pub const fn receive_timeout(&self) -> Duration {
        self.receive_timeout
    }

    /// Does something at once.
    pub fn act<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut guard = self.enter();
        guard.waiting.note_call();
        let result = act(&mut guard.state);
        self.settle(&mut guard);
        result
    }

    /// As [`Self::act`], by who drives the packets and thereby the time.
    pub fn drive<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.enter().waiting.become_driver();
        self.act(act)
    }

    /// Tries something until it gives anything but `EAGAIN`.
    ///
    /// # Errors
    /// `EAGAIN` if it is not to wait, or if the time is over; `ECANCELED` if the host ends.
    pub fn wait<T>(
        &self,
        wait: Wait,
        attempt: impl FnMut(&mut State) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.wait_with(wait, Patience::Call, attempt)
    }

    /// As [`Self::wait`], for `netdev_receive`, which drives.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn wait_driving<T>(
        &self,
        attempt: impl FnMut(&mut State) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.enter().waiting.become_driver();
        let wait = Wait::For(Some(self.receive_timeout));
        self.wait_with(wait, Patience::Driver, attempt)
    }

    fn wait_with<T>(
        &self,
        wait: Wait,
        patience: Patience,
        mut attempt: impl FnMut(&mut State) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut guard = self.enter();
        guard.waiting.note_call();
        let deadline = match wait {
            Wait::No => Some(guard.state.clock.now()),
            Wait::For(time) => time.map(|time| guard.state.clock.now() + time),
        };
        let mut ticket = None;
        let result = loop {
            if guard.stopped {
                break Err(Errno::ECANCELED);
            }
            let result = attempt(&mut guard.state);
            self.settle_attempt(&mut guard);
            if !matches!(result, Err(Errno::EAGAIN)) {
                break result;
            }
            let now = guard.state.clock.now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                break result;
            }
            let ticket = *ticket.get_or_insert_with(|| guard.waiting.begin(deadline));
            if guard.waiting.look(ticket) {
                self.bell.notify_all();
            }
            guard = match self.pause(guard, deadline, patience) {
                Ok(guard) => guard,
                Err(guard_again) => {
                    guard = guard_again;
                    break result;
                }
            };
        };
        if let Some(ticket) = ticket {
            let is_virtual = guard.state.clock.is_virtual();
            guard.waiting.end(ticket, is_virtual);
            self.settle(&mut guard);
        }
        result
    }

    /// Sleeps.
    pub fn sleep(&self, time: Duration) {
        self.enter().waiting.become_driver();
        let mut guard = self.enter();
        guard.waiting.note_call();
        let until = guard.state.clock.now() + time;
        loop {
            let now = guard.state.clock.now();
            if now >= until || guard.stopped {
                return;
            }
            guard = if guard.state.clock.is_virtual() {
                self.step(guard, Some(until))
            } else {
                self.hear(guard, Some(until.saturating_duration_since(now)))
            };
        }
    }

    /// The time in microseconds since 1970.
    ///
    /// Who asks again and again waits for it to pass: in virtual time each question after the first
    /// is a microsecond later.
    pub fn micros(&self) -> u64 {
        let mut guard = self.enter();
        if guard.waiting.note_question() {
            let later = guard.state.clock.now() + Duration::from_micros(1);
            guard.state.clock.advance_to(later);
            guard.state.run_timers();
            self.settle(&mut guard);
        }
        guard.state.clock.micros(guard.state.clock.now())
    }

    /// Takes the lock, and does what is due.
    fn enter(&self) -> Guard<'_> {
        let mut guard = lock(&self.inside);
        if guard.waiting.is_back() {
            self.bell.notify_all();
        }
        if guard.state.run_timers() {
            self.settle(&mut guard);
        }
        guard
    }

    /// After anything that may have changed something: packets are taken out, and the bell rings.
    fn settle(&self, guard: &mut Guard<'_>) {
        guard.state.collect();
        guard.waiting.changed();
        self.bell.notify_all();
    }

    /// After an attempt: others need to look only if it has made the stack send something.
    fn settle_attempt(&self, guard: &mut Guard<'_>) {
        let before = guard.state.outgoing.len();
        guard.state.collect();
        if guard.state.outgoing.len() != before {
            guard.waiting.changed();
            self.bell.notify_all();
        }
    }

    /// Until there may be something new. `Err` gives up: nothing will come.
    fn pause<'a>(
        &'a self,
        mut guard: Guard<'a>,
        deadline: Option<Instant>,
        patience: Patience,
    ) -> Result<Guard<'a>, Guard<'a>> {
        if !guard.state.clock.is_virtual() {
            let now = guard.state.clock.now();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            return Ok(self.hear(guard, left));
        }
        // Others may be on their way here: time waits for them.
        let next = guard.waiting.next(guard.state.next_deadline());
        let within = |next| deadline.is_none_or(|deadline| next <= deadline);
        let gives_up = !next.is_some_and(within);
        let quiet = guard.waiting.quiet(patience, gives_up);
        let (before, calls) = (guard.waiting.generation(), guard.waiting.calls());
        guard = self.hear(guard, Some(quiet));
        if guard.waiting.generation() != before || guard.waiting.calls() != calls || guard.stopped {
            return Ok(guard);
        }
        match patience {
            // No packet comes out within the time that is left: it need not pass.
            Patience::Driver if gives_up => Err(guard),
            Patience::Call if gives_up && deadline.is_none() => Ok(self.hear(guard, None)),
            Patience::Driver | Patience::Call => Ok(self.step(guard, deadline)),
        }
    }

    /// Waits for the bell.
    fn hear<'a>(&'a self, guard: Guard<'a>, most: Option<Duration>) -> Guard<'a> {
        match most {
            None => self
                .bell
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                let waited = self.bell.wait_timeout(guard, most);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Moves virtual time to the next deadline, at most to `limit`, once everybody who waits has
    /// seen the present. If something happens until then it is the caller who has to look first: two
    /// that wait for each other to look would wait for ever.
    fn step<'a>(&'a self, mut guard: Guard<'a>, limit: Option<Instant>) -> Guard<'a> {
        let before = guard.waiting.generation();
        while let Some(time) = guard.waiting.time_for_others() {
            guard = self.hear(guard, Some(time));
            if guard.stopped || guard.waiting.generation() != before {
                return guard;
            }
        }
        let now = guard.state.clock.now();
        let next = guard.waiting.next(guard.state.next_deadline());
        let target = match (next, limit) {
            (Some(next), Some(limit)) => next.min(limit),
            (Some(moment), None) | (None, Some(moment)) => moment,
            (None, None) => return guard,
        };
        // A deadline that stays in the past must not stop time.
        let target = if target > now {
            target
        } else {
            now + Duration::from_micros(1)
        };
        guard.state.clock.advance_to(target);
        guard.state.run_timers();
        self.settle(&mut guard);
        guard
    }
}

/// A call that panicked has left the state as it was at that moment; the others go on with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does in real time what is due, until the host is gone.
fn run_timers(host: &Weak<Host>) {
    while let Some(host) = host.upgrade() {
        let mut guard = lock(&host.inside);
        if guard.stopped {
            return;
        }
        if guard.state.run_timers() {
            host.settle(&mut guard);
        }
        let now = guard.state.clock.now();
        let next = guard.state.next_deadline();
        let left = next.map(|next| next.saturating_duration_since(now));
        drop(host.hear(guard, left));
    }
}
