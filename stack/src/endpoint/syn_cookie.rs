//! SYN cookies (RFC 4987 §3.6): what must be known of a SYN, kept in our SYN/ACK instead of here.
//!
//! Owns how a cookie is made and read; keeps nothing but its secret. Which SYNs are answered with
//! one, and what becomes of the acknowledgment, is for `stateless`.
//!
//! The initial sequence number of the SYN/ACK is the cookie:
//!
//! | bits | what |
//! |---|---|
//! | 31 | parity of the time counter, 64 s a step |
//! | 30..28 | MSS, as an index |
//! | 27..26 | how MP_CAPABLE was answered |
//! | 25..0 | keyed hash of all this, the four-tuple, the peer's sequence number, the whole counter, and what our timestamp holds |
//!
//! The rest rides in the lowest six bits of our timestamp, which the peer echoes: window scale,
//! SACK-permitted, ECN. Without timestamps these are off.

use super::demux::write_tuple;
use super::secret::Secret;
use crate::base::config::Version;
use crate::base::num::saturating_u32;
use crate::base::rng::SeededRng;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::wire::mptcp_option::Key;
use crate::wire::packet::FourTuple;
use core::hash::Hasher as _;

/// A step of the time counter. A cookie counts during its own step and the next one.
const STEP: Duration = Duration::from_secs(64);
/// No cookie is older than this.
pub(super) const LIFETIME: Duration = Duration::from_secs(2 * STEP.as_secs());

/// The MSS values a cookie can hold; the largest that is not above the peer's is taken. They are
/// the least that is workable, the defaults of RFC 9293 §3.7.1 for IPv4 and IPv6, tunnels,
/// Ethernet with IPv6 and IPv4, jumbo frames, and the largest packets there are.
const MSS_TABLE: [u16; 8] = [88, 536, 1220, 1360, 1440, 1460, 8940, 65_475];

const HASH_BITS: u32 = 26;
const PROTOCOL_SHIFT: u32 = HASH_BITS;
const MSS_SHIFT: u32 = PROTOCOL_SHIFT + 2;
const PARITY_SHIFT: u32 = MSS_SHIFT + 3;

/// Bits of the timestamp value that hold [`TimestampFacts`].
const TIMESTAMP_BITS: u32 = 6;
const SCALE_MASK: u32 = 0xf;
/// RFC 7323 §2.3 ends at 14.
const NO_SCALE: u32 = 0xf;
const SACK_BIT: u32 = 1 << 4;
const ECN_BIT: u32 = 1 << 5;

/// What a cookie keeps of a SYN and of our answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SynFacts {
    /// The peer's MSS, rounded down to a value that can be kept.
    pub(super) mss: u16,
    /// The version of the MP_CAPABLE in our answer.
    pub(super) answered: Option<Version>,
    /// What our timestamp keeps, if the peer offered timestamps.
    pub(super) timestamp: Option<TimestampFacts>,
}

/// What our timestamp value keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimestampFacts {
    /// The peer's window scale, at most 14.
    pub(super) window_scale: Option<u8>,
    /// The peer permits SACK.
    pub(super) sack: bool,
    /// ECN was agreed on.
    pub(super) ecn: bool,
}

/// What a key of ours is made from, beside the four-tuple and the peer's sequence number.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyFacts {
    /// The version of the connection.
    pub(super) version: Version,
    /// DSS checksums were agreed on: what the third packet says of it need not be believed.
    pub(super) checksum: bool,
    /// The peer's SYN had flag C.
    pub(super) deny_join_initial: bool,
    /// The peer's key, where its SYN shows one (version 0).
    pub(super) remote: Option<Key>,
}

/// The connection a cookie is for, and the step of the counter it was made in.
#[derive(Clone, Copy, Debug)]
pub(super) struct CookieContext {
    pub(super) tuple: FourTuple,
    /// The peer's initial sequence number.
    pub(super) irs: SeqNum,
    step: u64,
}

impl CookieContext {
    /// For a SYN that arrives now.
    pub(super) fn new(now: Instant, tuple: FourTuple, irs: SeqNum) -> Self {
        Self {
            tuple,
            irs,
            step: now.as_nanos() / u64::try_from(STEP.as_nanos()).unwrap_or(u64::MAX),
        }
    }
}

/// Makes and reads cookies.
#[derive(Debug)]
pub(super) struct Cookies {
    secret: Secret,
}

/// The purposes of the secret.
const PURPOSE_COOKIE: u8 = 0;
const PURPOSE_KEY: u8 = 1;

impl Cookies {
    pub(super) fn new(rng: &mut SeededRng) -> Self {
        Self {
            secret: Secret::new(rng),
        }
    }

    /// The cookie: the initial sequence number of our SYN/ACK.
    pub(super) fn seal(&self, context: &CookieContext, facts: &SynFacts) -> SeqNum {
        let parity = u32::from(context.step % 2 == 1);
        let head = (parity << PARITY_SHIFT)
            | (mss_index(facts.mss) << MSS_SHIFT)
            | (protocol_bits(facts.answered) << PROTOCOL_SHIFT);
        let timestamp = facts.timestamp.map(TimestampFacts::bits);
        SeqNum(head | self.hash(context, head, timestamp))
    }

    /// Reads the cookie that a segment acknowledges; `echo` is the timestamp it echoes. `context`
    /// is that of a SYN that would arrive now; the one of the cookie is given back.
    pub(super) fn open(
        &self,
        mut context: CookieContext,
        cookie: SeqNum,
        echo: Option<u32>,
    ) -> Option<(CookieContext, SynFacts)> {
        let parity = u64::from(cookie.0 >> PARITY_SHIFT);
        if context.step % 2 != parity {
            context.step = context.step.checked_sub(1)?;
        }
        let head = cookie.0 & !((1 << HASH_BITS) - 1);
        let timestamp = echo.map(|echo| echo & ((1 << TIMESTAMP_BITS) - 1));
        // All bits are compared at once, so the time tells nothing of where they differ.
        if head | self.hash(&context, head, timestamp) != cookie.0 {
            return None;
        }
        let facts = SynFacts {
            mss: MSS_TABLE[(head >> MSS_SHIFT) as usize % MSS_TABLE.len()],
            answered: match (head >> PROTOCOL_SHIFT) & 3 {
                0 => None,
                1 => Some(Version::V0),
                2 => Some(Version::V1),
                _ => return None,
            },
            timestamp: timestamp.map(TimestampFacts::from_bits),
        };
        Some((context, facts))
    }

    /// Our key for an MPTCP connection: the echo of it in the third packet proves all it is made
    /// from (RFC 6824 §3.1: "a verifiable key").
    pub(super) fn key(&self, context: &CookieContext, facts: &KeyFacts) -> Key {
        let mut hasher = self.hasher(context, PURPOSE_KEY);
        hasher.write_u8(facts.version.number());
        hasher.write_u8(u8::from(facts.checksum) | u8::from(facts.deny_join_initial) << 1);
        hasher.write_u64(facts.remote.map_or(0, |key| key.0));
        Key(hasher.finish())
    }

    fn hash(&self, context: &CookieContext, head: u32, timestamp: Option<u32>) -> u32 {
        let mut hasher = self.hasher(context, PURPOSE_COOKIE);
        hasher.write_u32(head);
        hasher.write_u32(timestamp.unwrap_or(u32::MAX));
        saturating_u32(hasher.finish() >> (64 - HASH_BITS))
    }

    fn hasher(&self, context: &CookieContext, purpose: u8) -> impl core::hash::Hasher + use<> {
        let mut hasher = self.secret.hasher();
        write_tuple(&mut hasher, &context.tuple);
        hasher.write_u32(context.irs.0);
        hasher.write_u64(context.step);
        hasher.write_u8(purpose);
        hasher
    }
}

impl SynFacts {
    /// The MSS that a cookie can keep of this one.
    pub(super) fn keepable_mss(mss: u16) -> u16 {
        MSS_TABLE[mss_index(mss) as usize]
    }
}

fn mss_index(mss: u16) -> u32 {
    let above = MSS_TABLE.iter().filter(|&&known| known <= mss).count();
    saturating_u32(above.saturating_sub(1))
}

const fn protocol_bits(answered: Option<Version>) -> u32 {
    match answered {
        None => 0,
        Some(Version::V0) => 1,
        Some(Version::V1) => 2,
    }
}

impl TimestampFacts {
    fn bits(self) -> u32 {
        let scale = self.window_scale.map_or(NO_SCALE, u32::from).min(NO_SCALE);
        scale | if self.sack { SACK_BIT } else { 0 } | if self.ecn { ECN_BIT } else { 0 }
    }

    fn from_bits(bits: u32) -> Self {
        let scale = bits & SCALE_MASK;
        Self {
            window_scale: u8::try_from(scale).ok().filter(|_| scale != NO_SCALE),
            sack: bits & SACK_BIT != 0,
            ecn: bits & ECN_BIT != 0,
        }
    }

    /// The timestamp value nearest to `clock`, and not after it, that holds the facts: what the
    /// clock shows later is never older (RFC 7323 §4.1).
    pub(super) fn stamp(self, clock: u32) -> u32 {
        let mask = (1 << TIMESTAMP_BITS) - 1;
        let bits = self.bits();
        let late = bits > clock & mask;
        ((clock & !mask) | bits).wrapping_sub(u32::from(late) << TIMESTAMP_BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IRS: SeqNum = SeqNum(0x1234_5678);

    fn tuple() -> FourTuple {
        FourTuple {
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([192, 0, 2, 7], 40_000).into(),
        }
    }

    fn at(seconds: u64) -> CookieContext {
        CookieContext::new(Instant::from_millis(seconds * 1000), tuple(), IRS)
    }

    fn cookies() -> Cookies {
        Cookies::new(&mut SeededRng::new([3; 32]))
    }

    fn facts(mss: u16) -> SynFacts {
        SynFacts {
            mss,
            answered: Some(Version::V1),
            timestamp: Some(TimestampFacts {
                window_scale: Some(7),
                sack: true,
                ecn: false,
            }),
        }
    }

    /// Seals and opens, with the echo of the timestamp that belongs to it.
    fn round_trip(facts: &SynFacts, clock: u32) -> Option<SynFacts> {
        let cookies = cookies();
        let cookie = cookies.seal(&at(100), facts);
        let echo = facts.timestamp.map(|timestamp| timestamp.stamp(clock));
        cookies.open(at(100), cookie, echo).map(|(_, facts)| facts)
    }

    #[test]
    fn everything_that_is_kept_comes_back() {
        for mss in MSS_TABLE {
            for answered in [None, Some(Version::V0), Some(Version::V1)] {
                let plain = SynFacts {
                    mss,
                    answered,
                    timestamp: None,
                };
                assert_eq!(round_trip(&plain, 0), Some(plain));
                for scale in (0..=14).map(Some).chain([None]) {
                    for (sack, ecn) in [(false, false), (true, false), (false, true), (true, true)]
                    {
                        let facts = SynFacts {
                            timestamp: Some(TimestampFacts {
                                window_scale: scale,
                                sack,
                                ecn,
                            }),
                            ..plain
                        };
                        for clock in [0, 31, 63, 64, u32::MAX] {
                            assert_eq!(round_trip(&facts, clock), Some(facts));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_mss_is_never_rounded_up() {
        for mss in [88, 89, 535, 536, 1219, 1452, 1460, 1461, 9000, u16::MAX] {
            let kept = SynFacts::keepable_mss(mss);
            assert!(kept <= mss && MSS_TABLE.contains(&kept), "{mss} {kept}");
        }
        assert_eq!(SynFacts::keepable_mss(1452), 1440);
        // Below the least workable MSS there is nothing to keep (the engine does not go lower).
        assert_eq!(SynFacts::keepable_mss(1), 88);
    }

    #[test]
    fn a_stamp_is_never_ahead_of_the_clock() {
        let facts = TimestampFacts {
            window_scale: Some(9),
            sack: true,
            ecn: false,
        };
        for clock in (0..200).chain(u32::MAX - 200..=u32::MAX) {
            let behind = clock.wrapping_sub(facts.stamp(clock));
            assert!(behind < 64, "{clock} {behind}");
        }
    }

    #[test]
    fn a_cookie_counts_for_its_step_and_the_next() {
        let cookies = cookies();
        let facts = facts(1460);
        let echo = facts.timestamp.map(|timestamp| timestamp.stamp(99));
        for made in [0, 1, 63, 64, 127, 128, 6400, 6463] {
            let cookie = cookies.seal(&at(made), &facts);
            let end_of_next = (made / 64 + 2) * 64 - 1;
            for now in [made, end_of_next] {
                let opened = cookies.open(at(now), cookie, echo);
                assert_eq!(opened.map(|(_, facts)| facts), Some(facts), "{made} {now}");
            }
            for now in end_of_next + 1..end_of_next + 200 {
                assert!(cookies.open(at(now), cookie, echo).is_none());
            }
        }
        // One of the step to come has not been made yet.
        let cookie = cookies.seal(&at(64), &facts);
        assert!(cookies.open(at(63), cookie, echo).is_none());
    }

    #[test]
    fn no_bit_can_be_changed() {
        let cookies = cookies();
        for facts in [
            facts(1460),
            SynFacts {
                timestamp: None,
                answered: None,
                ..facts(536)
            },
        ] {
            let context = at(100);
            let cookie = cookies.seal(&context, &facts);
            let echo = facts.timestamp.map(|timestamp| timestamp.stamp(4711));
            assert!(cookies.open(context, cookie, echo).is_some());
            for bit in 0..32 {
                let changed = SeqNum(cookie.0 ^ (1 << bit));
                assert!(
                    cookies.open(context, changed, echo).is_none(),
                    "cookie {bit}"
                );
                let irs = SeqNum(IRS.0 ^ (1 << bit));
                let other = CookieContext { irs, ..context };
                assert!(cookies.open(other, cookie, echo).is_none(), "irs {bit}");
            }
            for bit in 0..TIMESTAMP_BITS {
                let changed = echo.map(|echo| echo ^ (1 << bit));
                assert_eq!(
                    cookies.open(context, cookie, changed).is_some(),
                    echo.is_none(),
                    "timestamp {bit}"
                );
            }
            // Timestamps cannot be added or left away either.
            let other = if echo.is_none() { Some(0) } else { None };
            assert!(cookies.open(context, cookie, other).is_none());
        }
    }

    #[test]
    fn it_is_good_for_one_four_tuple_and_one_host() {
        let made = cookies();
        let facts = facts(1460);
        let echo = facts.timestamp.map(|timestamp| timestamp.stamp(1));
        let cookie = made.seal(&at(0), &facts);
        let changes: [fn(&mut FourTuple); 4] = [
            |tuple| tuple.local.set_port(81),
            |tuple| tuple.remote.set_port(40_001),
            |tuple| tuple.local.set_ip([10, 0, 0, 3].into()),
            |tuple| tuple.remote.set_ip([192, 0, 2, 8].into()),
        ];
        for change in changes {
            let mut context = at(0);
            change(&mut context.tuple);
            assert!(made.open(context, cookie, echo).is_none());
        }
        let other = Cookies::new(&mut SeededRng::new([4; 32]));
        assert!(other.open(at(0), cookie, echo).is_none());
        assert!(!format!("{made:?}").contains(|c: char| c.is_ascii_digit()));
    }

    #[test]
    fn a_key_depends_on_all_it_is_made_from() {
        let cookies = cookies();
        let base = KeyFacts {
            version: Version::V0,
            checksum: false,
            deny_join_initial: false,
            remote: Some(Key(7)),
        };
        let v1 = KeyFacts {
            version: Version::V1,
            ..base
        };
        let checksum = KeyFacts {
            checksum: true,
            ..base
        };
        let deny = KeyFacts {
            deny_join_initial: true,
            ..base
        };
        let remote = KeyFacts {
            remote: Some(Key(8)),
            ..base
        };
        let mut keys: Vec<u64> = [base, v1, checksum, deny, remote]
            .iter()
            .map(|facts| cookies.key(&at(0), facts).0)
            .collect();
        keys.push(cookies.key(&at(64), &base).0);
        let mut other = at(0);
        other.irs = IRS + 1;
        keys.push(cookies.key(&other, &base).0);
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 7);
    }
}
