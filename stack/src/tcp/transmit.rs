//! What TCP sends: the segment for each purpose, and the bookkeeping once it is on its way.
//!
//! The caller asks for one thing at a time, adds its options and sends; nothing here builds bytes.

use super::ack_policy;
use super::ecn::Ecn;
use super::recovery::Recovery;
use super::scoreboard::{Content, SentSegment};
use super::state::{TcpEvent, TcpState};
use super::tail_loss::TailLoss;
use super::tcb::{Fin, Tcb};
use super::timers::Timer;
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
    /// The network may mark it instead of dropping it (RFC 3168 §5).
    pub ecn_capable: bool,
}

impl Tcb {
    /// The next lost segment, with at most `max_payload` bytes.
    pub fn retransmit(&mut self, now: Instant, max_payload: usize) -> Option<Outgoing> {
        self.fast_retransmit = false;
        let segment = self.scoreboard.retransmit_next(now, max_payload)?;
        Some(self.send_again(now, segment))
    }

    /// RFC 8985 §7.3: the last segment once more, as a probe for the loss of the tail. New data
    /// would have been better; there was none.
    pub fn probe_tail(&mut self, now: Instant, max_payload: usize) -> Option<Outgoing> {
        if self.tail_loss != TailLoss::Due {
            return None;
        }
        self.tail_loss = TailLoss::Idle;
        let segment = self.scoreboard.retransmit_last(now, max_payload)?;
        self.tail_loss = TailLoss::Sent {
            end: self.snd_nxt,
            retransmission: true,
        };
        self.counters.tail_loss_probes += 1;
        Some(self.send_again(now, segment))
    }

    fn send_again(&mut self, now: Instant, segment: SentSegment) -> Outgoing {
        let len = saturating_usize(segment.len);
        if segment.is_retransmission() {
            self.counters.retransmissions += 1;
            if self.recovery != Recovery::Open {
                self.evidence.on_retransmission(now);
            }
        }
        if segment.content == Content::Data {
            self.traffic.bytes_retransmitted += len as u64;
            self.traffic.last_data_sent = Some(now);
        }
        self.path_mtu_on_retransmission(now, segment.seq);
        self.note_sent(now, len);
        if segment.seq == self.snd_una {
            // The timer is that of the first segment's latest transmission.
            self.timers.clear(Timer::Retransmit);
        }
        self.path_mtu_on_retransmission(now, segment.seq);
        self.start_retransmit_timer(now);
        self.describe(segment)
    }

    /// Sequence space leaves us.
    fn note_sent(&mut self, now: Instant, len: usize) {
        if let Recovery::Fast { reduction, .. } = &mut self.recovery {
            reduction.on_sent(len);
        }
        self.pacer.on_sent(now, len);
        self.last_sent = now;
    }

    fn describe(&mut self, segment: SentSegment) -> Outgoing {
        let mut flags = self.ecn.flags();
        let mut ack = Some(self.rcv_nxt);
        match segment.content {
            Content::Syn => {
                self.syn_transmissions += 1;
                if self.state == TcpState::SynSent {
                    ack = None;
                    flags = Ecn::offer(self.config.ecn, self.syn_transmissions);
                } else {
                    flags = self.ecn.answer();
                }
                flags.syn = true;
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
            // RFC 3168 §6.1.5: never on a retransmission.
            ecn_capable: false,
        }
    }

    /// Sends new data, which becomes part of the stream at SND.NXT. `push` marks that nothing
    /// more waits behind it (RFC 9293 §3.9.1.2); `slice` is the size of the pieces that the device
    /// cuts it into, or its length.
    pub fn send_data(
        &mut self,
        now: Instant,
        payload: Payload,
        len: usize,
        slice: usize,
        push: bool,
    ) -> Outgoing {
        self.restart_after_idle(now);
        let seq = self.snd_nxt;
        let count = saturating_u32(len);
        let slice = saturating_u32(slice);
        self.scoreboard
            .push(now, seq, count, Content::Data, payload.clone(), slice);
        self.snd_nxt += count;
        self.bytes_sent += len as u64;
        self.traffic.on_data_sent(now, self.snd_nxt);
        self.note_sent(now, len);
        self.start_retransmit_timer(now);
        if self.tail_loss == TailLoss::Due {
            self.counters.tail_loss_probes += 1;
            self.tail_loss = TailLoss::Sent {
                end: self.snd_nxt,
                retransmission: false,
            };
        }
        self.schedule_probe(now);
        let flags = Flags {
            psh: push,
            ..self.ecn.take_data_flags()
        };
        Outgoing {
            seq,
            ack: Some(self.rcv_nxt),
            flags,
            payload,
            len,
            ecn_capable: self.ecn.is_negotiated(),
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
            .push(now, seq, 1, Content::Fin, Payload::new(), 1);
        self.snd_nxt += 1;
        self.fin = Fin::Sent;
        self.transition(TcpEvent::SendFin);
        self.start_retransmit_timer(now);
        self.schedule_probe(now);
        let flags = Flags {
            fin: true,
            ..self.ecn.flags()
        };
        Outgoing {
            seq,
            ack: Some(self.rcv_nxt),
            flags,
            payload: Payload::new(),
            len: 0,
            ecn_capable: false,
        }
    }

    /// A bare acknowledgment.
    #[must_use]
    pub fn bare_ack(&self) -> Outgoing {
        Outgoing {
            seq: self.snd_nxt,
            ack: Some(self.rcv_nxt),
            flags: self.ecn.flags(),
            payload: Payload::new(),
            len: 0,
            ecn_capable: false,
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
        let offer = syn && self.state == TcpState::SynSent && self.config.syn_options.timestamps;
        (offer || self.negotiated.timestamps).then(|| Timestamps {
            value: self.timestamp(now),
            echo: self.timestamps.recent,
        })
    }

    /// A SYN without ACK has gone out with this window: the peer's SYN/ACK may bring text.
    pub fn on_syn_sent(&mut self, window: u32) {
        self.rcv_edge = self.rcv_nxt + window;
    }

    /// Acknowledgments mean something in this state (RFC 9293 §3.10.7.4).
    #[must_use]
    pub fn can_acknowledge(&self) -> bool {
        !matches!(
            self.state,
            TcpState::Closed | TcpState::Listen | TcpState::SynSent
        )
    }

    /// The SACK blocks to report, most important first.
    #[must_use]
    pub fn sack_blocks(&self) -> SmallVec<[SackBlock; 4]> {
        if !self.negotiated.sack {
            return SmallVec::new();
        }
        self.sack_report.blocks(|offset| self.receive_seq(offset))
    }

    /// A segment that acknowledges has gone out with this window.
    pub fn on_ack_sent(&mut self, window: u32) {
        self.ack.on_sent();
        if !self.ack.is_bare_due() {
            self.sack_report.on_reported();
        }
        self.timers.clear(Timer::DelayedAck);
        self.timestamps.last_ack_sent = self.rcv_nxt;
        self.rcv_edge = self.rcv_edge.max(self.rcv_nxt + window);
    }

    /// Starts the timer of an acknowledgment that waits for company.
    pub fn arm_delayed_ack(&mut self, now: Instant) {
        if self.ack.is_delayed() && !self.timers.is_set(Timer::DelayedAck) {
            let delay = self.config.delayed_ack.min(ack_policy::MAX_DELAY);
            self.timers.set(Timer::DelayedAck, now + delay);
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
