use super::*;
use crate::link::LinkConfig;
use crate::link::{Loss, Reorder};
use pcap_file::pcapng::{Block, PcapNgReader};
use std::cell::RefCell;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

const HOUR: Instant = Instant::from_millis(3_600_000);

/// A script that only follows the clock.
#[derive(Debug)]
struct Ticker {
    next: Instant,
    every: Duration,
}

impl Script for Ticker {
    fn event(&mut self, _: &Event) {}
    fn step(&mut self, io: &mut Io<'_>) -> Result<(), String> {
        self.next = io.now + self.every;
        Ok(())
    }
    fn deadline(&self) -> Option<Instant> {
        Some(self.next)
    }
    fn is_done(&self) -> bool {
        false
    }
    fn starts_early(&self) -> bool {
        true
    }
    fn progress(&self) -> Progress {
        Progress::default()
    }
}

fn transfer(name: &str, seed: u64) -> Scenario {
    let link = LinkConfig::with_rate_and_delay(50_000_000, Duration::from_millis(10));
    let mut scenario = Scenario::new(name, seed);
    scenario.paths = vec![Path::symmetric(link)];
    scenario.client.plan = Plan::sending(300_000);
    scenario.server.plan = Plan::sending(100_000);
    scenario
}

#[test]
fn the_clock_jumps_to_what_happens_next() {
    let mut world = World::new("clock", 1);
    let log = Rc::new(RefCell::new(Vec::new()));
    for millis in [500, 20, 500, 90_000] {
        let log = Rc::clone(&log);
        world.at(Instant::from_millis(millis), move |world| {
            log.borrow_mut().push((millis, world.now().as_millis()));
        });
    }
    let limit = Instant::from_millis(60_000);
    assert_eq!(
        world.run_until(|world| world.now().as_millis() >= 500, HOUR),
        Outcome::Done
    );
    assert_eq!(world.now(), Instant::from_millis(500));
    assert_eq!(world.run_until(|_| false, limit), Outcome::TimeLimit);
    assert_eq!(world.now(), limit);
    assert_eq!(world.run_until(|_| false, HOUR), Outcome::Idle);
    assert_eq!(
        *log.borrow(),
        [(20, 20), (500, 500), (500, 500), (90_000, 90_000)]
    );
}

#[test]
fn bytes_arrive_and_are_checked() {
    let mut pair = transfer("bytes", 1).build();
    assert_eq!(pair.world.run_until(World::all_done, HOUR), Outcome::Done);
    let progress: Vec<Progress> = pair
        .world
        .sessions()
        .iter()
        .map(Session::progress)
        .collect();
    let expected = |sent, received| Progress {
        sent,
        received,
        end_of_stream: true,
    };
    assert_eq!(
        progress,
        [expected(300_000, 100_000), expected(100_000, 300_000)]
    );
    // 300,000 bytes at 50 Mbit/s take 48 ms; nothing sends a byte faster than that.
    assert!(pair.world.now() > Instant::from_millis(48 + 10));
}

#[test]
fn wrong_bytes_fail_the_run() {
    let scenario = transfer("wrong bytes", 1);
    let mut world = scenario.build().world;
    let host = world.add_host("other", EndpointConfig::default());
    let address = [IpAddr::from([10, 9, 9, 1])];
    let interface = world.add_interface(host, InterfaceConfig::default(), &address);
    let server = world.add_host("third", EndpointConfig::default());
    let there = world.add_interface(server, InterfaceConfig::default(), &[[10, 9, 9, 2].into()]);
    let perfect = LinkConfig::with_delay(Duration::from_millis(1));
    world.add_wire((host, interface), (server, there), perfect.clone(), perfect);
    let remote = SocketAddr::from(([10, 9, 9, 2], 80));
    // Both play the client, so each gets what it did not expect.
    let script = scenario.client_script();
    let factory: ScriptFactory = Box::new(move |_| Box::new(scenario.client_script()));
    world
        .serve(server, remote, ConnectionConfig::default(), factory)
        .unwrap();
    let config = ConnectionConfig::default();
    let connect = Connect {
        at: Instant::ZERO,
        local: None,
        remote,
        config,
    };
    world.connect(host, connect, Box::new(script));
    let Outcome::Failed(reason) = world.run_until(World::all_done, HOUR) else {
        panic!()
    };
    assert!(reason.contains("byte 0 is not what was sent"), "{reason}");
}

#[test]
fn a_deadlock_is_told() {
    let mut scenario = transfer("deadlock", 1);
    // Each waits for the other to end first.
    scenario.client.plan.pace = Pace::AfterEnd;
    scenario.server.plan.pace = Pace::AfterEnd;
    let mut pair = scenario.build();
    assert_eq!(pair.world.run_until(World::all_done, HOUR), Outcome::Idle);
}

#[test]
fn going_round_in_circles_is_told() {
    let scenario = transfer("livelock", 1);
    let Pair {
        mut world, client, ..
    } = scenario.build();
    let connect = Connect {
        at: Instant::from_millis(5),
        local: None,
        remote: SocketAddr::new(scenario.server_address(0), scenario.port),
        config: ConnectionConfig::default(),
    };
    let ticker = Ticker {
        next: Instant::ZERO,
        every: Duration::ZERO,
    };
    world.connect(client, connect, Box::new(ticker));
    assert_eq!(world.run_until(World::all_done, HOUR), Outcome::Livelock);
    assert_eq!(world.now(), Instant::from_millis(5));
}

#[test]
fn scripts_run_at_their_deadlines() {
    let scenario = transfer("ticker", 1);
    let Pair {
        mut world, client, ..
    } = scenario.build();
    let connect = Connect {
        at: Instant::from_millis(1),
        local: None,
        remote: SocketAddr::new(scenario.server_address(0), scenario.port),
        config: ConnectionConfig::default(),
    };
    let ticker = Ticker {
        next: Instant::ZERO,
        every: Duration::from_secs(7),
    };
    world.connect(client, connect, Box::new(ticker));
    let limit = Instant::from_millis(70_000_000);
    assert_eq!(world.run_until(World::all_done, limit), Outcome::TimeLimit);
    assert_eq!(world.now(), limit);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut scenario = transfer("determinism", seed);
        let harm = LinkConfig {
            loss: Loss::Bernoulli(0.02),
            jitter: Duration::from_millis(2),
            reorder: Reorder {
                probability: 0.02,
                extra_delay: Duration::from_millis(8),
            },
            duplicate: 0.01,
            corrupt: 0.01,
            ..scenario.paths[0].up.clone()
        };
        scenario.paths = vec![Path::symmetric(harm); 2];
        scenario.server.plan.reads = Chunks {
            min: 1,
            max: 5000,
            pause_probability: 0.1,
            max_pause: Duration::from_millis(9),
        };
        let mut pair = scenario.build();
        assert_eq!(pair.world.run_until(World::all_done, HOUR), Outcome::Done);
        (pair.world.digest(), pair.world.packets(), pair.world.now())
    };
    let first = run(4);
    assert_eq!(first, run(4));
    assert_ne!(first.0, run(5).0);
}

#[test]
fn foreign_addresses_are_not_to_be_had_on_a_path() {
    for (reach, expected) in [(Reach::OwnAddresses, 0), (Reach::WholeHost, 300_000)] {
        let mut scenario = transfer("reach", 1);
        scenario.paths = vec![Path::default(), Path::default()];
        scenario.reach = reach;
        scenario.client.plan.early = true;
        scenario.server.plan.sends = 0;
        let Pair {
            mut world,
            client,
            server,
            ..
        } = scenario.build();
        let connect = Connect {
            at: Instant::ZERO,
            local: Some(SocketAddr::new(scenario.client_address(1), 0)),
            remote: SocketAddr::new(scenario.server_address(0), scenario.port),
            config: ConnectionConfig::default(),
        };
        let crossing = world.connect(client, connect, Box::new(scenario.client_script()));
        world.run_until(World::all_done, Instant::from_millis(500));
        let received: u64 = world
            .sessions_of(server)
            .skip(1)
            .map(|s| s.progress().received)
            .sum();
        assert_eq!(received, expected);
        assert_eq!(world.session(crossing).is_done(), expected > 0);
        assert_eq!(world.unroutable() > 0, expected == 0);
    }
}

#[test]
fn middleboxes_stand_in_the_way() {
    let scenario = transfer("middlebox", 1);
    let mut pair = scenario.build();
    let mut seen = 0;
    // The first two packets of the client never leave.
    pair.world.set_middlebox(
        pair.wires[0],
        0,
        DropIf(move |_, _: &Bytes| {
            seen += 1;
            seen <= 2
        }),
    );
    assert_eq!(pair.world.run_until(World::all_done, HOUR), Outcome::Done);
    // Two SYN timeouts, of one and two seconds (RFC 6298 §2.1, §5.5).
    assert!(pair.world.now() > Instant::from_millis(3000));
}

#[test]
fn a_failed_run_leaves_its_packets() {
    let directory = std::env::temp_dir().join(format!("umptcp-world-{}", std::process::id()));
    let mut scenario = transfer("left behind", 77);
    scenario.failed_runs = Some(directory.clone());
    let packets = RefCell::new(0);
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let mut pair = scenario.build();
        pair.world.run_until(World::all_done, HOUR);
        *packets.borrow_mut() = pair.world.packets();
        panic!("an assertion of a test");
    }));
    assert!(failed.is_err());
    let path = directory.join("left behind-77.pcapng");
    let mut reader = PcapNgReader::new(File::open(&path).unwrap()).unwrap();
    let mut found = 0;
    while let Some(block) = reader.next_block() {
        found += u64::from(matches!(block.unwrap(), Block::EnhancedPacket(_)));
    }
    fs::remove_dir_all(&directory).unwrap();
    assert!(found > 400);
    assert_eq!(found, packets.into_inner());
}
