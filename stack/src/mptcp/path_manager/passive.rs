//! Nothing of its own: what the peer opens is taken, and the application rules the rest.

use super::{PathActions, PathManager, PathView};

/// Opens and announces nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Passive;

impl PathManager for Passive {
    fn update(&mut self, _view: &PathView<'_>) -> PathActions {
        PathActions::new()
    }
}
