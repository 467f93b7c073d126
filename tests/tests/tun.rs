//! Two stacks of ours over TUN devices, with the Linux kernel routing between them.

use bytes::Bytes;
use std::fs;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use umptcp::{Device, TunDevice};
use umptcp_lab::demo::{self, Cut, DemoOptions, LinkChoice, Links, Report};
use umptcp_lab::payload::Payload;
use umptcp_lab::topology::{AddressPlan, Family, TunPaths, namespace};
use umptcp_stack::base::seq::SeqNum;
use umptcp_stack::wire::packet::{
    self, Flags, FourTuple, SegmentHeader, Transmit, TransmitChecksum,
};
use umptcp_stack::{
    ChecksumStatus, Endpoint, EndpointConfig, InterfaceConfig, ReceivedPacket, Version,
};
use umptcp_tests::flow::LIMIT;
use umptcp_tests::privilege::in_private_network;

const MIB: u64 = 1 << 20;

#[test]
fn a_private_network_starts_with_nothing_but_loopback() {
    let outside = fs::read_link("/proc/thread-self/ns/net").expect("namespace of the thread");
    in_private_network(move || {
        let inside = fs::read_link("/proc/thread-self/ns/net").expect("namespace of the thread");
        assert_ne!(outside, inside);
        let devices = fs::read_to_string("/proc/thread-self/net/dev").expect("device list");
        // Two lines of headings, then one for each device.
        let names: Vec<&str> = devices
            .lines()
            .skip(2)
            .filter_map(|line| line.trim().split(':').next())
            .collect();
        assert_eq!(names, ["lo"]);
        namespace::make_router().expect("settings of the private network");
        assert_eq!(
            namespace::setting("net/ipv4/ip_forward").as_deref(),
            Some("1")
        );
        assert_eq!(
            namespace::setting("net/ipv6/conf/all/forwarding").as_deref(),
            Some("1")
        );
    });
}

#[test]
fn the_kernel_forwards_from_every_path_to_every_other() {
    for family in [Family::V4, Family::V6] {
        in_private_network(move || {
            Runtime::new().expect("runtime").block_on(async {
                let plan = AddressPlan::new(family, 2);
                let (_paths, mut clients, mut servers) =
                    TunPaths::between_stacks(plan).await.expect("paths");
                for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let (client, server) = (plan.client(from), plan.server(to));
                    clients[from].0.send(&syn(client, server)).expect("sent");
                    assert_eq!(arrival(&mut servers[to].0).await, (client, server));
                    servers[to].0.send(&syn(server, client)).expect("sent");
                    assert_eq!(arrival(&mut clients[from].0).await, (server, client));
                }
            });
        });
    }
}

#[test]
fn a_path_that_was_cut_carries_again_once_it_is_healed() {
    for family in [Family::V4, Family::V6] {
        in_private_network(move || {
            Runtime::new().expect("runtime").block_on(async {
                let plan = AddressPlan::new(family, 2);
                let (paths, mut clients, mut servers) =
                    TunPaths::between_stacks(plan).await.expect("paths");
                let (client, server) = (plan.client(0), plan.server(0));
                paths.cut(0).await.expect("cut");
                clients[0]
                    .0
                    .send(&syn(client, server))
                    .expect_err("the link is down");
                paths.heal(0).await.expect("healed");
                clients[0].0.send(&syn(client, server)).expect("sent");
                assert_eq!(arrival(&mut servers[0].0).await, (client, server));
            });
        });
    }
}

/// A SYN without options.
fn syn(from: IpAddr, to: IpAddr) -> Transmit {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), [0; 32]);
    let interface = endpoint.add_interface(InterfaceConfig::default());
    let header = SegmentHeader {
        traffic_class: 0,
        hop_limit: 64,
        ecn_capable: false,
        tuple: FourTuple {
            local: SocketAddr::new(from, 1),
            remote: SocketAddr::new(to, 2),
        },
        seq: SeqNum(0),
        ack: None,
        flags: Flags {
            syn: true,
            ..Flags::default()
        },
        window: 0,
        options: &[],
    };
    let checksum = TransmitChecksum::Complete;
    packet::emit(
        interface,
        &header,
        packet::Payload::new(),
        None,
        checksum,
        None,
    )
}

/// Source and destination of the next TCP segment from a device.
async fn arrival(device: &mut TunDevice) -> (IpAddr, IpAddr) {
    let mut buffer = [0; 2000];
    loop {
        let receiving = poll_fn(|cx| device.poll_recv(cx, &mut buffer));
        let len = timeout(LIMIT, receiving)
            .await
            .expect("nothing arrives")
            .expect("received");
        let data = Bytes::copy_from_slice(&buffer[..len]);
        let packet = ReceivedPacket {
            data,
            checksum: ChecksumStatus::Unverified,
        };
        // The kernel may have something of its own to say, such as multicast reports.
        if let Ok(segment) = packet::parse(&packet) {
            return (segment.tuple.remote.ip(), segment.tuple.local.ip());
        }
    }
}

/// Runs one transfer of the demonstration over TUN devices, in a namespace of its own.
fn transfer(
    len: u64,
    change: impl FnOnce(&mut DemoOptions) + Send + 'static,
    check: impl FnOnce(&Report) + Send + 'static,
) {
    in_private_network(move || {
        let mut options = DemoOptions::new(Payload::generated(1, len));
        options.links = LinkChoice::Tun;
        change(&mut options);
        let report = demo::run(&options, &mut ()).expect("transfer");
        println!("{report}");
        assert!(report.intact);
        assert_eq!((report.links, report.bytes), (Links::Tun, len));
        assert_eq!(
            report.version,
            Some(options.version.number()),
            "no fallback to TCP"
        );
        assert_eq!(report.checksum, options.checksum);
        check(&report);
    });
}

/// Each path has a subflow of its own, from end to end, and all of them carried data.
fn assert_spread(report: &Report, family: Family, paths: usize) {
    let plan = AddressPlan::new(family, paths);
    let mut used: Vec<(IpAddr, IpAddr)> = report
        .subflows
        .iter()
        .map(|subflow| (subflow.local.ip(), subflow.remote.ip()))
        .collect();
    used.sort_unstable();
    let expected: Vec<(IpAddr, IpAddr)> = (0..paths)
        .map(|path| (plan.client(path), plan.server(path)))
        .collect();
    assert_eq!(used, expected);
    assert!(report.subflows.iter().all(|subflow| subflow.bytes > 0));
}

#[test]
fn version_0_over_one_path() {
    transfer(
        16 * MIB,
        |options| options.paths = 1,
        |report| assert_spread(report, Family::V4, 1),
    );
}

#[test]
fn version_0_over_two_paths() {
    transfer(
        32 * MIB,
        |_| {},
        |report| assert_spread(report, Family::V4, 2),
    );
}

#[test]
fn version_0_over_two_paths_with_ipv6() {
    transfer(
        32 * MIB,
        |options| options.family = Family::V6,
        |report| assert_spread(report, Family::V6, 2),
    );
}

#[test]
fn version_0_with_checksums() {
    transfer(
        32 * MIB,
        |options| options.checksum = true,
        |report| {
            assert_spread(report, Family::V4, 2);
        },
    );
}

#[test]
fn version_0_over_eight_paths() {
    transfer(
        64 * MIB,
        |options| options.paths = 8,
        |report| assert_spread(report, Family::V4, 8),
    );
}

#[test]
fn version_1_over_one_path() {
    transfer(
        16 * MIB,
        |options| {
            options.version = Version::V1;
            options.paths = 1;
        },
        |report| assert_spread(report, Family::V4, 1),
    );
}

#[test]
fn version_1_over_two_paths() {
    transfer(
        32 * MIB,
        |options| options.version = Version::V1,
        |report| {
            assert_spread(report, Family::V4, 2);
        },
    );
}

#[test]
fn version_1_over_two_paths_with_ipv6_and_checksums() {
    transfer(
        32 * MIB,
        |options| {
            options.version = Version::V1;
            options.family = Family::V6;
            options.checksum = true;
        },
        |report| assert_spread(report, Family::V6, 2),
    );
}

#[test]
fn nothing_and_next_to_nothing_arrive() {
    for version in [Version::V0, Version::V1] {
        for len in [0, 1, 65_537] {
            transfer(len, move |options| options.version = version, |_| {});
        }
    }
}

#[test]
fn the_transfer_outlives_either_path() {
    for version in [Version::V0, Version::V1] {
        for path in [0, 1] {
            transfer(
                128 * MIB,
                move |options| {
                    options.version = version;
                    options.cuts = vec![Cut {
                        path,
                        at: Duration::from_millis(40),
                    }];
                },
                move |report| assert_cut_in_time(report, path),
            );
        }
    }
}

#[test]
fn the_transfer_outlives_a_path_with_ipv6() {
    transfer(
        128 * MIB,
        |options| {
            options.family = Family::V6;
            options.cuts = vec![Cut {
                path: 0,
                at: Duration::from_millis(40),
            }];
        },
        |report| assert_cut_in_time(report, 0),
    );
}

/// The path had a subflow, it went down under way, and the other one carried the rest.
fn assert_cut_in_time(report: &Report, path: usize) {
    assert!(
        report.cuts.iter().all(|cut| cut.during_transfer),
        "the transfer was too short"
    );
    let on = |path| {
        report
            .subflows
            .iter()
            .find(move |subflow| subflow.path == Some(path))
    };
    let lost = on(path).expect("a subflow on the path that was cut");
    let kept = on(1 - path).expect("a subflow on the other path");
    assert!(lost.bytes < report.bytes && kept.bytes > lost.bytes);
}
