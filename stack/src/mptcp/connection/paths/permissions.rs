//! Which local addresses the connection may use, and how it leaves one that it may not use any more
//! (RFC 6897 §5.3.3).
//!
//! Owns the list. That an address is not permitted is asked wherever one is announced, joined, or
//! used for a subflow.

use super::super::{Connection, Effect};
use crate::base::time::{Duration, Instant};
use crate::mptcp::subflow::{Role, Subflow};
use std::net::IpAddr;

/// An address that is to be left waits this long for other paths to come up.
const LEAVE_PATIENCE: Duration = Duration::from_secs(3);

/// The local addresses that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mptcp::connection) enum Permissions {
    /// All but these.
    AllExcept(Vec<IpAddr>),
    /// These.
    Only(Vec<IpAddr>),
}

/// A local address that is not permitted any more, while other paths come up.
#[derive(Clone, Copy, Debug)]
pub(in crate::mptcp::connection) struct Leaving {
    address: IpAddr,
    /// They are waited for no longer than this.
    until: Instant,
}

impl Permissions {
    /// A list, or none, and an address that is on it in any case.
    pub(in crate::mptcp::connection) fn new(only: Option<&[IpAddr]>, always: IpAddr) -> Self {
        match only {
            None => Self::AllExcept(Vec::new()),
            Some(list) => {
                let mut list = list.to_vec();
                if !list.contains(&always) {
                    list.push(always);
                }
                Self::Only(list)
            }
        }
    }

    fn permit(&self, address: IpAddr) -> bool {
        match self {
            Self::AllExcept(list) => !list.contains(&address),
            Self::Only(list) => list.contains(&address),
        }
    }

    fn set(&mut self, address: IpAddr, permitted: bool) {
        let (list, listed) = match self {
            Self::AllExcept(list) => (list, !permitted),
            Self::Only(list) => (list, permitted),
        };
        list.retain(|&known| known != address);
        if listed {
            list.push(address);
        }
    }
}

impl Connection {
    /// This local address may be used.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        self.permissions.permit(address)
    }

    /// The only local addresses that may be used, if there is such a list.
    #[must_use]
    pub fn allowed_local(&self) -> Option<&[IpAddr]> {
        match &self.permissions {
            Permissions::AllExcept(_) => None,
            Permissions::Only(list) => Some(list),
        }
    }

    /// Only these and the address of the initial subflow, as long as that lives; or all.
    pub fn set_allowed_local(&mut self, now: Instant, allowed: Option<Vec<IpAddr>>) {
        self.permissions = match allowed {
            None => Permissions::AllExcept(Vec::new()),
            Some(list) if self.subflows[0].is_closed() => Permissions::Only(list),
            Some(list) => Permissions::new(Some(&list), self.addresses_of_initial().local.ip()),
        };
        let used = self.subflows.iter().filter(|subflow| !subflow.is_closed());
        let used = used.map(|subflow| subflow.tuple.local.ip());
        let known = self.addresses.local().iter().map(|known| known.address);
        let mut all: Vec<IpAddr> = used.chain(known).collect();
        all.sort_unstable();
        all.dedup();
        for address in all {
            if self.permits(address) {
                self.stay_at(address);
            } else {
                self.leave(now, address);
            }
        }
    }

    /// One more.
    pub fn allow_local(&mut self, address: IpAddr) {
        self.permissions.set(address, true);
        self.stay_at(address);
    }

    /// One less, whether it is that of the initial subflow or not.
    pub fn disallow_local(&mut self, now: Instant, address: IpAddr) {
        self.permissions.set(address, false);
        self.leave(now, address);
    }

    fn stay_at(&mut self, address: IpAddr) {
        let before = self.leaving.len();
        self.leaving.retain(|leaving| leaving.address != address);
        if self.leaving.len() < before {
            self.addresses.set_local_up(address, true);
        }
    }

    /// RFC 6897 §5.3.3: paths that are permitted and unused should be brought up before the subflows
    /// close and the peer is told.
    fn leave(&mut self, now: Instant, address: IpAddr) {
        if self.session().is_none() {
            // There is nobody to tell, and one path: it stays as long as the connection.
            return;
        }
        // The path manager offers nothing on an address that is down.
        self.addresses.set_local_up(address, false);
        if !self.is_leaving(address) {
            let until = now + LEAVE_PATIENCE;
            self.leaving.push(Leaving { address, until });
        }
        if self.are_paths_ready() {
            self.update_paths(now);
        }
        self.leave_when_ready(now);
    }

    pub(in crate::mptcp::connection) fn is_leaving(&self, address: IpAddr) -> bool {
        self.leaving
            .iter()
            .any(|leaving| leaving.address == address)
    }

    /// Leaves what is to be left, once no path is under way that could take its place.
    pub(in crate::mptcp::connection) fn leave_when_ready(&mut self, now: Instant) {
        if self.leaving.is_empty() {
            return;
        }
        let wanted = |effect: &Effect| matches!(effect, Effect::OpenSubflow { .. });
        let joining = |subflow: &Subflow| {
            let ours = matches!(
                subflow.role,
                Role::Joining { .. } | Role::PreEstablished { .. }
            );
            ours && !subflow.is_closed() && !self.is_leaving(subflow.tuple.local.ip())
        };
        let pending = self.effects.iter().any(wanted) || self.subflows.iter().any(joining);
        let due = |leaving: &mut Leaving| !pending || leaving.until <= now;
        let gone: Vec<Leaving> = self.leaving.extract_if(.., due).collect();
        self.deadlines.leave = self.leaving.iter().map(|leaving| leaving.until).min();
        for Leaving { address, .. } in gone {
            self.remove_local_address(now, address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn a_list_holds_what_is_always_permitted() {
        let mut list = Permissions::new(Some(&[ip(2)]), ip(1));
        assert!(list.permit(ip(1)) && list.permit(ip(2)) && !list.permit(ip(3)));
        list.set(ip(1), false);
        list.set(ip(3), true);
        assert_eq!(list, Permissions::Only(vec![ip(2), ip(3)]));
    }

    #[test]
    fn without_a_list_all_are_permitted_but_those_that_are_taken_away() {
        let mut all = Permissions::new(None, ip(1));
        assert!(all.permit(ip(9)));
        all.set(ip(9), false);
        all.set(ip(9), false);
        assert!(!all.permit(ip(9)) && all.permit(ip(8)));
        all.set(ip(9), true);
        assert_eq!(all, Permissions::AllExcept(Vec::new()));
    }
}
