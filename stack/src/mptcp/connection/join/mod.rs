//! MP_JOIN: further subflows, opened by us or by the peer (RFC 6824 §3.2, RFC 8684 §3.2).
//!
//! Owns both roles of the handshake and who may start one. It never looks for the connection that a
//! token belongs to: that is the endpoint's.
//!
//! | file | what |
//! |---|---|
//! | `mod` | what both roles share |
//! | `initiator` | we open the subflow |
//! | `responder` | the peer opens it |

mod initiator;
mod responder;

pub use initiator::NewJoin;
pub use responder::{JoinRefusal, JoinRequest};

pub(super) use initiator::CrossedJoin;

use super::{Connection, Effect};
use crate::base::policy::PathManagerKind;
use crate::base::time::Instant;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::handshake::Session;
use crate::mptcp::key::JoinHmac;
use crate::mptcp::subflow::{Role, Subflow};
use crate::wire::mptcp_option::{MpJoin, MptcpOption};

/// Subflows a connection has at most, whoever opens them: every segment looks at all of them.
const MAX_SUBFLOWS: usize = 64;
/// A join whose SYN or third ACK goes unanswered this often is given up.
pub(super) const MAX_JOIN_TRIES: u32 = 5;

impl Connection {
    /// The MP_JOIN of a SYN or SYN/ACK of ours.
    pub(super) fn join_syn_option(session: &Session, subflow: &Subflow) -> Option<MptcpOption> {
        let join = match &subflow.role {
            Role::Joining { nonce } => MpJoin::Syn {
                backup: subflow.ask_backup,
                address_id: subflow.local_id,
                token: session.remote.token,
                nonce: *nonce,
            },
            Role::Answering {
                local_nonce,
                remote_nonce,
            } => {
                let ours = (session.local.key, *local_nonce);
                let theirs = (session.remote.key, *remote_nonce);
                MpJoin::SynAck {
                    backup: subflow.ask_backup,
                    address_id: subflow.local_id,
                    hmac: JoinHmac::new(session.version, ours, theirs).for_syn_ack(),
                    nonce: *local_nonce,
                }
            }
            Role::Initial | Role::PreEstablished { .. } | Role::Joined => return None,
        };
        Some(MptcpOption::Join(join))
    }

    /// Tells of a subflow that joined.
    fn joined(&mut self, now: Instant, index: usize) {
        let subflow = &mut self.subflows[index];
        subflow.role = Role::Joined;
        subflow.ever_established = true;
        let id = subflow.id;
        self.path_proven(index);
        if let Some(session) = self.session_mut() {
            session.multipath = true;
        }
        self.revived_by(index);
        // One that comes after our DATA_FIN was acknowledged serves the peer's direction only.
        self.close_subflows_wanted |= self.send.fin() == DataFin::Acknowledged;
        self.effects.push_back(Effect::SubflowEstablished(id));
        self.leave_when_ready(now);
        if self.config.path_manager == PathManagerKind::Endpoints {
            // Its subflows come one after the other.
            self.update_paths_soon(now);
        }
    }
}
