//! What there is, and what a name stands for: connections by token, subflows by their addresses.

use super::Endpoint;
use crate::base::error::SubflowError;
use crate::base::id::{ConnectionId, InterfaceId, ListenerId, SubflowId};
use crate::base::time::Instant;
use crate::wire::mptcp_option::{ResetReason, Token};
use crate::wire::packet::FourTuple;
use std::net::SocketAddr;

impl Endpoint {
    /// Resets a subflow: what it had not delivered goes to the others, and the peer is told why in
    /// version 1 (MP_TCPRST, RFC 8684 §3.6). A connection of plain TCP ends with it.
    ///
    /// # Errors
    /// There is no such connection, or no such subflow that is open.
    pub fn reset_subflow(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        subflow: SubflowId,
        reason: ResetReason,
    ) -> Result<(), SubflowError> {
        self.change(now, connection, |connection| {
            connection.reset_by_application(now, subflow, reason)
        })
        .ok_or(SubflowError::UnknownConnection)?
        .then_some(())
        .ok_or(SubflowError::UnknownSubflow)
    }

    /// The subflow of a connection between these two ends, if it is not closed.
    #[must_use]
    pub fn subflow_by_tuple(
        &self,
        connection: ConnectionId,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<SubflowId> {
        let (owner, subflow) = self.demux.subflow(&FourTuple { local, remote })?;
        (owner == connection).then_some(subflow)
    }

    /// The connection whose token, as this host has chosen it, is this one; `None` once it has ended
    /// or fallen back.
    #[must_use]
    pub fn connection_by_token(&self, token: u32) -> Option<ConnectionId> {
        self.demux.token(Token(token))
    }

    /// All connections that the application has not let go of; those that a listener has yet to
    /// hand out as well.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionId> {
        let mut ids = self.connections.ids();
        ids.retain(|&id| {
            self.connections
                .get(id)
                .is_some_and(|entry| !entry.released)
        });
        ids
    }

    /// All listeners with the addresses they listen at, in the order of creation.
    #[must_use]
    pub fn listeners(&self) -> Vec<(ListenerId, SocketAddr)> {
        self.listeners.all()
    }

    /// All interfaces, in the order of addition.
    #[must_use]
    pub fn interfaces(&self) -> Vec<InterfaceId> {
        self.interfaces.ids()
    }
}
