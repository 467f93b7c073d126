//! Pairs of addresses of which an application has said beforehand that they are backups, or are not
//! (draft-samar-mptcp-socketapi-03 §3).
//!
//! Owns the lists and the rule which of them counts. Who asks is for the floors above.

use std::net::IpAddr;

/// A pair of addresses; an unspecified one stands for any of its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathPair {
    /// Our address.
    pub local: IpAddr,
    /// The peer's address.
    pub remote: IpAddr,
}

impl PathPair {
    fn matches(&self, local: IpAddr, remote: IpAddr) -> bool {
        let is = |wanted: IpAddr, address: IpAddr| {
            wanted == address || (wanted.is_unspecified() && wanted.is_ipv4() == address.is_ipv4())
        };
        is(self.local, local) && is(self.remote, remote)
    }
}

/// What an application has said about pairs of addresses. It holds for subflows that begin
/// afterwards, whoever opens them; the initial one has no way to say that it is a backup.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PathLists {
    /// Subflows between these are no backups.
    pub active: Vec<PathPair>,
    /// Subflows between these are backups, unless they are in the other list as well.
    pub backup: Vec<PathPair>,
}

impl PathLists {
    /// Whether a subflow between these is to be a backup; `None` if nothing was said.
    #[must_use]
    pub fn is_backup(&self, local: IpAddr, remote: IpAddr) -> Option<bool> {
        let has = |list: &[PathPair]| list.iter().any(|pair| pair.matches(local, remote));
        if has(&self.active) {
            return Some(false);
        }
        has(&self.backup).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(local: &str, remote: &str) -> PathPair {
        let address = |text: &str| text.parse().expect("an address");
        PathPair {
            local: address(local),
            remote: address(remote),
        }
    }

    #[test]
    fn active_wins_and_the_wildcard_stays_in_its_family() {
        let lists = PathLists {
            active: vec![pair("10.0.0.1", "10.0.0.2")],
            backup: vec![pair("10.0.0.1", "0.0.0.0"), pair("2001:db8::1", "::")],
        };
        for (asked, expected) in [
            (pair("10.0.0.1", "10.0.0.2"), Some(false)),
            (pair("10.0.0.1", "10.9.9.9"), Some(true)),
            (pair("10.0.0.3", "10.9.9.9"), None),
            (pair("2001:db8::1", "2001:db8::2"), Some(true)),
            (pair("10.0.0.1", "2001:db8::2"), None),
        ] {
            assert_eq!(
                lists.is_backup(asked.local, asked.remote),
                expected,
                "{asked:?}"
            );
        }
    }
}
