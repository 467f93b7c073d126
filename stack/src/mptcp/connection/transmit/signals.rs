//! What goes out without data: DATA_FIN, options on acknowledgments of their own, acknowledgments.

use super::Interfaces;
use crate::base::time::Instant;
use crate::mptcp::connection::{Connection, Side, Signal};
use crate::mptcp::handshake::Session;
use crate::mptcp::outgoing_options::{complete_acknowledgment, data_ack, of_segment, of_signal};
use crate::mptcp::subflow::{Role, Subflow};
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
    /// the data level, while it is the only one that works (RFC 6824 §3.3.3).
    pub(super) fn may_close(&self, index: usize) -> bool {
        // Also one that is to be closed itself, as long as it has not been.
        let works = |s: &Subflow| s.is_established() && s.link_up && !s.stalled;
        let others = || (0..self.subflows.len()).filter(|&other| other != index);
        self.session().is_none()
            || !self.send.is_outstanding()
            || others().any(|other| works(&self.subflows[other]))
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
        if !due || !self.carries_data_fin(index) {
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
        let (mut options, rest) = of_signal(&self.subflows[index].tcb, now, &signal.option);
        if let Some(option) = rest {
            self.signals.insert(position, Signal { option, ..signal });
        }
        let policy = &self.subflows[index].tcb.ack;
        let owed = policy.is_due_now() || policy.is_delayed();
        let said = self.add_data_ack(&mut options);
        let outgoing = self.subflows[index].tcb.bare_ack();
        let transmit = self.emit(index, outgoing, &options, None, interfaces);
        if owed && !said {
            self.subflows[index].tcb.ack.require_now();
        }
        Some(transmit)
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
        self.subflows[index].tcb.ack.goes_bare();
        self.emit(index, outgoing, &options, None, interfaces)
    }

    /// What a segment without data says: the handshake's third packet, or DATA_ACK and SACK.
    pub(super) fn add_acknowledgment(&self, options: &mut OptionWriter, index: usize) {
        let says = self.acknowledgment_option(index);
        complete_acknowledgment(options, &self.subflows[index].tcb, says.as_ref());
    }

    fn acknowledgment_option(&self, index: usize) -> Option<MptcpOption> {
        let session = self.session()?;
        match &self.subflows[index].role {
            Role::PreEstablished { hmac, .. } => Some(MptcpOption::Join(MpJoin::Ack {
                hmac: hmac.for_ack(),
            })),
            // Until the peer was heard with a DSS its view is unknown: the keys go on every
            // acknowledgment, as the third packet may have been lost.
            Role::Initial if self.owes_third_ack(session) => {
                Some(MptcpOption::Capable(session.third_ack()))
            }
            // The peer has not joined yet: what goes out here answers a stray segment.
            Role::Joining { .. } | Role::Answering { .. } => None,
            Role::Initial | Role::Joined => Some(MptcpOption::Dss(self.data_ack_option(session))),
        }
    }

    pub(in crate::mptcp::connection) fn owes_third_ack(&self, session: &Session) -> bool {
        self.side == Side::Initiator && !session.confirmed
    }

    /// False if it has no room.
    fn add_data_ack(&self, options: &mut OptionWriter) -> bool {
        self.session()
            .is_none_or(|session| options.dss(&self.data_ack_option(session)).is_ok())
    }

    fn data_ack_option(&self, session: &Session) -> Dss {
        Dss {
            data_ack: Some(data_ack(session, self.receive.data_ack())),
            mapping: None,
        }
    }
}
