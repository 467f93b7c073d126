//! Options taken apart, strictly.

use super::options::{KIND, Wide, subtype};
use super::packet::{AddAddr, Capable, DssMapping, DssOption, JoinSyn, JoinSynAck, Mptcp, Opt};
use std::net::IpAddr;

pub(super) fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

pub(super) fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn be64(bytes: &[u8]) -> u64 {
    u64::from(be32(bytes)) << 32 | u64::from(be32(&bytes[4..]))
}

/// Cuts an options field into options; padding is left out.
pub(super) fn split_options(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut options = Vec::new();
    while let Some(&kind) = bytes.first() {
        match kind {
            0 => {
                assert!(bytes.iter().all(|byte| *byte == 0), "zeros behind the end");
                break;
            }
            1 => bytes = &bytes[1..],
            _ => {
                let len = usize::from(bytes[1]);
                assert!(len >= 2 && len <= bytes.len(), "option {kind} of {len}");
                options.push(bytes[..len].to_vec());
                bytes = &bytes[len..];
            }
        }
    }
    options
}

pub(super) fn decode_options(bytes: &[u8]) -> Vec<Opt> {
    assert!(bytes.len() <= 40, "{} bytes of options", bytes.len());
    split_options(bytes)
        .into_iter()
        .map(|option| match (option[0], option.len()) {
            (2, 4) => Opt::Mss(be16(&option[2..])),
            (3, 3) => Opt::WindowScale(option[2]),
            (4, 2) => Opt::SackPermitted,
            (5, 10 | 18 | 26 | 34) => {
                let blocks = option[2..].chunks(8);
                Opt::Sack(
                    blocks
                        .map(|block| (be32(block), be32(&block[4..])))
                        .collect(),
                )
            }
            (8, 10) => Opt::Timestamps {
                value: be32(&option[2..]),
                echo: be32(&option[6..]),
            },
            (KIND, _) => Opt::Mptcp(decode_mptcp(&option)),
            _ => Opt::Other(option),
        })
        .collect()
}

fn decode_mptcp(option: &[u8]) -> Mptcp {
    let (len, nibble) = (option.len(), option[2] & 0x0f);
    match (option[2] >> 4, len) {
        (subtype::CAPABLE, 4 | 12 | 20 | 22 | 24) => {
            let at = |at: usize| (len > at).then(|| be16(&option[at..]));
            let keys = [4, 12].into_iter().filter(|at| len >= at + 8);
            let flags = option[3];
            assert_eq!(flags & 0x5e, 0, "reserved flags of MP_CAPABLE");
            Mptcp::Capable(Capable {
                version: nibble,
                flags,
                keys: keys.map(|at| be64(&option[at..])).collect(),
                data_len: at(20),
                checksum: at(22),
            })
        }
        (subtype::JOIN, 12) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_JOIN");
            Mptcp::JoinSyn(JoinSyn {
                backup: nibble == 1,
                id: option[3],
                token: be32(&option[4..]),
                nonce: be32(&option[8..]),
            })
        }
        (subtype::JOIN, 16) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_JOIN");
            Mptcp::JoinSynAck(JoinSynAck {
                backup: nibble == 1,
                id: option[3],
                hmac: option[4..12].try_into().expect("eight"),
                nonce: be32(&option[12..]),
            })
        }
        (subtype::JOIN, 24) => {
            assert_eq!((nibble, option[3]), (0, 0), "reserved bits of MP_JOIN");
            Mptcp::JoinAck(option[4..].try_into().expect("twenty"))
        }
        (subtype::DSS, _) => Mptcp::Dss(decode_dss(option)),
        (subtype::ADD_ADDR, _) => Mptcp::AddAddr(decode_add_addr(option)),
        (subtype::REMOVE_ADDR, 4..) => {
            assert_eq!(nibble, 0, "reserved bits of REMOVE_ADDR");
            Mptcp::RemoveAddr(option[3..].to_vec())
        }
        (subtype::PRIO, 3 | 4) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_PRIO");
            Mptcp::Prio {
                backup: nibble == 1,
                id: option.get(3).copied(),
            }
        }
        (subtype::FAIL, 12) => {
            assert_eq!((nibble, option[3]), (0, 0), "reserved bits of MP_FAIL");
            Mptcp::Fail(be64(&option[4..]))
        }
        (subtype::FASTCLOSE, 12) => {
            assert_eq!((nibble, option[3]), (0, 0), "reserved bits of MP_FASTCLOSE");
            Mptcp::Fastclose(be64(&option[4..]))
        }
        (subtype::TCP_RST, 4) => {
            assert_eq!(nibble & !1, 0, "reserved bits of MP_TCPRST");
            Mptcp::TcpRst {
                transient: nibble == 1,
                reason: option[3],
            }
        }
        _ => panic!("no MPTCP option has these bytes: {option:02x?}"),
    }
}

fn decode_dss(option: &[u8]) -> DssOption {
    let flags = option[3];
    assert_eq!(option[2] & 0x0f, 0, "reserved bits of DSS");
    assert_eq!(flags & 0xe0, 0, "reserved flags of DSS");
    let mut at = 4;
    let mut wide = |present: bool, long: bool| {
        assert!(present || !long, "a width for what is not there");
        present.then(|| {
            if long {
                at += 8;
                Wide::Long(be64(&option[at - 8..]))
            } else {
                at += 4;
                Wide::Short(be32(&option[at - 4..]))
            }
        })
    };
    let data_ack = wide(flags & 0x01 != 0, flags & 0x02 != 0);
    let dsn = wide(flags & 0x04 != 0, flags & 0x08 != 0);
    let mapping = dsn.map(|dsn| {
        let (ssn, len) = (be32(&option[at..]), be16(&option[at + 4..]));
        at += 6;
        let checksum = (option.len() > at).then(|| be16(&option[at..]));
        at += if checksum.is_some() { 2 } else { 0 };
        let fin = flags & 0x10 != 0;
        DssMapping {
            dsn,
            ssn,
            len,
            fin,
            checksum,
        }
    });
    assert!(mapping.is_some() || flags & 0x10 == 0, "F without M");
    assert_eq!(at, option.len(), "the length of DSS");
    DssOption { data_ack, mapping }
}

fn decode_add_addr(option: &[u8]) -> AddAddr {
    let (nibble, len) = (option[2] & 0x0f, option.len());
    let (ipv6, port, hmac) = match (nibble, len) {
        (4 | 1, 8) => (false, false, false),
        (4 | 1, 10) => (false, true, false),
        (6 | 1, 20) => (true, false, false),
        (6 | 1, 22) => (true, true, false),
        (0, 16) => (false, false, true),
        (0, 18) => (false, true, true),
        (0, 28) => (true, false, true),
        (0, 30) => (true, true, true),
        _ => panic!("no ADD_ADDR has these bytes: {option:02x?}"),
    };
    let end = if ipv6 { 20 } else { 8 };
    let address: IpAddr = if ipv6 {
        <[u8; 16]>::try_from(&option[4..20])
            .expect("sixteen")
            .into()
    } else {
        <[u8; 4]>::try_from(&option[4..8]).expect("four").into()
    };
    AddAddr {
        nibble,
        id: option[3],
        address,
        port: port.then(|| be16(&option[end..])),
        hmac: hmac.then(|| option[len - 8..].try_into().expect("eight")),
    }
}
