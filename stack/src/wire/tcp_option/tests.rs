use super::*;
use crate::wire::mptcp_option::{
    CapableFlags, CapableKeys, MpCapable, MpPrio, WireMapping, WireSeq,
};
use crate::wire::strategies::{any_but_dss, any_dss};
use crate::wire::vectors::{DATA_ACK, FIRST_DSN, KEY_A, KEY_B, hex};
use proptest::prelude::*;
use smallvec::smallvec;

const TIMESTAMPS: Timestamps = Timestamps {
    value: 200,
    echo: 300,
};

fn block(left: u32, right: u32) -> SackBlock {
    SackBlock {
        left: SeqNum(left),
        right: SeqNum(right),
    }
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

/// The options of the SYNs in section 2.6 of the reference.
#[test]
fn syn_vectors() {
    for (option, len, mptcp) in [
        (
            capable(0, true, CapableKeys::Sender(KEY_A)),
            32,
            "1e0c00810001020304050607",
        ),
        (capable(1, false, CapableKeys::None), 24, "1e040101"),
    ] {
        let timestamps = Timestamps {
            value: 100,
            echo: 0,
        };
        let mut writer = OptionWriter::new();
        writer.mss(1460).unwrap();
        writer.sack_permitted_and_timestamps(timestamps).unwrap();
        writer.window_scale(7).unwrap();
        writer.mptcp(&option).unwrap();
        let expected = format!("020405b40402080a000000640000000001030307{mptcp}");
        assert_eq!(writer.as_bytes(), hex(&expected));
        assert_eq!(writer.as_bytes().len(), len);
        assert_eq!(
            TcpOptions::parse(writer.as_bytes()),
            TcpOptions {
                mss: Some(1460),
                window_scale: Some(7),
                sack_permitted: true,
                timestamps: Some(timestamps),
                mptcp: smallvec![option],
                ..TcpOptions::default()
            }
        );
    }
}

/// The options of the data segment of version 0 in section 2.6: exactly full.
#[test]
fn data_vector() {
    let dss = Dss {
        data_ack: Some(WireSeq::Long(DATA_ACK[0])),
        mapping: Some(WireMapping {
            dsn: WireSeq::Long(FIRST_DSN[0]),
            ssn: 1,
            len: 26,
            checksum: Some(0x6f6f),
            data_fin: false,
        }),
    };
    let mut writer = OptionWriter::new();
    writer.timestamps(TIMESTAMPS).unwrap();
    writer.dss(&dss).unwrap();
    assert_eq!(
        writer.as_bytes(),
        hex("0101080a000000c80000012c1e1c200fecf9cd1f7f493a7cd6c0dc731a3ddd6c00000001001a6f6f")
    );
    assert_eq!(writer.remaining(), 0);
    let parsed = TcpOptions::parse(writer.as_bytes());
    assert_eq!(parsed.dss, Some(dss));
    assert_eq!(parsed.timestamps, Some(TIMESTAMPS));
    assert!(parsed.mptcp.is_empty());
}

/// MP_CAPABLE of 22 bytes is padded behind (section 2.5).
#[test]
fn padding_follows_the_option() {
    let keys = CapableKeys::BothWithData {
        sender: KEY_A,
        receiver: KEY_B,
        data_len: 26,
        checksum: None,
    };
    let option = capable(1, false, keys);
    let mut writer = OptionWriter::new();
    writer.timestamps(TIMESTAMPS).unwrap();
    writer.mptcp(&option).unwrap();
    assert_eq!(
        writer.as_bytes(),
        hex("0101080a000000c80000012c1e160101000102030405060708090a0b0c0d0e0f001a0101")
    );
    assert_eq!(
        TcpOptions::parse(writer.as_bytes()).mptcp.as_slice(),
        [option]
    );
}

#[test]
fn sack_takes_as_many_blocks_as_fit() {
    let blocks = [
        block(1, 2),
        block(u32::MAX, 5),
        block(7, 9),
        block(10, 20),
        block(30, 40),
    ];
    let mut writer = OptionWriter::new();
    assert_eq!(writer.sack(&blocks), 4);
    assert_eq!(writer.as_bytes().len(), 36);
    assert_eq!(&writer.as_bytes()[..4], [1, 1, 5, 34]);
    assert_eq!(
        TcpOptions::parse(writer.as_bytes()).sack.as_slice(),
        &blocks[..4]
    );

    // Section 1.7: timestamps, a DATA_ACK of 4 bytes, and two blocks.
    let mut writer = OptionWriter::new();
    writer.timestamps(TIMESTAMPS).unwrap();
    let ack = Dss {
        data_ack: Some(WireSeq::Short(9)),
        mapping: None,
    };
    writer.dss(&ack).unwrap();
    assert_eq!(writer.sack(&blocks), 2);
    assert_eq!(writer.remaining(), 0);
    let parsed = TcpOptions::parse(writer.as_bytes());
    assert_eq!(
        (parsed.dss, parsed.sack.as_slice()),
        (Some(ack), &blocks[..2])
    );
    assert_eq!(writer.sack(&blocks), 0);

    let mut writer = OptionWriter::new();
    assert_eq!(writer.sack(&[]), 0);
    assert_eq!(writer.as_bytes(), []);
}

#[test]
fn a_full_field_stays_as_it_is() {
    let mut writer = OptionWriter::new();
    for _ in 0..3 {
        writer.timestamps(TIMESTAMPS).unwrap();
    }
    let before = writer.as_bytes().to_vec();
    assert_eq!(writer.remaining(), 4);
    assert_eq!(writer.timestamps(TIMESTAMPS), Err(NoRoom));
    let ack = Dss {
        data_ack: Some(WireSeq::Short(9)),
        mapping: None,
    };
    assert_eq!(writer.dss(&ack), Err(NoRoom));
    assert_eq!(writer.mptcp(&MptcpOption::Dss(ack)), Err(NoRoom));
    assert_eq!(writer.sack(&[block(1, 2)]), 0);
    assert_eq!(writer.as_bytes(), before);
    writer.sack_permitted().unwrap();
    assert_eq!(writer.remaining(), 0);
    assert_eq!(writer.mss(1460), Err(NoRoom));
    assert_eq!(writer.window_scale(1), Err(NoRoom));
    assert!(TcpOptions::parse(writer.as_bytes()).sack_permitted);
}

/// RFC 9293 §3.2, and section 1 of the reference: unknown kinds and void options are skipped.
#[test]
fn what_is_unknown_or_void_is_skipped() {
    let field = hex(concat!(
        "fe04ffff",         // kind 254
        "1e049000",         // MPTCP subtype 9
        "1e05007100",       // MP_CAPABLE of 5 bytes
        "0203ff",           // MSS of 3 bytes
        "050b000000010000", // SACK of 11 bytes
        "000201",
        "01",
        "1e0351", // MP_PRIO
    ));
    let prio = MptcpOption::Prio(MpPrio {
        backup: true,
        address_id: None,
    });
    let expected = TcpOptions {
        mptcp: smallvec![prio],
        ..TcpOptions::default()
    };
    assert_eq!(TcpOptions::parse(&field), expected);
}

/// A broken length ends the parsing; so does End of Option List. What came before counts.
#[test]
fn a_broken_length_ends_the_list() {
    let good = "020405b4";
    let expected = TcpOptions {
        mss: Some(1460),
        ..TcpOptions::default()
    };
    for tail in [
        "03",
        "0300030307",
        "0301030307",
        "030403",
        "1e1c20",
        "0003030303",
        "1eff",
        "1e",
    ] {
        let field = hex(&format!("{good}{tail}"));
        assert_eq!(TcpOptions::parse(&field), expected, "{tail}");
    }
}

#[test]
fn the_first_dss_counts() {
    let mut writer = OptionWriter::new();
    for ack in [1, 2] {
        writer
            .dss(&Dss {
                data_ack: Some(WireSeq::Short(ack)),
                mapping: None,
            })
            .unwrap();
    }
    let parsed = TcpOptions::parse(writer.as_bytes());
    assert_eq!(
        parsed.dss,
        Some(Dss {
            data_ack: Some(WireSeq::Short(1)),
            mapping: None
        })
    );
    assert!(parsed.mptcp.is_empty());

    // A void one is none.
    let parsed = TcpOptions::parse(&hex("1e0520010a1e08200100000007"));
    assert_eq!(
        parsed.dss,
        Some(Dss {
            data_ack: Some(WireSeq::Short(7)),
            mapping: None
        })
    );
}

/// A writer that holds a key does not print it.
/// Protocol statement 122.
#[test]
fn keys_do_not_show() {
    let mut writer = OptionWriter::new();
    writer.mptcp(&MptcpOption::Fastclose(KEY_B)).unwrap();
    let shown = format!("{writer:?}");
    assert!(shown.contains("Fastclose(Key(..))"), "{shown}");
    assert!(!shown.contains("8, 9, 10, 11"), "{shown}");
}

/// One call to a writer.
#[derive(Clone, Debug)]
enum Piece {
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    SackPermittedAndTimestamps(u32, u32),
    Timestamps(u32, u32),
    Sack(Vec<(u32, u32)>),
    Mptcp(MptcpOption),
    Dss(Dss),
}

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        any::<u16>().prop_map(Piece::Mss),
        any::<u8>().prop_map(Piece::WindowScale),
        Just(Piece::SackPermitted),
        any::<(u32, u32)>().prop_map(|(v, e)| Piece::SackPermittedAndTimestamps(v, e)),
        any::<(u32, u32)>().prop_map(|(v, e)| Piece::Timestamps(v, e)),
        prop::collection::vec(any::<(u32, u32)>(), 0..6).prop_map(Piece::Sack),
        any_but_dss().prop_map(Piece::Mptcp),
        any_dss().prop_map(Piece::Dss),
    ]
}

/// Writes a piece, and on success notes in `said` what a parser should find.
fn write(writer: &mut OptionWriter, said: &mut TcpOptions, piece: &Piece) -> Result<(), NoRoom> {
    match piece {
        Piece::Mss(mss) => {
            writer.mss(*mss)?;
            said.mss = Some(*mss);
        }
        Piece::WindowScale(shift) => {
            writer.window_scale(*shift)?;
            said.window_scale = Some(*shift);
        }
        Piece::SackPermitted => {
            writer.sack_permitted()?;
            said.sack_permitted = true;
        }
        Piece::SackPermittedAndTimestamps(value, echo) => {
            let timestamps = Timestamps {
                value: *value,
                echo: *echo,
            };
            writer.sack_permitted_and_timestamps(timestamps)?;
            said.sack_permitted = true;
            said.timestamps = Some(timestamps);
        }
        Piece::Timestamps(value, echo) => {
            let timestamps = Timestamps {
                value: *value,
                echo: *echo,
            };
            writer.timestamps(timestamps)?;
            said.timestamps = Some(timestamps);
        }
        Piece::Sack(blocks) => {
            let blocks: Vec<_> = blocks
                .iter()
                .map(|(left, right)| block(*left, *right))
                .collect();
            let fitting = writer.sack(&blocks);
            assert!(fitting == blocks.len() || writer.remaining() < SACK_BLOCK_LEN + 4);
            said.sack.extend_from_slice(&blocks[..fitting]);
        }
        Piece::Mptcp(option) => {
            writer.mptcp(option)?;
            said.mptcp.push(option.clone());
        }
        Piece::Dss(dss) => {
            writer.dss(dss)?;
            said.dss = said.dss.or(Some(*dss));
        }
    }
    Ok(())
}

proptest! {
    /// Never more than 40 bytes, always whole options, and what went in is what comes out.
    /// Protocol statement 120.
    #[test]
    fn whatever_goes_in_comes_out(pieces in prop::collection::vec(piece(), 0..8)) {
        let mut writer = OptionWriter::new();
        let mut said = TcpOptions::default();
        for piece in &pieces {
            let before = writer.as_bytes().to_vec();
            if write(&mut writer, &mut said, piece).is_err() {
                prop_assert_eq!(writer.as_bytes(), before);
            }
            prop_assert!(writer.as_bytes().len() <= MAX_OPTIONS_LEN);
            prop_assert_eq!(writer.as_bytes().len() % 4, 0);
            prop_assert_eq!(writer.remaining(), MAX_OPTIONS_LEN - writer.as_bytes().len());
        }
        prop_assert_eq!(TcpOptions::parse(writer.as_bytes()), said);
    }

    #[test]
    fn arbitrary_bytes_never_panic(field in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = TcpOptions::parse(&field);
    }

    /// As above, but with kinds and lengths that get past the first checks more often.
    #[test]
    fn likely_bytes_never_panic(
        options in prop::collection::vec(
            (prop::sample::select(vec![2_u8, 3, 4, 5, 8, 30, 254]), 0_u8..41, prop::collection::vec(any::<u8>(), 0..38)),
            0..4,
        )
    ) {
        let field: Vec<u8> = options
            .into_iter()
            .flat_map(|(kind, len, body)| [kind, len].into_iter().chain(body))
            .collect();
        let _ = TcpOptions::parse(&field);
    }
}
