//! The next segment to send: what TCP owes first, then data, then signals and acknowledgments.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the order, retransmissions, SYNs, resets, the packet itself |
//! | `data` | new and reinjected data with its mapping |
//! | `signals` | DATA_FIN, options on acknowledgments of their own, acknowledgments |

mod data;
mod signals;

use super::Connection;
use crate::base::config::{InterfaceConfig, Version};
use crate::base::id::InterfaceId;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::outgoing_options::{data_options_len, max_payload, of_segment, of_syn};
use crate::mptcp::protocol::Protocol;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::state::TcpState;
use crate::tcp::tail_loss::TailLoss;
use crate::tcp::transmit::Outgoing;
use crate::wire::mptcp_option::MptcpOption;
use crate::wire::packet::{SegmentHeader, Transmit, TransmitChecksum, emit};
use crate::wire::tcp_option::OptionWriter;

/// What the connection must know of the interfaces.
pub trait Interfaces {
    /// The capabilities of one.
    fn capabilities(&self, id: InterfaceId) -> InterfaceConfig;
}

impl Connection {
    /// The next packet, if any. After `None`, timers are in place.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        if core::mem::take(&mut self.prune_wanted) {
            self.prune_subflows();
        }
        if core::mem::take(&mut self.close_subflows_wanted) {
            self.close_all_subflows(now);
        }
        for index in 0..self.subflows.len() {
            if !self.subflows[index].is_closed()
                && self.subflows[index].link_up
                && let Some(transmit) = self.poll_owed(now, index, interfaces)
            {
                return Some(transmit);
            }
        }
        if let Some(transmit) = self.poll_third_ack(now, interfaces) {
            return Some(transmit);
        }
        if let Some(transmit) = self.poll_data(now, interfaces) {
            return Some(transmit);
        }
        self.decide_before_end();
        self.poll_plain_fin();
        for index in 0..self.subflows.len() {
            if let Some(transmit) = self.poll_last(now, index, interfaces) {
                return Some(transmit);
            }
        }
        let data_waits = self.send.has_unsent() || self.send.has_reinjection();
        for subflow in &mut self.subflows {
            subflow.tcb.wait_for_pace(now, data_waits);
        }
        self.note_limit_of_send_buffer(now);
        self.update_probe_timer(now);
        self.limit_waiting_for_the_peer(now);
        None
    }

    /// What goes before new data: a reset, a SYN, a retransmission, a signal.
    fn poll_owed(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        if self.waits_for_fastclose_on(index) {
            return self.poll_fastclose(now, index, interfaces);
        }
        if let Some(transmit) = self.poll_signal(now, index, interfaces) {
            return Some(transmit);
        }
        if self.subflows[index].reset_with.is_some() {
            return Some(self.send_reset(now, index, interfaces));
        }
        let options_len = data_options_len(&self.subflows[index].tcb, self.sizing_session());
        let tcb = &mut self.subflows[index].tcb;
        tcb.path_mtu.set_options_len(options_len);
        if !tcb.can_retransmit(now) {
            return None;
        }
        let payload = max_payload(&self.subflows[index].tcb, self.sizing_session());
        let outgoing = self.subflows[index].tcb.retransmit(now, payload)?;
        Some(self.send_retransmission(now, index, outgoing, interfaces))
    }

    fn send_retransmission(
        &mut self,
        now: Instant,
        index: usize,
        outgoing: Outgoing,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        let options = self.options_of_retransmission(now, index, &outgoing);
        self.emit(index, outgoing, &options, None, interfaces)
    }

    /// What a subflow sends once more because no new data was there for the purpose: a probe for
    /// the loss of its tail, or what a timeout has lost after all.
    fn poll_without_data(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let tcb = &mut self.subflows[index].tcb;
        let probe_due = tcb.tail_loss == TailLoss::Due;
        if !probe_due {
            tcb.end_timeout_test();
            if !tcb.can_retransmit(now) {
                return None;
            }
        }
        let payload = max_payload(&self.subflows[index].tcb, self.sizing_session());
        let tcb = &mut self.subflows[index].tcb;
        let outgoing = if probe_due {
            tcb.probe_tail(now, payload)?
        } else {
            tcb.retransmit(now, payload)?
        };
        Some(self.send_retransmission(now, index, outgoing, interfaces))
    }

    /// What comes after data: FIN, a bare DATA_FIN, probes, acknowledgments.
    fn poll_last(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let subflow = &self.subflows[index];
        let silent = subflow.is_closed() || !subflow.link_up || subflow.reset_with.is_some();
        if silent || self.waits_for_fastclose_on(index) {
            return None;
        }
        if let Some(transmit) = self.poll_without_data(now, index, interfaces) {
            return Some(transmit);
        }
        let subflow = &self.subflows[index];
        if subflow.tcb.can_send_fin() && self.may_close(index) {
            let outgoing = self.subflows[index].tcb.send_fin(now);
            let mut options = of_segment(&self.subflows[index].tcb, now);
            self.add_acknowledgment(&mut options, index);
            return Some(self.emit(index, outgoing, &options, None, interfaces));
        }
        let keys_first = subflow.tcb.ack.is_due_now()
            && self
                .session()
                .is_some_and(|session| self.owes_third_ack(session));
        if !keys_first && let Some(transmit) = self.poll_data_fin(now, index, interfaces) {
            return Some(transmit);
        }
        if core::mem::take(&mut self.subflows[index].tcb.probe) {
            let tcb = &mut self.subflows[index].tcb;
            let owed = tcb.ack.is_due_now() || tcb.ack.is_delayed();
            let outgoing = tcb.window_probe();
            let transmit = self.send_ack(now, index, outgoing, interfaces);
            if owed {
                // The peer drops a probe as an old segment, with what it acknowledges
                // (RFC 9293 §3.10.7.4).
                self.subflows[index].tcb.ack.require_now();
            }
            return Some(transmit);
        }
        if self.subflows[index].tcb.ack.is_due_now() && self.subflows[index].tcb.can_acknowledge() {
            let outgoing = self.subflows[index].tcb.bare_ack();
            return Some(self.send_ack(now, index, outgoing, interfaces));
        }
        self.subflows[index].tcb.arm_delayed_ack(now);
        None
    }

    fn options_of_retransmission(
        &mut self,
        now: Instant,
        index: usize,
        outgoing: &Outgoing,
    ) -> OptionWriter {
        let subflow = &self.subflows[index];
        if outgoing.flags.syn {
            let option = self.syn_option(subflow);
            return of_syn(&subflow.tcb, now, outgoing.ack.is_some(), option.as_ref());
        }
        let mut options = of_segment(&subflow.tcb, now);
        if outgoing.len == 0 {
            self.add_acknowledgment(&mut options, index);
        } else if let Some(mapping) = subflow.sent.find(outgoing.seq) {
            // SACK blocks have no room beside a full payload.
            self.add_mapping_option(&mut options, index, mapping);
        } else {
            self.add_infinite_mapping(&mut options, outgoing);
        }
        options
    }

    /// The MPTCP option of a subflow's SYN or SYN/ACK.
    fn syn_option(&self, subflow: &Subflow) -> Option<MptcpOption> {
        match (&subflow.role, &self.protocol) {
            // A SYN/ACK of a simultaneous open leaves it off: neither version says who would be
            // the initiator, so both sides go on as plain TCP.
            (Role::Initial, Protocol::Offered(offer))
                if offer.on_syn && subflow.tcb.state == TcpState::SynSent =>
            {
                Some(MptcpOption::Capable(offer.syn()))
            }
            (Role::Initial, Protocol::Answered(answer)) => {
                Some(MptcpOption::Capable(answer.syn_ack()))
            }
            (_, Protocol::Mptcp(session)) => Self::join_syn_option(session, subflow),
            (
                _,
                Protocol::Offered(_)
                | Protocol::FallingBack(_)
                | Protocol::Plain
                | Protocol::Answered(_),
            ) => None,
        }
    }

    fn send_reset(&mut self, now: Instant, index: usize, interfaces: &impl Interfaces) -> Transmit {
        let outgoing = self.subflows[index].tcb.reset();
        // RFC 7323 §3.2 leaves timestamps off an RST.
        let mut options = OptionWriter::new();
        if let Some(dsn) = self.subflows[index].failed_at
            && self.session().is_some()
        {
            // RFC 6824 §3.6: also in version 0 on the RST itself.
            let _ = options.mptcp(&MptcpOption::Fail(dsn));
            self.count(MptcpCounter::MpFailTx);
        }
        if let Some(fastclose) = self.fastclose_of_reset() {
            let _ = options.mptcp(&fastclose);
            self.count(MptcpCounter::MpFastcloseTx);
        }
        if let Some(session) = self.session()
            && session.version == Version::V1
            && let Some(reason) = self.subflows[index].reset_with
            && options.mptcp(&MptcpOption::TcpRst(reason)).is_ok()
        {
            self.count(MptcpCounter::MpRstTx);
        }
        let transmit = self.emit(index, outgoing, &options, None, interfaces);
        self.subflows[index].tcb.close_at_once();
        self.subflow_closed(now, index);
        transmit
    }

    pub(super) fn emit(
        &mut self,
        index: usize,
        outgoing: Outgoing,
        options: &OptionWriter,
        payload_sum: Option<u16>,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        self.emit_sized(index, outgoing, options, payload_sum, None, interfaces)
    }

    /// Puts the window on a segment and makes a packet of it.
    fn emit_sized(
        &mut self,
        index: usize,
        outgoing: Outgoing,
        options: &OptionWriter,
        payload_sum: Option<u16>,
        segment_size: Option<u16>,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        let subflow = &mut self.subflows[index];
        subflow.tcb.traffic.on_packet(outgoing.len, segment_size);
        // RFC 7323 §2.2: the window of a SYN is not scaled.
        let scale = if outgoing.flags.syn {
            0
        } else {
            subflow.tcb.negotiated.rcv_scale
        };
        let (field, window) = self.receive.announce_window(scale, subflow.tcb.mss);
        if outgoing.ack.is_some() {
            subflow.tcb.on_ack_sent(window);
        } else if outgoing.flags.syn {
            subflow.tcb.on_syn_sent(window);
        }
        let offload = interfaces.capabilities(subflow.interface).checksum_offload;
        let header = SegmentHeader {
            tuple: subflow.tuple,
            seq: outgoing.seq,
            ack: outgoing.ack,
            flags: outgoing.flags,
            traffic_class: subflow.options.traffic_class,
            hop_limit: subflow.options.hop_limit,
            ecn_capable: outgoing.ecn_capable,
            window: field,
            options: options.as_bytes(),
        };
        let checksum = if offload {
            TransmitChecksum::Partial
        } else {
            TransmitChecksum::Complete
        };
        let mut transmit = emit(
            subflow.interface,
            &header,
            outgoing.payload,
            payload_sum,
            checksum,
            segment_size,
        );
        transmit.tag = subflow.options.tag;
        transmit
    }
}
