//! The vectors of the protocol reference, byte for byte, both ways.

use super::{capable, emitted};
use crate::base::id::AddressId;
use crate::base::seq::DataSeq;
use crate::wire::mptcp_option::{
    AddAddr, AddAddrForm, CapableFlags, CapableKeys, Dss, MpCapable, MpJoin, MpPrio, MpTcpRst,
    MptcpOption, Nonce, ResetReason, Token, WireMapping, WireSeq,
};
use crate::wire::vectors::{DATA_ACK, FIRST_DSN, KEY_A, KEY_B, hex};
use std::net::IpAddr;

/// `bytes` are what `option` looks like, both ways.
fn check(bytes: &str, option: &MptcpOption) {
    let bytes = hex(bytes);
    assert_eq!(
        MptcpOption::parse(&bytes).as_ref(),
        Some(option),
        "{bytes:02x?}"
    );
    assert_eq!(emitted(option), bytes, "{option:?}");
}

fn ids<const N: usize>(ids: [u8; N]) -> MptcpOption {
    MptcpOption::RemoveAddr(ids.into_iter().map(AddressId).collect())
}

fn array<const N: usize>(digits: &str) -> [u8; N] {
    hex(digits).try_into().unwrap()
}

/// Section 2.4 of the reference: ADD_ADDR of version 1 with its HMAC, the echo, and version 0.
/// Each row has the four kinds of address in turn, or some of them.
/// Protocol statement 13.
#[test]
fn add_addr_vectors() {
    check_add_addr(
        |digits| AddAddrForm::V1(array(&digits[digits.len() - 16..])),
        [
            "1e103001c0000211817c50f3169ec0da",
            "1e123001c000021120fb999653b79b1ce591",
            "1e1c300720010db800000000000000000000004202592241ee6f1b51",
            "1e1e300720010db800000000000000000000004220fb238308fbd17ca583",
        ],
    );
    // Sent by host B; the reference has no vector for the second and third.
    check_add_addr(
        |digits| AddAddrForm::V1(array(&digits[digits.len() - 16..])),
        [
            "1e103001c000021135ad3dc38b23ec62",
            "",
            "",
            "1e1e300720010db800000000000000000000004220fb7b1010d185587e7c",
        ],
    );
    check_add_addr(
        |_| AddAddrForm::V1Echo,
        [
            "1e083101c0000211",
            "1e0a3101c000021120fb",
            "1e14310720010db8000000000000000000000042",
            "1e16310720010db800000000000000000000004220fb",
        ],
    );
    check_add_addr(
        |_| AddAddrForm::V0,
        [
            "1e083401c0000211",
            "1e0a3401c000021120fb",
            "1e14360720010db8000000000000000000000042",
            "1e16360720010db800000000000000000000004220fb",
        ],
    );
}

/// IPv4, IPv4 with port, IPv6, IPv6 with port.
fn check_add_addr(form: fn(&str) -> AddAddrForm, vectors: [&str; 4]) {
    let v4: IpAddr = "192.0.2.17".parse().unwrap();
    let v6: IpAddr = "2001:db8::42".parse().unwrap();
    let addresses = [
        (1, v4, None),
        (1, v4, Some(8443)),
        (7, v6, None),
        (7, v6, Some(8443)),
    ];
    for (digits, (id, address, port)) in vectors.into_iter().zip(addresses) {
        if !digits.is_empty() {
            let (address_id, form) = (AddressId(id), form(digits));
            check(
                digits,
                &MptcpOption::AddAddr(AddAddr {
                    address_id,
                    address,
                    port,
                    form,
                }),
            );
        }
    }
}

/// Section 2.5, MP_CAPABLE.
/// Protocol statement 13.
#[test]
fn capable_vectors() {
    let (sender, receiver) = (KEY_A, KEY_B);
    check(
        "1e0c00010001020304050607",
        &capable(0, false, CapableKeys::Sender(KEY_A)),
    );
    check(
        "1e0c00810001020304050607",
        &capable(0, true, CapableKeys::Sender(KEY_A)),
    );
    check("1e040101", &capable(1, false, CapableKeys::None));
    check("1e040181", &capable(1, true, CapableKeys::None));
    let flags = CapableFlags {
        deny_join_initial: true,
        hmac: true,
        ..CapableFlags::default()
    };
    let keys = CapableKeys::None;
    check(
        "1e040121",
        &MptcpOption::Capable(MpCapable {
            version: 1,
            flags,
            keys,
        }),
    );
    check(
        "1e0c008108090a0b0c0d0e0f",
        &capable(0, true, CapableKeys::Sender(KEY_B)),
    );
    check(
        "1e0c010108090a0b0c0d0e0f",
        &capable(1, false, CapableKeys::Sender(KEY_B)),
    );
    let both = CapableKeys::Both { sender, receiver };
    check(
        "1e140081000102030405060708090a0b0c0d0e0f",
        &capable(0, true, both),
    );
    check(
        "1e140101000102030405060708090a0b0c0d0e0f",
        &capable(1, false, both),
    );
    let with_data = |data_len, checksum| CapableKeys::BothWithData {
        sender,
        receiver,
        data_len,
        checksum,
    };
    check(
        "1e160101000102030405060708090a0b0c0d0e0f0064",
        &capable(1, false, with_data(100, None)),
    );
    // Section 2.6: with P1 and checksum.
    check(
        "1e180181000102030405060708090a0b0c0d0e0f00058223",
        &capable(1, true, with_data(5, Some(0x8223))),
    );
}

/// Section 2.5, MP_JOIN.
/// Protocol statement 13.
#[test]
fn join_vectors() {
    let nonce = Nonce(0x1122_3344);
    for (token, digits) in [(0x7e18_779a, "7e18779a"), (0x3417_9de5, "34179de5")] {
        for backup in [false, true] {
            let address_id = AddressId(2);
            check(
                &format!("1e0c1{}02{digits}11223344", u8::from(backup)),
                &MptcpOption::Join(MpJoin::Syn {
                    backup,
                    address_id,
                    token: Token(token),
                    nonce,
                }),
            );
        }
    }
    for digits in ["6742b944179e4b66", "8ca07a5aec5498a6"] {
        check(
            &format!("1e101000{digits}55667788"),
            &MptcpOption::Join(MpJoin::SynAck {
                backup: false,
                address_id: AddressId::INITIAL,
                hmac: array(digits),
                nonce: Nonce(0x5566_7788),
            }),
        );
    }
    for digits in [
        "49fa5176c77ec369b6860619288ed4aed56023c8",
        "78e4d1f982df9b57a101934ddb41b72ee93f7ab3",
    ] {
        check(
            &format!("1e181000{digits}"),
            &MptcpOption::Join(MpJoin::Ack {
                hmac: array(digits),
            }),
        );
    }
}

/// Section 2.5, the others, and MP_FAIL of 2.6.
/// Protocol statement 13.
#[test]
fn other_vectors() {
    check("1e0c700008090a0b0c0d0e0f", &MptcpOption::Fastclose(KEY_B));
    check("1e044003", &ids([3]));
    check("1e05400309", &ids([3, 9]));
    check("1e064003090c", &ids([3, 9, 12]));
    let prio = |backup, address_id| MptcpOption::Prio(MpPrio { backup, address_id });
    check("1e0351", &prio(true, None));
    check("1e0350", &prio(false, None));
    check("1e045104", &prio(true, Some(AddressId(4))));
    let rst = |transient, reason| MptcpOption::TcpRst(MpTcpRst { transient, reason });
    check("1e048001", &rst(false, ResetReason::MptcpSpecific));
    check("1e048102", &rst(true, ResetReason::LackOfResources));
    check(
        "1e048003",
        &rst(false, ResetReason::AdministrativelyProhibited),
    );
    check("1e048006", &rst(false, ResetReason::MiddleboxInterference));
    check("1e0c6000d6c0dc731a3ddd6c", &MptcpOption::Fail(FIRST_DSN[0]));
    check("1e0c6000e3db22c6785a0d46", &MptcpOption::Fail(FIRST_DSN[1]));
}

/// One DSS of section 2.6; `ack` and `dsn` give the widths in bytes.
fn check_dss(bytes: &str, version: usize, ack: usize, dsn: usize, mapping: WireMapping) {
    let wide = |width, seq: DataSeq| match width {
        4 => WireSeq::Short(seq.low32()),
        8 => WireSeq::Long(seq),
        width => panic!("{width}"),
    };
    let WireSeq::Long(full) = mapping.dsn else {
        panic!("{mapping:?}")
    };
    let dss = Dss {
        data_ack: (ack > 0).then(|| wide(ack, DATA_ACK[version])),
        mapping: (dsn > 0).then(|| WireMapping {
            dsn: wide(dsn, full),
            ..mapping
        }),
    };
    check(bytes, &MptcpOption::Dss(dss));
}

/// Section 2.6.
/// Protocol statement 13.
#[test]
fn dss_vectors() {
    for (version, p1_checksum) in [0x6387, 0x8223].into_iter().enumerate() {
        let first = FIRST_DSN[version];
        let p1 = WireMapping {
            dsn: WireSeq::Long(first),
            ssn: 1,
            len: 5,
            checksum: Some(p1_checksum),
            data_fin: false,
        };
        let [
            all_long,
            all_short,
            mixed,
            short,
            ack32,
            ack64,
            with_fin,
            bare_fin,
            infinite,
        ] = [
            [
                "1e1c200fecf9cd1f7f493a7cd6c0dc731a3ddd6c0000000100056387",
                "1e1420057f493a7c1a3ddd6c0000000100056387",
                "1e16200d7f493a7cd6c0dc731a3ddd6c000000010005",
                "1e1220057f493a7c1a3ddd6c000000010005",
                "1e0820017f493a7c",
                "1e0c2003ecf9cd1f7f493a7c",
                "1e1c201fecf9cd1f7f493a7cd6c0dc731a3ddd7100000006001b6f64",
                "1e1c201fecf9cd1f7f493a7cd6c0dc731a3ddd8b0000000000015501",
                "1e14200cd6c0dc731a3ddd6c0000000100000000",
            ],
            [
                "1e1c200f9ac0c6c29ef61a06e3db22c6785a0d460000000100058223",
                "1e1420059ef61a06785a0d460000000100058223",
                "1e16200d9ef61a06e3db22c6785a0d46000000010005",
                "1e1220059ef61a06785a0d46000000010005",
                "1e0820019ef61a06",
                "1e0c20039ac0c6c29ef61a06",
                "1e1c201f9ac0c6c29ef61a06e3db22c6785a0d4b00000006001b8e00",
                "1e1c201f9ac0c6c29ef61a06e3db22c6785a0d65000000000001739d",
                "1e14200ce3db22c6785a0d460000000100000000",
            ],
        ][version];
        check_dss(all_long, version, 8, 8, p1);
        check_dss(all_short, version, 4, 4, p1);
        let unsummed = WireMapping {
            checksum: None,
            ..p1
        };
        check_dss(mixed, version, 4, 8, unsummed);
        check_dss(short, version, 4, 4, unsummed);
        check_dss(ack32, version, 4, 0, p1);
        check_dss(ack64, version, 8, 0, p1);
        let fin = WireMapping {
            dsn: WireSeq::Long(first + 5),
            ssn: 6,
            len: 27,
            checksum: Some([0x6f64, 0x8e00][version]),
            data_fin: true,
        };
        check_dss(with_fin, version, 8, 8, fin);
        let bare = WireMapping {
            dsn: WireSeq::Long(first + 31),
            ssn: 0,
            len: 1,
            checksum: Some([0x5501, 0x739d][version]),
            data_fin: true,
        };
        check_dss(bare_fin, version, 8, 8, bare);
        let endless = WireMapping {
            len: 0,
            checksum: Some(0),
            ..p1
        };
        check_dss(infinite, version, 0, 8, endless);
    }
}
