//! Timestamps (RFC 7323 §3 to §5) and window scale (RFC 7323 §2), at their edges.

use super::*;
use crate::base::config::{SynOptions, WindowScale};
use proptest::prelude::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn stamped(mut segment: Segment, value: u32) -> Segment {
    segment.options.timestamps = Some(Timestamps { value, echo: 0 });
    segment
}

/// A connection whose peer's clock stands at `clock`.
fn with_timestamps(clock: u32) -> Tcb {
    let mut tcb = Tcb::accept(NOW, config(), &stamped(syn(), clock));
    tcb.retransmit(NOW, 0).unwrap();
    tcb.on_ack_sent(WINDOW);
    let third = stamped(segment(IRS + 1, Some(ISS + 1), b""), clock);
    assert!(take(&mut tcb, third).established);
    tcb.on_ack_sent(WINDOW);
    tcb
}

fn verdict_at(tcb: &mut Tcb, now: Instant, mut segment: Segment) -> Verdict {
    let verdict = receive(tcb, now, &mut segment).verdict;
    tcb.ack.goes_bare();
    tcb.on_ack_sent(WINDOW);
    verdict
}

/// Protocol statement 112.
#[test]
fn the_peers_clock_may_wrap() {
    let mut tcb = with_timestamps(u32::MAX - 1);
    for value in [u32::MAX, 0, 5] {
        let next = stamped(data(&tcb, 0, b"x"), value);
        assert_eq!(verdict_at(&mut tcb, NOW, next), Verdict::Accepted);
        assert_eq!(tcb.timestamps.recent, value);
    }
    // Merely overtaken: of this lap of the sequence numbers, see `timestamps`.
    for overtaken in [4, 0, u32::MAX] {
        let late = stamped(data(&tcb, 0, b"x"), overtaken);
        assert_eq!(verdict_at(&mut tcb, NOW, late), Verdict::Accepted);
        assert_eq!(tcb.timestamps.recent, 5);
    }
    // Older than the connection.
    for old in [u32::MAX - 2, 6 | 1 << 31] {
        let late = stamped(data(&tcb, 0, b"x"), old);
        assert_eq!(verdict_at(&mut tcb, NOW, late), Verdict::Dropped, "{old}");
    }
}

/// Our clock counts milliseconds, from any start, across its wrap.
#[test]
fn our_clock_may_wrap() {
    let offset = u32::MAX - 500;
    let tcb = Tcb::connect(
        NOW,
        TcbConfig {
            timestamp_offset: offset,
            ..config()
        },
    );
    let mut last = tcb.timestamp(NOW);
    assert_eq!(last, offset.wrapping_add(1000));
    for tick in 1..2000 {
        let value = tcb.timestamp(NOW + Duration::from_millis(tick));
        assert_eq!(value, last.wrapping_add(1));
        last = value;
    }
    // 2³² milliseconds, seven weeks, later it says the same.
    let round = Duration::from_millis(1 << 32);
    assert_eq!(tcb.timestamp(NOW + round), tcb.timestamp(NOW));
}

/// RFC 7323 §2.2, §3.2: what our SYN did not offer is not in force, whatever the answer says.
#[test]
fn what_is_not_offered_is_not_negotiated() {
    let mut config = config();
    config.syn_options = SynOptions {
        timestamps: false,
        sack: false,
        window_scale: WindowScale::Off,
    };
    let mut tcb = Tcb::connect(NOW, config);
    assert!(tcb.timestamps(NOW, true).is_none());
    let mut answer = stamped(segment(IRS, Some(ISS + 1), b""), 9);
    answer.flags.syn = true;
    answer.options.sack_permitted = true;
    answer.options.window_scale = Some(7);
    assert!(take(&mut tcb, answer).established);
    assert!(!tcb.negotiated.timestamps && !tcb.negotiated.sack && !tcb.peer_scales);
    assert_eq!((tcb.negotiated.snd_scale, tcb.negotiated.rcv_scale), (0, 0));
}

/// RFC 7323 §5.5: after 24 days of silence the clock may have turned half around.
///
/// Protocol statement 112.
#[test]
fn a_timestamp_is_forgotten_after_24_days() {
    for (idle, verdict) in [
        (DAY * 24 - Duration::from_millis(1), Verdict::Dropped),
        (DAY * 24, Verdict::Accepted),
    ] {
        let mut tcb = with_timestamps(1000);
        let older = stamped(data(&tcb, 0, b"x"), 999);
        assert_eq!(verdict_at(&mut tcb, NOW + idle, older), verdict);
        let recent = if verdict == Verdict::Accepted {
            999
        } else {
            1000
        };
        assert_eq!(tcb.timestamps.recent, recent);
    }
}

/// RFC 7323 §4.3: of several segments the echo is that of the one at the left edge.
#[test]
fn only_the_left_edge_moves_the_echo() {
    let mut tcb = with_timestamps(10);
    let ahead = stamped(data(&tcb, 5, b"ahead"), 30);
    assert_eq!(verdict_at(&mut tcb, NOW, ahead), Verdict::Accepted);
    assert_eq!(tcb.timestamps.recent, 10);
    let first = stamped(data(&tcb, 0, b"first"), 20);
    assert_eq!(verdict_at(&mut tcb, NOW, first), Verdict::Accepted);
    assert_eq!(tcb.timestamps.recent, 20);
    assert_eq!(tcb.timestamps(NOW, false).unwrap().echo, 20);
}

/// A segment that is refused must not move TS.Recent: one forged timestamp of the future would
/// end the connection.
#[test]
fn what_is_not_acceptable_leaves_the_echo_alone() {
    let mut tcb = with_timestamps(10);
    let una = tcb.snd_una;
    let old = segment(tcb.rcv_nxt - 70_000, Some(una), b"forged");
    let future_ack = segment(tcb.rcv_nxt, Some(tcb.snd_nxt + 1), b"forged");
    let without_ack = segment(tcb.rcv_nxt, None, b"forged");
    let mut syn = segment(tcb.rcv_nxt, Some(una), b"");
    syn.flags.syn = true;
    for forged in [old, future_ack, without_ack, syn] {
        let forged = stamped(forged, 1 << 30);
        assert_eq!(verdict_at(&mut tcb, NOW, forged), Verdict::Dropped);
        assert_eq!(tcb.timestamps.recent, 10);
    }
    let mut rst = segment(tcb.rcv_nxt + 1, Some(una), b"");
    rst.flags.rst = true;
    assert_eq!(
        verdict_at(&mut tcb, NOW, stamped(rst, 1 << 30)),
        Verdict::Dropped
    );
    let next = stamped(data(&tcb, 0, b"x"), 11);
    assert_eq!(verdict_at(&mut tcb, NOW, next), Verdict::Accepted);
}

/// With a closed window the peer's probes keep TS.Recent and the send window up to date.
#[test]
fn probes_of_a_closed_window_move_the_echo() {
    let mut tcb = with_timestamps(10);
    tcb.rcv_edge = tcb.rcv_nxt;
    let mut probe = stamped(data(&tcb, 0, b"x"), 20);
    probe.window = 77;
    let arrival = take(&mut tcb, probe);
    assert_eq!(
        (arrival.verdict, arrival.text.len()),
        (Verdict::Accepted, 0)
    );
    assert!(tcb.ack.is_due_now());
    assert_eq!((tcb.timestamps.recent, tcb.snd_wnd), (20, 77));
    let old = stamped(data(&tcb, 0, b"x"), 9);
    assert_eq!(verdict_at(&mut tcb, NOW, old), Verdict::Dropped);
}

/// Protocol statement 112.
#[test]
fn timestamps_are_on_all_segments_or_on_none() {
    // The SYN offers them; the answer decides.
    for agreed in [true, false] {
        let mut tcb = Tcb::connect(NOW, config());
        assert!(tcb.timestamps(NOW, true).is_some());
        let mut answer = segment(IRS, Some(ISS + 1), b"");
        answer.flags.syn = true;
        if agreed {
            answer = stamped(answer, 9);
        }
        assert!(take(&mut tcb, answer).established);
        assert_eq!(tcb.timestamps(NOW, false).is_some(), agreed);
        let next = data(&tcb, 0, b"");
        let verdict = if agreed {
            Verdict::Dropped
        } else {
            Verdict::Accepted
        };
        assert_eq!(take(&mut tcb, next).verdict, verdict, "one without");
    }
}

/// A connection to a peer that offers this shift, with ours being `ours`.
fn scaled(ours: u8, theirs: Option<u8>) -> Tcb {
    let config = TcbConfig {
        rcv_scale: ours,
        ..config()
    };
    let mut first = syn();
    first.options.window_scale = theirs;
    first.window = 50_000;
    let mut tcb = Tcb::accept(NOW, config, &first);
    // RFC 7323 §2.2: never scaled in a SYN.
    assert_eq!(tcb.snd_wnd, 50_000);
    tcb.retransmit(NOW, 0).unwrap();
    tcb.on_ack_sent(WINDOW);
    let mut third = segment(IRS + 1, Some(ISS + 1), b"");
    third.window = 40_000;
    assert!(take(&mut tcb, third).established);
    tcb
}

/// Protocol statement 112.
#[test]
fn window_scales_at_their_edges() {
    for (ours, theirs, send, receive) in [
        (7, None, 0, 0),
        (7, Some(0), 0, 7),
        (0, Some(0), 0, 0),
        (0, Some(14), 14, 0),
        (14, Some(14), 14, 14),
        // RFC 7323 §2.3: a larger one counts as 14.
        (14, Some(15), 14, 14),
        (14, Some(255), 14, 14),
    ] {
        let tcb = scaled(ours, theirs);
        assert_eq!(
            (tcb.negotiated.snd_scale, tcb.negotiated.rcv_scale),
            (send, receive),
            "{ours} {theirs:?}"
        );
        assert_eq!(tcb.snd_wnd, 40_000 << send);
    }
}

/// The widest window there is: 2³⁰ bytes, of which no sum overflows.
#[test]
fn the_widest_window_does_not_overflow() {
    let mut tcb = scaled(14, Some(14));
    let mut wide = data(&tcb, 0, b"");
    wide.window = u16::MAX;
    take(&mut tcb, wide);
    assert_eq!(tcb.snd_wnd, 65_535 << 14);
    assert_eq!(tcb.max_snd_wnd, 65_535 << 14);
    tcb.on_ack_sent(65_535 << 14);
    let edge = tcb.rcv_edge;
    let last = segment(edge - 3, Some(tcb.snd_una), b"end");
    assert_eq!(take(&mut tcb, last).verdict, Verdict::Accepted);
    assert_eq!(tcb.sack_blocks()[0].right, edge);
    let mut old = segment(tcb.rcv_nxt, Some(tcb.snd_una - tcb.max_snd_wnd), b"");
    assert_eq!(take(&mut tcb, old.clone()).verdict, Verdict::Accepted);
    old.ack = Some(tcb.snd_una - tcb.max_snd_wnd - 1);
    assert_eq!(take(&mut tcb, old).verdict, Verdict::Dropped);
}

/// The SYN/ACK that completes a simultaneous open has an unscaled window.
///
/// Protocol statement 112.
#[test]
fn the_window_of_a_crossing_syn_ack_is_not_scaled() {
    let mut tcb = Tcb::connect(NOW, config());
    tcb.retransmit(NOW, 0).unwrap();
    let mut first = syn();
    first.options.window_scale = Some(7);
    take(&mut tcb, first.clone());
    assert_eq!(tcb.state, TcpState::SynReceived);
    tcb.retransmit(NOW, 0).unwrap();
    tcb.on_ack_sent(WINDOW);
    first.ack = Some(ISS + 1);
    first.window = 30_000;
    assert!(take(&mut tcb, first).established);
    assert_eq!(tcb.snd_wnd, 30_000);
    let mut next = data(&tcb, 0, b"");
    next.window = 30_000;
    take(&mut tcb, next);
    assert_eq!(tcb.snd_wnd, 30_000 << 7);
}

proptest! {
    /// Segments in any order, cut anyhow, around the wrap of the numbers: the stream comes out,
    /// and what is reported is always exactly what is held.
    #[test]
    fn any_order_across_the_wrap_gives_the_stream(
        pieces in prop::collection::vec((0_u32..300, 1_u32..60), 1..80),
        below in 0_u32..400,
    ) {
        let irs = SeqNum(0_u32.wrapping_sub(below));
        let mut first = syn();
        first.seq = irs;
        let mut tcb = Tcb::accept(NOW, config(), &first);
        tcb.retransmit(NOW, 0).unwrap();
        tcb.on_ack_sent(WINDOW);
        take(&mut tcb, segment(irs + 1, Some(ISS + 1), b""));
        let mut held = [false; 400];
        let mut out = Vec::new();
        for (start, len) in pieces {
            let mut piece = segment(irs + 1 + start, Some(ISS + 1), b"");
            let bytes: Vec<u8> = (start..start + len).map(|at| at.to_le_bytes()[0]).collect();
            piece.payload = bytes.into();
            out.extend(text(&take(&mut tcb, piece)));
            held[start as usize..(start + len) as usize].fill(true);
            let edge = held.iter().position(|held| !held).unwrap();
            prop_assert_eq!(out.len(), edge);
            prop_assert_eq!(tcb.rcv_nxt, irs + 1 + u32::try_from(edge).unwrap());
            for block in tcb.sack_blocks() {
                let range = block.left.distance_from(irs + 1)..block.right.distance_from(irs + 1);
                prop_assert!(range.start < range.end);
                for at in range {
                    prop_assert!(held[usize::try_from(at).unwrap()]);
                }
            }
            tcb.ack.goes_bare();
            tcb.on_ack_sent(WINDOW);
        }
        prop_assert!(out.iter().zip(0_u32..).all(|(&byte, at)| byte == at.to_le_bytes()[0]));
    }
}
