//! RST segments for segments that belong to nobody (RFC 9293 §3.10.7.1).

use crate::base::id::InterfaceId;
use crate::base::seq::SeqNum;
use crate::base::subflow_options::DEFAULT_HOP_LIMIT;
use crate::wire::mptcp_option::{MpTcpRst, MptcpOption};
use crate::wire::packet::{
    Flags, FourTuple, Payload, Segment, SegmentHeader, Transmit, TransmitChecksum, emit,
};
use crate::wire::tcp_option::OptionWriter;

/// What of a segment an RST is made from; kept apart because processing takes the payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offence {
    tuple: FourTuple,
    seq: SeqNum,
    ack: Option<SeqNum>,
    len: u32,
    rst: bool,
}

impl Offence {
    pub(super) fn of(segment: &Segment) -> Self {
        Self {
            tuple: segment.tuple,
            seq: segment.seq,
            ack: segment.ack,
            len: segment.len(),
            rst: segment.flags.rst,
        }
    }

    /// The RST, complete; an RST is never answered with another.
    pub(super) fn answer(
        &self,
        interface: InterfaceId,
        reason: Option<MpTcpRst>,
    ) -> Option<Transmit> {
        if self.rst {
            return None;
        }
        let (seq, ack) = match self.ack {
            Some(ack) => (ack, None),
            None => (SeqNum(0), Some(self.seq + self.len)),
        };
        let mut options = OptionWriter::new();
        if let Some(reason) = reason {
            // The field is empty: there is room.
            let _ = options.mptcp(&MptcpOption::TcpRst(reason));
        }
        let header = SegmentHeader {
            tuple: self.tuple,
            seq,
            ack,
            flags: Flags {
                rst: true,
                ..Flags::default()
            },
            traffic_class: 0,
            hop_limit: DEFAULT_HOP_LIMIT,
            ecn_capable: false,
            window: 0,
            options: options.as_bytes(),
        };
        Some(emit(
            interface,
            &header,
            Payload::new(),
            None,
            TransmitChecksum::Complete,
            None,
        ))
    }
}
