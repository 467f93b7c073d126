//! Full mesh: every local address to every remote one, started by the side that started the
//! connection; the other side announces its addresses (protocol reference 3.12).

use super::{PathAction, PathActions, PathManager, PathView};
use std::net::IpAddr;

/// Opens subflows between all pairs of addresses of one family, up to the limit of the
/// connection. Pairs whose addresses are used least come first, so that a limit below the full
/// mesh gives disjoint paths.
#[derive(Clone, Copy, Debug, Default)]
pub struct FullMesh;

impl PathManager for FullMesh {
    fn update(&mut self, view: &PathView<'_>) -> PathActions {
        let announcements = view
            .addresses
            .local()
            .iter()
            .filter(|local| !local.announced && local.up)
            .map(|local| PathAction::Announce(local.address));
        if !view.initiator {
            // Who started the connection opens subflows: the other side may be unreachable
            // behind a NAT (RFC 6824 §3.4.1).
            return announcements.collect();
        }
        let mut actions = PathActions::new();
        let mut used: Vec<(IpAddr, IpAddr)> = view
            .in_use
            .iter()
            .map(|path| (path.local, path.remote.ip()))
            .collect();
        while used.len() < view.max_subflows {
            let Some(action) = next_pair(view, &used) else {
                break;
            };
            if let PathAction::Open { local, remote, .. } = action {
                used.push((local, remote.ip()));
            }
            actions.push(action);
        }
        actions
    }
}

/// The unused pair whose two addresses have the fewest subflows between them.
fn next_pair(view: &PathView<'_>, used: &[(IpAddr, IpAddr)]) -> Option<PathAction> {
    let uses = |address: IpAddr| {
        used.iter()
            .filter(|(l, r)| *l == address || *r == address)
            .count()
    };
    let mut best: Option<(usize, PathAction)> = None;
    for local in view.addresses.local().iter().filter(|local| local.up) {
        for remote in view
            .addresses
            .remote()
            .iter()
            .filter(|remote| !remote.failed)
        {
            let pair = (local.address, remote.address.ip());
            let denied = view.deny_join_initial && remote.id.0 == 0;
            let prohibited = view.prohibited.contains(&(local.address, remote.address));
            if denied || prohibited || pair.0.is_ipv4() != pair.1.is_ipv4() || used.contains(&pair)
            {
                continue;
            }
            let cost = uses(pair.0) + uses(pair.1);
            if best.is_none_or(|(least, _)| cost < least) {
                let action = PathAction::Open {
                    local: local.address,
                    remote: remote.address,
                    remote_id: remote.id,
                };
                best = Some((cost, action));
            }
        }
    }
    best.map(|(_, action)| action)
}

#[cfg(test)]
mod tests {
    use super::super::{AddressBook, PathInUse};
    use super::*;
    use crate::base::id::AddressId;
    use std::net::SocketAddr;

    fn local(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn remote(last: u8) -> SocketAddr {
        SocketAddr::from(([10, 9, 0, last], 80))
    }

    fn book() -> AddressBook {
        let mut book = AddressBook::new(local(0), remote(0));
        book.add_local(local(1));
        book.announce_remote(AddressId(5), remote(1));
        book
    }

    fn view(book: &AddressBook, initiator: bool, max_subflows: usize) -> PathActions {
        view_without(book, initiator, max_subflows, &[])
    }

    fn view_without(
        book: &AddressBook,
        initiator: bool,
        max_subflows: usize,
        prohibited: &[(IpAddr, SocketAddr)],
    ) -> PathActions {
        let in_use = [PathInUse {
            local: local(0),
            remote: remote(0),
        }];
        FullMesh.update(&PathView {
            initiator,
            deny_join_initial: false,
            addresses: book,
            in_use: &in_use,
            prohibited,
            max_subflows,
        })
    }

    #[test]
    fn a_limit_of_two_gives_disjoint_paths() {
        let open = PathAction::Open {
            local: local(1),
            remote: remote(1),
            remote_id: AddressId(5),
        };
        assert_eq!(view(&book(), true, 2).as_slice(), [open]);
    }

    #[test]
    fn without_a_limit_it_is_a_full_mesh() {
        assert_eq!(view(&book(), true, 8).len(), 3);
    }

    #[test]
    fn a_path_that_the_peer_has_closed_for_good_is_left_out() {
        let prohibited = [(local(1), remote(1)), (local(0), remote(1))];
        let open = PathAction::Open {
            local: local(1),
            remote: remote(0),
            remote_id: AddressId(0),
        };
        let actions = view_without(&book(), true, 8, &prohibited);
        assert_eq!(actions.as_slice(), [open]);
        assert!(view_without(&book(), true, 1, &prohibited).is_empty());
    }

    #[test]
    fn the_listening_side_announces() {
        assert_eq!(
            view(&book(), false, 8).as_slice(),
            [PathAction::Announce(local(1))]
        );
    }
}
