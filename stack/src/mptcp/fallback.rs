//! How far a connection is on its way from MPTCP to plain TCP, for each direction
//! (RFC 6824 §3.6, RFC 8684 §3.7).
//!
//! Owns the states and the one function that changes them. It never decides that MPTCP is to be
//! given up, and never touches a byte: that is `connection/fallback.rs`.
//!
//! Each direction leaves its mappings at its own moment. A connection of which neither has is
//! [`Protocol::Mptcp`](super::protocol::Protocol::Mptcp), one of which both have, for good, is [`Protocol::Plain`](super::protocol::Protocol::Plain); all that lies
//! between is [`Protocol::FallingBack`](super::protocol::Protocol::FallingBack).

use super::handshake::Session;
use crate::base::seq::{DataSeq, SeqNum};
use crate::base::time::Instant;

/// A connection that speaks MPTCP in one direction only, or is about to, or has just stopped.
#[derive(Clone, Debug)]
pub struct FallingBack {
    /// What was agreed on.
    pub session: Session,
    /// Which direction is how far.
    pub directions: Directions,
}

/// The directions that have left their mappings, or are about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directions {
    /// We send without mappings, and the peer goes on with them.
    Sending(Announcement),
    /// We go on with mappings.
    Receiving(Receiving),
    /// Both.
    Both(Announcement, Receiving),
}

/// What we send has no mappings any more, but for the infinite one: the peer must hear of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Offset in our stream where the infinite mapping begins: the peer had everything before it,
    /// intact, when we began to fall back.
    pub anchor: u64,
    /// How far the peer has heard.
    pub progress: Progress,
    /// The peer has asked for it, and waits: it goes even if there is no data to go with.
    pub asked: bool,
}

/// How far the infinite mapping has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next new segment carries it.
    Due,
    /// The new segment with these bytes has carried it, and does so again when it is sent again.
    Sent {
        /// Sequence number of its first byte.
        start: SeqNum,
        /// And behind its last.
        end: SeqNum,
    },
    /// That segment is acknowledged: no more options.
    Heard,
}

/// What comes from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiving {
    /// A checksum was wrong. MP_FAIL is repeated until the peer answers; what has come since is
    /// held, and not acknowledged at the data level.
    Failed(Failure),
    /// Version 1: both sides have sent MP_FAIL. The peer may leave its mappings with any segment;
    /// until then they count.
    Agreed {
        /// We were the first: an MP_FAIL that comes now asks for nothing.
        asked: bool,
    },
    /// The peer's bytes follow each other as they do on the subflow.
    Plain {
        /// DSN of the next byte on the subflow.
        next: DataSeq,
    },
}

/// A checksum that was wrong while the connection had one subflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where the mapping with the wrong checksum begins.
    pub dsn: DataSeq,
    /// When a peer that does not answer loses its subflow.
    pub give_up: Instant,
    /// MP_FAILs sent because of the time that has passed.
    pub repeated: u32,
}

/// What moves a connection between MPTCP and plain TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// We stop mapping what we send. A second time it changes nothing.
    StopMapping {
        /// Everything before this offset is known to have arrived intact.
        anchor: u64,
    },
    /// The infinite mapping went out on a new segment with these bytes.
    Announced {
        /// Sequence number of its first byte.
        start: SeqNum,
        /// And behind its last.
        end: SeqNum,
    },
    /// The peer has asked for the infinite mapping.
    Asked,
    /// It went out on an acknowledgment, as the answer.
    Answered,
    /// The segment that announced it is acknowledged, or nothing has to be announced.
    Heard,
    /// A checksum was wrong, or has been for some time.
    Fail(Failure),
    /// The subflow on which it was is gone; what it carried may come again on another.
    ForgetFailure,
    /// Version 1: both have sent MP_FAIL. Nothing is held any more.
    Agree {
        /// We were the first.
        asked: bool,
    },
    /// The peer has stopped mapping, and the next byte on the subflow has this DSN.
    PeerStopped {
        /// DSN of the next byte on the subflow.
        next: DataSeq,
    },
}

impl Announcement {
    /// Our direction after a step; `None` is mapped.
    pub(super) fn next(now: Option<Self>, step: Step) -> Option<Self> {
        let Some(announcement) = now else {
            let Step::StopMapping { anchor } = step else {
                return None;
            };
            return Some(Self {
                anchor,
                progress: Progress::Due,
                asked: false,
            });
        };
        let Self {
            anchor,
            progress,
            asked,
        } = announcement;
        let (progress, asked) = match (step, progress) {
            (Step::Announced { start, end }, Progress::Due) => {
                (Progress::Sent { start, end }, false)
            }
            (Step::Heard, _) => (Progress::Heard, false),
            (Step::Asked, Progress::Due | Progress::Sent { .. }) => (progress, true),
            (Step::Answered, _) => (progress, false),
            (
                Step::StopMapping { .. }
                | Step::Announced { .. }
                | Step::Asked
                | Step::Fail(_)
                | Step::ForgetFailure
                | Step::Agree { .. }
                | Step::PeerStopped { .. },
                _,
            ) => (progress, asked),
        };
        Some(Self {
            anchor,
            progress,
            asked,
        })
    }
}

impl Receiving {
    /// The peer's direction after a step; `None` is mapped.
    pub(super) fn next(now: Option<Self>, step: Step) -> Option<Self> {
        match (step, now) {
            (Step::Fail(failure), None | Some(Self::Failed(_))) => Some(Self::Failed(failure)),
            (Step::ForgetFailure, Some(Self::Failed(_))) => None,
            (Step::Agree { asked }, None | Some(Self::Failed(_))) => Some(Self::Agreed { asked }),
            (Step::PeerStopped { next }, _) => Some(Self::Plain { next }),
            (
                Step::StopMapping { .. }
                | Step::Announced { .. }
                | Step::Asked
                | Step::Answered
                | Step::Heard
                | Step::Fail(_)
                | Step::ForgetFailure
                | Step::Agree { .. },
                _,
            ) => now,
        }
    }
}

impl Directions {
    /// Our direction, if it has left its mappings.
    #[must_use]
    pub fn sending(&self) -> Option<&Announcement> {
        match self {
            Self::Sending(announcement) | Self::Both(announcement, _) => Some(announcement),
            Self::Receiving(_) => None,
        }
    }

    /// The peer's direction, if it has left its mappings or is about to.
    #[must_use]
    pub fn receiving(&self) -> Option<&Receiving> {
        match self {
            Self::Receiving(receiving) | Self::Both(_, receiving) => Some(receiving),
            Self::Sending(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
