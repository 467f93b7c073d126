//! What goes out without data: DATA_FIN, options on acknowledgments of their own, acknowledgments.

use super::Interfaces;
use crate::base::config::Version;
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::time::Instant;
use crate::mptcp::connection::{Connection, Side, Signal};
use crate::mptcp::fallback::Step;
use crate::mptcp::handshake::Session;
use crate::mptcp::outgoing_options::{complete_acknowledgment, data_ack, of_segment, of_signal};
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::subflow::{Role, Subflow};
use crate::tcp::transmit::Outgoing;
use crate::wire::checksum::Sum;
use crate::wire::mptcp_option::{AddAddrForm, Dss, MpJoin, MptcpOption, WireMapping, WireSeq};
use crate::wire::packet::Transmit;
use crate::wire::tcp_option::OptionWriter;
use smallvec::SmallVec;

impl Connection {
    /// Without mappings the FIN follows the last byte.
    pub(super) fn poll_plain_fin(&mut self) {
        if self.protocol.sends_plain() && self.send.is_fin_due() {
            self.send.fin_sent();
            self.close_one_subflow(0, SubflowCloseReason::ConnectionEnded);
        }
    }

    /// A subflow that was asked to close must not take data with it that is not acknowledged at
    /// the data level, while it is the only one that works (RFC 6824 §3.3.3).
    pub(super) fn may_close(&self, index: usize) -> bool {
        // Also one that is to be closed itself, as long as it has not been.
        let works = |s: &Subflow| s.is_established() && s.link_up && !s.is_stalled();
        let others = || (0..self.subflows.len()).filter(|&other| other != index);
        self.sending_session().is_none()
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
        let session = self.sending_session()?;
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
            data_ack: self.data_ack_wanted(),
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

    /// Options that wait for an acknowledgment of their own.
    pub(super) fn poll_signal(
        &mut self,
        now: Instant,
        index: usize,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let position = self.next_signal(now, index)?;
        let signal = self.signals.remove(position)?;
        let (mut options, rest) = of_signal(&self.subflows[index].tcb, now, &signal.option);
        self.signal_sent(now, &signal.option);
        self.add_more_signals(now, index, &signal.option, &mut options);
        if let Some(option) = rest {
            self.signals.insert(position, Signal { option, ..signal });
        }
        let tcb = &self.subflows[index].tcb;
        let owed = tcb.ack.is_due_now() || tcb.ack.is_delayed();
        let (last, rto) = (tcb.timestamps.last_ack_sent, tcb.rtt.rto());
        let said = self.add_data_ack(&mut options);
        let outgoing = self.subflows[index].tcb.bare_ack();
        let transmit = self.emit(index, outgoing, &options, None, interfaces);
        let subflow = &mut self.subflows[index];
        subflow
            .signal_pace
            .sent(now, last, subflow.tcb.rcv_nxt, rto);
        if owed && !said {
            subflow.tcb.ack.require_now();
        }
        Some(transmit)
    }

    /// Position of the first signal that this subflow may carry now.
    fn next_signal(&mut self, now: Instant, index: usize) -> Option<usize> {
        if self.signals.is_empty() {
            return None;
        }
        let subflow = &self.subflows[index];
        let pace = subflow.signal_pace.wait(now, subflow.tcb.rcv_nxt);
        // The peer may not even know that this is MPTCP: the keys have to come first. But who has
        // announced something knows them.
        let keys_first = self.session().is_some_and(|s| self.owes_third_ack(s));
        let mut next: Option<Instant> = None;
        for (position, signal) in self.signals.iter().enumerate() {
            if !subflow.may_carry(signal) || keys_first && needs_keys(&signal.option) {
                continue;
            }
            // What ends a subflow is followed by nothing there that could be misunderstood.
            let last =
                subflow.reset_with.is_some() || matches!(signal.option, MptcpOption::Fastclose(_));
            let pace = pace.filter(|_| !last);
            match pace.max(self.signal_waits(now, &signal.option)) {
                None => return Some(position),
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
            }
        }
        if let Some(at) = next {
            let deadline = self.deadlines.signal.get_or_insert(at);
            *deadline = at.min(*deadline);
        }
        None
    }

    /// What else of addresses and priorities has room beside the first signal: one of each kind, as
    /// receivers keep one of each. Version 0 sends several ADD_ADDR at once (RFC 6824 §3.4.1).
    fn add_more_signals(
        &mut self,
        now: Instant,
        index: usize,
        first: &MptcpOption,
        options: &mut OptionWriter,
    ) {
        let several = self.version() == Some(Version::V0);
        let mut kinds: SmallVec<[_; 4]> = SmallVec::new();
        if !is_combinable(first) {
            return;
        }
        kinds.push(core::mem::discriminant(first));
        let mut position = 0;
        while let Some(signal) = self.signals.get(position) {
            let option = &signal.option;
            let kind = core::mem::discriminant(option);
            let fits = is_combinable(option)
                && (!kinds.contains(&kind) || several && matches!(option, MptcpOption::AddAddr(_)))
                && self.subflows[index].may_carry(signal)
                && self.signal_waits(now, option).is_none()
                && options.mptcp(option).is_ok();
            if !fits {
                position += 1;
                continue;
            }
            kinds.push(kind);
            if let Some(signal) = self.signals.remove(position) {
                self.signal_sent(now, &signal.option);
            }
        }
    }

    /// The third packet of version 0, with both keys: data goes behind it, in segments of its own
    /// (RFC 6824 §3.1). In version 1 the first data carries the keys itself.
    pub(super) fn poll_third_ack(
        &mut self,
        now: Instant,
        interfaces: &impl Interfaces,
    ) -> Option<Transmit> {
        let session = self.session()?;
        let subflow = &self.subflows[0];
        let first = session.version == Version::V0
            && self.owes_third_ack(session)
            && subflow.tcb.bytes_sent == 0
            && subflow.tcb.ack.is_due_now()
            && subflow.is_usable();
        if !first {
            return None;
        }
        let outgoing = subflow.tcb.bare_ack();
        Some(self.send_ack(now, 0, outgoing, interfaces))
    }

    pub(super) fn send_ack(
        &mut self,
        now: Instant,
        index: usize,
        outgoing: Outgoing,
        interfaces: &impl Interfaces,
    ) -> Transmit {
        let mut options = of_segment(&self.subflows[index].tcb, now);
        // A gap is told first: there is no room for both.
        if self.subflows[index].tcb.sack_report.is_empty()
            && let Some(fail) = self.fail_option()
            && options.mptcp(&fail).is_ok()
        {
            self.count(MptcpCounter::MpFailTx);
        }
        self.add_acknowledgment(&mut options, index);
        if self.infinite_answer().is_some() {
            self.step(Step::Answered);
        }
        self.subflows[index].tcb.ack.goes_bare();
        self.emit(index, outgoing, &options, None, interfaces)
    }

    /// What a segment without data says: the handshake's third packet, or DATA_ACK and SACK.
    pub(super) fn add_acknowledgment(&self, options: &mut OptionWriter, index: usize) {
        let says = self.acknowledgment_option(index);
        complete_acknowledgment(options, &self.subflows[index].tcb, says.as_ref());
    }

    fn acknowledgment_option(&self, index: usize) -> Option<MptcpOption> {
        let keys = self
            .session()
            .filter(|session| self.owes_third_ack(session));
        match (&self.subflows[index].role, keys) {
            (Role::PreEstablished { hmac, .. }, _) => Some(MptcpOption::Join(MpJoin::Ack {
                hmac: hmac.for_ack(),
            })),
            // Until the peer was heard with a DSS its view is unknown: the keys go on every
            // acknowledgment, as the third packet may have been lost.
            (Role::Initial, Some(session)) => Some(MptcpOption::Capable(session.third_ack())),
            // The peer has not joined yet: what goes out here answers a stray segment.
            (Role::Joining { .. } | Role::Answering { .. }, _) => None,
            (Role::Initial, None) | (Role::Joined, _) => {
                self.acknowledgment_dss().map(MptcpOption::Dss)
            }
        }
    }

    pub(in crate::mptcp::connection) fn owes_third_ack(&self, session: &Session) -> bool {
        self.side == Side::Initiator && !session.confirmed
    }

    /// False if it has no room.
    fn add_data_ack(&self, options: &mut OptionWriter) -> bool {
        self.acknowledgment_dss()
            .is_none_or(|dss| options.dss(&dss).is_ok())
    }

    /// A DATA_ACK for a peer that maps what it sends, and the infinite mapping for one that asks.
    fn acknowledgment_dss(&self) -> Option<Dss> {
        let dss = Dss {
            data_ack: self.data_ack_wanted(),
            mapping: self.infinite_answer(),
        };
        (dss.data_ack.is_some() || dss.mapping.is_some()).then_some(dss)
    }

    /// The DATA_ACK, unless the peer has stopped mapping what it sends.
    fn data_ack_wanted(&self) -> Option<WireSeq> {
        let session = self.receiving_session().filter(|s| !s.assumed)?;
        Some(data_ack(session, self.receive.data_ack()))
    }
}

/// Options about addresses and priorities share an acknowledgment; the others stand alone.
const fn is_combinable(option: &MptcpOption) -> bool {
    matches!(
        option,
        MptcpOption::AddAddr(_) | MptcpOption::RemoveAddr(_) | MptcpOption::Prio(_)
    )
}

/// A peer that does not know our key yet can do nothing with it.
fn needs_keys(option: &MptcpOption) -> bool {
    let echo = matches!(option, MptcpOption::AddAddr(add) if add.form == AddAddrForm::V1Echo);
    is_combinable(option) && !echo
}

impl Subflow {
    /// A signal may go on this subflow. One that is to be reset sends what was meant for it before
    /// that.
    fn may_carry(&self, signal: &Signal) -> bool {
        let ends = self.reset_with.is_some() && self.tcb.state.is_synchronized();
        match signal.on {
            Some(id) => id == self.id && (self.can_signal() || ends),
            None => self.can_signal() && !self.is_stalled(),
        }
    }
}
