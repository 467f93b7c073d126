//! How fast one TCP is compared with another over the same emulated link, in real time.
//!
//! The module owns a bulk transfer of a fixed duration between any two hosts, the alternation of
//! the pairs of hosts that are compared, and the medians. It knows nothing of what a TCP does.
//!
//! Everybody is measured alike: the same code writes and reads, the hosts are new for each
//! transfer (so that no kernel remembers the path from the last one), and the n-th packet of a
//! run meets the same accident whoever sends it. The clock runs from the moment when both ends
//! have the connection, so slow start counts and the handshake does not; what counts is what the
//! receiving application has read when the time is over.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};
use umptcp::ConnectionConfig;
use umptcp_lab::link::{LinkConfig, Loss};
use umptcp_lab::payload::Pattern;
use umptcp_lab::realtime::hosts::{HostKind, Hosts, KernelTcp, Socket};
use umptcp_lab::realtime::{PathConfig, PathCounters};
use umptcp_lab::topology::Family;

/// The link between the hosts, the same both ways but for the loss.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Bits per second.
    pub rate: u64,
    /// Both ways together, without waiting in queues.
    pub rtt: Duration,
    /// Probability that a packet is lost on its way to the receiver of the data.
    pub loss: f64,
    /// Acknowledgments get lost likewise.
    pub loss_both_ways: bool,
    /// Bytes that may wait for the link.
    pub queue: usize,
}

impl Conditions {
    fn path(self, seed: u64) -> PathConfig {
        let link = LinkConfig {
            rate: Some(self.rate),
            delay: self.rtt / 2,
            queue: self.queue,
            ..LinkConfig::default()
        };
        let lossy = link.clone().lossy(Loss::Bernoulli(self.loss));
        PathConfig {
            to_client: if self.loss_both_ways {
                lossy.clone()
            } else {
                link
            },
            to_server: lossy,
            seed,
        }
    }
}

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// A stack of ours to another.
    Ours,
    /// The kernel to the kernel, both with CUBIC.
    Kernel,
    /// A stack of ours to the kernel.
    OursToKernel,
    /// The kernel, with CUBIC, to a stack of ours.
    KernelToOurs,
}

impl Pairing {
    fn hosts(self) -> (HostKind, HostKind) {
        match self {
            Self::Ours => (ours(), ours()),
            Self::Kernel => (kernel(), kernel()),
            Self::OursToKernel => (ours(), kernel()),
            Self::KernelToOurs => (kernel(), ours()),
        }
    }
}

/// Plain TCP, and every other setting at its default.
fn ours() -> HostKind {
    HostKind::Stack(Box::new(ConnectionConfig {
        mptcp: false,
        ..ConnectionConfig::default()
    }))
}

/// Every setting as it comes, but for the congestion control, which is CUBIC everywhere.
fn kernel() -> HostKind {
    HostKind::Kernel(KernelTcp::default())
}

/// What one transfer came to.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Bytes that the receiving application has read.
    pub bytes: u64,
    /// In which time.
    pub elapsed: Duration,
    /// What the path did.
    pub path: PathCounters,
    /// Packets that a kernel's device dropped on the way to the path, which should be none.
    pub dropped_before_path: u64,
}

impl Run {
    /// Megabits (10^6 bits) of the application's data in a second.
    #[must_use]
    pub fn mbit_s(&self) -> f64 {
        // No transfer has 2^53 bytes.
        #[expect(clippy::cast_precision_loss, reason = "explained above")]
        let bits = self.bytes as f64 * 8.0;
        bits / self.elapsed.as_secs_f64() / 1e6
    }
}

/// Sends from the client to the server for so long.
///
/// # Errors
/// The hosts cannot be made, do not come together, or the connection breaks.
pub async fn transfer(
    pairing: Pairing,
    conditions: Conditions,
    duration: Duration,
    seed: u64,
) -> io::Result<Run> {
    let (client, server) = pairing.hosts();
    let hosts = Hosts::start(Family::V4, client, server, conditions.path(seed))?;
    let (sender, receiver) = hosts.connect().await?;
    let pattern = Pattern::new(seed);
    let start = Instant::now();
    let end = start + duration;
    // A task of its own, on another core if there is one.
    let sending = tokio::spawn(send(sender, pattern, end));
    let (bytes, receiver) = receive(receiver, pattern, end).await?;
    let elapsed = start.elapsed();
    let sender = sending.await??;
    let run = Run {
        bytes,
        elapsed,
        path: hosts.path().counters(),
        dropped_before_path: hosts.dropped_before_path()?,
    };
    sender.abort()?;
    receiver.abort()?;
    hosts.stop().await?;
    Ok(run)
}

/// Bytes written or read in one go.
const PIECE: usize = 64 << 10;

async fn send(mut socket: Socket, pattern: Pattern, end: Instant) -> io::Result<Socket> {
    let mut at = 0;
    loop {
        let piece = pattern.bytes(at, PIECE);
        match timeout_at(end, socket.write_all(&piece)).await {
            Ok(written) => written?,
            Err(_) => return Ok(socket),
        }
        at += PIECE as u64;
    }
}

async fn receive(mut socket: Socket, pattern: Pattern, end: Instant) -> io::Result<(u64, Socket)> {
    let mut buffer = vec![0; PIECE];
    let mut at = 0;
    while let Ok(read) = timeout_at(end, socket.read(&mut buffer)).await {
        let count = read?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if pattern.first_difference(at, &buffer[..count]).is_some() {
            let text = "what arrived differs from what was sent";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        at += count as u64;
    }
    Ok((at, socket))
}

/// The median; the mean of the two in the middle if their number is even. `None` of nothing.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let upper = numbers.get(numbers.len() / 2)?;
    let lower = numbers.get((numbers.len() - 1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// The order of the pairings in a round: everybody goes first in turn, so that nobody always
/// meets the machine as the others have left it.
pub fn round<T: Copy>(pairings: &[T], number: usize) -> impl Iterator<Item = T> {
    let first = number % pairings.len().max(1);
    let (later, sooner) = pairings.split_at(first);
    sooner.iter().chain(later).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_few_and_many() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0]), Some(5.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn everybody_goes_first_in_turn() {
        let order = |number| round(&['a', 'b', 'c'], number).collect::<String>();
        assert_eq!(
            [order(0), order(1), order(2), order(3)],
            ["abc", "bca", "cab", "abc"]
        );
    }

    #[test]
    fn only_data_meets_loss_unless_told_otherwise() {
        let mut conditions = Conditions {
            rate: 50_000_000,
            rtt: Duration::from_millis(20),
            loss: 0.01,
            loss_both_ways: false,
            queue: 125_000,
        };
        let path = conditions.path(3);
        assert_eq!(path.to_server.loss, Loss::Bernoulli(0.01));
        assert_eq!(path.to_client.loss, Loss::None);
        assert_eq!(path.to_server.delay, Duration::from_millis(10));
        conditions.loss_both_ways = true;
        assert_eq!(conditions.path(3).to_client, conditions.path(3).to_server);
    }
}
