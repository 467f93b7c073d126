//! How a transfer went: for people a table, for programs a value that serde writes.

use super::options::{Direction, Peer};
use crate::payload::Difference;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use umptcp_stack::ConnectionProtocol;

/// What the paths were made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Links {
    /// TUN devices, with the kernel routing between them.
    Tun,
    /// Queues inside the process.
    InProcess,
}

/// The outcome of one transfer.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The MPTCP version that was spoken; `None` if it was plain TCP in the end.
    pub version: Option<u8>,
    /// DSS checksums were in use.
    pub checksum: bool,
    /// What the paths were made of.
    pub links: Links,
    /// Who was on the other side: `stack` or `kernel`.
    pub peer: &'static str,
    /// With a kernel peer, which way the bytes went: `to-kernel` or `from-kernel`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<&'static str>,
    /// Bytes that arrived.
    pub bytes: u64,
    /// Blocks of 64 KiB whose CRC-32 was compared.
    pub blocks: usize,
    /// What arrived is what was sent.
    pub intact: bool,
    /// Where they differ, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<String>,
    /// From the first write to the end of the stream at the receiver.
    pub seconds: f64,
    /// Payload bits that arrived, by time.
    pub goodput_mbit_s: f64,
    /// Bytes that the sender sent once more, on another subflow.
    pub bytes_reinjected: u64,
    /// One entry for each subflow, in the order of opening.
    pub subflows: Vec<SubflowReport>,
    /// One entry for each cut that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<CutReport>,
}

/// What one subflow carried.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SubflowReport {
    /// The path it ran on.
    pub path: Option<usize>,
    /// Its address and port at the client.
    pub local: SocketAddr,
    /// Its address and port at the other side.
    pub remote: SocketAddr,
    /// Payload bytes in the direction of the transfer, retransmissions not counted.
    pub bytes: u64,
    /// Its part of the bytes of all subflows, from 0 to 1.
    pub share: f64,
    /// Smoothed round-trip time, once measured.
    pub rtt_ms: Option<f64>,
    /// Segments that our stack sent more than once.
    pub retransmissions: u64,
}

/// A cut and whether it came in time.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct CutReport {
    /// The path.
    pub path: usize,
    /// When it was due, in milliseconds.
    pub at_ms: u64,
    /// The path went down while bytes were still to arrive.
    pub during_transfer: bool,
}

/// The raw outcome, before shares and rates are worked out.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) protocol: ConnectionProtocol,
    pub(super) checksum: bool,
    pub(super) links: Links,
    pub(super) peer: Peer,
    pub(super) bytes: u64,
    pub(super) blocks: usize,
    pub(super) difference: Option<Difference>,
    pub(super) seconds: f64,
    pub(super) bytes_reinjected: u64,
    pub(super) subflows: Vec<SubflowReport>,
    pub(super) cuts: Vec<CutReport>,
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        let mut subflows = outcome.subflows;
        let carried: u64 = subflows.iter().map(|subflow| subflow.bytes).sum();
        for subflow in &mut subflows {
            subflow.share = ratio(subflow.bytes, carried);
        }
        let (peer, direction) = match outcome.peer {
            Peer::Stack => ("stack", None),
            Peer::Kernel(Direction::ToKernel) => ("kernel", Some("to-kernel")),
            Peer::Kernel(Direction::FromKernel) => ("kernel", Some("from-kernel")),
        };
        let megabits = as_f64(outcome.bytes) * 8.0 / 1e6;
        Self {
            version: match outcome.protocol {
                ConnectionProtocol::Mptcp(version) => Some(version.number()),
                ConnectionProtocol::Negotiating | ConnectionProtocol::Tcp => None,
            },
            checksum: outcome.checksum,
            links: outcome.links,
            peer,
            direction,
            bytes: outcome.bytes,
            blocks: outcome.blocks,
            intact: outcome.difference.is_none(),
            difference: outcome.difference.map(|difference| difference.to_string()),
            seconds: outcome.seconds,
            goodput_mbit_s: if outcome.seconds > 0.0 { megabits / outcome.seconds } else { 0.0 },
            bytes_reinjected: outcome.bytes_reinjected,
            subflows,
            cuts: outcome.cuts,
        }
    }
}

impl Display for Report {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let protocol = match (self.version, self.checksum) {
            (Some(version), false) => format!("MPTCP version {version}"),
            (Some(version), true) => format!("MPTCP version {version} with checksums"),
            (None, _) => "plain TCP".to_owned(),
        };
        let links = match self.links {
            Links::Tun => "TUN devices",
            Links::InProcess => "in-process links",
        };
        let peer = match self.direction {
            None => "our stack to our stack",
            Some("from-kernel") => "Linux kernel to our stack",
            Some(_) => "our stack to the Linux kernel",
        };
        writeln!(formatter, "{protocol} over {links}, {peer}\n")?;
        self.table(formatter)?;
        writeln!(
            formatter,
            "\n{} bytes in {:.3} s, goodput {:.1} Mbit/s",
            self.bytes, self.seconds, self.goodput_mbit_s
        )?;
        for cut in &self.cuts {
            let when = if cut.during_transfer { "went down" } else { "was to go down only" };
            writeln!(formatter, "path {} {when} after {} ms", cut.path, cut.at_ms)?;
        }
        match &self.difference {
            None => write!(formatter, "intact: CRC-32 equal in all {} blocks of 64 KiB", self.blocks),
            Some(difference) => write!(formatter, "NOT INTACT: {difference}"),
        }
    }
}

impl Report {
    fn table(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let heading = ["path", "local", "remote", "bytes", "share", "RTT", "retransmissions"];
        let mut rows: Vec<[String; 7]> = vec![heading.map(str::to_owned)];
        rows.extend(self.subflows.iter().map(|subflow| {
            [
                subflow.path.map_or_else(|| "-".to_owned(), |path| path.to_string()),
                subflow.local.to_string(),
                subflow.remote.to_string(),
                subflow.bytes.to_string(),
                format!("{:.1} %", subflow.share * 100.0),
                subflow.rtt_ms.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.3} ms")),
                subflow.retransmissions.to_string(),
            ]
        }));
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in rows {
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                match column {
                    0 => write!(formatter, "{cell:>width$}")?,
                    // Addresses read from the left, numbers from the right.
                    1 | 2 => write!(formatter, "  {cell:<width$}")?,
                    _ => write!(formatter, "  {cell:>width$}")?,
                }
            }
            writeln!(formatter)?;
        }
        Ok(())
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { as_f64(part) / as_f64(whole) }
}

#[expect(clippy::cast_precision_loss, reason = "figures for reading: 53 bits are plenty")]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use umptcp_stack::Version;

    fn report(difference: Option<Difference>) -> Report {
        let subflow = |path: usize, bytes| SubflowReport {
            path: Some(path),
            local: SocketAddr::from(([10, 77, u8::try_from(path).unwrap_or(0), 2], 49152)),
            remote: SocketAddr::from(([10, 78, u8::try_from(path).unwrap_or(0), 2], 5001)),
            bytes,
            share: 0.0,
            rtt_ms: (path == 0).then_some(0.25),
            retransmissions: 7,
        };
        Report::from(Outcome {
            protocol: ConnectionProtocol::Mptcp(Version::V0),
            checksum: true,
            links: Links::Tun,
            peer: Peer::Stack,
            bytes: 1_000_000,
            blocks: 16,
            difference,
            seconds: 0.5,
            bytes_reinjected: 0,
            subflows: vec![subflow(0, 250_000), subflow(1, 750_000)],
            cuts: vec![CutReport { path: 1, at_ms: 100, during_transfer: true }],
        })
    }

    #[test]
    fn the_table_is_aligned() {
        let expected = "\
MPTCP version 0 with checksums over TUN devices, our stack to our stack

path  local            remote           bytes   share       RTT  retransmissions
   0  10.77.0.2:49152  10.78.0.2:5001  250000  25.0 %  0.250 ms                7
   1  10.77.1.2:49152  10.78.1.2:5001  750000  75.0 %         -                7

1000000 bytes in 0.500 s, goodput 16.0 Mbit/s
path 1 went down after 100 ms
intact: CRC-32 equal in all 16 blocks of 64 KiB";
        assert_eq!(report(None).to_string(), expected);
    }

    #[test]
    fn a_difference_is_said_aloud() {
        let difference = Difference::Block { index: 3, offset: 196_608 };
        let report = report(Some(difference));
        assert!(!report.intact);
        assert!(report.to_string().ends_with("NOT INTACT: block 3 (64 KiB from byte 196608) differs"));
    }
}
