//! Random scenarios: whatever the paths, the settings and the applications are like, what is
//! written on one side is what is read on the other, and the connection comes to its end.
//!
//! A scenario follows from its seed. `UMPTCP_SEEDS=n` runs the first n seeds instead of the
//! default number, `UMPTCP_SEED=n` only that one.

mod generate;

use generate::{Disturbance, Generated};
use std::env;
use std::ops::Range;
use umptcp_lab::world::{Finish, Plan};
use umptcp_stack::{CloseReason, Instant};
use umptcp_tests::run::Run;

const DEFAULT_SEEDS: u64 = 300;

/// Virtual seconds within which every scenario ends: they are made to be over long before.
const LIMIT_SECONDS: u64 = 7200;

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable}={value} is no number")),
    )
}

fn seeds() -> Range<u64> {
    match number("UMPTCP_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("UMPTCP_SEEDS").unwrap_or(DEFAULT_SEEDS),
    }
}

/// Runs one scenario; gives the digest of its packets.
fn check(seed: u64) -> u32 {
    let Generated {
        scenario,
        disturbances,
    } = generate::scenario(seed);
    let mut run = Run::of(scenario);
    for disturbance in disturbances {
        schedule(&mut run, disturbance);
    }
    run.complete_within(LIMIT_SECONDS);
    let plans = (
        run.scenario.client.plan.clone(),
        run.scenario.server.plan.clone(),
    );
    let sessions = [
        (run.client(), &plans.0, &plans.1),
        (run.server(), &plans.1, &plans.0),
    ];
    for (session, own, peer) in sessions {
        let progress = session.progress();
        assert_eq!((progress.sent, progress.received), (own.sends, peer.sends));
        if own.finish == Finish::Shutdown {
            assert!(progress.end_of_stream);
            assert_eq!(session.closed(), Some(CloseReason::Finished));
        }
    }
    run.assert_nothing_left();
    run.world().digest()
}

fn schedule(run: &mut Run, disturbance: Disturbance) {
    let hosts = [run.pair.client, run.pair.server];
    let session = run.pair.session;
    let client = run.pair.client;
    match disturbance {
        Disturbance::InterfaceDown {
            at,
            until,
            host,
            interface,
        } => {
            let host = hosts[host];
            run.world().at(at, move |world| {
                world.set_interface_up(host, interface, false)
            });
            run.world().at(until, move |world| {
                world.set_interface_up(host, interface, true)
            });
        }
        Disturbance::CloseSubflow { at, number } => run.world().at(at, move |world| {
            let Some(id) = world.session(session).connection() else {
                return;
            };
            let now = world.now();
            // Never the last one: then nothing could arrive.
            let subflows = world.endpoint(client).subflows(id);
            let usable = generate::usable(world.session(session), &subflows);
            if usable.len() > 1 {
                let subflow = usable[number % usable.len()];
                assert_eq!(
                    world.endpoint_mut(client).close_subflow(now, id, subflow),
                    Ok(())
                );
            }
        }),
        Disturbance::Backup { at, number, backup } => run.world().at(at, move |world| {
            let Some(id) = world.session(session).connection() else {
                return;
            };
            let now = world.now();
            let subflows = world.endpoint(client).subflows(id);
            let usable = generate::usable(world.session(session), &subflows);
            if usable.len() > 1 {
                let subflow = usable[number % usable.len()];
                assert_eq!(
                    world
                        .endpoint_mut(client)
                        .set_backup(now, id, subflow, backup),
                    Ok(())
                );
            }
        }),
    }
}

#[test]
fn what_is_written_is_what_is_read() {
    for seed in seeds() {
        check(seed);
    }
}

#[test]
fn every_run_can_be_repeated() {
    for seed in seeds().step_by(30) {
        assert_eq!(check(seed), check(seed), "seed {seed}");
    }
}

/// The generator itself: its scenarios differ, and cover what they are meant to.
#[test]
fn scenarios_are_diverse() {
    let scenarios: Vec<_> = (0..300)
        .map(|seed| generate::scenario(seed).scenario)
        .collect();
    let count = |property: fn(&umptcp_lab::world::Scenario) -> bool| {
        scenarios
            .iter()
            .filter(|scenario| property(scenario))
            .count()
    };
    let sends = |plan: &Plan| plan.sends > 0;
    for (what, found) in [
        ("several paths", count(|s| s.paths.len() > 1)),
        (
            "loss",
            count(|s| s.paths.iter().any(|p| p.up.loss != Default::default())),
        ),
        (
            "cuts",
            count(|s| s.paths.iter().any(|p| !p.up.cuts.is_empty())),
        ),
        (
            "plain TCP",
            count(|s| !s.client.connection.mptcp || !s.server.connection.mptcp),
        ),
        (
            "small buffers",
            count(|s| s.client.connection.receive_buffer < 5000),
        ),
        (
            "both ways",
            scenarios
                .iter()
                .filter(|s| sends(&s.client.plan) && sends(&s.server.plan))
                .count(),
        ),
    ] {
        assert!(found >= 15, "{what}: {found}");
    }
    assert!(
        scenarios
            .iter()
            .all(|s| s.paths[0].up.cuts.iter().all(|cut| cut.to.is_some()))
    );
    let late = Instant::from_millis(60_000);
    assert!(
        scenarios
            .iter()
            .flat_map(|s| &s.paths)
            .flat_map(|p| &p.up.cuts)
            .all(|cut| cut.from < late)
    );
}
