//! A bulk transfer between two endpoints in one thread: what the stack itself costs.
//!
//! Every packet is copied once, from the [`Transmit`] into a receive buffer, as a device would
//! copy it; there is no system call, no other thread and no delay. Time is virtual and goes on by
//! a fixed step for each packet, so that round-trip times and timers have something to go by.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use umptcp_stack::tcp::state::TcpState;
use umptcp_stack::{
    ChecksumPolicy, ChecksumStatus, ConnectionConfig, ConnectionId, ConnectionProtocol, Endpoint,
    EndpointConfig, Event, Instant, InterfaceConfig, InterfaceId, ReadError, ReceivedPacket,
    SubflowInfo, Transmit, TransmitChecksum, Version, WriteError,
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
/// Packets that go one way before the other end has its turn: a driver's receive budget.
const BATCH: usize = 64;
/// Time that passes with each packet.
const STEP: Duration = Duration::from_nanos(500);
/// Bytes allocated at once for received packets.
const ARENA: usize = 256 << 10;
/// Timeouts in a row, without a packet moving, after which nothing will move any more.
const PATIENCE: u32 = 100;

const CLIENT: [[u8; 4]; 2] = [[10, 0, 0, 1], [10, 0, 1, 1]];
const SERVER: [[u8; 4]; 2] = [[10, 0, 0, 2], [10, 0, 1, 2]];
const PORT: u16 = 80;

/// The byte at a place of the stream.
fn pattern(offset: usize) -> u8 {
    let [.., byte, _, _] = offset.wrapping_mul(0x9e37_79b9).to_be_bytes();
    byte
}

/// An endpoint, its interfaces, and the memory its received packets lie in.
#[derive(Debug)]
struct Host {
    endpoint: Endpoint,
    interfaces: Vec<InterfaceId>,
    arena: BytesMut,
}

impl Host {
    fn new(seed: u8, addresses: [[u8; 4]; 2], variant: Variant) -> Self {
        let mut endpoint = Endpoint::new(EndpointConfig::default(), [seed; 32]);
        let add = |address| {
            let interface = endpoint.add_interface(InterfaceConfig {
                mtu: 1500,
                checksum_offload: variant.offload,
                // What an IP packet can hold behind the longest headers.
                segmentation_offload: variant.offload.then_some(65_535 - 60 - 60),
            });
            endpoint.add_address(Instant::ZERO, interface, IpAddr::from(address));
            interface
        };
        let interfaces = addresses
            .into_iter()
            .take(variant.subflows)
            .map(add)
            .collect();
        Self {
            endpoint,
            interfaces,
            arena: BytesMut::with_capacity(ARENA),
        }
    }

    /// A packet comes in, over the wire from the interface of the same number.
    fn receive(&mut self, now: Instant, transmit: &Transmit) -> Result<()> {
        let index = transmit.interface.index();
        let interface = *self
            .interfaces
            .get(index)
            .context("a wire that is not there")?;
        if self.arena.capacity() < transmit.len() {
            self.arena = BytesMut::with_capacity(ARENA);
        }
        self.arena.extend_from_slice(transmit.header());
        for piece in transmit.payload() {
            self.arena.extend_from_slice(piece);
        }
        let checksum = match transmit.checksum {
            TransmitChecksum::Complete => ChecksumStatus::Unverified,
            TransmitChecksum::Partial => ChecksumStatus::Good,
        };
        let packet = ReceivedPacket {
            data: self.arena.split().freeze(),
            checksum,
        };
        self.endpoint.handle_packet(now, interface, &packet);
        Ok(())
    }

    /// Whether something was due.
    fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self
            .endpoint
            .poll_timeout()
            .is_some_and(|timeout| timeout <= now);
        if due {
            self.endpoint.handle_timeout(now);
        }
        due
    }

    fn handle_events(&mut self) -> Result<()> {
        while let Some(event) = self.endpoint.poll_event() {
            if let Event::Closed(_, reason) = event {
                bail!("a connection ended: {reason}");
            }
        }
        Ok(())
    }
}

/// Two hosts, the wires between them, and what time it is there.
#[derive(Debug)]
struct World {
    client: Host,
    server: Host,
    now: Instant,
    packets: u64,
}

impl World {
    /// Lets packets move, and time with them, until `done`.
    fn run_until(&mut self, mut done: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let mut idle = 0;
        while !done(self)? {
            let before = self.packets;
            carry(
                &mut self.client,
                &mut self.server,
                &mut self.now,
                &mut self.packets,
            )?;
            carry(
                &mut self.server,
                &mut self.client,
                &mut self.now,
                &mut self.packets,
            )?;
            self.client.handle_events()?;
            self.server.handle_events()?;
            if self.packets > before {
                idle = 0;
            } else {
                idle += 1;
                ensure!(idle < PATIENCE, "nothing moves any more");
                self.wait()?;
            }
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        Ok(())
    }

    /// Lets the time pass until something is due.
    fn wait(&mut self) -> Result<()> {
        let timeouts = [
            self.client.endpoint.poll_timeout(),
            self.server.endpoint.poll_timeout(),
        ];
        let next = timeouts
            .into_iter()
            .flatten()
            .min()
            .context("nobody waits for anything")?;
        self.now = self.now.max(next);
        Ok(())
    }
}

/// Carries packets one way.
fn carry(from: &mut Host, to: &mut Host, now: &mut Instant, packets: &mut u64) -> Result<()> {
    for _ in 0..BATCH {
        let Some(transmit) = from.endpoint.poll_transmit(*now) else {
            break;
        };
        *now += STEP;
        *packets += 1;
        to.receive(*now, &transmit)?;
    }
    Ok(())
}

/// A client and a server with an established connection.
#[derive(Debug)]
pub struct Pair {
    world: World,
    client_connection: ConnectionId,
    server_connection: ConnectionId,
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
                ChecksumPolicy::Accept
            },
            // Full mesh up to a limit takes disjoint pairs of addresses first.
            max_subflows: variant.subflows,
            ..ConnectionConfig::default()
        };
        let mut world = World {
            client: Host::new(1, CLIENT, variant),
            server: Host::new(2, SERVER, variant),
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

    fn run_until_acked(&mut self) -> Result<()> {
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
