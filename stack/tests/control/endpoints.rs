//! The rules of the path manager `Endpoints`, one by one.

use crate::net::*;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{
    ConnectionConfig, MptcpCounter, PathEndpoint, PathEndpointFlags, PathEndpointKey, PathLimits,
    PathManagerKind, Version,
};

const NONE: PathEndpointFlags = PathEndpointFlags {
    signal: false,
    subflow: false,
    backup: false,
    fullmesh: false,
    laminar: false,
    implicit: false,
};
const SIGNAL: PathEndpointFlags = PathEndpointFlags {
    signal: true,
    ..NONE
};
const SUBFLOW: PathEndpointFlags = PathEndpointFlags {
    subflow: true,
    ..NONE
};
const BACKUP: PathEndpointFlags = PathEndpointFlags {
    backup: true,
    ..SUBFLOW
};
const FULL_MESH: PathEndpointFlags = PathEndpointFlags {
    fullmesh: true,
    ..SUBFLOW
};
const LAMINAR: PathEndpointFlags = PathEndpointFlags {
    laminar: true,
    ..NONE
};

fn config(version: Version) -> ConnectionConfig {
    ConnectionConfig {
        version,
        path_manager: PathManagerKind::Endpoints,
        ..ConnectionConfig::default()
    }
}

fn limits(net: &mut Net, host: usize, extra_subflows: u8, add_addr_accepted: u8) {
    let limits = PathLimits {
        extra_subflows,
        add_addr_accepted,
    };
    net.hosts[host].set_path_limits(net.now, limits).unwrap();
}

/// Four paths and limits that are in nobody's way.
fn net() -> Net {
    let mut net = Net::new(4);
    for host in [CLIENT, SERVER] {
        limits(&mut net, host, 8, 8);
    }
    net
}

fn connect(net: &mut Net, version: Version) {
    let to = SocketAddr::new(v4(SERVER, 0), PORT);
    net.connect([config(version), config(version)], to);
}

fn key(id: u8) -> PathEndpointKey {
    PathEndpointKey {
        id: Some(id),
        ..PathEndpointKey::default()
    }
}

/// From path to path.
fn pair(from: u8, to: u8) -> (IpAddr, IpAddr) {
    (v4(CLIENT, from), v4(SERVER, to))
}

/// SYNs that want to join.
fn joins(net: &Net) -> usize {
    let first = |sent: &&Sent| sent.is_syn() && sent.tcp()[13] & 0b1_0000 == 0;
    net.sent.iter().filter(first).count() - 1
}

#[test]
fn without_endpoints_nothing_happens_and_a_peer_may_do_what_the_limits_let_it() {
    for version in VERSIONS {
        let mut net = Net::new(4);
        connect(&mut net, version);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0)]);
        let id = net.id(CLIENT);
        for path in 1..4 {
            let to = SocketAddr::new(v4(SERVER, 0), PORT);
            let opened = net.hosts[CLIENT].open_subflow(net.now, id, v4(CLIENT, path), to, false);
            assert!(opened.is_ok());
            net.run_ms(100);
        }
        // The application is not bound by the limit of its side, the peer is by that of the other.
        assert_eq!(net.pairs(SERVER).len(), 3);
        assert_eq!(net.counted(SERVER, MptcpCounter::MpJoinRejected), 1);
    }
}

#[test]
fn subflow_endpoints_go_to_the_initial_address_one_after_the_other() {
    for version in VERSIONS {
        let mut net = net();
        for path in 0..4 {
            net.endpoint(CLIENT, v4(CLIENT, path), SUBFLOW);
        }
        let to = SocketAddr::new(v4(SERVER, 0), PORT);
        net.start([config(version), config(version)], to);
        net.write(CLIENT, b"request");
        // Never two joins under way.
        for _ in 0..400 {
            net.run_ms(1);
            let subflows = net.hosts[CLIENT].subflows(net.id(CLIENT));
            let joining = subflows.iter().filter(|s| !s.fully_established);
            assert!(joining.count() <= 1);
        }
        assert_eq!(
            net.pairs(CLIENT),
            [pair(0, 0), pair(1, 0), pair(2, 0), pair(3, 0)]
        );
        // The peer knows each address by the id of its endpoint.
        let ids: Vec<u8> = net.open(SERVER).iter().map(|s| s.remote_id.0).collect();
        assert_eq!(ids, [0, 2, 3, 4]);
    }
}

#[test]
fn the_limit_of_subflows_holds_and_may_be_raised() {
    let mut net = Net::new(4);
    limits(&mut net, SERVER, 8, 0);
    for path in 1..4 {
        net.endpoint(CLIENT, v4(CLIENT, path), SUBFLOW);
    }
    connect(&mut net, Version::V1);
    net.run_ms(5000);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(1, 0), pair(2, 0)]);
    limits(&mut net, CLIENT, 3, 0);
    net.run_ms(500);
    assert_eq!(net.pairs(CLIENT).len(), 4);
}

#[test]
fn the_side_that_was_connected_to_opens_subflows_too() {
    for version in VERSIONS {
        let mut net = net();
        net.endpoint(SERVER, v4(SERVER, 1), SUBFLOW);
        net.endpoint(SERVER, v4(SERVER, 2), SIGNAL);
        let to = SocketAddr::new(v4(SERVER, 0), PORT);
        net.start([config(version), config(version)], to);
        net.run_ms(1000);
        assert_eq!(joins(&net), 0, "it is not fully established");
        net.write(CLIENT, b"request");
        net.run_ms(20);
        net.write(CLIENT, b" and more");
        net.run_ms(500);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(0, 1), pair(0, 2)]);
    }
}

#[test]
fn signal_endpoints_are_announced_one_after_the_other_and_joined_from_one_address() {
    for version in VERSIONS {
        let mut net = net();
        for path in 0..4 {
            net.endpoint(SERVER, v4(SERVER, path), SIGNAL);
        }
        connect(&mut net, version);
        net.run_ms(2000);
        assert_eq!(
            net.pairs(CLIENT),
            [pair(0, 0), pair(0, 1), pair(0, 2), pair(0, 3)]
        );
        let known = net.hosts[CLIENT].remote_addresses(net.id(CLIENT));
        let ids: Vec<u8> = known.iter().map(|known| known.id.0).collect();
        assert_eq!(ids, [0, 2, 3, 4], "the initial one is not announced");
        if version == Version::V1 {
            assert_eq!(net.counted(SERVER, MptcpCounter::AddAddrTx), 3);
            assert_eq!(net.counted(SERVER, MptcpCounter::EchoAdd), 3);
        }
    }
}

#[test]
fn announcements_beyond_the_limit_are_confirmed_and_not_used() {
    let mut net = Net::new(4);
    limits(&mut net, CLIENT, 8, 1);
    limits(&mut net, SERVER, 8, 0);
    for path in 1..4 {
        net.endpoint(SERVER, v4(SERVER, path), SIGNAL);
    }
    connect(&mut net, Version::V1);
    net.run_ms(2000);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(0, 1)]);
    assert_eq!(net.counted(SERVER, MptcpCounter::EchoAdd), 3);
}

#[test]
fn a_port_is_announced_with_its_endpoint() {
    let mut net = net();
    let endpoint = PathEndpoint {
        id: 9,
        address: v4(SERVER, 1),
        port: Some(8443),
        interface: None,
        flags: SIGNAL,
    };
    net.hosts[SERVER]
        .add_path_endpoint(net.now, endpoint)
        .unwrap();
    connect(&mut net, Version::V1);
    net.run_ms(500);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(0, 1)]);
    let joined = &net.open(CLIENT)[1];
    assert_eq!((joined.remote.port(), joined.remote_id.0), (8443, 9));
}

#[test]
fn full_mesh_goes_to_every_known_address() {
    for version in VERSIONS {
        let mut net = net();
        net.endpoint(SERVER, v4(SERVER, 1), SIGNAL);
        net.endpoint(CLIENT, v4(CLIENT, 1), FULL_MESH);
        net.endpoint(CLIENT, v4(CLIENT, 2), FULL_MESH);
        // Full mesh wins over laminar.
        net.endpoint(CLIENT, v4(CLIENT, 3), LAMINAR);
        connect(&mut net, version);
        net.run_ms(2000);
        let expected = [pair(0, 0), pair(1, 0), pair(1, 1), pair(2, 0), pair(2, 1)];
        assert_eq!(net.pairs(CLIENT), expected);
    }
}

#[test]
fn laminar_endpoints_are_used_once_each_towards_announced_addresses() {
    let mut net = net();
    for path in 1..4 {
        net.endpoint(SERVER, v4(SERVER, path), SIGNAL);
    }
    for path in 1..3 {
        net.endpoint(CLIENT, v4(CLIENT, path), LAMINAR);
    }
    connect(&mut net, Version::V1);
    net.run_ms(2000);
    let expected = [pair(0, 0), pair(1, 1), pair(2, 2)];
    assert_eq!(net.pairs(CLIENT), expected, "there is none for the third");
}

#[test]
fn backup_endpoints_ask_for_backups_on_either_side() {
    for version in VERSIONS {
        let mut net = net();
        let id = net.endpoint(CLIENT, v4(CLIENT, 1), BACKUP);
        net.endpoint(
            SERVER,
            v4(SERVER, 1),
            PathEndpointFlags {
                backup: true,
                ..SIGNAL
            },
        );
        connect(&mut net, version);
        net.run_ms(500);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(0, 1), pair(1, 0)]);
        let backups = |net: &Net, host| {
            let open = net.open(host);
            let ends = open.iter().map(|s| (s.local.ip(), s.backup_asked_by_peer));
            ends.collect::<Vec<_>>()
        };
        assert_eq!(
            backups(&net, CLIENT),
            [
                (v4(CLIENT, 0), false),
                (v4(CLIENT, 1), false),
                (v4(CLIENT, 0), true)
            ]
        );
        assert!(backups(&net, SERVER).contains(&(v4(SERVER, 0), true)));
        // And back again, on what lives.
        net.hosts[CLIENT]
            .change_path_endpoint(net.now, key(id), SUBFLOW)
            .unwrap();
        net.run_ms(100);
        assert!(backups(&net, SERVER).iter().all(|&(_, backup)| !backup));
        assert!(net.counted(CLIENT, MptcpCounter::MpPrioTx) >= 1);
    }
}

#[test]
fn an_endpoint_that_is_added_or_removed_acts_on_what_lives() {
    for version in VERSIONS {
        let mut net = net();
        connect(&mut net, version);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0)]);
        let subflow = net.endpoint(CLIENT, v4(CLIENT, 1), SUBFLOW);
        let signal = net.endpoint(SERVER, v4(SERVER, 2), SIGNAL);
        net.run_ms(500);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(0, 2), pair(1, 0)]);
        net.hosts[CLIENT]
            .remove_path_endpoint(net.now, key(subflow))
            .unwrap();
        net.run_ms(500);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(0, 2)]);
        assert_eq!(net.counted(SERVER, MptcpCounter::RmAddr), 1);
        net.hosts[SERVER]
            .remove_path_endpoint(net.now, key(signal))
            .unwrap();
        net.run_ms(500);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0)]);
        assert_eq!(net.counted(CLIENT, MptcpCounter::RmAddr), 1);
        // Nothing comes back by itself; with a new endpoint it does.
        net.run_ms(60_000);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0)]);
        net.endpoint(CLIENT, v4(CLIENT, 1), SUBFLOW);
        net.run_ms(1000);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(1, 0)]);
        net.hosts[CLIENT].flush_path_endpoints(net.now);
        net.run_ms(500);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0)]);
    }
}

#[test]
fn id_0_is_the_initial_subflow() {
    for version in VERSIONS {
        let mut net = net();
        net.endpoint(CLIENT, v4(CLIENT, 1), SUBFLOW);
        connect(&mut net, version);
        let other = PathEndpointKey {
            address: Some(v4(CLIENT, 3)),
            ..key(0)
        };
        net.hosts[CLIENT]
            .remove_path_endpoint(net.now, other)
            .unwrap();
        net.run_ms(100);
        assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(1, 0)]);
        let initial = PathEndpointKey {
            address: Some(v4(CLIENT, 0)),
            ..key(0)
        };
        net.hosts[CLIENT]
            .remove_path_endpoint(net.now, initial)
            .unwrap();
        net.run_ms(500);
        assert_eq!(net.pairs(CLIENT), [pair(1, 0)]);
        assert_eq!(net.counted(SERVER, MptcpCounter::RmAddr), 1);
    }
}

#[test]
fn an_address_without_an_endpoint_gets_an_implicit_one_that_can_be_taken_over() {
    let mut net = net();
    connect(&mut net, Version::V1);
    let (id, now) = (net.id(CLIENT), net.now);
    let to = SocketAddr::new(v4(SERVER, 1), PORT);
    net.hosts[CLIENT]
        .open_subflow(now, id, v4(CLIENT, 1), to, false)
        .unwrap();
    net.run_ms(200);
    for host in [CLIENT, SERVER] {
        let [implicit] = net.hosts[host].path_endpoints() else {
            panic!("{:?}", net.hosts[host].path_endpoints());
        };
        assert_eq!(implicit.address, v4(host, 1));
        assert!(implicit.flags.implicit);
    }
    let mesh = net.hosts[CLIENT].change_path_endpoint(now, key(1), FULL_MESH);
    assert!(mesh.is_err());
    assert_eq!(net.endpoint(CLIENT, v4(CLIENT, 1), BACKUP), 1);
    let [known] = net.hosts[CLIENT].path_endpoints() else {
        panic!("one endpoint");
    };
    assert_eq!(known.flags, BACKUP);
}

#[test]
fn an_endpoint_on_another_interface_than_its_address_opens_nothing() {
    let mut net = net();
    let interface = net.interfaces[CLIENT][2];
    let endpoint = |path| PathEndpoint {
        id: 0,
        address: v4(CLIENT, path),
        port: None,
        interface: Some(interface),
        flags: SUBFLOW,
    };
    for path in [1, 2] {
        net.hosts[CLIENT]
            .add_path_endpoint(net.now, endpoint(path))
            .unwrap();
    }
    connect(&mut net, Version::V1);
    net.run_ms(2000);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(2, 0)]);
}

/// Linux leaves it at one attempt.
#[test]
fn a_subflow_that_failed_is_tried_again_after_a_pause() {
    let mut net = Net::new(2);
    limits(&mut net, SERVER, 0, 0);
    net.endpoint(CLIENT, v4(CLIENT, 1), SUBFLOW);
    connect(&mut net, Version::V0);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0)]);
    limits(&mut net, SERVER, 1, 0);
    net.run_ms(30_000);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(1, 0)]);
}

#[test]
fn other_path_managers_do_not_look_at_the_table() {
    let mut net = net();
    net.endpoint(CLIENT, v4(CLIENT, 1), SUBFLOW);
    net.endpoint(SERVER, v4(SERVER, 1), SIGNAL);
    let passive = ConnectionConfig {
        path_manager: PathManagerKind::Passive,
        ..ConnectionConfig::default()
    };
    let to = SocketAddr::new(v4(SERVER, 0), PORT);
    net.connect([passive.clone(), passive], to);
    net.run_ms(2000);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0)]);
    // Until one of them becomes theirs.
    let (id, now) = (net.id(CLIENT), net.now);
    net.hosts[CLIENT].set_path_manager(now, id, PathManagerKind::Endpoints);
    net.run_ms(2000);
    assert_eq!(net.pairs(CLIENT), [pair(0, 0), pair(1, 0)]);
    assert_eq!(
        net.hosts[CLIENT].path_manager(id),
        Some(PathManagerKind::Endpoints)
    );
}
