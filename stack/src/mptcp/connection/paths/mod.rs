//! Our addresses, and what the path manager makes of them and of the peer's
//! (RFC 6824 §3.4, RFC 8684 §3.4).
//!
//! Owns when the path manager is asked and what is remembered of the paths it has opened. It never
//! decides which path is wanted.
//!
//! | file | what |
//! |---|---|
//! | `mod` | our addresses, the path manager, the outcome of attempts |
//! | `announcements` | ADD_ADDR and its echo |
//! | `withdrawals` | REMOVE_ADDR |
//! | `priority` | MP_PRIO |
//! | `permissions` | which local addresses may be used |

mod announcements;
mod permissions;
mod priority;
mod withdrawals;

pub(super) use announcements::Unechoed;
pub(super) use permissions::{Leaving, Permissions};

use super::subflows::MAX_REVIVAL_RETRY;
use super::{Connection, Effect, Side};
use crate::base::id::AddressId;
use crate::base::time::{Duration, Instant};
use crate::mptcp::path_manager::{LocalAddress, PathAction, PathInUse, PathView, RemoteAddress};
use crate::mptcp::subflow::Role;
use crate::wire::mptcp_option::ResetReason;
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// Pause before paths are looked at, so that announcements that come one by one are seen
/// together.
const SETTLE_MIN: Duration = Duration::from_millis(5);
/// Upper bound of that pause.
const SETTLE_MAX: Duration = Duration::from_millis(200);

impl Connection {
    /// Our addresses within this connection.
    #[must_use]
    pub fn local_addresses(&self) -> &[LocalAddress] {
        self.addresses.local()
    }

    /// The peer's addresses, as it announced them.
    #[must_use]
    pub fn remote_addresses(&self) -> &[RemoteAddress] {
        self.addresses.remote()
    }

    /// Tells of a local address that may be used for this connection.
    pub fn add_local_address(&mut self, now: Instant, address: IpAddr) {
        if self.addresses.local_id(address).is_some() || !self.permits(address) {
            return;
        }
        if self.learn_local(address, None).is_some() {
            self.update_paths_soon(now);
        }
    }

    /// Our id for an address, or for a port of one; `None` if all ids are taken. One that is new
    /// is told of.
    pub(super) fn learn_local(&mut self, address: IpAddr, port: Option<u16>) -> Option<AddressId> {
        let before = self.addresses.local().len();
        let wanted = self.id_of_endpoint(address, port);
        let id = self.addresses.add_as(address, port, wanted)?;
        if self.addresses.local().len() > before {
            self.effects
                .push_back(Effect::LocalAddressAdded(id, address));
        }
        Some(id)
    }

    /// The path manager is asked a little later, when more is known. Who was connected to only
    /// announces: that goes at once, when both keys are known and before any data, so that it
    /// arrives while the other side still waits.
    pub(super) fn update_paths_soon(&mut self, now: Instant) {
        if !self.are_paths_ready() {
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

    fn are_paths_ready(&self) -> bool {
        let ready = self
            .session()
            .is_some_and(|s| s.confirmed || (self.side == Side::Listener && !s.assumed));
        ready && self.closed.is_none()
    }

    pub(super) fn update_paths(&mut self, now: Instant) {
        let Some(session) = self.session() else {
            return;
        };
        let in_use: SmallVec<[PathInUse; 8]> = self
            .reachable_subflows()
            .filter(|s| !self.is_leaving(s.tuple.local.ip()))
            .map(|s| PathInUse {
                local: s.tuple.local.ip(),
                remote: s.tuple.remote,
                remote_id: s.remote_id,
                opened_by_peer: s.opened_by_peer,
                joining: matches!(s.role, Role::Joining { .. } | Role::PreEstablished { .. }),
            })
            .collect();
        // Data goes on only while somebody may still send; a new path would be of no use after.
        if self.state.is_finished() {
            return;
        }
        let last = self.more_announcements_until(now);
        let actions = self.path_manager.update(&PathView {
            now,
            initiator: self.side == Side::Initiator,
            deny_join_initial: session.deny_join_initial,
            initial_local: self.addresses_of_initial().local.ip(),
            addresses: &self.addresses,
            endpoints: &self.path_endpoints,
            attempts: &self.attempts,
            in_use: &in_use,
            prohibited: &self.prohibited_paths,
            max_subflows: self.subflow_limit(),
            more_may_come: last.is_some(),
            may_open: self.check_can_open_subflow().is_ok(),
            awaiting_echo: !self.unechoed.is_empty(),
        });
        if let Some(last) = last {
            let deadline = self.deadlines.paths.get_or_insert(last);
            *deadline = last.min(*deadline);
        }
        for action in actions {
            self.carry_out(now, action);
        }
        self.retry_paths_later(now);
    }

    fn carry_out(&mut self, now: Instant, action: PathAction) {
        match action {
            PathAction::Open {
                local,
                remote,
                remote_id,
                backup,
            } => {
                self.effects.push_back(Effect::OpenSubflow {
                    local,
                    remote,
                    remote_id,
                    backup,
                });
            }
            PathAction::Announce { address, port } => {
                if let Some(id) = self.learn_local(address, port) {
                    self.announce(now, id);
                }
                let told = self.addresses.is_told(address, port);
                if self.follows_endpoints() && told && self.unechoed.is_empty() {
                    // Nobody confirms it, so the next one follows at once.
                    self.update_paths_soon(now);
                }
            }
        }
    }

    /// Until when more announcements are to be expected: a peer sends two acknowledgments with
    /// nothing but options, and the next after a retransmission timeout (RFC 6824 appendix A).
    fn more_announcements_until(&self, now: Instant) -> Option<Instant> {
        let rto = self.subflows[0].tcb.rtt.rto();
        let until = self.announced_at? + rto * 2;
        (until > now).then_some(until)
    }

    /// Asks the path manager again when a pair that failed may be tried again.
    pub(super) fn retry_paths_later(&mut self, now: Instant) {
        if self.is_bereft {
            self.attempts.wait_at_most(now, MAX_REVIVAL_RETRY);
        }
        if self.session().is_some()
            && self.closed.is_none()
            && let Some(at) = self.attempts.next_retry(now)
        {
            let deadline = self.deadlines.paths.get_or_insert(at);
            *deadline = at.min(*deadline);
        }
    }

    /// The peer proved its key on a subflow, so the address is its own.
    pub(super) fn path_proven(&mut self, index: usize) {
        let remote = self.subflows[index].tuple.remote;
        self.addresses.set_remote_proven(remote);
    }

    /// A subflow is gone: its pair may be tried again after a pause, which grows with attempts that
    /// came to nothing.
    pub(super) fn path_ended(&mut self, now: Instant, index: usize) {
        let subflow = &self.subflows[index];
        let (local, remote) = (subflow.tuple.local.ip(), subflow.tuple.remote);
        // What it carried may have been of no use.
        let spoilt = subflow
            .reset_with
            .is_some_and(|words| words.reason == ResetReason::MiddleboxInterference);
        let of_use = !spoilt && (subflow.tcb.bytes_acked > 0 || subflow.tcb.bytes_received > 0);
        match subflow.role {
            // What the peer says of the path says nothing against the address, nor does an address
            // of ours that is gone.
            Role::Joining { .. } | Role::PreEstablished { .. }
                if subflow.end_is_transient
                    || subflow.reset_reason.is_some()
                    || self.is_our_end_gone(index) =>
            {
                self.attempts.failed(now, local, remote);
            }
            Role::Joining { .. } | Role::PreEstablished { .. } => {
                self.path_failed(now, local, remote);
                return;
            }
            // A port of the peer's that means nothing to us.
            Role::Answering { .. } => return,
            Role::Initial | Role::Joined if of_use => self.attempts.ended(now, local, remote),
            Role::Initial | Role::Joined => self.attempts.failed(now, local, remote),
        }
        self.go_on_without_path(now);
    }

    /// A subflow was not even tried, for reasons on our side.
    pub fn path_not_tried(&mut self, now: Instant, local: IpAddr, remote: SocketAddr) {
        self.attempts.failed(now, local, remote);
        self.go_on_without_path(now);
    }

    /// What waited for a path that came to nothing waits no longer.
    fn go_on_without_path(&mut self, now: Instant) {
        if self.follows_endpoints() {
            // The next endpoint has its turn.
            self.update_paths_soon(now);
        } else {
            self.retry_paths_later(now);
        }
        self.leave_when_ready(now);
    }

    /// A subflow could not be opened.
    pub fn path_failed(&mut self, now: Instant, local: IpAddr, remote: SocketAddr) {
        // RFC 6824 §3.4.1: an address that was announced and cannot be reached is not tried again
        // until it is announced again. It may be somebody else's.
        if !self.addresses.set_remote_failed(remote) {
            self.attempts.failed(now, local, remote);
        }
        self.go_on_without_path(now);
    }

    /// Local ids that the peer has met: by an announcement or by a subflow.
    fn is_known_to_peer(&self, local: &LocalAddress) -> bool {
        let used = |id: AddressId| self.subflows.iter().any(|s| s.local_id == id);
        local.announced || used(local.id)
    }
}
