//! What an application or operator may set, with the defaults and their reasons.

use super::path_lists::PathLists;
use super::policy::{PathManagerKind, SchedulerKind};
use super::time::Duration;
use std::net::IpAddr;

pub use super::subflow_options::{CongestionAlgorithm, Keepalive, SubflowOptions};

/// The protocol version of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Version {
    /// RFC 6824.
    #[default]
    V0,
    /// RFC 8684, what today's Linux and Apple hosts speak.
    V1,
}

impl Version {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V0 => 0,
            Self::V1 => 1,
        }
    }

    /// The version with this number on the wire.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::V0),
            1 => Some(Self::V1),
            _ => None,
        }
    }

    /// The one that is not this one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::V0 => Self::V1,
            Self::V1 => Self::V0,
        }
    }
}

/// What to do when a peer does not speak the version that is offered to it. It answers as plain
/// TCP then, whether it speaks the other version or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OtherVersion {
    /// Go on as plain TCP, and offer the same version again the next time.
    Never,
    /// Go on as plain TCP; the next connection to the same address and port offers the other
    /// version. Costs nothing: a server that speaks neither sees one connection for each.
    #[default]
    NextConnection,
    /// Let go of the attempt before the peer's application sees it (an RST in place of the third
    /// packet), and connect again at once from another port, offering the other version. Costs a
    /// round trip and a second SYN at every server of plain TCP, once for as long as it is
    /// remembered. A connection from a port that the application chose does not do it.
    AtOnce,
}

/// Which versions a listener speaks. The SYN says which one it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AcceptVersions {
    /// Either.
    #[default]
    Both,
    /// Only this one: SYNs of the other are answered as plain TCP.
    Only(Version),
}

impl AcceptVersions {
    /// This one is spoken.
    #[must_use]
    pub fn includes(self, version: Version) -> bool {
        match self {
            Self::Both => true,
            Self::Only(only) => only == version,
        }
    }
}

/// What to do about DSS checksums (RFC 6824 §3.1, flag A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ChecksumPolicy {
    /// Do not ask for them, and use them if the peer does.
    #[default]
    Offer,
    /// Ask for them: whoever speaks MPTCP with us uses them.
    Require,
    /// Fall back to TCP if the peer asks for them.
    Forbid,
}

/// Which of our ports a peer may join (RFC 6824 §3.2). Whoever joins proves that it has the keys,
/// whatever the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum JoinPorts {
    /// Every one, in both versions: the token names the connection, and a middlebox may have
    /// changed the port.
    #[default]
    Any,
    /// That of the initial subflow, and those announced with ADD_ADDR; Linux is as strict in
    /// version 1.
    Known,
}

/// How many joins may fail: SYNs with a token of no connection, and third packets without proof.
///
/// Beyond that, SYNs with an unknown token get no answer until the interval is over. A source that is
/// over its own limit gets none with a right token either, so that it cannot guess tokens fast; but
/// for a connection that knows the address of the source already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedJoinLimits {
    /// From one IPv4 address, or one IPv6 network of 64 bits.
    pub per_source: u32,
    /// From everywhere; a right token is answered all the same.
    pub total: u32,
    /// In this time.
    pub interval: Duration,
}

impl Default for FailedJoinLimits {
    fn default() -> Self {
        Self {
            // At this pace the first of 1000 tokens is found after a week.
            per_source: 64,
            // Answers to sources that may be forged.
            total: 1024,
            interval: Duration::from_secs(10),
        }
    }
}

/// What to do about explicit congestion notification (RFC 3168).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EcnPolicy {
    /// Never use it.
    Off,
    /// Use it if the peer asks for it, as kernels do by default: offering it may cost a
    /// retransmission of the SYN where a middlebox drops it.
    #[default]
    Accept,
    /// Offer it, and accept it.
    Request,
}

/// How MP_FASTCLOSE ends a connection at once in version 1. Version 0 knows only the first way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FastcloseMethod {
    /// RFC 8684 §3.5, option A: on an acknowledgment of one subflow, while RSTs close the others.
    /// It is repeated until the peer answers, so the peer hears of it although packets are lost.
    Acknowledgment,
    /// RFC 8684 §3.5, option R: on an RST of every subflow, and nothing is kept. What Linux does.
    #[default]
    Reset,
}

/// The window scale that our SYNs offer (RFC 7323 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WindowScale {
    /// Offer none: no window is larger than 65,535 bytes, in either direction.
    Off,
    /// The smallest shift with which the whole receive buffer can be announced.
    #[default]
    ForBuffer,
    /// This shift, at most 14 (RFC 7323 §2.3).
    Fixed(u8),
}

/// What the SYNs of a subflow offer beside their MSS; what is not offered is not accepted either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynOptions {
    /// Timestamps (RFC 7323 §3).
    pub timestamps: bool,
    /// Selective acknowledgments (RFC 2018 §2).
    pub sack: bool,
    /// Window scaling.
    pub window_scale: WindowScale,
}

impl Default for SynOptions {
    fn default() -> Self {
        Self {
            timestamps: true,
            sack: true,
            window_scale: WindowScale::ForBuffer,
        }
    }
}

/// Settings of one connection, or of every connection a listener accepts.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// Speak MPTCP; `false` makes plain TCP connections.
    pub mptcp: bool,
    /// The version to offer when connecting, unless the peer is known not to speak it (see
    /// `other_version`). A listener answers in the version of the SYN.
    pub version: Version,
    /// What to do when a peer does not speak that version.
    pub other_version: OtherVersion,
    /// The versions that a listener speaks.
    pub accept_versions: AcceptVersions,
    /// Let the peer open further subflows to the address and port of the initial one. Turn it off
    /// where those lead to another host by then, as behind a load balancer: the peer is told
    /// (flag C of version 1) and may join the addresses announced to it.
    pub allow_join_initial_address: bool,
    /// DSS checksums.
    pub checksum: ChecksumPolicy,
    /// What every subflow of it starts with: congestion control, keepalive, marks, caps.
    pub subflow: SubflowOptions,
    /// Which subflow carries the next bytes.
    pub scheduler: SchedulerKind,
    /// Which subflows are opened and which addresses are announced.
    pub path_manager: PathManagerKind,
    /// The only local addresses that its subflows may use, that are announced, and that the peer
    /// may join, beside that of the initial subflow (RFC 6897 §5.3.3); `None` stands for all.
    pub allowed_local: Option<Vec<IpAddr>>,
    /// Pairs of addresses between which further subflows are backups, or are not.
    pub path_lists: PathLists,
    /// The connection shares the fate of its initial subflow (RFC 6897 §3.1.3, REQ13): when that has
    /// ended in order our direction is finished, and when it is lost the connection ends.
    pub fate_sharing: bool,
    /// The most bytes that may wait to be read, over all subflows: the largest receive window. The
    /// buffer starts small and grows up to this while the application keeps up with what arrives.
    pub receive_buffer: usize,
    /// The most bytes that may wait to be sent or acknowledged. The buffer starts small and grows
    /// up to this with what the paths can hold.
    pub send_buffer: usize,
    /// Send small writes at once, without waiting for acknowledgments (no Nagle).
    pub nodelay: bool,
    /// Subflows the full-mesh path manager brings a connection to, and the most that are accepted
    /// from the peer; the initial one included.
    pub max_subflows: usize,
    /// Which of our ports the peer may join.
    pub join_ports: JoinPorts,
    /// A subflow that we ask the peer to use only as a backup is one for what we send as well, as in
    /// Linux. `false` binds the peer alone, as the protocol has it (RFC 6824 §3.3.8).
    pub backup_binds_both: bool,
    /// Addresses that a peer may announce to a connection, the initial one not included; more are
    /// confirmed and not used.
    pub max_accepted_addresses: usize,
    /// The longest that version 1 waits for the echo of an ADD_ADDR before it is sent again, up to
    /// three times. The wait is a retransmission timeout if that is shorter, and doubles each time.
    /// Zero never sends it again.
    pub add_addr_timeout: Duration,
    /// SYNs sent with MPTCP before one is tried without (RFC 6824 §3.1).
    pub syn_tries_with_mptcp: u32,
    /// Explicit congestion notification on every subflow.
    pub ecn: EcnPolicy,
    /// What the SYNs of its subflows offer.
    pub syn_options: SynOptions,
    /// The retransmission timeout of a subflow whose round-trip time is not known yet
    /// (RFC 6298 §2.1).
    pub initial_rto: Duration,
    /// Spread each window over its round trip instead of sending it in one burst.
    pub pacing: bool,
    /// Time without any acknowledgment after which a subflow is given up (RFC 5482), and without
    /// any at the data level after which the connection is. `Duration::MAX` stands for never.
    pub user_timeout: Duration,
    /// How long an acknowledgment may wait for data to go with; half a second at most
    /// (RFC 9293 §3.8.6.3).
    pub delayed_ack: Duration,
    /// The same for the SYN of a new connection.
    pub connect_timeout: Duration,
    /// Timeouts in a row without progress after which a subflow is stale: no data goes there until
    /// something gets through again, as long as there is another. 0 stands for never.
    pub stale_loss_count: u32,
    /// How long a subflow may be stuck with data that other subflows have delivered since, before
    /// it is reset. `None` leaves it to `user_timeout`.
    pub stuck_subflow_timeout: Option<Duration>,
    /// Time a connection outlives its last subflow, for a new one of either side to revive it.
    /// Zero ends it with its last subflow, and `Duration::MAX` stands for never.
    pub close_timeout: Duration,
    /// Time for the peer to end its part: of a connection that the application has let go of and
    /// whose own part is done (FIN-WAIT-2), and of a subflow that we have closed. Also the longest
    /// that a connection without subflows is kept after the application has let go of it.
    pub fin_timeout: Duration,
    /// What becomes of data that is not delivered when the application lets go of the connection:
    /// `None` delivers it in the background, zero gives it up and ends the connection at once
    /// (MP_FASTCLOSE, or RST of plain TCP), anything else gives it that much time.
    pub linger: Option<Duration>,
    /// How a connection is ended at once in version 1.
    pub fastclose: FastcloseMethod,
    /// Ranges of bytes that are kept for each direction, with the subflow that carried each
    /// (`Endpoint::path_log`); 0 keeps none.
    pub path_log: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            mptcp: true,
            version: Version::V0,
            other_version: OtherVersion::default(),
            accept_versions: AcceptVersions::default(),
            allow_join_initial_address: true,
            checksum: ChecksumPolicy::Offer,
            subflow: SubflowOptions::default(),
            scheduler: SchedulerKind::default(),
            path_manager: PathManagerKind::default(),
            allowed_local: None,
            path_lists: PathLists::default(),
            fate_sharing: false,
            // Twice the bandwidth-delay product of 1 Gbit/s and 250 ms. Only what the path and the
            // reader need is ever used, so the limit can be generous; it bounds what a peer can
            // make us hold by sending fast over a long path to an application that reads.
            receive_buffer: 64 << 20,
            // RFC 8684 §3.3.5: no less than the receive buffer.
            send_buffer: 64 << 20,
            nodelay: false,
            max_subflows: 8,
            join_ports: JoinPorts::Any,
            backup_binds_both: true,
            // As many as Linux has endpoints.
            max_accepted_addresses: 8,
            // Linux's net.mptcp.add_addr_timeout.
            add_addr_timeout: Duration::from_secs(120),
            syn_tries_with_mptcp: 3,
            ecn: EcnPolicy::Accept,
            syn_options: SynOptions::default(),
            // RFC 6298 §2.1.
            initial_rto: Duration::from_secs(1),
            pacing: true,
            // RFC 9293 §3.8.3: R2 is at least 100 seconds,
            user_timeout: Duration::from_secs(100),
            // and for a SYN at least 3 minutes.
            connect_timeout: Duration::from_secs(180),
            delayed_ack: Duration::from_millis(40),
            // As Linux has it.
            stale_loss_count: 4,
            // What it holds on to takes memory here; if its path heals, a new subflow is no worse.
            stuck_subflow_timeout: Some(Duration::from_secs(60)),
            // As in Linux, like the next.
            close_timeout: Duration::from_secs(60),
            fin_timeout: Duration::from_secs(60),
            linger: None,
            fastclose: FastcloseMethod::Reset,
            path_log: 0,
        }
    }
}

/// When a listener answers SYNs with SYN cookies (RFC 4987 §3.6), which keep nothing of the SYN on
/// this host.
///
/// MPTCP works with them in both versions. What a cookie cannot keep: without timestamps there is
/// no window scaling and no SACK, the MSS is rounded down, and a version 0 connection whose third
/// packet is lost becomes plain TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SynCookies {
    /// Never: SYNs beyond the SYN backlog are dropped.
    Never,
    /// For SYNs beyond the SYN backlog.
    #[default]
    WhenFull,
    /// For every SYN.
    Always,
}

/// Settings of the whole endpoint.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Established connections of one listener that wait to be accepted, unless
    /// [`Endpoint::set_backlog`](crate::Endpoint::set_backlog) says otherwise. While there are so many,
    /// its SYNs are dropped, and handshakes under way are not completed: the peer repeats itself.
    pub backlog: usize,
    /// Half-open connections of one listener: a SYN was answered, the third packet is awaited.
    pub syn_backlog: usize,
    /// What becomes of SYNs beyond the SYN backlog.
    pub syn_cookies: SynCookies,
    /// How many joins may fail.
    pub failed_joins: FailedJoinLimits,
    /// First and last local port for outgoing subflows.
    pub ephemeral_ports: (u16, u16),
    /// Answer segments of no connection with RST (RFC 9293 §3.10.7.1).
    pub answer_unknown_with_reset: bool,
    /// How long a closed subflow keeps its addresses (twice the MSL, RFC 9293 §3.6.1).
    pub time_wait: Duration,
    /// How long connections to an address start without MP_CAPABLE after SYNs with it vanished on
    /// the way there and one without did not. Doubles each time it is found again; zero: never.
    pub blackhole_timeout: Duration,
    /// How long it is remembered which versions a peer speaks.
    pub peer_memory_lifetime: Duration,
    /// Peers of which something is remembered, at most.
    pub max_remembered_peers: usize,
    /// Every initial sequence number. **Only for tests**: whoever can guess it can forge segments
    /// (RFC 6528 §1).
    pub fixed_isn: Option<u32>,
    /// The keys of the next connections, in this order; after that they are random again. One that
    /// is 0 or whose token is in use is passed over, and SYN cookies use none. **Only for tests**:
    /// whoever knows a key can join the connection.
    pub fixed_keys: Vec<u64>,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            backlog: 1024,
            // About a megabyte; cookies take over from there.
            syn_backlog: 512,
            syn_cookies: SynCookies::WhenFull,
            failed_joins: FailedJoinLimits::default(),
            // RFC 6335 §6: the dynamic ports.
            ephemeral_ports: (49152, 65535),
            answer_unknown_with_reset: true,
            time_wait: Duration::from_secs(60),
            // As Linux.
            blackhole_timeout: Duration::from_secs(60 * 60),
            // A host that is updated is noticed within the hour.
            peer_memory_lifetime: Duration::from_secs(60 * 60),
            // About half a megabyte.
            max_remembered_peers: 4096,
            fixed_isn: None,
            fixed_keys: Vec::new(),
        }
    }
}

/// What an interface can carry.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceConfig {
    /// Largest IP packet, in bytes.
    pub mtu: u16,
    /// The device completes TCP checksums: packets leave with the pseudo-header sum only.
    pub checksum_offload: bool,
    /// Largest payload of a segment that the device cuts to the MSS; `None` if it cannot.
    pub segmentation_offload: Option<u16>,
}

impl Default for InterfaceConfig {
    fn default() -> Self {
        Self {
            mtu: 1500,
            checksum_offload: false,
            segmentation_offload: None,
        }
    }
}
