//! One TCB against segments made by hand: the checks of RFC 9293 §3.10.7.4 and RFC 5961.
//!
//! | file | what |
//! |---|---|
//! | `mod` | what the others share, and losses |
//! | `matrix` | every state times every kind of segment, as one table |
//! | `options` | timestamps, PAWS, window scale |
//! | `sack` | SACK and DSACK of what we receive |
//! | `states` | open and close in all orders |
//! | `statistics` | what it tells of itself |

mod matrix;
mod options;
mod sack;
mod states;
mod statistics;

use super::expiry::Expired;
use super::receive::{Arrival, Verdict, receive};
use super::state::TcpState;
use super::tcb::{Tcb, TcbConfig};
use crate::base::seq::SeqNum;
use crate::base::time::{Duration, Instant};
use crate::wire::packet::{Flags, FourTuple, Segment};
use crate::wire::tcp_option::{SackBlock, TcpOptions, Timestamps};
use bytes::Bytes;
use smallvec::SmallVec;

const NOW: Instant = Instant::from_millis(1000);
const ISS: SeqNum = SeqNum(5000);
/// The peer's initial sequence number, close to the wrap.
const IRS: SeqNum = SeqNum(u32::MAX - 2);
const WINDOW: u32 = 10_000;

fn config() -> TcbConfig {
    TcbConfig::sample(ISS)
}

fn segment(seq: SeqNum, ack: Option<SeqNum>, payload: &'static [u8]) -> Segment {
    Segment {
        tuple: FourTuple {
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([10, 0, 0, 2], 4000).into(),
        },
        seq,
        ack,
        flags: Flags::default(),
        window: 20_000,
        options: TcpOptions::default(),
        payload: Bytes::from_static(payload),
        payload_sum: None,
        congestion_experienced: false,
    }
}

fn syn() -> Segment {
    let mut syn = segment(IRS, None, b"");
    syn.flags.syn = true;
    syn.options.mss = Some(1000);
    syn.options.sack_permitted = true;
    syn
}

/// A connection that the peer opened; the next byte expected is `IRS + 1`.
fn established() -> Tcb {
    let mut tcb = Tcb::accept(NOW, config(), &syn());
    let syn_ack = tcb.retransmit(NOW, 0).expect("a SYN/ACK is due");
    assert!(syn_ack.flags.syn && syn_ack.ack == Some(IRS + 1));
    tcb.on_ack_sent(WINDOW);
    let arrival = take(&mut tcb, segment(IRS + 1, Some(ISS + 1), b""));
    assert!(arrival.established);
    assert_eq!((tcb.state, tcb.mss), (TcpState::Established, 1000));
    tcb.on_ack_sent(WINDOW);
    tcb
}

fn take(tcb: &mut Tcb, mut segment: Segment) -> Arrival {
    receive(tcb, NOW, &mut segment)
}

/// An in-order acknowledgment with a payload at an offset from the next byte expected.
fn data(tcb: &Tcb, offset: u32, payload: &'static [u8]) -> Segment {
    segment(tcb.rcv_nxt + offset, Some(tcb.snd_una), payload)
}

fn text(arrival: &Arrival) -> Vec<u8> {
    arrival
        .text
        .iter()
        .flat_map(|(_, bytes)| bytes.to_vec())
        .collect()
}

/// Protocol statement 112.
#[test]
fn bytes_come_out_in_order_across_the_wrap() {
    let mut tcb = established();
    let last = data(&tcb, 3, b"def");
    assert!(text(&take(&mut tcb, last)).is_empty());
    let blocks = tcb.sack_blocks();
    assert_eq!(
        blocks.as_slice(),
        [SackBlock {
            left: IRS + 4,
            right: IRS + 7
        }]
    );
    let first = data(&tcb, 0, b"abc");
    let arrival = take(&mut tcb, first);
    assert_eq!(text(&arrival), b"abcdef");
    assert_eq!(arrival.text[0].0, IRS + 1);
    assert!(tcb.ack.is_due_now(), "a filled gap is acknowledged at once");
    assert!(tcb.sack_blocks().is_empty());
}

#[test]
fn a_segment_that_overlaps_what_is_held_closes_the_gap_too() {
    let mut tcb = established();
    let last = data(&tcb, 3, b"def");
    take(&mut tcb, last);
    let overlapping = data(&tcb, 0, b"abcde");
    assert_eq!(text(&take(&mut tcb, overlapping)), b"abcdef");
    // RFC 2883 §4.2: what came twice is told.
    let twice = SackBlock {
        left: IRS + 4,
        right: IRS + 6,
    };
    assert_eq!(tcb.sack_blocks().as_slice(), [twice]);
}

#[test]
fn text_beyond_the_window_is_cut_off_and_before_it_acknowledged_again() {
    let mut tcb = established();
    tcb.rcv_edge = tcb.rcv_nxt + 4;
    let long = data(&tcb, 0, b"abcdef");
    assert_eq!(text(&take(&mut tcb, long)), b"abcd");
    tcb.on_ack_sent(0);
    let old = segment(IRS + 1, Some(tcb.snd_una), b"abcd");
    assert_eq!(take(&mut tcb, old).verdict, Verdict::Dropped);
    assert!(tcb.ack.is_due_now());
    let duplicate = SackBlock {
        left: IRS + 1,
        right: IRS + 5,
    };
    assert_eq!(tcb.sack_blocks().as_slice(), [duplicate]);
}

/// Protocol statement 111.
#[test]
fn only_the_exact_sequence_number_resets() {
    let mut tcb = established();
    tcb.on_ack_sent(WINDOW);
    let mut rst = data(&tcb, 1, b"");
    rst.flags.rst = true;
    assert_eq!(take(&mut tcb, rst.clone()).verdict, Verdict::Dropped);
    assert!(tcb.ack.is_due_now(), "RFC 5961 §3.2: a challenge");
    tcb.on_ack_sent(WINDOW);
    rst.seq = tcb.rcv_nxt + WINDOW + 1;
    assert_eq!(take(&mut tcb, rst.clone()).verdict, Verdict::Dropped);
    assert!(!tcb.ack.is_due_now(), "out of window: not a word");
    rst.seq = tcb.rcv_nxt;
    assert_eq!(take(&mut tcb, rst).verdict, Verdict::Reset);
}

/// Protocol statement 111.
#[test]
fn a_syn_in_the_window_is_challenged_and_challenges_are_few() {
    let mut tcb = established();
    let mut again = data(&tcb, 5, b"");
    again.flags.syn = true;
    let mut challenges = 0;
    for offset in [5, 0, WINDOW + 7, u32::MAX - 70_000]
        .into_iter()
        .cycle()
        .take(100)
    {
        again.seq = tcb.rcv_nxt + offset;
        assert_eq!(take(&mut tcb, again.clone()).verdict, Verdict::Dropped);
        challenges += u64::from(tcb.ack.is_due_now());
        tcb.on_ack_sent(WINDOW);
    }
    assert!((5..=10).contains(&challenges), "RFC 5961 §7: {challenges}");
    assert_eq!(tcb.ack_limits.challenges_sent(), challenges);
    assert_eq!(tcb.state, TcpState::Established);
}

#[test]
fn acknowledgments_of_nothing_sent_are_challenged_with_their_data() {
    let mut tcb = established();
    let mut bad = data(&tcb, 0, b"data");
    bad.ack = Some(tcb.snd_nxt + 1);
    let arrival = take(&mut tcb, bad);
    assert_eq!((arrival.verdict, arrival.text.len()), (Verdict::Dropped, 0));
}

/// Protocol statement 112.
#[test]
fn timestamps_guard_against_wrapped_sequence_numbers() {
    let mut first = syn();
    first.options.timestamps = Some(Timestamps {
        value: 100,
        echo: 0,
    });
    let mut tcb = Tcb::accept(NOW, config(), &first);
    tcb.retransmit(NOW, 0).expect("a SYN/ACK is due");
    tcb.on_ack_sent(WINDOW);
    let mut ack = segment(IRS + 1, Some(ISS + 1), b"");
    ack.options.timestamps = Some(Timestamps {
        value: 110,
        echo: 0,
    });
    assert!(take(&mut tcb, ack).established);
    tcb.on_ack_sent(WINDOW);
    let mut old = data(&tcb, 0, b"old");
    old.options.timestamps = Some(Timestamps { value: 99, echo: 0 });
    assert_eq!(take(&mut tcb, old).verdict, Verdict::Dropped);
    let without = data(&tcb, 0, b"none");
    assert_eq!(take(&mut tcb, without).verdict, Verdict::Dropped);
    let mut new = data(&tcb, 0, b"new");
    new.options.timestamps = Some(Timestamps {
        value: 111,
        echo: 0,
    });
    assert_eq!(text(&take(&mut tcb, new)), b"new");
    assert_eq!(tcb.timestamps.recent, 111);
}

#[test]
fn a_fin_waits_for_what_is_before_it() {
    let mut tcb = established();
    let mut fin = data(&tcb, 3, b"def");
    fin.flags.fin = true;
    assert!(!take(&mut tcb, fin).fin);
    let first = data(&tcb, 0, b"abc");
    let arrival = take(&mut tcb, first);
    assert!(arrival.fin && tcb.state == TcpState::CloseWait);
    assert_eq!(tcb.rcv_nxt, IRS + 8);
}

#[test]
fn both_ends_may_close_at_once() {
    let mut tcb = established();
    tcb.close();
    assert!(tcb.can_send_fin() && tcb.send_fin(NOW).flags.fin);
    let mut fin = segment(tcb.rcv_nxt, Some(ISS + 1), b"");
    fin.flags.fin = true;
    take(&mut tcb, fin);
    assert_eq!(tcb.state, TcpState::Closing);
    let ack = segment(tcb.rcv_nxt, Some(tcb.snd_nxt), b"");
    take(&mut tcb, ack);
    assert_eq!(tcb.state, TcpState::TimeWait);
    assert_eq!(
        tcb.handle_timeout(NOW + Duration::from_secs(60)),
        Expired::TimeWaitOver
    );
    assert_eq!(tcb.state, TcpState::Closed);
}

#[test]
fn a_lost_segment_is_sent_again_by_sack_and_the_window_halves_once() {
    let mut tcb = established();
    let payload = || SmallVec::from_iter([Bytes::from_static(&[7; 1000])]);
    for _ in 0..8 {
        tcb.send_data(NOW, payload(), 1000, 1000, false);
    }
    let cwnd = tcb.congestion.cwnd();
    let first = tcb.snd_una;
    for right in [2, 3, 4, 5] {
        let mut ack = segment(tcb.rcv_nxt, Some(first), b"");
        let block = SackBlock {
            left: first + 1000,
            right: first + right * 1000,
        };
        ack.options.sack = SmallVec::from_iter([block]);
        take(&mut tcb, ack);
    }
    assert!(tcb.can_retransmit(NOW));
    assert_eq!(
        tcb.retransmit(NOW, 1460).map(|again| again.seq),
        Some(first)
    );
    assert!(!tcb.can_retransmit(NOW));
    assert!(tcb.congestion.cwnd() < cwnd);
    let halved = tcb.congestion.cwnd();
    let done = segment(tcb.rcv_nxt, Some(tcb.snd_nxt), b"");
    take(&mut tcb, done);
    assert!(tcb.is_all_acknowledged() && tcb.congestion.cwnd() == halved);
}

/// RFC 5681 §3.1: the initial window is one segment then; how much the path carries is unknown
/// still, so slow start has no end.
#[test]
fn a_lost_syn_starts_with_one_segment() {
    let expire = |tcb: &mut Tcb| {
        let now = tcb.timers.next().expect("the retransmission timer runs");
        assert_eq!(tcb.handle_timeout(now), Expired::Timeout);
        assert!(tcb.retransmit(now, 0).is_some_and(|again| again.flags.syn));
    };
    let mut server = Tcb::accept(NOW, config(), &syn());
    assert!(server.retransmit(NOW, 0).is_some());
    expire(&mut server);
    take(&mut server, segment(IRS + 1, Some(ISS + 1), b""));

    let mut client = Tcb::connect(NOW, config());
    assert!(client.retransmit(NOW, 0).is_some());
    expire(&mut client);
    let mut syn_ack = syn();
    syn_ack.ack = Some(ISS + 1);
    take(&mut client, syn_ack);

    for tcb in [server, client] {
        assert_eq!(tcb.state, TcpState::Established);
        assert_eq!(tcb.congestion.cwnd(), 1000);
        assert_eq!(tcb.congestion.ssthresh(), usize::MAX);
    }
}

#[test]
fn a_silent_peer_is_given_up_after_the_user_timeout() {
    let mut tcb = established();
    tcb.send_data(
        NOW,
        SmallVec::from_iter([Bytes::from_static(b"x")]),
        1,
        1,
        true,
    );
    let mut timeouts = 0;
    let given_up = loop {
        let now = tcb.timers.next().expect("the retransmission timer runs");
        match tcb.handle_timeout(now) {
            Expired::Timeout => {
                timeouts += 1;
                assert_eq!(tcb.retransmit(now, 1460).map(|again| again.len), Some(1));
            }
            Expired::GivenUp => break now,
            Expired::Nothing => {
                // RFC 8985 §7: the first wait ends with a probe.
                assert_eq!(tcb.probe_tail(now, 1460).map(|again| again.len), Some(1));
            }
            Expired::TimeWaitOver => unreachable!("no such timer runs"),
        }
    };
    assert!(given_up >= NOW + Duration::from_secs(100));
    assert!(
        (5..12).contains(&timeouts),
        "{timeouts}: each wait is twice as long"
    );
}
