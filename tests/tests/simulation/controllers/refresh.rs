//! Four equal-cost paths between two routers: subflows that are replaced end up on all of them.

use super::*;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use umptcp::smapp::controllers::{Refresh, RefreshingSubflows};
use umptcp_lab::world::Connect;

const SENT: u64 = 100 * MEGABYTE;

/// The routers' paths: 8 Mbit/s each, 10, 20, 30 and 40 ms.
const DELAYS: [u64; 4] = [10, 20, 30, 40];

/// What became of a transfer.
#[derive(Debug)]
struct Transferred {
    /// Paths with a subflow at the end.
    paths: usize,
    took: Duration,
}

impl Transferred {
    /// The share of what all paths together can carry.
    fn utilization(&self) -> f64 {
        let capacity = 4.0 * 1_000_000.0 * self.took.as_secs_f64();
        SENT as f64 / capacity
    }
}

/// 100 MB from the client to the server.
fn transfer(
    seed: u64,
    path_manager: PathManagerKind,
    controller: Option<Box<dyn Controller>>,
) -> Transferred {
    let mut world = World::new("equal-cost paths", seed);
    world.record_nothing();
    let mut scenario = Scenario::new("equal-cost paths", seed);
    scenario.client.plan = Plan::sending(SENT);
    scenario.client.connection.path_manager = path_manager;
    scenario.server.connection.path_manager = PathManagerKind::Passive;
    let client = world.add_host("client", scenario.client.endpoint.clone());
    let server = world.add_host("server", scenario.server.endpoint.clone());
    let addresses = [scenario.client_address(0), scenario.server_address(0)];
    let from = world.add_interface(client, scenario.client.interface, &addresses[..1]);
    let to = world.add_interface(server, scenario.server.interface, &addresses[1..]);
    let links = DELAYS.map(|delay| {
        let link = LinkConfig::with_rate_and_delay(8_000_000, millis(delay));
        (link.clone(), link)
    });
    let wire = world.add_parallel_wire((client, from), (server, to), links.into());
    if let Some(controller) = controller {
        world.add_controller(client, controller);
    }
    let remote = SocketAddr::new(addresses[1], 5001);
    let served = scenario.clone();
    world
        .serve(
            server,
            remote,
            scenario.server.connection.clone(),
            Box::new(move |_| Box::new(served.server_script())),
        )
        .expect("the port is free");
    let connect = Connect {
        at: Instant::ZERO,
        local: None,
        remote,
        config: scenario.client.connection.clone(),
    };
    let session = world.connect(client, connect, Box::new(scenario.client_script()));
    // Just before the end, when all subflows are still there.
    let nearly = |world: &World| {
        let info = world.session(session).last_info();
        info.is_some_and(|info| info.bytes_acked > SENT - 3 * MEGABYTE)
    };
    assert_eq!(world.run_until(nearly, at(300_000)), Outcome::Done);
    let subflows = open_subflows(&world, client);
    let used: BTreeSet<usize> = subflows
        .iter()
        .filter(|subflow| subflow.fully_established)
        .map(|subflow| world.link_of(wire, subflow.local, subflow.remote))
        .collect();
    let outcome = world.run_until(World::all_done, at(300_000));
    assert_eq!(outcome, Outcome::Done);
    Transferred {
        paths: used.len(),
        took: world.now().saturating_duration_since(Instant::ZERO),
    }
}

/// Five subflows from different ports, which stay where they are.
fn plain(seed: u64) -> Transferred {
    transfer(seed, PathManagerKind::NDiffPorts { subflows: 5 }, None)
}

fn ruled_by(seed: u64, controller: Box<dyn Controller>) -> Transferred {
    transfer(seed, PathManagerKind::Passive, Some(controller))
}

/// Each ends on all paths, which chance alone does not lead to, and is faster for it.
fn assert_better(plain: &[Transferred], refreshed: &[Transferred]) {
    eprintln!("plain: {plain:?}\nrefreshed: {refreshed:?}");
    assert!(refreshed.iter().all(|run| run.paths == DELAYS.len()));
    assert!(plain.iter().any(|run| run.paths < DELAYS.len()));
    let mean = |runs: &[Transferred]| {
        runs.iter().map(Transferred::utilization).sum::<f64>() / runs.len() as f64
    };
    assert!(refreshed.iter().all(|run| run.utilization() > 0.7));
    assert!(mean(refreshed) > mean(plain) + 0.1);
}

#[test]
fn subflows_refreshed_by_their_pace_end_on_distinct_paths() {
    let seeds = 0..4;
    let plain: Vec<Transferred> = seeds.clone().map(plain).collect();
    let refreshed = seeds.map(|seed| ruled_by(seed, Box::new(Refresh::default())));
    assert_better(&plain, &refreshed.collect::<Vec<_>>());
}

#[test]
fn subflows_refreshed_by_what_they_carry_end_on_distinct_paths() {
    let seeds = 4..7;
    let plain: Vec<Transferred> = seeds.clone().map(plain).collect();
    let refreshed = seeds.map(|seed| ruled_by(seed, Box::new(RefreshingSubflows::default())));
    assert_better(&plain, &refreshed.collect::<Vec<_>>());
}
