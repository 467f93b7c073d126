//! Subflows that are to be opened, now or later.
//!
//! Owns the waiting: until a pause is over, or until a connection that is not fully established yet
//! can take a subflow (`EAGAIN`), of which no event tells.

use crate::smapp::command::CreateSubflow;
use crate::smapp::controller::Commands;
use crate::smapp::event::Token;
use nix::errno::Errno;
use std::time::Duration;
use umptcp_stack::Instant;

/// After the first `EAGAIN`; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// No longer than this: whoever waits for the first data wants the second subflow soon after it.
const LAST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Opening {
    at: Instant,
    pause: Duration,
    subflow: CreateSubflow,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Openings(Vec<Opening>);

impl Openings {
    /// Opens a subflow, at once or as soon as the connection can take it.
    ///
    /// # Errors
    /// Why it will not be.
    pub(super) fn open(
        &mut self,
        now: Instant,
        subflow: CreateSubflow,
        commands: &mut Commands<'_>,
    ) -> Result<(), Errno> {
        let opening = Opening {
            at: now,
            pause: FIRST_PAUSE,
            subflow,
        };
        self.attempt(now, opening, commands)
    }

    /// Opens a subflow later.
    pub(super) fn schedule(&mut self, at: Instant, subflow: CreateSubflow) {
        self.0.push(Opening {
            at,
            pause: FIRST_PAUSE,
            subflow,
        });
    }

    /// Opens what is due; gives what became of it. One that waits for its connection is not among
    /// them.
    pub(super) fn run(
        &mut self,
        now: Instant,
        commands: &mut Commands<'_>,
    ) -> Vec<(CreateSubflow, Result<(), Errno>)> {
        let due: Vec<Opening> = self.0.extract_if(.., |waiting| waiting.at <= now).collect();
        let attempts = due
            .into_iter()
            .map(|opening| (opening.subflow, self.attempt(now, opening, commands)));
        attempts.collect()
    }

    /// When [`Self::run`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().map(|waiting| waiting.at).min()
    }

    /// One like this waits.
    pub(super) fn any(&self, mut like: impl FnMut(&CreateSubflow) -> bool) -> bool {
        self.0.iter().any(|waiting| like(&waiting.subflow))
    }

    /// Gives up those like this.
    pub(super) fn give_up(&mut self, mut like: impl FnMut(&CreateSubflow) -> bool) {
        self.0.retain(|waiting| !like(&waiting.subflow));
    }

    /// A connection is no more.
    pub(super) fn forget(&mut self, token: Token) {
        self.give_up(|subflow| subflow.token == token);
    }

    fn attempt(
        &mut self,
        now: Instant,
        opening: Opening,
        commands: &mut Commands<'_>,
    ) -> Result<(), Errno> {
        match commands.create_subflow(opening.subflow) {
            Ok(_) => Ok(()),
            Err(Errno::EAGAIN) => {
                self.0.push(Opening {
                    at: now + opening.pause,
                    pause: (opening.pause * 2).min(LAST_PAUSE),
                    ..opening
                });
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
