//! What goes over the wire, as tshark reads it: its MPTCP dissector works out tokens, initial
//! sequence numbers and mappings from the keys it sees, and flags what does not fit.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufWriter;
use umptcp_lab::capture::SharedCapture;
use umptcp_lab::demo::{self, DemoOptions, Direction, LinkChoice, Peer};
use umptcp_lab::payload::Payload;
use umptcp_lab::topology::Family;
use umptcp_stack::Version;
use umptcp_tests::mptcp_capture::Checked;
use umptcp_tests::privilege::in_private_network;
use umptcp_tests::tshark::{CaptureFile, bytes};

/// Enough for every subflow to carry data, little enough to be dissected quickly.
const LEN: u64 = 4 << 20;

const MP_CAPABLE: &str = "tcp.options.mptcp.subtype == 0";
const MP_JOIN: &str = "tcp.options.mptcp.subtype == 1";
const SYN: &str = "tcp.flags.syn == 1 && tcp.flags.ack == 0";
const SYN_ACK: &str = "tcp.flags.syn == 1 && tcp.flags.ack == 1";
const NO_SYN: &str = "tcp.flags.syn == 0";

/// Runs a transfer over two paths with a capture, and checks what every capture must show.
fn capture_of(
    change: impl FnOnce(&mut DemoOptions) + Send + 'static,
    check: impl FnOnce(&CaptureFile) + Send + 'static,
) {
    in_private_network(move || {
        let file = CaptureFile::new();
        let writer = BufWriter::new(File::create(file.path()).expect("capture file"));
        let mut options = DemoOptions::new(Payload::generated(1, LEN));
        options.links = LinkChoice::Tun;
        options.capture = Some(SharedCapture::new(writer).expect("capture"));
        change(&mut options);
        let report = demo::run(&options, &mut ()).expect("transfer");
        assert!(report.intact);
        assert_eq!(report.capture_error, None);
        assert_handshakes(&file, options.version);
        let connections = Checked::of(&file).connections;
        assert_eq!(connections.len(), 1, "{connections:?}");
        assert_eq!(connections[0].streams.len(), 2, "{connections:?}");
        assert_eq!(connections[0].version, options.version.number());
        check(&file);
    });
}

/// One connection of the right version, and one joined subflow, each with its whole handshake.
fn assert_handshakes(file: &CaptureFile, version: Version) {
    let offered = file.rows(
        &format!("{SYN} && {MP_CAPABLE}"),
        &["tcp.options.mptcp.version"],
    );
    assert_eq!(offered, [[version.number().to_string()]]);
    for (what, count) in [
        (format!("{SYN_ACK} && {MP_CAPABLE}"), 1),
        (format!("{SYN} && {MP_JOIN}"), 1),
        (format!("{SYN_ACK} && {MP_JOIN}"), 1),
    ] {
        assert_eq!(file.count(&what), count, "{what}");
    }
    // Third acknowledgments may be repeated until the peer has confirmed them.
    assert!(file.count(&format!("{NO_SYN} && {MP_CAPABLE}")) >= 1);
    assert!(file.count(&format!("{NO_SYN} && {MP_JOIN}")) >= 1);
    let carrying = file.rows(
        "tcp.options.mptcp.subtype == 2 && tcp.len > 0",
        &["tcp.stream"],
    );
    let streams: BTreeSet<&str> = carrying.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(streams.len(), 2, "subflows with data");
}

/// Every mapping has its checksum, and it is right (RFC 6824 §3.3.1). tshark does not verify it,
/// and shows none that is the last thing in its option: what it covers is summed up here.
fn assert_checksums(file: &CaptureFile) {
    let fields = [
        "tcp.options.mptcp.rawdataseqno",
        "tcp.options.mptcp.subflowseqno",
        "tcp.options.mptcp.datalvllen",
        "tcp.payload",
        "tcp.options",
    ];
    let filter = "tcp.options.mptcp.rawdataseqno && tcp.len > 0 && frame.number < 1000";
    let mappings = file.rows(filter, &fields);
    assert!(mappings.len() > 100, "{} mappings", mappings.len());
    for mapping in mappings {
        let [dsn, ssn, len] = [0, 1, 2].map(|field| number(&mapping[field]));
        let (payload, options) = (bytes(&mapping[3]), bytes(&mapping[4]));
        assert_eq!(payload.len() as u64, len, "one segment, one mapping");
        let mut covered = dsn.to_be_bytes().to_vec();
        covered.extend(u32::try_from(ssn).expect("32 bits").to_be_bytes());
        covered.extend(u16::try_from(len).expect("16 bits").to_be_bytes());
        covered.extend([0, 0]);
        covered.extend(payload);
        covered.extend(dss_checksum(&options));
        // RFC 1071: a sum that includes its checksum is all ones.
        assert_eq!(ones_complement_sum(&covered), u16::MAX, "{mapping:?}");
    }
}

/// The checksum of the DSS option among `options`, at its end (RFC 6824 §3.3, figure 9).
fn dss_checksum(mut options: &[u8]) -> [u8; 2] {
    loop {
        match *options {
            [1, ref rest @ ..] => options = rest,
            [kind, len, ..] => {
                let (option, rest) = options.split_at(len.into());
                if kind == 30 && option[2] >> 4 == 2 {
                    assert_eq!(option[3] & 4, 4, "a mapping: {option:?}");
                    let ack = [0, 4, 0, 8][usize::from(option[3] & 3)];
                    let dsn = if option[3] & 8 == 0 { 4 } else { 8 };
                    assert_eq!(option.len(), 4 + ack + dsn + 4 + 2 + 2, "{option:?}");
                    return [option[option.len() - 2], option[option.len() - 1]];
                }
                options = rest;
            }
            _ => panic!("no DSS option"),
        }
    }
}

fn ones_complement_sum(bytes: &[u8]) -> u16 {
    let mut sum: u64 = bytes
        .chunks(2)
        .map(|pair| {
            let low = pair.get(1).copied().unwrap_or(0);
            u64::from(u16::from_be_bytes([pair[0], low]))
        })
        .sum();
    while sum > u64::from(u16::MAX) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded")
}

fn number(text: &str) -> u64 {
    // A frame with two options of a kind shows two numbers.
    let first = text.split(',').next().unwrap_or_default();
    first
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

#[test]
fn version_0() {
    capture_of(
        |_| {},
        |file| {
            // The client's key, echoed with the server's in the third acknowledgment.
            let sent = file.rows(
                &format!("{SYN} && {MP_CAPABLE}"),
                &["tcp.options.mptcp.sendkey"],
            );
            let echoed = file.rows(
                &format!("{NO_SYN} && {MP_CAPABLE}"),
                &["tcp.options.mptcp.sendkey"],
            );
            assert_eq!(sent[0], echoed[0]);
            file.assert_none("tcp.options.mptcp.checksumreq.flags == 1");
        },
    );
}

#[test]
fn version_0_with_ipv6() {
    capture_of(
        |options| options.family = Family::V6,
        |file| file.assert_none("ip"),
    );
}

#[test]
fn version_0_with_checksums() {
    capture_of(
        |options| options.checksum = true,
        |file| {
            let asked = file.rows(
                &format!("tcp.flags.syn == 1 && {MP_CAPABLE}"),
                &["tcp.options.mptcp.checksumreq.flags"],
            );
            assert_eq!(asked, [["1"], ["1"]]);
            assert_checksums(file);
        },
    );
}

#[test]
fn version_1() {
    capture_of(
        |options| options.version = Version::V1,
        |file| {
            // RFC 8684 §3.1: the SYN carries no key, the first data carries both.
            file.assert_none(&format!("{SYN} && tcp.options.mptcp.sendkey"));
        },
    );
}

#[test]
fn version_1_with_ipv6_and_checksums() {
    capture_of(
        |options| {
            options.version = Version::V1;
            options.family = Family::V6;
            options.checksum = true;
        },
        |file| {
            file.assert_none("ip");
            assert_checksums(file);
        },
    );
}

#[test]
fn version_1_with_the_kernel() {
    for direction in [Direction::ToKernel, Direction::FromKernel] {
        capture_of(
            move |options| {
                options.version = Version::V1;
                options.peer = Peer::Kernel(direction);
            },
            |_| {},
        );
    }
}
