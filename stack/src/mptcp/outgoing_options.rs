//! The options of each kind of segment within 40 bytes (protocol reference 1.6, 1.7).
//!
//! What yields when space is short: SACK blocks first, then signals (they wait for an
//! acknowledgment of their own), never a mapping.

use super::handshake::Session;
use super::mapping::{Announcement, SentMapping};
use crate::base::seq::{DataSeq, SeqNum};
use crate::base::time::Instant;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{Dss, MptcpOption, WireMapping, WireSeq};
use crate::wire::tcp_option::OptionWriter;

/// Bytes of timestamps with padding.
const TIMESTAMPS_LEN: usize = 12;

/// MSS, SACK-permitted, timestamps and window scale, and the MPTCP option of a SYN or SYN/ACK:
/// at most 36 bytes.
#[must_use]
pub fn of_syn(tcb: &Tcb, now: Instant, answer: bool, mptcp: Option<&MptcpOption>) -> OptionWriter {
    let mut options = OptionWriter::new();
    // Together these are at most 20 bytes, and the option at most 16: there is always room.
    let _ = options.mss(tcb.config.local_mss);
    let sack = !answer || tcb.negotiated.sack;
    match tcb.timestamps(now, true) {
        Some(timestamps) if sack => {
            let _ = options.sack_permitted_and_timestamps(timestamps);
        }
        Some(timestamps) => {
            let _ = options.timestamps(timestamps);
        }
        None if sack => {
            let _ = options.sack_permitted();
        }
        None => {}
    }
    if !answer || tcb.peer_scales {
        let _ = options.window_scale(tcb.config.rcv_scale);
    }
    if let Some(option) = mptcp {
        let _ = options.mptcp(option);
    }
    options
}

/// The beginning of any other segment: timestamps, if negotiated.
#[must_use]
pub fn of_segment(tcb: &Tcb, now: Instant) -> OptionWriter {
    let mut options = OptionWriter::new();
    if let Some(timestamps) = tcb.timestamps(now, false) {
        let _ = options.timestamps(timestamps);
    }
    options
}

/// The DATA_ACK as wide as the peer wants it (RFC 6824 §3.3.1).
#[must_use]
pub fn data_ack(session: &Session, data_ack: DataSeq) -> WireSeq {
    if session.long_data_ack {
        WireSeq::Long(data_ack)
    } else {
        WireSeq::Short(data_ack.low32())
    }
}

/// The wire form of a mapping that we made; DSNs are always sent in full.
#[must_use]
pub fn mapping(sent: &SentMapping, iss: SeqNum, dsn: DataSeq) -> WireMapping {
    WireMapping {
        dsn: WireSeq::Long(dsn),
        ssn: sent.ssn.0.wrapping_sub(iss.0),
        len: sent.len + u16::from(sent.data_fin),
        checksum: sent.checksum,
        data_fin: sent.data_fin,
    }
}

/// The option that carries a sent mapping, with the current DATA_ACK.
#[must_use]
pub fn announce(
    session: &Session,
    sent: &SentMapping,
    iss: SeqNum,
    dsn: DataSeq,
    ack: DataSeq,
) -> MptcpOption {
    match sent.announcement {
        Announcement::Capable => MptcpOption::Capable(session.first_data(sent.len, sent.checksum)),
        Announcement::Dss => MptcpOption::Dss(Dss {
            data_ack: Some(data_ack(session, ack)),
            mapping: Some(mapping(sent, iss, dsn)),
        }),
    }
}

/// Payload bytes that fit beside the options of a data segment.
#[must_use]
pub fn max_payload(tcb: &Tcb, session: Option<&Session>) -> usize {
    tcb.mss
        .saturating_sub(data_options_len(tcb, session))
        .max(1)
}

/// Bytes of options that a data segment may have to carry.
#[must_use]
pub fn data_options_len(tcb: &Tcb, session: Option<&Session>) -> usize {
    let timestamps = if tcb.negotiated.timestamps {
        TIMESTAMPS_LEN
    } else {
        0
    };
    let dss = session.map_or(0, |session| {
        let ack = if session.long_data_ack { 8 } else { 4 };
        let checksum = if session.checksum { 2 } else { 0 };
        // RFC 6824 §3.3: 4 bytes of header, DATA_ACK, 8 of DSN, 4 of SSN, 2 of length.
        let exact: usize = 4 + ack + 8 + 4 + 2 + checksum;
        exact.next_multiple_of(4)
    });
    // MP_CAPABLE with data takes 24 bytes, no more than the shortest of these with padding.
    timestamps + dss
}
