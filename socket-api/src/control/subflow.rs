//! Control over one subflow.

use super::ConnectionControl;
use std::future::poll_fn;
use std::io;
use umptcp_stack::{
    ResetReason, SubflowChange, SubflowError, SubflowId, SubflowInfo, SubflowOptions,
};

/// A handle on one subflow of a connection.
#[derive(Clone, Debug)]
pub struct SubflowControl {
    connection: ConnectionControl,
    id: SubflowId,
}

impl SubflowControl {
    pub(super) const fn new(connection: ConnectionControl, id: SubflowId) -> Self {
        Self { connection, id }
    }

    /// Its id within the connection; the initial subflow has 0, and none is used again.
    #[must_use]
    pub const fn id(&self) -> SubflowId {
        self.id
    }

    /// What it looks like now.
    ///
    /// # Errors
    /// `NotFound` if there is none of this id, `NotConnected` once the application has let go of
    /// the connection.
    pub fn info(&self) -> io::Result<SubflowInfo> {
        let subflows = self.connection.subflows()?;
        let found = subflows.into_iter().find(|info| info.id == self.id);
        found.ok_or_else(|| crate::error::StackError::into_io(SubflowError::UnknownSubflow))
    }

    /// Waits until it is usable.
    ///
    /// Cancellation safe: waiting changes nothing.
    ///
    /// # Errors
    /// `ConnectionAborted` if it was closed, or why the connection ended.
    pub async fn established(&self) -> io::Result<()> {
        // Not kept over the wait, so that the connection can end meanwhile.
        poll_fn(|cx| match self.connection.connection() {
            Ok(connection) => connection.poll_subflow(cx, self.id),
            Err(error) => std::task::Poll::Ready(Err(error)),
        })
        .await
    }

    /// Closes it in order; what it had not delivered goes to the others.
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow that is open.
    pub fn close(&self) -> io::Result<()> {
        self.connection
            .attempt(|state, now, id| state.endpoint.close_subflow(now, id, self.id))
    }

    /// Resets it; what it had not delivered goes to the others, and the peer is told why in
    /// version 1 (MP_TCPRST, RFC 8684 §3.6).
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow that is open.
    pub fn reset(&self, reason: ResetReason) -> io::Result<()> {
        self.connection
            .attempt(|state, now, id| state.endpoint.reset_subflow(now, id, self.id, reason))
    }

    /// Asks the peer to use it only when no other works, or as a regular one (MP_PRIO), and does the
    /// same here if `ConnectionConfig::backup_binds_both` says so.
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow that is established.
    pub fn set_backup(&self, backup: bool) -> io::Result<()> {
        self.connection
            .attempt(|state, now, id| state.endpoint.set_backup(now, id, self.id, backup))
    }

    /// Asks the peer for a sign of life; [`ConnectionEvent::SubflowProbed`](crate::ConnectionEvent)
    /// tells whether there was one.
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow that is established.
    pub fn probe(&self) -> io::Result<()> {
        self.connection
            .attempt(|state, now, id| state.endpoint.probe_subflow(now, id, self.id))
    }

    /// Its options.
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow.
    pub fn options(&self) -> io::Result<SubflowOptions> {
        self.connection.attempt(|state, _, id| {
            let options = state.endpoint.subflow_options(id, Some(self.id));
            options.ok_or(SubflowError::UnknownSubflow)
        })
    }

    /// Changes one of its options: traffic class, hop limit, segment size, congestion control,
    /// keepalive, tag, rate cap.
    ///
    /// # Errors
    /// `NotFound` if there is no such subflow that is open.
    pub fn set_option(&self, change: SubflowChange) -> io::Result<()> {
        self.connection.attempt(|state, now, id| {
            state
                .endpoint
                .set_subflow_options(now, id, Some(self.id), change)
        })
    }
}
