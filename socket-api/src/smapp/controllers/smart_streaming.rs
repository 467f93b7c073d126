//! A source that makes a block of data each period, and wants it to arrive within the period. Some
//! time into each block it looks whether enough of it is acknowledged, and opens a second subflow if
//! not; it closes the first one when that has become hopeless.

use super::openings::Openings;
use super::other_path;
use crate::smapp::command::CreateSubflow;
use crate::smapp::controller::{Commands, Controller};
use crate::smapp::event::{ConnectionTuple, Event, SubflowTuple, Token};
use crate::smapp::mask::EventMask;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::Instant;

/// Parameters of [`SmartStreaming`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmartStreamingConfig {
    /// Bytes of a block. The first is written when the connection is established.
    pub block: u64,
    /// From one block to the next.
    pub period: Duration,
    /// From the beginning of a block to the look at it.
    pub check_after: Duration,
    /// Bytes of the block that should be acknowledged by then.
    pub acked: u64,
    /// The first subflow is closed if its retransmission timeout is longer than this.
    pub rto_over: Duration,
    /// The address of the second subflow; `None` is the first that the first one does not use.
    pub second: Option<IpAddr>,
}

impl Default for SmartStreamingConfig {
    fn default() -> Self {
        Self {
            block: 64 << 10,
            period: Duration::from_secs(1),
            check_after: Duration::from_millis(500),
            acked: 32 << 10,
            rto_over: Duration::from_secs(1),
            second: None,
        }
    }
}

#[derive(Debug)]
struct Stream {
    first: (SocketAddr, SocketAddr),
    first_is_open: bool,
    second: Second,
    /// The block that is looked at next, from 0.
    block: u32,
    check_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Second {
    None,
    Opening,
    Open,
}

/// See the module.
#[derive(Debug, Default)]
pub struct SmartStreaming {
    config: SmartStreamingConfig,
    streams: HashMap<Token, Stream>,
    openings: Openings,
}

impl SmartStreaming {
    /// With these parameters.
    #[must_use]
    pub fn new(config: SmartStreamingConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    fn established(&mut self, now: Instant, connection: &ConnectionTuple) {
        let stream = Stream {
            first: (connection.local, connection.remote),
            first_is_open: true,
            second: Second::None,
            block: 0,
            check_at: now + self.config.check_after,
        };
        self.streams.insert(connection.token, stream);
    }

    fn check(&mut self, now: Instant, commands: &mut Commands<'_>) {
        let Self {
            config,
            streams,
            openings,
        } = self;
        streams.retain(|&token, stream| {
            if stream.check_at > now {
                return true;
            }
            let Ok(state) = commands.connection(token) else {
                return false;
            };
            let earlier = config.block.saturating_mul(stream.block.into());
            let wanted = earlier.saturating_add(config.acked);
            // What is not written cannot be acknowledged.
            if state.bytes_acked < wanted.min(state.bytes_written) {
                stream.open_second(now, token, config, openings, commands);
            }
            stream.block += 1;
            stream.check_at += config.period;
            true
        });
    }

    fn timeout(
        &mut self,
        now: Instant,
        subflow: &SubflowTuple,
        rto: Duration,
        commands: &mut Commands<'_>,
    ) {
        let Some(stream) = self.streams.get_mut(&subflow.token) else {
            return;
        };
        if rto <= self.config.rto_over || (subflow.local, subflow.remote) != stream.first {
            return;
        }
        match stream.second {
            Second::Open => stream.close_first(subflow.token, commands),
            Second::Opening => {}
            Second::None => {
                let (config, openings) = (&self.config, &mut self.openings);
                stream.open_second(now, subflow.token, config, openings, commands);
            }
        }
    }
}

impl Stream {
    fn open_second(
        &mut self,
        now: Instant,
        token: Token,
        config: &SmartStreamingConfig,
        openings: &mut Openings,
        commands: &mut Commands<'_>,
    ) {
        if self.second != Second::None || !self.first_is_open {
            return;
        }
        let (local, remote) = self.first;
        let Some((from, to)) = other_path(commands, token, config.second, local.ip(), remote)
        else {
            return;
        };
        let second = CreateSubflow::new(token, to).from(from);
        if openings.open(now, second, commands).is_ok() {
            self.second = Second::Opening;
        }
    }

    fn close_first(&mut self, token: Token, commands: &mut Commands<'_>) {
        let (local, remote) = self.first;
        // It may have ended by itself.
        let _ = commands.destroy_subflow(token, local, remote);
        self.first_is_open = false;
    }
}

impl Controller for SmartStreaming {
    fn events(&self) -> EventMask {
        EventMask::ESTABLISHED
            | EventMask::CLOSED
            | EventMask::TIMEOUT
            | EventMask::SUBFLOW_ESTABLISHED
            | EventMask::SUBFLOW_CLOSED
    }

    fn handle_event(&mut self, now: Instant, event: &Event, commands: &mut Commands<'_>) {
        match *event {
            Event::Established(connection) if !connection.server_side => {
                self.established(now, &connection);
            }
            Event::Closed { token } => {
                self.streams.remove(&token);
                self.openings.forget(token);
            }
            Event::Timeout { subflow, rto, .. } => self.timeout(now, &subflow, rto, commands),
            Event::SubflowEstablished(subflow) => {
                let Some(stream) = self.streams.get_mut(&subflow.token) else {
                    return;
                };
                stream.second = Second::Open;
                // Its timeout may have passed the limit while there was no other.
                let subflows = commands.subflows(subflow.token).unwrap_or_default();
                let mut subflows = subflows.iter();
                let first = subflows.find(|state| (state.local, state.remote) == stream.first);
                if first.is_some_and(|state| state.rto > self.config.rto_over) {
                    stream.close_first(subflow.token, commands);
                }
            }
            Event::SubflowClosed { subflow, .. } => {
                if let Some(stream) = self.streams.get_mut(&subflow.token) {
                    if (subflow.local, subflow.remote) == stream.first {
                        stream.first_is_open = false;
                    } else {
                        stream.second = Second::None;
                    }
                }
            }
            _ => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let checks = self.streams.values().map(|stream| stream.check_at).min();
        checks.into_iter().chain(self.openings.deadline()).min()
    }

    fn handle_timeout(&mut self, now: Instant, commands: &mut Commands<'_>) {
        for (subflow, result) in self.openings.run(now, commands) {
            if result.is_err()
                && let Some(stream) = self.streams.get_mut(&subflow.token)
            {
                stream.second = Second::None;
            }
        }
        self.check(now, commands);
    }
}
