//! Subflows of one socket: draft-hesmans-mptcp-socket-03, with the numbers of its only
//! implementation, and the priorities of draft-samar-mptcp-socketapi-03.
//!
//! The module owns the numbers and which function answers for each. All but three options are
//! `getsockopt`s, those that change something as well: it carries data in and out in one call. All
//! of them give `EOPNOTSUPP` on plain TCP and after fallback, and `ENOTCONN` without a connection,
//! unless they say otherwise.
//!
//! | option | number | value |
//! |---|---|---|
//! | `MPTCP_GET_SUB_IDS` | 66 | out: the subflows that are not closed |
//! | `MPTCP_CLOSE_SUB_ID` | 67 | in: which, and how |
//! | `MPTCP_GET_SUB_TUPLE` | 68 | in: which; out: its addresses |
//! | `MPTCP_OPEN_SUB_TUPLE` | 69 | in: from where to where; out: which |
//! | `MPTCP_GET_SUB_INFO` | 70 | in: which (first byte); out: its `struct tcp_info` |
//! | `MPTCP_SUB_GETSOCKOPT` | 71 | in: which, and an option; out: its value |
//! | `MPTCP_SUB_SETSOCKOPT` | 72 | set: which, an option and its value |
//! | `MPTCP_SET_SUB_PRIO` | 73 | set: which, and whether it is a backup |
//! | `MPTCP_SUB_PATH_ACTIVE_LIST` | 74 | set: pairs of addresses that are no backups |
//! | `MPTCP_SUB_PATH_BACKUP_LIST` | 75 | set: pairs of addresses that are backups |
//! | `MPTCP_EVENTS` | 76 | get and set: whether there are control messages (`int`) |
//!
//! # Decisions
//!
//! - **Layouts**: the draft's own cannot be implemented, as one field lies over another, and its only
//!   implementation has another. [`DraftLayout`] says whose a stack speaks.
//! - **Ids** are those of Linux (1 is the initial subflow) up to 255. A connection with more subflows
//!   than that begins anew with the numbers that are free; a number is used again as late as can be.
//! - **`how` of `MPTCP_CLOSE_SUB_ID`**: `SHUT_RDWR` and `SHUT_WR` are the same. Our direction of the
//!   subflow ends in order, what was not delivered goes to the others, and what the peer still sends
//!   is taken, as dropping it would make a hole in the connection's stream. For the same reason
//!   `SHUT_RD` is refused (`EOPNOTSUPP`): ask the peer for silence with `MPTCP_SET_SUB_PRIO`. 3
//!   resets the subflow, our number for what the draft calls RST and does not number.
//! - **Opening** does not wait: the id is given at once, and a control message tells how it went.
//!   `EINPROGRESS` is no error. Port 0 of the source is a free one, that of the destination is the port
//!   of the initial subflow's; the wildcard as source stands for any address of ours. `prio` is 0 for
//!   a regular subflow.
//! - **Segment routing**: where a pointer to a header follows the addresses (draft -03), it has to
//!   be null. Routing headers are not for this stack to write: `EOPNOTSUPP`.
//! - **Privileges**: a source port below 1024 needs them (`EACCES`), and `SO_MARK` of a subflow
//!   (`EPERM`).
//! - **Values without pointers**: where `optval` of `MPTCP_SUB_GETSOCKOPT` and `MPTCP_SUB_SETSOCKOPT`
//!   is null, the value follows the struct. Callers without memory of their own need that.
//! - **Numbers 73 to 76** are ours; draft-samar has none. The lists hold for subflows that begin
//!   afterwards, whoever opens them, and can be changed at any time; an unspecified address stands
//!   for any. A list that is set replaces the one before. The initial subflow cannot begin as a backup.

mod events;
mod face;
mod layout;
mod lists;
mod numbers;
mod opening;
mod sub_options;
#[cfg(test)]
mod tests;

pub use events::ControlMessage;
pub(in crate::bsd) use events::Subscriptions;
pub use face::{
    CloseHow, NewSubflow, SubflowStatus, SubflowTuple, close_subflow, open_subflow, set_events,
    set_path_lists, set_subflow_backup, subflow_getsockopt, subflow_ids, subflow_setsockopt,
    subflow_tcp_info, subflow_tuple,
};
pub use layout::DraftLayout;
pub(in crate::bsd) use numbers::SubflowNumbers;

use super::value::{read_bool, write_int};
use crate::bsd::{Errno, Net, Socket, UserMemory};

/// The subflows that are not closed.
pub const MPTCP_GET_SUB_IDS: i32 = 66;
/// Ends a subflow.
pub const MPTCP_CLOSE_SUB_ID: i32 = 67;
/// The addresses of a subflow.
pub const MPTCP_GET_SUB_TUPLE: i32 = 68;
/// Opens a subflow.
pub const MPTCP_OPEN_SUB_TUPLE: i32 = 69;
/// The `tcp_info` of a subflow.
pub const MPTCP_GET_SUB_INFO: i32 = 70;
/// An option of a subflow.
pub const MPTCP_SUB_GETSOCKOPT: i32 = 71;
/// Sets an option of a subflow.
pub const MPTCP_SUB_SETSOCKOPT: i32 = 72;
/// Makes a subflow a backup, or a regular one (draft-samar).
pub const MPTCP_SET_SUB_PRIO: i32 = 73;
/// Pairs of addresses that are no backups (draft-samar).
pub const MPTCP_SUB_PATH_ACTIVE_LIST: i32 = 74;
/// Pairs of addresses that are backups (draft-samar).
pub const MPTCP_SUB_PATH_BACKUP_LIST: i32 = 75;
/// Whether `recvmsg` has control messages about subflows.
pub const MPTCP_EVENTS: i32 = 76;

impl Socket {
    /// `getsockopt`; `None` if it is no option of this family.
    pub(super) fn get_draft(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &mut [u8],
        memory: &mut dyn UserMemory,
    ) -> Option<Result<usize, Errno>> {
        Some(match name {
            MPTCP_GET_SUB_IDS => self.get_sub_ids(net, value),
            MPTCP_CLOSE_SUB_ID => self.close_sub_id(net, value),
            MPTCP_GET_SUB_TUPLE => self.get_sub_tuple(net, value),
            MPTCP_OPEN_SUB_TUPLE => self.open_sub_tuple(net, value),
            MPTCP_GET_SUB_INFO => self.get_sub_info(net, value),
            MPTCP_SUB_GETSOCKOPT => self.sub_getsockopt(net, value, memory),
            MPTCP_EVENTS => Ok(write_int(value, i32::from(self.options.draft_events))),
            // These can only be set.
            MPTCP_SUB_SETSOCKOPT
            | MPTCP_SET_SUB_PRIO
            | MPTCP_SUB_PATH_ACTIVE_LIST
            | MPTCP_SUB_PATH_BACKUP_LIST => Err(Errno::ENOPROTOOPT),
            _ => return None,
        })
    }

    /// `setsockopt`; `None` if it is no option of this family.
    pub(super) fn set_draft(
        &mut self,
        net: &mut Net<'_>,
        name: i32,
        value: &[u8],
        memory: &mut dyn UserMemory,
    ) -> Option<Result<(), Errno>> {
        Some(match name {
            MPTCP_SUB_SETSOCKOPT => self.sub_setsockopt(net, value, memory),
            MPTCP_SET_SUB_PRIO => self.set_sub_prio(net, value),
            MPTCP_SUB_PATH_ACTIVE_LIST => self.set_path_list(net, value, |lists| &mut lists.active),
            MPTCP_SUB_PATH_BACKUP_LIST => self.set_path_list(net, value, |lists| &mut lists.backup),
            MPTCP_EVENTS => read_bool(value).map(|wanted| self.set_events(net, wanted)),
            // These are all read by getsockopt.
            MPTCP_GET_SUB_IDS | MPTCP_CLOSE_SUB_ID | MPTCP_GET_SUB_TUPLE | MPTCP_OPEN_SUB_TUPLE
            | MPTCP_GET_SUB_INFO | MPTCP_SUB_GETSOCKOPT => Err(Errno::ENOPROTOOPT),
            _ => return None,
        })
    }
}
