//! What the application can look at: snapshots, readiness, which bytes went where.
//!
//! Owns nothing, and changes nothing but what the application wants to be told of.

use super::{Endpoint, Event};
use crate::base::error::{ReadError, WriteError};
use crate::base::id::ConnectionId;
use crate::mptcp::connection::Effect;
use crate::mptcp::info::{ConnectionInfo, SubflowInfo};
use crate::mptcp::path_log::PathLog;

impl Endpoint {
    /// A snapshot of a connection; `None` once it is forgotten.
    #[must_use]
    pub fn connection_info(&self, connection: ConnectionId) -> Option<ConnectionInfo> {
        self.connections
            .get(connection)
            .map(|entry| entry.connection.info())
    }

    /// Snapshots of all its subflows, in the order of opening.
    #[must_use]
    pub fn subflows(&self, connection: ConnectionId) -> Vec<SubflowInfo> {
        self.connections
            .get(connection)
            .map(|entry| entry.connection.subflow_infos())
            .unwrap_or_default()
    }

    /// As [`Self::read`], but what was read stays, to be read again. If there is nothing,
    /// [`Event::Readable`] will tell when there is.
    ///
    /// # Errors
    /// There is nothing to read: see [`ReadError`].
    pub fn peek(
        &mut self,
        connection: ConnectionId,
        buffer: &mut [u8],
    ) -> Result<usize, ReadError> {
        let entry = self.connections.get_mut(connection);
        entry
            .ok_or(ReadError::UnknownConnection)?
            .connection
            .peek(buffer)
    }

    /// True if a read would not block now: it would give bytes, the end of the stream or an error.
    /// Otherwise [`Event::Readable`] tells when that is so, once.
    ///
    /// # Errors
    /// There is no such connection.
    pub fn want_read(&mut self, connection: ConnectionId) -> Result<bool, ReadError> {
        let entry = self.connections.get_mut(connection);
        let entry = entry.ok_or(ReadError::UnknownConnection)?;
        Ok(entry.connection.want_read())
    }

    /// True if a write would not block now: it would take bytes or give an error. Otherwise
    /// [`Event::Writable`] tells when there is room again, once.
    ///
    /// # Errors
    /// There is no such connection.
    pub fn want_write(&mut self, connection: ConnectionId) -> Result<bool, WriteError> {
        let entry = self.connections.get_mut(connection);
        let entry = entry.ok_or(WriteError::UnknownConnection)?;
        Ok(entry.connection.want_write())
    }

    /// Which bytes of a connection went over which subflow; `None` if that is not recorded
    /// (`ConnectionConfig::path_log`), or there is no such connection.
    #[must_use]
    pub fn path_log(&self, connection: ConnectionId) -> Option<PathLog> {
        self.connections.get(connection)?.connection.path_log()
    }

    /// The same, and the record begins anew.
    pub fn take_path_log(&mut self, connection: ConnectionId) -> Option<PathLog> {
        self.connections
            .get_mut(connection)?
            .connection
            .take_path_log()
    }

    /// Tells of what happened to a connection and asks nothing of the endpoint.
    pub(super) fn report(&mut self, connection: ConnectionId, effect: Effect) {
        let event = match effect {
            Effect::SubflowPriority {
                subflow,
                backup,
                by_peer,
            } => Event::SubflowPriority {
                connection,
                subflow,
                backup,
                by_peer,
            },
            Effect::RemoteAddressAdded { id, address, port } => Event::RemoteAddressAdded {
                connection,
                id,
                address,
                port,
            },
            Effect::RemoteAddressRemoved(id) => Event::RemoteAddressRemoved { connection, id },
            Effect::LocalAddressAdded(id, address) => Event::LocalAddressAdded {
                connection,
                address,
                id,
            },
            Effect::LocalAddressRemoved(id, address) => Event::LocalAddressRemoved {
                connection,
                address,
                id,
            },
            Effect::RetransmissionTimeout {
                subflow,
                rto,
                backoff,
            } => Event::RetransmissionTimeout {
                connection,
                subflow,
                rto,
                backoff,
            },
            _ => return,
        };
        self.tell(connection, event);
    }
}
