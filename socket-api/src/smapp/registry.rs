//! From what an endpoint tells to what controllers hear.
//!
//! Owns what must be remembered for that: the tokens of connections, the addresses of subflows
//! that the endpoint may have forgotten when their end is told, and those of listeners.

use super::errno::of_subflow_end;
use super::event::{ConnectionTuple, Event, Reset, SubflowTuple, Token};
use std::collections::HashMap;
use std::net::SocketAddr;
use umptcp_stack::{
    ConnectionId, ConnectionInfo, ConnectionProtocol, Endpoint, Event as StackEvent, ListenerId,
    MpTcpRst, SubflowCloseReason, SubflowId, SubflowInfo,
};

/// A connection that controllers know.
#[derive(Debug)]
struct Known {
    token: Token,
    established: bool,
    /// Those open, and those that were opened by command.
    subflows: Vec<(SubflowId, SubflowTuple)>,
}

/// What controllers know of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Registry {
    connections: HashMap<ConnectionId, Known>,
    /// Those of the peers' making that are not established yet.
    half_open: Vec<ConnectionId>,
    listeners: HashMap<ListenerId, SocketAddr>,
}

impl Registry {
    /// Forgets everything and takes notice of what there is now.
    pub(super) fn synchronize(&mut self, endpoint: &Endpoint, out: &mut Vec<Event>) {
        *self = Self::default();
        for (id, local) in endpoint.listeners() {
            self.listeners.insert(id, local);
            out.push(Event::ListenerCreated { local });
        }
        for id in endpoint.connections() {
            self.created(endpoint, id, out);
            self.look(endpoint, id, out);
            let Some(known) = self.connections.get_mut(&id) else {
                continue;
            };
            if !known.established {
                continue;
            }
            let token = known.token;
            for address in endpoint.local_addresses(id) {
                out.push(Event::LocalAddressAdded {
                    token,
                    local_id: address.id.0,
                    address: address.address,
                });
            }
            for address in endpoint.remote_addresses(id) {
                if address.id.0 != 0 {
                    out.push(Event::Announced {
                        token,
                        remote_id: address.id.0,
                        address: address.address,
                    });
                }
            }
            for info in endpoint.subflows(id) {
                let tuple = subflow_tuple(token, &info);
                if info.closed.is_none() && info.fully_established && info.id.index() != 0 {
                    known.remember(info.id, tuple);
                    out.push(Event::SubflowEstablished(tuple));
                }
            }
        }
    }

    /// Takes notice of an event; gives what controllers are to hear.
    pub(super) fn translate(
        &mut self,
        endpoint: &Endpoint,
        event: &StackEvent,
        out: &mut Vec<Event>,
    ) {
        match *event {
            StackEvent::ListenerOpened(id) => {
                let mut listeners = endpoint.listeners().into_iter();
                if let Some((_, local)) = listeners.find(|&(known, _)| known == id) {
                    self.listeners.insert(id, local);
                    out.push(Event::ListenerCreated { local });
                }
            }
            StackEvent::ListenerClosed(id) => {
                if let Some(local) = self.listeners.remove(&id) {
                    out.push(Event::ListenerClosed { local });
                }
            }
            StackEvent::Incoming(_) => {
                for id in self.half_open.clone() {
                    self.look(endpoint, id, out);
                }
            }
            StackEvent::Created(id) => self.created(endpoint, id, out),
            StackEvent::Connected(id, ConnectionProtocol::Tcp)
            | StackEvent::FellBack(id, _)
            | StackEvent::Closed(id, _) => self.closed(id, out),
            // These come with nearly every packet, and say nothing here.
            StackEvent::Readable(_) | StackEvent::Writable(_) | StackEvent::Flushed(_) => {}
            ref event => {
                if let Some(id) = event.connection() {
                    self.look(endpoint, id, out);
                    self.of_connection(endpoint, id, event, out);
                }
            }
        }
    }

    /// The connection with a token.
    pub(super) fn connection(&self, endpoint: &Endpoint, token: Token) -> Option<ConnectionId> {
        endpoint
            .connection_by_token(token.0)
            .filter(|id| self.connections.contains_key(id))
    }

    /// All tokens.
    pub(super) fn tokens(&self) -> Vec<Token> {
        self.connections
            .values()
            .filter(|known| known.established)
            .map(|known| known.token)
            .collect()
    }

    /// A subflow is being opened by command: should it come to nothing, the endpoint may have
    /// forgotten it when it tells so.
    pub(super) fn opening(&mut self, endpoint: &Endpoint, id: ConnectionId, subflow: SubflowId) {
        if let Some(known) = self.connections.get_mut(&id) {
            known.describe(endpoint, id, subflow);
        }
    }

    /// Nothing more will be told of a connection.
    pub(super) fn closed(&mut self, id: ConnectionId, out: &mut Vec<Event>) {
        self.half_open.retain(|&known| known != id);
        if let Some(known) = self.connections.remove(&id) {
            out.push(Event::Closed { token: known.token });
        }
    }

    fn created(&mut self, endpoint: &Endpoint, id: ConnectionId, out: &mut Vec<Event>) {
        let Some(info) = endpoint.connection_info(id) else {
            return;
        };
        let gone = info.closed.is_some() || info.protocol == ConnectionProtocol::Tcp;
        let Some(token) = info.token.map(Token).filter(|_| !gone) else {
            return;
        };
        let known = Known {
            token,
            established: false,
            subflows: Vec::new(),
        };
        if self.connections.insert(id, known).is_none() {
            if !info.initiator {
                self.half_open.push(id);
            }
            out.push(Event::Created(connection_tuple(token, &info)));
        }
    }

    /// Whether a connection has become established since.
    fn look(&mut self, endpoint: &Endpoint, id: ConnectionId, out: &mut Vec<Event>) {
        let Some(known) = self.connections.get_mut(&id) else {
            return;
        };
        if known.established {
            return;
        }
        let Some(info) = endpoint.connection_info(id) else {
            return;
        };
        if info.established && matches!(info.protocol, ConnectionProtocol::Mptcp(_)) {
            known.established = true;
            self.half_open.retain(|&half_open| half_open != id);
            known.remember_all(endpoint, id);
            out.push(Event::Established(connection_tuple(known.token, &info)));
        }
    }

    fn of_connection(
        &mut self,
        endpoint: &Endpoint,
        id: ConnectionId,
        event: &StackEvent,
        out: &mut Vec<Event>,
    ) {
        let Some(known) = self.connections.get_mut(&id) else {
            return;
        };
        let token = known.token;
        match *event {
            StackEvent::SubflowEstablished(_, subflow) => {
                let tuple = known.describe(endpoint, id, subflow);
                out.extend(tuple.map(Event::SubflowEstablished));
            }
            StackEvent::SubflowClosed(_, subflow, reason) => {
                let tuple = known.describe(endpoint, id, subflow);
                known.subflows.retain(|&(known, _)| known != subflow);
                if reason != SubflowCloseReason::ConnectionEnded {
                    out.extend(tuple.map(|subflow| Event::SubflowClosed {
                        subflow,
                        error: of_subflow_end(reason),
                        reset: reset_of(reason),
                    }));
                }
            }
            StackEvent::SubflowPriority {
                subflow,
                by_peer: true,
                ..
            } => {
                let tuple = known.describe(endpoint, id, subflow);
                out.extend(tuple.map(Event::SubflowPriority));
            }
            StackEvent::RetransmissionTimeout {
                subflow,
                rto,
                backoff,
                ..
            } => {
                let tuple = known.describe(endpoint, id, subflow);
                out.extend(tuple.map(|subflow| Event::Timeout {
                    subflow,
                    rto,
                    backoff,
                }));
            }
            StackEvent::RemoteAddressAdded {
                id: remote_id,
                address,
                port,
                ..
            } => {
                let initial = endpoint.connection_info(id).map(|info| info.remote.port());
                if let Some(port) = port.or(initial) {
                    out.push(Event::Announced {
                        token,
                        remote_id: remote_id.0,
                        address: SocketAddr::new(address, port),
                    });
                }
            }
            StackEvent::RemoteAddressRemoved { id: remote_id, .. } => out.push(Event::Removed {
                token,
                remote_id: remote_id.0,
            }),
            StackEvent::LocalAddressAdded {
                address,
                id: local_id,
                ..
            } => out.push(Event::LocalAddressAdded {
                token,
                local_id: local_id.0,
                address,
            }),
            StackEvent::LocalAddressRemoved {
                address,
                id: local_id,
                ..
            } => out.push(Event::LocalAddressRemoved {
                token,
                local_id: local_id.0,
                address,
            }),
            _ => {}
        }
    }
}

impl Known {
    fn remember_all(&mut self, endpoint: &Endpoint, connection: ConnectionId) {
        for info in endpoint.subflows(connection) {
            self.remember(info.id, subflow_tuple(self.token, &info));
        }
    }

    fn remember(&mut self, id: SubflowId, tuple: SubflowTuple) {
        match self.subflows.iter_mut().find(|(known, _)| *known == id) {
            Some((_, known)) => *known = tuple,
            None => self.subflows.push((id, tuple)),
        }
    }

    /// A subflow as it is now, or as it was when it was last looked at.
    fn describe(
        &mut self,
        endpoint: &Endpoint,
        connection: ConnectionId,
        id: SubflowId,
    ) -> Option<SubflowTuple> {
        let mut infos = endpoint.subflows(connection).into_iter();
        if let Some(info) = infos.find(|info| info.id == id) {
            let tuple = subflow_tuple(self.token, &info);
            self.remember(id, tuple);
            return Some(tuple);
        }
        self.subflows
            .iter()
            .find(|(known, _)| *known == id)
            .map(|&(_, tuple)| tuple)
    }
}

fn connection_tuple(token: Token, info: &ConnectionInfo) -> ConnectionTuple {
    ConnectionTuple {
        token,
        // The ids of the initial subflow are 0 at both ends (RFC 8684 §3.2).
        local_id: 0,
        remote_id: 0,
        local: info.local,
        remote: info.remote,
        server_side: !info.initiator,
        deny_join_id0: info.deny_join_initial,
    }
}

fn subflow_tuple(token: Token, info: &SubflowInfo) -> SubflowTuple {
    SubflowTuple {
        token,
        local_id: info.local_id.0,
        remote_id: info.remote_id.0,
        local: info.local,
        remote: info.remote,
        backup: info.backup_asked_by_peer,
        interface: u32::try_from(info.interface.index()).unwrap_or(u32::MAX),
    }
}

fn reset_of(reason: SubflowCloseReason) -> Option<Reset> {
    match reason {
        SubflowCloseReason::ResetByPeer(words) | SubflowCloseReason::Refused(words) => {
            words.map(|MpTcpRst { transient, reason }| Reset {
                reason: reason.code(),
                transient,
            })
        }
        _ => None,
    }
}
