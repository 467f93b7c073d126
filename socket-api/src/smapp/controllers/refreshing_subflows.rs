//! The use case "refreshing subflows" of draft-hesmans-mptcp-socket: a client keeps several subflows
//! between the same two addresses, looks at their statistics at intervals, and replaces the one that
//! has carried least since.

use super::replacement::{Criterion, Replacement, ReplacementConfig};
use crate::smapp::controller::{Commands, Controller};
use crate::smapp::event::Event;
use crate::smapp::mask::EventMask;
use umptcp_stack::Instant;

/// See the module.
#[derive(Debug)]
pub struct RefreshingSubflows(Replacement);

impl RefreshingSubflows {
    /// With these parameters.
    #[must_use]
    pub fn new(config: ReplacementConfig) -> Self {
        Self(Replacement::new(config, Criterion::Carried))
    }
}

impl Default for RefreshingSubflows {
    fn default() -> Self {
        Self::new(ReplacementConfig::default())
    }
}

impl Controller for RefreshingSubflows {
    fn events(&self) -> EventMask {
        self.0.events()
    }

    fn handle_event(&mut self, now: Instant, event: &Event, commands: &mut Commands<'_>) {
        self.0.handle_event(now, event, commands);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.0.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Instant, commands: &mut Commands<'_>) {
        self.0.handle_timeout(now, commands);
    }
}
