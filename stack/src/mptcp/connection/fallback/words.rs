//! What we say about a fallback: MP_FAIL and the infinite mapping.

use crate::base::mptcp_counters::MptcpCounter;
use crate::base::seq::DataSeq;
use crate::base::time::{Duration, Instant};
use crate::mptcp::connection::{Connection, Signal};
use crate::mptcp::fallback::{Failure, Progress, Receiving, Step};
use crate::tcp::transmit::Outgoing;
use crate::wire::mptcp_option::{MptcpOption, WireMapping, WireSeq};

/// MP_FAIL is repeated after a retransmission timeout that doubles, but at least this often.
const MAX_FAIL_INTERVAL: Duration = Duration::from_secs(10);

impl Connection {
    /// Sends MP_FAIL on an acknowledgment of its own.
    pub(super) fn send_fail(&mut self, dsn: DataSeq) {
        let id = self.subflows[0].id;
        let queued = |signal: &Signal| matches!(signal.option, MptcpOption::Fail(_));
        if !self.signals.iter().any(queued) {
            self.queue_signal(MptcpOption::Fail(dsn), Some(id));
        }
    }

    pub(super) fn arm_fail_timer(&mut self, now: Instant) {
        let Some(Receiving::Failed(failure)) = self.protocol.receiving() else {
            return;
        };
        let rto = self.subflows[0].tcb.rtt.rto();
        let interval = rto.saturating_mul(1 << failure.repeated.min(6));
        let repeat = now + interval.min(MAX_FAIL_INTERVAL);
        self.deadlines.fail = Some(repeat.min(failure.give_up));
    }

    /// MP_FAIL was not answered for a while.
    pub(in crate::mptcp::connection) fn fail_timed_out(&mut self, now: Instant) {
        let Some(Receiving::Failed(failure)) = self.protocol.receiving().copied() else {
            return;
        };
        if now >= failure.give_up {
            self.reset_for_checksum(now, 0, failure.dsn);
            return;
        }
        self.step(Step::Fail(Failure {
            repeated: failure.repeated + 1,
            ..failure
        }));
        self.send_fail(failure.dsn);
        self.arm_fail_timer(now);
    }

    /// What an acknowledgment says about the fallback, each time until the peer has answered.
    pub(in crate::mptcp::connection) fn fail_option(&self) -> Option<MptcpOption> {
        match self.protocol.receiving() {
            Some(Receiving::Failed(failure)) => Some(MptcpOption::Fail(failure.dsn)),
            Some(Receiving::Agreed { .. } | Receiving::Plain { .. }) | None => None,
        }
    }

    /// The infinite mapping where it is asked for and has no data to go with.
    pub(in crate::mptcp::connection) fn infinite_answer(&self) -> Option<WireMapping> {
        self.protocol
            .sending()
            .is_some_and(|announcement| announcement.asked)
            .then(|| self.infinite_mapping())
            .flatten()
    }

    /// The infinite mapping of a segment with data: of the first new one since the fallback, and
    /// of its retransmissions (RFC 6824 §3.6).
    pub(in crate::mptcp::connection) fn infinite_mapping_for(
        &mut self,
        outgoing: &Outgoing,
    ) -> Option<WireMapping> {
        let announcement = *self.protocol.sending()?;
        let end = outgoing.seq + u32::try_from(outgoing.len).unwrap_or(0);
        match announcement.progress {
            Progress::Due if end == self.subflows[0].tcb.snd_nxt => {
                self.count(MptcpCounter::InfiniteMapTx);
                let start = outgoing.seq;
                self.step(Step::Announced { start, end });
            }
            Progress::Sent { start, end }
                if outgoing.seq.at_or_after(start) && outgoing.seq.before(end) => {}
            Progress::Due | Progress::Sent { .. } | Progress::Heard => return None,
        }
        self.infinite_mapping()
    }

    /// RFC 6824 §3.6: length 0, no checksum, and it acts retroactively from where everything was
    /// known to be intact. One subflow has carried everything: offsets of both levels are the same.
    pub(super) fn infinite_mapping(&self) -> Option<WireMapping> {
        let session = self.protocol.session()?;
        let anchor = self.protocol.sending()?.anchor;
        let tcb = &self.subflows[0].tcb;
        let behind = tcb.bytes_acked.wrapping_sub(anchor);
        let ssn = tcb.snd_una.0.wrapping_sub(tcb.iss.0);
        Some(WireMapping {
            dsn: WireSeq::Long(self.send.dsn(anchor)),
            ssn: ssn.wrapping_sub(low_half(behind)),
            len: 0,
            checksum: session.checksum.then_some(0),
            data_fin: false,
        })
    }
}

/// The part of a distance that sequence numbers of a subflow can express.
fn low_half(distance: u64) -> u32 {
    DataSeq(distance).low32()
}
