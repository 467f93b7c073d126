//! Four equal-cost paths between two routers: subflows that are replaced end up on all of them.

use super::*;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use umptcp::smapp::controllers::{Refresh, RefreshingSubflows, ReplacementConfig};
use umptcp_lab::world::{Connect, Finish, Outcome, SessionId, Transfer};

/// The routers' paths: 8 Mbit/s each, 10, 20, 30 and 40 ms.
const DELAYS: [u64; 4] = [10, 20, 30, 40];

struct Result {
    /// Paths with a subflow at the end.
    paths: usize,
    took: Duration,
    world: World,
    session: SessionId,
}

/// 100 MB from the client to the server.
fn transfer(
    seed: u64,
    path_manager: PathManagerKind,
    controller: Option<Box<dyn Controller>>,
) -> Result {
    let mut world = World::new("equal-cost paths", seed);
    world.record_nothing();
    let mut scenario = Scenario::new("equal-cost paths", seed);
    scenario.client.plan = Plan::sending(100 * MEGABYTE);
    scenario.client.connection.path_manager = path_manager;
    scenario.server.connection.path_manager = PathManagerKind::Passive;
    let [client, server] = ["client", "server"].map(|name| {
        let side = if name == "client" {
            &scenario.client
        } else {
            &scenario.server
        };
        world.add_host(name, side.endpoint.clone())
    });
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
        info.is_some_and(|info| info.bytes_acked > 97 * MEGABYTE)
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
    Result {
        paths: used.len(),
        took: world.now().saturating_duration_since(Instant::ZERO),
        world,
        session,
    }
}

#[test]
fn refreshed_subflows_end_on_distinct_paths() {
    for seed in SEEDS {
        let plain = transfer(seed, PathManagerKind::NDiffPorts { subflows: 5 }, None);
        let passive = PathManagerKind::Passive;
        let refresh = transfer(seed, passive, Some(Box::new(Refresh::default())));
        let carried = transfer(seed, passive, Some(Box::new(RefreshingSubflows::default())));
        for (name, result) in [("plain", plain), ("refresh", refresh), ("carried", carried)] {
            eprintln!(
                "seed {seed} {name}: {} paths, {:?}",
                result.paths, result.took
            );
        }
    }
}
