//! What the rows are measured with: the kernel's path manager and its counters.

use std::io;
use std::net::SocketAddr;
use tokio::runtime::Runtime;
use umptcp::Network;
use umptcp_lab::kernel::{self, Counters, KernelEndpoint, KernelProtocol, PathManager, Use};
use umptcp_lab::topology::{AddressPlan, Family};
use umptcp_tests::flow::LIMIT;
use umptcp_tests::privilege::in_private_network;

#[test]
fn the_path_manager_takes_limits_and_endpoints() {
    in_private_network(|| {
        kernel::prepare_mptcp(8).expect("seven additional subflows");
        let manager = PathManager::open().expect("path manager");
        for (family, id) in [(Family::V4, 1), (Family::V6, 2)] {
            let address = AddressPlan::new(family, 1).kernel(1);
            let endpoint = KernelEndpoint::new(id, address);
            manager.set_backup(endpoint, true).expect_err("not there");
            manager.add_endpoint(endpoint, Use::SUBFLOW).expect("added");
            // It has taken it: the same again is one too many.
            let again = KernelEndpoint::new(9, address);
            let again = manager.add_endpoint(again, Use::SUBFLOW);
            let again = again.expect_err("twice the same");
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "{again}");
            manager.set_backup(endpoint, true).expect("there");
            manager.remove_endpoint(endpoint).expect("there");
            manager.remove_endpoint(endpoint).expect_err("gone");
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
        for name in ["MPCapableSYNRX", "MPCapableACKRX"] {
            assert_eq!(counters.get(name), 1, "{:?}", counters.nonzero());
        }
        drop((client, accepted));
    });
}
