//! What can be set on a connected socket, and what it tells of itself besides.
//!
//! The module owns these methods of the stream; the settings are the endpoint's.

use crate::control::ConnectionControl;
use crate::stream::MptcpStream;
use std::io;
use std::net::Shutdown;
use std::time::Duration;
use umptcp_stack::Keepalive;

impl MptcpStream {
    /// Small writes are sent at once.
    #[must_use]
    pub fn nodelay(&self) -> bool {
        self.connection().with_config(|config| config.nodelay)
    }

    /// Sends small writes at once, or lets them wait while earlier ones are not
    /// acknowledged (RFC 9293 §3.7.4), which is the default.
    pub fn set_nodelay(&self, nodelay: bool) {
        self.connection().set_nodelay(nodelay);
    }

    /// How idle subflows are probed, if they are.
    #[must_use]
    pub fn keepalive(&self) -> Option<Keepalive> {
        self.connection()
            .with_config(|config| config.subflow.keepalive)
    }

    /// Probes idle subflows (RFC 9293 §3.8.4), or no longer.
    pub fn set_keepalive(&self, keepalive: Option<Keepalive>) {
        self.connection().set_keepalive(keepalive);
    }

    /// How long it is borne that nothing is acknowledged.
    #[must_use]
    pub fn user_timeout(&self) -> Duration {
        self.connection().with_config(|config| config.user_timeout)
    }

    /// Changes how long the connection bears that nothing is acknowledged (RFC 5482);
    /// `Duration::MAX` stands for ever.
    pub fn set_user_timeout(&self, timeout: Duration) {
        self.connection().set_user_timeout(timeout);
    }

    /// What becomes of written data that has not arrived when the stream is dropped: see
    /// [`Self::set_linger`].
    #[must_use]
    pub fn linger(&self) -> Option<Duration> {
        self.connection().with_config(|config| config.linger)
    }

    /// What becomes of written data that has not arrived when the stream is dropped: `None`
    /// goes on delivering it in the background, zero ends the connection at once, and any
    /// other time is left for delivering it before that is done. Dropping never waits.
    pub fn set_linger(&self, linger: Option<Duration>) {
        self.connection().set_linger(linger);
    }

    /// Why the connection ended, if that was not in order. It is told once; reads and
    /// writes go on giving it.
    ///
    /// # Errors
    /// Never; the type is that of other sockets.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(self.connection().take_error())
    }

    /// A handle to control the connection by, while the stream is read and written elsewhere.
    #[must_use]
    pub fn control(&self) -> ConnectionControl {
        ConnectionControl::new(self.connection())
    }

    /// Ends the connection at once; the peer sees a reset, and whoever waits gets
    /// `ConnectionAborted`.
    pub fn abort(&self) {
        self.connection().abort();
    }

    /// Ends one direction or both, like `std::net::TcpStream::shutdown`; this half of them has a
    /// name of its own, as `shutdown` is `AsyncWriteExt`'s.
    ///
    /// Ending the sending direction lets the peer read to the end. The peer hears nothing of the
    /// end of the receiving one: from then on reads find the end of the stream, and what waits or
    /// still comes is dropped and acknowledged.
    ///
    /// # Errors
    /// Why the connection ended, if it did before.
    pub fn shutdown_with(&self, how: Shutdown) -> io::Result<()> {
        if matches!(how, Shutdown::Read | Shutdown::Both) {
            self.connection().shutdown_read();
        }
        match how {
            Shutdown::Read => Ok(()),
            Shutdown::Write | Shutdown::Both => self.connection().shutdown(),
        }
    }
}
