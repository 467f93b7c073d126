//! How many subflows there may be, half-open or established, and how many joins may fail.

use super::{converse, count, established, in_v1, reset};
use crate::peer::options::{mp_join_ack, mp_join_syn};
use crate::peer::packet::flag;
use crate::peer::{Scene, Setup, VERSIONS, all_setups};
use std::net::SocketAddr;
use std::time::Duration;
use umptcp_stack::FailedJoinLimits;
use umptcp_stack::tcp::state::TcpState;

fn live(scene: &Scene) -> usize {
    let infos = scene.subflow_infos();
    let live = infos.iter().filter(|info| info.state != TcpState::Closed);
    live.count()
}

/// Tries to join; gives what the RST says.
fn refused(scene: &mut Scene, id: u8) -> Option<(bool, u8)> {
    scene.clear();
    scene.join_syn(scene.join_source(id), scene.stack_address(), id, false);
    reset(scene)
}

/// A place is free again when its subflow has ended, in whichever way.
///
/// Protocol statement 48.
#[test]
fn the_limit_holds_and_places_become_free() {
    for setup in all_setups() {
        let version = setup.version;
        let setup = setup.tune(|config| config.max_subflows = 2);
        let mut scene = Scene::confirmed(setup);
        for round in 0..4 {
            let id = 2 + 2 * round;
            let index = scene.join(id);
            assert_eq!(refused(&mut scene, id + 1), in_v1(version, (true, 3)));
            assert_eq!(count(&scene, "MPJoinRejected"), u64::from(round) + 1);
            converse(&mut scene, index);
            match round {
                0 => scene.rst(index, []),
                1 => {
                    // The peer ends it, and the stack with it.
                    scene.fin(index);
                    scene.ack(index);
                }
                2 => {
                    // The stack ends it first: TIME-WAIT is no place.
                    let (now, connection) = (scene.now, scene.connection());
                    let infos = scene.subflow_infos();
                    let info = infos
                        .iter()
                        .rfind(|info| info.state == TcpState::Established);
                    let id = info.expect("it is there").id;
                    let closed = scene.endpoint.close_subflow(now, connection, id);
                    assert_eq!(closed, Ok(()));
                    scene.collect();
                    scene.ack(index);
                    scene.fin(index);
                    let infos = scene.subflow_infos();
                    assert!(infos.iter().any(|info| info.state == TcpState::TimeWait));
                }
                _ => {}
            }
        }
    }
}

/// The settings may allow more than a connection can hold.
///
/// Protocol statement 48.
#[test]
fn a_connection_has_an_end_of_its_resources() {
    for setup in all_setups() {
        let version = setup.version;
        let setup = setup.tune(|config| config.max_subflows = 1000);
        let mut scene = Scene::confirmed(setup);
        for id in 2..65 {
            scene.join(id);
        }
        assert_eq!(established(&scene.subflow_infos()), 64);
        assert_eq!(refused(&mut scene, 65), in_v1(version, (true, 2)));
        assert_eq!(live(&scene), 64);
        converse(&mut scene, 40);
    }
}

/// Half-open joins give way to new ones, and hear of it when they come with their proof.
///
/// Protocol statement 48.
#[test]
fn the_oldest_half_open_join_gives_way() {
    for setup in all_setups() {
        let version = setup.version;
        let setup = setup.tune(|config| config.max_subflows = 3);
        let mut scene = Scene::confirmed(setup);
        let to = scene.stack_address();
        let joins: Vec<_> = (2..6)
            .map(|id| scene.join_syn(scene.join_source(id), to, id, false))
            .collect();
        assert_eq!(live(&scene), 3);
        scene.clear();
        scene.join_ack(joins[0]);
        // Nobody knows its version any more; the peer may try again.
        assert_eq!(reset(&mut scene), Some((true, 2)));
        for &index in &joins[2..] {
            scene.join_ack(index);
        }
        scene.clear();
        for &index in &joins[2..] {
            converse(&mut scene, index);
        }
        // Those that have proven the keys do not.
        assert_eq!(refused(&mut scene, 7), in_v1(version, (true, 3)));
        assert_eq!(established(&scene.subflow_infos()), 3);
    }
}

/// Protocol statement 48.
#[test]
fn ended_joins_leave_nothing_behind() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        for round in 0..300_u16 {
            let from = SocketAddr::new([10, 2, 2, 1].into(), 20_000 + round);
            let index = scene.join_from(from, scene.stack_address(), 2, false);
            scene.rst(index, []);
            assert_eq!(live(&scene), 1);
        }
        assert!(scene.subflow_infos().len() <= 40);
        let index = scene.join(3);
        converse(&mut scene, index);
    }
}

fn limited(setup: Setup) -> Setup {
    let mut setup = setup;
    setup.endpoint.failed_joins = FailedJoinLimits {
        per_source: 10,
        total: 50,
        interval: Duration::from_secs(10),
    };
    setup
}

/// A guess at the token; gives what the stack answers.
fn guess(scene: &mut Scene, from: SocketAddr, token: u32) -> Option<bool> {
    scene.clear();
    let option = mp_join_syn(false, 9, token, 1);
    scene.syn_from(from, scene.stack_address(), 9, &option);
    let answer = scene.sent().pop();
    answer.map(|answer| answer.has(flag::SYN))
}

/// Who guesses tokens is not told when one is right, until its time is over; those whom the
/// connection knows are not concerned, and nobody is for ever.
///
/// Protocol statement 38.
#[test]
fn guesses_at_tokens_are_limited_by_source() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(limited(setup));
        let right = scene.peer.their_token();
        let guesser = |port| SocketAddr::new([198, 51, 100, 7].into(), port);
        for port in 1..=10 {
            let answer = guess(&mut scene, guesser(port), right ^ u32::from(port));
            assert_eq!(answer, Some(false), "an RST");
        }
        assert_eq!(guess(&mut scene, guesser(11), right ^ 11), None);
        assert_eq!(guess(&mut scene, guesser(12), right), None, "no sign");
        assert_eq!(scene.endpoint.stats().joins_ignored, 2);
        // Others go on, and so does a guesser's neighbour behind the same address.
        let other = ([198, 51, 100, 8], 1).into();
        assert_eq!(guess(&mut scene, other, right ^ 1), Some(false));
        let index = scene.join(2);
        converse(&mut scene, index);
        let known = scene.setup.peer.ip();
        for port in 1..=20 {
            guess(&mut scene, SocketAddr::new(known, port), right ^ 1);
        }
        assert_eq!(
            guess(&mut scene, SocketAddr::new(known, 21), right),
            Some(true)
        );
        scene.advance_ms(10_000);
        assert_eq!(guess(&mut scene, guesser(13), right ^ 13), Some(false));
        assert_eq!(guess(&mut scene, guesser(14), right), Some(true));
    }
}

/// Third ACKs without proof count like wrong tokens.
///
/// Protocol statement 40.
#[test]
fn failed_proofs_are_limited_by_source() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(limited(setup));
        let right = scene.peer.their_token();
        let from = |port| SocketAddr::new([198, 51, 100, 7].into(), port);
        for port in 1..=11 {
            let index = scene.join_syn(from(port), scene.stack_address(), 9, false);
            scene.option(index, mp_join_ack(&[0; 20]));
            scene.clear();
        }
        assert_eq!(guess(&mut scene, from(12), right), None);
        let index = scene.join(2);
        converse(&mut scene, index);
        scene.advance_ms(10_000);
        assert_eq!(guess(&mut scene, from(13), right), Some(true));
    }
}

/// Sources can be forged: answers to wrong tokens are limited in all, right ones are not.
///
/// Protocol statement 38.
#[test]
fn a_flood_of_wrong_tokens_is_answered_only_so_often() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(limited(Setup::listener(version)));
        let right = scene.peer.their_token();
        let forged = |at: u16| {
            let [high, low] = at.to_be_bytes();
            SocketAddr::new([198, 51, high, low].into(), 1)
        };
        let answers = (0..3000).filter(|&at| guess(&mut scene, forged(at), right ^ 1).is_some());
        assert_eq!(answers.count(), 50);
        let index = scene.join(2);
        converse(&mut scene, index);
    }
}
