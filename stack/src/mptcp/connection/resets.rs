//! Subflows that end with RST, and MP_TCPRST: why, said by us and by the peer (RFC 8684 §3.6).
//!
//! Owns the reasons and the paths that the peer has closed with them. Version 0 has no such option:
//! no reason is sent or believed there.

use super::Connection;
use super::health::Moved;
use crate::base::config::Version;
use crate::base::error::CloseReason;
use crate::base::id::SubflowId;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::{MpTcpRst, MptcpOption, ResetReason};
use crate::wire::tcp_option::TcpOptions;
use std::net::SocketAddr;

/// Paths that are remembered as closed; a peer that closes more may see the oldest tried again.
const MAX_PROHIBITED_PATHS: usize = 64;

/// The option for an RST of ours. T is set for what passes: then the peer may try the path again.
const fn words_for(reason: ResetReason) -> MpTcpRst {
    let transient = match reason {
        ResetReason::LackOfResources
        | ResetReason::TooMuchOutstandingData
        | ResetReason::UnacceptablePerformance => true,
        ResetReason::Unspecified
        | ResetReason::MptcpSpecific
        | ResetReason::AdministrativelyProhibited
        | ResetReason::MiddleboxInterference
        | ResetReason::Unknown(_) => false,
    };
    MpTcpRst { transient, reason }
}

impl Connection {
    /// Lets a subflow end with RST, and its data go elsewhere.
    pub(super) fn reset_subflow(&mut self, now: Instant, index: usize, reason: ResetReason) {
        if self.subflows[index].reset_with.is_some() || self.subflows[index].is_closed() {
            return;
        }
        let cause = if self.closed.is_some() {
            SubflowCloseReason::ConnectionEnded
        } else {
            SubflowCloseReason::ResetByUs(reason)
        };
        let subflow = &mut self.subflows[index];
        subflow.ends_for(cause);
        if !subflow.link_up || subflow.tcb.state == TcpState::SynSent {
            // Nobody would hear it, or nobody is there yet.
            subflow.tcb.close_at_once();
            self.subflow_closed(now, index);
            return;
        }
        subflow.reset_with = Some(words_for(reason));
        self.move_data_away(now, index, Moved::All);
    }

    /// The same for the application. Plain TCP ends with its only subflow. Returns false if there is
    /// no such subflow that is open.
    pub fn reset_by_application(
        &mut self,
        now: Instant,
        id: SubflowId,
        reason: ResetReason,
    ) -> bool {
        let Some(index) = self.position(id) else {
            return false;
        };
        if self.subflows[index].is_closed() || self.subflows[index].reset_with.is_some() {
            return false;
        }
        if self.session().is_none() {
            self.abort(now, CloseReason::Aborted);
        } else {
            self.reset_subflow(now, index, reason);
        }
        true
    }

    /// Notes why the peer resets a subflow, and what that means for its path.
    pub(super) fn note_reset_reason(&mut self, index: usize, options: &TcpOptions) {
        let words = options.mptcp.iter().find_map(|option| {
            let MptcpOption::TcpRst(words) = option else {
                return None;
            };
            Some(*words)
        });
        let Some(words) = words.filter(|_| self.version() == Some(Version::V1)) else {
            return;
        };
        self.count(MptcpCounter::MpRstRx);
        let subflow = &mut self.subflows[index];
        subflow.end_is_transient = words.transient;
        // RFC 8684 §3.6 leaves the other codes open.
        let unknown = matches!(words.reason, ResetReason::Unknown(_));
        subflow.reset_reason = Some(MpTcpRst {
            reason: if unknown {
                ResetReason::Unspecified
            } else {
                words.reason
            },
            ..words
        });
        if !words.transient {
            self.prohibit_path(index);
        }
    }

    /// RFC 8684 §3.6: without T the path should not be tried again for this connection.
    fn prohibit_path(&mut self, index: usize) {
        let tuple = self.subflows[index].tuple;
        let path = (tuple.local.ip(), tuple.remote);
        if self.prohibited_paths.contains(&path) {
            return;
        }
        if self.prohibited_paths.len() >= MAX_PROHIBITED_PATHS {
            self.prohibited_paths.remove(0);
        }
        self.prohibited_paths.push(path);
    }

    /// The peer has withdrawn an address and announces it anew: what it said before is over.
    pub(super) fn permit_paths_to(&mut self, remote: SocketAddr) {
        self.prohibited_paths.retain(|&(_, known)| known != remote);
    }

    /// A peer that answers a join with RST while no subflow is left does not know the connection any
    /// more, unless the RST says otherwise.
    pub(super) fn is_unknown_to_peer(&self, index: usize) -> bool {
        self.subflows[index]
            .reset_reason
            .is_none_or(|words| match words.reason {
                ResetReason::Unspecified | ResetReason::MptcpSpecific | ResetReason::Unknown(_) => {
                    !words.transient
                }
                ResetReason::LackOfResources
                | ResetReason::AdministrativelyProhibited
                | ResetReason::TooMuchOutstandingData
                | ResetReason::UnacceptablePerformance
                | ResetReason::MiddleboxInterference => false,
            })
    }
}
