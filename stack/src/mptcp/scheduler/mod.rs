//! Which subflow carries the next bytes, behind a trait.

mod min_rtt;
mod round_robin;

pub use min_rtt::MinRtt;
pub use round_robin::RoundRobin;

use crate::base::id::SubflowId;
use crate::base::policy::SchedulerKind;
use crate::base::time::Duration;
use core::fmt;

/// A subflow that could take a segment now.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// The subflow.
    pub id: SubflowId,
    /// Smoothed round-trip time; `None` before the first sample.
    pub srtt: Option<Duration>,
    /// The peer asked for it to be used only when no other works.
    pub backup: bool,
    /// Bytes of payload it has room for.
    pub room: usize,
}

/// Chooses among candidates. Backups are offered only when no regular subflow works at all.
pub trait Scheduler: fmt::Debug + Send {
    /// The subflow for the next segment; `None` waits for a better one.
    fn pick(&mut self, candidates: &[Candidate]) -> Option<SubflowId>;

    /// Segments that the subflow may take before the next is chosen; `None` is as many as it has
    /// room for.
    fn quota(&self) -> Option<usize> {
        None
    }
}

/// A scheduler of this kind.
#[must_use]
pub fn scheduler(kind: SchedulerKind) -> Box<dyn Scheduler> {
    match kind {
        SchedulerKind::LowestRtt => Box::new(MinRtt),
        SchedulerKind::RoundRobin => Box::new(RoundRobin::default()),
    }
}
