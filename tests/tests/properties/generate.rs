//! A random scenario for each seed: everything in it is possible, and lets bytes through.

use super::rude::Rude;
use rand::rngs::ChaCha12Rng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use umptcp_lab::link::LinkConfig;
use umptcp_lab::world::{Pace, Path, Reach, Scenario, Session};
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::{Event, Instant, SubflowId, SubflowInfo, SynCookies};
use umptcp_tests::run::failed_runs;

/// Something that happens to the hosts during the run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Disturbance {
    /// An interface goes down and comes back.
    InterfaceDown {
        at: Instant,
        until: Instant,
        host: usize,
        interface: usize,
    },
    /// The client closes one of its subflows, if it has several.
    CloseSubflow { at: Instant, number: usize },
    /// A host changes the priority of one of its subflows, if it has several.
    Backup {
        at: Instant,
        host: usize,
        number: usize,
        backup: bool,
    },
    /// A host announces one of its addresses, perhaps with a port, or takes that back.
    Address {
        at: Instant,
        host: usize,
        path: usize,
        port: Option<u16>,
        announce: bool,
    },
}

/// What must hold of a scenario. No side ever reads a wrong byte or waits for ever, and nothing is
/// left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Everything arrives.
    Intact,
    /// Everything arrives, or whoever lacks something sees an error.
    Clear,
}

impl Promise {
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Intact, Self::Intact) => Self::Intact,
            (Self::Clear, _) | (_, Self::Clear) => Self::Clear,
        }
    }
}

/// A router on a path, in both directions, that carries less than the interfaces do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Narrow {
    pub(crate) path: usize,
    pub(crate) mtu: u16,
    /// It tells the senders of what it drops.
    pub(crate) speaks: bool,
}

/// A scenario and what happens to it.
#[derive(Debug)]
pub(crate) struct Generated {
    pub(crate) scenario: Scenario,
    pub(crate) narrow: Vec<Narrow>,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) rude: Vec<Rude>,
    pub(crate) promise: Promise,
}

/// The subflows that carry data, of those that the application was told of.
pub(crate) fn usable(session: &Session, subflows: &[SubflowInfo]) -> Vec<SubflowId> {
    let told = |id: SubflowId| {
        id.index() == 0
            || session.events().iter().any(
                |(_, event)| matches!(event, Event::SubflowEstablished(_, told) if *told == id),
            )
    };
    let established = subflows
        .iter()
        .filter(|subflow| subflow.state == TcpState::Established && !subflow.stalled);
    established
        .map(|subflow| subflow.id)
        .filter(|id| told(*id))
        .collect()
}

pub(crate) struct Generator(ChaCha12Rng);

/// The scenario of a seed.
pub(crate) fn scenario(seed: u64) -> Generated {
    let mut generator = Generator(ChaCha12Rng::seed_from_u64(seed));
    let mut scenario = Scenario::new("property", seed);
    scenario.failed_runs = Some(failed_runs(env!("CARGO_TARGET_TMPDIR")));
    let count = generator.among(&[1, 1, 2, 2, 2, 3, 4]);
    scenario.paths = (0..count).map(|number| generator.path(number)).collect();
    if generator.chance(0.25) {
        scenario.reach = Reach::WholeHost;
    }
    scenario.client.connection = generator.connection();
    scenario.server.connection = generator.connection();
    generator.plans(&mut scenario);
    generator.interfaces(&mut scenario);
    let mut narrow = generator.narrow(&scenario);
    generator.cookies(&mut scenario);
    let mut disturbances = generator.disturbances(count);
    if disturbances
        .iter()
        .any(|d| matches!(d, Disturbance::CloseSubflow { .. }))
    {
        // The application may close the subflow of the only path that stays whole.
        heal_all_cuts(&mut scenario.paths);
    }
    let left = generator.troubles(&mut scenario);
    let (rude, kept) = generator.rude(&mut scenario, &mut disturbances);
    // A direction of a wire has one middlebox.
    narrow.retain(|narrow| rude.iter().all(|rude| rude.path != narrow.path));
    let promise = left.and(kept).and(addresses(&disturbances));
    if promise == Promise::Clear {
        generator.watch(&mut scenario);
    }
    Generated {
        scenario,
        narrow,
        disturbances,
        rude,
        promise,
    }
}

/// What is left of a connection that may lose the paths of withdrawn addresses, after the
/// application has closed the subflow of another.
fn addresses(disturbances: &[Disturbance]) -> Promise {
    let closes = |d: &Disturbance| matches!(d, Disturbance::CloseSubflow { .. });
    let withdraws = |d: &Disturbance| {
        matches!(
            d,
            Disturbance::Address {
                announce: false,
                ..
            }
        )
    };
    if disturbances.iter().any(closes) && disturbances.iter().any(withdraws) {
        Promise::Clear
    } else {
        Promise::Intact
    }
}

fn heal_all_cuts(paths: &mut [Path]) {
    let links = paths
        .iter_mut()
        .flat_map(|path| [&mut path.up, &mut path.down]);
    for cut in links.flat_map(|link| &mut link.cuts) {
        cut.to.get_or_insert(cut.from + Duration::from_secs(20));
    }
}

impl Generator {
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    pub(crate) fn among<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.choose(&mut self.0).expect("there is a choice")
    }

    /// One of the first so many numbers.
    pub(crate) fn number(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// Up to this many bytes.
    pub(crate) fn below(&mut self, bytes: u64) -> u64 {
        self.0.random_range(0..=bytes)
    }

    /// Between two numbers, each order of magnitude as likely as another.
    pub(crate) fn magnitude(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (range.start().ilog2(), range.end().ilog2());
        let bits = self.0.random_range(low..=high);
        self.0
            .random_range(1_u64 << bits..2 << bits)
            .clamp(*range.start(), *range.end())
    }

    pub(crate) fn mtu(&mut self, range: Range<u16>) -> u16 {
        self.0.random_range(range)
    }

    pub(crate) fn size(&mut self, range: RangeInclusive<u64>) -> usize {
        usize::try_from(self.magnitude(range)).expect("sizes fit")
    }

    pub(crate) fn duration(&mut self, milliseconds: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(
            self.0
                .random_range(milliseconds.start() * 1000..=milliseconds.end() * 1000),
        )
    }

    pub(crate) fn instant(&mut self, milliseconds: RangeInclusive<u64>) -> Instant {
        Instant::ZERO + self.duration(milliseconds)
    }

    /// SYN cookies, where they can be: the server keeps nothing of a SYN, so that after the loss
    /// of the third packet only data of the client tell it of the connection.
    ///
    /// A second SYN/ACK must not come either. The client answers to it with a bare acknowledgment
    /// behind its data, and where that comes without the data, the server knows of no connection
    /// and has to answer with RST (RFC 9293 §3.10.7.2).
    fn cookies(&mut self, scenario: &mut Scenario) {
        let plan = &scenario.client.plan;
        let client_begins = plan.sends > 0 && !matches!(plan.pace, Pace::AfterEnd);
        let once = |link: &LinkConfig| {
            let late = Duration::from_millis(60);
            link.duplicate == 0.0 && link.holds.is_empty() && link.reorder.extra_delay <= late
        };
        let path = &scenario.paths[0];
        let once = once(&path.up) && once(&path.down);
        if self.chance(0.4) && client_begins && once {
            scenario.server.endpoint.syn_cookies = SynCookies::Always;
        }
    }

    fn disturbances(&mut self, paths: usize) -> Vec<Disturbance> {
        let count = if self.chance(0.3) {
            self.0.random_range(1..=3)
        } else {
            0
        };
        let mut busy_until = Instant::ZERO;
        let mut closed = false;
        let mut disturbances = Vec::new();
        for _ in 0..count {
            // One after the other: an interface that is down twice would come back once.
            let at = busy_until + self.duration(100..=3000);
            let number = self.0.random_range(0..16);
            disturbances.push(match self.0.random_range(0..5) {
                0 => {
                    busy_until = at + self.duration(1..=10_000);
                    let (host, interface) = (self.among(&[0, 1]), self.0.random_range(0..paths));
                    Disturbance::InterfaceDown {
                        at,
                        until: busy_until,
                        host,
                        interface,
                    }
                }
                // Once: a subflow closes only when it has sent all its data, so a second time
                // might take the last one.
                1 if !closed => {
                    closed = true;
                    Disturbance::CloseSubflow { at, number }
                }
                // Addresses other than the first path's, which has to stay.
                2 | 3 if paths > 1 => Disturbance::Address {
                    at,
                    host: self.among(&[0, 1]),
                    path: self.0.random_range(1..paths),
                    port: self.among(&[None, None, Some(5001), Some(4000)]),
                    announce: self.chance(0.5),
                },
                _ => Disturbance::Backup {
                    at,
                    host: self.among(&[0, 1]),
                    number,
                    backup: self.chance(0.6),
                },
            });
        }
        disturbances
    }
}
