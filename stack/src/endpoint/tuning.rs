//! Settings that an application may change on a connection that lives.

use super::Endpoint;
use crate::base::config::{ConnectionConfig, Keepalive};
use crate::base::error::SubflowError;
use crate::base::id::{ConnectionId, SubflowId};
use crate::base::subflow_options::SubflowChange;
use crate::base::time::{Duration, Instant};
use crate::mptcp::connection::Connection;

impl Endpoint {
    /// The settings of a connection, with what was changed since; `None` if there is none.
    #[must_use]
    pub fn connection_config(&self, connection: ConnectionId) -> Option<&ConnectionConfig> {
        let entry = self.connections.get(connection)?;
        Some(entry.connection.config())
    }

    /// Sends small writes at once, or lets them wait while earlier ones are not acknowledged
    /// (RFC 9293 §3.7.4). A connection that does not exist is ignored.
    pub fn set_nodelay(&mut self, now: Instant, connection: ConnectionId, nodelay: bool) {
        self.change(now, connection, |connection| {
            connection.set_nodelay(nodelay);
        });
    }

    /// Holds back what is less than a segment while the application has more to write (`TCP_CORK`,
    /// `MSG_MORE`), though no longer than the override time of RFC 9293 §3.8.6.2.1; `false` lets it
    /// go. A connection that does not exist is ignored.
    pub fn set_cork(&mut self, now: Instant, connection: ConnectionId, corked: bool) {
        self.change(now, connection, |connection| {
            connection.set_corked(corked);
        });
    }

    /// Changes how far the buffers of a connection may grow, in bytes; what they have grown to, they
    /// keep. The window scale was settled by the handshake, so a receive buffer far beyond what it
    /// was then may not be announced whole. A connection that does not exist is ignored.
    pub fn set_buffer_limits(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        send: usize,
        receive: usize,
    ) {
        self.change(now, connection, |connection| {
            connection.set_buffer_limits(send, receive);
        });
    }

    /// Probes all its subflows while they are idle from now on (RFC 9293 §3.8.4), or no longer. A
    /// connection that does not
    /// exist is ignored.
    pub fn set_keepalive(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        keepalive: Option<Keepalive>,
    ) {
        self.change(now, connection, |connection| {
            let change = SubflowChange::Keepalive(keepalive);
            connection.change_subflow_options(now, None, change);
        });
    }

    /// Changes how long the connection bears that nothing is acknowledged (RFC 5482);
    /// `Duration::MAX` stands for ever. A connection that does not exist is ignored.
    pub fn set_user_timeout(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        user_timeout: Duration,
    ) {
        self.change(now, connection, |connection| {
            connection.set_user_timeout(user_timeout);
        });
    }

    /// Changes how long acknowledgments of all subflows, now and in future, may wait for data to go
    /// with: see [`ConnectionConfig::delayed_ack`]. A connection that does not exist is ignored.
    pub fn set_delayed_ack(&mut self, now: Instant, connection: ConnectionId, delay: Duration) {
        self.change(now, connection, |connection| {
            connection.set_delayed_ack(delay);
        });
    }

    /// Changes how long the peer may take to end its part: see
    /// [`ConnectionConfig::fin_timeout`]. A time that runs already is not changed. A connection that
    /// does not exist is ignored.
    pub fn set_fin_timeout(&mut self, now: Instant, connection: ConnectionId, timeout: Duration) {
        self.change(now, connection, |connection| {
            connection.set_fin_timeout(timeout);
        });
    }

    /// Changes what becomes of undelivered data when the connection is released: see
    /// [`ConnectionConfig::linger`](crate::ConnectionConfig::linger). A connection that does not
    /// exist is ignored.
    pub fn set_linger(&mut self, now: Instant, connection: ConnectionId, linger: Option<Duration>) {
        self.change(now, connection, |connection| {
            connection.set_linger(linger);
        });
    }

    /// Asks the peer for a sign of life on a subflow; `Event::SubflowProbed` tells whether there
    /// was one. A probe that was asked for before is forgotten.
    ///
    /// # Errors
    /// There is no such connection, or no such subflow that is established.
    pub fn probe_subflow(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        subflow: SubflowId,
    ) -> Result<(), SubflowError> {
        self.change(now, connection, |connection| {
            connection.probe_subflow(now, subflow)
        })
        .ok_or(SubflowError::UnknownConnection)?
        .then_some(())
        .ok_or(SubflowError::UnknownSubflow)
    }

    /// Changes a connection and lets it act on that; `None` if there is none.
    pub(super) fn change<T>(
        &mut self,
        now: Instant,
        id: ConnectionId,
        change: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        let entry = self.connections.get_mut(id)?;
        let result = change(&mut entry.connection);
        self.after(now, id);
        Some(result)
    }
}
