//! Windows that close, buffers that are tiny, applications that write crumbs or wait for answers.

use super::*;
use umptcp_lab::link::Loss;
use umptcp_lab::world::{Chunks, Pace, ReadPause};
use umptcp_stack::Version;

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

#[test]
fn a_reader_that_rests() {
    for version in VERSIONS {
        for loss in [Loss::None, Loss::Bernoulli(0.03)] {
            let mut scenario = scenario("zero window").connections(|config| {
                config.version = version;
                config.receive_buffer = 100_000;
            });
            scenario.paths = paths(2, link().lossy(loss));
            // Long enough for several window probes, then a short rest.
            scenario.server.plan.read_pauses = vec![
                ReadPause {
                    at: 200_000,
                    length: Duration::from_secs(30),
                },
                ReadPause {
                    at: 500_000,
                    length: millis(500),
                },
            ];
            let mut run = run(scenario);
            run.assert_subflows(2);
            assert!(run.world().now().as_millis() > 30_000);
        }
    }
}

#[test]
fn a_reader_that_starts_late() {
    let mut scenario = scenario("late reader").connections(|config| config.receive_buffer = 20_000);
    scenario.server.plan.read_pauses = vec![ReadPause {
        at: 0,
        length: Duration::from_secs(200),
    }];
    run(scenario);
}

#[test]
fn tiny_buffers() {
    for (receive_buffer, send_buffer) in
        [(3000, 1 << 20), (1 << 20, 3000), (2000, 2000), (100, 100)]
    {
        let mut scenario = scenario("tiny buffers").connections(|config| {
            config.receive_buffer = receive_buffer;
            config.send_buffer = send_buffer;
        });
        let small = u64::try_from(receive_buffer.min(send_buffer)).unwrap() * 100;
        scenario.client.plan.sends = small;
        scenario.server.plan.sends = small / 2;
        run(scenario);
    }
}

#[test]
fn crumbs() {
    for nodelay in [false, true] {
        let mut scenario = scenario("crumbs").connections(|config| config.nodelay = nodelay);
        let crumbs = Chunks {
            min: 1,
            max: 20,
            pause_probability: 0.02,
            max_pause: millis(40),
        };
        for side in [&mut scenario.client, &mut scenario.server] {
            side.plan.sends = 20_000;
            side.plan.writes = crumbs;
            side.plan.reads = crumbs;
        }
        run(scenario);
    }
}

#[test]
fn pauses_of_the_writer() {
    let mut scenario = scenario("pauses");
    scenario.client.plan.writes = Chunks {
        min: 1,
        max: 60_000,
        pause_probability: 0.3,
        max_pause: Duration::from_secs(4),
    };
    run(scenario).assert_subflows(2);
}

#[test]
fn an_echo() {
    for version in VERSIONS {
        let mut scenario = scenario("echo").connections(|config| config.version = version);
        scenario.server.plan.sends = MEGABYTE;
        scenario.server.plan.pace = Pace::Echo;
        run(scenario).assert_subflows(2);
    }
}

#[test]
fn requests_and_responses() {
    for version in VERSIONS {
        let mut scenario = scenario("requests").connections(|config| {
            config.version = version;
            config.nodelay = true;
        });
        scenario.client.plan.sends = 100 * 50;
        scenario.client.plan.pace = Pace::Turns {
            mine: 100,
            theirs: 3000,
            first: true,
        };
        scenario.server.plan.sends = 3000 * 50;
        scenario.server.plan.pace = Pace::Turns {
            mine: 3000,
            theirs: 100,
            first: false,
        };
        let mut run = run(scenario);
        // One round trip of a good 20 ms for each, and nobody waits for a delayed ACK.
        let end = run.client().events().last().unwrap().0.as_millis();
        assert!((1000..2500).contains(&end), "{end}");
        run.assert_subflows(2);
    }
}
