//! Checksums, many short connections, and transfers that last.

use crate::bed::Bed;
use crate::counts::Expected;
use crate::setup::{LEN, Opener, PeerKind, Setup};
use std::time::Instant;
use umptcp::ChecksumPolicy;

/// Both ways over two subflows, with checksums; `asks` makes one of the hosts ask for them.
fn with_checksums(peer: PeerKind, asks: fn(&mut Setup)) {
    for opener in Opener::BOTH {
        let setup = Setup::new(peer, opener).subflows(2).with(asks);
        setup.run(async move |bed: &mut Bed| {
            let mut ends = bed.connect().await;
            ends.greet().await;
            ends.subflows_are_up(2).await;
            assert!(ends.ours.info().checksum);
            ends.exchange(LEN).await;
            Expected::connection(bed.setup.opener, 1)
        });
    }
}

#[test]
fn the_kernel_asks_for_checksums() {
    with_checksums(PeerKind::Kernel, |setup| {
        setup.settings = vec![("net/mptcp/checksum_enabled", "1")];
    });
}

#[test]
fn we_ask_for_checksums() {
    for peer in PeerKind::MULTIPATH {
        with_checksums(peer, |setup| {
            setup.config.checksum = ChecksumPolicy::Require
        });
    }
}

/// Two hundred connections, one after the other; none of them is left over at the peer.
fn short_connections(peer: PeerKind, subflows: usize) {
    const CONNECTIONS: u64 = 200;
    for opener in Opener::BOTH {
        let setup = Setup::new(peer, opener).subflows(subflows);
        setup.run(async move |bed: &mut Bed| {
            for _ in 0..CONNECTIONS {
                let mut ends = bed.connect().await;
                ends.greet().await;
                ends.subflows_are_up(subflows).await;
                ends.exchange(1000).await;
            }
            bed.peer_counts_until("MPCurrEstab", |now| now == 0).await;
            let joins = CONNECTIONS * (subflows as u64 - 1);
            Expected::connections(bed.setup.opener, CONNECTIONS, joins)
        });
    }
}

#[test]
fn short_connections_with_the_kernel() {
    short_connections(PeerKind::Kernel, 1);
}

#[test]
fn short_connections_with_the_kernel_over_two_subflows() {
    short_connections(PeerKind::Kernel, 2);
}

#[test]
fn short_connections_in_version_0() {
    for subflows in [1, 2] {
        short_connections(PeerKind::Stack, subflows);
    }
}

/// One way, then the other, then both at once. `UMPTCP_LONG=1` makes it a gibibyte.
fn long_transfers(peer: PeerKind) {
    let len = if std::env::var("UMPTCP_LONG").is_ok_and(|value| value == "1") {
        1 << 30
    } else {
        1 << 26
    };
    for opener in Opener::BOTH {
        for (what, there, back) in [("to peer", len, 0), ("to us", 0, len), ("both", len, len)] {
            let setup = Setup::new(peer, opener).subflows(2);
            let setup = setup.with(|setup| setup.captured = false);
            setup.run(async move |bed: &mut Bed| {
                let mut ends = bed.connect().await;
                ends.greet().await;
                ends.subflows_are_up(2).await;
                let begin = Instant::now();
                ends.exchange_lens(there, back).await;
                let seconds = begin.elapsed().as_secs_f64();
                println!(
                    "{peer:?}, {opener:?} connects, {what}: {len} bytes in {seconds:.2} s, {:.0} \
                     Mbit/s",
                    (there + back) as f64 * 8e-6 / seconds
                );
                Expected::connection(bed.setup.opener, 1)
            });
        }
    }
}

#[test]
fn long_transfers_with_the_kernel() {
    long_transfers(PeerKind::Kernel);
}

#[test]
fn long_transfers_in_version_0() {
    long_transfers(PeerKind::Stack);
}
