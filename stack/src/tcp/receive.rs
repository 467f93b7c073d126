//! A segment arrives: the steps of RFC 9293 §3.10.7, a function each.
//!
//! Owns the order of the steps. A step that ends the processing returns the [`Verdict`] as `Err`.
//! Nothing here sends: what is owed is noted in the TCB. What an acceptable acknowledgment does
//! is in `acknowledge`.
//!
//! | file | what |
//! |---|---|
//! | `checks` | RST, SYN, timestamps, sequence number, ACK: may anything in the segment count? |
//! | `text` | text and FIN |

mod checks;
mod text;

use super::acknowledge::{Acknowledged, acknowledge};
use super::scoreboard::Delivered;
use super::state::{TcpEvent, TcpState};
use super::tcb::Tcb;
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::wire::packet::Segment;
use bytes::Bytes;
use smallvec::SmallVec;

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts: its options may be read.
    Accepted,
    /// It does not: nothing in it may be used.
    Dropped,
    /// A valid RST: the connection is over.
    Reset,
    /// It must be answered with an RST made from it; the connection goes on.
    AnswerWithReset,
}

/// What a segment brought.
#[derive(Debug)]
pub struct Arrival {
    /// What became of it.
    pub verdict: Verdict,
    /// What it acknowledged.
    pub delivered: Delivered,
    /// SND.UNA moved over payload bytes of ours.
    pub data_acked: bool,
    /// In-order bytes with the sequence number of their first.
    pub text: SmallVec<[(SeqNum, Bytes); 2]>,
    /// The handshake is complete since this segment.
    pub established: bool,
    /// The peer's FIN was reached.
    pub fin: bool,
}

impl Arrival {
    fn take(&mut self, acknowledged: Acknowledged) {
        self.delivered = acknowledged.delivered;
        self.data_acked = acknowledged.data_acked;
    }
}

/// Processes a segment, which loses its payload.
pub fn receive(tcb: &mut Tcb, now: Instant, segment: &mut Segment) -> Arrival {
    let before = tcb.state;
    tcb.traffic.on_segment(now, segment.payload.len());
    let mut arrival = Arrival {
        verdict: Verdict::Accepted,
        delivered: Delivered::default(),
        data_acked: false,
        text: SmallVec::new(),
        established: false,
        fin: false,
    };
    let outcome = match before {
        TcpState::Closed => Err(reset_unless_reset(segment)),
        TcpState::Listen => receive_in_listen(tcb, now, segment),
        TcpState::SynSent => receive_in_syn_sent(tcb, now, segment, &mut arrival),
        TcpState::SynReceived
        | TcpState::Established
        | TcpState::FinWait1
        | TcpState::FinWait2
        | TcpState::CloseWait
        | TcpState::Closing
        | TcpState::LastAck
        | TcpState::TimeWait => receive_otherwise(tcb, now, segment, &mut arrival),
    };
    if let Err(verdict) = outcome {
        arrival.verdict = verdict;
    }
    arrival.established = !before.is_synchronized() && tcb.state.is_synchronized();
    if arrival.established {
        tcb.traffic.established_at = Some(now);
    }
    arrival
}

/// RFC 9293 §3.10.7.1: an RST is never answered with another.
fn reset_unless_reset(segment: &Segment) -> Verdict {
    if segment.flags.rst {
        Verdict::Dropped
    } else {
        Verdict::AnswerWithReset
    }
}

/// RFC 9293 §3.10.7.2. Text and FIN of the SYN are not taken, so the peer sends them again.
fn receive_in_listen(tcb: &mut Tcb, now: Instant, segment: &Segment) -> Result<(), Verdict> {
    if segment.ack.is_some() {
        return Err(reset_unless_reset(segment));
    }
    if segment.flags.rst || !segment.flags.syn {
        return Err(Verdict::Dropped);
    }
    tcb.answer_syn(now, segment);
    Ok(())
}

/// RFC 9293 §3.10.7.3.
fn receive_in_syn_sent(
    tcb: &mut Tcb,
    now: Instant,
    segment: &mut Segment,
    arrival: &mut Arrival,
) -> Result<(), Verdict> {
    if let Some(ack) = segment.ack
        && (ack.at_or_before(tcb.iss) || ack.after(tcb.snd_nxt))
    {
        return Err(reset_unless_reset(segment));
    }
    if segment.flags.rst {
        return Err(if segment.ack.is_some() {
            Verdict::Reset
        } else {
            Verdict::Dropped
        });
    }
    if !segment.flags.syn {
        return Err(Verdict::Dropped);
    }
    tcb.read_syn(now, segment);
    let Some(ack) = segment.ack else {
        // Simultaneous open: our SYN goes again, as a SYN/ACK. Text and FIN are not taken: they
        // would have to wait for the state ESTABLISHED, and the peer sends them again.
        tcb.transition(TcpEvent::ReceiveSyn);
        tcb.scoreboard.lose_first();
        return Ok(());
    };
    tcb.transition(TcpEvent::ReceiveSynAck);
    arrival.take(acknowledge(tcb, now, segment, ack));
    // RFC 5681 §3.1: a lost SYN makes the initial window one segment.
    if tcb.syn_transmissions > 1 {
        tcb.congestion.on_syn_loss();
    }
    tcb.ack.require_now();
    text::process_text_and_fin(tcb, now, segment, arrival);
    Ok(())
}

/// RFC 9293 §3.10.7.4.
fn receive_otherwise(
    tcb: &mut Tcb,
    now: Instant,
    segment: &mut Segment,
    arrival: &mut Arrival,
) -> Result<(), Verdict> {
    checks::check_rst(tcb, now, segment)?;
    checks::check_syn(tcb, now, segment)?;
    checks::check_timestamps(tcb, now, segment)?;
    checks::check_sequence(tcb, now, segment)?;
    checks::check_ack(tcb, now, segment, arrival)?;
    checks::update_recent_timestamp(tcb, now, segment);
    text::process_text_and_fin(tcb, now, segment, arrival);
    Ok(())
}
