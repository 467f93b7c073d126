//! What an application says beforehand: which paths are backups, and that the connection shares the fate
//! of its initial subflow.

use crate::net::*;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{
    CloseReason, ConnectionConfig, PathLists, PathManagerKind, PathPair, ResetReason, SubflowId,
    Version,
};

fn config(version: Version) -> ConnectionConfig {
    ConnectionConfig {
        version,
        ..ConnectionConfig::default()
    }
}

fn remote() -> SocketAddr {
    SocketAddr::new(v4(SERVER, 0), PORT)
}

fn pair(local: IpAddr, remote: IpAddr) -> PathPair {
    PathPair { local, remote }
}

/// The subflows of a host on its second path that are backups, and all of them.
fn backups(net: &Net, host: usize) -> (usize, usize) {
    let mut subflows = net.open(host);
    subflows.retain(|subflow| subflow.local.ip() == v4(host, 1));
    let backups = subflows.iter().filter(|subflow| subflow.backup).count();
    (backups, subflows.len())
}

#[test]
fn the_path_manager_opens_backups_where_a_list_says_so() {
    for version in VERSIONS {
        let mut client = config(version);
        client.path_lists.backup = vec![pair(v4(CLIENT, 1), v4(SERVER, 0))];
        client
            .path_lists
            .backup
            .push(pair(v4(CLIENT, 1), v4(SERVER, 1)));
        let mut net = Net::new(2);
        net.connect([client, config(version)], remote());
        net.run_ms(1000);
        let (backup, all) = backups(&net, CLIENT);
        assert!(all > 0 && backup == all, "{backup} of {all}");
        // The peer was told in the SYN.
        let there = net.open(SERVER);
        let mut joined = there
            .iter()
            .filter(|subflow| subflow.remote.ip() == v4(CLIENT, 1));
        assert!(joined.all(|subflow| subflow.backup));
        let mut others = net.open(CLIENT).into_iter();
        assert!(!others.any(|subflow| subflow.local.ip() == v4(CLIENT, 0) && subflow.backup));
    }
}

#[test]
fn a_pair_in_both_lists_is_no_backup() {
    let mut client = config(Version::V0);
    let any = pair(v4(CLIENT, 1), "0.0.0.0".parse().unwrap());
    client.path_lists = PathLists {
        active: vec![any],
        backup: vec![any],
    };
    let mut net = Net::new(2);
    net.connect([client, config(Version::V0)], remote());
    net.run_ms(1000);
    let (backup, all) = backups(&net, CLIENT);
    assert!(all > 0 && backup == 0, "{backup} of {all}");
}

#[test]
fn whoever_is_joined_answers_as_its_own_list_says() {
    for version in VERSIONS {
        let mut server = config(version);
        server.path_lists.backup = vec![pair(v4(SERVER, 0), v4(CLIENT, 1))];
        let mut net = Net::new(2);
        net.connect([config(version), server], remote());
        net.run_ms(1000);
        let asked: Vec<bool> = net
            .open(CLIENT)
            .into_iter()
            .filter(|subflow| {
                subflow.local.ip() == v4(CLIENT, 1) && subflow.remote.ip() == v4(SERVER, 0)
            })
            .map(|subflow| subflow.backup_asked_by_peer)
            .collect();
        assert_eq!(asked, [true], "{version:?}");
    }
}

#[test]
fn lists_change_on_a_connection_that_lives() {
    let passive = ConnectionConfig {
        path_manager: PathManagerKind::Passive,
        ..config(Version::V0)
    };
    let mut net = Net::new(2);
    net.connect([passive.clone(), passive], remote());
    let (id, now) = (net.id(CLIENT), net.now);
    let mut lists = PathLists::default();
    lists.backup.push(pair(v4(CLIENT, 1), v4(SERVER, 0)));
    net.hosts[CLIENT].set_path_lists(now, id, lists);
    net.hosts[CLIENT].set_path_manager(now, id, PathManagerKind::FullMesh);
    net.run_ms(1000);
    let mut made = net.open(CLIENT).into_iter();
    assert!(made.any(|subflow| {
        subflow.local.ip() == v4(CLIENT, 1)
            && subflow.remote.ip() == v4(SERVER, 0)
            && subflow.backup
    }));
}

/// A connection over two paths that shares the fate of its initial subflow, on the client's side.
fn sharing(version: Version) -> Net {
    let mut client = config(version);
    client.fate_sharing = true;
    let mut net = Net::new(2);
    net.connect([client, config(version)], remote());
    net.run_ms(1000);
    assert!(net.open(CLIENT).len() > 1);
    net
}

#[test]
fn a_lost_initial_subflow_takes_the_connection_with_it() {
    for version in VERSIONS {
        let mut net = sharing(version);
        let (id, now) = (net.id(CLIENT), net.now);
        let reason = ResetReason::Unspecified;
        net.hosts[CLIENT]
            .reset_subflow(now, id, SubflowId::INITIAL, reason)
            .unwrap();
        net.run_ms(1000);
        let closed = net.hosts[CLIENT].connection_info(id).unwrap().closed;
        assert_eq!(closed, Some(CloseReason::Aborted));
        let there = net.hosts[SERVER]
            .connection_info(net.id(SERVER))
            .unwrap()
            .closed;
        assert_eq!(there, Some(CloseReason::ResetByPeer));

        // The other side's reset counts as well.
        let mut net = sharing(version);
        let (id, now) = (net.id(SERVER), net.now);
        net.hosts[SERVER]
            .reset_subflow(now, id, SubflowId::INITIAL, reason)
            .unwrap();
        net.run_ms(1000);
        let closed = net.hosts[CLIENT]
            .connection_info(net.id(CLIENT))
            .unwrap()
            .closed;
        assert_eq!(closed, Some(CloseReason::ResetByPeer));
    }
}

#[test]
fn an_initial_subflow_that_ends_in_order_ends_our_direction_in_order() {
    let mut net = sharing(Version::V0);
    let (id, now) = (net.id(CLIENT), net.now);
    net.write(CLIENT, b"the last words");
    net.hosts[CLIENT]
        .close_subflow(now, id, SubflowId::INITIAL)
        .unwrap();
    net.run_ms(90_000);
    let info = net.hosts[CLIENT].connection_info(id).unwrap();
    assert!(!info.can_write);
    let there = net.hosts[SERVER].connection_info(net.id(SERVER)).unwrap();
    assert!(there.peer_finished);
    assert!(net.received[SERVER].ends_with(b"the last words"));
}
