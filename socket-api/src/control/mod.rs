//! Control over a live connection: its subflows, its addresses, its policies, its events.
//!
//! The module owns the handle that a program keeps while something else reads and writes the stream,
//! be it another task or a library. It never keeps a connection open: once the application has let
//! go of the stream, every call gives `NotConnected`.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the connection: addresses, policies, events, accounting |
//! | `subflow` | one subflow |

mod subflow;

pub use subflow::SubflowControl;

use crate::bsd::Errno;
use crate::connection::{Connection, SharedConnection};
use crate::error::{self, StackError};
use crate::events::{ConnectionEvents, EventQueue};
use crate::shared::State;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use umptcp_stack::{
    CongestionAlgorithm, ConnectionId, ConnectionInfo, Instant, LocalAddress, OpenSubflow, PathLog,
    PathManagerKind, RemoteAddress, SchedulerKind, SubflowChange, SubflowError, SubflowId,
    SubflowInfo, SubflowOptions,
};

/// A handle on a connection that another task, or a library, reads and writes.
///
/// Clones control the same connection. All calls return at once; those that begin something say
/// which event tells how it went. They need no privileges: an application rules its own connections.
#[derive(Clone, Debug)]
pub struct ConnectionControl {
    connection: Weak<Connection>,
}

impl ConnectionControl {
    pub(crate) fn new(connection: &SharedConnection) -> Self {
        Self {
            connection: Arc::downgrade(connection),
        }
    }

    /// The connection, as long as the application has it.
    fn connection(&self) -> io::Result<SharedConnection> {
        self.connection
            .upgrade()
            .ok_or_else(|| error::failed("cannot control the connection", Errno::ENOTCONN.into()))
    }

    /// Carries out a command of the endpoint.
    fn command<T>(
        &self,
        command: impl FnOnce(&mut State, Instant, ConnectionId) -> T,
    ) -> io::Result<T> {
        let connection = self.connection()?;
        let handle = connection.handle();
        Ok(handle.command(|state, now| command(state, now, connection.id())))
    }

    /// The same, of a command that can fail.
    fn attempt<T, E: StackError>(
        &self,
        command: impl FnOnce(&mut State, Instant, ConnectionId) -> Result<T, E>,
    ) -> io::Result<T> {
        self.command(command)?.map_err(StackError::into_io)
    }

    /// What the connection looks like now.
    ///
    /// # Errors
    /// `NotConnected` once the application has let go of it, as for every call.
    pub fn info(&self) -> io::Result<ConnectionInfo> {
        Ok(self.connection()?.info())
    }

    /// What its subflows look like now, in the order of opening; closed ones stay listed.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn subflows(&self) -> io::Result<Vec<SubflowInfo>> {
        Ok(self.connection()?.subflows())
    }

    /// A handle on one subflow, whether or not there is one of this id.
    #[must_use]
    pub fn subflow(&self, id: SubflowId) -> SubflowControl {
        SubflowControl::new(self.clone(), id)
    }

    /// Begins to open a subflow: from an address, an interface or anywhere, to the peer's initial
    /// address or another one, as a backup or not, with options of its own or those of the
    /// connection. [`SubflowControl::established`] waits for it, and the events tell of it.
    ///
    /// # Errors
    /// `Unsupported` for plain TCP, `WouldBlock` while the connection is not fully established, and
    /// what [`SubflowError`](umptcp_stack::SubflowError) says otherwise: it is inside the error.
    pub fn open_subflow(&self, wanted: OpenSubflow) -> io::Result<SubflowControl> {
        let id =
            self.attempt(|state, now, id| state.endpoint.open_subflow_with(now, id, wanted))?;
        Ok(self.subflow(id))
    }

    /// What happens to the connection from now on; at most [`DEFAULT_QUEUE`](crate::DEFAULT_QUEUE)
    /// events wait to be read.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn events(&self) -> io::Result<ConnectionEvents> {
        self.events_with_queue(crate::events::DEFAULT_QUEUE)
    }

    /// As [`Self::events`], with room for `capacity` events.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn events_with_queue(&self, capacity: usize) -> io::Result<ConnectionEvents> {
        let (queue, receiver) = EventQueue::new(capacity);
        self.command(|state, _, id| {
            // One that has ended has no more events to tell: the queue ends with its last end.
            if let Some(connection) = state.connections.get_mut(&id)
                && connection.closed.is_none()
            {
                connection.listeners.push(queue);
            } else {
                queue.finish(None, &mut Vec::new());
            }
        })?;
        Ok(ConnectionEvents::new(receiver))
    }

    /// Our addresses within the connection, with the ids by which the peer knows them.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn local_addresses(&self) -> io::Result<Vec<LocalAddress>> {
        self.command(|state, _, id| state.endpoint.local_addresses(id))
    }

    /// The peer's addresses, as it has announced them.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn remote_addresses(&self) -> io::Result<Vec<RemoteAddress>> {
        self.command(|state, _, id| state.endpoint.remote_addresses(id))
    }

    /// Announces an address of ours to the peer (ADD_ADDR). `port` is where it is to join, if that
    /// is not the port of the initial subflow; nobody has to listen there.
    ///
    /// # Errors
    /// `NotFound` if it is not an address of ours, or if the connection cannot announce anything.
    pub fn announce_address(&self, address: IpAddr, port: Option<u16>) -> io::Result<()> {
        self.attempt(|state, now, id| {
            state
                .endpoint
                .announce_address(now, Some(id), address, port)
        })
    }

    /// Takes an announcement back (REMOVE_ADDR); subflows on that address, or on that port of it,
    /// end.
    ///
    /// # Errors
    /// `NotFound` if the connection does not know the address.
    pub fn withdraw_address(&self, address: IpAddr, port: Option<u16>) -> io::Result<()> {
        self.attempt(|state, now, id| {
            state
                .endpoint
                .withdraw_address(now, Some(id), address, port)
        })
    }

    /// The local addresses that the connection may use; `None` stands for all.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn allowed_local(&self) -> io::Result<Option<Vec<IpAddr>>> {
        self.command(|state, _, id| state.endpoint.allowed_local(id))
    }

    /// Lets the connection use only these local addresses and that of its initial subflow, or all
    /// with `None` (RFC 6897 §5.3.3). Subflows from others close, once permitted paths that were
    /// unused are up, and the peer is told.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn set_allowed_local(&self, allowed: Option<Vec<IpAddr>>) -> io::Result<()> {
        self.attempt(|state, now, id| state.endpoint.set_allowed_local(now, id, allowed))
    }

    /// Lets the connection use one more local address.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn allow_local(&self, address: IpAddr) -> io::Result<()> {
        self.attempt(|state, now, id| state.endpoint.allow_local(now, id, address))
    }

    /// Takes one local address away from the connection, also that of the initial subflow.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn disallow_local(&self, address: IpAddr) -> io::Result<()> {
        self.attempt(|state, now, id| state.endpoint.disallow_local(now, id, address))
    }

    /// Which subflow carries the next bytes.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn scheduler(&self) -> io::Result<SchedulerKind> {
        self.command(|state, _, id| state.endpoint.scheduler(id).unwrap_or_default())
    }

    /// Changes which subflow carries the next bytes, at once; what was handed to a subflow stays
    /// there.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn set_scheduler(&self, kind: SchedulerKind) -> io::Result<()> {
        self.command(|state, now, id| state.endpoint.set_scheduler(now, id, kind))
    }

    /// What opens subflows and announces addresses by itself.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn path_manager(&self) -> io::Result<PathManagerKind> {
        self.command(|state, _, id| state.endpoint.path_manager(id).unwrap_or_default())
    }

    /// Changes what opens subflows and announces addresses, at once; what the old one has done
    /// stays. [`PathManagerKind::Passive`] leaves everything to the application.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn set_path_manager(&self, kind: PathManagerKind) -> io::Result<()> {
        self.command(|state, now, id| state.endpoint.set_path_manager(now, id, kind))
    }

    /// What further subflows start with.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn subflow_options(&self) -> io::Result<SubflowOptions> {
        self.attempt(|state, _, id| {
            let options = state.endpoint.subflow_options(id, None);
            options.ok_or(SubflowError::UnknownConnection)
        })
    }

    /// Changes an option of all subflows, now and in future.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn set_subflow_options(&self, change: SubflowChange) -> io::Result<()> {
        self.attempt(|state, now, id| state.endpoint.set_subflow_options(now, id, None, change))
    }

    /// The congestion control of further subflows.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn congestion(&self) -> io::Result<CongestionAlgorithm> {
        Ok(self.subflow_options()?.congestion)
    }

    /// Changes the congestion control of all subflows, now and in future; live ones keep their
    /// windows.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn set_congestion(&self, algorithm: CongestionAlgorithm) -> io::Result<()> {
        self.set_subflow_options(SubflowChange::Congestion(algorithm))
    }

    /// Which bytes went over which subflow since it was last taken; `None` if that is not recorded:
    /// [`ConnectionConfig::path_log`](umptcp_stack::ConnectionConfig::path_log) says how much is.
    ///
    /// # Errors
    /// As for [`Self::info`].
    pub fn take_path_log(&self) -> io::Result<Option<PathLog>> {
        self.command(|state, _, id| state.endpoint.take_path_log(id))
    }
}
