//! RST on a subflow: the connection lives, and version 1 says why (RFC 8684 §3.6).

use super::{converse, count, established};
use crate::peer::options::{add_addr_v1, mp_tcprst, raw, remove_addr};
use crate::peer::{Scene, Setup, Version, all_setups};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::{Event, MpTcpRst, ResetReason, SubflowCloseReason, SubflowInfo};

/// Protocol statement 98.
#[test]
fn the_connection_outlives_any_of_its_subflows() {
    for setup in all_setups() {
        for victim in [0, 1] {
            let mut scene = Scene::confirmed(setup.clone());
            scene.join(2);
            // It takes with it what was in flight.
            scene.write(b"on its way");
            scene.rst(victim, []);
            let survivor = 1 - victim;
            scene.advance_ms(5000);
            assert_eq!(scene.peer.stream(), b"helloon its way");
            scene.data_ack(survivor);
            scene.clear();
            assert!(scene.info().closed.is_none());
            assert_eq!(established(&scene.subflow_infos()), 1);
            converse(&mut scene, survivor);
        }
    }
}

/// Only where it is expected next (RFC 5961 §3.2).
///
/// Protocol statement 98.
#[test]
fn an_rst_that_does_not_fit_ends_nothing() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let index = scene.join(2);
        for distance in [1, 100, 1 << 20, u32::MAX] {
            let next = scene.peer.subflows[index].snd_nxt;
            let rst = scene
                .segment(index)
                .without_options()
                .option(mp_tcprst(false, 3))
                .seq(next.wrapping_add(distance))
                .rst();
            scene.send(rst);
        }
        assert_eq!(established(&scene.subflow_infos()), 2);
        assert_eq!(count(&scene, "MPRstRx"), 0);
        scene.clear();
        converse(&mut scene, index);
    }
}

/// The stack has two addresses and joins from the second; gives the number of that subflow.
fn two_paths(version: Version) -> (Scene, usize) {
    let mut scene = Scene::confirmed(Setup::client(version).paths(2));
    scene.advance_ms(5000);
    let index = scene.peer.subflows.len() - 1;
    assert!(
        scene.peer.subflows[index].join_syn.is_some(),
        "the path manager"
    );
    scene.clear();
    (scene, index)
}

fn second_path(scene: &Scene) -> SubflowInfo {
    let infos = scene.subflow_infos();
    infos.into_iter().nth(1).expect("it stays listed")
}

/// Joins that are begun in this time; a SYN that is repeated is the same join.
fn joins_within(scene: &mut Scene, millis: u64) -> usize {
    scene.clear();
    scene.advance_ms(millis);
    let sent = scene.sent();
    let nonces = sent.iter().filter_map(|packet| packet.join_syn());
    let nonces: BTreeSet<u32> = nonces.map(|join| join.nonce).collect();
    nonces.len()
}

/// What arrives, and what it means to whoever asks.
const REASONS: [(u8, ResetReason); 9] = [
    (0, ResetReason::Unspecified),
    (1, ResetReason::MptcpSpecific),
    (2, ResetReason::LackOfResources),
    (3, ResetReason::AdministrativelyProhibited),
    (4, ResetReason::TooMuchOutstandingData),
    (5, ResetReason::UnacceptablePerformance),
    (6, ResetReason::MiddleboxInterference),
    (7, ResetReason::Unspecified),
    (255, ResetReason::Unspecified),
];

/// Protocol statement 99.
#[test]
fn the_reason_of_a_reset_is_told_and_decides_about_the_path() {
    for (code, reason) in REASONS {
        for transient in [false, true] {
            for other_bits in [0, 0b1110] {
                let (mut scene, index) = two_paths(Version::V1);
                scene.answer_join(index);
                scene.events();
                let option = raw(8, other_bits | u8::from(transient), &[code]);
                scene.rst(index, option);
                let info = second_path(&scene);
                assert_eq!(info.state, TcpState::Closed);
                assert_eq!(info.reset_reason, Some(MpTcpRst { transient, reason }));
                let words = Some(MpTcpRst { transient, reason });
                let why = SubflowCloseReason::ResetByPeer(words);
                assert_eq!(info.closed, Some(why));
                let told = Event::SubflowClosed(scene.connection(), info.id, why);
                assert!(scene.events().contains(&told));
                assert_eq!(count(&scene, "MPRstRx"), 1);
                assert_eq!(joins_within(&mut scene, 900), 0, "not at once");
                let later = joins_within(&mut scene, 300_000);
                assert_eq!(later > 0, transient, "{code}");
                converse(&mut scene, 0);
            }
        }
    }
}

/// The peer refuses the SYN: its words can be asked for, although nothing came of the subflow.
///
/// Protocol statement 99.
#[test]
fn the_reason_of_a_refusal_is_told_and_decides_about_the_path() {
    for transient in [false, true] {
        let (mut scene, index) = two_paths(Version::V1);
        scene.events();
        let acked = scene.peer.subflows[index].rcv_nxt;
        let rst = scene
            .segment(index)
            .without_options()
            .option(mp_tcprst(transient, 3))
            .seq(0)
            .ack(acked)
            .rst();
        scene.send(rst);
        let info = second_path(&scene);
        let reason = ResetReason::AdministrativelyProhibited;
        assert_eq!(info.reset_reason, Some(MpTcpRst { transient, reason }));
        let why = SubflowCloseReason::Refused(Some(MpTcpRst { transient, reason }));
        let told = Event::SubflowClosed(scene.connection(), info.id, why);
        assert!(scene.events().contains(&told));
        assert_eq!(joins_within(&mut scene, 900), 0);
        assert_eq!(joins_within(&mut scene, 300_000) > 0, transient);
    }
}

/// Version 0 has no such option: it says nothing there, and the path is tried again.
///
/// Protocol statement 99.
#[test]
fn version_0_does_not_know_reasons() {
    let (mut scene, index) = two_paths(Version::V0);
    scene.answer_join(index);
    scene.rst(index, mp_tcprst(false, 3));
    assert_eq!(second_path(&scene).reset_reason, None);
    assert_eq!(count(&scene, "MPRstRx"), 0);
    assert!(joins_within(&mut scene, 300_000) > 0);
}

/// Protocol statement 99.
#[test]
fn an_address_that_is_announced_anew_may_be_joined_again() {
    let mut scene = Scene::confirmed(Setup::client(Version::V1));
    let announced: IpAddr = [10, 2, 9, 1].into();
    let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
    let announce = |scene: &mut Scene, id| {
        let option = add_addr_v1(ours, theirs, id, announced, None);
        scene.option(0, option);
    };
    announce(&mut scene, 4);
    assert_eq!(joins_within(&mut scene, 900), 1);
    let index = scene.peer.subflows.len() - 1;
    assert_eq!(
        scene.peer.subflows[index].local,
        SocketAddr::new(announced, 443)
    );
    scene.peer.subflows[index].id = 4;
    scene.answer_join(index);
    scene.rst(index, mp_tcprst(false, 3));
    announce(&mut scene, 4);
    assert_eq!(
        joins_within(&mut scene, 100_000),
        0,
        "the same announcement"
    );
    scene.option(0, remove_addr(&[4]));
    scene.advance_ms(100);
    announce(&mut scene, 5);
    assert_eq!(joins_within(&mut scene, 5000), 1);
}
