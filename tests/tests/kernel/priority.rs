//! MP_PRIO from both sides (RFC 6824 §3.3.8, RFC 8684 §3.3.8).

use crate::bed::Bed;
use crate::counts::Expected;
use crate::ends::Ends;
use crate::setup::{LEN, Opener, PeerKind, Setup};
use umptcp::SubflowInfo;
use umptcp_lab::kernel::Use;
use umptcp_lab::realtime::hosts::Socket;
use umptcp_tests::mptcp_capture::MP_PRIO;

/// Bytes each way.
const PIECE: usize = 1 << 18;

/// Two subflows, with different addresses of the peer, as its path manager tells them apart.
fn two_subflows(peer: PeerKind, opener: Opener) -> Setup {
    match opener {
        Opener::Peer => Setup::new(peer, opener).subflows(2),
        Opener::Ours => Setup::new(peer, opener).with(|setup| {
            setup.peer_addresses = 2;
            setup.endpoints = vec![(1, Use::SIGNAL)];
        }),
    }
}

/// The peer asks for a backup, or for a regular subflow.
fn peer_sets_backup(bed: &Bed, ends: &Ends, backup: bool) {
    match &ends.peer {
        Socket::Kernel(_) => {
            let manager = bed.path_manager().expect("a kernel");
            let set = manager.set_backup(bed.peer_endpoint(1), backup);
            set.expect("the endpoint");
        }
        Socket::Stack(stream) => {
            let second = stream.subflows()[1].id;
            stream.set_backup(second, backup).expect("the subflow");
        }
    }
}

fn second(ends: &Ends) -> SubflowInfo {
    ends.ours.subflows()[1].clone()
}

/// We send nothing on what the peer calls a backup, until it takes that back.
#[test]
fn the_peer_changes_the_priority() {
    for peer in PeerKind::MULTIPATH {
        for opener in Opener::BOTH {
            two_subflows(peer, opener).run(async move |bed: &mut Bed| {
                let mut ends = bed.connect().await;
                ends.greet().await;
                ends.subflows_are_up(2).await;
                peer_sets_backup(bed, &ends, true);
                ends.until("a backup", |ours| ours.subflows()[1].backup)
                    .await;
                let before = second(&ends).bytes_sent;
                ends.swap(PIECE).await;
                assert_eq!(second(&ends).bytes_sent, before);
                peer_sets_backup(bed, &ends, false);
                ends.until("no backup", |ours| !ours.subflows()[1].backup)
                    .await;
                ends.exchange(LEN).await;
                assert!(second(&ends).bytes_sent > before, "{:?}", second(&ends));
                Expected::connection(opener, 1)
                    .counts("MPPrioTx", 2)
                    .shows(MP_PRIO, 2)
            });
        }
    }
}

/// The peer sends nothing on what we call a backup, until we take that back.
#[test]
fn we_change_the_priority() {
    for peer in PeerKind::MULTIPATH {
        for opener in Opener::BOTH {
            two_subflows(peer, opener).run(async move |bed: &mut Bed| {
                let mut ends = bed.connect().await;
                ends.greet().await;
                ends.subflows_are_up(2).await;
                let id = second(&ends).id;
                ends.ours.set_backup(id, true).expect("the subflow");
                peer_has_heard(bed, &ends, 1, true).await;
                let before = second(&ends).bytes_received;
                ends.swap(PIECE).await;
                let nothing = second(&ends).bytes_received == before;
                assert!(nothing || bed.peer_has_reinjected(), "{:?}", second(&ends));
                ends.ours.set_backup(id, false).expect("the subflow");
                peer_has_heard(bed, &ends, 2, false).await;
                ends.exchange(LEN).await;
                assert!(second(&ends).bytes_received > before, "{:?}", second(&ends));
                Expected::connection(opener, 1)
                    .counts("MPPrioRx", 2)
                    .shows(MP_PRIO, 2)
            });
        }
    }
}

/// Waits for the peer to have received so many of our requests, the last one for this.
async fn peer_has_heard(bed: &Bed, ends: &Ends, times: u64, backup: bool) {
    bed.peer_counts_to("MPPrioRx", times).await;
    if let Socket::Stack(stream) = &ends.peer {
        let holds = |_: &umptcp::MptcpStream| stream.subflows()[1].backup == backup;
        ends.until("heard", holds).await;
    }
}
