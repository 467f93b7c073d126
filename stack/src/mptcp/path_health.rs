//! Whether a path is counted on for data (protocol reference 3.9).
//!
//! Owns the states and what changes them. When something has taken too long is judged elsewhere.

/// What a subflow is good for at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum PathHealth {
    /// Data is sent on it.
    #[default]
    Working,
    /// A retransmission timeout, or probes without answer: no data until something comes back.
    Stalled,
    /// Nothing got through for several timeouts: no data until something does. That anything comes
    /// back is not enough while data is on its way there, as a path may be broken in one direction.
    Stale,
}

/// What can change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathEvent {
    /// Something was not answered in time, and there is another path.
    TimedOut,
    /// That has happened too often, and there is another path.
    NoProgress,
    /// A segment came while data waits for acknowledgment.
    HeardWaiting,
    /// A segment came, and all that was sent is acknowledged.
    HeardIdle,
    /// Data of ours was acknowledged.
    Progress,
    /// It is to be given another chance: its interface came up, or a pause is over.
    Retry,
}

impl PathHealth {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Working, Self::Stalled, Self::Stale];

    /// The state after an event.
    #[must_use]
    pub const fn next(self, event: PathEvent) -> Self {
        match (self, event) {
            (Self::Working | Self::Stalled, PathEvent::TimedOut) => Self::Stalled,
            (_, PathEvent::NoProgress)
            | (Self::Stale, PathEvent::TimedOut | PathEvent::HeardWaiting) => Self::Stale,
            (Self::Working | Self::Stalled, PathEvent::HeardWaiting)
            | (_, PathEvent::HeardIdle | PathEvent::Progress | PathEvent::Retry) => Self::Working,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    #[test]
    fn the_whole_table() {
        let events = [
            PathEvent::TimedOut,
            PathEvent::NoProgress,
            PathEvent::HeardWaiting,
            PathEvent::HeardIdle,
            PathEvent::Progress,
            PathEvent::Retry,
        ];
        let mut table = String::new();
        for state in PathHealth::ALL {
            for event in events {
                let next = state.next(event);
                writeln!(table, "{state:?} --{event:?}--> {next:?}").unwrap();
            }
        }
        insta::assert_snapshot!(table);
    }
}
