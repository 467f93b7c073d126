//! Why a subflow ended, and why MPTCP was given up: what the application is told.
//!
//! Owns the words only. Where they are found is the business of `connection`.

use crate::base::error::NetworkError;
use crate::wire::mptcp_option::{MpTcpRst, ResetReason};

/// Why a subflow ended. The first cause counts: one that we have closed and whose peer then falls
/// silent was closed by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubflowCloseReason {
    /// In order, and we began: the application or the path manager wanted it.
    ClosedByUs,
    /// In order, and the peer began.
    ClosedByPeer,
    /// We have reset it. The reason is what MP_TCPRST says in version 1 (RFC 8684 §3.6).
    ResetByUs(ResetReason),
    /// The peer has reset it, and said so much about it (version 1).
    ResetByPeer(Option<MpTcpRst>),
    /// The peer has answered our SYN, or the proof of our key, with an RST.
    Refused(Option<MpTcpRst>),
    /// Nobody answers: the handshake, retransmissions, or probes were given up.
    TimedOut,
    /// While it was being opened the network said, more than once, that the peer cannot be had.
    Unreachable(NetworkError),
    /// Our address was taken away or withdrawn, or its interface was down for too long.
    LocalAddressGone,
    /// The peer has withdrawn its address (REMOVE_ADDR), and nobody answers there.
    RemoteAddressGone,
    /// The connection ended, and its subflows with it.
    ConnectionEnded,
}

/// Why a connection that had begun with MPTCP became plain TCP (RFC 6824 §3.6, RFC 8684 §3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FallbackReason {
    /// The answer to our SYN had no MP_CAPABLE that we could take.
    NoCapableInSynAck,
    /// SYNs with MP_CAPABLE went unanswered; one without was answered.
    CapableSynsDropped,
    /// The third packet of the handshake, or what should have stood in for it, had no MP_CAPABLE.
    NoCapableInThirdPacket,
    /// Both SYNs have crossed: nobody says who the initiator is.
    SimultaneousOpen,
    /// The peer's first data, or its FIN before any data, had no mapping.
    FirstDataWithoutOptions,
    /// The peer acknowledged data of ours without a DATA_ACK.
    AcknowledgedWithoutOptions,
    /// The peer's data has no mapping, or one that cannot be used.
    BadMapping,
    /// The checksum of a mapping was wrong: a middlebox has changed the bytes.
    WrongChecksum,
    /// The peer said so with MP_FAIL.
    PeerFailed,
    /// The peer sent the infinite mapping.
    InfiniteMapping,
    /// The peer has ended its only subflow without ending the stream.
    EndWithoutMapping,
}
