//! How many joins may fail (protocol reference 7: token guessing).
//!
//! Owns the count of failed joins, for each source and in all, in a table of bounded size. It knows
//! nothing of connections, and keeps nobody out for ever: every interval starts anew.

use crate::base::config::FailedJoinLimits;
use crate::base::time::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Sources that are counted apart. Others share the limit of all.
const MAX_SOURCES: usize = 1024;

/// Failed joins of the current interval.
#[derive(Debug)]
pub(super) struct FailedJoins {
    limits: FailedJoinLimits,
    since: Instant,
    total: u32,
    by_source: BTreeMap<Source, u32>,
}

/// Who can change its address at will counts as one: an IPv6 network of 64 bits (RFC 4291 §2.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl Source {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut network = [0; 8];
                network.copy_from_slice(&address.octets()[..8]);
                Self::V6(network)
            }
        }
    }
}

impl FailedJoins {
    pub(super) fn new(limits: FailedJoinLimits) -> Self {
        Self {
            limits,
            since: Instant::ZERO,
            total: 0,
            by_source: BTreeMap::new(),
        }
    }

    /// Counts a failed join; true if it is to be answered.
    pub(super) fn note(&mut self, now: Instant, address: IpAddr) -> bool {
        self.start_interval(now);
        self.total = self.total.saturating_add(1);
        let source = Source::of(address);
        if self.by_source.len() < MAX_SOURCES || self.by_source.contains_key(&source) {
            let count = self.by_source.entry(source).or_default();
            *count = count.saturating_add(1);
        }
        self.total <= self.limits.total && self.count(source) <= self.limits.per_source
    }

    /// So many joins of this source have failed that it may be guessing tokens.
    pub(super) fn is_suspect(&mut self, now: Instant, address: IpAddr) -> bool {
        self.start_interval(now);
        self.count(Source::of(address)) > self.limits.per_source
    }

    fn count(&self, source: Source) -> u32 {
        self.by_source.get(&source).copied().unwrap_or(0)
    }

    fn start_interval(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= self.limits.interval {
            self.since = now;
            self.total = 0;
            self.by_source.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn failed() -> FailedJoins {
        FailedJoins::new(FailedJoinLimits {
            per_source: 3,
            total: 2000,
            interval: Duration::from_secs(10),
        })
    }

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn a_source_is_answered_again_in_the_next_interval() {
        let mut failed = failed();
        let answers = |failed: &mut FailedJoins, millis| {
            let now = Instant::from_millis(millis);
            (0..5).filter(|_| failed.note(now, v4(1))).count()
        };
        assert_eq!(answers(&mut failed, 20_000), 3);
        let late = Instant::from_millis(29_999);
        assert!(failed.is_suspect(late, v4(1)) && !failed.is_suspect(late, v4(2)));
        assert_eq!(answers(&mut failed, 29_999), 0);
        assert!(failed.note(late, v4(2)), "another source");
        assert!(!failed.is_suspect(Instant::from_millis(30_000), v4(1)));
        assert_eq!(answers(&mut failed, 30_000), 3);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let mut failed = failed();
        let now = Instant::from_millis(20_000);
        let host = |network, host| Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host).into();
        let answered = (0..10).filter(|&at| failed.note(now, host(1, at))).count();
        assert_eq!(answered, 3);
        assert!(failed.is_suspect(now, host(1, 99)));
        assert!(failed.note(now, host(2, 0)));
    }

    #[test]
    fn many_sources_share_the_limit_and_the_memory() {
        let mut failed = failed();
        let now = Instant::from_millis(20_000);
        let answered = (0..100_000).filter(|&at| failed.note(now, v4(at))).count();
        assert_eq!(answered, 2000);
        assert_eq!(failed.by_source.len(), MAX_SOURCES);
        assert!(
            !failed.is_suspect(now, v4(7)),
            "the limit of all binds no single source"
        );
    }
}
