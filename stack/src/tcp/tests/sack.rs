//! What we report of received data (RFC 2018 §4, RFC 2883 §4). The numbers wrap on the way:
//! [`IRS`] lies just below 2³².

use super::*;

/// Blocks relative to the first payload byte.
fn blocks(tcb: &Tcb) -> Vec<(i32, i32)> {
    let relative = |seq: SeqNum| seq.distance_from(IRS + 1);
    tcb.sack_blocks()
        .iter()
        .map(|block| (relative(block.left), relative(block.right)))
        .collect()
}

/// Bytes `from..to` of the peer's stream arrive; returns what the acknowledgment reports, which
/// then goes out on a segment of its own.
fn arrive(tcb: &mut Tcb, from: u32, to: u32) -> Vec<(i32, i32)> {
    let mut segment = segment(IRS + 1 + from, Some(tcb.snd_una), b"");
    segment.payload = Bytes::from((from..to).map(|at| at.to_le_bytes()[0]).collect::<Vec<_>>());
    take(tcb, segment);
    assert!(tcb.ack.is_due_now());
    let reported = blocks(tcb);
    tcb.ack.goes_bare();
    tcb.on_ack_sent(WINDOW);
    reported
}

/// RFC 2018 §4: the block of the latest segment first, then the others, latest first.
///
/// Protocol statement 114.
#[test]
fn the_latest_block_comes_first_and_is_repeated() {
    let mut tcb = established();
    assert_eq!(arrive(&mut tcb, 10, 20), [(10, 20)]);
    assert_eq!(arrive(&mut tcb, 50, 60), [(50, 60), (10, 20)]);
    assert_eq!(arrive(&mut tcb, 30, 40), [(30, 40), (50, 60), (10, 20)]);
    assert_eq!(
        arrive(&mut tcb, 70, 80),
        [(70, 80), (30, 40), (50, 60), (10, 20)]
    );
    // A fifth pushes out the one that was reported longest ago.
    assert_eq!(
        arrive(&mut tcb, 90, 100),
        [(90, 100), (70, 80), (30, 40), (50, 60)]
    );
    // One that joins two is reported as a whole, and once.
    assert_eq!(arrive(&mut tcb, 40, 50), [(30, 60), (90, 100), (70, 80)]);
    // The forgotten one comes back when it grows.
    assert_eq!(
        arrive(&mut tcb, 20, 25),
        [(10, 25), (30, 60), (90, 100), (70, 80)]
    );
    // The gap before it closes: it is acknowledged, the others are repeated.
    assert_eq!(arrive(&mut tcb, 0, 10), [(30, 60), (90, 100), (70, 80)]);
    // The first of the parts that came twice (RFC 2883 §4.2.2).
    assert_eq!(arrive(&mut tcb, 25, 90), [(30, 60)]);
    assert_eq!(tcb.rcv_nxt, IRS + 101);
}

/// Many segments that make one block grow do not make us forget the others.
#[test]
fn a_growing_block_does_not_push_out_the_others() {
    let mut tcb = established();
    arrive(&mut tcb, 10, 20);
    for at in 0..20 {
        let end = 40 + (at + 1) * 5;
        assert_eq!(
            arrive(&mut tcb, 40 + at * 5, end),
            [(40, i32::try_from(end).unwrap()), (10, 20)]
        );
    }
}

/// RFC 2883 §4.1: a segment below the cumulative acknowledgment, told once.
///
/// Protocol statement 114.
#[test]
fn a_duplicate_below_the_acknowledgment() {
    let mut tcb = established();
    arrive(&mut tcb, 0, 30);
    assert_eq!(arrive(&mut tcb, 10, 20), [(10, 20)]);
    assert!(blocks(&tcb).is_empty());
    // Beside a gap, with the held block behind it (RFC 2883 §4.1.2).
    assert_eq!(arrive(&mut tcb, 40, 50), [(40, 50)]);
    assert_eq!(arrive(&mut tcb, 0, 30), [(0, 30), (40, 50)]);
    assert_eq!(arrive(&mut tcb, 60, 70), [(60, 70), (40, 50)]);
}

/// RFC 2883 §4.1.3: the second block names the whole range, even if it is the same.
///
/// Protocol statement 114.
#[test]
fn a_duplicate_of_what_waits_behind_a_gap() {
    let mut tcb = established();
    arrive(&mut tcb, 10, 20);
    assert_eq!(arrive(&mut tcb, 10, 20), [(10, 20), (10, 20)]);
    arrive(&mut tcb, 20, 30);
    arrive(&mut tcb, 50, 60);
    assert_eq!(arrive(&mut tcb, 12, 18), [(12, 18), (10, 30), (50, 60)]);
}

/// RFC 2883 §4.2: only the part that came twice, and only the first of two.
///
/// Protocol statement 114.
#[test]
fn partial_duplicates() {
    let mut tcb = established();
    arrive(&mut tcb, 0, 10);
    // Below and above the left edge.
    assert_eq!(arrive(&mut tcb, 5, 15), [(5, 10)]);
    assert_eq!(tcb.rcv_nxt, IRS + 16);
    arrive(&mut tcb, 20, 25);
    arrive(&mut tcb, 30, 35);
    // Over two held blocks.
    assert_eq!(arrive(&mut tcb, 18, 40), [(20, 25), (18, 40)]);
    // At the left edge, over what is held: the duplicate is below the new edge.
    assert_eq!(arrive(&mut tcb, 15, 20), [(18, 20)]);
    assert_eq!(tcb.rcv_nxt, IRS + 41);
}

/// A FIN moves RCV.NXT without a byte of the stream; the report stays where it was.
#[test]
fn a_fin_does_not_move_the_report() {
    let mut tcb = established();
    arrive(&mut tcb, 0, 10);
    let mut again = data(&tcb, 0, b"");
    again.seq = IRS + 1 + 5;
    again.payload = Bytes::from_static(b"56789");
    take(&mut tcb, again);
    let mut fin = data(&tcb, 0, b"");
    fin.flags.fin = true;
    assert!(take(&mut tcb, fin.clone()).fin);
    assert_eq!(blocks(&tcb), [(5, 10)]);
    tcb.ack.goes_bare();
    tcb.on_ack_sent(WINDOW);
    // The FIN itself comes again.
    take(&mut tcb, fin);
    assert_eq!(blocks(&tcb), [(10, 11)]);
}

/// What is cut off at the window is not held, so it is not reported (RFC 2018 §8).
#[test]
fn bytes_beyond_the_window_are_not_reported() {
    let mut tcb = established();
    tcb.rcv_edge = tcb.rcv_nxt + 25;
    let mut long = data(&tcb, 20, b"");
    long.payload = Bytes::from_static(b"0123456789");
    take(&mut tcb, long);
    assert_eq!(blocks(&tcb), [(20, 25)]);
    let beyond = data(&tcb, 25, b"x");
    take(&mut tcb, beyond);
    assert_eq!(blocks(&tcb), [(20, 25)]);
}

/// Data of ours that goes out first takes nothing away from the acknowledgment with the blocks.
#[test]
fn data_on_the_way_out_does_not_stand_in_for_the_report() {
    let mut tcb = established();
    let ahead = data(&tcb, 3, b"def");
    take(&mut tcb, ahead);
    let old = segment(IRS - 2, Some(tcb.snd_una), b"abc");
    take(&mut tcb, old);
    tcb.send_data(
        NOW,
        SmallVec::from_iter([Bytes::from_static(b"x")]),
        1,
        1,
        true,
    );
    tcb.on_ack_sent(WINDOW);
    assert!(tcb.ack.is_due_now());
    assert_eq!(blocks(&tcb), [(-3, 0), (3, 6)]);
    tcb.ack.goes_bare();
    tcb.on_ack_sent(WINDOW);
    assert!(!tcb.ack.is_due_now());
    assert_eq!(blocks(&tcb), [(3, 6)]);
}

#[test]
fn without_sack_there_are_no_blocks() {
    let mut first = syn();
    first.options.sack_permitted = false;
    let mut tcb = Tcb::accept(NOW, config(), &first);
    tcb.retransmit(NOW, 0).unwrap();
    tcb.on_ack_sent(WINDOW);
    take(&mut tcb, segment(IRS + 1, Some(ISS + 1), b""));
    assert!(arrive(&mut tcb, 10, 20).is_empty());
    assert!(arrive(&mut tcb, 10, 20).is_empty());
}
