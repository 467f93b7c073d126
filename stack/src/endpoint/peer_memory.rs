//! What earlier connections have shown of hosts: which versions they speak, and on the way to
//! which of them SYNs with MP_CAPABLE vanish.
//!
//! Owns what is remembered, for how long, and what a new connection offers because of it. It never
//! makes a connection, and has no clock.

use super::Endpoint;
use super::expiring::Expiring;
use crate::base::config::{EndpointConfig, OtherVersion, Version};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::{Duration, Instant};
use crate::mptcp::handshake::Lesson;
use std::net::{IpAddr, SocketAddr};

/// The time without MP_CAPABLE doubles this often at most.
const MAX_DOUBLINGS: u32 = 6;

/// What is remembered of other hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerKnowledge {
    /// What services speak.
    pub versions: Vec<PeerVersions>,
    /// Hosts to which no SYN with MP_CAPABLE gets through.
    pub black_holes: Vec<BlackHole>,
}

/// Which versions a service speaks, as far as its answers have shown; `None` is not known. One
/// that speaks neither is plain TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerVersions {
    /// Its address and port: another port may lead to another host.
    pub remote: SocketAddr,
    /// Version 0.
    pub v0: Option<bool>,
    /// Version 1.
    pub v1: Option<bool>,
}

/// A host to which SYNs with MP_CAPABLE vanish, while those without arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlackHole {
    /// Its address.
    pub remote: IpAddr,
    /// How often this was found.
    pub detections: u32,
    /// Until then connections start without MP_CAPABLE.
    pub until: Instant,
}

/// What a new connection offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// At first.
    pub(super) version: Version,
    /// And at once in a new attempt, if the peer does not speak that.
    pub(super) retry_with: Option<Version>,
}

/// Whether a version is spoken, and until when that counts.
#[derive(Clone, Copy, Debug)]
struct Spoken {
    speaks: bool,
    until: Instant,
}

/// What is known of one service, for each version.
#[derive(Clone, Copy, Debug, Default)]
struct Speech {
    v0: Option<Spoken>,
    v1: Option<Spoken>,
}

impl Speech {
    fn of(&self, now: Instant, version: Version) -> Option<Spoken> {
        let spoken = match version {
            Version::V0 => self.v0,
            Version::V1 => self.v1,
        };
        spoken.filter(|spoken| now < spoken.until)
    }

    fn speaks(&self, now: Instant, version: Version) -> Option<bool> {
        self.of(now, version).map(|spoken| spoken.speaks)
    }

    fn set(&mut self, version: Version, speaks: bool, until: Instant) {
        let spoken = Some(Spoken { speaks, until });
        match version {
            Version::V0 => self.v0 = spoken,
            Version::V1 => self.v1 = spoken,
        }
    }
}

/// Found this often; connections start without MP_CAPABLE until then.
#[derive(Clone, Copy, Debug)]
struct Found {
    detections: u32,
    until: Instant,
}

/// The memory of one endpoint.
#[derive(Debug)]
pub(super) struct PeerMemory {
    /// By address and port.
    speech: Expiring<SocketAddr, Speech>,
    /// By address, as the path does not depend on the port.
    black_holes: Expiring<IpAddr, Found>,
    lifetime: Duration,
    blackhole_timeout: Duration,
}

impl PeerMemory {
    pub(super) const fn new(config: &EndpointConfig) -> Self {
        Self {
            speech: Expiring::new(config.max_remembered_peers),
            black_holes: Expiring::new(config.max_remembered_peers),
            lifetime: config.peer_memory_lifetime,
            blackhole_timeout: config.blackhole_timeout,
        }
    }

    /// What to offer to a service, where `preferred` is wanted.
    pub(super) fn plan(
        &self,
        now: Instant,
        remote: SocketAddr,
        preferred: Version,
        policy: OtherVersion,
    ) -> Plan {
        let speech = self.speech.get(now, remote).unwrap_or_default();
        let other = preferred.other();
        let other_may_work = speech.speaks(now, other) != Some(false);
        let preferred_fails = speech.speaks(now, preferred) == Some(false);
        match policy {
            OtherVersion::NextConnection | OtherVersion::AtOnce
                if preferred_fails && other_may_work =>
            {
                Plan {
                    version: other,
                    retry_with: None,
                }
            }
            // Where neither works, the option on the SYN costs nothing, and shows when it does.
            OtherVersion::Never | OtherVersion::NextConnection => Plan {
                version: preferred,
                retry_with: None,
            },
            OtherVersion::AtOnce => Plan {
                version: preferred,
                retry_with: other_may_work.then_some(other),
            },
        }
    }

    /// SYNs with MP_CAPABLE vanish on the way to this host.
    pub(super) fn is_black_hole(&self, now: Instant, remote: IpAddr) -> bool {
        self.black_holes
            .get(now, remote)
            .is_some_and(|found| now < found.until)
    }

    /// Remembers what the answer to a SYN has shown; true if that is a black hole.
    pub(super) fn learn(&mut self, now: Instant, remote: SocketAddr, lesson: Lesson) -> bool {
        let speech = self.speech.get(now, remote).unwrap_or_default();
        match lesson {
            Lesson::BlackHole => return self.found_black_hole(now, remote.ip()),
            Lesson::Speaks(version) => self.note_spoken(now, remote, speech, version),
            Lesson::Refuses { offered, answered } => {
                let mut speech = speech;
                // A refusal does not prolong an earlier one: in between the version is tried again.
                if speech.speaks(now, offered) != Some(false) {
                    speech.set(offered, false, now + self.lifetime);
                }
                match answered {
                    Some(version) => self.note_spoken(now, remote, speech, version),
                    None => self.note(now, remote, speech),
                }
            }
        }
        // A SYN with MP_CAPABLE was answered.
        self.black_holes.remove(remote.ip());
        false
    }

    /// One version works. That the other does not is remembered for as long: nothing is gained by
    /// trying it, and a connection would become plain TCP by that.
    fn note_spoken(
        &mut self,
        now: Instant,
        remote: SocketAddr,
        mut speech: Speech,
        version: Version,
    ) {
        let until = now + self.lifetime;
        speech.set(version, true, until);
        if speech.speaks(now, version.other()) == Some(false) {
            speech.set(version.other(), false, until);
        }
        self.note(now, remote, speech);
    }

    fn note(&mut self, now: Instant, remote: SocketAddr, speech: Speech) {
        let until = [speech.v0, speech.v1]
            .into_iter()
            .flatten()
            .map(|spoken| spoken.until)
            .max();
        if let Some(until) = until {
            self.speech.insert(now, remote, speech, until);
        }
    }

    fn found_black_hole(&mut self, now: Instant, remote: IpAddr) -> bool {
        if self.blackhole_timeout.is_zero() {
            return false;
        }
        let before = self.black_holes.get(now, remote);
        let detections = before.map_or(0, |found| found.detections).saturating_add(1);
        let doublings = (detections - 1).min(MAX_DOUBLINGS);
        let pause = self.blackhole_timeout.saturating_mul(1 << doublings);
        let until = now + pause;
        // It is known for as long again, so that what is found then counts as the same.
        let found = Found { detections, until };
        self.black_holes.insert(now, remote, found, until + pause);
        true
    }
}

impl Endpoint {
    /// What is remembered of other hosts.
    #[must_use]
    pub fn peer_memory(&self, now: Instant) -> PeerKnowledge {
        let versions = self.peers.speech.iter(now).map(|(remote, speech)| {
            let [v0, v1] = [Version::V0, Version::V1].map(|version| speech.speaks(now, version));
            PeerVersions { remote, v0, v1 }
        });
        let black_holes = self.peers.black_holes.iter(now).map(|(remote, found)| {
            let Found { detections, until } = found;
            BlackHole {
                remote,
                detections,
                until,
            }
        });
        PeerKnowledge {
            versions: versions.collect(),
            black_holes: black_holes.collect(),
        }
    }

    /// How long a path that swallows SYNs with MP_CAPABLE counts as one: see
    /// [`EndpointConfig::blackhole_timeout`].
    #[must_use]
    pub const fn blackhole_timeout(&self) -> Duration {
        self.peers.blackhole_timeout
    }

    /// Changes that, and forgets the paths that are known, as Linux does.
    pub fn set_blackhole_timeout(&mut self, timeout: Duration) {
        self.peers.blackhole_timeout = timeout;
        self.peers.black_holes.retain(|_| false);
    }

    /// Forgets what is remembered of a host, whatever the port.
    pub fn forget_peer(&mut self, remote: IpAddr) {
        self.peers.speech.retain(|known| known.ip() != remote);
        self.peers.black_holes.remove(remote);
    }

    /// Forgets what is remembered of all hosts.
    pub fn forget_peers(&mut self) {
        self.peers.speech.retain(|_| false);
        self.peers.black_holes.retain(|_| false);
    }

    pub(super) fn learn(&mut self, now: Instant, remote: SocketAddr, lesson: Lesson) {
        if self.peers.learn(now, remote, lesson) {
            self.counters.count(MptcpCounter::Blackhole);
        }
    }
}

#[cfg(test)]
mod tests;
