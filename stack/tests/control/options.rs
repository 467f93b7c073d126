//! Options of subflows, on the wire and towards the device.

use crate::net::*;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::{
    CongestionAlgorithm, ConnectionConfig, EcnPolicy, EndpointConfig, Keepalive, OpenSubflow,
    SubflowChange, SubflowError, SubflowOptions, SynCookies, Version,
};

fn with_options(subflow: SubflowOptions) -> ConnectionConfig {
    ConnectionConfig {
        subflow,
        ecn: EcnPolicy::Request,
        ..ConnectionConfig::default()
    }
}

/// A net with both families.
fn both_families() -> Net {
    let mut net = Net::new(2);
    for host in [CLIENT, SERVER] {
        net.add_address(host, v6(host, 0));
    }
    net
}

#[test]
fn every_packet_has_the_marks_of_its_subflow_in_both_families() {
    let client = SubflowOptions {
        // The two lowest bits are not ours to set.
        traffic_class: 0b1011_1011,
        hop_limit: 7,
        tag: 0xdead_beef,
        ..SubflowOptions::default()
    };
    let server = SubflowOptions {
        traffic_class: 0x20,
        hop_limit: 255,
        tag: 5,
        ..SubflowOptions::default()
    };
    let addresses: [fn(usize, u8) -> IpAddr; 2] = [v4, v6];
    for address in addresses {
        let mut net = both_families();
        let to = SocketAddr::new(address(SERVER, 0), PORT);
        net.connect([with_options(client), with_options(server)], to);
        let mut marked = 0;
        for packet in &net.sent {
            let options = [client, server][packet.host];
            let class = packet.traffic_class();
            assert_eq!(
                class & !0b11,
                options.differentiated_services(),
                "{packet:?}"
            );
            // Data is ECT(0), as both sides ask for ECN.
            let ecn = if packet.payload_len() > 0 { 0b10 } else { 0 };
            assert_eq!(class & 0b11, ecn, "{packet:?}");
            assert_eq!(packet.hop_limit(), options.hop_limit);
            assert_eq!(packet.tag, options.tag);
            marked += usize::from(packet.payload_len() > 0);
        }
        assert!(marked >= 3, "{marked}");
    }
}

#[test]
fn a_syn_cookie_has_the_marks_of_its_listener() {
    let endpoint = EndpointConfig {
        syn_cookies: SynCookies::Always,
        ..EndpointConfig::default()
    };
    let mut net = Net::new(0);
    net.hosts[SERVER] = umptcp_stack::Endpoint::new(endpoint, [9; 32]);
    net.add_address(CLIENT, v4(CLIENT, 0));
    net.add_address(SERVER, v4(SERVER, 0));
    let options = SubflowOptions {
        traffic_class: 0x48,
        hop_limit: 33,
        tag: 77,
        mss_clamp: Some(900),
        ..SubflowOptions::default()
    };
    let to = SocketAddr::new(v4(SERVER, 0), PORT);
    net.start([ConnectionConfig::default(), with_options(options)], to);
    let answer = net.sent.iter().find(|sent| sent.host == SERVER).unwrap();
    assert!(answer.is_syn());
    assert_eq!(answer.traffic_class(), 0x48);
    assert_eq!((answer.hop_limit(), answer.tag), (33, 77));
    assert_eq!(answer.announced_mss(), 900);
}

#[test]
fn a_change_holds_for_one_subflow_or_for_all_and_those_to_come() {
    let mut net = Net::new(3);
    let config = ConnectionConfig {
        max_subflows: 2,
        ..ConnectionConfig::default()
    };
    net.connect(
        [config, ConnectionConfig::default()],
        SocketAddr::new(v4(SERVER, 0), PORT),
    );
    assert_eq!(net.open(CLIENT).len(), 2);
    let id = net.id(CLIENT);
    let second = net.open(CLIENT)[1].id;
    let local = net.open(CLIENT)[1].local.ip();
    let change = SubflowChange::TrafficClass(0xb8);
    let now = net.now;
    let one = net.hosts[CLIENT].set_subflow_options(now, id, Some(second), change);
    assert_eq!(one, Ok(()));
    let all = net.hosts[CLIENT].set_subflow_options(now, id, None, SubflowChange::HopLimit(9));
    assert_eq!(all, Ok(()));
    net.sent.clear();
    let open = OpenSubflow {
        options: Some(SubflowOptions {
            tag: 3,
            ..SubflowOptions::default()
        }),
        ..OpenSubflow::default()
    };
    let third = net.hosts[CLIENT].open_subflow_with(now, id, open).unwrap();
    let fourth = net.hosts[CLIENT].open_subflow_with(now, id, OpenSubflow::default());
    net.write(CLIENT, &[1; 60_000]);
    net.run_ms(1000);
    let options = |net: &Net, subflow| net.hosts[CLIENT].subflow_options(id, subflow).unwrap();
    assert_eq!(options(&net, Some(second)).traffic_class, 0xb8);
    assert_eq!(options(&net, None).traffic_class, 0);
    assert_eq!(options(&net, None).hop_limit, 9);
    assert_eq!(
        options(&net, Some(third)).hop_limit,
        64,
        "as it was asked for"
    );
    assert_eq!(options(&net, Some(fourth.unwrap())).hop_limit, 9);
    let ours = || net.sent.iter().filter(|sent| sent.host == CLIENT);
    for packet in ours().filter(|sent| sent.source() == local) {
        assert_eq!((packet.traffic_class(), packet.hop_limit()), (0xb8, 9));
    }
    assert!(ours().any(|sent| sent.source() == local));
    for packet in ours().filter(|sent| sent.source() != local) {
        let expected = if packet.tag == 3 { 64 } else { 9 };
        assert_eq!((packet.traffic_class(), packet.hop_limit()), (0, expected));
    }
    assert!(ours().any(|sent| sent.tag == 3));
    let unknown = SubflowError::UnknownSubflow;
    net.hosts[CLIENT].close_subflow(now, id, third).unwrap();
    net.run_ms(100_000);
    let gone = net.hosts[CLIENT].set_subflow_options(net.now, id, Some(third), change);
    assert_eq!(gone, Err(unknown));
}

#[test]
fn an_mss_clamp_caps_what_is_announced_and_what_is_sent() {
    for version in VERSIONS {
        let options = SubflowOptions {
            mss_clamp: Some(600),
            ..SubflowOptions::default()
        };
        let mut client = with_options(options);
        client.version = version;
        let mut net = Net::new(1);
        let to = SocketAddr::new(v4(SERVER, 0), PORT);
        net.connect([client, ConnectionConfig::default()], to);
        let syns: Vec<u16> = net
            .sent
            .iter()
            .filter(|s| s.is_syn())
            .map(Sent::announced_mss)
            .collect();
        assert_eq!(syns[..2], [600, 1460]);
        net.sent.clear();
        for host in [CLIENT, SERVER] {
            net.write(host, &[1; 50_000]);
        }
        net.run_ms(2000);
        assert_eq!(net.received[SERVER].len(), 50_000 + 13);
        assert_eq!(net.received[CLIENT].len(), 50_000 + 8);
        let longest = |net: &Net, host| {
            let sent = net.sent.iter().filter(|sent| sent.host == host);
            sent.map(|sent| sent.tcp().len() - 20).max().unwrap()
        };
        // The MSS counts payload and options (RFC 6691).
        assert_eq!([longest(&net, CLIENT), longest(&net, SERVER)], [600, 600]);
    }
}

#[test]
fn an_mss_clamp_of_a_subflow_that_lives_comes_and_goes() {
    let mut net = Net::new(1);
    let to = SocketAddr::new(v4(SERVER, 0), PORT);
    net.connect(
        [ConnectionConfig::default(), ConnectionConfig::default()],
        to,
    );
    let id = net.id(CLIENT);
    let mut longest = Vec::new();
    for clamp in [None, Some(700), Some(1), None] {
        let change = SubflowChange::MssClamp(clamp);
        let now = net.now;
        net.hosts[CLIENT]
            .set_subflow_options(now, id, None, change)
            .unwrap();
        net.sent.clear();
        net.write(CLIENT, &[1; 100_000]);
        net.run_ms(3000);
        let ours = net.sent.iter().filter(|sent| sent.host == CLIENT);
        longest.push(ours.map(|sent| sent.tcp().len() - 20).max().unwrap());
    }
    assert_eq!(longest, [1460, 700, 88, 1460]);
    assert_eq!(net.received[SERVER].len(), 400_000 + 13);
}

#[test]
fn congestion_control_changes_and_the_window_stays() {
    let mut net = Net::new(1);
    let to = SocketAddr::new(v4(SERVER, 0), PORT);
    net.connect(
        [ConnectionConfig::default(), ConnectionConfig::default()],
        to,
    );
    let id = net.id(CLIENT);
    for algorithm in [CongestionAlgorithm::NewReno, CongestionAlgorithm::Cubic] {
        net.write(CLIENT, &[1; 120_000]);
        net.run_ms(20);
        let before = net.open(CLIENT)[0].clone();
        let now = net.now;
        let change = SubflowChange::Congestion(algorithm);
        net.hosts[CLIENT]
            .set_subflow_options(now, id, None, change)
            .unwrap();
        let after = net.open(CLIENT)[0].clone();
        assert_ne!(before.congestion, after.congestion);
        assert_eq!(after.congestion, algorithm);
        assert_eq!((after.cwnd, after.ssthresh), (before.cwnd, before.ssthresh));
        net.run_ms(1000);
    }
    assert_eq!(net.received[SERVER].len(), 240_000 + 13);
}

#[test]
fn keepalive_of_one_subflow_leaves_the_others_alone() {
    let mut net = Net::new(2);
    let config = ConnectionConfig {
        max_subflows: 2,
        version: Version::V1,
        ..ConnectionConfig::default()
    };
    net.connect(
        [config.clone(), config],
        SocketAddr::new(v4(SERVER, 0), PORT),
    );
    let id = net.id(CLIENT);
    let second = net.open(CLIENT)[1].clone();
    let keepalive = Keepalive {
        idle: Duration::from_secs(5),
        ..Keepalive::default()
    };
    let change = SubflowChange::Keepalive(Some(keepalive));
    let now = net.now;
    net.hosts[CLIENT]
        .set_subflow_options(now, id, Some(second.id), change)
        .unwrap();
    net.sent.clear();
    net.run_ms(12_000);
    let ours: Vec<_> = net.sent.iter().filter(|sent| sent.host == CLIENT).collect();
    assert_eq!(ours.len(), 2);
    assert!(ours.iter().all(|sent| sent.source() == second.local.ip()));
}
