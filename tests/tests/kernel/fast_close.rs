//! MP_FASTCLOSE from both sides (RFC 6824 §3.5, RFC 8684 §3.5).

use crate::bed::Bed;
use crate::counts::Expected;
use crate::ends::Ends;
use crate::setup::{Opener, PeerKind, Setup};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use umptcp_lab::realtime::hosts::Socket;
use umptcp_tests::flow::LIMIT;
use umptcp_tests::mptcp_capture::MP_FASTCLOSE;

async fn two_subflows(bed: &Bed) -> Ends {
    let mut ends = bed.connect().await;
    ends.greet().await;
    ends.subflows_are_up(2).await;
    ends.swap(1 << 16).await;
    ends
}

/// The stream ends with a reset.
async fn assert_reset(stream: &mut (impl AsyncRead + Unpin)) {
    let reading = async {
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer).await {
                Ok(0) => panic!("the stream ended in order"),
                Ok(_) => {}
                Err(error) => return error.kind(),
            }
        }
    };
    let kind = timeout(LIMIT, reading).await.expect("no end");
    assert_eq!(kind, io::ErrorKind::ConnectionReset);
}

fn in_all_roles(row: impl AsyncFnOnce(&mut Bed) -> Expected + Clone + Send + 'static) {
    for peer in PeerKind::MULTIPATH {
        for opener in Opener::BOTH {
            Setup::new(peer, opener).subflows(2).run(row.clone());
        }
    }
}

/// The kernel's application closes with `SO_LINGER` 0, ours aborts.
#[test]
fn the_peer_aborts() {
    in_all_roles(async |bed: &mut Bed| {
        let Ends { mut ours, peer } = two_subflows(bed).await;
        peer.abort().expect("aborted");
        assert_reset(&mut ours).await;
        Expected::connection(bed.setup.opener, 1)
            .allows("MPFastcloseTx")
            .shows(MP_FASTCLOSE, 1)
    });
}

/// The peer's application closes, and has not read all that we have sent.
#[test]
fn the_peer_closes_with_data_unread() {
    in_all_roles(async |bed: &mut Bed| {
        let Ends { mut ours, mut peer } = two_subflows(bed).await;
        ours.write_all(b"two").await.expect("written");
        // One byte read says that the other has arrived, too.
        let mut one = [0];
        peer.read_exact(&mut one).await.expect("read");
        drop(peer);
        assert_reset(&mut ours).await;
        Expected::connection(bed.setup.opener, 1)
            .allows("MPFastcloseTx")
            .shows(MP_FASTCLOSE, 1)
    });
}

#[test]
fn we_abort() {
    in_all_roles(async |bed: &mut Bed| {
        let Ends { ours, mut peer } = two_subflows(bed).await;
        ours.abort();
        assert_peer_is_reset(bed, &mut peer).await
    });
}

#[test]
fn we_close_with_data_unread() {
    in_all_roles(async |bed: &mut Bed| {
        let Ends { mut ours, mut peer } = two_subflows(bed).await;
        peer.write_all(b"two").await.expect("written");
        let mut one = [0];
        ours.read_exact(&mut one).await.expect("read");
        drop(ours);
        assert_peer_is_reset(bed, &mut peer).await
    });
}

async fn assert_peer_is_reset(bed: &Bed, peer: &mut Socket) -> Expected {
    assert_reset(peer).await;
    bed.peer_counts_to("MPFastcloseRx", 1).await;
    Expected::connection(bed.setup.opener, 1)
        .allows("MPFastcloseRx")
        .shows(MP_FASTCLOSE, 1)
}
