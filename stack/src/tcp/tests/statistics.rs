//! What a TCB tells of itself, against segments made by hand.

use super::*;
use crate::tcp::statistics::CongestionPhase;

const LATER: Instant = Instant::from_millis(1100);

/// A sender that has sent so many full segments.
fn sender(ecn: bool, segments: u32) -> Tcb {
    let mut offer = syn();
    offer.flags.ece = ecn;
    offer.flags.cwr = ecn;
    let mut tcb = Tcb::accept(NOW, config(), &offer);
    tcb.retransmit(NOW, 0).expect("a SYN/ACK is due");
    tcb.on_ack_sent(WINDOW);
    receive(&mut tcb, LATER, &mut segment(IRS + 1, Some(ISS + 1), b""));
    for _ in 0..segments {
        let payload = SmallVec::from_iter([Bytes::from_static(&[7; 1000])]);
        tcb.send_data(LATER, payload, 1000, 1000, false);
        tcb.traffic.on_packet(1000, None);
    }
    tcb
}

/// An acknowledgment of the first `count` segments, of those in `block`, and with ECE or not.
fn ack(tcb: &mut Tcb, at: Instant, count: u32, block: Option<(u32, u32)>, ece: bool) {
    let mut segment = segment(IRS + 1, Some(ISS + 1 + count * 1000), b"");
    segment.flags.ece = ece;
    let block = block.map(|(left, right)| SackBlock {
        left: ISS + 1 + left * 1000,
        right: ISS + 1 + right * 1000,
    });
    segment.options.sack = block.into_iter().collect();
    receive(tcb, at, &mut segment);
}

#[test]
fn the_phases_of_congestion_control() {
    let mut tcb = sender(false, 8);
    assert_eq!(tcb.congestion_phase(), CongestionPhase::Open);
    let soon = LATER + Duration::from_millis(100);
    ack(&mut tcb, soon, 0, Some((1, 2)), false);
    assert_eq!(tcb.congestion_phase(), CongestionPhase::Disorder);
    let now = LATER + Duration::from_millis(200);
    ack(&mut tcb, now, 0, Some((1, 5)), false);
    assert_eq!(tcb.congestion_phase(), CongestionPhase::Recovery);
    while tcb.retransmit(now, 1000).is_some() {}
    let statistics = tcb.statistics();
    assert_eq!(
        statistics.phase,
        CongestionPhase::Recovery,
        "it is repaired"
    );
    assert_eq!(
        (statistics.sacked_bytes, statistics.sacked_segments),
        (4000, 4)
    );
    assert_eq!(
        (statistics.unacked_bytes, statistics.unacked_segments),
        (8000, 8)
    );
    assert_eq!(statistics.retransmitted_now, 1);
    assert_eq!(statistics.bytes_retransmitted, 1000);
    assert_eq!(statistics.last_data_sent, Some(now));
    ack(&mut tcb, now, 8, None, false);
    let statistics = tcb.statistics();
    assert_eq!(statistics.phase, CongestionPhase::Open);
    assert_eq!(statistics.delivered, 1 + 8, "the SYN/ACK too");
    assert_eq!(statistics.last_ack_received, Some(now));
    assert_eq!((statistics.snd_una, statistics.snd_nxt), (8001, 8001));
    assert_eq!(statistics.data_segments_sent, 8);
}

#[test]
fn a_mark_of_the_network_is_no_loss() {
    let mut tcb = sender(true, 4);
    ack(&mut tcb, LATER, 1, None, true);
    let statistics = tcb.statistics();
    assert_eq!(statistics.phase, CongestionPhase::Cwr);
    assert_eq!(statistics.delivered_ce, 1);
    ack(&mut tcb, LATER, 4, None, false);
    assert_eq!(tcb.congestion_phase(), CongestionPhase::Open);
    assert_eq!(tcb.statistics().delivered_ce, 1);
}

#[test]
fn an_expired_timer_is_a_loss_of_everything() {
    let mut tcb = sender(false, 3);
    let mut expired = Expired::Nothing;
    while expired != Expired::Timeout {
        let at = tcb.timers.next().expect("something is outstanding");
        expired = tcb.handle_timeout(at);
        // The probe of the tail is due before, and takes the place of nothing here.
        tcb.tail_loss = crate::tcp::tail_loss::TailLoss::Idle;
    }
    let statistics = tcb.statistics();
    assert_eq!(statistics.phase, CongestionPhase::Loss);
    assert_eq!((statistics.lost_segments, statistics.lost_bytes), (3, 3000));
    assert_eq!((statistics.timeouts, statistics.backoff), (1, 1));
}

#[test]
fn what_comes_is_counted_by_what_it_brings() {
    let mut tcb = established();
    let before = tcb.statistics();
    assert_eq!(before.established_at, Some(NOW));
    let first = data(&tcb, 0, b"abc");
    take(&mut tcb, first);
    let ahead = data(&tcb, 5, b"later");
    take(&mut tcb, ahead);
    let bare = segment(tcb.rcv_nxt, Some(ISS + 1), b"");
    take(&mut tcb, bare);
    let statistics = tcb.statistics();
    assert_eq!(statistics.segments_received, before.segments_received + 3);
    assert_eq!(statistics.data_segments_received, 2);
    assert_eq!(statistics.out_of_order, 1);
    assert_eq!(statistics.received_mss, 5);
    assert_eq!(statistics.bytes_received, 3);
    assert_eq!(statistics.rcv_nxt, 4, "the SYN and three bytes");
    assert_eq!(statistics.last_data_received, Some(NOW));
    assert_eq!(u64::from(statistics.rcv_wnd), u64::from(WINDOW) - 3);
}

#[test]
fn a_packet_that_the_device_cuts_counts_as_its_pieces() {
    let mut tcb = established();
    let before = tcb.statistics();
    tcb.traffic.on_packet(2500, Some(1000));
    tcb.traffic.on_packet(0, None);
    let statistics = tcb.statistics();
    assert_eq!(statistics.segments_sent, before.segments_sent + 4);
    assert_eq!(statistics.data_segments_sent, 3);
    let payload = SmallVec::from_iter([Bytes::from_static(&[7; 2500])]);
    tcb.send_data(NOW, payload, 2500, 1000, false);
    assert_eq!(tcb.statistics().unacked_segments, 3);
}

/// A window for each round trip of 100 ms.
#[test]
fn the_rate_is_that_of_a_round_trip() {
    let mut tcb = sender(false, 4);
    assert_eq!(tcb.statistics().delivery_rate, None);
    let mut now = LATER + Duration::from_millis(100);
    ack(&mut tcb, now, 4, None, false);
    assert_eq!(tcb.statistics().delivery_rate, Some(40_000));
    // A rest is no part of a round trip.
    now += Duration::from_secs(10);
    for _ in 0..2 {
        let payload = SmallVec::from_iter([Bytes::from_static(&[7; 1000])]);
        tcb.send_data(now, payload, 1000, 1000, false);
    }
    now += Duration::from_millis(100);
    ack(&mut tcb, now, 5, None, false);
    assert_eq!(tcb.statistics().delivery_rate, Some(10_000));
    // One that comes right behind it tells nothing of the path.
    ack(&mut tcb, now, 6, None, false);
    assert_eq!(tcb.statistics().delivery_rate, Some(10_000));
}
