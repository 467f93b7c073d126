//! One connection: the data level, its subflows, and what it wants from the endpoint.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the parts, making a connection |
//! | `snapshot` | what it looks like from outside |
//! | `receive` | a segment of a subflow arrives |
//! | `icmp` | what the network says about segments that it did not deliver |
//! | `establish` | the MP_CAPABLE handshake |
//! | `offer_again` | a second attempt at it, with the other version |
//! | `first_data` | what the first data decides |
//! | `join` | the MP_JOIN handshake |
//! | `resets` | RSTs of ours and why; MP_TCPRST of the peer, and which paths that closes |
//! | `fallback` | when MPTCP is given up, and what that means for the bytes |
//! | `transmit` | the next segment to send |
//! | `timeouts` | deadlines |
//! | `buffers` | how the buffers grow |
//! | `health` | paths that stall, and those that are stale |
//! | `liveness` | keepalive, probes, the time after which a silent peer is given up |
//! | `signal_queue` | options that wait for an acknowledgment of their own |
//! | `subflows` | opening, losing, closing subflows; sending their data elsewhere |
//! | `paths` | addresses and the path manager |
//! | `commands` | what the application asks for |
//! | `control` | options and policies that change while the connection lives |
//! | `closing` | how it ends, and for how long the peer is waited for |
//! | `fastclose` | MP_FASTCLOSE: how it ends at once |

mod buffers;
mod closing;
mod commands;
mod control;
mod establish;
mod fallback;
mod fastclose;
mod first_data;
mod health;
mod icmp;
mod join;
mod liveness;
mod offer_again;
mod paths;
mod receive;
mod resets;
mod signal_queue;
mod snapshot;
mod subflows;
mod timeouts;
mod transmit;

pub use establish::first_window;
pub use join::{JoinRefusal, JoinRequest, NewJoin};
pub use receive::Answer as SegmentAnswer;
pub use transmit::Interfaces;

use join::CrossedJoin;

use super::data_receive::DataReceive;
use super::data_send::DataSend;
use super::handshake::{Answer, Lesson, Offer, Session};
use super::path_manager::{AddressBook, Attempts, PathManager, path_manager};
use super::protocol::Protocol;
use super::scheduler::{Scheduler, scheduler};
use super::state::{DataEvent, DataState};
use super::subflow::{Role, Subflow};
use crate::base::config::{ConnectionConfig, Version};
use crate::base::error::CloseReason;
use crate::base::id::{AddressId, ConnectionId, InterfaceId, SubflowId};
use crate::base::mptcp_counters::MptcpCounter;
use crate::base::path_endpoint::PathEndpoints;
use crate::base::seq::DataSeq;
use crate::base::time::{Duration, Instant};
use crate::mptcp::info::ConnectionProtocol;
use crate::mptcp::path_log::PathRecorder;
use crate::mptcp::reasons::{FallbackReason, SubflowCloseReason};
use crate::tcp::tcb::Tcb;
use crate::wire::mptcp_option::{MpCapable, MptcpOption, Token};
use crate::wire::packet::FourTuple;
use fastclose::Fastclose;
use paths::{Leaving, Permissions, Unechoed};
use signal_queue::JustSaid;
use snapshot::Notes;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Something the endpoint must do or tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The handshake is complete.
    Established(ConnectionProtocol),
    /// There is something to read, for a reader that waited.
    Readable,
    /// There is room to write, for a writer that waited.
    Writable,
    /// Everything written, and the end, is acknowledged.
    Flushed,
    /// A further subflow is usable.
    SubflowEstablished(SubflowId),
    /// A probe that was asked for was answered, or was not.
    SubflowProbed(SubflowId, bool),
    /// A subflow ended for this reason; its addresses are free.
    SubflowClosed(SubflowId, FourTuple, SubflowCloseReason),
    /// A subflow became a backup, or is none any more.
    SubflowPriority {
        /// The subflow.
        subflow: SubflowId,
        /// It is one now.
        backup: bool,
        /// The peer asks us; else we ask the peer.
        by_peer: bool,
    },
    /// The peer's announcement of an address was taken.
    RemoteAddressAdded {
        /// The peer's id for it.
        id: AddressId,
        /// The address.
        address: IpAddr,
        /// The port, if one was named.
        port: Option<u16>,
    },
    /// The peer has withdrawn an address.
    RemoteAddressRemoved(AddressId),
    /// The connection has got an address of ours.
    LocalAddressAdded(AddressId, IpAddr),
    /// It has lost one.
    LocalAddressRemoved(AddressId, IpAddr),
    /// The retransmission timer of a subflow has expired.
    RetransmissionTimeout {
        /// The subflow.
        subflow: SubflowId,
        /// The next timeout.
        rto: Duration,
        /// Consecutive expiries.
        backoff: u32,
    },
    /// MPTCP was given up for plain TCP.
    FellBack(FallbackReason),
    /// The connection ended.
    Closed(CloseReason),
    /// The path manager wants a subflow.
    OpenSubflow {
        /// From this local address.
        local: IpAddr,
        /// To this remote one.
        remote: SocketAddr,
        /// The peer's id for the remote address.
        remote_id: AddressId,
        /// As a backup.
        backup: bool,
    },
    /// A peer's MP_JOIN was refused.
    JoinRefused,
    /// A peer's MP_JOIN was refused as whoever is at this address did not prove that it has the
    /// keys.
    JoinUnproven(IpAddr),
    /// The answer to our SYN tells this of a peer and the path to it.
    Learnt(SocketAddr, Lesson),
    /// Something happened that is counted for the whole host.
    Counted(MptcpCounter),
}

/// Which side started the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Initiator,
    Listener,
}

/// An option that goes out on an acknowledgment of its own or on any segment with room.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signal {
    option: MptcpOption,
    /// Only on this subflow.
    on: Option<SubflowId>,
}

/// The deadlines of the data level.
#[derive(Clone, Copy, Debug, Default)]
struct Deadlines {
    /// Data or DATA_FIN waits for a DATA_ACK.
    data_retransmit: Option<Instant>,
    /// The window is closed and nothing is in flight.
    probe: Option<Instant>,
    /// A segment that is too small to be sent has waited long enough (RFC 9293 §3.8.6.2.1).
    override_small: Option<Instant>,
    /// The path manager is asked.
    paths: Option<Instant>,
    /// Every subflow is gone: then it is over.
    revival: Option<Instant>,
    /// The peer, or what is left of the subflows, does not finish.
    finish: Option<Instant>,
    /// The application has gone and leaves undelivered data this much time.
    linger: Option<Instant>,
    /// The application has gone, and the peer takes nothing of what is undelivered.
    undelivered: Option<Instant>,
    /// MP_FASTCLOSE has brought no answer.
    fastclose: Option<Instant>,
    /// An address that is not permitted any more is left, whether other paths are up or not.
    leave: Option<Instant>,
    /// ADD_ADDR that were not echoed are sent again.
    announce: Option<Instant>,
    /// MP_FAIL that was not answered is sent again, or nobody waits for the answer any more.
    fail: Option<Instant>,
    /// A signal had to wait for a while.
    signal: Option<Instant>,
    /// Bytes have come without a mapping, and nothing of the stream since.
    unmapped: Option<Instant>,
}

/// Data sent again because no DATA_ACK came.
#[derive(Clone, Copy, Debug)]
struct DataRecovery {
    /// What was sent when the timer expired: it is over once that is acknowledged.
    until: u64,
    /// Segments of the last round.
    segments: u64,
}

/// An MPTCP connection, or one that is plain TCP.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    side: Side,
    config: ConnectionConfig,
    protocol: Protocol,
    token: Option<Token>,
    /// Both keys were known at some time.
    was_mptcp: bool,
    state: DataState,
    send: DataSend,
    receive: DataReceive,
    /// In the order of opening; ids ascend.
    subflows: Vec<Subflow>,
    next_subflow: u32,
    scheduler: Box<dyn Scheduler>,
    path_manager: Box<dyn PathManager>,
    /// The endpoints of the host.
    path_endpoints: Arc<PathEndpoints>,
    /// Which local addresses may be used.
    permissions: Permissions,
    /// Local addresses that are not permitted any more, while other paths come up.
    leaving: Vec<Leaving>,
    addresses: AddressBook,
    /// What came of attempts to open subflows.
    attempts: Attempts,
    /// When the peer last announced an address that was news.
    announced_at: Option<Instant>,
    signals: VecDeque<Signal>,
    /// The address signals of the last round trip.
    just_said: JustSaid,
    /// Announcements that the peer has not echoed (version 1).
    unechoed: Vec<Unechoed>,
    deadlines: Deadlines,
    /// The repair that an expiry of the data-level timer has started.
    data_recovery: Option<DataRecovery>,
    /// Since when something is outstanding at the data level without progress.
    data_waiting_since: Option<Instant>,
    /// Expiries of the data-level timer without progress.
    data_backoff: u32,
    probe_backoff: u32,
    /// Joins that met one of the peer, to be tried again.
    crossed: Vec<CrossedJoin>,
    /// Paths that the peer has closed for good.
    prohibited_paths: Vec<(IpAddr, SocketAddr)>,
    /// Our DATA_FIN is acknowledged: subflows are to be closed.
    close_subflows_wanted: bool,
    /// A subflow has closed: the list may be shortened.
    prune_wanted: bool,
    effects: VecDeque<Effect>,
    reader_waits: bool,
    writer_waits: bool,
    /// The application reads no more: what comes is dropped.
    read_shut_down: bool,
    /// Times that a subflow could have taken more than the send buffer held.
    send_buffer_limited: u64,
    /// Every subflow is gone, and a new one may revive the connection.
    is_bereft: bool,
    fastclose: Fastclose,
    closed: Option<CloseReason>,
    released: bool,
    notes: Notes,
}

/// What a new initial subflow needs.
#[derive(Debug)]
pub struct InitialSubflow {
    /// Its addresses.
    pub tuple: FourTuple,
    /// Its interface.
    pub interface: InterfaceId,
    /// Its TCP connection, in SYN-SENT or SYN-RECEIVED.
    pub tcb: Tcb,
}

impl Connection {
    /// A connection whose SYN is to be sent, with MP_CAPABLE if there is an offer.
    #[must_use]
    pub fn connect(
        id: ConnectionId,
        config: ConnectionConfig,
        offer: Option<Offer>,
        initial: InitialSubflow,
    ) -> Self {
        let idsn = offer.as_ref().map_or(DataSeq(0), |offer| offer.local.idsn);
        let protocol = offer.map_or(Protocol::Plain, Protocol::Offered);
        Self::new(id, Side::Initiator, config, protocol, idsn, initial)
    }

    /// A connection made by a SYN; `answer` is there if it is answered with MP_CAPABLE.
    #[must_use]
    pub fn accept(
        id: ConnectionId,
        config: ConnectionConfig,
        answer: Option<Answer>,
        initial: InitialSubflow,
    ) -> Self {
        let idsn = answer
            .as_ref()
            .map_or(DataSeq(0), |answer| answer.local.idsn);
        let protocol = answer.map_or(Protocol::Plain, Protocol::Answered);
        Self::new(id, Side::Listener, config, protocol, idsn, initial)
    }

    fn new(
        id: ConnectionId,
        side: Side,
        config: ConnectionConfig,
        protocol: Protocol,
        idsn: DataSeq,
        initial: InitialSubflow,
    ) -> Self {
        let InitialSubflow {
            tuple,
            interface,
            tcb,
        } = initial;
        let token = match &protocol {
            Protocol::Offered(offer) => Some(offer.local.token),
            Protocol::Answered(answer) => Some(answer.local.token),
            Protocol::Mptcp(_) | Protocol::FallingBack(_) | Protocol::Plain => None,
        };
        let mut receive = DataReceive::new(DataSeq(0), config.receive_buffer);
        if let Protocol::Answered(Answer {
            remote: Some(remote),
            ..
        }) = &protocol
        {
            receive.set_idsn(remote.idsn);
        }
        Self {
            id,
            side,
            send: DataSend::new(idsn, config.send_buffer),
            receive,
            notes: Notes {
                paths: PathRecorder::new(config.path_log),
                ..Notes::default()
            },
            protocol,
            token,
            was_mptcp: false,
            state: DataState::Established,
            subflows: vec![Subflow::new(
                SubflowId(0),
                tuple,
                interface,
                tcb,
                config.subflow,
                Role::Initial,
            )],
            next_subflow: 1,
            scheduler: scheduler(config.scheduler),
            path_manager: path_manager(config.path_manager),
            path_endpoints: Arc::default(),
            permissions: Permissions::new(config.allowed_local.as_deref(), tuple.local.ip()),
            leaving: Vec::new(),
            config,
            addresses: AddressBook::new(tuple.local.ip(), tuple.remote),
            attempts: Attempts::default(),
            announced_at: None,
            signals: VecDeque::new(),
            just_said: JustSaid::default(),
            unechoed: Vec::new(),
            deadlines: Deadlines::default(),
            data_recovery: None,
            data_waiting_since: None,
            data_backoff: 0,
            probe_backoff: 0,
            crossed: Vec::new(),
            prohibited_paths: Vec::new(),
            close_subflows_wanted: false,
            prune_wanted: false,
            effects: VecDeque::new(),
            reader_waits: true,
            writer_waits: false,
            read_shut_down: false,
            send_buffer_limited: 0,
            is_bereft: false,
            fastclose: Fastclose::None,
            closed: None,
            released: false,
        }
    }

    /// Our token, if MPTCP was ever offered: it stays ours until the connection is forgotten.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.token
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &ConnectionConfig {
        &self.config
    }

    /// The next effect, if any.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// True once it ended, every subflow is closed, and the application is done with it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.released && self.closed.is_some() && self.subflows.iter().all(Subflow::is_closed)
    }

    /// Why it ended, if it did.
    #[must_use]
    pub fn closed(&self) -> Option<CloseReason> {
        self.closed
    }

    /// Addresses of subflows that are not closed.
    pub fn tuples(&self) -> impl Iterator<Item = FourTuple> + '_ {
        self.subflows
            .iter()
            .filter(|subflow| !subflow.is_closed())
            .map(|subflow| subflow.tuple)
    }

    fn addresses_of_initial(&self) -> FourTuple {
        self.subflows[0].tuple
    }

    /// MPTCP, in both directions and without any sign of its end. What concerns one direction asks
    /// for [`Self::sending_session`] or [`Self::receiving_session`] instead.
    fn session(&self) -> Option<&Session> {
        match &self.protocol {
            Protocol::Mptcp(session) => Some(session),
            Protocol::Offered(_)
            | Protocol::Answered(_)
            | Protocol::FallingBack(_)
            | Protocol::Plain => None,
        }
    }

    fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.protocol {
            Protocol::Mptcp(session) => Some(session),
            Protocol::Offered(_)
            | Protocol::Answered(_)
            | Protocol::FallingBack(_)
            | Protocol::Plain => None,
        }
    }

    /// What we send is mapped, and waits for DATA_ACKs.
    fn sending_session(&self) -> Option<&Session> {
        let session = self.protocol.session();
        session.filter(|_| self.protocol.sending().is_none())
    }

    /// The peer maps what it sends, as far as we know, and waits for DATA_ACKs.
    fn receiving_session(&self) -> Option<&Session> {
        let session = self.protocol.session();
        session.filter(|_| self.protocol.acknowledges_data())
    }

    /// Plain TCP in both directions.
    fn is_plain(&self) -> bool {
        self.protocol.sends_plain() && self.protocol.receives_plain()
    }

    fn version(&self) -> Option<Version> {
        match &self.protocol {
            Protocol::Offered(offer) => Some(offer.version),
            Protocol::Answered(answer) => Some(answer.version),
            Protocol::Mptcp(session) => Some(session.version),
            Protocol::FallingBack(falling) => Some(falling.session.version),
            Protocol::Plain => None,
        }
    }

    /// What the options of a data segment are sized by: also while falling back, as the infinite
    /// mapping takes room.
    fn sizing_session(&self) -> Option<&Session> {
        self.protocol.session()
    }

    /// Position of a subflow; ids ascend.
    fn position(&self, id: SubflowId) -> Option<usize> {
        self.subflows
            .binary_search_by_key(&id, |subflow| subflow.id)
            .ok()
    }

    /// Applies an event to the data-level state machine.
    fn transition(&mut self, event: DataEvent) {
        if let Some(next) = self.state.next(event) {
            self.state = next;
        }
    }

    /// Counts an event for the whole host.
    fn count(&mut self, counter: MptcpCounter) {
        self.effects.push_back(Effect::Counted(counter));
    }

    /// The application's reader has something new to look at.
    fn wake_reader(&mut self) {
        self.drop_unwanted();
        if core::mem::take(&mut self.reader_waits) {
            self.effects.push_back(Effect::Readable);
        }
    }
}

/// The MP_CAPABLE of a segment, if any.
fn capable_of(options: &[MptcpOption]) -> Option<&MpCapable> {
    options.iter().find_map(|option| {
        let MptcpOption::Capable(capable) = option else {
            return None;
        };
        Some(capable)
    })
}
