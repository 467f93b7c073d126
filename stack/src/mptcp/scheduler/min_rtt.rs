//! The lowest round-trip time first: the classical default (protocol reference 5.1).

use super::{Candidate, Scheduler};
use crate::base::id::SubflowId;
use crate::base::time::Duration;

/// Sends on the usable subflow with the smallest SRTT; one without a sample comes last.
#[derive(Clone, Copy, Debug, Default)]
pub struct MinRtt;

impl Scheduler for MinRtt {
    fn pick(&mut self, candidates: &[Candidate]) -> Option<SubflowId> {
        candidates
            .iter()
            .min_by_key(|candidate| (candidate.srtt.unwrap_or(Duration::MAX), candidate.id))
            .map(|candidate| candidate.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_wins() {
        let candidate = |id, millis: Option<u64>| Candidate {
            id: SubflowId(id),
            srtt: millis.map(Duration::from_millis),
            backup: false,
            room: 1000,
        };
        let mut scheduler = MinRtt;
        assert_eq!(scheduler.pick(&[]), None);
        let three = [
            candidate(0, Some(30)),
            candidate(1, Some(10)),
            candidate(2, None),
        ];
        assert_eq!(scheduler.pick(&three), Some(SubflowId(1)));
    }
}
