//! Random scenarios: whatever the paths, the settings and the applications are like, what is
//! written on one side is what is read on the other, and the connection comes to its end.
//!
//! A scenario follows from its seed. `UMPTCP_SEEDS=n` runs the first n seeds instead of the
//! default number, `UMPTCP_SEED=n` only that one. Seeds run on all cores, each on one: what a seed
//! leads to does not depend on the others. They run without a capture, and one that fails runs
//! again with it.
//!
//! | file | what |
//! |---|---|
//! | `generate` | a scenario from a seed |
//! | `network` | its paths and interfaces |
//! | `sides` | its settings and applications |
//! | `trouble` | troubles that may end a connection before its time |
//! | `rude` | middleboxes |
//! | `disturb` | what happens to the hosts during a run |
//! | `diversity` | that everything is really drawn |

mod disturb;
mod diversity;
mod generate;
mod network;
mod rude;
mod sides;
mod trouble;

use generate::{Generated, Promise};
use std::env;
use std::ops::Range;
use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use umptcp_lab::world::{Finish, Outcome, World};
use umptcp_stack::{CloseReason, Instant};
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
        rude,
        promise,
    } = generate::scenario(seed);
    let mut run = Run::of(scenario);
    if keep == Keep::Nothing {
        run.world().record_nothing();
    }
    // With the scenario, should the run fail.
    let around = format!(
        "{:#?}\n{rude:?}\n{disturbances:?}\n{promise:?}",
        run.scenario
    );
    run.world().set_description(around);
    for narrow in narrow {
        disturb::install(&mut run, narrow);
    }
    for rude in rude {
        disturb::place(&mut run, rude);
    }
    for disturbance in disturbances {
        disturb::schedule(&mut run, disturbance);
    }
    match promise {
        Promise::Intact => ends_intact(&mut run),
        Promise::Clear => ends_clearly(&mut run),
    }
    run.assert_nothing_left();
    run.world().digest()
}

/// Everything arrives, and the ends are orderly.
fn ends_intact(run: &mut Run) {
    run.complete_within(LIMIT_SECONDS);
    let [client, server] = [&run.scenario.client.plan, &run.scenario.server.plan];
    let sessions = [
        (run.client(), client, server),
        (run.server(), server, client),
    ];
    for (session, own, peer) in sessions {
        let progress = session.progress();
        assert_eq!((progress.sent, progress.received), (own.sends, peer.sends));
        if own.finish == Finish::Shutdown {
            assert!(progress.end_of_stream);
            assert_eq!(session.closed(), Some(CloseReason::Finished));
        }
    }
}

/// An end that nobody can misunderstand: whoever lacks bytes sees an error. The applications have
/// checked every byte that they read.
fn ends_clearly(run: &mut Run) {
    let limit = Instant::from_millis(LIMIT_SECONDS * 1000);
    // A server may never hear of a client that gave up.
    let outcome = run.world().run_until(World::all_done, limit);
    assert_eq!(outcome, Outcome::Done, "applications did not get done");
    let [client, server] = [&run.scenario.client.plan, &run.scenario.server.plan];
    let accepted = run.accepted().next();
    let sessions = [
        Some((run.client(), server)),
        accepted.map(|session| (session, client)),
    ];
    for (session, peer) in sessions.into_iter().flatten() {
        let progress = session.progress();
        let whole = progress.received == peer.sends;
        match session.closed() {
            // It let go of the connection.
            None => assert!(whole),
            Some(CloseReason::Finished) => assert!(whole && progress.end_of_stream),
            Some(_) => {}
        }
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
