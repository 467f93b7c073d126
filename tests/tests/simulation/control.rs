//! What an application changes while data flows: rate caps, congestion control, schedulers, path
//! managers, and the addresses that a connection may use.

use super::*;
use std::net::IpAddr;
use umptcp_lab::link::Loss;
use umptcp_lab::world::{HostId, Reach, World};
use umptcp_stack::{
    CongestionAlgorithm, ConnectionId, Endpoint, Instant, InterfaceConfig, MptcpCounter,
    PathManagerKind, SchedulerKind, SubflowChange, Version,
};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// 16 MB from the client over two paths: over three seconds.
fn long(name: &str, version: Version) -> Scenario {
    let mut scenario = scenario(name).connections(|config| config.version = version);
    scenario.client.plan = Plan::sending(16 * MEGABYTE);
    scenario.server.plan = Plan::sending(0);
    scenario.reach = Reach::WholeHost;
    scenario
}

fn connection_of(world: &World, host: HostId) -> ConnectionId {
    let session = world.sessions_of(host).next().expect("it is connected");
    session.connection().expect("it is connected")
}

/// Acts on the connection of a host at this time.
fn when(
    run: &mut Run,
    millis: u64,
    host: HostId,
    act: impl FnOnce(&mut Endpoint, Instant, ConnectionId) + 'static,
) {
    run.world().at(at(millis), move |world| {
        let (now, id) = (world.now(), connection_of(world, host));
        act(world.endpoint_mut(host), now, id);
    });
}

/// Pairs of addresses of the subflows of a host that are open.
fn pairs(world: &World, host: HostId) -> Vec<(IpAddr, IpAddr)> {
    let subflows = world.endpoint(host).subflows(connection_of(world, host));
    let open = subflows
        .iter()
        .filter(|s| s.fully_established && s.state.can_send());
    open.map(|s| (s.local.ip(), s.remote.ip())).collect()
}

/// The link could carry five times as much.
#[test]
fn a_rate_cap_holds_with_pacing_and_without() {
    for pacing in [true, false] {
        for offload in [None, Some(60_000)] {
            let mut scenario = long("rate cap", Version::V1);
            scenario.client.plan = Plan::sending(2 * MEGABYTE);
            scenario.client.connection.pacing = pacing;
            scenario.client.connection.max_subflows = 1;
            scenario.client.connection.subflow.rate_cap = Some(500_000);
            scenario.client.interface = InterfaceConfig {
                segmentation_offload: offload,
                ..InterfaceConfig::default()
            };
            let mut run = Run::of(scenario);
            let client = run.pair.client;
            run.world().run_until(|_| false, at(1000));
            let sent = |run: &Run| {
                let id = run.client_connection();
                run.pair.world.endpoint(client).subflows(id)[0].bytes_sent
            };
            let before = sent(&run);
            run.world().run_until(|_| false, at(3000));
            let carried = sent(&run) - before;
            // A burst more or less.
            assert!((950_000..=1_010_000).contains(&carried), "{carried}");
            // Without the cap the rest takes no second.
            when(&mut run, 3000, client, |endpoint, now, id| {
                let change = SubflowChange::RateCap(None);
                endpoint.set_subflow_options(now, id, None, change).unwrap();
            });
            run.world().run_until(|_| false, at(3900));
            let carried = run.pair.world.counters(run.pair.wires[0])[0].delivered_bytes;
            assert!(carried > 2 * MEGABYTE, "{carried}");
            run.complete_within(10)
                .assert_intact()
                .assert_nothing_left();
        }
    }
}

#[test]
fn congestion_control_is_switched_in_a_transfer_with_losses() {
    for version in VERSIONS {
        let mut scenario = long("other congestion control", version);
        scenario.paths = paths(2, link().lossy(Loss::Bernoulli(0.005)));
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        for (turn, millis) in (500..3500).step_by(150).enumerate() {
            let algorithm = CongestionAlgorithm::ALL[turn % 2];
            when(&mut run, millis, client, move |endpoint, now, id| {
                let change = SubflowChange::Congestion(algorithm);
                endpoint.set_subflow_options(now, id, None, change).unwrap();
                let open = endpoint.subflows(id);
                let mut open = open.iter().filter(|s| s.state.can_send());
                assert!(open.all(|s| s.congestion == algorithm && s.cwnd > 0));
            });
        }
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

#[test]
fn the_scheduler_is_switched_in_a_transfer() {
    for version in VERSIONS {
        let mut scenario = long("other scheduler", version);
        scenario.paths[1] =
            Path::symmetric(LinkConfig::with_rate_and_delay(20_000_000, millis(40)));
        scenario.client.connection.scheduler = SchedulerKind::RoundRobin;
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        for (turn, millis) in (400..3000).step_by(100).enumerate() {
            let kind = SchedulerKind::ALL[turn % 2];
            when(&mut run, millis, client, move |endpoint, now, id| {
                endpoint.set_scheduler(now, id, kind);
                assert_eq!(endpoint.scheduler(id), Some(kind));
            });
        }
        run.complete_within(60)
            .assert_intact()
            .assert_subflows(4)
            .assert_nothing_left();
    }
}

#[test]
fn round_robin_gives_every_path_its_share() {
    let shares = SchedulerKind::ALL.iter().map(|&kind| {
        let mut scenario = long("round robin", Version::V1);
        scenario.client.plan = Plan::sending(4 * MEGABYTE);
        scenario.paths = vec![
            Path::symmetric(LinkConfig::with_rate_and_delay(100_000_000, millis(5))),
            Path::symmetric(LinkConfig::with_rate_and_delay(100_000_000, millis(20))),
        ];
        scenario.client.connection.scheduler = kind;
        scenario.client.connection.max_subflows = 2;
        let run = run(scenario);
        let subflows = run.client().last_subflows();
        (subflows[0].bytes_sent, subflows[1].bytes_sent)
    });
    let shares: Vec<_> = shares.collect();
    // The slower path has more to do where every path has its turn.
    let part = |(fast, slow): (u64, u64)| slow * 100 / (fast + slow);
    assert!(part(shares[1]) >= part(shares[0]), "{shares:?}");
}

#[test]
fn the_path_manager_is_switched_in_a_transfer() {
    for version in VERSIONS {
        let mut scenario = long("other path manager", version);
        scenario.client.connection.path_manager = PathManagerKind::Passive;
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        run.world().run_until(|_| false, at(500));
        assert_eq!(pairs(&run.pair.world, client).len(), 1);
        let switch = |run: &mut Run, kind| {
            let (now, id) = (run.world().now(), run.client_connection());
            run.world()
                .endpoint_mut(client)
                .set_path_manager(now, id, kind);
            run.world().run_for(millis(400));
            pairs(&run.pair.world, client).len()
        };
        assert_eq!(
            switch(&mut run, PathManagerKind::NDiffPorts { subflows: 3 }),
            3
        );
        assert_eq!(switch(&mut run, PathManagerKind::FullMesh), 6);
        assert_eq!(switch(&mut run, PathManagerKind::Endpoints), 6);
        assert_eq!(switch(&mut run, PathManagerKind::Passive), 6);
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

#[test]
fn different_ports_over_one_pair_of_addresses() {
    for version in VERSIONS {
        let mut scenario = long("ndiffports", version);
        scenario.client.connection.path_manager = PathManagerKind::NDiffPorts { subflows: 4 };
        let expected = (scenario.client_address(0), scenario.server_address(0));
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        run.world().run_until(|_| false, at(1000));
        assert_eq!(pairs(&run.pair.world, client), [expected; 4]);
        run.complete_within(60)
            .assert_intact()
            .assert_subflows(4)
            .assert_nothing_left();
        let second = run.pair.world.counters(run.pair.wires[1])[0].delivered_bytes;
        assert_eq!(second, 0);
    }
}

#[test]
fn a_connection_with_an_allow_list_never_leaves_it() {
    for version in VERSIONS {
        // On either side: the other one would use every address.
        for bound in [true, false] {
            let mut scenario = long("allow-list", version);
            scenario.paths = paths(3, link());
            scenario.server.plan.sends = 16 * MEGABYTE;
            let list = if bound {
                &mut scenario.client.connection.allowed_local
            } else {
                &mut scenario.server.connection.allowed_local
            };
            *list = Some(Vec::new());
            let allowed = if bound {
                scenario.client_address(0)
            } else {
                scenario.server_address(0)
            };
            let mut run = Run::of(scenario);
            let host = if bound {
                run.pair.client
            } else {
                run.pair.server
            };
            run.world().run_until(|_| false, at(1500));
            let locals = |run: &Run| {
                let pairs = pairs(&run.pair.world, host);
                pairs
                    .into_iter()
                    .map(|(local, _)| local)
                    .collect::<Vec<_>>()
            };
            assert_eq!(locals(&run), [allowed; 3], "the other side has three");
            let known = run.pair.world.endpoint(host);
            let known = known.local_addresses(connection_of(&run.pair.world, host));
            assert!(known.iter().all(|known| known.address == allowed));
            run.complete_within(60)
                .assert_intact()
                .assert_subflows(3)
                .assert_nothing_left();
        }
    }
}

/// RFC 6897 §5.3.3: paths that are permitted and unused come up before the address is left.
#[test]
fn an_address_that_is_disallowed_is_left_once_another_path_is_up() {
    for version in VERSIONS {
        let mut scenario = long("disallowed", version);
        scenario.paths = paths(3, link());
        scenario.client.connection.max_subflows = 1;
        let address = |path| scenario.client_address(path);
        let (first, second) = (address(0), address(1));
        let mut run = Run::of(scenario);
        let (client, server) = (run.pair.client, run.pair.server);
        run.world().run_until(|_| false, at(1000));
        let (now, id) = (run.world().now(), run.client_connection());
        let endpoint = run.world().endpoint_mut(client);
        assert_eq!(endpoint.disallow_local(now, id, first), Ok(()));
        assert!(!endpoint.is_local_allowed(id, first));
        // The new path has not joined: the old one goes on.
        run.world().run_for(millis(15));
        let pairs_now = pairs(&run.pair.world, client);
        assert_eq!(pairs_now.len(), 1, "{pairs_now:?}");
        assert_eq!(pairs_now[0].0, first);
        run.world().run_for(millis(500));
        let pairs_now = pairs(&run.pair.world, client);
        assert!(!pairs_now.is_empty());
        assert!(
            pairs_now.iter().all(|&(local, _)| local != first),
            "{pairs_now:?}"
        );
        let counters = run.pair.world.endpoint(server).mptcp_counters();
        assert_eq!(counters[MptcpCounter::RmAddr], 1);
        // And permitted again.
        let now = run.world().now();
        let endpoint = run.world().endpoint_mut(client);
        let list = Some(vec![first, second]);
        assert_eq!(endpoint.set_allowed_local(now, id, list), Ok(()));
        assert!(endpoint.is_local_allowed(id, first));
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

/// The application may also use a path that its list got later.
#[test]
fn what_is_allowed_later_is_used() {
    for version in VERSIONS {
        let mut scenario = long("allowed later", version);
        scenario.client.connection.allowed_local = Some(Vec::new());
        let second = scenario.client_address(1);
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        run.world().run_until(|_| false, at(700));
        let (now, id) = (run.world().now(), run.client_connection());
        assert_eq!(pairs(&run.pair.world, client).len(), 2);
        let endpoint = run.world().endpoint_mut(client);
        assert_eq!(endpoint.allow_local(now, id, second), Ok(()));
        run.world().run_for(millis(400));
        assert_eq!(pairs(&run.pair.world, client).len(), 4);
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}
