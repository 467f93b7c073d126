//! How far a connection is on its way from MPTCP to plain TCP, for each direction
//! (RFC 6824 §3.6, RFC 8684 §3.7).
//!
//! Owns the states and the one function that changes them. It never decides that MPTCP is to be
//! given up, and never touches a byte: that is `connection/fallback.rs`.
//!
//! Each direction leaves its mappings at its own moment. A connection of which neither has is
//! [`Protocol::Mptcp`], one of which both have, for good, is [`Protocol::Plain`]; all that lies
//! between is [`Protocol::FallingBack`].

use super::handshake::{Protocol, Session};
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
    fn next(now: Option<Self>, step: Step) -> Option<Self> {
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
    fn next(now: Option<Self>, step: Step) -> Option<Self> {
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

impl Protocol {
    /// Applies a step; one that means nothing here changes nothing.
    pub fn step(&mut self, step: Step) {
        let (session, mut sending, mut receiving) = match core::mem::replace(self, Self::Plain) {
            Self::Mptcp(session) => (session, None, None),
            Self::FallingBack(FallingBack {
                session,
                directions,
            }) => (
                session,
                directions.sending().copied(),
                directions.receiving().copied(),
            ),
            other @ (Self::Offered(_) | Self::Answered(_) | Self::Plain) => {
                *self = other;
                return;
            }
        };
        sending = Announcement::next(sending, step);
        receiving = Receiving::next(receiving, step);
        *self = Self::of(session, sending, receiving);
    }

    fn of(session: Session, sending: Option<Announcement>, receiving: Option<Receiving>) -> Self {
        let directions = match (sending, receiving) {
            (None, None) => return Self::Mptcp(session),
            (Some(sending), None) => Directions::Sending(sending),
            (None, Some(receiving)) => Directions::Receiving(receiving),
            (Some(sending), Some(receiving)) => Directions::Both(sending, receiving),
        };
        Self::FallingBack(FallingBack {
            session,
            directions,
        })
    }

    /// Nothing of MPTCP is left: the infinite mapping was heard, and what comes stands where the
    /// in-order end of the stream is.
    pub fn settle(&mut self, rcv_nxt: DataSeq) {
        if let Self::FallingBack(FallingBack {
            directions: Directions::Both(announcement, Receiving::Plain { next }),
            ..
        }) = self
            && announcement.progress == Progress::Heard
            && *next == rcv_nxt
        {
            *self = Self::Plain;
        }
    }

    /// The session whatever has become of it, up to plain TCP.
    #[must_use]
    pub fn session(&self) -> Option<&Session> {
        match self {
            Self::Mptcp(session) | Self::FallingBack(FallingBack { session, .. }) => Some(session),
            Self::Offered(_) | Self::Answered(_) | Self::Plain => None,
        }
    }

    /// The same, to note something.
    pub fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Mptcp(session) | Self::FallingBack(FallingBack { session, .. }) => Some(session),
            Self::Offered(_) | Self::Answered(_) | Self::Plain => None,
        }
    }

    /// How far our direction is with leaving its mappings.
    #[must_use]
    pub fn sending(&self) -> Option<&Announcement> {
        match self {
            Self::FallingBack(falling) => falling.directions.sending(),
            Self::Mptcp(_) | Self::Offered(_) | Self::Answered(_) | Self::Plain => None,
        }
    }

    /// How far the peer's direction is with leaving its mappings.
    #[must_use]
    pub fn receiving(&self) -> Option<&Receiving> {
        match self {
            Self::FallingBack(falling) => falling.directions.receiving(),
            Self::Mptcp(_) | Self::Offered(_) | Self::Answered(_) | Self::Plain => None,
        }
    }

    /// The peer may map what it sends, and waits for DATA_ACKs.
    #[must_use]
    pub fn acknowledges_data(&self) -> bool {
        let stopped = matches!(self.receiving(), Some(Receiving::Plain { .. }));
        self.session().is_some() && !stopped
    }

    /// What we send is plain TCP: only the subflow's acknowledgments count for it.
    #[must_use]
    pub fn sends_plain(&self) -> bool {
        matches!(self, Self::Plain) || self.sending().is_some()
    }

    /// What comes is plain TCP.
    #[must_use]
    pub fn receives_plain(&self) -> bool {
        matches!(self, Self::Plain) || matches!(self.receiving(), Some(Receiving::Plain { .. }))
    }
}

#[cfg(test)]
mod tests;
