//! What the network says about segments that it did not deliver.
//!
//! Anybody can say it, so it must be about something that is on its way (RFC 5927 §4.1), and even
//! then no word of it ends a connection that is established (RFC 5927 §5.2, RFC 5461 §2).

use super::Connection;
use crate::base::error::{CloseReason, NetworkError};
use crate::base::id::SubflowId;
use crate::base::time::Instant;
use crate::tcp::state::TcpState;
use crate::wire::icmp::{IcmpError, IcmpErrorKind};

/// RFC 5461 §4.1: SYNs that may turn out undeliverable before a connection attempt is over. One
/// may meet a path that is just being repaired.
const MAX_UNREACHABLE_SYNS: u32 = 2;

impl Connection {
    /// Takes an ICMP error that quotes a segment of one of its subflows. Returns false if it says
    /// nothing, as it is forged or late.
    pub fn handle_icmp_error(&mut self, now: Instant, id: SubflowId, error: &IcmpError) -> bool {
        let Some(index) = self.position(id) else {
            return false;
        };
        let tcb = &mut self.subflows[index].tcb;
        match error.kind {
            IcmpErrorKind::PacketTooBig { mtu } => tcb.packet_too_big(now, error.seq, mtu),
            IcmpErrorKind::Undelivered(reason) => {
                let ours = tcb.is_outstanding(error.seq);
                if ours {
                    self.note_undelivered(now, index, reason);
                }
                ours
            }
        }
    }

    fn note_undelivered(&mut self, now: Instant, index: usize, reason: NetworkError) {
        let subflow = &mut self.subflows[index];
        subflow.soft_error = Some(reason);
        if subflow.tcb.state != TcpState::SynSent {
            return;
        }
        subflow.unreachable_syns += 1;
        if subflow.unreachable_syns >= MAX_UNREACHABLE_SYNS {
            self.give_up_subflow_for(now, index, CloseReason::Unreachable(reason));
        }
    }
}
