//! REMOVE_ADDR both ways.

use super::{address, since};
use crate::peer::options::remove_addr;
use crate::peer::packet::flag;
use crate::peer::{Packet, Scene, Setup, VERSIONS, Version, all_setups};
use std::net::IpAddr;
use umptcp_stack::{Event, Instant, MptcpCounter as Counter};

/// The probes among what was sent: an old sequence number and nothing in it.
fn probes(scene: &mut Scene, subflow: usize) -> Vec<Packet> {
    let acked = scene.peer.subflows[subflow].rcv_nxt;
    let mut sent = scene.sent_on(subflow);
    sent.retain(|packet| packet.is_pure_ack() && packet.seq == acked.wrapping_sub(1));
    sent
}

fn resets(scene: &mut Scene, subflow: usize) -> usize {
    let sent = scene.sent_on(subflow);
    sent.iter().filter(|packet| packet.has(flag::RST)).count()
}

/// Protocol statement 106.
#[test]
fn a_subflow_that_answers_the_probe_stays() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.option(0, remove_addr(&[2]));
        assert_eq!(probes(&mut scene, second).len(), 1);
        assert_eq!(probes(&mut scene, 0).len(), 0);
        scene.ack(second);
        scene.advance_ms(100_000);
        assert!(!scene.peer.subflows[second].rst_seen);
        assert_eq!(probes(&mut scene, second).len(), 0, "it was answered");
        scene.data(second, b" again");
        assert_eq!(scene.read(), b" again");
        assert_eq!(scene.counted(Counter::RmAddr), 1);
        assert_eq!(scene.counted(Counter::RmSubflow), 0);
        // The application has asked for no probe.
        let probed = |event: &Event| matches!(event, Event::SubflowProbed(..));
        assert!(!scene.events().iter().any(probed));
    }
}

/// Protocol statement 106.
#[test]
fn a_subflow_that_does_not_is_reset_and_its_data_goes_elsewhere() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let second = scene.join(2);
        scene.option(0, remove_addr(&[2]));
        scene.advance_ms(200);
        // What is written now may go on either; nothing is ever answered on the second.
        scene.write(&[7; 5000]);
        for _ in 0..100 {
            scene.advance_ms(200);
            scene.data_ack(0);
        }
        assert!(scene.peer.subflows[second].rst_seen);
        assert!(!scene.peer.subflows[0].rst_seen);
        assert_eq!(scene.peer.stream().len(), 5 + 5000);
        let whole = scene.peer.subflows[0].plain_stream().len();
        assert_eq!(whole, 5 + 5000, "all of it came on the first");
        assert_eq!(scene.counted(Counter::RmSubflow), 1);
        let probed = |event: &Event| matches!(event, Event::SubflowProbed(..));
        assert!(!scene.events().iter().any(probed));
    }
}

/// Protocol statement 106.
#[test]
fn unknown_ids_are_ignored_and_known_ones_among_them_count() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::listener(version));
        let second = scene.join(2);
        let third = scene.join(3);
        scene.option(0, remove_addr(&[7]));
        scene.advance_ms(10_000);
        assert!(scene.sent().is_empty());
        assert_eq!(scene.counted(Counter::RmAddrDrop), 1);
        // Each of them is heard, the initial address too.
        scene.option(0, remove_addr(&[9, 3, 0, 8, 2]));
        for subflow in [0, second, third] {
            assert_eq!(probes(&mut scene, subflow).len(), 1);
        }
        assert_eq!(scene.counted(Counter::RmAddr), 6);
        assert_eq!(scene.counted(Counter::RmAddrDrop), 3);
        scene.ack(0);
        scene.ack(second);
        scene.advance_ms(100_000);
        assert_eq!(resets(&mut scene, third), 1);
        assert_eq!(resets(&mut scene, 0) + resets(&mut scene, second), 0);
    }
}

/// Protocol statement 106.
#[test]
fn a_withdrawn_address_is_used_for_nothing_new() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version).paths(2));
        scene.joins_within(500);
        scene.answer_join(1);
        // Withdrawn before the path manager has looked.
        scene.announce(0, 4, address(1), None);
        scene.option(0, remove_addr(&[4]));
        assert_eq!(scene.joins_within(5000), []);
        // A join under way is given up.
        scene.announce(0, 4, address(1), None);
        assert_eq!(scene.joins_within(500).len(), 2);
        scene.option(0, remove_addr(&[4]));
        assert_eq!(scene.joins_within(100_000), []);
        assert_eq!(scene.subflow_infos().len(), 2);
        // The id may mean another address now.
        scene.announce(0, 4, address(2), None);
        assert_eq!(scene.joins_within(500).len(), 2);
    }
}

/// Protocol statement 106.
#[test]
fn a_withdrawn_initial_address_is_joined_no_more() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version).paths(2));
        scene.joins_within(500);
        scene.answer_join(1);
        scene.option(1, remove_addr(&[0]));
        scene.ack(0);
        scene.ack(1);
        scene.rst(1, []);
        assert_eq!(scene.joins_within(20_000), []);
    }
}

/// One probe serves both who ask.
#[test]
fn a_probe_of_the_application_goes_its_own_way() {
    for (first, answered) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut scene = Scene::confirmed(Setup::listener(Version::V0));
        let second = scene.join(2);
        let subflow = scene.subflow_infos()[second].id;
        let (now, id) = (scene.now, scene.connection());
        if first {
            assert_eq!(scene.endpoint.probe_subflow(now, id, subflow), Ok(()));
        }
        scene.option(0, remove_addr(&[2]));
        if !first {
            assert_eq!(scene.endpoint.probe_subflow(now, id, subflow), Ok(()));
        }
        scene.events();
        if answered {
            scene.ack(second);
        }
        scene.advance_ms(60_000);
        let events = scene.events();
        assert!(events.contains(&Event::SubflowProbed(id, subflow, answered)));
        assert_eq!(scene.peer.subflows[second].rst_seen, !answered);
    }
}

/// An application that keeps asking must not keep a dead subflow alive.
#[test]
fn probes_of_the_application_do_not_put_the_verdict_off() {
    let mut scene = Scene::confirmed(Setup::listener(Version::V1));
    let second = scene.join(2);
    let subflow = scene.subflow_infos()[second].id;
    scene.option(0, remove_addr(&[2]));
    for _ in 0..300 {
        let (now, id) = (scene.now, scene.connection());
        // Refused when the subflow is gone.
        let _ = scene.endpoint.probe_subflow(now, id, subflow);
        scene.advance_ms(100);
    }
    assert!(scene.peer.subflows[second].rst_seen);
}

/// RFC 6824 §3.4.2: who withdraws an address resets its subflows, and says so on another.
#[test]
fn an_address_of_ours_that_is_gone_is_told_on_a_subflow_that_stays() {
    for version in VERSIONS {
        for gone in [0, 1] {
            let mut scene = Scene::confirmed(Setup::client(version).paths(2));
            scene.joins_within(500);
            scene.answer_join(1);
            scene.write(&[7; 3000]);
            scene.clear();
            let now = scene.now;
            let address = scene.setup.addresses[gone];
            scene.endpoint.remove_address(now, address);
            scene.collect();
            let id = u8::try_from(gone).unwrap();
            let told: Vec<_> = scene
                .sent_on(1 - gone)
                .iter()
                .filter_map(Packet::remove_addr)
                .collect();
            assert_eq!(told, [[id]]);
            let other = scene.sent_on(gone);
            assert!(other.iter().all(|packet| packet.remove_addr().is_none()));
            assert_eq!(other.iter().filter(|p| p.has(flag::RST)).count(), 1);
            for _ in 0..20 {
                scene.data_ack(1 - gone);
                scene.advance_ms(100);
            }
            assert_eq!(scene.peer.stream().len(), 5 + 3000);
            assert_eq!(scene.counted(Counter::RmAddrTx), 1);
            assert_eq!(scene.counted(Counter::RmSubflow), 1);
        }
    }
}

/// Where nothing is left to tell it on, it waits for the next subflow.
#[test]
fn the_last_address_is_withdrawn_when_there_is_another() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::listener(version));
        let now = scene.now;
        let (old, new): (IpAddr, IpAddr) = (scene.setup.addresses[0], [10, 1, 7, 1].into());
        let interface = scene.interface(old);
        scene.endpoint.remove_address(now, old);
        scene.endpoint.add_address(now, interface, new);
        scene.collect();
        assert!(scene.peer.subflows[0].rst_seen);
        scene.advance_ms(1000);
        scene.clear();
        let from = scene.join_source(2);
        let second = scene.join_syn(from, (new, 443).into(), 2, false);
        scene.join_ack(second);
        let told: Vec<_> = scene
            .sent()
            .iter()
            .filter_map(Packet::remove_addr)
            .collect();
        assert_eq!(told, [[0]]);
    }
}

#[test]
fn an_address_that_the_peer_never_met_is_gone_without_a_word() {
    for version in VERSIONS {
        let setup = Setup::client(version)
            .paths(2)
            .tune(|config| config.max_subflows = 1);
        let mut scene = Scene::confirmed(setup);
        let (now, unused) = (scene.now, scene.setup.addresses[1]);
        scene.endpoint.remove_address(now, unused);
        scene.advance_ms(10_000);
        assert!(scene.sent().is_empty());
    }
}

/// RFC 6824 §3.4: where order matters, no more than one in a round-trip time.
#[test]
fn what_is_withdrawn_at_once_leaves_a_round_trip_after_its_announcement() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::listener(version));
        // A round trip of a good while.
        for _ in 0..20 {
            scene.write(b"x");
            scene.advance_ms(150);
            scene.data_ack(0);
        }
        scene.clear();
        let connection = Some(scene.connection());
        let address = scene.setup.addresses[0];
        let begin = scene.now;
        let port = Some(8080);
        let done = scene
            .endpoint
            .announce_address(begin, connection, address, port);
        assert_eq!(done, Ok(()));
        scene.collect();
        let done = scene
            .endpoint
            .withdraw_address(begin, connection, address, port);
        assert_eq!(done, Ok(()));
        scene.advance_ms(10_000);
        let sent = scene.sent();
        let at = |of: &dyn Fn(&Packet) -> bool| -> Vec<Instant> {
            sent.iter().filter(|p| of(p)).map(|p| p.at).collect()
        };
        let announced = at(&|packet| packet.add_addr().is_some());
        let withdrawn = at(&|packet| packet.remove_addr().is_some());
        assert_eq!(announced, [begin]);
        assert_eq!(withdrawn.len(), 1);
        let pause = since(begin, withdrawn[0]);
        assert!((100..400).contains(&pause.as_millis()), "{pause:?}");
    }
}
