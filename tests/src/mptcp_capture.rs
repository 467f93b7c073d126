//! What every capture of MPTCP has to show, whoever the hosts are: tshark's dissector has nothing to
//! complain of, and its tokens and initial sequence numbers, ours by the formulas of the RFCs, and
//! those that the hosts use are the same.
//!
//! The module owns the reading of the options, byte by byte and without the stack's own parser, and
//! which streams belong to one connection. It never decides what a scenario should have done.

use crate::tshark::{CaptureFile, Frame};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// TCP option kind (RFC 6824 §8).
const MPTCP: u8 = 30;
// Subtypes (RFC 6824 §8, RFC 8684 §7.2).
/// MP_CAPABLE.
pub const MP_CAPABLE: u8 = 0;
/// MP_JOIN.
pub const MP_JOIN: u8 = 1;
/// DSS.
pub const DSS: u8 = 2;
/// ADD_ADDR.
pub const ADD_ADDR: u8 = 3;
/// REMOVE_ADDR.
pub const REMOVE_ADDR: u8 = 4;
/// MP_PRIO.
pub const MP_PRIO: u8 = 5;
/// MP_FASTCLOSE.
pub const MP_FASTCLOSE: u8 = 7;

/// Whether an IP packet is a TCP segment with an MPTCP option of this subtype.
#[must_use]
pub fn subtype_of_packet(packet: &[u8], subtype: u8) -> bool {
    let Some(ip) = ip_header_len(packet) else {
        return false;
    };
    // RFC 9293 §3.1: the data offset counts words of four bytes.
    let Some(offset) = packet.get(ip + 12).map(|byte| usize::from(byte >> 4) * 4) else {
        return false;
    };
    let options = packet.get(ip + 20..ip + offset).unwrap_or_default();
    mptcp_among(options)
        .iter()
        .any(|option| option[2] >> 4 == subtype)
}

/// Source and destination of an IP packet that carries TCP.
#[must_use]
pub fn addresses_of_packet(packet: &[u8]) -> Option<[IpAddr; 2]> {
    ip_header_len(packet)?;
    let v4 = |at: usize| -> Option<IpAddr> {
        Some(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?.into())
    };
    let v6 = |at: usize| -> Option<IpAddr> {
        Some(<[u8; 16]>::try_from(packet.get(at..at + 16)?).ok()?.into())
    };
    Some(if packet[0] >> 4 == 4 {
        [v4(12)?, v4(16)?]
    } else {
        [v6(8)?, v6(24)?]
    })
}

/// The length of the IP header, if TCP follows (RFC 791 §3.1, RFC 8200 §3).
fn ip_header_len(packet: &[u8]) -> Option<usize> {
    const TCP: u8 = 6;
    let first = *packet.first()?;
    let (len, protocol) = match first >> 4 {
        4 => (usize::from(first & 15) * 4, *packet.get(9)?),
        _ => (40, *packet.get(6)?),
    };
    (protocol == TCP).then_some(len)
}

/// The MPTCP options of a frame, each from its kind on.
#[must_use]
pub fn mptcp_options(frame: &Frame) -> Vec<&[u8]> {
    mptcp_among(&frame.options)
}

fn mptcp_among(options: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut rest) = (Vec::new(), options);
    while let [kind, after @ ..] = rest {
        match (kind, after) {
            // RFC 9293 §3.1: the end of the list, and padding.
            (0, _) => break,
            (1, _) => rest = after,
            (_, [len, ..]) if (2..=rest.len()).contains(&usize::from(*len)) => {
                let (option, following) = rest.split_at(usize::from(*len));
                if *kind == MPTCP && option.len() > 2 {
                    found.push(option);
                }
                rest = following;
            }
            _ => break,
        }
    }
    found
}

/// The MPTCP option of a frame with this subtype.
#[must_use]
pub fn option(frame: &Frame, subtype: u8) -> Option<&[u8]> {
    mptcp_options(frame)
        .into_iter()
        .find(|option| option[2] >> 4 == subtype)
}

/// One host of a connection, by its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// The key, as it is sent.
    pub key: u64,
    /// The most significant 32 bits of its hash.
    pub token: u32,
    /// The least significant 64 bits of its hash.
    pub idsn: u64,
}

impl Host {
    /// RFC 6824 §3.1 and §3.2 for version 0, RFC 8684 §3.1 and §3.2 for version 1.
    fn new(version: u8, key: u64) -> Self {
        let hash = match version {
            0 => Sha1::digest(key.to_be_bytes()).to_vec(),
            _ => Sha256::digest(key.to_be_bytes()).to_vec(),
        };
        let (first, last) = (&hash[..4], &hash[hash.len() - 8..]);
        Self {
            key,
            token: u32::from_be_bytes(first.try_into().expect("four bytes")),
            idsn: u64::from_be_bytes(last.try_into().expect("eight bytes")),
        }
    }
}

/// A connection of the capture.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Of the protocol.
    pub version: u8,
    /// Who sent the first SYN, and who answered.
    pub hosts: [Host; 2],
    /// Its streams, and whether the host that sent a stream's SYN is the first one.
    pub streams: BTreeMap<u32, bool>,
}

/// A capture that has been found in order.
#[derive(Debug)]
pub struct Checked {
    /// All TCP segments.
    pub frames: Vec<Frame>,
    /// The MPTCP connections.
    pub connections: Vec<Connection>,
}

impl Checked {
    /// Reads a capture and checks what must hold for each.
    #[must_use]
    pub fn of(file: &CaptureFile) -> Self {
        let frames = file.frames();
        assert_no_complaint(file, &frames);
        let mut connections = connections_of(&frames);
        add_joins(&frames, &mut connections);
        let checked = Self {
            frames,
            connections,
        };
        checked.assert_derived_by_the_dissector();
        checked.assert_first_sequence_numbers();
        checked
    }

    /// Frames with an option of this subtype.
    #[must_use]
    pub fn count(&self, subtype: u8) -> usize {
        let with = |frame: &&Frame| option(frame, subtype).is_some();
        self.frames.iter().filter(with).count()
    }

    /// tshark derives the same numbers from the keys, and finds the same streams to be one
    /// connection.
    fn assert_derived_by_the_dissector(&self) {
        for connection in &self.connections {
            let frames: Vec<&Frame> = self
                .frames
                .iter()
                .filter(|frame| connection.streams.contains_key(&frame.stream))
                .collect();
            let tokens: BTreeSet<u32> = frames.iter().flat_map(|f| f.tokens.clone()).collect();
            let idsns: BTreeSet<u64> = frames.iter().flat_map(|f| f.idsns.clone()).collect();
            let hosts = connection.hosts;
            assert_eq!(
                tokens,
                hosts.map(|host| host.token).into(),
                "{connection:?}"
            );
            assert_eq!(idsns, hosts.map(|host| host.idsn).into(), "{connection:?}");
            let numbers: BTreeSet<u32> = frames.iter().filter_map(|f| f.connection).collect();
            assert_eq!(numbers.len(), 1, "one connection: {connection:?}");
        }
    }

    /// The first byte of each direction has the number after the IDSN (RFC 6824 §3.1).
    fn assert_first_sequence_numbers(&self) {
        let mut firsts: BTreeMap<(usize, bool), u64> = BTreeMap::new();
        for frame in &self.frames {
            let Some((number, connection)) = self.connection_of(frame) else {
                continue;
            };
            let from_first = connection.streams[&frame.stream] == frame.from_opener;
            let sender = connection.hosts[usize::from(!from_first)];
            let Some(dsn) = first_byte(frame, sender) else {
                continue;
            };
            let first = firsts.entry((number, from_first)).or_insert(dsn);
            if dsn.wrapping_sub(*first) > u64::MAX / 2 {
                *first = dsn;
            }
        }
        for ((number, from_first), first) in firsts {
            let host = self.connections[number].hosts[usize::from(!from_first)];
            let expected = host.idsn.wrapping_add(1);
            assert_eq!(first, expected, "{host:?} of connection {number}");
        }
    }

    fn connection_of(&self, frame: &Frame) -> Option<(usize, &Connection)> {
        self.connections
            .iter()
            .enumerate()
            .find(|(_, connection)| connection.streams.contains_key(&frame.stream))
    }
}

/// The number of the first byte that a frame maps, in 64 bits.
fn first_byte(frame: &Frame, sender: Host) -> Option<u64> {
    if frame.len == 0 {
        return None;
    }
    if option(frame, MP_CAPABLE).is_some() {
        // RFC 8684 §3.1: with data it is the mapping of the very first bytes.
        return Some(sender.idsn.wrapping_add(1));
    }
    let dss = option(frame, DSS)?;
    // Flags of RFC 6824 §3.3, figure 9: A and a, M and m.
    let (has_ack, ack8) = (dss[3] & 1 != 0, dss[3] & 2 != 0);
    let (has_map, dsn8) = (dss[3] & 4 != 0, dss[3] & 8 != 0);
    let at = 4 + match (has_ack, ack8) {
        (false, _) => 0,
        (true, false) => 4,
        (true, true) => 8,
    };
    if !has_map {
        return None;
    }
    Some(if dsn8 {
        u64::from_be_bytes(dss[at..at + 8].try_into().expect("eight bytes"))
    } else {
        // The transfers here are shorter than half the space of 32 bits.
        let low = u32::from_be_bytes(dss[at..at + 4].try_into().expect("four bytes"));
        let base = u32::try_from(sender.idsn & u64::from(u32::MAX)).expect("the low half");
        sender.idsn.wrapping_add(u64::from(low.wrapping_sub(base)))
    })
}

/// The connections that begin with MP_CAPABLE in all three packets.
fn connections_of(frames: &[Frame]) -> Vec<Connection> {
    let mut streams: BTreeMap<u32, Vec<&Frame>> = BTreeMap::new();
    for frame in frames.iter().filter(|f| option(f, MP_CAPABLE).is_some()) {
        streams.entry(frame.stream).or_default().push(frame);
    }
    let mut connections = Vec::new();
    for (stream, frames) in streams {
        let answer = frames.iter().find(|frame| frame.is_syn_ack());
        let third = frames.iter().find(|frame| !frame.syn && frame.from_opener);
        let (Some(answer), Some(third)) = (answer, third) else {
            continue;
        };
        let (answer, third) = (option(answer, MP_CAPABLE), option(third, MP_CAPABLE));
        let (answer, third) = (answer.expect("filtered"), third.expect("filtered"));
        let version = answer[2] & 15;
        assert_eq!(
            third[2] & 15,
            version,
            "one version: {answer:x?} {third:x?}"
        );
        let key = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().expect("eight bytes"));
        assert_eq!(answer[4..12], third[12..20], "the echoed key");
        if version == 0 {
            let syn = frames.iter().find(|frame| frame.syn && frame.from_opener);
            let syn = syn.and_then(|syn| option(syn, MP_CAPABLE)).expect("a SYN");
            assert_eq!(syn[4..12], third[4..12], "the repeated key");
        }
        connections.push(Connection {
            version,
            hosts: [
                Host::new(version, key(&third[4..12])),
                Host::new(version, key(&answer[4..12])),
            ],
            streams: BTreeMap::from([(stream, true)]),
        });
    }
    connections
}

/// Each join that was answered names a host of one of the connections by its token.
fn add_joins(frames: &[Frame], connections: &mut [Connection]) {
    let joins = |frame: &&Frame| frame.syn && option(frame, MP_JOIN).is_some();
    let answered: BTreeSet<u32> = frames
        .iter()
        .filter(joins)
        .filter(|frame| frame.is_syn_ack())
        .map(|frame| frame.stream)
        .collect();
    let asked = frames.iter().filter(joins).filter(|f| !f.is_syn_ack());
    for frame in asked.filter(|frame| answered.contains(&frame.stream)) {
        let join = option(frame, MP_JOIN).expect("filtered");
        let token = u32::from_be_bytes(join[4..8].try_into().expect("four bytes"));
        let found = connections.iter_mut().find_map(|connection| {
            let host = connection
                .hosts
                .iter()
                .position(|host| host.token == token)?;
            Some((connection, host))
        });
        let (connection, asked) =
            found.unwrap_or_else(|| panic!("frame {}: token {token:#x}", frame.number));
        // Who asks the second host is the first.
        connection.streams.insert(frame.stream, asked == 1);
    }
}

/// Nothing but remarks about TCP sequences.
fn assert_no_complaint(file: &CaptureFile, frames: &[Frame]) {
    for frame in frames {
        for (group, message) in &frame.remarks {
            // The dissector does not take the length in an MP_CAPABLE with data for the mapping
            // that it is, and misses one where there is nothing to map: on a bare DATA_FIN, and on
            // what follows it.
            let known = message.contains("No mapping available")
                && (frame.len == 0 || option(frame, MP_CAPABLE).is_some());
            // The dissector takes flag C for an algorithm (RFC 8684 §3.1).
            let denies = |capable: &[u8]| capable[2] & 15 == 1 && capable[3] & 0x20 != 0;
            let known = known
                || message.contains("Unsupported algorithm")
                    && option(frame, MP_CAPABLE).is_some_and(denies);
            // Linux and we align options to four bytes; Linux has two ways to write 0.
            let known = known
                || message.contains("NOP in a row")
                || message.contains("0xffff instead of 0x0000");
            assert!(
                known || *group == SEQUENCE,
                "{}: frame {}: {message} (group {group:#x}): {frame:?}",
                file.path().display(),
                frame.number
            );
        }
    }
}

/// Wireshark's group of remarks about sequence numbers (`PI_SEQUENCE`): retransmissions, SYN, RST.
const SEQUENCE: u32 = 0x0200_0000;
