//! Each way in which a subflow can end, with the reason that the application is told.

use super::ends;
use crate::peer::options::{mp_fastclose, mp_join_syn_ack, mp_prio, mp_tcprst, remove_addr};
use crate::peer::{Role, Scene, Setup, VERSIONS, Version, all_setups};
use std::time::Duration;
use umptcp_stack::SubflowCloseReason as Why;
use umptcp_stack::{Keepalive, MpTcpRst, ResetReason};

/// An established connection with a second subflow, and the number of that.
fn two(setup: Setup) -> (Scene, usize) {
    let mut scene = Scene::confirmed(setup);
    let second = scene.join(2);
    scene.events();
    (scene, second)
}

/// Asserts that the second subflow has ended for this reason and that nothing else has ended.
fn assert_ended(scene: &mut Scene, why: Why) {
    assert_eq!(ends(scene), [(1, why)]);
    let infos = scene.subflow_infos();
    assert_eq!(infos[0].closed, None);
    if let Some(info) = infos.get(1) {
        assert_eq!(info.closed, Some(why));
    }
}

#[test]
fn in_order_by_us() {
    for setup in all_setups() {
        let (mut scene, second) = two(setup);
        let (now, id) = (scene.now, scene.connection());
        let subflow = scene.subflow_infos()[second].id;
        assert_eq!(scene.endpoint.close_subflow(now, id, subflow), Ok(()));
        scene.collect();
        scene.data_ack(second);
        scene.fin(second);
        assert_eq!(ends(&mut scene), [], "its quiet time has begun");
        scene.advance_ms(61_000);
        assert_ended(&mut scene, Why::ClosedByUs);
    }
}

#[test]
fn in_order_by_the_peer() {
    for setup in all_setups() {
        let (mut scene, second) = two(setup);
        scene.fin(second);
        scene.data_ack(second);
        assert_ended(&mut scene, Why::ClosedByPeer);
    }
}

#[test]
fn reset_by_the_peer_with_and_without_words() {
    for setup in all_setups() {
        let version = setup.version;
        let (mut scene, second) = two(setup.clone());
        scene.rst(second, []);
        assert_ended(&mut scene, Why::ResetByPeer(None));
        let (mut scene, second) = two(setup);
        scene.rst(second, mp_tcprst(true, 4));
        // Version 0 has no such option.
        let words = (version == Version::V1).then_some(MpTcpRst {
            transient: true,
            reason: ResetReason::TooMuchOutstandingData,
        });
        assert_ended(&mut scene, Why::ResetByPeer(words));
    }
}

#[test]
fn reset_by_us() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
        let index = scene.open_subflow(local, remote, false);
        let nonce = scene.peer.subflows[index].nonce;
        let mut wrong = scene.peer.join_hmac(index);
        wrong[7] ^= 1;
        scene.syn_ack(index, mp_join_syn_ack(false, 1, &wrong, nonce));
        assert!(scene.peer.subflows[index].rst_seen);
        assert_ended(&mut scene, Why::ResetByUs(ResetReason::MptcpSpecific));
    }
}

#[test]
fn a_join_that_is_refused() {
    for setup in all_setups() {
        for proven in [false, true] {
            let mut scene = Scene::confirmed(setup.clone());
            let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
            let index = scene.open_subflow(local, remote, false);
            if proven {
                // It does not like our third ACK.
                scene.join_syn_ack(index);
                scene.rst(index, []);
            } else {
                let acked = scene.peer.subflows[index].rcv_nxt;
                let rst = scene.segment(index).without_options().seq(0).ack(acked);
                scene.send(rst.rst());
            }
            assert_ended(&mut scene, Why::Refused(None));
        }
    }
}

#[test]
fn a_join_that_nobody_answers() {
    for setup in all_setups() {
        for answered in [false, true] {
            let mut scene = Scene::confirmed(setup.clone());
            let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
            let index = scene.open_subflow(local, remote, false);
            if answered {
                // The third ACK is never acknowledged.
                scene.join_syn_ack(index);
            }
            scene.advance_ms(300_000);
            assert_ended(&mut scene, Why::TimedOut);
        }
    }
}

#[test]
fn retransmissions_that_are_given_up() {
    for setup in all_setups() {
        let setup = setup.tune(|config| config.user_timeout = Duration::from_secs(5));
        let (mut scene, second) = two(setup);
        // Everything goes to the second.
        scene.option(0, mp_prio(true));
        scene.write(b"never acknowledged here");
        assert!(!scene.peer.subflows[second].plain_stream().is_empty());
        scene.events();
        for _ in 0..40 {
            scene.advance_ms(500);
            scene.data_ack(0);
        }
        assert_ended(&mut scene, Why::TimedOut);
    }
}

#[test]
fn probes_that_nobody_answers() {
    for setup in all_setups() {
        let keepalive = Keepalive {
            idle: Duration::from_secs(10),
            interval: Duration::from_secs(1),
            probes: 3,
        };
        let setup = setup.tune(|config| config.subflow.keepalive = Some(keepalive));
        let (mut scene, _) = two(setup);
        for _ in 0..40 {
            scene.advance_ms(500);
            scene.data_ack(0);
        }
        assert_ended(&mut scene, Why::TimedOut);
    }
}

#[test]
fn an_address_that_the_peer_withdraws() {
    for setup in all_setups() {
        let (mut scene, second) = two(setup);
        scene.option(0, remove_addr(&[2]));
        for _ in 0..200 {
            scene.advance_ms(500);
            scene.data_ack(0);
        }
        assert!(scene.peer.subflows[second].rst_seen);
        assert_ended(&mut scene, Why::RemoteAddressGone);
    }
}

#[test]
fn an_address_of_ours_that_is_gone() {
    for version in VERSIONS {
        let mut scene = Scene::confirmed(Setup::client(version).paths(2));
        scene.advance_ms(500);
        scene.answer_join(1);
        scene.events();
        let (now, address) = (scene.now, scene.setup.addresses[1]);
        scene.endpoint.remove_address(now, address);
        scene.collect();
        assert_ended(&mut scene, Why::LocalAddressGone);
    }
}

/// A connection that ends at once takes its subflows with it, whoever ends it.
#[test]
fn the_end_of_the_connection() {
    for setup in all_setups() {
        let both = [(0, Why::ConnectionEnded), (1, Why::ConnectionEnded)];
        let (mut scene, second) = two(setup.clone());
        scene.abort();
        for subflow in [0, second] {
            if !scene.peer.subflows[subflow].rst_seen {
                // MP_FASTCLOSE was on an acknowledgment, and this is the answer.
                scene.rst(subflow, []);
            }
        }
        let mut ended = ends(&mut scene);
        ended.sort_unstable_by_key(|(subflow, _)| *subflow);
        assert_eq!(ended, both);
        let (mut scene, _) = two(setup);
        let key = scene.peer.their_key();
        scene.option(0, mp_fastclose(key));
        let mut ended = ends(&mut scene);
        ended.sort_unstable_by_key(|(subflow, _)| *subflow);
        assert_eq!(ended, both);
    }
}

/// So does one that ends in order: the subflows are closed because the stream is at its end.
#[test]
fn the_orderly_end_of_the_connection() {
    for setup in all_setups() {
        let (mut scene, second) = two(setup);
        scene.shutdown();
        scene.data_fin(0);
        for _ in 0..2 {
            scene.data_ack(0);
            scene.data_ack(second);
        }
        scene.read();
        for subflow in [0, second] {
            scene.fin(subflow);
            scene.data_ack(subflow);
        }
        scene.advance_ms(61_000);
        let mut ended = ends(&mut scene);
        ended.sort_unstable_by_key(|(subflow, _)| *subflow);
        let both = [(0, Why::ConnectionEnded), (1, Why::ConnectionEnded)];
        assert_eq!(ended, both);
    }
}

#[test]
fn the_only_subflow_of_plain_tcp() {
    for role in [Role::Client, Role::Listener] {
        let setup = Setup::new(role, Version::V0).tune(|config| config.mptcp = false);
        let mut scene = Scene::new(setup);
        match role {
            Role::Client => {
                scene.connect();
                scene.syn_ack(0, []);
            }
            Role::Listener => {
                scene.syn([]);
                scene.third_ack(0, []);
                scene.accept();
            }
        }
        scene.events();
        scene.rst(0, []);
        assert_eq!(ends(&mut scene), [(0, Why::ResetByPeer(None))]);
    }
}
