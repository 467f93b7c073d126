//! Between which addresses and ports: ids, ports beside the initial one, NATs (RFC 6824 §3.2).

use super::{converse, count, in_v1, reset};
use crate::peer::{Scene, Setup, VERSIONS, Version, all_setups};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{AddressId, JoinPorts, SubflowError, SubflowInfo};

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
        assert_eq!(refused, Err(SubflowError::LimitReached));
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
        let setup = setup.paths(2).tune(|config| {
            config.join_ports = JoinPorts::Known;
            config.max_subflows = 4;
        });
        let mut scene = Scene::confirmed(setup);
        scene.clear();
        let to = SocketAddr::new(scene.setup.addresses[0], 7777);
        scene.join_syn(scene.join_source(2), to, 2, false);
        let words = reset(&mut scene);
        assert_eq!(words, in_v1(version, (false, 3)));
        assert_eq!(count(&scene, "MismatchPortSynRx"), 1);
        assert_eq!(count(&scene, "MPJoinRejected"), 1);
        let index = scene.join(3);
        converse(&mut scene, index);
        // A port that was announced is no longer another one; that of another address is.
        let (now, connection) = (scene.now, scene.connection());
        let announced = scene
            .endpoint
            .announce_address(now, Some(connection), to.ip(), Some(7777));
        assert_eq!(announced, Ok(()));
        scene.collect();
        scene.clear();
        let index = scene.join_from(scene.join_source(4), to, 4, false);
        converse(&mut scene, index);
        assert_eq!(count(&scene, "MPJoinPortSynRx"), 1);
        assert_eq!(count(&scene, "MPJoinPortAckRx"), 1);
        let other = SocketAddr::new(scene.setup.addresses[1], 7777);
        scene.join_syn(scene.join_source(5), other, 5, false);
        assert_eq!(reset(&mut scene), in_v1(version, (false, 3)));
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
