//! Every combination of options that can go out: never more than 40 bytes, never a full segment
//! longer or shorter than the MTU, and what is parsed is what was meant (protocol reference 1.7).

use super::*;
use crate::base::config::{SynOptions, Version, WindowScale};
use crate::base::id::AddressId;
use crate::mptcp::key::HostKey;
use crate::tcp::receive::{Verdict, receive};
use crate::tcp::tcb::TcbConfig;
use crate::wire::mptcp_option::{
    AddAddr, AddAddrForm, CapableKeys, Key, MpCapable, MpJoin, MpPrio, MpTcpRst, Nonce,
    ResetReason, Token,
};
use crate::wire::packet::{Flags, FourTuple, Segment};
use crate::wire::tcp_option::{MAX_OPTIONS_LEN, SackBlock, TcpOptions, Timestamps};
use bytes::Bytes;
use std::net::IpAddr;

const NOW: Instant = Instant::from_millis(5000);
const ISS: SeqNum = SeqNum(u32::MAX - 100);
const IRS: SeqNum = SeqNum(u32::MAX - 20);
const MTU: usize = 1500;
const BOTH: [bool; 2] = [false, true];

fn config() -> TcbConfig {
    TcbConfig {
        rcv_scale: 7,
        ..TcbConfig::sample(ISS)
    }
}

fn segment(seq: SeqNum, ack: Option<SeqNum>, timestamps: bool) -> Segment {
    Segment {
        tuple: FourTuple {
            local: ([10, 0, 0, 1], 80).into(),
            remote: ([10, 0, 0, 2], 4000).into(),
        },
        seq,
        ack,
        flags: Flags::default(),
        window: 20_000,
        options: TcpOptions {
            timestamps: timestamps.then_some(Timestamps { value: 7, echo: 0 }),
            ..TcpOptions::default()
        },
        payload: Bytes::new(),
        payload_sum: None,
        congestion_experienced: false,
    }
}

fn syn(timestamps: bool, sack: bool, scale: bool) -> Segment {
    let mut syn = segment(IRS, None, timestamps);
    syn.flags.syn = true;
    syn.options.mss = Some(1460);
    syn.options.sack_permitted = sack;
    syn.options.window_scale = scale.then_some(3);
    syn
}

/// A connection that holds `blocks` ranges out of order, and has a duplicate to report.
fn tcb(timestamps: bool, blocks: u32, duplicate: bool) -> Tcb {
    let mut tcb = Tcb::accept(NOW, config(), &syn(timestamps, true, true));
    tcb.retransmit(NOW, 0).expect("a SYN/ACK is due");
    tcb.on_ack_sent(50_000);
    let feed = |tcb: &mut Tcb, seq: SeqNum, payload: &'static [u8]| {
        let mut segment = segment(seq, Some(ISS + 1), timestamps);
        segment.payload = Bytes::from_static(payload);
        receive(tcb, NOW, &mut segment).verdict
    };
    assert_eq!(feed(&mut tcb, IRS + 1, b"in order"), Verdict::Accepted);
    for block in 0..blocks {
        let at = IRS + 100 + block * 100;
        assert_eq!(feed(&mut tcb, at, b"out of order"), Verdict::Accepted);
    }
    if duplicate {
        assert_eq!(feed(&mut tcb, IRS + 1, b"in order"), Verdict::Dropped);
    }
    let expected = usize::from(duplicate) + blocks as usize;
    assert_eq!(tcb.sack_blocks().len(), expected.min(4));
    tcb
}

fn session(version: Version, checksum: bool, long_data_ack: bool) -> Session {
    Session {
        version,
        local: HostKey::new(version, Key(0x0123_4567_89ab_cdef)),
        remote: HostKey::new(version, Key(0xfedc_ba98_7654_3210)),
        checksum,
        deny_join_initial: false,
        refuse_join_initial: false,
        assumed: false,
        confirmed: true,
        multipath: false,
        long_data_ack,
        data_acknowledged: true,
    }
}

fn sessions() -> impl Iterator<Item = Session> {
    [Version::V0, Version::V1].into_iter().flat_map(|version| {
        BOTH.into_iter().flat_map(move |checksum| {
            BOTH.into_iter()
                .map(move |long| session(version, checksum, long))
        })
    })
}

/// Parses what was built; it must be within the limit.
fn parsed(options: &OptionWriter) -> TcpOptions {
    let bytes = options.as_bytes();
    assert!(bytes.len() <= MAX_OPTIONS_LEN && bytes.len().is_multiple_of(4));
    TcpOptions::parse(bytes)
}

/// The one MPTCP option of a segment, DSS or not.
fn only_option(parsed: &TcpOptions) -> Option<MptcpOption> {
    match (parsed.dss, parsed.mptcp.as_slice()) {
        (None, []) => None,
        (Some(dss), []) => Some(MptcpOption::Dss(dss)),
        (None, [option]) => Some(option.clone()),
        (_, others) => panic!("more than one: {others:?}"),
    }
}

fn padded(option: &MptcpOption) -> usize {
    option.wire_len().next_multiple_of(4)
}

fn join_syn() -> MptcpOption {
    MptcpOption::Join(MpJoin::Syn {
        backup: true,
        address_id: AddressId(3),
        token: Token(9),
        nonce: Nonce(8),
    })
}

fn join_syn_ack() -> MptcpOption {
    MptcpOption::Join(MpJoin::SynAck {
        backup: false,
        address_id: AddressId(3),
        hmac: [5; 8],
        nonce: Nonce(8),
    })
}

fn join_ack() -> MptcpOption {
    MptcpOption::Join(MpJoin::Ack { hmac: [6; 20] })
}

/// Protocol statement 120.
#[test]
fn syns() {
    let capable = [Version::V0, Version::V1].map(|version| {
        let keys = match version {
            Version::V0 => CapableKeys::Sender(Key(1)),
            Version::V1 => CapableKeys::None,
        };
        MptcpOption::Capable(MpCapable {
            keys,
            ..session(version, true, true).third_ack()
        })
    });
    let options = [None, Some(join_syn())]
        .into_iter()
        .chain(capable.map(Some));
    for option in options {
        let tcb = Tcb::connect(NOW, config());
        let read = parsed(&of_syn(&tcb, NOW, false, option.as_ref()));
        assert_eq!(only_option(&read), option);
        assert_eq!((read.mss, read.window_scale), (Some(1460), Some(7)));
        assert!(read.sack_permitted && read.timestamps.is_some());
    }
}

/// Protocol statement 120.
#[test]
fn syn_acks() {
    let capable = MptcpOption::Capable(MpCapable {
        keys: CapableKeys::Sender(Key(1)),
        ..session(Version::V0, true, true).third_ack()
    });
    for option in [None, Some(join_syn_ack()), Some(capable)] {
        for (timestamps, sack, scale) in all_three() {
            let tcb = Tcb::accept(NOW, config(), &syn(timestamps, sack, scale));
            let read = parsed(&of_syn(&tcb, NOW, true, option.as_ref()));
            assert_eq!(only_option(&read), option);
            assert_eq!(read.mss, Some(1460));
            // RFC 7323 §2.2, §3.2, RFC 2018 §2: an answer has what the SYN offered.
            assert_eq!(read.window_scale, scale.then_some(7));
            assert_eq!(read.sack_permitted, sack);
            assert_eq!(read.timestamps.map(|t| t.echo), timestamps.then_some(7));
        }
    }
}

/// What the settings turn off is in no SYN and in no answer to one.
#[test]
fn options_that_are_off_are_not_offered() {
    let mut config = config();
    config.syn_options = SynOptions {
        timestamps: false,
        sack: false,
        window_scale: WindowScale::Off,
    };
    let offer = Tcb::connect(NOW, config);
    let answer = Tcb::accept(NOW, config, &syn(true, true, true));
    for (tcb, is_answer) in [(offer, false), (answer, true)] {
        let read = parsed(&of_syn(&tcb, NOW, is_answer, None));
        assert_eq!((read.mss, read.window_scale), (Some(1460), None));
        assert!(!read.sack_permitted && read.timestamps.is_none());
    }
}

fn all_three() -> impl Iterator<Item = (bool, bool, bool)> {
    BOTH.into_iter().flat_map(|a| {
        BOTH.into_iter()
            .flat_map(move |b| BOTH.into_iter().map(move |c| (a, b, c)))
    })
}

/// A full segment is as long as the MTU, whatever its options.
///
/// Protocol statement 120.
#[test]
fn data() {
    for session in sessions() {
        for timestamps in BOTH {
            for data_fin in BOTH {
                let tcb = tcb(timestamps, 0, false);
                let room = max_payload(&tcb, Some(&session));
                let sent = SentMapping {
                    ssn: tcb.snd_nxt,
                    offset: 77,
                    len: u16::try_from(room).unwrap(),
                    data_fin,
                    checksum: session.checksum.then_some(0x1234),
                    announcement: Announcement::Dss,
                    sent_elsewhere: false,
                };
                let (dsn, ack) = (DataSeq(u64::MAX - 3), DataSeq(1 << 40));
                let option = announce(&session, &sent, ISS, dsn, Some(ack));
                let mut options = of_segment(&tcb, NOW);
                assert_eq!(options.mptcp(&option), Ok(()));
                let read = parsed(&options);
                assert_eq!(only_option(&read), Some(option));
                assert_eq!(read.timestamps.is_some(), timestamps);
                let data_ack = read.dss.unwrap().data_ack.unwrap();
                assert_eq!(data_ack.expand(DataSeq(1 << 40)), ack);
                assert_eq!(40 + options.as_bytes().len() + room, MTU);
            }
        }
    }
}

/// MP_CAPABLE with the first data takes no more room than the DSS that was reckoned with.
///
/// Protocol statement 120.
#[test]
fn first_data() {
    for session in sessions().filter(|session| session.version == Version::V1) {
        for timestamps in BOTH {
            let tcb = tcb(timestamps, 0, false);
            let room = max_payload(&tcb, Some(&session));
            let len = u16::try_from(room).unwrap();
            let option =
                MptcpOption::Capable(session.first_data(len, session.checksum.then_some(1)));
            let mut options = of_segment(&tcb, NOW);
            assert_eq!(options.mptcp(&option), Ok(()));
            assert_eq!(only_option(&parsed(&options)), Some(option));
            assert!(40 + options.as_bytes().len() + room <= MTU);
        }
    }
}

#[test]
fn plain_data() {
    for timestamps in BOTH {
        let tcb = tcb(timestamps, 0, false);
        let options = of_segment(&tcb, NOW);
        assert_eq!(40 + options.as_bytes().len() + max_payload(&tcb, None), MTU);
    }
}

/// Acknowledgments say what the handshake owes or the DATA_ACK, and as many SACK blocks as fit.
///
/// Protocol statement 120.
#[test]
fn acknowledgments() {
    for session in sessions() {
        let data_ack = MptcpOption::Dss(Dss {
            data_ack: Some(data_ack(&session, DataSeq(5))),
            mapping: None,
        });
        let third_ack = MptcpOption::Capable(session.third_ack());
        for says in [None, Some(data_ack), Some(third_ack), Some(join_ack())] {
            for (timestamps, blocks, duplicate) in reports() {
                let tcb = tcb(timestamps, blocks, duplicate);
                let mut options = of_segment(&tcb, NOW);
                complete_acknowledgment(&mut options, &tcb, says.as_ref());
                let read = parsed(&options);
                assert_eq!(only_option(&read), says);
                assert_eq!(read.timestamps.is_some(), timestamps);
                let used = if timestamps { 12 } else { 0 } + says.as_ref().map_or(0, padded);
                let wanted = tcb.sack_blocks();
                // RFC 2018 §3: 2 bytes and 8 for each block, behind 2 of padding.
                let fitting = (MAX_OPTIONS_LEN - used).saturating_sub(4) / 8;
                let expected: &[SackBlock] = &wanted[..wanted.len().min(fitting)];
                assert_eq!(read.sack.as_slice(), expected);
            }
        }
    }
}

fn reports() -> impl Iterator<Item = (bool, u32, bool)> {
    BOTH.into_iter().flat_map(|timestamps| {
        (0..=4).flat_map(move |blocks| {
            BOTH.into_iter()
                .map(move |duplicate| (timestamps, blocks, duplicate))
        })
    })
}

/// A bare DATA_FIN has its mapping and DATA_ACK beside the timestamps.
///
/// Protocol statement 120.
#[test]
fn data_fins() {
    for session in sessions() {
        for timestamps in BOTH {
            let tcb = tcb(timestamps, 4, true);
            let dss = Dss {
                data_ack: Some(data_ack(&session, DataSeq(5))),
                mapping: Some(WireMapping {
                    dsn: WireSeq::Long(DataSeq(6)),
                    ssn: 0,
                    len: 1,
                    checksum: session.checksum.then_some(7),
                    data_fin: true,
                }),
            };
            let mut options = of_segment(&tcb, NOW);
            assert_eq!(options.dss(&dss), Ok(()));
            assert_eq!(parsed(&options).dss, Some(dss));
        }
    }
}

fn signals() -> Vec<MptcpOption> {
    let mut signals = vec![
        MptcpOption::Fail(DataSeq(u64::MAX)),
        MptcpOption::Fastclose(Key(4)),
    ];
    let addresses: [IpAddr; 2] = [
        [192, 0, 2, 1].into(),
        [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
    ];
    for address in addresses {
        for port in [None, Some(443)] {
            for form in [
                AddAddrForm::V0,
                AddAddrForm::V1([1, 2, 3, 4, 5, 6, 7, 8]),
                AddAddrForm::V1Echo,
            ] {
                signals.push(MptcpOption::AddAddr(AddAddr {
                    address_id: AddressId(2),
                    address,
                    port,
                    form,
                }));
            }
        }
    }
    for backup in BOTH {
        for address_id in [None, Some(AddressId(3))] {
            signals.push(MptcpOption::Prio(MpPrio { backup, address_id }));
        }
    }
    signals
}

/// A signal arrives whole, with timestamps unless it is the one that has no room beside them.
///
/// Protocol statement 120.
#[test]
fn signals_are_whole() {
    for session in sessions() {
        for timestamps in BOTH {
            for signal in signals() {
                let tcb = tcb(timestamps, 4, true);
                let (mut options, rest) = of_signal(&tcb, NOW, &signal);
                assert_eq!(rest, None);
                let read = parsed(&options);
                assert_eq!(only_option(&read), Some(signal.clone()));
                let longest = padded(&signal) == 32;
                assert_eq!(read.timestamps.is_some(), timestamps && !longest);
                // The DATA_ACK goes with it wherever it fits.
                let dss = Dss {
                    data_ack: Some(data_ack(&session, DataSeq(5))),
                    mapping: None,
                };
                let fits = options.remaining() >= padded(&MptcpOption::Dss(dss));
                assert_eq!(options.dss(&dss).is_ok(), fits);
                assert_eq!(parsed(&options).dss, fits.then_some(dss));
            }
        }
    }
}

#[test]
fn withdrawn_addresses_go_in_as_many_options_as_it_takes() {
    for timestamps in BOTH {
        for count in 1..=255_u8 {
            let ids: SmallVec<[AddressId; 8]> = (0..count).map(AddressId).collect();
            let mut signal = Some(MptcpOption::RemoveAddr(ids.clone()));
            let mut told: SmallVec<[AddressId; 8]> = SmallVec::new();
            let mut segments = 0_usize;
            while let Some(option) = signal {
                let (options, rest) = of_signal(&tcb(timestamps, 0, false), NOW, &option);
                let Some(MptcpOption::RemoveAddr(some)) = only_option(&parsed(&options)) else {
                    panic!("not what was asked for");
                };
                told.extend(some);
                segments += 1;
                signal = rest;
            }
            assert_eq!(told, ids);
            assert_eq!(segments, usize::from(count).div_ceil(8));
        }
    }
}

/// An RST has no timestamps (RFC 7323 §3.2) and room for both of its options.
///
/// Protocol statement 120.
#[test]
fn resets() {
    let mut options = OptionWriter::new();
    let reason = MptcpOption::TcpRst(MpTcpRst {
        transient: true,
        reason: ResetReason::LackOfResources,
    });
    for other in [
        MptcpOption::Fastclose(Key(4)),
        MptcpOption::Fail(DataSeq(3)),
    ] {
        options = OptionWriter::new();
        assert_eq!(options.mptcp(&other), Ok(()));
        assert_eq!(options.mptcp(&reason), Ok(()));
        assert_eq!(parsed(&options).mptcp.as_slice(), [other, reason.clone()]);
    }
    assert_eq!(options.as_bytes().len(), 16);
}
