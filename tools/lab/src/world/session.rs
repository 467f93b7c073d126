//! One application with one connection: its script, and the log of what happened to it.

use super::HostId;
use super::script::{Io, Progress, Script};
use std::net::SocketAddr;
use umptcp_stack::{
    CloseReason, ConnectError, ConnectionConfig, ConnectionId, ConnectionInfo, ConnectionProtocol,
    Endpoint, Event, Instant, SubflowInfo,
};

/// How a connecting application connects.
#[derive(Clone, Debug)]
pub struct Connect {
    /// When.
    pub at: Instant,
    /// From where; `None` leaves it open.
    pub local: Option<SocketAddr>,
    /// Where to.
    pub remote: SocketAddr,
    /// With what settings.
    pub config: ConnectionConfig,
}

#[derive(Debug)]
enum State {
    /// The time to connect has not come.
    Waiting(Box<Connect>),
    /// The stack has not said `Connected`.
    Connecting(ConnectionId),
    Running(ConnectionId),
    /// The script is done; the id is gone.
    Released,
    /// `connect` failed at once.
    Refused,
}

/// One application and its connection.
#[derive(Debug)]
pub struct Session {
    host: HostId,
    state: State,
    script: Box<dyn Script>,
    woken: bool,
    events: Vec<(Instant, Event)>,
    connect_error: Option<ConnectError>,
    last_info: Option<ConnectionInfo>,
    last_subflows: Vec<SubflowInfo>,
}

impl Session {
    pub(super) fn connecting(host: HostId, connect: Connect, script: Box<dyn Script>) -> Self {
        Self::new(host, State::Waiting(Box::new(connect)), script)
    }

    pub(super) fn accepted(host: HostId, id: ConnectionId, script: Box<dyn Script>) -> Self {
        Self::new(host, State::Running(id), script)
    }

    fn new(host: HostId, state: State, script: Box<dyn Script>) -> Self {
        Self {
            host,
            state,
            script,
            woken: true,
            events: Vec::new(),
            connect_error: None,
            last_info: None,
            last_subflows: Vec::new(),
        }
    }

    /// The host it runs on.
    #[must_use]
    pub fn host(&self) -> HostId {
        self.host
    }

    /// The connection, while there is one and the application has not released it.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionId> {
        match self.state {
            State::Connecting(id) | State::Running(id) => Some(id),
            State::Waiting(_) | State::Released | State::Refused => None,
        }
    }

    /// The connection, released or not.
    #[must_use]
    pub fn former_connection(&self) -> Option<ConnectionId> {
        self.connection()
            .or_else(|| self.last_info.as_ref().map(|info| info.id))
    }

    /// True once the application is done and has released its connection.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Released | State::Refused)
    }

    /// How far the script got.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.script.progress()
    }

    /// All events of the connection so far, with their times.
    #[must_use]
    pub fn events(&self) -> &[(Instant, Event)] {
        &self.events
    }

    /// Why `connect` failed at once, if it did.
    #[must_use]
    pub fn connect_error(&self) -> Option<ConnectError> {
        self.connect_error
    }

    /// Why the connection ended, if it did and the application was told.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.events.iter().find_map(|(_, event)| match event {
            Event::Closed(_, reason) => Some(*reason),
            _ => None,
        })
    }

    /// What the connection spoke when the script last ran.
    #[must_use]
    pub fn protocol(&self) -> Option<ConnectionProtocol> {
        self.last_info.as_ref().map(|info| info.protocol)
    }

    /// The connection as it was just before the script was last stepped, or at its release.
    #[must_use]
    pub fn last_info(&self) -> Option<&ConnectionInfo> {
        self.last_info.as_ref()
    }

    /// The subflows at that same moment.
    #[must_use]
    pub fn last_subflows(&self) -> &[SubflowInfo] {
        &self.last_subflows
    }

    /// Passes an event on; `logged` is about those that come with nearly every packet.
    pub(super) fn take_event(&mut self, now: Instant, event: Event, logged: bool) {
        if let (State::Connecting(id), Event::Connected(..) | Event::Closed(..)) =
            (&self.state, &event)
        {
            self.state = State::Running(*id);
        }
        self.script.event(&event);
        if logged || !matches!(event, Event::Readable(_) | Event::Writable(_)) {
            self.events.push((now, event));
        }
        self.woken = true;
    }

    /// When the session wants to be stepped, events apart.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting(connect) => Some(connect.at),
            State::Running(_) => self.script.deadline(),
            State::Connecting(_) if self.script.starts_early() => self.script.deadline(),
            State::Connecting(_) | State::Released | State::Refused => None,
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        (self.woken && !self.is_done() && !matches!(self.state, State::Waiting(_)))
            || self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Runs the script once; connects first if it is time to.
    pub(super) fn step(&mut self, now: Instant, endpoint: &mut Endpoint) -> Result<(), String> {
        self.woken = false;
        if let State::Waiting(connect) = &self.state {
            let Connect {
                local,
                remote,
                config,
                ..
            } = (**connect).clone();
            match endpoint.connect(now, local, remote, config) {
                Ok(id) => self.state = State::Connecting(id),
                Err(error) => {
                    self.connect_error = Some(error);
                    self.state = State::Refused;
                }
            }
        }
        let connection = match self.state {
            State::Running(id) => id,
            State::Connecting(id) if self.script.starts_early() => id,
            State::Waiting(_) | State::Connecting(_) | State::Released | State::Refused => {
                return Ok(());
            }
        };
        self.script.step(&mut Io {
            now,
            endpoint,
            connection,
        })?;
        self.last_info = endpoint.connection_info(connection);
        self.last_subflows = endpoint.subflows(connection);
        self.check_counts()?;
        if self.script.is_done() {
            endpoint.release(now, connection);
            self.state = State::Released;
        }
        Ok(())
    }

    /// Compares what the stack counts with what the application has seen.
    fn check_counts(&self) -> Result<(), String> {
        let Some(info) = &self.last_info else {
            return Err("no info about the connection".into());
        };
        let Progress { sent, received, .. } = self.script.progress();
        let (written, acked, delivered) =
            (info.bytes_written, info.bytes_acked, info.bytes_received);
        if written != sent || acked > written || delivered < received {
            return Err(format!(
                "wrote {sent} and read {received} bytes, but the stack counts {written} written, \
                 {acked} acknowledged, {delivered} received"
            ));
        }
        Ok(())
    }
}
