//! Hosts that speak one version only, and paths that swallow SYNs with MP_CAPABLE: what the first
//! connection comes to, and what the next ones make of it.

use super::plain_tcp::is_mptcp_syn;
use super::*;
use bytes::Bytes;
use std::net::SocketAddr;
use umptcp_lab::link::Loss;
use umptcp_lab::world::{Connect, DropIf, Outcome, SessionId, World};
use umptcp_stack::{
    AcceptVersions, CloseReason, ConnectionProtocol, Event, Instant, OtherVersion, Version,
};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

/// A client that prefers `version`, and a server that speaks the other one only.
fn strangers(version: Version, policy: OtherVersion, loss: Loss) -> Run {
    let mut scenario = scenario("strangers");
    scenario.client.connection.version = version;
    scenario.client.connection.other_version = policy;
    scenario.server.connection.accept_versions = AcceptVersions::Only(version.other());
    scenario.paths = paths(2, link().lossy(loss));
    Run::of(scenario)
}

/// What a connection spoke once it was established, and how long that took.
type Established = (ConnectionProtocol, Duration);

fn established(run: &Run, session: SessionId, start: Instant) -> Established {
    let session = run.pair.world.session(session);
    let connected = session.events().iter().find_map(|(at, event)| match event {
        Event::Connected(_, protocol) => Some((*protocol, *at)),
        _ => None,
    });
    let (protocol, at) = connected.expect("it was established");
    assert_eq!(session.protocol(), Some(protocol));
    (protocol, at.saturating_duration_since(start))
}

/// The connection with which every scenario begins, to its orderly end.
fn first(run: &mut Run) -> Established {
    run.complete_within(300).assert_intact();
    established(run, run.pair.session, Instant::ZERO)
}

/// The client connects once more, after a while: to the orderly end, with all bytes.
fn next(run: &mut Run, pause: Duration) -> Established {
    let start = run.pair.world.now() + pause;
    let connect = Connect {
        at: start,
        local: None,
        remote: SocketAddr::new(run.scenario.server_address(0), run.scenario.port),
        config: run.scenario.client.connection.clone(),
    };
    let script = Box::new(run.scenario.client_script());
    let client = run.pair.client;
    let session = run.world().connect(client, connect, script);
    let limit = start + Duration::from_secs(300);
    assert_eq!(run.world().run_until(World::all_done, limit), Outcome::Done);
    let (sends, expects) = (
        run.scenario.client.plan.sends,
        run.scenario.server.plan.sends,
    );
    for (session, sends, expects) in [
        (run.pair.world.session(session), sends, expects),
        (run.accepted().last().expect("accepted"), expects, sends),
    ] {
        let progress = session.progress();
        assert_eq!((progress.sent, progress.received), (sends, expects));
        assert!(progress.end_of_stream);
        assert_eq!(session.closed(), Some(CloseReason::Finished));
    }
    established(run, session, start)
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The first connection is plain TCP, the second speaks what the server speaks, over both paths.
#[test]
fn the_second_connection_speaks_what_the_peer_speaks() {
    for version in VERSIONS {
        for loss in [Loss::None, Loss::Bernoulli(0.02)] {
            let mut run = strangers(version, OtherVersion::NextConnection, loss);
            assert_eq!(first(&mut run).0, ConnectionProtocol::Tcp);
            let other = ConnectionProtocol::Mptcp(version.other());
            for pause in [SECOND, HOUR / 2, HOUR / 2] {
                assert_eq!(next(&mut run, pause).0, other);
            }
            // In an hour of silence it is forgotten; the server may have learnt something new.
            assert_eq!(next(&mut run, HOUR).0, ConnectionProtocol::Tcp);
            run.assert_nothing_left();
        }
    }
}

/// Who insists on a version gets plain TCP each time.
#[test]
fn the_other_version_is_not_offered_against_the_will() {
    for version in VERSIONS {
        let mut run = strangers(version, OtherVersion::Never, Loss::None);
        assert_eq!(first(&mut run).0, ConnectionProtocol::Tcp);
        assert_eq!(next(&mut run, SECOND).0, ConnectionProtocol::Tcp);
        run.assert_nothing_left();
    }
}

/// The first connection speaks what the server speaks, at the cost of a round trip; the server's
/// application sees one connection for each of the client's.
#[test]
fn a_second_attempt_at_once_speaks_what_the_peer_speaks() {
    for version in VERSIONS {
        for seed in 0..5 {
            let loss = if seed == 0 {
                Loss::None
            } else {
                Loss::Bernoulli(0.05)
            };
            let mut run = strangers(version, OtherVersion::AtOnce, loss);
            run.scenario.seed = seed;
            let mut run = Run::of(run.scenario);
            let other = ConnectionProtocol::Mptcp(version.other());
            let (protocol, after) = first(&mut run);
            assert_eq!(protocol, other);
            if seed == 0 {
                // 10 ms each way: two handshakes.
                assert!(after >= millis(40) && after < millis(45), "{after:?}");
                run.assert_subflows(2);
                let (protocol, after) = next(&mut run, SECOND);
                assert_eq!(protocol, other);
                assert!(after < millis(25), "it is known by now: {after:?}");
                assert_eq!(run.accepted().count(), 2);
            } else {
                assert_eq!(run.accepted().count(), 1);
            }
            run.assert_nothing_left();
        }
    }
}

/// A server of plain TCP costs a second attempt once.
#[test]
fn a_peer_without_mptcp_is_not_tried_twice_again() {
    for version in VERSIONS {
        let mut run = strangers(version, OtherVersion::AtOnce, Loss::None);
        run.scenario.server.connection.mptcp = false;
        let mut run = Run::of(run.scenario);
        let (protocol, after) = first(&mut run);
        assert_eq!(protocol, ConnectionProtocol::Tcp);
        assert!(after >= millis(40) && after < millis(45), "{after:?}");
        let (protocol, after) = next(&mut run, SECOND);
        assert_eq!(protocol, ConnectionProtocol::Tcp);
        assert!(after < millis(25), "{after:?}");
        assert_eq!(run.accepted().count(), 2);
        run.assert_nothing_left();
    }
}

/// SYNs with MP_CAPABLE vanish. The first connection has to find out, those of the next hour need
/// not, and then it is tried again: in vain, which counts for two hours, or not.
#[test]
fn a_black_hole_is_remembered_for_a_while() {
    for version in VERSIONS {
        let scenario = scenario("black hole").connections(|config| config.version = version);
        let mut run = Run::of(scenario);
        let client = run.pair.client;
        let counted = |run: &Run, name: &str| {
            let counters = run.pair.world.endpoint(client).mptcp_counters();
            counters.by_name(name).expect("a name of the kernel's")
        };
        let wire = run.pair.wires[0];
        let swallow = DropIf(|_, packet: &Bytes| is_mptcp_syn(packet));
        run.world().set_middlebox(wire, 0, swallow);
        let (protocol, after) = first(&mut run);
        assert_eq!(protocol, ConnectionProtocol::Tcp);
        assert!(after >= SECOND * 7, "three SYNs had gone: {after:?}");
        assert_eq!(counted(&run, "MPCapableSYNTXDrop"), 1);
        assert_eq!(counted(&run, "Blackhole"), 1);
        let memory = run
            .pair
            .world
            .endpoint(client)
            .peer_memory(run.pair.world.now());
        assert_eq!(memory.black_holes.len(), 1);
        assert_eq!(memory.black_holes[0].remote, run.scenario.server_address(0));

        for pause in [SECOND, HOUR / 2] {
            let (protocol, after) = next(&mut run, pause);
            assert_eq!(protocol, ConnectionProtocol::Tcp);
            assert!(after < millis(25), "{after:?}");
        }
        assert_eq!(counted(&run, "MPCapableSYNTXDisabled"), 2);
        // Half an hour later it is tried again.
        let (protocol, after) = next(&mut run, HOUR / 2);
        assert_eq!(protocol, ConnectionProtocol::Tcp);
        assert!(after >= SECOND * 7, "{after:?}");
        assert_eq!(counted(&run, "Blackhole"), 2);
        // The path is repaired, which nobody knows for two hours.
        let pass = DropIf(|_, _: &Bytes| false);
        run.world().set_middlebox(wire, 0, pass);
        assert_eq!(next(&mut run, HOUR).0, ConnectionProtocol::Tcp);
        let mptcp = ConnectionProtocol::Mptcp(version);
        assert_eq!(next(&mut run, HOUR).0, mptcp);
        assert_eq!(next(&mut run, SECOND).0, mptcp);
        assert_eq!(counted(&run, "Blackhole"), 2);
        let memory = run
            .pair
            .world
            .endpoint(client)
            .peer_memory(run.pair.world.now());
        assert!(memory.black_holes.is_empty());
        run.assert_nothing_left();
    }
}
