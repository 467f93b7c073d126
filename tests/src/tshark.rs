//! Captures read back with tshark, whose MPTCP dissector works out tokens, sequence numbers and
//! mappings by itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Makes the dissector work out what it can, and show numbers as they are on the wire.
const PREFERENCES: [&str; 7] = [
    "mptcp.analyze_mptcp:TRUE",
    "mptcp.analyze_mappings:TRUE",
    "mptcp.relative_sequence_numbers:FALSE",
    "tcp.relative_sequence_numbers:FALSE",
    "tcp.check_checksum:TRUE",
    "ip.check_checksum:TRUE",
    // Payload of these tests is noise that may look like anything.
    "tcp.try_heuristic_first:FALSE",
];

/// A capture file, removed when the test is over, unless the test has failed.
#[derive(Debug)]
pub struct CaptureFile {
    path: PathBuf,
}

/// One frame: the values of the fields that were asked for, several ones joined by commas.
pub type Row = Vec<String>;

impl CaptureFile {
    /// A file of a name nobody else has.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("umptcp-{}-{number}.pcapng", std::process::id());
        Self {
            path: std::env::temp_dir().join(name),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The `fields` of each frame that matches `filter`.
    ///
    /// # Panics
    /// tshark cannot be run or does not like what it is asked.
    #[must_use]
    pub fn rows(&self, filter: &str, fields: &[&str]) -> Vec<Row> {
        let mut command = Command::new("tshark");
        command
            .args(["-n", "-r"])
            .arg(&self.path)
            .args(["-Y", filter]);
        for preference in PREFERENCES {
            command.args(["-o", preference]);
        }
        command.args([
            "-T",
            "fields",
            "-E",
            "separator=/t",
            "-E",
            "occurrence=a",
            "-E",
            "aggregator=,",
        ]);
        for field in fields {
            command.args(["-e", field]);
        }
        let output = command.output().expect("tshark (tests/run installs it)");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tshark -Y {filter:?}: {complaint}");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }

    /// Every TCP segment, in one run of tshark.
    ///
    /// # Panics
    /// As [`Self::rows`].
    #[must_use]
    pub fn frames(&self) -> Vec<Frame> {
        let mut openers = BTreeMap::new();
        // ICMP errors quote segments; they are none.
        self.rows("tcp && !icmp && !icmpv6", &Frame::FIELDS)
            .iter()
            .map(|row| Frame::of(row, &mut openers))
            .collect()
    }

    /// How many frames match `filter`.
    #[must_use]
    pub fn count(&self, filter: &str) -> usize {
        self.rows(filter, &["frame.number"]).len()
    }

    /// Fails if a frame matches `filter`, and says which.
    ///
    /// # Panics
    /// When one does.
    pub fn assert_none(&self, filter: &str) {
        let rows = self.rows(
            filter,
            &["frame.number", "_ws.col.Info", "_ws.expert.message"],
        );
        assert!(
            rows.is_empty(),
            "{}: {} frames match {filter:?}, the first: {:?}",
            self.path.display(),
            rows.len(),
            rows[0]
        );
    }
}

/// A TCP segment as tshark sees it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// From 1 on.
    pub number: u32,
    /// tshark's number for the subflow.
    pub stream: u32,
    /// tshark's number for the MPTCP connection.
    pub connection: Option<u32>,
    /// Source.
    pub from: SocketAddr,
    /// Destination.
    pub to: SocketAddr,
    /// It is from the host whose SYN was first in its stream.
    pub from_opener: bool,
    /// Flag SYN.
    pub syn: bool,
    /// Flag ACK.
    pub ack: bool,
    /// Flag RST.
    pub rst: bool,
    /// Bytes of payload.
    pub len: u32,
    /// The options, as they are.
    pub options: Vec<u8>,
    /// Tokens that the dissector has derived.
    pub tokens: Vec<u32>,
    /// Initial data sequence numbers that the dissector has derived.
    pub idsns: Vec<u64>,
    /// Remarks of the dissector: group and text.
    pub remarks: Vec<(u32, String)>,
}

impl Frame {
    const FIELDS: [&str; 16] = [
        "frame.number",
        "tcp.stream",
        "mptcp.stream",
        "ip.src",
        "ipv6.src",
        "tcp.srcport",
        "ip.dst",
        "ipv6.dst",
        "tcp.dstport",
        "tcp.flags",
        "tcp.len",
        "tcp.options",
        "mptcp.expected_token",
        "mptcp.expected_idsn",
        "_ws.expert.group",
        "_ws.expert.message",
    ];

    /// `openers` keeps who began each stream.
    fn of(row: &Row, openers: &mut BTreeMap<u32, SocketAddr>) -> Self {
        let [
            number,
            stream,
            connection,
            src4,
            src6,
            src_port,
            dst4,
            dst6,
            dst_port,
            flags,
            len,
            options,
            tokens,
            idsns,
            groups,
            messages,
        ] = std::array::from_fn(|field| row.get(field).map_or("", String::as_str));
        let address = |v4: &str, v6: &str, port: &str| {
            let ip: IpAddr = if v4.is_empty() { v6 } else { v4 }
                .parse()
                .expect("an address");
            SocketAddr::new(ip, port.parse().expect("a port"))
        };
        let (from, to) = (address(src4, src6, src_port), address(dst4, dst6, dst_port));
        let flags = u16::from_str_radix(flags.trim_start_matches("0x"), 16).expect("flags");
        let stream = stream.parse().expect("a stream");
        let groups = groups.split(',').filter_map(|group| group.parse().ok());
        Self {
            number: number.parse().expect("a number"),
            stream,
            connection: connection.parse().ok(),
            from,
            to,
            from_opener: *openers.entry(stream).or_insert(from) == from,
            // RFC 9293 §3.1.
            syn: flags & 2 != 0,
            ack: flags & 16 != 0,
            rst: flags & 4 != 0,
            len: len.parse().unwrap_or_default(),
            options: bytes(options),
            tokens: tokens
                .split(',')
                .filter_map(|token| token.parse().ok())
                .collect(),
            idsns: idsns
                .split(',')
                .filter_map(|idsn| idsn.parse().ok())
                .collect(),
            // A frame has few remarks: the text of all of them stands with each.
            remarks: groups.map(|group| (group, messages.to_owned())).collect(),
        }
    }

    /// Flags SYN and ACK.
    #[must_use]
    pub const fn is_syn_ack(&self) -> bool {
        self.syn && self.ack
    }
}

/// Bytes from their hexadecimal digits.
///
/// # Panics
/// They are none.
#[must_use]
pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

impl Default for CaptureFile {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for CaptureFile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
