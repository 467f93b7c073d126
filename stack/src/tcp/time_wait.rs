//! When a connection in TIME-WAIT makes way for the next one of its four-tuple
//! (RFC 9293 §3.6.1, RFC 6191, RFC 7323 §5.3).
//!
//! Owns the decision for both directions; releasing the old connection and making the new one is
//! the endpoint's.

use super::state::TcpState;
use super::tcb::Tcb;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::wire::packet::Segment;

/// A connection of ours may follow one in TIME-WAIT after this time: by then both sides' timestamp
/// clocks have moved (RFC 7323 §5.4 allows ticks of up to a second), so that the peer can tell
/// old segments from new ones, and we too.
const CLOCKS_HAVE_MOVED: Duration = Duration::from_secs(1);

impl Tcb {
    /// A SYN for this four-tuple starts a new connection: it cannot be an old duplicate.
    ///
    /// Stricter than RFC 6191 §2 in one case: a SYN with timestamps after a connection without
    /// them must have a later sequence number too, as nothing else tells its age.
    #[must_use]
    pub fn gives_way_to(&self, syn: &Segment) -> bool {
        if self.state != TcpState::TimeWait {
            return false;
        }
        // RFC 9293 §3.6.1, MAY-2: the sequence number lies beyond all of the old connection.
        let later = syn.seq.after(self.rcv_nxt);
        let known = self.negotiated.timestamps;
        match syn.options.timestamps.filter(|_| known) {
            // RFC 6191 §2: newer timestamps suffice; with the same the sequence number decides.
            Some(timestamps) if timestamps.value == self.timestamps.recent => later,
            Some(timestamps) => SeqNum(timestamps.value).after(SeqNum(self.timestamps.recent)),
            None => later,
        }
    }

    /// We may start a new connection on this four-tuple: timestamps protect it from what is left
    /// of the old one, on both sides.
    #[must_use]
    pub fn gives_way_to_us(&self, now: Instant) -> bool {
        let quiet = now.saturating_duration_since(self.timestamps.recent_at);
        self.state == TcpState::TimeWait && self.negotiated.timestamps && quiet >= CLOCKS_HAVE_MOVED
    }
}
