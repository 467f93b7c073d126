//! REMOVE_ADDR from both sides (RFC 6824 §3.4.2, RFC 8684 §3.4.2).

use crate::bed::Bed;
use crate::counts::Expected;
use crate::ends::Ends;
use crate::hosts::Peer;
use crate::setup::{LEN, Opener, PeerKind, Setup};
use umptcp_lab::kernel::Use;
use umptcp_tests::mptcp_capture::REMOVE_ADDR;

/// Two subflows, between different addresses of the side that will remove one.
async fn two_subflows(bed: &Bed) -> Ends {
    let mut ends = bed.connect().await;
    ends.greet().await;
    ends.subflows_are_up(2).await;
    ends.swap(1 << 18).await;
    ends
}

/// The second subflow ends, and the first goes on alone.
async fn goes_on_with_one(bed: &Bed, mut ends: Ends) -> Expected {
    ends.subflows_are_up(1).await;
    ends.exchange(LEN).await;
    let subflows = ends.ours.subflows();
    assert!(!subflows[1].state.can_send(), "{subflows:?}");
    Expected::connection(bed.setup.opener, 1).shows(REMOVE_ADDR, 1)
}

fn peer_removes(setup: Setup) {
    setup.run(async move |bed: &mut Bed| {
        let ends = two_subflows(bed).await;
        match &bed.peer {
            Peer::Kernel(manager) => {
                let removed = manager.remove_endpoint(bed.peer_endpoint(1));
                removed.expect("the endpoint");
            }
            Peer::Stack(stack) => stack.remove_address(bed.peer_address(1)),
            Peer::KernelTcp => unreachable!("no row removes addresses of plain TCP"),
        }
        let expected = goes_on_with_one(bed, ends).await;
        expected.counts("RmAddrTx", 1).counts("RmSubflow", 1)
    });
}

/// The peer has joined from the address it removes.
#[test]
fn the_peer_removes_an_address_it_has_joined_from() {
    for peer in PeerKind::MULTIPATH {
        peer_removes(Setup::new(peer, Opener::Peer).subflows(2));
    }
}

/// The peer has announced the address it removes.
#[test]
fn the_peer_removes_an_address_it_has_announced() {
    for peer in PeerKind::MULTIPATH {
        peer_removes(Setup::new(peer, Opener::Ours).with(|setup| {
            setup.peer_addresses = 2;
            setup.endpoints = vec![(1, Use::SIGNAL)];
        }));
    }
}

/// We have joined from the address, or announced it.
#[test]
fn we_remove_an_address() {
    for peer in PeerKind::MULTIPATH {
        for opener in Opener::BOTH {
            let setup = Setup::new(peer, opener).with(|setup| setup.our_addresses = 2);
            setup.run(async move |bed: &mut Bed| {
                let ends = two_subflows(bed).await;
                bed.ours.remove_address(bed.our_address(1));
                bed.peer_counts_to("RmAddr", 1).await;
                let expected = goes_on_with_one(bed, ends).await;
                // We have closed the subflow ourselves: the peer finds none to remove.
                expected.counts("RmAddr", 1)
            });
        }
    }
}

/// An address that was removed comes back, and is used again.
#[test]
fn an_address_comes_back() {
    for peer in PeerKind::MULTIPATH {
        for opener in Opener::BOTH {
            let setup = Setup::new(peer, opener).with(|setup| setup.our_addresses = 2);
            setup.run(async move |bed: &mut Bed| {
                let mut ends = two_subflows(bed).await;
                bed.ours.remove_address(bed.our_address(1));
                bed.peer_counts_to("RmAddr", 1).await;
                ends.subflows_are_up(1).await;
                let interface = bed.ours.interfaces()[1];
                bed.ours.add_address(interface, bed.our_address(1));
                ends.subflows_are_up(2).await;
                ends.exchange(LEN).await;
                Expected::connection(bed.setup.opener, 2)
            });
        }
    }
}
