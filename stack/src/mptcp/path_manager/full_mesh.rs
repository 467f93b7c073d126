//! Full mesh: every local address to every remote one, started by the side that started the
//! connection; the other side announces its addresses (protocol reference 3.12).

use super::{PathAction, PathActions, PathInUse, PathManager, PathView, RemoteAddress};
use std::net::IpAddr;

/// Opens subflows between all pairs of addresses of one family, up to the limit of the
/// connection. Pairs whose addresses are used least come first, so that a limit below the full
/// mesh gives disjoint paths. Where the limit is below, an address is shared only when no more
/// announcements are to be expected.
#[derive(Clone, Copy, Debug, Default)]
pub struct FullMesh;

impl PathManager for FullMesh {
    fn update(&mut self, view: &PathView<'_>) -> PathActions {
        if !view.initiator {
            // Who started the connection opens subflows: the other side may be unreachable
            // behind a NAT (RFC 6824 §3.4.1).
            let unknown = view.addresses.local_addresses();
            return unknown
                .filter(|local| !local.announced && local.up)
                .map(|local| PathAction::Announce {
                    address: local.address,
                    port: None,
                })
                .collect();
        }
        let pairs = view.addresses.local_addresses().count() * view.addresses.remote().len();
        let disjoint = view.more_may_come && pairs > view.max_subflows;
        let mut actions = PathActions::new();
        let mut used: Vec<PathInUse> = view.in_use.to_vec();
        while used.len() < view.max_subflows {
            let Some((local, remote)) = next_pair(view, &used, disjoint) else {
                break;
            };
            used.push(PathInUse {
                local,
                remote: remote.address,
                remote_id: remote.id,
                opened_by_peer: false,
                joining: true,
            });
            actions.push(PathAction::Open {
                local,
                remote: remote.address,
                remote_id: remote.id,
                backup: false,
            });
        }
        actions
    }
}

/// The unused pair whose two addresses have the fewest subflows between them, or none at all if it
/// has to be `disjoint`.
fn next_pair(
    view: &PathView<'_>,
    used: &[PathInUse],
    disjoint: bool,
) -> Option<(IpAddr, RemoteAddress)> {
    let mut best: Option<(usize, IpAddr, RemoteAddress)> = None;
    for local in view.addresses.local_addresses().filter(|local| local.up) {
        for remote in view.addresses.remote() {
            if !is_wanted(view, used, local.address, remote) {
                continue;
            }
            let cost = uses(used, local.address) + uses(used, remote.address.ip());
            let allowed = cost == 0 || !disjoint;
            if allowed && best.is_none_or(|(least, ..)| cost < least) {
                best = Some((cost, local.address, *remote));
            }
        }
    }
    best.map(|(_, local, remote)| (local, remote))
}

fn uses(used: &[PathInUse], address: IpAddr) -> usize {
    used.iter()
        .filter(|path| path.local == address || path.remote.ip() == address)
        .count()
}

fn is_wanted(
    view: &PathView<'_>,
    used: &[PathInUse],
    local: IpAddr,
    remote: &RemoteAddress,
) -> bool {
    !used.iter().any(|path| path.is_between(local, remote)) && view.may_try(local, remote)
}

#[cfg(test)]
mod tests {
    use super::super::{AddressBook, Attempts};
    use super::*;
    use crate::base::id::AddressId;
    use crate::base::path_endpoint::PathEndpoints;
    use crate::base::time::Instant;
    use std::net::SocketAddr;

    fn local(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn remote(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 9, 0, last], 80))
    }

    const INITIAL: PathInUse = PathInUse {
        local: IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 0)),
        remote: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 0)), 80),
        remote_id: AddressId::INITIAL,
        opened_by_peer: false,
        joining: false,
    };

    struct Case {
        book: AddressBook,
        attempts: Attempts,
        in_use: Vec<PathInUse>,
        initiator: bool,
        deny_join_initial: bool,
        prohibited: Vec<(IpAddr, SocketAddr)>,
        max_subflows: usize,
        more_may_come: bool,
    }

    impl Case {
        /// Two addresses on both sides, one subflow.
        fn new() -> Self {
            let mut book = AddressBook::new(local(0), remote(0));
            book.add_local(local(1));
            book.announce_remote(AddressId(5), remote(1), 8);
            Self {
                book,
                attempts: Attempts::default(),
                in_use: vec![INITIAL],
                initiator: true,
                deny_join_initial: false,
                prohibited: Vec::new(),
                max_subflows: 8,
                more_may_come: false,
            }
        }

        fn actions(&self) -> PathActions {
            FullMesh.update(&PathView {
                now: Instant::ZERO,
                initiator: self.initiator,
                deny_join_initial: self.deny_join_initial,
                addresses: &self.book,
                attempts: &self.attempts,
                in_use: &self.in_use,
                prohibited: &self.prohibited,
                max_subflows: self.max_subflows,
                more_may_come: self.more_may_come,
                initial_local: local(0),
                endpoints: &PathEndpoints::default(),
                may_open: true,
                awaiting_echo: false,
            })
        }

        fn opened(&self) -> Vec<(IpAddr, SocketAddr)> {
            let open = |action| match action {
                PathAction::Open { local, remote, .. } => (local, remote),
                PathAction::Announce { address, .. } => panic!("{address} announced"),
            };
            self.actions().into_iter().map(open).collect()
        }
    }

    #[test]
    fn a_limit_of_two_gives_disjoint_paths() {
        let mut case = Case::new();
        case.max_subflows = 2;
        let open = PathAction::Open {
            local: local(1),
            remote: remote(1),
            remote_id: AddressId(5),
            backup: false,
        };
        assert_eq!(case.actions().as_slice(), [open]);
    }

    #[test]
    fn without_a_limit_it_is_a_full_mesh() {
        assert_eq!(Case::new().opened().len(), 3);
    }

    #[test]
    fn the_listening_side_announces() {
        let mut case = Case::new();
        case.initiator = false;
        let announce = PathAction::Announce {
            address: local(1),
            port: None,
        };
        assert_eq!(case.actions().as_slice(), [announce]);
    }

    #[test]
    fn what_the_peer_denies_is_not_joined_under_another_id() {
        let mut case = Case::new();
        case.deny_join_initial = true;
        case.book.announce_remote(AddressId(6), remote(0), 8);
        let opened = case.opened();
        assert_eq!(opened.len(), 2);
        assert!(opened.iter().all(|(_, to)| *to == remote(1)));
        // Another port of the same address is not denied.
        let port = SocketAddr::new(remote(0).ip(), 81);
        case.book.announce_remote(AddressId(6), port, 8);
        assert!(case.opened().contains(&(local(0), port)));
    }

    #[test]
    fn a_subflow_of_the_peer_from_behind_a_nat_counts_by_its_id() {
        let mut case = Case::new();
        case.in_use.push(PathInUse {
            local: local(0),
            remote: SocketAddr::from(([192, 0, 2, 1], 3333)),
            remote_id: AddressId(5),
            opened_by_peer: true,
            joining: false,
        });
        assert!(!case.opened().contains(&(local(0), remote(1))));
        assert!(case.opened().contains(&(local(1), remote(1))));
    }

    #[test]
    fn another_port_of_an_address_is_another_path() {
        let mut case = Case::new();
        case.in_use.push(PathInUse {
            remote: remote(1),
            remote_id: AddressId(5),
            ..INITIAL
        });
        assert!(!case.opened().contains(&(local(0), remote(1))));
        let port = SocketAddr::new(remote(1).ip(), 81);
        case.book.announce_remote(AddressId(5), port, 8);
        assert!(case.opened().contains(&(local(0), port)));
    }

    #[test]
    fn what_failed_waits() {
        let mut case = Case::new();
        case.attempts.failed(Instant::ZERO, local(0), remote(1));
        assert!(!case.opened().contains(&(local(0), remote(1))));
        assert_eq!(case.opened().len(), 2);
        assert!(case.book.set_remote_failed(remote(1)));
        assert_eq!(case.opened(), [(local(1), remote(0))]);
    }

    #[test]
    fn an_address_that_was_withdrawn_is_used_for_nothing_new() {
        let mut case = Case::new();
        assert!(case.book.withdraw_remote(AddressId::INITIAL));
        let opened = case.opened();
        assert_eq!(opened.len(), 2);
        assert!(opened.iter().all(|(_, to)| *to == remote(1)));
    }

    #[test]
    fn a_path_that_the_peer_has_closed_for_good_is_left_out() {
        let mut case = Case::new();
        case.prohibited = vec![(local(1), remote(1)), (local(0), remote(1))];
        assert_eq!(case.opened(), [(local(1), remote(0))]);
        case.max_subflows = 1;
        assert_eq!(case.opened(), []);
    }

    #[test]
    fn no_address_is_shared_before_all_are_known() {
        let mut case = Case::new();
        case.book.add_local(local(2));
        case.max_subflows = 3;
        case.more_may_come = true;
        assert_eq!(case.opened(), [(local(1), remote(1))]);
        case.more_may_come = false;
        assert_eq!(case.opened().len(), 2);
        // Where the limit allows them all, there is nothing to wait for.
        case.max_subflows = 8;
        case.more_may_come = true;
        assert_eq!(case.opened().len(), 5);
    }
}
