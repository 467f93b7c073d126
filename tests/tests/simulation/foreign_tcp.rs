//! Plain TCP with a stack that is not ours: smoltcp, in both roles.
//!
//! It lacks much of what ours has: as built here it sends no more than one SACK block and ignores
//! ours, uses neither timestamps nor ECN, knows no congestion window, no RACK-TLP and no path MTU
//! discovery. So these tests show that our engine gets along without all that, not how fast.

use super::*;
use std::net::{IpAddr, SocketAddr};
use umptcp_lab::link::{Loss, Reorder};
use umptcp_lab::world::{Connect, Expectation, ForeignId, Outcome, SessionId, World};
use umptcp_stack::{
    CloseReason, ConnectionProtocol, EcnPolicy, EndpointConfig, Instant, InterfaceConfig, Keepalive,
};
use umptcp_tests::smoltcp_host::{Role, SmoltcpHost};

struct Foreign {
    world: World,
    foreign: ForeignId,
    ours: Option<SessionId>,
}

/// What is special about smoltcp's host.
#[derive(Clone, Copy, Debug)]
struct Peer {
    /// Of each direction, bytes.
    buffer: usize,
    mtu: u16,
    /// When its application begins to read.
    reads_from: Instant,
}

const PEER: Peer = Peer {
    buffer: 60_000,
    mtu: 1500,
    reads_from: Instant::ZERO,
};

/// One path between our host and smoltcp's; the scenario's client plan is always ours.
fn build(scenario: &Scenario, we_connect: bool, peer: Peer) -> Foreign {
    let mut world = World::new(&scenario.name, scenario.seed);
    world.set_description(format!("{scenario:#?}\nwe connect: {we_connect}, {peer:?}"));
    world.set_failed_runs(failed_runs(env!("CARGO_TARGET_TMPDIR")));
    let (our_address, their_address) = (scenario.client_address(0), scenario.server_address(0));
    let host = world.add_host("ours", EndpointConfig::default());
    let interface = world.add_interface(host, scenario.client.interface, &[our_address]);
    let config = scenario.client.connection.clone();
    let local = SocketAddr::new(our_address, scenario.port);
    let role = if we_connect {
        Role::Listens(scenario.port)
    } else {
        Role::Connects(local)
    };
    let sending = (scenario.server_pattern(), scenario.server.plan.sends);
    let expected = Expectation {
        tampering: umptcp_lab::world::Tampering::None,
        pattern: scenario.client_pattern(),
        len: scenario.client.plan.sends,
    };
    let foreign = SmoltcpHost::new(
        their_address,
        role,
        sending,
        expected,
        peer.buffer,
        peer.mtu,
    )
    .reading_from(peer.reads_from);
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
    transfer_with(scenario, Peer { buffer, ..PEER });
}

fn transfer_with(scenario: &Scenario, peer: Peer) {
    for we_connect in [true, false] {
        let Foreign {
            mut world,
            foreign,
            ours,
        } = build(scenario, we_connect, peer);
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

#[test]
fn with_reordering() {
    for (seed, probability) in [(0, 0.05), (1, 0.3), (2, 0.7)] {
        let mut scenario = scenario("smoltcp reordering");
        scenario.seed = seed;
        let reorder = Reorder {
            probability,
            extra_delay: millis(15),
        };
        scenario.paths = paths(1, LinkConfig { reorder, ..link() });
        transfer(&scenario, 30_000);
    }
}

#[test]
fn with_duplicates() {
    for (seed, duplicate) in [(0, 0.05), (1, 0.5), (2, 1.0)] {
        let mut scenario = scenario("smoltcp duplicates");
        scenario.seed = seed;
        scenario.paths = paths(
            1,
            LinkConfig {
                duplicate,
                ..link()
            },
        );
        transfer(&scenario, 30_000);
    }
}

#[test]
fn with_losses_in_bursts() {
    for seed in 0..5 {
        let mut scenario = scenario("smoltcp bursts");
        scenario.seed = seed;
        let loss = Loss::GilbertElliott {
            to_bad: 0.01,
            to_good: 0.3,
            loss_good: 0.0,
            loss_bad: 0.7,
        };
        scenario.paths = paths(1, link().lossy(loss));
        transfer(&scenario, 30_000);
    }
}

/// The narrower of the two interfaces counts, whosever it is.
#[test]
fn with_small_packets() {
    for (ours, theirs) in [(576, 1500), (1500, 576), (576, 576), (9000, 1280)] {
        let mut scenario = scenario("smoltcp MTU");
        scenario.client.interface = InterfaceConfig {
            mtu: ours,
            ..InterfaceConfig::default()
        };
        let mtu = ours.min(theirs);
        scenario.paths = paths(1, LinkConfig { mtu, ..link() });
        transfer_with(
            &scenario,
            Peer {
                mtu: theirs,
                ..PEER
            },
        );
    }
}

/// Its window closes, and stays closed for longer than any timer of ours; then it opens, and the
/// update may be lost.
#[test]
fn with_a_closed_window() {
    for cut in [false, true] {
        let mut scenario = scenario("smoltcp closed window");
        let mut link = link();
        if cut {
            let (from, to) = (9_900, 10_200);
            link = link.cut(Instant::from_millis(from), Some(Instant::from_millis(to)));
        }
        scenario.paths = paths(1, link);
        let reads_from = Instant::from_millis(10_000);
        transfer_with(&scenario, Peer { reads_from, ..PEER });
    }
}

/// Ours closes: it is the one that has to probe.
#[test]
fn with_our_window_closed() {
    let mut scenario = scenario("smoltcp our closed window");
    scenario.client.connection.receive_buffer = 20_000;
    scenario.client.plan.read_pauses = vec![umptcp_lab::world::ReadPause {
        at: 100_000,
        length: Duration::from_secs(15),
    }];
    transfer(&scenario, 60_000);
}

/// What it does not understand, it leaves out, and ours does without.
#[test]
fn with_everything_asked_for() {
    let mut scenario = scenario("smoltcp options");
    let config = &mut scenario.client.connection;
    config.ecn = EcnPolicy::Request;
    config.subflow.keepalive = Some(Keepalive {
        idle: millis(300),
        interval: millis(300),
        probes: 100,
    });
    config.delayed_ack = millis(500);
    scenario.client.plan.read_pauses = vec![umptcp_lab::world::ReadPause {
        at: 100_000,
        length: Duration::from_secs(3),
    }];
    transfer(&scenario, 60_000);
}
