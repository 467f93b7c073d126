//! What a connection is set to, and what has gone wrong with it.

use super::Connection;
use crate::bsd::{Errno, Net, Socket};
use crate::error::StackError as _;
use std::io;
use std::sync::PoisonError;
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

    /// Makes calls on the connection as a socket of a C program.
    pub(crate) fn with_socket<T>(
        &self,
        call: impl FnOnce(&mut Socket, &mut Net<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        self.handle.command(|state, now| {
            if state.stopped {
                return Err(Errno::ENETDOWN);
            }
            let mut net = state.net(now);
            // What was set without numbers shows, too.
            let config = net.endpoint.connection_config(self.id).cloned();
            let config = config.ok_or(Errno::ENOTCONN)?;
            let socket = match &mut *socket {
                Some(socket) => {
                    *socket.config_mut() = config;
                    socket
                }
                empty => {
                    let info = net.endpoint.connection_info(self.id);
                    let info = info.ok_or(Errno::ENOTCONN)?;
                    empty.insert(Socket::over_connection(&info, config))
                }
            };
            call(socket, &mut net)
        })
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
