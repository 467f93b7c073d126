//! Buffers that size themselves: large enough for the path, no larger than the application makes
//! use of, and windows that keep their promises.

use super::*;
use std::cell::RefCell;
use std::rc::Rc;
use umptcp_lab::link::Loss;
use umptcp_lab::world::{Chunks, DropIf, HostId, ReadPause};
use umptcp_stack::mptcp::{data_send, receive_window};
use umptcp_stack::wire::mptcp_option::WireSeq;
use umptcp_stack::wire::packet::{Segment, parse};
use umptcp_stack::{ChecksumStatus, ConnectionInfo, Instant, ReceivedPacket, Version};

/// More than any run here gets to.
const ENDLESS: u64 = 1 << 40;

/// A path on which the client writes as fast as it can, and the server reads like this.
fn endless(name: &str, link: LinkConfig) -> Scenario {
    let mut scenario = scenario(name);
    scenario.paths = paths(1, link);
    scenario.client.plan.sends = ENDLESS;
    scenario.server.plan.sends = 0;
    scenario
}

fn info(run: &Run, host: HostId) -> ConnectionInfo {
    let world = &run.pair.world;
    let session = world.sessions_of(host).next();
    let id = session
        .and_then(|session| session.connection())
        .expect("the application runs");
    world
        .endpoint(host)
        .connection_info(id)
        .expect("the connection lives")
}

/// What both sides say after so long.
fn after(run: &mut Run, time: Duration) -> (ConnectionInfo, ConnectionInfo) {
    run.world().run_until(|_| false, Instant::ZERO + time);
    (info(run, run.pair.client), info(run, run.pair.server))
}

#[test]
fn a_long_fast_path_is_filled_with_the_default_settings() {
    for one_way in [25, 13] {
        let rate = 1_000_000_000;
        let product = usize::try_from(rate / 8 * one_way * 2 / 1000).unwrap();
        let mut link = LinkConfig::with_rate_and_delay(rate, millis(one_way));
        link.queue = product;
        let mut run = Run::of(endless("long and fast", link));
        let (early, _) = after(&mut run, millis(1000));
        let (sender, receiver) = after(&mut run, millis(1600));
        let window = receiver.receive_capacity;
        assert!(window >= product, "{window} bytes for {product}");
        assert!(sender.send_capacity >= product, "{sender:?}");
        assert_eq!(sender.send_buffer_limited, early.send_buffer_limited);
    }
}

#[test]
fn an_unread_connection_stays_as_small_as_it_began() {
    for version in [Version::V0, Version::V1] {
        for mptcp in [false, true] {
            let mut scenario = endless("unread", link()).connections(|config| {
                config.version = version;
                config.mptcp = mptcp;
            });
            scenario.server.plan.read_pauses = vec![ReadPause {
                at: 0,
                length: Duration::from_secs(10_000),
            }];
            // Small segments too: what the scale of the window cannot express must not add up.
            scenario.client.connection.nodelay = true;
            scenario.client.plan.writes = Chunks {
                min: 1,
                max: 500,
                pause_probability: 0.5,
                max_pause: millis(2),
            };
            let (sender, receiver) = after(&mut Run::of(scenario), Duration::from_secs(60));
            assert_eq!(receiver.receive_capacity, receive_window::INITIAL_CAPACITY);
            // The unit of a window that may grow to 64 MiB.
            let rounding = 2048;
            let most = receive_window::INITIAL_CAPACITY + rounding;
            assert!(receiver.unread > most / 2, "{}", receiver.unread);
            assert!(receiver.unread <= most, "{}", receiver.unread);
            assert_eq!(sender.send_capacity, data_send::INITIAL_CAPACITY);
        }
    }
}

#[test]
fn a_reader_gets_a_buffer_for_its_own_pace() {
    // 100 Mbit/s, of which the application takes about 8.
    let fast = LinkConfig::with_rate_and_delay(100_000_000, millis(10));
    let mut scenario = endless("slow reader", fast);
    scenario.server.plan.reads = Chunks {
        min: 10_000,
        max: 10_000,
        pause_probability: 1.0,
        max_pause: millis(20),
    };
    let (_, receiver) = after(&mut Run::of(scenario), Duration::from_secs(20));
    assert!(receiver.bytes_received > 10 * MEGABYTE);
    let most = 2 * receive_window::INITIAL_CAPACITY;
    assert!(receiver.receive_capacity <= most, "{receiver:?}");
}

#[test]
fn a_fast_writer_does_not_fill_its_memory_before_a_slow_path() {
    let slow = LinkConfig {
        queue: 30_000,
        ..LinkConfig::with_rate_and_delay(1_000_000, millis(20))
    };
    let (sender, _) = after(
        &mut Run::of(endless("slow path", slow)),
        Duration::from_secs(30),
    );
    assert!(sender.send_capacity <= 2 * data_send::INITIAL_CAPACITY);
    assert!(sender.bytes_written - sender.bytes_acked <= sender.send_capacity as u64);
}

#[test]
fn limits_below_the_initial_size_are_kept() {
    let scenario = endless("small limits", link()).connections(|config| {
        config.receive_buffer = 20_000;
        config.send_buffer = 30_000;
    });
    let (sender, receiver) = after(&mut Run::of(scenario), Duration::from_secs(5));
    assert_eq!(receiver.receive_capacity, 20_000);
    assert_eq!(sender.send_capacity, 30_000);
    assert!(receiver.bytes_received > MEGABYTE);
}

/// The right edges that one side announces, in the order of sending, on all its paths.
#[derive(Debug, Default)]
struct Edges {
    scale: u8,
    rightmost: Option<u32>,
    count: u64,
    /// How far an announcement stayed behind an earlier one, at most.
    retreat: u32,
}

impl Edges {
    fn take(&mut self, segment: &Segment) {
        if let Some(scale) = segment.options.window_scale {
            self.scale = scale;
        }
        let data_ack = segment.options.dss.as_ref().and_then(|dss| dss.data_ack);
        let (Some(ack), false) = (data_ack, segment.flags.syn) else {
            return;
        };
        let ack = match ack {
            WireSeq::Short(low) => low,
            WireSeq::Long(dsn) => dsn.low32(),
        };
        let edge = ack.wrapping_add(u32::from(segment.window) << self.scale);
        let rightmost = *self.rightmost.get_or_insert(edge);
        let retreat = rightmost.wrapping_sub(edge);
        self.count += 1;
        if retreat < 1 << 31 {
            self.retreat = self.retreat.max(retreat);
        } else {
            self.rightmost = Some(edge);
        }
    }
}

/// Statement 65 of the conformance checklist: RFC 6824 and RFC 8684 §3.3.4.
#[test]
fn the_right_edge_never_moves_left() {
    for (seed, receive_buffer) in [(1, 60_000), (2, 65_535), (3, 1 << 20), (4, 64 << 20)] {
        let mut scenario = scenario("edges").connections(|config| {
            config.receive_buffer = receive_buffer;
        });
        scenario.seed = seed;
        scenario.client.plan.sends = 4 * MEGABYTE;
        scenario.server.plan.sends = MEGABYTE;
        scenario.paths = paths(2, link().lossy(Loss::Bernoulli(0.01)));
        scenario.paths[1].up.delay = millis(40);
        scenario.server.plan.reads = Chunks {
            min: 1,
            max: 40_000,
            pause_probability: 0.1,
            max_pause: millis(200),
        };
        let edges = Rc::new(RefCell::new(Edges::default()));
        let mut run = Run::of(scenario);
        for wire in run.pair.wires.clone() {
            let edges = Rc::clone(&edges);
            let watch = DropIf(move |_: Instant, packet: &bytes::Bytes| {
                let packet = ReceivedPacket {
                    data: packet.clone(),
                    checksum: ChecksumStatus::Good,
                };
                edges
                    .borrow_mut()
                    .take(&parse(&packet).expect("our own packets"));
                false
            });
            run.world().set_middlebox(wire, 1, watch);
        }
        run.complete_within(300).assert_intact();
        let edges = edges.borrow();
        assert!(edges.count > 1000);
        // RFC 7323 §2.4: what the scale cannot express is no retreat. The peer goes by the
        // rightmost edge, and everything up to there is taken.
        assert!(edges.retreat < 1 << edges.scale, "{edges:?}");
    }
}
