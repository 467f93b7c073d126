//! Loss recovery of one TCP connection: losses at places where an engine without RACK-TLP
//! (RFC 8985), F-RTO (RFC 5682) or PRR (RFC 6937) waits for its timer or sends too much again.

use super::*;
use bytes::Bytes;
use std::collections::HashMap;
use umptcp_lab::link::{Hold, Loss};
use umptcp_lab::world::{DropIf, Finish};
use umptcp_stack::wire::packet::{Segment, parse};
use umptcp_stack::{ChecksumStatus, Instant, ReceivedPacket, SubflowInfo};
use umptcp_tests::goodput::{self, Bulk, Cell, Measured, Queue, Reordering};

/// Payload of a full segment of plain TCP with timestamps: 1500 less 20, 20 and 12.
const PAYLOAD: u64 = 1448;
/// The longest that a sender may add to its probe timeout for a lone segment, whose
/// acknowledgment may be delayed (RFC 8985 §7.2, TLP.max_ack_delay).
const MAX_ACK_DELAY: Duration = millis(200);

/// A segment with data on its way from the client.
struct Data {
    /// Its number among the segments with new data, from 0; that of the first time if it is sent
    /// again.
    number: u64,
    /// How often it was sent before.
    before: u32,
}

/// Numbers the client's data segments and drops those that a predicate picks.
struct Tap<F> {
    picks: F,
    /// Sequence number of the first byte of the stream, once the SYN has told.
    first: Option<u32>,
    /// By offset in the stream: its number, and how often it was sent.
    seen: HashMap<u32, (u64, u32)>,
}

impl<F: FnMut(&Data) -> bool> Tap<F> {
    fn new(picks: F) -> Self {
        Self {
            picks,
            first: None,
            seen: HashMap::new(),
        }
    }

    fn drops(&mut self, packet: &Bytes) -> bool {
        let Some(segment) = segment(packet) else {
            return false;
        };
        if segment.flags.syn {
            self.first = Some((segment.seq + 1).0);
        }
        let Some(first) = self.first.filter(|_| !segment.payload.is_empty()) else {
            return false;
        };
        let next = self.seen.len() as u64;
        let offset = segment.seq.0.wrapping_sub(first);
        let (number, times) = self.seen.entry(offset).or_insert((next, 0));
        let data = Data {
            number: *number,
            before: *times,
        };
        *times += 1;
        (self.picks)(&data)
    }
}

fn segment(packet: &Bytes) -> Option<Segment> {
    let packet = ReceivedPacket {
        data: packet.clone(),
        // Checksums are left to the device in some of these worlds.
        checksum: ChecksumStatus::Good,
    };
    parse(&packet).ok()
}

/// 20 Mbit/s, 40 ms of round-trip time, and a queue that is never full: what is lost is what a
/// test drops.
fn clean() -> LinkConfig {
    LinkConfig {
        queue: usize::MAX,
        ..LinkConfig::with_rate_and_delay(20_000_000, millis(20))
    }
}

const RTT: Duration = millis(40);

/// A transfer from the client to the server, over one path, that loses what `picks` says.
fn transfer(
    name: &str,
    mptcp: bool,
    link: LinkConfig,
    bytes: u64,
    picks: impl FnMut(&Data) -> bool + 'static,
) -> Run {
    let mut scenario = scenario(name).connections(|config| {
        config.mptcp = mptcp;
        // A last segment that is not full goes out with the others.
        config.nodelay = true;
    });
    scenario.paths = paths(1, link);
    scenario.client.plan = Plan {
        // A FIN behind the data would show the loss of the last segment.
        finish: Finish::Hold,
        ..Plan::sending(bytes)
    };
    scenario.server.plan = Plan {
        finish: Finish::Hold,
        ..Plan::sending(0)
    };
    let mut run = Run::of(scenario);
    let wire = run.pair.wires[0];
    let mut tap = Tap::new(picks);
    let drops = DropIf(move |_, packet: &Bytes| tap.drops(packet));
    run.world().set_middlebox(wire, 0, drops);
    run
}

/// Runs until the server has read so many bytes; when that was.
fn until_received(run: &mut Run, bytes: u64) -> Instant {
    let server = run.pair.server;
    run.until(60, move |world| {
        let mut accepted = world.sessions_of(server);
        accepted.any(|session| session.progress().received == bytes)
    });
    run.world().now()
}

/// The client's TCP.
fn sender(run: &Run) -> SubflowInfo {
    let endpoint = run.pair.world.endpoint(run.pair.client);
    let mut subflows = endpoint.subflows(run.client_connection());
    subflows.pop().expect("the client has a subflow")
}

/// When everything has arrived that is sent in one flight right after the handshake, if nothing
/// is lost: one round trip for the SYNs, half of one for the data, and their transmission.
fn undisturbed(mptcp: bool, bytes: u64) -> Instant {
    let mut run = transfer("undisturbed", mptcp, clean(), bytes, |_| false);
    until_received(&mut run, bytes)
}

/// RFC 8985 §7: after twice the round-trip time without an acknowledgment the last segment is
/// sent again as a probe; if nothing else was lost, that is the repair.
///
/// Protocol statement 113.
#[test]
fn the_last_segment_of_a_flight_is_lost() {
    for mptcp in [false, true] {
        for segments in [1, 2, 5, 10] {
            // Less than full segments, so that MPTCP's options do not make one more of them.
            let bytes = segments * 1400;
            let last = segments - 1;
            let picks = move |data: &Data| data.number == last && data.before == 0;
            let mut run = transfer("lost tail", mptcp, clean(), bytes, picks);
            let arrived = until_received(&mut run, bytes);
            let sender = sender(&run);
            assert_eq!(sender.timeouts, 0, "mptcp {mptcp}, {segments} segments");
            assert_eq!(sender.retransmissions, 1, "{segments} segments");
            assert_eq!(sender.tail_loss_probes, 1, "{segments} segments");
            // The probe timer was last started with the acknowledgment of what was not lost,
            // which may have been delayed; one round trip for that and for the smoothed time,
            // which is a little longer than the path's.
            let limit = undisturbed(mptcp, bytes) + RTT + RTT * 2 + MAX_ACK_DELAY + RTT;
            assert!(arrived <= limit, "{segments} segments: {arrived:?}");
        }
    }
}

/// The probe repairs the last segment, and its SACK shows that the others are lost: they were
/// sent long before (RFC 8985 §7.4). Two segments in flight owe the peer's acknowledgment, so its
/// delay is no part of the timeout (§7.2).
///
/// Protocol statement 113.
#[test]
fn the_last_segments_of_a_flight_are_lost() {
    for lost in [2, 3, 5] {
        let segments = 10;
        let bytes = segments * PAYLOAD;
        let picks = move |data: &Data| data.number >= segments - lost && data.before == 0;
        let mut run = transfer("lost tail", false, clean(), bytes, picks);
        let arrived = until_received(&mut run, bytes);
        let sender = sender(&run);
        assert_eq!(sender.timeouts, 0, "{lost} lost");
        assert_eq!(sender.retransmissions, lost, "{lost} lost");
        assert_eq!(sender.tail_loss_probes, 1, "{lost} lost");
        // Until the acknowledgment of the others, until the probe, until its answer, and a
        // quarter of a round trip that RACK may wait for reordered segments (§6.2); another round
        // trip as above.
        let limit = undisturbed(false, bytes) + RTT + RTT * 2 + RTT + RTT / 4 + RTT;
        assert!(arrived <= limit, "{lost} lost: {arrived:?}");
    }
}

/// RFC 8985 §6.2: a retransmission is as good as lost once something sent later has arrived.
/// What was sent once cannot show that; RFC 6675 waits for the timer.
#[test]
fn a_retransmission_is_lost() {
    for mptcp in [false, true] {
        for losses in [2, 3] {
            let picks = move |data: &Data| data.number == 40 && data.before < losses;
            let mut run = transfer("lost again", mptcp, clean(), MEGABYTE, picks);
            until_received(&mut run, MEGABYTE);
            let sender = sender(&run);
            assert_eq!(sender.timeouts, 0, "mptcp {mptcp}, lost {losses} times");
            assert_eq!(sender.retransmissions, u64::from(losses), "mptcp {mptcp}");
        }
    }
}

/// Several retransmissions of one recovery are lost, and nothing else.
#[test]
fn every_second_retransmission_is_lost() {
    let lost = |number: u64| (40..60).contains(&number);
    let picks = move |data: &Data| {
        lost(data.number)
            && match data.before {
                0 => true,
                1 => data.number.is_multiple_of(2),
                _ => false,
            }
    };
    let mut run = transfer("lost again", false, clean(), MEGABYTE, picks);
    until_received(&mut run, MEGABYTE);
    let sender = sender(&run);
    assert_eq!(sender.timeouts, 0);
    assert_eq!(sender.retransmissions, 20 + 10);
}

/// Half of a window, in one piece. In slow start, with 10 segments to begin with, of n segments
/// sent about half are acknowledged: some 110 are in flight as number 210 is sent, on a path that
/// holds 416 and so shows no growing delay that would end slow start.
#[test]
fn half_a_window_is_lost() {
    let link = LinkConfig {
        queue: usize::MAX,
        ..LinkConfig::with_rate_and_delay(100_000_000, millis(25))
    };
    let bytes = 4 * MEGABYTE;
    let picks = |data: &Data| (210..265).contains(&data.number) && data.before == 0;
    let mut run = transfer("half a window", false, link, bytes, picks);
    until_received(&mut run, bytes);
    let sender = sender(&run);
    assert_eq!(sender.timeouts, 0);
    assert_eq!(
        sender.retransmissions, 55,
        "what was lost, and nothing else"
    );
    assert_eq!(sender.fast_recoveries, 1);
}

/// Losses right at the start, when there are too few segments in flight for three duplicate
/// acknowledgments: limited transmit (RFC 3042) and RACK find them in time.
#[test]
fn losses_with_few_segments_in_flight() {
    for number in 0..4 {
        let bytes = 4 * PAYLOAD;
        let picks = move |data: &Data| data.number == number && data.before == 0;
        let mut run = transfer("short flight", false, clean(), bytes, picks);
        let arrived = until_received(&mut run, bytes);
        let sender = sender(&run);
        assert_eq!(sender.timeouts, 0, "number {number}");
        assert_eq!(sender.retransmissions, 1, "number {number}");
        let limit = undisturbed(false, bytes) + RTT + RTT * 2 + MAX_ACK_DELAY + RTT;
        assert!(arrived <= limit, "number {number}: {arrived:?}");
    }
}

/// A cell of the goodput table and the same with reordering.
fn with_and_without_reordering(rate_mbit: u64, rtt_ms: u64) -> [Measured; 2] {
    [Reordering::None, Reordering::TenPercent].map(|reordering| {
        let cell = Cell {
            rate_mbit,
            rtt_ms,
            queue: Queue::Full,
            loss: goodput::Loss::None,
            reordering,
        };
        goodput::run(&cell, 1).expect("the cell runs to its end")
    })
}

/// RFC 8985 §6.2: the reordering window learns, so that a segment that is only late is not taken
/// for lost. Nearly all that is sent again was dropped by the queue.
#[test]
fn a_path_that_reorders_one_packet_of_ten() {
    for (rate_mbit, rtt_ms) in [(10, 50), (50, 20), (100, 50)] {
        let [plain, reordered] = with_and_without_reordering(rate_mbit, rtt_ms);
        assert!(
            reordered.share >= 0.97 * plain.share,
            "{reordered:?}\n{plain:?}"
        );
        let (sent, lost) = reordered.packets;
        let spurious = reordered.retransmissions.saturating_sub(lost);
        assert!(spurious * 200 <= sent, "{reordered:?}");
        assert_eq!(reordered.timeouts, 0, "{reordered:?}");
        assert!(reordered.spurious_recoveries >= 1, "{reordered:?}");
    }
}

/// A link of 20 Mbit/s and 40 ms of round-trip time, with a queue of twice what it holds.
fn ordinary() -> LinkConfig {
    LinkConfig {
        queue: 200_000,
        ..LinkConfig::with_rate_and_delay(20_000_000, millis(20))
    }
}

/// A sender without end over [`ordinary`] links, or links made from them.
fn bulk(name: &str, data: LinkConfig, acks: LinkConfig) -> Bulk {
    let mut bulk = Bulk::new(name, 1, data, acks);
    bulk.world
        .set_failed_runs(failed_runs(env!("CARGO_TARGET_TMPDIR")));
    bulk
}

/// Bits per second that [`ordinary`] leaves for payload.
const GOODPUT: f64 = 20e6 * 1448.0 / 1500.0;

/// Payload of [`GOODPUT`] in this time that is `bytes`.
#[expect(clippy::cast_precision_loss, reason = "a share needs no 53 bits")]
fn share(bytes: u64, time: Duration) -> f64 {
    bytes as f64 * 8.0 / (GOODPUT * time.as_secs_f64())
}

/// Everything is late by up to 600 ms, once, and nothing is lost. A probe starts the timer anew
/// (RFC 8985 §7.3), so half a second would not be enough for it. It expires; what
/// arrives then shows that it was wrong to (RFC 5682, RFC 3522), so nothing further is sent again
/// and the window is what it was before.
#[test]
fn a_sudden_delay() {
    let spike = Instant::from_millis(5000);
    let hold = Hold {
        from: spike,
        to: spike + millis(600),
    };
    let data = LinkConfig {
        holds: vec![hold],
        ..ordinary()
    };
    let mut bulk = bulk("delay spike", data, ordinary());
    let received = bulk.run_until(spike).expect("undisturbed so far");
    let (before, (_, lost)) = (bulk.sender(), bulk.packets());
    bulk.run_until(hold.to + RTT * 4).expect("it goes on");
    let (after, (_, lost_since)) = (bulk.sender(), bulk.packets());
    assert!(after.timeouts > before.timeouts, "the timer has expired");
    assert!(
        after.spurious_recoveries > before.spurious_recoveries,
        "{after:?}"
    );
    let again = after.retransmissions - before.retransmissions;
    // One for each time that the timer expired, and perhaps a probe before.
    let allowed = (lost_since - lost) + (after.timeouts - before.timeouts) + 1;
    assert!(again <= allowed, "{again} sent again, {allowed} allowed");
    // Of three seconds a fifth is silent, but for what the queue held.
    let end = spike + Duration::from_secs(3);
    let received = bulk.run_until(end).expect("it goes on") - received;
    let share = share(received, Duration::from_secs(3));
    assert!(share >= 0.79, "{share}");
}

/// Cumulative acknowledgments make up for each other.
#[test]
fn three_of_ten_acknowledgments_are_lost() {
    let acks = ordinary().lossy(Loss::Bernoulli(0.3));
    let mut bulk = bulk("lost acknowledgments", ordinary(), acks);
    let start = Instant::from_millis(2000);
    let length = Duration::from_secs(10);
    let received = bulk.run_until(start).expect("it starts");
    let received = bulk.run_until(start + length).expect("it goes on") - received;
    let share = share(received, length);
    assert!(share >= 0.95, "{share}");
    let (sender, (_, lost)) = (bulk.sender(), bulk.packets());
    assert_eq!(sender.timeouts, 0);
    assert!(
        sender.retransmissions <= lost + 2,
        "{sender:?}, {lost} lost"
    );
}

/// The same for a request that fits into one flight: no acknowledgment but the last is needed.
#[test]
fn all_acknowledgments_but_the_last_are_lost() {
    let bytes = 10 * PAYLOAD;
    let mut run = transfer("one acknowledgment", false, clean(), bytes, |_| false);
    let wire = run.pair.wires[0];
    let mut first = 0;
    run.world().set_middlebox(
        wire,
        1,
        DropIf(move |_, packet: &Bytes| {
            let Some(segment) = segment(packet) else {
                return false;
            };
            let ack = segment.ack.map_or(0, |ack| ack.0);
            if segment.flags.syn {
                first = ack;
            }
            !segment.flags.syn && u64::from(ack.wrapping_sub(first)) < bytes
        }),
    );
    let arrived = until_received(&mut run, bytes);
    run.world().run_until(|_| false, arrived + millis(1000));
    let sender = sender(&run);
    assert_eq!((sender.timeouts, sender.retransmissions), (0, 0));
}
