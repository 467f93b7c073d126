//! What goes over the wire, as tshark reads it: its MPTCP dissector works out tokens, initial
//! sequence numbers and mappings from the keys it sees, and flags what does not fit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufWriter;
use umptcp_lab::capture::SharedCapture;
use umptcp_lab::demo::{self, DemoOptions, Direction, LinkChoice, Peer};
use umptcp_lab::payload::Payload;
use umptcp_lab::topology::Family;
use umptcp_stack::Version;
use umptcp_tests::privilege::in_private_network;
use umptcp_tests::tshark::CaptureFile;

/// Enough for every subflow to carry data, little enough to be dissected quickly.
const LEN: u64 = 8 << 20;

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
        assert_tokens(&file);
        assert_sequence_numbers(&file, options.version);
        assert_dissected_without_complaint(&file);
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

/// The join names the connection by the token that tshark derives from the key of the host that
/// is asked to accept it, and tshark puts both subflows in one connection.
fn assert_tokens(file: &CaptureFile) {
    let named = file.rows(
        &format!("{SYN} && {MP_JOIN}"),
        &["tcp.options.mptcp.recvtok", "ip.dst", "ipv6.dst"],
    );
    let fields = ["mptcp.expected_token"];
    let derived: BTreeSet<String> = file
        .rows(&format!("{MP_CAPABLE} && mptcp.expected_token"), &fields)
        .into_iter()
        .map(|mut row| row.remove(0))
        .collect();
    assert_eq!(derived.len(), 2, "a token of each host: {derived:?}");
    assert!(
        derived.contains(&named[0][0]),
        "{named:?} names none of {derived:?}"
    );
    let connections: BTreeMap<String, String> = file
        .rows("mptcp", &["tcp.stream", "mptcp.stream"])
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(connections.len(), 2, "subflows: {connections:?}");
    assert!(
        connections.values().all(|connection| connection == "0"),
        "{connections:?}"
    );
}

/// The data of each direction begins after the IDSN that tshark derives from the sender's key
/// (RFC 6824 §3.1, RFC 8684 §3.1).
fn assert_sequence_numbers(file: &CaptureFile, version: Version) {
    let derived: BTreeSet<u64> = file
        .rows(
            "mptcp.expected_idsn && tcp.stream == 0",
            &["mptcp.expected_idsn"],
        )
        .iter()
        .map(|row| number(&row[0]))
        .collect();
    assert_eq!(derived.len(), 2, "an IDSN of each host: {derived:?}");
    // RFC 8684 §3.1: the first mapping of version 1 may be in an MP_CAPABLE, which has its length
    // but not its number.
    let mut implicit = vec![0];
    if version == Version::V1 {
        let fields = ["tcp.options.mptcp.datalvllen"];
        let lengths = file.rows(&format!("{NO_SYN} && {MP_CAPABLE} && tcp.len > 0"), &fields);
        implicit.extend(lengths.iter().map(|row| number(&row[0])));
    }
    let begins: BTreeSet<u32> = derived
        .iter()
        .flat_map(|idsn| implicit.iter().map(|len| low32(idsn.wrapping_add(1 + len))))
        .collect();
    let mut firsts: BTreeMap<&str, u64> = BTreeMap::new();
    let filter = "tcp.options.mptcp.rawdataseqno && tcp.options.mptcp.datalvllen > 0";
    for row in file.rows(filter, &["tcp.dstport", "tcp.options.mptcp.rawdataseqno"]) {
        // The server's port tells the direction; it is the same on every subflow.
        let direction = if row[0] == "5001" { "there" } else { "back" };
        let dsn = number(&row[1]);
        let first = firsts.entry(direction).or_insert(dsn);
        if before(dsn, *first) {
            *first = dsn;
        }
    }
    assert!(!firsts.is_empty());
    for (direction, first) in &firsts {
        assert!(
            begins.contains(&low32(*first)),
            "{direction}: {first} is not next to {derived:?}"
        );
    }
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

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

/// Of numbers of 32 or 64 bits, the low halves are what can be compared.
fn before(a: u64, b: u64) -> bool {
    low32(a).wrapping_sub(low32(b)) > u32::MAX / 2
}

fn low32(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("the low half")
}

fn number(text: &str) -> u64 {
    // A frame with two options of a kind shows two numbers.
    let first = text.split(',').next().unwrap_or_default();
    first
        .parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

fn assert_dissected_without_complaint(file: &CaptureFile) {
    let complaints = [
        "_ws.malformed",
        "tcp.option.len.invalid",
        "mptcp.connection.echoed_key_mismatch",
        "mptcp.connection.missing_algorithm",
        "mptcp.connection.unsupported_algorithm",
        "mptcp.dss.infinite_mapping",
        "tcp.checksum.status == \"Bad\"",
        "ip.checksum.status == \"Bad\"",
        // The dissector does not take the length in an MP_CAPABLE with data for the mapping that
        // it is, and misses one where there is nothing to map: on a bare DATA_FIN, and on what
        // follows it.
        "(mptcp.dss.missing_mapping && tcp.len > 0 && !(tcp.options.mptcp.subtype == 0))",
    ];
    file.assert_none(&complaints.join(" || "));
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
