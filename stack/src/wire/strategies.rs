//! Property-test strategies: every option that can be built.

use super::mptcp_option::{
    AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, Key, MpCapable, MpJoin, MpPrio, MpTcpRst,
    MptcpOption, Nonce, ResetReason, Token, WireMapping, WireSeq,
};
use crate::base::id::AddressId;
use crate::base::seq::DataSeq;
use proptest::prelude::*;
use std::net::IpAddr;

fn key() -> impl Strategy<Value = Key> {
    any::<u64>().prop_map(Key)
}

fn wire_seq() -> impl Strategy<Value = WireSeq> {
    prop_oneof![
        any::<u32>().prop_map(WireSeq::Short),
        any::<u64>().prop_map(|seq| WireSeq::Long(DataSeq(seq))),
    ]
}

fn any_capable() -> impl Strategy<Value = MpCapable> {
    let keys = prop_oneof![
        Just(CapableKeys::None),
        key().prop_map(CapableKeys::Sender),
        (key(), key()).prop_map(|(sender, receiver)| CapableKeys::Both { sender, receiver }),
        (key(), key(), any::<u16>(), any::<Option<u16>>()).prop_map(
            |(sender, receiver, data_len, checksum)| CapableKeys::BothWithData {
                sender,
                receiver,
                data_len,
                checksum
            }
        ),
    ];
    (0_u8..16, any::<[bool; 4]>(), keys).prop_map(|(version, [a, b, c, h], keys)| MpCapable {
        version,
        flags: CapableFlags {
            checksum_required: a,
            extensibility: b,
            deny_join_initial: c,
            hmac: h,
        },
        keys,
    })
}

fn any_join() -> impl Strategy<Value = MpJoin> {
    prop_oneof![
        any::<(bool, u8, u32, u32)>().prop_map(|(backup, id, token, nonce)| MpJoin::Syn {
            backup,
            address_id: AddressId(id),
            token: Token(token),
            nonce: Nonce(nonce),
        }),
        any::<(bool, u8, [u8; 8], u32)>().prop_map(|(backup, id, hmac, nonce)| MpJoin::SynAck {
            backup,
            address_id: AddressId(id),
            hmac,
            nonce: Nonce(nonce),
        }),
        any::<[u8; 20]>().prop_map(|hmac| MpJoin::Ack { hmac }),
    ]
}

/// Any DSS.
pub(super) fn any_dss() -> impl Strategy<Value = Dss> {
    let mapping = (wire_seq(), any::<(u32, u16, Option<u16>, bool)>()).prop_map(
        |(dsn, (ssn, len, checksum, data_fin))| WireMapping {
            dsn,
            ssn,
            len,
            checksum,
            data_fin,
        },
    );
    (prop::option::of(wire_seq()), prop::option::of(mapping))
        .prop_map(|(data_ack, mapping)| Dss { data_ack, mapping })
}

fn any_add_addr() -> impl Strategy<Value = AddAddr> {
    let form = prop_oneof![
        Just(AddAddrForm::V0),
        any::<[u8; 8]>().prop_map(AddAddrForm::V1),
        Just(AddAddrForm::V1Echo),
    ];
    (any::<(u8, IpAddr, Option<u16>)>(), form).prop_map(|((id, address, port), form)| AddAddr {
        address_id: AddressId(id),
        address,
        port,
        form,
    })
}

/// Any option that is not a DSS.
pub(super) fn any_but_dss() -> impl Strategy<Value = MptcpOption> {
    prop_oneof![
        any_capable().prop_map(MptcpOption::Capable),
        any_join().prop_map(MptcpOption::Join),
        any_add_addr().prop_map(MptcpOption::AddAddr),
        prop::collection::vec(any::<u8>(), 1..=37)
            .prop_map(|ids| MptcpOption::RemoveAddr(ids.into_iter().map(AddressId).collect())),
        any::<(bool, Option<u8>)>().prop_map(|(backup, id)| MptcpOption::Prio(MpPrio {
            backup,
            address_id: id.map(AddressId),
        })),
        any::<u64>().prop_map(|dsn| MptcpOption::Fail(DataSeq(dsn))),
        key().prop_map(MptcpOption::Fastclose),
        any::<(bool, u8)>().prop_map(|(transient, code)| MptcpOption::TcpRst(MpTcpRst {
            transient,
            reason: ResetReason::from(code),
        })),
    ]
}
