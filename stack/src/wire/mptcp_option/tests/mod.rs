//! The rules of parsing, and round trips.

use super::*;
use crate::wire::strategies::{any_but_dss, any_dss};
use crate::wire::vectors::{KEY_A, KEY_B, hex};
use proptest::prelude::*;
use smallvec::smallvec;

mod vectors;

fn emitted(option: &MptcpOption) -> Vec<u8> {
    let mut bytes = vec![0xaa; option.wire_len()];
    option.emit(&mut bytes);
    bytes
}

fn capable(version: u8, checksum_required: bool, keys: CapableKeys) -> MptcpOption {
    let flags = CapableFlags {
        checksum_required,
        hmac: true,
        ..CapableFlags::default()
    };
    MptcpOption::Capable(MpCapable {
        version,
        flags,
        keys,
    })
}

/// RFC 6824 §3.3, all flag combinations: exactly the lengths of the reference's table 1.3 parse.
/// Protocol statements 6, 7.
#[test]
fn dss_lengths_follow_from_the_flags() {
    for flags in 0..=u8::MAX {
        let (ack, long_ack) = (flags & 0x01 != 0, flags & 0x02 != 0);
        let (map, long_dsn) = (flags & 0x04 != 0, flags & 0x08 != 0);
        let ack_len = if ack { if long_ack { 8 } else { 4 } } else { 0 };
        let map_len = if map {
            if long_dsn { 14 } else { 10 }
        } else {
            0
        };
        let base = 4 + ack_len + map_len;
        for len in 4..=40_u8 {
            let mut bytes = vec![0x55; usize::from(len)];
            bytes[..4].copy_from_slice(&[KIND, len, 0x20, flags]);
            let with_checksum = map && len == base + 2;
            let Some(option) = MptcpOption::parse(&bytes) else {
                assert!(len != base && !with_checksum, "{flags:#x} {len}");
                continue;
            };
            let MptcpOption::Dss(dss) = option else {
                panic!("{option:?}")
            };
            assert!(len == base || with_checksum, "{flags:#x} {len}");
            assert_eq!(dss.data_ack.is_some(), ack);
            assert_eq!(dss.mapping.is_some(), map);
            if let Some(mapping) = dss.mapping {
                assert_eq!(mapping.checksum.is_some(), with_checksum);
                assert_eq!(mapping.data_fin, flags & 0x10 != 0);
                assert_eq!(matches!(mapping.dsn, WireSeq::Long(_)), long_dsn);
            }
        }
    }
    assert_eq!(
        MptcpOption::parse(&hex("1e042000")),
        Some(MptcpOption::Dss(Dss::default()))
    );
}

/// Which lengths exist at all, by subtype; contents are arbitrary.
/// Protocol statement 2.
#[test]
fn wrong_lengths_make_an_option_void() {
    let lengths: [&[usize]; 9] = [
        &[4, 12, 20, 22, 24],
        &[12, 16, 24],
        &[4],
        &[16, 18, 28, 30],
        &[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
        &[3, 4],
        &[12],
        &[12],
        &[4],
    ];
    for (subtype, valid) in (0_u8..).zip(lengths) {
        for len in 0..=40 {
            let mut bytes = vec![0; len];
            for (byte, value) in
                bytes
                    .iter_mut()
                    .zip([KIND, u8::try_from(len).unwrap(), subtype << 4])
            {
                *byte = value;
            }
            let expected = valid.contains(&len) || (subtype == 4 && len > 20);
            assert_eq!(
                MptcpOption::parse(&bytes).is_some(),
                expected,
                "{subtype} {len}"
            );
        }
    }
}

/// RFC 6824 §3: unknown subtypes; and a length byte that does not match what it stands in.
/// Protocol statement 1.
#[test]
fn unknown_subtypes_and_contradictions_are_void() {
    for subtype in 9..16 {
        assert_eq!(MptcpOption::parse(&[KIND, 4, subtype << 4, 0]), None);
    }
    assert_eq!(MptcpOption::parse(&[KIND, 3, 0x50, 0]), None);
    assert_eq!(MptcpOption::parse(&[KIND, 4, 0x50]), None);
    assert_eq!(MptcpOption::parse(&[29, 3, 0x50]), None);
}

/// See `parse::add_addr` for the table.
/// Protocol statement 9.
#[test]
fn add_addr_nibbles() {
    let form = |len: u8, nibble: u8| {
        let mut bytes = vec![0; usize::from(len)];
        bytes[..3].copy_from_slice(&[KIND, len, 0x30 | nibble]);
        match MptcpOption::parse(&bytes) {
            Some(MptcpOption::AddAddr(AddAddr {
                form,
                address,
                port,
                ..
            })) => Some((form, address.is_ipv4(), port.is_some())),
            None => None,
            other => panic!("{other:?}"),
        }
    };
    for nibble in 0..16 {
        let echo = nibble & 1 == 1;
        for (len, ipv4, port) in [
            (8, true, false),
            (10, true, true),
            (20, false, false),
            (22, false, true),
        ] {
            let short = if echo {
                Some(AddAddrForm::V1Echo)
            } else {
                (nibble == if ipv4 { 4 } else { 6 }).then_some(AddAddrForm::V0)
            };
            assert_eq!(
                form(len, nibble),
                short.map(|form| (form, ipv4, port)),
                "{nibble} {len}"
            );
            let with_hmac = (!echo).then_some(AddAddrForm::V1([0; 8]));
            assert_eq!(
                form(len + 8, nibble),
                with_hmac.map(|form| (form, ipv4, port))
            );
        }
    }
}

/// Reserved bits are ignored on receipt and zero when sent again.
/// Protocol statement 8.
#[test]
fn reserved_bits() {
    for (received, sent) in [
        ("1e04013f", "1e040121"),
        ("1e0c1e027e18779a11223344", "1e0c10027e18779a11223344"),
        ("1e0420fa", "1e042000"),
        ("1e0820e17f493a7c", "1e0820017f493a7c"),
        ("1e083f01c0000211", "1e083101c0000211"),
        ("1e044f03", "1e044003"),
        ("1e035e", "1e0350"),
        ("1e0c6fffd6c0dc731a3ddd6c", "1e0c6000d6c0dc731a3ddd6c"),
        ("1e0c7fff08090a0b0c0d0e0f", "1e0c700008090a0b0c0d0e0f"),
        ("1e048e01", "1e048001"),
    ] {
        let parsed = MptcpOption::parse(&hex(received)).expect(received);
        assert_eq!(emitted(&parsed), hex(sent), "{received}");
    }
}

/// No key in anything that is printed.
/// Protocol statement 122.
#[test]
fn keys_do_not_show() {
    let both = CapableKeys::Both {
        sender: KEY_A,
        receiver: KEY_B,
    };
    for option in [capable(0, true, both), MptcpOption::Fastclose(KEY_B)] {
        let shown = format!("{option:?} {option:#?}");
        assert!(shown.contains("Key(..)"), "{shown}");
        for key in [KEY_A, KEY_B] {
            let (hex, decimal) = (format!("{:x}", key.0), key.0.to_string());
            assert!(
                !shown.contains(&hex) && !shown.contains(&decimal),
                "{shown}"
            );
        }
    }
}

#[test]
fn short_numbers_expand_near_a_reference() {
    let reference = DataSeq(0x1_ffff_fff0);
    assert_eq!(
        WireSeq::Short(0x10).expand(reference),
        DataSeq(0x2_0000_0010)
    );
    assert_eq!(WireSeq::Long(DataSeq(7)).expand(reference), DataSeq(7));
}

proptest! {
    #[test]
    fn whatever_can_be_built_round_trips(
        option in prop_oneof![any_but_dss(), any_dss().prop_map(MptcpOption::Dss)]
    ) {
        let bytes = emitted(&option);
        prop_assert_eq!(usize::from(bytes[1]), bytes.len());
        prop_assert_eq!(MptcpOption::parse(&bytes), Some(option));
    }

    #[test]
    fn whatever_parses_round_trips(
        third in any::<u8>(),
        mut bytes in prop::collection::vec(any::<u8>(), 3..40),
    ) {
        let len = u8::try_from(bytes.len()).unwrap();
        bytes[..3].copy_from_slice(&[KIND, len, third]);
        if let Some(option) = MptcpOption::parse(&bytes) {
            let again = emitted(&option);
            prop_assert!(again.len() <= bytes.len());
            prop_assert_eq!(MptcpOption::parse(&again), Some(option));
        }
    }

    /// Protocol statement 2.
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = MptcpOption::parse(&bytes);
    }
}

/// A list of ids beyond the inline ones.
/// Protocol statement 10.
#[test]
fn long_remove_addr() {
    let many: SmallVec<[AddressId; 8]> = (0..37).map(AddressId).collect();
    let option = MptcpOption::RemoveAddr(many);
    assert_eq!(option.wire_len(), 40);
    assert_eq!(MptcpOption::parse(&emitted(&option)), Some(option));
    let empty = MptcpOption::RemoveAddr(smallvec![]);
    assert_eq!(MptcpOption::parse(&emitted(&empty)), None);
}
