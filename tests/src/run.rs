//! A simulated run of a scenario, and the assertions that nearly every run shares.

use std::path::{Path, PathBuf};
use umptcp_lab::world::{Outcome, Pair, Scenario, Session, World};
use umptcp_stack::{CloseReason, ConnectionId, ConnectionProtocol, Event, Instant};

/// Where captures of failed runs go, given `CARGO_TARGET_TMPDIR` of the test binary.
#[must_use]
pub fn failed_runs(target_tmpdir: &str) -> PathBuf {
    let target_tmpdir = Path::new(target_tmpdir);
    target_tmpdir
        .parent()
        .unwrap_or(target_tmpdir)
        .join("failed-runs")
}

/// A run of a scenario with one connection.
#[derive(Debug)]
pub struct Run {
    /// What runs.
    pub scenario: Scenario,
    /// Where it runs.
    pub pair: Pair,
}

#[expect(clippy::missing_panics_doc, reason = "assertions are what this is for")]
impl Run {
    /// Builds the scenario's world; nothing has happened yet.
    #[must_use]
    pub fn of(scenario: Scenario) -> Self {
        Self {
            pair: scenario.build(),
            scenario,
        }
    }

    /// The world.
    pub fn world(&mut self) -> &mut World {
        &mut self.pair.world
    }

    /// The connecting application.
    #[must_use]
    pub fn client(&self) -> &Session {
        self.pair.world.session(self.pair.session)
    }

    /// The application of the first accepted connection.
    #[must_use]
    pub fn server(&self) -> &Session {
        self.accepted()
            .next()
            .expect("the server has accepted a connection")
    }

    /// The applications of all accepted connections.
    pub fn accepted(&self) -> impl Iterator<Item = &Session> {
        self.pair.world.sessions_of(self.pair.server)
    }

    /// The client's connection, which it has not released.
    #[must_use]
    pub fn client_connection(&self) -> ConnectionId {
        self.client()
            .connection()
            .expect("the client has a connection")
    }

    /// Runs until every application is done, and somebody has been accepted; asserts that this
    /// happens within so many seconds.
    pub fn complete_within(&mut self, seconds: u64) -> &mut Self {
        let server = self.pair.server;
        let limit = Instant::from_millis(seconds * 1000);
        let outcome = self.pair.world.run_until(
            |world| world.all_done() && world.sessions_of(server).next().is_some(),
            limit,
        );
        assert_eq!(outcome, Outcome::Done, "applications did not get done");
        self
    }

    /// Runs until `condition` holds; asserts that it does within so many seconds.
    pub fn until(&mut self, seconds: u64, condition: impl FnMut(&World) -> bool) -> &mut Self {
        let limit = Instant::from_millis(seconds * 1000);
        assert_eq!(self.pair.world.run_until(condition, limit), Outcome::Done);
        self
    }

    /// Asserts that each side has received all that the other sent, and its end, and that both
    /// were told of an orderly end.
    pub fn assert_intact(&mut self) -> &mut Self {
        for (session, sends, expects) in [
            (
                self.client(),
                self.scenario.client.plan.sends,
                self.scenario.server.plan.sends,
            ),
            (
                self.server(),
                self.scenario.server.plan.sends,
                self.scenario.client.plan.sends,
            ),
        ] {
            let progress = session.progress();
            assert_eq!((progress.sent, progress.received), (sends, expects));
            assert!(progress.end_of_stream);
            assert_eq!(session.closed(), Some(CloseReason::Finished));
        }
        self
    }

    /// Asserts what both sides speak.
    pub fn assert_protocol(&mut self, protocol: ConnectionProtocol) -> &mut Self {
        assert_eq!(self.client().protocol(), Some(protocol), "client");
        assert_eq!(self.server().protocol(), Some(protocol), "server");
        self
    }

    /// Asserts how many subflows the client established in all, the initial one included.
    pub fn assert_subflows(&mut self, count: usize) -> &mut Self {
        assert_eq!(subflows_established(self.client()), count);
        self
    }

    /// Runs on until nothing happens any more, and asserts that nothing is left: no timer, no
    /// connection, no event for somebody who is gone.
    pub fn assert_nothing_left(&mut self) -> &mut Self {
        let ids: Vec<_> = [self.pair.client, self.pair.server]
            .into_iter()
            .flat_map(|host| {
                let sessions = self.pair.world.sessions_of(host);
                sessions
                    .filter_map(|s| Some((host, s.last_info()?.id)))
                    .collect::<Vec<_>>()
            })
            .collect();
        let limit = self.pair.world.now() + std::time::Duration::from_secs(3600);
        assert_eq!(self.pair.world.run_until(|_| false, limit), Outcome::Idle);
        for host in [self.pair.client, self.pair.server] {
            let endpoint = self.pair.world.endpoint(host);
            assert_eq!(endpoint.poll_timeout(), None);
            assert_eq!(endpoint.connection_count(), 0);
        }
        for (host, id) in ids {
            assert!(
                self.pair.world.endpoint(host).connection_info(id).is_none(),
                "{id:?}"
            );
        }
        assert_eq!(self.pair.world.stray_events(), []);
        self
    }
}

/// Subflows that were usable at some time, the initial one included.
#[must_use]
pub fn subflows_established(session: &Session) -> usize {
    let further = |event: &Event| matches!(event, Event::SubflowEstablished(..));
    1 + session
        .events()
        .iter()
        .filter(|(_, event)| further(event))
        .count()
}
