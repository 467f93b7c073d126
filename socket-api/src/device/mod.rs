//! What carries packets: one device for each interface of a stack.
//!
//! The module owns the [`Device`] contract and the devices that come with the crate: [`TunDevice`]
//! for the operating system's network, [`MemoryDevice`] for links inside one process. A device
//! moves whole IP packets and reports the state of its link. It never looks into a packet, and
//! capture, loss or delay are devices that wrap another one.

mod memory;
mod tun;

pub use memory::{LinkSwitch, MemoryDevice};
pub use tun::TunDevice;

use std::fmt::Debug;
use std::io;
use std::task::{Context, Poll};
use umptcp_stack::Transmit;

/// Something that carries IP packets to and from a stack.
///
/// The driver calls all methods from one task. A method that returns `Pending` has registered that
/// task's waker.
pub trait Device: Send + Debug + 'static {
    /// Reads one packet to the start of `buffer`, which has room for [`Self::mtu`] bytes at least,
    /// and gives its length.
    ///
    /// # Errors
    /// The device carries nothing at the moment. The driver takes the interface down, and tries
    /// again after a while or when [`Self::poll_link`] says that the link is up.
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Sends one packet.
    ///
    /// # Errors
    /// `WouldBlock` when the device is full: the driver keeps a short queue of packets until
    /// [`Self::poll_send_ready`] says that there is room, and drops what does not fit the queue,
    /// as a network card does. Any other error means the same as in [`Self::poll_recv`].
    fn send(&mut self, packet: &Transmit) -> io::Result<()>;

    /// Largest IP packet that the device carries, in bytes.
    fn mtu(&self) -> u16;

    /// The name by which `SO_BINDTODEVICE` and the control socket know the interface; `if` and its
    /// position by default.
    fn link_name(&self) -> Option<String> {
        None
    }

    /// Ready when [`Self::send`] may be tried again after `WouldBlock`.
    ///
    /// The default is for devices that are never full. One that keeps saying `Ready` and then
    /// `WouldBlock` loses the packet.
    fn poll_send_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = cx;
        Poll::Ready(())
    }

    /// Ready with the new state each time the link goes up (`true`) or down; it counts as up until
    /// the first report.
    ///
    /// The default is for links that are always up.
    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let _ = cx;
        Poll::Pending
    }
}

impl Device for Box<dyn Device> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        (**self).poll_recv(cx, buffer)
    }

    fn send(&mut self, packet: &Transmit) -> io::Result<()> {
        (**self).send(packet)
    }

    fn mtu(&self) -> u16 {
        (**self).mtu()
    }

    fn link_name(&self) -> Option<String> {
        (**self).link_name()
    }

    fn poll_send_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll_send_ready(cx)
    }

    fn poll_link(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        (**self).poll_link(cx)
    }
}
