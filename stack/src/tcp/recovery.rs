//! The phases of loss recovery (RFC 6675, RFC 6582, RFC 6298).

use crate::base::seq::SeqNum;

/// The phase of loss recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing is known to be lost.
    Open,
    /// Losses were found by acknowledgments; over once `recover` is acknowledged.
    Fast {
        /// SND.NXT when the loss was found.
        recover: SeqNum,
    },
    /// The timer expired; over once `recover` is acknowledged.
    Loss {
        /// SND.NXT when the timer expired.
        recover: SeqNum,
    },
}
