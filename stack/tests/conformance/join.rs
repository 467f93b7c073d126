//! How subflows are added: statements 37 to 50, 98 and 99.
//!
//! | file | what |
//! |---|---|
//! | `join` | who proves what to whom, and what else there is to tell |
//! | `pre_established` | the third ACK and what may not come before its acknowledgment |
//! | `refused` | joins that must not succeed |
//! | `ends` | address ids, ports, NATs |
//! | `limits` | how many there may be, and how many may fail |
//! | `meetings` | several joins, address families and versions at once |
//! | `backup` | the B bit |
//! | `resets` | the end of a subflow, and why |

mod backup;
mod ends;
mod limits;
mod meetings;
mod pre_established;
mod refused;
mod resets;

use crate::peer::options::mp_join_syn;
use crate::peer::packet::flag;
use crate::peer::{Packet, Role, Scene, Setup, Version, all_setups};
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::{SubflowError, SubflowInfo};

fn established(subflows: &[SubflowInfo]) -> usize {
    let states = subflows.iter().map(|subflow| subflow.state);
    states
        .filter(|state| *state == TcpState::Established)
        .count()
}

/// A counter of the stack by the kernel's name.
fn count(scene: &Scene, name: &str) -> u64 {
    let counters = scene.endpoint.mptcp_counters();
    counters.by_name(name).expect("the kernel has it")
}

/// The one packet that the stack has sent is an RST; gives what its MP_TCPRST says.
fn reset(scene: &mut Scene) -> Option<(bool, u8)> {
    let rst = scene.sent_one();
    assert!(rst.has(flag::RST), "{rst:?}");
    rst.tcp_rst()
}

/// What only version 1 says.
fn in_v1<T>(version: Version, words: T) -> Option<T> {
    match version {
        Version::V0 => None,
        Version::V1 => Some(words),
    }
}

/// The peer sends `bytes` on the subflow and the stack takes them; then the other way.
fn converse(scene: &mut Scene, subflow: usize) {
    scene.data(subflow, b"ping");
    assert_eq!(scene.read(), b"ping");
    let before = scene.peer.stream().len();
    scene.write(b"pong");
    assert_eq!(&scene.peer.stream()[before..], b"pong");
    for subflow in 0..scene.peer.subflows.len() {
        if !scene.peer.subflows[subflow].rst_seen && scene.peer.subflows[subflow].synchronized {
            scene.data_ack(subflow);
        }
    }
    scene.clear();
}

fn is_join(packet: &Packet) -> bool {
    packet.join_syn().is_some()
}

/// Protocol statement 37.
#[test]
fn joins_prove_the_keys_whoever_starts_them() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.clone());
        // `join` checks the HMAC of the SYN/ACK.
        scene.join(2);
        assert_eq!(established(&scene.subflow_infos()), 2, "{setup:?}");
        for name in ["MPJoinSynRx", "MPJoinAckRx"] {
            assert_eq!(count(&scene, name), 1, "{name}");
        }

        let mut scene = Scene::confirmed(setup.clone());
        let (local, remote) = (setup.addresses[0], setup.peer);
        let index = scene.open_subflow(local, remote, false);
        let syn = scene.sent_one().join_syn().expect("MP_JOIN on the SYN");
        assert_eq!(syn.token, scene.peer.token());
        // `answer_join` checks the HMAC of the third ACK.
        scene.answer_join(index);
        assert_eq!(established(&scene.subflow_infos()), 2, "{setup:?}");
        for name in ["MPJoinSynTx", "MPJoinSynAckRx"] {
            assert_eq!(count(&scene, name), 1, "{name}");
        }
    }
}

/// No DSS of the peer, no join: neither by the path manager, which has a second address, nor by
/// the application.
///
/// Protocol statement 44.
#[test]
fn nobody_joins_before_the_peer_was_heard_with_a_dss() {
    for setup in all_setups() {
        let mut scene = Scene::new(setup.paths(2));
        match scene.setup.role {
            Role::Client => {
                scene.connect();
                let capable = scene.capable_syn_ack();
                scene.syn_ack(0, capable);
            }
            Role::Listener => {
                let capable = scene.capable_syn();
                let initial = scene.syn(capable);
                let capable = scene.capable_third_ack();
                scene.third_ack(initial, capable);
                scene.accept().expect("the handshake is complete");
            }
        }
        assert!(scene.is_mptcp());
        let (now, connection) = (scene.now, scene.connection());
        let (local, remote) = (scene.setup.addresses[1], scene.setup.peer);
        let early = scene
            .endpoint
            .open_subflow(now, connection, local, remote, false);
        assert_eq!(early, Err(SubflowError::NotYet));
        scene.advance_ms(10_000);
        assert!(!scene.sent().iter().any(is_join));
        scene.data_ack(0);
        scene.advance_ms(1000);
        match scene.setup.role {
            Role::Client => assert!(scene.sent().iter().any(is_join), "the path manager"),
            Role::Listener => {
                scene.open_subflow(local, remote, false);
            }
        }
    }
}

/// In version 1 the keys may come with data: that is no DSS yet.
///
/// Protocol statement 44.
#[test]
fn first_data_with_the_keys_is_no_dss() {
    use crate::peer::options::mp_capable_data;
    let mut scene = Scene::new(Setup::listener(Version::V1));
    let capable = scene.capable_syn();
    let initial = scene.syn(capable);
    let (ours, theirs) = (scene.peer.key, scene.peer.their_key());
    let keys = mp_capable_data(1, ours, theirs, 5, None);
    let segment = scene.segment(initial).option(keys).payload(b"hello");
    scene.send(segment);
    scene.peer.data_sent = 5;
    scene.accept().expect("the handshake is complete");
    assert_eq!(scene.read(), b"hello");
    let (now, connection) = (scene.now, scene.connection());
    let (local, remote) = (scene.setup.addresses[0], scene.setup.peer);
    let early = scene
        .endpoint
        .open_subflow(now, connection, local, remote, false);
    assert_eq!(early, Err(SubflowError::NotYet));
    scene.data_ack(0);
    scene.open_subflow(local, remote, false);
}

/// A SYN that the peer repeats is the same join.
///
/// Protocol statement 49.
#[test]
fn a_repeated_syn_is_the_same_join() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let index = scene.join_syn(scene.join_source(2), scene.stack_address(), 2, false);
        let first = scene.sent_one().join_syn_ack().expect("MP_JOIN");
        let nonce = scene.peer.subflows[index].nonce;
        let option = mp_join_syn(false, 2, scene.peer.their_token(), nonce);
        let again = scene
            .segment(index)
            .without_ack()
            .without_options()
            .option(option)
            .seq(scene.peer.subflows[index].iss)
            .flag(flag::SYN);
        scene.inject(&again.encode());
        assert_eq!(scene.sent_one().join_syn_ack(), Some(first));
        scene.join_ack(index);
        scene.clear();
        converse(&mut scene, index);
        assert_eq!(scene.subflow_infos().len(), 2);
        // Now it is a subflow: the SYN changes nothing.
        scene.inject(&again.encode());
        assert_eq!(scene.subflow_infos().len(), 2);
        scene.clear();
        converse(&mut scene, index);
    }
}
