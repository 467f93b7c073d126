//! Undisturbed transfers: versions, checksums, numbers of paths, address families, directions.

use super::*;
use umptcp_lab::world::{Chunks, Reach};
use umptcp_stack::{ChecksumPolicy, ConnectionProtocol, InterfaceConfig, Version};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

#[test]
fn both_versions_with_and_without_checksums() {
    for version in VERSIONS {
        for (client, server, used) in [
            (ChecksumPolicy::Offer, ChecksumPolicy::Offer, false),
            (ChecksumPolicy::Require, ChecksumPolicy::Offer, true),
            (ChecksumPolicy::Offer, ChecksumPolicy::Require, true),
            (ChecksumPolicy::Require, ChecksumPolicy::Require, true),
        ] {
            let mut scenario =
                scenario("versions and checksums").connections(|config| config.version = version);
            scenario.client.connection.checksum = client;
            scenario.server.connection.checksum = server;
            let mut run = run(scenario);
            run.assert_protocol(ConnectionProtocol::Mptcp(version))
                .assert_subflows(2);
            for session in [run.client(), run.server()] {
                assert_eq!(session.last_info().unwrap().checksum, used);
            }
        }
    }
}

#[test]
fn one_to_four_paths() {
    for version in VERSIONS {
        for count in 1..=4 {
            let mut scenario = scenario("paths").connections(|config| {
                config.version = version;
                config.max_subflows = 16;
            });
            scenario.paths = paths(count, link());
            scenario.client.plan = Plan::sending(4 * MEGABYTE);
            let mut run = run(scenario);
            run.assert_protocol(ConnectionProtocol::Mptcp(version))
                .assert_subflows(count);
        }
    }
}

#[test]
fn more_paths_carry_more() {
    let mut durations = Vec::new();
    for count in [1, 2, 4] {
        let mut scenario = scenario("aggregation").connections(|config| config.max_subflows = 16);
        scenario.paths = paths(count, link());
        scenario.client.plan = Plan::sending(20 * MEGABYTE);
        scenario.server.plan = Plan::sending(0);
        let mut run = Run::of(scenario);
        run.complete_within(60).assert_intact();
        durations.push(run.world().now().as_millis());
    }
    // 20 MB at 20 Mbit/s take 8 s. Slow start and the end cost a little.
    assert!((8_000..10_000).contains(&durations[0]), "{durations:?}");
    assert!((4_000..5_500).contains(&durations[1]), "{durations:?}");
    assert!((2_000..3_500).contains(&durations[2]), "{durations:?}");
}

#[test]
fn unequal_paths_are_all_used() {
    let mut scenario = scenario("unequal");
    scenario.paths = vec![
        Path::symmetric(LinkConfig::with_rate_and_delay(30_000_000, millis(5))),
        Path::symmetric(LinkConfig::with_rate_and_delay(10_000_000, millis(40))),
    ];
    scenario.client.plan = Plan::sending(10 * MEGABYTE);
    let run = run(scenario);
    let sent: Vec<u64> = run
        .client()
        .last_subflows()
        .iter()
        .map(|s| s.bytes_sent)
        .collect();
    // Joins between addresses that do not reach each other carry nothing.
    let used: Vec<_> = sent.iter().filter(|bytes| **bytes > 0).collect();
    assert_eq!(used.len(), 2, "{sent:?}");
    assert!(used.iter().all(|bytes| **bytes > MEGABYTE), "{sent:?}");
}

/// Protocol statement 49.
#[test]
fn both_address_families() {
    for version in VERSIONS {
        let v4 = Path::symmetric(link());
        let v6 = v4.clone().v6();
        for paths in [
            vec![v6.clone()],
            vec![v6.clone(), v6.clone()],
            vec![v4.clone(), v6.clone()],
            vec![v6, v4],
        ] {
            let mut scenario = scenario("families").connections(|config| config.version = version);
            let count = paths.len();
            scenario.paths = paths;
            run(scenario).assert_subflows(count);
        }
    }
}

#[test]
fn one_direction_alone() {
    for (client, server) in [(MEGABYTE, 0), (0, MEGABYTE), (0, 0), (1, 1)] {
        let mut scenario = scenario("one direction");
        scenario.client.plan.sends = client;
        scenario.server.plan.sends = server;
        run(scenario).assert_protocol(ConnectionProtocol::Mptcp(Version::V0));
    }
}

#[test]
fn networks_that_lead_to_each_other_make_a_full_mesh() {
    let mut scenario = scenario("mesh");
    scenario.reach = Reach::WholeHost;
    scenario.client.plan = Plan::sending(4 * MEGABYTE);
    run(scenario).assert_subflows(4);
}

#[test]
fn no_more_subflows_than_allowed() {
    let mut scenario = scenario("limit").connections(|config| config.max_subflows = 3);
    scenario.reach = Reach::WholeHost;
    scenario.client.plan = Plan::sending(4 * MEGABYTE);
    run(scenario).assert_subflows(3);
}

#[test]
fn without_copies() {
    let mut scenario = scenario("zero copy");
    scenario.client.plan.zero_copy = true;
    scenario.server.plan.zero_copy = true;
    scenario.server.plan.reads = Chunks {
        min: 1,
        max: 9000,
        ..Chunks::default()
    };
    run(scenario).assert_subflows(2);
}

#[test]
fn data_written_before_the_connection_stands() {
    for version in VERSIONS {
        let mut scenario = scenario("early data").connections(|config| config.version = version);
        scenario.client.plan.early = true;
        run(scenario).assert_protocol(ConnectionProtocol::Mptcp(version));
    }
}

#[test]
fn small_and_large_packets() {
    for mtu in [576, 1280, 9000, 65_535] {
        let mut scenario = scenario("mtu");
        scenario.client.interface = InterfaceConfig {
            mtu,
            ..InterfaceConfig::default()
        };
        let wire = LinkConfig { mtu, ..link() };
        scenario.paths = paths(2, wire);
        let run = run(scenario);
        // The MSS of the narrower side keeps both from sending what the link cannot carry.
        for wire in run.pair.wires.clone() {
            let [there, back] = run.pair.world.counters(wire);
            assert_eq!((there.dropped_mtu, back.dropped_mtu), (0, 0), "{mtu}");
        }
    }
}

#[test]
fn devices_that_cut_segments_and_complete_checksums() {
    let mut scenario = scenario("offload");
    let offload = InterfaceConfig {
        mtu: 1500,
        checksum_offload: true,
        segmentation_offload: Some(65_000),
    };
    scenario.client.interface = offload;
    scenario.server.interface = offload;
    let mut run = run(scenario);
    run.assert_subflows(2);
    // Super-segments: far fewer packets than a megabyte and a half makes at 1500 bytes.
    assert!(
        run.pair.world.packets() < 800,
        "{}",
        run.pair.world.packets()
    );
}

#[test]
fn the_same_seed_gives_the_same_packets() {
    let digest = |seed| {
        let mut scenario = scenario("determinism");
        scenario.seed = seed;
        scenario.paths = paths(3, harm::everything());
        let mut run = Run::of(scenario);
        run.complete_within(300).assert_intact();
        (
            run.world().digest(),
            run.world().packets(),
            run.world().now(),
        )
    };
    let first = digest(7);
    assert_eq!(first, digest(7));
    assert_ne!(first.0, digest(8).0);
}
