//! What came of attempts to open subflows, for each pair of addresses.
//!
//! Owns when a pair may be tried again. It never decides that it is.

use crate::base::time::{Duration, Instant};
use std::net::{IpAddr, SocketAddr};

/// First wait after a failure; it doubles each time (protocol reference 3.12).
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// And never becomes longer than this.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// Pairs that are remembered; beyond that the oldest are forgotten.
const MAX_PAIRS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Attempt {
    local: IpAddr,
    remote: SocketAddr,
    /// In a row.
    failures: u32,
    /// Not before this time.
    next: Instant,
}

/// The pairs on which something went wrong, the latest last.
#[derive(Debug, Default)]
pub struct Attempts(Vec<Attempt>);

impl Attempts {
    /// A subflow could not be opened, or ended before it was of any use.
    pub fn failed(&mut self, now: Instant, local: IpAddr, remote: SocketAddr) {
        let before = self.find(local, remote).map_or(0, |known| known.failures);
        self.wait(now, local, remote, before.saturating_add(1));
    }

    /// A subflow that had been of use ended.
    pub fn ended(&mut self, now: Instant, local: IpAddr, remote: SocketAddr) {
        self.wait(now, local, remote, 1);
    }

    /// The pair may be tried now.
    #[must_use]
    pub fn allows(&self, now: Instant, local: IpAddr, remote: SocketAddr) -> bool {
        self.find(local, remote)
            .is_none_or(|known| known.next <= now)
    }

    /// The peer has announced this address anew: what failed may be tried at once.
    pub fn forget(&mut self, remote: SocketAddr) {
        self.0.retain(|attempt| attempt.remote != remote);
    }

    /// Lets no pair wait longer than this from now on.
    pub fn wait_at_most(&mut self, now: Instant, most: Duration) {
        for attempt in &mut self.0 {
            attempt.next = attempt.next.min(now + most);
        }
    }

    /// When the next pair that waits may be tried.
    #[must_use]
    pub fn next_retry(&self, now: Instant) -> Option<Instant> {
        let times = self.0.iter().map(|attempt| attempt.next);
        times.filter(|&next| next > now).min()
    }

    fn wait(&mut self, now: Instant, local: IpAddr, remote: SocketAddr, failures: u32) {
        let pause = FIRST_RETRY
            .saturating_mul(1 << (failures - 1).min(6))
            .min(MAX_RETRY);
        self.0.retain(|attempt| !attempt.is(local, remote));
        if self.0.len() >= MAX_PAIRS {
            self.0.remove(0);
        }
        self.0.push(Attempt {
            local,
            remote,
            failures,
            next: now + pause,
        });
    }

    fn find(&self, local: IpAddr, remote: SocketAddr) -> Option<&Attempt> {
        self.0.iter().find(|attempt| attempt.is(local, remote))
    }
}

impl Attempt {
    fn is(&self, local: IpAddr, remote: SocketAddr) -> bool {
        self.local == local && self.remote == remote
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn remote(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 9, 0, 1], port))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    #[test]
    fn the_wait_doubles_up_to_a_minute() {
        let mut attempts = Attempts::default();
        let mut now = at(100);
        assert!(attempts.allows(now, LOCAL, remote(80)));
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            attempts.failed(now, LOCAL, remote(80));
            let next = now + Duration::from_secs(wait);
            assert_eq!(attempts.next_retry(now), Some(next));
            assert!(!attempts.allows(next - Duration::from_millis(1), LOCAL, remote(80)));
            assert!(attempts.allows(next, LOCAL, remote(80)));
            assert!(attempts.allows(now, LOCAL, remote(81)), "another port");
            now = next;
        }
        attempts.ended(now, LOCAL, remote(80));
        assert_eq!(attempts.next_retry(now), Some(now + FIRST_RETRY));
        attempts.failed(now, LOCAL, remote(80));
        attempts.forget(remote(80));
        assert!(attempts.allows(now, LOCAL, remote(80)));
        assert_eq!(attempts.next_retry(now), None);
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = Attempts::default();
        for port in 0..1000 {
            attempts.failed(at(0), LOCAL, remote(port));
        }
        assert_eq!(attempts.0.len(), MAX_PAIRS);
        assert!(!attempts.allows(at(0), LOCAL, remote(999)));
    }
}
