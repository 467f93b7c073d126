//! Opening and closing in every order (RFC 9293 §3.5, §3.6; RFC 1122 §4.2.2.13; RFC 1337).

use super::*;

/// Two TCBs that talk to each other, packet by packet.
struct Pair {
    ends: [Tcb; 2],
    received: [Vec<u8>; 2],
    now: Instant,
}

/// The peer's side of [`config`], with its numbers just below the wrap.
fn other_config() -> TcbConfig {
    TcbConfig {
        iss: IRS,
        timestamp_offset: u32::MAX - 3,
        seed: 2,
        ..config()
    }
}

impl Pair {
    /// Both have sent a SYN, and neither has arrived.
    fn opening_at_once() -> Self {
        Self {
            ends: [
                Tcb::connect(NOW, config()),
                Tcb::connect(NOW, other_config()),
            ],
            received: [Vec::new(), Vec::new()],
            now: NOW,
        }
    }

    fn established() -> Self {
        let mut pair = Self::opening_at_once();
        pair.exchange(|_, _| true);
        assert_eq!(pair.states(), [TcpState::Established; 2]);
        pair
    }

    fn states(&self) -> [TcpState; 2] {
        [self.ends[0].state, self.ends[1].state]
    }

    /// Everything one end wants to send now.
    fn poll(&mut self, end: usize) -> Vec<Segment> {
        let now = self.now;
        let tcb = &mut self.ends[end];
        let mut segments = Vec::new();
        loop {
            let outgoing = if tcb.can_retransmit(now) {
                tcb.retransmit(now, 1000)
            } else if let Some(probe) = tcb.probe_tail(now, 1000) {
                Some(probe)
            } else if tcb.can_send_fin() {
                Some(tcb.send_fin(now))
            } else if tcb.ack.is_due_now() && tcb.can_acknowledge() {
                tcb.ack.goes_bare();
                Some(tcb.bare_ack())
            } else {
                None
            };
            let Some(outgoing) = outgoing else { break };
            let syn = outgoing.flags.syn;
            let mut segment = segment(outgoing.seq, outgoing.ack, b"");
            segment.window = u16::try_from(WINDOW).unwrap();
            segment.flags = outgoing.flags;
            segment.payload = outgoing.payload.concat().into();
            segment.options.timestamps = tcb.timestamps(now, syn);
            if syn {
                segment.options.mss = Some(1000);
                segment.options.sack_permitted = true;
            } else {
                segment.options.sack = tcb.sack_blocks();
            }
            if outgoing.ack.is_some() {
                tcb.on_ack_sent(WINDOW);
            } else {
                tcb.on_syn_sent(WINDOW);
            }
            segments.push(segment);
        }
        segments
    }

    /// Sends crosswise until both are silent; `passes` may lose a packet of an end.
    fn exchange(&mut self, mut passes: impl FnMut(usize, &Segment) -> bool) {
        for _ in 0..20 {
            self.now += Duration::from_millis(10);
            // Both speak before either listens: everything crosses.
            let packets = [self.poll(0), self.poll(1)];
            if packets.iter().all(Vec::is_empty) {
                return;
            }
            for (from, segments) in packets.into_iter().enumerate() {
                for mut segment in segments {
                    if !passes(from, &segment) {
                        continue;
                    }
                    let to = 1 - from;
                    let arrival = receive(&mut self.ends[to], self.now, &mut segment);
                    assert_ne!(arrival.verdict, Verdict::AnswerWithReset);
                    self.received[to].extend(text(&arrival));
                }
            }
        }
        panic!("they do not fall silent: {:?}", self.states());
    }

    fn expire(&mut self) {
        for tcb in &mut self.ends {
            if let Some(at) = tcb.timers.next() {
                self.now = self.now.max(at);
                tcb.handle_timeout(at);
            }
        }
    }
}

/// RFC 9293 figure 8.
///
/// Protocol statement 116.
#[test]
fn both_ends_may_open_at_once() {
    let mut pair = Pair::opening_at_once();
    let mut syns = Vec::new();
    let mut echoes = Vec::new();
    pair.exchange(|from, segment| {
        if segment.flags.syn {
            echoes.push(segment.options.timestamps.unwrap().echo);
            syns.push((from, segment.seq, segment.ack.is_some()));
        }
        true
    });
    assert_eq!(pair.states(), [TcpState::Established; 2]);
    // The SYN/ACK has the number of the SYN.
    assert_eq!(
        syns,
        [
            (0, ISS, false),
            (1, IRS, false),
            (0, ISS, true),
            (1, IRS, true)
        ]
    );
    // It echoes the timestamp of the peer's SYN, the second of which has wrapped.
    assert_eq!(echoes, [0, 0, 1006, 1010]);
    for (tcb, other) in [
        (&pair.ends[0], &pair.ends[1]),
        (&pair.ends[1], &pair.ends[0]),
    ] {
        assert_eq!((tcb.snd_una, tcb.rcv_nxt), (other.rcv_nxt, other.snd_una));
        assert_eq!(tcb.snd_wnd, WINDOW);
        assert!(tcb.negotiated.timestamps && tcb.negotiated.sack);
    }
}

/// Whatever single packet of a simultaneous open is lost, the timers bring it about.
///
/// Protocol statement 116.
#[test]
fn a_simultaneous_open_survives_the_loss_of_any_packet() {
    for lost in 0..6 {
        let mut pair = Pair::opening_at_once();
        let mut count = 0;
        for _ in 0..4 {
            pair.exchange(|_, _| {
                count += 1;
                count != lost + 1
            });
            if pair.states() != [TcpState::Established; 2] {
                pair.expire();
            }
        }
        assert_eq!(pair.states(), [TcpState::Established; 2], "packet {lost}");
    }
}

/// Protocol statement 116.
#[test]
fn both_ends_may_close_at_once_and_wait() {
    let mut pair = Pair::established();
    for tcb in &mut pair.ends {
        tcb.close();
    }
    pair.exchange(|_, _| true);
    assert_eq!(pair.states(), [TcpState::TimeWait; 2]);
}

#[test]
fn one_end_may_go_on_sending_after_the_other_has_closed() {
    let mut pair = Pair::established();
    pair.ends[0].close();
    pair.exchange(|_, _| true);
    assert_eq!(pair.states(), [TcpState::FinWait2, TcpState::CloseWait]);
    for _ in 0..3 {
        let now = pair.now;
        let payload = SmallVec::from_iter([Bytes::from_static(b"more")]);
        let tcb = &mut pair.ends[1];
        tcb.send_data(now, payload, 4, 4, true);
        // It is lost, and repaired by the timer.
        let at = tcb.timers.next().unwrap();
        pair.now = at;
        tcb.handle_timeout(at);
        pair.exchange(|_, _| true);
    }
    assert_eq!(pair.received[0], b"moremoremore");
    assert_eq!(pair.states(), [TcpState::FinWait2, TcpState::CloseWait]);
    pair.ends[1].close();
    pair.exchange(|_, _| true);
    assert_eq!(pair.states(), [TcpState::TimeWait, TcpState::Closed]);
}

/// The last ACK is lost: the FIN comes again, is acknowledged again and restarts the quiet time.
#[test]
fn a_lost_last_acknowledgment_is_repeated() {
    let mut pair = Pair::established();
    pair.ends[0].close();
    pair.exchange(|_, _| true);
    pair.ends[1].close();
    pair.exchange(|from, _| from == 1);
    assert_eq!(pair.states(), [TcpState::TimeWait, TcpState::LastAck]);
    let ends_at = pair.ends[0].timers.next().unwrap();
    let at = pair.ends[1].timers.next().unwrap();
    pair.now = at;
    pair.ends[1].handle_timeout(at);
    pair.exchange(|_, _| true);
    assert_eq!(pair.states(), [TcpState::TimeWait, TcpState::Closed]);
    assert!(pair.ends[0].timers.next().unwrap() > ends_at);
}

/// RFC 1337: an old RST, and old data, do not end the quiet time.
#[test]
fn nothing_ends_the_quiet_time_early() {
    let mut pair = Pair::established();
    pair.ends[0].close();
    pair.exchange(|_, _| true);
    pair.ends[1].close();
    pair.exchange(|_, _| true);
    let tcb = &mut pair.ends[0];
    let ends_at = tcb.timers.next();
    let mut rst = segment(tcb.rcv_nxt, None, b"");
    rst.flags.rst = true;
    assert_eq!(take(tcb, rst).verdict, Verdict::Dropped);
    assert!(!tcb.ack.is_due_now());
    let stamp = tcb.timestamps.recent + 1;
    for (seq, due) in [(tcb.rcv_nxt - 1, true), (tcb.rcv_nxt, false)] {
        let mut late = segment(seq, Some(tcb.snd_nxt), b"x");
        late.options.timestamps = Some(Timestamps {
            value: stamp,
            echo: 0,
        });
        let arrival = take(tcb, late);
        assert!(arrival.text.is_empty());
        assert_eq!(tcb.ack.is_due_now(), due, "old text is acknowledged again");
        tcb.ack.goes_bare();
        tcb.on_ack_sent(0);
    }
    assert_eq!(
        (tcb.state, tcb.timers.next()),
        (TcpState::TimeWait, ends_at)
    );
}

#[test]
fn text_and_fin_of_a_syn_ack_count() {
    let mut tcb = Tcb::connect(NOW, config());
    tcb.retransmit(NOW, 0).unwrap();
    tcb.on_syn_sent(WINDOW);
    let mut answer = segment(IRS, Some(ISS + 1), b"banner");
    answer.flags.syn = true;
    answer.flags.fin = true;
    let arrival = take(&mut tcb, answer);
    assert!(arrival.established && arrival.fin);
    assert_eq!(text(&arrival), b"banner");
    assert_eq!(tcb.state, TcpState::CloseWait);
    assert_eq!(tcb.rcv_nxt, IRS + 8);
    assert!(tcb.ack.is_due_now());
}

#[test]
fn text_and_fin_of_the_third_packet_count() {
    let mut tcb = Tcb::accept(NOW, config(), &syn());
    tcb.retransmit(NOW, 0).unwrap();
    tcb.on_ack_sent(WINDOW);
    let mut third = segment(IRS + 1, Some(ISS + 1), b"request");
    third.flags.fin = true;
    let arrival = take(&mut tcb, third);
    assert!(arrival.established && arrival.fin);
    assert_eq!(text(&arrival), b"request");
    assert_eq!(tcb.state, TcpState::CloseWait);
}

/// Two hosts whose numbers do not fit must not acknowledge each other's acknowledgments forever.
#[test]
fn unacceptable_acknowledgments_do_not_feed_a_loop() {
    let mut tcb = established();
    let mut answers = 0;
    for millis in 0..2000 {
        let stray = segment(tcb.rcv_nxt - 1000, Some(tcb.snd_una), b"");
        receive(
            &mut tcb,
            NOW + Duration::from_millis(millis),
            &mut stray.clone(),
        );
        if tcb.ack.is_due_now() {
            answers += 1;
            tcb.on_ack_sent(WINDOW);
        }
    }
    assert_eq!(answers, 4, "two in a second");
    // Data and probes have their answer at once all the same.
    for segment in [
        segment(tcb.rcv_nxt - 1, Some(tcb.snd_una), b""),
        segment(tcb.rcv_nxt - 4, Some(tcb.snd_una), b"abc"),
    ] {
        receive(&mut tcb, NOW + Duration::from_secs(2), &mut segment.clone());
        assert!(tcb.ack.is_due_now());
        tcb.ack.goes_bare();
        tcb.on_ack_sent(WINDOW);
    }
}
