//! REMOVE_ADDR: addresses that are gone (RFC 6824 §3.4.2, RFC 8684 §3.4.2).

use super::super::{Connection, Effect};
use crate::base::id::AddressId;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::path_manager::LocalAddress;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::subflow::Role;
use crate::wire::mptcp_option::{MptcpOption, ResetReason};
use std::net::IpAddr;

impl Connection {
    /// A local address is gone: its subflows end and the peer is told (RFC 6824 §3.4.2).
    pub fn remove_local_address(&mut self, now: Instant, address: IpAddr) {
        let removed = self.addresses.remove_local(address);
        // Also those that the book has no place for.
        for local in &removed {
            self.effects
                .push_back(Effect::LocalAddressRemoved(local.id, local.address));
        }
        self.end_subflows_where(now, |_, local| local == address);
        self.withdraw(now, &removed);
    }

    /// Takes an announcement back, as if the address (or this port of it) were gone. False if it is
    /// not known.
    pub fn withdraw_address(&mut self, now: Instant, address: IpAddr, port: Option<u16>) -> bool {
        let Some(removed) = self.addresses.remove(address, port) else {
            return false;
        };
        self.effects
            .push_back(Effect::LocalAddressRemoved(removed.id, removed.address));
        self.withdraw(now, &[removed]);
        true
    }

    fn withdraw(&mut self, now: Instant, removed: &[LocalAddress]) {
        let told = removed.iter().filter(|local| self.is_known_to_peer(local));
        let told: Vec<AddressId> = told.map(|local| local.id).collect();
        for local in removed {
            self.notes.told.remove(&local.id);
            self.unechoed.retain(|unechoed| !unechoed.is_of(local.id));
            self.end_subflows_where(now, |id, _| id == local.id);
        }
        if self.session().is_some() && !told.is_empty() {
            // On whatever subflow is left: those on this address can carry nothing any more.
            self.queue_signal(MptcpOption::RemoveAddr(told.into()), None);
        }
    }

    /// RFC 6824 §3.4.2: who withdraws an address ends its own subflows there.
    fn end_subflows_where(&mut self, now: Instant, gone: impl Fn(AddressId, IpAddr) -> bool) {
        for index in 0..self.subflows.len() {
            let subflow = &self.subflows[index];
            if gone(subflow.local_id, subflow.tuple.local.ip()) {
                self.remove_subflow(now, index, SubflowCloseReason::LocalAddressGone);
            }
        }
    }

    /// Ends a subflow because an address of it was withdrawn: `cause` says whose.
    pub(in crate::mptcp::connection) fn remove_subflow(
        &mut self,
        now: Instant,
        index: usize,
        cause: SubflowCloseReason,
    ) {
        let subflow = &mut self.subflows[index];
        if !subflow.is_closed() && subflow.reset_with.is_none() {
            subflow.ends_for(cause);
            self.count(MptcpCounter::RmSubflow);
            self.reset_subflow(now, index, ResetReason::Unspecified);
        }
    }

    /// REMOVE_ADDR arrived.
    pub(in crate::mptcp::connection) fn addresses_withdrawn(
        &mut self,
        now: Instant,
        ids: &[AddressId],
    ) {
        if self.session().is_none() {
            return;
        }
        for &id in ids {
            self.count(MptcpCounter::RmAddr);
            let mut known = self.addresses.withdraw_remote(id);
            for index in 0..self.subflows.len() {
                let subflow = &self.subflows[index];
                if subflow.remote_id == id && !subflow.is_closed() {
                    known = true;
                    self.subflow_withdrawn(now, index);
                }
            }
            if known {
                self.effects.push_back(Effect::RemoteAddressRemoved(id));
            } else {
                // RFC 6824 §3.4.2: ignored.
                self.count(MptcpCounter::RmAddrDrop);
            }
        }
    }

    /// The peer has withdrawn the address of this subflow. It may be an old packet, or a forged one,
    /// so the subflow ends only if nobody answers there any more (RFC 6824 §3.4.2). If somebody
    /// does, the peer closes it itself.
    fn subflow_withdrawn(&mut self, now: Instant, index: usize) {
        match self.subflows[index].role {
            // Nothing new is begun with the address.
            Role::Joining { .. } | Role::PreEstablished { .. } => {
                self.remove_subflow(now, index, SubflowCloseReason::RemoteAddressGone);
            }
            // The peer means it, or will not finish it.
            Role::Answering { .. } => {}
            Role::Initial | Role::Joined => {
                let subflow = &mut self.subflows[index];
                if !subflow.link_up {
                    // Nothing can be asked there.
                    self.remove_subflow(now, index, SubflowCloseReason::RemoteAddressGone);
                } else if subflow.can_signal() && !subflow.probes.for_removal {
                    subflow.probes.for_removal = true;
                    if !subflow.probes.for_application {
                        subflow.tcb.request_probe(now);
                    }
                }
            }
        }
    }
}
