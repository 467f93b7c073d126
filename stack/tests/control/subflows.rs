//! Subflows that the application opens, finds and resets.

use crate::net::*;
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::{
    CloseReason, ConnectError, ConnectionConfig, MpTcpRst, OpenSubflow, PathManagerKind,
    ResetReason, SubflowError, SubflowSource, Version,
};

fn passive(version: Version) -> ConnectionConfig {
    ConnectionConfig {
        version,
        path_manager: PathManagerKind::Passive,
        ..ConnectionConfig::default()
    }
}

fn remote() -> SocketAddr {
    SocketAddr::new(v4(SERVER, 0), PORT)
}

fn connected(version: Version, paths: u8) -> Net {
    let mut net = Net::new(paths);
    net.connect([passive(version), passive(version)], remote());
    assert_eq!(net.open(CLIENT).len(), 1, "nobody opens anything");
    net
}

fn from(address: IpAddr) -> OpenSubflow {
    OpenSubflow {
        local: SubflowSource::Address(SocketAddr::new(address, 0)),
        ..OpenSubflow::default()
    }
}

#[test]
fn a_subflow_by_hand_from_wherever_is_asked() {
    for version in VERSIONS {
        let mut net = connected(version, 3);
        let (id, now) = (net.id(CLIENT), net.now);
        let interface = net.interfaces[CLIENT][2];
        let client = &mut net.hosts[CLIENT];
        // Over the addresses of the initial one, twice: only the ports differ.
        let again = OpenSubflow::default();
        for _ in 0..2 {
            client.open_subflow_with(now, id, again).unwrap();
        }
        let wanted = OpenSubflow {
            local: SubflowSource::Interface(interface),
            remote: Some(SocketAddr::new(v4(SERVER, 1), 0)),
            backup: true,
            ..OpenSubflow::default()
        };
        let third = client.open_subflow_with(now, id, wanted).unwrap();
        let port = SocketAddr::new(v4(CLIENT, 1), 7777);
        let wanted = OpenSubflow {
            local: SubflowSource::Address(port),
            ..OpenSubflow::default()
        };
        client.open_subflow_with(now, id, wanted).unwrap();
        let taken = client.open_subflow_with(now, id, wanted);
        let in_use = ConnectError::AddressInUse(port);
        assert_eq!(taken, Err(SubflowError::Address(in_use)));
        net.run_ms(200);
        let initial = (v4(CLIENT, 0), v4(SERVER, 0));
        let expected = [
            initial,
            initial,
            initial,
            (v4(CLIENT, 1), v4(SERVER, 0)),
            (v4(CLIENT, 2), v4(SERVER, 1)),
        ];
        assert_eq!(net.pairs(CLIENT), expected);
        for subflow in net.open(CLIENT) {
            assert_eq!(subflow.remote.port(), PORT);
            assert_eq!(subflow.backup, subflow.id == third);
            let by_tuple = net.hosts[CLIENT].subflow_by_tuple(id, subflow.local, subflow.remote);
            assert_eq!(by_tuple, Some(subflow.id));
            let stranger = SocketAddr::new(subflow.remote.ip(), 1);
            let none = net.hosts[CLIENT].subflow_by_tuple(id, subflow.local, stranger);
            assert_eq!(none, None);
        }
    }
}

#[test]
fn what_cannot_be_opened_says_why() {
    let mut net = Net::new(2);
    for host in [CLIENT, SERVER] {
        net.add_address(host, v6(host, 0));
    }
    net.start([passive(Version::V1), passive(Version::V1)], remote());
    let (id, interface) = (net.id(CLIENT), net.interfaces[CLIENT][1]);
    let try_open = |net: &mut Net, wanted: OpenSubflow| {
        net.hosts[CLIENT].open_subflow_with(net.now, id, wanted)
    };
    let config = passive(Version::V1);
    let other = net.hosts[CLIENT].connect(net.now, None, remote(), config);
    let early = net.hosts[CLIENT].open_subflow_with(net.now, other.unwrap(), from(v4(CLIENT, 1)));
    assert_eq!(early, Err(SubflowError::NotYet));
    net.write(CLIENT, b"request");
    net.run_ms(100);
    let other_family = try_open(&mut net, from(v6(CLIENT, 0)));
    let differ = SubflowError::FamiliesDiffer(v6(CLIENT, 0), v4(SERVER, 0));
    assert_eq!(other_family, Err(differ));
    let foreign: IpAddr = [192, 0, 2, 1].into();
    let unknown = SubflowError::Address(ConnectError::UnknownLocalAddress(foreign));
    assert_eq!(try_open(&mut net, from(foreign)), Err(unknown));
    let elsewhere = OpenSubflow {
        interface: Some(interface),
        ..from(v4(CLIENT, 0))
    };
    let another = SubflowError::AnotherInterface(v4(CLIENT, 0));
    assert_eq!(try_open(&mut net, elsewhere), Err(another));
    let nothing_there = OpenSubflow {
        local: SubflowSource::Interface(interface),
        remote: Some(SocketAddr::new(v6(SERVER, 0), PORT)),
        ..OpenSubflow::default()
    };
    assert!(matches!(
        try_open(&mut net, nothing_there),
        Err(SubflowError::Address(ConnectError::NoLocalAddress(_)))
    ));
    let mut opened = 0;
    let full = loop {
        match try_open(&mut net, OpenSubflow::default()) {
            Ok(_) => opened += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((opened, full), (63, SubflowError::LimitReached));
    net.hosts[CLIENT].abort(net.now, id).unwrap();
    let closed = SubflowError::Closed(CloseReason::Aborted);
    assert_eq!(try_open(&mut net, OpenSubflow::default()), Err(closed));
}

#[test]
fn plain_tcp_takes_no_further_subflow() {
    let mut net = Net::new(2);
    let plain = ConnectionConfig {
        mptcp: false,
        ..ConnectionConfig::default()
    };
    net.connect([plain, ConnectionConfig::default()], remote());
    for host in [CLIENT, SERVER] {
        let (now, id) = (net.now, net.id(host));
        let opened = net.hosts[host].open_subflow_with(now, id, OpenSubflow::default());
        assert_eq!(opened, Err(SubflowError::NotMultipath));
    }
    // To reset its only subflow is to end it.
    let (now, id) = (net.now, net.id(CLIENT));
    let subflow = net.open(CLIENT)[0].id;
    let reason = ResetReason::AdministrativelyProhibited;
    let reset = net.hosts[CLIENT].reset_subflow(now, id, subflow, reason);
    assert_eq!(reset, Ok(()));
    net.run_ms(100);
    let closed = |net: &Net, host: usize| {
        net.hosts[host]
            .connection_info(net.id(host))
            .unwrap()
            .closed
    };
    assert_eq!(closed(&net, CLIENT), Some(CloseReason::Aborted));
    assert_eq!(closed(&net, SERVER), Some(CloseReason::ResetByPeer));
}

#[test]
fn a_reset_moves_the_data_and_tells_the_peer_why() {
    for version in VERSIONS {
        let mut net = connected(version, 2);
        let (id, now) = (net.id(CLIENT), net.now);
        net.hosts[CLIENT]
            .open_subflow_with(now, id, from(v4(CLIENT, 1)))
            .unwrap();
        net.run_ms(100);
        net.sent.clear();
        net.write(CLIENT, &[5; 100_000]);
        net.run_ms(12);
        let initial = net.open(CLIENT)[0].id;
        let reason = ResetReason::UnacceptablePerformance;
        let reset = net.hosts[CLIENT].reset_subflow(net.now, id, initial, reason);
        assert_eq!(reset, Ok(()));
        net.run_ms(2000);
        assert_eq!(net.received[SERVER].len(), 100_000 + 13);
        assert_eq!(net.pairs(CLIENT), [(v4(CLIENT, 1), v4(SERVER, 0))]);
        assert!(
            net.sent
                .iter()
                .any(|sent| sent.is_rst() && sent.source() == v4(CLIENT, 0))
        );
        let subflows = net.hosts[SERVER].subflows(net.id(SERVER));
        let told = match version {
            Version::V0 => None,
            Version::V1 => Some(MpTcpRst {
                transient: true,
                reason,
            }),
        };
        assert_eq!(subflows[0].reset_reason, told);
        let again = net.hosts[CLIENT].reset_subflow(net.now, id, initial, reason);
        assert_eq!(again, Err(SubflowError::UnknownSubflow));
    }
}

#[test]
fn connections_are_found_by_their_token() {
    let mut net = connected(Version::V1, 1);
    for host in [CLIENT, SERVER] {
        let id = net.id(host);
        assert_eq!(net.hosts[host].connections(), [id]);
    }
    // The token of the client is in the join that the server would send, and the other way round.
    let (now, id) = (net.now, net.id(CLIENT));
    net.sent.clear();
    net.hosts[CLIENT]
        .open_subflow_with(now, id, OpenSubflow::default())
        .unwrap();
    net.run_ms(1);
    let syn = net.sent.iter().find(|sent| sent.is_syn()).unwrap();
    let options = &syn.tcp()[20..];
    let at = options
        .windows(2)
        .position(|pair| pair == [30, 12])
        .expect("MP_JOIN");
    let token = u32::from_be_bytes(options[at + 4..at + 8].try_into().unwrap());
    assert_eq!(
        net.hosts[SERVER].connection_by_token(token),
        Some(net.id(SERVER))
    );
    assert_eq!(net.hosts[SERVER].connection_by_token(token ^ 1), None);
    let listeners = net.hosts[SERVER].listeners();
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0].1, "0.0.0.0:80".parse().unwrap());
    assert_eq!(net.hosts[CLIENT].listeners(), []);
    let id = net.id(SERVER);
    net.hosts[SERVER].release(now, id);
    assert_eq!(net.hosts[SERVER].connections(), []);
}
