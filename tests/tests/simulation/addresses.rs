//! Addresses that are announced and withdrawn while data flows, and paths that are for emergencies.

use super::*;
use std::net::IpAddr;
use umptcp_lab::world::{HostId, World};
use umptcp_stack::{ConnectionId, Instant, MptcpCounter, Version};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// 16 MB from the client over two paths: over three seconds.
fn long(name: &str, version: Version) -> Scenario {
    let mut scenario = scenario(name).connections(|config| config.version = version);
    scenario.client.plan = Plan::sending(16 * MEGABYTE);
    scenario
}

fn counted(run: &mut Run, host: HostId, counter: MptcpCounter) -> u64 {
    run.world().endpoint(host).mptcp_counters()[counter]
}

/// The one connection of a host.
fn connection_of(world: &World, host: HostId) -> ConnectionId {
    let session = world.sessions_of(host).next().expect("it is connected");
    session.connection().expect("it is connected")
}

/// The first announcements are lost with the path.
///
/// Protocol statement 103.
#[test]
fn an_announcement_that_is_lost_is_repeated() {
    // SYN and SYN/ACK take 20 ms, and the third packet is at the server after 30: then it
    // announces, and its repetition finds the path again.
    let mut scenario = long("lost announcement", Version::V1);
    scenario.client.connection.receive_buffer = 1 << 20;
    scenario.paths[0].down = link().cut(at(25), Some(at(150)));
    let mut run = Run::of(scenario);
    run.complete_within(60)
        .assert_intact()
        .assert_nothing_left();
    let server = run.pair.server;
    assert!(counted(&mut run, server, MptcpCounter::AddAddrTx) > 1);
    assert_eq!(counted(&mut run, server, MptcpCounter::EchoAdd), 1);
}

/// The server's second address is gone together with its path.
///
/// Protocol statement 106.
#[test]
fn a_withdrawn_address_that_is_silent_costs_its_subflow_only() {
    for version in VERSIONS {
        let mut scenario = long("withdrawn", version);
        scenario.server.plan.sends = 4 * MEGABYTE;
        scenario.paths[1] = Path::symmetric(link().cut(at(900), None));
        // No joins to where there is no way.
        scenario.client.connection.max_subflows = 2;
        let address = scenario.server_address(1);
        let mut run = Run::of(scenario);
        let (client, server) = (run.pair.client, run.pair.server);
        run.world().at(at(900), move |world| {
            let now = world.now();
            world.endpoint_mut(server).remove_address(now, address);
        });
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
        assert_eq!(counted(&mut run, server, MptcpCounter::RmAddrTx), 1);
        assert_eq!(counted(&mut run, client, MptcpCounter::RmAddr), 1);
        assert_eq!(counted(&mut run, client, MptcpCounter::RmSubflow), 1);
    }
}

/// A REMOVE_ADDR about an address that works: the subflow stays in use
/// until who sent it ends it.
///
/// Protocol statement 106.
#[test]
fn an_address_that_is_withdrawn_and_comes_back_is_joined_again() {
    for version in VERSIONS {
        let scenario = long("back again", version);
        let address = scenario.server_address(1);
        let mut run = Run::of(scenario);
        let server = run.pair.server;
        let toggle = move |world: &mut World, announce: bool| {
            let now = world.now();
            let id = Some(connection_of(world, server));
            let endpoint = world.endpoint_mut(server);
            let done = if announce {
                endpoint.announce_address(now, id, address, None)
            } else {
                endpoint.withdraw_address(now, id, address, None)
            };
            assert_eq!(done, Ok(()));
        };
        run.world().at(at(700), move |world| toggle(world, false));
        run.world().at(at(1500), move |world| toggle(world, true));
        run.complete_within(60)
            .assert_intact()
            .assert_subflows(3)
            .assert_nothing_left();
    }
}

/// The regular path fails, the backup takes over, the regular one
/// comes back and gets its traffic back.
///
/// Protocol statements 108, 109.
#[test]
fn a_backup_carries_only_while_the_regular_path_is_away() {
    for version in VERSIONS {
        // The window keeps the queue from overflowing: losses might call for the backup early.
        let mut scenario = long("backup for a while", version)
            .connections(|config| config.receive_buffer = 150_000);
        scenario.client.connection.max_subflows = 1;
        scenario.server.plan.sends = 0;
        scenario.paths[0] = Path::symmetric(link().cut(at(1500), Some(at(3000))));
        let local: IpAddr = scenario.client_address(1);
        let remote = (scenario.server_address(1), scenario.port).into();
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        run.world().run_until(|_| false, at(300));
        let (now, id) = (run.world().now(), run.client_connection());
        let endpoint = run.world().endpoint_mut(client);
        let opened = endpoint.open_subflow(now, id, local, remote, true);
        assert_eq!(opened.map(|subflow| subflow.index()), Ok(1));
        let mut carried = Vec::new();
        for millis in [1500, 2900, 4500, 5500] {
            run.world().run_until(|_| false, at(millis));
            let subflows = run.pair.world.endpoint(client).subflows(id);
            carried.push((subflows[0].bytes_sent, subflows[1].bytes_sent));
        }
        assert_eq!(carried[0].1, 0);
        assert!(carried[1].1 > MEGABYTE, "{carried:?}");
        // It rests again.
        assert_eq!(carried[3].1, carried[2].1, "{carried:?}");
        assert!(carried[3].0 > carried[2].0 + MEGABYTE, "{carried:?}");
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}
