//! How a subflow's stream and the connection's lie beside each other where nothing was sent twice.

use crate::base::seq::{DataSeq, SeqNum};

/// A place on the subflow and in the stream that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    /// Sequence number on the subflow.
    pub ssn: SeqNum,
    /// DSN of the same byte.
    pub dsn: DataSeq,
}

impl Anchor {
    /// The DSN of another place on the subflow.
    #[must_use]
    pub fn dsn_of(self, ssn: SeqNum) -> DataSeq {
        let ahead = i64::from(ssn.distance_from(self.ssn));
        DataSeq(self.dsn.0.wrapping_add_signed(ahead))
    }
}
