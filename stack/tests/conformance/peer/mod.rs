//! A peer that is made of bytes, and the stage it meets the stack on.
//!
//! Owns its own packets, options, checksums and hashes, written from the protocol reference: of
//! the stack it uses the [`Endpoint`](umptcp_stack::Endpoint) and what its methods take and give,
//! never what the stack encodes and decodes with. It does nothing by itself: no acknowledgment, no
//! retransmission, no answer. What it sends, a test has asked for.
//!
//! | file | what |
//! |---|---|
//! | `scene` | the stack under test, its clock, its application, and the peer |
//! | `handshake` | MP_CAPABLE and MP_JOIN handshakes, in one line or step by step |
//! | `state` | what the peer knows: keys, sequence numbers, what it has received |
//! | `packet`, `decode` | packets of the stack taken apart |
//! | `segment` | packets of the peer put together |
//! | `options` | every option as bytes |
//! | `crypto` | tokens, HMACs, checksums |

#![allow(
    dead_code,
    unused_imports,
    reason = "a set of tools: each has its use, some have it only when a test is written"
)]

pub(crate) mod crypto;
mod decode;
mod handshake;
pub(crate) mod options;
pub(crate) mod packet;
mod scene;
pub(crate) mod segment;
pub(crate) mod state;

pub(crate) use options::{Dss, Wide};
pub(crate) use packet::{Mptcp, Packet};
pub(crate) use scene::{Role, Scene, Setup};
pub(crate) use segment::Segment;
pub(crate) use state::Peer;

pub(crate) use umptcp_stack::Version;

/// Both versions, for statements that hold for both.
pub(crate) const VERSIONS: [Version; 2] = [Version::V0, Version::V1];
/// Both parts that the stack can play.
pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Listener];

/// Versions and roles.
pub(crate) fn all_setups() -> impl Iterator<Item = Setup> {
    VERSIONS
        .into_iter()
        .flat_map(|version| ROLES.map(|role| Setup::new(role, version)))
}

/// The bytes that a string of hex digits stands for; blanks and line ends are skipped.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).expect("hex digits") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
