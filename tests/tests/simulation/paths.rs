//! Paths that break, come back, are opened and closed by hand.

use super::*;
use umptcp_lab::world::{Ip, Outcome, World};
use umptcp_stack::base::mptcp_counters::MptcpCounter;
use umptcp_stack::{CloseReason, Instant, SubflowError, Version};

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// 8 MB from the client over two paths: a good two seconds.
fn long(name: &str) -> Scenario {
    let mut scenario = scenario(name);
    scenario.client.plan = Plan::sending(8 * MEGABYTE);
    scenario
}

/// All joins of a full mesh are under way at the same time.
#[test]
fn as_many_paths_as_a_connection_takes() {
    for version in [Version::V0, Version::V1] {
        let mut scenario = long("eight paths").connections(|config| config.version = version);
        scenario.paths = paths(8, link());
        run(scenario).assert_subflows(8);
    }
}

#[test]
fn a_path_that_goes_silent() {
    for version in [Version::V0, Version::V1] {
        for broken in [0, 1] {
            let mut scenario = long("blackhole").connections(|config| config.version = version);
            scenario.paths[broken] = Path::symmetric(link().cut(at(700), None));
            let mut run = Run::of(scenario);
            run.complete_within(60)
                .assert_intact()
                .assert_subflows(2)
                .assert_nothing_left();
            assert!(run.client().last_info().unwrap().bytes_reinjected > 0);
        }
    }
}

#[test]
fn a_path_that_goes_silent_in_one_direction() {
    for (up, down) in [(true, false), (false, true)] {
        let mut scenario = long("half a blackhole");
        scenario.server.plan.sends = 8 * MEGABYTE;
        let broken = link().cut(at(700), None);
        scenario.paths[1].up = if up { broken.clone() } else { link() };
        scenario.paths[1].down = if down { broken } else { link() };
        run(scenario).assert_subflows(2);
    }
}

#[test]
fn a_path_that_goes_silent_and_comes_back() {
    let mut scenario = long("cut and heal");
    scenario.client.plan.sends = 40 * MEGABYTE;
    scenario.paths[1] = Path::symmetric(link().cut(at(700), Some(at(3000))));
    let run = run(scenario);
    // The healed path is used again: it carries more than it could before the cut.
    let carried = run.pair.world.counters(run.pair.wires[1])[0].delivered_bytes;
    assert!(carried > 3 * MEGABYTE, "{carried}");
}

/// A long cut makes the path stale; it recovers with what gets through first.
#[test]
fn a_path_that_is_stale_and_recovers() {
    for version in [Version::V0, Version::V1] {
        let mut scenario = long("stale").connections(|config| config.version = version);
        scenario.client.plan.sends = 60 * MEGABYTE;
        scenario.paths[1] = Path::symmetric(link().cut(at(700), Some(at(7000))));
        let run = run(scenario);
        let counters = run.pair.world.endpoint(run.pair.client).mptcp_counters();
        assert_eq!(counters[MptcpCounter::SubflowStale], 1);
        assert_eq!(counters[MptcpCounter::SubflowRecover], 1);
        assert!(counters[MptcpCounter::MptcpRetrans] > 0);
        let carried = run.pair.world.counters(run.pair.wires[1])[0].delivered_bytes;
        assert!(carried > 3 * MEGABYTE, "{carried}");
    }
}

#[test]
fn all_paths_go_silent_and_come_back() {
    let mut scenario = long("all cut and heal");
    scenario.paths = paths(2, link().cut(at(700), Some(at(12_000))));
    run(scenario).assert_subflows(2);
}

#[test]
fn an_interface_goes_down() {
    for (host, interface) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let mut run = Run::of(long("interface down"));
        let host = [run.pair.client, run.pair.server][host];
        run.world().at(at(700), move |world| {
            world.set_interface_up(host, interface, false)
        });
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

#[test]
fn an_interface_goes_down_and_comes_back() {
    let mut scenario = long("interface down and up");
    scenario.client.plan.sends = 40 * MEGABYTE;
    let mut run = Run::of(scenario);
    let client = run.pair.client;
    run.world().at(at(700), move |world| {
        world.set_interface_up(client, 1, false)
    });
    run.world().at(at(2000), move |world| {
        world.set_interface_up(client, 1, true)
    });
    run.complete_within(60)
        .assert_intact()
        .assert_nothing_left();
    let carried = run.pair.world.counters(run.pair.wires[1])[0].delivered_bytes;
    assert!(carried > 3 * MEGABYTE, "{carried}");
}

#[test]
fn an_address_is_taken_away() {
    for broken in [0, 1] {
        let scenario = long("address removed");
        let address = scenario.client_address(broken);
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        run.world().at(at(700), move |world| {
            let now = world.now();
            world.endpoint_mut(client).remove_address(now, address);
        });
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

#[test]
fn every_path_lost_for_good_ends_the_connection() {
    let mut scenario = long("all paths lost").connections(|config| {
        config.user_timeout = Duration::from_secs(20);
        config.close_timeout = Duration::from_secs(10);
    });
    // Both are sending when it happens: who only waits for the other would wait for ever.
    scenario.server.plan.sends = 8 * MEGABYTE;
    scenario.paths = paths(2, link().cut(at(700), None));
    let mut run = Run::of(scenario);
    run.complete_within(200).assert_nothing_left();
    for session in [run.client(), run.server()] {
        let closed = session.closed();
        assert!(
            matches!(
                closed,
                Some(CloseReason::TimedOut | CloseReason::AllPathsLost)
            ),
            "{closed:?}"
        );
        assert!(!session.progress().end_of_stream);
    }
}

/// A scenario in which only the test opens subflows.
fn by_hand(name: &str) -> Scenario {
    let mut scenario = long(name);
    scenario.client.connection.max_subflows = 1;
    scenario
}

#[test]
fn a_subflow_opened_by_hand() {
    for ip in [Ip::V4, Ip::V6] {
        let mut scenario = by_hand("open by hand");
        scenario.paths.iter_mut().for_each(|path| path.ip = ip);
        let local = scenario.client_address(1);
        let remote = (scenario.server_address(1), scenario.port).into();
        let mut run = Run::of(scenario);
        run.until(10, |world| world.now() >= at(0) && connected(world));
        let (now, id) = (run.world().now(), run.client_connection());
        let client = run.pair.client;
        // Joins may only follow once the peer has confirmed MPTCP; until then it is refused.
        let mut opened = run
            .world()
            .endpoint_mut(client)
            .open_subflow(now, id, local, remote, false);
        if opened == Err(SubflowError::NotYet) {
            run.world().run_for(millis(100));
            let now = run.world().now();
            opened = run
                .world()
                .endpoint_mut(client)
                .open_subflow(now, id, local, remote, false);
        }
        assert_eq!(opened.map(|subflow| subflow.index()), Ok(1));
        run.complete_within(60)
            .assert_intact()
            .assert_subflows(2)
            .assert_nothing_left();
        assert!(run.client().last_subflows()[1].bytes_sent > MEGABYTE);
    }
}

fn connected(world: &World) -> bool {
    world
        .sessions()
        .iter()
        .any(|session| session.last_info().is_some())
}

#[test]
fn a_subflow_closed_by_hand() {
    for closed in [0, 1] {
        let mut run = Run::of(long("close by hand"));
        run.world().run_until(|_| false, at(700));
        let (now, id, client) = (run.world().now(), run.client_connection(), run.pair.client);
        let endpoint = run.world().endpoint_mut(client);
        let subflow = endpoint.subflows(id)[closed].id;
        assert_eq!(endpoint.close_subflow(now, id, subflow), Ok(()));
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

#[test]
fn a_backup_path_rests_until_it_is_needed() {
    // The window keeps the queue from overflowing: losses might call for the backup path early.
    let mut scenario = long("backup").connections(|config| config.receive_buffer = 150_000);
    scenario.client.connection.max_subflows = 1;
    scenario.server.plan.sends = 0;
    scenario.paths[0] = Path::symmetric(link().cut(at(1500), None));
    let local = scenario.client_address(1);
    let remote = (scenario.server_address(1), scenario.port).into();
    let mut run = Run::of(scenario);
    let client = run.pair.client;
    run.world().run_until(|_| false, at(300));
    let (now, id) = (run.world().now(), run.client_connection());
    let opened = run
        .world()
        .endpoint_mut(client)
        .open_subflow(now, id, local, remote, true);
    assert_eq!(opened.map(|subflow| subflow.index()), Ok(1));
    assert_eq!(
        run.world().run_until(|_| false, at(1400)),
        Outcome::TimeLimit
    );
    let subflows = run.pair.world.endpoint(client).subflows(id);
    assert_eq!(subflows[1].bytes_sent, 0);
    assert!(subflows[1].backup);
    run.complete_within(60)
        .assert_intact()
        .assert_nothing_left();
    assert!(run.client().last_subflows()[1].bytes_sent > 4 * MEGABYTE);
}
