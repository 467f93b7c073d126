//! Joins that must not succeed: unknown tokens, wrong proofs, replays, and connections that take
//! no subflow.

use super::{converse, count, established, in_v1, is_join, reset};
use crate::peer::options::{mp_capable, mp_fastclose, mp_join_ack, mp_join_syn, mp_join_syn_ack};
use crate::peer::packet::flag;
use crate::peer::{Role, Scene, Setup, VERSIONS, all_setups};
use umptcp_stack::SynCookies;
use umptcp_stack::tcp::state::TcpState;

/// The SYN does not tell its version: both get the words of version 1, which version 0 skips.
///
/// Protocol statement 38.
#[test]
fn an_unknown_token_is_refused_and_leaves_nothing_behind() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let option = mp_join_syn(true, 2, scene.peer.their_token() ^ 1, 99);
        let (from, to) = (scene.join_source(2), scene.stack_address());
        let index = scene.syn_from(from, to, 2, &option);
        let rst = scene.sent_one();
        assert!(rst.has(flag::RST), "{rst:?}");
        assert_eq!(rst.ack, Some(scene.peer.subflows[index].snd_nxt));
        assert_eq!(rst.tcp_rst(), Some((false, 1)));
        assert_eq!(scene.subflow_infos().len(), 1);
        assert_eq!(scene.endpoint.connection_count(), 1);
        for (name, times) in [
            ("MPJoinSynRx", 1),
            ("MPJoinSynBackupRx", 1),
            ("MPJoinNoTokenFound", 1),
            ("MPJoinRejected", 0),
            ("MPRstTx", 1),
        ] {
            assert_eq!(count(&scene, name), times, "{name}");
        }
        scene.advance_ms(10_000);
        assert!(scene.sent_on(index).is_empty());
        converse(&mut scene, 0);
    }
}

/// Protocol statement 38.
#[test]
fn a_host_without_connections_knows_no_token() {
    for setup in all_setups() {
        let mut scene = Scene::new(setup);
        let option = mp_join_syn(false, 2, 0x1234_5678, 99);
        let (from, to) = (scene.join_source(2), scene.stack_address());
        scene.syn_from(from, to, 2, &option);
        assert_eq!(reset(&mut scene), Some((false, 1)));
        assert_eq!(scene.endpoint.connection_count(), 0);
    }
}

/// Protocol statement 39.
#[test]
fn a_syn_ack_without_proof_is_reset() {
    for setup in all_setups() {
        let version = setup.version;
        for defect in 0..5 {
            let mut scene = Scene::confirmed(setup.clone());
            let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
            let index = scene.open_subflow(local, remote, false);
            scene.clear();
            let nonce = scene.peer.subflows[index].nonce;
            let mut wrong = scene.peer.join_hmac(index);
            wrong[7] ^= 1;
            let (option, of_join) = match defect {
                0 => (mp_join_syn_ack(false, 1, &wrong, nonce), true),
                1 => {
                    let reflected = scene.peer.their_join_hmac(index);
                    (mp_join_syn_ack(false, 1, &reflected, nonce), true)
                }
                2 => {
                    let right = scene.peer.join_hmac(index);
                    (mp_join_syn_ack(false, 1, &right, nonce ^ 1), true)
                }
                3 => (vec![], false),
                _ => (mp_capable(version, 1, &[scene.peer.key]), false),
            };
            scene.syn_ack(index, option);
            let rst = scene.sent_one();
            assert!(rst.has(flag::RST), "{rst:?}");
            assert_eq!(rst.seq, scene.peer.subflows[index].acked);
            assert_eq!(rst.tcp_rst(), in_v1(version, (false, 1)));
            let failures = count(&scene, "MPJoinSynAckHMacFailure");
            assert_eq!(failures, u64::from(of_join));
            assert_eq!(count(&scene, "MPJoinSynAckRx"), 0);
            assert_eq!(scene.peer.subflows[index].join_ack, None);
            converse(&mut scene, 0);
        }
    }
}

/// Whoever has watched a join can send its packets again. From elsewhere they prove nothing, as our
/// nonce is another one; from the same place they are those of a subflow that exists.
///
/// Protocol statement 40.
#[test]
fn a_replayed_join_proves_nothing() {
    for setup in all_setups() {
        let version = setup.version;
        let mut scene = Scene::confirmed(setup);
        let honest = scene.join(2);
        let nonce = scene.peer.subflows[honest].nonce;
        let seen = scene.peer.subflows[honest].join_syn_ack.expect("MP_JOIN");
        let proof = mp_join_ack(&scene.peer.join_hmac(honest));
        let syn = mp_join_syn(false, 2, scene.peer.their_token(), nonce);
        let elsewhere = ([198, 51, 100, 1], 4444).into();
        let replayed = scene.syn_from(elsewhere, scene.stack_address(), 2, &syn);
        let answer = scene.sent_one().join_syn_ack().expect("the token is right");
        assert_ne!(answer.nonce, seen.nonce, "fresh for each join");
        assert_ne!(answer.hmac, seen.hmac);
        scene.option(replayed, proof);
        assert_eq!(reset(&mut scene), in_v1(version, (false, 1)));
        assert_eq!(established(&scene.subflow_infos()), 2);
        converse(&mut scene, honest);
    }
}

/// Tries to join; gives what the RST says.
fn refused(scene: &mut Scene) -> Option<(bool, u8)> {
    scene.clear();
    let option = mp_join_syn(false, 9, scene.peer.their_token(), 77);
    let (from, to) = (scene.join_source(9), scene.stack_address());
    scene.syn_from(from, to, 9, &option);
    reset(scene)
}

/// A join under way ends with the fallback, and a new one finds no token.
///
/// Protocol statement 47.
#[test]
fn nobody_joins_after_fallback() {
    for setup in all_setups() {
        let mut scene = Scene::established(setup);
        let half_open = scene.join_syn(scene.join_source(2), scene.stack_address(), 2, false);
        scene.clear();
        let segment = scene.segment(0).payload(b"not mapped");
        scene.send(segment);
        assert_eq!(scene.read(), b"not mapped");
        assert!(scene.is_tcp());
        scene.clear();
        scene.join_ack(half_open);
        let answers = scene.sent_on(half_open);
        assert!(answers.iter().all(|packet| packet.has(flag::RST)));
        assert_eq!(refused(&mut scene), Some((false, 1)));
        scene.write(b"still here");
        assert_eq!(scene.peer.subflows[0].plain_stream(), b"still here");
    }
}

/// Protocol statement 47.
#[test]
fn nobody_joins_plain_tcp() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::listener(version));
        let capable = scene.capable_syn();
        let initial = scene.syn(capable);
        assert!(scene.peer.their_key.is_some());
        // The third packet has no MP_CAPABLE, and data follows without a mapping.
        scene.third_ack(initial, []);
        let segment = scene.segment(initial).payload(b"plain");
        scene.send(segment);
        scene.accept().expect("the handshake is complete");
        assert!(scene.is_tcp());
        assert_eq!(refused(&mut scene), Some((false, 1)));
        assert_eq!(scene.subflow_infos().len(), 1);
    }
}

/// Protocol statement 47.
#[test]
fn nobody_joins_before_the_handshake_is_complete() {
    for version in VERSIONS {
        let mut scene = Scene::new(Setup::listener(version));
        let capable = scene.capable_syn();
        let initial = scene.syn(capable);
        assert_eq!(refused(&mut scene), in_v1(version, (true, 1)));
        assert_eq!(count(&scene, "MPJoinRejected"), 1);
        let capable = scene.capable_third_ack();
        scene.third_ack(initial, capable);
        scene.accept().expect("nothing has happened to it");
        scene.clear();
        // From here on the peer may, before any data.
        let index = scene.join(2);
        assert_eq!(established(&scene.subflow_infos()), 2);
        converse(&mut scene, index);
    }
    // In version 0 already the SYN shows the key.
    let mut scene = Scene::new(Setup::client(crate::peer::Version::V0));
    scene.connect();
    assert_eq!(refused(&mut scene), None);
}

/// Protocol statement 47.
#[test]
fn nobody_joins_after_the_end() {
    let fastclose = |scene: &mut Scene| {
        let option = mp_fastclose(scene.peer.their_key());
        scene.option(0, option);
    };
    let abort = |scene: &mut Scene| scene.abort();
    let orderly = |scene: &mut Scene| {
        scene.data_fin(0);
        scene.read();
        scene.shutdown();
        scene.data_ack(0);
    };
    let ends: [&dyn Fn(&mut Scene); 3] = [&fastclose, &abort, &orderly];
    for setup in all_setups() {
        for end in ends {
            let mut scene = Scene::confirmed(setup.clone());
            end(&mut scene);
            assert!(scene.info().closed.is_some());
            assert_eq!(refused(&mut scene), Some((false, 1)));
            let infos = scene.subflow_infos();
            assert!(infos.iter().all(|info| info.remote.port() != 41009));
        }
    }
}

/// Joins have a memory of their own, bounded for each connection: cookies neither serve nor hinder
/// them.
///
/// Protocol statement 50.
#[test]
fn joins_succeed_while_cookies_are_in_use() {
    for version in VERSIONS {
        for (cookies, syn_backlog) in [(SynCookies::Always, 512), (SynCookies::WhenFull, 0)] {
            let mut setup = Setup::listener(version);
            (setup.endpoint.syn_cookies, setup.endpoint.syn_backlog) = (cookies, syn_backlog);
            let mut scene = Scene::confirmed(setup);
            assert_eq!(scene.endpoint.stats().cookies_accepted, 1);
            let index = scene.join(2);
            converse(&mut scene, index);
            let failed = scene.join_syn(scene.join_source(3), scene.stack_address(), 3, false);
            let mut wrong = scene.peer.join_hmac(failed);
            wrong[0] ^= 1;
            scene.clear();
            scene.option(failed, mp_join_ack(&wrong));
            assert_eq!(reset(&mut scene), in_v1(version, (false, 1)));
            assert_eq!(established(&scene.subflow_infos()), 2);
        }
    }
}

/// The third ACK of a join is no cookie, and a cookie is no join.
///
/// Protocol statement 50.
#[test]
fn a_cookie_never_becomes_a_join() {
    for version in VERSIONS {
        let mut setup = Setup::listener(version);
        setup.endpoint.syn_cookies = SynCookies::Always;
        let mut scene = Scene::confirmed(setup);
        let honest = scene.join(2);
        let proof = mp_join_ack(&scene.peer.join_hmac(honest));
        // A third ACK without a SYN: nobody waits for it.
        let stray = scene
            .segment(honest)
            .from(([10, 2, 5, 1], 5555).into())
            .option(&proof);
        scene.send(stray);
        assert_eq!(reset(&mut scene), Some((true, 2)));
        // A plain SYN gets a cookie; with MP_JOIN on its third packet it is plain TCP at most.
        let plain = scene.syn_from(scene.join_source(6), scene.stack_address(), 6, &[]);
        assert!(scene.sent_one().is_plain());
        scene.option(plain, &proof);
        assert_eq!(scene.subflow_infos().len(), 2);
        let connection = scene.connection();
        scene.accept().expect("a plain connection");
        assert!(scene.is_tcp());
        scene.set_connection(connection);
        scene.clear();
        converse(&mut scene, honest);
    }
}

/// The first answer to a join of the stack is an RST: the connection does not mind.
///
/// Protocol statement 98.
#[test]
fn a_refused_join_is_no_end_of_the_connection() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
        let index = scene.open_subflow(local, remote, false);
        assert!(is_join(&scene.sent_one()));
        let acked = scene.peer.subflows[index].rcv_nxt;
        let rst = scene
            .segment(index)
            .without_options()
            .seq(0)
            .ack(acked)
            .rst();
        scene.send(rst);
        let alive = |state| state != TcpState::Closed;
        let infos = scene.subflow_infos();
        assert_eq!(infos.iter().filter(|info| alive(info.state)).count(), 1);
        if scene.setup.role == Role::Client {
            scene.advance_ms(1000);
        }
        converse(&mut scene, 0);
    }
}
