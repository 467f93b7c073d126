//! A device that writes down what passes through it.

use crate::capture::{CaptureInterface, SharedCapture};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};
use umptcp::Device;
use umptcp_stack::Transmit;

/// A capture of several devices, and the first thing that went wrong with it.
#[derive(Clone, Debug)]
pub struct Recorder {
    capture: SharedCapture,
    failure: Arc<OnceLock<String>>,
    packets: Arc<AtomicU64>,
}

/// Packets that answer one another are closer together than this.
const QUIET: Duration = Duration::from_millis(20);

impl Recorder {
    /// Records into `capture`.
    #[must_use]
    pub fn new(capture: SharedCapture) -> Self {
        Self {
            capture,
            failure: Arc::default(),
            packets: Arc::default(),
        }
    }

    /// Wraps a device; its packets appear under the name `interface`.
    ///
    /// # Errors
    /// The capture's writer fails.
    pub fn wrap<D: Device>(&self, device: D, interface: &str) -> io::Result<Captured<D>> {
        let interface = self.capture.add_interface(interface)?;
        Ok(Captured {
            device,
            recorder: self.clone(),
            interface,
        })
    }

    /// Waits until no packets pass for a moment, or for as long as `limit`.
    pub async fn quiet(&self, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            let before = self.packets.load(Ordering::Relaxed);
            sleep(QUIET).await;
            if self.packets.load(Ordering::Relaxed) == before || Instant::now() >= end {
                return;
            }
        }
    }

    /// Writes out what is buffered. The devices must be gone by then: what they record later may
    /// be written in part.
    ///
    /// # Errors
    /// That fails, or writing a packet has failed before.
    pub fn finish(&self) -> Result<(), String> {
        let flushed = self.capture.flush();
        match self.failure.get() {
            Some(failure) => Err(failure.clone()),
            None => flushed.map_err(|error| error.to_string()),
        }
    }

    fn record(&self, interface: CaptureInterface, pieces: &[&[u8]]) {
        self.packets.fetch_add(1, Ordering::Relaxed);
        // A clock set before 1970 puts the packets at the epoch, which harms nobody.
        let age = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let nanos = u64::try_from(age.as_nanos()).unwrap_or(u64::MAX);
        if let Err(error) = self.capture.packet(interface, nanos, pieces) {
            // The experiment goes on without its record; only the first reason is of interest.
            let _ = self.failure.set(error.to_string());
        }
    }
}

/// A device whose packets, both ways, go to a capture as well.
#[derive(Debug)]
pub struct Captured<D> {
    device: D,
    recorder: Recorder,
    interface: CaptureInterface,
}

impl<D: Device> Device for Captured<D> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let result = ready!(self.device.poll_recv(cx, buffer));
        if let Some(packet) = result.as_ref().ok().and_then(|&len| buffer.get(..len)) {
            self.recorder.record(self.interface, &[packet]);
        }
        Poll::Ready(result)
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        self.device.send(packet)?;
        // After the fact: a packet that the device refuses for now would be written down twice.
        let mut pieces: Vec<&[u8]> = vec![packet.header()];
        pieces.extend(packet.payload().iter().map(AsRef::<[u8]>::as_ref));
        self.recorder.record(self.interface, &pieces);
        Ok(())
    }

    fn link_name(&self) -> Option<String> {
        self.device.link_name()
    }

    fn mtu(&self) -> u16 {
        self.device.mtu()
    }

    fn poll_send_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.device.poll_send_ready(cx)
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        self.device.poll_link(cx)
    }
}
