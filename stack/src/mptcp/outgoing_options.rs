//! The options of each kind of segment within 40 bytes (protocol reference 1.6, 1.7).
//!
//! Owns which option yields when space is short, and the room that is left for payload. It never
//! decides what is to be said. The rule, from what always goes to what goes last:
//!
//! 1. Timestamps, once negotiated, go on every segment but an RST (RFC 7323 §3.2). The one
//!    exception is a signal that has no room beside them: the announcement of an IPv6 address with
//!    a port in version 1 takes 32 bytes. It goes alone, on an acknowledgment without timestamps,
//!    which a strict peer drops and Linux takes. (We take such segments too.)
//! 2. A mapping goes with its bytes, whatever else there is: the payload is sized so that it fits.
//! 3. What the handshake owes, MP_CAPABLE or MP_JOIN, takes the place of the DATA_ACK.
//! 4. A signal (ADD_ADDR, REMOVE_ADDR, MP_PRIO, MP_FAIL, MP_FASTCLOSE) waits for an acknowledgment
//!    of its own. Addresses that do not fit into one REMOVE_ADDR go in a second.
//! 5. The DATA_ACK yields to a signal. If it does, and an acknowledgment was owed, that one goes
//!    out behind the signal.
//! 6. SACK blocks take what is left, from the first on (see [`Tcb::sack_blocks`]): beside data
//!    that is nothing, so what is out of order is told by an acknowledgment of its own.

use super::handshake::Session;
use super::mapping::{Announcement, SentMapping};
use crate::base::seq::{DataSeq, SeqNum};
use crate::base::time::Instant;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{Dss, MptcpOption, WireMapping, WireSeq};
use crate::wire::tcp_option::OptionWriter;
use smallvec::SmallVec;

/// Bytes of timestamps with padding.
const TIMESTAMPS_LEN: usize = 12;
/// REMOVE_ADDR before its first id (RFC 6824 §3.4.2).
const REMOVE_ADDR_HEAD: usize = 3;
/// Ids in one REMOVE_ADDR: Linux ignores one with more.
const MAX_REMOVED_IDS: usize = 8;

/// MSS, SACK-permitted, timestamps and window scale, and the MPTCP option of a SYN or SYN/ACK:
/// at most 36 bytes.
#[must_use]
pub fn of_syn(tcb: &Tcb, now: Instant, answer: bool, mptcp: Option<&MptcpOption>) -> OptionWriter {
    let mut options = OptionWriter::new();
    // Together these are at most 20 bytes, and the option at most 16: there is always room.
    let _ = options.mss(tcb.config.announced_mss());
    let offers = tcb.config.syn_options;
    let sack = offers.sack && (!answer || tcb.negotiated.sack);
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
    if tcb.config.scales() && (!answer || tcb.peer_scales) {
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

/// A signal, and what of it must go with another segment.
#[must_use]
pub fn of_signal(
    tcb: &Tcb,
    now: Instant,
    signal: &MptcpOption,
) -> (OptionWriter, Option<MptcpOption>) {
    let mut options = of_segment(tcb, now);
    if let MptcpOption::RemoveAddr(ids) = signal {
        let room = MAX_REMOVED_IDS.min(options.remaining() - REMOVE_ADDR_HEAD);
        let (first, rest) = ids.split_at(room.min(ids.len()));
        let _ = options.mptcp(&MptcpOption::RemoveAddr(SmallVec::from_slice(first)));
        let rest = (!rest.is_empty()).then(|| MptcpOption::RemoveAddr(SmallVec::from_slice(rest)));
        return (options, rest);
    }
    if options.mptcp(signal).is_err() {
        options = OptionWriter::new();
        // Every other option is at most 32 bytes long.
        let _ = options.mptcp(signal);
    }
    (options, None)
}

/// What a segment without data says: what the handshake owes or a DATA_ACK, and SACK blocks in
/// the room that is left.
pub fn complete_acknowledgment(options: &mut OptionWriter, tcb: &Tcb, says: Option<&MptcpOption>) {
    if let Some(option) = says {
        // At most 24 bytes beside the timestamps.
        let _ = options.mptcp(option);
    }
    options.sack(&tcb.sack_blocks());
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
    ack: Option<DataSeq>,
) -> MptcpOption {
    match sent.announcement {
        Announcement::Capable => MptcpOption::Capable(session.first_data(sent.len, sent.checksum)),
        Announcement::Dss => MptcpOption::Dss(Dss {
            data_ack: ack.map(|ack| data_ack(session, ack)),
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

#[cfg(test)]
mod tests;
