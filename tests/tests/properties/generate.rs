//! A random scenario for each seed: everything in it is possible, and lets bytes through.

use rand::rngs::ChaCha12Rng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use std::ops::RangeInclusive;
use std::time::Duration;
use umptcp_lab::link::{Hold, LinkConfig, Loss, Reorder};
use umptcp_lab::world::{
    Chunks, Finish, Ip, Pace, Path, Plan, Reach, ReadPause, Scenario, Session, Side,
};
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::{
    AcceptVersions, ChecksumPolicy, CongestionAlgorithm, ConnectionConfig, EcnPolicy, Event,
    Instant, Keepalive, OtherVersion, SubflowId, SubflowInfo, SynCookies, Version,
};
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
    /// The client changes the priority of one of its subflows, if it has several.
    Backup {
        at: Instant,
        number: usize,
        backup: bool,
    },
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

struct Generator(ChaCha12Rng);

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
    let narrow = generator.narrow(&scenario);
    generator.cookies(&mut scenario);
    let disturbances = generator.disturbances(count);
    if disturbances
        .iter()
        .any(|d| matches!(d, Disturbance::CloseSubflow { .. }))
    {
        // The application may close the subflow of the only path that stays whole.
        heal_all_cuts(&mut scenario.paths);
    }
    Generated {
        scenario,
        narrow,
        disturbances,
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
    fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    fn among<T: Copy>(&mut self, choices: &[T]) -> T {
        *choices.choose(&mut self.0).expect("there is a choice")
    }

    /// Between two numbers, each order of magnitude as likely as another.
    fn magnitude(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (range.start().ilog2(), range.end().ilog2());
        let bits = self.0.random_range(low..=high);
        self.0
            .random_range(1_u64 << bits..2 << bits)
            .clamp(*range.start(), *range.end())
    }

    fn size(&mut self, range: RangeInclusive<u64>) -> usize {
        usize::try_from(self.magnitude(range)).expect("sizes fit")
    }

    fn duration(&mut self, milliseconds: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(
            self.0
                .random_range(milliseconds.start() * 1000..=milliseconds.end() * 1000),
        )
    }

    fn instant(&mut self, milliseconds: RangeInclusive<u64>) -> Instant {
        Instant::ZERO + self.duration(milliseconds)
    }

    fn path(&mut self, number: usize) -> Path {
        let (mut up, mut down) = (self.link(), self.link());
        if self.chance(0.15) {
            let from = self.instant(0..=8000);
            // The first path always heals: the connection may have no other.
            let forever = number > 0 && self.chance(0.5);
            let to = (!forever).then(|| from + self.duration(10..=20_000));
            let which = self.among(&[0, 1, 2]);
            if which != 1 {
                up = up.cut(from, to);
            }
            if which != 0 {
                down = down.cut(from, to);
            }
        }
        let ip = if self.chance(0.3) { Ip::V6 } else { Ip::V4 };
        Path { ip, up, down }
    }

    fn link(&mut self) -> LinkConfig {
        let rate = self
            .chance(0.9)
            .then(|| self.magnitude(500_000..=1_000_000_000));
        let mut link = LinkConfig {
            rate,
            delay: self.duration(0..=150),
            queue: self.size(5000..=500_000),
            ..LinkConfig::default()
        };
        if self.chance(0.4) {
            link.loss = if self.chance(0.6) {
                Loss::Bernoulli(self.among(&[0.001, 0.01, 0.05, 0.1]))
            } else {
                // Only packets move the chain on: where a long burst lost them all, so many
                // repetitions of one packet would be lost in a row that the connection gave up.
                let (to_good, loss_bad) = self.among(&[(0.1, 0.5), (0.3, 0.7), (0.5, 0.9)]);
                Loss::GilbertElliott {
                    to_bad: self.among(&[0.002, 0.01, 0.03]),
                    to_good,
                    loss_good: 0.0,
                    loss_bad,
                }
            };
        }
        if self.chance(0.3) {
            link.jitter = self.duration(0..=40);
        }
        if self.chance(0.25) {
            let most = self.among(&[60, 60, 400]);
            let extra_delay = self.duration(1..=most);
            link.reorder = Reorder {
                probability: self.among(&[0.005, 0.05, 0.3, 0.7]),
                extra_delay,
            };
        }
        if self.chance(0.2) {
            link.duplicate = self.among(&[0.01, 0.2, 0.6]);
        }
        if self.chance(0.15) {
            link.holds = self.holds();
        }
        if self.chance(0.2) {
            link.mark_above = Some(link.queue / self.among(&[2, 10]));
        }
        if self.chance(0.2) {
            link.corrupt = self.among(&[0.005, 0.03]);
        }
        link
    }

    /// Times at which a link keeps everything back for a while, one after the other.
    fn holds(&mut self) -> Vec<Hold> {
        let mut free = Instant::ZERO;
        let holds = (0..self.among(&[1, 2, 5])).map(|_| {
            let from = free + self.duration(0..=3000);
            let to = from + self.duration(50..=3000);
            free = to;
            Hold { from, to }
        });
        holds.collect()
    }

    /// What the interfaces of both hosts carry, and what their devices take off the stack.
    fn interfaces(&mut self, scenario: &mut Scenario) {
        let v6 = scenario.paths.iter().any(|path| path.ip == Ip::V6);
        // RFC 8200 §5: an IPv6 link carries 1280 bytes.
        let smallest = if v6 { 1280 } else { 576 };
        for side in [&mut scenario.client, &mut scenario.server] {
            let interface = &mut side.interface;
            interface.mtu = self.among(&[1500, 1500, 1500, 1400, 1280, smallest, 9000]);
            if self.chance(0.3) {
                interface.checksum_offload = true;
                interface.segmentation_offload = Some(self.among(&[4000, 16_000, 65_000]));
            }
        }
        // Where super-segments go as a whole, as over a cable in software, the wire has no MTU.
        if self.chance(0.8) {
            let (client, server) = (scenario.client.interface.mtu, scenario.server.interface.mtu);
            for path in &mut scenario.paths {
                // The MSS keeps both from sending more than the narrower one takes; what the wider
                // one would send before that, there is not.
                path.up.mtu = client.max(server);
                path.down.mtu = client.max(server);
            }
        }
    }

    fn narrow(&mut self, scenario: &Scenario) -> Vec<Narrow> {
        let (client, server) = (scenario.client.interface, scenario.server.interface);
        let most = client.mtu.min(server.mtu);
        let whole = scenario.paths.iter().any(|path| path.up.mtu == u16::MAX);
        if whole && (client.segmentation_offload.or(server.segmentation_offload)).is_some() {
            // A router behind a cable in software: super-segments would not get there.
            return Vec::new();
        }
        let mut narrow = Vec::new();
        for (number, path) in scenario.paths.iter().enumerate() {
            let least = if path.ip == Ip::V6 { 1280 } else { 576 };
            if least < most && self.chance(0.2) {
                narrow.push(Narrow {
                    path: number,
                    mtu: self.0.random_range(least..most),
                    speaks: self.chance(0.7),
                });
            }
        }
        narrow
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

    fn keepalive(&mut self) -> Keepalive {
        Keepalive {
            idle: self.duration(200..=10_000),
            interval: self.duration(200..=3000),
            // A cut must not look like a dead peer.
            probes: 500,
        }
    }

    fn connection(&mut self) -> ConnectionConfig {
        ConnectionConfig {
            mptcp: self.chance(0.85),
            congestion: self.among(&[CongestionAlgorithm::NewReno, CongestionAlgorithm::Cubic]),
            ecn: self.among(&[EcnPolicy::Off, EcnPolicy::Accept, EcnPolicy::Request]),
            pacing: self.chance(0.7),
            delayed_ack: self.duration(0..=500),
            keepalive: self.chance(0.2).then(|| self.keepalive()),
            version: self.among(&[Version::V0, Version::V1]),
            checksum: self.among(&[
                ChecksumPolicy::Offer,
                ChecksumPolicy::Offer,
                ChecksumPolicy::Require,
            ]),
            receive_buffer: self.buffer(),
            send_buffer: self.buffer(),
            nodelay: self.chance(0.3),
            max_subflows: self.among(&[1, 2, 4, 8, 16]),
            other_version: self.among(&[OtherVersion::NextConnection, OtherVersion::AtOnce]),
            accept_versions: self.among(&[
                AcceptVersions::Both,
                AcceptVersions::Both,
                AcceptVersions::Only(Version::V0),
                AcceptVersions::Only(Version::V1),
            ]),
            allow_join_initial_address: self.chance(0.9),
            // Losses in long rows after a cut must not look like a dead path.
            user_timeout: Duration::from_secs(1000),
            // Nor may a peer that rests be taken for one that is gone.
            close_timeout: Duration::from_secs(1000),
            fin_timeout: Duration::from_secs(1000),
            connect_timeout: Duration::from_secs(1000),
            stale_loss_count: self.among(&[0, 1, 4]),
            stuck_subflow_timeout: self.chance(0.5).then(|| self.duration(500..=10_000)),
            ..ConnectionConfig::default()
        }
    }

    fn buffer(&mut self) -> usize {
        if self.chance(0.7) {
            1 << 20
        } else {
            self.size(500..=200_000)
        }
    }

    fn chunks(&mut self, bytes: u64) -> Chunks {
        // At most some 2000 of them, so that pauses do not add up to hours.
        let min = self
            .size(1..=20_000)
            .max(usize::try_from(bytes / 2000).expect("small"));
        let max = min + self.size(1..=60_000);
        let pause_probability = self.among(&[0.0, 0.0, 0.01, 0.1]);
        Chunks {
            min,
            max,
            pause_probability,
            max_pause: self.duration(0..=2000),
        }
    }

    fn plan(&mut self, connections: [&ConnectionConfig; 2]) -> Plan {
        let buffers = connections
            .iter()
            .map(|c| c.receive_buffer.min(c.send_buffer));
        let smallest = buffers.min().unwrap_or(0) as u64;
        let sends = match self.0.random_range(0..10) {
            0 => 0,
            1..4 => self.magnitude(1..=10_000),
            _ => self.magnitude(10_000..=3_000_000),
        };
        // A tiny buffer lets through one buffer a round trip.
        let sends = sends.min(smallest * 200);
        let read_pauses = (0..self.among(&[0, 0, 0, 1, 2]))
            .map(|n| ReadPause {
                at: n * self.0.random_range(0..1_000_000),
                length: self.duration(1..=20_000),
            })
            .collect();
        Plan {
            sends,
            writes: Chunks::default(),
            reads: self.chunks(3_000_000),
            read_pauses,
            finish: if self.chance(0.15) {
                Finish::Release
            } else {
                Finish::Shutdown
            },
            zero_copy: self.chance(0.3),
            early: self.chance(0.2),
            pace: Pace::Free,
            abort: None,
        }
    }

    fn plans(&mut self, scenario: &mut Scenario) {
        let configs = [
            scenario.client.connection.clone(),
            scenario.server.connection.clone(),
        ];
        let Scenario {
            client: Side { plan: client, .. },
            server: Side { plan: server, .. },
            ..
        } = scenario;
        *client = self.plan([&configs[0], &configs[1]]);
        *server = self.plan([&configs[0], &configs[1]]);
        match self.0.random_range(0..10) {
            0 => {
                server.pace = Pace::Echo;
                server.sends = client.sends;
            }
            1 => {
                server.pace = Pace::AfterEnd;
                client.finish = Finish::Shutdown;
            }
            2 => {
                client.pace = Pace::AfterEnd;
                server.finish = Finish::Shutdown;
            }
            3 => {
                let (request, response) = (self.magnitude(1..=2000), self.magnitude(1..=5000));
                let turns = self.0.random_range(1..=20);
                client.sends = request * turns;
                server.sends = response * turns;
                client.pace = Pace::Turns {
                    mine: request,
                    theirs: response,
                    first: true,
                };
                server.pace = Pace::Turns {
                    mine: response,
                    theirs: request,
                    first: false,
                };
            }
            _ => {}
        }
        client.writes = self.chunks(client.sends);
        server.writes = self.chunks(server.sends);
        if client.sends == 0 && server.sends == 0 {
            // Who has nothing to wait for would be gone before the connection stands.
            client.finish = Finish::Shutdown;
            server.finish = Finish::Shutdown;
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
            disturbances.push(match self.0.random_range(0..3) {
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
                _ => Disturbance::Backup {
                    at,
                    number,
                    backup: self.chance(0.6),
                },
            });
        }
        disturbances
    }
}
