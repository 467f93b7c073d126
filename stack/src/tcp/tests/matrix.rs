//! Every state times every kind of segment: the reaction in each cell, as one table.
//!
//! The snapshot is to be read next to RFC 9293 §3.10.7. Numbers stand for: N = RCV.NXT, U =
//! SND.UNA, X = SND.NXT, E = the right edge of the receive window, W = MAX.SND.WND, I = IRS.

use super::*;
use crate::base::id::AddressId;
use crate::tcp::ack_policy::AckPolicy;
use crate::tcp::timers::Timer;
use crate::wire::mptcp_option::{MpPrio, MptcpOption};
use core::fmt::Write as _;

/// When the segments of the table arrive.
const LATER: Instant = Instant::from_millis(1010);
/// Timestamps of the peer: in its SYN, in what came since, in the segments of the table, and one
/// that is older than all of them.
const TS_SYN: u32 = u32::MAX - 50;
const TS_SEEN: u32 = 20;
const TS_NEW: u32 = 30;
const TS_OLD: u32 = u32::MAX - 100;

/// A kind of segment: its name, where its treatment is written, and one of it.
type Kind = (&'static str, &'static str, fn(&mut Tcb) -> Segment);

const KINDS: &[Kind] = &[
    // SYN
    ("SYN at I", "9293 §3.10.7.3", |tcb| {
        with_syn(at(tcb, irs(tcb), b""))
    }),
    ("SYN at I, text, FIN", "9293 §3.10.7.3", |tcb| {
        with_syn(with_fin(at(tcb, irs(tcb), b"abc")))
    }),
    ("SYN in window", "5961 §4.2", |tcb| {
        with_syn(at(tcb, n(tcb) + 10, b""))
    }),
    ("SYN out of window", "5961 §4.2", |tcb| {
        with_syn(at(tcb, n(tcb) - 70_000, b""))
    }),
    ("SYN, old timestamp", "5961 §4.2", |tcb| {
        stamped(with_syn(at(tcb, n(tcb) + 10, b"")), TS_OLD)
    }),
    ("SYN/ACK at I, ACK=X", "9293 §3.10.7.3", |tcb| {
        with_syn(acking(at(tcb, irs(tcb), b""), x(tcb)))
    }),
    ("SYN/ACK at I, ACK=X, text, FIN", "9293 §3.10.7.3", |tcb| {
        with_syn(with_fin(acking(at(tcb, irs(tcb), b"abc"), x(tcb))))
    }),
    ("SYN/ACK at I, ACK=X+1", "9293 §3.10.7.3", |tcb| {
        with_syn(acking(at(tcb, irs(tcb), b""), x(tcb) + 1))
    }),
    ("SYN/ACK in window", "5961 §4.2", |tcb| {
        with_syn(acking(at(tcb, n(tcb) + 10, b""), x(tcb)))
    }),
    // ACK
    ("ACK=X", "9293 §3.10.7.4, 5", |tcb| {
        acking(at(tcb, n(tcb), b""), x(tcb))
    }),
    ("ACK=U", "9293 §3.10.7.4, 5", |tcb| {
        acking(at(tcb, n(tcb), b""), u(tcb))
    }),
    ("ACK=U-10", "9293 §3.10.7.4, 5", |tcb| {
        acking(at(tcb, n(tcb), b""), u(tcb) - 10)
    }),
    ("ACK=X+1", "5961 §5.2", |tcb| {
        acking(at(tcb, n(tcb), b""), x(tcb) + 1)
    }),
    ("ACK=U-W-1", "5961 §5.2", |tcb| {
        let ack = u(tcb) - tcb.max_snd_wnd - 1;
        acking(at(tcb, n(tcb), b""), ack)
    }),
    ("ACK=X at E", "9293 §3.8.6.1", |tcb| {
        acking(at(tcb, tcb.rcv_edge, b""), x(tcb))
    }),
    ("ACK=X at E+1", "9293 §3.10.7.4, 1", |tcb| {
        acking(at(tcb, tcb.rcv_edge + 1, b""), x(tcb))
    }),
    ("no ACK bit, text", "9293 §3.10.7.4, 5", |tcb| {
        at(tcb, n(tcb), b"abc")
    }),
    // RST
    ("RST at N", "5961 §3.2", |tcb| {
        with_rst(at(tcb, n(tcb), b""))
    }),
    ("RST at N, ACK=X", "5961 §3.2", |tcb| {
        with_rst(acking(at(tcb, n(tcb), b""), x(tcb)))
    }),
    ("RST at N, ACK=X+1", "5961 §3.2", |tcb| {
        with_rst(acking(at(tcb, n(tcb), b""), x(tcb) + 1))
    }),
    ("RST at N, old timestamp", "7323 §5.3", |tcb| {
        stamped(with_rst(at(tcb, n(tcb), b"")), TS_OLD)
    }),
    ("RST at N+1", "5961 §3.2", |tcb| {
        with_rst(at(tcb, n(tcb) + 1, b""))
    }),
    ("RST at N-1", "5961 §3.2", |tcb| {
        with_rst(at(tcb, n(tcb) - 1, b""))
    }),
    ("RST at E", "5961 §3.2", |tcb| {
        with_rst(at(tcb, tcb.rcv_edge, b""))
    }),
    ("RST/SYN at N+1", "5961 §3.2", |tcb| {
        with_rst(with_syn(at(tcb, n(tcb) + 1, b"")))
    }),
    // Text
    ("text at N", "9293 §3.10.7.4, 7", |tcb| {
        text_at(tcb, n(tcb), b"abc")
    }),
    ("text at N, ACK=X", "9293 §3.10.7.4, 7", |tcb| {
        acking(at(tcb, n(tcb), b"abc"), x(tcb))
    }),
    ("text at N, ACK=X+1", "5961 §5.2", |tcb| {
        acking(at(tcb, n(tcb), b"abc"), x(tcb) + 1)
    }),
    ("text at N+5", "5681 §4.2", |tcb| {
        text_at(tcb, n(tcb) + 5, b"abc")
    }),
    ("text at N-5 to N-2", "2883 §4", |tcb| {
        text_at(tcb, n(tcb) - 5, b"abc")
    }),
    ("text at N-2 to N+1", "9293 §3.10.7.4, 1", |tcb| {
        text_at(tcb, n(tcb) - 2, b"abc")
    }),
    ("text over E", "9293 §3.10.7.4, 1", |tcb| {
        tcb.rcv_edge = tcb.rcv_nxt + 2;
        text_at(tcb, n(tcb), b"abc")
    }),
    ("text at E+1", "9293 §3.10.7.4, 1", |tcb| {
        text_at(tcb, tcb.rcv_edge + 1, b"abc")
    }),
    // FIN
    ("FIN at N", "9293 §3.10.7.4, 8", |tcb| {
        with_fin(text_at(tcb, n(tcb), b""))
    }),
    ("FIN at N, ACK=X", "9293 §3.10.7.4, 8", |tcb| {
        with_fin(acking(at(tcb, n(tcb), b""), x(tcb)))
    }),
    ("FIN at N, no ACK bit", "9293 §3.10.7.4, 5", |tcb| {
        with_fin(at(tcb, n(tcb), b""))
    }),
    ("text and FIN at N", "9293 §3.10.7.4, 8", |tcb| {
        with_fin(text_at(tcb, n(tcb), b"abc"))
    }),
    ("FIN at N+5", "9293 §3.10.7.4, 8", |tcb| {
        with_fin(text_at(tcb, n(tcb) + 5, b""))
    }),
    ("FIN at N-1", "9293 §3.10.7.4, 8", |tcb| {
        with_fin(text_at(tcb, n(tcb) - 1, b""))
    }),
    // Timestamps
    ("text at N, old timestamp", "7323 §5.3", |tcb| {
        stamped(text_at(tcb, n(tcb), b"abc"), TS_OLD)
    }),
    ("text at N-5, old timestamp", "7323 §5.3", |tcb| {
        stamped(text_at(tcb, n(tcb) - 5, b"abc"), TS_OLD)
    }),
    ("ACK=X, old timestamp", "7323 §5.3", |tcb| {
        stamped(acking(at(tcb, n(tcb), b""), x(tcb)), TS_OLD)
    }),
    ("text at N, no timestamp", "7323 §3.2", |tcb| {
        unstamped(text_at(tcb, n(tcb), b"abc"))
    }),
    ("ACK=X, no timestamp", "7323 §3.2", |tcb| {
        unstamped(acking(at(tcb, n(tcb), b""), x(tcb)))
    }),
    ("ACK=X, MPTCP signal, no timestamp", "7323 §3.2", |tcb| {
        let mut segment = unstamped(acking(at(tcb, n(tcb), b""), x(tcb)));
        segment.options.mptcp.push(MptcpOption::Prio(MpPrio {
            backup: false,
            address_id: Some(AddressId(1)),
        }));
        segment
    }),
    // Probes
    ("keepalive at N-1", "9293 §3.8.4", |tcb| {
        text_at(tcb, n(tcb) - 1, b"")
    }),
    ("keepalive at N-1, a byte", "9293 §3.8.4", |tcb| {
        text_at(tcb, n(tcb) - 1, b"x")
    }),
    ("closed window: a byte at N", "9293 §3.8.6.1", |tcb| {
        closed(tcb);
        acking(at(tcb, n(tcb), b"x"), x(tcb))
    }),
    ("closed window: ACK=X at N", "9293 §3.8.6.1", |tcb| {
        closed(tcb);
        acking(at(tcb, n(tcb), b""), x(tcb))
    }),
    ("closed window: ACK=X at N+1", "9293 §3.10.7.4, 1", |tcb| {
        closed(tcb);
        acking(at(tcb, n(tcb) + 1, b""), x(tcb))
    }),
    ("closed window: FIN at N", "9293 §3.8.6.1", |tcb| {
        closed(tcb);
        with_fin(text_at(tcb, n(tcb), b""))
    }),
    ("closed window: RST at N", "9293 §3.10.7.4, 1", |tcb| {
        closed(tcb);
        with_rst(at(tcb, n(tcb), b""))
    }),
];

/// RCV.NXT, or what it will be.
fn n(tcb: &Tcb) -> SeqNum {
    if is_open(tcb) { tcb.rcv_nxt } else { IRS + 1 }
}

fn irs(_: &Tcb) -> SeqNum {
    IRS
}

fn u(tcb: &Tcb) -> SeqNum {
    tcb.snd_una
}

fn x(tcb: &Tcb) -> SeqNum {
    tcb.snd_nxt
}

/// The peer's numbers are known.
fn is_open(tcb: &Tcb) -> bool {
    !matches!(
        tcb.state,
        TcpState::Closed | TcpState::Listen | TcpState::SynSent
    )
}

fn at(_: &Tcb, seq: SeqNum, payload: &'static [u8]) -> Segment {
    stamped(segment(seq, None, payload), TS_NEW)
}

/// A segment as it usually is: it acknowledges nothing new.
fn text_at(tcb: &Tcb, seq: SeqNum, payload: &'static [u8]) -> Segment {
    let ack = if tcb.state == TcpState::SynReceived {
        tcb.snd_nxt
    } else {
        tcb.snd_una
    };
    acking(at(tcb, seq, payload), ack)
}

fn acking(segment: Segment, ack: SeqNum) -> Segment {
    Segment {
        ack: Some(ack),
        ..segment
    }
}

fn with_syn(mut segment: Segment) -> Segment {
    segment.flags.syn = true;
    segment.options.mss = Some(1000);
    segment.options.sack_permitted = true;
    segment.options.window_scale = Some(2);
    segment
}

fn with_fin(mut segment: Segment) -> Segment {
    segment.flags.fin = true;
    segment
}

fn with_rst(mut segment: Segment) -> Segment {
    segment.flags.rst = true;
    segment
}

fn stamped(mut segment: Segment, value: u32) -> Segment {
    segment.options.timestamps = Some(Timestamps { value, echo: 0 });
    segment
}

fn unstamped(mut segment: Segment) -> Segment {
    segment.options.timestamps = None;
    segment
}

fn closed(tcb: &mut Tcb) {
    tcb.rcv_edge = tcb.rcv_nxt;
}

/// A connection in a state, with 200 bytes and perhaps a FIN of ours on their way wherever that
/// can be, and 10 bytes of the peer's received.
fn in_state(state: TcpState) -> Tcb {
    let mut tcb = match state {
        TcpState::Closed | TcpState::Listen => {
            let mut tcb = Tcb::new(NOW, config());
            tcb.state = state;
            tcb
        }
        TcpState::SynSent => {
            let mut tcb = Tcb::connect(NOW, config());
            assert!(tcb.retransmit(NOW, 0).unwrap().flags.syn);
            tcb.on_syn_sent(WINDOW);
            tcb
        }
        TcpState::SynReceived => syn_received(),
        TcpState::Established => with_data_on_its_way(),
        TcpState::FinWait1 => closed_by_us(with_data_on_its_way()),
        TcpState::FinWait2 => {
            let mut tcb = in_state(TcpState::FinWait1);
            let all = tcb.snd_nxt;
            feed(&mut tcb, b"", false, all);
            tcb
        }
        TcpState::CloseWait => {
            let mut tcb = with_data_on_its_way();
            let una = tcb.snd_una;
            feed(&mut tcb, b"", true, una);
            tcb
        }
        TcpState::LastAck => closed_by_us(in_state(TcpState::CloseWait)),
        TcpState::Closing => {
            let mut tcb = in_state(TcpState::FinWait1);
            let una = tcb.snd_una;
            feed(&mut tcb, b"", true, una);
            tcb
        }
        TcpState::TimeWait => {
            let mut tcb = in_state(TcpState::Closing);
            let all = tcb.snd_nxt;
            feed(&mut tcb, b"", false, all);
            tcb
        }
    };
    assert_eq!(tcb.state, state);
    tcb.ack = AckPolicy::settled(1000);
    tcb
}

fn syn_received() -> Tcb {
    let first = stamped(with_syn(segment(IRS, None, b"")), TS_SYN);
    let mut tcb = Tcb::accept(NOW, config(), &first);
    assert!(tcb.retransmit(NOW, 0).unwrap().flags.syn);
    tcb.on_ack_sent(WINDOW);
    tcb
}

fn with_data_on_its_way() -> Tcb {
    let mut tcb = syn_received();
    feed(&mut tcb, b"0123456789", false, ISS + 1);
    let payload = || SmallVec::from_iter([Bytes::from_static(&[7; 100])]);
    tcb.send_data(NOW, payload(), 100, 100, false);
    tcb.send_data(NOW, payload(), 100, 100, false);
    tcb
}

fn closed_by_us(mut tcb: Tcb) -> Tcb {
    tcb.close();
    assert!(tcb.can_send_fin() && tcb.send_fin(NOW).flags.fin);
    tcb
}

/// An in-order segment of the peer, and our acknowledgment.
fn feed(tcb: &mut Tcb, payload: &'static [u8], fin: bool, ack: SeqNum) {
    let mut segment = stamped(segment(tcb.rcv_nxt, Some(ack), payload), TS_SEEN);
    segment.flags.fin = fin;
    assert_eq!(take(tcb, segment).verdict, Verdict::Accepted);
    tcb.ack.goes_bare();
    tcb.on_ack_sent(WINDOW);
}

/// What a TCB does about a segment, in words: verdict, state, what it sends, what it takes.
fn reaction(tcb: &mut Tcb, segment: Segment) -> [String; 4] {
    let (state, una, window, nxt) = (tcb.state, tcb.snd_una, tcb.snd_wnd, n(tcb));
    let known = is_open(tcb) || state == TcpState::SynSent;
    let (challenges, quiet) = (tcb.ack_limits.challenges_sent(), time_wait_end(tcb));
    let mut segment = segment;
    let arrival = receive(tcb, LATER, &mut segment);
    let verdict = match arrival.verdict {
        Verdict::Accepted => "accepted",
        Verdict::Dropped => "dropped",
        Verdict::Reset => "reset",
        Verdict::AnswerWithReset => "refused",
    };
    let change = if tcb.state == state {
        String::from("-")
    } else {
        format!("{:?}", tcb.state)
    };
    let challenged = tcb.ack_limits.challenges_sent() > challenges;
    let sends = sends(tcb, arrival.verdict, &segment, challenged, nxt);
    let mut takes = Vec::new();
    if arrival.established {
        takes.push(String::from("established"));
    }
    if tcb.snd_una != una && known {
        takes.push(format!("U+{}", tcb.snd_una.distance_from(una)));
    }
    if tcb.snd_wnd != window {
        takes.push(format!("window {}", tcb.snd_wnd));
    }
    if !arrival.text.is_empty() {
        takes.push(format!("{:?}", String::from_utf8(text(&arrival)).unwrap()));
    }
    if arrival.fin {
        takes.push(String::from("FIN"));
    }
    if time_wait_end(tcb) != quiet {
        takes.push(String::from("quiet time starts"));
    }
    let takes = if takes.is_empty() {
        String::from("-")
    } else {
        takes.join(", ")
    };
    [String::from(verdict), change, sends, takes]
}

/// The first packet that goes out.
fn sends(
    tcb: &mut Tcb,
    verdict: Verdict,
    segment: &Segment,
    challenged: bool,
    nxt: SeqNum,
) -> String {
    match (verdict, segment.ack) {
        (Verdict::AnswerWithReset, Some(_)) => return String::from("RST SEQ=SEG.ACK"),
        (Verdict::AnswerWithReset, None) => return String::from("RST SEQ=0 ACK=end"),
        (Verdict::Accepted | Verdict::Dropped | Verdict::Reset, _) => {}
    }
    if tcb.can_retransmit(NOW) {
        let again = tcb
            .retransmit(LATER, 1460)
            .expect("there is something lost");
        assert!(again.flags.syn && again.seq == ISS && again.ack == Some(tcb.rcv_nxt));
        return String::from("SYN/ACK");
    }
    if tcb.ack.is_delayed() {
        return String::from("ACK later");
    }
    if !tcb.ack.is_due_now() {
        return String::from("-");
    }
    let mut sends = String::from(match (challenged, tcb.ack.is_bare_due()) {
        (true, _) => "challenge ACK",
        (false, true) => "ACK alone",
        (false, false) => "ACK",
    });
    for block in tcb.sack_blocks() {
        let relative = |seq: SeqNum| match seq.distance_from(nxt) {
            0 => String::from("N"),
            distance => format!("N{distance:+}"),
        };
        let (left, right) = (relative(block.left), relative(block.right));
        let _ = write!(sends, " [{left},{right})");
    }
    sends
}

fn time_wait_end(tcb: &Tcb) -> Option<Instant> {
    tcb.timers
        .is_set(Timer::TimeWait)
        .then(|| tcb.timers.next().expect("one is set"))
}

#[test]
fn every_state_times_every_kind_of_segment() {
    let mut table = String::new();
    for state in TcpState::ALL {
        let _ = writeln!(table, "{state:?}");
        let _ = writeln!(
            table,
            "  {:<34}| {:<9}| {:<12}| {:<26}| {:<34}| RFC",
            "segment", "verdict", "new state", "sends", "takes"
        );
        for (name, rfc, make) in KINDS {
            let mut tcb = in_state(state);
            let segment = make(&mut tcb);
            let [verdict, change, sends, takes] = reaction(&mut tcb, segment);
            let _ = writeln!(
                table,
                "  {name:<34}| {verdict:<9}| {change:<12}| {sends:<26}| {takes:<34}| {rfc}"
            );
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}
