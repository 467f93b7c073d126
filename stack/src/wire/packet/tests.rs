use super::*;
use crate::wire::mptcp_option::{CapableFlags, CapableKeys, MpCapable, MptcpOption};
use crate::wire::tcp_option::{OptionWriter, Timestamps};
use crate::wire::vectors::{KEY_A, P2, V0_DATA, V0_SYN, V1_FIRST_DATA, V1_SYN, hex};
use proptest::prelude::*;
use smallvec::smallvec;

const INTERFACE: InterfaceId = InterfaceId(3);

fn unverified(data: impl Into<Bytes>) -> ReceivedPacket {
    ReceivedPacket {
        data: data.into(),
        checksum: ChecksumStatus::Unverified,
    }
}

fn tuple(local: &str, remote: &str) -> FourTuple {
    FourTuple {
        local: local.parse().unwrap(),
        remote: remote.parse().unwrap(),
    }
}

fn reversed(tuple: FourTuple) -> FourTuple {
    FourTuple {
        local: tuple.remote,
        remote: tuple.local,
    }
}

/// The packets of section 2.6: the same segment, emitted, is the same but for the IP
/// identification, 0x1234 there and 0 here, and so the checksum of the IP header.
/// Protocol statement 13.
#[test]
fn whole_packets_of_the_reference() {
    let syn = Flags {
        syn: true,
        ..Flags::default()
    };
    let push = Flags {
        psh: true,
        ..Flags::default()
    };
    for (digits, seq, ack, flags, window, payload) in [
        (V0_SYN, 1000, None, syn, 64240, &b""[..]),
        (V1_SYN, 1000, None, syn, 64240, b""),
        (V0_DATA, 1001, Some(5001), push, 502, P2),
        (V1_FIRST_DATA, 1001, Some(5001), push, 502, P2),
    ] {
        let bytes = hex(digits);
        let sent = tuple("192.0.2.1:40000", "198.51.100.1:443");
        let segment = parse(&unverified(bytes.clone())).unwrap();
        assert_eq!(segment.tuple, reversed(sent));
        assert_eq!(segment.seq, SeqNum(seq));
        assert_eq!(segment.ack, ack.map(SeqNum));
        assert_eq!(segment.flags, flags);
        assert_eq!(segment.window, window);
        assert_eq!(segment.payload, payload);
        assert_eq!(segment.payload_sum, Some(Sum::of(payload).folded()));
        assert_eq!(
            segment.len(),
            u32::try_from(payload.len()).unwrap() + u32::from(flags.syn)
        );
        assert!(!segment.congestion_experienced);
        assert_eq!(
            segment.options,
            TcpOptions::parse(&bytes[40..bytes.len() - payload.len()])
        );
        assert!(segment.options.dss.is_some() || segment.options.mptcp.len() == 1);

        let header = SegmentHeader {
            traffic_class: 0,
            hop_limit: 64,
            ecn_capable: false,
            tuple: sent,
            seq: SeqNum(seq),
            ack: ack.map(SeqNum),
            flags,
            window,
            options: &bytes[40..bytes.len() - payload.len()],
        };
        let payload = smallvec![Bytes::copy_from_slice(payload)];
        let transmit = emit(
            INTERFACE,
            &header,
            payload,
            None,
            TransmitChecksum::Complete,
            None,
        );
        let mut expected = bytes;
        expected[4..6].fill(0);
        let sum = Sum::of(&expected[10..12]).and_word(0x1234);
        expected[10..12].copy_from_slice(&sum.folded().to_be_bytes());
        assert_eq!(transmit.to_bytes(), expected);
        assert_eq!(transmit.len(), expected.len());
    }
}

fn header<'a>(local: &str, remote: &str, options: &'a [u8]) -> SegmentHeader<'a> {
    SegmentHeader {
        traffic_class: 0,
        hop_limit: 64,
        ecn_capable: false,
        tuple: tuple(local, remote),
        seq: SeqNum(0xfedc_ba98),
        ack: Some(SeqNum(0x0123_4567)),
        flags: Flags::default(),
        window: 0xabcd,
        options,
    }
}

/// An IPv4 packet with a payload of `len` bytes, and the same over IPv6.
fn both_families(len: usize) -> [Bytes; 2] {
    [
        ("10.0.0.1:1", "10.0.0.2:2"),
        ("[2001:db8::1]:1", "[2001:db8::2]:2"),
    ]
    .map(|(local, remote)| {
        let payload = smallvec![Bytes::from(vec![0x5a; len])];
        let header = header(local, remote, &[]);
        emit(
            INTERFACE,
            &header,
            payload,
            None,
            TransmitChecksum::Complete,
            None,
        )
        .to_bytes()
    })
}

#[test]
fn headers_hold_the_constants_of_the_rfcs() {
    let [v4, v6] = both_families(7);
    // RFC 791 §3.1: version 4, IHL 5, DF, TTL 64, protocol 6.
    assert_eq!(&v4[..10], [0x45, 0, 0, 47, 0, 0, 0x40, 0, 64, 6]);
    // RFC 8200 §3: version 6, payload length, next header 6, hop limit 64.
    assert_eq!(&v6[..8], [0x60, 0, 0, 0, 0, 27, 6, 64]);
    // RFC 9293 §3.1: data offset 5, ACK, and no urgent pointer.
    for tcp in [&v4[20..40], &v6[40..60]] {
        assert_eq!(&tcp[12..14], [0x50, 0x10]);
        assert_eq!(&tcp[18..20], [0, 0]);
    }
}

#[test]
fn any_damaged_byte_is_noticed() {
    for packet in both_families(9) {
        assert!(parse(&unverified(packet.clone())).is_ok());
        for position in 0..packet.len() {
            let mut damaged = packet.to_vec();
            damaged[position] ^= 0x20;
            let result = parse(&unverified(damaged));
            // Traffic class, flow label and hop limit of IPv6 are under no checksum.
            let unprotected = packet[0] >> 4 == 6 && [0, 1, 2, 3, 7].contains(&position);
            assert!(
                result.is_err() || unprotected,
                "byte {position}: {result:?}"
            );
        }
    }
}

/// Whoever vouches for the TCP checksum spares us the sum.
#[test]
fn a_good_checksum_is_not_verified() {
    for packet in both_families(9) {
        let mut damaged = packet.to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        let data = Bytes::from(damaged);
        assert_eq!(
            parse(&unverified(data.clone())).unwrap_err(),
            ParseError::Checksum
        );
        let segment = parse(&ReceivedPacket {
            data,
            checksum: ChecksumStatus::Good,
        })
        .unwrap();
        assert_eq!(segment.payload_sum, None);
        assert_eq!(segment.payload.len(), 9);
    }
}

#[test]
fn bytes_behind_the_packet_are_ignored() {
    for packet in both_families(9) {
        let mut longer = packet.to_vec();
        longer.extend([1, 2, 3]);
        assert_eq!(parse(&unverified(longer)).unwrap().payload.len(), 9);
    }
}

#[test]
fn a_packet_cut_short_is_malformed() {
    for packet in both_families(9) {
        for len in 0..packet.len() {
            let result = parse(&unverified(packet.slice(..len)));
            assert_eq!(result.unwrap_err(), ParseError::Malformed, "{len} bytes");
        }
    }
}

/// Changes the packet, then puts the checksum of an IPv4 header right.
fn altered(packet: &Bytes, change: impl FnOnce(&mut [u8])) -> Result<Segment, ParseError> {
    let mut bytes = packet.to_vec();
    change(&mut bytes);
    if packet[0] >> 4 == 4 {
        bytes[10..12].fill(0);
        let header_len = usize::from(bytes[0] & 0x0f) * 4;
        let checksum = Sum::of(&bytes[..header_len.min(bytes.len())]).checksum();
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    parse(&ReceivedPacket {
        data: bytes.into(),
        checksum: ChecksumStatus::Good,
    })
}

#[test]
fn what_is_no_tcp_is_refused() {
    let [v4, v6] = both_families(9);
    let not_tcp = |result: Result<Segment, _>| assert_eq!(result.unwrap_err(), ParseError::NotTcp);
    not_tcp(altered(&v4, |ip| ip[9] = 17));
    not_tcp(altered(&v4, |ip| ip[6] = 0x20));
    not_tcp(altered(&v4, |ip| ip[7] = 1));
    not_tcp(altered(&v6, |ip| ip[6] = 17));
    // A hop-by-hop header.
    not_tcp(altered(&v6, |ip| ip[6] = 0));
    not_tcp(altered(&v6, |ip| ip[0] = 0x50));
}

#[test]
fn impossible_header_fields_are_malformed() {
    let [v4, v6] = both_families(9);
    let malformed =
        |result: Result<Segment, _>| assert_eq!(result.unwrap_err(), ParseError::Malformed);
    malformed(altered(&v4, |ip| ip[0] = 0x44));
    malformed(altered(&v4, |ip| ip[0] = 0x4f));
    malformed(altered(&v4, |ip| ip[3] = 19));
    malformed(altered(&v4, |ip| ip[3] = 39));
    malformed(altered(&v4, |ip| ip[32] = 0x40));
    malformed(altered(&v4, |ip| ip[32] = 0xf0));
    malformed(altered(&v6, |ip| ip[5] = 19));
    malformed(altered(&v6, |ip| ip[52] = 0x40));
    malformed(altered(&v6, |ip| ip[52] = 0xf0));
    malformed(parse(&unverified(Bytes::new())));
}

/// RFC 791 §3.1: a header of more than 5 words has options, which are skipped.
#[test]
fn ip_options_are_skipped() {
    let [v4, _] = both_families(9);
    let mut bytes = v4.to_vec();
    bytes.splice(20..20, [1, 1, 1, 0]);
    let segment = altered(&bytes.into(), |ip| {
        ip[0] = 0x46;
        ip[3] += 4;
    })
    .unwrap();
    assert_eq!(segment.payload, vec![0x5a; 9]);
    assert_eq!(segment.tuple, tuple("10.0.0.2:2", "10.0.0.1:1"));
}

/// RFC 3168 §5.
#[test]
fn congestion_experienced_is_both_bits() {
    let [v4, v6] = both_families(0);
    for ecn in 0..4 {
        let expected = ecn == 3;
        let segment = altered(&v4, |ip| ip[1] = 0xa0 | ecn).unwrap();
        assert_eq!(segment.congestion_experienced, expected);
        let segment = altered(&v6, |ip| {
            ip[0] = 0x6a;
            ip[1] = ecn << 4;
        })
        .unwrap();
        assert_eq!(segment.congestion_experienced, expected);
    }
}

/// Virtio wants the pseudo-header's sum, not complemented: completing it gives what we give.
#[test]
fn a_partial_checksum_can_be_completed() {
    for (local, remote, ip_len) in [
        ("10.0.0.1:1", "10.0.0.2:2", 20),
        ("[2001:db8::1]:1", "[2001:db8::2]:2", 40),
    ] {
        let header = header(local, remote, &[1, 1, 1, 1]);
        let payload: Payload =
            smallvec![Bytes::from_static(b"odd"), Bytes::from_static(b"lengths")];
        let build = |checksum| emit(INTERFACE, &header, payload.clone(), None, checksum, Some(5));
        let partial = build(TransmitChecksum::Partial);
        assert_eq!(partial.checksum, TransmitChecksum::Partial);
        assert_eq!(partial.segment_size, Some(5));
        let mut completed = partial.to_bytes().to_vec();
        // What a device does: sum from the start of TCP, the field included.
        let checksum = Sum::of(&completed[ip_len..]).checksum();
        completed[ip_len + 16..ip_len + 18].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(build(TransmitChecksum::Complete).to_bytes(), completed);
        assert!(parse(&unverified(completed)).is_ok());
    }
}

/// A sum that the caller knows is believed: here a wrong one, to see that nobody adds again.
#[test]
fn a_known_payload_sum_is_used() {
    let header = header("10.0.0.1:1", "10.0.0.2:2", &[]);
    let payload: Payload = smallvec![Bytes::from_static(b"abc")];
    let build = |sum| {
        let payload = payload.clone();
        emit(
            INTERFACE,
            &header,
            payload,
            sum,
            TransmitChecksum::Complete,
            None,
        )
        .to_bytes()
    };
    assert_eq!(build(Some(Sum::of(b"abc").folded())), build(None));
    assert!(parse(&unverified(build(Some(1)))).is_err());
}

/// Keys and payloads: neither is printed.
/// Protocol statement 122.
#[test]
fn debug_shows_no_key_and_no_payload() {
    let capable = MptcpOption::Capable(MpCapable {
        version: 0,
        flags: CapableFlags::default(),
        keys: CapableKeys::Sender(KEY_A),
    });
    let mut writer = OptionWriter::new();
    writer.mptcp(&capable).unwrap();
    let header = header("10.0.0.1:40000", "10.0.0.2:2", writer.as_bytes());
    let payload = smallvec![Bytes::from_static(b"secret")];
    let transmit = emit(
        INTERFACE,
        &header,
        payload,
        None,
        TransmitChecksum::Complete,
        None,
    );
    let received = unverified(transmit.to_bytes());
    let segment = parse(&received).unwrap();
    for shown in [
        format!("{transmit:?}"),
        format!("{header:?}"),
        format!("{received:?}"),
        format!("{segment:?}"),
    ] {
        assert!(
            !shown.contains("2, 3, 4, 5") && !shown.contains("\\x03\\x04"),
            "{shown}"
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
    assert_eq!(
        format!("{transmit:?}"),
        "Transmit { interface: InterfaceId(3), source: 10.0.0.1:40000, destination: 10.0.0.2:2, \
         seq: 4275878552, ack: Some(19088743), flags: Flags { fin: false, syn: false, rst: false, \
         psh: false, ece: false, cwr: false }, window: 43981, options_len: 12, payload_len: 6, \
         segment_size: None, checksum: Complete, tag: 0 }"
    );
}

fn any_address_pair() -> impl Strategy<Value = FourTuple> {
    let pair = prop_oneof![
        any::<(std::net::Ipv4Addr, std::net::Ipv4Addr)>()
            .prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
        any::<(std::net::Ipv6Addr, std::net::Ipv6Addr)>()
            .prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b))),
    ];
    (pair, any::<(u16, u16)>()).prop_map(|((a, b), (p, q))| FourTuple {
        local: SocketAddr::new(a, p),
        remote: SocketAddr::new(b, q),
    })
}

proptest! {
    #[test]
    fn whatever_is_emitted_parses_to_the_same(
        tuple in any_address_pair(),
        seq: u32,
        ack: Option<u32>,
        [fin, syn, rst, psh, ece, cwr]: [bool; 6],
        window: u16,
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..4),
        timestamps: Option<(u32, u32)>,
        know_sum: bool,
    ) {
        let mut options = OptionWriter::new();
        if let Some((value, echo)) = timestamps {
            options.timestamps(Timestamps { value, echo }).unwrap();
        }
        let flags = Flags { fin, syn, rst, psh, ece, cwr };
        let header = SegmentHeader {
            traffic_class: 0,
            hop_limit: 64,
            ecn_capable: false,
            tuple,
            seq: SeqNum(seq),
            ack: ack.map(SeqNum),
            flags,
            window,
            options: options.as_bytes(),
        };
        let text = pieces.concat();
        let sum = Sum::of(&text).folded();
        let payload: Payload = pieces.into_iter().map(Bytes::from).collect();
        let transmit = emit(
            INTERFACE, &header, payload, know_sum.then_some(sum), TransmitChecksum::Complete, None,
        );
        let mut buffer = vec![0; transmit.len() + 3];
        prop_assert_eq!(transmit.copy_to(&mut buffer), transmit.len());
        prop_assert_eq!(&buffer[..transmit.len()], &transmit.to_bytes()[..]);

        let segment = parse(&unverified(buffer)).unwrap();
        prop_assert_eq!(segment.tuple, reversed(tuple));
        prop_assert_eq!(segment.seq, header.seq);
        prop_assert_eq!(segment.ack, header.ack);
        prop_assert_eq!(segment.flags, flags);
        prop_assert_eq!(segment.window, window);
        prop_assert_eq!(&segment.payload, &text);
        prop_assert_eq!(segment.payload_sum, Some(sum));
        prop_assert_eq!(segment.options, TcpOptions::parse(options.as_bytes()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), v6: bool) {
        let _ = parse(&unverified(bytes.clone()));
        // Past the first checks: lengths, protocol and the checksum of the IP header are right.
        let len = u8::try_from(bytes.len()).unwrap();
        if v6 && bytes.len() >= 40 {
            bytes[0] = 0x60;
            bytes[4..7].copy_from_slice(&[0, len - 40, 6]);
        } else if bytes.len() >= 20 {
            bytes[0] = 0x45;
            bytes[2..4].copy_from_slice(&[0, len]);
            bytes[6..8].fill(0);
            bytes[9] = 6;
            bytes[10..12].fill(0);
            let checksum = Sum::of(&bytes[..20]).checksum();
            bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        let _ = parse(&ReceivedPacket { data: bytes.into(), checksum: ChecksumStatus::Good });
    }
}
