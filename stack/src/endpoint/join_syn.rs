//! The MP_JOIN of a SYN (RFC 6824 §3.2).

use crate::base::id::AddressId;
use crate::wire::mptcp_option::{MpJoin, MptcpOption, Nonce, Token};
use crate::wire::packet::Segment;

/// The MP_JOIN of a SYN.
#[derive(Clone, Copy, Debug)]
pub(super) struct JoinSyn {
    pub(super) token: Token,
    pub(super) backup: bool,
    pub(super) address_id: AddressId,
    pub(super) nonce: Nonce,
}

/// The MP_JOIN of a SYN, if there is one.
pub(super) fn join_of(syn: &Segment) -> Option<JoinSyn> {
    syn.options.mptcp.iter().find_map(|option| {
        let MptcpOption::Join(MpJoin::Syn {
            backup,
            address_id,
            token,
            nonce,
        }) = *option
        else {
            return None;
        };
        Some(JoinSyn {
            token,
            backup,
            address_id,
            nonce,
        })
    })
}
