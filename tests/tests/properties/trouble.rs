//! What hosts and applications do to a connection beside using it: settings with little patience,
//! the end of all paths for a while, and connections that are given up.

use super::generate::{Generator, Promise};
use std::time::Duration;
use umptcp_lab::link::Cut;
use umptcp_lab::world::{Abort, Scenario};
use umptcp_stack::{FastcloseMethod, Keepalive};

impl Generator {
    /// Troubles of the kind that may end a connection before its time; gives what they leave.
    pub(crate) fn troubles(&mut self, scenario: &mut Scenario) -> Promise {
        let mut promise = Promise::Intact;
        if self.chance(0.1) {
            self.cut_all(scenario);
            promise = Promise::Clear;
        }
        if self.chance(0.1) {
            self.hurry(scenario);
            promise = Promise::Clear;
        }
        if self.chance(0.1) {
            self.abort(scenario);
            promise = Promise::Clear;
        }
        promise
    }

    /// Every path is silent for a while, so that every subflow may be given up, and heals.
    fn cut_all(&mut self, scenario: &mut Scenario) {
        let from = self.instant(100..=5000);
        let to = from + self.duration(1000..=60_000);
        for path in &mut scenario.paths {
            for link in [&mut path.up, &mut path.down] {
                link.cuts = vec![Cut { from, to: Some(to) }];
            }
        }
        for side in [&mut scenario.client, &mut scenario.server] {
            side.connection.user_timeout = self.duration(5000..=30_000);
            side.connection.close_timeout = self.duration(10_000..=200_000);
        }
    }

    /// Whoever waits does not wait for long.
    fn hurry(&mut self, scenario: &mut Scenario) {
        for side in [&mut scenario.client, &mut scenario.server] {
            let config = &mut side.connection;
            config.close_timeout = self.among(&[
                Duration::ZERO,
                Duration::from_secs(1),
                Duration::from_secs(60),
            ]);
            config.fin_timeout = self.duration(100..=20_000);
            config.linger = self.among(&[
                None,
                Some(Duration::ZERO),
                Some(Duration::from_millis(300)),
                Some(Duration::from_secs(10)),
            ]);
        }
    }

    /// An application gives its connection up.
    fn abort(&mut self, scenario: &mut Scenario) {
        let client = self.chance(0.5);
        let (own, peer) = if client {
            (&mut scenario.client, &scenario.server)
        } else {
            (&mut scenario.server, &scenario.client)
        };
        let (sends, receives) = (own.plan.sends, peer.plan.sends);
        own.connection.fastclose =
            self.among(&[FastcloseMethod::Acknowledgment, FastcloseMethod::Reset]);
        own.plan.abort = Some(match self.number(3) {
            0 => Abort::AfterSent(self.below(sends)),
            1 => Abort::AfterReceived(self.below(receives)),
            _ => Abort::At(self.instant(0..=5000)),
        });
    }

    /// Lets a side that waits find out that the other is gone: what told it may have been lost.
    pub(crate) fn watch(&mut self, scenario: &mut Scenario) {
        for side in [&mut scenario.client, &mut scenario.server] {
            side.connection.subflow.keepalive.get_or_insert(Keepalive {
                idle: Duration::from_secs(5),
                interval: Duration::from_secs(3),
                probes: 500,
            });
        }
    }
}
