//! Paths on which somebody changes what passes (RFC 6824 §6). The data arrives by MPTCP, or by TCP
//! after a fallback, or the connection ends with an error that both applications see. It is never
//! wrong, and nobody waits for ever.

use super::*;
use bytes::Bytes;
use umptcp_lab::link::Loss;
use umptcp_lab::world::{
    ChangeBytes, DropMptcpSyn, ForgeReset, InsertBytes, MergeSegments, Middlebox, Nat,
    OptionsOfMerged, OptionsOfPieces, ProactiveAck, RewriteSequence, SplitSegments, StripMptcp,
    Tampering,
};
use umptcp_stack::{ChecksumPolicy, CloseReason, ConnectionProtocol, Instant, Version};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];
/// One direction of a wire (0 is from the client), the other, and both.
const DIRECTIONS: [&[usize]; 3] = [&[0], &[1], &[0, 1]];

/// A scenario with some paths of [`link`].
fn scenario_of(name: &str, version: Version, count: usize) -> Scenario {
    let mut scenario = scenario(name).connections(|config| config.version = version);
    scenario.paths = paths(count, link());
    scenario
}

/// Puts middleboxes of one kind on directions of one path.
fn place<M: Middlebox + 'static>(
    run: &mut Run,
    path: usize,
    directions: &[usize],
    mut middlebox: impl FnMut() -> M,
) {
    let wire = run.pair.wires[path];
    for direction in directions {
        run.world().set_middlebox(wire, *direction, middlebox());
    }
}

/// Puts the halves of one that sees both directions on a path.
fn place_pair<M: Middlebox + 'static>(run: &mut Run, path: usize, pair: [M; 2]) {
    let wire = run.pair.wires[path];
    for (direction, half) in pair.into_iter().enumerate() {
        run.world().set_middlebox(wire, direction, half);
    }
}

/// Runs to an orderly end with nothing lost.
fn arrives(run: &mut Run) -> &mut Run {
    run.complete_within(600)
        .assert_intact()
        .assert_nothing_left()
}

/// Runs to an end that nobody can misunderstand: whoever has not all bytes sees an error. (The
/// applications have checked every byte that they read.)
fn ends_clearly(run: &mut Run) -> &mut Run {
    run.complete_within(600);
    for session in [run.client(), run.server()] {
        let closed = session.closed().expect("it has ended");
        let whole = session.progress().end_of_stream;
        assert!(whole || closed != CloseReason::Finished, "{closed:?}");
    }
    run.assert_nothing_left()
}

fn strip(on_syn: bool, after_syn: bool) -> StripMptcp {
    StripMptcp { on_syn, after_syn }
}

/// Protocol statement 100.
#[test]
fn options_stripped_from_the_only_path() {
    for version in VERSIONS {
        for (on_syn, after_syn) in [(true, false), (false, true), (true, true)] {
            for directions in DIRECTIONS {
                let mut run = Run::of(scenario_of("strip", version, 1));
                place(&mut run, 0, directions, || strip(on_syn, after_syn));
                arrives(&mut run).assert_protocol(ConnectionProtocol::Tcp);
            }
        }
    }
}

/// Protocol statement 100.
#[test]
fn options_stripped_on_the_second_path_only() {
    for version in VERSIONS {
        for (on_syn, after_syn) in [(true, true), (true, false), (false, true)] {
            for directions in DIRECTIONS {
                let mut run = Run::of(scenario_of("strip second", version, 2));
                place(&mut run, 1, directions, || strip(on_syn, after_syn));
                arrives(&mut run).assert_protocol(ConnectionProtocol::Mptcp(version));
            }
        }
    }
}

/// A path that takes options away in the middle of a transfer: too late to fall back, as the
/// stream is spread over both paths by then.
///
/// Protocol statement 100.
#[test]
fn options_stripped_from_the_middle_of_a_transfer() {
    for version in VERSIONS {
        for directions in DIRECTIONS {
            let mut run = Run::of(scenario_of("strip later", version, 2));
            let wire = run.pair.wires[0];
            run.world().at(Instant::from_millis(200), move |world| {
                for direction in directions {
                    world.set_middlebox(wire, *direction, strip(true, true));
                }
            });
            arrives(&mut run).assert_protocol(ConnectionProtocol::Mptcp(version));
        }
    }
}

/// Protocol statement 100.
#[test]
fn syns_with_mptcp_dropped() {
    for version in VERSIONS {
        for (path, expected) in [
            (0, ConnectionProtocol::Tcp),
            (1, ConnectionProtocol::Mptcp(version)),
        ] {
            for (direction, answers) in [(0, false), (1, true)] {
                let mut run = Run::of(scenario_of("drop syn", version, path + 1));
                place(&mut run, path, &[direction], || DropMptcpSyn { answers });
                arrives(&mut run).assert_protocol(expected);
            }
        }
    }
}

/// Protocol statements 100, 110.
#[test]
fn hosts_behind_a_nat() {
    for version in VERSIONS {
        for (ip, public) in [(Ip::V4, "192.0.2."), (Ip::V6, "2001:db8::")] {
            let mut scenario = scenario_of("nat", version, 2);
            scenario.paths.iter_mut().for_each(|path| path.ip = ip);
            let mut run = Run::of(scenario);
            for path in 0..2 {
                let public = format!("{public}{}", path + 1).parse().unwrap();
                place_pair(&mut run, path, Nat::pair(public));
            }
            arrives(&mut run)
                .assert_protocol(ConnectionProtocol::Mptcp(version))
                .assert_subflows(2);
        }
    }
}

/// Protocol statement 100.
#[test]
fn sequence_numbers_rewritten() {
    for version in VERSIONS {
        let mut run = Run::of(scenario_of("rewrite", version, 2));
        for path in 0..2 {
            place(&mut run, path, &[0, 1], || RewriteSequence {
                seed: path as u64,
            });
        }
        arrives(&mut run)
            .assert_protocol(ConnectionProtocol::Mptcp(version))
            .assert_subflows(2);
    }
}

/// Protocol statement 100.
#[test]
fn segments_split() {
    for version in VERSIONS {
        for checksum in [ChecksumPolicy::Offer, ChecksumPolicy::Require] {
            for options in [OptionsOfPieces::All, OptionsOfPieces::First] {
                for payload in [333, 700, 1400] {
                    let scenario = scenario_of("split", version, 2)
                        .connections(|config| config.checksum = checksum);
                    let mut run = Run::of(scenario);
                    for path in 0..2 {
                        place(&mut run, path, &[0, 1], || SplitSegments {
                            payload,
                            options,
                        });
                    }
                    arrives(&mut run)
                        .assert_protocol(ConnectionProtocol::Mptcp(version))
                        .assert_subflows(2);
                }
            }
        }
    }
}

/// The mapping of one of two merged segments is lost: its bytes are sent again.
///
/// Protocol statement 100.
#[test]
fn segments_merged() {
    for version in VERSIONS {
        for options in [OptionsOfMerged::First, OptionsOfMerged::Second] {
            for (count, path) in [(1, 0), (2, 0), (2, 1)] {
                let mut run = Run::of(scenario_of("merge", version, count));
                place(&mut run, path, &[0, 1], || MergeSegments::new(options));
                ends_clearly(&mut run);
                if count == 2 {
                    run.assert_intact();
                }
            }
        }
    }
}

/// What a middlebox changes on the second path is noticed by the checksum and sent again on the
/// first.
///
/// Protocol statements 92, 100.
#[test]
fn bytes_changed_on_one_of_two_paths() {
    for version in VERSIONS {
        for directions in DIRECTIONS {
            let scenario = scenario_of("change second", version, 2)
                .connections(|config| config.checksum = ChecksumPolicy::Require);
            let mut run = Run::of(scenario);
            place(&mut run, 1, directions, || ChangeBytes::new(20_000..20_003));
            arrives(&mut run).assert_protocol(ConnectionProtocol::Mptcp(version));
        }
    }
}

/// What is changed on the only path cannot be repaired, as over TCP; but MPTCP notices, and leaves
/// the stream to TCP.
///
/// Protocol statements 93, 95, 100.
#[test]
fn bytes_changed_on_the_only_path() {
    for version in VERSIONS {
        for direction in [0, 1] {
            for start in [0, 700, 100_000] {
                let mut scenario = scenario_of("change only", version, 1)
                    .connections(|config| config.checksum = ChecksumPolicy::Require);
                let sender = if direction == 0 {
                    &mut scenario.client
                } else {
                    &mut scenario.server
                };
                sender.tampering = Tampering::Inverted {
                    from: start,
                    to: start + 3,
                };
                let mut run = Run::of(scenario);
                let start = u32::try_from(start).unwrap();
                place(&mut run, 0, &[direction], || {
                    ChangeBytes::new(start..start + 3)
                });
                ends_clearly(&mut run);
            }
        }
    }
}

/// Protocol statement 100.
#[test]
fn bytes_inserted() {
    const INSERTED: &[u8] = b"a few bytes more";
    for version in VERSIONS {
        for (count, path) in [(1, 0), (2, 1)] {
            for direction in [0, 1] {
                let mut scenario = scenario_of("insert", version, count)
                    .connections(|config| config.checksum = ChecksumPolicy::Require);
                // Room for what is inserted.
                for side in [&mut scenario.client, &mut scenario.server] {
                    side.interface.mtu = 1400;
                }
                if count == 1 {
                    let sender = if direction == 0 {
                        &mut scenario.client
                    } else {
                        &mut scenario.server
                    };
                    sender.tampering = Tampering::Inserted {
                        at: 20_000,
                        bytes: INSERTED,
                    };
                }
                let mut run = Run::of(scenario);
                let [there, back] = InsertBytes::pair(20_000, Bytes::from_static(INSERTED));
                let pair = if direction == 0 {
                    [there, back]
                } else {
                    [back, there]
                };
                place_pair(&mut run, path, pair);
                ends_clearly(&mut run);
            }
        }
    }
}

/// Acknowledgments of a proxy say nothing about the data level: at the start MPTCP is given up,
/// later they change nothing.
///
/// Protocol statements 88, 89, 100.
#[test]
fn data_acknowledged_on_the_way() {
    for version in VERSIONS {
        for (count, path) in [(1, 0), (2, 0), (2, 1)] {
            for direction in [0, 1] {
                let mut scenario = scenario_of("proactive", version, count);
                for wire in &mut scenario.paths {
                    // After a fallback nobody could repair what a queue behind the proxy drops.
                    wire.up.queue = usize::MAX;
                    wire.down.queue = usize::MAX;
                }
                let mut run = Run::of(scenario);
                let [there, back] = ProactiveAck::pair();
                let pair = if direction == 0 {
                    [there, back]
                } else {
                    [back, there]
                };
                place_pair(&mut run, path, pair);
                arrives(&mut run);
            }
        }
    }
}

/// A proxy acknowledges what is lost behind it: only the data level can repair that.
///
/// Protocol statements 64, 100.
#[test]
fn data_acknowledged_on_the_way_and_lost_behind() {
    for version in VERSIONS {
        let mut scenario = scenario_of("proactive loss", version, 2);
        scenario.paths[0].up.loss = Loss::Bernoulli(0.01);
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[0];
        run.world().at(Instant::from_millis(100), move |world| {
            for (direction, half) in ProactiveAck::pair().into_iter().enumerate() {
                world.set_middlebox(wire, direction, half);
            }
        });
        arrives(&mut run).assert_protocol(ConnectionProtocol::Mptcp(version));
    }
}

/// Protocol statements 98, 100.
#[test]
fn resets_forged() {
    for version in VERSIONS {
        for (count, path) in [(1, 0), (2, 0), (2, 1)] {
            for directions in DIRECTIONS {
                for behind in [1, 20] {
                    let mut scenario = scenario_of("forged reset", version, count);
                    if (count, behind) == (1, 1) {
                        // Every subflow brings one segment, and the next comes a second later.
                        scenario.client.plan = Plan::sending(30_000);
                        scenario.server.plan = Plan::sending(30_000);
                    }
                    let mut run = Run::of(scenario);
                    place(&mut run, path, directions, || ForgeReset::behind(behind));
                    ends_clearly(&mut run);
                    if count == 2 && (path, behind) != (0, 1) {
                        run.assert_intact();
                    }
                }
            }
        }
    }
}
