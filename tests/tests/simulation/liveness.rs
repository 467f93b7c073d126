//! Peers that say nothing for a long time: those that are gone, and those that are only busy.

use super::*;
use umptcp_lab::world::{Finish, Middlebox, ReadPause};
use umptcp_stack::{CloseReason, Event, Instant, InterfaceConfig, Keepalive, SubflowId, Version};

const KEEPALIVE: Keepalive = Keepalive {
    idle: Duration::from_secs(10),
    interval: Duration::from_secs(2),
    probes: 3,
};

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

/// Connections over which nothing is ever said. The client has keepalive.
fn silent(name: &str, count: usize) -> Scenario {
    let mut scenario = scenario(name);
    scenario.paths = paths(count, link());
    for side in [&mut scenario.client, &mut scenario.server] {
        // No joins to where there is no way.
        side.connection.max_subflows = count;
        side.plan = Plan {
            finish: Finish::Hold,
            ..Plan::default()
        };
    }
    scenario.client.connection.subflow.keepalive = Some(KEEPALIVE);
    scenario
}

/// When the client was told of the end, and why.
fn end_of_client(run: &Run) -> Option<(Instant, CloseReason)> {
    run.client()
        .events()
        .iter()
        .find_map(|(time, event)| match event {
            Event::Closed(_, reason) => Some((*time, *reason)),
            _ => None,
        })
}

#[test]
fn keepalive_tells_a_silent_peer_from_one_that_is_gone() {
    for mptcp in [false, true] {
        let mut scenario = silent("keepalive", 1).connections(|config| config.mptcp = mptcp);
        scenario.paths[0] = Path::symmetric(link().cut(at(100), None));
        let mut run = Run::of(scenario);
        run.world().run_until(|_| false, at(5));
        let before = run.world().packets();
        run.world().run_until(|_| false, at(100));
        // A probe and its answer every ten seconds.
        let probes = run.world().packets() - before;
        assert!((16..=20).contains(&probes), "{probes}");
        assert_eq!(end_of_client(&run), None);
        run.world().run_until(|_| false, at(200));
        let (time, reason) = end_of_client(&run).expect("the peer is gone");
        assert_eq!(reason, CloseReason::TimedOut);
        // The last answer came within the ten seconds before the cut; then come the idle time and
        // three intervals.
        assert!((at(106)..at(117)).contains(&time), "{time:?}");
    }
}

#[test]
fn without_keepalive_nobody_asks() {
    let mut scenario = silent("no keepalive", 2);
    scenario.client.connection.subflow.keepalive = None;
    let mut run = Run::of(scenario);
    run.world().run_until(|_| false, at(5));
    let before = run.world().packets();
    run.world().run_until(|_| false, at(100_000));
    assert_eq!(run.world().packets(), before);
    // It can be had later.
    let (now, id, client) = (run.world().now(), run.client_connection(), run.pair.client);
    let endpoint = run.world().endpoint_mut(client);
    endpoint.set_keepalive(now, id, Some(KEEPALIVE));
    run.world().run_for(Duration::from_secs(11));
    assert_eq!(run.world().packets(), before + 4, "on both subflows");
}

#[test]
fn keepalive_closes_the_one_subflow_that_is_gone() {
    let mut scenario = silent("keepalive of two", 2);
    scenario.paths[0] = Path::symmetric(link().cut(at(20), None));
    let mut run = Run::of(scenario);
    run.world().run_until(|_| false, at(60));
    let closed = |event: &Event| matches!(event, Event::SubflowClosed(_, id, _) if id.index() == 0);
    assert!(run.client().events().iter().any(|(_, event)| closed(event)));
    assert_eq!(end_of_client(&run), None);
}

#[test]
fn a_probe_on_request_tells_how_it_went() {
    let mut scenario = silent("probe", 2);
    scenario.client.connection.subflow.keepalive = None;
    scenario.paths[1] = Path::symmetric(link().cut(at(10), None));
    let mut run = Run::of(scenario);
    let probe = |run: &mut Run, seconds: u64| -> Vec<(SubflowId, bool)> {
        // Where nothing else will happen, time stands still.
        run.world().at(at(seconds), |_| ());
        run.world().run_until(|_| false, at(seconds));
        let (now, id, client) = (run.world().now(), run.client_connection(), run.pair.client);
        let endpoint = run.world().endpoint_mut(client);
        for subflow in endpoint.subflows(id) {
            assert_eq!(endpoint.probe_subflow(now, id, subflow.id), Ok(()));
        }
        run.world().run_for(Duration::from_secs(8));
        let told = run
            .client()
            .events()
            .iter()
            .filter(|(time, _)| *time >= now);
        let told = told.filter_map(|(_, event)| match event {
            Event::SubflowProbed(_, subflow, answered) => Some((*subflow, *answered)),
            _ => None,
        });
        told.collect()
    };
    let answers = probe(&mut run, 1);
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(|(_, answered)| *answered));
    let mut answers = probe(&mut run, 20);
    answers.sort_by_key(|(subflow, _)| subflow.index());
    let answers: Vec<_> = answers.into_iter().map(|(s, a)| (s.index(), a)).collect();
    assert_eq!(answers, [(0, true), (1, false)]);
}

/// Plain TCP over one path that is cut at second 5 while the client sends.
fn cut_while_sending(name: &str) -> Run {
    let mut scenario = scenario(name).connections(|config| config.mptcp = false);
    scenario.paths = paths(1, link().cut(at(5), None));
    scenario.client.plan.sends = 1000 * MEGABYTE;
    scenario.server.plan.sends = 0;
    Run::of(scenario)
}

/// RFC 5482; R2 of RFC 9293 §3.8.3.
#[test]
fn the_user_timeout_is_kept_and_can_be_changed() {
    for (timeout, change_at) in [(20, 2), (20, 15), (60, 15)] {
        let mut run = cut_while_sending("user timeout");
        let (client, session) = (run.pair.client, run.pair.session);
        run.world().at(at(change_at), move |world| {
            let id = world
                .session(session)
                .connection()
                .expect("the client sends");
            let now = world.now();
            let endpoint = world.endpoint_mut(client);
            endpoint.set_user_timeout(now, id, Duration::from_secs(timeout));
        });
        run.world().run_until(|_| false, at(1000));
        let (time, reason) = end_of_client(&run).expect("nobody is there");
        assert_eq!(reason, CloseReason::TimedOut);
        // Never early, and no later than the expiry that follows, which is at most twice as far.
        assert!(time >= at(5 + timeout), "{time:?}");
        assert!(time <= at(6 + 2 * timeout), "{time:?}");
    }
}

#[test]
fn the_user_timeout_can_be_never() {
    let mut run = cut_while_sending("no user timeout");
    let (client, session) = (run.pair.client, run.pair.session);
    run.world().at(at(2), move |world| {
        let id = world
            .session(session)
            .connection()
            .expect("the client sends");
        let now = world.now();
        let endpoint = world.endpoint_mut(client);
        endpoint.set_user_timeout(now, id, Duration::MAX);
    });
    run.world().run_until(|_| false, at(20_000));
    assert_eq!(end_of_client(&run), None);
}

/// RFC 9293 §3.8.3: a SYN is tried for three minutes, unless the application chooses otherwise.
#[test]
fn the_syn_has_a_timeout_of_its_own() {
    for (timeout, least, most) in [(None, 180, 300), (Some(20), 20, 40)] {
        let mut scenario = scenario("no answer");
        if let Some(timeout) = timeout {
            scenario.client.connection.connect_timeout = Duration::from_secs(timeout);
        }
        scenario.paths = paths(1, link().cut(Instant::ZERO, None));
        let mut run = Run::of(scenario);
        run.world().run_until(|_| false, at(1000));
        let (time, reason) = end_of_client(&run).expect("nobody answers");
        assert_eq!(reason, CloseReason::TimedOut);
        assert!((at(least)..=at(most)).contains(&time), "{time:?}");
    }
}

/// A transfer to a server that reads nothing between seconds 0 and `rest`.
fn resting(name: &str, rest: u64) -> Scenario {
    let mut scenario = scenario(name).connections(|config| {
        config.user_timeout = Duration::from_secs(20);
        config.max_subflows = 2;
    });
    scenario.server.plan.sends = 0;
    scenario.server.plan.read_pauses = vec![ReadPause {
        at: 0,
        length: Duration::from_secs(rest),
    }];
    scenario
}

/// RFC 9293 §3.8.6.1, RFC 6429.
///
/// Protocol statement 115.
#[test]
fn a_peer_that_answers_probes_is_borne_however_long_its_window_is_closed() {
    for mptcp in [false, true] {
        let scenario = resting("long rest", 1000).connections(|config| config.mptcp = mptcp);
        let mut run = Run::of(scenario);
        run.world().run_until(|_| false, at(400));
        let before = run.world().packets();
        run.world().run_until(|_| false, at(880));
        // By now a probe a minute on each subflow, and its answer.
        let subflows = if mptcp { 2 } else { 1 };
        let probes = (run.world().packets() - before) / 2;
        let expected = 7 * subflows..=9 * subflows;
        assert!(expected.contains(&probes), "{probes}");
        run.complete_within(1200)
            .assert_intact()
            .assert_nothing_left();
    }
}

#[test]
fn a_peer_that_does_not_answer_probes_is_given_up() {
    for mptcp in [false, true] {
        let mut scenario = resting("gone", 1000).connections(|config| config.mptcp = mptcp);
        scenario.paths = paths(1, link().cut(at(5), None));
        let mut run = Run::of(scenario);
        run.world().run_until(|_| false, at(900));
        let (time, reason) = end_of_client(&run).expect("nobody is there");
        assert_eq!(reason, CloseReason::TimedOut);
        assert!((at(25)..at(90)).contains(&time), "{time:?}");
    }
}

/// Protocol statement 115.
#[test]
fn a_window_update_that_is_lost_is_found_by_a_probe() {
    for version in [Version::V0, Version::V1] {
        let mut scenario = resting("lost update", 8).connections(|config| config.version = version);
        // On both paths.
        scenario.paths = paths(2, link().cut(at(7), Some(at(9))));
        let mut run = Run::of(scenario);
        run.complete_within(40)
            .assert_intact()
            .assert_nothing_left();
    }
}

/// Protocol statement 115.
#[test]
fn a_window_update_counts_on_whatever_subflow_it_comes() {
    for (broken, version) in [
        (0, Version::V0),
        (1, Version::V0),
        (0, Version::V1),
        (1, Version::V1),
    ] {
        let mut scenario =
            resting("update elsewhere", 8).connections(|config| config.version = version);
        scenario.paths[broken] = Path::symmetric(link().cut(at(5), None));
        let mut run = Run::of(scenario);
        // A good second for the transfer itself: nobody waited for a probe.
        run.until(10, |world| {
            let mut sessions = world.sessions().iter();
            sessions.any(|session| session.progress().received == MEGABYTE)
        });
    }
}

/// Makes every window after the handshake tiny.
#[derive(Debug)]
struct Squeeze(u16);

impl Middlebox for Squeeze {
    fn process(&mut self, _: Instant, packet: bytes::Bytes, out: &mut Vec<bytes::Bytes>) {
        // RFC 791 §3.1, RFC 9293 §3.1: 20 bytes of IPv4; flags at 13, the window at 14.
        let mut packet = packet.to_vec();
        let syn = packet[20 + 13] & 0x02 != 0;
        if !syn {
            packet[20 + 14..20 + 16].copy_from_slice(&self.0.to_be_bytes());
        }
        out.push(packet.into());
    }
}

/// RFC 9293 §3.8.6.2.1: a window that is less than a segment and less than half of the largest one
/// is used, but only once in an override time.
#[test]
fn a_silly_window_is_used_slowly() {
    let mut scenario = scenario("silly window").connections(|config| {
        config.mptcp = false;
        // No scale.
        config.receive_buffer = 60_000;
    });
    scenario.paths = paths(1, link());
    // Three quarters of it go before the first window that is squeezed.
    scenario.client.plan.sends = 20_000;
    scenario.server.plan.sends = 0;
    for side in [&mut scenario.client, &mut scenario.server] {
        // Nobody checks the sums that the middlebox makes wrong.
        side.interface = InterfaceConfig {
            checksum_offload: true,
            ..InterfaceConfig::default()
        };
    }
    let mut run = Run::of(scenario);
    let wire = run.pair.wires[0];
    run.world().set_middlebox(wire, 1, Squeeze(100));
    run.complete_within(60).assert_intact();
    let seconds = run.client().events().last().map(|(time, _)| *time);
    // 54 pieces of 100 bytes, a fifth of a second or more apart.
    let range = at(10)..at(30);
    assert!(
        range.contains(&seconds.expect("it was closed")),
        "{seconds:?}"
    );
}
