//! One to four subflows, in both families and in mixed ones.

use crate::bed::Bed;
use crate::counts::Expected;
use crate::setup::{LEN, Opener, PeerKind, Setup};
use umptcp_lab::kernel::Use;
use umptcp_lab::topology::Family;

/// Sends both ways over so many subflows, and all of them carry data.
fn over_subflows(setup: Setup, count: usize) {
    setup.run(async move |bed: &mut Bed| {
        let mut ends = bed.connect().await;
        ends.greet().await;
        // The kernel joins from a work queue, and a join that meets a full queue of a device is
        // repeated only after a second: by then the transfer could be over.
        ends.subflows_are_up(count).await;
        ends.exchange(LEN).await;
        let subflows = ends.ours.subflows();
        assert_eq!(subflows.len(), count, "{subflows:?}");
        let used = subflows
            .iter()
            .all(|subflow| subflow.bytes_sent > 0 || subflow.bytes_received > 0);
        assert!(used, "{subflows:?}");
        Expected::connection(bed.setup.opener, count as u64 - 1)
    });
}

fn in_both_roles(peer: PeerKind, family: Family, count: usize) {
    for opener in Opener::BOTH {
        let setup = Setup::new(peer, opener).subflows(count);
        over_subflows(setup.with(|setup| setup.family = family), count);
    }
}

#[test]
fn one_to_four_subflows_with_the_kernel() {
    for count in 1..=4 {
        in_both_roles(PeerKind::Kernel, Family::V4, count);
    }
}

#[test]
fn one_to_four_subflows_with_the_kernel_over_ipv6() {
    for count in [1, 2, 4] {
        in_both_roles(PeerKind::Kernel, Family::V6, count);
    }
}

#[test]
fn one_to_four_subflows_in_version_0() {
    for count in 1..=4 {
        in_both_roles(PeerKind::Stack, Family::V4, count);
    }
}

#[test]
fn one_to_four_subflows_in_version_0_over_ipv6() {
    for count in [1, 2, 4] {
        in_both_roles(PeerKind::Stack, Family::V6, count);
    }
}

/// The listener announces an address of the other family, and whoever has connected joins it.
#[test]
fn a_subflow_of_the_other_family_joins() {
    for peer in PeerKind::MULTIPATH {
        for family in [Family::V4, Family::V6] {
            for opener in Opener::BOTH {
                let setup = Setup::new(peer, opener).with(|setup| {
                    setup.family = family;
                    setup.mixed = true;
                    setup.our_addresses = 2;
                    setup.peer_addresses = 2;
                    if opener == Opener::Ours {
                        setup.endpoints = vec![(1, Use::SIGNAL)];
                    }
                });
                over_subflows(setup, 2);
            }
        }
    }
}
