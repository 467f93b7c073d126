//! Connections that lose every subflow: what revives them, for how long they wait for that, and how
//! they end if nothing does.

use super::*;
use umptcp_lab::world::{Chunks, Finish, HostId};
use umptcp_stack::{CloseReason, Event, Instant, MptcpCounter, Version};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];
/// Silence after which a subflow is given up here.
const USER_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(90);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Both sides send 8 MB over two paths: a good two seconds.
fn both_ways(name: &str, version: Version) -> Scenario {
    let mut scenario = scenario(name).connections(|config| {
        config.version = version;
        config.user_timeout = USER_TIMEOUT;
        config.close_timeout = CLOSE_TIMEOUT;
    });
    scenario.client.plan = Plan::sending(8 * MEGABYTE);
    scenario.server.plan = Plan::sending(8 * MEGABYTE);
    scenario
}

/// Subflows of a host's only connection that are established.
fn established_subflows(run: &Run, host: HostId) -> usize {
    let id = run
        .pair
        .world
        .sessions_of(host)
        .find_map(|session| session.former_connection());
    let endpoint = run.pair.world.endpoint(host);
    let subflows = endpoint.subflows(id.expect("there is a connection"));
    let established = |state| state == umptcp_stack::tcp::state::TcpState::Established;
    let subflows = subflows.iter();
    subflows
        .filter(|subflow| established(subflow.state))
        .count()
}

/// When the last established subflow of the client closed, and when and why the connection did.
fn ends(run: &Run) -> (Option<Instant>, Option<(Instant, CloseReason)>) {
    let mut established = vec![0];
    let mut subflow_end = None;
    let mut connection_end = None;
    for (time, event) in run.client().events() {
        match event {
            Event::SubflowEstablished(_, id) => established.push(id.index()),
            Event::SubflowClosed(_, id, _) if established.contains(&id.index()) => {
                subflow_end = Some(*time);
            }
            Event::Closed(_, reason) => connection_end = Some((*time, *reason)),
            _ => {}
        }
    }
    (subflow_end, connection_end)
}

/// Protocol statement 81.
#[test]
fn silent_paths_that_heal_after_every_subflow_was_given_up() {
    for version in VERSIONS {
        let mut scenario = both_ways("cut and revived", version);
        scenario.paths = paths(2, link().cut(at(700), Some(at(60_000))));
        let mut run = Run::of(scenario);
        run.world().run_until(|_| false, at(59_000));
        let hosts = [run.pair.client, run.pair.server];
        assert_eq!(hosts.map(|host| established_subflows(&run, host)), [0, 0]);
        run.complete_within(200)
            .assert_intact()
            .assert_nothing_left();
        let established = umptcp_tests::run::subflows_established(run.client());
        assert!(established >= 3, "{established}");
    }
}

/// What is written while there is no subflow goes out on the next.
///
/// Protocol statement 81.
#[test]
fn data_written_without_a_subflow_is_sent_by_the_next() {
    for version in VERSIONS {
        let mut scenario = both_ways("written meanwhile", version);
        let slowly = |bytes| Plan {
            sends: bytes,
            writes: Chunks {
                pause_probability: 1.0,
                max_pause: Duration::from_secs(2),
                ..Chunks::of(1000)
            },
            ..Plan::default()
        };
        scenario.client.plan = slowly(100_000);
        scenario.server.plan = slowly(100_000);
        scenario.paths = paths(2, link().cut(at(10_000), Some(at(80_000))));
        let mut run = Run::of(scenario);
        let hosts = [run.pair.client, run.pair.server];
        let written =
            |run: &Run| [run.client(), run.server()].map(|session| session.progress().sent);
        // Time for those who have just written, and for joins that come to nothing.
        run.world().run_until(|_| false, at(30_000));
        assert_eq!(ends(&run).1, None);
        let before = written(&run);
        run.world().run_until(|_| false, at(79_000));
        assert!(
            written(&run)
                .into_iter()
                .zip(before)
                .all(|(now, then)| now > then + 10_000)
        );
        assert_eq!(established_subflows(&run, hosts[1]), 0);
        run.complete_within(400)
            .assert_intact()
            .assert_nothing_left();
    }
}

/// The client loses its only address and later gets another: the server, which has lost its
/// subflow with it, is revived by the client's join.
///
/// Protocol statement 81.
#[test]
fn another_address_after_a_while_without_any() {
    for version in VERSIONS {
        let scenario = both_ways("another address", version);
        let addresses = [scenario.client_address(0), scenario.client_address(1)];
        let mut run = Run::of(scenario);
        let (client, server) = (run.pair.client, run.pair.server);
        run.world().at(Instant::ZERO, move |world| {
            let now = world.now();
            world.endpoint_mut(client).remove_address(now, addresses[1]);
        });
        run.world().at(at(700), move |world| {
            let now = world.now();
            world.endpoint_mut(client).remove_address(now, addresses[0]);
        });
        run.world().at(at(40_000), move |world| {
            let now = world.now();
            let interface = world.interface_id(client, 1);
            let endpoint = world.endpoint_mut(client);
            endpoint.add_address(now, interface, addresses[1]);
        });
        run.world().run_until(|_| false, at(39_000));
        assert_eq!(
            (
                established_subflows(&run, client),
                established_subflows(&run, server)
            ),
            (0, 0)
        );
        let at_rest = [run.client(), run.server()].map(|session| session.progress().received);
        assert!(at_rest.iter().all(|&received| received < 8 * MEGABYTE));
        run.complete_within(100)
            .assert_intact()
            .assert_nothing_left();
        run.assert_subflows(2);
    }
}

/// Interfaces that are down for longer than subflows live; the addresses stay the same.
///
/// Protocol statement 81.
#[test]
fn interfaces_that_come_back_after_every_subflow_was_given_up() {
    for version in VERSIONS {
        for of_client in [true, false] {
            let scenario = both_ways("interfaces down", version);
            let mut run = Run::of(scenario);
            let host = if of_client {
                run.pair.client
            } else {
                run.pair.server
            };
            for (time, up) in [(700, false), (50_000, true)] {
                run.world().at(at(time), move |world| {
                    world.set_interface_up(host, 0, up);
                    world.set_interface_up(host, 1, up);
                });
            }
            run.world().run_until(|_| false, at(49_000));
            assert_eq!(established_subflows(&run, run.pair.server), 0);
            run.complete_within(200)
                .assert_intact()
                .assert_nothing_left();
        }
    }
}

/// Protocol statement 81.
#[test]
fn nothing_revives_it_within_the_close_timeout() {
    for version in VERSIONS {
        for close_timeout in [0, 7] {
            let close_timeout = Duration::from_secs(close_timeout);
            let mut scenario = both_ways("not revived", version)
                .connections(|config| config.close_timeout = close_timeout);
            scenario.paths = paths(2, link().cut(at(700), None));
            let mut run = Run::of(scenario);
            run.complete_within(300).assert_nothing_left();
            for session in [run.client(), run.server()] {
                assert_eq!(session.closed(), Some(CloseReason::AllPathsLost));
                assert!(!session.progress().end_of_stream);
            }
            let (Some(subflow), Some((end, _))) = ends(&run) else {
                panic!("the client was not told");
            };
            assert_eq!(end.saturating_duration_since(subflow), close_timeout);
        }
    }
}

#[test]
fn a_connection_may_wait_for_ever() {
    for version in VERSIONS {
        let mut scenario = both_ways("waits for ever", version)
            .connections(|config| config.close_timeout = Duration::MAX);
        let hours = 5 * 60 * 60 * 1000;
        scenario.paths = paths(2, link().cut(at(700), Some(at(hours))));
        let mut run = Run::of(scenario);
        run.complete_within(hours / 1000 + 200)
            .assert_intact()
            .assert_nothing_left();
    }
}

/// Nobody waits for a connection whose application has gone, whatever the close timeout.
#[test]
fn a_connection_that_was_let_go_of_does_not_wait_for_ever() {
    for version in VERSIONS {
        let mut scenario = both_ways("let go", version).connections(|config| {
            config.close_timeout = Duration::MAX;
            config.fin_timeout = Duration::from_secs(20);
        });
        for side in [&mut scenario.client, &mut scenario.server] {
            side.plan.finish = Finish::Release;
            side.plan.sends = 100_000;
        }
        // The client has all that the server sends, but not all of its own is acknowledged.
        scenario.server.plan.sends = 0;
        // For the path alone it would wait much longer.
        scenario.client.connection.user_timeout = Duration::from_secs(1000);
        scenario.paths = paths(1, link());
        let address = scenario.client_address(0);
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        run.world().at(at(45), move |world| {
            let now = world.now();
            world.endpoint_mut(client).remove_address(now, address);
        });
        run.world().run_until(|_| false, at(20_000));
        assert!(run.client().is_done());
        assert_eq!(run.pair.world.endpoint(client).connection_count(), 1);
        run.world().run_until(|_| false, at(20_100));
        assert_eq!(run.pair.world.endpoint(client).connection_count(), 0);
    }
}

/// A peer that has forgotten the connection says so to the first join.
#[test]
fn a_join_to_a_peer_that_gave_up_ends_the_connection() {
    for version in VERSIONS {
        let mut scenario = both_ways("peer gave up", version);
        scenario.server.connection.close_timeout = Duration::from_secs(5);
        scenario.paths = paths(2, link().cut(at(700), Some(at(60_000))));
        let mut run = Run::of(scenario);
        run.complete_within(200).assert_nothing_left();
        assert_eq!(run.server().closed(), Some(CloseReason::AllPathsLost));
        assert_eq!(run.client().closed(), Some(CloseReason::ResetByPeer));
        let counters = run.pair.world.endpoint(run.pair.client).mptcp_counters();
        assert_eq!(counters[MptcpCounter::MpFastcloseRx], 0);
    }
}
