//! How a transfer went: for people a table, for programs a value that serde writes.

use super::exchange::Exchanged;
use super::options::{Direction, Peer};
use crate::topology::AddressPlan;
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use umptcp_stack::{ConnectionInfo, ConnectionProtocol, SubflowInfo};

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
    /// Why the capture that was asked for is not whole, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_error: Option<String>,
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

/// Which end of the transfer our client stack was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Sender,
    Receiver,
}

/// What is known when a transfer has come to its end.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) links: Links,
    pub(super) plan: AddressPlan,
    pub(super) peer: Peer,
    pub(super) role: Role,
    pub(super) exchanged: Exchanged,
    /// The client's view of the connection and its subflows.
    pub(super) connection: ConnectionInfo,
    pub(super) subflows: Vec<SubflowInfo>,
}

impl From<Outcome> for Report {
    fn from(outcome: Outcome) -> Self {
        let Outcome {
            links,
            plan,
            peer,
            role,
            exchanged,
            connection,
            subflows,
        } = outcome;
        let (peer, direction) = match peer {
            Peer::Stack => ("stack", None),
            Peer::Kernel(Direction::ToKernel) => ("kernel", Some("to-kernel")),
            Peer::Kernel(Direction::FromKernel) => ("kernel", Some("from-kernel")),
        };
        let bytes = exchanged.received.len();
        let seconds = exchanged.elapsed.as_secs_f64();
        let difference = exchanged.sent.first_difference(&exchanged.received);
        Self {
            version: match connection.protocol {
                ConnectionProtocol::Mptcp(version) => Some(version.number()),
                ConnectionProtocol::Negotiating | ConnectionProtocol::Tcp => None,
            },
            checksum: connection.checksum,
            links,
            peer,
            direction,
            bytes,
            blocks: exchanged.received.block_count(),
            intact: difference.is_none(),
            difference: difference.map(|difference| difference.to_string()),
            seconds,
            goodput_mbit_s: as_f64(bytes) * 8.0 / 1e6 / seconds.max(f64::EPSILON),
            bytes_reinjected: connection.bytes_reinjected,
            subflows: subflow_reports(&subflows, plan, role),
            cuts: exchanged.cuts,
            capture_error: None,
        }
    }
}

fn subflow_reports(subflows: &[SubflowInfo], plan: AddressPlan, role: Role) -> Vec<SubflowReport> {
    let carried = |subflow: &SubflowInfo| match role {
        Role::Sender => subflow.bytes_sent,
        Role::Receiver => subflow.bytes_received,
    };
    let total: u64 = subflows.iter().map(carried).sum();
    let report = |subflow: &SubflowInfo| SubflowReport {
        path: plan.path_of(subflow.local.ip()),
        local: subflow.local,
        remote: subflow.remote,
        bytes: carried(subflow),
        share: ratio(carried(subflow), total),
        rtt_ms: subflow.srtt.map(|rtt| rtt.as_secs_f64() * 1e3),
        retransmissions: subflow.retransmissions,
    };
    // A SYN that nobody answered, on a path that was cut, has made no subflow.
    let opened = |subflow: &&SubflowInfo| subflow.srtt.is_some() || carried(subflow) > 0;
    subflows.iter().filter(opened).map(report).collect()
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
            let when = if cut.during_transfer {
                "went down"
            } else {
                "was to go down only"
            };
            writeln!(formatter, "path {} {when} after {} ms", cut.path, cut.at_ms)?;
        }
        match &self.difference {
            None => write!(
                formatter,
                "intact: CRC-32 equal in all {} blocks of 64 KiB",
                self.blocks
            ),
            Some(difference) => write!(formatter, "NOT INTACT: {difference}"),
        }
    }
}

impl Report {
    fn table(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let heading = [
            "path",
            "local",
            "remote",
            "bytes",
            "share",
            "RTT",
            "retransmissions",
        ];
        let mut rows: Vec<[String; 7]> = vec![heading.map(str::to_owned)];
        rows.extend(self.subflows.iter().map(|subflow| {
            [
                subflow
                    .path
                    .map_or_else(|| "-".to_owned(), |path| path.to_string()),
                subflow.local.to_string(),
                subflow.remote.to_string(),
                subflow.bytes.to_string(),
                format!("{:.1} %", subflow.share * 100.0),
                subflow
                    .rtt_ms
                    .map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.3} ms")),
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
    if whole == 0 {
        0.0
    } else {
        as_f64(part) / as_f64(whole)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for reading: 53 bits are plenty"
)]
const fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let subflow = |path: u8, bytes, share| SubflowReport {
            path: Some(path.into()),
            local: SocketAddr::from(([10, 77, path, 2], 49152)),
            remote: SocketAddr::from(([10, 78, path, 2], 5001)),
            bytes,
            share,
            rtt_ms: (path == 0).then_some(0.25),
            retransmissions: 7,
        };
        Report {
            version: Some(0),
            checksum: true,
            links: Links::Tun,
            peer: "stack",
            direction: None,
            bytes: 1_000_000,
            blocks: 16,
            intact: true,
            difference: None,
            seconds: 0.5,
            goodput_mbit_s: 16.0,
            bytes_reinjected: 0,
            subflows: vec![subflow(0, 250_000, 0.25), subflow(1, 750_000, 0.75)],
            cuts: vec![CutReport {
                path: 1,
                at_ms: 100,
                during_transfer: true,
            }],
            capture_error: None,
        }
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
        assert_eq!(report().to_string(), expected);
    }

    #[test]
    fn a_difference_is_said_aloud() {
        let mut report = report();
        report.intact = false;
        report.difference = Some("block 3 differs".to_owned());
        assert!(report.to_string().ends_with("NOT INTACT: block 3 differs"));
    }

    #[test]
    fn the_object_for_programs_has_the_promised_names() {
        let object = serde_json::to_value(report()).expect("plain values");
        for name in [
            "version",
            "bytes",
            "intact",
            "seconds",
            "goodput_mbit_s",
            "subflows",
        ] {
            assert!(object.get(name).is_some(), "{name} in {object}");
        }
        assert_eq!(object["version"], 0);
        assert_eq!(object["links"], "tun");
        assert_eq!(object["subflows"][1]["local"], "10.77.1.2:49152");
        assert_eq!(object["subflows"][1]["remote"], "10.78.1.2:5001");
        assert_eq!(object["subflows"][1]["bytes"], 750_000);
    }
}
