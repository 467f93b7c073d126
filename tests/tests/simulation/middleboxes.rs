//! Paths on which somebody takes MPTCP options away. What arrives is always right; what it costs
//! is MPTCP.

use super::*;
use umptcp_lab::world::StripMptcp;
use umptcp_stack::{ConnectionProtocol, Version};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

/// One path with a middlebox in one direction (0 is from the client) or in both.
fn run_with(name: &str, version: Version, directions: &[usize], middlebox: StripMptcp) -> Run {
    let mut scenario = scenario(name).connections(|config| config.version = version);
    scenario.paths = paths(1, link());
    let mut run = Run::of(scenario);
    let wire = run.pair.wires[0];
    for direction in directions {
        run.world().set_middlebox(wire, *direction, middlebox);
    }
    run.complete_within(300)
        .assert_intact()
        .assert_nothing_left();
    run
}

#[test]
fn options_stripped_from_the_handshake() {
    let strip = StripMptcp {
        on_syn: true,
        after_syn: false,
    };
    for version in VERSIONS {
        for directions in [&[0][..], &[1], &[0, 1]] {
            run_with("strip syn", version, directions, strip)
                .assert_protocol(ConnectionProtocol::Tcp);
        }
    }
}

#[test]
fn options_stripped_after_the_handshake() {
    let strip = StripMptcp {
        on_syn: false,
        after_syn: true,
    };
    for version in VERSIONS {
        for directions in [&[0][..], &[1], &[0, 1]] {
            run_with("strip data", version, directions, strip)
                .assert_protocol(ConnectionProtocol::Tcp);
        }
    }
}

#[test]
fn options_stripped_from_everything() {
    let strip = StripMptcp {
        on_syn: true,
        after_syn: true,
    };
    for version in VERSIONS {
        for directions in [&[0][..], &[1], &[0, 1]] {
            run_with("strip all", version, directions, strip)
                .assert_protocol(ConnectionProtocol::Tcp);
        }
    }
}

#[test]
fn options_stripped_on_the_second_path_only() {
    for version in VERSIONS {
        for (on_syn, after_syn) in [(true, true), (true, false), (false, true)] {
            for directions in [&[0][..], &[1], &[0, 1]] {
                let scenario =
                    scenario("strip second").connections(|config| config.version = version);
                let mut run = Run::of(scenario);
                let wire = run.pair.wires[1];
                for direction in directions {
                    let strip = StripMptcp { on_syn, after_syn };
                    run.world().set_middlebox(wire, *direction, strip);
                }
                run.complete_within(300)
                    .assert_intact()
                    .assert_protocol(ConnectionProtocol::Mptcp(version))
                    .assert_nothing_left();
            }
        }
    }
}
