//! Requests to a kernel whose network namespace belongs to the test.

use super::*;
use crate::namespace::in_network_namespace;
use std::future::poll_fn;
use std::time::Duration;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The kernel's own list of IPv4 routes, in the namespace of this thread.
fn routes() -> String {
    std::fs::read_to_string("/proc/thread-self/net/route").expect("the kernel's routes")
}

#[test]
fn the_loopback_link_goes_up_and_down() {
    in_network_namespace(|| async {
        let network = Network::connect().await.unwrap();
        let mut watcher = LinkWatcher::new("lo").unwrap();
        let mut next = async || {
            let state = poll_fn(|cx| watcher.poll_state(cx));
            tokio::time::timeout(Duration::from_secs(10), state)
                .await
                .expect("a link event")
        };
        assert!(!next().await, "a new namespace's loopback is down");
        network.set_up("lo").await.unwrap();
        assert!(next().await);
        network.set_down("lo").await.unwrap();
        assert!(!next().await);
        network.set_up("lo").await.unwrap();
        assert!(next().await);
    });
}

#[test]
fn a_watcher_of_no_link_says_that_it_is_down() {
    in_network_namespace(|| async {
        let mut watcher = LinkWatcher::new("none0").unwrap();
        assert!(!poll_fn(|cx| watcher.poll_state(cx)).await);
    });
}

#[test]
fn addresses_can_be_bound_while_they_are_there() {
    in_network_namespace(|| async {
        let network = Network::connect().await.unwrap();
        network.set_up("lo").await.unwrap();
        for (address, prefix) in [(ip("192.0.2.7"), 24), (ip("2001:db8::7"), 64)] {
            let bind = || std::net::UdpSocket::bind((address, 0));
            assert_eq!(bind().unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
            network.add_address("lo", address, prefix).await.unwrap();
            bind().unwrap();
            let again = network
                .add_address("lo", address, prefix)
                .await
                .unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists, "{again}");
            network.remove_address("lo", address, prefix).await.unwrap();
            assert_eq!(bind().unwrap_err().kind(), io::ErrorKind::AddrNotAvailable);
        }
    });
}

/// Whether the kernel has a local route to 2001:db8::7, as /proc writes it.
fn is_local_for_the_kernel() -> bool {
    const LOCAL: u32 = 0x8000_0000;
    let routes = std::fs::read_to_string("/proc/thread-self/net/ipv6_route").unwrap();
    routes.lines().any(|route| {
        let fields: Vec<&str> = route.split_whitespace().collect();
        fields[0] == "20010db8000000000000000000000007"
            && u32::from_str_radix(fields[8], 16).unwrap() & LOCAL != 0
    })
}

#[test]
fn an_ipv6_address_is_the_kernels_own_when_it_has_been_added() {
    in_network_namespace(|| async {
        let network = Network::connect().await.unwrap();
        // Without waiting the kernel is late one time in some twenty.
        for round in 0..200 {
            // On a link that is down as well.
            if round == 100 {
                network.set_up("lo").await.unwrap();
            }
            let address = ip("2001:db8::7");
            network.add_address("lo", address, 128).await.unwrap();
            assert!(is_local_for_the_kernel(), "round {round}");
            network.remove_address("lo", address, 128).await.unwrap();
        }
    });
}

#[test]
fn routes_come_and_go() {
    in_network_namespace(|| async {
        let network = Network::connect().await.unwrap();
        network.set_up("lo").await.unwrap();
        // 198.51.100.0 as /proc writes it.
        let listed = "006433C6";
        assert!(!routes().contains(listed));
        network
            .add_route(ip("198.51.100.0"), 24, "lo")
            .await
            .unwrap();
        assert!(routes().contains(listed), "{}", routes());
        network
            .remove_route(ip("198.51.100.0"), 24, "lo")
            .await
            .unwrap();
        assert!(!routes().contains(listed));
        network
            .add_route(ip("2001:db8:1::"), 48, "lo")
            .await
            .unwrap();
        network
            .remove_route(ip("2001:db8:1::"), 48, "lo")
            .await
            .unwrap();
    });
}

#[test]
fn mtu_and_queue_length_are_set() {
    in_network_namespace(|| async {
        let network = Network::connect().await.unwrap();
        network.set_mtu("lo", 1280).await.unwrap();
        network.set_queue_length("lo", 77).await.unwrap();
        let mut links = Box::pin(network.handle.link().get().match_name("lo").execute());
        let link = links.next().await.unwrap().unwrap();
        use rtnetlink::packet_route::link::LinkAttribute;
        assert!(link.attributes.contains(&LinkAttribute::Mtu(1280)));
        assert!(link.attributes.contains(&LinkAttribute::TxQueueLen(77)));
    });
}

#[test]
fn errors_name_the_link_and_what_failed() {
    in_network_namespace(|| async {
        let network = Network::connect().await.unwrap();
        for (error, what) in [
            (network.set_up("none0").await.unwrap_err(), "bring it up"),
            (
                network
                    .add_address("none0", ip("192.0.2.1"), 24)
                    .await
                    .unwrap_err(),
                "192.0.2.1/24",
            ),
            (
                network
                    .add_route(ip("192.0.2.0"), 24, "none0")
                    .await
                    .unwrap_err(),
                "192.0.2.0/24",
            ),
        ] {
            let text = error.to_string();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{text}");
            assert!(text.contains("none0") && text.contains(what), "{text}");
        }
        let error = network
            .add_address("lo", ip("192.0.2.1"), 33)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let error = network
            .add_route(ip("192.0.2.0"), 33, "lo")
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    });
}
