//! Links that lose, reorder, repeat and damage packets.

use super::*;
use bytes::Bytes;
use umptcp_lab::link::{Loss, Reorder};
use umptcp_lab::world::DropIf;
use umptcp_stack::wire::packet::{Segment, parse};
use umptcp_stack::{ChecksumPolicy, ChecksumStatus, ConnectionProtocol, ReceivedPacket, Version};

/// A bit of everything.
pub(crate) fn everything() -> LinkConfig {
    LinkConfig {
        jitter: millis(3),
        loss: Loss::Bernoulli(0.01),
        reorder: Reorder {
            probability: 0.01,
            extra_delay: millis(7),
        },
        duplicate: 0.01,
        corrupt: 0.01,
        ..link()
    }
}

/// Both versions, with and without checksums, over one to three paths with this link.
fn over(name: &str, link: &LinkConfig) {
    for (seed, version, checksum, count) in [
        (1, Version::V0, ChecksumPolicy::Offer, 1),
        (2, Version::V0, ChecksumPolicy::Require, 2),
        (3, Version::V0, ChecksumPolicy::Offer, 3),
        (4, Version::V1, ChecksumPolicy::Offer, 2),
        (5, Version::V1, ChecksumPolicy::Require, 3),
    ] {
        let mut scenario = scenario(name).connections(|config| {
            config.version = version;
            config.checksum = checksum;
            config.max_subflows = 16;
        });
        scenario.seed = seed;
        scenario.paths = paths(count, link.clone());
        run(scenario).assert_protocol(ConnectionProtocol::Mptcp(version));
    }
}

#[test]
fn one_packet_of_a_hundred_lost() {
    over("loss 1 %", &link().lossy(Loss::Bernoulli(0.01)));
}

#[test]
fn one_packet_of_twenty_lost() {
    over("loss 5 %", &link().lossy(Loss::Bernoulli(0.05)));
}

#[test]
fn losses_in_bursts() {
    let loss = Loss::GilbertElliott {
        to_bad: 0.005,
        to_good: 0.2,
        loss_good: 0.0,
        loss_bad: 0.8,
    };
    over("burst loss", &link().lossy(loss));
}

#[test]
fn packets_out_of_order() {
    let reorder = Reorder {
        probability: 0.05,
        extra_delay: millis(8),
    };
    over("reordering", &LinkConfig { reorder, ..link() });
}

#[test]
fn packets_repeated() {
    over(
        "duplication",
        &LinkConfig {
            duplicate: 0.1,
            ..link()
        },
    );
}

#[test]
fn packets_damaged() {
    over(
        "corruption",
        &LinkConfig {
            corrupt: 0.03,
            ..link()
        },
    );
}

#[test]
fn jitter_without_reordering() {
    over(
        "jitter",
        &LinkConfig {
            jitter: millis(30),
            ..link()
        },
    );
}

#[test]
fn everything_at_once() {
    over("everything", &everything());
}

#[test]
fn a_queue_of_a_few_packets() {
    over(
        "short queue",
        &LinkConfig {
            queue: 6000,
            ..link()
        },
    );
}

/// The segment in a packet, if it is intact.
fn segment(packet: &Bytes) -> Option<Segment> {
    let packet = ReceivedPacket {
        data: packet.clone(),
        checksum: ChecksumStatus::Unverified,
    };
    parse(&packet).ok()
}

#[test]
fn lost_handshake_packets() {
    // The direction and number of the packet lost: SYN, SYN/ACK, third ACK, first data.
    for (direction, number) in [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1)] {
        for version in [Version::V0, Version::V1] {
            let scenario =
                scenario("handshake loss").connections(|config| config.version = version);
            let mut run = Run::of(scenario);
            let mut seen = 0;
            let wire = run.pair.wires[0];
            run.world().set_middlebox(
                wire,
                direction,
                DropIf(move |_, _: &Bytes| {
                    seen += 1;
                    seen == number + 1
                }),
            );
            run.complete_within(300)
                .assert_intact()
                .assert_protocol(ConnectionProtocol::Mptcp(version))
                .assert_subflows(2)
                .assert_nothing_left();
        }
    }
}

#[test]
fn lost_join_packets() {
    // On the second path everything belongs to MP_JOINs at first.
    for (direction, number) in [(0, 0), (1, 0), (0, 1)] {
        for version in [Version::V0, Version::V1] {
            let mut scenario = scenario("join loss").connections(|config| config.version = version);
            scenario.client.plan.sends = 8 * MEGABYTE;
            let mut run = Run::of(scenario);
            let wire = run.pair.wires[1];
            let mut seen = 0;
            run.world().set_middlebox(
                wire,
                direction,
                DropIf(move |_, packet: &Bytes| {
                    seen += u32::from(segment(packet).is_some());
                    seen == number + 1
                }),
            );
            run.complete_within(300)
                .assert_intact()
                .assert_subflows(2)
                .assert_nothing_left();
        }
    }
}

#[test]
fn most_syns_lost() {
    let mut scenario = scenario("syn loss");
    scenario.client.plan.sends = 4 * MEGABYTE;
    let mut run = Run::of(scenario);
    for wire in run.pair.wires.clone() {
        let mut syns = 0;
        run.world().set_middlebox(
            wire,
            0,
            DropIf(move |_, packet: &Bytes| {
                let syn = segment(packet).is_some_and(|segment| segment.flags.syn);
                syns += u32::from(syn);
                syn && syns <= 2
            }),
        );
    }
    run.complete_within(300)
        .assert_intact()
        .assert_protocol(ConnectionProtocol::Mptcp(Version::V0))
        .assert_nothing_left();
}
