//! A segment of a subflow arrives: TCP first, then what its options say, then its bytes.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the order, plain TCP, options other than DSS, what follows from progress |
//! | `mapped` | DSS, mappings, bytes on their way to the data level |

mod mapped;

use super::Connection;
use crate::base::config::Version;
use crate::base::error::CloseReason;
use crate::base::id::SubflowId;
use crate::base::num::saturating_u32;
use crate::base::seq::{DataSeq, SeqNum};
use crate::base::time::Instant;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::mapping::Anchor;
use crate::mptcp::protocol::Protocol;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::state::DataEvent;
use crate::tcp::receive::{Arrival, Verdict, receive};
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::{MpJoin, MptcpOption};
use crate::wire::packet::Segment;
use bytes::Bytes;

/// What the endpoint must do about a segment itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    None,
    /// Send an RST made from the segment.
    Reset,
    /// The same, and start again from another port with this version
    /// ([`Connection::offer_again`]). If that cannot be, nothing: the segment comes again, and will
    /// be taken.
    OfferAgain(Version),
}

/// Where and how a segment came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) now: Instant,
    /// Position of the subflow.
    pub(super) index: usize,
    /// The window it announces, in bytes.
    window: u64,
    /// Sequence number of its first new byte, or RCV.NXT.
    pub(super) start: SeqNum,
    /// Behind its last in-order byte.
    pub(super) end: SeqNum,
    /// The DSN of that byte if the subflow is the initial one and has carried the whole stream.
    start_dsn: DataSeq,
    /// It brought in-order bytes.
    pub(super) has_text: bool,
    /// Its payload.
    payload: ArrivedPayload,
}

impl Context {
    /// How places on the initial subflow and in the stream belong together as long as it is the
    /// only one, and nothing was sent twice on it.
    pub(super) fn in_line(self) -> Anchor {
        Anchor {
            ssn: self.start,
            dsn: self.start_dsn,
        }
    }
}

/// The payload of a segment as it came, before anything was cut off.
#[derive(Clone, Copy, Debug)]
struct ArrivedPayload {
    /// Sequence number of its first byte.
    start: SeqNum,
    /// Its length.
    len: u32,
    /// Its sum, where that is known and nothing was cut off.
    sum: Option<u16>,
}

impl Connection {
    /// Takes a segment of one of its subflows.
    pub fn handle_segment(&mut self, now: Instant, id: SubflowId, mut segment: Segment) -> Answer {
        let Some(index) = self.position(id) else {
            return Answer::Reset;
        };
        if self.is_too_early(index, &segment) {
            return Answer::None;
        }
        if self.is_crossing(index, &segment) {
            self.join_crossed(now, index);
            return Answer::Reset;
        }
        if let Some(version) = self.wants_to_offer_again(index, &segment) {
            return Answer::OfferAgain(version);
        }
        self.drop_unmappable(index, &mut segment);
        if segment.flags.syn {
            // RFC 6824 §3.3: a DSS has no place there.
            segment.options.dss = None;
        }
        let payload_start = segment.seq + u32::from(segment.flags.syn);
        let payload_len = segment.payload.len();
        let timestamps = segment.options.timestamps;
        let window = self.scaled_window(index, &segment);
        let arrival = receive(&mut self.subflows[index].tcb, now, &mut segment);
        match arrival.verdict {
            Verdict::Accepted => {}
            Verdict::Dropped => {
                self.repeat_third_ack(index, &segment);
                return Answer::None;
            }
            Verdict::AnswerWithReset => return Answer::Reset,
            Verdict::Reset => {
                self.reset_received(now, index, &segment.options);
                return Answer::None;
            }
        }
        let data_ack = segment
            .options
            .dss
            .is_some_and(|dss| dss.data_ack.is_some());
        self.note_sign_of_life(now, index, data_ack);
        if arrival.established {
            self.subflow_synchronized(now, index);
            let bare = arrival.text.is_empty() && !arrival.fin;
            self.subflow_handshake(now, index, &segment.options, bare, window);
        } else if segment.flags.syn {
            self.check_simultaneous_open(index);
        } else {
            self.check_pre_established(now, index, segment.ack);
        }
        let payload = ArrivedPayload {
            start: payload_start,
            len: saturating_u32(payload_len),
            sum: segment.payload_sum.filter(|_| {
                let first = arrival.text.first();
                first.is_some_and(|(_, text)| text.len() == payload_len)
            }),
        };
        if self.waits_for_fastclose_on(index) {
            self.process_in_fastclose_wait(now, &segment.options);
        } else if matches!(self.protocol, Protocol::Plain) {
            self.process_plain(now, index, arrival, window);
        } else if self.is_worth_processing(index, &arrival) {
            let context = self.context(now, index, &arrival, payload, window);
            self.process_mptcp(context, &segment.options, arrival);
        }
        if payload_len > 0 {
            self.notes.data_received = Some(now);
            self.measure_receiving(now, index, timestamps);
        }
        self.after_segment(now, index);
        Answer::None
    }

    /// What closed the subflow was no acknowledgment of its FIN, so the rest is of no use. But that
    /// acknowledgment may be the end of a direction without mappings.
    fn is_worth_processing(&self, index: usize, arrival: &Arrival) -> bool {
        let subflow = &self.subflows[index];
        subflow.reset_with.is_none() && (!subflow.is_closed() || arrival.delivered.fin)
    }

    /// Bytes ahead of a gap whose mapping could not be kept must not be acknowledged: they would
    /// never be sent on this subflow again, and there would be no way to tell where they belong.
    /// The same holds for bytes of a SYN/ACK with MPTCP, which have no mapping.
    fn drop_unmappable(&self, index: usize, segment: &mut Segment) {
        let subflow = &self.subflows[index];
        let ahead = segment.seq.after(subflow.tcb.rcv_nxt)
            && subflow.received.is_full()
            && !segment.flags.syn;
        let unmapped = segment.flags.syn && !segment.options.mptcp.is_empty();
        if (ahead || unmapped) && !segment.flags.rst {
            segment.payload = Bytes::new();
            segment.flags.fin = false;
        }
    }

    /// The window of a segment in bytes (RFC 7323 §2.3).
    fn scaled_window(&self, index: usize, segment: &Segment) -> u64 {
        let shift = if segment.flags.syn {
            0
        } else {
            self.subflows[index].tcb.negotiated.snd_scale
        };
        u64::from(segment.window) << shift
    }

    /// Plain TCP: the subflow's stream is the connection's.
    fn process_plain(&mut self, now: Instant, index: usize, arrival: Arrival, window: u64) {
        if index != 0 {
            return;
        }
        self.acknowledged_by_subflow(now, &arrival, window);
        self.deliver_plain(now, index, arrival);
    }

    /// What the subflow's acknowledgment says about data without mappings.
    fn acknowledged_by_subflow(&mut self, now: Instant, arrival: &Arrival, window: u64) {
        self.notes.ack_received = Some(now);
        let tcb = &self.subflows[0].tcb;
        let acked = tcb.bytes_acked + u64::from(arrival.delivered.fin);
        if self.send.acknowledge_offset(acked, window) {
            self.data_progress(now);
        }
        self.check_fallback_announced();
    }

    fn deliver_plain(&mut self, now: Instant, index: usize, arrival: Arrival) {
        for (_, bytes) in arrival.text {
            self.deliver_unmapped(now, bytes);
        }
        if arrival.fin {
            self.receive.finish_at(self.receive.rcv_nxt());
        }
        self.check_end_of_stream(index);
    }

    fn process_option(&mut self, context: Context, option: &MptcpOption) {
        let Context { now, index, .. } = context;
        match option {
            MptcpOption::Capable(capable) => self.process_capable(context, capable),
            MptcpOption::Join(MpJoin::Ack { .. }) => {
                // RFC 6824 §3.2: every copy of the third ACK is acknowledged at once.
                self.subflows[index].tcb.ack.require_now();
            }
            MptcpOption::AddAddr(announcement) => self.address_announced(now, index, announcement),
            MptcpOption::RemoveAddr(ids) => self.addresses_withdrawn(now, ids),
            MptcpOption::Prio(prio) => self.priority_changed(index, prio),
            MptcpOption::Fail(dsn) => self.fail_received(context, *dsn),
            // MP_FASTCLOSE was looked at before everything else.
            MptcpOption::Fastclose(_)
            | MptcpOption::Join(MpJoin::Syn { .. } | MpJoin::SynAck { .. })
            | MptcpOption::Dss(_)
            | MptcpOption::TcpRst(_) => {}
        }
    }

    /// A FIN of a subflow is not the end of the stream (RFC 6824 §3.3.3).
    fn subflow_finished_by_peer(&mut self, index: usize) {
        // A peer whose DATA_FIN is acknowledged closes its side of every subflow; ours stays open
        // until we have finished sending.
        let half_closed = self.receive.is_finished();
        let finished = self.send.fin() == DataFin::Acknowledged;
        let others = self.has_other_usable(index);
        if finished || (others && !half_closed) {
            let cause = if finished {
                SubflowCloseReason::ConnectionEnded
            } else {
                SubflowCloseReason::ClosedByPeer
            };
            self.close_one_subflow(index, cause);
        }
    }

    /// Looks if the in-order end has met the end of the peer's stream.
    pub(in crate::mptcp::connection) fn check_end_of_stream(&mut self, index: usize) {
        if !self.receive.take_fin_reached() {
            return;
        }
        self.transition(DataEvent::ReceiveDataFin);
        self.subflows[index].tcb.ack.require_now();
        self.wake_reader();
        self.check_finished();
    }

    /// A DATA_ACK (or, on plain TCP, an ACK) brought something new.
    pub(in crate::mptcp::connection) fn data_progress(&mut self, now: Instant) {
        self.data_backoff = 0;
        self.data_waiting_since = None;
        self.deadlines.data_retransmit = None;
        if !self.is_bereft {
            self.deadlines.revival = None;
        }
        self.continue_data_recovery();
        self.release_mappings();
        self.arm_data_timer(now);
        self.wake_writer();
        self.check_fin_acknowledged();
        if self.released {
            self.limit_undelivered(now);
        }
    }

    /// After each segment: ended subflows are told.
    fn after_segment(&mut self, now: Instant, index: usize) {
        let tcb = &self.subflows[index].tcb;
        if tcb.state == TcpState::Closed {
            self.subflow_closed(now, index);
        }
        self.note_half_open_subflow(now, index);
        if self.released && self.receive.readable() > 0 && self.closed.is_none() {
            // Data for an application that is gone (RFC 1122 §4.2.2.13).
            self.abort(now, CloseReason::Aborted);
        }
    }
}
