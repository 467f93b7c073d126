//! ADD_ADDR and its echo (RFC 6824 §3.4.1, RFC 8684 §3.4.1).

use super::super::{Connection, Effect};
use crate::base::config::Version;
use crate::base::id::{AddressId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::{Duration, Instant};
use crate::mptcp::handshake::Session;
use crate::mptcp::key::{add_addr_hmac, constant_time_eq};
use crate::mptcp::path_manager::Announced;
use crate::mptcp::subflow::Subflow;
use crate::wire::mptcp_option::{AddAddr, AddAddrForm, MptcpOption};
use smallvec::SmallVec;
use std::net::{IpAddr, SocketAddr};

/// RFC 8684 §3.4.1 leaves the repetition to the sender; Linux repeats up to three times.
const MAX_REPEATS: u32 = 3;
/// RTO while no subflow has measured one (RFC 6298 §2.1).
const INITIAL_RTO: Duration = Duration::from_secs(1);

/// An announcement that the peer has not echoed (version 1).
#[derive(Clone, Copy, Debug)]
pub(in crate::mptcp::connection) struct Unechoed {
    id: AddressId,
    address: IpAddr,
    port: Option<u16>,
    /// How often it was repeated.
    repeats: u32,
    /// When it is again, or given up.
    next: Instant,
}

impl Unechoed {
    pub(super) fn is_of(&self, id: AddressId) -> bool {
        self.id == id
    }
}

/// What an ADD_ADDR is in a connection of this version.
enum Meaning {
    /// An announcement that the peer made.
    Announcement,
    /// The peer has got ours.
    Echo,
    /// It means nothing here.
    Nothing,
}

impl Connection {
    /// Tells the peer of an address, or of a port of one, that it may join; also when it was told
    /// before. False if MPTCP is not in use, all ids are taken, or the address means something
    /// else to another host.
    pub fn announce_address(&mut self, now: Instant, address: IpAddr, port: Option<u16>) -> bool {
        let possible = self.session().is_some() && self.closed.is_none();
        if !possible || !is_unicast(address) || !self.permits(address) {
            return false;
        }
        let Some(id) = self.learn_local(address, port) else {
            return false;
        };
        self.announce(now, id);
        true
    }

    /// Announces what has this id.
    pub(super) fn announce(&mut self, now: Instant, id: AddressId) {
        let (Some(&local), Some(version)) = (
            self.addresses.local().iter().find(|known| known.id == id),
            self.version(),
        ) else {
            return;
        };
        if !is_unicast(local.address) {
            // Nobody could join it, and it tells of what is on this host or link only.
            return;
        }
        self.addresses.set_id_announced(id);
        self.notes.told.insert(id);
        self.unechoed.retain(|unechoed| unechoed.id != id);
        match version {
            Version::V0 => {
                // RFC 6824 §3.4.1: nobody confirms it, so it goes on all subflows.
                let all: SmallVec<[SubflowId; 8]> = self.signalling().map(|s| s.id).collect();
                for on in all {
                    self.queue_add_addr(id, local.address, local.port, Some(on));
                }
            }
            Version::V1 => {
                self.queue_add_addr(id, local.address, local.port, None);
                if !self.config.add_addr_timeout.is_zero() {
                    let next = now + self.echo_timeout(0);
                    self.unechoed.push(Unechoed {
                        id,
                        address: local.address,
                        port: local.port,
                        repeats: 0,
                        next,
                    });
                    self.arm_announce_timer();
                }
            }
        }
    }

    fn signalling(&self) -> impl Iterator<Item = &Subflow> {
        self.subflows
            .iter()
            .filter(|subflow| subflow.can_signal() && !subflow.is_stalled())
    }

    fn queue_add_addr(
        &mut self,
        id: AddressId,
        address: IpAddr,
        port: Option<u16>,
        on: Option<SubflowId>,
    ) {
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
                port,
            )),
        };
        let option = AddAddr {
            address_id: id,
            address,
            port,
            form,
        };
        self.queue_signal(MptcpOption::AddAddr(option), on);
    }

    /// How long an echo is waited for: a retransmission timeout, twice as long each time, up to the
    /// setting.
    fn echo_timeout(&self, repeats: u32) -> Duration {
        let slowest = self.signalling().map(|s| s.tcb.rtt.rto()).max();
        slowest
            .unwrap_or(INITIAL_RTO)
            .saturating_mul(1 << repeats.min(MAX_REPEATS))
            .min(self.config.add_addr_timeout)
    }

    fn arm_announce_timer(&mut self) {
        let next = self.unechoed.iter().map(|unechoed| unechoed.next).min();
        self.deadlines.announce = next;
    }

    /// Announcements without echo go out again, a few times (version 1).
    pub(in crate::mptcp::connection) fn announce_again(&mut self, now: Instant) {
        let before = self.unechoed.len();
        self.unechoed
            .retain(|unechoed| unechoed.repeats < MAX_REPEATS || unechoed.next > now);
        if self.unechoed.len() < before && self.follows_endpoints() {
            // Nobody confirms it: now the next one.
            self.update_paths_soon(now);
        }
        for position in 0..self.unechoed.len() {
            if self.unechoed[position].next > now {
                continue;
            }
            let repeats = self.unechoed[position].repeats + 1;
            let next = now + self.echo_timeout(repeats);
            let unechoed = &mut self.unechoed[position];
            unechoed.repeats = repeats;
            unechoed.next = next;
            let Unechoed {
                id, address, port, ..
            } = *unechoed;
            let on = self.another_subflow(repeats);
            self.queue_add_addr(id, address, port, on);
        }
        self.arm_announce_timer();
    }

    /// Each repetition takes the next subflow: the first may lead nowhere.
    fn another_subflow(&self, repeats: u32) -> Option<SubflowId> {
        let count = self.signalling().count();
        let turn = usize::try_from(repeats).unwrap_or(0).checked_rem(count)?;
        self.signalling().nth(turn).map(|subflow| subflow.id)
    }

    /// ADD_ADDR or its echo arrived.
    pub(in crate::mptcp::connection) fn address_announced(
        &mut self,
        now: Instant,
        index: usize,
        option: &AddAddr,
    ) {
        let Some(session) = self.session() else {
            return;
        };
        let version = session.version;
        match meaning(session, option) {
            Meaning::Nothing => return,
            Meaning::Echo => {
                self.count(MptcpCounter::EchoAdd);
                self.count_port(option);
                self.echo_arrived(option);
                if self.follows_endpoints() {
                    // Endpoints are announced one after the other.
                    self.update_paths_soon(now);
                }
                return;
            }
            Meaning::Announcement => {
                self.count(MptcpCounter::AddAddr);
                self.count_port(option);
            }
        }
        if version == Version::V1 {
            // RFC 8684 §3.4.1: the echo repeats it, whether it is of use or not.
            let echo = AddAddr {
                form: AddAddrForm::V1Echo,
                ..*option
            };
            let on = self.subflows[index].id;
            self.queue_signal(MptcpOption::AddAddr(echo), Some(on));
        }
        if self.take_announcement(index, option, version) {
            self.announced_at = Some(now);
            self.update_paths_soon(now);
        }
    }

    /// Enters an announcement into the book. Returns true if there may be a path to open.
    fn take_announcement(&mut self, index: usize, option: &AddAddr, version: Version) -> bool {
        if !self.is_joinable(option, version) {
            self.count(MptcpCounter::AddAddrDrop);
            return false;
        }
        let id = option.address_id;
        let known = self.addresses.remote().iter().find(|known| known.id == id);
        // RFC 6824 §3.4.1: without a port, that of the subflow which brought the option. A
        // repetition on another subflow means the same as the first.
        let port = option.port.unwrap_or_else(|| {
            known
                .filter(|known| known.address.ip() == option.address)
                .map_or(self.subflows[index].tuple.remote, |known| known.address)
                .port()
        });
        let end = SocketAddr::new(option.address, port);
        let limit = self.address_limit();
        let announced = self.addresses.announce_remote(id, end, limit);
        if matches!(announced, Announced::New | Announced::AnotherPort) {
            self.effects.push_back(Effect::RemoteAddressAdded {
                id,
                address: option.address,
                port: option.port,
            });
        }
        match (announced, version) {
            (Announced::New, _) => {
                self.permit_paths_to(end);
                self.attempts.forget(end);
                true
            }
            (Announced::AnotherPort | Announced::Refreshed, _)
            | (Announced::Known, Version::V1) => {
                self.attempts.forget(end);
                true
            }
            // RFC 6824 §3.4.1: a port that is known for this id is nothing new. (It goes on every
            // subflow, so copies are the rule.)
            (Announced::Known, Version::V0) => false,
            (Announced::AnotherAddress | Announced::TooMany, _) => {
                self.count(MptcpCounter::AddAddrDrop);
                false
            }
        }
    }

    fn echo_arrived(&mut self, echo: &AddAddr) {
        self.unechoed.retain(|unechoed| {
            unechoed.id != echo.address_id
                || unechoed.address != echo.address
                || unechoed.port != echo.port
        });
        self.arm_announce_timer();
    }

    fn count_port(&mut self, option: &AddAddr) {
        if option.port.is_some() {
            self.count(MptcpCounter::PortAdd);
        }
    }

    /// An announced address that we may try to join.
    ///
    /// Version 0 does not authenticate announcements, so a forged one must not make us talk to
    /// ourselves, to everybody, or to the insides of our own network: a private address counts
    /// only if the peer itself has one. In version 1 it is the peer who names it, and MP_JOIN
    /// proves that it is there before any data is sent (RFC 8684 §5).
    fn is_joinable(&self, option: &AddAddr, version: Version) -> bool {
        let address = option.address.to_canonical();
        let ours = self
            .addresses
            .local()
            .iter()
            .any(|local| local.address == option.address);
        let peer = self.addresses.initial_remote().ip();
        let hidden = version == Version::V0 && is_private(address) && !is_private(peer);
        option.port != Some(0) && !ours && !hidden && is_unicast(address)
    }
}

/// RFC 8684 §3.4.1: a wrong HMAC is ignored, without an echo. So is a form of the other version.
fn meaning(session: &Session, option: &AddAddr) -> Meaning {
    match (option.form, session.version) {
        (AddAddrForm::V0, Version::V0) => Meaning::Announcement,
        (AddAddrForm::V1Echo, Version::V1) => Meaning::Echo,
        (AddAddrForm::V1(received), Version::V1) => {
            let expected = add_addr_hmac(
                session.remote.key,
                session.local.key,
                option.address_id,
                option.address,
                option.port,
            );
            if constant_time_eq(&expected, &received) {
                Meaning::Announcement
            } else {
                Meaning::Nothing
            }
        }
        (AddAddrForm::V0, Version::V1)
        | (AddAddrForm::V1(_) | AddAddrForm::V1Echo, Version::V0) => Meaning::Nothing,
    }
}

/// The address of one host, which is not the one that looks at it, and the same on every link.
fn is_unicast(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let scoped = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_multicast() || address.is_unspecified() || scoped)
}

/// RFC 1918, RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_one_other_host_is_not_joined() {
        for (address, unicast) in [
            ("192.0.2.1", true),
            ("10.0.0.1", true),
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("169.254.0.1", false),
            ("2001:db8::1", true),
            ("fd00::1", true),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("ff02::1", false),
            ("::ffff:127.0.0.1", false),
        ] {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(is_unicast(parsed), unicast, "{address}");
        }
    }

    #[test]
    fn private_addresses() {
        for (address, private) in [
            ("10.0.0.1", true),
            ("172.31.0.1", true),
            ("192.168.0.1", true),
            ("172.32.0.1", false),
            ("192.0.2.1", false),
            ("fd00::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
    }
}
