//! A bulk transfer between two endpoints in one thread: what the stack itself costs.
//!
//! Every packet is copied once, from the `Transmit` into a receive buffer, as a device would
//! copy it; there is no system call, no other thread and no delay. Time is virtual and goes on by
//! a fixed step for each packet, so that round-trip times and timers have something to go by.

use crate::world::{Host, World};
use anyhow::{Context as _, Result, bail, ensure};
use std::net::{IpAddr, SocketAddr};
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::{
    ChecksumPolicy, ConnectionConfig, ConnectionId, ConnectionProtocol, Instant, ReadError,
    SubflowInfo, Version, WriteError,
};

/// One way of transferring.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// What it is called in reports.
    pub name: &'static str,
    /// The MPTCP version; `None` for plain TCP.
    pub version: Option<Version>,
    /// Subflows, each over an interface of its own at both ends: 1 or 2.
    pub subflows: usize,
    /// DSS checksums.
    pub checksum: bool,
    /// The devices complete checksums and cut segments: packets of up to 64 KiB.
    pub offload: bool,
}

/// What the others differ from.
const V0: Variant = Variant {
    name: "v0",
    version: Some(Version::V0),
    subflows: 2,
    checksum: false,
    offload: false,
};

/// What is measured.
pub const VARIANTS: [Variant; 6] = [
    V0,
    Variant {
        name: "v0-checksum",
        checksum: true,
        ..V0
    },
    Variant {
        name: "v1",
        version: Some(Version::V1),
        ..V0
    },
    Variant {
        name: "v0-one-subflow",
        subflows: 1,
        ..V0
    },
    Variant {
        name: "tcp",
        version: None,
        subflows: 1,
        ..V0
    },
    Variant {
        name: "v0-offload",
        offload: true,
        ..V0
    },
];

/// Bytes of one write and one read. The stream repeats after as many: a prime number, so that no
/// segment in the wrong place looks like the right one.
const APPLICATION_BUFFER: usize = 65_521;

const CLIENT: [[u8; 4]; 2] = [[10, 0, 0, 1], [10, 0, 1, 1]];
const SERVER: [[u8; 4]; 2] = [[10, 0, 0, 2], [10, 0, 1, 2]];
const PORT: u16 = 80;

/// The byte at a place of the stream.
fn pattern(offset: usize) -> u8 {
    let [.., byte, _, _] = offset.wrapping_mul(0x9e37_79b9).to_be_bytes();
    byte
}

/// A client and a server with an established connection.
#[derive(Debug)]
pub struct Pair {
    pub(crate) world: World,
    pub(crate) client_connection: ConnectionId,
    pub(crate) server_connection: ConnectionId,
    /// Bytes written since the start.
    written: u64,
    source: Vec<u8>,
    sink: Vec<u8>,
}

impl Pair {
    /// Connects client and server, and opens the subflows.
    ///
    /// # Errors
    /// The endpoints do not get that far.
    pub fn connect(variant: Variant) -> Result<Self> {
        let config = ConnectionConfig {
            mptcp: variant.version.is_some(),
            version: variant.version.unwrap_or_default(),
            checksum: if variant.checksum {
                ChecksumPolicy::Require
            } else {
                ChecksumPolicy::Offer
            },
            // Full mesh up to a limit takes disjoint pairs of addresses first.
            max_subflows: variant.subflows,
            ..ConnectionConfig::default()
        };
        let mut world = World {
            client: Host::new(1, &CLIENT[..variant.subflows], variant.offload),
            server: Host::new(2, &SERVER[..variant.subflows], variant.offload),
            now: Instant::ZERO,
            packets: 0,
        };
        let port = SocketAddr::new(IpAddr::from([0; 4]), PORT);
        let listener = world.server.endpoint.listen(port, config.clone())?;
        let remote = SocketAddr::new(IpAddr::from(SERVER[0]), PORT);
        let client_connection = world
            .client
            .endpoint
            .connect(world.now, None, remote, config)?;

        let mut accepted = None;
        world.run_until(|world| {
            accepted = accepted.or_else(|| world.server.endpoint.accept(listener));
            Ok(accepted.is_some())
        })?;
        let mut pair = Self {
            world,
            client_connection,
            server_connection: accepted.context("the server accepted nothing")?,
            written: 0,
            source: (0..2 * APPLICATION_BUFFER)
                .map(|i| pattern(i % APPLICATION_BUFFER))
                .collect(),
            sink: vec![0; APPLICATION_BUFFER],
        };
        // Further subflows may join only when data was acknowledged (RFC 6824 §3.1).
        pair.transfer(1)?;
        pair.run_until_acked()?;
        pair.check_protocol(variant)?;
        pair.wait_for_subflows(variant.subflows)?;
        Ok(pair)
    }

    /// Transfers `total` bytes from client to server.
    ///
    /// # Errors
    /// The connection ends, or nothing moves any more.
    pub fn transfer(&mut self, total: u64) -> Result<()> {
        self.transfer_through(total, |_, _| Ok(()))
    }

    /// As [`Self::transfer`], and compares what arrives with what was sent.
    ///
    /// # Errors
    /// As [`Self::transfer`], or a byte is wrong.
    pub fn transfer_checked(&mut self, total: u64) -> Result<()> {
        self.transfer_through(total, |expected, piece| {
            ensure!(expected == piece, "what arrived is not what was sent");
            Ok(())
        })
    }

    /// Packets carried so far, both ways.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.world.packets
    }

    /// The client's subflows.
    #[must_use]
    pub fn subflows(&self) -> Vec<SubflowInfo> {
        self.world.client.endpoint.subflows(self.client_connection)
    }

    /// `sink` gets each piece as it should be and as it is.
    fn transfer_through(
        &mut self,
        total: u64,
        mut sink: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        let (client, server) = (self.client_connection, self.server_connection);
        let end = self.written + total;
        let mut read = self.written;
        let (written, source, buffer) = (&mut self.written, &self.source, &mut self.sink);
        self.world.run_until(|world| {
            while *written < end {
                let data = piece_of_stream(source, *written, end);
                match world.client.endpoint.write(world.now, client, data) {
                    Ok(len) => *written += len as u64,
                    Err(WriteError::Blocked) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            while read < end {
                match world.server.endpoint.read(world.now, server, buffer) {
                    Ok(0) => bail!("the stream ended"),
                    Ok(len) => {
                        let expected = piece_of_stream(source, read, read + len as u64);
                        sink(expected, &buffer[..len])?;
                        read += len as u64;
                    }
                    Err(ReadError::Blocked) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(read == end)
        })
    }

    /// Lets packets move until all that was written is acknowledged.
    pub(crate) fn run_until_acked(&mut self) -> Result<()> {
        let (connection, written) = (self.client_connection, self.written);
        self.world.run_until(|world| {
            let info = world.client.endpoint.connection_info(connection);
            Ok(info.context("the connection is gone")?.bytes_acked == written)
        })
    }

    fn check_protocol(&self, variant: Variant) -> Result<()> {
        let info = self
            .world
            .client
            .endpoint
            .connection_info(self.client_connection);
        let info = info.context("the connection is gone")?;
        let expected = variant
            .version
            .map_or(ConnectionProtocol::Tcp, ConnectionProtocol::Mptcp);
        ensure!(
            info.protocol == expected,
            "{:?} instead of {expected:?}",
            info.protocol
        );
        ensure!(
            info.checksum == variant.checksum,
            "DSS checksums: {}",
            info.checksum
        );
        Ok(())
    }

    fn wait_for_subflows(&mut self, count: usize) -> Result<()> {
        let connection = self.client_connection;
        self.world.run_until(|world| {
            let subflows = world.client.endpoint.subflows(connection);
            Ok(subflows
                .iter()
                .filter(|s| s.state == TcpState::Established)
                .count()
                == count)
        })
    }
}

/// The bytes of the stream from `start` on: up to `end`, and no more than a write takes.
/// `source` has the pattern twice, so that every piece is in one piece.
fn piece_of_stream(source: &[u8], start: u64, end: u64) -> &[u8] {
    let period = APPLICATION_BUFFER as u64;
    let from = usize::try_from(start % period).unwrap_or(0);
    let len = usize::try_from((end - start).min(period)).unwrap_or(0);
    &source[from..from + len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_transfers_what_was_sent_over_every_subflow() {
        for variant in VARIANTS {
            let mut pair = Pair::connect(variant).expect(variant.name);
            pair.transfer_checked(8 << 20).expect(variant.name);
            let subflows = pair.subflows();
            assert_eq!(subflows.len(), variant.subflows, "{}", variant.name);
            for subflow in subflows {
                assert!(subflow.bytes_sent > 0, "{}: {subflow:?}", variant.name);
            }
        }
    }
}
