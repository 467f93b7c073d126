//! Explicit congestion notification (RFC 3168): a link that marks instead of dropping, and paths
//! and peers that know nothing of it.

use super::*;
use bytes::Bytes;
use std::cell::Cell;
use std::rc::Rc;
use umptcp_lab::world::DropIf;
use umptcp_stack::wire::packet::{Segment, parse};
use umptcp_stack::{
    ChecksumStatus, CongestionAlgorithm, EcnPolicy, Instant, ReceivedPacket, SubflowInfo, Version,
};

/// What may be spoken: plain TCP and both versions of MPTCP.
const DIALECTS: [Option<Version>; 3] = [None, Some(Version::V0), Some(Version::V1)];

fn segment(packet: &Bytes) -> Option<Segment> {
    let packet = ReceivedPacket {
        data: packet.clone(),
        checksum: ChecksumStatus::Unverified,
    };
    parse(&packet).ok()
}

/// What is seen on a path.
#[derive(Debug, Default)]
struct Seen {
    echoes: Cell<u32>,
    reductions: Cell<u32>,
    /// SYNs that offered it, and SYNs that did not.
    offers: Cell<u32>,
    bare_syns: Cell<u32>,
}

fn count(counter: &Cell<u32>, happened: bool) {
    counter.set(counter.get() + u32::from(happened));
}

/// Looks at the packets of one path, in both directions.
fn watch(run: &mut Run, path: usize, drops_offers: bool) -> Rc<Seen> {
    let seen = Rc::new(Seen::default());
    for direction in 0..2 {
        let wire = run.pair.wires[path];
        let seen = Rc::clone(&seen);
        let look = move |_: Instant, packet: &Bytes| {
            let Some(segment) = segment(packet) else {
                return false;
            };
            let flags = segment.flags;
            let offer = flags.syn && flags.ece && flags.cwr;
            count(&seen.echoes, !flags.syn && flags.ece);
            count(&seen.reductions, !flags.syn && flags.cwr);
            count(&seen.offers, offer);
            count(
                &seen.bare_syns,
                flags.syn && segment.ack.is_none() && !offer,
            );
            drops_offers && offer
        };
        run.world().set_middlebox(wire, direction, DropIf(look));
    }
    seen
}

/// 20 Mbit/s and 20 ms of round-trip time. The queue has room for all that slow start sends too
/// much; what waits beyond two round trips' worth of bytes is marked.
fn marking() -> LinkConfig {
    LinkConfig {
        queue: 4_000_000,
        mark_above: Some(100_000),
        ..link()
    }
}

/// The client sends eight megabytes over paths with these links.
fn bulk(name: &str, dialect: Option<Version>, policies: [EcnPolicy; 2], count: usize) -> Scenario {
    let mut scenario = scenario(name).connections(|config| {
        config.mptcp = dialect.is_some();
        config.version = dialect.unwrap_or_default();
    });
    scenario.client.connection.ecn = policies[0];
    scenario.server.connection.ecn = policies[1];
    scenario.paths = paths(count, marking());
    scenario.client.plan = Plan::sending(8 * MEGABYTE);
    scenario.server.plan = Plan::sending(0);
    scenario
}

/// Runs until the server has everything; the time, and the subflows of the client.
fn transfer(run: &mut Run) -> (Duration, Vec<SubflowInfo>) {
    let server = run.pair.server;
    run.until(60, move |world| {
        let mut accepted = world.sessions_of(server);
        accepted.any(|session| session.progress().received == 8 * MEGABYTE)
    });
    let endpoint = run.pair.world.endpoint(run.pair.client);
    let mut subflows = endpoint.subflows(run.client_connection());
    // Joins to addresses that are not on the path have failed.
    subflows.retain(|subflow| subflow.bytes_sent > 0);
    (
        run.pair
            .world
            .now()
            .saturating_duration_since(Instant::ZERO),
        subflows,
    )
}

fn finish(run: &mut Run) {
    run.complete_within(300)
        .assert_intact()
        .assert_nothing_left();
}

/// RFC 3168 §6.1.2: the window reacts to a mark as to a loss, without a loss.
#[test]
fn a_marking_queue_is_shared_without_a_loss() {
    for dialect in DIALECTS {
        for congestion in [CongestionAlgorithm::NewReno, CongestionAlgorithm::Cubic] {
            let mut scenario = bulk("marks", dialect, [EcnPolicy::Request; 2], 1)
                .connections(|config| config.subflow.congestion = congestion);
            scenario.paths[0].down = link();
            let mut run = Run::of(scenario);
            let seen = watch(&mut run, 0, false);
            let (time, subflows) = transfer(&mut run);
            let what = (dialect, congestion);
            let sender = &subflows[0];
            assert!(sender.ecn && sender.ecn_reductions > 0, "{what:?}");
            assert_eq!(
                (sender.retransmissions, sender.timeouts),
                (0, 0),
                "{what:?}"
            );
            let [counters, _] = run.pair.world.counters(run.pair.wires[0]);
            assert!(counters.marked > 0);
            assert_eq!((counters.dropped_queue, counters.dropped_loss), (0, 0));
            // RFC 3168 §6.1.2, §6.1.3: each reduction is told, and ends the echo.
            assert!(seen.echoes.get() >= seen.reductions.get());
            let told = u64::from(seen.reductions.get());
            assert!(told > 0 && told <= sender.ecn_reductions, "{what:?}");
            // Of 20 Mbit/s, with all headers and the slow start.
            let share = 8.0 * 8.0 / 20.0 / time.as_secs_f64();
            assert!(share >= 0.9, "{what:?}: {share}");
            finish(&mut run);
        }
    }
}

/// Each subflow negotiates for itself.
#[test]
fn every_subflow_reacts_to_the_marks_of_its_path() {
    for version in [Version::V0, Version::V1] {
        let scenario = bulk("marks on two", Some(version), [EcnPolicy::Request; 2], 2);
        let mut run = Run::of(scenario);
        let (_, subflows) = transfer(&mut run);
        assert_eq!(subflows.len(), 2);
        for sender in &subflows {
            assert!(sender.ecn && sender.ecn_reductions > 0, "{sender:?}");
            assert_eq!(sender.retransmissions, 0);
        }
        finish(&mut run);
    }
}

/// RFC 3168 §6.1.1: one side has to ask, and the other has to agree.
#[test]
fn who_does_not_ask_or_does_not_agree_goes_without() {
    use EcnPolicy::{Accept, Off, Request};
    for (policies, negotiated) in [
        ([Accept, Accept], false),
        ([Request, Off], false),
        ([Off, Request], false),
        ([Accept, Request], false),
        ([Request, Accept], true),
        ([Request, Request], true),
    ] {
        for dialect in DIALECTS {
            let mut run = Run::of(bulk("policies", dialect, policies, 2));
            let seen = watch(&mut run, 0, false);
            let (_, subflows) = transfer(&mut run);
            for subflow in subflows {
                assert_eq!(subflow.ecn, negotiated, "{policies:?}");
            }
            assert_eq!(seen.offers.get() > 0, policies[0] == Request);
            if !negotiated {
                // RFC 3168 §6.1.1: nobody may set ECT, so nothing can be marked.
                for wire in run.pair.wires.clone() {
                    let marked = run.pair.world.counters(wire).map(|link| link.marked);
                    assert_eq!(marked, [0, 0]);
                }
                assert_eq!((seen.echoes.get(), seen.reductions.get()), (0, 0));
            }
            finish(&mut run);
        }
    }
}

/// RFC 3168 §6.1.1.1: some middleboxes drop SYNs that offer it; the second goes without.
#[test]
fn a_path_that_drops_the_offer() {
    for dialect in DIALECTS {
        let mut run = Run::of(bulk("no offers", dialect, [EcnPolicy::Request; 2], 1));
        let seen = watch(&mut run, 0, true);
        let (time, subflows) = transfer(&mut run);
        assert_eq!((seen.offers.get(), seen.bare_syns.get()), (1, 1));
        assert!(!subflows[0].ecn);
        // A second for the SYN.
        assert!(time < Duration::from_secs(5), "{time:?}");
        let version = run.client().protocol();
        assert_eq!(
            version,
            dialect.map_or(Some(umptcp_stack::ConnectionProtocol::Tcp), |version| {
                Some(umptcp_stack::ConnectionProtocol::Mptcp(version))
            })
        );
        finish(&mut run);
    }
}

/// The SYN/ACK of a cookie agrees, and the connection that is made of it remembers.
#[test]
fn it_is_negotiated_through_a_cookie() {
    for dialect in DIALECTS {
        let mut scenario = bulk("cookie marks", dialect, [EcnPolicy::Request; 2], 1);
        scenario.server.endpoint.syn_cookies = umptcp_stack::SynCookies::Always;
        let mut run = Run::of(scenario);
        let (_, subflows) = transfer(&mut run);
        assert!(subflows[0].ecn && subflows[0].ecn_reductions > 0);
        assert_eq!(subflows[0].retransmissions, 0);
        finish(&mut run);
    }
}
