//! What random scenarios have brought to light, each as small as it could be made.

use super::*;
use bytes::Bytes;
use umptcp_lab::link::Reorder;
use umptcp_lab::world::{Abort, DropIf, Finish, Pace, Reach, ReadPause, StripMptcp};
use umptcp_stack::wire::packet::{Segment, parse};
use umptcp_stack::{
    ChecksumStatus, CloseReason, ConnectionProtocol, Instant, ReceivedPacket, Version,
};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn segment(packet: &Bytes) -> Option<Segment> {
    let packet = ReceivedPacket {
        data: packet.clone(),
        checksum: ChecksumStatus::Unverified,
    };
    parse(&packet).ok()
}

/// The DATA_FIN of an application that ends before the handshake does must not take the place
/// of the third ACK, which has the keys.
#[test]
fn an_end_before_the_connection_stands() {
    for version in VERSIONS {
        for sends in [0, 18] {
            let mut scenario = scenario("early end").connections(|config| config.version = version);
            scenario.client.plan = Plan {
                early: true,
                ..Plan::sending(sends)
            };
            scenario.server.plan.sends = 10;
            let mut run = run(scenario);
            run.assert_protocol(ConnectionProtocol::Mptcp(version));
            let end = run.client().events().last().unwrap().0;
            assert!(end < at(500), "{end:?}");
        }
    }
}

/// Version 1's ADD_ADDR of an IPv6 address leaves no room for a DSS. If it is the first to
/// acknowledge data, it must not look like a peer that does not speak MPTCP.
#[test]
fn an_announcement_that_arrives_before_any_dss() {
    let version = Version::V1;
    for early in [true, false] {
        let mut scenario =
            scenario("early announcement").connections(|config| config.version = version);
        scenario.paths = vec![Path::symmetric(link()).v6(); 2];
        scenario.client.plan.early = early;
        scenario.server.plan.pace = Pace::AfterEnd;
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[0];
        let mut announced = false;
        // Nothing with a DSS arrives before the announcement does.
        run.world().set_middlebox(
            wire,
            1,
            DropIf(move |now, packet: &Bytes| {
                let Some(segment) = segment(packet) else {
                    return false;
                };
                let alone = segment.options.dss.is_none() && !segment.options.mptcp.is_empty();
                announced |= alone && now > at(35) || now > at(2000);
                segment.options.dss.is_some() && !announced
            }),
        );
        run.complete_within(60)
            .assert_intact()
            .assert_protocol(ConnectionProtocol::Mptcp(version))
            .assert_nothing_left();
    }
}

/// What a late copy of a segment provokes after both sides have finished must not take away what
/// the application has not read yet.
#[test]
fn late_copies_while_the_last_bytes_wait_to_be_read() {
    let late = LinkConfig {
        duplicate: 0.3,
        reorder: Reorder {
            probability: 0.3,
            extra_delay: millis(300),
        },
        ..link()
    };
    for seed in 0..20 {
        for mptcp in [true, false] {
            let mut scenario = scenario("late copies").connections(|config| config.mptcp = mptcp);
            scenario.seed = seed;
            scenario.paths = paths(1, late.clone());
            scenario.client.plan.sends = 60_000;
            scenario.server.plan.sends = 60_000;
            let pause = ReadPause {
                at: 0,
                length: Duration::from_secs(5),
            };
            scenario.client.plan.read_pauses = vec![pause];
            scenario.server.plan.read_pauses = vec![pause];
            run(scenario);
        }
    }
}

/// Joins that are still under way when both sides have finished end, but they do not take with
/// them what the application has not read yet.
#[test]
fn the_end_while_paths_are_being_joined() {
    for version in VERSIONS {
        for bytes in (10_000..400_000).step_by(10_000) {
            let mut scenario =
                scenario("end while joining").connections(|config| config.version = version);
            scenario.reach = Reach::WholeHost;
            scenario.paths = paths(3, link());
            scenario.client.plan.sends = bytes;
            scenario.server.plan.sends = bytes / 2;
            let pause = ReadPause {
                at: 0,
                length: Duration::from_secs(5),
            };
            scenario.server.plan.read_pauses = vec![pause];
            run(scenario);
        }
    }
}

/// The server's own timer and the client's repeated SYNs both make it send SYN/ACKs; that must
/// not wear out its patience at twice the pace.
#[test]
fn a_handshake_in_which_no_syn_ack_arrives_for_long() {
    for mptcp in [true, false] {
        for version in VERSIONS {
            for until in [2000, 6500, 14_500, 30_500] {
                let mut scenario = scenario("late syn ack").connections(|config| {
                    config.mptcp = mptcp;
                    config.version = version;
                });
                scenario.paths[0].down = link().cut(Instant::ZERO, Some(at(until)));
                run(scenario);
            }
        }
    }
}

/// A stream that was reset has no end, even if the end had arrived before the reset.
#[test]
fn a_reset_after_the_end_of_the_stream() {
    for mptcp in [true, false] {
        for version in VERSIONS {
            let mut scenario = scenario("reset after end").connections(|config| {
                config.mptcp = mptcp;
                config.version = version;
            });
            scenario.client.plan.abort = Some(Abort::At(at(3000)));
            scenario.server.plan.pace = Pace::AfterEnd;
            let pause = ReadPause {
                at: 0,
                length: Duration::from_secs(10),
            };
            scenario.server.plan.read_pauses = vec![pause];
            let mut run = Run::of(scenario);
            run.complete_within(60).assert_nothing_left();
            assert_eq!(run.client().closed(), Some(CloseReason::Aborted));
            assert_eq!(run.server().closed(), Some(CloseReason::ResetByPeer));
            assert!(!run.server().progress().end_of_stream);
        }
    }
}

/// A path that dies while nothing is in flight shows no loss. The DATA_FIN, which no subflow
/// acknowledges, must find another one all the same.
#[test]
fn the_end_after_a_path_died_in_silence() {
    for version in VERSIONS {
        for broken in [0, 1] {
            let mut scenario =
                scenario("end on a dead path").connections(|config| config.version = version);
            scenario.paths[broken] = Path::symmetric(link().cut(at(5000), None));
            scenario.client.plan.finish = Finish::Hold;
            scenario.server.plan.pace = Pace::AfterEnd;
            let mut run = Run::of(scenario);
            let (client, session) = (run.pair.client, run.pair.session);
            run.world().at(at(6000), move |world| {
                let id = world
                    .session(session)
                    .connection()
                    .expect("the client waits");
                let now = world.now();
                assert_eq!(world.endpoint_mut(client).shutdown(now, id), Ok(()));
            });
            run.complete_within(60)
                .assert_intact()
                .assert_nothing_left();
        }
    }
}

/// A window that opens again is told on every path. If the only regular one is dead, the backup
/// path must take over although nothing was in flight on the dead one.
#[test]
fn a_window_that_opens_when_only_the_backup_path_is_left() {
    for version in VERSIONS {
        let mut scenario = scenario("window on a dead path").connections(|config| {
            config.version = version;
            config.receive_buffer = 50_000;
        });
        scenario.server.plan.sends = 0;
        let pause = ReadPause {
            at: 0,
            length: Duration::from_secs(8),
        };
        scenario.server.plan.read_pauses = vec![pause];
        scenario.paths[0] = Path::symmetric(link().cut(at(5000), None));
        let mut run = Run::of(scenario);
        let (client, session) = (run.pair.client, run.pair.session);
        run.world().at(at(3000), move |world| {
            let id = world
                .session(session)
                .connection()
                .expect("the client waits");
            let now = world.now();
            let endpoint = world.endpoint_mut(client);
            let second = endpoint
                .subflows(id)
                .iter()
                .find(|s| s.interface.index() == 1 && s.srtt.is_some())
                .map(|s| s.id);
            let second = second.expect("the second path was joined");
            assert_eq!(endpoint.set_backup(now, id, second, true), Ok(()));
        });
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

/// The server has forgotten its key with the third packet, so that the client learns only after
/// its DATA_FIN that there is no MPTCP: a FIN must follow.
#[test]
fn an_end_that_only_mptcp_knew_of() {
    let mut scenario = scenario("stranded end").connections(|c| c.version = Version::V0);
    scenario.paths = paths(1, link());
    scenario.client.plan.sends = 500;
    scenario.server.plan.sends = 50;
    scenario.server.endpoint.syn_cookies = umptcp_stack::SynCookies::Always;
    let mut run = Run::of(scenario);
    let wire = run.pair.wires[0];
    let bare = |_: Instant, packet: &Bytes| {
        segment(packet).is_some_and(|s| s.is_empty() && s.options.dss.is_none() && !s.flags.rst)
    };
    // Until the connection is plain, every packet without data that has no DSS has the keys.
    let mut lost = 0;
    let drops = DropIf(move |now: Instant, packet: &Bytes| {
        let third = lost == 0 && bare(now, packet);
        lost += u32::from(third);
        third
    });
    run.world().set_middlebox(wire, 0, drops);
    run.complete_within(60)
        .assert_intact()
        .assert_protocol(ConnectionProtocol::Tcp)
        .assert_nothing_left();
}

/// A DATA_FIN alone that comes to a listener with cookies before the data does.
#[test]
fn a_data_fin_that_overtakes_the_third_packet() {
    for version in VERSIONS {
        let mut scenario = scenario("early DATA_FIN").connections(|c| c.version = version);
        scenario.paths = paths(1, link());
        scenario.client.plan.sends = 10;
        scenario.server.plan.sends = 10;
        scenario.server.endpoint.syn_cookies = umptcp_stack::SynCookies::Always;
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[0];
        // At first nothing arrives but the SYN and what has a DATA_FIN without data.
        let drops = DropIf(move |now: Instant, packet: &Bytes| {
            let fin =
                |s: &Segment| s.is_empty() && s.options.dss.is_some_and(|d| d.mapping.is_some());
            now < at(100) && segment(packet).is_none_or(|s| !s.flags.syn && !fin(&s))
        });
        run.world().set_middlebox(wire, 0, drops);
        run.complete_within(60)
            .assert_intact()
            .assert_nothing_left();
    }
}

/// A path begins to take MPTCP options away while the peer's window is closed and everything has
/// its DATA_ACK. Probes are answered all the same, but no answer can open the window any more:
/// nobody may wait for that for ever.
#[test]
fn options_stripped_from_the_answers_to_window_probes() {
    for version in VERSIONS {
        let mut scenario = scenario("window without DATA_ACK").connections(|config| {
            config.version = version;
            config.receive_buffer = 50_000;
            config.user_timeout = Duration::from_secs(20);
            config.close_timeout = Duration::from_secs(20);
        });
        scenario.paths = paths(1, link());
        scenario.client.plan.sends = 10_000;
        let pause = ReadPause {
            at: 0,
            length: Duration::from_secs(8),
        };
        scenario.client.plan.read_pauses = vec![pause];
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[0];
        run.world().at(at(5000), move |world| {
            let strip = StripMptcp {
                on_syn: false,
                after_syn: true,
            };
            world.set_middlebox(wire, 0, strip);
        });
        run.complete_within(300).assert_nothing_left();
        assert!(run.client().progress().received < run.scenario.server.plan.sends);
        for session in [run.client(), run.server()] {
            let closed = session.closed().expect("it has ended");
            assert_ne!(closed, CloseReason::Finished);
        }
    }
}

/// A fallback that finds everything acknowledged on the subflow makes room in the send buffer: a
/// writer that waits for room has to hear of that, as nothing else will tell it.
#[test]
fn a_writer_that_waits_when_options_are_taken_off() {
    for version in VERSIONS {
        let mut scenario = scenario("room by fallback").connections(|config| {
            config.version = version;
            config.send_buffer = 1000;
            // Less than a segment, so that there is no room by which it would be noticed.
            config.receive_buffer = 1200;
        });
        scenario.paths = paths(1, link());
        scenario.client.plan.sends = 20_000;
        scenario.server.plan.sends = 0;
        let mut run = Run::of(scenario);
        let wire = run.pair.wires[0];
        let strip = StripMptcp {
            on_syn: false,
            after_syn: true,
        };
        run.world().set_middlebox(wire, 1, strip);
        run.complete_within(120)
            .assert_intact()
            .assert_nothing_left();
    }
}
