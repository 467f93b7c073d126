//! Which bytes went over which subflow: the record of both sides, against each other and against
//! what was transferred.

use super::*;
use umptcp_stack::{Instant, PathLog, PathRange};

/// Asserts that the ranges that were there for the first time cover the stream, each byte once.
fn assert_covers_once(ranges: &[PathRange], total: u64) {
    let mut first: Vec<_> = ranges.iter().filter(|range| !range.again).collect();
    first.sort_unstable_by_key(|range| range.bytes.start);
    let mut next = 0;
    for range in first {
        assert_eq!(range.bytes.start, next, "{range:?}");
        next = range.bytes.end;
    }
    assert_eq!(next, total);
}

/// Bytes by subflow, the first two.
fn shares(ranges: &[PathRange]) -> [u64; 2] {
    let mut shares = [0; 2];
    for range in ranges {
        if let Some(share) = shares.get_mut(range.subflow.index() as usize) {
            *share += range.bytes.end - range.bytes.start;
        }
    }
    shares
}

/// The records of a run before either application lets go of its connection.
fn logs(run: &mut Run, total: u64) -> (PathLog, PathLog) {
    let (client, server) = (run.pair.client, run.pair.server);
    let accepted = |world: &umptcp_lab::world::World| {
        world
            .sessions_of(server)
            .find_map(umptcp_lab::world::Session::connection)
    };
    run.until(120, |world| {
        let id = accepted(world);
        let info = id.and_then(|id| world.endpoint(server).connection_info(id));
        info.is_some_and(|info| info.bytes_received == total)
    });
    let sender = run.client_connection();
    let world = &run.pair.world;
    let receiver = accepted(world).expect("it has received everything");
    let sent = world.endpoint(client).path_log(sender);
    let received = world.endpoint(server).path_log(receiver);
    (sent.expect("recorded"), received.expect("recorded"))
}

fn recorded(name: &str, ranges: usize) -> Scenario {
    let mut scenario = scenario(name).connections(|config| config.path_log = ranges);
    // The server keeps the connection until the log was looked at.
    scenario.client.plan = Plan::sending(4 * MEGABYTE);
    scenario.server.plan = Plan::sending(4 * MEGABYTE);
    scenario
}

#[test]
fn every_byte_is_recorded_once_where_one_path_is_cut() {
    let mut scenario = recorded("path log", 1 << 20);
    let cut = link().cut(Instant::from_millis(500), None);
    scenario.paths = vec![Path::symmetric(link()), Path::symmetric(cut)];
    let mut run = Run::of(scenario);
    let (sent, received) = logs(&mut run, 4 * MEGABYTE);
    assert_eq!((sent.forgotten, received.forgotten), (0, 0));
    assert_covers_once(&sent.sent, 4 * MEGABYTE);
    assert_covers_once(&received.received, 4 * MEGABYTE);
    // Both paths have carried something, and what was under way when the second was cut went
    // again on the first.
    assert!(shares(&sent.sent).iter().all(|share| *share > 0));
    assert!(shares(&received.received).iter().all(|share| *share > 0));
    let again: Vec<_> = sent.sent.iter().filter(|range| range.again).collect();
    assert!(!again.is_empty());
    assert!(again.iter().any(|range| range.subflow.index() == 0));
    // What the receiver has got on a path was sent there.
    let [_, sent_on_second] = shares(&sent.sent);
    let [_, received_on_second] = shares(&received.received);
    assert!(received_on_second <= sent_on_second);
}

#[test]
fn a_short_record_keeps_the_newest() {
    let mut run = Run::of(recorded("short path log", 4));
    let (sent, received) = logs(&mut run, 4 * MEGABYTE);
    for (ranges, forgotten) in [
        (&sent.sent, sent.forgotten),
        (&received.received, received.forgotten),
    ] {
        assert_eq!(ranges.len(), 4);
        assert!(forgotten > 0);
    }
    let newest = received.received.last().expect("four");
    assert!(newest.bytes.end > 3 * MEGABYTE);
}

/// With it or without, the same packets go out.
#[test]
fn the_record_changes_nothing() {
    let end = |ranges: usize| {
        let mut run = Run::of(recorded("same packets", ranges));
        run.complete_within(120).assert_intact();
        let events = run.client().events().to_vec();
        events.last().cloned()
    };
    assert_eq!(end(0), end(1 << 16));
}
