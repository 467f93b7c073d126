//! The ways from MPTCP back to plain TCP, and when there is none (RFC 6824 §3.6, RFC 8684 §3.7).
//!
//! Owns the decision and the infinite mapping. What a handshake without MPTCP leads to is decided in
//! `establish`.

use super::{Connection, Effect};
use crate::base::seq::DataSeq;
use crate::base::time::Instant;
use crate::mptcp::data_send::DataFin;
use crate::mptcp::handshake::{FallingBack, Protocol};
use crate::tcp::transmit::Outgoing;
use crate::wire::mptcp_option::{Dss, MptcpOption, ResetReason, WireMapping, WireSeq};
use crate::wire::tcp_option::OptionWriter;

impl Connection {
    /// Gives up MPTCP for this connection (RFC 6824 §3.6, RFC 8684 §3.7): only possible while
    /// its one subflow has carried the whole stream. From here on the subflow's stream is the
    /// connection's, in both directions; the peer hears of it with the next data.
    pub(super) fn fall_back(&mut self, now: Instant) {
        let Protocol::Mptcp(session) = core::mem::replace(&mut self.protocol, Protocol::Plain)
        else {
            return;
        };
        self.protocol = Protocol::FallingBack(FallingBack {
            session,
            announced_until: None,
        });
        self.data_recovery = None;
        // As an interface that was down for a while has left them.
        self.send.forget_reinjections();
        self.signals.clear();
        self.unechoed.clear();
        self.deadlines.paths = None;
        self.deadlines.announce = None;
        for index in 1..self.subflows.len() {
            // A join under way: it cannot become part of a plain TCP connection.
            self.reset_subflow(now, index, ResetReason::MptcpSpecific);
        }
        let waiting: Vec<_> = self.subflows[0].received.take_waiting().collect();
        for (_, bytes) in waiting {
            self.receive.insert(self.receive.rcv_nxt(), bytes);
        }
        if self.receive.readable() > 0 {
            self.wake_reader();
        }
        self.effects.push_back(Effect::FellBack);
        self.acknowledge_by_subflow();
        if self.send.fin() == DataFin::Sent {
            // The DATA_FIN is on its way to a peer that does not understand it.
            self.close_one_subflow(0);
        }
        self.arm_data_timer(now);
    }

    /// The segment that announced the fallback is acknowledged: nothing of MPTCP is left.
    pub(super) fn check_fallback_announced(&mut self) {
        if let Protocol::FallingBack(fallback) = &self.protocol
            && let Some(until) = fallback.announced_until
            && self.subflows[0].tcb.snd_una.at_or_after(until)
        {
            self.protocol = Protocol::Plain;
        }
    }

    /// Without DATA_ACKs the subflow's acknowledgments free data and open the window.
    pub(super) fn acknowledge_by_subflow(&mut self) {
        let tcb = &self.subflows[0].tcb;
        self.send
            .acknowledge_offset(tcb.bytes_acked, u64::from(tcb.snd_wnd));
    }

    /// A mapping's checksum is wrong: a middlebox has changed the bytes. Everything from this
    /// DSN on is not to be trusted, so the subflow ends and the peer learns why
    /// (RFC 6824 §3.6, RFC 8684 §3.7).
    pub(super) fn checksum_failed(&mut self, now: Instant, index: usize, dsn: DataSeq) {
        let id = self.subflows[index].id;
        self.queue_signal(MptcpOption::Fail(dsn), Some(id));
        self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
    }

    /// In-order bytes without mapping: fallback at the start, an error later
    /// (RFC 6824 §3.6, RFC 8684 §3.7).
    pub(super) fn check_unmapped(&mut self, now: Instant, index: usize) {
        let received = &self.subflows[index].received;
        if received.waiting_len() == 0 || !received.has_unmapped() {
            return;
        }
        let first = !received.has_seen_mapping();
        if index != 0 && first {
            // RFC 6824 §3.6: what cannot be placed must not be acknowledged for good.
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        } else if first && self.may_fall_back(index) {
            self.fall_back(now);
        } else if self.waiting_len() >= self.receive.capacity() {
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        }
    }

    /// The initial subflow has carried the whole stream, both ways.
    pub(super) fn may_fall_back(&self, index: usize) -> bool {
        self.session()
            .is_some_and(|session| index == 0 && !session.multipath)
    }

    /// Data was acknowledged by a segment without any sign of MPTCP. If no DATA_ACK has come for
    /// any data of ours, the peer or the path does not understand it (protocol 3.3).
    pub(super) fn check_first_acknowledgment(
        &mut self,
        now: Instant,
        index: usize,
        speaks_mptcp: bool,
    ) {
        let Some(session) = self.session() else {
            return;
        };
        if speaks_mptcp || session.data_acknowledged {
            return;
        }
        if self.may_fall_back(index) {
            self.fall_back(now);
        } else if !self.subflows[index].heard_dss {
            self.reset_subflow(now, index, ResetReason::MiddleboxInterference);
        }
    }

    /// RFC 6824 §3.6: after the decision to fall back, data carries a mapping of length 0 until a
    /// segment with it has arrived.
    pub(super) fn add_infinite_mapping(&mut self, options: &mut OptionWriter, outgoing: &Outgoing) {
        let Protocol::FallingBack(FallingBack {
            session,
            announced_until,
        }) = &mut self.protocol
        else {
            return;
        };
        let tcb = &self.subflows[0].tcb;
        let end = outgoing.seq + u32::try_from(outgoing.len).unwrap_or(0);
        if end == tcb.snd_nxt {
            announced_until.get_or_insert(end);
        }
        // One subflow has carried everything: offsets of both levels are the same.
        let ahead = i64::from(outgoing.seq.distance_from(tcb.snd_una));
        let offset = tcb.bytes_acked.wrapping_add_signed(ahead);
        let mapping = WireMapping {
            dsn: WireSeq::Long(self.send.dsn(offset)),
            ssn: outgoing.seq.0.wrapping_sub(tcb.iss.0),
            len: 0,
            checksum: session.checksum.then_some(0),
            data_fin: false,
        };
        let _ = options.dss(&Dss {
            data_ack: None,
            mapping: Some(mapping),
        });
    }
}
