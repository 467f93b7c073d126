//! What a controller is, and what it acts through.
//!
//! Owns the two traits and [`Commands`]. Neither knows whether the stack is in the same process.

use super::command::{Command, CreateSubflow, Reply};
use super::event::{Event, SubflowTuple, Token};
use super::mask::EventMask;
use super::query::{Addresses, Answer, ConnectionState, Query, SubflowState};
use nix::errno::Errno;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::Instant;

/// Decides which subflows there are, in place of a path manager inside the stack.
///
/// It reads no clock and starts no thread: whoever hosts it calls it. A connection that it is to
/// rule alone has the path manager `Passive`.
pub trait Controller: fmt::Debug + Send {
    /// The events it wants; asked once, when it is added.
    fn events(&self) -> EventMask;

    /// Something has happened.
    fn handle_event(&mut self, now: Instant, event: &Event, commands: &mut Commands<'_>);

    /// When it wants [`Self::handle_timeout`] to be called; `None` if nothing waits. It must lie
    /// ahead once that has been called.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The time that it asked for has come.
    fn handle_timeout(&mut self, now: Instant, commands: &mut Commands<'_>);
}

/// A stack that can be ruled: in the same process, or at the other end of a socket.
pub trait Control {
    /// Carries a command out.
    ///
    /// # Errors
    /// The errnos of the kernels' netlink families: `EBADR` for a subflow of a connection that is
    /// not there, and `EINVAL` for anything else of one; `EAGAIN` for a subflow that a connection
    /// cannot take yet, `ENOTCONN` for one it cannot take at all, `EOWNERDEAD` for one of a
    /// connection that has ended, `ENOSPC` if there are too many, `EADDRNOTAVAIL` and `EADDRINUSE`
    /// for addresses that do not work; `ESRCH` to destroy a subflow that is not there, `ENOTCONN`
    /// for its priority.
    fn execute(&mut self, now: Instant, command: &Command) -> Result<Reply, Errno>;

    /// Looks something up.
    ///
    /// # Errors
    /// `EINVAL` for a connection that is not there.
    fn query(&mut self, query: &Query) -> Result<Answer, Errno>;
}

/// What a controller acts through: commands take effect at once.
pub struct Commands<'a> {
    now: Instant,
    control: &'a mut dyn Control,
}

impl<'a> Commands<'a> {
    /// Commands that `control` carries out.
    pub fn new(now: Instant, control: &'a mut dyn Control) -> Self {
        Self { now, control }
    }

    /// Carries any command out.
    ///
    /// # Errors
    /// See [`Control::execute`].
    pub fn execute(&mut self, command: &Command) -> Result<Reply, Errno> {
        let result = self.control.execute(self.now, command);
        tracing::debug!(?command, ?result, "a controller commands");
        result
    }

    /// Looks anything up.
    ///
    /// # Errors
    /// See [`Control::query`].
    pub fn query(&mut self, query: &Query) -> Result<Answer, Errno> {
        self.control.query(query)
    }

    /// Opens a subflow; gives its number.
    ///
    /// # Errors
    /// See [`Control::execute`].
    pub fn create_subflow(&mut self, subflow: CreateSubflow) -> Result<u32, Errno> {
        match self.execute(&Command::CreateSubflow(subflow))? {
            Reply::Subflow { id } => Ok(id),
            _ => Err(Errno::EPROTO),
        }
    }

    /// Resets a subflow.
    ///
    /// # Errors
    /// See [`Control::execute`].
    pub fn destroy_subflow(
        &mut self,
        token: Token,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<(), Errno> {
        let command = Command::DestroySubflow {
            token,
            local,
            remote,
        };
        self.execute(&command).map(drop)
    }

    /// Asks the peer to treat a subflow as backup or as regular.
    ///
    /// # Errors
    /// See [`Control::execute`].
    pub fn set_priority(&mut self, subflow: &SubflowTuple, backup: bool) -> Result<(), Errno> {
        let command = Command::SetPriority {
            token: subflow.token,
            local: subflow.local,
            remote: subflow.remote,
            backup,
        };
        self.execute(&command).map(drop)
    }

    /// Announces an address of ours; gives its id.
    ///
    /// # Errors
    /// See [`Control::execute`].
    pub fn announce(
        &mut self,
        token: Token,
        address: IpAddr,
        port: Option<u16>,
    ) -> Result<u8, Errno> {
        let command = Command::Announce {
            token,
            local_id: None,
            address,
            port,
        };
        match self.execute(&command)? {
            Reply::Address { local_id } => Ok(local_id),
            _ => Err(Errno::EPROTO),
        }
    }

    /// A connection as it is now.
    ///
    /// # Errors
    /// See [`Control::query`].
    pub fn connection(&mut self, token: Token) -> Result<ConnectionState, Errno> {
        match self.query(&Query::Connection(token))? {
            Answer::Connection(state) => Ok(state),
            _ => Err(Errno::EPROTO),
        }
    }

    /// Its open subflows, in the order of opening.
    ///
    /// # Errors
    /// See [`Control::query`].
    pub fn subflows(&mut self, token: Token) -> Result<Vec<SubflowState>, Errno> {
        match self.query(&Query::Subflows(token))? {
            Answer::Subflows(states) => Ok(states),
            _ => Err(Errno::EPROTO),
        }
    }

    /// The addresses that it knows.
    ///
    /// # Errors
    /// See [`Control::query`].
    pub fn addresses(&mut self, token: Token) -> Result<Addresses, Errno> {
        match self.query(&Query::Addresses(token))? {
            Answer::Addresses(addresses) => Ok(addresses),
            _ => Err(Errno::EPROTO),
        }
    }
}

impl fmt::Debug for Commands<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
