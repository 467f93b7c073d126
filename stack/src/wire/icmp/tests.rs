use super::*;
use crate::base::id::InterfaceId;
use crate::wire::packet::{self, Flags, Payload, SegmentHeader, TransmitChecksum};
use proptest::prelude::*;
use smallvec::smallvec;

const ROUTER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const ROUTER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 9, 0, 0, 0, 9));

const ERRORS: [NetworkError; 7] = [
    NetworkError::NetworkUnreachable,
    NetworkError::HostUnreachable,
    NetworkError::ProtocolUnreachable,
    NetworkError::PortUnreachable,
    NetworkError::Prohibited,
    NetworkError::TimeExceeded,
    NetworkError::Other,
];

fn tuple(ipv6: bool) -> FourTuple {
    let (local, remote) = if ipv6 {
        ("2001:db8::1", "2001:db8::2")
    } else {
        ("192.0.2.1", "198.51.100.1")
    };
    FourTuple {
        local: SocketAddr::new(local.parse().unwrap(), 40000),
        remote: SocketAddr::new(remote.parse().unwrap(), 443),
    }
}

fn router(ipv6: bool) -> IpAddr {
    if ipv6 { ROUTER_V6 } else { ROUTER_V4 }
}

/// A segment of ours with `len` bytes of payload.
fn segment(tuple: FourTuple, seq: u32, len: usize) -> Vec<u8> {
    let header = SegmentHeader {
        traffic_class: 0,
        hop_limit: 64,
        ecn_capable: false,
        tuple,
        seq: SeqNum(seq),
        ack: Some(SeqNum(1)),
        flags: Flags::default(),
        window: 100,
        options: &[],
    };
    let payload: Payload = smallvec![bytes::Bytes::from(vec![7; len])];
    let checksum = TransmitChecksum::Complete;
    packet::emit(InterfaceId(0), &header, payload, None, checksum, None)
        .to_bytes()
        .to_vec()
}

fn error(ipv6: bool, kind: IcmpErrorKind) -> Vec<u8> {
    let packet = segment(tuple(ipv6), 1001, 1400);
    emit(router(ipv6), kind, &packet).unwrap().to_vec()
}

/// Puts the checksums of an ICMPv4 packet right after a change.
fn repair_v4(bytes: &mut [u8]) {
    bytes[10..12].fill(0);
    let checksum = Sum::of(&bytes[..20]).checksum();
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes[22..24].fill(0);
    let checksum = Sum::of(&bytes[20..]).checksum();
    bytes[22..24].copy_from_slice(&checksum.to_be_bytes());
}

#[test]
fn every_error_is_read_back_with_the_segment_it_is_about() {
    for ipv6 in [false, true] {
        let kinds = ERRORS
            .map(IcmpErrorKind::Undelivered)
            .into_iter()
            .chain([IcmpErrorKind::PacketTooBig { mtu: 1400 }]);
        for kind in kinds {
            let expected = IcmpError {
                tuple: tuple(ipv6),
                seq: SeqNum(1001),
                kind,
            };
            assert_eq!(parse(&error(ipv6, kind)), Ok(Some(expected)));
        }
    }
}

/// RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1: what each code of "destination unreachable" is.
#[test]
fn every_code_of_unreachable() {
    use NetworkError::*;
    let expected = [
        (0, NetworkUnreachable),
        (1, HostUnreachable),
        (2, ProtocolUnreachable),
        (3, PortUnreachable),
        (5, Other),
        (6, NetworkUnreachable),
        (7, HostUnreachable),
        (8, Other),
        (9, Prohibited),
        (10, Prohibited),
        (11, NetworkUnreachable),
        (12, HostUnreachable),
        (13, Prohibited),
        (14, Other),
        (15, Other),
        (200, Other),
    ];
    let mut bytes = error(false, IcmpErrorKind::Undelivered(HostUnreachable));
    for (code, what) in expected {
        bytes[21] = code;
        repair_v4(&mut bytes);
        let parsed = parse(&bytes).unwrap().unwrap();
        assert_eq!(parsed.kind, IcmpErrorKind::Undelivered(what), "code {code}");
    }
}

#[test]
fn a_router_that_does_not_say_its_mtu_gets_the_next_plateau() {
    // RFC 1191 §5, §7.1; the quoted packet is 1440 bytes long, or so it says.
    for (quoted_len, mtu) in [
        (1440, 1006),
        (1500, 1492),
        (1492, 1006),
        (9000, 8166),
        (576, 508),
        (68, 68),
        (0, 68),
    ] {
        let mut bytes = error(false, IcmpErrorKind::PacketTooBig { mtu: 0 });
        bytes[28 + 2..28 + 4].copy_from_slice(&u16::to_be_bytes(quoted_len));
        repair_v4(&mut bytes);
        let parsed = parse(&bytes).unwrap().unwrap();
        assert_eq!(parsed.kind, IcmpErrorKind::PacketTooBig { mtu });
    }
}

#[test]
fn a_large_mtu_of_ipv6_saturates() {
    let mut bytes = error(true, IcmpErrorKind::PacketTooBig { mtu: 1400 });
    bytes[44..48].copy_from_slice(&70_000_u32.to_be_bytes());
    bytes[42..44].fill(0);
    let sum = pseudo_header_sum(
        Ipv6Packet::new_unchecked(&bytes[..]).src_addr(),
        Ipv6Packet::new_unchecked(&bytes[..]).dst_addr(),
        bytes.len() - 40,
    );
    let checksum = sum.and(Sum::of(&bytes[40..])).checksum();
    bytes[42..44].copy_from_slice(&checksum.to_be_bytes());
    let parsed = parse(&bytes).unwrap().unwrap();
    assert_eq!(parsed.kind, IcmpErrorKind::PacketTooBig { mtu: u16::MAX });
}

#[test]
fn what_is_no_error_about_a_segment_of_ours_says_nothing() {
    let kind = IcmpErrorKind::Undelivered(NetworkError::HostUnreachable);
    // An echo request, an echo reply, a source quench (RFC 6633 §3).
    for message in [8, 0, 4] {
        let mut bytes = error(false, kind);
        bytes[20] = message;
        repair_v4(&mut bytes);
        assert_eq!(parse(&bytes), Ok(None), "type {message}");
    }
    // The quoted packet is UDP, no first fragment, too short, or of another sender.
    let changes: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[28 + 9] = 17,
        |bytes| bytes[28 + 7] = 1,
        |bytes| {
            bytes.truncate(28 + 20 + 7);
            bytes[2..4].copy_from_slice(&55_u16.to_be_bytes());
        },
        |bytes| bytes[28 + 15] = 77,
    ];
    for change in changes {
        let mut bytes = error(false, kind);
        change(&mut bytes);
        repair_v4(&mut bytes);
        assert_eq!(parse(&bytes), Ok(None));
    }
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    for ipv6 in [false, true] {
        let kind = IcmpErrorKind::PacketTooBig { mtu: 1400 };
        let good = error(ipv6, kind);
        // Behind the IP header everything is under the checksum.
        for position in if ipv6 { 40 } else { 20 }..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 0x10;
            assert_eq!(parse(&bytes), Err(ParseError::Checksum), "byte {position}");
        }
    }
}

#[test]
fn tcp_and_nonsense_are_no_icmp() {
    for ipv6 in [false, true] {
        assert_eq!(parse(&segment(tuple(ipv6), 1, 10)), Err(ParseError::NotTcp));
    }
    assert_eq!(parse(&[]), Err(ParseError::Malformed));
    assert_eq!(parse(&[0x45; 19]), Err(ParseError::Malformed));
    assert_eq!(parse(&[0x15; 90]), Err(ParseError::NotTcp));
}

#[test]
fn routers_answer_in_their_own_family_only() {
    let kind = IcmpErrorKind::PacketTooBig { mtu: 1400 };
    for ipv6 in [false, true] {
        let packet = segment(tuple(ipv6), 1, 10);
        assert!(emit(router(!ipv6), kind, &packet).is_none());
        assert!(emit(router(ipv6), kind, &packet[..10]).is_none());
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    /// With headers and checksums put right, so that the quoted packet is reached.
    #[test]
    fn nothing_behind_right_headers_makes_it_panic(
        message in prop::collection::vec(any::<u8>(), 8..120),
        ipv6: bool,
    ) {
        let kind = IcmpErrorKind::Undelivered(NetworkError::Other);
        let mut bytes = error(ipv6, kind);
        let start = if ipv6 { 40 } else { 20 };
        bytes.truncate(start);
        bytes.extend(&message);
        if ipv6 {
            let len = u16::try_from(message.len()).unwrap();
            bytes[4..6].copy_from_slice(&len.to_be_bytes());
        } else {
            let len = u16::try_from(bytes.len()).unwrap();
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
            repair_v4(&mut bytes);
        }
        let parsed = parse(&bytes);
        prop_assert!(ipv6 || parsed.is_ok());
    }

    #[test]
    fn any_segment_and_any_error_survive(
        seq: u32,
        len in 0_usize..1500,
        ipv6: bool,
        mtu in 1_u16..,
        error in prop::sample::select(ERRORS.to_vec()),
        too_big: bool,
    ) {
        let kind = if too_big {
            IcmpErrorKind::PacketTooBig { mtu }
        } else {
            IcmpErrorKind::Undelivered(error)
        };
        let packet = segment(tuple(ipv6), seq, len);
        let bytes = emit(router(ipv6), kind, &packet).unwrap();
        let longest = if ipv6 { 1280 } else { 576 };
        prop_assert!(bytes.len() <= longest);
        let expected = IcmpError { tuple: tuple(ipv6), seq: SeqNum(seq), kind };
        prop_assert_eq!(parse(&bytes), Ok(Some(expected)));
    }
}
