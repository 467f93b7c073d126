//! Waiting of a thread for a future.
//!
//! The module owns the parking and the waking. It knows no runtime, so that it works inside one.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a thread may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// Until it is over.
    None,
    /// Not at all.
    Now,
    /// So long.
    After(Duration),
}

/// A thread that waits, and whether it was woken since it last looked.
struct Sleeper {
    thread: Thread,
    woken: AtomicBool,
}

thread_local! {
    /// One for each thread: whoever is asked again and again, as at each time limit, knows it
    /// already and does not collect more and more of them.
    static SLEEPER: Arc<Sleeper> = Sleeper::new();
}

impl Sleeper {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        })
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// The future's value.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        // Without a limit there always is a value.
        if let Some(value) = run(&mut future, Limit::None) {
            return value;
        }
    }
}

/// What polling gives, or `WouldBlock` at the limit, which is what Unix sockets give.
pub(super) fn poll_within<T>(
    limit: Limit,
    poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> io::Result<T> {
    let result = run(&mut pin!(poll_fn(poll)), limit);
    result.unwrap_or_else(|| {
        Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "not possible yet",
        ))
    })
}

fn run<T>(future: &mut (impl Future<Output = T> + Unpin), limit: Limit) -> Option<T> {
    // A task of a runtime that calls this has a budget which is not renewed while it waits here.
    let mut future = pin!(tokio::task::coop::unconstrained(future));
    // A thread that is about to end has lost its own.
    let sleeper = SLEEPER
        .try_with(Arc::clone)
        .unwrap_or_else(|_| Sleeper::new());
    let value = wait(&sleeper, &mut future, limit);
    // Whoever waits further up on this thread may have been woken meanwhile, and looks again.
    sleeper.woken.store(true, Ordering::Release);
    value
}

fn wait<T>(
    sleeper: &Arc<Sleeper>,
    future: &mut Pin<&mut impl Future<Output = T>>,
    limit: Limit,
) -> Option<T> {
    let deadline = match limit {
        // A limit beyond what the clock can count is none.
        Limit::After(limit) => Instant::now().checked_add(limit),
        Limit::None | Limit::Now => None,
    };
    let waker = Waker::from(Arc::clone(sleeper));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return Some(value);
        }
        // Also if it was woken again: a limit is a limit for those who are woken in vain, too.
        let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if limit == Limit::Now || is_over() {
            return None;
        }
        while !sleeper.woken.swap(false, Ordering::Acquire) {
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_asks_again_is_the_same_waiter() {
        let mut wakers: Vec<Waker> = Vec::new();
        for limit in [Limit::Now, Limit::After(Duration::from_millis(1))] {
            let error = poll_within(limit, |cx| {
                wakers.push(cx.waker().clone());
                Poll::<io::Result<()>>::Pending
            });
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        assert!(wakers.len() >= 2);
        assert!(wakers.iter().all(|waker| waker.will_wake(&wakers[0])));
    }

    #[test]
    fn who_is_woken_in_vain_comes_to_the_limit_all_the_same() {
        let limit = Limit::After(Duration::from_millis(20));
        let error = poll_within(limit, |cx| {
            cx.waker().wake_by_ref();
            Poll::<io::Result<()>>::Pending
        });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn another_thread_wakes_the_one_that_waits() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let sending = thread::spawn(move || sender.send(7));
        assert_eq!(block_on(receiver), Ok(7));
        sending.join().unwrap().unwrap();
    }
}
