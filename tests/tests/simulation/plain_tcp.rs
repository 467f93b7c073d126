//! Connections that are, or become, plain TCP.

use super::*;
use bytes::Bytes;
use umptcp_lab::link::Loss;
use umptcp_lab::world::DropIf;
use umptcp_stack::wire::packet::parse;
use umptcp_stack::{ChecksumPolicy, ChecksumStatus, ConnectionProtocol, ReceivedPacket, Version};

#[test]
fn a_peer_without_mptcp() {
    for (client, server) in [(true, false), (false, true), (false, false)] {
        for version in [Version::V0, Version::V1] {
            for loss in [Loss::None, Loss::Bernoulli(0.02)] {
                let mut scenario =
                    scenario("plain peer").connections(|config| config.version = version);
                scenario.client.connection.mptcp = client;
                scenario.server.connection.mptcp = server;
                scenario.paths = paths(2, link().lossy(loss));
                let mut run = run(scenario);
                run.assert_protocol(ConnectionProtocol::Tcp)
                    .assert_subflows(1);
                // Nothing of it on the second path.
                assert_eq!(run.pair.world.counters(run.pair.wires[1])[0].sent, 0);
            }
        }
    }
}

#[test]
fn checksums_that_one_side_forbids() {
    for version in [Version::V0, Version::V1] {
        for forbidding_client in [true, false] {
            let mut scenario =
                scenario("forbidden checksums").connections(|config| config.version = version);
            let (client, server) = if forbidding_client {
                (ChecksumPolicy::Forbid, ChecksumPolicy::Require)
            } else {
                (ChecksumPolicy::Require, ChecksumPolicy::Forbid)
            };
            scenario.client.connection.checksum = client;
            scenario.server.connection.checksum = server;
            run(scenario).assert_protocol(ConnectionProtocol::Tcp);
        }
    }
}

#[test]
fn a_path_that_drops_syns_with_mptcp() {
    let mut run = Run::of(scenario("mptcp syns dropped"));
    for wire in run.pair.wires.clone() {
        run.world()
            .set_middlebox(wire, 0, DropIf(|_, packet: &Bytes| is_mptcp_syn(packet)));
    }
    run.complete_within(300)
        .assert_intact()
        .assert_protocol(ConnectionProtocol::Tcp)
        .assert_subflows(1)
        .assert_nothing_left();
}

pub(super) fn is_mptcp_syn(packet: &Bytes) -> bool {
    let packet = ReceivedPacket {
        data: packet.clone(),
        checksum: ChecksumStatus::Unverified,
    };
    parse(&packet).is_ok_and(|segment| segment.flags.syn && !segment.options.mptcp.is_empty())
}

#[test]
fn a_second_path_that_drops_joins() {
    let mut run = Run::of(scenario("joins dropped"));
    let wire = run.pair.wires[1];
    run.world()
        .set_middlebox(wire, 0, DropIf(|_, packet: &Bytes| is_mptcp_syn(packet)));
    run.complete_within(300)
        .assert_intact()
        .assert_protocol(ConnectionProtocol::Mptcp(Version::V0))
        .assert_subflows(1)
        .assert_nothing_left();
}
