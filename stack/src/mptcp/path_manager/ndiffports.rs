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
