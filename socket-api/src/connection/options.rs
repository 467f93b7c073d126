//! What a connection is set to, and what has gone wrong with it.

use super::Connection;
use crate::error::StackError as _;
use std::io;
use std::time::Duration;
use umptcp_stack::{CloseReason, ConnectionConfig, Keepalive};

impl Connection {
    /// Looks at the settings. The endpoint has them until the connection is released, which is in
    /// our hands.
    pub(crate) fn with_config<T: Default>(&self, look: impl FnOnce(&ConnectionConfig) -> T) -> T {
        self.handle
            .look(|state| state.endpoint.connection_config(self.id).map(look))
            .unwrap_or_default()
    }

    pub(crate) fn set_nodelay(&self, nodelay: bool) {
        self.handle
            .command(|state, now| state.endpoint.set_nodelay(now, self.id, nodelay));
    }

    pub(crate) fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        self.handle
            .command(|state, now| state.endpoint.set_keepalive(now, self.id, keepalive));
    }

    pub(crate) fn set_user_timeout(&self, timeout: Duration) {
        self.handle
            .command(|state, now| state.endpoint.set_user_timeout(now, self.id, timeout));
    }

    pub(crate) fn set_linger(&self, linger: Option<Duration>) {
        self.handle
            .command(|state, now| state.endpoint.set_linger(now, self.id, linger));
    }

    /// Ends the receiving direction on this side.
    pub(crate) fn shutdown_read(&self) {
        self.handle
            .command(|state, now| state.endpoint.shutdown_read(now, self.id));
    }

    /// Why the connection ended, if it was not in order; told once.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        self.handle.command(|state, _| {
            let connection = state.connections.get_mut(&self.id)?;
            let reason = connection
                .closed
                .filter(|reason| *reason != CloseReason::Finished)?;
            let told = std::mem::replace(&mut connection.error_taken, true);
            (!told).then(|| reason.into_io())
        })
    }
}
