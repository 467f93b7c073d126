//! Which subflow carries the next bytes, behind a trait.

mod min_rtt;

pub use min_rtt::MinRtt;

use crate::base::id::SubflowId;
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
}
