//! One segment for each subflow in turn, as `roundrobin` of the multipath-tcp.org kernel with its
//! defaults: `num_segments` 1, `cwnd_limited` on.

use super::{Candidate, Scheduler};
use crate::base::id::SubflowId;

/// Goes round the subflows in the order of their ids. One without room loses its turn: who waited
/// for it would leave the others idle.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin {
    /// Who had the last turn.
    last: Option<SubflowId>,
}

impl Scheduler for RoundRobin {
    fn pick(&mut self, candidates: &[Candidate]) -> Option<SubflowId> {
        let ids = || candidates.iter().map(|candidate| candidate.id);
        let next = ids().filter(|&id| Some(id) > self.last).min();
        let picked = next.or_else(|| ids().min())?;
        self.last = Some(picked);
        Some(picked)
    }

    fn quota(&self) -> Option<usize> {
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(ids: &[u32]) -> Vec<Candidate> {
        let candidate = |&id| Candidate {
            id: SubflowId(id),
            srtt: None,
            backup: false,
            room: 1000,
        };
        ids.iter().map(candidate).collect()
    }

    #[test]
    fn each_has_its_turn_and_whoever_has_no_room_loses_it() {
        let mut scheduler = RoundRobin::default();
        assert_eq!(scheduler.pick(&[]), None);
        let mut turn = |ids: &[u32]| scheduler.pick(&candidates(ids)).map(|id| id.0);
        assert_eq!(turn(&[0, 1, 2]), Some(0));
        assert_eq!(turn(&[0, 1, 2]), Some(1));
        assert_eq!(turn(&[0, 1]), Some(0), "2 has no room");
        assert_eq!(turn(&[0, 1, 2]), Some(1));
        assert_eq!(turn(&[1, 2]), Some(2));
        assert_eq!(turn(&[]), None);
        assert_eq!(turn(&[2]), Some(2), "alone it has every turn");
        assert_eq!(turn(&[0, 1, 7]), Some(7));
        assert_eq!(turn(&[0, 1, 7]), Some(0));
    }
}
