//! Path MTU discovery with a real router: the kernel refuses what is too long for a device behind
//! it, and says so.

use std::net::{IpAddr, SocketAddr};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use umptcp::{ConnectionConfig, MptcpStream, Network, Stack, TunDevice, Version};
use umptcp_lab::payload::Pattern;
use umptcp_lab::topology::{AddressPlan, Family, Interfaces, TunPaths};
use umptcp_tests::flow::{LIMIT, receive, send};
use umptcp_tests::privilege::in_private_network;

const MIB: u64 = 1 << 20;
const PORT: u16 = 5001;

fn start(interfaces: Interfaces<TunDevice>) -> Stack {
    let stack = interfaces
        .into_iter()
        .fold(Stack::builder(), |stack, (device, address)| {
            stack.interface(device, [address])
        });
    stack.start().expect("stack")
}

/// Sends to the server and back; returns where the client's subflows lead, with the path MTUs that
/// it has found there.
async fn exchange(client: &mut MptcpStream, server: &mut MptcpStream) -> Vec<(IpAddr, usize)> {
    let (there, back) = (Pattern::new(7), Pattern::new(8));
    tokio::join!(
        send(client, there, 8 * MIB),
        receive(server, there, 8 * MIB)
    );
    tokio::join!(send(server, back, MIB), receive(client, back, MIB));
    let subflows = client.subflows();
    let found = subflows
        .iter()
        .map(|subflow| (subflow.remote.ip(), subflow.path_mtu));
    found.collect()
}

/// Two paths; the server's device of the second carries only 1300 bytes.
fn behind_a_narrow_device(family: Family, version: Version) {
    in_private_network(move || {
        Runtime::new().expect("runtime").block_on(async {
            let plan = AddressPlan::new(family, 2);
            let (_paths, clients, servers) = TunPaths::between_stacks(plan).await.expect("paths");
            let network = Network::connect().await.expect("netlink");
            // What the errors come from.
            let prefix = family.host_prefix();
            let router = network.add_address("lo", plan.kernel(0), prefix);
            router.await.expect("an address for the router");
            let (server, client) = (start(servers), start(clients));
            // Only now, so that the server announces the MSS of its own device as it was.
            let narrow = plan.server_device(1);
            network.set_mtu(&narrow, 1300).await.expect("MTU");
            let config = ConnectionConfig {
                version,
                max_subflows: 2,
                ..ConnectionConfig::default()
            };
            let listen = SocketAddr::new(plan.server(1), PORT);
            let listener = server.listen(listen, config.clone()).expect("listen");
            let local = SocketAddr::new(plan.client(1), 0);
            let connecting = async {
                tokio::try_join!(
                    client.connect_with(Some(local), listen, config),
                    listener.accept()
                )
            };
            let connected = timeout(LIMIT, connecting).await.expect("connecting hangs");
            let (mut near, (mut far, _)) = connected.expect("connected");
            let found = exchange(&mut near, &mut far).await;
            assert_eq!(found[0], (plan.server(1), 1300), "{found:?}");
            for &(remote, mtu) in &found {
                let expected = if remote == plan.server(1) { 1300 } else { 1500 };
                assert!(mtu == expected, "{found:?}");
            }
            let stats = client.stats();
            assert!(stats.icmp_errors > 0, "{stats:?}");
        });
    });
}

#[test]
fn the_kernel_refuses_what_is_too_long_with_ipv4() {
    for version in [Version::V0, Version::V1] {
        behind_a_narrow_device(Family::V4, version);
    }
}

#[test]
fn the_kernel_refuses_what_is_too_long_with_ipv6() {
    for version in [Version::V0, Version::V1] {
        behind_a_narrow_device(Family::V6, version);
    }
}
