//! What TCP sends: the segment for each purpose, and the bookkeeping once it is on its way.
//!
//! The caller asks for one thing at a time, adds its options and sends; nothing here builds bytes.

use super::scoreboard::{Content, SentSegment};
use super::state::{TcpEvent, TcpState};
use super::tcb::{Fin, Tcb};
use super::timers::Timer;
use super::{ack_policy, recovery::Recovery};
use crate::base::num::{saturating_u32, saturating_usize};
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::packet::{Flags, Payload};
use crate::wire::tcp_option::{SackBlock, Timestamps};
use smallvec::SmallVec;

/// A segment to send, without options.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// SEG.SEQ.
    pub seq: SeqNum,
    /// SEG.ACK; `None` only on the first SYN.
    pub ack: Option<SeqNum>,
    /// Control bits.
    pub flags: Flags,
    /// Payload.
    pub payload: Payload,
    /// Payload bytes.
    pub len: usize,
}

impl Tcb {
    /// A segment of ours is judged lost and may be sent again.
    #[must_use]
    pub fn can_retransmit(&self) -> bool {
        // RFC 6675 §5: as much as the window leaves; the first loss always.
        self.scoreboard.lost() > 0
            && (self.fast_retransmit
                || self.scoreboard.in_flight() < self.congestion.cwnd()
                || self.scoreboard.in_flight() == 0)
    }

    /// The next lost segment, with at most `max_payload` bytes.
    pub fn retransmit(&mut self, now: Instant, max_payload: usize) -> Option<Outgoing> {
        self.fast_retransmit = false;
        let segment = self.scoreboard.retransmit_next(now, max_payload)?;
        if segment.is_retransmission() {
            self.retransmissions += 1;
        }
        self.path_mtu_on_retransmission(now, segment.seq);
        self.start_retransmit_timer(now);
        self.last_sent = now;
        Some(self.describe(segment))
    }

    fn describe(&mut self, segment: SentSegment) -> Outgoing {
        let mut flags = Flags::default();
        let mut ack = Some(self.rcv_nxt);
        match segment.content {
            Content::Syn => {
                flags.syn = true;
                self.syn_transmissions += 1;
                if self.state == TcpState::SynSent {
                    ack = None;
                }
            }
            Content::Data => {}
            Content::Fin => flags.fin = true,
        }
        let len = if segment.content == Content::Data {
            saturating_usize(segment.len)
        } else {
            0
        };
        Outgoing {
            seq: segment.seq,
            ack,
            flags,
            payload: segment.payload,
            len,
        }
    }

    /// Bytes of new data that the congestion window and the peer's window leave room for.
    #[must_use]
    pub fn room_for_data(&self) -> usize {
        if !self.state.can_send() || self.fin != Fin::Open || self.scoreboard.lost() > 0 {
            return 0;
        }
        let congestion = self
            .congestion
            .cwnd()
            .saturating_sub(self.scoreboard.in_flight());
        let edge = self.snd_una + self.snd_wnd;
        let window = usize::try_from(edge.distance_from(self.snd_nxt)).unwrap_or(0);
        congestion.min(window)
    }

    /// Sends new data, which becomes part of the stream at SND.NXT. `push` marks that nothing
    /// more waits behind it (RFC 9293 §3.9.1.2).
    pub fn send_data(
        &mut self,
        now: Instant,
        payload: Payload,
        len: usize,
        push: bool,
    ) -> Outgoing {
        self.restart_after_idle(now);
        let seq = self.snd_nxt;
        let count = saturating_u32(len);
        self.scoreboard
            .push(now, seq, count, Content::Data, payload.clone());
        self.snd_nxt += count;
        self.bytes_sent += len as u64;
        self.last_sent = now;
        self.start_retransmit_timer(now);
        let flags = Flags {
            psh: push,
            ..Flags::default()
        };
        Outgoing {
            seq,
            ack: Some(self.rcv_nxt),
            flags,
            payload,
            len,
        }
    }

    /// Our FIN is wanted and everything before it is sent.
    #[must_use]
    pub fn can_send_fin(&self) -> bool {
        self.fin == Fin::Wanted
            && self.scoreboard.lost() == 0
            && matches!(self.state, TcpState::Established | TcpState::CloseWait)
    }

    /// Sends our FIN.
    pub fn send_fin(&mut self, now: Instant) -> Outgoing {
        let seq = self.snd_nxt;
        self.scoreboard
            .push(now, seq, 1, Content::Fin, Payload::new());
        self.snd_nxt += 1;
        self.fin = Fin::Sent;
        self.transition(TcpEvent::SendFin);
        self.start_retransmit_timer(now);
        let flags = Flags {
            fin: true,
            ..Flags::default()
        };
        Outgoing {
            seq,
            ack: Some(self.rcv_nxt),
            flags,
            payload: Payload::new(),
            len: 0,
        }
    }

    /// A bare acknowledgment.
    #[must_use]
    pub fn bare_ack(&self) -> Outgoing {
        Outgoing {
            seq: self.snd_nxt,
            ack: Some(self.rcv_nxt),
            flags: Flags::default(),
            payload: Payload::new(),
            len: 0,
        }
    }

    /// A probe that makes the peer acknowledge: an old sequence number without a byte
    /// (RFC 9293 §3.8.4, §3.8.6.1).
    #[must_use]
    pub fn window_probe(&self) -> Outgoing {
        Outgoing {
            seq: self.snd_una - 1,
            ..self.bare_ack()
        }
    }

    /// An RST that the peer accepts: it stands at the left edge of what it expects.
    #[must_use]
    pub fn reset(&self) -> Outgoing {
        let flags = Flags {
            rst: true,
            ..Flags::default()
        };
        let ack = (self.state != TcpState::SynSent).then_some(self.rcv_nxt);
        Outgoing {
            flags,
            ack,
            ..self.bare_ack()
        }
    }

    /// The timestamps of a segment sent now, where negotiated; a SYN always offers them.
    #[must_use]
    pub fn timestamps(&self, now: Instant, syn: bool) -> Option<Timestamps> {
        let offer = syn && self.state == TcpState::SynSent;
        (offer || self.negotiated.timestamps).then(|| Timestamps {
            value: self.timestamp(now),
            echo: self.timestamps.recent,
        })
    }

    /// The blocks to report, the most recent first (RFC 2018 §4), after a duplicate (RFC 2883).
    #[must_use]
    pub fn sack_blocks(&self) -> SmallVec<[SackBlock; 4]> {
        let mut blocks = SmallVec::new();
        if !self.negotiated.sack {
            return blocks;
        }
        let mut add = |start: u64, end: u64| {
            let block = SackBlock {
                left: self.receive_seq(start),
                right: self.receive_seq(end),
            };
            if blocks.len() < 4 && !blocks.contains(&block) {
                blocks.push(block);
            }
        };
        if let Some((start, end)) = self.duplicate {
            add(start, end);
        }
        if self.out_of_order.is_empty() {
            return blocks;
        }
        for &arrival in &self.recent_arrivals {
            if let Some(range) = self.out_of_order.range_containing(arrival) {
                add(range.start, range.end);
            }
        }
        blocks
    }

    /// A segment that acknowledges has gone out with this window.
    pub fn on_ack_sent(&mut self, window: u32) {
        self.ack.on_sent();
        self.duplicate = None;
        self.timers.clear(Timer::DelayedAck);
        self.timestamps.last_ack_sent = self.rcv_nxt;
        self.rcv_edge = self.rcv_edge.max(self.rcv_nxt + window);
    }

    /// Starts the timer of an acknowledgment that waits for company.
    pub fn arm_delayed_ack(&mut self, now: Instant) {
        if self.ack.is_delayed() && !self.timers.is_set(Timer::DelayedAck) {
            self.timers
                .set(Timer::DelayedAck, now + ack_policy::MAX_DELAY);
        }
    }

    /// RFC 6298 §5.1.
    fn start_retransmit_timer(&mut self, now: Instant) {
        if !self.timers.is_set(Timer::Retransmit) {
            self.timers.set(Timer::Retransmit, now + self.rtt.rto());
        }
        self.waiting_since.get_or_insert(now);
    }

    /// RFC 5681 §4.1.
    fn restart_after_idle(&mut self, now: Instant) {
        if self.scoreboard.is_empty()
            && self.recovery == Recovery::Open
            && now.saturating_duration_since(self.last_sent) > self.rtt.rto()
        {
            self.congestion.on_idle(now);
        }
    }
}
