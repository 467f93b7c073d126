//! One device as the driver sees it: with a transmit queue, and with a state that is up or down.
//!
//! The module owns what happens when a device is full or broken. It knows nothing of the endpoint.

use super::arena::Arena;
use crate::device::Device;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use umptcp_stack::{ChecksumStatus, Instant, InterfaceId, ReceivedPacket, Transmit};

/// Packets taken from one device in one go, so that no device starves the others.
const RECEIVE_BUDGET: usize = 64;

/// Packets that wait while a device is full.
const QUEUE_LEN: usize = 256;

/// Link changes handled in one go; a device that reports more is looked at again later.
const LINK_BUDGET: usize = 16;

/// A device that failed without reporting its link's state is tried again after this.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// A device and what the driver remembers about it.
pub(super) struct Port {
    pub(super) interface: InterfaceId,
    device: Box<dyn Device>,
    mtu: usize,
    /// Packets that wait for room in the device.
    queue: VecDeque<Transmit>,
    /// What the device reports.
    link_up: bool,
    /// The device failed and is left alone until then.
    retry_at: Option<Instant>,
    /// The state that the endpoint knows.
    announced_up: bool,
    dropped: u64,
}

impl Port {
    pub(super) fn new(interface: InterfaceId, device: Box<dyn Device>) -> Self {
        let mtu = usize::from(device.mtu());
        Self {
            interface,
            device,
            mtu,
            queue: VecDeque::new(),
            link_up: true,
            retry_at: None,
            announced_up: true,
            dropped: 0,
        }
    }

    /// The new state, if it is not the one that was given last.
    pub(super) fn state_change(&mut self) -> Option<bool> {
        let up = self.link_up && self.retry_at.is_none();
        let changed = up != self.announced_up;
        self.announced_up = up;
        changed.then_some(up)
    }

    /// When the port wants to be looked at again by itself: only a link that claims to be up is
    /// worth trying.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retry_at.filter(|_| self.link_up)
    }

    /// Takes note of link changes; `true` if there may be more.
    pub(super) fn poll_link(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..LINK_BUDGET {
            let Poll::Ready(up) = self.device.poll_link(cx) else {
                return false;
            };
            self.link_up = up;
            if up {
                self.retry_at = None;
            } else {
                self.drop_queue();
            }
        }
        true
    }

    /// Receives packets; `true` if there may be more.
    pub(super) fn receive(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        arena: &mut Arena,
        packets: &mut Vec<(InterfaceId, ReceivedPacket)>,
    ) -> bool {
        if self.retry_at.is_some_and(|retry_at| now < retry_at) {
            return false;
        }
        for _ in 0..RECEIVE_BUDGET {
            match self.device.poll_recv(cx, arena.room(self.mtu)) {
                Poll::Ready(Ok(len)) => {
                    self.retry_at = None;
                    if len > 0 {
                        let data = arena.take(len);
                        let checksum = ChecksumStatus::Unverified;
                        packets.push((self.interface, ReceivedPacket { data, checksum }));
                    }
                }
                Poll::Ready(Err(error)) => {
                    self.fail(now, &error);
                    return false;
                }
                Poll::Pending => {
                    self.retry_at = None;
                    return false;
                }
            }
        }
        true
    }

    /// Sends a packet, or keeps it until the device has room.
    pub(super) fn send(&mut self, now: Instant, packet: Transmit) {
        if !self.link_up || self.retry_at.is_some() {
            self.dropped += 1;
        } else if !self.queue.is_empty() {
            self.enqueue(packet);
        } else {
            match self.device.send(&packet) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.enqueue(packet),
                Err(error) => {
                    self.dropped += 1;
                    self.fail(now, &error);
                }
            }
        }
    }

    /// Sends what waits for room in the device.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>, now: Instant) {
        let mut refused = false;
        while let Some(packet) = self.queue.front() {
            if self.device.poll_send_ready(cx).is_pending() {
                return;
            }
            match self.device.send(packet) {
                Ok(()) => refused = false,
                // Readiness may have been a stale one: the next `poll_send_ready` knows better.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !refused => {
                    refused = true;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    refused = false;
                    self.dropped += 1;
                }
                Err(error) => {
                    self.fail(now, &error);
                    return;
                }
            }
            self.queue.pop_front();
        }
    }

    fn enqueue(&mut self, packet: Transmit) {
        if self.queue.len() < QUEUE_LEN {
            self.queue.push_back(packet);
        } else {
            self.dropped += 1;
        }
    }

    fn fail(&mut self, now: Instant, error: &io::Error) {
        tracing::debug!(interface = ?self.interface, %error, "device fails");
        self.retry_at = Some(now + RETRY_AFTER);
        self.drop_queue();
    }

    /// The endpoint sends again what matters, and on paths that work.
    fn drop_queue(&mut self) {
        self.dropped += self.queue.len() as u64;
        self.queue.clear();
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("interface", &self.interface)
            .field("device", &self.device)
            .field("waiting", &self.queue.len())
            .field("link_up", &self.link_up)
            .field("retry_at", &self.retry_at)
            .field("dropped", &self.dropped)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
