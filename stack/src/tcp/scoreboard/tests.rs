//! The queue against acknowledgments made by hand.

use super::*;
use crate::base::time::Duration;
use bytes::Bytes;

const NOW: Instant = Instant::from_millis(10);

fn context() -> AckContext {
    AckContext {
        now: NOW,
        echo: None,
        min_rtt: None,
        mss: 1000,
    }
}

/// `count` segments of 1000 bytes from sequence number 0 on, a millisecond apart.
fn sent(count: u32) -> Scoreboard {
    let mut board = Scoreboard::new(SeqNum(0));
    for i in 0..count {
        let payload = SmallVec::from_iter([Bytes::from(vec![u8::try_from(i).unwrap(); 1000])]);
        let at = Instant::from_millis(u64::from(i));
        let seq = SeqNum(i * 1000);
        board.push(at, seq, 1000, Content::Data, payload, 1000);
    }
    board
}

/// A super-segment of `pieces` times 1000 bytes.
fn super_segment(pieces: u32) -> Scoreboard {
    let mut board = Scoreboard::new(SeqNum(0));
    let len = pieces * 1000;
    let payload = SmallVec::from_iter([Bytes::from(vec![1; len as usize])]);
    board.push(Instant::ZERO, SeqNum(0), len, Content::Data, payload, 1000);
    board
}

fn block(left: u32, right: u32) -> SackBlock {
    SackBlock {
        left: SeqNum(left),
        right: SeqNum(right),
    }
}

fn sack(board: &mut Scoreboard, blocks: &[SackBlock]) -> Delivered {
    let mut delivered = Delivered::default();
    board.sack(&context(), blocks, SeqNum(100_000), &mut delivered);
    delivered
}

fn acknowledge(board: &mut Scoreboard, ack: u32) -> Delivered {
    let mut delivered = Delivered::default();
    board.acknowledge(&context(), SeqNum(ack), &mut delivered);
    delivered
}

/// Loses everything that was sent before the transmission of this number.
fn lose_before(board: &mut Scoreboard, number: u64) -> bool {
    board.lose_older(NOW, Some(number), Duration::ZERO).found
}

fn retransmitted(board: &mut Scoreboard) -> Option<(u32, u32)> {
    let again = board.retransmit_next(NOW, 1460)?;
    Some((again.seq.0, again.len))
}

#[test]
fn cumulative_acknowledgment_frees_and_measures() {
    let mut board = sent(3);
    let delivered = acknowledge(&mut board, 1500);
    assert_eq!(delivered.bytes, 1500);
    assert_eq!(delivered.rtt, Some(Duration::from_millis(9)));
    let (latest, rtt) = delivered.latest.unwrap();
    assert_eq!((latest.number, rtt), (1, Duration::from_millis(9)));
    assert_eq!(board.in_flight(), 1500);
}

#[test]
fn what_was_sent_before_a_delivered_segment_can_be_lost() {
    let mut board = sent(10);
    assert_eq!(sack(&mut board, &[block(1000, 2000)]).bytes, 1000);
    let delivered = sack(&mut board, &[block(1000, 4000)]);
    assert_eq!((delivered.bytes, board.sacked_segments()), (2000, 3));
    let latest = delivered.latest.unwrap().0.number;
    assert!(lose_before(&mut board, latest));
    assert_eq!((board.lost(), board.in_flight()), (1000, 6000));
    assert_eq!(retransmitted(&mut board), Some((0, 1000)));
    assert_eq!(retransmitted(&mut board), None);
    assert!(!lose_before(&mut board, latest));
}

#[test]
fn a_lost_retransmission_is_lost_again_once_something_sent_later_arrives() {
    let mut board = sent(5);
    sack(&mut board, &[block(1000, 2000)]);
    assert!(lose_before(&mut board, 1));
    assert_eq!(retransmitted(&mut board), Some((0, 1000)));
    // Sent before the retransmission: says nothing about it.
    let delivered = sack(&mut board, &[block(1000, 5000)]);
    assert!(!lose_before(&mut board, delivered.latest.unwrap().0.number));
    let payload = SmallVec::from_iter([Bytes::from(vec![9; 1000])]);
    board.push(NOW, SeqNum(5000), 1000, Content::Data, payload, 1000);
    let delivered = sack(&mut board, &[block(1000, 6000)]);
    assert!(lose_before(&mut board, delivered.latest.unwrap().0.number));
    assert_eq!(retransmitted(&mut board), Some((0, 1000)));
}

#[test]
fn a_segment_that_is_not_old_enough_tells_when_it_will_be() {
    let mut board = sent(5);
    sack(&mut board, &[block(3000, 4000)]);
    let judgment = board.lose_older(NOW, Some(3), Duration::from_millis(9));
    // Segments 0 and 1 were sent 9 ms ago and more, segment 2 a millisecond later.
    assert!(judgment.found);
    assert_eq!(board.lost(), 2000);
    assert_eq!(judgment.next, Some(Instant::from_millis(11)));
}

#[test]
fn what_was_judged_lost_can_be_on_its_way_after_all() {
    let mut board = sent(5);
    sack(&mut board, &[block(3000, 4000)]);
    assert!(lose_before(&mut board, 3));
    assert_eq!(retransmitted(&mut board), Some((0, 1000)));
    board.find_lost();
    assert_eq!((board.lost(), board.in_flight()), (0, 4000));
    // And lost again: the transmissions are known as before.
    assert!(lose_before(&mut board, 3));
    assert_eq!(board.lost(), 2000);
}

#[test]
fn everything_but_what_was_sacked_is_lost_and_cut_to_a_smaller_mss() {
    let mut board = sent(3);
    sack(&mut board, &[block(1000, 2000)]);
    board.lose_all();
    assert_eq!((board.lost(), board.in_flight()), (2000, 0));
    for (seq, len) in [(0, 600), (600, 400), (2000, 600), (2600, 400)] {
        let again = board.retransmit_next(NOW, 600).unwrap();
        assert_eq!((again.seq, again.len), (SeqNum(seq), len));
        assert_eq!(again.payload.concat().len(), len as usize);
    }
}

/// Protocol statement 114.
#[test]
fn a_receiver_that_reneges_gets_everything_again() {
    let mut board = sent(3);
    sack(&mut board, &[block(0, 1000), block(2000, 3000)]);
    board.forget_reneged();
    assert_eq!((board.lost(), board.sacked()), (2000, 0));
    // One that keeps its word is believed.
    let mut board = sent(3);
    sack(&mut board, &[block(1000, 2000)]);
    board.forget_reneged();
    assert_eq!((board.lost(), board.sacked()), (0, 1000));
}

#[test]
fn retransmitted_segments_give_no_sample() {
    let mut board = sent(1);
    board.lose_all();
    board.retransmit_next(NOW, 1000);
    let delivered = acknowledge(&mut board, 1000);
    assert_eq!((delivered.bytes, delivered.rtt), (1000, None));
    assert_eq!(delivered.lowest_original_end, None);
}

#[test]
fn a_timestamp_tells_which_copy_has_arrived() {
    let later = Instant::from_millis(30);
    for (echo, counts) in [(5, false), (10, true)] {
        let mut board = sent(1);
        board.lose_all();
        board.retransmit_next(NOW, 1000);
        let mut delivered = Delivered::default();
        let context = AckContext {
            now: later,
            echo: Some(Instant::from_millis(echo)),
            ..context()
        };
        board.acknowledge(&context, SeqNum(1000), &mut delivered);
        assert_eq!(delivered.latest.is_some(), counts, "echo of {echo} ms");
    }
}

/// Behind a gap the peer echoes the last segment in order, whatever has arrived (RFC 7323 §4.3).
#[test]
fn a_timestamp_tells_nothing_of_what_is_selected() {
    let mut board = sent(2);
    board.retransmit_last(NOW, 1000);
    let mut delivered = Delivered::default();
    let context = AckContext {
        now: Instant::from_millis(30),
        echo: Some(Instant::ZERO),
        ..context()
    };
    board.sack(&context, &[block(1000, 2000)], SeqNum(2000), &mut delivered);
    let (transmission, rtt) = delivered.latest.expect("the probe has arrived");
    assert_eq!((transmission.number, transmission.at), (2, NOW));
    assert_eq!(rtt, Duration::from_millis(20));
}

#[test]
fn only_the_lost_pieces_of_a_super_segment_go_again() {
    let mut board = super_segment(10);
    sack(&mut board, &[block(2000, 5000)]);
    assert_eq!((board.sacked(), board.in_flight()), (3000, 7000));
    sack(&mut board, &[block(2000, 5000), block(7000, 8000)]);
    assert_eq!((board.sacked(), board.in_flight()), (4000, 6000));
    // All pieces left at once: what is behind the last one that arrived may be lost as well, for
    // all the order of transmissions says; its age decides.
    board.lose_all();
    let mut pieces = Vec::new();
    while let Some(piece) = retransmitted(&mut board) {
        pieces.push(piece);
    }
    let starts: Vec<u32> = pieces.iter().map(|piece| piece.0).collect();
    assert!(starts.contains(&0) && starts.contains(&5000) && starts.contains(&8000));
    assert_eq!(pieces.iter().map(|piece| piece.1).sum::<u32>(), 6000);
    assert_eq!(acknowledge(&mut board, 10_000).bytes, 6000);
    assert!(board.is_empty() && board.in_flight() == 0 && board.sacked() == 0);
}

#[test]
fn a_peer_cannot_cut_the_queue_into_crumbs() {
    let mut board = super_segment(3);
    for at in (0..3000).step_by(10) {
        sack(&mut board, &[block(at, at + 5)]);
    }
    assert_eq!((board.len(), board.sacked()), (1, 0));
}

#[test]
fn the_last_segment_goes_again_as_a_probe() {
    let mut board = super_segment(3);
    let probe = board.retransmit_last(NOW, 1000).unwrap();
    assert_eq!((probe.seq, probe.len), (SeqNum(2000), 1000));
    assert_eq!(board.in_flight(), 3000);
    sack(&mut board, &[block(2000, 3000)]);
    assert!(board.retransmit_last(NOW, 1000).is_none());
}

#[test]
fn duplicate_acknowledgments_stand_for_segments_without_sack() {
    let mut board = sent(5);
    board.assume_delivered(1000);
    board.assume_delivered(1000);
    assert_eq!(board.in_flight(), 3000);
    // The missing one and the two that were behind it.
    acknowledge(&mut board, 3000);
    assert_eq!(board.in_flight(), 2000);
}
