//! What happens to all connections and listeners of a stack: for monitors.
//!
//! The module owns the stream; the events are the endpoint's own.

use super::queue::{Overflow, Receiver};
use futures::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use umptcp_stack::Event;

/// Something that happened on a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StackEvent {
    /// So many events came in between that there was no room for.
    Missed(u64),
    /// An event of the endpoint; none that only says that something can be read, written or
    /// accepted.
    Happened(Event),
}

impl StackEvent {
    /// The event, if it is one that a monitor wants.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Incoming(_) | Event::Readable(_) | Event::Writable(_) | Event::Flushed(_) => {
                None
            }
            _ => Some(Self::Happened(event.clone())),
        }
    }
}

impl Overflow for StackEvent {
    fn missed(count: u64) -> Self {
        Self::Missed(count)
    }
}

/// What happens on a stack from the moment of subscribing on, in order. It ends when the stack has
/// stopped.
#[derive(Debug)]
pub struct StackEvents(Receiver<StackEvent>);

impl StackEvents {
    pub(crate) const fn new(receiver: Receiver<StackEvent>) -> Self {
        Self(receiver)
    }

    /// The next event; `None` if there will be none.
    ///
    /// Cancellation safe: an event leaves the queue only if the future gives it.
    pub async fn next_event(&mut self) -> Option<StackEvent> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<StackEvent> {
        self.0.try_next()
    }
}

impl Stream for StackEvents {
    type Item = StackEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<StackEvent>> {
        self.get_mut().0.poll_next(cx)
    }
}
