//! What happens to connections, as a stream of typed values that needs no privileges.
//!
//! The module owns the events that a program can listen to and the queues between the stack and who
//! listens. A queue holds so much and no more: what does not fit is counted, and the listener learns
//! how much it missed at the place where it is missing. What a connection looks like now can be
//! asked for at any time, which is how a listener that has missed something goes on.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the events of one connection |
//! | `queue` | bounded queues |
//! | `stack_events` | the events of all connections of a stack |

mod queue;
mod stack_events;

pub(crate) use queue::{EventQueue, Overflow, Receiver};
pub use stack_events::{StackEvent, StackEvents};

use futures::Stream;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use umptcp_stack::{
    AddressId, CloseReason, ConnectionProtocol, Event, FallbackReason, SubflowCloseReason,
    SubflowId,
};

/// Events that wait for a listener, where it does not say how many may.
pub const DEFAULT_QUEUE: usize = 256;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// So many events came in between that there was no room for. What the connection looks like
    /// now, [`ConnectionControl::info`](crate::ConnectionControl::info) and
    /// [`ConnectionControl::subflows`](crate::ConnectionControl::subflows) tell.
    Missed(u64),
    /// It is established, and speaks this.
    Established(ConnectionProtocol),
    /// A further subflow is usable.
    SubflowEstablished(SubflowId),
    /// A subflow ended.
    SubflowClosed {
        /// The subflow.
        subflow: SubflowId,
        /// Why, and who closed it.
        reason: SubflowCloseReason,
    },
    /// A subflow has become a backup, or is none any more (MP_PRIO).
    SubflowPriority {
        /// The subflow.
        subflow: SubflowId,
        /// It is a backup now.
        backup: bool,
        /// The peer has asked for it; else we have asked the peer.
        by_peer: bool,
    },
    /// A probe of a subflow was answered, or was not.
    SubflowProbed {
        /// The subflow.
        subflow: SubflowId,
        /// The peer is there.
        answered: bool,
    },
    /// The retransmission timer of a subflow has expired.
    RetransmissionTimeout {
        /// The subflow.
        subflow: SubflowId,
        /// The next timeout.
        rto: Duration,
        /// Consecutive expiries.
        backoff: u32,
    },
    /// The peer has announced an address (ADD_ADDR).
    RemoteAddressAdded {
        /// The peer's id for it.
        id: AddressId,
        /// The address.
        address: IpAddr,
        /// The port, if the announcement named one.
        port: Option<u16>,
    },
    /// The peer has withdrawn an address (REMOVE_ADDR).
    RemoteAddressRemoved {
        /// The peer's id for it.
        id: AddressId,
    },
    /// The connection may use one more address of ours.
    LocalAddressAdded {
        /// Our id for it.
        id: AddressId,
        /// The address.
        address: IpAddr,
    },
    /// The connection may use an address of ours no longer.
    LocalAddressRemoved {
        /// What our id for it was.
        id: AddressId,
        /// The address.
        address: IpAddr,
    },
    /// It became plain TCP.
    FellBack(FallbackReason),
    /// It ended. Nothing follows.
    Closed(CloseReason),
}

impl ConnectionEvent {
    /// The event, if it is one that a program listens to: readiness to read and write is not.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        Some(match *event {
            Event::Connected(_, protocol) => Self::Established(protocol),
            Event::SubflowEstablished(_, subflow) => Self::SubflowEstablished(subflow),
            Event::SubflowClosed(_, subflow, reason) => Self::SubflowClosed { subflow, reason },
            Event::SubflowPriority {
                subflow,
                backup,
                by_peer,
                ..
            } => Self::SubflowPriority {
                subflow,
                backup,
                by_peer,
            },
            Event::SubflowProbed(_, subflow, answered) => Self::SubflowProbed { subflow, answered },
            Event::RetransmissionTimeout {
                subflow,
                rto,
                backoff,
                ..
            } => Self::RetransmissionTimeout {
                subflow,
                rto,
                backoff,
            },
            Event::RemoteAddressAdded {
                id, address, port, ..
            } => Self::RemoteAddressAdded { id, address, port },
            Event::RemoteAddressRemoved { id, .. } => Self::RemoteAddressRemoved { id },
            Event::LocalAddressAdded { id, address, .. } => Self::LocalAddressAdded { id, address },
            Event::LocalAddressRemoved { id, address, .. } => {
                Self::LocalAddressRemoved { id, address }
            }
            Event::FellBack(_, reason) => Self::FellBack(reason),
            Event::Closed(_, reason) => Self::Closed(reason),
            _ => return None,
        })
    }
}

/// What happens to one connection from the moment of subscribing on, in order.
///
/// It ends after [`ConnectionEvent::Closed`], when the application has let go of the connection, or
/// when the stack has stopped.
#[derive(Debug)]
pub struct ConnectionEvents(Receiver<ConnectionEvent>);

impl ConnectionEvents {
    pub(crate) const fn new(receiver: Receiver<ConnectionEvent>) -> Self {
        Self(receiver)
    }

    /// The next event; `None` if there will be none.
    ///
    /// Cancellation safe: an event leaves the queue only if the future gives it.
    pub async fn next_event(&mut self) -> Option<ConnectionEvent> {
        poll_fn(|cx| self.0.poll_next(cx)).await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<ConnectionEvent> {
        self.0.try_next()
    }
}

impl Stream for ConnectionEvents {
    type Item = ConnectionEvent;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ConnectionEvent>> {
        self.get_mut().0.poll_next(cx)
    }
}

impl Overflow for ConnectionEvent {
    fn missed(count: u64) -> Self {
        Self::Missed(count)
    }
}
