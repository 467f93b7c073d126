//! What the driver and the application's handles share: the endpoint behind a lock, and who waits
//! for what.
//!
//! The module owns the lock, the clock and the count of handles. It never does I/O, and it wakes
//! tasks only after it has released the lock.

mod state;
mod wakers;

pub(crate) use state::{ConnectionState, State};
pub(crate) use wakers::{WakerSet, wake_all};

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use umptcp_stack::{Endpoint, Instant, InterfaceId};

/// The stack's time: nanoseconds since the stack was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }

    pub(crate) fn now(self) -> Instant {
        // Five centuries of nanoseconds fit.
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The point in time as tokio's timers count it.
    pub(crate) fn to_tokio(self, instant: Instant) -> tokio::time::Instant {
        let since = std::time::Duration::from_nanos(instant.as_nanos());
        // Beyond what the clock can count, any far point does: the driver looks again then.
        let far = self.origin + std::time::Duration::from_secs(86_400 * 365);
        tokio::time::Instant::from_std(self.origin.checked_add(since).unwrap_or(far))
    }
}

/// The state and its lock.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(clock: Clock, endpoint: Endpoint, interfaces: &[InterfaceId]) -> Self {
        Self {
            clock,
            state: Mutex::new(State::new(endpoint, interfaces)),
        }
    }

    /// A panic elsewhere does not make the state unusable for good: it may have lost a step of one
    /// connection, which its peer's retransmissions or timeouts end.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command of the application, then wakes whom it concerns: the driver if there is
    /// something to send or an earlier deadline, other tasks if it caused events.
    pub(crate) fn command<T>(&self, command: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut woken = Vec::new();
        let mut state = self.lock();
        let now = self.clock.now();
        let result = command(&mut state, now);
        state.settle(now, &mut woken);
        drop(state);
        wake_all(&mut woken);
        result
    }

    /// Only looks; nothing to settle afterwards.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }
}

/// The application's share in a stack. The driver ends when the last one is gone and everything
/// still on its way is done.
#[derive(Debug)]
pub(crate) struct Handle(Arc<Shared>);

impl Handle {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        shared.lock().handles += 1;
        Self(shared)
    }
}

impl Handle {
    /// The same without a share in it.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.0))
    }
}

impl Deref for Handle {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.command(|state, _| state.handles -= 1);
    }
}
