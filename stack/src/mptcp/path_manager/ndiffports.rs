//! Several subflows over the same two addresses, from different ports: paths that routers choose by
//! the ports (ECMP) are used side by side.

use super::{PathAction, PathActions, PathManager, PathView};

/// Opens subflows between the addresses of the initial one until there are so many, the initial one
/// included; only on the side that connected. The peer's port stays the same, ours is any.
#[derive(Clone, Copy, Debug)]
pub struct NDiffPorts {
    /// How many.
    pub subflows: u8,
}

impl PathManager for NDiffPorts {
    fn update(&mut self, view: &PathView<'_>) -> PathActions {
        if !view.initiator {
            return PathActions::new();
        }
        let (local, remote) = (view.initial_local, view.addresses.initial_remote());
        let up = view.addresses.is_up(local);
        let known = view.addresses.remote().iter();
        let target = known.copied().find(|known| known.address == remote);
        let Some(target) = target.filter(|target| up && view.may_try(local, target)) else {
            return PathActions::new();
        };
        let between = view
            .in_use
            .iter()
            .filter(|path| path.is_between(local, &target));
        let wanted = usize::from(self.subflows).saturating_sub(between.count());
        let free = view.max_subflows.saturating_sub(view.in_use.len());
        let open = PathAction::Open {
            local,
            remote,
            remote_id: target.id,
            backup: false,
        };
        core::iter::repeat_n(open, wanted.min(free)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AddressBook, Attempts, PathInUse};
    use super::*;
    use crate::base::id::AddressId;
    use crate::base::path_endpoint::PathEndpoints;
    use crate::base::time::Instant;
    use std::net::{IpAddr, SocketAddr};

    #[test]
    fn what_is_missing_is_opened_between_the_initial_addresses() {
        let local = IpAddr::from([10, 0, 0, 1]);
        let remote = SocketAddr::from(([10, 9, 0, 1], 80));
        let mut book = AddressBook::new(local, remote);
        book.add_local([10, 0, 0, 2].into());
        let path = |local, joining| PathInUse {
            local,
            remote,
            remote_id: AddressId::INITIAL,
            opened_by_peer: false,
            joining,
        };
        let in_use = [
            path(local, false),
            path(local, true),
            path([10, 0, 0, 2].into(), false),
        ];
        let opened = |initiator, max_subflows, failed: bool| {
            let mut attempts = Attempts::default();
            if failed {
                attempts.failed(Instant::ZERO, local, remote);
            }
            let view = PathView {
                now: Instant::ZERO,
                initiator,
                deny_join_initial: false,
                initial_local: local,
                addresses: &book,
                endpoints: &PathEndpoints::default(),
                attempts: &attempts,
                in_use: &in_use,
                prohibited: &[],
                max_subflows,
                more_may_come: false,
                may_open: true,
                awaiting_echo: false,
            };
            let actions = NDiffPorts { subflows: 5 }.update(&view);
            let same = PathAction::Open {
                local,
                remote,
                remote_id: AddressId::INITIAL,
                backup: false,
            };
            assert!(actions.iter().all(|&action| action == same));
            actions.len()
        };
        assert_eq!(opened(true, 8, false), 3);
        assert_eq!(opened(true, 4, false), 1, "the limit of the connection");
        assert_eq!(opened(false, 8, false), 0);
        assert_eq!(opened(true, 8, true), 0, "it waits");
    }
}
