//! Addresses, announcements, and what the path manager makes of them
//! (RFC 6824 §3.4, RFC 8684 §3.4).

use super::{Connection, Effect, Side, Signal};
use crate::base::config::Version;
use crate::base::id::{AddressId, SubflowId};
use crate::base::time::{Duration, Instant};
use crate::mptcp::key::{add_addr_hmac, constant_time_eq};
use crate::mptcp::path_manager::{PathAction, PathInUse, PathView};
use crate::mptcp::subflow::Role;
use crate::wire::mptcp_option::{AddAddr, AddAddrForm, MptcpOption, ResetReason};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// Pause before paths are looked at, so that announcements that come one by one are seen
/// together.
const SETTLE_MIN: Duration = Duration::from_millis(5);
/// Upper bound of that pause.
const SETTLE_MAX: Duration = Duration::from_millis(200);
/// RFC 8684 §3.4.1 leaves the repetition to the sender; Linux sends up to three.
const ANNOUNCE_TRIES: u32 = 3;

impl Connection {
    /// Tells of a local address that may be used for this connection.
    pub fn add_local_address(&mut self, now: Instant, address: IpAddr) {
        if self.addresses.local_id(address).is_none() && self.addresses.add_local(address).is_some()
        {
            self.update_paths_soon(now);
        }
    }

    /// A local address is gone: its subflows end and the peer is told (RFC 6824 §3.4.2).
    pub fn remove_local_address(&mut self, now: Instant, address: IpAddr) {
        let id = self.addresses.remove_local(address);
        for index in 0..self.subflows.len() {
            let subflow = &self.subflows[index];
            if subflow.tuple.local.ip() == address && !subflow.is_closed() {
                self.reset_subflow(now, index, ResetReason::Unspecified);
            }
        }
        if let Some(id) = id
            && self.session().is_some()
        {
            self.unechoed.retain(|&(unechoed, ..)| unechoed != id);
            self.queue_signal(MptcpOption::RemoveAddr(SmallVec::from_iter([id])), None);
        }
    }

    /// The path manager is asked a little later, when more is known. Who was connected to only
    /// announces: that goes at once, when both keys are known and before any data, so that it
    /// arrives while the other side still waits.
    pub(super) fn update_paths_soon(&mut self, now: Instant) {
        let ready = self
            .session()
            .is_some_and(|s| s.confirmed || (self.side == Side::Listener && !s.assumed));
        if !ready || self.closed.is_some() {
            return;
        }
        let pause = match self.side {
            Side::Initiator => {
                let srtt = self.subflows[0].tcb.rtt.srtt().unwrap_or(SETTLE_MIN);
                srtt.clamp(SETTLE_MIN, SETTLE_MAX)
            }
            Side::Listener => Duration::ZERO,
        };
        self.deadlines.paths = Some(now + pause);
    }

    pub(super) fn update_paths(&mut self, now: Instant) {
        let Some(session) = self.session() else {
            return;
        };
        let in_use: SmallVec<[PathInUse; 8]> = self
            .reachable_subflows()
            .map(|s| PathInUse {
                local: s.tuple.local.ip(),
                remote: s.tuple.remote,
            })
            .collect();
        // Data goes on only while somebody may still send; a new path would be of no use after.
        if !self.state.can_write() && !self.send.is_outstanding() && self.receive.is_finished() {
            return;
        }
        let actions = self.path_manager.update(&PathView {
            initiator: self.side == Side::Initiator,
            deny_join_initial: session.deny_join_initial,
            addresses: &self.addresses,
            in_use: &in_use,
            prohibited: &self.prohibited_paths,
            max_subflows: self.config.max_subflows,
        });
        for action in actions {
            match action {
                PathAction::Open {
                    local,
                    remote,
                    remote_id,
                } => {
                    self.effects.push_back(Effect::OpenSubflow {
                        local,
                        remote,
                        remote_id,
                        backup: false,
                    });
                }
                PathAction::Announce(address) => self.announce(now, address),
            }
        }
    }

    /// Queues ADD_ADDR for one of our addresses.
    fn announce(&mut self, now: Instant, address: IpAddr) {
        let Some(id) = self.addresses.local_id(address) else {
            return;
        };
        self.addresses.set_announced(address);
        self.queue_add_addr(id, address);
        if self.version() == Some(Version::V1) {
            self.unechoed.push((id, address, 1));
            self.arm_announce_timer(now);
        }
    }

    fn queue_add_addr(&mut self, id: AddressId, address: IpAddr) {
        let Some(session) = self.session() else {
            return;
        };
        let form = match session.version {
            Version::V0 => AddAddrForm::V0,
            Version::V1 => AddAddrForm::V1(add_addr_hmac(
                session.local.key,
                session.remote.key,
                id,
                address,
                None,
            )),
        };
        self.queue_signal(
            MptcpOption::AddAddr(AddAddr {
                address_id: id,
                address,
                port: None,
                form,
            }),
            None,
        );
    }

    fn arm_announce_timer(&mut self, now: Instant) {
        let rto = self.subflows[0].tcb.rtt.rto();
        self.deadlines
            .announce
            .get_or_insert_with(|| now + rto.max(Duration::from_secs(1)));
    }

    /// Announcements without echo go out again, a few times (version 1).
    pub(super) fn announce_again(&mut self, now: Instant) {
        self.unechoed.retain(|&(.., tries)| tries < ANNOUNCE_TRIES);
        let again: SmallVec<[(AddressId, IpAddr); 4]> = self
            .unechoed
            .iter_mut()
            .map(|(id, address, tries)| {
                *tries += 1;
                (*id, *address)
            })
            .collect();
        for (id, address) in again {
            self.queue_add_addr(id, address);
        }
        if !self.unechoed.is_empty() {
            self.arm_announce_timer(now);
        }
    }

    /// ADD_ADDR or its echo arrived.
    pub(super) fn address_announced(&mut self, now: Instant, index: usize, option: &AddAddr) {
        let Some(session) = self.session() else {
            return;
        };
        match (option.form, session.version) {
            (AddAddrForm::V0, Version::V0) => {}
            (AddAddrForm::V1(received), Version::V1) => {
                let (theirs, ours) = (session.remote.key, session.local.key);
                let AddAddr {
                    address_id,
                    address,
                    port,
                    ..
                } = *option;
                let expected = add_addr_hmac(theirs, ours, address_id, address, port);
                // RFC 8684 §3.4.1: a wrong HMAC is ignored, without an echo.
                if !constant_time_eq(&expected, &received) {
                    return;
                }
                let on = self.subflows[index].id;
                let echo = AddAddr {
                    form: AddAddrForm::V1Echo,
                    ..*option
                };
                self.queue_signal(MptcpOption::AddAddr(echo), Some(on));
            }
            (AddAddrForm::V1Echo, Version::V1) => {
                self.unechoed.retain(|&(id, address, _)| {
                    id != option.address_id || address != option.address
                });
                return;
            }
            // A form of the other version.
            (AddAddrForm::V0, Version::V1)
            | (AddAddrForm::V1(_) | AddAddrForm::V1Echo, Version::V0) => return,
        }
        if !is_joinable(option.address) {
            return;
        }
        // RFC 6824 §3.4.1: without a port, that of the subflow which brought the option.
        let port = option
            .port
            .unwrap_or_else(|| self.subflows[index].tuple.remote.port());
        let announced = SocketAddr::new(option.address, port);
        if self.addresses.announce_remote(option.address_id, announced) {
            self.permit_paths_to(announced);
        }
        self.update_paths_soon(now);
    }

    /// REMOVE_ADDR arrived: its subflows end, as the reference implementations do it.
    pub(super) fn addresses_withdrawn(&mut self, now: Instant, ids: &[AddressId]) {
        for &id in ids {
            self.addresses.withdraw_remote(id);
            for index in 0..self.subflows.len() {
                let subflow = &self.subflows[index];
                let others = self.has_other_usable(index);
                if subflow.remote_id == id && !subflow.is_closed() && others {
                    self.reset_subflow(now, index, ResetReason::Unspecified);
                }
            }
        }
    }

    /// Puts an option on the next fitting acknowledgment.
    pub(super) fn queue_signal(&mut self, option: MptcpOption, on: Option<SubflowId>) {
        self.signals.push_back(Signal { option, on });
    }

    /// Asks the peer to treat a subflow as backup or as regular (RFC 6824 §3.3.8), and does so too
    /// if the settings say so.
    pub fn set_backup(&mut self, id: SubflowId, backup: bool) -> bool {
        let Some(index) = self.position(id) else {
            return false;
        };
        if !matches!(self.subflows[index].role, Role::Initial | Role::Joined)
            || self.session().is_none()
        {
            return false;
        }
        self.subflows[index].prefer(backup, self.config.backup_binds_both);
        let prio = crate::wire::mptcp_option::MpPrio {
            backup,
            address_id: None,
        };
        self.queue_signal(MptcpOption::Prio(prio), Some(id));
        true
    }
}

/// An announced address that could be joined at all: a forged announcement of version 0 must not
/// make us talk to ourselves or to everybody (protocol reference 7).
fn is_joinable(address: IpAddr) -> bool {
    !(address.is_loopback() || address.is_multicast() || address.is_unspecified())
}
