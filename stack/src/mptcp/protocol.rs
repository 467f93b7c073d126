//! What a connection speaks, from the first SYN on.
//!
//! Owns the phases and the one function that changes them on the way back to plain TCP. What is known
//! in each phase is for [`super::handshake`] and [`super::fallback`] to say.

use super::fallback::{Announcement, Directions, FallingBack, Progress, Receiving, Step};
use super::handshake::{Answer, Offer, Session};
use crate::base::seq::DataSeq;

/// The protocol of a connection.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// We sent MP_CAPABLE on a SYN and wait for the answer.
    Offered(Offer),
    /// We answered MP_CAPABLE on a SYN/ACK and wait for the third packet.
    Answered(Answer),
    /// Both keys are known: Multipath TCP.
    Mptcp(Session),
    /// MPTCP was given up in one direction at least, or is about to be.
    FallingBack(FallingBack),
    /// Plain TCP, from the start or after fallback.
    Plain,
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
