//! From bytes to options. Reserved bits are not looked at; a length that does not match the
//! subtype, or the flags, makes the option void.

use super::{
    AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, KIND, Key, MpCapable, MpJoin, MpPrio,
    MpTcpRst, MptcpOption, Nonce, ResetReason, Token, WireMapping, WireSeq, flag, subtype,
};
use crate::base::id::AddressId;
use crate::base::seq::DataSeq;
use std::net::IpAddr;

/// Parses one whole option of any subtype.
pub(super) fn option(option: &[u8]) -> Option<MptcpOption> {
    let &[KIND, len, third, ref body @ ..] = option else {
        return None;
    };
    if usize::from(len) != option.len() {
        return None;
    }
    let nibble = third & 0x0f;
    match third >> 4 {
        subtype::CAPABLE => capable(nibble, body).map(MptcpOption::Capable),
        subtype::JOIN => join(nibble, body).map(MptcpOption::Join),
        subtype::DSS => dss(body).map(MptcpOption::Dss),
        subtype::ADD_ADDR => add_addr(nibble, body).map(MptcpOption::AddAddr),
        // RFC 6824 §3.4.2: at least one address id.
        subtype::REMOVE_ADDR if !body.is_empty() => Some(MptcpOption::RemoveAddr(
            body.iter().copied().map(AddressId).collect(),
        )),
        subtype::PRIO => prio(nibble, body).map(MptcpOption::Prio),
        subtype::FAIL => reserved_and_u64(body).map(|dsn| MptcpOption::Fail(DataSeq(dsn))),
        subtype::FASTCLOSE => reserved_and_u64(body).map(|key| MptcpOption::Fastclose(Key(key))),
        subtype::TCP_RST => tcp_rst(nibble, body).map(MptcpOption::TcpRst),
        _ => None,
    }
}

/// Parses a whole option that may be a DSS: the one subtype of nearly all segments, without the
/// detour of [`MptcpOption`]. The caller has cut the option by its length byte.
#[inline]
pub(in crate::wire) fn whole_dss(option: &[u8]) -> Option<Option<Dss>> {
    match option {
        [KIND, _, third, body @ ..] if third >> 4 == subtype::DSS => Some(dss(body)),
        _ => None,
    }
}

/// Takes `N` bytes from the front of `bytes`.
#[inline]
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

/// Takes a big-endian number from the front of `bytes`.
#[inline]
fn take_u16(bytes: &mut &[u8]) -> Option<u16> {
    take(bytes).map(u16::from_be_bytes)
}

/// Takes a big-endian number from the front of `bytes`.
#[inline]
fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(u32::from_be_bytes)
}

/// Takes a big-endian number from the front of `bytes`.
#[inline]
fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_be_bytes)
}

/// RFC 6824 §3.1, RFC 8684 §3.1: the length says which keys there are.
fn capable(version: u8, body: &[u8]) -> Option<MpCapable> {
    let (&flags, mut rest) = body.split_first()?;
    let flags = CapableFlags {
        checksum_required: flags & flag::CAPABLE_CHECKSUM != 0,
        extensibility: flags & flag::CAPABLE_EXTENSIBILITY != 0,
        deny_join_initial: flags & flag::CAPABLE_DENY_JOIN != 0,
        hmac: flags & flag::CAPABLE_HMAC != 0,
    };
    let key = |rest: &mut &[u8]| take_u64(rest).map(Key);
    let keys = match rest.len() {
        0 => CapableKeys::None,
        8 => CapableKeys::Sender(key(&mut rest)?),
        16 => CapableKeys::Both {
            sender: key(&mut rest)?,
            receiver: key(&mut rest)?,
        },
        18 | 20 => CapableKeys::BothWithData {
            sender: key(&mut rest)?,
            receiver: key(&mut rest)?,
            data_len: take_u16(&mut rest)?,
            checksum: take_u16(&mut rest),
        },
        _ => return None,
    };
    Some(MpCapable {
        version,
        flags,
        keys,
    })
}

/// RFC 6824 §3.2: the length says which of the three steps this is.
fn join(nibble: u8, body: &[u8]) -> Option<MpJoin> {
    let backup = nibble & flag::BACKUP != 0;
    let (&id, mut rest) = body.split_first()?;
    let address_id = AddressId(id);
    match rest.len() {
        8 => Some(MpJoin::Syn {
            backup,
            address_id,
            token: Token(take_u32(&mut rest)?),
            nonce: Nonce(take_u32(&mut rest)?),
        }),
        12 => Some(MpJoin::SynAck {
            backup,
            address_id,
            hmac: take(&mut rest)?,
            nonce: Nonce(take_u32(&mut rest)?),
        }),
        20 => Some(MpJoin::Ack {
            hmac: take(&mut rest)?,
        }),
        _ => None,
    }
}

/// RFC 6824 §3.3: the flags say which fields there are; the two bytes of a checksum behind a
/// mapping are known only by the length. Flags `m` and F without M, and `a` without A, say
/// nothing.
#[inline]
fn dss(body: &[u8]) -> Option<Dss> {
    let (&flags, mut rest) = body.split_first()?;
    let data_ack = if flags & flag::DSS_ACK != 0 {
        Some(wire_seq(&mut rest, flags & flag::DSS_LONG_ACK != 0)?)
    } else {
        None
    };
    let mapping = if flags & flag::DSS_MAPPING != 0 {
        Some(WireMapping {
            dsn: wire_seq(&mut rest, flags & flag::DSS_LONG_DSN != 0)?,
            ssn: take_u32(&mut rest)?,
            len: take_u16(&mut rest)?,
            checksum: if rest.is_empty() {
                None
            } else {
                Some(take_u16(&mut rest)?)
            },
            data_fin: flags & flag::DSS_DATA_FIN != 0,
        })
    } else {
        None
    };
    rest.is_empty().then_some(Dss { data_ack, mapping })
}

/// Takes a sequence number of 4 or 8 bytes.
#[inline]
fn wire_seq(rest: &mut &[u8], long: bool) -> Option<WireSeq> {
    if long {
        take_u64(rest).map(|seq| WireSeq::Long(DataSeq(seq)))
    } else {
        take_u32(rest).map(WireSeq::Short)
    }
}

/// RFC 6824 §3.4.1, RFC 8684 §3.4.1. The two versions give the nibble different meanings, IP
/// version (4 or 6) and flags (only bit 0, E, is assigned), but never to the same bytes:
///
/// | length | nibble odd (E=1) | nibble even (E=0) |
/// |---|---|---|
/// | 8, 10 | version 1 echo, IPv4 | version 0 if the nibble is 4, else void |
/// | 20, 22 | version 1 echo, IPv6 | version 0 if the nibble is 6, else void |
/// | 16, 18 | void | version 1 with HMAC, IPv4 |
/// | 28, 30 | void | version 1 with HMAC, IPv6 |
fn add_addr(nibble: u8, body: &[u8]) -> Option<AddAddr> {
    let (&id, mut rest) = body.split_first()?;
    let echo = nibble & flag::ADD_ADDR_ECHO != 0;
    let (ipv6, port, hmac) = match (rest.len(), echo) {
        (4, true) => (false, false, false),
        (6, true) => (false, true, false),
        (16, true) => (true, false, false),
        (18, true) => (true, true, false),
        (4, false) if nibble == 4 => (false, false, false),
        (6, false) if nibble == 4 => (false, true, false),
        (16, false) if nibble == 6 => (true, false, false),
        (18, false) if nibble == 6 => (true, true, false),
        (12, false) => (false, false, true),
        (14, false) => (false, true, true),
        (24, false) => (true, false, true),
        (26, false) => (true, true, true),
        _ => return None,
    };
    Some(AddAddr {
        address_id: AddressId(id),
        address: if ipv6 {
            IpAddr::from(take::<16>(&mut rest)?)
        } else {
            IpAddr::from(take::<4>(&mut rest)?)
        },
        port: if port {
            Some(take_u16(&mut rest)?)
        } else {
            None
        },
        form: match (echo, hmac) {
            (true, _) => AddAddrForm::V1Echo,
            (false, true) => AddAddrForm::V1(take(&mut rest)?),
            (false, false) => AddAddrForm::V0,
        },
    })
}

/// RFC 6824 §3.3.8: 3 bytes, or in version 0 also 4.
fn prio(nibble: u8, body: &[u8]) -> Option<MpPrio> {
    let backup = nibble & flag::BACKUP != 0;
    match *body {
        [] => Some(MpPrio {
            backup,
            address_id: None,
        }),
        [id] => Some(MpPrio {
            backup,
            address_id: Some(AddressId(id)),
        }),
        _ => None,
    }
}

/// The form that MP_FAIL (RFC 6824 §3.6) and MP_FASTCLOSE (RFC 6824 §3.5) share.
fn reserved_and_u64(body: &[u8]) -> Option<u64> {
    let (_reserved, rest) = body.split_first()?;
    rest.try_into().ok().map(u64::from_be_bytes)
}

/// RFC 8684 §3.6.
fn tcp_rst(nibble: u8, body: &[u8]) -> Option<MpTcpRst> {
    let &[reason] = body else { return None };
    Some(MpTcpRst {
        transient: nibble & flag::RST_TRANSIENT != 0,
        reason: ResetReason::from(reason),
    })
}
