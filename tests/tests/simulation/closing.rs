//! How connections end, in order and otherwise.

use super::*;
use umptcp_lab::link::Loss;
use umptcp_lab::world::{Abort, Finish, Outcome, Pace};
use umptcp_stack::{CloseReason, FastcloseMethod, Instant, MptcpCounter, Version};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

/// Protocol statement 82.
#[test]
fn half_closed_for_a_long_time() {
    for version in VERSIONS {
        for loss in [Loss::None, Loss::Bernoulli(0.05)] {
            let mut scenario =
                scenario("half close").connections(|config| config.version = version);
            scenario.paths = paths(2, link().lossy(loss));
            scenario.server.plan.sends = 2 * MEGABYTE;
            scenario.server.plan.pace = Pace::AfterEnd;
            run(scenario).assert_subflows(2);
        }
    }
}

#[test]
fn the_server_ends_first() {
    let mut scenario = scenario("server ends first");
    scenario.client.plan.pace = Pace::AfterEnd;
    run(scenario);
}

/// Protocol statement 82.
#[test]
fn both_end_at_once() {
    for version in VERSIONS {
        for sends in [0, 1000] {
            let mut scenario =
                scenario("simultaneous close").connections(|config| config.version = version);
            scenario.client.plan.sends = sends;
            scenario.server.plan.sends = sends;
            run(scenario);
        }
    }
}

#[test]
fn applications_that_leave_without_waiting() {
    for version in VERSIONS {
        for (client, server) in [
            (Finish::Release, Finish::Shutdown),
            (Finish::Shutdown, Finish::Release),
            (Finish::Release, Finish::Release),
        ] {
            let mut scenario = scenario("release").connections(|config| config.version = version);
            scenario.client.plan.finish = client;
            scenario.server.plan.finish = server;
            let mut run = Run::of(scenario);
            run.complete_within(60).assert_nothing_left();
            let (client_side, server_side) = (run.client(), run.server());
            assert_eq!(client_side.progress().received, MEGABYTE / 2);
            assert_eq!(server_side.progress().received, MEGABYTE);
            for (finish, session) in [(client, client_side), (server, server_side)] {
                if finish == Finish::Shutdown {
                    assert!(session.progress().end_of_stream);
                    assert_eq!(session.closed(), Some(CloseReason::Finished));
                }
            }
        }
    }
}

#[test]
fn aborted_in_the_middle() {
    for version in VERSIONS {
        for mptcp in [true, false] {
            for (by_client, abort) in [
                (true, Abort::AfterSent(500_000)),
                (true, Abort::AfterReceived(100_000)),
                (false, Abort::AfterReceived(500_000)),
                (false, Abort::At(Instant::from_millis(200))),
            ] {
                let mut scenario = scenario("abort").connections(|config| {
                    config.version = version;
                    config.mptcp = mptcp;
                });
                let side = if by_client {
                    &mut scenario.client
                } else {
                    &mut scenario.server
                };
                side.plan.abort = Some(abort);
                // Its stream has no end in order.
                side.plan.finish = Finish::Hold;
                let mut run = Run::of(scenario);
                run.complete_within(60).assert_nothing_left();
                let (aborting, other) = if by_client {
                    (run.client(), run.server())
                } else {
                    (run.server(), run.client())
                };
                assert_eq!(aborting.closed(), Some(CloseReason::Aborted));
                assert_eq!(other.closed(), Some(CloseReason::ResetByPeer));
                assert!(!other.progress().end_of_stream);
            }
        }
    }
}

#[test]
fn aborted_over_a_lossy_path() {
    for seed in 0..10 {
        let mut scenario = scenario("abort and loss");
        scenario.seed = seed;
        scenario.paths = paths(2, link().lossy(Loss::Bernoulli(0.2)));
        scenario.client.plan.abort = Some(Abort::AfterSent(200_000));
        let mut run = Run::of(scenario);
        run.complete_within(300).assert_nothing_left();
        assert_eq!(run.client().closed(), Some(CloseReason::Aborted));
        assert!(!run.server().progress().end_of_stream);
    }
}

/// MP_FASTCLOSE on acknowledgments survives a path that is down when it first goes out.
///
/// Protocol statement 83.
#[test]
fn aborted_while_the_paths_are_down() {
    for version in VERSIONS {
        let mut scenario = scenario("abort into a cut").connections(|config| {
            config.version = version;
            config.fastclose = FastcloseMethod::Acknowledgment;
        });
        let (cut, heal) = (Instant::from_millis(150), Instant::from_millis(800));
        scenario.paths = paths(2, link().cut(cut, Some(heal)));
        scenario.client.plan.finish = Finish::Hold;
        scenario.client.plan.abort = Some(Abort::At(Instant::from_millis(200)));
        let mut run = Run::of(scenario);
        // Neither a timeout nor a join to somebody who has forgotten: a repetition.
        run.complete_within(5).assert_nothing_left();
        assert_eq!(run.client().closed(), Some(CloseReason::Aborted));
        assert_eq!(run.server().closed(), Some(CloseReason::ResetByPeer));
        let counters = |host| run.pair.world.endpoint(host).mptcp_counters();
        let (client, server) = (counters(run.pair.client), counters(run.pair.server));
        assert!(client[MptcpCounter::MpFastcloseTx] >= 2);
        assert_eq!(server[MptcpCounter::MpFastcloseRx], 1);
    }
}

/// The time that an application leaves what it has written.
///
/// Protocol statement 87.
#[test]
fn lingering() {
    for version in VERSIONS {
        for (linger, arrives) in [(None, true), (Some(20), true), (Some(1), false)] {
            let mut scenario = scenario("linger").connections(|config| {
                config.version = version;
                config.fastclose = FastcloseMethod::Acknowledgment;
            });
            scenario.client.connection.linger = linger.map(Duration::from_secs);
            scenario.client.plan.finish = Finish::Release;
            // The buffer takes it all, and it is still on its way when the path is cut.
            scenario.client.plan.sends = 100_000;
            scenario.server.plan.sends = 0;
            let (cut, heal) = (Instant::from_millis(50), Instant::from_millis(2000));
            scenario.paths = paths(1, link().cut(cut, Some(heal)));
            let mut run = Run::of(scenario);
            run.complete_within(60).assert_nothing_left();
            assert_eq!(run.server().progress().end_of_stream, arrives);
            let expected = if arrives {
                CloseReason::Finished
            } else {
                CloseReason::ResetByPeer
            };
            assert_eq!(run.server().closed(), Some(expected), "{linger:?}");
        }
    }
}

#[test]
fn aborted_before_it_stood() {
    let mut scenario = scenario("early abort");
    scenario.client.plan.early = true;
    scenario.client.plan.abort = Some(Abort::At(Instant::from_millis(5)));
    let mut run = Run::of(scenario);
    assert_eq!(
        run.world()
            .run_until(|_| false, Instant::from_millis(3_600_000)),
        Outcome::Idle
    );
    assert_eq!(run.client().closed(), Some(CloseReason::Aborted));
    assert!(run.client().is_done());
    assert!(run.accepted().all(|session| session.is_done()));
}

#[test]
fn nobody_listens() {
    for mptcp in [true, false] {
        let mut scenario = scenario("refused").connections(|config| config.mptcp = mptcp);
        scenario.listening = false;
        let mut run = Run::of(scenario);
        let done = run
            .world()
            .run_until(|world| world.all_done(), Instant::from_millis(5000));
        assert_eq!(done, Outcome::Done);
        assert_eq!(run.client().closed(), Some(CloseReason::Refused));
        // One round trip, no second try.
        assert_eq!(
            run.world().now(),
            Instant::from_millis(20) + sending_time(&run)
        );
        run.assert_nothing_left();
    }
}

/// Time that the SYN and the RST take to send at 20 Mbit/s: what is past the two delays.
fn sending_time(run: &Run) -> Duration {
    let [there, back] = run.pair.world.counters(run.pair.wires[0]);
    assert_eq!((there.delivered, back.delivered), (1, 1));
    let bytes = there.delivered_bytes + back.delivered_bytes;
    Duration::from_nanos(bytes * 8 * 50)
}

#[test]
fn the_listener_goes_while_a_connection_is_established() {
    let mut run = Run::of(scenario("listener gone"));
    let server = run.pair.server;
    run.world().at(Instant::from_millis(100), move |world| {
        world.stop_serving(server)
    });
    // What is accepted stays.
    run.complete_within(60)
        .assert_intact()
        .assert_nothing_left();
}

#[test]
fn the_listener_goes_while_the_handshake_is_under_way() {
    let mut run = Run::of(scenario("listener gone early"));
    let server = run.pair.server;
    // The SYN has arrived after a good 10 ms, the third ACK would after 30.
    run.world().at(Instant::from_millis(20), move |world| {
        world.stop_serving(server)
    });
    let done = run
        .world()
        .run_until(|world| world.all_done(), Instant::from_millis(60_000));
    assert_eq!(done, Outcome::Done);
    assert_eq!(run.accepted().count(), 0);
    let closed = run.client().closed();
    assert!(
        matches!(
            closed,
            Some(CloseReason::ResetByPeer | CloseReason::Refused)
        ),
        "{closed:?}"
    );
    run.assert_nothing_left();
}

#[test]
fn nobody_answers() {
    let mut scenario = scenario("no answer");
    scenario.paths = paths(1, link().cut(Instant::ZERO, None));
    let mut run = Run::of(scenario);
    let done = run
        .world()
        .run_until(|world| world.all_done(), Instant::from_millis(600_000));
    assert_eq!(done, Outcome::Done);
    assert_eq!(run.client().closed(), Some(CloseReason::TimedOut));
    run.assert_nothing_left();
}
