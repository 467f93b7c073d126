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
use crate::base::seq::SeqNum;
use crate::base::time::Instant;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::state::DataEvent;
use crate::tcp::receive::{Arrival, Verdict, receive};
use crate::tcp::state::TcpState;
use crate::wire::mptcp_option::{MpJoin, MpPrio, MptcpOption};
use crate::wire::packet::Segment;
use bytes::Bytes;

/// What the endpoint must do about a segment itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing.
    None,
    /// Send an RST made from the segment.
    Reset,
}

/// Where and how a segment came.
#[derive(Clone, Copy, Debug)]
struct Context {
    now: Instant,
    /// Position of the subflow.
    index: usize,
    /// The window it announces, in bytes.
    window: u64,
    /// Sequence number of its first new byte, or RCV.NXT.
    start: SeqNum,
    /// It brought in-order bytes.
    has_text: bool,
    /// Its payload.
    payload: ArrivedPayload,
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
            Verdict::Dropped => return Answer::None,
            Verdict::AnswerWithReset => return Answer::Reset,
            Verdict::Reset => {
                self.reset_received(now, index, &segment.options);
                return Answer::None;
            }
        }
        self.note_sign_of_life(now, index);
        if arrival.established {
            self.subflow_synchronized(now, index);
            self.subflow_handshake(now, index, &segment.options, window);
        } else if !segment.flags.syn {
            self.check_pre_established(index);
        }
        if self.is_plain() {
            self.process_plain(now, index, arrival, window);
        } else if !self.subflows[index].is_closed() && self.subflows[index].reset_with.is_none() {
            let text_sum = segment.payload_sum.filter(|_| {
                arrival
                    .text
                    .first()
                    .is_some_and(|(_, text)| text.len() == payload_len)
            });
            let payload = ArrivedPayload {
                start: payload_start,
                len: saturating_u32(payload_len),
                sum: text_sum,
            };
            self.process_mptcp(now, index, &segment.options, arrival, payload, window);
        }
        if payload_len > 0 {
            self.measure_receiving(now, index, timestamps);
        }
        self.after_segment(now, index);
        Answer::None
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
        let tcb = &self.subflows[0].tcb;
        let acked = tcb.bytes_acked + u64::from(arrival.delivered.fin);
        if self.send.acknowledge_offset(acked, window) {
            self.data_progress(now);
        }
        self.check_fallback_announced();
        self.deliver_plain(index, arrival);
    }

    fn deliver_plain(&mut self, index: usize, arrival: Arrival) {
        for (_, bytes) in arrival.text {
            self.deliver_in_order(bytes);
        }
        if arrival.fin {
            self.receive.finish_at(self.receive.rcv_nxt());
        }
        self.check_end_of_stream(index);
    }

    fn deliver_in_order(&mut self, bytes: Bytes) {
        if self.receive.insert(self.receive.rcv_nxt(), bytes) {
            self.wake_reader();
        }
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
            MptcpOption::Fastclose(key) => {
                if self
                    .session()
                    .is_some_and(|session| session.local.key == *key)
                {
                    self.closed_by_fastclose(now);
                }
            }
            MptcpOption::Fail(_)
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
            self.close_one_subflow(index);
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
    fn data_progress(&mut self, now: Instant) {
        self.data_backoff = 0;
        self.data_waiting_since = None;
        self.deadlines.data_retransmit = None;
        self.continue_data_recovery();
        self.arm_data_timer(now);
        self.wake_writer();
        self.check_fin_acknowledged();
    }

    /// After each segment: ended subflows are told.
    fn after_segment(&mut self, now: Instant, index: usize) {
        let tcb = &self.subflows[index].tcb;
        if tcb.state == TcpState::Closed {
            self.subflow_closed(now, index);
        }
        if self.released && self.receive.readable() > 0 && self.closed.is_none() {
            // Data for an application that is gone (RFC 1122 §4.2.2.13).
            self.abort(now, CloseReason::Aborted);
        }
    }

    fn priority_changed(&mut self, index: usize, prio: &MpPrio) {
        match (prio.address_id, self.version()) {
            (None, _) => self.subflows[index].backup = prio.backup,
            (Some(id), Some(Version::V0)) => {
                for subflow in self.subflows.iter_mut().filter(|s| s.remote_id == id) {
                    subflow.backup = prio.backup;
                }
            }
            // RFC 8684 §3.3.8 knows no such form.
            (Some(_), _) => {}
        }
    }
}
