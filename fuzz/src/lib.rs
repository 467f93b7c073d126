//! What the fuzz targets do, as plain functions of bytes.
//!
//! `fuzz_targets/` hands them to libFuzzer; `tests/replay.rs` hands them every seed in an
//! ordinary test run. Each panics if the stack breaks a promise, and returns otherwise.

use bytes::Bytes;
use std::net::IpAddr;
use umptcp_stack::wire::checksum::Sum;
use umptcp_stack::wire::icmp;
use umptcp_stack::wire::mptcp_option::MptcpOption;
use umptcp_stack::wire::packet::{self, ChecksumStatus, ReceivedPacket};
use umptcp_stack::wire::tcp_option::{MAX_OPTIONS_LEN, OptionWriter, TcpOptions};

/// A target: it gets arbitrary bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folder of seeds.
pub const TARGETS: [(&str, Target); 3] = [("icmp", icmp), ("options", options), ("packet", packet)];

/// Takes bytes for an options field of a TCP header. Whatever parses can be emitted, and parses
/// to the same again.
pub fn options(data: &[u8]) {
    let options = TcpOptions::parse(data);
    for option in &options.mptcp {
        mptcp_option_round_trip(option);
        // A DSS has its own place.
        assert!(!matches!(option, MptcpOption::Dss(_)), "{option:?}");
    }
    if let Some(dss) = options.dss {
        mptcp_option_round_trip(&MptcpOption::Dss(dss));
        let written = written(|writer| writer.dss(&dss).expect("a DSS has at most 28 bytes"));
        assert_eq!(
            written,
            TcpOptions {
                dss: Some(dss),
                ..TcpOptions::default()
            }
        );
    }
    tcp_options_round_trip(&options);

    if let Some(option) = MptcpOption::parse(data) {
        mptcp_option_round_trip(&option);
    }
    inside_packets(data, &options);
}

fn mptcp_option_round_trip(option: &MptcpOption) {
    let mut bytes = vec![0xff; option.wire_len()];
    option.emit(&mut bytes);
    assert_eq!(MptcpOption::parse(&bytes).as_ref(), Some(option));

    let mut writer = OptionWriter::new();
    let fits = option.wire_len() <= MAX_OPTIONS_LEN;
    assert_eq!(writer.mptcp(option).is_ok(), fits, "{option:?}");
    if fits && !matches!(option, MptcpOption::Dss(_)) {
        assert_eq!(
            TcpOptions::parse(writer.as_bytes()).mptcp.as_slice(),
            std::slice::from_ref(option)
        );
    }
}

/// The options that are not MPTCP's.
fn tcp_options_round_trip(options: &TcpOptions) {
    const FITS: &str = "these take 20 bytes";
    let plain = TcpOptions {
        mss: options.mss,
        window_scale: options.window_scale,
        sack_permitted: options.sack_permitted,
        timestamps: options.timestamps,
        ..TcpOptions::default()
    };
    let again = written(|writer| {
        if let Some(mss) = plain.mss {
            writer.mss(mss).expect(FITS);
        }
        match (plain.sack_permitted, plain.timestamps) {
            (true, Some(timestamps)) => {
                writer
                    .sack_permitted_and_timestamps(timestamps)
                    .expect(FITS);
            }
            (true, None) => writer.sack_permitted().expect(FITS),
            (false, Some(timestamps)) => writer.timestamps(timestamps).expect(FITS),
            (false, None) => {}
        }
        if let Some(shift) = plain.window_scale {
            writer.window_scale(shift).expect(FITS);
        }
    });
    assert_eq!(again, plain);

    for blocks in options.sack.chunks(4) {
        let again = written(|writer| assert_eq!(writer.sack(blocks), blocks.len()));
        assert_eq!(again.sack.as_slice(), blocks);
    }
}

/// What a writer's field parses to.
fn written(write: impl FnOnce(&mut OptionWriter)) -> TcpOptions {
    let mut writer = OptionWriter::new();
    write(&mut writer);
    TcpOptions::parse(writer.as_bytes())
}

/// The same options field in a TCP header says the same.
fn inside_packets(field: &[u8], options: &TcpOptions) {
    if field.len() > MAX_OPTIONS_LEN || !field.len().is_multiple_of(4) {
        return;
    }
    for ip in [IPV4, IPV6] {
        let mut bytes = [ip, TCP, field].concat();
        let words = u8::try_from((TCP.len() + field.len()) / 4).expect("at most 15");
        bytes[ip.len() + 12] = words << 4;
        assert!(repair(&mut bytes));
        let packet = ReceivedPacket {
            data: bytes.into(),
            checksum: ChecksumStatus::Unverified,
        };
        let segment = packet::parse(&packet).expect("the packet is well-formed");
        assert_eq!(&segment.options, options);
    }
}

/// Takes bytes for a packet: as they are, and with lengths, protocol and checksums put right, to
/// get behind the first checks.
pub fn packet(data: &[u8]) {
    for checksum in [ChecksumStatus::Unverified, ChecksumStatus::Good] {
        let packet = ReceivedPacket {
            data: Bytes::copy_from_slice(data),
            checksum,
        };
        let _ = packet::parse(&packet);
    }

    let mut repaired = data.to_vec();
    if !repair(&mut repaired) {
        return;
    }
    let data = Bytes::from(repaired);
    let parse = |checksum| {
        packet::parse(&ReceivedPacket {
            data: data.clone(),
            checksum,
        })
    };
    match (
        parse(ChecksumStatus::Unverified),
        parse(ChecksumStatus::Good),
    ) {
        (Ok(verified), Ok(trusted)) => {
            assert_eq!(verified.payload, trusted.payload);
            assert_eq!(verified.options, trusted.options);
            assert_eq!(
                verified.payload_sum,
                Some(Sum::of(&verified.payload).folded())
            );
            assert_eq!(trusted.payload_sum, None);
        }
        (verified, trusted) => {
            assert_eq!(verified.err(), trusted.err(), "the checksums are right");
        }
    }
}

/// Takes bytes for an ICMP packet: as they are, and with lengths, protocol and checksums put right.
/// Whatever error is read from it can be emitted about the same segment, and reads the same.
pub fn icmp(data: &[u8]) {
    let _ = icmp::parse(data);
    let mut repaired = data.to_vec();
    if !repair_icmp(&mut repaired) {
        return;
    }
    let parsed = icmp::parse(&repaired).expect("lengths and checksums are right");
    let Some(error) = parsed else {
        return;
    };
    let (source, quoted_at) = if error.tuple.local.is_ipv4() {
        (IpAddr::from([192, 0, 2, 9]), IPV4.len() + ICMP_LEN)
    } else {
        (
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9]),
            IPV6.len() + ICMP_LEN,
        )
    };
    let emitted = icmp::emit(source, error.kind, &repaired[quoted_at..]);
    let emitted = emitted.expect("the quoted packet has an IP header");
    assert_eq!(icmp::parse(&emitted), Ok(Some(error)));
}

/// ICMP's own header, up to the packet that it quotes.
const ICMP_LEN: usize = 8;

/// IP headers of which [`repair`] makes the rest, and a TCP header from port 40000 to port 443.
const IPV4: &[u8] = &[
    0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 192, 0, 2, 1, 198, 51, 100, 1,
];
const IPV6: &[u8] = &[
    0x60, 0, 0, 0, 0, 0, 0, 64, // then source and destination
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // 2001:db8::1
    0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, // 2001:db8::2
];
const TCP: &[u8] = &[
    0x9c, 0x40, 1, 187, 0, 0, 3, 233, 0, 0, 19, 137, 0x50, 0x10, 1, 246, 0, 0, 0, 0,
];

/// Puts the IP header's lengths and protocol, its checksum and that of TCP right. The first bit
/// that differs between the IP versions chooses one; `false` if there is no room for the headers.
fn repair(bytes: &mut [u8]) -> bool {
    let Some(start) = repair_ip(bytes, TCP.len(), [6, 6]) else {
        return false;
    };
    let addresses = if start == IPV6.len() { 8..40 } else { 12..20 };
    let tcp_len = u16::try_from(bytes.len() - start).unwrap_or(u16::MAX);
    let field = start + 16..start + 18;
    bytes[field.clone()].fill(0);
    let sum = Sum::of(&bytes[addresses]).and_word(6).and_word(tcp_len);
    let checksum = sum.and(Sum::of(&bytes[start..])).checksum();
    bytes[field].copy_from_slice(&checksum.to_be_bytes());
    true
}

/// The same for ICMP, whose checksum covers addresses only with IPv6 (RFC 4443 §2.3).
fn repair_icmp(bytes: &mut [u8]) -> bool {
    let Some(start) = repair_ip(bytes, ICMP_LEN, [1, 58]) else {
        return false;
    };
    let len = u16::try_from(bytes.len() - start).unwrap_or(u16::MAX);
    let field = start + 2..start + 4;
    bytes[field.clone()].fill(0);
    let pseudo_header = if start == IPV6.len() {
        Sum::of(&bytes[8..40]).and_word(58).and_word(len)
    } else {
        Sum::default()
    };
    let checksum = pseudo_header.and(Sum::of(&bytes[start..])).checksum();
    bytes[field].copy_from_slice(&checksum.to_be_bytes());
    true
}

/// Puts an IP header right, with the protocol for IPv4 or for IPv6; where its payload begins, or
/// `None` if that would be shorter than `least`.
fn repair_ip(bytes: &mut [u8], least: usize, protocols: [u8; 2]) -> Option<usize> {
    let total = u16::try_from(bytes.len()).ok()?;
    let ipv6 = bytes.first().is_some_and(|first| first & 0x20 != 0);
    let start = if ipv6 { IPV6.len() } else { IPV4.len() };
    let len = bytes.len().checked_sub(start).filter(|len| *len >= least)?;
    if ipv6 {
        bytes[0] = 0x60 | bytes[0] & 0x0f;
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        bytes[4..6].copy_from_slice(&len.to_be_bytes());
        bytes[6] = protocols[1];
    } else {
        bytes[0] = 0x45;
        bytes[2..4].copy_from_slice(&total.to_be_bytes());
        bytes[6..8].copy_from_slice(&[0x40, 0]);
        bytes[9] = protocols[0];
        bytes[10..12].fill(0);
        let checksum = Sum::of(&bytes[..start]).checksum();
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    }
    Some(start)
}
