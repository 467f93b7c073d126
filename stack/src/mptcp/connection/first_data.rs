//! What the first data says of the peer, where the handshake has not said it for certain.
//!
//! Owns the decision about a connection of version 0 whose third packet had no option, and about an
//! end of the stream that comes before anything else. Bytes without a mapping are for `fallback`.

use super::receive::Context;
use super::{Connection, Side, capable_of};
use crate::base::config::Version;
use crate::base::mptcp_counters::MptcpCounter;
use crate::mptcp::protocol::Protocol;
use crate::mptcp::reasons::FallbackReason;
use crate::tcp::receive::Arrival;
use crate::wire::mptcp_option::CapableKeys;
use crate::wire::tcp_option::TcpOptions;

impl Connection {
    /// As long as nothing of MPTCP was heard since the handshake, the first bytes, or the FIN that
    /// comes without any, decide: without DSS or MP_CAPABLE they are those of plain TCP
    /// (RFC 6824 §3.6, RFC 8684 §3.7). A peer that speaks MPTCP sends no FIN before its DATA_FIN was
    /// acknowledged.
    pub(super) fn check_first_data(
        &mut self,
        context: Context,
        options: &TcpOptions,
        arrival: &Arrival,
    ) {
        let Some(session) = self.session() else {
            return;
        };
        if context.index != 0 || session.confirmed {
            return;
        }
        let capable = capable_of(&options.mptcp);
        let has_mapping = options.dss.is_some()
            || (session.version == Version::V1
                && capable.is_some_and(|o| matches!(o.keys, CapableKeys::BothWithData { .. })));
        let bare = arrival.text.is_empty() && !arrival.fin;
        if session.assumed {
            let fits = capable.is_none_or(|option| session.is_confirmed_by(option));
            if fits && (has_mapping || capable.is_some()) {
                self.confirm_assumed(context, capable.is_some());
            } else if !fits || !bare {
                self.refuse_assumed(context);
            }
        } else if arrival.fin && arrival.text.is_empty() && !has_mapping && self.may_fall_back(0) {
            self.count(match self.side {
                Side::Listener => MptcpCounter::MpCapableDataFallback,
                Side::Initiator => MptcpCounter::DssFallback,
            });
            self.fall_back_in_line(context, FallbackReason::FirstDataWithoutOptions);
        }
    }

    /// The peer has shown what its third packet did not: it speaks MPTCP.
    fn confirm_assumed(&mut self, context: Context, by_third_ack: bool) {
        if by_third_ack {
            self.count(MptcpCounter::MpCapableAckRx);
        }
        if let Protocol::Mptcp(session) = &mut self.protocol {
            session.assumed = false;
        }
        self.was_mptcp = true;
        self.subflows[0].tcb.ack.require_now();
        self.update_paths_soon(context.now);
    }

    /// The peer has shown that its third packet meant what it said: plain TCP. If it has seen
    /// mappings of ours, it hears that no more will come.
    fn refuse_assumed(&mut self, context: Context) {
        self.count(MptcpCounter::MpCapableFallbackAck);
        self.fall_back_in_line(context, FallbackReason::NoCapableInThirdPacket);
    }

    /// Nothing was said either way, and we are to end the stream before its first byte. A peer
    /// that speaks MPTCP puts an option on all that it sends, so the one packet without says
    /// enough: the end is a FIN.
    pub(super) fn decide_before_end(&mut self) {
        let assumed = self.session().is_some_and(|session| session.assumed);
        if assumed && self.send.is_fin_due() && self.send.end() == 0 {
            self.count(MptcpCounter::MpCapableFallbackAck);
            self.become_plain(FallbackReason::NoCapableInThirdPacket);
        }
    }
}
