//! What happens to subflows, told by control messages of `recvmsg` (draft -03 §4, API reference 8.4).
//!
//! The module owns the queues, one for each connection whose socket has `MPTCP_EVENTS`, and the
//! layout of the messages. They are of level `IPPROTO_TCP`. The types 1 and 2 are the prototype's,
//! the others ours:
//!
//! | type | what | bytes |
//! |---|---|---|
//! | 1 `MPTCP_EV_INIT_SUB` | a subflow is usable | event |
//! | 2 `MPTCP_EV_DEL_SUB` | a subflow has ended, or could not be opened | event |
//! | 3 `MPTCP_EV_PRIO_SUB` | a subflow has become a backup, or regular | event |
//! | 4 `MPTCP_EV_LOCAL_ADDR` | an address of ours has come or gone | address |
//! | 5 `MPTCP_EV_REMOTE_ADDR` | an address of the peer has come or gone | address |
//! | 6 `MPTCP_EV_OVERFLOW` | events were lost: see `MPTCP_GET_SUB_IDS` | none |
//!
//! An event is `{ u8 id; u8 by_peer; u8 low_prio; u8 reset_reason; i32 error; }`. `error` is an errno,
//! 0 for an end in order; `reset_reason` is what the peer's MP_TCPRST said, 255 if it said nothing. An
//! address is `{ u8 id; u8 removed; u16 pad; sockaddr_in6 or sockaddr_in; }`, the address of a removed
//! remote one being unknown and left out.

use super::SubflowNumbers;
use crate::bsd::errors::subflow_errno;
use crate::bsd::{Errno, Net, SockAddr, Socket, System};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use umptcp_stack::{
    ConnectionId, ConnectionProtocol, Event, ResetReason, SubflowCloseReason, SubflowId,
};

/// Events that wait for one socket; a program that reads now and then misses none.
const CAPACITY: usize = 64;
/// Nothing was said about a reset.
const NO_RESET_REASON: u8 = 255;

/// One control message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ControlMessage {
    /// `MPTCP_EV_INIT_SUB`: a subflow is usable. The first messages of a socket are these, for the
    /// subflows that there are.
    SubflowEstablished {
        /// Its id; 0 if it has none.
        id: u8,
        /// It is a backup when the message is read.
        low_prio: bool,
    },
    /// `MPTCP_EV_DEL_SUB`: a subflow has ended, or could not be opened.
    SubflowClosed {
        /// Its id; 0 if it has none.
        id: u8,
        /// Why; nothing if it was in order.
        error: Option<Errno>,
        /// The peer has ended it.
        by_peer: bool,
        /// What the peer's MP_TCPRST said (RFC 8684 §3.6).
        reset_reason: Option<u8>,
    },
    /// `MPTCP_EV_PRIO_SUB`: a subflow has become a backup, or regular.
    SubflowPriority {
        /// Its id; 0 if it has none.
        id: u8,
        /// It is a backup now.
        low_prio: bool,
        /// The peer has asked for it.
        by_peer: bool,
    },
    /// `MPTCP_EV_LOCAL_ADDR`: an address of ours has come, or gone.
    LocalAddress {
        /// Our id for it.
        id: u8,
        /// The address.
        address: SockAddr,
        /// It is gone.
        removed: bool,
    },
    /// `MPTCP_EV_REMOTE_ADDR`: the peer has announced an address, or withdrawn one.
    RemoteAddress {
        /// The peer's id for it.
        id: u8,
        /// The address; `None` if it was withdrawn.
        address: Option<SockAddr>,
    },
    /// `MPTCP_EV_OVERFLOW`: what came before was lost.
    Overflow,
}

impl ControlMessage {
    /// `cmsg_level`.
    pub const LEVEL: i32 = libc::IPPROTO_TCP;

    /// `cmsg_type`.
    #[must_use]
    pub const fn kind(&self) -> i32 {
        match self {
            Self::SubflowEstablished { .. } => 1,
            Self::SubflowClosed { .. } => 2,
            Self::SubflowPriority { .. } => 3,
            Self::LocalAddress { .. } => 4,
            Self::RemoteAddress { .. } => 5,
            Self::Overflow => 6,
        }
    }

    /// `CMSG_DATA`.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let event = |id: u8, by_peer: bool, low_prio: bool, reason: u8, error: i32| {
            let mut bytes = vec![id, u8::from(by_peer), u8::from(low_prio), reason];
            bytes.extend(error.to_ne_bytes());
            bytes
        };
        let address = |id: u8, address: Option<SockAddr>, removed: bool| {
            let mut bytes = vec![id, u8::from(removed), 0, 0];
            bytes.extend(address.into_iter().flat_map(SockAddr::to_bytes));
            bytes
        };
        match *self {
            Self::SubflowEstablished { id, low_prio } => {
                event(id, false, low_prio, NO_RESET_REASON, 0)
            }
            Self::SubflowClosed {
                id,
                error,
                by_peer,
                reset_reason,
            } => {
                let reason = reset_reason.unwrap_or(NO_RESET_REASON);
                event(
                    id,
                    by_peer,
                    false,
                    reason,
                    error.map_or(0, |error| error as i32),
                )
            }
            Self::SubflowPriority {
                id,
                low_prio,
                by_peer,
            } => event(id, by_peer, low_prio, NO_RESET_REASON, 0),
            Self::LocalAddress {
                id,
                address: which,
                removed,
            } => address(id, Some(which), removed),
            Self::RemoteAddress { id, address: which } => address(id, which, which.is_none()),
            Self::Overflow => Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    overflowed: bool,
}

/// The queues of all sockets that asked for control messages.
#[derive(Clone, Debug, Default)]
pub(in crate::bsd) struct Subscriptions {
    queues: HashMap<ConnectionId, Queue>,
}

impl Subscriptions {
    fn note(&mut self, event: &Event) {
        let told = matches!(
            event,
            Event::Connected(_, ConnectionProtocol::Mptcp(_))
                | Event::SubflowEstablished(..)
                | Event::SubflowClosed(..)
                | Event::SubflowPriority { .. }
                | Event::LocalAddressAdded { .. }
                | Event::LocalAddressRemoved { .. }
                | Event::RemoteAddressAdded { .. }
                | Event::RemoteAddressRemoved { .. }
        );
        let queue = event.connection().filter(|_| told);
        let Some(queue) = queue.and_then(|id| self.queues.get_mut(&id)) else {
            return;
        };
        if queue.events.len() >= CAPACITY {
            // Half a history helps nobody: the marker stands for all of it.
            queue.events.clear();
            queue.overflowed = true;
        }
        queue.events.push_back(event.clone());
    }

    pub(in crate::bsd) fn end(&mut self, id: ConnectionId) {
        self.queues.remove(&id);
    }
}

impl System {
    /// Notes what the endpoint has told, for the sockets that have asked for it. Whoever polls the
    /// endpoint for events passes all of them on.
    pub fn handle_event(&mut self, event: &Event) {
        self.subscriptions.note(event);
    }
}

impl Socket {
    pub(super) fn set_events(&mut self, net: &mut Net<'_>, wanted: bool) {
        self.options.draft_events = wanted;
        if wanted {
            self.subscribe(net);
        } else if let Some(id) = self.connection() {
            net.system.subscriptions.end(id);
        }
    }

    /// Begins the queue of its connection, with the subflows that there are.
    pub(in crate::bsd) fn subscribe(&self, net: &mut Net<'_>) {
        let Some(id) = self.connection().filter(|_| self.options.draft_events) else {
            return;
        };
        let queues = &mut net.system.subscriptions.queues;
        let std::collections::hash_map::Entry::Vacant(place) = queues.entry(id) else {
            return;
        };
        let mut usable = net.endpoint.subflows(id);
        usable.retain(|subflow| subflow.closed.is_none() && subflow.fully_established);
        let events = usable
            .into_iter()
            .map(|subflow| Event::SubflowEstablished(id, subflow.id));
        place.insert(Queue {
            events: events.collect(),
            overflowed: false,
        });
    }

    /// Control messages wait to be read.
    #[must_use]
    pub fn has_control_messages(&self, net: &Net<'_>) -> bool {
        let queue = self
            .connection()
            .and_then(|id| net.system.subscriptions.queues.get(&id));
        queue.is_some_and(|queue| queue.overflowed || !queue.events.is_empty())
    }

    /// The control messages that `recvmsg` is to give, in order: at most `most` of them.
    pub fn take_control_messages(&mut self, net: &mut Net<'_>, most: usize) -> Vec<ControlMessage> {
        let Some(id) = self.connection() else {
            return Vec::new();
        };
        let subflows = net.endpoint.subflows(id);
        let live: Vec<SubflowId> = subflows
            .iter()
            .filter(|subflow| subflow.closed.is_none())
            .map(|subflow| subflow.id)
            .collect();
        let Some(queue) = net.system.subscriptions.queues.get_mut(&id) else {
            return Vec::new();
        };
        let mut messages = Vec::new();
        if most > 0 && std::mem::take(&mut queue.overflowed) {
            messages.push(ControlMessage::Overflow);
        }
        while messages.len() < most
            && let Some(event) = queue.events.pop_front()
        {
            let backup = |id: SubflowId| {
                let mut known = subflows.iter().filter(|subflow| subflow.id == id);
                known.any(|subflow| subflow.backup)
            };
            messages.extend(message_of(
                &event,
                &mut self.families.numbers,
                &live,
                backup,
            ));
        }
        messages
    }
}

fn message_of(
    event: &Event,
    numbers: &mut SubflowNumbers,
    live: &[SubflowId],
    backup: impl Fn(SubflowId) -> bool,
) -> Option<ControlMessage> {
    let mut number = |subflow| numbers.of(subflow, live).unwrap_or(0);
    Some(match *event {
        Event::Connected(..) => ControlMessage::SubflowEstablished {
            id: number(SubflowId::INITIAL),
            low_prio: backup(SubflowId::INITIAL),
        },
        Event::SubflowEstablished(_, subflow) => ControlMessage::SubflowEstablished {
            id: number(subflow),
            low_prio: backup(subflow),
        },
        Event::SubflowClosed(_, subflow, reason) => ControlMessage::SubflowClosed {
            id: number(subflow),
            error: subflow_errno(reason),
            by_peer: matches!(
                reason,
                SubflowCloseReason::ClosedByPeer
                    | SubflowCloseReason::ResetByPeer(_)
                    | SubflowCloseReason::Refused(_)
                    | SubflowCloseReason::RemoteAddressGone
            ),
            reset_reason: match reason {
                SubflowCloseReason::ResetByPeer(words) | SubflowCloseReason::Refused(words) => {
                    words.map(|words| ResetReason::code(words.reason))
                }
                _ => None,
            },
        },
        Event::SubflowPriority {
            subflow,
            backup,
            by_peer,
            ..
        } => ControlMessage::SubflowPriority {
            id: number(subflow),
            low_prio: backup,
            by_peer,
        },
        Event::LocalAddressAdded { address, id, .. } => ControlMessage::LocalAddress {
            id: id.0,
            address: SockAddr::plain(SocketAddr::new(address, 0)),
            removed: false,
        },
        Event::LocalAddressRemoved { address, id, .. } => ControlMessage::LocalAddress {
            id: id.0,
            address: SockAddr::plain(SocketAddr::new(address, 0)),
            removed: true,
        },
        Event::RemoteAddressAdded {
            id, address, port, ..
        } => ControlMessage::RemoteAddress {
            id: id.0,
            address: Some(SockAddr::plain(SocketAddr::new(address, port.unwrap_or(0)))),
        },
        Event::RemoteAddressRemoved { id, .. } => ControlMessage::RemoteAddress {
            id: id.0,
            address: None,
        },
        _ => return None,
    })
}
