//! What the kernel's path manager does with its endpoints, and what ours makes of it: signal,
//! subflow, backup, fullmesh, announcements with a port, the C flag.

use crate::bed::Bed;
use crate::counts::Expected;
use crate::filter::{Filter, Way};
use crate::setup::{LEN, Opener, PeerKind, Setup};
use std::net::SocketAddr;
use umptcp_lab::kernel::{KernelEndpoint, Use};
use umptcp_lab::realtime::hosts::Socket;
use umptcp_tests::mptcp_capture::{ADD_ADDR, subtype_of_packet};

/// The listener announces its second address, and is joined there.
fn an_announced_address_is_joined(peer: PeerKind, opener: Opener, filter: Option<Filter>) {
    let setup = Setup::new(peer, opener).with(|setup| {
        match opener {
            Opener::Ours => {
                setup.peer_addresses = 2;
                setup.endpoints = vec![(1, Use::SIGNAL)];
            }
            Opener::Peer => setup.our_addresses = 2,
        }
        setup.settings = vec![("net/mptcp/add_addr_timeout", "1")];
        setup.filter = filter;
    });
    let lossy = setup.filter.is_some();
    setup.run(async move |bed: &mut Bed| {
        let mut ends = bed.connect().await;
        ends.greet().await;
        ends.subflows_are_up(2).await;
        let there = ends.ours.subflows()[1].clone();
        match opener {
            Opener::Ours => assert_eq!(there.remote.ip(), bed.peer_address(1)),
            Opener::Peer => assert_eq!(there.local.ip(), bed.our_address(1)),
        }
        let expected = Expected::connection(opener, 1).shows(ADD_ADDR, 1);
        let expected = match opener {
            Opener::Ours => {
                if peer == PeerKind::Kernel {
                    bed.peer_counts_to("EchoAdd", 1).await;
                }
                let sent = if lossy { 2 } else { 1 };
                expected.counts("AddAddrTx", sent).counts("EchoAdd", 1)
            }
            Opener::Peer => expected.counts("AddAddr", 1).counts("EchoAddTx", 1),
        };
        ends.exchange(LEN).await;
        expected
    });
}

#[test]
fn announced_addresses_are_joined() {
    for peer in PeerKind::MULTIPATH {
        for opener in Opener::BOTH {
            an_announced_address_is_joined(peer, opener, None);
        }
    }
}

/// Loses the first packet with ADD_ADDR or its echo that goes this way.
fn first_announcement(lost: Way) -> Filter {
    let mut done = false;
    Filter::new(move |way, packet| {
        let loses = !done && way == lost && subtype_of_packet(packet, ADD_ADDR);
        done |= loses;
        loses
    })
}

/// RFC 8684 §3.4.1: an announcement is repeated until it is echoed. Version 0 has no echo.
#[test]
fn lost_announcements_and_lost_echoes_are_repeated() {
    for opener in Opener::BOTH {
        for lost in [Way::ToPeer, Way::ToUs] {
            if opener == Opener::Peer && lost == Way::ToUs {
                // The kernel's echo: what follows is told by `lost_echoes_of_the_kernel`.
                continue;
            }
            let filter = first_announcement(lost);
            an_announced_address_is_joined(PeerKind::Kernel, opener, Some(filter));
        }
    }
}

/// We announce again what the kernel has echoed in vain.
#[test]
fn lost_echoes_of_the_kernel() {
    let setup = Setup::new(PeerKind::Kernel, Opener::Peer).with(|setup| {
        setup.our_addresses = 2;
        setup.filter = Some(first_announcement(Way::ToUs));
    });
    setup.run(async move |bed: &mut Bed| {
        let mut ends = bed.connect().await;
        ends.greet().await;
        bed.peer_counts_to("EchoAddTx", 2).await;
        ends.exchange(LEN).await;
        Expected::connection(bed.setup.opener, 1)
            .counts("AddAddr", 2)
            .counts("EchoAddTx", 2)
    });
}

/// A port where nobody listens: the join is led by its token.
#[test]
fn an_announced_port_of_ours_is_joined() {
    const ANOTHER_PORT: u16 = 4711;
    for peer in PeerKind::MULTIPATH {
        let setup = Setup::new(peer, Opener::Peer);
        setup.run(async move |bed: &mut Bed| {
            let address = bed.our_address(0);
            let announced = bed.ours.announce_address(address, Some(ANOTHER_PORT));
            announced.expect("it is ours");
            let mut ends = bed.connect().await;
            ends.greet().await;
            ends.subflows_are_up(2).await;
            let there = ends.ours.subflows()[1].local;
            assert_eq!(there, SocketAddr::new(address, ANOTHER_PORT));
            ends.exchange(LEN).await;
            let ours = bed.ours.mptcp_counters();
            for name in ["MPJoinPortSynRx", "MPJoinPortAckRx"] {
                assert_eq!(ours.by_name(name), Some(1), "{name}");
            }
            Expected::connection(bed.setup.opener, 1)
                .shows(ADD_ADDR, 1)
                .counts("AddAddr", 1)
                .counts("PortAdd", 1)
        });
    }
}

#[test]
fn a_full_mesh_is_made_of_two_addresses_each() {
    for peer in PeerKind::MULTIPATH {
        let setup = Setup::new(peer, Opener::Peer).with(|setup| {
            setup.our_addresses = 2;
            setup.peer_addresses = 2;
            let mesh = Use::SUBFLOW | Use::FULLMESH;
            setup.endpoints = vec![(0, mesh), (1, mesh)];
        });
        setup.run(async move |bed: &mut Bed| {
            let mut ends = bed.connect().await;
            ends.greet().await;
            ends.subflows_are_up(4).await;
            ends.exchange(LEN).await;
            Expected::connection(bed.setup.opener, 3).counts("AddAddr", 1)
        });
    }
}

/// The second subflow is a backup in both directions, and carries nothing.
async fn nothing_on_the_backup(bed: &Bed, ends: &mut crate::ends::Ends) -> Expected {
    ends.subflows_are_up(2).await;
    ends.exchange(LEN).await;
    let backup = ends.ours.subflows()[1].clone();
    assert!(backup.backup, "{backup:?}");
    assert_eq!(backup.bytes_sent, 0, "{backup:?}");
    assert!(
        backup.bytes_received == 0 || bed.peer_has_reinjected(),
        "{backup:?}"
    );
    Expected::connection(bed.setup.opener, 1)
}

/// The kernel's path manager opens a backup; with a stack the application does, as the path
/// manager would make a regular subflow.
#[test]
fn the_peer_joins_with_a_backup() {
    for peer in PeerKind::MULTIPATH {
        let setup = Setup::new(peer, Opener::Peer).with(|setup| {
            setup.peer_addresses = 2;
            setup.endpoints = vec![(1, Use::SUBFLOW | Use::BACKUP)];
            setup.peer_config.max_subflows = 1;
        });
        setup.run(async move |bed: &mut Bed| {
            let mut ends = bed.connect().await;
            ends.greet().await;
            if let Socket::Stack(stream) = &ends.peer {
                let opened = stream.open_subflow(bed.peer_address(1), stream.peer_addr(), true);
                opened.expect("a subflow");
            }
            nothing_on_the_backup(bed, &mut ends).await
        });
    }
}

#[test]
fn the_kernel_announces_a_backup() {
    let setup = Setup::new(PeerKind::Kernel, Opener::Ours).with(|setup| {
        setup.peer_addresses = 2;
        setup.endpoints = vec![(1, Use::SIGNAL | Use::BACKUP)];
    });
    setup.run(async move |bed: &mut Bed| {
        let mut ends = bed.connect().await;
        ends.greet().await;
        nothing_on_the_backup(bed, &mut ends).await
    });
}

#[test]
fn we_join_with_a_backup() {
    for peer in PeerKind::MULTIPATH {
        let setup = Setup::new(peer, Opener::Ours).subflows(2);
        let setup = setup.with(|setup| setup.config.max_subflows = 1);
        setup.run(async move |bed: &mut Bed| {
            let mut ends = bed.connect().await;
            ends.greet().await;
            let there = ends.ours.peer_addr();
            let opened = ends.ours.open_subflow(bed.our_address(1), there, true);
            opened.expect("a subflow");
            let expected = nothing_on_the_backup(bed, &mut ends).await;
            expected.counts("MPJoinSynBackupRx", 1)
        });
    }
}

/// RFC 8684 §3.1, flag C: the kernel does not want to be joined where it was connected to.
#[test]
fn the_initial_address_is_not_joined_if_the_kernel_denies_it() {
    for announces in [false, true] {
        let setup = Setup::new(PeerKind::Kernel, Opener::Ours).with(|setup| {
            setup.our_addresses = 2;
            setup.peer_addresses = 2;
            setup.settings = vec![("net/mptcp/allow_join_initial_addr_port", "0")];
            if announces {
                setup.endpoints = vec![(1, Use::SIGNAL)];
            }
        });
        setup.run(async move |bed: &mut Bed| {
            let mut ends = bed.connect().await;
            ends.greet().await;
            // Both our addresses to the announced one.
            let joins = if announces { 2 } else { 0 };
            ends.subflows_are_up(1 + joins).await;
            ends.exchange(LEN).await;
            let subflows = ends.ours.subflows();
            assert_eq!(subflows.len(), 1 + joins, "{subflows:?}");
            for subflow in &subflows[1..] {
                assert_eq!(subflow.remote.ip(), bed.peer_address(1));
            }
            Expected::connection(bed.setup.opener, joins as u64)
        });
    }
}

/// A client that denies joins to its own address still joins ours.
#[test]
fn a_kernel_client_that_denies_joins_makes_some() {
    let setup = Setup::new(PeerKind::Kernel, Opener::Peer).subflows(2);
    let setup = setup.with(|setup| {
        setup.settings = vec![("net/mptcp/allow_join_initial_addr_port", "0")];
    });
    setup.run(async move |bed: &mut Bed| {
        let mut ends = bed.connect().await;
        ends.greet().await;
        ends.subflows_are_up(2).await;
        ends.exchange(LEN).await;
        Expected::connection(bed.setup.opener, 1)
    });
}

/// RFC 8684 §3.1, flag C: we do not want to be joined where we were connected to.
#[test]
fn the_kernel_does_not_join_our_initial_address_if_we_deny_it() {
    let setup = Setup::new(PeerKind::Kernel, Opener::Peer).subflows(2);
    let setup = setup.with(|setup| {
        setup.our_addresses = 2;
        setup.config.allow_join_initial_address = false;
    });
    setup.run(async move |bed: &mut Bed| {
        let mut ends = bed.connect().await;
        ends.greet().await;
        // To what we announce, from where its routes say.
        ends.subflows_are_up(2).await;
        ends.exchange(LEN).await;
        let subflows = ends.ours.subflows();
        assert_eq!(subflows.len(), 2, "{subflows:?}");
        assert_eq!(subflows[1].local.ip(), bed.our_address(1));
        Expected::connection(bed.setup.opener, 1).counts("AddAddr", 1)
    });
}

/// RFC 8684 §3.4.1: an announcement with a port is joined at that port.
#[test]
fn an_announced_port_of_the_kernel_is_joined() {
    const ANNOUNCED: u16 = 5100;
    let setup = Setup::new(PeerKind::Kernel, Opener::Ours);
    let setup = setup.with(|setup| setup.peer_addresses = 2);
    setup.run(async move |bed: &mut Bed| {
        let endpoint = KernelEndpoint {
            port: Some(ANNOUNCED),
            ..bed.peer_endpoint(1)
        };
        let manager = bed.path_manager().expect("a kernel");
        manager
            .add_endpoint(endpoint, Use::SIGNAL)
            .expect("endpoint");
        let mut ends = bed.connect().await;
        ends.greet().await;
        ends.subflows_are_up(2).await;
        let there = SocketAddr::new(bed.peer_address(1), ANNOUNCED);
        assert_eq!(ends.ours.subflows()[1].remote, there);
        ends.exchange(LEN).await;
        Expected::connection(bed.setup.opener, 1)
            .counts("MPJoinPortSynRx", 1)
            .counts("MPJoinPortAckRx", 1)
    });
}
