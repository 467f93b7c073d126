//! Two hosts with our stack, the paths between them, and everything that may go wrong there, in
//! virtual time. Each test asserts that the bytes arrive intact, how the connection ends, and that
//! nothing is left afterwards.

mod addresses;
mod break_before_make;
mod buffers;
mod closing;
mod control;
mod controllers;
mod ecn;
mod fallback;
mod flow_control;
mod foreign_tcp;
mod harm;
mod liveness;
mod loss_recovery;
mod middleboxes;
mod path_log;
mod path_mtu;
mod paths;
mod plain_tcp;
mod regressions;
mod sequence_numbers;
mod transfers;
mod versions;

use std::time::Duration;
use umptcp_lab::link::LinkConfig;
use umptcp_lab::world::{Ip, Path, Plan, Scenario};
use umptcp_tests::run::{Run, failed_runs};

const MEGABYTE: u64 = 1_000_000;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// 20 Mbit/s, 10 ms each way.
fn link() -> LinkConfig {
    LinkConfig::with_rate_and_delay(20_000_000, millis(10))
}

/// Paths with equal links.
fn paths(count: usize, link: LinkConfig) -> Vec<Path> {
    vec![Path::symmetric(link); count]
}

/// Two paths of [`link`], a megabyte from the client and half of one from the server.
fn scenario(name: &str) -> Scenario {
    let mut scenario = Scenario::new(name, 1);
    scenario.failed_runs = Some(failed_runs(env!("CARGO_TARGET_TMPDIR")));
    scenario.paths = paths(2, link());
    scenario.client.plan = Plan::sending(MEGABYTE);
    scenario.server.plan = Plan::sending(MEGABYTE / 2);
    scenario
}

/// Runs a scenario to its end, intact, orderly and without remains.
fn run(scenario: Scenario) -> Run {
    let mut run = Run::of(scenario);
    run.complete_within(300)
        .assert_intact()
        .assert_nothing_left();
    run
}
