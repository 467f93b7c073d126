//! The Linux kernel's MPTCP and TCP as peers, in both roles, over TUN devices.

use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use umptcp::{
    ConnectionConfig, ConnectionProtocol, EndpointConfig, MptcpStream, Network, Stack, SynCookies,
    Version,
};
use umptcp_lab::demo::{self, DemoOptions, Direction, LinkChoice, Peer, Report};
use umptcp_lab::kernel::{self, Counters, KernelProtocol, PathManager, Use};
use umptcp_lab::payload::{Pattern, Payload};
use umptcp_lab::topology::{AddressPlan, Family, TunPaths};
use umptcp_tests::flow::{LIMIT, receive, send};
use umptcp_tests::privilege::in_private_network;

const MIB: u64 = 1 << 20;
const PORT: u16 = 5001;

#[test]
fn the_path_manager_takes_limits_and_endpoints() {
    in_private_network(|| {
        kernel::prepare_mptcp(8).expect("seven additional subflows");
        let manager = PathManager::open().expect("path manager");
        for family in [Family::V4, Family::V6] {
            let address = AddressPlan::new(family, 1).kernel(1);
            manager
                .add_endpoint(address, Use::Subflow)
                .expect("endpoint");
            // It has taken it: the same again is one too many.
            let again = manager
                .add_endpoint(address, Use::Subflow)
                .expect_err("twice the same");
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "{again}");
        }
        manager
            .set_limits(9, 0)
            .expect_err("above the kernel's maximum");
    });
}

#[test]
fn the_counters_see_a_connection_of_the_kernel_with_itself() {
    in_private_network(|| {
        Runtime::new().expect("runtime").block_on(async {
            let network = Network::connect().await.expect("netlink");
            network.set_up("lo").await.expect("loopback");
        });
        kernel::prepare_mptcp(2).expect("MPTCP");
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = kernel::listen(KernelProtocol::Mptcp, loopback).expect("listen");
        let remote = listener.local_addr().expect("address");
        let client = kernel::connect(KernelProtocol::Mptcp, None, remote, LIMIT).expect("connect");
        let accepted = listener.accept().expect("accept");
        let counters = Counters::read().expect("counters");
        assert_eq!(
            counters.get("MPCapableSYNRX"),
            1,
            "{:?}",
            counters.nonzero()
        );
        assert_eq!(
            counters.get("MPCapableACKRX"),
            1,
            "{:?}",
            counters.nonzero()
        );
        drop((client, accepted));
    });
}

/// Our client, the kernel as server: the demonstration itself.
fn to_kernel_server(
    direction: Direction,
    family: Family,
    paths: usize,
    change: impl FnOnce(&mut DemoOptions) + Send + 'static,
) {
    in_private_network(move || {
        let len = 16 * MIB;
        let mut options = DemoOptions::new(Payload::generated(1, len));
        options.links = LinkChoice::Tun;
        options.version = Version::V1;
        options.peer = Peer::Kernel(direction);
        options.family = family;
        options.paths = paths;
        change(&mut options);
        let report = demo::run(&options, &mut ()).expect("transfer");
        println!("{report}");
        // The thread is in the namespace of the run now, and the counters are that namespace's.
        let counters = Counters::read().expect("counters");
        assert!(report.intact);
        assert_eq!((report.bytes, report.version), (len, Some(1)));
        assert_eq!(report.checksum, options.checksum);
        assert_subflows(&report, paths);
        let joins = paths as u64 - 1;
        assert_counted(
            &counters,
            &[
                ("MPCapableSYNRX", 1),
                ("MPCapableACKRX", 1),
                ("MPJoinSynRx", joins),
                ("MPJoinAckRx", joins),
            ],
        );
        assert_no_trouble(&counters);
    });
}

fn assert_subflows(report: &Report, paths: usize) {
    let mut used: Vec<Option<usize>> = report.subflows.iter().map(|subflow| subflow.path).collect();
    used.sort_unstable();
    assert_eq!(used, (0..paths).map(Some).collect::<Vec<_>>());
    assert!(report.subflows.iter().all(|subflow| subflow.bytes > 0));
}

fn assert_counted(counters: &Counters, expected: &[(&str, u64)]) {
    for &(name, count) in expected {
        assert_eq!(
            counters.get(name),
            count,
            "{name} of {:?}",
            counters.nonzero()
        );
    }
}

/// What a peer that follows the RFC never makes the kernel count.
fn assert_no_trouble(counters: &Counters) {
    for name in [
        "MPCapableFallbackACK",
        "MPCapableFallbackSYNACK",
        "MPFallbackTokenInit",
        "MPJoinNoTokenFound",
        "MPJoinSynAckHMacFailure",
        "MPJoinAckHMacFailure",
        "DSSNotMatching",
        "DSSCorruptionFallback",
        "DSSCorruptionReset",
        "InfiniteMapTx",
        "InfiniteMapRx",
        "DSSNoMatchTCP",
        "DataCsumErr",
        "MPFailTx",
        "MPFailRx",
        "MPFastcloseTx",
        "MPFastcloseRx",
        "AddAddrDrop",
        "RmAddrDrop",
        "DssFallback",
        "MPCapableDataFallback",
        "MD5SigFallback",
        "SimultConnectFallback",
        "FallbackFailed",
    ] {
        assert_eq!(counters.get(name), 0, "{name} of {:?}", counters.nonzero());
    }
}

#[test]
fn our_client_sends_to_a_kernel_server_over_one_subflow() {
    to_kernel_server(Direction::ToKernel, Family::V4, 1, |_| {});
}

#[test]
fn our_client_sends_to_a_kernel_server_over_two_subflows() {
    for family in [Family::V4, Family::V6] {
        to_kernel_server(Direction::ToKernel, family, 2, |_| {});
    }
}

#[test]
fn our_client_receives_from_a_kernel_server_over_one_subflow() {
    to_kernel_server(Direction::FromKernel, Family::V4, 1, |_| {});
}

#[test]
fn our_client_receives_from_a_kernel_server_over_two_subflows() {
    for family in [Family::V4, Family::V6] {
        to_kernel_server(Direction::FromKernel, family, 2, |_| {});
    }
}

#[test]
fn checksums_are_agreed_on_with_a_kernel_server() {
    for direction in [Direction::ToKernel, Direction::FromKernel] {
        to_kernel_server(direction, Family::V4, 2, |options| options.checksum = true);
    }
}

#[test]
fn a_kernel_server_takes_as_many_subflows_as_it_can() {
    to_kernel_server(Direction::ToKernel, Family::V4, 8, |_| {});
}

/// How the kernel comes to its second subflow.
#[derive(Clone, Copy, PartialEq)]
enum Second {
    /// It does not.
    None,
    /// From an address of its own that it was given as an endpoint.
    Endpoint,
    /// To an address that our server announces.
    Announced,
}

/// A connection from a kernel client to a server of ours, and what both sides know of it.
struct Accepted {
    stream: MptcpStream,
    kernel: TcpStream,
    _paths: TunPaths,
    _stack: Stack,
}

async fn kernel_client(
    protocol: KernelProtocol,
    family: Family,
    second: Second,
    config: ConnectionConfig,
    endpoint: EndpointConfig,
) -> Accepted {
    kernel::prepare_mptcp(1).expect("MPTCP");
    let manager = PathManager::open().expect("path manager");
    let plan = AddressPlan::new(family, 2);
    let (paths, interfaces) = TunPaths::to_kernel(plan, 2).await.expect("paths");
    match second {
        Second::None => {}
        Second::Endpoint => {
            manager.set_limits(1, 0).expect("limits");
            manager
                .add_endpoint(plan.kernel(1), Use::Subflow)
                .expect("endpoint");
        }
        Second::Announced => manager.set_limits(1, 1).expect("limits"),
    }
    let mut stack = Stack::builder().config(endpoint);
    for (device, address) in interfaces {
        stack = stack.interface(device, [address]);
    }
    let stack = stack.start().expect("stack");
    let here = SocketAddr::new(plan.client(0), PORT);
    let listener = stack.listen(here, config).expect("listen");
    let from = SocketAddr::new(plan.kernel(0), 0);
    // The kernel's connect blocks; the namespace is that of this thread and those it starts.
    let connecting = thread::spawn(move || {
        let stream = kernel::connect(protocol, Some(from), here, LIMIT).expect("connect");
        stream.set_nonblocking(true).expect("nonblocking");
        stream
    });
    let accepted = timeout(LIMIT, listener.accept())
        .await
        .expect("nobody comes");
    let stream = accepted.expect("accept").0;
    let kernel = connecting.join().expect("connecting thread");
    let kernel = TcpStream::from_std(kernel).expect("stream of the runtime");
    Accepted {
        stream,
        kernel,
        _paths: paths,
        _stack: stack,
    }
}

/// Both directions at once over a connection that a kernel client made.
fn from_kernel_client(
    protocol: KernelProtocol,
    family: Family,
    second: Second,
    config: ConnectionConfig,
    expected: ConnectionProtocol,
) {
    let endpoint = EndpointConfig::default();
    from_kernel_client_to(endpoint, protocol, family, second, config, expected);
}

/// The same, to a stack with these settings.
fn from_kernel_client_to(
    endpoint: EndpointConfig,
    protocol: KernelProtocol,
    family: Family,
    second: Second,
    config: ConnectionConfig,
    expected: ConnectionProtocol,
) {
    in_private_network(move || {
        Runtime::new().expect("runtime").block_on(async {
            let mut ends = kernel_client(protocol, family, second, config, endpoint).await;
            let joins = usize::from(second != Second::None && expected != ConnectionProtocol::Tcp);
            // The kernel joins from a work queue, and a join that meets a full queue of a device
            // is repeated only after a second: by then the transfer could be over.
            subflows_are_up(&ends.stream, 1 + joins).await;
            exchange_both_ways(&mut ends.stream, &mut ends.kernel).await;
            assert_eq!(ends.stream.info().protocol, expected);
            let subflows = ends.stream.subflows();
            let counters = Counters::read().expect("counters");
            let joins = u64::from(second != Second::None);
            assert_eq!(subflows.len() as u64, 1 + joins, "{subflows:?}");
            if expected != ConnectionProtocol::Tcp {
                assert!(
                    subflows.iter().all(|subflow| subflow.bytes_sent > 0),
                    "{subflows:?}"
                );
                assert_counted(
                    &counters,
                    &[
                        ("MPCapableSYNTX", 1),
                        ("MPCapableSYNACKRX", 1),
                        ("MPJoinSynTx", joins),
                        ("MPJoinSynAckRx", joins),
                    ],
                );
                assert!(second != Second::Announced || counters.get("AddAddr") > 0);
                assert_no_trouble(&counters);
            }
        });
    });
}

/// Waits until so many subflows have completed their handshakes.
async fn subflows_are_up(stream: &MptcpStream, count: usize) {
    let waiting = async {
        while stream
            .subflows()
            .iter()
            .filter(|s| s.state.can_send())
            .count()
            < count
        {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = timeout(LIMIT, waiting).await;
    assert!(waited.is_ok(), "no join: {:?}", stream.subflows());
}

/// Sends different bytes both ways at the same time.
async fn exchange_both_ways(ours: &mut MptcpStream, kernel: &mut TcpStream) {
    let len = 16 * MIB;
    let (there, back) = (Pattern::new(1), Pattern::new(2));
    let (mut our_reader, mut our_writer) = tokio::io::split(ours);
    let (mut kernel_reader, mut kernel_writer) = kernel.split();
    tokio::join!(
        send(&mut our_writer, there, len),
        receive(&mut kernel_reader, there, len),
        send(&mut kernel_writer, back, len),
        receive(&mut our_reader, back, len),
    );
}

const VERSION_1: ConnectionProtocol = ConnectionProtocol::Mptcp(Version::V1);

#[test]
fn a_kernel_client_is_served_over_one_subflow() {
    let config = ConnectionConfig {
        max_subflows: 1,
        ..ConnectionConfig::default()
    };
    from_kernel_client(
        KernelProtocol::Mptcp,
        Family::V4,
        Second::None,
        config,
        VERSION_1,
    );
}

#[test]
fn a_kernel_client_joins_from_a_second_address() {
    for family in [Family::V4, Family::V6] {
        let config = ConnectionConfig::default();
        from_kernel_client(
            KernelProtocol::Mptcp,
            family,
            Second::Endpoint,
            config,
            VERSION_1,
        );
    }
}

#[test]
fn a_kernel_client_joins_an_announced_address() {
    for family in [Family::V4, Family::V6] {
        let config = ConnectionConfig::default();
        from_kernel_client(
            KernelProtocol::Mptcp,
            family,
            Second::Announced,
            config,
            VERSION_1,
        );
    }
}

/// Stateless handshakes: the kernel sees no difference, with MPTCP and without.
#[test]
fn a_kernel_client_is_served_with_syn_cookies() {
    let tcp = (KernelProtocol::Tcp, Second::None, ConnectionProtocol::Tcp);
    let mptcp = (KernelProtocol::Mptcp, Second::Endpoint, VERSION_1);
    for family in [Family::V4, Family::V6] {
        for (protocol, second, expected) in [tcp, mptcp] {
            let endpoint = EndpointConfig {
                syn_cookies: SynCookies::Always,
                ..EndpointConfig::default()
            };
            let config = ConnectionConfig::default();
            from_kernel_client_to(endpoint, protocol, family, second, config, expected);
        }
    }
}

#[test]
fn a_kernel_client_without_mptcp_is_served_over_tcp() {
    for family in [Family::V4, Family::V6] {
        let config = ConnectionConfig::default();
        let tcp = ConnectionProtocol::Tcp;
        from_kernel_client(KernelProtocol::Tcp, family, Second::None, config, tcp);
    }
}

#[test]
fn a_server_without_mptcp_serves_a_kernel_client_over_tcp() {
    let config = ConnectionConfig {
        mptcp: false,
        ..ConnectionConfig::default()
    };
    let tcp = ConnectionProtocol::Tcp;
    from_kernel_client(KernelProtocol::Mptcp, Family::V4, Second::None, config, tcp);
}

#[test]
fn our_client_falls_back_to_tcp_with_a_kernel_server_without_mptcp() {
    for version in [Version::V0, Version::V1] {
        to_tcp_server(ConnectionConfig {
            version,
            ..ConnectionConfig::default()
        });
    }
}

#[test]
fn our_client_speaks_tcp_when_told_to() {
    to_tcp_server(ConnectionConfig {
        mptcp: false,
        ..ConnectionConfig::default()
    });
}

fn to_tcp_server(config: ConnectionConfig) {
    in_private_network(move || {
        Runtime::new().expect("runtime").block_on(async {
            let plan = AddressPlan::new(Family::V4, 2);
            let (_paths, interfaces) = TunPaths::to_kernel(plan, 1).await.expect("paths");
            let mut stack = Stack::builder();
            for (device, address) in interfaces {
                stack = stack.interface(device, [address]);
            }
            let stack = stack.start().expect("stack");
            let there = SocketAddr::new(plan.kernel(0), PORT);
            let listener = kernel::listen(KernelProtocol::Tcp, there).expect("listen");
            listener.set_nonblocking(true).expect("nonblocking");
            let listener = tokio::net::TcpListener::from_std(listener).expect("listener");
            let both = async {
                tokio::try_join!(stack.connect_with(None, there, config), listener.accept())
            };
            let both = timeout(LIMIT, both)
                .await
                .expect("they do not come together");
            let (mut ours, (mut kernel, _)) = both.expect("connection");
            exchange_both_ways(&mut ours, &mut kernel).await;
            assert_eq!(ours.info().protocol, ConnectionProtocol::Tcp);
            assert_eq!(ours.subflows().len(), 1);
        });
    });
}
