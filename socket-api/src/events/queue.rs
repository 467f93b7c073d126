//! A bounded queue of events with one reader, which tells the reader what it has missed.
//!
//! The module owns the rule what happens when the reader is too slow: what is in the queue stays,
//! what comes is counted, and a marker with the count takes the place of what is missing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Events of which some can be missing.
pub(crate) trait Overflow {
    /// The marker for so many that are.
    fn missed(count: u64) -> Self;
}

#[derive(Debug)]
struct Inner<T> {
    events: VecDeque<T>,
    capacity: usize,
    /// What came since the queue was full.
    missed: u64,
    reader: Option<Waker>,
    ended: bool,
    /// The reader is there.
    wanted: bool,
}

/// The end of the queue that events are put in.
#[derive(Debug)]
pub(crate) struct EventQueue<T>(Arc<Mutex<Inner<T>>>);

/// The end of the queue that is read from.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Mutex<Inner<T>>>);

fn lock<T>(inner: &Mutex<Inner<T>>) -> MutexGuard<'_, Inner<T>> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T: Overflow> EventQueue<T> {
    /// A queue for `capacity` events, of which there is room for one at least.
    pub(crate) fn new(capacity: usize) -> (Self, Receiver<T>) {
        let inner = Arc::new(Mutex::new(Inner {
            events: VecDeque::new(),
            capacity: capacity.max(1),
            missed: 0,
            reader: None,
            ended: false,
            wanted: true,
        }));
        (Self(Arc::clone(&inner)), Receiver(inner))
    }

    /// Puts an event in, or counts it; false if nobody will read it. Whom it wakes joins `woken`.
    pub(crate) fn push(&self, event: T, woken: &mut Vec<Waker>) -> bool {
        let mut inner = lock(&self.0);
        if inner.events.len() < inner.capacity && inner.missed == 0 {
            inner.events.push_back(event);
        } else {
            inner.missed += 1;
        }
        woken.extend(inner.reader.take());
        inner.wanted
    }

    /// Puts the last event in, for which there is always room, and ends the queue.
    pub(crate) fn finish(&self, event: Option<T>, woken: &mut Vec<Waker>) {
        let mut inner = lock(&self.0);
        if inner.missed > 0 && event.is_some() {
            let marker = T::missed(std::mem::take(&mut inner.missed));
            inner.events.push_back(marker);
        }
        inner.events.extend(event);
        inner.ended = true;
        woken.extend(inner.reader.take());
    }
}

impl<T: Overflow> Receiver<T> {
    pub(crate) fn try_next(&mut self) -> Option<T> {
        let mut inner = lock(&self.0);
        if let Some(event) = inner.events.pop_front() {
            return Some(event);
        }
        let missed = std::mem::take(&mut inner.missed);
        (missed > 0).then(|| T::missed(missed))
    }

    pub(crate) fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        if let Some(event) = self.try_next() {
            return Poll::Ready(Some(event));
        }
        let mut inner = lock(&self.0);
        // Something may have come since.
        if !inner.events.is_empty() || inner.missed > 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if inner.ended {
            return Poll::Ready(None);
        }
        inner.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        lock(&self.0).wanted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::CountingWaker;

    #[derive(Debug, PartialEq, Eq)]
    enum Number {
        Of(u32),
        Missed(u64),
    }

    impl Overflow for Number {
        fn missed(count: u64) -> Self {
            Self::Missed(count)
        }
    }

    fn all(receiver: &mut Receiver<Number>) -> Vec<Number> {
        std::iter::from_fn(|| receiver.try_next()).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted_where_it_is_missing() {
        let (queue, mut receiver) = EventQueue::new(2);
        let mut woken = Vec::new();
        for number in 0..5 {
            assert!(queue.push(Number::Of(number), &mut woken));
        }
        let expected = [Number::Of(0), Number::Of(1), Number::Missed(3)];
        assert_eq!(all(&mut receiver), expected);
        // A reader that has caught up misses nothing more.
        assert!(queue.push(Number::Of(5), &mut woken));
        assert_eq!(all(&mut receiver), [Number::Of(5)]);
    }

    #[test]
    fn nothing_comes_in_between_before_the_marker_is_read() {
        let (queue, mut receiver) = EventQueue::new(1);
        let mut woken = Vec::new();
        queue.push(Number::Of(0), &mut woken);
        queue.push(Number::Of(1), &mut woken);
        assert_eq!(receiver.try_next(), Some(Number::Of(0)));
        queue.push(Number::Of(2), &mut woken);
        assert_eq!(all(&mut receiver), [Number::Missed(2)]);
    }

    #[test]
    fn there_is_always_room_for_the_end() {
        let (queue, mut receiver) = EventQueue::new(1);
        let mut woken = Vec::new();
        queue.push(Number::Of(0), &mut woken);
        queue.push(Number::Of(1), &mut woken);
        queue.finish(Some(Number::Of(9)), &mut woken);
        let expected = [Number::Of(0), Number::Missed(1), Number::Of(9)];
        assert_eq!(all(&mut receiver), expected);
        let (_, waker) = CountingWaker::new();
        let end = receiver.poll_next(&Context::from_waker(&waker));
        assert_eq!(end, Poll::Ready(None));
    }

    #[test]
    fn a_reader_that_waits_is_woken_and_one_that_is_gone_is_not_written_to() {
        let (queue, mut receiver) = EventQueue::new(1);
        let (count, waker) = CountingWaker::new();
        let cx = Context::from_waker(&waker);
        assert!(receiver.poll_next(&cx).is_pending());
        let mut woken = Vec::new();
        assert!(queue.push(Number::Of(0), &mut woken));
        crate::shared::wake_all(&mut woken);
        assert_eq!(count.count(), 1);
        assert_eq!(receiver.poll_next(&cx), Poll::Ready(Some(Number::Of(0))));
        drop(receiver);
        assert!(!queue.push(Number::Of(1), &mut woken));
    }
}
