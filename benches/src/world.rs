//! Two endpoints and the wires between them, in one thread and in virtual time.
//!
//! Owns what a device and a driver would do around an [`Endpoint`]: the memory of received
//! packets, turns, and the time. It never opens a connection.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use std::net::IpAddr;
use std::time::Duration;
use umptcp_stack::{
    ChecksumStatus, Endpoint, EndpointConfig, Event, Instant, InterfaceConfig, InterfaceId,
    ReceivedPacket, Transmit, TransmitChecksum,
};

/// Packets that go one way before the other end has its turn: a driver's receive budget.
const BATCH: usize = 64;
/// Time that passes with each packet.
pub(crate) const STEP: Duration = Duration::from_nanos(500);
/// Bytes allocated at once for received packets.
const ARENA: usize = 256 << 10;
/// Timeouts in a row, without a packet moving, after which nothing will move any more.
pub(crate) const PATIENCE: u32 = 100;

/// An endpoint, its interfaces, and the memory its received packets lie in.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) endpoint: Endpoint,
    interfaces: Vec<InterfaceId>,
    arena: BytesMut,
}

impl Host {
    /// A host with an interface for each address; `offload` is what the devices can do.
    pub(crate) fn new(seed: u8, addresses: &[[u8; 4]], offload: bool) -> Self {
        let mut endpoint = Endpoint::new(EndpointConfig::default(), [seed; 32]);
        let add = |&address: &[u8; 4]| {
            let interface = endpoint.add_interface(InterfaceConfig {
                mtu: 1500,
                checksum_offload: offload,
                // What an IP packet can hold behind the longest headers.
                segmentation_offload: offload.then_some(65_535 - 60 - 60),
            });
            endpoint.add_address(Instant::ZERO, interface, IpAddr::from(address));
            interface
        };
        let interfaces = addresses.iter().map(add).collect();
        Self {
            endpoint,
            interfaces,
            arena: BytesMut::with_capacity(ARENA),
        }
    }

    /// A packet comes in, over the wire from the interface of the same number.
    fn receive(&mut self, now: Instant, transmit: &Transmit) -> Result<()> {
        let (interface, packet) = self.read_from_wire(transmit)?;
        self.endpoint.handle_packet(now, interface, &packet);
        Ok(())
    }

    /// What a device would give for a packet, and where it comes in.
    pub(crate) fn read_from_wire(
        &mut self,
        transmit: &Transmit,
    ) -> Result<(InterfaceId, ReceivedPacket)> {
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
        Ok((interface, packet))
    }

    /// Whether something was due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        let due = self
            .endpoint
            .poll_timeout()
            .is_some_and(|timeout| timeout <= now);
        if due {
            self.endpoint.handle_timeout(now);
        }
        due
    }

    pub(crate) fn handle_events(&mut self) -> Result<()> {
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
pub(crate) struct World {
    pub(crate) client: Host,
    pub(crate) server: Host,
    pub(crate) now: Instant,
    /// Packets carried so far, both ways.
    pub(crate) packets: u64,
}

impl World {
    /// Lets packets move, and time with them, until `done`.
    pub(crate) fn run_until(
        &mut self,
        mut done: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let mut idle = 0;
        while !done(self)? {
            let before = self.packets;
            carry(
                &mut self.client,
                &mut self.server,
                &mut self.now,
                &mut self.packets,
            )?;
            self.carry_to_client()?;
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

    /// Carries what the server wants to send.
    pub(crate) fn carry_to_client(&mut self) -> Result<()> {
        carry(
            &mut self.server,
            &mut self.client,
            &mut self.now,
            &mut self.packets,
        )
    }

    /// Lets the time pass until something is due.
    pub(crate) fn wait(&mut self) -> Result<()> {
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
