//! The second subflow waits until a transfer has proven large, or has lasted.

use super::*;
use umptcp::smapp::controllers::{DelayedEstablishment, DelayedEstablishmentConfig};
use umptcp_lab::world::Chunks;
use umptcp_stack::MptcpCounter;

/// SYNs with MP_JOIN that the client has sent, when it has sent a number of bytes.
fn joins_for(bytes: u64, controller: Option<Box<dyn Controller>>) -> (u64, Run) {
    let mut scenario = ruled("delayed establishment", 1, link());
    scenario.client.plan = Plan::sending(bytes);
    if controller.is_none() {
        scenario.client.connection.path_manager = PathManagerKind::FullMesh;
    }
    let mut run = run_with(scenario, controller);
    run.complete_within(60)
        .assert_intact()
        .assert_nothing_left();
    let counters = run.pair.world.endpoint(run.pair.client).mptcp_counters();
    (counters[MptcpCounter::MpJoinSynTx], run)
}

fn delayed() -> Option<Box<dyn Controller>> {
    Some(Box::new(DelayedEstablishment::default()))
}

#[test]
fn short_transfers_send_no_join() {
    for bytes in [1, 10_000, 100_000] {
        assert_eq!(joins_for(bytes, delayed()).0, 0, "{bytes} bytes");
    }
    assert!(joins_for(100_000, None).0 > 0, "the full mesh joins for it");
}

#[test]
fn long_transfers_get_a_second_subflow() {
    let (joins, run) = joins_for(8 * MEGABYTE, delayed());
    assert_eq!(joins, 1);
    assert_eq!(umptcp_tests::run::subflows_established(run.client()), 2);
    let carried = run.pair.world.counters(run.pair.wires[1])[0].delivered_bytes;
    assert!(carried > 3 * MEGABYTE, "{carried}");
}

#[test]
fn transfers_that_last_get_one_as_well() {
    let config = DelayedEstablishmentConfig::default();
    let mut scenario = ruled("delayed establishment", 1, link());
    // 20 kB in 8 seconds or so.
    scenario.client.plan = Plan {
        writes: Chunks {
            pause_probability: 1.0,
            max_pause: Duration::from_secs(1),
            ..Chunks::of(1000)
        },
        ..Plan::sending(20_000)
    };
    let mut run = run_with(scenario, delayed());
    run.complete_within(60).assert_intact();
    let events = run.client().events().iter();
    let established: Vec<Instant> = events
        .filter(|(_, event)| matches!(event, umptcp_stack::Event::SubflowEstablished(..)))
        .map(|(time, _)| *time)
        .collect();
    let [established] = established[..] else {
        panic!("{established:?}");
    };
    let after = established.saturating_duration_since(Instant::ZERO);
    assert!(
        after > config.time && after < config.time + millis(200),
        "{after:?}"
    );
}
