//! One subflow: a TCP connection with its place in the MPTCP connection.

use super::key::JoinHmac;
use super::mapping::{ReceivedMappings, SentMappings};
use crate::base::config::SubflowOptions;
use crate::base::error::NetworkError;
use crate::base::id::{AddressId, InterfaceId, SubflowId};
use crate::base::seq::DataSeq;
use crate::base::subflow_options::SubflowChange;
use crate::base::time::Instant;
use crate::mptcp::info::{ReceivingMapping, SubflowInfo};
use crate::mptcp::path_health::PathHealth;
use crate::mptcp::reasons::SubflowCloseReason;
use crate::mptcp::signal_pace::SignalPace;
use crate::tcp::receive_rtt::ReceiveRtt;
use crate::tcp::state::TcpState;
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpTcpRst, Nonce};
use crate::wire::packet::FourTuple;

/// How the subflow came to the connection (RFC 6824 §3.2).
#[derive(Clone, Debug)]
pub enum Role {
    /// The first one, by MP_CAPABLE.
    Initial,
    /// We sent MP_JOIN on a SYN.
    Joining {
        /// Our nonce.
        nonce: Nonce,
    },
    /// The SYN/ACK was right; until our third ACK is acknowledged no data may be sent.
    PreEstablished {
        /// What the third ACK carries.
        hmac: JoinHmac,
        /// When it is sent again.
        resend_at: Instant,
        /// How often it was.
        resent: u32,
    },
    /// The peer sent MP_JOIN on a SYN and we answered; its third ACK is awaited.
    Answering {
        /// Our nonce.
        local_nonce: Nonce,
        /// The peer's.
        remote_nonce: Nonce,
    },
    /// Both sides have proven their keys.
    Joined,
}

/// Why a subflow is being probed; one probe serves both.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProbeRequests {
    /// The application has asked.
    pub for_application: bool,
    /// The peer has withdrawn the address (RFC 6824 §3.4.2).
    pub for_removal: bool,
}

/// A subflow.
#[derive(Debug)]
pub struct Subflow {
    /// Its number.
    pub id: SubflowId,
    /// Its addresses.
    pub tuple: FourTuple,
    /// The interface it uses.
    pub interface: InterfaceId,
    /// Its TCP connection.
    pub tcb: Tcb,
    /// What the application has set for it.
    pub options: SubflowOptions,
    /// How it came to be.
    pub role: Role,
    /// Our id for the local address.
    pub local_id: AddressId,
    /// The peer's id for the remote one.
    pub remote_id: AddressId,
    /// The peer asks us to send here only if no regular subflow works. The bit binds its receiver
    /// (RFC 6824 §3.2, §3.3.8), so that each direction has its own.
    pub backup: bool,
    /// We ask the peer to send here only if no regular subflow works.
    pub ask_backup: bool,
    /// We do so ourselves, by our own policy.
    pub own_backup: bool,
    /// It came to us with a SYN of the peer's.
    pub opened_by_peer: bool,
    /// Mappings of sent bytes.
    pub sent: SentMappings,
    /// Mappings of received bytes.
    pub received: ReceivedMappings,
    /// Whether its path is counted on.
    pub health: PathHealth,
    /// Periods of the data-level timer in which the oldest byte was on its way here, since it last
    /// delivered anything.
    pub data_timeouts: u32,
    /// How often it became stale since it last delivered anything.
    pub times_stale: u32,
    /// When a stale path gets another chance.
    pub retry_at: Option<Instant>,
    /// What is being repaired at the data level was sent here, and came to nothing.
    pub is_avoided: bool,
    /// Window probes since the last segment that came back.
    pub unanswered_probes: u32,
    /// When the first of them was sent.
    pub probed_since: Option<Instant>,
    /// The round-trip time of the data it brings.
    pub receive_rtt: ReceiveRtt,
    /// A DSS came on it.
    pub heard_dss: bool,
    /// The bare DATA_FIN is to be sent on it again.
    pub owes_data_fin: bool,
    /// We have closed it, the peer has not, and this is how long it may be quiet.
    pub quiet_until: Option<Instant>,
    /// Its interface is up.
    pub link_up: bool,
    /// Who waits for the answer to a probe.
    pub probes: ProbeRequests,
    /// Acknowledgments that went out for their options only.
    pub signal_pace: SignalPace,
    /// An RST is to be sent, with this reason in version 1; then it is closed.
    pub reset_with: Option<MpTcpRst>,
    /// A checksum was wrong at this DSN: the RST says so with MP_FAIL (RFC 6824 §3.6).
    pub failed_at: Option<DataSeq>,
    /// Why the peer has reset it (version 1).
    pub reset_reason: Option<MpTcpRst>,
    /// It ended for a reason that passes: its path may be tried again.
    pub end_is_transient: bool,
    /// What makes it end; the first cause counts.
    pub cause: Option<SubflowCloseReason>,
    /// It is closed, and its end was told to the endpoint.
    pub closed: Option<SubflowCloseReason>,
    /// It was established at some time.
    pub ever_established: bool,
    /// The last ICMP error about it.
    pub soft_error: Option<NetworkError>,
    /// ICMP errors about its SYNs.
    pub unreachable_syns: u32,
}

impl Subflow {
    /// A subflow with a new TCP connection.
    #[must_use]
    pub fn new(
        id: SubflowId,
        tuple: FourTuple,
        interface: InterfaceId,
        tcb: Tcb,
        options: SubflowOptions,
        role: Role,
    ) -> Self {
        Self {
            id,
            tuple,
            interface,
            tcb,
            options,
            role,
            local_id: AddressId::INITIAL,
            remote_id: AddressId::INITIAL,
            backup: false,
            ask_backup: false,
            own_backup: false,
            opened_by_peer: false,
            sent: SentMappings::default(),
            received: ReceivedMappings::default(),
            health: PathHealth::Working,
            data_timeouts: 0,
            times_stale: 0,
            retry_at: None,
            is_avoided: false,
            unanswered_probes: 0,
            probed_since: None,
            receive_rtt: ReceiveRtt::default(),
            heard_dss: false,
            owes_data_fin: false,
            quiet_until: None,
            link_up: true,
            probes: ProbeRequests::default(),
            signal_pace: SignalPace::default(),
            reset_with: None,
            failed_at: None,
            reset_reason: None,
            end_is_transient: false,
            cause: None,
            closed: None,
            ever_established: false,
            soft_error: None,
            unreachable_syns: 0,
        }
    }

    /// Notes what makes it end, unless that is known already.
    pub fn ends_for(&mut self, cause: SubflowCloseReason) {
        self.cause.get_or_insert(cause);
    }

    /// Takes a changed option over: from here on it holds for what is sent.
    pub fn change_option(&mut self, now: Instant, change: SubflowChange) {
        self.options.apply(change);
        match change {
            SubflowChange::TrafficClass(_) | SubflowChange::HopLimit(_) | SubflowChange::Tag(_) => {
            }
            SubflowChange::MssClamp(clamp) => self.tcb.set_mss_clamp(now, clamp),
            SubflowChange::Congestion(algorithm) => self.tcb.set_congestion(algorithm),
            SubflowChange::Keepalive(keepalive) => {
                if self.tcb.state.is_synchronized() {
                    self.tcb.set_keepalive(now, keepalive);
                }
            }
            SubflowChange::RateCap(cap) => self.tcb.pacer.set_cap(now, cap),
        }
    }

    /// Why it ends if nothing was heard on it for too long.
    #[must_use]
    pub const fn end_in_silence(&self) -> SubflowCloseReason {
        if self.link_up {
            SubflowCloseReason::TimedOut
        } else {
            SubflowCloseReason::LocalAddressGone
        }
    }

    /// Data goes here only if no regular subflow works: the peer wants it so, or we do.
    #[must_use]
    pub fn is_backup(&self) -> bool {
        self.backup || self.own_backup
    }

    /// Sets what we want of this subflow. If it `binds_both`, what we ask of the peer we do as well.
    pub fn prefer(&mut self, backup: bool, binds_both: bool) {
        self.ask_backup = backup;
        self.own_backup = backup && binds_both;
    }

    /// Its path does not answer, or swallows data: nothing that matters goes there.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.health != PathHealth::Working
    }

    /// It is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.tcb.state == TcpState::Closed
    }

    /// It has gone through its handshake and is not closing on our side.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.tcb.state.can_send()
            && self.reset_with.is_none()
            && matches!(self.role, Role::Initial | Role::Joined)
    }

    /// Its handshake is complete, for TCP and for MPTCP.
    #[must_use]
    pub fn is_fully_established(&self) -> bool {
        self.tcb.state.is_synchronized() && matches!(self.role, Role::Initial | Role::Joined)
    }

    /// Data may be scheduled on it, if its windows have room.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.is_established()
            && self.link_up
            && self.health == PathHealth::Working
            && self.tcb.fin == crate::tcp::tcb::Fin::Open
    }

    /// A window probe on it would tell something: it could send, and nothing is on its way.
    #[must_use]
    pub fn is_probe_target(&self) -> bool {
        self.is_established() && self.link_up && self.tcb.is_all_acknowledged()
    }

    /// It can still carry acknowledgments and signals.
    #[must_use]
    pub fn can_signal(&self) -> bool {
        self.tcb.state.is_synchronized()
            && self.tcb.state != TcpState::TimeWait
            && self.link_up
            && self.reset_with.is_none()
            && matches!(self.role, Role::Initial | Role::Joined)
    }

    /// A snapshot; `initiator` if we have started the connection.
    #[must_use]
    pub fn info(&self, initiator: bool) -> SubflowInfo {
        SubflowInfo {
            id: self.id,
            interface: self.interface,
            local: self.tuple.local,
            remote: self.tuple.remote,
            opened_by_us: match self.role {
                Role::Initial => initiator,
                Role::Joining { .. }
                | Role::PreEstablished { .. }
                | Role::Answering { .. }
                | Role::Joined => !self.opened_by_peer,
            },
            local_id: self.local_id,
            remote_id: self.remote_id,
            state: self.tcb.state,
            fully_established: self.is_fully_established(),
            stalled: self.health != PathHealth::Working || !self.link_up,
            stale: self.health == PathHealth::Stale,
            backup: self.is_backup(),
            backup_asked_by_peer: self.backup,
            backup_asked_by_us: self.ask_backup,
            closed: self.closed,
            reset_reason: self.reset_reason,
            bytes_sent: self.tcb.bytes_sent,
            bytes_received: self.tcb.bytes_received,
            retransmissions: self.tcb.counters.retransmissions,
            timeouts: self.tcb.counters.timeouts,
            fast_recoveries: self.tcb.counters.fast_recoveries,
            spurious_recoveries: self.tcb.counters.spurious_recoveries,
            tail_loss_probes: self.tcb.counters.tail_loss_probes,
            ecn_reductions: self.tcb.counters.ecn_reductions,
            ecn: self.tcb.ecn.is_negotiated(),
            pacing_rate: self.tcb.pacer.rate(),
            srtt: self.tcb.rtt.srtt(),
            congestion: self.tcb.congestion.algorithm(),
            ssthresh: Some(self.tcb.congestion.ssthresh()).filter(|&bytes| bytes < usize::MAX),
            cwnd: self.tcb.congestion.cwnd(),
            mss: self.tcb.mss,
            path_mtu: self.tcb.path_mtu.current(),
            soft_error: self.soft_error,
            unanswered_probes: self.unanswered_probes,
            receive_rtt: self.receive_rtt.estimate(),
            receiving: self.received.current().map(|mapping| ReceivingMapping {
                dsn: mapping.dsn.0,
                ssn: mapping.relative_ssn,
                len: mapping.wire_len,
            }),
            tcp: self.tcb.statistics(),
        }
    }
}
