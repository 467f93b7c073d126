//! A device that loses what it is told to lose.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use umptcp::{Device, Transmit};

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToPeer,
    ToUs,
}

type Judge = dyn FnMut(Way, &[u8]) -> bool + Send;

/// Decides which packets are lost, over all devices of a stack.
#[derive(Clone)]
pub(crate) struct Filter(Arc<Mutex<Judge>>);

impl Filter {
    /// Loses the packets for which `judge` says so.
    pub(crate) fn new(judge: impl FnMut(Way, &[u8]) -> bool + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(judge)))
    }

    fn loses(&self, way: Way, packet: &[u8]) -> bool {
        let mut judge = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        judge(way, packet)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Filter").finish_non_exhaustive()
    }
}

/// A device behind a filter.
#[derive(Debug)]
pub(crate) struct Filtered<D> {
    device: D,
    filter: Option<Filter>,
}

impl<D> Filtered<D> {
    pub(crate) const fn new(device: D, filter: Option<Filter>) -> Self {
        Self { device, filter }
    }
}

impl<D: Device> Device for Filtered<D> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let result = ready!(self.device.poll_recv(cx, buffer));
            let packet = result.as_ref().ok().and_then(|&len| buffer.get(..len));
            match (&self.filter, packet) {
                (Some(filter), Some(packet)) if filter.loses(Way::ToUs, packet) => {}
                _ => return Poll::Ready(result),
            }
        }
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        match &self.filter {
            Some(filter) if filter.loses(Way::ToPeer, &packet.to_bytes()) => Ok(()),
            _ => self.device.send(packet),
        }
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
