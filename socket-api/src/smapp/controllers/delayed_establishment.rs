//! The use case "delaying subflow establishment" of draft-hesmans-mptcp-socket: the second subflow
//! is opened only once a transfer has proven large, or has lasted. Short ones pay for no MP_JOIN, and
//! wake no second radio.

use super::openings::Openings;
use super::other_path;
use crate::smapp::command::CreateSubflow;
use crate::smapp::controller::{Commands, Controller};
use crate::smapp::event::{ConnectionTuple, Event, Token};
use crate::smapp::mask::EventMask;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::Instant;

/// Parameters of [`DelayedEstablishment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedEstablishmentConfig {
    /// Bytes acknowledged and received after which the second subflow is opened.
    pub bytes: u64,
    /// Time after which it is opened in any case.
    pub time: Duration,
    /// From one look at the bytes to the next.
    pub look_every: Duration,
    /// The address of the second subflow; `None` is the first that the initial one does not use.
    pub second: Option<IpAddr>,
}

impl Default for DelayedEstablishmentConfig {
    fn default() -> Self {
        Self {
            // Two times the initial window of ten segments, and its doublings up to then, fit in.
            bytes: 128 << 10,
            time: Duration::from_secs(5),
            look_every: Duration::from_millis(50),
            second: None,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    local: SocketAddr,
    remote: SocketAddr,
    /// When it is opened in any case.
    until: Instant,
    look_at: Instant,
}

/// See the module.
#[derive(Debug, Default)]
pub struct DelayedEstablishment {
    config: DelayedEstablishmentConfig,
    waiting: HashMap<Token, Waiting>,
    openings: Openings,
}

impl DelayedEstablishment {
    /// With these parameters.
    #[must_use]
    pub fn new(config: DelayedEstablishmentConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    fn established(&mut self, now: Instant, connection: &ConnectionTuple) {
        let until = now + self.config.time;
        let waiting = Waiting {
            local: connection.local,
            remote: connection.remote,
            until,
            look_at: (now + self.config.look_every).min(until),
        };
        self.waiting.insert(connection.token, waiting);
    }

    fn look(&mut self, now: Instant, commands: &mut Commands<'_>) {
        let Self {
            config,
            waiting,
            openings,
        } = self;
        waiting.retain(|&token, connection| {
            if connection.look_at > now {
                return true;
            }
            let Ok(state) = commands.connection(token) else {
                return false;
            };
            let large = state.bytes_acked + state.bytes_received >= config.bytes;
            if !large && connection.until > now {
                connection.look_at = (now + config.look_every).min(connection.until);
                return true;
            }
            let (local, remote) = (connection.local.ip(), connection.remote);
            if let Some((from, to)) = other_path(commands, token, config.second, local, remote) {
                // If it fails the connection stays with what it has.
                let second = CreateSubflow::new(token, to).from(from);
                let _ = openings.open(now, second, commands);
            }
            false
        });
    }
}

impl Controller for DelayedEstablishment {
    fn events(&self) -> EventMask {
        EventMask::ESTABLISHED | EventMask::CLOSED
    }

    fn handle_event(&mut self, now: Instant, event: &Event, _: &mut Commands<'_>) {
        match event {
            Event::Established(connection) if !connection.server_side => {
                self.established(now, connection);
            }
            Event::Closed { token } => {
                self.waiting.remove(token);
                self.openings.forget(*token);
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let looks = self.waiting.values().map(|waiting| waiting.look_at).min();
        looks.into_iter().chain(self.openings.deadline()).min()
    }

    fn handle_timeout(&mut self, now: Instant, commands: &mut Commands<'_>) {
        let _ = self.openings.run(now, commands);
        self.look(now, commands);
    }
}
