//! From options to bytes. Reserved bits are sent as zero.

use super::{
    AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, KIND, MpCapable, MpJoin, MptcpOption,
    WireSeq, flag, subtype,
};
use std::net::IpAddr;

/// The place where the next bytes go. Its space is what the caller promised.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    #[inline]
    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        let (head, rest) = core::mem::take(&mut self.0).split_at_mut(N);
        head.copy_from_slice(&bytes);
        self.0 = rest;
    }

    /// Kind, length, subtype with the nibble beside it. No option that fits a TCP header has a
    /// length beyond 40.
    #[inline]
    fn put_head(&mut self, wire_len: usize, subtype: u8, nibble: u8) {
        let len = u8::try_from(wire_len).unwrap_or(u8::MAX);
        self.put([KIND, len, subtype << 4 | nibble]);
    }
}

/// Writes an option of any subtype.
pub(super) fn option(option: &MptcpOption, out: &mut [u8]) {
    let mut writer = Writer(out);
    let len = option.wire_len();
    match option {
        MptcpOption::Capable(capable) => put_capable(&mut writer, capable),
        MptcpOption::Join(join) => put_join(&mut writer, len, join),
        MptcpOption::Dss(dss) => dss.emit(writer.0),
        MptcpOption::AddAddr(add_addr) => put_add_addr(&mut writer, add_addr),
        MptcpOption::RemoveAddr(ids) => {
            writer.put_head(len, subtype::REMOVE_ADDR, 0);
            for id in ids {
                writer.put([id.0]);
            }
        }
        MptcpOption::Prio(prio) => {
            writer.put_head(len, subtype::PRIO, bit(prio.backup, flag::BACKUP));
            if let Some(id) = prio.address_id {
                writer.put([id.0]);
            }
        }
        MptcpOption::Fail(dsn) => {
            writer.put_head(len, subtype::FAIL, 0);
            writer.put([0]);
            writer.put(dsn.0.to_be_bytes());
        }
        MptcpOption::Fastclose(key) => {
            writer.put_head(len, subtype::FASTCLOSE, 0);
            writer.put([0]);
            writer.put(key.0.to_be_bytes());
        }
        MptcpOption::TcpRst(rst) => {
            writer.put_head(
                len,
                subtype::TCP_RST,
                bit(rst.transient, flag::RST_TRANSIENT),
            );
            writer.put([rst.reason.code()]);
        }
    }
}

/// `flag` if `set`.
#[inline]
const fn bit(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

impl CapableFlags {
    /// The flags byte; bits D to G are zero.
    const fn to_byte(self) -> u8 {
        bit(self.checksum_required, flag::CAPABLE_CHECKSUM)
            | bit(self.extensibility, flag::CAPABLE_EXTENSIBILITY)
            | bit(self.deny_join_initial, flag::CAPABLE_DENY_JOIN)
            | bit(self.hmac, flag::CAPABLE_HMAC)
    }
}

fn put_capable(writer: &mut Writer<'_>, capable: &MpCapable) {
    writer.put_head(capable.wire_len(), subtype::CAPABLE, capable.version & 0x0f);
    writer.put([capable.flags.to_byte()]);
    let (sender, receiver) = match capable.keys {
        CapableKeys::None => (None, None),
        CapableKeys::Sender(sender) => (Some(sender), None),
        CapableKeys::Both { sender, receiver }
        | CapableKeys::BothWithData {
            sender, receiver, ..
        } => (Some(sender), Some(receiver)),
    };
    for key in [sender, receiver].into_iter().flatten() {
        writer.put(key.0.to_be_bytes());
    }
    if let CapableKeys::BothWithData {
        data_len, checksum, ..
    } = capable.keys
    {
        writer.put(data_len.to_be_bytes());
        if let Some(checksum) = checksum {
            writer.put(checksum.to_be_bytes());
        }
    }
}

fn put_join(writer: &mut Writer<'_>, len: usize, join: &MpJoin) {
    match *join {
        MpJoin::Syn {
            backup,
            address_id,
            token,
            nonce,
        } => {
            writer.put_head(len, subtype::JOIN, bit(backup, flag::BACKUP));
            writer.put([address_id.0]);
            writer.put(token.0.to_be_bytes());
            writer.put(nonce.0.to_be_bytes());
        }
        MpJoin::SynAck {
            backup,
            address_id,
            hmac,
            nonce,
        } => {
            writer.put_head(len, subtype::JOIN, bit(backup, flag::BACKUP));
            writer.put([address_id.0]);
            writer.put(hmac);
            writer.put(nonce.0.to_be_bytes());
        }
        MpJoin::Ack { hmac } => {
            writer.put_head(len, subtype::JOIN, 0);
            writer.put([0]);
            writer.put(hmac);
        }
    }
}

impl Dss {
    /// Writes the option to the start of `out`, which has room for [`Self::wire_len`] bytes.
    #[inline]
    pub fn emit(&self, out: &mut [u8]) {
        let mut writer = Writer(out);
        writer.put_head(self.wire_len(), subtype::DSS, 0);
        writer.put([self.flags()]);
        if let Some(data_ack) = self.data_ack {
            put_wire_seq(&mut writer, data_ack);
        }
        if let Some(mapping) = self.mapping {
            put_wire_seq(&mut writer, mapping.dsn);
            writer.put(mapping.ssn.to_be_bytes());
            writer.put(mapping.len.to_be_bytes());
            if let Some(checksum) = mapping.checksum {
                writer.put(checksum.to_be_bytes());
            }
        }
    }

    #[inline]
    fn flags(&self) -> u8 {
        let data_ack = match self.data_ack {
            None => 0,
            Some(WireSeq::Short(_)) => flag::DSS_ACK,
            Some(WireSeq::Long(_)) => flag::DSS_ACK | flag::DSS_LONG_ACK,
        };
        let mapping = self.mapping.map_or(0, |mapping| {
            let long = matches!(mapping.dsn, WireSeq::Long(_));
            flag::DSS_MAPPING
                | bit(long, flag::DSS_LONG_DSN)
                | bit(mapping.data_fin, flag::DSS_DATA_FIN)
        });
        data_ack | mapping
    }
}

#[inline]
fn put_wire_seq(writer: &mut Writer<'_>, seq: WireSeq) {
    match seq {
        WireSeq::Short(low) => writer.put(low.to_be_bytes()),
        WireSeq::Long(full) => writer.put(full.0.to_be_bytes()),
    }
}

fn put_add_addr(writer: &mut Writer<'_>, add_addr: &AddAddr) {
    let nibble = match (add_addr.form, add_addr.address) {
        // RFC 6824 §3.4.1: IPVer.
        (AddAddrForm::V0, IpAddr::V4(_)) => 4,
        (AddAddrForm::V0, IpAddr::V6(_)) => 6,
        (AddAddrForm::V1(_), _) => 0,
        (AddAddrForm::V1Echo, _) => flag::ADD_ADDR_ECHO,
    };
    writer.put_head(add_addr.wire_len(), subtype::ADD_ADDR, nibble);
    writer.put([add_addr.address_id.0]);
    match add_addr.address {
        IpAddr::V4(address) => writer.put(address.octets()),
        IpAddr::V6(address) => writer.put(address.octets()),
    }
    if let Some(port) = add_addr.port {
        writer.put(port.to_be_bytes());
    }
    if let AddAddrForm::V1(hmac) = add_addr.form {
        writer.put(hmac);
    }
}
