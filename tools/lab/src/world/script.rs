//! What an application does with a connection, as a state machine that the world steps.

use umptcp_stack::{ConnectionId, Endpoint, Event, Instant};

/// What a script may touch in a step.
#[derive(Debug)]
pub struct Io<'a> {
    /// The time.
    pub now: Instant,
    /// The host.
    pub endpoint: &'a mut Endpoint,
    /// The script's connection.
    pub connection: ConnectionId,
}

/// An application's side of one connection.
///
/// The world steps a script when it starts, after events of its connection, and at its deadline;
/// at no other time. So a script that waits for an event which the stack owes it stays waiting,
/// and the run shows it.
pub trait Script: std::fmt::Debug {
    /// Takes notice of an event; a step follows.
    fn event(&mut self, event: &Event);

    /// Does all that can be done now.
    ///
    /// # Errors
    /// What the stack did wrong, in words; it fails the run.
    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String>;

    /// When the script wants to be stepped next, events apart.
    fn deadline(&self) -> Option<Instant>;

    /// Done with the connection: the world releases it.
    fn is_done(&self) -> bool;

    /// Wants to be stepped before `Event::Connected`.
    fn starts_early(&self) -> bool {
        false
    }

    /// How far it got.
    fn progress(&self) -> Progress;
}

/// How far a script got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes the stack took.
    pub sent: u64,
    /// Bytes read, all of them as expected.
    pub received: u64,
    /// The end of the peer's stream was read.
    pub end_of_stream: bool,
}
