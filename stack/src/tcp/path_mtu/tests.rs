use super::*;
use crate::base::config::CongestionAlgorithm;
use crate::tcp::expiry::Expired;
use crate::tcp::receive::receive;
use crate::tcp::recovery::Recovery;
use crate::tcp::tcb::{Tcb, TcbConfig};
use crate::tcp::transmit::Outgoing;
use crate::wire::packet::{Flags, FourTuple, Payload, Segment};
use crate::wire::tcp_option::{SackBlock, TcpOptions};
use bytes::Bytes;
use proptest::prelude::*;
use smallvec::smallvec;

const ISS: SeqNum = SeqNum(u32::MAX - 3000);
const IRS: SeqNum = SeqNum(77);
const MSS: usize = 1460;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A segment of the peer that acknowledges so many of our bytes.
fn ack(acked: u32, sack: &[(u32, u32)]) -> Segment {
    let mut options = TcpOptions::default();
    options
        .sack
        .extend(sack.iter().map(|&(left, right)| SackBlock {
            left: ISS + 1 + left,
            right: ISS + 1 + right,
        }));
    Segment {
        tuple: FourTuple {
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([10, 0, 0, 2], 4000).into(),
        },
        seq: IRS + 1,
        ack: Some(ISS + 1 + acked),
        flags: Flags::default(),
        window: u16::MAX,
        options,
        payload: Bytes::new(),
        payload_sum: None,
        congestion_experienced: false,
    }
}

/// A connection that the peer opened, with a round-trip time of 100 ms, at 200 ms.
fn established() -> Tcb {
    let config = TcbConfig {
        congestion: CongestionAlgorithm::NewReno,
        pacing: false,
        ..TcbConfig::sample(ISS)
    };
    let mut syn = ack(0, &[]);
    (syn.seq, syn.ack, syn.flags.syn) = (IRS, None, true);
    (syn.options.mss, syn.options.sack_permitted) = (Some(1460), true);
    let mut tcb = Tcb::accept(at(100), config, &syn);
    tcb.retransmit(at(100), 0).expect("a SYN/ACK is due");
    receive(&mut tcb, at(200), &mut ack(0, &[]));
    assert_eq!((tcb.mss, tcb.path_mtu.current()), (MSS, 1500));
    tcb
}

fn send(tcb: &mut Tcb, now: Instant, len: usize) -> Outgoing {
    let payload: Payload = smallvec![Bytes::from(vec![7; len])];
    tcb.send_data(now, payload, len, len, false)
}

/// The first wait ends with a probe for the loss of the tail instead of a timeout.
fn probe_tail(tcb: &mut Tcb) {
    let due = tcb.timers.next().unwrap();
    assert_eq!(tcb.handle_timeout(due), Expired::Nothing);
    assert!(tcb.probe_tail(due, MSS).is_some());
}

/// Offset and length of what is sent again.
fn again(tcb: &mut Tcb, now: Instant) -> Vec<(u32, usize)> {
    let mut all = Vec::new();
    while tcb.can_retransmit(now) {
        let mss = tcb.mss;
        let Some(outgoing) = tcb.retransmit(now, mss) else {
            break;
        };
        let offset = outgoing.seq.distance_from(ISS + 1);
        let bytes: usize = outgoing.payload.iter().map(Bytes::len).sum();
        assert_eq!(bytes, outgoing.len);
        all.push((u32::try_from(offset).unwrap(), outgoing.len));
    }
    all
}

#[test]
fn a_router_is_believed_at_once_about_what_was_never_acknowledged() {
    let mut tcb = established();
    for _ in 0..3 {
        send(&mut tcb, at(200), MSS);
    }
    let cwnd = tcb.congestion.cwnd();
    assert!(tcb.packet_too_big(at(210), ISS + 1, 1000));
    assert_eq!((tcb.mss, tcb.path_mtu.current()), (960, 1000));
    // All of it at once, in pieces, and the window stays.
    assert_eq!(
        again(&mut tcb, at(210)),
        [
            (0, 960),
            (960, 500),
            (1460, 960),
            (2420, 500),
            (2920, 960),
            (3880, 500)
        ]
    );
    assert_eq!(tcb.congestion.cwnd(), cwnd);
    assert_eq!(tcb.recovery, Recovery::Open);
}

#[test]
fn what_was_acknowledged_before_makes_a_router_wait() {
    let mut tcb = established();
    send(&mut tcb, at(200), MSS);
    receive(&mut tcb, at(300), &mut ack(1460, &[]));
    for _ in 0..3 {
        send(&mut tcb, at(300), MSS);
    }
    // The segment it is about arrives: nothing happens, then or later.
    assert!(tcb.packet_too_big(at(310), ISS + 1461, 1000));
    assert!(tcb.packet_too_big(at(320), ISS + 1461 + 1460, 900));
    assert_eq!(tcb.path_mtu.current(), 1500);
    receive(&mut tcb, at(400), &mut ack(2920, &[]));
    assert!(!tcb.timers.is_set(crate::tcp::timers::Timer::PathMtu));
    assert_eq!(tcb.path_mtu.current(), 1500);

    // It does not: after one and a half round trips the router is believed.
    assert!(tcb.packet_too_big(at(410), ISS + 1 + 2920, 1000));
    assert_eq!(tcb.timers.next(), Some(at(560)));
    assert_eq!(tcb.handle_timeout(at(560)), Expired::Nothing);
    assert_eq!(tcb.path_mtu.current(), 1000);
    assert_eq!(again(&mut tcb, at(560))[0], (2920, 960));
}

#[test]
fn a_selective_acknowledgment_gives_a_router_the_lie_and_a_loss_proves_it_right() {
    let mut tcb = established();
    send(&mut tcb, at(200), MSS);
    receive(&mut tcb, at(300), &mut ack(1460, &[]));
    for _ in 0..6 {
        send(&mut tcb, at(300), MSS);
    }
    assert!(tcb.packet_too_big(at(310), ISS + 1 + 2920, 1000));
    receive(&mut tcb, at(400), &mut ack(1460, &[(2920, 4380)]));
    assert_eq!((tcb.path_mtu.pending, tcb.path_mtu.current()), (None, 1500));

    assert!(tcb.packet_too_big(at(410), ISS + 1 + 1460, 1000));
    receive(&mut tcb, at(420), &mut ack(1460, &[(2920, 8760)]));
    assert_eq!(tcb.path_mtu.current(), 1000);
    // That explains the loss: no signal of congestion.
    assert_eq!(tcb.recovery, Recovery::Open);
    assert_eq!(
        again(&mut tcb, at(420)),
        [(1460, 960), (2420, 500), (8760, 960), (9720, 500)]
    );
}

#[test]
fn the_impossible_is_ignored() {
    let mut tcb = established();
    let first = send(&mut tcb, at(200), MSS).seq;
    for (seq, mtu) in [
        (first - 1, 1000),
        (tcb.snd_nxt, 1000),
        (first + 100_000, 1000),
        (first, 551),
        (first, 0),
        (first, 1500),
        (first, u16::MAX),
    ] {
        assert!(!tcb.packet_too_big(at(210), seq, mtu), "{seq:?} {mtu}");
    }
    assert_eq!(tcb.path_mtu.current(), 1500);
    assert!(tcb.packet_too_big(at(210), first + 1459, 552));
    assert_eq!(tcb.path_mtu.current(), 552);
}

#[test]
fn ipv6_knows_no_smaller_packets_than_1280() {
    let mut path = PathMtu::new(true, 1440);
    assert_eq!((path.current(), path.mss()), (1500, 1440));
    assert_eq!(path.hear(ISS, 1279), Heard::Ignored);
    assert_eq!(path.hear(ISS, 1280), Heard::Believed);
    path.cut_blindly(at(0), path.lower());
    assert_eq!(path.current(), 1280);
    path.cut_blindly(at(0), path.lower());
    assert_eq!(path.current(), 1280);
    // An interface that carries even less.
    let narrow = PathMtu::new(true, 1000);
    assert_eq!((narrow.current(), narrow.floor), (1060, 1060));
}

#[test]
fn two_timeouts_of_a_large_segment_make_a_black_hole() {
    let mut tcb = established();
    send(&mut tcb, at(200), MSS);
    probe_tail(&mut tcb);
    let first = tcb.timers.next().unwrap();
    assert_eq!(tcb.handle_timeout(first), Expired::Timeout);
    assert_eq!(tcb.path_mtu.current(), 1500);
    assert_eq!(again(&mut tcb, first), [(0, MSS)]);
    let second = tcb.timers.next().unwrap();
    assert_eq!(tcb.handle_timeout(second), Expired::Timeout);
    assert_eq!((tcb.path_mtu.current(), tcb.mss), (1024, 984));
    assert_eq!(again(&mut tcb, second)[0], (0, 984));
    // Still nothing: the smallest there is, and then the size is not to blame any more.
    for expected in [1024, 552, 552, 552, 552] {
        let next = tcb.timers.next().unwrap();
        assert_eq!(tcb.handle_timeout(next), Expired::Timeout);
        assert_eq!(tcb.path_mtu.current(), expected);
        again(&mut tcb, next);
    }
}

/// One that is no longer than what is taken for safe: there the path is narrower still.
#[test]
fn two_timeouts_of_a_segment_of_middling_size_make_a_black_hole_too() {
    let mut tcb = established();
    send(&mut tcb, at(200), 754);
    probe_tail(&mut tcb);
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let next = tcb.timers.next().unwrap();
        assert_eq!(tcb.handle_timeout(next), Expired::Timeout);
        sizes.push(tcb.path_mtu.current());
        again(&mut tcb, next);
    }
    assert_eq!(sizes, [1500, 552, 552]);
}

#[test]
fn timeouts_of_small_segments_say_nothing_of_the_size() {
    let mut tcb = established();
    send(&mut tcb, at(200), 500);
    probe_tail(&mut tcb);
    for _ in 0..5 {
        let next = tcb.timers.next().unwrap();
        assert_eq!(tcb.handle_timeout(next), Expired::Timeout);
        again(&mut tcb, next);
    }
    assert_eq!(tcb.path_mtu.current(), 1500);
}

/// After a cut to 1000 that was ten minutes ago, with nothing outstanding.
fn ten_minutes_later() -> (Tcb, Instant) {
    let mut tcb = established();
    send(&mut tcb, at(200), MSS);
    tcb.packet_too_big(at(210), ISS + 1, 1000);
    again(&mut tcb, at(210));
    receive(&mut tcb, at(310), &mut ack(1460, &[]));
    assert_eq!(tcb.probe_payload(at(600_209), 100_000), None);
    (tcb, at(600_210))
}

#[test]
fn a_probe_needs_company() {
    let (mut tcb, now) = ten_minutes_later();
    assert_eq!(tcb.probe_payload(now, 100_000), Some(MSS));
    assert_eq!(tcb.probe_payload(now, 5000), None, "too little behind it");
    tcb.send_probe(now, MSS);
    send(&mut tcb, now, MSS);
    assert_eq!(tcb.probe_payload(now, 100_000), None, "one at a time");
}

#[test]
fn an_acknowledged_probe_raises_the_path_mtu() {
    for blocks in [&[][..], &[(1460, 2920)]] {
        let (mut tcb, now) = ten_minutes_later();
        tcb.send_probe(now, MSS);
        send(&mut tcb, now, MSS);
        let acked = if blocks.is_empty() { 2920 } else { 1460 };
        receive(&mut tcb, now, &mut ack(acked, blocks));
        assert_eq!((tcb.path_mtu.current(), tcb.mss), (1500, MSS));
        assert_eq!(tcb.path_mtu.search, Search::Over(None));
    }
}

#[test]
fn a_lost_probe_alone_is_no_signal_of_congestion() {
    let (mut tcb, now) = ten_minutes_later();
    tcb.send_probe(now, MSS);
    send(&mut tcb, now, MSS);
    let cwnd = tcb.congestion.cwnd();
    for _ in 0..3 {
        send(&mut tcb, now, 960);
    }
    receive(&mut tcb, now, &mut ack(1460, &[(2920, 5800)]));
    assert_eq!(tcb.recovery, Recovery::Open);
    assert!(tcb.congestion.cwnd() >= cwnd);
    assert_eq!(again(&mut tcb, now), [(1460, 960), (2420, 500)]);
    // Its bytes arrive in pieces: that is no success.
    receive(&mut tcb, now, &mut ack(5800, &[]));
    assert_eq!(tcb.path_mtu.current(), 1000);
    // Two more tries, each after a pause, and then something smaller.
    let Search::Wanted(trial) = tcb.path_mtu.search else {
        panic!("{:?}", tcb.path_mtu.search);
    };
    assert_eq!((trial.size, trial.failures), (1500, 1));
    assert_eq!(
        tcb.probe_payload(now + Duration::from_millis(999), 100_000),
        None
    );
    tcb.path_mtu.probe_lost(now, trial);
    tcb.path_mtu.probe_lost(
        now,
        Trial {
            failures: 2,
            ..trial
        },
    );
    let next = tcb.path_mtu.due(now + PROBE_PAUSE).unwrap();
    assert_eq!((next.size, next.ceiling, next.failures), (1250, 1500, 0));
}

#[test]
fn a_probe_lost_among_others_says_nothing() {
    let (mut tcb, now) = ten_minutes_later();
    tcb.send_probe(now, MSS);
    send(&mut tcb, now, MSS);
    let cwnd = tcb.congestion.cwnd();
    for _ in 0..5 {
        send(&mut tcb, now, 960);
    }
    receive(&mut tcb, now, &mut ack(1460, &[(3880, 7720)]));
    assert!(matches!(tcb.recovery, Recovery::Fast { .. }));
    assert!(tcb.congestion.cwnd() < cwnd);
    let Search::Wanted(trial) = tcb.path_mtu.search else {
        panic!("{:?}", tcb.path_mtu.search);
    };
    assert_eq!((trial.size, trial.failures), (1500, 0));
}

#[test]
fn a_router_that_refuses_the_probe_names_the_next_size() {
    let (mut tcb, now) = ten_minutes_later();
    tcb.send_probe(now, MSS);
    let probe = send(&mut tcb, now, MSS);
    send(&mut tcb, now, 960);
    assert!(tcb.packet_too_big(now, probe.seq, 1400));
    assert_eq!(again(&mut tcb, now), [(1460, 960), (2420, 500)]);
    assert_eq!(tcb.path_mtu.current(), 1000);
    assert_eq!(tcb.path_mtu.due(now).map(|trial| trial.size), Some(1400));
}

proptest! {
    /// Whatever the path carries, the search ends close below it, after few probes.
    #[test]
    fn the_search_ends_close_to_the_truth(truth in 1024_u16..=9000, limit in 1024_u16..=9000) {
        let mut path = PathMtu::new(false, usize::from(limit) - 40);
        let truth = truth.min(limit);
        path.cut_blindly(at(0), path.lower());
        let mut now = at(0);
        let mut probes = 0;
        while let Search::Wanted(trial) = path.search {
            now = trial.not_before.max(now);
            prop_assert_eq!(path.due(now), Some(trial));
            prop_assert!(trial.size <= limit);
            if trial.size <= truth {
                path.probe_arrived(now, trial);
            } else {
                path.probe_lost(now, trial);
            }
            probes += 1;
            prop_assert!(probes < 40);
        }
        prop_assert!(path.current <= truth && truth - path.current <= GRANULARITY);
        prop_assert_eq!(path.search == Search::Over(None), path.current == limit);
    }
}
