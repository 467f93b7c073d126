//! Tasks that wait.
//!
//! The module owns the set of tasks that wait for one thing. Waking is two steps, so that no task
//! is woken under a lock: collect, and wake once the lock is released.

use std::task::Waker;

/// The tasks that wait for one thing.
#[derive(Debug, Default)]
pub(crate) struct WakerSet(Vec<Waker>);

impl WakerSet {
    /// Adds a task, unless it waits already.
    pub(crate) fn register(&mut self, waker: &Waker) {
        if !self.0.iter().any(|known| known.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    /// Moves all tasks to `woken`, to be woken once the lock is released.
    pub(crate) fn wake(&mut self, woken: &mut Vec<Waker>) {
        woken.append(&mut self.0);
    }
}

/// Wakes tasks; call it without the lock.
pub(crate) fn wake_all(woken: &mut Vec<Waker>) {
    for waker in woken.drain(..) {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::CountingWaker;

    #[test]
    fn a_task_that_waits_twice_is_woken_once() {
        let mut set = WakerSet::default();
        let (first, first_waker) = CountingWaker::new();
        let (second, second_waker) = CountingWaker::new();
        for waker in [&first_waker, &second_waker, &first_waker] {
            set.register(waker);
        }
        let mut woken = Vec::new();
        set.wake(&mut woken);
        assert_eq!(
            (first.count(), second.count()),
            (0, 0),
            "only collected so far"
        );
        wake_all(&mut woken);
        assert_eq!((first.count(), second.count()), (1, 1));
        set.wake(&mut woken);
        assert!(woken.is_empty(), "nobody waits any more");
    }
}
