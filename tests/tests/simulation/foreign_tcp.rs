//! Plain TCP with a stack that is not ours: smoltcp, in both roles.

use super::*;
use std::net::{IpAddr, SocketAddr};
use umptcp_lab::link::Loss;
use umptcp_lab::world::{Connect, Expectation, ForeignId, Outcome, SessionId, World};
use umptcp_stack::{
    CloseReason, ConnectionConfig, ConnectionProtocol, EndpointConfig, Instant, InterfaceConfig,
};
use umptcp_tests::smoltcp_host::{Role, SmoltcpHost};

struct Foreign {
    world: World,
    foreign: ForeignId,
    ours: Option<SessionId>,
}

/// One path between our host and smoltcp's; the scenario's client plan is always ours.
fn build(scenario: &Scenario, we_connect: bool, buffer: usize) -> Foreign {
    let mut world = World::new(&scenario.name, scenario.seed);
    world.set_description(format!(
        "{scenario:#?}\nwe connect: {we_connect}, buffer {buffer}"
    ));
    world.set_failed_runs(failed_runs(env!("CARGO_TARGET_TMPDIR")));
    let (our_address, their_address) = (scenario.client_address(0), scenario.server_address(0));
    let host = world.add_host("ours", EndpointConfig::default());
    let interface = world.add_interface(host, InterfaceConfig::default(), &[our_address]);
    let config = ConnectionConfig::default();
    let local = SocketAddr::new(our_address, scenario.port);
    let role = if we_connect {
        Role::Listens(scenario.port)
    } else {
        Role::Connects(local)
    };
    let sending = (scenario.server_pattern(), scenario.server.plan.sends);
    let expected = Expectation {
        pattern: scenario.client_pattern(),
        len: scenario.client.plan.sends,
    };
    let foreign = SmoltcpHost::new(their_address, role, sending, expected, buffer);
    let Path { up, down, .. } = scenario.paths[0].clone();
    let foreign = world.add_foreign_host("smoltcp", Box::new(foreign), (host, interface), up, down);
    let ours = if we_connect {
        let remote = SocketAddr::new(their_address, scenario.port);
        let connect = Connect {
            at: Instant::ZERO,
            local: None,
            remote,
            config,
        };
        Some(world.connect(host, connect, Box::new(scenario.client_script())))
    } else {
        let any = match our_address {
            IpAddr::V4(_) => SocketAddr::from(([0; 4], scenario.port)),
            IpAddr::V6(_) => SocketAddr::from(([0_u16; 8], scenario.port)),
        };
        let scenario = scenario.clone();
        let factory = Box::new(move |_| Box::new(scenario.client_script()) as Box<_>);
        world
            .serve(host, any, config, factory)
            .expect("the port is free");
        None
    };
    Foreign {
        world,
        foreign,
        ours,
    }
}

fn transfer(scenario: &Scenario, buffer: usize) {
    for we_connect in [true, false] {
        let Foreign {
            mut world,
            foreign,
            ours,
        } = build(scenario, we_connect, buffer);
        let limit = Instant::from_millis(600_000);
        let done = |world: &World| world.all_done() && !world.sessions().is_empty();
        assert_eq!(world.run_until(done, limit), Outcome::Done);
        let session = ours.map_or_else(|| &world.sessions()[0], |id| world.session(id));
        let (own, peer) = (scenario.client.plan.sends, scenario.server.plan.sends);
        assert_eq!(
            (session.progress().sent, session.progress().received),
            (own, peer)
        );
        assert_eq!(session.closed(), Some(CloseReason::Finished));
        assert_eq!(session.protocol(), Some(ConnectionProtocol::Tcp));
        let theirs = world.foreign_progress(foreign).unwrap();
        assert_eq!((theirs.sent, theirs.received), (peer, own));
        assert_eq!(world.run_until(|_| false, limit), Outcome::Idle);
    }
}

#[test]
fn undisturbed() {
    transfer(&scenario("smoltcp"), 60_000);
}

#[test]
fn over_ipv6() {
    let mut scenario = scenario("smoltcp v6");
    scenario.paths = vec![Path::symmetric(link()).v6()];
    transfer(&scenario, 60_000);
}

#[test]
fn one_direction() {
    for (client, server) in [(MEGABYTE, 0), (0, MEGABYTE), (0, 0)] {
        let mut scenario = scenario("smoltcp one direction");
        scenario.client.plan.sends = client;
        scenario.server.plan.sends = server;
        transfer(&scenario, 60_000);
    }
}

#[test]
fn with_losses() {
    for seed in 0..5 {
        let mut scenario = scenario("smoltcp loss");
        scenario.seed = seed;
        scenario.paths = paths(1, link().lossy(Loss::Bernoulli(0.02)));
        transfer(&scenario, 30_000);
    }
}

#[test]
fn with_everything() {
    for seed in 0..5 {
        let mut scenario = scenario("smoltcp everything");
        scenario.seed = seed;
        scenario.paths = paths(1, harm::everything());
        transfer(&scenario, 30_000);
    }
}

#[test]
fn with_tiny_buffers() {
    let mut scenario = scenario("smoltcp tiny");
    scenario.client.plan.sends = 30_000;
    scenario.server.plan.sends = 30_000;
    transfer(&scenario, 1000);
}
