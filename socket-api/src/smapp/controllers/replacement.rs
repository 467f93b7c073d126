//! Several subflows between the same two addresses, of which the worst is replaced again and again,
//! so that routers that spread flows over several paths (ECMP) put the new one on another.
//!
//! Owns the machine that [`Refresh`](super::Refresh) and
//! [`RefreshingSubflows`](super::RefreshingSubflows) share; they differ in what is worst.

use super::openings::Openings;
use crate::smapp::command::CreateSubflow;
use crate::smapp::controller::Commands;
use crate::smapp::event::{ConnectionTuple, Event, Token};
use crate::smapp::mask::EventMask;
use crate::smapp::query::SubflowState;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use umptcp_stack::Instant;

/// Parameters of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplacementConfig {
    /// How many subflows there are, the initial one included.
    pub subflows: usize,
    /// From one replacement to the next.
    pub interval: Duration,
}

impl Default for ReplacementConfig {
    fn default() -> Self {
        Self {
            subflows: 5,
            interval: Duration::from_millis(2500),
        }
    }
}

/// How good a subflow is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Criterion {
    /// The pace at which it may send.
    PacingRate,
    /// What it has carried since the last look, in both directions.
    Carried,
}

#[derive(Debug)]
struct Bundle {
    local: SocketAddr,
    remote: SocketAddr,
    look_at: Instant,
    /// What each subflow had carried when it was last looked at.
    carried: HashMap<u32, u64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Replacement {
    config: ReplacementConfig,
    criterion: Criterion,
    bundles: HashMap<Token, Bundle>,
    openings: Openings,
}

impl Replacement {
    pub(super) fn new(config: ReplacementConfig, criterion: Criterion) -> Self {
        Self {
            config,
            criterion,
            bundles: HashMap::new(),
            openings: Openings::default(),
        }
    }

    #[allow(clippy::unused_self, reason = "as the trait has it")]
    pub(super) fn events(&self) -> EventMask {
        EventMask::ESTABLISHED | EventMask::CLOSED
    }

    pub(super) fn handle_event(
        &mut self,
        now: Instant,
        event: &Event,
        commands: &mut Commands<'_>,
    ) {
        match event {
            Event::Established(connection) if !connection.server_side => {
                self.established(now, connection, commands);
            }
            Event::Closed { token } => {
                self.bundles.remove(token);
                self.openings.forget(*token);
            }
            _ => {}
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let looks = self.bundles.values().map(|bundle| bundle.look_at).min();
        looks.into_iter().chain(self.openings.deadline()).min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, commands: &mut Commands<'_>) {
        // What fails is missing at the next look.
        let _ = self.openings.run(now, commands);
        let due: Vec<Token> = self
            .bundles
            .iter()
            .filter(|(_, bundle)| bundle.look_at <= now)
            .map(|(&token, _)| token)
            .collect();
        for token in due {
            self.look(now, token, commands);
        }
    }

    fn established(
        &mut self,
        now: Instant,
        connection: &ConnectionTuple,
        commands: &mut Commands<'_>,
    ) {
        let bundle = Bundle {
            local: connection.local,
            remote: connection.remote,
            look_at: now + self.config.interval,
            carried: HashMap::new(),
        };
        for _ in 1..self.config.subflows {
            // One that fails is missing at the first look.
            let _ = self
                .openings
                .open(now, bundle.further(connection.token), commands);
        }
        self.bundles.insert(connection.token, bundle);
    }

    fn look(&mut self, now: Instant, token: Token, commands: &mut Commands<'_>) {
        let Some(bundle) = self.bundles.get_mut(&token) else {
            return;
        };
        let Ok(subflows) = commands.subflows(token) else {
            self.bundles.remove(&token);
            return;
        };
        bundle.look_at = now + self.config.interval;
        let carried = |state: &SubflowState| state.bytes_acked + state.bytes_received;
        let before = std::mem::take(&mut bundle.carried);
        let since = |state: &SubflowState| {
            carried(state)
                - before
                    .get(&state.id)
                    .copied()
                    .unwrap_or(0)
                    .min(carried(state))
        };
        let progress: u64 = subflows.iter().map(since).sum();
        bundle
            .carried
            .extend(subflows.iter().map(|state| (state.id, carried(state))));
        // Of what is idle nothing can be told.
        if progress == 0 {
            return;
        }
        let mut missing = self.config.subflows.saturating_sub(subflows.len());
        if missing == 0 {
            let measure = |state: &&SubflowState| match self.criterion {
                Criterion::PacingRate => state.pacing_rate,
                Criterion::Carried => since(state),
            };
            // One that has not even been established within the interval is the worst of all.
            let worst = subflows
                .iter()
                .min_by_key(|state| (state.established, measure(state)));
            if let Some(worst) = worst {
                let closed = commands.destroy_subflow(token, worst.local, worst.remote);
                missing += usize::from(closed.is_ok());
            }
        }
        for _ in 0..missing {
            // One that fails is missing at the next look.
            let _ = self.openings.open(now, bundle.further(token), commands);
        }
    }
}

impl Bundle {
    /// One more, from another port.
    fn further(&self, token: Token) -> CreateSubflow {
        CreateSubflow::new(token, self.remote).from(self.local.ip())
    }
}
