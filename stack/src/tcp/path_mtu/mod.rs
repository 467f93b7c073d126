//! The largest packet that the path of one TCP connection carries (RFC 1191, RFC 8201), found with
//! the help of routers where they help and without it where they do not (RFC 4821).
//!
//! | file | what |
//! |---|---|
//! | `mod` | what is known of the path, and what is to be tried |
//! | `hooks` | what it means for the TCB: segments cut again, losses that are none |
//!
//! This file owns sizes and counts, and never sees a segment. All sizes are those of whole IP
//! packets, unless named a payload.
//!
//! What a router says is not believed at once (RFC 5927 §7.2). A size above everything that was
//! ever acknowledged is: there is nothing to lose. A cut below that waits until the segment it is
//! about has had the time to be acknowledged and was not. The RFC waits for a retransmission
//! timeout; here one and a half round-trip times are enough, as a loss that acknowledgments would
//! show needs no longer either, so that a real cut does not stop the connection for longer.

mod hooks;
#[cfg(test)]
mod tests;

use crate::base::num::saturating_u16;
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};

/// No MSS is taken smaller than this: options alone may fill 40 bytes of it.
pub(super) const MIN_MSS: u16 = 88;
/// IP and TCP headers without options (RFC 9293 §3.7.1).
const HEADERS_V4: u16 = 40;
const HEADERS_V6: u16 = 60;
/// No router is believed that says less. RFC 791 §3.1 allows links of 68 bytes, but none of less
/// than 552 is left, and small segments are an attack (RFC 5927 §7.1).
const MIN_MTU_V4: u16 = 552;
/// RFC 8200 §5; RFC 8201 §4: less than this MUST be discarded.
const MIN_MTU_V6: u16 = 1280;
/// RFC 4821 §7.2: where the search begins; safe nearly everywhere. For IPv6 it is the smallest MTU.
const SAFE_MTU_V4: u16 = 1024;
/// RFC 1191 §6.3, RFC 8201 §4: a larger size is tried this long after a smaller one was found.
const RAISE_INTERVAL: Duration = Duration::from_secs(600);
/// RFC 4821 §7.3: sizes closer together than this are not worth a probe.
const GRANULARITY: u16 = 32;
/// RFC 8899 §5.1.2, MAX_PROBES: losses after which a size is too big.
const MAX_PROBES: u8 = 3;
/// Probes that fail are this far apart: losses that are no signal of congestion must stay rare
/// (RFC 4821 §7.6.1).
const PROBE_PAUSE: Duration = Duration::from_secs(1);
/// RFC 4821 §7.7: timeouts in a row of a large segment that make the path a black hole.
const BLACK_HOLE_TIMEOUTS: u8 = 2;

/// A size that is to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trial {
    /// The packet to be sent.
    size: u16,
    /// From this size on nothing is expected to pass.
    ceiling: u16,
    /// Packets of this size that were lost.
    failures: u8,
    /// It is not sent earlier than this.
    not_before: Instant,
}

/// The search for a larger size (RFC 4821 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Search {
    /// Over: it begins again at this time, if there is anything larger to find.
    Over(Option<Instant>),
    /// A packet is to be sent.
    Wanted(Trial),
    /// It is on its way, as the segment with these numbers.
    InFlight {
        trial: Trial,
        seq: SeqNum,
        end: SeqNum,
    },
}

/// A router's word that waits for confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pending {
    mtu: u16,
    /// The segment it is about.
    seq: SeqNum,
}

/// What is known of the path.
#[derive(Clone, Copy, Debug)]
pub struct PathMtu {
    /// IP and TCP headers without options.
    headers: u16,
    /// Bytes of options on data segments.
    options_len: u16,
    floor: u16,
    safe: u16,
    /// More than this is never sent: our interface and the peer's MSS, and a clamp of ours.
    limit: u16,
    /// The same without the clamp.
    unclamped: u16,
    /// Packets are made this long.
    current: u16,
    /// The longest that was ever acknowledged since `current` was last lowered, and no longer than
    /// that (maxsizeacked of RFC 5927 §7.2).
    acked: u16,
    search: Search,
    pending: Option<Pending>,
    /// Retransmission timeouts in a row of a large segment.
    timeouts: u8,
}

impl PathMtu {
    /// A path of which nothing is known but that both ends take segments of `mss` bytes.
    #[must_use]
    pub fn new(ipv6: bool, mss: usize) -> Self {
        // RFC 9293 §3.7.1: the fixed headers.
        let headers = if ipv6 { HEADERS_V6 } else { HEADERS_V4 };
        let limit = saturating_u16(mss).saturating_add(headers);
        let (floor, safe) = bounds(headers);
        Self {
            headers,
            options_len: 0,
            floor: limit.min(floor),
            safe: limit.min(safe),
            limit,
            unclamped: limit,
            current: limit,
            acked: 0,
            search: Search::Over(None),
            pending: None,
            timeouts: 0,
        }
    }

    /// Sends no more payload than this in a segment from now on, or as much as the path takes again.
    /// What is larger than before has to be found out: the path may have been found smaller, too.
    pub(in crate::tcp) fn clamp(&mut self, now: Instant, mss: Option<u16>) {
        let before = self.limit;
        let most = mss.map_or(u16::MAX, |mss| {
            mss.max(MIN_MSS).saturating_add(self.headers)
        });
        self.limit = self.unclamped.min(most);
        let (floor, safe) = bounds(self.headers);
        self.floor = floor.min(self.limit);
        self.safe = safe.min(self.limit);
        if self.limit < self.current {
            self.set(self.limit);
            self.search = Search::Over(None);
        } else if self.limit > before {
            self.search = Search::Wanted(Trial {
                size: self.limit,
                ceiling: self.limit.saturating_add(1),
                failures: 0,
                not_before: now,
            });
        } else if self.limit < before {
            // What was to be tried may be too long by now.
            let more = self.current < self.limit;
            self.search = Search::Over(more.then(|| now + RAISE_INTERVAL));
        }
    }

    /// The largest packet that is sent, probes apart.
    #[must_use]
    pub fn current(&self) -> usize {
        self.current.into()
    }

    /// Payload and options of such a packet.
    #[must_use]
    pub fn mss(&self) -> usize {
        self.current.saturating_sub(self.headers).into()
    }

    /// Tells how many bytes of options data segments carry.
    pub fn set_options_len(&mut self, len: usize) {
        self.options_len = saturating_u16(len);
    }

    /// Payload of a packet of `size` bytes.
    fn payload(&self, size: u16) -> usize {
        let payload = size.saturating_sub(self.headers + self.options_len);
        payload.max(1).into()
    }

    /// The size that segments fall to when the path swallows large ones: a safe one, then the
    /// smallest there is.
    fn lower(&self) -> u16 {
        if self.current > self.safe {
            self.safe
        } else {
            self.floor
        }
    }

    /// The same where a segment with so much payload was swallowed: one that is safe already can
    /// only become the smallest.
    fn lower_than(&self, payload: usize) -> u16 {
        if payload > self.payload(self.lower()) {
            self.lower()
        } else {
            self.floor
        }
    }

    /// A segment with so many bytes of payload has arrived.
    fn arrived(&mut self, payload: usize) {
        if payload > 0 {
            let size = saturating_u16(payload).saturating_add(self.headers + self.options_len);
            // A super-segment arrives as several packets, none longer than this.
            self.acked = self.acked.max(size.min(self.current));
        }
    }

    /// A router says that less than we send is too much. Returns if this is to be believed now;
    /// otherwise it may have to wait.
    fn hear(&mut self, seq: SeqNum, mtu: u16) -> Heard {
        if mtu < self.floor || mtu >= self.current {
            return Heard::Ignored;
        }
        if mtu >= self.acked {
            return Heard::Believed;
        }
        // Of several the first counts: the segment it is about will tell first.
        let first = self.pending.is_none();
        self.pending.get_or_insert(Pending { mtu, seq });
        Heard::Waits { first }
    }

    /// Smaller packets from now on; a router said so.
    fn cut(&mut self, now: Instant, mtu: u16) {
        self.set(mtu);
        self.search = Search::Over(Some(now + RAISE_INTERVAL));
    }

    /// Smaller packets from now on; the path swallows larger ones, or all of them. To see which,
    /// the old size is tried once more first.
    fn cut_blindly(&mut self, now: Instant, mtu: u16) {
        let not_before = now + PROBE_PAUSE;
        let trial = match self.search {
            // The second step down: what was to be tried after the first is still to be tried.
            Search::Wanted(trial) => Trial {
                not_before,
                ..trial
            },
            Search::Over(_) | Search::InFlight { .. } => Trial {
                size: self.current,
                ceiling: self.current.saturating_add(1),
                failures: MAX_PROBES - 1,
                not_before,
            },
        };
        self.set(mtu);
        self.search = Search::Wanted(trial);
    }

    fn set(&mut self, mtu: u16) {
        self.current = mtu;
        self.acked = self.acked.min(mtu);
        self.pending = None;
        self.timeouts = 0;
    }

    /// What is to be tried now.
    fn due(&self, now: Instant) -> Option<Trial> {
        match self.search {
            Search::Over(Some(again)) if again <= now => Some(Trial {
                size: self.limit,
                ceiling: self.limit.saturating_add(1),
                failures: 0,
                not_before: now,
            }),
            Search::Wanted(trial) if trial.not_before <= now => Some(trial),
            Search::Over(_) | Search::Wanted(_) | Search::InFlight { .. } => None,
        }
    }

    /// The probe was acknowledged.
    fn probe_arrived(&mut self, now: Instant, trial: Trial) {
        self.current = trial.size;
        self.acked = trial.size;
        self.continue_search(now, trial.ceiling, now);
    }

    /// The probe was lost, and nothing else.
    fn probe_lost(&mut self, now: Instant, trial: Trial) {
        let not_before = now + PROBE_PAUSE;
        let failures = trial.failures + 1;
        if failures < MAX_PROBES {
            self.search = Search::Wanted(Trial {
                failures,
                not_before,
                ..trial
            });
        } else {
            self.continue_search(now, trial.size, not_before);
        }
    }

    /// The probe was lost among others: that says nothing (RFC 4821 §7.6.3).
    fn probe_inconclusive(&mut self, now: Instant, trial: Trial) {
        self.search = Search::Wanted(Trial {
            not_before: now + PROBE_PAUSE,
            ..trial
        });
    }

    /// A router says what would have passed instead of the probe.
    fn probe_refused(&mut self, now: Instant, mtu: u16) {
        self.search = if mtu > self.current {
            Search::Wanted(Trial {
                size: mtu,
                ceiling: mtu.saturating_add(1),
                failures: 0,
                not_before: now,
            })
        } else {
            Search::Over(Some(now + RAISE_INTERVAL))
        };
    }

    /// Half-way between what passes and what does not, until that is close enough.
    fn continue_search(&mut self, now: Instant, ceiling: u16, not_before: Instant) {
        let gap = ceiling.saturating_sub(self.current);
        self.search = if self.current >= self.limit {
            Search::Over(None)
        } else if gap <= GRANULARITY {
            Search::Over(Some(now + RAISE_INTERVAL))
        } else {
            Search::Wanted(Trial {
                size: self.current + gap / 2,
                ceiling,
                failures: 0,
                not_before,
            })
        };
    }
}

/// The smallest size that a router is believed, and a safe one, by the length of the headers.
const fn bounds(headers: u16) -> (u16, u16) {
    if headers == HEADERS_V6 {
        (MIN_MTU_V6, MIN_MTU_V6)
    } else {
        (MIN_MTU_V4, SAFE_MTU_V4)
    }
}

/// What becomes of a router's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// It is impossible, or nothing new.
    Ignored,
    /// It waits; `first` if nothing did before.
    Waits { first: bool },
    /// It counts at once.
    Believed,
}
