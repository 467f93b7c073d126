//! Paths that break and heal while a connection is in use.

use crate::bed::Bed;
use crate::counts::Expected;
use crate::ends::Ends;
use crate::filter::Filter;
use crate::setup::{LEN, Opener, PeerKind, Setup};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use umptcp_lab::topology::{AddressPlan, Family};
use umptcp_tests::mptcp_capture::addresses_of_packet;

/// Bytes each way.
const PIECE: usize = 1 << 18;

async fn two_subflows(bed: &Bed) -> Ends {
    let mut ends = bed.connect().await;
    ends.greet().await;
    ends.subflows_are_up(2).await;
    ends.swap(PIECE).await;
    ends
}

/// Bytes that the open subflows from an address of ours have carried, both ways.
fn carried(ends: &Ends, local: IpAddr) -> u64 {
    let subflows = ends.ours.subflows();
    let open = subflows.iter().filter(|subflow| subflow.state.can_send());
    open.filter(|subflow| subflow.local.ip() == local)
        .map(|subflow| subflow.bytes_sent + subflow.bytes_received)
        .sum()
}

/// Our device goes down and comes back.
#[test]
fn a_path_whose_link_was_down_is_used_again() {
    for peer in PeerKind::MULTIPATH {
        for (opener, path) in [(Opener::Ours, 0), (Opener::Ours, 1), (Opener::Peer, 1)] {
            let setup = Setup::new(peer, opener).with(|setup| {
                setup.our_addresses = 2;
                if opener == Opener::Ours {
                    // A stack whose only device is down could not answer.
                    setup.peer_addresses = 2;
                    setup.config.max_subflows = 2;
                }
            });
            setup.run(async move |bed: &mut Bed| {
                let mut ends = two_subflows(bed).await;
                bed.paths.cut(path).await.expect("cut");
                ends.swap(PIECE).await;
                bed.paths.heal(path).await.expect("healed");
                used_again(bed, &mut ends, path).await;
                ends.exchange(LEN).await;
                // A SYN may have gone into the cut.
                Expected::connection(bed.setup.opener, 1).allows("MPJoinSynTx")
            });
        }
    }
}

/// Goes on until the path has carried more than what could have been under way before.
async fn used_again(bed: &Bed, ends: &mut Ends, path: usize) {
    let local = bed.our_address(path);
    let before = carried(ends, local);
    while carried(ends, local) < before + PIECE as u64 {
        ends.swap(PIECE).await;
    }
}

/// A path swallows everything for a while, without a word to either host.
#[test]
fn a_path_that_was_silent_is_used_again() {
    for peer in PeerKind::MULTIPATH {
        for opener in Opener::BOTH {
            let silent = Arc::new(AtomicBool::new(false));
            let setup = Setup::new(peer, opener).with(|setup| {
                setup.our_addresses = 2;
                setup.filter = Some(second_path(&silent));
            });
            setup.run(async move |bed: &mut Bed| {
                let mut ends = two_subflows(bed).await;
                silent.store(true, Ordering::Relaxed);
                ends.swap(PIECE).await;
                ends.swap(PIECE).await;
                silent.store(false, Ordering::Relaxed);
                used_again(bed, &mut ends, 1).await;
                ends.exchange(LEN).await;
                Expected::connection(bed.setup.opener, 1)
            });
        }
    }
}

/// Loses what goes over the second path while it is silent.
fn second_path(silent: &Arc<AtomicBool>) -> Filter {
    let silent = Arc::clone(silent);
    let second = AddressPlan::new(Family::V4, 2).client(1);
    Filter::new(move |_, packet| {
        silent.load(Ordering::Relaxed)
            && addresses_of_packet(packet).is_some_and(|pair| pair.contains(&second))
    })
}
