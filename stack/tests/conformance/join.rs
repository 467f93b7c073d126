//! How subflows are added: statements 37 to 50, 98 and 99.
//!
//! | file | what |
//! |---|---|
//! | `join` | who proves what to whom, and what else there is to tell |
//! | `pre_established` | the third ACK and what may not come before its acknowledgment |
//! | `refused` | joins that must not succeed |
//! | `limits` | how many there may be, and how many may fail |
//! | `meetings` | several joins, address families and versions at once |
//! | `backup` | the B bit |
//! | `resets` | the end of a subflow, and why |

mod backup;
mod limits;
mod meetings;
mod pre_established;
mod refused;
mod resets;

use crate::peer::options::mp_join_syn;
use crate::peer::packet::flag;
use crate::peer::{Packet, Role, Scene, Setup, VERSIONS, Version, all_setups};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::{AddressId, JoinPorts, SubflowError, SubflowInfo};

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
        assert_eq!(early, Err(SubflowError::NotMultipath));
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
    assert_eq!(early, Err(SubflowError::NotMultipath));
    scene.data_ack(0);
    scene.open_subflow(local, remote, false);
}

/// Protocol statement 45.
#[test]
fn address_ids_are_given_and_recorded() {
    for setup in all_setups() {
        let mut setup = setup.paths(2);
        // The path manager keeps still.
        setup.config.max_subflows = 1;
        let mut scene = Scene::confirmed(setup);
        let [first, second] = [scene.setup.addresses[0], scene.setup.addresses[1]];
        let remote = scene.setup.peer;
        // The stack's joins: 0 is the address of the initial subflow and no other.
        let mut given = Vec::new();
        for (local, id) in [(first, 21), (second, 22), (second, 23)] {
            let index = scene.open_subflow(local, remote, false);
            scene.peer.subflows[index].id = id;
            let syn = scene.peer.subflows[index].join_syn.expect("MP_JOIN");
            given.push(syn.id);
            scene.answer_join(index);
            let info = scene.subflow_infos().pop().expect("it is the last");
            assert_eq!(info.local_id, AddressId(syn.id));
            assert_eq!(info.remote_id, AddressId(id), "that of the SYN/ACK");
        }
        assert_eq!(given[0], 0);
        assert!(given[1] != 0 && given[1] == given[2], "{given:?}");
    }
}

/// Protocol statement 45.
#[test]
fn a_join_of_the_peer_tells_ids_of_both_sides() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.paths(2));
        scene.clear();
        let port = scene.stack_address().port();
        for (id, path) in [(5, 0), (6, 1), (0, 1)] {
            let to = SocketAddr::new(scene.setup.addresses[path], port);
            let index = scene.join_from(scene.join_source(id), to, id, false);
            let answer = scene.peer.subflows[index].join_syn_ack.expect("MP_JOIN");
            assert_eq!(answer.id == 0, path == 0);
            let infos = scene.subflow_infos();
            let info = infos
                .iter()
                .find(|info| info.remote.port() == 41000 + u16::from(id));
            let info = info.expect("it is listed");
            assert_eq!(info.local_id, AddressId(answer.id));
            assert_eq!(info.remote_id, AddressId(id));
        }
    }
}

/// There are 255 ids besides 0. An address that gets none cannot be told from others, and joins
/// nothing.
///
/// Protocol statement 45.
#[test]
fn an_address_without_an_id_joins_nothing() {
    for version in VERSIONS {
        let mut setup = Setup::listener(version);
        let address = |at: u16| {
            let [high, low] = at.to_be_bytes();
            IpAddr::from([10, 1, high, low])
        };
        // One for id 0, 255 with the other ids, one too many.
        setup.addresses = (1..=257).map(address).collect();
        let mut scene = Scene::confirmed(setup);
        scene.advance_ms(1000);
        scene.clear();
        let local = scene.setup.addresses[256];
        let (now, connection, remote) = (scene.now, scene.connection(), scene.setup.peer);
        let refused = scene
            .endpoint
            .open_subflow(now, connection, local, remote, false);
        assert_eq!(refused, Err(SubflowError::NotMultipath));
        assert_eq!(count(&scene, "MPJoinSynTxCreatSkErr"), 1);
        let to = SocketAddr::new(local, scene.setup.port);
        scene.join_syn(scene.join_source(2), to, 2, false);
        let words = reset(&mut scene);
        assert_eq!(words, in_v1(version, (true, 2)));
    }
}

/// Behind a NAT the address that is seen is not the one that was announced: the id says which one
/// it is.
///
/// Protocol statements 45, 110.
#[test]
fn a_join_through_a_nat_is_known_by_its_id() {
    use crate::peer::options::{add_addr_v0, add_addr_v1, mp_prio_for};
    for setup in all_setups() {
        let version = setup.version;
        let mut scene = Scene::confirmed(setup);
        let private: IpAddr = [192, 168, 7, 7].into();
        let announcement = match version {
            Version::V0 => add_addr_v0(3, private, None),
            Version::V1 => add_addr_v1(scene.peer.key, scene.peer.their_key(), 3, private, None),
        };
        scene.option(0, announcement);
        let seen = ([203, 0, 113, 9], 6000).into();
        let index = scene.join_from(seen, scene.stack_address(), 3, false);
        converse(&mut scene, index);
        let is_seen = |info: &SubflowInfo| info.remote == seen;
        let infos = scene.subflow_infos();
        let info = infos.into_iter().find(is_seen).expect("it is listed");
        assert_eq!(info.remote_id, AddressId(3));
        if version == Version::V0 {
            // The id alone names it.
            scene.option(0, mp_prio_for(true, 3));
            let infos = scene.subflow_infos();
            assert!(
                infos
                    .into_iter()
                    .find(is_seen)
                    .expect("it is listed")
                    .backup
            );
        }
    }
}

/// The token leads to the connection, whatever the port and the address, and nobody need listen.
///
/// Protocol statement 37.
#[test]
fn no_listener_is_needed_for_a_join() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup.paths(2));
        let port = scene.stack_address().port();
        if let Some(listener) = scene.listener() {
            scene.endpoint.close_listener(scene.now, listener);
        }
        for (id, to) in [
            (2, SocketAddr::new(scene.setup.addresses[0], port)),
            (3, SocketAddr::new(scene.setup.addresses[1], port)),
            (4, SocketAddr::new(scene.setup.addresses[1], 7777)),
        ] {
            let index = scene.join_from(scene.join_source(id), to, id, false);
            converse(&mut scene, index);
        }
        assert_eq!(count(&scene, "MPJoinPortSynRx"), 1);
        assert_eq!(count(&scene, "MPJoinPortAckRx"), 1);
        assert_eq!(count(&scene, "MPJoinSynRx"), 3);
    }
}

/// Protocol statement 48.
#[test]
fn settings_can_close_other_ports_to_joins() {
    for setup in all_setups() {
        let version = setup.version;
        let setup = setup.tune(|config| config.join_ports = JoinPorts::Known);
        let mut scene = Scene::confirmed(setup);
        let to = SocketAddr::new(scene.setup.addresses[0], 7777);
        scene.join_syn(scene.join_source(2), to, 2, false);
        let words = reset(&mut scene);
        assert_eq!(words, in_v1(version, (false, 3)));
        assert_eq!(count(&scene, "MismatchPortSynRx"), 1);
        assert_eq!(count(&scene, "MPJoinRejected"), 1);
        let index = scene.join(3);
        converse(&mut scene, index);
    }
}

/// A join of ours to another port than that of the initial subflow.
///
/// Protocol statement 37.
#[test]
fn joins_to_other_ports_are_counted() {
    for setup in all_setups() {
        let mut scene = Scene::confirmed(setup);
        let mut remote = scene.setup.peer;
        remote.set_port(8443);
        let local = scene.setup.addresses[0];
        let index = scene.joined_by_stack(local, remote);
        converse(&mut scene, index);
        assert_eq!(count(&scene, "MPJoinPortSynAckRx"), 1);
        // What cannot be joined is counted by what is wrong with it.
        let (now, connection) = (scene.now, scene.connection());
        for (local, remote, name) in [
            (local, "10.2.0.1:0", "MPJoinSynTxConnectErr"),
            (local, "[fd00::1]:80", "MPJoinSynTxConnectErr"),
            ([10, 9, 9, 9].into(), "10.2.0.1:80", "MPJoinSynTxBindErr"),
        ] {
            let before = count(&scene, name);
            let remote = remote.parse().expect("an address");
            let failed = scene
                .endpoint
                .open_subflow(now, connection, local, remote, false);
            assert!(failed.is_err());
            assert_eq!(count(&scene, name), before + 1, "{name}");
        }
        assert_eq!(count(&scene, "MPJoinSynTx"), 1);
    }
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
