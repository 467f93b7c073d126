//! Paths on which somebody changes payload bytes, with DSS checksums. Nobody ever reads a byte that
//! is neither what was sent nor what the middlebox has made of it in that very place; where MPTCP
//! can bring the data intact, it does; and every run comes to an end.

use super::*;
use std::collections::BTreeSet;
use umptcp_lab::link::Loss;
use umptcp_lab::payload::Pattern;
use umptcp_lab::world::{ChangeBytes, Connect, Io, Outcome, Progress, Script, World};
use umptcp_stack::{
    ChecksumPolicy, CloseReason, ConnectionConfig, ConnectionProtocol, EndpointConfig, Event,
    Instant, InterfaceConfig, MptcpCounter, PlainDirections, ReadError, Version, WriteError,
};

const VERSIONS: [Version; 2] = [Version::V0, Version::V1];
/// Places of a subflow's stream, the first byte being 0, that the middlebox changes in each copy.
type Places = BTreeSet<u64>;

fn change(places: &Places) -> ChangeBytes {
    let places = places.clone();
    ChangeBytes::where_is(move |offset| places.contains(&u64::from(offset)))
}

/// What one side sends and expects.
#[derive(Clone, Debug)]
struct Role {
    sends: u64,
    /// Sends once it has received so much.
    after: u64,
    pattern: Pattern,
    expects: u64,
    expected: Pattern,
    /// Where the middlebox changes what it receives.
    changed: Places,
}

/// A transfer that lets bytes pass which the middlebox has changed.
#[derive(Debug)]
struct Exchange {
    role: Role,
    progress: Progress,
    /// Places at which it has read what the middlebox has made.
    read_changed: u64,
    shut_down: bool,
    closed: Option<CloseReason>,
    failed: bool,
    report: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Exchange {
    fn new(role: Role, report: &std::rc::Rc<std::cell::Cell<u64>>) -> Self {
        Self {
            role,
            progress: Progress::default(),
            read_changed: 0,
            shut_down: false,
            closed: None,
            failed: false,
            report: report.clone(),
        }
    }

    fn check(&mut self, data: &[u8]) -> Result<(), String> {
        let at = self.progress.received;
        let expected = self.role.expected.bytes(at, data.len());
        for (place, (byte, sent)) in (at..).zip(data.iter().zip(expected)) {
            let changed = self.role.changed.contains(&place) && *byte == !sent;
            if *byte != sent && !changed {
                return Err(format!("byte {place} is nobody's"));
            }
            self.read_changed += u64::from(changed);
        }
        self.report.set(self.read_changed);
        self.progress.received += data.len() as u64;
        if self.progress.received > self.role.expects {
            return Err(format!("more than {} bytes", self.role.expects));
        }
        Ok(())
    }

    fn read(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        let mut buffer = [0; 16384];
        while !self.progress.end_of_stream && !self.failed {
            match io.endpoint.read(io.now, io.connection, &mut buffer) {
                Ok(0) => {
                    self.progress.end_of_stream = true;
                    if self.progress.received != self.role.expects {
                        return Err(format!("the end after {}", self.progress.received));
                    }
                }
                Ok(len) => self.check(&buffer[..len])?,
                Err(ReadError::Blocked) => break,
                Err(ReadError::Closed(_)) => self.failed = true,
                Err(error) => return Err(format!("read: {error}")),
            }
        }
        Ok(())
    }

    fn write(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        while self.progress.sent < self.role.sends && self.progress.received >= self.role.after {
            let len = (self.role.sends - self.progress.sent).min(16384);
            let len = usize::try_from(len).expect("16384 at most");
            let bytes = self.role.pattern.bytes(self.progress.sent, len);
            match io.endpoint.write(io.now, io.connection, &bytes) {
                Ok(taken) => self.progress.sent += taken as u64,
                Err(WriteError::Blocked) => return Ok(()),
                Err(WriteError::Closed(_)) => {
                    self.failed = true;
                    return Ok(());
                }
                Err(error) => return Err(format!("write: {error}")),
            }
        }
        if self.progress.sent == self.role.sends && !self.shut_down {
            self.shut_down = true;
            self.failed |= io.endpoint.shutdown(io.now, io.connection).is_err();
        }
        Ok(())
    }
}

impl Script for Exchange {
    fn event(&mut self, event: &Event) {
        if let Event::Closed(_, reason) = event {
            self.closed = Some(*reason);
        }
    }

    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        self.read(io)?;
        self.write(io)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn is_done(&self) -> bool {
        self.closed.is_some() && (self.progress.end_of_stream || self.failed)
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// Two hosts, paths between them, and what the middlebox on the first path changes.
#[derive(Clone)]
struct Setup {
    seed: u64,
    version: Version,
    paths: usize,
    link: LinkConfig,
    /// Bytes of the client, and of the server.
    sends: [u64; 2],
    /// The server answers when it has everything.
    in_turns: bool,
    /// Places that are changed on the first path: from the client, and from the server.
    places: [Places; 2],
}

impl Setup {
    fn new(version: Version, up: &[u64], down: &[u64]) -> Self {
        Self {
            seed: 1,
            version,
            paths: 1,
            link: link(),
            sends: [MEGABYTE, MEGABYTE / 2],
            in_turns: false,
            places: [up.iter().copied().collect(), down.iter().copied().collect()],
        }
    }
}

/// What came of it.
struct Exchanged {
    world: World,
    hosts: [umptcp_lab::world::HostId; 2],
    /// Changed bytes that were read: by the server, and by the client.
    read_changed: [u64; 2],
}

impl Exchanged {
    fn counted(&self, counter: MptcpCounter) -> [u64; 2] {
        self.hosts
            .map(|host| self.world.endpoint(host).mptcp_counters()[counter])
    }

    fn sessions(&self) -> [&umptcp_lab::world::Session; 2] {
        self.hosts.map(|host| {
            let mut sessions = self.world.sessions_of(host);
            sessions.next().expect("each host has one")
        })
    }

    fn is_intact(&self) -> bool {
        self.sessions().iter().all(|session| {
            session.closed() == Some(CloseReason::Finished) && session.progress().end_of_stream
        })
    }

    fn assert_intact(&self) {
        let ends = self
            .sessions()
            .map(|session| (session.closed(), session.progress()));
        assert!(self.is_intact(), "both sides have everything: {ends:?}");
    }

    fn fell_back(&self) -> [usize; 2] {
        self.sessions().map(|session| {
            let fell = |event: &Event| matches!(event, Event::FellBack(..));
            let events = session.events().iter();
            events.filter(|(_, event)| fell(event)).count()
        })
    }

    /// The directions that are plain, of the client and of the server.
    fn plain(&self) -> [PlainDirections; 2] {
        self.sessions()
            .map(|session| session.last_info().expect("it was looked at").plain)
    }
}

fn exchange(name: &str, setup: &Setup) -> Exchanged {
    let mut world = World::new(name, setup.seed);
    world.set_failed_runs(failed_runs(env!("CARGO_TARGET_TMPDIR")));
    let client = world.add_host("client", EndpointConfig::default());
    let server = world.add_host("server", EndpointConfig::default());
    let address = |path: usize, host: u8| {
        std::net::IpAddr::from([10, 0, u8::try_from(path).expect("few"), host])
    };
    for path in 0..setup.paths {
        let [from, to] = [(client, 1), (server, 2)].map(|(host, number)| {
            world.add_interface(host, InterfaceConfig::default(), &[address(path, number)])
        });
        let (up, down) = (setup.link.clone(), setup.link.clone());
        let wire = world.add_wire((client, from), (server, to), up, down);
        if path == 0 {
            for (direction, places) in setup.places.iter().enumerate() {
                world.set_middlebox(wire, direction, change(places));
            }
        }
    }
    let patterns = [
        Pattern::new(2 * setup.seed),
        Pattern::new(2 * setup.seed + 1),
    ];
    let role = |own: usize| Role {
        sends: setup.sends[own],
        after: if own == 1 && setup.in_turns {
            setup.sends[0]
        } else {
            0
        },
        pattern: patterns[own],
        expects: setup.sends[1 - own],
        expected: patterns[1 - own],
        changed: setup.places[1 - own].clone(),
    };
    let reports = [(); 2].map(|()| std::rc::Rc::new(std::cell::Cell::new(0)));
    let config = ConnectionConfig {
        version: setup.version,
        checksum: ChecksumPolicy::Require,
        ..ConnectionConfig::default()
    };
    let (serving, report) = (role(1), reports[0].clone());
    world
        .serve(
            server,
            ([0, 0, 0, 0], 5001).into(),
            config.clone(),
            Box::new(move |_| Box::new(Exchange::new(serving.clone(), &report))),
        )
        .expect("the port is free");
    let connect = Connect {
        at: Instant::ZERO,
        local: None,
        remote: (address(0, 2), 5001).into(),
        config,
    };
    world.connect(
        client,
        connect,
        Box::new(Exchange::new(role(0), &reports[1])),
    );
    let limit = Instant::from_millis(600_000);
    let outcome = world.run_until(
        |world| world.all_done() && world.sessions_of(server).next().is_some(),
        limit,
    );
    assert_eq!(outcome, Outcome::Done, "{name}: it comes to an end");
    Exchanged {
        world,
        hosts: [client, server],
        read_changed: reports.map(|report| report.get()),
    }
}

/// Protocol statements 93, 95.
#[test]
fn one_subflow_goes_on_as_tcp_with_what_the_middlebox_has_made() {
    // The first byte of all, the last, one in the middle, several, one in each of many segments.
    let many: Vec<u64> = (0..40).map(|place| 200_000 + place * 1400).collect();
    let cases: [&[u64]; 5] = [
        &[0],
        &[MEGABYTE - 1],
        &[300_000],
        &[300_000, 600_123],
        &many,
    ];
    for version in VERSIONS {
        for places in cases {
            let result = exchange("changed up", &Setup::new(version, places, &[]));
            result.assert_intact();
            assert_eq!(result.read_changed, [places.len() as u64, 0]);
            assert_eq!(result.fell_back(), [1, 1]);
            assert_eq!(result.counted(MptcpCounter::DataCsumErr), [0, 1]);
            assert_eq!(result.counted(MptcpCounter::FallbackFailed), [0, 0]);
        }
    }
}

/// Protocol statements 94, 95.
#[test]
fn the_directions_turn_as_the_versions_say() {
    for version in VERSIONS {
        let result = exchange("which direction", &Setup::new(version, &[300_000], &[]));
        result.assert_intact();
        let expected = match version {
            Version::V0 => [PlainDirections::Sending, PlainDirections::Receiving],
            Version::V1 => [PlainDirections::Both, PlainDirections::Both],
        };
        assert_eq!(result.plain(), expected);
        let both = exchange("both", &Setup::new(version, &[300_000], &[200_000]));
        both.assert_intact();
        assert_eq!(both.read_changed, [1, 1]);
        assert_eq!(both.plain(), [PlainDirections::Both; 2]);
        for session in both.sessions() {
            assert_eq!(session.protocol(), Some(ConnectionProtocol::Tcp));
        }
    }
}

/// Protocol statement 93.
#[test]
fn a_question_and_its_answer_that_nothing_follows() {
    for version in VERSIONS {
        for (up, down) in [(&[50][..], &[][..]), (&[], &[50]), (&[50], &[50])] {
            let mut setup = Setup::new(version, up, down);
            setup.sends = [100, 200];
            setup.in_turns = true;
            let result = exchange("question", &setup);
            result.assert_intact();
            assert_eq!(result.read_changed, [up.len() as u64, down.len() as u64]);
            // Nobody has waited for a timeout of Linux's length.
            assert!(result.world.now() < Instant::from_millis(20_000));
        }
    }
}

/// Protocol statement 92.
#[test]
fn with_another_subflow_everything_arrives_intact() {
    // So densely that no segment of the first path is spared from here on: each subflow over it
    // carries no more than that.
    let places: Vec<u64> = (300_000..2 * MEGABYTE).step_by(1000).collect();
    for version in VERSIONS {
        for (up, down) in [(&places[..], &[][..]), (&[], &places), (&places, &places)] {
            let mut setup = Setup::new(version, up, down);
            setup.paths = 2;
            setup.sends = [2 * MEGABYTE; 2];
            let result = exchange("second path", &setup);
            result.assert_intact();
            assert_eq!(result.read_changed, [0, 0], "MPTCP brings it intact");
            assert_eq!(result.fell_back(), [0, 0]);
            let resets = result.counted(MptcpCounter::DssCorruptionReset);
            // Whoever notices first ends the subflow for both.
            assert!(resets[1] == 0 || !up.is_empty());
            assert!(resets[0] == 0 || !down.is_empty());
            assert!(resets[0] + resets[1] > 0);
        }
    }
}

/// Losses may cost the order that fallback needs. Then the subflow ends, another takes its place,
/// or the connection ends with an error: but it ends.
#[test]
fn losses_and_changes_together() {
    let mut intact = 0;
    let seeds = 24;
    for seed in 0..seeds {
        for version in VERSIONS {
            let places: Vec<u64> = (0..5)
                .map(|k| (seed * 7919 + k * 91_193) % 400_000)
                .collect();
            let mut setup = Setup::new(version, &places[..3], &places[3..]);
            setup.seed = seed;
            setup.paths = 1 + usize::try_from(seed % 2).expect("0 or 1");
            setup.sends = [400_000, 300_000];
            setup.link = harm::everything().lossy(Loss::Bernoulli(0.02));
            intact += u64::from(exchange("losses", &setup).is_intact());
        }
    }
    assert!(intact >= seeds, "{intact} of {} ended well", 2 * seeds);
}
