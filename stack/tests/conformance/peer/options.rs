//! Options as bytes: builders for what the peer sends. Each gives the bytes of one option without
//! padding; nothing keeps a test from sending nonsense.

use super::crypto::{add_addr_hmac, address_bytes};
use std::net::IpAddr;
use umptcp_stack::Version;

/// The kind of every MPTCP option.
pub(crate) const KIND: u8 = 30;

/// Subtypes, the high nibble of the third byte.
pub(crate) mod subtype {
    pub(crate) const CAPABLE: u8 = 0;
    pub(crate) const JOIN: u8 = 1;
    pub(crate) const DSS: u8 = 2;
    pub(crate) const ADD_ADDR: u8 = 3;
    pub(crate) const REMOVE_ADDR: u8 = 4;
    pub(crate) const PRIO: u8 = 5;
    pub(crate) const FAIL: u8 = 6;
    pub(crate) const FASTCLOSE: u8 = 7;
    pub(crate) const TCP_RST: u8 = 8;
}

/// Flags of MP_CAPABLE.
pub(crate) mod capable_flag {
    /// A: checksums required.
    pub(crate) const CHECKSUM: u8 = 0x80;
    /// B: extensibility.
    pub(crate) const EXTENSION: u8 = 0x40;
    /// C: no joins to this address (version 1).
    pub(crate) const DENY_JOIN: u8 = 0x20;
    /// H: HMAC-SHA1 or HMAC-SHA256.
    pub(crate) const HMAC: u8 = 0x01;
}

/// An MPTCP option of this subtype: `nibble` is the low half of the third byte, `body` what
/// follows it.
pub(crate) fn raw(subtype: u8, nibble: u8, body: &[u8]) -> Vec<u8> {
    let len = u8::try_from(body.len() + 3).expect("an option has 255 bytes at most");
    let mut bytes = vec![KIND, len, subtype << 4 | nibble & 0x0f];
    bytes.extend(body);
    bytes
}

/// MP_CAPABLE with as many keys as given: none, the sender's, or the sender's and the receiver's.
pub(crate) fn mp_capable(version: Version, flags: u8, keys: &[u64]) -> Vec<u8> {
    let mut body = vec![flags];
    for key in keys {
        body.extend(key.to_be_bytes());
    }
    raw(subtype::CAPABLE, version.number(), &body)
}

/// MP_CAPABLE of version 1 on data: both keys, the data-level length, maybe a checksum.
pub(crate) fn mp_capable_data(
    flags: u8,
    sender: u64,
    receiver: u64,
    len: u16,
    checksum: Option<u16>,
) -> Vec<u8> {
    let mut body = vec![flags];
    body.extend(sender.to_be_bytes());
    body.extend(receiver.to_be_bytes());
    body.extend(len.to_be_bytes());
    body.extend(checksum.iter().flat_map(|sum| sum.to_be_bytes()));
    raw(subtype::CAPABLE, 1, &body)
}

/// MP_JOIN of a SYN.
pub(crate) fn mp_join_syn(backup: bool, id: u8, token: u32, nonce: u32) -> Vec<u8> {
    let mut body = vec![id];
    body.extend(token.to_be_bytes());
    body.extend(nonce.to_be_bytes());
    raw(subtype::JOIN, u8::from(backup), &body)
}

/// MP_JOIN of a SYN/ACK, with the first eight bytes of `hmac`.
pub(crate) fn mp_join_syn_ack(backup: bool, id: u8, hmac: &[u8], nonce: u32) -> Vec<u8> {
    let mut body = vec![id];
    body.extend(&hmac[..8]);
    body.extend(nonce.to_be_bytes());
    raw(subtype::JOIN, u8::from(backup), &body)
}

/// MP_JOIN of a third ACK, with the first twenty bytes of `hmac`.
pub(crate) fn mp_join_ack(hmac: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(&hmac[..20]);
    raw(subtype::JOIN, 0, &body)
}

/// A sequence number as wide as it is to stand on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wide {
    Short(u32),
    Long(u64),
}

/// Builds a DSS option: `Dss::new().ack64(..).map64(dsn, ssn, len).checksum(sum).bytes()`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dss {
    data_ack: Option<Wide>,
    mapping: Option<(Wide, u32, u16)>,
    checksum: Option<u16>,
    fin: bool,
    more_flags: u8,
}

impl Dss {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// DATA_ACK of 4 bytes: the low half of `data_ack`.
    pub(crate) fn ack32(mut self, data_ack: u64) -> Self {
        self.data_ack = Some(Wide::Short(data_ack as u32));
        self
    }

    /// DATA_ACK of 8 bytes.
    pub(crate) fn ack64(mut self, data_ack: u64) -> Self {
        self.data_ack = Some(Wide::Long(data_ack));
        self
    }

    /// A mapping with a DSN of 4 bytes: the low half of `dsn`.
    pub(crate) fn map32(mut self, dsn: u64, ssn: u32, len: u16) -> Self {
        self.mapping = Some((Wide::Short(dsn as u32), ssn, len));
        self
    }

    /// A mapping with a DSN of 8 bytes.
    pub(crate) fn map64(mut self, dsn: u64, ssn: u32, len: u16) -> Self {
        self.mapping = Some((Wide::Long(dsn), ssn, len));
        self
    }

    /// A checksum behind the mapping, right or wrong.
    pub(crate) fn checksum(mut self, checksum: u16) -> Self {
        self.checksum = Some(checksum);
        self
    }

    /// Flag F: the mapping ends with DATA_FIN; its length has to count it.
    pub(crate) fn fin(mut self) -> Self {
        self.fin = true;
        self
    }

    /// Sets further bits of the flags byte.
    pub(crate) fn flags(mut self, bits: u8) -> Self {
        self.more_flags |= bits;
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut flags = self.more_flags | if self.fin { 0x10 } else { 0 };
        let mut fields = Vec::new();
        match self.data_ack {
            Some(Wide::Short(ack)) => {
                flags |= 0x01;
                fields.extend(ack.to_be_bytes());
            }
            Some(Wide::Long(ack)) => {
                flags |= 0x03;
                fields.extend(ack.to_be_bytes());
            }
            None => {}
        }
        if let Some((dsn, ssn, len)) = self.mapping {
            match dsn {
                Wide::Short(dsn) => {
                    flags |= 0x04;
                    fields.extend(dsn.to_be_bytes());
                }
                Wide::Long(dsn) => {
                    flags |= 0x0c;
                    fields.extend(dsn.to_be_bytes());
                }
            }
            fields.extend(ssn.to_be_bytes());
            fields.extend(len.to_be_bytes());
        }
        fields.extend(self.checksum.iter().flat_map(|sum| sum.to_be_bytes()));
        fields.insert(0, flags);
        raw(subtype::DSS, 0, &fields)
    }
}

/// ADD_ADDR of version 0: the IP version in the nibble, no proof.
pub(crate) fn add_addr_v0(id: u8, address: IpAddr, port: Option<u16>) -> Vec<u8> {
    let nibble = if address.is_ipv4() { 4 } else { 6 };
    raw(subtype::ADD_ADDR, nibble, &announcement(id, address, port))
}

/// ADD_ADDR of version 1 with the HMAC that the two keys ask for.
pub(crate) fn add_addr_v1(
    sender: u64,
    receiver: u64,
    id: u8,
    address: IpAddr,
    port: Option<u16>,
) -> Vec<u8> {
    let hmac = add_addr_hmac(sender, receiver, id, address, port);
    add_addr_v1_with(id, address, port, hmac)
}

/// ADD_ADDR of version 1 with any HMAC.
pub(crate) fn add_addr_v1_with(
    id: u8,
    address: IpAddr,
    port: Option<u16>,
    hmac: [u8; 8],
) -> Vec<u8> {
    let mut body = announcement(id, address, port);
    body.extend(hmac);
    raw(subtype::ADD_ADDR, 0, &body)
}

/// The echo of version 1.
pub(crate) fn add_addr_echo(id: u8, address: IpAddr, port: Option<u16>) -> Vec<u8> {
    raw(subtype::ADD_ADDR, 1, &announcement(id, address, port))
}

fn announcement(id: u8, address: IpAddr, port: Option<u16>) -> Vec<u8> {
    let mut body = vec![id];
    body.extend(address_bytes(address));
    body.extend(port.iter().flat_map(|port| port.to_be_bytes()));
    body
}

/// REMOVE_ADDR.
pub(crate) fn remove_addr(ids: &[u8]) -> Vec<u8> {
    raw(subtype::REMOVE_ADDR, 0, ids)
}

/// MP_PRIO about the subflow it is sent on.
pub(crate) fn mp_prio(backup: bool) -> Vec<u8> {
    raw(subtype::PRIO, u8::from(backup), &[])
}

/// MP_PRIO of version 0 about the subflows of an address of the sender.
pub(crate) fn mp_prio_for(backup: bool, id: u8) -> Vec<u8> {
    raw(subtype::PRIO, u8::from(backup), &[id])
}

/// MP_FAIL.
pub(crate) fn mp_fail(dsn: u64) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(dsn.to_be_bytes());
    raw(subtype::FAIL, 0, &body)
}

/// MP_FASTCLOSE; `key` is the receiver's.
pub(crate) fn mp_fastclose(key: u64) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(key.to_be_bytes());
    raw(subtype::FASTCLOSE, 0, &body)
}

/// MP_TCPRST.
pub(crate) fn mp_tcprst(transient: bool, reason: u8) -> Vec<u8> {
    raw(subtype::TCP_RST, u8::from(transient), &[reason])
}

/// MSS, on SYNs.
pub(crate) fn mss(mss: u16) -> Vec<u8> {
    let [high, low] = mss.to_be_bytes();
    vec![2, 4, high, low]
}

/// Window scale, on SYNs.
pub(crate) fn window_scale(shift: u8) -> Vec<u8> {
    vec![3, 3, shift]
}

/// SACK-permitted, on SYNs.
pub(crate) fn sack_permitted() -> Vec<u8> {
    vec![4, 2]
}

/// SACK blocks.
pub(crate) fn sack(blocks: &[(u32, u32)]) -> Vec<u8> {
    let len = u8::try_from(2 + 8 * blocks.len()).expect("few blocks");
    let mut bytes = vec![5, len];
    for (left, right) in blocks {
        bytes.extend(left.to_be_bytes());
        bytes.extend(right.to_be_bytes());
    }
    bytes
}

/// Timestamps.
pub(crate) fn timestamps(value: u32, echo: u32) -> Vec<u8> {
    let mut bytes = vec![8, 10];
    bytes.extend(value.to_be_bytes());
    bytes.extend(echo.to_be_bytes());
    bytes
}
