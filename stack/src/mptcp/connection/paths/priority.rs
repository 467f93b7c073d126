//! MP_PRIO: which subflows are only for when no other works (RFC 6824 §3.3.8, RFC 8684 §3.3.8).
//!
//! The flag binds who receives it, one direction at a time. What the peer asks of us is
//! `Subflow::backup`, what we have asked of it `Subflow::ask_backup`, and what we do of our own
//! accord `Subflow::own_backup`.

use super::super::{Connection, Effect};
use crate::base::config::Version;
use crate::base::id::{AddressId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::mptcp::subflow::{Role, Subflow};
use crate::wire::mptcp_option::{MpPrio, MptcpOption};
use smallvec::SmallVec;
use std::net::IpAddr;

impl Connection {
    /// Asks the peer to send on a subflow only if no regular one works, or to send there again. So
    /// do we, if the settings say so (`backup_binds_both`).
    pub fn set_backup(&mut self, id: SubflowId, backup: bool) -> bool {
        let Some(index) = self.position(id) else {
            return false;
        };
        if !has_priority(&self.subflows[index]) || self.session().is_none() {
            return false;
        }
        self.ask_priority(index, backup);
        let address_id = self.id_of_dead_path(index);
        let prio = MpPrio { backup, address_id };
        match address_id {
            None => self.queue_signal(MptcpOption::Prio(prio), Some(id)),
            Some(_) => self.queue_signal(MptcpOption::Prio(prio), None),
        }
        true
    }

    /// The same for every subflow on a local address; true if there is any.
    ///
    /// Version 0 names the address, so one option does, on whatever subflow works; in version 1 each
    /// subflow has to carry its own.
    pub fn set_address_backup(&mut self, address: IpAddr, backup: bool) -> bool {
        let Some(version) = self.session().map(|session| session.version) else {
            return false;
        };
        let mut ids: SmallVec<[AddressId; 2]> = SmallVec::new();
        let mut subflows: SmallVec<[SubflowId; 4]> = SmallVec::new();
        for index in 0..self.subflows.len() {
            let subflow = &self.subflows[index];
            if subflow.tuple.local.ip() == address && has_priority(subflow) {
                self.ask_priority(index, backup);
                let subflow = &self.subflows[index];
                subflows.push(subflow.id);
                if !ids.contains(&subflow.local_id) {
                    ids.push(subflow.local_id);
                }
            }
        }
        let any = !subflows.is_empty();
        let mut ask = |address_id, on| {
            self.queue_signal(MptcpOption::Prio(MpPrio { backup, address_id }), on);
        };
        match version {
            Version::V0 => ids.into_iter().for_each(|id| ask(Some(id), None)),
            Version::V1 => subflows.into_iter().for_each(|on| ask(None, Some(on))),
        }
        any
    }

    /// Notes what we ask of the peer, and tells of it if it is news.
    fn ask_priority(&mut self, index: usize, backup: bool) {
        let subflow = &mut self.subflows[index];
        let news = subflow.ask_backup != backup;
        subflow.prefer(backup, self.config.backup_binds_both);
        self.tell_priority(index, backup, false, news);
    }

    /// Notes what the peer asks of us, and tells of it if it is news.
    fn obey_priority(&mut self, index: usize, backup: bool) {
        let before = core::mem::replace(&mut self.subflows[index].backup, backup);
        self.tell_priority(index, backup, true, before != backup);
    }

    fn tell_priority(&mut self, index: usize, backup: bool, by_peer: bool, news: bool) {
        let subflow = &self.subflows[index];
        if news && !subflow.is_closed() {
            self.effects.push_back(Effect::SubflowPriority {
                subflow: subflow.id,
                backup,
                by_peer,
            });
        }
    }

    /// Version 0 can speak for a path that carries nothing any more, on another one.
    fn id_of_dead_path(&self, index: usize) -> Option<AddressId> {
        let subflow = &self.subflows[index];
        let dead = subflow.is_stalled() || !subflow.link_up;
        let elsewhere = self.subflows.iter().any(|other| {
            other.local_id != subflow.local_id && other.can_signal() && !other.is_stalled()
        });
        (self.version() == Some(Version::V0) && dead && elsewhere).then_some(subflow.local_id)
    }

    /// MP_PRIO arrived.
    pub(in crate::mptcp::connection) fn priority_changed(&mut self, index: usize, prio: &MpPrio) {
        match (prio.address_id, self.session().map(|s| s.version)) {
            (None, Some(_)) => {
                self.count(MptcpCounter::MpPrioRx);
                self.obey_priority(index, prio.backup);
            }
            // The sender's address, by the sender's id.
            (Some(id), Some(Version::V0)) => {
                self.count(MptcpCounter::MpPrioRx);
                for index in 0..self.subflows.len() {
                    if self.subflows[index].remote_id == id {
                        self.obey_priority(index, prio.backup);
                    }
                }
            }
            // RFC 8684 §3.3.8 knows no such form.
            (Some(_), Some(Version::V1)) | (_, None) => {}
        }
    }
}

/// Its handshake is over and it is not closed.
fn has_priority(subflow: &Subflow) -> bool {
    matches!(subflow.role, Role::Initial | Role::Joined)
        && !subflow.is_closed()
        && subflow.reset_with.is_none()
}
