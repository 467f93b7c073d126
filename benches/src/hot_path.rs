//! The operations of the hot path, one function each, for a profiler to tell apart.
//!
//! Owns the traffic: a sender that always has data, a receiver that acknowledges every segment
//! that its policy says and reads everything, no loss, no reordering, one subflow. It never counts
//! instructions itself.
//!
//! What an operation includes is what its function calls, and nothing is subtracted. Not included
//! is what a device and a driver do: copying a packet from one endpoint to the other, dropping
//! it, timers and events.

use crate::bulk::{Pair, Variant};
use crate::operation::{Counts, Operation};
use crate::world::{Host, PATIENCE, STEP, World};
use anyhow::{Context as _, Result, ensure};
use std::hint::black_box;
use umptcp_stack::{
    ConnectionId, Endpoint, Instant, InterfaceId, ReadError, ReceivedPacket, Transmit, Version,
    WriteError,
};

/// The variants that are measured: one subflow, so that every packet of a kind costs the same.
pub const VARIANTS: [Variant; 4] = [
    TCP,
    Variant {
        name: "v0",
        version: Some(Version::V0),
        ..TCP
    },
    Variant {
        name: "v0-checksum",
        version: Some(Version::V0),
        checksum: true,
        ..TCP
    },
    Variant {
        name: "v1",
        version: Some(Version::V1),
        ..TCP
    },
];

const TCP: Variant = Variant {
    name: "tcp",
    version: None,
    subflows: 1,
    checksum: false,
    offload: false,
};

/// Data segments of a round: sent and received one by one, then their acknowledgments.
pub const SEGMENTS: usize = 64;
/// Bytes of one write and of one read.
const APPLICATION_BUFFER: usize = 16 << 10;
/// No segment carries more.
const MAX_PAYLOAD: u64 = 1460;
/// Bytes transferred before, for buffers and congestion windows to grow to their size.
const WARM_UP: u64 = 16 << 20;

// Inlined, there would be nothing to tell apart. The black boxes keep functions with the same
// calls from being merged into one.

#[inline(never)]
fn measured_read(
    endpoint: &mut Endpoint,
    now: Instant,
    connection: ConnectionId,
    buffer: &mut [u8],
) -> Result<usize, ReadError> {
    black_box(Operation::Read);
    endpoint.read(now, connection, buffer)
}

#[inline(never)]
fn measured_write(
    endpoint: &mut Endpoint,
    now: Instant,
    connection: ConnectionId,
    data: &[u8],
) -> Result<usize, WriteError> {
    black_box(Operation::Write);
    endpoint.write(now, connection, data)
}

#[inline(never)]
fn measured_receive_ack(
    endpoint: &mut Endpoint,
    now: Instant,
    interface: InterfaceId,
    packet: &ReceivedPacket,
) {
    black_box(Operation::ReceiveAck);
    endpoint.handle_packet(now, interface, packet);
}

#[inline(never)]
fn measured_receive_data(
    endpoint: &mut Endpoint,
    now: Instant,
    interface: InterfaceId,
    packet: &ReceivedPacket,
) {
    black_box(Operation::ReceiveData);
    endpoint.handle_packet(now, interface, packet);
}

#[inline(never)]
fn measured_send_ack(endpoint: &mut Endpoint, now: Instant) -> Option<Transmit> {
    black_box(Operation::SendAck);
    endpoint.poll_transmit(now)
}

#[inline(never)]
fn measured_send_data(endpoint: &mut Endpoint, now: Instant) -> Option<Transmit> {
    black_box(Operation::SendData);
    endpoint.poll_transmit(now)
}

/// Connects, warms up, and does so many rounds of every operation.
///
/// # Errors
/// The connection ends, or the traffic is not what it should be.
pub fn run(variant: Variant, rounds: usize) -> Result<Counts> {
    let mut pair = Pair::connect(variant)?;
    pair.transfer(WARM_UP)?;
    pair.run_until_acked()?;
    let mut traffic = Traffic {
        sender: pair.client_connection,
        receiver: pair.server_connection,
        world: pair.world,
        unsent: 0,
        unread: 0,
        buffer: vec![0x5a; APPLICATION_BUFFER],
        counts: Counts::default(),
    };
    for _ in 0..rounds {
        traffic.round()?;
    }
    Ok(traffic.counts)
}

struct Traffic {
    world: World,
    sender: ConnectionId,
    receiver: ConnectionId,
    /// Bytes written and not in a segment yet.
    unsent: u64,
    /// Bytes received and not read yet.
    unread: u64,
    buffer: Vec<u8>,
    counts: Counts,
}

impl Traffic {
    fn round(&mut self) -> Result<()> {
        self.write()?;
        let mut acks = Vec::with_capacity(SEGMENTS);
        for _ in 0..SEGMENTS {
            let segment = self.send_data()?;
            self.receive_data(&segment)?;
            acks.extend(self.send_ack());
        }
        for ack in &acks {
            self.receive_ack(ack)?;
        }
        self.read()?;
        self.let_time_pass()
    }

    /// Enough for the round, so that every segment is full.
    fn write(&mut self) -> Result<()> {
        while self.unsent < SEGMENTS as u64 * MAX_PAYLOAD {
            let endpoint = &mut self.world.client.endpoint;
            let len = measured_write(endpoint, self.world.now, self.sender, &self.buffer)?;
            ensure!(len == APPLICATION_BUFFER, "a write took {len} bytes only");
            self.counts.add(Operation::Write);
            self.unsent += len as u64;
        }
        Ok(())
    }

    /// Sends as soon as a segment may leave.
    fn send_data(&mut self) -> Result<Transmit> {
        for _ in 0..PATIENCE {
            let world = &mut self.world;
            if let Some(transmit) = measured_send_data(&mut world.client.endpoint, world.now) {
                let len = payload_len(&transmit);
                ensure!(len > 0, "the sender sent something without data");
                self.unsent = self.unsent.checked_sub(len).context("sent twice")?;
                self.counts.add(Operation::SendData);
                return Ok(transmit);
            }
            world.wait()?;
            world.client.handle_timeout(world.now);
            world.server.handle_timeout(world.now);
        }
        anyhow::bail!("the sender sends nothing")
    }

    fn receive_data(&mut self, segment: &Transmit) -> Result<()> {
        let (now, host) = arrival(&mut self.world.now, &mut self.world.server);
        let (interface, packet) = host.read_from_wire(segment)?;
        measured_receive_data(&mut host.endpoint, now, interface, &packet);
        self.counts.add(Operation::ReceiveData);
        self.unread += payload_len(segment);
        Ok(())
    }

    fn send_ack(&mut self) -> Option<Transmit> {
        let ack = measured_send_ack(&mut self.world.server.endpoint, self.world.now)?;
        self.counts.add(Operation::SendAck);
        Some(ack)
    }

    fn receive_ack(&mut self, ack: &Transmit) -> Result<()> {
        ensure!(payload_len(ack) == 0, "the receiver sent data");
        let (now, host) = arrival(&mut self.world.now, &mut self.world.client);
        let (interface, packet) = host.read_from_wire(ack)?;
        measured_receive_ack(&mut host.endpoint, now, interface, &packet);
        self.counts.add(Operation::ReceiveAck);
        Ok(())
    }

    /// All but what does not fill the buffer.
    fn read(&mut self) -> Result<()> {
        while self.unread >= APPLICATION_BUFFER as u64 {
            let endpoint = &mut self.world.server.endpoint;
            let now = self.world.now;
            let len = measured_read(endpoint, now, self.receiver, &mut self.buffer)?;
            ensure!(len == APPLICATION_BUFFER, "a read gave {len} bytes only");
            self.counts.add(Operation::Read);
            self.unread -= len as u64;
        }
        Ok(())
    }

    /// What a driver does between two rounds; nothing of it is measured.
    fn let_time_pass(&mut self) -> Result<()> {
        let world = &mut self.world;
        // A window update, if the receiver thinks that one is due.
        world.carry_to_client()?;
        world.client.handle_events()?;
        world.server.handle_events()?;
        world.client.handle_timeout(world.now);
        world.server.handle_timeout(world.now);
        Ok(())
    }
}

/// The host that the next packet comes to, and when.
fn arrival<'a>(now: &mut Instant, host: &'a mut Host) -> (Instant, &'a mut Host) {
    *now += STEP;
    (*now, host)
}

fn payload_len(transmit: &Transmit) -> u64 {
    transmit
        .payload()
        .iter()
        .map(|piece| piece.len() as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_does_every_operation_as_often_as_it_should() {
        for variant in VARIANTS {
            let rounds = 3;
            let counts = run(variant, rounds).expect(variant.name);
            let segments = (rounds * SEGMENTS) as u64;
            assert_eq!(counts.of(Operation::SendData), segments, "{}", variant.name);
            assert_eq!(counts.of(Operation::ReceiveData), segments);
            // The acknowledgment policy decides, but neither each segment nor few have one.
            let acks = counts.of(Operation::SendAck);
            assert!(
                (segments / 3 - 1..=segments / 2 + 1).contains(&acks),
                "{}: {acks} acknowledgments of {segments} segments",
                variant.name
            );
            assert_eq!(counts.of(Operation::ReceiveAck), acks);
            // No less than was sent was written, and all but a remainder read.
            for operation in [Operation::Read, Operation::Write] {
                let bytes = counts.of(operation) * APPLICATION_BUFFER as u64;
                let sent = segments * MAX_PAYLOAD;
                assert!(bytes.abs_diff(sent) < sent / 5, "{operation:?}: {bytes}");
            }
        }
    }
}
