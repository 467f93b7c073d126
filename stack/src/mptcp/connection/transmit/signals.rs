//! What goes out without data: DATA_FIN, options on acknowledgments of their own, acknowledgments.

use super::Interfaces;
use crate::base::time::Instant;
use crate::mptcp::connection::{Connection, Side};
use crate::mptcp::handshake::Session;
use crate::mptcp::outgoing_options::{data_ack, of_segment};
use crate::mptcp::subflow::Role;
use crate::tcp::transmit::Outgoing;
use crate::wire::checksum::Sum;
use crate::wire::mptcp_option::{Dss, MpJoin, MptcpOption, WireMapping, WireSeq};
use crate::wire::packet::Transmit;
use crate::wire::tcp_option::OptionWriter;

impl Connection {
    /// On plain TCP the FIN follows the last byte.
    pub(super) fn poll_plain_fin(&mut self) {
        if self.is_plain() && self.send.is_fin_due() {
            self.send.fin_sent();
            self.close_one_subflow(0);
        }
    }

    /// A subflow that was asked to close must not take data with it that is not acknowledged at
    /// the data level, while it is the only one (RFC 6824 §3.3.3).
    pub(super) fn may_close(&self, index: usize) -> bool {
        self.session().is_none()
            || !self.send.is_outstanding()
            || self
                .subflows
                .iter()
                .enumerate()
                .any(|(i, s)| i != index && s.is_established())
    }

    /// A DATA_FIN without data (RFC 6824 §3.3.3): not subject to any window.
    pub(super) fn poll_data_fin(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let due = self.send.is_fin_due() || self.subflows[index].owes_data_fin;
        let session = self.session()?;
        if !due || !self.subflows[index].is_usable() {
            return None;
        }
        let dsn = self.send.dsn(self.send.end());
        let mapping = WireMapping {
            dsn: WireSeq::Long(dsn),
            ssn: 0,
            len: 1,
            checksum: session
                .checksum
                .then(|| Sum::of_dss_pseudo_header(dsn, 0, 1).checksum()),
            data_fin: true,
        };
        let dss = Dss {
            data_ack: Some(data_ack(session, self.receive.data_ack())),
            mapping: Some(mapping),
        };
        let mut options = of_segment(&self.subflows[index].tcb, now);
        let _ = options.dss(&dss);
        self.subflows[index].owes_data_fin = false;
        self.send.fin_sent();
        self.arm_data_timer(now);
        let outgoing = self.subflows[index].tcb.bare_ack();
        Some(self.emit(index, outgoing, &options, None, interfaces))
    }

    /// An option that waits for an acknowledgment of its own.
    pub(super) fn poll_signal(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        if self.signals.is_empty() {
            return None;
        }
        let subflow = &self.subflows[index];
        let ended = subflow.reset_with.is_some();
        let position = self.signals.iter().position(|signal| match signal.on {
            // A subflow that is to be reset sends what was meant for it before that.
            Some(id) => {
                id == subflow.id
                    && (subflow.can_signal() || ended && subflow.tcb.state.is_synchronized())
            }
            None => subflow.can_signal() && !subflow.stalled,
        })?;
        let signal = self.signals.remove(position)?;
        let mut options = of_segment(&self.subflows[index].tcb, now);
        let fits = options.mptcp(&signal.option).is_ok();
        if !fits {
            // RFC 8684 §3.4.1 with an IPv6 address and a port is too long beside timestamps; we
            // never send that form.
            return None;
        }
        self.add_data_ack(&mut options);
        let outgoing = self.subflows[index].tcb.bare_ack();
        Some(self.emit(index, outgoing, &options, None, interfaces))
    }

    pub(super) fn send_ack(
        &mut self,
        now: Instant,
        index: usize,
        outgoing: Outgoing,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        let mut options = of_segment(&self.subflows[index].tcb, now);
        self.add_acknowledgment(&mut options, index);
        self.emit(index, outgoing, &options, None, interfaces)
    }

    /// What a segment without data says: the handshake's third packet, or DATA_ACK and SACK.
    pub(super) fn add_acknowledgment(&self, options: &mut OptionWriter, index: usize) {
        let subflow = &self.subflows[index];
        if let Some(session) = self.session() {
            match &subflow.role {
                Role::PreEstablished { hmac, .. } => {
                    let _ = options.mptcp(&MptcpOption::Join(MpJoin::Ack {
                        hmac: hmac.for_ack(),
                    }));
                    return;
                }
                Role::Initial if self.owes_third_ack(session) => {
                    // Until the peer was heard with a DSS its view is unknown: the keys go on
                    // every acknowledgment, as the third packet may have been lost.
                    let _ = options.mptcp(&MptcpOption::Capable(session.third_ack()));
                    return;
                }
                Role::Initial | Role::Joined | Role::Joining { .. } | Role::Answering { .. } => {}
            }
        }
        self.add_data_ack(options);
        options.sack(&subflow.tcb.sack_blocks());
    }

    pub(in crate::mptcp::connection) fn owes_third_ack(&self, session: &Session) -> bool {
        self.side == Side::Initiator && !session.confirmed
    }

    fn add_data_ack(&self, options: &mut OptionWriter) {
        if let Some(session) = self.session() {
            let ack = data_ack(session, self.receive.data_ack());
            let _ = options.dss(&Dss {
                data_ack: Some(ack),
                mapping: None,
            });
        }
    }
}
