//! Random scenarios: whatever the paths, the settings and the applications are like, what is
//! written on one side is what is read on the other, and the connection comes to its end.
//!
//! A scenario follows from its seed. `UMPTCP_SEEDS=n` runs the first n seeds instead of the
//! default number, `UMPTCP_SEED=n` only that one. Seeds run on all cores, each on one: what a seed
//! leads to does not depend on the others. They run without a capture, and one that fails runs
//! again with it.

mod generate;

use generate::{Disturbance, Generated, Narrow};
use std::env;
use std::ops::Range;
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use umptcp_lab::link::{Cut, LinkConfig, Loss};
use umptcp_lab::world::{Finish, PathMtuRouter, Scenario, Side};
use umptcp_stack::{CloseReason, CongestionAlgorithm, EcnPolicy, Instant, SynCookies};
use umptcp_tests::run::Run;

const DEFAULT_SEEDS: u64 = 10_000;

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

/// What is kept of the packets of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    Nothing,
    Everything,
}

/// Runs one scenario; gives the digest of the packets that were kept.
fn check(seed: u64, keep: Keep) -> u32 {
    let Generated {
        scenario,
        narrow,
        disturbances,
    } = generate::scenario(seed);
    let mut run = Run::of(scenario);
    if keep == Keep::Nothing {
        run.world().record_nothing();
    }
    for narrow in narrow {
        install(&mut run, narrow);
    }
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

fn install(run: &mut Run, Narrow { path, mtu, speaks }: Narrow) {
    let wire = run.pair.wires[path];
    for direction in 0..2 {
        let router = if speaks {
            PathMtuRouter::new(mtu)
        } else {
            PathMtuRouter::black_hole(mtu)
        };
        run.world().set_middlebox(wire, direction, router);
    }
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

/// Runs `check` for all seeds on all cores; gives those that failed, a few at most.
fn failures(seeds: Range<u64>, check: impl Fn(u64) + Sync) -> Vec<u64> {
    /// Each failure says much; more of them say little more.
    const ENOUGH: usize = 10;
    let next = AtomicU64::new(seeds.start);
    let failed = Mutex::new(Vec::new());
    let failed_now = || failed.lock().expect("nobody fails while holding it");
    let work = || {
        while failed_now().len() < ENOUGH {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            let result = panic::catch_unwind(panic::AssertUnwindSafe(|| check(seed)));
            if result.is_err() {
                failed_now().push(seed);
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().expect("nobody fails while holding it");
    failed.sort_unstable();
    failed
}

#[test]
fn what_is_written_is_what_is_read() {
    let failed = failures(seeds(), |seed| {
        check(seed, Keep::Nothing);
    });
    if let Some(&first) = failed.first() {
        // For the capture.
        check(first, Keep::Everything);
        panic!("seed {first} failed, but not when its packets were kept");
    }
}

#[test]
fn every_run_can_be_repeated() {
    let Range { start, end } = seeds();
    // Two runs each, so not of every seed.
    let few = 0..(end - start).div_ceil(100);
    let failed = failures(few, |number| {
        let seed = start + number * 100;
        let [first, second] = [(); 2].map(|()| check(seed, Keep::Everything));
        assert_eq!(first, second, "seed {seed}");
    });
    assert_eq!(failed, [0; 0], "times 100: seeds");
}

/// Scenarios of the first seeds, to be counted.
struct Sample(Vec<Generated>);

impl Sample {
    fn draw() -> Self {
        Self((0..600).map(generate::scenario).collect())
    }

    fn count(&self, property: fn(&Scenario) -> bool) -> usize {
        let has = |generated: &&Generated| property(&generated.scenario);
        self.0.iter().filter(has).count()
    }

    /// Scenarios in which either side has the property.
    fn side(&self, property: fn(&Side) -> bool) -> usize {
        let has = |g: &&Generated| property(&g.scenario.client) || property(&g.scenario.server);
        self.0.iter().filter(has).count()
    }

    /// Scenarios in which a link from the client has the property.
    fn up(&self, property: fn(&LinkConfig) -> bool) -> usize {
        let has = |g: &&Generated| g.scenario.paths.iter().any(|path| property(&path.up));
        self.0.iter().filter(has).count()
    }

    /// Scenarios with such a narrow place in the middle of a path.
    fn narrow(&self, property: fn(&Narrow) -> bool) -> usize {
        let has = |generated: &&Generated| generated.narrow.iter().any(property);
        self.0.iter().filter(has).count()
    }
}

fn assert_frequent(kinds: &[(&str, usize)]) {
    for (what, found) in kinds {
        assert!(*found >= 15, "{what}: {found}");
    }
}

/// The generator itself: its scenarios differ, and cover what they are meant to.
#[test]
fn paths_and_applications_are_diverse() {
    let sample = Sample::draw();
    assert_frequent(&[
        ("several paths", sample.count(|s| s.paths.len() > 1)),
        ("loss", sample.up(|l| l.loss != Loss::None)),
        (
            "bursts",
            sample.up(|l| matches!(l.loss, Loss::GilbertElliott { .. })),
        ),
        ("cuts", sample.up(|l| !l.cuts.is_empty())),
        ("holds", sample.up(|l| !l.holds.is_empty())),
        ("marks", sample.up(|l| l.mark_above.is_some())),
        (
            "much reordering",
            sample.up(|l| l.reorder.probability > 0.5),
        ),
        ("duplicates", sample.up(|l| l.duplicate > 0.5)),
        ("damage", sample.up(|l| l.corrupt > 0.0)),
        ("MTU 576", sample.side(|s| s.interface.mtu == 576)),
        ("MTU 1280", sample.side(|s| s.interface.mtu == 1280)),
        (
            "super-segments that are cut",
            sample.count(|s| {
                s.client.interface.segmentation_offload.is_some() && s.paths[0].up.mtu < 65_000
            }),
        ),
        (
            "super-segments as a whole",
            sample.count(|s| {
                s.client.interface.segmentation_offload.is_some() && s.paths[0].up.mtu == u16::MAX
            }),
        ),
        ("narrow routers", sample.narrow(|n| n.speaks)),
        ("black holes", sample.narrow(|n| !n.speaks)),
        (
            "plain TCP",
            sample.count(|s| !s.client.connection.mptcp || !s.server.connection.mptcp),
        ),
        (
            "small buffers",
            sample.count(|s| s.client.connection.receive_buffer < 5000),
        ),
        (
            "both ways",
            sample.count(|s| s.client.plan.sends > 0 && s.server.plan.sends > 0),
        ),
    ]);
}

#[test]
fn settings_are_diverse() {
    let sample = Sample::draw();
    assert_frequent(&[
        (
            "Reno",
            sample.side(|s| s.connection.congestion == CongestionAlgorithm::NewReno),
        ),
        (
            "CUBIC",
            sample.side(|s| s.connection.congestion == CongestionAlgorithm::Cubic),
        ),
        (
            "ECN",
            sample.count(|s| {
                s.client.connection.ecn == EcnPolicy::Request
                    && s.server.connection.ecn != EcnPolicy::Off
            }),
        ),
        (
            "no ECN",
            sample.side(|s| s.connection.ecn == EcnPolicy::Off),
        ),
        ("no pacing", sample.side(|s| !s.connection.pacing)),
        ("Nagle off", sample.side(|s| s.connection.nodelay)),
        (
            "keepalive",
            sample.side(|s| s.connection.keepalive.is_some()),
        ),
        (
            "slow acknowledgments",
            sample.side(|s| s.connection.delayed_ack.as_millis() > 300),
        ),
        (
            "cookies",
            sample.side(|s| s.endpoint.syn_cookies == SynCookies::Always),
        ),
    ]);
}

#[test]
fn every_cut_begins_early_and_one_path_heals() {
    let late = Instant::from_millis(60_000);
    for Generated { scenario, .. } in Sample::draw().0 {
        let healed = |cut: &Cut| cut.to.is_some();
        assert!(scenario.paths[0].up.cuts.iter().all(healed));
        let cuts = || scenario.paths.iter().flat_map(|path| &path.up.cuts);
        assert!(cuts().all(|cut| cut.from < late));
    }
}
